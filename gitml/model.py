"""What gitml keeps: frozen values, a sentence for each field.

Times are integers, milliseconds since 1970-01-01 UTC; the YAML files and JSON
answers show them as ISO 8601. Nothing here reads a clock, a file or git.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from gitml.names import SELF

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = 1

Json: TypeAlias = Any
"""What JSON can hold; floats may also be NaN or infinite."""


class Point(NamedTuple):
    """One value of one metric; a run's points are a set of these."""

    metric: str
    step: int
    time: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Edit:
    """One fact somebody stated about a run; a run's edits are a set of these."""

    at: int
    """When, by the run's hybrid clock, in milliseconds."""
    id: str
    """16 random hex digits; orders edits of the same millisecond."""
    by: str
    """Who, as ``Name <email>``."""
    key: str
    """What: ``status``, ``tags.team``, ``params.lr``, ``artifacts.plot.png`` …"""
    json: str
    """The new value as one line of JSON, so that edits hash and sort; ``null`` removes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """The summary of one metric's points."""

    last: float
    """The value of the greatest point by (step, time, value)."""
    step: int
    """The step of that point."""
    min: float
    """The smallest value; NaN only if every value is."""
    max: float
    """The greatest value; NaN only if every value is."""
    count: int
    """How many points there are."""
    goal: str | None = None
    """``min`` or ``max`` if somebody said which is better, else None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The code a run was made by."""

    commit: str | None = None
    """``HEAD`` at the start; None if there was no commit yet."""
    branch: str | None = None
    """The branch checked out, None when detached."""
    tree: str | None = None
    """The exact tree that ran, uncommitted work included."""
    dirty: bool = False
    """Whether the tree differs from the commit's."""
    remote: str | None = None
    """The URL of the repository, credentials removed."""
    command: tuple[str, ...] = ()
    """The command line."""
    script: str | None = None
    """The program, relative to the top of the repository where it is inside."""
    changed: tuple[str, ...] = ()
    """Files that differ from the commit, at most 100."""
    left_out: tuple[str, ...] = ()
    """Uncommitted files that the tree does not hold, each with the reason."""

    @property
    def lost(self) -> tuple[str, ...]:
        """What was left out and may have been code: all but what gitml made itself."""
        return tuple(text for text in self.left_out if not text.endswith(SELF))


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The machine and interpreter a run was made on."""

    python: str | None = None
    """Implementation and version, ``CPython 3.11.7``."""
    platform: str | None = None
    """Operating system, release and architecture."""
    host: str | None = None
    """The host's name."""
    cpu: str | None = None
    """Model and number of logical processors."""
    gpu: str | None = None
    """Models of the GPUs, if any."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables on the allow list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """An input of a run."""

    name: str
    """How people call it; by default the file's name."""
    digest: str | None = None
    """``sha256:`` and hex: of the file, or of a folder's listing (FORMAT.md)."""
    context: str | None = None
    """What it was for: ``training``, ``validation`` …"""
    uri: str | None = None
    """Where it was: a path relative to the repository, or a URL."""
    size: int | None = None
    """Bytes in all."""
    files: int | None = None
    """How many files, for a folder or a glob."""
    rows: int | None = None
    """Rows without the header, for tables."""
    columns: tuple[str, ...] | None = None
    """Names of the columns, for tables."""
    schema: Json = None
    """A column schema, if the caller gave one."""
    profile: Json = None
    """Statistics, if the caller gave some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file a run made."""

    path: str
    """Relative to the run's artifacts, ``/`` between parts."""
    size: int | None = None
    """Bytes; None for a URI whose size is not known."""
    sha256: str | None = None
    """Hex digest of the content; None for a URI whose digest is not known."""
    media_type: str | None = None
    """The media type guessed from the name."""
    store: str = "git"
    """Where the bytes are: ``git``, ``lfs`` or ``uri``."""
    uri: str | None = None
    """The address, for ``uri``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a training program: the fold of its edits and points."""

    id: str
    """32 lower-case hex digits."""
    name: str
    """Two words and a number unless somebody named it."""
    experiment: str
    """The name of the experiment it belongs to."""
    status: str
    """scheduled, running, finished, failed or killed."""
    created: int
    """When it started."""
    ended: int | None = None
    """When it ended; None while it runs."""
    updated: int = 0
    """The time of the newest edit or point."""
    author: str = ""
    """Who ran it, ``Name <email>``."""
    parent: str | None = None
    """The id of the run it is nested in."""
    source: Source = field(default_factory=Source)
    """The code."""
    environment: Environment = field(default_factory=Environment)
    """The machine."""
    inputs: tuple[Dataset, ...] = ()
    """The data."""
    params: Mapping[str, Json] = field(default_factory=dict)
    """Hyper-parameters, typed."""
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    """Summaries of the metrics."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Labels people gave it."""
    note: str | None = None
    """Free text."""
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    """Files it made, by path."""
    deleted: bool = False
    """Whether it is hidden; ``gitml restore`` brings it back."""
    conflict: tuple[str, ...] = ()
    """Params that were given two values; the earlier one is kept."""
    extra: Mapping[str, Json] = field(default_factory=dict)
    """Keys that a newer gitml wrote, kept as they are."""

    @property
    def duration(self) -> float | None:
        """Seconds from start to end, None while it runs."""
        return None if self.ended is None else (self.ended - self.created) / 1000

    def _repr_html_(self) -> str:
        """Return the run for a notebook: a heading, its params and its metrics."""
        facts = f"{self.experiment} · {self.status} · {iso(self.created)} · {self.id[:8]}"
        rows = [("param", k, v) for k, v in sorted(self.params.items())]
        rows += [("metric", k, m.last) for k, m in sorted(self.metrics.items())]
        body = "".join(
            f"<tr><td>{kind}</td><td>{escape(key)}</td><td>{escape(str(value))}</td></tr>"
            for kind, key, value in rows
        )
        return f"<b>{escape(self.name)}</b> <small>{escape(facts)}</small><table>{body}</table>"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(ms: int) -> str:
    """Return ``ms`` as ISO 8601 in UTC with milliseconds, ``2026-11-23T09:12:00.000Z``."""
    moment = _EPOCH + timedelta(milliseconds=ms)  # strftime's years have no leading zeros
    return f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"


def from_iso(text: str) -> int:
    """Return the milliseconds of an ISO 8601 time; raise ValueError if it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)
