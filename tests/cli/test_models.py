"""Models listed: the whole output, in a pipe and on terminals of three widths."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.registry.journal import Journal, write_journals
from tests.support import MINUTE, START, assert_golden, on_terminal, without_color

GOLDEN = Path(__file__).parent / "golden"
NOW = "2026-01-02T05:00:00Z"
DAY = 24 * 60 * MINUTE
PAGES = {"stages": ["stages"], "models": ["models"]}


@pytest.fixture
def registry(repo, git):
    """Return a repository with four models: one of GTO's, and one whose name is hostile."""
    churn = Journal("churn", at=START - 9 * DAY)
    churn.register("v1.0.0").register("v1.1.0", run="a" * 32, digest="sha256:" + "b" * 64)
    churn.register("v1.2.0").add("deprecate", version="v1.2.0", reason="leaks")
    churn.assign("production", "v1.0.0")
    churn.at += 4 * DAY
    churn.assign("production", "v1.1.0", reason="better", via="promote")
    churn.assign("staging", "v1.2.0").add("describe", extra={"description": "Who leaves\nnext"})
    fraud = Journal("card-fraud--0123abcd", name="Card fraud", at=START - 2 * DAY)
    fraud.register("v1.0.0-rc.1").assign("staging", "v1.0.0-rc.1")
    fraud.assign("production", "v1.0.0-rc.1", via="break-glass", reason="fire")
    gone = Journal("gone", at=START).register("v1.0.0").add("delete")
    wild = Journal("wild--01234567", name="wild\x1b[31m\u202e", at=START).register("v1.0.0")
    write_journals(repo, churn, fraud, gone, wild)
    for tag in ("models/old@v0.1.0", "models/old#champion#1", "x@created"):
        git(repo, "tag", "-a", "-m", "x", tag)
    return repo


@pytest.mark.parametrize("columns", [60, 100, 140])
@pytest.mark.parametrize("page", PAGES)
def test_on_a_terminal(registry, page, columns):
    clock = {"GITML_TEST_CLOCK": NOW}
    code, out = on_terminal(*PAGES[page], cwd=registry, columns=columns, env=clock)
    assert code == 0, out
    text = without_color(out)
    lines = [line for line in text.splitlines() if not line.startswith("  gitml ")]
    assert [line for line in lines if len(line) > columns] == []  # only a command is never cut
    assert_golden(GOLDEN / str(columns) / f"{page}.txt", text)


@pytest.mark.parametrize("page", PAGES)
def test_in_a_pipe(registry, invoke, page):
    answer = invoke(*PAGES[page], cwd=registry)
    assert (answer.code, answer.err) == (0, "")
    assert_golden(GOLDEN / "pipe" / f"{page}.txt", answer.out)


def test_as_json(registry, invoke):
    document = json.loads(invoke("stages", "--json", cwd=registry).out)
    assert (document["schema"], document["stages"]) == (1, ["staging", "production", "champion"])
    models = {model["slug"]: model for model in document["models"]}
    assert models["churn"]["stages"]["production"] == {
        "version": "v1.1.0",
        "number": 2,
        "run": "a" * 32,
        "digest": "sha256:" + "b" * 64,
        "n": 2,
        "since": "2025-12-28T03:00:06.000Z",
        "by": "Ada Author <ada@example.com>",
        "via": "promote",
        "reason": "better",
        "drift": False,
    }
    assert models["card-fraud--0123abcd"]["stages"]["production"]["drift"]
    assert [one["ref"] for one in document["odd"]] == ["refs/tags/x@created"]
    listed = json.loads(invoke("models", "--json", cwd=registry).out)["models"]
    assert [model["latest"] for model in listed] == ["v1.0.0-rc.1", "v1.1.0", "v0.1.0", "v1.0.0"]
    assert [model["foreign"] for model in listed] == [False, False, True, False]
    everything = json.loads(invoke("models", "--deleted", "--json", cwd=registry).out)["models"]
    assert [model["name"] for model in everything if model["deleted"]] == ["gone"]
    told = invoke("models", "--deleted", cwd=registry).out.splitlines()
    assert [line.split()[1] for line in told if line.startswith("gone ")] == ["deleted"]


def test_some_models(registry, invoke):
    answer = invoke("stages", "churn", "Card fraud", "churn", cwd=registry)
    assert [line.split()[0] for line in answer.out.splitlines()] == ["model", "churn", "Card"]
    answer = invoke("stages", "chrun", cwd=registry)
    assert (answer.code, answer.err) == (
        3,
        "error: There is no model chrun\n  hint: did you mean churn?\n",
    )


def test_the_order_of_the_settings(registry, invoke):
    (registry / ".gitml").mkdir()
    (registry / ".gitml/config.yaml").write_text("stages: {order: [canary, production, staging]}")
    answer = invoke("stages", cwd=registry)
    head = "model latest canary production staging champion"
    assert answer.out.splitlines()[0].split() == head.split()
    (registry / ".gitml/config.yaml").write_text("stages: {order: 7}")
    assert invoke("stages", cwd=registry).code == 5


def test_no_models(repo, empty_repo, bare_repo, invoke):
    for place in (repo, empty_repo, bare_repo):
        for command in ("stages", "models"):
            answer = invoke(command, cwd=place)
            assert (answer.code, answer.out) == (0, "")
            assert answer.err == (
                "There are no models here yet.\n  hint: gitml register NAME --run RUN makes one\n"
            )
    assert json.loads(invoke("models", "--json", cwd=repo).out)["models"] == []


def test_a_journal_that_cannot_be_read_is_named_and_the_others_listed(registry, git, invoke):
    git(registry, "update-ref", "refs/gitml/models/churn", "HEAD")
    for command in ("stages", "models"):
        answer = invoke(command, cwd=registry)
        assert answer.code == 0
        assert "Card fraud" in answer.out
        assert answer.err.startswith("The event ")
        assert answer.err.endswith("  hint: gitml audit says what is wrong\n")
    assert invoke("stages", "churn", cwd=registry).code == 8
