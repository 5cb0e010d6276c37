"""A full disk, a read-only one, a locked ref, an old git: one sentence, a hint, nothing lost."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest


@pytest.fixture
def small_disk(tmp_path, git):
    """Return a repository on a file system of 3 MB, and how to remount it."""
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("mounting a small file system takes Linux and root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        repo = disk / "repo"
        git(tmp_path, "init", "--quiet", "--template=", repo)
        (repo / "train.py").write_text("print(1)\n")
        git(repo, "add", "-A")
        git(repo, "commit", "--quiet", "-m", "first")
        yield repo
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def remount(repo, how):
    subprocess.run(["mount", "-o", f"remount,{how}", repo.parent], check=True)


def fill(repo):
    """Leave no byte free; return the file to remove again."""
    with (repo.parent / "fill").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return repo.parent / "fill"


def one_sentence(answer, code):
    assert answer.code == code, answer.err
    lines = answer.err.splitlines()
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("  hint: ")
    assert len(lines) == 2
    assert "Traceback" not in answer.err


def names(gitml_cli, repo):
    answer = gitml_cli("ls", "--json", cwd=repo)
    assert answer.code == 0, answer.err
    return [run["name"] for run in json.loads(answer.out)["runs"]]


def test_full_disk(small_disk, git, gitml_cli):
    assert gitml_cli("log", "--name", "one", "-m", "auc=0.9", cwd=small_disk).code == 0
    before = git(small_disk, "for-each-ref")
    filler = fill(small_disk)
    one_sentence(gitml_cli("log", "--name", "two", "-m", "auc=0.9", cwd=small_disk), 10)
    one_sentence(gitml_cli("tag", "one", "a=b", cwd=small_disk), 10)
    assert names(gitml_cli, small_disk) == ["one"]
    filler.unlink()
    assert git(small_disk, "for-each-ref") == before
    assert gitml_cli("pack", cwd=small_disk).code == 0
    assert names(gitml_cli, small_disk) == ["one"]
    git(small_disk, "fsck", "--strict")


def test_the_disk_fills_up_while_a_run_is_written(small_disk, git, gitml_cli):
    """What was logged stays in the log, and is written once there is space."""
    program = (
        "import gitml, os, sys\n"
        "run = gitml.start_run('full', name='late')\n"
        "run._recorder._source.join()\n"
        "for step in range(100): run.log_metric('loss', step, step=step)\n"
        "print('logged', flush=True)\n"
        "sys.stdin.readline()\n"
        "run.end()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=small_disk,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "logged\n"
        filler = fill(small_disk)
        _, err = process.communicate("\n")
    assert process.returncode == 1
    assert "gitml.errors.StorageError" in err
    filler.unlink()
    assert gitml_cli("pack", cwd=small_disk).code == 0
    run = json.loads(gitml_cli("show", "late", "--json", cwd=small_disk).out)["run"]
    assert run["metrics"]["loss"]["count"] == 100
    git(small_disk, "fsck", "--strict")


def test_read_only_file_system(small_disk, git, gitml_cli):
    assert gitml_cli("log", "--name", "one", "-m", "auc=0.9", cwd=small_disk).code == 0
    before = git(small_disk, "for-each-ref")
    remount(small_disk, "ro")
    one_sentence(gitml_cli("log", "-m", "auc=0.9", cwd=small_disk), 10)
    one_sentence(gitml_cli("tag", "one", "a=b", cwd=small_disk), 6)
    one_sentence(gitml_cli("init", cwd=small_disk), 10)
    assert names(gitml_cli, small_disk) == ["one"]
    assert gitml_cli("show", "one", cwd=small_disk).code == 0
    assert git(small_disk, "for-each-ref") == before


def test_a_locked_ref(repo, git, gitml_cli):
    run = json.loads(gitml_cli("log", "-m", "auc=0.9", "--json", cwd=repo).out)["run"]
    lock = repo / ".git" / "refs" / "gitml" / "runs" / f"{run['id']}.lock"
    lock.touch()
    before = git(repo, "for-each-ref")
    one_sentence(gitml_cli("tag", run["id"], "a=b", cwd=repo), 7)
    one_sentence(gitml_cli("pack", cwd=repo), 7)
    assert git(repo, "for-each-ref") == before
    lock.unlink()
    assert gitml_cli("tag", run["id"], "a=b", cwd=repo).code == 0


def test_a_git_that_is_too_old(repo, gitml_cli, tmp_path):
    """One that has no transactions in ``update-ref --stdin``, as before 2.27."""
    run = json.loads(gitml_cli("log", "-m", "auc=0.9", "--json", cwd=repo).out)["run"]
    real = shutil.which("git")
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        "  version) echo git version 2.20.1 ;;\n"
        "  update-ref) cat >/dev/null; echo 'fatal: unknown command: start' >&2; exit 128 ;;\n"
        f'  *) exec {real} "$@" ;;\n'
        "esac\n"
    )
    old.chmod(0o755)
    path = {"PATH": f"{old.parent}{os.pathsep}{os.environ['PATH']}"}
    answer = gitml_cli("tag", run["id"], "a=b", cwd=repo, env=path)
    one_sentence(answer, 6)
    assert "gitml needs git 2.31 or later" in answer.err
    answer = gitml_cli("doctor", cwd=repo, env=path)
    assert "2.20.1" in answer.out


def test_no_git_at_all(repo, gitml_cli, tmp_path):
    one_sentence(gitml_cli("ls", cwd=repo, env={"PATH": str(tmp_path)}), 6)
