"""What an audit sees: the refs here, those of the remote, the tags as objects."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from gitml.errors import DamagedError, RemoteError
from gitml.names import MODELS, REPRODUCED, TAGS, remote_ref
from gitml.registry.foreign import imported
from gitml.registry.gto import parse_tag_name
from gitml.registry.message import MESSAGE_LIMIT
from gitml.registry.state import read_registry
from gitml.registry.tagobject import parse_tag
from gitml.registry.verify import allowed_signers
from gitml.store.remote import branch_tip, listed
from gitml.store.shared import fetch_registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitml.registry.signers import Allowed
    from gitml.registry.state import Registry
    from gitml.registry.tagobject import Tag
    from gitml.registry.values import Event, Model
    from gitml.store.git import Repository

Level: TypeAlias = Literal["damage", "warning", "note"]
"""``damage``: what was published is not what it was; ``warning``: to be mended; ``note``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that an audit found."""

    kind: str
    """What it is, in one word: ``moved``, ``deleted``, ``signature``, ``drift`` …"""
    level: Level
    """damage, warning or note."""
    model: str = ""
    """The slug of the model it is about; empty for the whole registry."""
    ref: str = ""
    """The ref it is about."""
    text: str
    """One sentence."""
    mend: str = ""
    """What mends it: a command, or what to find out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What the registry's remote has."""

    name: str
    """The remote."""
    models: Mapping[str, str]
    """The newest event by slug."""
    tags: Mapping[str, str]
    """The object by the short name of the tag."""
    before: Mapping[str, str]
    """The newest event by slug, as it had been seen before this audit."""
    tags_before: Mapping[str, str]
    """The object by the short name of the tag, as it had been seen."""
    unreachable: str = ""
    """Why it could not be asked, so that all this is as last seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All that the checks look at."""

    repository: Repository
    """The registry's repository."""
    registry: Registry
    """The registry as it is read."""
    models: Sequence[Model]
    """Those models that are audited and have a journal."""
    slugs: frozenset[str]
    """Slugs of all models that are audited, also of those whose journal is gone or damaged."""
    whole: bool
    """Whether these are all there are."""
    tags: Mapping[str, str]
    """Tag objects by short name, of all models that are audited."""
    objects: Mapping[str, bytes] = field(default_factory=dict)
    """Content of those that are annotated tags."""
    parsed: Mapping[str, Tag] = field(default_factory=dict)
    """Those that can be read."""
    shared: Shared | None = None
    """The remote; None without one."""
    branch: str | None = None
    """Short name of the protected branch."""
    tip: str | None = None
    """Its newest commit."""
    allowed: Allowed
    """Who may sign."""

    def told(self) -> dict[str, tuple[Model, Event]]:
        """Return which event made each tag, by the journals."""
        return {
            name: (model, event)
            for model in self.models
            for event in model.events
            if "foreign" not in event.extra
            for name in event.tags
        }


def gather(
    repository: Repository, *, remote: str | None, branch: str | None, model: str | None
) -> Sight:
    """Fetch what there is of a model (None: of all), and read it.

    Raises `NotFoundError` if there is no such model. What the remote changed behind
    gitml's back is no failure here: telling it is what this is for.
    """
    before: tuple[dict[str, str], dict[str, str]] = ({}, {})
    unreachable = ""
    if remote is not None:
        before = _seen(repository, remote, "models"), _seen(repository, remote, "tags")
        try:
            with contextlib.suppress(DamagedError):
                fetch_registry(repository, remote, branch)
        except RemoteError as error:
            unreachable = error.message
    registry = read_registry(repository)
    if model is None:
        slugs = {*registry.models, *registry.damaged}
    elif model in registry.damaged:
        slugs = {model}
    else:
        slugs = {registry.find(model).slug}
    shared = None
    if remote is not None:
        shared = _shared(repository, remote, before, unreachable)
        slugs |= {*shared.models, *shared.before} if model is None else set()
    tags = _of(repository.refs(TAGS), TAGS, slugs)
    contents: dict[str, bytes] = {}
    parsed: dict[str, Tag] = {}
    answers = repository.objects().many(tags.values()) if tags else ()
    for name, answer in zip(tags, answers, strict=True):
        if answer is not None and answer.kind == "tag" and len(answer.data) <= MESSAGE_LIMIT:
            contents[name] = answer.data
            with contextlib.suppress(DamagedError):
                parsed[name] = parse_tag(answer.data)
    tip = branch_tip(repository, remote, branch)
    return Sight(
        repository=repository,
        registry=registry,
        models=[m for m in registry.models.values() if m.slug in slugs and m.tip is not None],
        slugs=frozenset(slugs),
        whole=model is None,
        tags=tags,
        objects=contents,
        parsed=parsed,
        shared=shared,
        branch=branch,
        tip=tip,
        allowed=allowed_signers(repository, tip),
    )


def _shared(
    repository: Repository,
    remote: str,
    before: tuple[dict[str, str], dict[str, str]],
    unreachable: str,
) -> Shared:
    models, tags = before
    if not unreachable:
        try:
            refs = listed(repository, remote, f"{MODELS}*", f"{TAGS}*@*", f"{TAGS}*#*")
            models = {r[len(MODELS) :]: o for r, o in refs.items() if r.startswith(MODELS)}
            tags = {r[len(TAGS) :]: o for r, o in refs.items() if r.startswith(TAGS)}
        except RemoteError as error:
            unreachable = error.message
    return Shared(
        name=remote,
        models=models,
        tags=tags,
        before=before[0],
        tags_before=before[1],
        unreachable=unreachable,
    )


def _seen(repository: Repository, remote: str, kind: str) -> dict[str, str]:
    place = remote_ref(remote, f"{kind}/")
    return {ref.removeprefix(place): oid for ref, oid in repository.refs(place).items()}


class Says(NamedTuple):
    """What the name of a tag says."""

    model: str
    kind: str
    stage: str | None


def says_of(name: str) -> Says | None:
    """Return what the name of a tag says; None if it is none of a registry."""
    found = parse_tag_name(name)
    if found is not None:
        return Says(found.model, found.kind, found.stage)
    slug, at, _ = name.partition(REPRODUCED)
    return Says(slug, "reproduce", None) if at else None


def _of(refs: Mapping[str, str], prefix: str, slugs: set[str]) -> dict[str, str]:
    """Return the registry's tags of these models, by short name."""
    found = {}
    for ref, oid in refs.items():
        name = ref.removeprefix(prefix)
        says = says_of(name)
        if says is not None and says.model in slugs:
            found[name] = oid
    return found


def taken_over(model: Model) -> dict[str, str]:
    """Return the tags that a model's journal took over, by short name, with their objects."""
    return {
        name: one.extra["foreign"]
        for event in model.events
        if event.kind == "import"
        for one in imported(event)
        for name in one.tags
    }
