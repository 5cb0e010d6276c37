"""Runs that are pushed by whoever made them: when they end, and however that is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import warnings

import pytest

import gitml
from gitml.errors import UsageError
from gitml.sharing import autopush
from gitml.store.git import open_repository
from tests.support import AUTHOR, START, make_run, run_id_of


@pytest.fixture
def hub(repo, bare_repo, git, monkeypatch):
    """A bare remote of the repository in which the test works."""
    git(repo, "remote", "add", "origin", bare_repo)
    monkeypatch.chdir(repo)
    return bare_repo


def there(git, hub):
    """Return the ids of the runs on the remote."""
    listed = git(hub, "for-each-ref", "--format=%(refname)", "refs/gitml/runs").split()
    return {ref.rpartition("/")[2] for ref in listed}


def test_a_run_is_pushed_with_its_code_and_nothing_of_others(hub, repo, git):
    make_run(repo, "of-another")
    (repo / "train.py").write_text("print('changed')\n")
    with gitml.start_run(push=True) as run:
        run.log_metric("auc", 0.9)
    assert there(git, hub) == {run.id}
    tree = gitml.get_run(run.id).source.tree
    assert f"refs/gitml/source/t-{tree}" in git(hub, "for-each-ref")


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not installed")
def test_its_large_files_go_along_and_no_others(hub, repo, invoke):
    for name in ("mine", "other"):
        (repo / f"{name}.bin").write_bytes(name.encode() * 500_000)
    assert invoke("log", "--name", "other", "--artifact", "other.bin", cwd=repo).code == 0
    with gitml.start_run(push=True) as run:
        run.log_artifact("mine.bin")
    stored = [path for path in (hub / "lfs" / "objects").rglob("*") if path.is_file()]
    assert [path.read_bytes()[:4] for path in stored] == [b"mine"]


def test_large_files_of_a_run_that_the_exit_ends_wait_for_the_next_push(hub, repo, git, invoke):
    (repo.parent / "share").mkdir()
    git(repo, "config", "gitml.artifactsRemote", (repo.parent / "share").as_uri())
    (repo / "big.bin").write_bytes(b"big " * 500_000)
    program = "import gitml; gitml.start_run(push=True).log_artifact('big.bin')"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=repo, capture_output=True, text=True, check=True
    )
    assert "cannot be sent while the program exits" in done.stderr
    assert there(git, hub) == set()
    assert "1 large file" in invoke("push", cwd=repo).out
    assert len(there(git, hub)) == 1


def test_the_environment_decides_where_the_program_does_not(hub, git, monkeypatch):
    monkeypatch.setenv("GITML_AUTOPUSH", "1")
    with gitml.start_run() as pushed:
        pass
    with gitml.start_run(push=False):
        pass
    monkeypatch.setenv("GITML_AUTOPUSH", "origin")
    with gitml.start_run() as named:
        pass
    monkeypatch.setenv("GITML_AUTOPUSH", "off")
    with gitml.start_run():
        pass
    assert there(git, hub) == {pushed.id, named.id}


def test_runs_of_several_threads(hub, git):
    def work():
        with gitml.start_run(push=True) as run:
            run.log_metric("auc", 0.9)
        ids.add(run.id)

    ids = set()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert there(git, hub) == ids
    assert len(ids) == 4


@pytest.mark.parametrize("ending", ["exit", "terminated"])
def test_a_program_that_does_not_end_its_runs(hub, repo, git, ending):
    program = (
        "import gitml, time\n"
        "one = gitml.start_run()\n"
        "two = gitml.start_run(nested=True)\n"
        "print(one.id, two.id, flush=True)\n"
    )
    if ending == "terminated":
        program += "time.sleep(60)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=repo,
        env={**os.environ, "GITML_AUTOPUSH": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    ids = set(process.stdout.readline().split())
    if ending == "terminated":
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert there(git, hub) == ids
    assert len(ids) == 2


def test_a_push_that_fails_is_warned_of_and_the_next_one_takes_it_along(hub, repo, git, invoke):
    away = hub.rename(hub.with_name("away.git"))
    run = gitml.start_run(push=True)
    with pytest.warns(UserWarning, match="is safe here and was not pushed: origin is not there"):
        run.end()
    again = pytest.warns(UserWarning, match="To do: gitml push takes")
    with again as warned, gitml.start_run(push=True) as other:
        pass
    assert warned[0].filename == __file__  # the line that ended it, and none of gitml's
    assert gitml.get_run(run.id).status == "finished"
    away.rename(hub)
    assert invoke("push", cwd=repo).code == 0
    assert there(git, hub) == {run.id, other.id}


def test_a_host_that_refuses_the_run_is_named(hub, git):
    hook = hub / "hooks" / "update"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\ncase $1 in refs/gitml/runs/*) exit 1;; esac\n")
    hook.chmod(0o755)
    run = gitml.start_run(push=True)
    with pytest.warns(UserWarning, match="not pushed: origin refuses refs/gitml/runs/"):
        run.end()


def test_a_remote_that_is_none_is_told_of_before_anything_is_recorded(hub, repo):
    with pytest.raises(UsageError, match="no remote orign"):
        gitml.start_run(push="orign")
    assert not (repo / ".git" / "gitml" / "live").exists()


def test_a_remote_that_hangs_is_given_up(repo, git, tmp_path):
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\nsleep 600\n")
    program.chmod(0o755)
    git(repo, "config", "core.sshCommand", str(program))
    git(repo, "config", "ssh.variant", "simple")
    git(repo, "remote", "add", "origin", "somebody@host:repo.git")
    run = make_run(repo, "one")
    repository = open_repository(repo)
    with pytest.raises(gitml.GitmlError, match=r"one is safe here and was not pushed: .* too long"):
        autopush.push_ended(
            repository, run, True, by=AUTHOR, now=START, settings=autopush_settings(), seconds=0.3
        )
    assert repository.patience is None
    repository.close()


def autopush_settings():
    from gitml.tracking.settings import Settings

    return Settings()


def test_a_run_that_was_sealed_meanwhile_goes_with_its_ledger(hub, repo, git, invoke):
    (repo / "big.bin").write_bytes(bytes(1_200_000))
    share = repo.parent / "share"
    git(repo, "config", "gitml.artifactsRemote", share.as_uri())
    assert invoke("log", "--name", "big", "--artifact", "big.bin", cwd=repo).code == 0
    run = make_run(repo, "one")
    assert invoke("pack", cwd=repo).code == 0
    repository = open_repository(repo)
    settings = autopush_settings()
    with pytest.raises(gitml.GitmlError, match="one is safe here and was not pushed"):
        autopush.push_ended(repository, run, True, by=AUTHOR, now=START, settings=settings)
    share.mkdir()  # for what another run of the ledgers names
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        autopush.push_ended(repository, run, True, by=AUTHOR, now=START, settings=settings)
    repository.close()
    ledger = git(hub, "ls-tree", "-r", "--name-only", "refs/gitml/experiments/churn")
    assert run_id_of("one") in ledger
