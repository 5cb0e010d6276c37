"""Regressions: where a metric of an experiment's branch changed its level, in commit order.

A commit is one point, the median of its runs: those that finished and that recorded a
finite value. Runs of the commit's own tree decide; runs with uncommitted changes count
only for a commit that has no other. Runs without a commit are in no series.

From `steps.FEWEST` commits on the levels are fitted (`steps.fit`). Before that there is
no telling noise from change, and the only cut looked for is one whose two sides are
further apart than either of them is wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from gitml.query.goals import default_goal, is_setting
from gitml.query.steps import FEWEST, fit, median, step_of
from gitml.store.commits import in_order

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gitml.model import Metric, Run
    from gitml.query.steps import Step
    from gitml.store.commits import Commit

FITTED, COMPARED = 0.01, 0.05
"""The smallest relative change that counts, where levels are fitted and where they are not."""
SYSTEM = ("system/", "system.")
"""What metrics of the machine begin with: they are looked at only if asked for."""


class Point(NamedTuple):
    """What the runs of one commit tell of a metric."""

    commit: str
    time: int
    """When it was committed, or first met if that is not known, in milliseconds."""
    value: float
    """The median of the runs' last values."""
    runs: tuple[Run, ...]
    """The oldest first."""
    dirty: bool
    """Whether these runs had uncommitted changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A metric over the commits of a branch."""

    experiment: str
    """The experiment."""
    branch: str | None
    """The branch, None where no branch was checked out."""
    metric: str
    """The metric."""
    goal: str
    """``min`` or ``max``: which way it is better."""
    points: tuple[Point, ...]
    """A point for each commit, in the order of the commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A level that follows another."""

    series: Series
    """What changed."""
    before: Step
    """The piece before, which ends with the last commit that is good."""
    after: Step
    """The piece after, which begins with the first that is not."""
    worse: bool
    """Whether it went against the goal."""
    holds: bool
    """Whether it is so still: no later level went back by half of it."""
    fitted: bool
    """Whether levels were fitted; else the few points were only compared."""

    @property
    def last_good(self) -> Point:
        """The last commit before the change."""
        return self.series.points[self.before.end - 1]

    @property
    def first_bad(self) -> Point:
        """The first commit after it."""
        return self.series.points[self.after.start]

    @property
    def size(self) -> float:
        """The difference of the levels."""
        return self.after.level - self.before.level

    @property
    def relative(self) -> float:
        """The difference in relation to the level before; infinite where that is zero."""
        return (
            self.size / abs(self.before.level)
            if self.before.level
            else math.copysign(math.inf, self.size)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A series and what was found in it."""

    series: Series
    """The points."""
    steps: tuple[Step, ...]
    """Its levels."""
    changes: tuple[Change, ...]
    """The changes between them that count, the oldest first."""


def series_of(
    runs: Iterable[Run],
    commits: Mapping[str, Commit],
    *,
    metrics: Collection[str] | None = None,
    goals: Mapping[str, str] | None = None,
) -> list[Series]:
    """Return the series of runs, by experiment, branch and metric.

    ``goals`` says which way a metric is better, else its name does. Without ``metrics``
    all are taken but those of the machine, and those that are no better either way
    (`gitml.query.goals.is_setting`).
    """
    counted = [run for run in runs if run.status == "finished" and run.source.commit]
    counted.sort(key=lambda run: (run.created, run.id))
    seen: dict[str, int] = {}
    groups: dict[tuple[str, str], dict[str, dict[str, list[Run]]]] = {}
    for run in counted:
        commit = str(run.source.commit)
        seen.setdefault(commit, run.created)
        group = groups.setdefault((run.experiment, run.source.branch or ""), {})
        for name, metric in run.metrics.items():
            if not math.isfinite(metric.last):
                continue
            if name in metrics if metrics is not None else _counts(name, metric):
                by_commit = group.get(name)
                if by_commit is None:
                    by_commit = group[name] = {}
                if commit in by_commit:
                    by_commit[commit].append(run)
                else:
                    by_commit[commit] = [run]
    order = in_order(commits, seen)
    times = {commit: commits[commit].time if commit in commits else seen[commit] for commit in seen}
    return [
        Series(
            experiment=experiment,
            branch=branch or None,
            metric=name,
            goal=(goals or {}).get(name) or default_goal(name),
            points=tuple(
                [_point(at, times[at], name, by_commit[at]) for at in order if at in by_commit]
            ),
        )
        for (experiment, branch), group in sorted(groups.items())
        for name, by_commit in sorted(group.items())
    ]


def _counts(name: str, metric: Metric) -> bool:
    """Say whether a metric is looked at unasked: better or worse, and not of the machine."""
    return not name.startswith(SYSTEM) and (bool(metric.goal) or not is_setting(name))


def comparable(runs: Iterable[Run]) -> bool:
    """Say whether any series of these runs has two points."""
    return next(_differing(runs), None) is not None


def differing(runs: Iterable[Run]) -> set[str]:
    """Return the metrics of which some series of these runs has two points."""
    return set(_differing(runs))


def _differing(runs: Iterable[Run]) -> Iterator[str]:
    first: dict[tuple[str, str | None, str], str] = {}
    for run in runs:
        commit = run.source.commit
        if not commit or run.status != "finished":
            continue
        for name, metric in run.metrics.items():
            if math.isfinite(metric.last) and _counts(name, metric):
                key = (run.experiment, run.source.branch, name)
                if first.setdefault(key, commit) != commit:
                    yield name


def _point(commit: str, time: int, metric: str, runs: Sequence[Run]) -> Point:
    if len(runs) == 1:  # as most are; there may be many
        return Point(commit, time, runs[0].metrics[metric].last, (runs[0],), runs[0].source.dirty)
    clean = [run for run in runs if not run.source.dirty]
    chosen = clean or runs
    value = median(sorted([run.metrics[metric].last for run in chosen]))
    return Point(commit, time, value, tuple(chosen), not clean)


def typical(point: Point, metric: str) -> Run:
    """Return the run that stands for its commit: the one nearest to what the commit counts as."""
    return min(point.runs, key=lambda run: abs(run.metrics[metric].last - point.value))


def trend_of(series: Series, threshold: float | None = None) -> Trend:
    """Return the levels of a series, and the changes of at least ``threshold``, a ratio.

    By default that is `FITTED` where levels are fitted and `COMPARED` where there
    are too few points for that.
    """
    values = [point.value for point in series.points]
    fitted = len(values) >= FEWEST
    steps = fit(values) if fitted else _compared(values)
    least = threshold if threshold is not None else FITTED if fitted else COMPARED
    changes = []
    for at, (before, after) in enumerate(pairwise(steps), 1):
        size = after.level - before.level
        if not size or abs(size) < least * abs(before.level):
            continue
        back = before.level + size / 2
        change = Change(
            series=series,
            before=before,
            after=after,
            worse=(size > 0) == (series.goal == "min"),
            holds=all((step.level > back) == (size > 0) for step in steps[at:]),
            fitted=fitted,
        )
        changes.append(change)
    return Trend(series=series, steps=tuple(steps), changes=tuple(changes))


def _compared(values: Sequence[float]) -> list[Step]:
    """Return the two pieces of a few values that lie apart, or the one that they are."""
    best, cut = 0.0, 0
    for at in range(1, len(values)):
        one, other = sorted(values[:at]), sorted(values[at:])
        apart = max(other[0] - one[-1], one[0] - other[-1])
        if apart > best and apart >= max(one[-1] - one[0], other[-1] - other[0]):
            best, cut = apart, at
    pieces = [(0, cut), (cut, len(values))] if cut else [(0, len(values))][: len(values)]
    return [step_of(values[start:end], start, end) for start, end in pieces]


def largest_first(changes: Iterable[Change]) -> list[Change]:
    """Return changes by their relative size, the newer first where two are alike."""
    return sorted(
        changes,
        key=lambda change: (
            -abs(change.relative),
            -change.first_bad.time,
            change.series.experiment,
            change.series.branch or "",
            change.series.metric,
        ),
    )
