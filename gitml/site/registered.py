"""The registry as the site shows it: read once, redacted, with an address for everything."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitml.errors import DamagedError
from gitml.names import MODELS, TAGS, UNPUBLISHED
from gitml.query.columns import leading_metrics
from gitml.query.goals import usual_goal
from gitml.query.keys import full_name
from gitml.registry.checks import journal
from gitml.registry.checks.sight import gather as look
from gitml.registry.references import latest
from gitml.registry.showing import USUAL, as_run, stage_order, stages_of
from gitml.registry.versionfile import load_versions
from gitml.site import redact, redact_models, urls
from gitml.tracking.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gitml.model import Run
    from gitml.registry.checks.sight import Finding
    from gitml.registry.values import Assignment, Model, ModelVersion, Verdict, Version
    from gitml.store.git import Repository

_SYSTEM = ("system/", "system.")
_PRODUCTION = ("production", "prod", "live")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownVersion:
    """A version, with all that was frozen in it."""

    version: Version
    """As the journal tells of it."""
    whole: ModelVersion | None
    """As its files have it; None if they cannot be read."""
    run: Run | None
    """The same as a run, to be compared with others."""
    page: str | None
    """The address of its page; None for one that was deleted."""
    stages: tuple[str, ...]
    """The stages it is in."""

    @property
    def name(self) -> str:
        """Return ``v1.2.0``."""
        return self.version.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownModel:
    """A model with its versions."""

    model: Model
    """As the journal tells of it."""
    key: str
    """What its files are called."""
    page: str | None
    """The address of its page; None for one that was deleted."""
    versions: tuple[ShownVersion, ...]
    """The newest first; deleted ones too."""
    by_name: Mapping[str, ShownVersion]
    """The same by name."""
    latest: ShownVersion | None
    """The version that ``@latest`` names."""
    metrics: tuple[str, ...]
    """Names of metrics by how much they tell, those that gates look at first."""
    tip: str
    """A hash of all refs that tell of it."""

    @property
    def living(self) -> list[ShownVersion]:
        """Return the versions that are not deleted, the newest first."""
        return [each for each in self.versions if not each.version.deleted]

    def find(self, name: str | None) -> ShownVersion | None:
        """Return the version called ``name``, if there is one."""
        return None if name is None else self.by_name.get(name)

    def goal(self, name: str) -> str:
        """Return ``min`` or ``max``: as said last, else as the name tells, or nothing."""
        for each in self.versions:
            if each.run is not None and name in each.run.metrics and each.run.metrics[name].goal:
                return each.run.metrics[name].goal or ""
        return usual_goal(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """All models."""

    models: tuple[ShownModel, ...] = ()
    """By name; deleted ones too."""
    of_run: Mapping[str, tuple[tuple[ShownModel, ShownVersion], ...]] = field(default_factory=dict)
    """The versions that were made of each run, by its id, the newest last."""
    stages: tuple[str, ...] = ()
    """Every stage, those that come first on the way to production first."""
    columns: tuple[str, ...] = ()
    """The same, what matters most first: production, what comes before it, and all others."""
    signatures: Mapping[str, str] = field(default_factory=dict)
    """``SSH`` or ``OpenPGP`` by the short name of each tag that carries a signature."""
    findings: tuple[Finding, ...] = ()
    """What journals and tags here disagree in."""
    damaged: tuple[str, ...] = ()
    """Why the journals that cannot be read cannot, a sentence each."""

    @property
    def living(self) -> list[ShownModel]:
        """Return the models that are not deleted."""
        return [each for each in self.models if not each.model.deleted]

    @property
    def present(self) -> bool:
        """Return whether there is a model, or what is left of one."""
        return bool(self.models or self.damaged)

    def told(self, run_id: str) -> str:
        """Return what changes when anything happens to a model that a run is a version of."""
        return " ".join(f"{model.key} {model.tip}" for model, _ in self.of_run.get(run_id, ()))

    @property
    def eventful(self) -> bool:
        """Return whether anything ever happened to a model."""
        return any(shown.model.events for shown in self.models)

    @property
    def drawable(self) -> bool:
        """Return whether any version's lineage is known."""
        return any(each.whole is not None for shown in self.living for each in shown.living)

    @property
    def production(self) -> str | None:
        """Return the stage that counts: production by one of its names, else the last there is."""
        return next(iter(self.columns), None)

    def current(self, shown: ShownModel) -> Assignment | None:
        """Return what a model has in the stage that counts, by whichever of its names."""
        named = [stage for stage in _PRODUCTION if stage in self.stages] or self.columns[:1]
        held = (shown.model.stages.get(stage) for stage in named)
        return next((each for each in held if each is not None), None)


def order_of(store: Repository) -> tuple[str, ...]:
    """Return the stages in the order that the settings name, if they name any."""
    return read_settings(store.work_tree).stage_order if store.work_tree else ()


def _refs(store: Repository) -> dict[str, str]:
    found = store.refs(MODELS, UNPUBLISHED, TAGS)
    return {r: oid for r, oid in found.items() if not r.startswith(TAGS) or "@" in r or "#" in r}


def _hash(refs: Mapping[str, str]) -> str:
    return hashlib.sha256(repr(sorted(refs.items())).encode()).hexdigest()[:16]


def read_registered(
    store: Repository, *, hide: bool = True, only: Collection[str] | None = None
) -> Registered:
    """Return the registry; with ``hide`` without addresses, host names and home folders.

    ``only`` are ids of runs: versions of other runs are left out with all that happened to
    them, and so is a model that has no others.
    """
    refs = _refs(store)
    if not refs:
        return Registered()
    sight = look(store, remote=None, branch=None, model=None)
    models = [*sight.registry.models.values()]
    if only is not None:
        models = [m for m in models if any(v.run in only for v in m.versions)]
    keys = urls.file_keys(model.slug for model in models)
    slugs = {model.slug for model in models}
    findings = [f for f in journal.check(sight) if only is None or f.model in slugs]
    order = order_of(store)
    newest = {model.slug: latest(model) for model in models}
    if only is not None:
        models = [_of_runs(model, only) for model in models]
    stages = stage_order([model for model in models if not model.deleted], order)
    shown = [
        _model(store, refs, model, newest[model.slug], keys[model.slug], hide=hide)
        for model in models
    ]
    return Registered(
        models=tuple(shown),
        of_run=_of_run(shown),
        stages=tuple(stages),
        columns=tuple(_columns(stages, order)),
        signatures={
            name: "SSH" if b"SSH SIGNATURE" in tag.signature[:40] else "OpenPGP"
            for name, tag in sight.parsed.items()
            if tag.signature is not None
        },
        findings=tuple(redact_models.finding(found) if hide else found for found in findings),
        damaged=()
        if only is not None
        else tuple(map(redact.text, sight.registry.damaged.values())),
    )


def _of_runs(model: Model, only: Collection[str]) -> Model:
    """Return a model with the versions that were made of some runs, and what happened to those."""
    versions = tuple(version for version in model.versions if version.run in only)
    names = {version.name for version in versions}
    return replace(
        model,
        versions=versions,
        stages={stage: held for stage, held in model.stages.items() if held.version in names},
        stacks={
            stage: tuple(held for held in stack if held.version in names)
            for stage, stack in model.stacks.items()
        },
        events=tuple(
            event
            for event in model.events
            if (event.version or (event.stage and event.previous)) in {None, "", *names}
        ),
    )


def _columns(stages: Sequence[str], order: Sequence[str]) -> list[str]:
    """Return stages from production back; those that nobody ranks come last."""
    first = [stage for stage in _PRODUCTION if stage in stages]
    ranked = [s for s in stages if s in {*order, *USUAL} and s not in first]
    return [*first, *reversed(ranked), *(s for s in stages if s not in {*first, *ranked})]


def _of_run(
    models: Iterable[ShownModel],
) -> dict[str, tuple[tuple[ShownModel, ShownVersion], ...]]:
    found: dict[str, list[tuple[ShownModel, ShownVersion]]] = {}
    for model in models:
        for each in reversed(model.versions):
            if each.version.run and not model.model.deleted:
                found.setdefault(each.version.run, []).append((model, each))
    for several in found.values():
        several.sort(key=lambda pair: pair[1].version.at)
    return {run_id: tuple(several) for run_id, several in found.items()}


def _model(
    store: Repository,
    refs: Mapping[str, str],
    model: Model,
    newest: Version | None,
    key: str,
    *,
    hide: bool,
) -> ShownModel:
    shown = redact_models.model(model) if hide else model
    listed = [version for version in shown.versions if not version.deleted]
    read = zip(map(id, listed), load_versions(store, listed), strict=True)
    wholes = {n: None if isinstance(found, DamagedError) else found for n, found in read}
    pages = {} if model.deleted else _pages(key, listed)
    versions = [
        _version(model, each, wholes.get(id(each)), pages.get(id(each)), hide=hide)
        for each in reversed(shown.versions)
    ]
    runs = [each.run for each in versions if each.run is not None and not each.version.deleted]
    asked = _asked(model, {name for run in runs for name in run.metrics})
    by_name = {v.name: v for v in sorted(versions, key=lambda v: v.version.published)}
    marks = (f"{MODELS}{model.slug}", f"{UNPUBLISHED}{model.slug}/")
    tags = (f"{TAGS}{model.slug}@", f"{TAGS}{model.slug}#")
    own = {r: oid for r, oid in refs.items() if r == marks[0] or r.startswith((marks[1], *tags))}
    return ShownModel(
        model=shown,
        key=key,
        page=None if model.deleted else urls.model_page(key),
        versions=tuple(versions),
        by_name=by_name,
        latest=None if newest is None else by_name.get(newest.name),
        metrics=tuple(n for n in leading_metrics(runs, asked) if not n.startswith(_SYSTEM)),
        tip=_hash(own),
    )


def _asked(model: Model, names: Iterable[str]) -> list[str]:
    """Return the metrics that gates looked at when something was promoted: those that count."""
    gates = {gate for event in model.events for gate in _metric_gates(event.gates)}
    known = {name: re.escape(full_name("metrics", name)) for name in sorted(names)}
    return [
        name
        for name, full in known.items()
        if any(re.search(rf"(?<![\w.]){full}(?![\w.])", gate) for gate in gates)
    ]


def _metric_gates(verdicts: Iterable[Verdict]) -> Iterator[str]:
    for verdict in verdicts:
        if verdict.kind == "metric":
            yield verdict.gate
        yield from _metric_gates(verdict.inner)


def _pages(key: str, versions: Sequence[Version]) -> dict[int, str]:
    """Return the address of each version's page, by its place in memory.

    One that is not published may be called as another is: the published one has the page.
    """
    keys = urls.file_keys(version.name for version in versions)
    found: dict[str, int] = {}
    for version in sorted(versions, key=lambda v: not v.published):
        found.setdefault(urls.version_page(key, keys[version.name]), id(version))
    return {version: address for address, version in found.items()}


def _version(
    model: Model, version: Version, whole: ModelVersion | None, page: str | None, *, hide: bool
) -> ShownVersion:
    run = None if whole is None else as_run(whole, name=version.name)
    if hide and whole is not None and run is not None:
        whole, run = redact_models.whole(whole), redact.redacted(run)
    return ShownVersion(
        version=version,
        whole=whole,
        run=run,
        page=page,
        stages=tuple(stages_of(model, version)) if version.published else (),
    )
