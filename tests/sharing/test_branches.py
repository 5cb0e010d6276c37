"""Hosts that take no refs but branches and tags: ledgers on branches called gitml/…"""

from __future__ import annotations

import json
import re
import shlex

import pytest

from tests.support import make_run, make_runs

REFUSE = """#!/bin/sh
case $1 in refs/heads/*|refs/tags/*) ;; *) echo "only branches and tags"; exit 1;; esac
"""


@pytest.fixture
def hub(git, bare_repo, repo):
    """A host that refuses custom refs by its hook, and has the code."""
    git(repo, "push", "--quiet", bare_repo, "main")
    hook = bare_repo / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(REFUSE)
    hook.chmod(0o755)
    return bare_repo


@pytest.fixture
def clone(git, hub, tmp_path, invoke):
    """Return ``clone(name, **config) -> gitml(*args, code=0)`` in a new clone of the hub."""

    def make(name, **config):
        git(tmp_path, "clone", "--quiet", hub, name)
        path = tmp_path / name
        for key, value in config.items():
            git(path, "config", f"gitml.{key}", value)

        def gitml(*args, code=0):
            answer = invoke(*args, cwd=path)
            assert answer.code == code, answer
            return answer

        gitml.path = path
        return gitml

    return make


def names(gitml):
    return sorted(run["name"] for run in json.loads(gitml("ls", "--json").out)["runs"])


def branches(git, hub):
    listed = git(hub, "for-each-ref", "--format=%(refname)").split()
    return {ref.removeprefix("refs/heads/gitml/") for ref in listed if "/gitml/" in ref}


def test_everything_goes_to_branches_and_comes_from_them(clone, git, hub, invoke, tmp_path):
    ada = clone("ada", refs="branches")
    (ada.path / "model.txt").write_text("weights\n")
    (ada.path / "train.py").write_text("print('changed')\n")
    ada("log", "--name", "one", "-e", "churn", "-m", "auc=0.9", "--artifact", "model.txt")
    ada("register", "churn", "--run", "one")
    ada("push")
    assert {kind.partition("/")[0] for kind in branches(git, hub)} >= {"runs", "source", "models"}
    assert ada("push").out == "origin has everything.\n"
    assert invoke("clone", hub, "bob", cwd=tmp_path).code == 0  # which finds out by itself
    bob = clone("cleo")
    bob("pull")
    assert names(bob) == ["one"]
    assert json.loads(bob("model", "show", "churn@1", "--json").out)["version"]["published"]
    bob("source", "one", "-o", "code")
    assert (bob.path / "code" / "train.py").read_text() == "print('changed')\n"
    bob("tag", "one", "by=bob")
    bob("pack")
    make_run(bob.path, "two")
    bob("sync")
    assert "experiments/churn" in branches(git, hub)
    assert json.loads(bob("status", "--remote", "--json").out)["sharing"]["ahead"]["runs"] == []
    ada("sync")
    assert names(ada) == ["one", "two"]
    assert json.loads(ada("show", "one", "--json").out)["run"]["tags"] == {"by": "bob"}
    ada("promote", "churn", "1", "--stage", "production")
    bob("pull")
    assert "production" in bob("stages").out
    assert "gitml" not in git(ada.path, "for-each-ref", "refs/heads", "refs/remotes")
    for gitml in (ada, bob):
        git(gitml.path, "fsck", "--strict")


def test_a_clone_that_gitml_made_pushes_to_branches_by_itself(clone, git, hub, invoke, tmp_path):
    ada = clone("ada", refs="branches")
    make_run(ada.path, "one")
    ada("push")
    assert invoke("clone", hub, "bob", cwd=tmp_path).code == 0
    make_run(tmp_path / "bob", "two")
    answer = invoke("push", cwd=tmp_path / "bob")
    assert (answer.code, answer.out) == (0, "  runs       1 run\nPushed to origin.\n")


def test_without_the_setting_it_is_told_what_to_do(clone):
    ada = clone("ada")
    make_runs(ada.path, {"name": "one"}, {"name": "two"})
    answer = ada("push", code=9)
    refused = [line for line in answer.err.splitlines() if line.startswith("origin refuses")]
    assert len(refused) == 1  # however many refs there are
    assert re.search(r"refs/gitml/\S+ and \d more refs?: hook declined: only branches", *refused)
    assert "git config gitml.refs branches" in answer.err
    assert names(ada) == ["one", "two"]
    answer = ada("log", "-m", "auc=1", "--push", code=9)
    assert "git config gitml.refs branches" in answer.err


def test_a_wrong_setting_is_named(clone):
    ada = clone("ada", refs="branch")
    assert "gitml.refs is branch." in ada("push", code=5).err


def test_one_remote_of_several_and_a_branch_in_the_way(clone, git, hub, tmp_path):
    ada = clone("ada")
    git(ada.path, "config", "remote.origin.gitmlRefs", "branches")
    git(tmp_path, "init", "--quiet", "--bare", "backup.git")
    git(ada.path, "remote", "add", "backup", "../backup.git")
    git(ada.path, "push", "--quiet", "origin", "HEAD:refs/heads/gitml")
    make_run(ada.path, "one")
    assert "gitml is in the way there: git push REMOTE --delete gitml" in ada("push", code=9).err
    found = {f["check"]: f for f in json.loads(ada("doctor", "--remote", "--json").out)["findings"]}
    assert "gitml is in the way" in found["branches"]["hint"]
    git(ada.path, "push", "--quiet", "origin", "--delete", "gitml")
    ada("push")
    ada("push", "backup")
    assert len(branches(git, hub)) == 1
    assert "refs/gitml/runs/" in git(tmp_path / "backup.git", "for-each-ref")
    # And one of another kind of ids.
    git(tmp_path, "init", "--quiet", "--bare", "--object-format=sha256", "wide.git")
    assert "by another hash than this" in ada("push", "../wide.git", code=9).err


def test_some_on_branches_and_some_not_end_with_the_same(clone, git, hub):
    (hub / "hooks" / "update").unlink()
    ada, bob = clone("ada", refs="branches"), clone("bob", refs="custom")
    make_runs(ada.path, {"name": "a1"}, {"name": "a2"})
    make_runs(bob.path, {"name": "b1"}, {"name": "b2"})
    ada("pack")
    ada("push")
    bob("push")
    ada("sync")
    bob("tag", "b1", "by=bob")
    bob("sync")
    bob("note", "a1", "seen by bob")
    ada("tag", "b2", "by=ada")
    bob("purge", "a2", "--yes")
    bob("pack")
    for gitml in (bob, ada, bob, ada, bob):
        gitml("sync")
    for gitml in (ada, bob):
        assert names(gitml) == ["a1", "b1", "b2"]
        runs = {run["name"]: run for run in json.loads(gitml("ls", "--json").out)["runs"]}
        assert (runs["b1"]["tags"], runs["b2"]["tags"]) == ({"by": "bob"}, {"by": "ada"})
        assert json.loads(gitml("show", "a1", "--json").out)["run"]["note"] == "seen by bob"
        git(gitml.path, "fsck", "--strict")
    assert ada("sync").out == "Nothing new on origin.\norigin has everything.\n"


def test_a_ledger_that_went_back_on_a_branch_is_named_and_not_followed(clone, git, hub):
    ada = clone("ada", refs="branches")
    make_run(ada.path, "old")
    ada("pack")
    ada("push")
    old = git(hub, "rev-parse", "refs/heads/gitml/experiments/churn").strip()
    make_run(ada.path, "new")
    ada("pack")
    ada("push")
    git(hub, "update-ref", "refs/heads/gitml/experiments/churn", old)
    told = ada("pull", code=9).err
    assert "the ledger churn lost runs" in told
    assert names(ada) == ["new", "old"]
    command = shlex.split(told.partition("hint: ")[2].partition(" brings")[0])
    ada(*command[1:])
    assert ada("pull").out == "Nothing new on origin.\n"
