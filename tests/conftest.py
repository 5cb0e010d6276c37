"""Fixtures of every test: an environment of its own, and real git repositories.

Nothing of the machine is seen by a test: no git config, no inherited ``GIT_*``
or ``GITML_*`` variable, an empty home, a fixed author, a fixed commit date, a
fixed terminal width, and a working directory that is an empty folder.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

CHECKOUT = Path(__file__).parents[1]
BENCH = CHECKOUT / "tests" / "bench"

FIXED = {
    "COLUMNS": "100",
    "EDITOR": "false",  # a test that opens an editor fails, it does not wait
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_AUTHOR_NAME": "Ada Author",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada Author",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_TEST_FSYNC": "0",  # no power is cut here, and a disk is waited for long
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C.UTF-8",
    "LINES": "40",
    "PAGER": "cat",
    "TERM": "xterm-256color",
    "TZ": "UTC",
}
DROPPED_PREFIXES = ("CI_", "GH_", "GIT_", "GITHUB_", "GITLAB_", "GITML_", "XDG_", "LC_")
DROPPED = ("CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "LANG", "LANGUAGE", "NO_COLOR", "VISUAL")

# The same examples each time, so that a failure is a change and not luck;
# `pytest --hypothesis-profile=explore` looks further.
# Nothing is measured by the clock: a busy machine is no failure.
UNTIMED = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("same", derandomize=True, database=None, **UNTIMED)
hypothesis.settings.register_profile("explore", max_examples=2000, **UNTIMED)
hypothesis.settings.load_profile("same")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str


def pytest_collection_modifyitems(items):
    """Mark what is in tests/bench, so that it can be run alone on a quiet machine."""
    for item in items:
        if BENCH in item.path.parents:
            item.add_marker(pytest.mark.bench)


@pytest.fixture(scope="session", autouse=True)
def _hermetic(tmp_path_factory):
    """Replace the environment for the whole session, wider fixtures included."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(DROPPED_PREFIXES) or name in DROPPED:
                patch.delenv(name)
        for name, value in FIXED.items():
            patch.setenv(name, value)
        if path := os.environ.get("PYTHONPATH"):  # tests run elsewhere than pytest was started
            absolute = (str(Path(part).resolve()) for part in path.split(os.pathsep))
            patch.setenv("PYTHONPATH", os.pathsep.join(absolute))
        patch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path_factory.getbasetemp()))
        _move_home(patch, tmp_path_factory.mktemp("home"))
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's background job has it
            signal.signal(signal.SIGINT, signal.default_int_handler)
        yield


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """Return this test's own empty home; the working directory is an empty folder too."""
    place = tmp_path_factory.mktemp("home")
    _move_home(monkeypatch, place)
    elsewhere = tmp_path_factory.mktemp("cwd")
    monkeypatch.chdir(elsewhere)
    return place


def _move_home(patch, place):
    patch.setenv("HOME", str(place))
    patch.setenv("USERPROFILE", str(place))  # what Windows asks for


@pytest.fixture(scope="session")
def git():
    """Return ``git(path, *args, input=None) -> str``: real git, which must succeed."""

    def run(path, *args, input=None):  # noqa: A002 - subprocess's own name for it
        done = subprocess.run(
            ["git", "-C", str(path), *map(str, args)],
            input=input,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
        assert done.returncode == 0, f"git {args} gave {done.returncode}: {done.stderr}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def checkout_files(git):
    """Return the paths of gitml's own checkout: what git tracks, and what it would."""
    if not (CHECKOUT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = git(CHECKOUT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return {path for path in listed.split("\0") if path and (CHECKOUT / path).exists()}


def _init(git, path, *options):
    git(path.parent, "init", "--quiet", "--initial-branch=main", "--template=", *options, path)
    git(path, "config", "user.name", "Ada Author")
    git(path, "config", "user.email", "ada@example.com")
    return path


@pytest.fixture(scope="session")
def copied(git):
    """Return ``copied(repository, path) -> path``: a copy of one that took longer to make."""

    def copy(repository, path):
        shutil.copytree(repository, path, symlinks=True)
        if (path / ".git" / "index").exists():  # it holds when each file was put there
            git(path, "update-index", "-q", "--refresh")
        return path

    return copy


@pytest.fixture(scope="session")
def _made(tmp_path_factory, git):
    """Return a folder with the repositories that most tests begin with."""
    top = tmp_path_factory.mktemp("made")
    _init(git, top / "empty")
    _init(git, top / "bare.git", "--bare")
    path = _init(git, top / "repo")
    (path / "train.py").write_text("print('trained')\n", encoding="utf-8")
    git(path, "add", "train.py")
    git(path, "commit", "--quiet", "-m", "first")
    return top


@pytest.fixture
def empty_repo(tmp_path, copied, _made):
    """Return a new repository on ``main`` without a commit."""
    return copied(_made / "empty", tmp_path / "empty")


@pytest.fixture
def repo(tmp_path, copied, _made):
    """Return a repository on ``main`` with one commit of ``train.py``."""
    return copied(_made / "repo", tmp_path / "repo")


@pytest.fixture
def bare_repo(tmp_path, copied, _made):
    """Return a bare repository without a commit."""
    return copied(_made / "bare.git", tmp_path / "bare.git")


@pytest.fixture
def gitml_cli():
    """Return ``gitml_cli(*args, cwd=".", env={}, input="") -> Answer``: a process of its own.

    ``env`` is added to the environment; a value of None takes a variable out.
    """

    def run(*args, cwd=".", env=None, input="", timeout=120):  # noqa: A002 - as subprocess has it
        changed = {**os.environ, **(env or {})}
        done = subprocess.run(
            [sys.executable, "-m", "gitml", *map(str, args)],
            cwd=cwd,
            env={name: value for name, value in changed.items() if value is not None},
            input=input,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=timeout,
            check=False,
        )
        return Answer(code=done.returncode, out=done.stdout, err=done.stderr)

    return run


@pytest.fixture
def invoke(monkeypatch):
    """Return ``invoke(*args, cwd=".", input="") -> Answer``: the same within this process.

    Faster by the start of an interpreter; no terminal, so no colour and no bars.
    """

    def run(*args, cwd=".", input=""):  # noqa: A002 - as subprocess has it
        from gitml.cli import main

        out, err = _stream(), _stream()
        with monkeypatch.context() as patch, contextlib.chdir(cwd):
            patch.setattr(sys, "stdin", _stream(input))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            code = main([*map(str, args)])
        return Answer(code=code, out=_text(out), err=_text(err))

    return run


def _stream(text=""):
    """Return a text stream over bytes, because commands may write bytes to ``.buffer``."""
    raw = io.BytesIO(text.encode("utf-8", "surrogateescape"))
    return io.TextIOWrapper(
        raw, encoding="utf-8", errors="surrogateescape", newline="", write_through=True
    )


def _text(stream):
    stream.flush()
    return stream.buffer.getvalue().decode("utf-8", "surrogateescape")
