"""What a review found: frozen values, drawn by `gitml.registry.report` and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitml.registry.values import Answer, Event, Verdict

BETTER, WORSE = "▲", "▼"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fact of the version in the stage and of the candidate, as text."""

    name: str
    """What it is."""
    before: str | None = None
    """In the stage now; None if it has none."""
    after: str | None = None
    """Of the candidate."""
    note: str = ""
    """How it changed, in gitml's own words: ``▲ +0.0024``; `BETTER` and `WORSE` come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The code of both versions."""

    before: str | None = None
    """The commit of the version in the stage."""
    after: str | None = None
    """The commit of the candidate."""
    link: str | None = None
    """The address of what changed between them."""
    note: str = ""
    """More, in gitml's own words: ``with uncommitted changes``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageChange:
    """What a request wants of one stage, and all that a reviewer looks at first."""

    path: str
    """The stage file."""
    slug: str
    """The slug of the model; empty if the path names none."""
    model: str
    """Its true name."""
    stage: str
    """The stage."""
    answer: Answer
    """What comes of problems and gates together."""
    before: str | None = None
    """The version in the stage now."""
    after: str | None = None
    """The version asked for; None empties the stage."""
    readable: bool = True
    """Whether the file says what it asks for; if not, `after` means nothing."""
    requester: str = ""
    """Who asks."""
    reason: str | None = None
    """Why."""
    problems: tuple[str, ...] = ()
    """Why it is refused, whatever the gates say; whole sentences."""
    notes: tuple[str, ...] = ()
    """What a reviewer should know besides; whole sentences."""
    verdicts: tuple[Verdict, ...] = ()
    """What the gates say."""
    metrics: tuple[Row, ...] = ()
    """All metrics of either version."""
    params: tuple[Row, ...] = ()
    """Params that differ."""
    data: tuple[Row, ...] = ()
    """Inputs: digests and rows."""
    environment: tuple[Row, ...] = ()
    """Python, packages and such that differ."""
    same: tuple[str, ...] = ()
    """What is the same, in gitml's own words: ``12 params``."""
    code: Code | None = None
    """The code."""
    digest: str | None = None
    """The digest of the candidate's package."""
    size: int | None = None
    """Its bytes."""
    package: str = ""
    """Whether its files are there and verify, in gitml's own words."""
    reproducible: str = ""
    """Whether the run can be made again, in gitml's own words."""
    events: tuple[Event, ...] = ()
    """The newest events of the stage, newest first."""
    undo: str = ""
    """The command that undoes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a review found."""

    base: str
    """The commit compared with."""
    head: str
    """The commit reviewed."""
    answer: Answer
    """The worst answer of all changes and problems; pending counts as a pass."""
    changes: tuple[StageChange, ...] = ()
    """The stage files that the request changes."""
    problems: tuple[str, ...] = ()
    """What is wrong with the request as a whole."""
    notes: tuple[str, ...] = ()
    """What is to be known about it as a whole."""
