"""gitml log and gitml run with --push: the run goes to a remote, or stays safe here."""

from __future__ import annotations

import json
import sys

import pytest


@pytest.fixture
def hub(repo, bare_repo, git):
    """A bare remote called origin."""
    git(repo, "remote", "add", "origin", bare_repo)
    return bare_repo


def there(git, hub):
    return len(git(hub, "for-each-ref", "refs/gitml/runs").splitlines())


def test_log_pushes_the_run_and_says_so_in_json(hub, repo, git, invoke):
    answer = invoke("log", "-m", "auc=0.9", "--push", "--json", cwd=repo)
    assert (answer.code, json.loads(answer.out)["pushed"], there(git, hub)) == (0, True, 1)
    answer = invoke("log", "-m", "auc=0.9", "--json", cwd=repo)
    assert (json.loads(answer.out)["pushed"], there(git, hub)) == (None, 1)
    assert invoke("log", "-m", "auc=0.9", "-q", "--push-to", hub, cwd=repo).code == 0
    assert there(git, hub) == 2


def test_the_environment_wishes_and_no_push_overrules_it(hub, repo, git, invoke, monkeypatch):
    monkeypatch.setenv("GITML_AUTOPUSH", "1")
    along = "with 1 commit that no branch of origin has"  # its first, which nobody pushed
    out = invoke("log", "-m", "auc=0.9", cwd=repo).out
    assert out.endswith(f"\nPushed to origin, {along}.\n")
    assert "Pushed" not in invoke("log", "-m", "auc=0.9", "--no-push", cwd=repo).out
    assert "never pushed to" not in invoke("status", cwd=repo).out
    assert there(git, hub) == 1


def test_a_run_that_could_not_be_pushed_is_safe_and_the_next_push_takes_it(
    hub, repo, git, invoke, monkeypatch
):
    away = hub.rename(hub.with_name("away.git"))
    answer = invoke("log", "--name", "one", "-m", "auc=0.9", "--push", cwd=repo)
    assert answer.code == 9
    assert "Logged one to default" in answer.out
    assert "one is safe here and was not pushed: origin is not there" in answer.err
    assert "hint: gitml push takes it along later" in answer.err
    monkeypatch.setenv("GITML_AUTOPUSH", "1")  # whoever did not ask does not fail
    answer = invoke("log", "--name", "two", "-m", "auc=0.9", cwd=repo)
    assert (answer.code, "two is safe here and was not pushed" in answer.err) == (0, True)
    away.rename(hub)
    assert invoke("push", cwd=repo).out.startswith("  runs       2 runs\n")


def test_runs_that_the_command_begins_within_go_along(hub, repo, git, invoke):
    program = "import gitml; gitml.start_run(); gitml.start_run(nested=True).end()"
    answer = invoke("run", "--push", "--", sys.executable, "-c", program, cwd=repo)
    assert (answer.code, there(git, hub)) == (0, 2), answer.err


def test_run_pushes_and_its_exit_code_stays_that_of_the_command(hub, repo, git, invoke):
    failing = (sys.executable, "-c", "raise SystemExit(3)")
    assert invoke("run", "--push", "--", *failing, cwd=repo).code == 3
    assert there(git, hub) == 1
    hub.rename(hub.with_name("away.git"))
    answer = invoke("run", "--push", "--", sys.executable, "-c", "pass", cwd=repo)
    assert (answer.code, "was not pushed" in answer.err) == (0, True)


@pytest.mark.parametrize("words", [["--push"], ["--push-to", "orign"]])
def test_no_such_remote_is_told_before_anything_is_recorded(repo, invoke, words):
    answer = invoke("log", "-m", "auc=0.9", *words, cwd=repo)
    assert answer.code == 2
    assert "There is no remote" in answer.err
    assert json.loads(invoke("ls", "--json", cwd=repo).out)["runs"] == []
