"""The page of regressions: the same changes as ``gitml regress`` finds, drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.names import plural
from gitml.query.goals import is_setting
from gitml.query.regress import comparable, differing, largest_first, series_of, trend_of, typical
from gitml.query.steps import FEWEST
from gitml.site import report, urls
from gitml.site.facts import moment
from gitml.site.parts import Fact, Link
from gitml.site.plan import Output
from gitml.site.regression_pages import Regressions, StepCard, StepDrawing, StepLine
from gitml.store.commits import read_commits
from gitml.words import number, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitml.query.regress import Change, Point, Series, Trend
    from gitml.query.steps import Step
    from gitml.site.gather import Gathered
    from gitml.site.plan import Site

_POINTS, _FEWEST, _MOST = 100_000, 5, 50
"""About how many points are looked at, of how many metrics at least and at most."""
_CARDS, _LINES = 40, 200
_WIDTH, _HEIGHT, _EDGE = 600, 120, 4
_DOTS = 400
"""Points of a drawing; of more, some evenly apart are drawn."""
_TRIM = 50
"""One point of so many at either end does not decide the scale, unless it is near."""


def outputs(site: Site) -> Iterator[Output]:
    """Yield the page, where anything can be compared."""
    if comparable(site.gathered.runs):
        yield Output(
            address=urls.REGRESSIONS, make=lambda: site.page("regressions", regressions(site))
        )


def worst(site: Site) -> Fact | None:
    """Return how many regressions there are and the largest, None without any.

    Those of few commits are left to the page, which says that they may be noise.
    """
    if not comparable(site.gathered.runs):
        return None
    found = regressions(site)
    lines = [line for card in found.cards for line in card.lines] + [*found.more]
    lines = [line for line in lines if line.fitted]
    if not lines:
        return None
    first = lines[0]
    return Fact(
        label="Regressions",
        value=f"{len(lines):,}",
        note=f"{first.metric} {first.size}" + (f" on {first.branch}" if first.branch else ""),
        tone="down",
        href=urls.REGRESSIONS,
    )


def regressions(site: Site) -> Regressions:
    """Return the context of the page, made once for each site."""
    if "regressions" not in site.contexts:
        site.contexts["regressions"] = _regressions(site)
    found: Regressions = site.contexts["regressions"]
    return found


def _regressions(site: Site) -> Regressions:
    gathered = site.gathered
    room = _POINTS // max(len(gathered.runs), 1)
    settings = {name for name in gathered.leading if is_setting(name)}
    settings -= {n for r in gathered.runs for n in settings & r.metrics.keys() if r.metrics[n].goal}
    leading = [name for name in gathered.leading if name not in settings]
    metrics = frozenset(leading[: min(max(room, _FEWEST), _MOST)])
    commits = read_commits(site.store, {r.source.commit for r in gathered.runs if r.source.commit})
    series = series_of(gathered.runs, commits, metrics=metrics, goals=gathered.goals)
    trends = [trend_of(each) for each in series]
    lines = _Lines(gathered)
    changes = largest_first(change for trend in trends for change in trend.changes)
    worse = [change for change in changes if change.worse and change.holds]
    back = [change for change in changes if change.worse and not change.holds]
    better = [change for change in changes if not change.worse]
    trend_by = {id(trend.series): trend for trend in trends}
    by_series: dict[int, list[Change]] = {}
    for change in worse:
        by_series.setdefault(id(change.series), []).append(change)
    drawn = [(trend_by[key], found) for key, found in by_series.items()]
    more = [change for _, found in drawn[_CARDS:] for change in found]
    points = sum(len(each.points) for each in series)
    unused = len(differing(gathered.runs) - metrics) if len(metrics) < len(leading) else 0
    return Regressions(
        frame=site.frames.frame(urls.REGRESSIONS, "Regressions", dated=False),
        looked_at=f"{plural(len(series), 'series', 'series')} of {plural(points, 'point')}",
        facts=_facts(series, worse, back, better) if changes else (),
        cards=tuple(lines.card(trend, found) for trend, found in drawn[:_CARDS]),
        more=lines.many(more),
        recovered=lines.many(back),
        improved=lines.many(better),
        unsaid=sum(max(len(listed) - _LINES, 0) for listed in (more, back, better)),
        left_out=plural(unused, "more metric") if unused else "",
    )


def _facts(
    series: Sequence[Series],
    worse: Sequence[Change],
    back: Sequence[Change],
    better: Sequence[Change],
) -> tuple[Fact, ...]:
    few = sum(len(each.points) < FEWEST for each in series)
    return (
        Fact(
            label="Regressions",
            value=f"{len(worse):,}",
            note=f"the largest {percent(worse[0].relative)}" if worse else "none",
            tone="down" if worse else "",
        ),
        Fact(label="Recovered", value=f"{len(back):,}", note="worse for a while" if back else ""),
        Fact(
            label="Improvements",
            value=f"{len(better):,}",
            note=f"the largest {percent(better[0].relative)}" if better else "",
            tone="up" if better else "",
        ),
        Fact(
            label="Series",
            value=f"{len(series):,}",
            note=f"{few:,} of them short" if few else "",
        ),
    )


class _Lines:
    """Makes lines and cards out of changes."""

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered

    def many(self, changes: Sequence[Change]) -> tuple[StepLine, ...]:
        return tuple(map(self.line, changes[:_LINES]))

    def line(self, change: Change) -> StepLine:
        series, good, bad = change.series, change.last_good, change.first_bad
        runs = typical(good, series.metric), typical(bad, series.metric)
        host = self._gathered.host(runs[1].source.remote)
        keys = [self._gathered.keys[run.id] for run in runs]
        return StepLine(
            metric=series.metric,
            experiment=series.experiment,
            branch=series.branch,
            worse=change.worse,
            size=percent(change.relative),
            before=_level(change.before),
            after=_level(change.after),
            count=(
                change.before.end - change.before.start,
                change.after.end - change.after.start,
            ),
            good=self._commit(good),
            bad=self._commit(bad),
            dirty=good.dirty or bad.dirty,
            diff=None if host is None else host.diff(good.commit, bad.commit),
            runs=(
                Link(text=runs[0].name, href=urls.run_page(keys[0])),
                Link(text=runs[1].name, href=urls.run_page(keys[1])),
            ),
            compare=f"{urls.COMPARE}#runs={','.join(keys)}",
            when=moment(bad.time),
            fitted=change.fitted,
        )

    def _commit(self, point: Point) -> Link:
        host = self._gathered.host(point.runs[0].source.remote)
        href = None if host is None else host.commit(point.commit)
        return Link(text=point.commit[:7], href=href)

    def card(self, trend: Trend, found: Sequence[Change]) -> StepCard:
        series, largest = trend.series, found[0]
        return StepCard(
            metric=series.metric,
            experiment=Link(
                text=series.experiment, href=f"{urls.RUNS}#{report.table_of(series.experiment)}"
            ),
            branch=series.branch,
            goal=series.goal,
            size=percent(largest.relative),
            drawing=drawing_of(trend),
            said=f"{series.metric} of {plural(len(series.points), 'commit')} in their order: "
            f"{_level(largest.before)} up to {largest.last_good.commit[:7]}, "
            f"{_level(largest.after)} from {largest.first_bad.commit[:7]} on.",
            lines=tuple(map(self.line, found)),
        )


def _level(step: Step) -> str:
    return number(step.level, 4)


def drawing_of(trend: Trend) -> StepDrawing:
    """Return the points of a series, its levels, and where it is worse than it was."""
    points, steps = trend.series.points, trend.steps
    values = [point.value for point in points]
    low, high = _scale_of(values, steps)
    gap = _WIDTH / len(values)
    scale = (high / 2 - low / 2) or 1.0

    def up(value: float) -> int:
        part = (min(max(value, low), high) / 2 - low / 2) / scale
        return round(_HEIGHT - _EDGE - part * (_HEIGHT - 2 * _EDGE))

    levels = "".join(
        f"M{round(step.start * gap)} {up(step.level)}H{round(step.end * gap)}" for step in steps
    )
    worse = [c for c in trend.changes if c.worse and c.holds]
    spots = [
        (round(c.after.start * gap), round((c.after.end - c.after.start) * gap)) for c in worse
    ]
    return StepDrawing(
        dots="".join(
            f"M{round((at + 0.5) * gap)} {up(values[at])}h0" for at in _shown(len(values), worse)
        ),
        levels=levels,
        bad=tuple(spots),
        low=number(low, 4),
        high=number(high, 4),
        first=points[0].commit[:7],
        last=points[-1].commit[:7],
        beyond=sum(not low <= value <= high for value in values),
    )


def _scale_of(values: Sequence[float], steps: Sequence[Step]) -> tuple[float, float]:
    """Return the ends of the scale: all values are within, but for a few that are far away."""
    ordered = sorted(values)
    few = len(ordered) // _TRIM
    least, most = ordered[few], ordered[-1 - few]
    for step in steps:
        least, most = min(least, step.level), max(most, step.level)
    room = (most - least) / 2
    return max(ordered[0], least - room), min(ordered[-1], most + room)


def _shown(count: int, changes: Sequence[Change]) -> list[int]:
    """Return which points are drawn: all, or evenly apart, and those around the changes."""
    if count <= _DOTS:
        return list(range(count))
    chosen = {round(at * (count - 1) / (_DOTS - 1)) for at in range(_DOTS)}
    for change in changes:
        cut = change.after.start
        chosen.update(range(max(cut - 3, 0), min(cut + 3, count)))
    return sorted(chosen)
