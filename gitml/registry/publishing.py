"""What waits here for the registry's remote, published: versions, and whole journals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.errors import BeatenError
from gitml.names import model_ref, remote_ref, visible
from gitml.registry.finding import find_model
from gitml.registry.registering import publish_waiting
from gitml.registry.state import read_registry
from gitml.registry.taking import taken_along
from gitml.registry.writing import policy_tip
from gitml.store.remote import PushRef, push_together
from gitml.store.shared import fetch_registry
from gitml.store.write import again

if TYPE_CHECKING:
    from gitml.registry.registering import Registered
    from gitml.registry.values import Event, Model
    from gitml.registry.writing import Context
    from gitml.store.git import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What of a model was published."""

    model: Model
    """The model, as it was before."""
    events: tuple[Event, ...] = ()
    """Events of the time when the registry had no remote."""
    versions: tuple[Registered, ...] = ()
    """Versions that waited, under the names that they have now."""


def waiting_words(done: Registered) -> tuple[str, str] | None:
    """Return a sentence about a version that is not published, and what publishes it."""
    if done.kept_back is None:
        return None
    title = f"{visible(done.version.model, 80)}@{done.version.name}"
    told = f"{title} is registered here alone: {done.kept_back.rstrip('.')}"
    return told, f"gitml model publish {done.version.slug}"


def publish(repository: Repository, name: str | None, context: Context) -> tuple[Published, ...]:
    """Publish what waits here of a model, or of all; return the models that had anything.

    Without a remote the registry is here, and versions that wait enter it. Raises
    `RemoteError`; what was published of other models before a failure stays so.
    """
    wanted = None if name is None else [find_model(repository, name, context)[0]]
    if context.remote is not None:
        fetch_registry(repository, context.remote, context.branch, slugs=wanted)
    models = read_registry(repository).models
    done = [_publish_one(repository, models[slug], context) for slug in wanted or models]
    return tuple(one for one in done if one.events or one.versions)


def _publish_one(repository: Repository, model: Model, context: Context) -> Published:
    shared = context.remote is not None and model.tip is not None
    events = again(lambda: _share(repository, model, context)) if shared else ()
    versions = publish_waiting(repository, model, context)
    return Published(model=model, events=events, versions=versions)


def _share(repository: Repository, model: Model, context: Context) -> tuple[Event, ...]:
    """Push the events that the remote lacks, with all that belongs to them."""
    assert context.remote is not None
    assert model.tip is not None
    shared = repository.resolve(remote_ref(context.remote, f"models/{model.slug}"))
    commits = [event.commit for event in model.events]
    if shared is not None and (shared == model.tip or shared not in commits):
        return ()  # the remote has all of it, and perhaps more
    tip = policy_tip(repository, context)
    with repository.fast_import() as stream:
        along = [
            *taken_along(
                *(repository, stream, model, shared), remote=context.remote, branch_tip=tip
            )
        ]
    chain = PushRef(ref=model_ref(model.slug), new=model.tip, expected_old=shared)
    tags = [push for push in along if push.leased]
    others = [push for push in along if not push.leased]
    try:
        push_together(repository, context.remote, others, [chain], tags)
    except BeatenError:
        fetch_registry(repository, context.remote, slugs=[model.slug])
        raise
    fetch_registry(repository, context.remote, slugs=[model.slug])
    return model.events[commits.index(shared) + 1 if shared else 0 :]
