"""What the registry keeps: frozen values, a sentence for each field.

Times are milliseconds since 1970-01-01 UTC, always whole seconds: tags and
commits hold no more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from gitml.model import Dataset, Json, Metric, Source

if TYPE_CHECKING:
    from collections.abc import Mapping

Answer: TypeAlias = Literal["pass", "refuse", "unknown", "pending"]
"""What a gate says: ``unknown`` is "cannot tell", ``pending`` is decided after the merge."""

KINDS = (
    "register",
    "assign",
    "unassign",
    "deprecate",
    "restore",
    "describe",
    "rename",
    "reproduce",
    "delete",
    "import",
)
"""Kinds of events. ``restore`` undoes deprecate and delete; delete and restore
without a version are of the whole model; describe carries description and tags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one gate said of one candidate."""

    gate: str
    """The gate as the policy writes it, on one line: ``metrics.auc >= 0.85``."""
    answer: Answer
    """pass, refuse, unknown (cannot tell) or pending (decided after the merge)."""
    got: str
    """What was found, for people: ``0.9312``, ``3 h, since 2026-11-23T09:12Z``."""
    expected: str
    """What would pass, for people."""
    kind: str = ""
    """The name of the gate in the table: ``metric``, ``from_stage``, ``any`` …"""
    inner: tuple[Verdict, ...] = ()
    """The verdicts of the gates within ``any`` or ``all``."""
    hint: str = ""
    """What to do about it, for whoever asks now; not kept in tags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a model's journal: one commit of its chain."""

    kind: str
    """One of `KINDS`."""
    at: int
    """When, in milliseconds (whole seconds); never before the event before it."""
    by: str
    """Who, as ``Name <email>``."""
    model: str = ""
    """The model's true name from this event on."""
    commit: str = ""
    """The commit of the chain; empty while it is being drafted."""
    version: str | None = None
    """The version it is about, ``v1.2.0``."""
    stage: str | None = None
    """The stage it is about."""
    n: int | None = None
    """The number of a version, or the counter of a stage event."""
    tags: tuple[str, ...] = ()
    """Short names of the tags that were made together with it."""
    previous: str | None = None
    """The version that the stage held before, or the name before a rename."""
    run: str | None = None
    """The id of the version's run."""
    digest: str | None = None
    """The digest of the version's package."""
    reason: str | None = None
    """Why, in the words of whoever did it."""
    via: str | None = None
    """How a stage event came about: ``promote``, ``apply``, ``rollback``, ``break-glass``."""
    change: str | None = None
    """The commit of the protected branch that asked for it (``apply``)."""
    review: str | None = None
    """The merged request that asked for it, as a URL or number."""
    gates: tuple[Verdict, ...] = ()
    """What the gates said when it was made."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Other fields, of this or a newer gitml: all are text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version as listings need it, out of the journal alone."""

    model: str
    """The slug of the model."""
    name: str
    """``v1.2.0``."""
    number: int
    """1, 2, 3 … in the order of registration."""
    commit: str
    """The commit that registered it, which its tag points at."""
    at: int
    """When it was registered, in milliseconds."""
    by: str
    """Who registered it."""
    run: str | None = None
    """The id of its run; None if foreign."""
    digest: str | None = None
    """The digest of its package; None if foreign."""
    deprecated: str | None = None
    """Why it was deprecated (may be empty), None if it is not."""
    deleted: bool = False
    """Whether it was deleted."""
    tags: Mapping[str, str] | None = None
    """Labels that replaced those of its registration; None if nobody changed them."""
    note: str | None = None
    """The text that replaced that of its registration; None if nobody changed it."""
    published: bool = True
    """Whether the registry's remote has it (without a remote: always)."""
    foreign: bool = False
    """Whether it is a tag that gitml did not write (GTO's)."""
    pending_ref: str | None = None
    """The ref that keeps it while it is not published."""
    attached: str | None = None
    """The commit of the journal that gave a foreign version its package, if one did."""

    @property
    def title(self) -> str:
        """Return ``churn@v1.2.0``, with the slug."""
        return f"{self.model}@{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A version in a stage."""

    stage: str
    """The stage."""
    version: str
    """The version, ``v1.2.0``."""
    n: int
    """The counter of its tag."""
    at: int
    """Since when, in milliseconds."""
    by: str
    """Who put it there."""
    event: Event
    """The whole event."""
    drift: bool = False
    """Whether it came by break-glass, and no stage file has agreed since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A registered model: the fold of its journal."""

    slug: str
    """Its permanent id, in refs and tags."""
    name: str
    """Its true name."""
    aliases: tuple[str, ...] = ()
    """Names it had before."""
    description: str | None = None
    """What it is, in the team's words."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Labels."""
    versions: tuple[Version, ...] = ()
    """By number; deleted ones too, unpublished ones last."""
    stages: Mapping[str, Assignment] = field(default_factory=dict)
    """What is in each stage now; an emptied stage is not a key."""
    stacks: Mapping[str, tuple[Assignment, ...]] = field(default_factory=dict)
    """What a rollback would bring back, newest last, the present one included."""
    events: tuple[Event, ...] = ()
    """The journal, oldest first."""
    tip: str | None = None
    """The newest commit of the chain; None if only foreign tags or unpublished versions are."""
    deleted: bool = False
    """Whether the whole model was deleted."""
    foreign: bool = False
    """Whether only tags that gitml did not write tell of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """A file of a package."""

    path: str
    """Relative to the package, ``/`` between parts."""
    size: int
    """Bytes."""
    sha256: str
    """Hex digest of the content."""
    store: Literal["tag", "git", "lfs"]
    """``tag``: in the version's tree, ``package/``; ``git``: in the package's ref; ``lfs``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRef:
    """The run a version was made from, as it was at registration."""

    id: str
    """32 hex digits."""
    name: str
    """Its name."""
    experiment: str
    """The name of its experiment."""
    commit: str | None = None
    """The commit it was read from."""
    tree: str | None = None
    """Its tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """All of a version, as ``version.yaml`` and ``package.yaml`` froze it; gates read this."""

    model: str
    """The model's true name at registration."""
    slug: str
    """The model's slug."""
    name: str
    """``v1.2.0``."""
    number: int
    """1, 2, 3 …"""
    created: int
    """When it was registered, in milliseconds."""
    author: str
    """Who registered it, ``Name <email>``."""
    digest: str
    """``sha256:`` and hex, over the package's files (FORMAT.md)."""
    size: int
    """Bytes of the package."""
    run: RunRef | None = None
    """Its run; None for a foreign version that was attached."""
    source: Source = field(default_factory=Source)
    """The code of the run."""
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    """Summaries of the run's metrics at registration."""
    params: Mapping[str, Json] = field(default_factory=dict)
    """Params of the run."""
    inputs: tuple[Dataset, ...] = ()
    """Data the run was made from."""
    signature: Json = None
    """``{inputs, outputs, params}``, each a list as MLflow writes it or None; or None."""
    flavors: Json = None
    """The flavors of the MLmodel, by name."""
    environment: Mapping[str, Json] = field(default_factory=dict)
    """``python``, ``platform`` and such of the run."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """Versions of the Python packages of the run, by name."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Labels given at registration."""
    note: str | None = None
    """The text given at registration."""
    files: tuple[PackageFile, ...] = ()
    """Every file of the package."""
    extra: Mapping[str, Json] = field(default_factory=dict)
    """Keys that a newer gitml wrote, kept as they are."""

    def __repr__(self) -> str:
        """Return what it is called, as the whole of it fills a screen."""
        run = f" of {self.run.name}" if self.run else ""
        return f"<ModelVersion {self.model}@{self.name}, number {self.number}{run}>"
