"""``gitml gc``: remove what crashes and purges left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option
from gitml.names import plural

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.query.index import Index
    from gitml.store.git import Repository
    from gitml.store.health import GcReport


@command(examples=["gitml gc", "gitml gc --dry-run --json"], exits=[6, 7, 8, 10])
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@json_option
def gc(session: Session, *, dry_run: bool, as_json: bool) -> None:
    """Remove what crashes and purges left behind.

    Writes that were never finished, files of writers that died, and, once a run
    was purged, large files that no run names any more, each after a day. No run
    is ever removed. Then git packs what it thinks worth packing.
    """
    from gitml.store.health import collect
    from gitml.store.ledger import collect_garbage
    from gitml.tracking.identity import who

    store = session.store()
    with session.index() as index:
        named = _named(index, store)
    report = collect(store, here=who(), now=session.now, named=named, dry_run=dry_run)
    if not dry_run:
        collect_garbage(store)
    if as_json:
        session.screen.json(
            dry_run=dry_run,
            refs=report.refs,
            waiting=report.waiting,
            files=[{"path": str(p), "size": size} for p, size in report.files.items()],
            large=[{"sha256": s, "size": size} for s, size in report.large.items()],
        )
    else:
        _tell(session, report, dry_run=dry_run)


def _named(index: Index, store: Repository) -> set[str] | None:
    """Return what runs and models name of the large contents; None if that is not known for sure.

    Contents are given up only where a purge is the reason: without one, and while
    some run or version cannot be read, nothing is.
    """
    from gitml.registry.packing import named_contents

    if not index.tombstones() or index.quarantined():
        return None
    packages = named_contents(store)
    if packages is None:
        return None
    _, rows = index.sql("SELECT DISTINCT sha256 FROM artifacts WHERE store = 'lfs'")
    named = {str(row[0]) for row in rows}
    for run in index.search(where="deleted"):
        named |= {str(a.sha256) for a in run.artifacts.values() if a.store == "lfs"}
    return named | packages


def _tell(session: Session, report: GcReport, *, dry_run: bool) -> None:
    from gitml.output import size

    said = []
    if report.refs:
        said.append(plural(len(report.refs), "unfinished write"))
    if report.files:
        amount = size(sum(report.files.values()))
        said.append(f"{plural(len(report.files), 'leftover file')} ({amount})")
    if report.large:
        amount = size(sum(report.large.values()))
        said.append(f"{plural(len(report.large), 'large file')} of purged runs ({amount})")
    if not said:
        session.screen.line("Nothing to remove.")
    elif dry_run:
        session.screen.line(f"Would remove {', '.join(said)}.")
    else:
        session.screen.line(f"Removed {', '.join(said)}.")
        if report.large:
            session.say("  git lfs prune frees their space, unless branches of yours use them.")
    if report.waiting:
        count = plural(report.waiting, "write")
        session.say(f"{count} may be in progress; gc takes them away after a day.")
