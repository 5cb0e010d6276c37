"""The pages of the site: for each a template, and a frozen context with all that it may use.

``site_templates/README.md`` is written from this module, field by field, and a test
compares the two: whoever changes a page's look needs nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gitml.site.explore_pages import Explore
from gitml.site.model_pages import Activity, Lineage, ModelReport, Models, VersionReport
from gitml.site.regression_pages import Regressions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitml.model import Json
    from gitml.site.model_parts import Happening, Held, Registration
    from gitml.site.parts import (
        ChartGroup,
        Column,
        ExperimentCard,
        Fact,
        File,
        Frame,
        Link,
        MetricChart,
        Moment,
        Pair,
        Patch,
        Relative,
        RunLine,
        TableRow,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """``index.html``: what there is and how far it got."""

    frame: Frame
    """What every page has."""
    facts: tuple[Fact, ...]
    """The strip of numbers."""
    experiments: tuple[ExperimentCard, ...]
    """The experiments, those with the newest runs first."""
    recent: tuple[RunLine, ...]
    """The newest runs."""
    stage: str
    """The stage that counts most, nothing without models in stages."""
    held: tuple[tuple[Link, Held], ...]
    """The models that have a version in that stage, with what they have there; 12 at the most."""
    others: int
    """How many more models have one there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsTable:
    """``runs.html``: every run, to filter, sort and compare."""

    frame: Frame
    """What every page has."""
    total: int
    """How many runs there are."""
    experiments: int
    """How many experiments."""
    columns: tuple[Column, ...]
    """The columns shown at first, behind the name and the status."""
    rows: tuple[TableRow, ...]
    """The newest runs, 100 at the most; scripts show the others."""
    example: str
    """An expression that finds something, for the empty filter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """``runs/ID.html``: everything about one run."""

    frame: Frame
    """What every page has."""
    id: str
    """The whole id."""
    key: str
    """How the site calls it: the beginning of its id."""
    name: str
    """Its name."""
    status: str
    """Its status."""
    experiment: Link
    """Its experiment, and the table of that."""
    took: str
    """How long it took, nothing while it runs."""
    created: Moment
    """When it started."""
    commit: Link | None
    """The commit it was made from."""
    branch: str | None
    """The branch."""
    parent: Relative | None
    """The run it is nested in."""
    previous: Relative | None
    """The one before it in its experiment."""
    children: tuple[Relative, ...]
    """The runs that are nested in it, 50 at the most."""
    more: int
    """How many more of those there are."""
    facts: tuple[Fact, ...]
    """The metrics that tell most."""
    groups: tuple[ChartGroup, ...]
    """Metrics with several points."""
    values: tuple[MetricChart, ...]
    """Metrics with one point."""
    problem: str | None
    """Why there are no curves, if they cannot be read."""
    thinned: str
    """What of the points is left out, in words; nothing if all are there."""
    params: tuple[Pair, ...]
    """Params."""
    conflict: tuple[str, ...]
    """Params that were given two values."""
    tags: tuple[Pair, ...]
    """Tags."""
    note: str
    """The note, nothing without one."""
    details: tuple[Pair, ...]
    """Who and when."""
    environment: tuple[Pair, ...]
    """The interpreter and the machine."""
    packages: Link | None
    """How many packages were installed, and the file that lists them."""
    source: tuple[Pair, ...]
    """The code."""
    changed: tuple[str, ...]
    """Files that differed from the commit, where what differed cannot be shown."""
    left_out: tuple[str, ...]
    """Uncommitted files that were not kept, each with the reason."""
    patch: Patch | None
    """Uncommitted changes, None without any."""
    inputs: tuple[tuple[str, ...], ...]
    """Data: name, what for, digest, size, rows."""
    registered: tuple[Registration, ...]
    """The versions that were made of it."""
    history: tuple[Happening, ...]
    """What happened to these versions, the newest first."""
    files: tuple[File, ...]
    """Artifacts."""
    figures: bool
    """Whether any chart is drawn by a script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A page of its own without data of its own: compare, about, 404."""

    frame: Frame
    """What every page has."""
    facts: tuple[Pair, ...] = ()
    """What the page tells of the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """``feed.atom``: the newest runs for a feed reader."""

    frame: Frame
    """What every page has."""
    entries: tuple[Mapping[str, Json], ...]
    """For each run: id, title, href, updated, author and summary."""


class Page(NamedTuple):
    """A kind of page."""

    template: str
    """The file in ``site_templates/``."""
    context: type
    """What the template gets, field by field."""
    address: str
    """Where it lies on the site."""


PAGES: dict[str, Page] = {
    "overview": Page("index.html", Overview, "index.html"),
    "runs": Page("runs.html", RunsTable, "runs.html"),
    "run": Page("run.html", RunReport, "runs/ID.html"),
    "explore": Page("explore.html", Explore, "explore.html"),
    "compare": Page("compare.html", Note, "compare.html"),
    "models": Page("models.html", Models, "models.html"),
    "model": Page("model.html", ModelReport, "models/NAME.html"),
    "version": Page("version.html", VersionReport, "models/NAME/VERSION.html"),
    "lineage": Page("lineage.html", Lineage, "lineage.html"),
    "activity": Page("activity.html", Activity, "activity.html"),
    "regressions": Page("regressions.html", Regressions, "regressions.html"),
    "about": Page("about.html", Note, "about.html"),
    "missing": Page("404.html", Note, "404.html"),
    "feed": Page("feed.atom", Feed, "feed.atom"),
}
"""Every kind of page; `site_templates/README.md` lists them with their fields."""
