"""gitml status: what is to be pushed and to be pulled, and what cannot be read."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.support import make_run, make_runs, run_id_of


@pytest.fixture
def pair(git, repo, bare_repo, invoke, tmp_path):
    """Return two clones of one bare repository, as ``gitml(*args)`` in each."""
    git(repo, "remote", "add", "origin", bare_repo)
    git(repo, "push", "--quiet", "origin", "main")
    git(tmp_path, "clone", "--quiet", bare_repo, "other")

    def of(path):
        def gitml(*args, code=0):
            answer = invoke(*args, cwd=path)
            assert answer.code == code, answer
            return answer

        gitml.path = path
        return gitml

    return of(repo), of(tmp_path / "other")


def sharing(gitml, *args):
    return json.loads(gitml("status", "--json", *args).out)["sharing"]


def test_what_is_ahead_and_behind_as_of_the_last_contact_and_when_asked(pair):
    ada, bob = pair
    make_runs(ada.path, {"name": "one"}, {"name": "two"})
    before = sharing(ada)
    assert (before["remote"], before["contact"], before["asked"]) == ("origin", None, False)
    assert set(before["ahead"]["runs"]) == {run_id_of("one"), run_id_of("two")}
    seen = "to push    2 runs\n  remote     origin, never pushed to or pulled from"
    assert seen in ada("status").out
    ada("push")
    assert "hint: gitml pull brings those of others; " in bob("status").err
    assert bob("ls").err == bob("status").err
    assert "to pull    2 runs\n  remote     origin, asked now" in bob("status", "--remote").out
    after = sharing(ada)
    assert after["contact"] is not None
    assert "remote     origin, nothing to push or to pull, as of " in ada("status").out
    assert after["ahead"] == {
        "runs": [],
        "ledgers": [],
        "models": [],
        "large": {"count": 0, "bytes": 0},
    }
    bob("pull")
    make_run(bob.path, "three")
    bob("pack")
    assert sharing(bob)["ahead"]["ledgers"] == ["churn"]
    bob("push")
    assert sharing(ada)["behind"] == {"runs": [], "ledgers": [], "models": []}
    asked = sharing(ada, "--remote")
    assert (asked["asked"], asked["behind"]["ledgers"]) == (True, ["churn"])
    assert (
        "to pull    churn (ledger)\n  remote     origin, asked now" in ada("status", "--remote").out
    )
    ada("pull")
    assert sharing(ada, "--remote")["behind"] == {"runs": [], "ledgers": [], "models": []}


def test_a_run_that_another_went_on_from_is_here_once_it_was_pulled(pair):
    ada, bob = pair
    make_run(ada.path, "one")
    ada("push")
    bob("pull")
    bob("tag", "one", "by=bob")
    bob("push")
    assert sharing(ada, "--remote")["behind"]["runs"] == [run_id_of("one")]
    ada("pull")
    nothing = {"runs": [], "ledgers": [], "models": []}
    assert (sharing(ada)["behind"], sharing(ada, "--remote")["behind"]) == (nothing, nothing)
    assert sharing(ada)["ahead"]["runs"] == []


def test_models_and_large_files_that_wait(pair, git):
    ada, _ = pair
    (ada.path / "big.bin").write_bytes(bytes(range(256)) * 8192)
    ada("log", "--name", "one", "-m", "auc=0.9", "--artifact", "big.bin")
    ada("register", "churn", "--run", "one", "--no-push")
    ahead = sharing(ada)["ahead"]
    assert (ahead["models"], ahead["large"]) == (["churn"], {"count": 1, "bytes": 256 * 8192})
    assert "1 run, churn (model), 1 large file, 2.1 MB" in ada("status").out


def test_what_the_remote_has_by_now_is_not_to_be_pushed(pair, git, bare_repo):
    ada, _ = pair
    make_run(ada.path, "one")
    git(ada.path, "push", "--quiet", "origin", "refs/gitml/runs/*:refs/gitml/runs/*")
    assert sharing(ada)["ahead"]["runs"] == [run_id_of("one")]
    assert sharing(ada, "--remote")["ahead"]["runs"] == []


def test_what_the_remote_lost_is_to_be_pushed(pair, git, bare_repo):
    ada, bob = pair
    make_run(ada.path, "one")
    make_run(ada.path, "sealed", experiment="other")
    ada("push")
    bob("pull")
    bob("pack")
    bob("push")
    asked = sharing(ada, "--remote")
    assert asked["ahead"]["runs"] == []  # they are in ledgers now
    assert asked["behind"]["ledgers"] == ["churn", "other"]
    make_run(ada.path, "two")
    ada("sync")
    for ref in git(bare_repo, "for-each-ref", "--format=%(refname)", "refs/gitml").split():
        git(bare_repo, "update-ref", "-d", ref)
    ahead = sharing(ada, "--remote")["ahead"]
    assert (len(ahead["runs"]), ahead["ledgers"]) == (1, ["churn", "other"])


def test_without_a_remote_and_with_one_that_is_away(repo, git, invoke):
    make_run(repo, "one")
    assert json.loads(invoke("status", "--json", cwd=repo).out)["sharing"] is None
    assert invoke("status", "--remote", cwd=repo).code == 2
    git(repo, "remote", "add", "origin", "../nowhere.git")
    assert invoke("status", cwd=repo).code == 0
    answer = invoke("status", "--remote", cwd=repo)
    assert (answer.code, "origin is not there" in answer.err) == (9, True)


def test_what_cannot_be_read_is_counted(repo, git, invoke):
    make_runs(repo, {"name": "good"}, {"name": "bad"})
    blob = git(repo, "rev-parse", f"refs/gitml/runs/{run_id_of('bad')}:run.yaml").strip()
    (repo / ".git" / "objects" / blob[:2] / blob[2:]).unlink(missing_ok=True)
    shutil.rmtree(repo / ".git" / "objects" / "pack", ignore_errors=True)
    answer = json.loads(invoke("status", "--json", cwd=repo).out)
    assert len(answer["unreadable"]) == 1
    assert "unreadable 1 thing; gitml doctor names what and why" in invoke("status", cwd=repo).out


def test_runs_that_were_removed_are_told_apart(repo, invoke):
    for name in ("kept", "gone"):
        make_run(repo, name)
    assert invoke("rm", "gone", cwd=repo).code == 0
    assert invoke(cwd=repo).out.endswith("1 experiment · 1 run · 1 removed · 2 not packed\n")
