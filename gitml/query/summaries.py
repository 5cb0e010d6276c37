"""What the index answers besides runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml.query.schema import ATTRIBUTES
from gitml.query.writing import labels
from gitml.store import live

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from pathlib import Path

    from gitml.query.index import Connection
    from gitml.store.live import Who

LOST = 3_600_000
"""Milliseconds without news after which a run elsewhere is doubtful."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSummary:
    """An experiment and what is in it; deleted runs are not counted."""

    name: str
    """How people call it, with the slug behind it where two have one name."""
    slug: str
    """Its permanent id."""
    statuses: Mapping[str, int] = field(default_factory=dict)
    """How many runs there are of each status."""
    newest: str | None = None
    """The name of the newest run, None without runs."""
    created: int | None = None
    """When that run was created."""
    deleted: bool = False
    """Whether somebody removed the experiment."""

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return sum(self.statuses.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The names that runs have values for, in order."""

    metrics: tuple[str, ...] = ()
    """Names of metrics."""
    params: tuple[str, ...] = ()
    """Names of params."""
    tags: tuple[str, ...] = ()
    """Names of tags."""
    attributes: tuple[str, ...] = ()
    """What every run has: ``status``, ``created`` …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """The purge of a run."""

    run_id: str
    """The run that was purged."""
    slug: str
    """The experiment whose ledger says so."""
    at: int
    """When, in milliseconds."""
    by: str
    """Who, as ``Name <email>``."""
    reason: str | None = None
    """Why, if it was said."""


def experiments(connection: Connection, *, counted: bool) -> list[ExperimentSummary]:
    """Return the experiments by name: ledgers, and those that only have hot runs so far."""
    query = "SELECT slug, name, deleted FROM ledger"
    ledgers = {slug: (name, deleted) for slug, name, deleted in connection.execute(query)}
    names = labels({slug: name for slug, (name, _) in ledgers.items()})
    hot = "SELECT slug, experiment FROM run INDEXED BY run_unsealed WHERE NOT sealed"
    for slug, name in connection.execute(hot):
        names.setdefault(slug, name)
    statuses: dict[str, dict[str, int]] = {}
    newest: dict[str, tuple[str, int]] = {}
    if counted:
        query = "SELECT slug, status, count(*) FROM run WHERE deleted = 0 GROUP BY slug, status"
        for slug, status, count in connection.execute(query):
            statuses.setdefault(slug, {})[status] = count
        query = (
            "SELECT name, created FROM run WHERE slug = ? AND deleted = 0 "
            "ORDER BY created DESC, id LIMIT 1"
        )
        newest = {slug: connection.execute(query, (slug,)).fetchone() for slug in statuses}
    return [
        ExperimentSummary(
            name=name,
            slug=slug,
            statuses=statuses.get(slug, {}),
            newest=newest[slug][0] if slug in newest else None,
            created=newest[slug][1] if slug in newest else None,
            deleted=bool(ledgers.get(slug, ("", 0))[1]),
        )
        for slug, name in sorted(names.items(), key=lambda item: (item[1].casefold(), item[0]))
    ]


def key_numbers(connection: Connection) -> dict[tuple[str, str], int]:
    """Return the number of each key by (kind, name), in order of the names."""
    query = "SELECT kind, name, n FROM key WHERE runs > 0 ORDER BY name"
    return {(kind, name): number for kind, name, number in connection.execute(query)}


def keys(numbers: Mapping[tuple[str, str], int]) -> Keys:
    """Return the names of keys, and of attributes."""
    names: dict[str, list[str]] = {"metrics": [], "params": [], "tags": []}
    for kind, name in numbers:
        names[kind].append(name)
    lists = {kind: tuple(found) for kind, found in names.items()}
    return Keys(**lists, attributes=tuple(ATTRIBUTES))


def state(db: Connection, numbers: Container[int]) -> str:
    """Return a hash of what the runs of these numbers were read from; see `Index.state`."""
    digest = hashlib.sha256()
    query = "SELECT n, id, made_of, experiment FROM run ORDER BY id"
    for number, *told in db.execute(query):
        if number in numbers:
            if not told[1]:
                return ""
            digest.update(f"{told}\n".encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def tombstones(connection: Connection) -> list[Tombstone]:
    """Return the purged runs, the latest first."""
    query = 'SELECT run_id, slug, at, "by", reason FROM tombstone ORDER BY at DESC, run_id, slug'
    return [
        Tombstone(run_id=run_id, slug=slug, at=at, by=by, reason=reason)
        for run_id, slug, at, by, reason in connection.execute(query)
    ]


def doubtful(connection: Connection, home: Path, here: Who, now: int) -> dict[str, str]:
    """Return ``killed?`` or ``lost?`` by id for running runs that may not be running.

    The writers of a killed one are dead; of a lost one, which is written
    elsewhere, there has been no news for an hour.
    """
    query = "SELECT id, live, updated FROM run WHERE status = 'running' AND deleted = 0"
    doubts = {}
    for run_id, is_live, updated in connection.execute(query).fetchall():
        if is_live:
            writers = live.writers(home, run_id, here, now)
            if writers and not any(writer.alive for writer in writers):
                doubts[run_id] = "killed?"
        elif now - updated > LOST:
            doubts[run_id] = "lost?"
    return doubts
