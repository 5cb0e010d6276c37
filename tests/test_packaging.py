"""The wheel and the sdist hold what git holds, and the wheel works without the checkout."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import gitml

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the folder with a wheel and an sdist of the checkout, built without a network."""
    place = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", place, cwd=ROOT)
    return place


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """Return the scripts folder of an environment that has the wheel and no checkout.

    What gitml depends on is lent by this environment, behind the wheel on the
    path; .pth files, which is how an editable gitml gets in, are not read there.
    """
    place = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(place, symlinks=os.name != "nt")
    scripts = place / ("Scripts" if os.name == "nt" else "bin")
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", scripts / "python", "install", "--quiet"]
    run(*pip, "--no-deps", "--no-index", "--disable-pip-version-check", wheel)
    asked = run(scripts / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    lent = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    Path(asked.strip(), "lent.pth").write_text("\n".join(lent), encoding="utf-8")
    return scripts


def run(*command, cwd=None):
    env = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_wheel_holds_what_git_holds(built, checkout_files):
    (wheel,) = built.glob("*.whl")
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    moved = {
        "gitml/": "gitml/",
        "site_templates/": "gitml/site_templates/",
        ".github/actions/": "gitml/templates/actions/",
    }
    expected = {
        inside + path.removeprefix(outside)
        for outside, inside in moved.items()
        for path in checkout_files
        if path.startswith(outside)
    }
    assert names == expected
    assert {"gitml/FORMAT.md", "gitml/README.md", "gitml/site_templates/README.md"} <= names


@pytest.mark.slow
def test_sdist_holds_what_git_holds(built, checkout_files):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names - {"PKG-INFO"} == checkout_files


@pytest.mark.slow
def test_wheel_works_without_the_checkout(installed, repo):
    where = run(installed / "python", "-c", "import gitml; print(gitml.__file__)", cwd=repo)
    assert Path(where.strip()).is_relative_to(installed.parent)
    assert gitml.__version__ in run(installed / "gitml", "--version", cwd=repo)
    run(installed / "gitml", "log", "-e", "churn", "-p", "lr=0.1", "-m", "auc=0.9", cwd=repo)
    (listed,) = json.loads(run(installed / "gitml", "ls", "--json", cwd=repo))["runs"]
    assert listed["experiment"] == "churn"
    assert listed["params"] == {"lr": 0.1}
    assert listed["metrics"]["auc"]["last"] == 0.9
    assert "action.yml" in run(installed / "gitml", "init", "--github", cwd=repo)


@pytest.mark.slow
def test_metadata_agrees_with_the_package(built):
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"gitml-{gitml.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        texts = {name.split("/", 1)[1]: name for name in archive.namelist() if "-info/" in name}
        assert "licenses/LICENSE" in texts
        assert "gitml = gitml.cli:main" in archive.read(texts["entry_points.txt"]).decode()


def test_every_library_that_is_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = (
        e for name, e in project["optional-dependencies"].items() if name not in {"test", "dev"}
    )
    declared = {plain(d) for part in (project["dependencies"], *extras) for d in part}
    owners = metadata.packages_distributions()
    imported = {
        name.split(".")[0]
        for path in (ROOT / "gitml").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        for name in names_in(node)
    }
    outside = imported - sys.stdlib_module_names - {"gitml"}
    assert {m for m in outside if not declared & {plain(o) for o in owners.get(m, [m])}} == set()


def names_in(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def plain(requirement):
    """Return the normal form of a requirement's name: ``PyYAML>=6`` is ``pyyaml``."""
    return re.sub("[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()
