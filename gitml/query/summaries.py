"""What the index answers besides runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


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
