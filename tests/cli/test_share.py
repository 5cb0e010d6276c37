"""gitml push, pull and sync, as people type them on several machines."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.support import make_run, make_runs, run_id_of


@pytest.fixture
def hub(git, tmp_path):
    """A bare repository with a commit, as a host has it."""
    hub = tmp_path / "hub.git"
    git(tmp_path, "init", "--quiet", "--bare", "-b", "main", hub)
    git(tmp_path, "clone", "--quiet", hub, "first")
    (tmp_path / "first" / "train.py").write_text("print('training')\n")
    git(tmp_path / "first", "add", "train.py")
    git(tmp_path / "first", "commit", "--quiet", "-m", "code")
    git(tmp_path / "first", "push", "--quiet", "origin", "HEAD:main")
    return hub


@pytest.fixture
def clone(git, hub, tmp_path, invoke):
    """Return ``clone(name) -> gitml(*args, code=0)``, run in a new clone of the hub."""

    def make(name):
        path = tmp_path / name
        git(tmp_path, "clone", "--quiet", hub, name)

        def gitml(*args, code=0):
            answer = invoke(*args, cwd=path)
            assert answer.code == code, answer
            return answer

        gitml.path = path
        return gitml

    return make


def names(gitml):
    return sorted(run["name"] for run in json.loads(gitml("ls", "--json").out)["runs"])


def test_runs_travel_and_every_answer_says_what_moved(clone):
    ada, bob = clone("ada"), clone("bob")
    make_runs(ada.path, {"name": "one", "metrics": {"auc": 0.9}}, {"name": "two"})
    assert ada("push", "--dry-run").out == (
        "  runs       2 runs\nWould push this to origin; nothing was sent.\n"
    )
    assert ada("push").out == "  runs       2 runs\nPushed to origin.\n"
    assert ada("push").out == "origin has everything.\n"
    assert bob("pull").out.startswith("  runs       2 new or changed runs\nPulled from origin in ")
    assert names(bob) == ["one", "two"]
    assert bob("pull").out == "Nothing new on origin.\n"
    assert json.loads(bob("push", "--json").out)["runs"] == []


def test_sync_joins_what_two_sealed(clone):
    ada, bob = clone("ada"), clone("bob")
    make_run(ada.path, "one")
    make_run(bob.path, "two")
    for gitml in (ada, bob):
        gitml("pack")
        gitml("sync")
    answer = json.loads(ada("sync", "--json").out)
    assert answer["pulled"]["ledgers"] == {"churn": "forward"}
    assert names(ada) == names(bob) == ["one", "two"]


def test_edits_on_two_machines_both_survive_with_their_history(clone):
    ada, bob = clone("ada"), clone("bob")
    make_run(ada.path, "one")
    ada("push")
    bob("pull")
    ada("tag", "one", "by=ada")
    bob("note", "one", "seen by bob")
    for gitml in (ada, bob, ada):
        gitml("sync")
    for gitml in (ada, bob):
        run = json.loads(gitml("show", "one", "--json").out)["run"]
        assert (run["tags"], run["note"]) == ({"by": "ada"}, "seen by bob")
    keys = [e["key"] for e in json.loads(ada("show", "one", "--history", "--json").out)["edits"]]
    assert {"tags.by", "note"} <= {*keys}


def test_code_travels_when_it_is_wanted_and_stays_home_where_it_should(clone, git, hub):
    ada = clone("ada")
    (ada.path / "train.py").write_text("print('changed')\n")
    ada("log", "--name", "one", "-m", "auc=0.9")
    (ada.path / ".gitml").mkdir()
    (ada.path / ".gitml" / "config.yaml").write_text("push: {source: false}\n")
    assert "source tree" not in ada("push").out
    assert "refs/gitml/source" not in git(hub, "for-each-ref")
    (ada.path / ".gitml" / "config.yaml").unlink()
    assert "source     1 source tree\n" in ada("push").out
    assert "refs/gitml/source/t-" in git(hub, "for-each-ref")
    git(ada.path, "commit", "--quiet", "-am", "not pushed yet")
    (ada.path / "train.py").write_text("print('changed again')\n")
    ada("log", "--name", "two", "-m", "auc=0.9")
    broken = ada.path / ".git/refs/remotes/origin/broken"  # which git push does not mind either
    broken.write_text(f"{'12' * 20}\n")
    along = "with 1 commit that no branch of origin has"
    assert f"source     1 source tree, {along}\n" in ada("push", "--dry-run").out
    assert f"\nPushed to origin, {along}.\n" in ada("log", "--push", "-m", "auc=0.9").out


def test_large_files_go_before_the_runs_that_name_them(clone, hub):
    if shutil.which("git-lfs") is None:
        pytest.skip("git-lfs is not installed")
    ada = clone("ada")
    (ada.path / "big.bin").write_bytes(bytes(range(256)) * 8192)
    ada("log", "--name", "one", "--artifact", "big.bin")
    assert "files      1 large file, 2.1 MB" in ada("push").out
    stored = [p for p in (hub / "lfs" / "objects").rglob("*") if p.is_file()]
    assert [p.stat().st_size for p in stored] == [256 * 8192]
    assert ada("push").out == "origin has everything.\n"


def test_a_version_that_waited_is_published(clone, git, hub, tmp_path):
    ada, bob = clone("ada"), clone("bob")
    (ada.path / "model.txt").write_text("weights\n")
    ada("log", "--name", "one", "-m", "auc=0.9", "--artifact", "model.txt")
    ada("register", "churn", "--run", "one", "--no-push")
    assert "churn@v1.0.0" in ada("push").out
    bob("pull")
    assert json.loads(bob("model", "show", "churn@1", "--json").out)["version"]["published"]
    # Runs come and go whatever becomes of models, and that is told after them.
    before = git(hub, "rev-parse", "refs/gitml/models/churn").strip()
    ada("model", "tag", "churn", "team=a")
    bob("pull")
    git(hub, "update-ref", "refs/gitml/models/churn", before)
    make_run(ada.path, "two")
    ada("push")
    answer = bob("pull", code=8)
    assert "1 new or changed run\nPulled from origin in" in answer.out
    assert "The journal of churn on origin does not contain" in answer.err
    bob("register", "other", "--run", "one", "--path", "model.txt", "--no-push")
    hook = hub / "hooks" / "update"
    hook.write_text("#!/bin/sh\ncase $1 in refs/tags/*) exit 1;; esac\n")
    hook.chmod(0o755)
    make_run(bob.path, "three")
    answer = bob("push", code=8)
    assert answer.out == "  runs       1 run\nPushed to origin.\n"
    assert "error: " in answer.err


def test_another_host_by_the_same_name_and_one_that_lost_all_get_everything(clone, git, hub):
    ada = clone("ada")
    (ada.path / "big.bin").write_bytes(bytes(range(256)) * 8192)
    make_run(ada.path, "sealed")
    ada("pack")
    large = ["--artifact", "big.bin"] if shutil.which("git-lfs") else []
    ada("log", "--name", "one", "-m", "auc=0.9", *large)
    (ada.path / "model.txt").write_text("weights\n")
    ada("register", "churn", "--run", "one", "--path", "model.txt")
    ada("push")

    def everything(host):
        stored = {p.name for p in (host / "lfs").rglob("*") if p.is_file()}
        return {*git(host, "for-each-ref", "refs/gitml", "refs/tags").splitlines()}, stored

    wanted, stored = everything(hub)
    new = hub.parent / "new.git"
    git(hub.parent, "init", "--quiet", "--bare", "-b", "main", new)
    git(ada.path, "remote", "set-url", "origin", new)
    ahead = json.loads(ada("status", "--json").out)["sharing"]
    assert (ahead["contact"], len(ahead["ahead"]["runs"])) == (None, 1)
    assert (ahead["ahead"]["models"], ahead["ahead"]["large"]["count"]) == (
        ["churn"],
        len(large) / 2,
    )
    would = json.loads(ada("push", "--dry-run", "--json").out)
    assert (would["ledgers"], would["models"], len(would["runs"])) == (["churn"], ["churn"], 1)
    assert would["large"]["count"] == len(large) / 2
    (ada.path / "big.bin").write_bytes(bytes(2_000_000))
    ada("log", "-e", "third", "--name", "purged", *large)
    ada("purge", "purged", "--yes")  # its file stays where it is
    make_run(ada.path, "two")
    git(ada.path, "remote", "set-url", "origin", hub.parent / "nothing")
    ada("push", code=9)
    assert json.loads(ada("status", "--json").out)["sharing"]["contact"] is None
    git(ada.path, "remote", "set-url", "origin", new)
    ada("push")
    assert (everything(new)[0] >= wanted, everything(new)[1]) == (True, stored)
    for ref in git(new, "for-each-ref", "--format=%(refname)", "refs/gitml/runs").split():
        git(new, "update-ref", "-d", ref)
    shutil.rmtree(new / "lfs", ignore_errors=True)
    assert "so that was sent again" in ada("push").err
    assert (everything(new)[0] >= wanted, everything(new)[1]) == (True, stored)


def test_a_rewound_ledger_is_named_and_not_followed(clone, git, hub):
    ada, bob = clone("ada"), clone("bob")
    make_run(ada.path, "old")
    ada("pack")
    ada("push")
    old = git(hub, "rev-parse", "refs/gitml/experiments/churn").strip()
    make_run(ada.path, "new")
    ada("pack")
    ada("push")
    bob("pull")
    git(hub, "update-ref", "refs/gitml/experiments/churn", old)
    answer = bob("pull", code=9)
    assert "On origin the ledger churn lost runs that were there" in answer.err
    assert "gitml push origin brings them back; gitml pull --accept-rewind takes" in answer.err
    assert names(bob) == ["new", "old"]
    assert "the ledger churn lost runs" in bob("sync", code=9).err
    answer = json.loads(bob("sync", "--json", code=9).out)
    assert ([*answer["pulled"]["rewound"]], answer["pushed"]) == (["churn"], None)
    bob("pull", "--accept-rewind")
    assert names(bob) == ["old"]
    # What was purged stays so.
    make_run(bob.path, "third")
    bob("pack")
    bob("push")
    bob("purge", "old", "--yes")
    git(hub, "update-ref", "refs/gitml/experiments/churn", old)
    bob("pull", "--accept-rewind")
    assert names(bob) == []
    bob("push")
    ada("pull", "--accept-rewind")
    assert names(ada) == []


@pytest.mark.parametrize("news", [False, True])
def test_a_ledger_that_a_host_lost_comes_back_with_its_large_files(clone, git, hub, news):
    ada = clone("ada")
    make_run(ada.path, "old")
    ada("pack")
    ada("push")
    old = git(hub, "rev-parse", "refs/gitml/experiments/churn").strip()
    (ada.path / "big.bin").write_bytes(bytes(range(256)) * 8192)
    large = ["--artifact", "big.bin"] if shutil.which("git-lfs") else []
    ada("log", "-e", "churn", "-m", "auc=1", *large)
    ada("pack")
    make_run(ada.path, "hot")
    ada("push")
    wanted = git(hub, "for-each-ref", "refs/gitml")
    git(hub, "update-ref", "refs/gitml/experiments/churn", old)
    git(hub, "update-ref", "-d", "refs/gitml/sources")
    git(hub, "update-ref", "-d", f"refs/gitml/runs/{run_id_of('hot')}")
    shutil.rmtree(hub / "lfs", ignore_errors=True)
    if news:
        make_run(ada.path, "new")
    answer = ada("push")
    assert "so that was sent again" in answer.err
    assert ("1 large file, 2.1 MB" in answer.out) == bool(large)
    assert sum(p.is_file() for p in (hub / "lfs/objects").rglob("*")) == len(large) / 2
    after = git(hub, "for-each-ref", "refs/gitml").splitlines()
    assert {*wanted.splitlines()} <= {*after}
    assert len(after) == len(wanted.splitlines()) + news
    assert ada("push").out == "origin has everything.\n"


def test_a_host_that_refuses_one_run_is_told_of(clone, hub):
    ada = clone("ada")
    make_runs(ada.path, {"name": "good"}, {"name": "bad"})
    hook = hub / "hooks" / "update"
    hook.write_text(f"#!/bin/sh\ncase $1 in *{run_id_of('bad')}) exit 1;; esac\n")
    hook.chmod(0o755)
    answer = ada("push", code=9)
    assert f"origin refuses refs/gitml/runs/{run_id_of('bad')}" in answer.err
    assert "Everything else arrived" in answer.err
    hook.unlink()
    assert ada("push").out == "  runs       1 run\nPushed to origin.\n"


def test_an_interrupted_push_says_what_became_of_it(clone, hub):
    ada = clone("ada")
    make_run(ada.path, "one")
    hook, met = hub / "hooks" / "pre-receive", hub / "met"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {met}\nsleep 600\n")
    hook.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-m", "gitml", "push"],
        cwd=ada.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 100
    while not met.exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out) == (130, "")
    assert err == (
        "Interrupted. What was sent is there, all is safe here, and the next gitml push goes on.\n"
    )
    hook.unlink()
    assert ada("push").out == "  runs       1 run\nPushed to origin.\n"


def test_a_host_that_cannot_store_what_it_gets(clone, hub, git):
    ada = clone("ada")
    git(hub, "config", "receive.maxInputSize", "100")
    make_runs(ada.path, {"name": "one"}, {"name": "two"})
    for command in (["push"], ["log", "-m", "auc=1", "--push"]):
        answer = ada(*command, code=9)
        assert "unpacker error: fatal: pack exceeds maximum allowed size" in answer.err
        assert "safe here" in answer.err
        assert "the host's disk may be full" in answer.err
    git(hub, "config", "--unset", "receive.maxInputSize")
    assert ada("push").out == "  runs       3 runs\n  source     1 source tree\nPushed to origin.\n"


@pytest.mark.parametrize("command", ["push", "pull", "sync"])
def test_no_remote_a_wrong_one_and_one_that_is_away(invoke, repo, git, clone, command):
    make_run(repo, "one")
    answer = invoke(command, cwd=repo)
    assert (answer.code, answer.err) == (
        2,
        "error: There is no remote to share with.\n  hint: git remote add origin URL\n",
    )
    for name in ("lab", "cloud"):
        git(repo, "remote", "add", name, "../hub.git")
    assert "git config gitml.remote lab" in invoke(command, cwd=repo).err
    ada = clone("ada")
    answer = ada(command, "orign", code=2)
    assert "There is no remote orign" in answer.err
    assert "did you mean origin?" in answer.err
    make_run(ada.path, "one")
    assert "is not there" in ada(command, "./nowhere.git", code=9).err
    assert names(ada) == ["one"]


def test_a_dry_run_asks_and_brings_nothing(clone, git):
    ada, bob = clone("ada"), clone("bob")
    make_runs(ada.path, {"name": "one"}, {"name": "two"})
    ada("push")
    before = git(bob.path, "for-each-ref")
    assert bob("pull", "--dry-run").out == (
        "  runs       2 runs new, changed or gone\n"
        "Would pull this from origin; nothing was changed.\n"
    )
    make_run(bob.path, "three")
    answer = json.loads(bob("sync", "--dry-run", "--json").out)
    assert sorted(answer["pulled"]["runs"]) == sorted(map(run_id_of, ["one", "two"]))
    assert answer["pushed"]["runs"] == [run_id_of("three")]
    told = bob("sync", "--dry-run").out
    assert told.endswith("  runs       1 run\nWould push this to origin; nothing was sent.\n")
    bob("rm", "three")
    bob("purge", "three", "--yes")
    assert git(bob.path, "for-each-ref", "refs/gitml-remotes") == ""
    assert "refs/gitml-remotes" not in before
    bob("pull")
    assert bob("pull", "--dry-run").out == "Nothing new on origin.\n"
    assert json.loads(bob("pull", "--dry-run", "--json").out)["runs"] == []
    ada("pack")
    ada("push")
    assert bob("pull", "--dry-run").out == (
        "  runs       2 runs new, changed or gone\n"
        "  ledgers    churn\n"
        "Would pull this from origin; nothing was changed.\n"
    )
