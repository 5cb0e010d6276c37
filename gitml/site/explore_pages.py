"""What the page that explores runs is made of: frozen values, a sentence for each field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitml.site.parts import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A value on an axis."""

    text: str
    """The value as text."""
    top: float
    """Where it stands, in hundredths of the height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An axis of parallel coordinates."""

    label: str
    """The param or metric."""
    left: float
    """Where it stands, in hundredths of the width."""
    log: bool
    """Whether its scale is logarithmic."""
    ticks: tuple[Tick, ...]
    """Values on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Parallel coordinates, drawn without a script."""

    width: int
    """Width of the view box."""
    height: int
    """Height of the view box."""
    axes: tuple[Axis, ...]
    """The axes, from left to right."""
    paths: tuple[tuple[int, str], ...]
    """For each run its colour, 1 to 5 by the metric or 0 without, and the path of its line."""
    gaps: bool
    """Whether any run is without a value, in the lane at the bottom."""
    metric: str | None
    """The metric that colours them."""
    low: str
    """Its least value, as text."""
    high: str
    """Its greatest value, as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """How a param goes together with a metric."""

    name: str
    """The param."""
    value: str
    """The association as text, with its sign where it has one."""
    method: str
    """``rank correlation`` or ``correlation ratio``."""
    runs: int
    """How many runs have both."""
    left: float
    """Where the bar begins, in hundredths; 50 is no association."""
    width: float
    """How long it is."""
    bend: float
    """How long the hollow bar is, where the metric goes up and down; 0 where it does not."""
    bent: str
    """The same as text, nothing where it does not."""
    marks: tuple[float, ...]
    """Where chance alone ends, at one or at both sides."""
    tone: str
    """``up``, ``down``, ``size`` for what has no direction, or ``chance``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarTable:
    """How params go together with one metric."""

    metric: str
    """The metric."""
    bars: tuple[Bar, ...]
    """The params, the strongest beyond chance first."""
    left_out: tuple[str, ...]
    """Sentences on the other params."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explore:
    """``explore.html``: many runs at once, their params against their metrics."""

    frame: Frame
    """What every page has."""
    experiment: str
    """The one that is shown at first, nothing where there is only one."""
    count: int
    """How many of its runs, the first ones, the page shows without a script."""
    lines: Lines | None
    """The newest of those, 100 at the most."""
    drawn: int
    """How many those are."""
    tables: tuple[BarTable, ...]
    """Associations with its leading metrics."""
    least: int
    """From how many runs on there are associations."""
    example: str
    """An expression that finds something, for the empty filter."""
