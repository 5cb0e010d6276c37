"""The journals of models as they lie in git: chains of commits, one for each event."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gitml.errors import DamagedError, GitmlError
from gitml.names import visible
from gitml.registry.message import MESSAGE_LIMIT, event_of, parse_fields
from gitml.registry.tagobject import identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitml.registry.values import Event
    from gitml.store.git import Repository
    from gitml.store.objects import Object

MOST = 200_000
"""Commits of chains that are read: somebody may push a ref that is no chain at all."""


SHORT = 64
"""Commits of a chain that are read faster one by one than a process starts that lists them."""


class _Link(NamedTuple):
    """A commit of a chain."""

    oid: str
    parents: tuple[str, ...]
    who: bytes
    """The line of its committer."""
    message: bytes


def read_chain(repository: Repository, tip: str) -> tuple[Event, ...]:
    """Return the events of the chain that ends in ``tip``, oldest first.

    Raises `DamagedError` for a commit that is missing, is no event, or merges two chains.
    """
    found = read_chains(repository, [tip])[tip]
    if isinstance(found, DamagedError):
        raise found
    return found


def read_chains(
    repository: Repository, tips: Iterable[str]
) -> dict[str, tuple[Event, ...] | DamagedError]:
    """Return for each tip its events, or what is wrong: all chains by two processes.

    One chain alone is followed commit by commit, and listed only where it is long.
    """
    asked = list(dict.fromkeys(tips))
    parents = _parents(repository, asked) if len(asked) > 1 else {}
    found: dict[str, tuple[Event, ...] | DamagedError] = {}
    for tip in asked:
        try:
            found[tip] = _read(repository, tip, parents)
        except DamagedError as error:
            found[tip] = error
    return found


def read_commits(repository: Repository, oids: Iterable[str]) -> dict[str, Event | DamagedError]:
    """Return the event of each commit alone, or what is wrong with it."""
    found: dict[str, Event | DamagedError] = {}
    asked = list(dict.fromkeys(oids))
    for oid, answer in zip(asked, repository.objects().many(asked), strict=True):
        try:
            found[oid] = _event(_link(oid, answer))
        except DamagedError as error:
            found[oid] = error
    return found


def _parents(repository: Repository, tips: Iterable[str]) -> dict[str, str]:
    """Return the parent of each commit of the chains; the oldest have none."""
    try:
        out = repository.run(
            *("rev-list", "--parents", "--first-parent", f"--max-count={MOST}", "--stdin"),
            data="".join(f"{tip}\n" for tip in tips).encode(),
        )
    except GitmlError:  # of one object that is missing; the chains are followed one by one
        return {}
    pairs = (line.split(" ") for line in out.decode().splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) > 1}


def _read(repository: Repository, tip: str, parents: Mapping[str, str]) -> tuple[Event, ...]:
    """Read a chain from its newest commit on: what git listed at once, and then one by one."""
    events: list[Event] = []
    at: str | None = tip
    while at is not None:
        if len(events) == SHORT and not parents:
            parents = _parents(repository, [at])
        block = [at]
        while block[-1] in parents and len(block) < MOST:
            block.append(parents[block[-1]])
        for oid, found in zip(block, repository.objects().many(block), strict=True):
            if oid != at:
                raise DamagedError(f"git lists a journal otherwise than it is, at {oid}.")
            link = _link(oid, found)
            if len(link.parents) > 1:
                raise DamagedError(f"The commit {oid} merges two journals, which gitml never does.")
            events.append(_event(link))
            at = next(iter(link.parents), None)
        if len(events) > MOST:
            raise DamagedError(f"A journal has more than {MOST:,} events.")
    return tuple(reversed(events))


def _link(oid: str, found: Object | None) -> _Link:
    if found is None or found.kind != "commit":
        raise DamagedError(
            f"The commit {oid} of a model's journal is missing.",
            hint="git fsck shows what else is; a fetch may bring it back",
        )
    head, _, message = found.data.partition(b"\n\n")
    parents, who = [], b""
    for line in head.split(b"\n"):
        if line.startswith(b"parent "):
            parents.append(line[7:].decode("ascii", "replace"))
        elif line.startswith(b"committer "):
            who = line[10:]
    return _Link(oid, tuple(parents), who, message)


def _event(link: _Link) -> Event:
    what = f"The event {link.oid}"
    by, at = identity(link.who)
    if at is None or len(link.message) > MESSAGE_LIMIT:
        raise DamagedError(f"{what} has no time, or a message beyond all bounds.")
    try:
        fields = parse_fields(link.message.decode())
    except UnicodeDecodeError:
        raise DamagedError(f"{what} is not UTF-8.") from None
    except DamagedError as error:
        raise DamagedError(f"{what} cannot be read: {visible(error.message, 200)}") from None
    return event_of(fields, at=at, by=by, commit=link.oid, what=what)
