"""What pages of models are made of: frozen values, a sentence for each field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitml.site.parts import Fact, Link, Moment, Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A word that says how an event came about, or what became of a version."""

    text: str
    """The word: signed, reviewed, merged, direct, rollback, deprecated …"""
    tone: str
    """``good``, ``warn``, ``bad``, or nothing."""
    said: str
    """What it means, in a sentence."""
    href: str | None = None
    """Where it leads: the review, the commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A model card."""

    path: str
    """Where it lies in the package."""
    text: str
    """The text, without the facts at its head."""
    marked: bool
    """Whether it is to be read as Markdown."""
    facts: tuple[Pair, ...]
    """What it says of itself at its head: license, language, tags …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The name of a stage, drawn as a pill."""

    name: str
    """Its name."""
    tone: str
    """``production`` or ``staging`` for what counts as such, else nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What one gate of the policy said."""

    name: str
    """The gate, as the policy writes it."""
    answer: str
    """passed, refused, cannot tell or decided later."""
    tone: str
    """``good``, ``bad`` or ``warn``."""
    got: str
    """What was found."""
    expected: str
    """What would pass."""
    depth: int
    """0, and one more for each ``any`` or ``all`` that it is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event of a model's journal, for a timeline."""

    when: Moment
    """When, as the journal says."""
    who: str
    """Who, as the journal says."""
    kind: str
    """Its kind in the journal: register, assign, unassign, deprecate …"""
    lead: str
    """What happened: Registered, Promoted, Rolled back to …"""
    model: Link
    """The model."""
    version: Link | None
    """The version, where it is of one."""
    joint: str
    """The word between version and stage."""
    stage: Stage | None
    """The stage, where it is of one."""
    tail: str
    """What else: in place of which version, the name before."""
    reason: str
    """Why, in the words of who did it."""
    marks: tuple[Mark, ...]
    """How it came about."""
    gates: tuple[Gate, ...]
    """What the gates of the policy said then."""
    refused: int
    """How many gates on the first level did not pass."""
    tags: tuple[str, ...]
    """The tags that it made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is in a stage."""

    stage: Stage
    """The stage."""
    version: Link
    """The version."""
    since: Moment
    """Since when."""
    by: str
    """Who put it there."""
    reason: str
    """Why."""
    marks: tuple[Mark, ...]
    """How it came there."""
    metric: str
    """Name and value of the metric that tells most, nothing without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """A model in the matrix."""

    model: Link
    """Its name and its page."""
    description: str
    """The first line of its description."""
    marks: tuple[Mark, ...]
    """What else is to be known: made of foreign tags, versions not published."""
    latest: Link | None
    """The version that ``@latest`` names."""
    metric: str
    """Name and value of the metric that tells most, nothing without one."""
    versions: str
    """How many versions."""
    updated: Moment | None
    """When something happened to it last."""
    cells: tuple[Held | None, ...]
    """What each stage holds, in the order of the columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """A version in the table of its model."""

    version: Link
    """Its name and its page."""
    number: str
    """1, 2, 3 …"""
    values: tuple[str, ...]
    """The metrics that tell most."""
    best: tuple[bool, ...]
    """Which of these are the best of all versions."""
    stages: tuple[Stage, ...]
    """The stages that it is in."""
    marks: tuple[Mark, ...]
    """deprecated, deleted, not published, damaged."""
    run: Link | None
    """Its run."""
    registered: Moment
    """When it was registered."""
    by: str
    """Who registered it."""
    digest: str
    """The beginning of the digest of its files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A version in the drawing of a metric."""

    x: float
    """Its place from the left, in hundredths of the width."""
    y: float
    """Its place from the top, in hundredths of the height."""
    held: str
    """Stages and version, for one that is in a stage: ``production v1.2.0``; else nothing."""
    tone: str
    """``production``, ``staging`` or ``other`` for a version in a stage, else nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionChart:
    """The metric that tells most over the versions of a model."""

    metric: str
    """Its name."""
    goal: str
    """``min`` or ``max``: which way it is better; nothing where nobody said and no name tells."""
    path: str
    """The line through all versions, in a view box of 100 by 100."""
    dots: tuple[Dot, ...]
    """The versions; of more than 120 those at even distances, and all that are in a stage."""
    dense: bool
    """Whether there are so many that they are drawn smaller."""
    low: str
    """The smallest value, nothing where all are one."""
    high: str
    """The greatest value."""
    first: str
    """The first version."""
    last: str
    """The last version."""
    said: str
    """The drawing in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricLine:
    """A metric of a version beside that of others."""

    name: str
    """Its name."""
    value: str
    """Its value in this version."""
    goal: str
    """``min`` or ``max``: which way it is better; nothing where nobody said and no name tells."""
    others: tuple[Fact, ...]
    """For each version that it is compared with: the value, the change as note, and its tone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueLine:
    """A param, a package or a file of a version beside that of the one before."""

    name: str
    """Its name."""
    value: str
    """Its value, ``–`` where it is gone."""
    before: str
    """Its value in the version before."""
    change: str
    """``changed``, ``added``, ``removed`` or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageLine:
    """A file of a version's package."""

    path: str
    """Its path."""
    size: str
    """Its size for people."""
    digest: str
    """Its SHA-256."""
    kept: str
    """Where its bytes are: the tag, git or git-lfs."""
    change: str
    """``changed`` or ``added`` against the version before, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """Data that a version was made from."""

    name: str
    """Its name."""
    what: str
    """What it was used for."""
    digest: str
    """Its digest, ``–`` where none was recorded."""
    size: str
    """Its size for people."""
    rows: str
    """How many rows it has."""
    change: str
    """``changed``, ``added`` against the version before, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignaturePart:
    """What a model takes, or what it gives."""

    name: str
    """Inputs, Outputs or Params."""
    columns: tuple[tuple[str, str, str], ...]
    """Name, type, and whether it may be left out or its default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A node in the drawing of a lineage."""

    x: int
    """Its left edge."""
    y: int
    """Its upper edge."""
    width: int
    """Its width."""
    kind: str
    """data, run, version or stage."""
    tone: str
    """``production`` or ``staging`` of a stage, else nothing."""
    label: str
    """What it is called, cut to what fits."""
    small: str
    """The line below: digest, experiment, date."""
    full: str
    """Its whole name."""
    href: str | None
    """Its page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A lineage as an SVG."""

    width: int
    """Width of the view box."""
    height: int
    """Height of the view box."""
    heads: tuple[tuple[int, str], ...]
    """The heading of each column and its left edge."""
    boxes: tuple[Box, ...]
    """The nodes."""
    paths: tuple[str, ...]
    """The edges."""
    said: str
    """The drawing in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageRow:
    """A version with what it was made from and where it is."""

    version: Link
    """The version."""
    run: Link | None
    """The run that made it."""
    data: tuple[Link, ...]
    """What that run used; the text behind a link is the digest's beginning."""
    stages: tuple[Stage, ...]
    """The stages that it is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLineage:
    """The lineage of one model."""

    anchor: str
    """The id of its section."""
    model: Link
    """The model."""
    drawing: Drawing
    """The newest versions, and all that are in a stage."""
    rows: tuple[LineageRow, ...]
    """The versions that are drawn."""
    folded: tuple[LineageRow, ...]
    """The others."""
    open: bool
    """Whether the drawing is unfolded at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that journals and tags disagree in."""

    level: str
    """damage, warning or note."""
    text: str
    """What it is, in a sentence."""
    mend: str
    """What to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A version that was made of a run."""

    model: Link
    """The model."""
    version: Link
    """The version."""
    stages: tuple[Stage, ...]
    """The stages that it is in."""
    marks: tuple[Mark, ...]
    """latest, deprecated, deleted, not published."""
    lineage: str | None
    """Where its lineage is drawn."""
