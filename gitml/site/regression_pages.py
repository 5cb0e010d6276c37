"""The page of regressions: its context, a sentence for each field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitml.site.parts import Fact, Frame, Link, Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Regressions:
    """``regressions.html``: where metrics changed their level, in commit order."""

    frame: Frame
    """What every page has."""
    looked_at: str
    """How much was looked at, in words."""
    facts: tuple[Fact, ...]
    """The strip of numbers; nothing where no level changed."""
    cards: tuple[StepCard, ...]
    """Series that are worse than they were, the largest change first."""
    more: tuple[StepLine, ...]
    """The regressions of further series, for which there is no drawing."""
    recovered: tuple[StepLine, ...]
    """What was worse for a while."""
    improved: tuple[StepLine, ...]
    """What became better."""
    unsaid: int
    """How many of the smallest changes are not listed."""
    left_out: str
    """What was not looked at, in words; nothing if all was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCard:
    """A series with its levels, drawn."""

    metric: str
    """The metric."""
    experiment: Link
    """The experiment, and the table of its runs."""
    branch: str | None
    """The branch, None where none was checked out."""
    goal: str
    """``min`` or ``max``: which way it is better."""
    size: str
    """The largest of its changes, as a relative size: ``−4.4%``."""
    drawing: StepDrawing
    """The points and the levels."""
    said: str
    """The drawing in a sentence."""
    lines: tuple[StepLine, ...]
    """Its changes for the worse, the largest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDrawing:
    """Points in commit order and the levels they have, in a view box of 600 by 120."""

    dots: str
    """The path of the points."""
    levels: str
    """The path of the levels."""
    bad: tuple[tuple[int, int], ...]
    """Where it is worse than it was: from, and how wide."""
    low: str
    """The smallest value of the scale."""
    high: str
    """The greatest value of the scale."""
    first: str
    """The first commit."""
    last: str
    """The last commit."""
    beyond: int
    """How many points are outside of the scale, and drawn at its edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    """A change of a level."""

    metric: str
    """The metric."""
    experiment: str
    """The experiment."""
    branch: str | None
    """The branch, None where none was checked out."""
    worse: bool
    """Whether it went against the goal."""
    size: str
    """Its relative size: ``−4.4%``."""
    before: str
    """The level before."""
    after: str
    """The level after."""
    count: tuple[int, int]
    """How many commits have the one and the other."""
    good: Link
    """The last commit before it."""
    bad: Link
    """The first commit after it."""
    dirty: bool
    """Whether runs of one of the two had uncommitted changes."""
    diff: str | None
    """The page that shows what is between the two, where the host has one."""
    runs: tuple[Link, Link]
    """The newest run of the one commit, and the oldest of the other."""
    compare: str
    """The page that lays these two over each other."""
    when: Moment
    """When the first commit after it was made."""
    fitted: bool
    """Whether levels were fitted; else there are too few commits, and they were compared."""
