"""Fixtures of the tests of workflows: a host whose repository has a model with three versions."""

from __future__ import annotations

import shutil

import pytest

from tests.fake_github import running
from tests.workflows.githost import GitHost, gitml

POLICY = """\
schema: 1
stages:
  production:
    - metric: metrics.auc >= 0.85
    - lineage: all
    - review: branch
default: [{unsafe_allow: true}]
break_glass: [{unsafe_allow: true}]
"""
AUC = {"v1.0.0": 0.91, "v1.1.0": 0.40, "v1.2.0": 0.93}
"""The versions of churn and their metric; v1.1.0 is not good enough for production."""


@pytest.fixture
def api():
    """Return a fake of GitHub's API on loopback."""
    with running() as fake:
        yield fake


@pytest.fixture(scope="package")
def seed(tmp_path_factory, git):
    """Return a host that is copied for each test: making it takes some seconds."""
    host = GitHost(place=tmp_path_factory.mktemp("seed"), git=git)
    git(host.place, "init", "--quiet", "--bare", "--initial-branch=main", host.bare)
    git(host.place, "init", "--quiet", "--initial-branch=main", host.clone)
    git(host.clone, "remote", "add", "origin", "../churn.git")
    gitml(host.clone, "init", "--github")
    for path in (host.clone / ".github" / "actions").rglob("action.yml"):
        # The runner of the tests has gitml: nothing is to be installed.
        text = path.read_text()
        path.write_text(text.replace('default: "gitml==', 'default: "" # "gitml=='))
        assert path.read_text() != text
    # The step that is theirs to write shows what it was given.
    workflow = host.clone / ".github" / "workflows" / "gitml-apply.yml"
    text, end = workflow.read_text(), 'are in model/."\n'
    workflow.write_text(text.replace(end, f"{end}{' ' * 12}cat model/*\n"))
    assert workflow.read_text() != text
    (host.clone / ".gitml").mkdir()
    (host.clone / ".gitml" / "policy.yaml").write_text(POLICY)
    (host.clone / "train.py").write_text("print('trained')\n")
    (host.clone / "data.csv").write_text("x,y\n1,2\n")
    git(host.clone, "add", ".")
    git(host.clone, "commit", "--quiet", "-m", "first")
    git(host.clone, "push", "--quiet", "-u", "origin", "main")
    for version, auc in AUC.items():
        (host.clone / "model.bin").write_text(version)
        run = f"run-{version}"
        gitml(host.clone, "log", "--name", run, "-m", f"auc={auc}", "--input", "data.csv")
        gitml(host.clone, "register", "churn", "--run", run, "--path", "./model.bin")
    (host.clone / "model.bin").unlink()
    return host


@pytest.fixture
def host(seed, tmp_path, api):
    """Return a host of one's own, with its API on loopback."""
    for name in ("churn.git", "clone"):
        shutil.copytree(seed.place / name, tmp_path / name, symlinks=True)
    return GitHost(place=tmp_path, git=seed.git, api=api)
