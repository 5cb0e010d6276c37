"""``gitml gc``: remove what crashes and purges left, and copies that are safe elsewhere."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option
from gitml.names import plural, visible

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.sharing.freeing import Freed
    from gitml.store.git import Repository
    from gitml.store.health import GcReport


UNASKED = 9
"""The exit code where nobody could be asked whether large files are safe elsewhere."""


@command(
    examples=["gitml gc", "gitml gc --keep-days 0 --dry-run"],
    exits=[5, 6, 7, 8, 9, 10],
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@click.option(
    "--keep-days",
    metavar="N",
    type=click.IntRange(min=0),
    default=14,
    show_default=True,
    help="Keep large files that came or were made in the last N days.",
)
@json_option
def gc(session: Session, *, dry_run: bool, keep_days: int, as_json: bool) -> None:
    """Free the disk of leftovers, and of large files that are safe elsewhere.

    Leftovers are writes that were never finished, files of writers that died, and,
    once a run was purged, large files that no run names any more, each after a day.
    No run is ever removed. Then git packs what it thinks worth packing.

    Large files that are safe elsewhere go too: artifacts.remote (or the git-lfs of
    the remote) is asked for each, and its copy compared with the one here. The
    only copy is never removed, nor one that a branch uses. gitml artifacts get
    brings them back. A dry run goes by what git-lfs was sent, without asking a server.
    """
    from gitml.sharing.naming import named_large
    from gitml.store.health import collect
    from gitml.store.ledger import collect_garbage
    from gitml.tracking.identity import who

    store = session.store()
    with session.index() as index:
        named = named_large(index, store)
    report = collect(store, here=who(), now=session.now, named=named, dry_run=dry_run)
    freed = _free(session, store, keep_days=keep_days, dry_run=dry_run)
    if not dry_run:
        collect_garbage(store)
    if as_json:
        session.screen.json(
            dry_run=dry_run,
            refs=report.refs,
            waiting=report.waiting,
            files=[{"path": str(p), "size": size} for p, size in report.files.items()],
            large=[{"sha256": s, "size": size} for s, size in report.large.items()],
            safe=[{"sha256": s, "size": size} for s, size in freed.removed.items()],
            kept=[{"sha256": s, "why": why} for s, why in freed.kept.items()],
        )
    else:
        _tell(session, report, freed, dry_run=dry_run)
    if freed.unasked is not None:
        session.say(freed.unasked.message, hint=freed.unasked.hint)
        session.say("No large file was removed, because it is not known which are safe elsewhere.")
        raise click.exceptions.Exit(UNASKED)


def _free(session: Session, store: Repository, *, keep_days: int, dry_run: bool) -> Freed:
    from gitml.output import progress
    from gitml.sharing.freeing import free_large
    from gitml.store.remote import registry_remote

    with progress("Comparing", color=session.color, sized=True) as report:
        return free_large(
            store,
            remote=registry_remote(store),
            now=session.now,
            keep_days=keep_days,
            dry_run=dry_run,
            progress=report,
        )


def _tell(session: Session, report: GcReport, freed: Freed, *, dry_run: bool) -> None:
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
    if freed.removed:
        amount = size(sum(freed.removed.values()))
        many = plural(len(freed.removed), "large file")
        said.append(f"{many} that {visible(freed.place or '', 200)} has ({amount})")
    if not said:
        session.screen.line("Nothing to remove.")
    elif dry_run:
        session.screen.line(f"Would remove {', '.join(said)}.")
    else:
        session.screen.line(f"Removed {', '.join(said)}.")
        if report.large:
            session.say("  git lfs prune frees their space, unless branches of yours use them.")
    _tell_stayed(session, freed)
    if report.waiting:
        writes = plural(report.waiting, "write")
        session.say(f"{writes} may be in progress; gc takes them away after a day.")


def _tell_stayed(session: Session, freed: Freed) -> None:
    """Say what brings back what went, and why others stayed."""
    if freed.removed:
        session.say("  gitml artifacts get brings large files back.")
    reasons = Counter(freed.kept.values()) if freed.unasked is None else Counter()
    for why, count in reasons.items():
        session.say(f"{plural(count, 'large file')} stayed: {visible(why, 300)}.")
