"""How far this repository and a remote are apart: what is to be pushed, and what to be pulled.

What the remote has is taken from the last time that it was spoken to, unless it is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml.names import EXPERIMENTS, MODELS, RUNS, UNPUBLISHED, is_run_id
from gitml.sharing.contact import has_moved, large_to_share, last_contact
from gitml.sharing.large import Sent
from gitml.store.joining import relations
from gitml.store.planning import listed_for
from gitml.store.remote import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitml.store.git import Repository
    from gitml.store.pulling import Where
    from gitml.tracking.settings import Settings

_GITML = "refs/gitml/"


@dataclass(slots=True, kw_only=True)
class Apart:
    """What one side has and the other lacks."""

    runs: list[str] = field(default_factory=list)
    """Ids of hot runs."""
    ledgers: list[str] = field(default_factory=list)
    """Slugs of experiments."""
    models: list[str] = field(default_factory=list)
    """Slugs of models."""

    def __bool__(self) -> bool:
        """Say whether there is anything."""
        return bool(self.runs or self.ledgers or self.models)


@dataclass(slots=True, kw_only=True)
class Distance:
    """How this repository stands to a remote."""

    there: Where
    """The remote."""
    ahead: Apart = field(default_factory=Apart)
    """What the remote lacks."""
    large: Sent = field(default_factory=Sent)
    """Large files here that are not known to be shared."""
    behind: Apart = field(default_factory=Apart)
    """What is not here; what was never seen of a remote that was not asked is not in it."""
    contact: int | None = None
    """When the remote was last spoken to, in milliseconds; None is never."""
    asked: bool = False
    """Whether it was asked for this."""


def distance(
    repository: Repository, there: Where, settings: Settings, *, ask: bool = False
) -> Distance:
    """Return how far a remote is; with ``ask`` it is spoken to, which may raise `RemoteError`."""
    refs = listed_for(repository, there, MODELS, UNPUBLISHED)
    moved = has_moved(repository, there)
    seen = {
        _GITML + ref.removeprefix(there.ref("")): oid
        for ref, oid in refs.items()
        if ref.startswith(there.ref("")) and not moved
    }
    ours = {r: oid for r, oid in refs.items() if r.startswith((RUNS, EXPERIMENTS, MODELS))}
    contact = None if moved else last_contact(repository, there)
    done = Distance(there=there, contact=contact, asked=ask)
    _compare(repository, done, ours, seen)
    for ref in refs:
        if ref.startswith(UNPUBLISHED):
            _add(done.ahead, MODELS + ref.removeprefix(UNPUBLISHED).partition("/")[0])
    if ask:
        _ask(repository, done, ours, seen)
    files = large_to_share(repository, there) if settings.push_large else {}
    done.large = Sent(count=len(files), size=sum(files.values()))
    return done


def _compare(
    repository: Repository, done: Distance, ours: Mapping[str, str], seen: Mapping[str, str]
) -> None:
    """Compare what is here with what was last seen there."""
    known = {ref: oid for ref, oid in seen.items() if ref.startswith((EXPERIMENTS, MODELS))}
    apart = [ref for ref in sorted({**ours, **known}) if ours.get(ref) != seen.get(ref)]
    stands = relations(repository, [(ours.get(ref), seen.get(ref)) for ref in apart])
    for ref, stand in zip(apart, stands, strict=True):
        if stand in {"ahead", "apart"}:
            _add(done.ahead, ref)
        # What was seen of a run is here, and joined when it is read.
        if stand in {"behind", "apart"} and not ref.startswith(RUNS):
            _add(done.behind, ref)


def _ask(
    repository: Repository, done: Distance, ours: Mapping[str, str], seen: Mapping[str, str]
) -> None:
    """Add what has changed there since; what it has of ours by now is not ahead any more."""
    places = (f"{RUNS}*", f"{EXPERIMENTS}*", f"{MODELS}*")
    there = done.there
    now = listed(repository, there.address, *places, branches=there.branches)
    for ref, oid in now.items():
        if oid not in {seen.get(ref), ours.get(ref)}:
            _add(done.behind, ref)
        elif oid == ours.get(ref):
            _take(done.ahead, ref)
    for ref in seen:
        if ref in now:
            continue
        if ref.startswith(RUNS) and ref not in ours:
            _add(done.behind, ref)  # sealed or purged there: a pull takes it away here
        elif ours.get(ref) == seen[ref] and not (ref.startswith(RUNS) and done.behind.ledgers):
            _add(done.ahead, ref)  # lost there


def _lists(apart: Apart, ref: str) -> tuple[list[str], str]:
    for place, names in (
        (RUNS, apart.runs),
        (EXPERIMENTS, apart.ledgers),
        (MODELS, apart.models),
    ):
        if ref.startswith(place):
            return names, ref.removeprefix(place)
    return [], ref


def _add(apart: Apart, ref: str) -> None:
    names, name = _lists(apart, ref)
    if name not in names and (names is not apart.runs or is_run_id(name)):
        names.append(name)


def _take(apart: Apart, ref: str) -> None:
    names, name = _lists(apart, ref)
    if name in names:
        names.remove(name)
