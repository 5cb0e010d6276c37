"""``gitml status``, and ``gitml`` alone: where things stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.commands.options import HOW_TO_BEGIN, command, json_option
from gitml.names import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.commands.options import Session
    from gitml.model import Run
    from gitml.query.summaries import ExperimentSummary

MOST = 10
"""Experiments and running runs that are shown."""
PACK_FROM = 50
"""Finished runs with a ref of their own from which packing is suggested."""


@command(examples=["gitml", "gitml status --json"], exits=[6, 8])
@json_option
def status(session: Session, *, as_json: bool) -> None:
    """Show where things stand, as gitml alone does.

    Experiments with their newest runs, runs that are being written, and what one
    may do next.
    """
    from gitml.names import RUNS
    from gitml.output.runs import by_newest, experiment_json
    from gitml.records import run_json

    with session.index() as index:
        experiments = by_newest(each for each in index.experiments() if not each.deleted)
        running = index.search(status="running")
        doubts = session.doubts(index, running)
        newest = index.search(limit=1)
    going = {run.id for run in running}
    hot = session.store().refs(RUNS)
    unpacked = sum(ref.rpartition("/")[2] not in going for ref in hot)
    if as_json:
        session.screen.json(
            experiments=[experiment_json(each) for each in experiments],
            running=[{**run_json(run), "doubt": doubts.get(run.id)} for run in running],
            unpacked=unpacked,
        )
    elif experiments:
        _draw(session, experiments, running, doubts, unpacked)
        if session.screen.terminal:
            _suggest(session, experiments, newest, unpacked)
    else:
        session.say("There are no runs here yet.", hint=HOW_TO_BEGIN)


def _draw(
    session: Session,
    experiments: Sequence[ExperimentSummary],
    running: Sequence[Run],
    doubts: dict[str, str],
    unpacked: int,
) -> None:
    from gitml.output.runs import experiments_table, running_table

    screen = session.screen
    experiments_table(screen, experiments[:MOST], session.now)
    runs = sum(each.runs for each in experiments)
    parts = [plural(len(experiments), "experiment"), plural(runs, "run")]
    if unpacked:
        parts.append(f"{unpacked:,} not packed")
    screen.line("  " if screen.terminal else "", " · ".join(parts), style="dim")
    if running:
        screen.line()
        running_table(screen, running[:MOST], doubts, session.now)


def _suggest(
    session: Session, experiments: Sequence[ExperimentSummary], newest: Sequence[Run], unpacked: int
) -> None:
    from gitml.output import quoted
    from gitml.query.columns import leading_metrics

    third = "gitml --help"
    for metric in leading_metrics(newest)[:1] if experiments[0].runs > 1 else ():
        third = f"gitml diff {quoted(f'best:{metric}')} latest"
    if unpacked >= PACK_FROM:
        third = "gitml pack"
    session.screen.line()
    session.screen.commands(
        f"gitml ls -e {quoted(experiments[0].name)}", "gitml show latest", third
    )
