"""What pages are made of: frozen values, a sentence for each field."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A text that may lead somewhere."""

    text: str
    """What is read."""
    href: str | None = None
    """Where it leads, None for nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A time that was recorded."""

    iso: str
    """ISO 8601 in UTC, for machines; scripts show how long ago it is."""
    text: str
    """The same for people, to the minute: ``2026-11-23 09:12 UTC``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """An entry of the navigation at the top."""

    label: str
    """What it says."""
    href: str
    """Where it leads, relative to the page."""
    current: bool
    """Whether the page is that one or below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A number with a name, in the strip below the heading."""

    label: str
    """Its name."""
    value: str
    """The number as text."""
    note: str = ""
    """A few words behind it."""
    tone: str = ""
    """``up`` for good news, ``down`` for bad, else nothing."""
    href: str | None = None
    """Where the number leads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A small drawing of a series, made without a script."""

    path: str
    """The path of an SVG whose view box is ``0 0 width height``."""
    width: int
    """Width of the view box."""
    height: int
    """Height of the view box."""
    low: str = ""
    """The smallest value, as text."""
    high: str = ""
    """The greatest value, as text."""
    first: str = ""
    """The first step, as text."""
    last: str = ""
    """The last step, as text."""
    dots: tuple[tuple[float, float], ...] = ()
    """Centres of dots, where single values are drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every page has around its content."""

    title: str
    """The page's own title."""
    site: str
    """The title of the site."""
    root: str
    """The way to the top of the site: nothing or ``../``."""
    tabs: tuple[Tab, ...]
    """The navigation."""
    address: str
    """The page's address below the top."""
    base_url: str | None
    """The site's address on the web, with a slash at its end, if it was given."""
    version: str
    """The version of gitml."""
    as_of: Moment | None
    """When the newest of what is shown was recorded; None without runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """A run in a short list."""

    name: str
    """Its name."""
    href: str
    """Its page."""
    experiment: str
    """Its experiment."""
    status: str
    """finished, failed, killed, running or scheduled."""
    created: Moment
    """When it started."""
    values: tuple[tuple[str, str], ...]
    """The metrics that tell most, as (name, value)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentCard:
    """An experiment on the overview."""

    name: str
    """Its name."""
    href: str
    """The table of its runs."""
    count: int
    """How many runs there are."""
    statuses: tuple[tuple[str, int], ...]
    """How many of each status but finished, those there are."""
    metric: str | None
    """The metric that tells most, None where no run has any."""
    goal: str
    """``min`` or ``max``: which way it is better; nothing where nobody said and no name tells."""
    best: Fact | None
    """Its best value and the run that has it."""
    progress: Curve | None
    """The metric of each run over time as dots, and the best so far as a line."""
    newest: Moment
    """When the newest run started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the table of runs."""

    key: str
    """What it shows: ``name``, ``metrics.auc``, ``params.lr``, ``spark`` …"""
    label: str
    """The heading."""
    group: str
    """The heading above: run, metrics, params, tags or git."""
    numeric: bool
    """Whether it holds numbers, aligned at the right."""
    rank: int
    """0 is always shown; 2, 3 and 4 go on a phone, a tablet, a small laptop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A version that was made of a run, as the table shows it."""

    text: str
    """The stage it is in; in none its own name."""
    tone: str
    """``production`` or ``staging`` for a stage that counts as such, ``other`` for another, else
    nothing."""
    said: str
    """Model, version and stage in words."""
    href: str | None
    """Its page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A value in the table of runs."""

    text: str
    """The value as text, ``–`` where there is none."""
    best: bool = False
    """Whether it is the best of its column."""
    spark: str | None = None
    """The path of a sparkline, instead of text."""
    href: str | None = None
    """Where it leads."""
    moment: Moment | None = None
    """The time, for a time."""
    made: tuple[Made, ...] = ()
    """Versions, instead of text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A run in the table."""

    key: str
    """How the site calls it: the beginning of its id."""
    name: str
    """Its name."""
    href: str
    """Its page."""
    status: str
    """Its status."""
    cells: tuple[Cell, ...]
    """A value for each column behind the name and the status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricChart:
    """A metric of a run."""

    name: str
    """Its name."""
    last: str
    """Its last value."""
    low: str
    """Its smallest value."""
    high: str
    """Its greatest value."""
    step: str
    """The last step."""
    count: int
    """How many points were recorded."""
    goal: str
    """``min`` or ``max`` where it was said or the name tells which is better, else nothing."""
    curve: Curve | None
    """The drawing, None where there are fewer than two points."""
    said: str
    """The chart in a sentence, for who cannot see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartGroup:
    """Charts whose names begin alike."""

    name: str
    """What they begin with, nothing for those without a slash."""
    charts: tuple[MetricChart, ...]
    """The charts."""
    folded: bool
    """Whether the group is closed at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A name and a value."""

    name: str
    """The name."""
    value: str
    """The value as text."""
    href: str | None = None
    """Where the value leads."""
    mono: bool = False
    """Whether it is an id, a path or code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An artifact of a run."""

    path: str
    """Its path."""
    size: str
    """Its size for people, nothing where it is not known."""
    digest: str
    """The beginning of its SHA-256, or that there is none to verify it by."""
    href: str | None
    """Its copy on the site, or the address it was recorded with, on the web; None for neither."""
    shown: str
    """How it is shown: image, text, markdown, table, figure, or nothing."""
    body: str = ""
    """The text, where it is shown as text."""
    head: tuple[str, ...] = ()
    """The headings, where it is shown as a table."""
    rows: tuple[tuple[str, ...], ...] = ()
    """The first rows, where it is shown as a table."""
    cut: str = ""
    """What is left out, in words."""
    address: str = ""
    """The address it was recorded with, where that is no link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchFile:
    """A file with uncommitted changes."""

    path: str
    """Its path."""
    kind: str
    """new, removed, renamed, binary, or some of them; nothing for a plain change."""
    added: int
    """How many lines came."""
    removed: int
    """How many lines went."""
    blocks: tuple[tuple[str, str], ...]
    """The beginning of the patch: lines of a kind together, as (add, del, same or hunk, text)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """What a run's source had that its commit has not."""

    files: tuple[PatchFile, ...]
    """The files, 60 at the most."""
    count: int
    """How many files there are."""
    added: int
    """How many lines came, in all."""
    removed: int
    """How many lines went, in all."""
    cut: str
    """What of the patch is not in the page, in words; nothing if all is."""
    size: str
    """How large the whole of it is, for people."""
    key: str
    """What the file with all of it is called by, nothing without one: ``data/code/KEY.diff``."""
    problem: str
    """Why it cannot be shown, nothing if it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """A run that belongs to a run."""

    name: str
    """Its name, or the beginning of its id where the site does not have it."""
    key: str
    """How the site calls it, nothing where it does not have it."""
    href: str | None
    """Its page."""
    status: str
    """Its status, nothing where it is not known."""
    commits: Link | None
    """What its commit and this run's differ in, on their host; None where they are the same."""
    same: bool
    """Whether both were made from the same commit."""
