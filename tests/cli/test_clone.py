"""gitml clone, and gitml pull in clones that git made: what comes, and what does not."""

from __future__ import annotations

import json

import pytest

from tests.support import on_terminal


@pytest.fixture
def hub(git, repo, bare_repo, invoke):
    """A host with two sealed runs, a hot one, code that was not committed, and two versions."""
    git(repo, "remote", "add", "origin", bare_repo)
    git(repo, "push", "--quiet", "origin", "main")
    (repo / "model.txt").write_text("weights\n")
    (repo / "train.py").write_text("print('changed')\n")
    for name, auc in [("one", 0.8), ("two", 0.9)]:
        done = invoke(
            *("log", "--name", name, "-e", "churn", "-m", f"auc={auc}", "--artifact", "model.txt"),
            cwd=repo,
        )
        assert done.code == 0, done.err
        assert invoke("register", "churn", "--run", name, "--bump", "minor", cwd=repo).code == 0
    assert invoke("pack", cwd=repo).code == 0
    (repo / "train.py").write_text("print('changed again')\n")
    assert invoke("log", "--name", "hot", "-e", "churn", "-m", "auc=0.7", cwd=repo).code == 0
    assert invoke("push", cwd=repo).code == 0
    return bare_repo


def runs(invoke, path):
    return {run["name"] for run in json.loads(invoke("ls", "--json", cwd=path).out)["runs"]}


def test_a_clone_has_runs_and_models_and_no_source(hub, git, invoke, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = invoke("clone", hub, cwd=tmp_path)
    assert answer.code == 0, answer.err
    assert "Cloned to bare in " in answer.out
    place = tmp_path / "bare"
    assert (place / "train.py").read_text() == "print('trained')\n"
    assert runs(invoke, place) == {"one", "two", "hot"}
    models = json.loads(invoke("models", "--json", cwd=place).out)["models"]
    assert [model["name"] for model in models] == ["churn"]
    assert "source" not in git(place, "for-each-ref", "--format=%(refname)")
    tree = json.loads(invoke("show", "hot", "--json", cwd=place).out)["run"]["source"]["tree"]
    missing = git(place, "cat-file", "--batch-check", input=f"{tree}\n")
    assert missing == f"{tree} missing\n"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_store_without_a_work_tree(hub, invoke, tmp_path):
    answer = invoke("clone", "--bare", "--json", hub, "store.git", cwd=tmp_path)
    assert json.loads(answer.out)["ledgers"] == {"churn": "new"}
    assert runs(invoke, tmp_path / "store.git") == {"one", "two", "hot"}


@pytest.mark.parametrize("tags", ["--no-tags", "--tags"])
def test_a_shallow_clone_of_a_ci_job_has_all_and_builds_the_site(hub, git, invoke, tmp_path, tags):
    place = tmp_path / "job"
    git(tmp_path, "clone", "--quiet", "--depth", "1", tags, hub.as_uri(), place)
    assert (place / ".git" / "shallow").exists()
    assert invoke("pull", cwd=place).code == 0
    assert runs(invoke, place) == {"one", "two", "hot"}
    history = json.loads(invoke("model", "history", "churn", "--json", cwd=place).out)
    assert len(history["events"]) == 2
    answer = invoke("site", "build", "-o", "public", cwd=place)
    assert answer.code == 0, answer.err
    assert "two" in (place / "public" / "index.html").read_text(encoding="utf-8")
    (place / "train.py").write_text("print('in the job')\n")
    answer = invoke("log", "--name", "in-the-job", "-m", "auc=1", "--push", cwd=place)
    assert answer.code == 0, answer.err
    for path in (place, hub):
        git(path, "fsck", "--strict")


def test_depth_is_of_the_code_and_runs_come_whole(hub, git, invoke, tmp_path):
    answer = invoke("clone", "--depth", "1", hub.as_uri(), "job", cwd=tmp_path)
    assert answer.code == 0, answer.err
    assert git(tmp_path / "job", "rev-list", "--count", "HEAD").strip() == "1"
    assert runs(invoke, tmp_path / "job") == {"one", "two", "hot"}


def test_a_partial_clone_asks_for_no_file_of_a_run_by_itself(hub, git, invoke, gitml_cli, tmp_path):
    git(hub, "config", "uploadpack.allowFilter", "true")
    place = tmp_path / "partial"
    git(tmp_path, "clone", "--quiet", "--filter=blob:none", hub.as_uri(), place)
    assert invoke("pull", cwd=place).code == 0
    trace = tmp_path / "trace"
    answer = gitml_cli("show", "two", cwd=place, env={"GIT_TRACE2_EVENT": str(trace)})
    assert answer.code == 0, answer.err
    assert '"fetch"' not in trace.read_text()


def test_a_clone_that_fails_leaves_nothing_behind(hub, invoke, tmp_path, home, monkeypatch):
    def left():
        return sorted(path.name for path in tmp_path.iterdir())

    before = left()
    answer = invoke("clone", tmp_path / "nowhere.git", "x", cwd=tmp_path)
    assert (answer.code, left()) == (9, before)
    assert "is not there" in answer.err
    answer = invoke("clone", "-b", "nosuch", hub, "x", cwd=tmp_path)
    assert (answer.code, left()) == (3, before)
    assert " has no branch nosuch\n  hint: git ls-remote --heads " in answer.err
    program = home / "ssh"  # the host that goes away when the code is here and the runs are not
    program.write_text(f"#!/bin/sh\nmkdir {home}/once && shift && eval $1\n")
    program.chmod(0o755)
    monkeypatch.setenv("GIT_SSH", str(program))
    monkeypatch.setenv("GIT_SSH_VARIANT", "simple")
    answer = invoke("clone", f"host:{hub}", "x", cwd=tmp_path)
    assert (answer.code, left()) == (9, before), answer.err
    assert (home / "once").exists()


def test_what_is_in_the_way_stays(hub, invoke, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine\n")
    answer = invoke("clone", hub, "mine", cwd=tmp_path)
    assert answer.code == 4
    assert "exists already" in answer.err
    assert (tmp_path / "mine" / "file").read_text() == "mine\n"
    (tmp_path / "empty").mkdir()
    assert invoke("clone", hub, "empty", cwd=tmp_path).code == 0
    answer = invoke("clone", "/", cwd=tmp_path)
    assert (answer.code, "does not say how to call the folder" in answer.err) == (5, True)


def test_an_address_is_no_option(invoke, tmp_path):
    answer = invoke("clone", "--", "--upload-pack=touch pwned", "x", cwd=tmp_path)
    assert answer.code == 9
    assert not (tmp_path / "pwned").exists()
    assert not (tmp_path / "x").exists()


def test_on_a_terminal(hub, tmp_path):
    code, shown = on_terminal("clone", hub, "new", cwd=tmp_path)
    assert code == 0
    assert "cd new" in shown
