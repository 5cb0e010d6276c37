"""``gitml regress``: where a metric changed its level, in commit order."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from gitml.commands.completing import complete_experiments, complete_metrics
from gitml.commands.options import command, json_option, where_option
from gitml.errors import InputError, NotFoundError, RefusedError
from gitml.names import did_you_mean, plural, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.commands.options import Session
    from gitml.model import Json, Run
    from gitml.output import Piece, Screen
    from gitml.query.regress import Change, Point, Trend
    from gitml.store.git import Repository

DETACHED = "(no branch)"
"""What stands for the branch where none was checked out."""


class _Asked(NamedTuple):
    """What is to be looked at."""

    experiment: str | None
    metrics: tuple[str, ...]
    branch: str | None
    where: str | None
    since: str | None
    threshold: float | None


def _ratio(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(f"{visible(text, 40)} is no relative size.", hint="such as 5% or 0.05")
    return value


@command(
    examples=[
        "gitml regress churn --metric auc --branch main",
        "gitml regress --since origin/main --threshold 2% --fail",
    ],
    exits=[3, 4, 5, 6, 8],
    exit_words={4: "with --fail, there is a regression"},
)
@click.argument(
    "experiment", required=False, metavar="[EXPERIMENT]", shell_complete=complete_experiments
)
@click.option(
    "--metric",
    "metrics",
    metavar="NAME",
    multiple=True,
    shell_complete=complete_metrics,
    help="Only this metric; repeatable. By default all but those of the machine, and "
    "what only tells where a run stood, such as lr or epoch.",
)
@click.option("--branch", metavar="NAME", help="Only runs of this branch.")
@where_option
@click.option(
    "--since", metavar="WHEN", help="Only changes that came after this commit or date (2026-01-31)."
)
@click.option(
    "--threshold",
    metavar="SIZE",
    callback=_ratio,
    help="The smallest relative change that counts: 5% or 0.05. By default 1%, and 5% where "
    "there are fewer than eight commits.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Improvements, and what has recovered, too."
)
@click.option("--fail", is_flag=True, help="Exit with 4 if there is a regression.")
@json_option
def regress(session: Session, *, everything: bool, fail: bool, as_json: bool, **asked: Any) -> int:
    """Find where a metric got worse, in commit order.

    For each experiment, branch and metric: the commits between which its level changed
    and has not come back, and how many (N) are on each side. A commit counts as the median
    of its finished runs; runs of uncommitted work count, marked +, only where it has no
    others. Which way is better, the metric's goal tells.
    """
    from gitml.query.regress import largest_first

    trends, after = _trends(session, _Asked(**asked))
    changes = [c for trend in trends for c in trend.changes if c.first_bad.time > after]
    found = largest_first(c for c in changes if everything or (c.worse and c.holds))
    found.sort(key=_rank)
    bad = sum(c.worse and c.holds for c in found)
    if as_json:
        session.screen.json(
            series=len(trends),
            points=sum(len(trend.series.points) for trend in trends),
            regressions=[_document(c) for c in found if c.worse],
            improvements=[_document(c) for c in found if not c.worse],
        )
    elif not trends:
        hint = "a run counts once it has finished, with a metric, in a repository with a commit"
        session.say("There is nothing to compare yet.", hint=hint)
    else:
        if found:
            _table(session, found)
        _footer(session, trends, changes, found)
    return RefusedError.exit_code if fail and bad else 0


def _of_branch(runs: Sequence[Run], branch: str) -> list[Run]:
    """Return the runs of a branch; raise `NotFoundError` if there are none."""
    found = [run for run in runs if run.source.branch == branch]
    if not found and runs:
        branches = {run.source.branch for run in runs if run.source.branch}
        raise NotFoundError(
            f"no run was made on a branch {visible(branch)}", hint=did_you_mean(branch, branches)
        )
    return found


def _trends(session: Session, asked: _Asked) -> tuple[list[Trend], float]:
    """Return what was found in each series, and the time after which it counts."""
    from gitml.query.keys import METRICS, unknown
    from gitml.query.regress import series_of, trend_of
    from gitml.store.commits import read_commits

    with session.index() as index:
        keys = index.keys()
        for name in asked.metrics:
            if name not in keys.metrics:
                raise unknown(METRICS, name, keys)
        runs = index.search(where=asked.where, experiment=asked.experiment)
        goals = {name: index.goal(name) for name in asked.metrics or keys.metrics}
    if asked.branch is not None:
        runs = _of_branch(runs, asked.branch)
    store = session.store()
    after, start = _since(store, asked.since)
    oids = {run.source.commit for run in runs if run.source.commit}
    commits = read_commits(store, oids | {start} if start else oids)
    if start in commits:
        after = commits[start].time
    series = series_of(runs, commits, metrics=asked.metrics or None, goals=goals)
    return [trend_of(each, asked.threshold) for each in series], after


def _since(store: Repository, text: str | None) -> tuple[float, str | None]:
    """Return the time that ``--since`` names, or the commit."""
    from gitml.model import from_iso

    if text is None:
        return float("-inf"), None
    if text[4:5] == "-":  # and not the beginning of a commit that has digits only
        with contextlib.suppress(ValueError, OverflowError):
            return from_iso(text), None
    commit = store.resolve(f"{text}^{{commit}}")
    if commit is None:
        raise NotFoundError(
            f"There is no commit {visible(text, 100)}",
            hint="name a commit, a branch or a date such as 2026-01-31",
        )
    return float("-inf"), commit


def _rank(change: Change) -> int:
    """Regressions come first, then what has recovered, then improvements."""
    return (0 if change.holds else 1) if change.worse else 2


_WORDS = ("regression", "recovered", "improvement")


def _document(change: Change) -> dict[str, Json]:
    series, relative = change.series, change.relative

    def point(at: Point) -> dict[str, Json]:
        return {
            "commit": at.commit,
            "dirty": at.dirty,
            "value": at.value,
            "runs": [run.id for run in at.runs],
        }

    return {
        "experiment": series.experiment,
        "branch": series.branch,
        "metric": series.metric,
        "goal": series.goal,
        "kind": _WORDS[_rank(change)],
        "before": change.before.level,
        "after": change.after.level,
        "relative": relative if abs(relative) < float("inf") else None,
        "points_before": change.before.end - change.before.start,
        "points_after": change.after.end - change.after.start,
        "fitted": change.fitted,
        "last_good": point(change.last_good),
        "first_bad": point(change.first_bad),
    }


def _table(session: Session, found: Sequence[Change]) -> None:
    from gitml.output import Column
    from gitml.output.runs import moment_cell

    screen = session.screen
    columns = [
        Column("metric", widest=40, narrowest=14),
        Column("experiment", rank=2, widest=24, narrowest=10),
        Column("branch", rank=5, widest=24, narrowest=8),
        Column("what", rank=1),
        Column("change", right=screen.terminal),
        Column("before", right=screen.terminal, rank=4),
        Column("after", right=screen.terminal, rank=3),
        Column("commits"),
        Column("n", right=screen.terminal, rank=6),
        Column("since" if screen.terminal else "committed", right=screen.terminal, rank=7),
    ]
    rows = [
        [*_cells(screen, change), moment_cell(screen, change.first_bad.time, session.now)]
        for change in found
    ]
    if screen.terminal:
        columns = [column._replace(title=column.title.upper()) for column in columns]
        for at in (3, 2, 1):  # what is the same everywhere says nothing
            if len({row[at] for row in rows}) == 1:
                del columns[at]
                for row in rows:
                    del row[at]
    screen.table(columns, rows)


def _cells(screen: Screen, change: Change) -> list[Piece]:
    from gitml.output import Cell
    from gitml.words import exact, percent

    style = ("bad", "warn", "good")[_rank(change)]
    last, first = change.last_good, change.first_bad
    if screen.terminal:
        arrow = "▼" if change.worse else "▲"
        size = f"{arrow} {percent(change.relative)}"
        commits = "..".join(point.commit[:7] + "+" * point.dirty for point in (last, first))
    else:
        size = exact(change.relative)
        commits = f"{last.commit}..{first.commit}"
    sides = "+".join(str(side.end - side.start) for side in (change.before, change.after))
    return [
        Cell(change.series.metric, "act"),
        change.series.experiment,
        change.series.branch or DETACHED,
        _WORDS[_rank(change)],
        Cell(size, style),
        screen.number(change.before.level),
        screen.number(change.after.level),
        commits,
        sides,
    ]


def _footer(
    session: Session, trends: Sequence[Trend], changes: Sequence[Change], found: Sequence[Change]
) -> None:
    """Say what was looked at, what is not shown, and what to do next."""
    from gitml.query.regress import typical
    from gitml.query.steps import FEWEST
    from gitml.words import quoted

    screen = session.screen
    points = sum(len(trend.series.points) for trend in trends)
    among = f"{plural(len(trends), 'series', 'series')} with {plural(points, 'point')} in all"
    few = sum(len(trend.series.points) < FEWEST for trend in trends)
    if few:
        among += (
            f", {'each' if few == len(trends) else f'{few:,} of them'} with fewer than {FEWEST}"
        )
    if not found:
        session.say(f"No regression in {among}.", hint=_others(changes))
    elif screen.terminal:
        bad = sum(_rank(change) == 0 for change in found)
        screen.line(
            screen.fit(f"  {plural(bad, 'regression')} in {among}", screen.width), style="dim"
        )
        change = found[0]
        sides = (change.last_good, change.first_bad)
        names = [typical(point, change.series.metric).name for point in sides]
        screen.commands(f"gitml diff {' '.join(quoted(name) for name in names)}")


def _others(changes: Sequence[Change]) -> str | None:
    """Return how to see what else there is."""
    better = sum(not change.worse for change in changes)
    back = sum(change.worse and not change.holds for change in changes)
    told = [plural(better, "improvement")] * bool(better)
    told += [f"{back:,} that recovered"] * bool(back)
    return f"--all shows {' and '.join(told)}" if told else None
