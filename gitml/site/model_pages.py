"""The pages of models: for each a frozen context, a sentence for each field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitml.site.model_parts import (
        Card,
        Happening,
        Held,
        Input,
        Mark,
        MetricLine,
        ModelLineage,
        ModelRow,
        PackageLine,
        SignaturePart,
        Stage,
        Trouble,
        ValueLine,
        VersionChart,
        VersionRow,
    )
    from gitml.site.parts import Fact, Frame, Link, Moment, Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """``models.html``: every model and what is in its stages."""

    frame: Frame
    """What every page has."""
    stages: tuple[Stage, ...]
    """The columns of the matrix."""
    rows: tuple[ModelRow, ...]
    """The models."""
    versions: str
    """How many versions there are, in words."""
    gone: tuple[Happening, ...]
    """The models that were deleted: the event that did it."""
    damaged: tuple[str, ...]
    """What cannot be read, a sentence each."""
    partial: bool
    """Whether models without a run of this report are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """``models/NAME.html``: everything about one model."""

    frame: Frame
    """What every page has."""
    name: str
    """Its name."""
    description: str
    """What it is, in the team's words."""
    marks: tuple[Mark, ...]
    """What else is to be known of it."""
    facts: tuple[Fact, ...]
    """The strip of numbers."""
    stages: tuple[Held, ...]
    """What is in its stages."""
    chart: VersionChart | None
    """The metric that tells most; None with fewer than two versions that have one."""
    metrics: tuple[str, ...]
    """The metrics of the table's columns."""
    versions: tuple[VersionRow, ...]
    """The newest versions, and all that are in a stage."""
    older: tuple[VersionRow, ...]
    """The other versions."""
    history: tuple[Happening, ...]
    """What happened to it, the newest first."""
    earlier: tuple[Happening, ...]
    """What happened before that."""
    tags: tuple[Pair, ...]
    """Its labels."""
    details: tuple[Pair, ...]
    """Names, times, where it lies."""
    commands: tuple[str, ...]
    """Commands to get it."""
    data: str
    """The address of its data as JSON."""
    lineage: str | None
    """Where its lineage is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionReport:
    """``models/NAME/VERSION.html``: everything about one version, its model card."""

    frame: Frame
    """What every page has."""
    model: Link
    """Its model."""
    name: str
    """``v1.2.0``."""
    number: str
    """1, 2, 3 …"""
    title: str
    """``churn@v1.2.0``, as commands name it."""
    stages: tuple[Stage, ...]
    """The stages that it is in."""
    marks: tuple[Mark, ...]
    """latest, deprecated, not published, foreign, damaged."""
    problem: str
    """Why there is little to see, nothing if all can be read."""
    registered: Moment
    """When it was registered."""
    by: str
    """Who registered it."""
    run: Link | None
    """Its run."""
    facts: tuple[Fact, ...]
    """The metrics that tell most."""
    compared: tuple[Link, ...]
    """The versions that metrics are compared with: the one before, the one in production."""
    metrics: tuple[MetricLine, ...]
    """Its metrics."""
    card: Card | None
    """The model card in its package."""
    note: str
    """The note."""
    params: tuple[ValueLine, ...]
    """Its params."""
    before: Link | None
    """The version that params, data and files are compared with."""
    inputs: tuple[Input, ...]
    """The data that it was made from."""
    signature: tuple[SignaturePart, ...]
    """What it takes and gives."""
    files: tuple[PackageLine, ...]
    """The files of its package."""
    removed: tuple[str, ...]
    """Files of the version before that it has not."""
    size: str
    """How large its package is."""
    packages: tuple[ValueLine, ...]
    """The Python packages of its run that changed, or all if there is no version before."""
    same_packages: int
    """How many Python packages are as before."""
    history: tuple[Happening, ...]
    """What happened to it, the newest first."""
    tags: tuple[Pair, ...]
    """Its labels."""
    details: tuple[Pair, ...]
    """Digest, signature, tag."""
    source: tuple[Pair, ...]
    """The code that made it."""
    commands: tuple[str, ...]
    """Commands to get it and to look closer."""
    neighbours: tuple[Link | None, Link | None]
    """The version before and the one after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """``lineage.html``: from data to run to version to stage."""

    frame: Frame
    """What every page has."""
    models: tuple[ModelLineage, ...]
    """The models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """``activity.html``: who did what to which model."""

    frame: Frame
    """What every page has."""
    total: int
    """How many events there are."""
    events: tuple[Happening, ...]
    """The newest, 100 at the most; scripts show the others."""
    models: tuple[str, ...]
    """Names of models, to choose from."""
    stages: tuple[str, ...]
    """Stages, to choose from."""
    people: tuple[str, ...]
    """Who did something, to choose from."""
    signed: int
    """How many events have a tag with a signature."""
    tagged: int
    """How many events have a tag."""
    reviewed: int
    """How many promotions came by a review."""
    promoted: int
    """How many promotions there were."""
    troubles: tuple[Trouble, ...]
    """What journals and tags here disagree in, the worst first, 50 at the most."""
    more_troubles: int
    """How many more of those there are."""
