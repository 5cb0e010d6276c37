"""``gitml artifacts status``: where each large file is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.commands.options import command, json_option, run_argument
from gitml.names import plural, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.commands.options import Session
    from gitml.output import Piece
    from gitml.sharing.whereabouts import Whereabouts


@command(
    examples=["gitml artifacts status", "gitml artifacts status brave-otter-12 --json"],
    exits=[3, 5, 6, 8, 9],
)
@run_argument(required=False, metavar="[RUN]")
@json_option
def status(session: Session, *, run: str | None, as_json: bool) -> None:
    """Tell where each large file is.

    It is on this machine, at artifacts.remote, which is asked, or with git-lfs at
    the remote, as far as was noted when it went there. Without RUN all runs count, and
    files are listed that are on this machine alone, or nowhere that is known.
    """
    from gitml.sharing.fetching import large_files
    from gitml.sharing.whereabouts import whereabouts
    from gitml.store.remote import registry_remote
    from gitml.tracking.settings import artifacts_remote

    store = session.store()
    with session.index() as index:
        files = large_files([index.find(run)] if run else index.search())
    remote, address = registry_remote(store), artifacts_remote(store)
    found = whereabouts(store, files, remote)
    if as_json:
        session.screen.json(
            artifacts_remote=address,
            remote=remote,
            files=[
                {
                    "path": each.content.name,
                    "size": each.content.size,
                    "sha256": each.content.sha256,
                    "here": each.here,
                    "artifacts_remote": each.bucket,
                    "remote": each.remote,
                }
                for each in found
            ],
        )
        return
    shown = found if run else [each for each in found if not each.safe]
    if shown:
        _table(session, shown, address, remote)
    if not run or not found:
        _summary(session, found)


def _table(
    session: Session, found: Sequence[Whereabouts], address: str | None, remote: str | None
) -> None:
    from gitml.output import Cell, Column, size

    screen = session.screen
    heads = ["PATH", "SIZE", "DIGEST", "WHERE"]
    columns = [
        Column(
            head if screen.terminal else head.lower(), right=head == "SIZE", rank=rank, widest=80
        )
        for head, rank in zip(heads, [0, 1, 2, 0], strict=True)
    ]
    rows: list[list[Piece]] = []
    for each in found:
        amount = size(each.content.size) if screen.terminal else str(each.content.size)
        digest = screen.digest(each.content.sha256)
        where = Cell(_where(each, address, remote), "" if each.safe else "warn")
        rows.append([Cell(each.content.name, "act"), amount, digest, where])
    screen.table(columns, rows)


def _where(each: Whereabouts, address: str | None, remote: str | None) -> str:
    places = ["here"] if each.here else []
    if each.bucket:
        places.append(visible(address or "", 200))
    if each.remote:
        places.append(f"git-lfs at {visible(remote or '', 80)}")
    if places == ["here"]:
        return "here only"
    if not places and remote and address is None:
        return f"not known; git-lfs at {visible(remote, 80)} may have it"
    return ", ".join(places) or "not known"


def _summary(session: Session, found: Sequence[Whereabouts]) -> None:
    from gitml.output import size

    groups = {
        "here and elsewhere": [each for each in found if each.here and each.safe],
        "elsewhere": [each for each in found if not each.here and each.safe],
        "here only": [each for each in found if each.here and not each.safe],
        "not known where": [each for each in found if not each.here and not each.safe],
    }
    told = [
        f"{len(several):,} {words} ({size(sum(each.content.size for each in several))})"
        for words, several in groups.items()
        if several
    ]
    session.screen.line(f"{plural(len(found), 'large file')}: {', '.join(told) or 'none'}.")
    if groups["here only"] and session.screen.terminal:
        session.screen.commands("gitml push")
