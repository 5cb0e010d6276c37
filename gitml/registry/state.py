"""The registry as it stands: all models, folded from their journals and from tags."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitml.errors import DamagedError, NotFoundError
from gitml.lines import load_json
from gitml.names import (
    MODEL_SLUG,
    MODELS,
    TAGS,
    UNPUBLISHED,
    did_you_mean,
    model_ref,
    model_slug,
    visible,
)
from gitml.registry import foreign, gto
from gitml.registry.chain import read_chains, read_commits
from gitml.registry.references import FORMS
from gitml.registry.values import Assignment, Event, Model, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitml.registry.foreign import OddTag
    from gitml.store.git import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """All models of a repository."""

    models: Mapping[str, Model]
    """By slug, in the order of their names; deleted ones too."""
    odd: tuple[OddTag, ...] = ()
    """Tags and refs that look like a registry's and cannot be used, with the reason."""
    damaged: Mapping[str, str] = field(default_factory=dict)
    """Slugs of models whose journal cannot be read, with the reason."""

    def find(self, name: str) -> Model:
        """Return the model of this name, slug or former name; a deleted one only by its slug.

        Raises `NotFoundError`, and `DamagedError` if its journal cannot be read.
        """
        live = [model for model in self.models.values() if not model.deleted]
        for model in live:
            if name == model.name:
                return model
        for model in live:
            if name == model.slug or name in model.aliases:
                return model
        if name in self.models:
            return self.models[name]
        if name in self.damaged:
            raise DamagedError(self.damaged[name], hint="gitml audit says what is wrong")
        known = [known for model in live for known in (model.name, model.slug, *model.aliases)]
        # churn:latest and models:/churn/3 are how other registries say it.
        hint = FORMS if ":" in name else did_you_mean(name, known)
        raise NotFoundError(
            f"There is no model {visible(name, 80)}",
            hint=hint or ("gitml models lists them" if live else _HOW_TO_BEGIN),
        )

    def slug_for_new(self, name: str) -> str:
        """Return the slug that a new model called ``name`` gets: never one that was used."""
        slug, salt = model_slug(name), 1
        while slug in self.models or slug in self.damaged:
            salt += 1
            slug = model_slug(name, salt=str(salt))
        return slug


_HOW_TO_BEGIN = "gitml pull brings those of others; gitml register NAME --run RUN makes one"


def read_registry(repository: Repository, *, model: str | None = None) -> Registry:
    """Return the registry, by three git processes; with ``model`` only that slug's part.

    A journal that cannot be read is in `Registry.damaged`, but raises `DamagedError`
    if it is the one that was asked for. A tag that cannot be read is in `Registry.odd`.
    """
    refs = repository.refs(*_prefixes(model))
    tips = {ref[len(MODELS) :]: oid for ref, oid in refs.items() if ref.startswith(MODELS)}
    pending = {ref: oid for ref, oid in refs.items() if ref.startswith(UNPUBLISHED)}
    tags = {ref[len(TAGS) :]: oid for ref, oid in refs.items() if ref.startswith(TAGS)}
    chains = read_chains(repository, tips.values())
    waiting = read_commits(repository, pending.values()) if pending else {}
    events: dict[str, Sequence[Event]] = {}
    damaged: dict[str, str] = {}
    odd: list[OddTag] = []
    for slug, tip in tips.items():
        found = chains[tip]
        if not MODEL_SLUG.fullmatch(slug):
            odd.append(foreign.OddTag(MODELS + slug, "its name is none of a model"))
        elif isinstance(found, DamagedError):
            damaged[slug] = found.message
            if model is not None:
                raise found
        else:
            events[slug] = found
    loose: dict[str, list[tuple[str, Event]]] = {}
    for ref, oid in pending.items():
        slug, found_event = ref[len(UNPUBLISHED) :].partition("/")[0], waiting[oid]
        if isinstance(found_event, DamagedError):
            odd.append(foreign.OddTag(ref, found_event.message))
        elif MODEL_SLUG.fullmatch(slug) and slug not in damaged:
            loose.setdefault(slug, []).append((ref, found_event))
    by_tags, strange = foreign.read_tags(repository, tags, events, set(damaged))
    odd += strange
    models = {
        slug: replace(
            fold(events.get(slug, ()), slug=slug, tags=by_tags.get(slug, ())),
            tip=tips.get(slug) if slug in events else None,
        )
        for slug in {**events, **by_tags, **loose}
    }
    for slug, several in loose.items():
        models[slug] = _with_pending(models[slug], several)
    ordered = sorted(models.values(), key=lambda one: (one.name.casefold(), one.slug))
    return Registry(models={m.slug: m for m in ordered}, odd=tuple(odd), damaged=damaged)


def _prefixes(model: str | None) -> tuple[str, ...]:
    if model is None:
        return MODELS, UNPUBLISHED, TAGS
    ref = model_ref(model)
    return ref, f"{UNPUBLISHED}{model}/", f"{TAGS}{model}@*", f"{TAGS}{model}#*"


def fold(events: Iterable[Event], *, slug: str, tags: Sequence[Event] = ()) -> Model:
    """Return the model that a journal tells of; ``tags`` are events that only tags tell of.

    The journal is the truth. Where there is none, tags are read as GTO reads them.
    ``events`` may be those of a `Model`, which have what an import took over.
    """
    folding = _Folding(slug)
    told = [*events]
    journal = [event for event in told if "foreign" not in event.extra]
    for event in journal:
        if event.kind == "import":
            folding.take_over(foreign.imported(event))
        folding.take(event)
    if not journal:
        folding.take_over(tags or told)
    return folding.model()


class _Folding:
    """A model in the making."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        self.name = ""
        self.aliases: dict[str, None] = {}
        self.description: str | None = None
        self.labels: Mapping[str, str] = {}
        self.versions: dict[str, Version] = {}
        self.stages: dict[str, Assignment] = {}
        self.stacks: dict[str, list[Assignment]] = {}
        self.events: list[Event] = []
        self.deleted = False

    def take_over(self, events: Sequence[Event]) -> None:
        """Take events of tags that no journal holds: a stage is as GTO shows it."""
        for event in events:
            self.deleted = False  # for GTO whatever happens later makes a model active again
            self.take(event)
        shown = {stage: _assignment(event) for stage, event in gto.stages_of(self.events).items()}
        self.stages = {s: a for s, a in shown.items() if a.version in self.versions}

    def take(self, event: Event) -> None:
        """Take the next event."""
        self.events.append(event)
        if event.model and event.model != self.name:
            if self.name:
                self.aliases[self.name] = None
            self.name = event.model
            self.aliases.pop(event.model, None)
        if event.kind in {"assign", "unassign"} and event.stage is not None:
            self._stage(event, event.stage)
        elif event.version is None:
            self._whole(event)
        elif event.kind == "register":
            self._register(event, event.version)
        elif event.version in self.versions:
            old = self.versions[event.version]
            self.versions[event.version] = _changed(old, event)

    def _whole(self, event: Event) -> None:
        if event.kind in {"delete", "restore"}:
            self.deleted = event.kind == "delete"
        elif event.kind == "describe":
            if "description" in event.extra:
                self.description = event.extra["description"] or None
            self.labels = _labels(event, self.labels)

    def _register(self, event: Event, version: str) -> None:
        old = self.versions.get(version)
        if old is not None and "foreign" in event.extra:  # anew, after GTO's deregister
            self.versions[version] = replace(old, deleted=False)
        elif old is not None and old.foreign:  # gitml register --attach
            self.versions[version] = replace(
                old, run=event.run, digest=event.digest, attached=event.commit
            )
        if old is not None:
            return
        self.versions[version] = _version(self.slug, event, len(self.versions) + 1)

    def _stage(self, event: Event, stage: str) -> None:
        stack = self.stacks.setdefault(stage, [])
        if event.kind == "unassign":
            self.stages.pop(stage, None)
            return
        if event.version not in self.versions:
            return
        assignment = _assignment(event)
        back = event.via == "rollback" or event.extra.get("back") == "true"
        if back and any(a.version == event.version for a in stack):
            if stage in self.stages:
                stack.pop()
            while stack and stack[-1].version != event.version:
                stack.pop()
        if stack and stack[-1].version == event.version:
            stack.pop()
        stack.append(assignment)
        self.stages[stage] = assignment

    def model(self) -> Model:
        """Return the model."""
        own = [event for event in self.events if "foreign" not in event.extra]
        return Model(
            slug=self.slug,
            name=self.name or self.slug,
            aliases=tuple(self.aliases),
            description=self.description,
            tags=self.labels,
            versions=tuple(sorted(self.versions.values(), key=lambda v: v.number)),
            stages=dict(sorted(self.stages.items())),
            stacks={stage: tuple(stack) for stage, stack in self.stacks.items() if stack},
            events=tuple(self.events),
            deleted=self.deleted,
            foreign=bool(self.events) and not own,
        )


def _version(slug: str, event: Event, number: int) -> Version:
    assert event.version is not None
    return Version(
        model=slug,
        name=event.version,
        number=event.n or number,
        commit=event.commit,
        at=event.at,
        by=event.by,
        run=event.run,
        digest=event.digest,
        foreign="foreign" in event.extra,
    )


def _changed(version: Version, event: Event) -> Version:
    """Return a version after an event that is about it."""
    if event.kind == "deprecate":
        return replace(version, deprecated=event.reason or "")
    if event.kind == "delete":
        return replace(version, deleted=True)
    if event.kind == "restore":
        if version.deleted:
            return replace(version, deleted=False)
        return replace(version, deprecated=None)
    if event.kind == "describe":
        note = event.extra.get("note", version.note)
        tags = _labels(event, version.tags) if "labels" in event.extra else version.tags
        return replace(version, tags=tags, note=note)
    return version


def _labels(event: Event, before: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the labels that a describe event leaves; what cannot be read changes nothing."""
    try:
        found = load_json(event.extra["labels"])
    except (KeyError, ValueError):
        return before or {}
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        return before or {}
    return found


def _assignment(event: Event) -> Assignment:
    assert event.stage is not None
    assert event.version is not None
    return Assignment(
        stage=event.stage,
        version=event.version,
        n=event.n or 0,
        at=event.at,
        by=event.by,
        event=event,
        drift=event.via == "break-glass",
    )


def _with_pending(model: Model, several: Iterable[tuple[str, Event]]) -> Model:
    """Add versions that are not published; their numbers may still change."""
    versions = [*model.versions]
    for ref, event in sorted(several, key=lambda pair: (pair[1].at, pair[0])):
        if event.kind == "register" and event.version is not None:
            number = max((v.number for v in versions), default=0) + 1
            made = _version(model.slug, replace(event, n=number), number)
            versions.append(replace(made, published=False, pending_ref=ref))
            if not model.events and event.model:
                model = replace(model, name=event.model)
    return replace(model, versions=tuple(versions))
