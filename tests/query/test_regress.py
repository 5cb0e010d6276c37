"""Series of runs in commit order, and the changes in them."""

from __future__ import annotations

import random

import pytest

from gitml.model import Metric, Run, Source
from gitml.query.regress import largest_first, series_of, trend_of, typical
from gitml.store.commits import Commit, in_order, read_commits
from gitml.store.git import open_repository
from tests.query.regressing import make_commits
from tests.support import START

OIDS = [f"{n:040x}" for n in range(40)]


def run_of(commit, value, *, n=0, metric="auc", status="finished", **source):
    facts = {"last": value, "step": 1, "min": value, "max": value, "count": 1}
    return Run(
        id=f"{n:032x}",
        name=f"run-{n}",
        experiment="churn",
        status=status,
        created=START + n,
        metrics={metric: Metric(**facts)},
        source=Source(**{"commit": commit, "branch": "main", **source}),
    )


def trend(values, metric="auc", threshold=None):
    runs = [run_of(OIDS[n], value, n=n, metric=metric) for n, value in enumerate(values)]
    (series,) = series_of(runs, {})
    assert [point.value for point in series.points] == list(values)
    return trend_of(series, threshold)


def test_a_commit_is_the_median_of_the_runs_that_count():
    one, two, three = OIDS[1:4]
    runs = [
        run_of(one, 0.9),
        run_of(one, 0.7, n=1),
        run_of(one, 0.8, n=2),
        run_of(one, 0.1, n=3, dirty=True),
        run_of(two, 0.5, n=4, dirty=True),
        run_of(two, 0.6, n=5, status="failed"),
        run_of(two, float("nan"), n=6),
        run_of(three, float("inf"), n=7),
        run_of(None, 0.4, n=8),
        run_of(two, 0.3, n=9, branch="topic"),
        run_of(two, 0.3, n=10, metric="system/cpu"),
        run_of(two, 0.3, n=11, metric="lr"),  # a setting is no better either way
    ]
    main, topic = series_of(reversed(runs), {})
    assert [(p.commit, p.value, p.dirty, len(p.runs)) for p in main.points] == [
        (one, 0.8, False, 3),
        (two, 0.5, True, 1),
    ]
    assert [run.name for run in main.points[0].runs] == ["run-0", "run-1", "run-2"]
    assert (topic.branch, topic.goal) == ("topic", "max")
    (asked,) = series_of(runs, {}, metrics=["system/cpu"], goals={"system/cpu": "min"})
    assert (asked.metric, asked.goal) == ("system/cpu", "min")
    (asked,) = series_of(runs, {}, metrics=["lr"])
    assert asked.metric == "lr"


def test_the_run_that_stands_for_a_commit_is_the_one_nearest_to_the_median():
    values = [0.95, 0.5, 0.52, 0.1, 0.51]
    (series,) = series_of([run_of("a" * 40, value, n=n) for n, value in enumerate(values)], {})
    (point,) = series.points
    assert (point.value, typical(point, "auc").metrics["auc"].last) == (0.51, 0.51)


def test_commits_are_in_the_order_of_their_dates_and_after_their_parents(repo, git):
    """The third was made by a clock that was a day behind."""
    first, second, third, fourth = made = make_commits(repo, git, 4, hours=[0, 1, -23, 3])
    store = open_repository(repo)
    blob = git(repo, "hash-object", "-w", "--stdin", input="text").strip()
    commits = read_commits(store, [*made, "f" * 40, blob, "HEAD", "a\nb"])
    large = git(repo, "hash-object", "-w", "--stdin", input="x" * (1 << 21)).strip()
    assert read_commits(store, [*made, large]) == commits
    text = git(repo, "cat-file", "commit", first).replace(f" {START // 1000} ", " 999999999999 ")
    odd = git(repo, "hash-object", "-w", "-t", "commit", "--literally", "--stdin", input=text)
    assert read_commits(store, [odd.strip()]) == {}
    store.close()
    assert commits == {
        first: Commit(START, ()),
        second: Commit(START + 3_600_000, (first,)),
        third: Commit(START - 23 * 3_600_000, (second,)),
        fourth: Commit(START + 3 * 3_600_000, (third,)),
    }
    random.Random(1).shuffle(made)
    assert in_order(commits, dict.fromkeys(made, 0)) == [first, second, third, fourth]
    # One that is not there stands where its first run does; of one second, as they were met.
    assert in_order(commits, {fourth: 0, "f" * 40: START + 1, first: 0}) == [
        *(first, "f" * 40, fourth)
    ]
    same = {oid: Commit(START) for oid in made}
    assert in_order(same, {first: 3, second: 1, third: 2}) == [second, third, first]


def test_what_is_worse_by_the_goal():
    noise = random.Random(3)
    values = [0.9 + noise.gauss(0, 0.003) - 0.1 * (n >= 12) for n in range(20)]
    (change,) = trend(values).changes
    assert (change.worse, change.holds, change.fitted) == (True, True, True)
    assert (change.last_good.commit, change.first_bad.commit) == (OIDS[11], OIDS[12])
    assert change.relative == pytest.approx(-0.11, abs=0.01)
    assert change.size == pytest.approx(-0.1, abs=0.01)
    (change,) = trend(values, metric="loss").changes
    assert not change.worse


def test_what_recovered_does_not_hold():
    worse, better = trend([0.9] * 8 + [0.5] * 8 + [0.89] * 8).changes
    assert (worse.worse, worse.holds) == (True, False)
    assert (better.worse, better.holds) == (False, True)
    worse, better, again = trend([0.9] * 8 + [0.5] * 8 + [0.9] * 8 + [0.5] * 8).changes
    assert (worse.holds, better.holds, again.holds) == (False, False, True)
    _, last = trend([0.9] * 8 + [0.5] * 8 + [0.6] * 8).changes
    worse = trend([0.9] * 8 + [0.5] * 8 + [0.6] * 8).changes[0]
    assert worse.holds
    assert not last.worse


@pytest.mark.parametrize(
    "values, cut",
    [
        ([0.9], None),
        ([0.9, 0.89], None),
        ([0.9, 0.7], 1),
        ([0.0, 1.0], 1),
        ([0.9, 0.91, 0.89, 0.7], 3),
        ([0.9, 0.91, 0.7, 0.71, 0.69], 2),
        ([0.87, 0.91, 0.88], None),
        ([0.3, 0.9, 0.5, 0.1], None),
        ([0.9] * 7, None),
        ([0.9] * 3 + [0.88] * 4, None),
    ],
)
def test_a_few_points_are_compared(values, cut):
    changes = trend(values).changes
    assert [change.after.start for change in changes] == [cut] * (cut is not None)
    assert not any(change.fitted for change in changes)


def test_the_threshold():
    values = [0.9] * 10 + [0.895] * 10
    assert trend(values).changes == ()
    assert len(trend(values, threshold=0.001).changes) == 1
    assert len(trend([0.9] * 3 + [0.88] * 4, threshold=0.01).changes) == 1


def test_the_largest_are_first():
    found = [
        *trend([0.9] * 8 + [0.5] * 8).changes,
        *trend([0.0] * 8 + [0.1] * 8, metric="loss").changes,
        *trend([0.9] * 8 + [0.1] * 8, metric="f1").changes,
    ]
    assert [change.series.metric for change in largest_first(found)] == ["loss", "f1", "auc"]
