"""The one way an event is written: fetched, decided, pushed, and only then kept here.

An event's commit and its tags go to the remote in one atomic push, on condition
that the model's journal is there as it was read. So the journal is the lock, no
tag exists whose push was refused, and who is beaten decides again with what the
others did in view. Without a remote one local ref transaction does the same.
"""

from __future__ import annotations

import contextlib
import random
import secrets
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from gitml import names
from gitml.errors import BeatenError, GitmlError, RefusedError, RemoteError, UnreachableError
from gitml.model import iso
from gitml.names import TAGS, model_ref, remote_ref, visible
from gitml.registry.message import event_message
from gitml.registry.signing import write_tag
from gitml.registry.state import read_registry
from gitml.registry.taking import taken_along
from gitml.store.git import RefUpdate
from gitml.store.remote import (
    PushRef,
    asked_branch,
    branch_tip,
    protected_branch,
    push_together,
    registry_remote,
)
from gitml.store.shared import contains, fetch_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gitml.registry.policy import Judgement
    from gitml.registry.signing import Sign
    from gitml.registry.tagobject import TagDraft
    from gitml.registry.values import Event, Model
    from gitml.store.fast_import import FastImport
    from gitml.store.git import Repository

TRIES = 12
"""How often an event is decided and pushed anew."""
IDLE = 4
"""How often a push may fail as if beaten although the journal did not move."""
AHEAD = 5 * 60_000
"""Milliseconds that an event may be dated ahead of this clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who writes, when, and where the registry is shared."""

    by: str
    """Who, as ``Name <email>``."""
    now: int
    """This clock, in milliseconds."""
    remote: str | None = None
    """The remote that the registry is shared through; None keeps it here."""
    branch: str | None = None
    """Short name of the protected branch; None if there is none."""
    sign: Sign | None = None
    """How tags are signed; None leaves them unsigned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event that was decided and is not written yet."""

    event: Event
    """The event; its ``at`` is of `event_time`."""
    sentence: str
    """What the commit says to people in its first line."""
    put: Callable[[FastImport], None]
    """Puts the files of the event's commit, which starts empty."""
    tags: tuple[TagDraft, ...] = ()
    """Tags to be made; an empty target is the event's own commit."""
    refs: tuple[PushRef, ...] = ()
    """What goes along to the remote: the package, the run, its source."""
    prepare: Callable[[FastImport], Iterable[PushRef]] | None = None
    """Writes commits that go along too, before the event's own, and returns their refs."""
    keep: frozenset[str] = frozenset()
    """Refs of those that go along which are written here too, where they are not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of an event."""

    event: Event
    """The event, with its commit."""
    model: Model | None
    """The model that it was decided on, as it was before."""
    tags: tuple[str, ...] = ()
    """Short names of the tags that were made."""
    published: bool = True
    """Whether the registry's remote has it (without a remote: always)."""
    judgement: Judgement | None = None
    """What the policy said, for a change of a stage."""
    changed: bool = True
    """Whether anything was written: False where all was so already."""


class AlreadySoError(GitmlError):
    """Raised by what decides on an event: there is nothing to be written.

    ``event`` is the event that made it so.
    """

    def __init__(self, event: Event) -> None:
        super().__init__("It is so already.")
        self.event = event


Build: TypeAlias = "Callable[[Model | None], Draft]"
Matters: TypeAlias = "Callable[[Model | None], object]"


def open_context(repository: Repository, *, by: str, now: int, sign: Sign | None = None) -> Context:
    """Return the context of this repository; the remote may be asked for its default branch.

    A remote that cannot be reached is no failure here: writing will tell.
    """
    remote = registry_remote(repository)
    branch = protected_branch(repository, remote)
    if branch is None and remote is not None:
        with contextlib.suppress(RemoteError):
            branch = asked_branch(repository, remote)
    return Context(by=by, now=now, remote=remote, branch=branch, sign=sign)


def policy_tip(repository: Repository, context: Context) -> str | None:
    """Return the commit of the protected branch as last fetched, or None."""
    return branch_tip(repository, context.remote, context.branch)


def event_time(model: Model | None, now: int) -> int:
    """Return the time of a model's next event: now, or a second after the last.

    Raises `RefusedError` when that is more than five minutes ahead of this clock.
    """
    time_now = now - now % 1000
    if model is None or not model.events:
        return time_now
    last = max(event.at for event in model.events)
    if last + 1000 > time_now + AHEAD:
        raise RefusedError(
            f"The last event of {visible(model.name, 80)} is dated {iso(last)}, "
            f"and this clock says {iso(now)}.",
            hint="see which clock is wrong; what is dated ahead is promoted after that time",
        )
    return max(time_now, last + 1000)


def write_event(
    repository: Repository,
    slug: str,
    build: Build,
    context: Context,
    matters: Matters,
    *,
    seen: Model | None = None,
) -> Written:
    """Write one event of a model, published where the registry has a remote.

    ``build`` decides on the model as it is now (None: there is none) and returns
    the draft, or raises; it is called again after each time that somebody else
    was first. It goes on only while ``matters`` of the model stays what it was.
    Without a remote ``seen``, if given, is taken for the model as it is.

    Raises `BeatenError` naming who was first, `RemoteError` if the remote refuses
    or cannot be reached, `RefusedError` for clocks (`event_time`), and whatever
    ``build`` raises. Nothing is left then: no ref, here or there.
    """
    known: object = None
    tip: str | None = None
    idle = 0
    for number in range(TRIES):
        if seen is not None and context.remote is None and not number:
            base = _Base(model=seen, tip=seen.tip)
        else:
            base = _look(repository, slug, context)
        if number:
            idle = idle + 1 if base.tip == tip else 0
            if matters(base.model) != known:
                raise _beaten(base.model, tip)
        known, tip = matters(base.model), base.tip
        try:
            draft = build(base.model)
        except AlreadySoError as so:
            return Written(event=so.event, model=base.model, changed=False)
        made = _make(repository, slug, base, draft, context)
        try:
            _publish(repository, base, made, context)
        except BeatenError as error:
            if idle >= IDLE:
                raise _unmoved(error, context) from None
            time.sleep(random.uniform(0, 0.02 * 2 ** min(number, 5)))  # noqa: S311 - jitter
            continue
        _keep(repository, slug, base, made, context)
        return Written(
            event=replace(draft.event, commit=made.commit),
            model=base.model,
            tags=tuple(name.removeprefix(TAGS) for name in made.tags),
        )
    raise BeatenError(
        f"Others keep writing to {slug}; after {TRIES} times nothing was changed.",
        hint="do it again",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """A model as it was read, and where its journal stood."""

    model: Model | None
    tip: str | None
    """The newest event here."""
    shared: str | None = None
    """The newest event on the remote; None without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """The objects of an event."""

    ref: str
    """The journal's ref."""
    commit: str
    tags: dict[str, str] = field(default_factory=dict)
    """Tag objects by ref."""
    refs: tuple[PushRef, ...] = ()
    keep: tuple[RefUpdate, ...] = ()
    """Of what goes along, what this repository keeps."""


def _look(repository: Repository, slug: str, context: Context) -> _Base:
    """Fetch the model and the protected branch, and read the model."""
    shared = None
    if context.remote is not None:
        fetch_registry(repository, context.remote, context.branch, slugs=[slug])
        shared = repository.resolve(remote_ref(context.remote, f"models/{slug}"))
    model = read_registry(repository, model=slug).models.get(slug)
    return _Base(model=model, tip=model.tip if model else None, shared=shared)


def _make(repository: Repository, slug: str, base: _Base, draft: Draft, context: Context) -> _Made:
    """Write the objects of an event; no ref names them yet."""
    event = draft.event
    tmp = names.tmp_ref(secrets.token_hex(8))
    along = [*draft.refs]
    with repository.fast_import() as stream:
        if context.remote is not None and base.model is not None and base.tip != base.shared:
            tip = policy_tip(repository, context)
            along += taken_along(
                *(repository, stream, base.model, base.shared),
                remote=context.remote,
                branch_tip=tip,
            )
        if draft.prepare is not None:
            along += draft.prepare(stream)
        mark = stream.commit(
            tmp,
            committer=event.by,
            time=event.at,
            message=event_message(event, draft.sentence),
            parents=[base.tip] if base.tip else [],
        )
        draft.put(stream)
        commit = stream.oid(mark)
        stream.reset(tmp, repository.zero)  # as deleted: no ref is written
    tags = {
        f"{TAGS}{tag.name}": write_tag(
            repository, replace(tag, target=tag.target or commit), context.sign
        )
        for tag in draft.tags
    }
    kept = [
        RefUpdate(p.ref, p.new, repository.resolve(p.ref)) for p in along if p.ref in draft.keep
    ]
    return _Made(
        ref=model_ref(slug),
        commit=commit,
        tags=tags,
        refs=tuple(along),
        keep=tuple(update for update in kept if update.new != update.old),
    )


def _publish(repository: Repository, base: _Base, made: _Made, context: Context) -> None:
    """Push an event, or without a remote write its refs; raise `BeatenError` if beaten."""
    if context.remote is None:
        updates = [RefUpdate(made.ref, made.commit, base.tip)]
        updates += [RefUpdate(ref, oid, None) for ref, oid in made.tags.items()]
        repository.update_refs([*updates, *made.keep])
        return
    along = [push for push in made.refs if not push.ref.startswith(TAGS)]
    chain = PushRef(ref=made.ref, new=made.commit, expected_old=base.shared)
    tags = [push for push in made.refs if push.ref.startswith(TAGS)]
    tags += [PushRef(ref=ref, new=oid) for ref, oid in made.tags.items()]
    try:
        push_together(repository, context.remote, along, [chain], tags)
    except UnreachableError as error:
        if not _arrived(repository, made, context.remote, error):
            raise


def _arrived(repository: Repository, made: _Made, remote: str, error: UnreachableError) -> bool:
    """Say whether a push whose connection broke was taken all the same.

    Raises `UnreachableError` if the remote does not say.
    """
    slug = made.ref.removeprefix(names.MODELS)
    try:
        fetch_registry(repository, remote, slugs=[slug])
    except RemoteError:
        raise UnreachableError(
            f"{error.message.rstrip('.')}; whether the event arrived is not known.",
            hint="do it again once the remote answers: what arrived is seen then",
        ) from None
    tip = repository.resolve(remote_ref(remote, f"models/{slug}"))
    return tip is not None and contains(repository, tip, made.commit)


def _keep(repository: Repository, slug: str, base: _Base, made: _Made, context: Context) -> None:
    """Write the local refs of what was published; the next fetch does what fails here."""
    if context.remote is None:
        return
    updates = [RefUpdate(made.ref, made.commit, base.tip)]
    updates.append(
        RefUpdate(remote_ref(context.remote, f"models/{slug}"), made.commit, base.shared)
    )
    for ref, oid in made.tags.items():
        place = remote_ref(context.remote, f"tags/{ref.removeprefix(TAGS)}")
        updates += [RefUpdate(ref, oid, None), RefUpdate(place, oid, None)]
    with contextlib.suppress(GitmlError):
        repository.update_refs([*updates, *made.keep])


def _beaten(model: Model | None, tip: str | None) -> BeatenError:
    """Return who was first, with what."""
    events: Sequence[Event] = model.events if model else ()
    commits = [event.commit for event in events]
    new = events[commits.index(tip) + 1 :] if tip in commits else events
    if not new or model is None:
        return BeatenError("Somebody else changed the model first; nothing was changed here.")
    last = new[-1]
    return BeatenError(
        f"{visible(last.by, 80)} was first: {told(last, model.name)} at {iso(last.at)}; "
        "nothing was changed.",
        hint="look at it, then do it again if it is still what you want",
    )


_TOLD = {
    "register": "registered {}",
    "assign": "put {} in {stage}",
    "unassign": "took {} out of {stage}",
    "deprecate": "deprecated {}",
    "restore": "restored {}",
    "describe": "described {}",
    "rename": "renamed {}",
    "reproduce": "reproduced {}",
    "delete": "deleted {}",
    "import": "took {} over from its tags",
}


def told(event: Event, name: str) -> str:
    """Return an event as a clause without a subject: ``put churn v1.2.0 in production``."""
    what = " ".join(filter(None, (visible(name, 80), event.version)))
    return _TOLD.get(event.kind, "changed {}").format(what, stage=event.stage)


def _unmoved(error: BeatenError, context: Context) -> RemoteError:
    """Return the failure of a remote that says no without a reason, time after time."""
    where = "this repository" if context.remote is None else visible(context.remote, 80)
    return RemoteError(
        f"{where} does not take the event, and nobody else wrote: {error.message}",
        hint="gitml audit shows tags and journals that do not agree",
    )
