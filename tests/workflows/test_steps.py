"""What the actions share (steps.sh), run by bash as a runner does."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig

import pytest
import yaml

import gitml
from gitml.registry.scaffold import ACTIONS
from tests.workflows.test_files import ROOT


@pytest.fixture
def bash(repo, tmp_path):
    """Return ``bash(script, **variables) -> process``: in a checkout, with steps.sh read."""

    def run(script, **variables):
        given = {
            "GITHUB_PATH": str(tmp_path / "path.txt"),
            "GITHUB_SERVER_URL": "https://github.com",
            "RUNNER_TEMP": str(tmp_path),
            **variables,
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", f'. "{ACTIONS}/steps.sh"\n{script}'],
            cwd=repo,
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.slow
def test_gitml_is_installed_apart_and_what_a_request_brings_is_not_run(bash, repo, tmp_path):
    dist = tmp_path / "dist"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", dist]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    for name in ("venv", "pip", "ensurepip", "json"):
        (repo / f"{name}.py").write_text("raise SystemExit('the code of the request ran')\n")
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_FIND_LINKS": str(dist)}
    lent = sysconfig.get_path("purelib")  # what gitml depends on, which is not downloaded here
    ran = bash(
        f'install_gitml "gitml=={gitml.__version__}"\ncommand -v gitml',
        GITML_PYTHON=sys.executable,
        PYTHONPATH=lent,
        **offline,
    )
    place = tmp_path / "gitml" / "bin"
    assert ran.stdout.splitlines() == [f"gitml {gitml.__version__}", f"{place}/gitml"], ran.stderr
    assert (tmp_path / "path.txt").read_text() == f"{place}\n"
    ran = bash('install_gitml "--index-url=https://evil.example"', GITML_PYTHON=sys.executable)
    assert ran.returncode != 0
    assert "Invalid requirement" in ran.stderr


RECORDS = """\
#!/bin/sh
# In place of python: notes what it is asked, and makes an "environment" of itself.
echo "$*" >>"$ASKED"
if [ "$3" = venv ]; then mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && cp "$0" "$4/bin/gitml"; fi
"""


def test_an_action_takes_the_gitml_that_it_came_with(bash, tmp_path):
    python = tmp_path / "python"
    python.write_text(RECORDS)
    python.chmod(0o755)
    given = {"ASKED": str(tmp_path / "asked"), "GITML_PYTHON": str(python)}
    ran = bash("install_gitml .", GITHUB_ACTION_PATH=str(ROOT / ".github/actions/review"), **given)
    assert ran.returncode == 0, ran.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[2].startswith("-I -m pip install ")
    assert asked[2].endswith(f" -- {ROOT}")
    assert asked[3] == "--version"


def test_options_of_the_site_are_one_argument_a_line(bash, repo, git, tmp_path):
    action = yaml.safe_load((ROOT / ".github/actions/site/action.yml").read_text("utf-8"))
    (step,) = (step for step in action["runs"]["steps"] if step["name"] == "Build")
    git(repo, "init", "--quiet", "--bare", tmp_path / "origin.git")
    git(repo, "remote", "add", "origin", tmp_path / "origin.git")
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "gitml"
    tool.write_text('#!/bin/sh\nfor word; do echo "<$word>"; done\n')
    tool.chmod(0o755)
    given = {"PATH": f"{tool.parent}:{os.environ['PATH']}", "GH_TOKEN": "", "OUTPUT": "a b"}
    given["GITHUB_ACTION_PATH"] = str(ROOT / ".github" / "actions" / "site")
    plain = bash(step["run"], **given, OPTIONS="")
    assert words(plain) == ["<site>", "<build>", "<--output>", "<a b>"], plain.stderr
    more = bash(step["run"], **given, OPTIONS="--where\nname = 'a  b; $(x)'\n\n--no-redact\n")
    assert words(more)[4:] == ["<--where>", "<name = 'a  b; $(x)'>", "<--no-redact>"]


def words(ran):
    return [line for line in ran.stdout.splitlines() if line.startswith("<")]


def test_an_old_python_is_named(bash, tmp_path):
    old = tmp_path / "python3.10"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    ran = bash("install_gitml gitml==1", GITML_PYTHON=str(old))
    assert ran.returncode == 1
    assert ran.stdout == "::error::gitml needs Python 3.11 or later on the runner.\n"


def test_a_name_is_no_command_to_the_runner(bash):
    """As GitHub's runner does, obey ``::name::`` at the start and ``##[name]`` anywhere."""
    said = "said() { printf 'pass ##[add-mask]a\\n'; printf '::add-mask::b' >&2; return 3; }\n"
    ran = bash(f"{said}echo ::notice::mine; as_text said || echo ::notice::$?")
    obeyed, stopped = [], None
    for line in ran.stdout.splitlines():
        if stopped is not None:
            stopped = None if line == f"::{stopped}::" else stopped
        elif line.startswith("::stop-commands::"):
            stopped = line.removeprefix("::stop-commands::")
        elif line.startswith("::") or "##[" in line:
            obeyed.append(line)
    assert obeyed == ["::notice::mine", "::notice::3"]
    assert "::add-mask::b" in ran.stdout.splitlines()
    assert ran.stderr == ""


def test_the_token_is_for_one_host_and_one_step(bash, repo, git):
    ask = "printf 'protocol=https\\nhost=%s\\n\\n' {} | git credential fill"
    before = (repo / ".git" / "config").read_text()
    ran = bash("sign_in\n" + ask.format("github.com"), GH_TOKEN="ghp_made-up")
    assert ran.returncode == 0, ran.stderr
    assert "username=x-access-token\npassword=ghp_made-up\n" in ran.stdout
    ran = bash("sign_in\n" + ask.format("evil.example"), GH_TOKEN="ghp_made-up")
    assert ran.returncode != 0
    assert "ghp_made-up" not in ran.stdout + ran.stderr
    assert (repo / ".git" / "config").read_text() == before


def test_who_tags_where_nobody_is_named(bash, repo, git):
    who = "identity\ngit var GIT_COMMITTER_IDENT"
    nobody = {"GIT_AUTHOR_EMAIL": "", "GIT_AUTHOR_NAME": "", "GIT_COMMITTER_NAME": ""}
    assert bash(who).stdout.startswith("Ada Author <ada@example.com>")
    git(repo, "config", "--unset", "user.email")
    assert bash(who, **nobody).stdout.startswith("github-actions[bot] <41898282+github-actions")
