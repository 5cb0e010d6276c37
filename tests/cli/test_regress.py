"""``gitml regress``: a table of regressions, as data too, and an exit code for CI."""

from __future__ import annotations

import json
import random

import pytest

from tests.query.regressing import facts_of, make_commits
from tests.support import make_runs, on_terminal, without_color


@pytest.fixture
def world(empty_repo, git):
    """Return (repository, its commits): auc falls with the 21st, loss only for a while."""
    rng = random.Random(4)
    commits = make_commits(empty_repo, git, 30)
    auc = [0.93 + rng.gauss(0, 0.002) - 0.04 * (n >= 20) for n in range(30)]
    loss = [0.3 + rng.gauss(0, 0.01) + 0.2 * (8 <= n < 13) for n in range(30)]
    flat = [0.5 + rng.gauss(0, 0.01) for n in range(30)]
    make_runs(
        empty_repo,
        *facts_of(commits, auc=auc, **{"val/loss": loss}, f1=flat),
        *facts_of(commits[:5], "ranker", dirty={4}, ndcg=[0.5, 0.51, 0.5, 0.52, 0.31]),
    )
    return empty_repo, commits


def test_as_data(world, invoke):
    repo, commits = world
    answer = invoke("regress", "--json", cwd=repo)
    found = json.loads(answer.out)
    assert (answer.code, found["series"], found["points"], found["improvements"]) == (0, 4, 95, [])
    ranker, churn = found["regressions"]
    assert (churn["metric"], churn["goal"], churn["kind"]) == ("auc", "max", "regression")
    assert (churn["last_good"]["commit"], churn["first_bad"]["commit"]) == (*commits[19:21],)
    assert (churn["points_before"], churn["points_after"], churn["fitted"]) == (20, 10, True)
    assert churn["relative"] == pytest.approx(-0.043, abs=0.002)
    assert len(churn["first_bad"]["runs"]) == 1
    assert (ranker["fitted"], ranker["first_bad"]["dirty"]) == (False, True)
    everything = json.loads(invoke("regress", "--all", "--json", cwd=repo).out)
    assert [c["kind"] for c in everything["regressions"]] == [*["regression"] * 2, "recovered"]
    assert [c["metric"] for c in everything["improvements"]] == ["val/loss"]


def test_it_fails_where_ci_asks_it_to(world, invoke):
    repo, commits = world
    for words, code in (
        ([], 0),
        (["--fail"], 4),
        (["churn", "--metric", "f1", "--fail"], 0),
        (["churn", "--threshold", "4%", "--fail"], 4),
        (["churn", "--threshold", "0.05", "--fail"], 0),
        (["--since", commits[19], "--fail"], 4),
        (["--since", "main~9", "--fail"], 0),
        (["--since", "2026-01-02", "--fail"], 4),
        (["--since", "2026-01-03T12:00", "--fail"], 0),
        (["--where", "status = 'failed'", "--fail"], 0),
        (["ranked"], 3),
        (["--metric", "au"], 5),
        (["--branch", "mian"], 3),
        (["--since", "mian"], 3),
        (["--threshold", "much"], 5),
        (["--threshold", "nan"], 5),
    ):
        answer = invoke("regress", *words, cwd=repo)
        assert answer.code == code, words
        assert answer.err.count("\n") <= 2


def test_on_a_terminal(world):
    repo, commits = world
    code, wide = on_terminal("regress", "--all", cwd=repo, columns=140)
    lines = without_color(wide).splitlines()
    assert code == 0
    assert lines[0].split() == [
        *("METRIC", "EXPERIMENT", "WHAT", "CHANGE", "BEFORE", "AFTER", "COMMITS", "N", "SINCE")
    ]
    assert f"{commits[3][:7]}..{commits[4][:7]}+" in lines[1]
    assert "regression    ▼ −4.4%" in lines[2] or "▼ −4.4%" in lines[2]
    assert f"{commits[19][:7]}..{commits[20][:7]}   20+10" in lines[2]
    assert "recovered" in lines[3]
    assert "▲" in lines[4]
    assert lines[5:] == [
        "  2 regressions in 4 series with 95 points in all, 1 of them with fewer than 8",
        "  gitml diff ranker-main-3 ranker-main-4",
    ]
    _, narrow = on_terminal("regress", cwd=repo, columns=60)
    assert all(len(line) <= 60 for line in without_color(narrow).splitlines())


@pytest.mark.parametrize("count", [0, 1, 7, 8])
def test_any_number_of_runs(empty_repo, git, invoke, count):
    if count:
        commits = make_commits(empty_repo, git, count)
        make_runs(empty_repo, *facts_of(commits, auc=[0.9] * count))
    answer = invoke("regress", "--fail", cwd=empty_repo)
    assert (answer.code, answer.out) == (0, "")
    said = "No regression in 1 series with" if count else "There is nothing to compare yet."
    assert answer.err.startswith(said)
