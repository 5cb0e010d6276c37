"""Versions: what becomes one, what it is called, and how it is written.

Several machines may register at once: who is beaten takes the next number and,
unless the version was named, the next version.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitml import names
from gitml.errors import BeatenError, InputError, NotFoundError, RefusedError, UnreachableError
from gitml.names import check_name, check_version, visible
from gitml.registry.candidate import (
    check_run,
    checked_content,
    freeze,
    large_contents,
    package_ref,
    put_version,
    run_along,
    source_along,
    write_package,
)
from gitml.registry.message import check_text, event_message
from gitml.registry.mlmodel import complete
from gitml.registry.numbering import Candidate, event_of, next_version
from gitml.registry.package import check_listing
from gitml.registry.packing import keep_contents, logged_members, named_members
from gitml.registry.pending import write_pending
from gitml.registry.pulling import Contents
from gitml.registry.references import check_model_name
from gitml.registry.state import read_registry
from gitml.registry.tagobject import TagDraft
from gitml.registry.values import Event, Model
from gitml.registry.versionfile import load_version
from gitml.registry.writing import (
    AlreadySoError,
    Draft,
    Written,
    event_time,
    policy_tip,
    write_event,
)
from gitml.sharing.large import upload
from gitml.store.git import RefUpdate
from gitml.store.history import requirements
from gitml.store.shared import fetch_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from gitml.model import Run
    from gitml.registry.package import Member
    from gitml.registry.packing import Gathered
    from gitml.registry.state import Registry
    from gitml.registry.values import ModelVersion, PackageFile, Version
    from gitml.registry.writing import Context
    from gitml.store.fast_import import FastImport
    from gitml.store.git import Repository
    from gitml.store.remote import PushRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What became of a candidate."""

    written: Written
    """The event."""
    version: ModelVersion
    """The version as it was frozen."""
    why: str = ""
    """Why it has this version, for people: ``minor: the signature is compatible``."""
    kept_back: str | None = None
    """Why it is not published, if it is not."""
    earlier: tuple[Registered, ...] = ()
    """Versions that waited to be published, and were published first."""


@dataclass(slots=True)
class _Outcome:
    """What the last draft was of: a draft that is beaten is made again."""

    version: ModelVersion | None = None
    why: str = ""
    content: Mapping[str, Member] = field(default_factory=dict)


def candidate_of(
    repository: Repository,
    run: Run | None,
    paths: Sequence[str] = (),
    *,
    cwd: Path,
    tags: Mapping[str, str] | None = None,
    note: str | None = None,
    folder: str | None = None,
    model: str | None = None,
) -> tuple[Candidate, Gathered]:
    """Return what is to be registered of a run and of files, and where the files are from.

    Without ``paths`` they are those of the run's logged model in ``folder``, by default
    of the only one or that of the name ``model``, or all its artifacts. It has no name
    yet. Raises what is wrong with the run or the files, before anything is written.
    """
    if run is not None:
        check_run(run)
    if paths or run is None:
        if not paths:
            raise InputError("No files are named.", hint="name the model's files with --path")
        gathered = named_members(repository, run, paths, cwd)
    else:
        gathered = logged_members(repository, run, folder=folder, model=model)
    python = (run.environment.python or "").rpartition(" ")[2] if run else ""
    installed = (requirements(repository, run.id) or "") if run else ""
    members, mlmodel = complete(gathered.members, python=python or None, installed=installed)
    check_listing(members)
    version = freeze(
        repository, run, members, mlmodel, tags=tags or {}, note=note, installed=installed
    )
    gathered = replace(gathered, bound=mlmodel.bound)
    return Candidate(version=version, members=tuple(members), name=""), gathered


class _OtherModelError(Exception):
    """The slug belongs to another model than was thought."""


def register(
    repository: Repository,
    candidate: Candidate,
    context: Context,
    *,
    push: bool = True,
    view: Repository | None = None,
) -> Registered:
    """Register a version of a model, which is made if there is none of that name.

    With a remote it is published there, with the run, its source and the files;
    without ``push``, or while the remote cannot be reached, it is kept here under a
    ref of its own, for `republish`. The same package of the same run is registered
    once, unless a version or a part to raise is given. ``view`` is the repository as
    the caller has just read it (`snapshot`), which spares reading it again.

    Raises `RefusedError` for a version that exists, `BeatenError` if somebody else
    took the version meanwhile, and what `write_event` raises.
    """
    candidate = _checked(candidate)
    keep_contents(repository, candidate.members)
    if push:
        try:
            earlier = _publish_waiting(repository, candidate.name, context, view)
            done = _published(repository, candidate, context, None if earlier else view)
            return replace(done, earlier=earlier)
        except UnreachableError as error:
            if candidate.attach:
                raise
            return _kept_back(repository, candidate, context, view, error.message)
    if candidate.attach:
        raise InputError("What is attached to a foreign version has to be published.")
    if context.remote is None:
        return _published(repository, candidate, context, view)
    return _kept_back(repository, candidate, context, view, "it was not pushed")


def publish_waiting(
    repository: Repository, model: Model, context: Context
) -> tuple[Registered, ...]:
    """Publish the versions of a model that wait here, in the order of time.

    One whose name was taken meanwhile gets the next. Raises what `register` does;
    what was published before that is.
    """
    done = []
    waiting = [version for version in model.versions if version.pending_ref is not None]
    for version in sorted(waiting, key=lambda v: (v.at, v.number)):
        facts = load_version(repository, version)
        contents = Contents(repository, version, facts)
        candidate = Candidate(
            version=facts,
            members=tuple(contents.members()),
            name=model.name,
            wanted=facts.name,
            again=True,
            waited=version.commit,
        )
        done.append(_published(repository, candidate, context, None))
        assert version.pending_ref is not None
        repository.update_refs([RefUpdate(version.pending_ref, None, version.commit)])
    return tuple(done)


def _publish_waiting(
    repository: Repository, name: str, context: Context, view: Repository | None
) -> tuple[Registered, ...]:
    if context.remote is None:
        return ()
    model = _known(_read(view or repository, name), name)
    return publish_waiting(repository, model, context) if model else ()


def _checked(candidate: Candidate) -> Candidate:
    check_model_name(candidate.name)
    if candidate.wanted is not None:
        candidate = replace(candidate, wanted=check_version(candidate.wanted))
    tags = {}
    for label, value in candidate.version.tags.items():
        tags[check_name(label, "tag")] = check_text(value, f"tag {visible(label, 80)}")
    note = check_text(candidate.version.note or "", "note") or None
    return replace(candidate, version=replace(candidate.version, tags=tags, note=note))


def _published(
    repository: Repository, candidate: Candidate, context: Context, view: Repository | None
) -> Registered:
    registry = _read(view or repository, candidate.name)
    if context.remote is not None and _known(registry, candidate.name) is None:
        fetch_registry(repository, context.remote, context.branch)
        registry = read_registry(repository)
    if context.remote is not None:
        upload(repository, context.remote, large_contents(repository, candidate.version))
    for _ in range(3):
        seen = _known(registry, candidate.name)
        slug = seen.slug if seen else registry.slug_for_new(candidate.name)
        outcome = _Outcome(content={m.path: m for m in candidate.members})
        make = _builder(repository, candidate, context, slug, outcome)
        try:
            written = write_event(
                repository, slug, make, context, lambda _: None, seen=seen or _new(slug, candidate)
            )
        except _OtherModelError:
            registry = read_registry(repository)
            continue
        if not written.changed:
            assert written.model is not None
            version = _of_event(written.model, written.event)
            return Registered(written=written, version=load_version(repository, version))
        assert outcome.version is not None
        return Registered(written=written, version=outcome.version, why=outcome.why)
    raise BeatenError(
        f"Others keep renaming models called {visible(candidate.name, 80)}; nothing was changed.",
        hint="do it again",
    )


def _read(repository: Repository, name: str) -> Registry:
    """Return what the registry knows: of the model of that slug, if it is the one, else of all."""
    if names.MODEL_SLUG.fullmatch(name):
        alone = read_registry(repository, model=name)
        if (found := _known(alone, name)) is not None and found.name == name:
            return alone
    return read_registry(repository)


def _known(registry: Registry, name: str) -> Model | None:
    """Return the live model of a name, if there is one."""
    try:
        found = registry.find(name)
    except NotFoundError:
        return None
    return None if found.deleted else found


def _new(slug: str, candidate: Candidate) -> Model:
    return Model(slug=slug, name=candidate.name)


def _builder(
    repository: Repository, candidate: Candidate, context: Context, slug: str, outcome: _Outcome
) -> Callable[[Model | None], Draft]:
    """Return what decides on the version whenever the model is read anew."""
    tries = 0

    def build(model: Model | None) -> Draft:
        nonlocal tries
        tries += 1
        model = model or _new(slug, candidate)
        if model.deleted or candidate.name not in {model.name, model.slug, *model.aliases}:
            raise _OtherModelError
        if model.tip is None and model.foreign:
            raise RefusedError(
                f"{visible(model.name, 80)} is known from tags alone, which gitml did not write.",
                hint="gitml import gto takes it over",
            )
        name, why = next_version(repository, model, candidate, again=tries > 1)
        published = [v.number for v in model.versions if v.published]
        number = max(published, default=0) + 1
        if candidate.attach:
            number = next(v.number for v in model.versions if v.name == name)
        outcome.why = why
        outcome.version = replace(
            candidate.version,
            model=model.name,
            slug=slug,
            name=name,
            number=number,
            created=event_time(model, context.now),
            author=context.by,
        )
        return _draft(repository, model, outcome.version, outcome.content, context, candidate)

    return build


def _of_event(model: Model, event: Event) -> Version:
    return next(version for version in model.versions if version.name == event.version)


def _draft(
    repository: Repository,
    model: Model,
    version: ModelVersion,
    content: Mapping[str, Member],
    context: Context,
    candidate: Candidate,
) -> Draft:
    tag = names.version_tag(version.slug, version.name)
    event = Event(
        kind="register",
        at=version.created,
        by=version.author,
        model=model.name,
        version=version.name,
        n=version.number,
        tags=() if candidate.attach else (tag,),
        run=version.run.id if version.run else None,
        digest=version.digest,
        extra={"waited": candidate.waited} if candidate.waited else {},
    )
    sentence = _sentence(version)
    tags = [
        TagDraft(
            name=name,
            target="",
            message=event_message(event, sentence),
            tagger=event.by,
            at=event.at,
        )
        for name in event.tags
    ]

    def small(file: PackageFile) -> bytes:
        return checked_content(file, content[file.path].open())

    def prepare(stream: FastImport) -> Iterator[PushRef]:
        yield from write_package(repository, stream, version, small)
        if context.remote is not None:
            yield from run_along(repository, stream, version)
            yield from source_along(repository, stream, version, policy_tip(repository, context))

    ref = package_ref(version)
    return Draft(
        event=event,
        sentence=sentence,
        put=lambda stream: put_version(stream, model, version, small),
        tags=tuple(tags),
        prepare=prepare,
        keep=frozenset([ref] if ref else []),
    )


def _sentence(version: ModelVersion) -> str:
    run = f" of {version.run.name}" if version.run else ""
    return f"{version.model} {version.name}: registered{run}"


def _kept_back(
    repository: Repository,
    candidate: Candidate,
    context: Context,
    view: Repository | None,
    reason: str,
) -> Registered:
    """Keep a version here that the remote does not have yet, under a ref of its own."""
    registry = _read(view or repository, candidate.name)
    known = _known(registry, candidate.name)
    slug = known.slug if known else registry.slug_for_new(candidate.name)
    outcome = _Outcome(content={m.path: m for m in candidate.members})
    # What waits here counts for its number and name, though both may still change.
    waiting = known or _new(slug, candidate)
    events = [event_of(v, waiting.name) for v in waiting.versions if not v.published]
    waiting = replace(
        waiting,
        versions=tuple(replace(v, published=True) for v in waiting.versions),
        events=(*waiting.events, *events),
    )
    try:
        draft = _builder(repository, candidate, context, slug, outcome)(waiting)
    except AlreadySoError as so:
        written = Written(event=so.event, model=known, changed=False)
        version = load_version(repository, _of_event(waiting, so.event))
        return Registered(written=written, version=version)
    commit = write_pending(repository, slug, draft)
    assert outcome.version is not None
    event = replace(draft.event, commit=commit)
    written = Written(event=event, model=known, published=False)
    return Registered(written=written, version=outcome.version, why=outcome.why, kept_back=reason)
