"""Fixtures of the tests that record runs from Python."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest


@pytest.fixture
def here(repo, monkeypatch):
    """Return a repository that is the working directory; runs left active end with the test.

    The hooks of a process's end are left alone, and tested in processes.
    """
    from gitml.tracking import session

    monkeypatch.setattr(session, "_HOOKED", [True])
    monkeypatch.chdir(repo)
    yield repo
    for run in list(session._ACTIVE):
        run.end("killed")
    session._JOINED.clear()


@pytest.fixture
def program(here):
    """Return ``program(SOURCE) -> (exit code, stdout, stderr)``: a Python program in ``here``."""

    def run(source):
        (here / "program.py").write_text(textwrap.dedent(source), "utf-8")
        done = subprocess.run(
            # Since Python 3.12 a fork beside threads is warned of, and ours keeps checkpoints.
            [sys.executable, "-W", "ignore::DeprecationWarning", "program.py"],
            cwd=here,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def content(here):
    """Return ``content(run, path) -> bytes``: what an artifact holds."""
    from gitml.store.git import open_repository
    from gitml.store.history import artifact_chunks

    def read(run, path):
        repository = open_repository(here)
        try:
            return b"".join(artifact_chunks(repository, run.id, run.artifacts[path]))
        finally:
            repository.close()

    return read
