"""``gitml status``, and ``gitml`` alone: where things stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gitml.commands.options import command, how_to_begin, json_option
from gitml.names import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.commands.options import Session
    from gitml.model import Run
    from gitml.query.summaries import ExperimentSummary
    from gitml.registry.values import Model
    from gitml.sharing.distance import Apart, Distance
    from gitml.store.git import Repository

MOST = 10
"""Experiments and running runs that are shown."""
PACK_FROM = 50
"""Finished runs with a ref of their own from which packing is suggested."""


@command(
    examples=["gitml", "gitml status --remote", "gitml status --json"],
    exits=[6, 8, 9],
)
@click.option(
    "--remote", "ask", is_flag=True, help="Ask the remote, instead of what was last seen of it."
)
@json_option
def status(session: Session, *, ask: bool, as_json: bool) -> None:
    """Show where things stand, as gitml alone does.

    Experiments with their newest runs, what is in each stage, runs that are being
    written, what is to be pushed and to be pulled, and what one may do next.
    """
    from gitml.names import RUNS
    from gitml.output.runs import by_newest, experiment_json
    from gitml.registry.documents import model_json
    from gitml.registry.standing import run_documents
    from gitml.registry.state import read_registry
    from gitml.store.snapshot import snapshot

    with session.index() as index:
        experiments = by_newest(each for each in index.experiments() if not each.deleted)
        removed = index.count(deleted=True) - index.count()
        running = index.search(status="running")
        doubts = session.doubts(index, running)
        newest = index.search(limit=1)
        unreadable = index.quarantined()
    store = snapshot(session.store(), ahead=("refs/gitml/", "refs/gitml-remotes/"))
    models = [m for m in read_registry(store).models.values() if not m.deleted]
    going = {run.id for run in running}
    apart = _apart(store, ask=ask)
    unpacked = len({ref.removeprefix(RUNS) for ref in store.refs(RUNS)} - going)
    if as_json:
        session.screen.json(
            experiments=[experiment_json(each) for each in experiments],
            running=[
                {**document, "doubt": doubts.get(document["id"])}
                for document in run_documents(session.store(), running)
            ],
            unpacked=unpacked,
            models=[{**model_json(m), "unpublished": _unpublished(m)} for m in models],
            sharing=None if apart is None else _sharing_json(apart),
            unreadable=[{"place": place, "sentence": sentence} for place, sentence in unreadable],
        )
    elif experiments or models:
        if experiments:
            _draw(session, experiments, running, doubts, unpacked, removed)
        _models(session, models)
        _sharing(session, apart, len(unreadable))
        if session.screen.terminal:
            _suggest(session, experiments, newest, unpacked)
    else:
        if ask:
            _sharing(session, apart, len(unreadable))
        session.say("There are no runs here yet.", hint=how_to_begin(session.store()))


def _draw(
    session: Session,
    experiments: Sequence[ExperimentSummary],
    running: Sequence[Run],
    doubts: dict[str, str],
    unpacked: int,
    removed: int,
) -> None:
    from gitml.output.runs import experiments_table, running_table

    screen = session.screen
    experiments_table(screen, experiments[:MOST], session.now)
    runs = sum(each.runs for each in experiments)
    parts = [plural(len(experiments), "experiment"), plural(runs, "run")]
    if removed:
        parts.append(f"{removed:,} removed")
    if unpacked:
        parts.append(f"{unpacked:,} not packed")
    screen.line("  " if screen.terminal else "", " · ".join(parts), style="dim")
    if running:
        screen.line()
        running_table(screen, running[:MOST], doubts, session.now)


def _apart(store: Repository, *, ask: bool) -> Distance | None:
    """Return how far the usual remote is, None if there is no such remote."""
    from gitml.errors import UsageError
    from gitml.sharing.distance import distance
    from gitml.store.pulling import where
    from gitml.tracking.settings import read_settings

    try:
        there = where(store, None)
    except UsageError:
        if ask:
            raise
        return None
    return distance(store, there, read_settings(store.work_tree), ask=ask)


def _sharing_json(apart: Distance) -> dict[str, Any]:
    def document(side: Apart) -> dict[str, Any]:
        return {"runs": side.runs, "ledgers": side.ledgers, "models": side.models}

    from gitml.model import iso

    large = {"count": apart.large.count, "bytes": apart.large.size}
    return {
        "remote": apart.there.name,
        "asked": apart.asked,
        "contact": None if apart.contact is None else iso(apart.contact),
        "ahead": {**document(apart.ahead), "large": large},
        "behind": document(apart.behind),
    }


def _sharing(session: Session, apart: Distance | None, unreadable: int) -> None:
    """Draw what is to be pushed and to be pulled, and what cannot be read."""
    from gitml.model import iso
    from gitml.output import size, span

    screen = session.screen
    if apart is not None:
        files = f"{plural(apart.large.count, 'large file')}, {size(apart.large.size)}"
        seen = "asked now" if apart.asked else "never pushed to or pulled from"
        if apart.contact is not None and not apart.asked:
            ago = f"{span((session.now - apart.contact) / 1000)} ago"
            seen = f"as of {ago if screen.terminal else iso(apart.contact)}"
        screen.line()
        screen.fact("to push", _listed(apart.ahead, files if apart.large.count else ""))
        screen.fact("to pull", _listed(apart.behind, ""))
        if apart.contact is not None or apart.asked:
            together = not (apart.ahead or apart.behind or apart.large.count)
            seen = f"nothing to push or to pull, {seen}" if together else seen
        screen.fact("remote", f"{apart.there.said}, {seen}", style="dim")
    if unreadable:
        text = f"{plural(unreadable, 'thing')}; gitml doctor names what and why"
        screen.fact("unreadable", text, style="bad")


def _listed(side: Apart, files: str) -> str:
    parts = [
        plural(len(side.runs), "run") if side.runs else "",
        *(f"{slug} (ledger)" for slug in side.ledgers[:MOST]),
        *(f"{slug} (model)" for slug in side.models[:MOST]),
        files,
    ]
    return ", ".join(filter(None, parts))


def _unpublished(model: Model) -> list[str]:
    return [version.name for version in model.versions if not version.published]


def _models(session: Session, models: Sequence[Model]) -> None:
    """Draw what is in each stage, and which versions wait to be published."""
    from gitml.commands.models import known_stages
    from gitml.commands.stages import draw
    from gitml.output.models import stage_order

    staged = [model for model in models if model.stages]
    if staged:
        session.screen.line()
        draw(session, staged[:MOST], stage_order(staged, known_stages(session.store())))
    waiting = [f"{m.name}@{name}" for m in models for name in _unpublished(m)]
    if waiting:
        session.screen.line()
        session.screen.fact("unpublished", ", ".join(waiting), style="warn")


def _suggest(
    session: Session, experiments: Sequence[ExperimentSummary], newest: Sequence[Run], unpacked: int
) -> None:
    from gitml.output import quoted
    from gitml.query.columns import leading_metrics

    session.screen.line()
    if not experiments:
        session.screen.commands("gitml models", "gitml stages", "gitml --help")
        return
    third = "gitml --help"
    for metric in leading_metrics(newest)[:1] if experiments[0].runs > 1 else ():
        third = f"gitml diff {quoted(f'best:{metric}')} latest"
    if unpacked >= PACK_FROM:
        third = "gitml pack"
    session.screen.commands(
        f"gitml ls -e {quoted(experiments[0].name)}", "gitml show latest", third
    )
