"""``gitml diff``: what is different between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands import comparing
from gitml.commands.options import command, json_option, run_argument
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.commands.options import Session


@command(
    examples=[
        "gitml diff keen-fjord-8 brave-otter-12",
        "gitml diff best:auc latest --patch | less -R",
    ],
    exits=[3, 5, 6, 8],
)
@run_argument("runs", nargs=-1, required=True, metavar="RUN RUN...")
@click.option("--all", "everything", is_flag=True, help="What is the same, too.")
@click.option("--stat", "only_source", is_flag=True, help="Only the source: which files changed.")
@click.option("--patch", is_flag=True, help="Only the source: the text of what changed.")
@json_option
def diff(
    session: Session,
    *,
    runs: tuple[str, ...],
    everything: bool,
    only_source: bool,
    patch: bool,
    as_json: bool,
) -> None:
    """Compare runs: metrics, params, data, packages and source.

    The others are compared with the first. In the column of changes ▲ is better
    and ▼ is worse, whichever way the metric counts.
    """
    from gitml.query.compare import compare, versions
    from gitml.store.history import requirements
    from gitml.store.snapshot import snapshot

    if len(runs) < comparing.PAIR:
        raise UsageError("It takes two runs to compare.", hint="gitml diff RUN RUN")
    with session.index() as index:
        found = [index.find(text) for text in runs]
    if patch or only_source:
        comparing.bring_trees(session, session.store(), found)
    store, screen = snapshot(session.store()), session.screen
    sources = comparing.trees_of(store, found)
    if patch and not as_json:
        comparing.patch(session, store, sources)
    elif only_source and not as_json:
        comparing.stat(screen, store, sources, everything=True)
    else:
        packages = [versions(requirements(store, run.id)) for run in found]
        compared = compare(found, packages)
        if as_json:
            screen.json(
                runs=[{"id": r.id, "name": r.name, "experiment": r.experiment} for r in found],
                **comparing.document(store, compared, sources, everything=everything, text=patch),
            )
        else:
            comparing.draw(screen, found, compared, everything=everything)
            comparing.stat(screen, store, sources, everything=everything)
