"""Git over a network: nobody is asked, and nothing is waited for beyond its time."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from gitml.errors import UnreachableError
from gitml.store import talking
from gitml.store.git import open_repository
from gitml.store.talking import talk


@pytest.fixture
def ssh(repo, git, tmp_path):
    """Return ``ssh(script)``: what stands in for ssh, and answers the remote ``origin``."""
    program = tmp_path / "ssh"

    def make(script):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        git(repo, "config", "core.sshCommand", str(program))
        git(repo, "config", "ssh.variant", "simple")
        git(repo, "remote", "add", "origin", "somebody@host:repo.git")

    return make


def runs(pid):
    """Tell whether the process ``pid`` is there and is more than an entry nobody asked for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_remote_that_says_nothing_is_given_up_with_all_that_was_started(repo, ssh, tmp_path):
    begun, silence = tmp_path / "pid", 600
    ssh(
        f"echo $$ > {begun}.new; mv {begun}.new {begun}; sleep {silence}; touch {tmp_path}/outlived"
    )
    repository = open_repository(repo)
    for patience in (0.5, 5, 50):  # more only where the machine had no turn for ssh until then
        started = time.monotonic()
        repository.patience = started + patience
        with pytest.raises(UnreachableError, match="took too long"):
            talk(repository, "ls-remote", "origin")
        assert time.monotonic() - started < patience + 60 < silence
        if begun.exists():
            break
    pid = int(begun.read_text())
    gone = time.monotonic() + 60  # a killed process dies when the machine next gives it a turn
    while runs(pid):
        assert time.monotonic() < gone, "what stood in for ssh lives on"
        time.sleep(0.01)
    repository.close()
    assert not (tmp_path / "outlived").exists()


@pytest.fixture(params=["selector", "threads"])
def reading(request, monkeypatch):
    """Read pipes as here, or as on Windows."""
    if request.param == "threads":
        monkeypatch.setattr(talking, "_as_they_come", talking._by_threads)


def test_threads_wait_no_longer_either():
    ends = os.pipe()
    silent, writable = os.fdopen(ends[0], "rb"), os.fdopen(ends[1], "wb")
    with writable, silent, pytest.raises(UnreachableError, match="took too long"):
        list(talking._by_threads([silent], time.monotonic()))


@pytest.mark.usefixtures("reading")
def test_progress_is_told_and_is_none_of_git_s_words(repo, bare_repo, git, tmp_path):
    for number in range(60):
        (repo / f"{number}.txt").write_text(f"{number}\n")
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "many")
    git(tmp_path, "init", "--quiet", "new")
    git(tmp_path / "new", "config", "fetch.unpackLimit", "1")  # as if it were much
    repository = open_repository(tmp_path / "new")
    told = []
    repository.received = lambda done, total: told.append((done, total))
    code, _, err = talk(repository, "fetch", repo.as_uri(), "+refs/heads/*:refs/gitml-remotes/x/*")
    repository.close()
    assert code == 0
    assert told[-1][0] == told[-1][1] > 60
    lines = err.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["From", "*"], lines


@pytest.mark.usefixtures("reading")
def test_much_that_is_said_on_both_streams_is_read(repo, ssh):
    ssh("i=0; while [ $i -lt 3000 ]; do echo 'remote: a line of words' >&2; i=$((i+1)); done")
    repository = open_repository(repo)
    code, _, err = talk(repository, "ls-remote", "origin")
    repository.close()
    assert (bool(code), err.count(b"a line of words")) == (True, 3000)


ASKS = """\
import os, pathlib, sys
try:
    terminal = os.open("/dev/tty", os.O_RDWR)
except OSError:
    terminal = None
pathlib.Path(sys.argv[1]).write_text(f"{os.getsid(0)} {terminal}")
sys.exit(1)
"""


def test_what_speaks_to_a_remote_has_no_terminal_to_ask_on(repo, ssh, tmp_path):
    (tmp_path / "asks.py").write_text(ASKS)
    ssh(f"exec {sys.executable} {tmp_path}/asks.py {tmp_path}/session")
    repository = open_repository(repo)
    code, _, _ = talk(repository, "ls-remote", "origin")
    session, terminal = (tmp_path / "session").read_text().split()
    assert (bool(code), int(session) == os.getsid(0), terminal) == (True, False, "None")
    repository.close()
