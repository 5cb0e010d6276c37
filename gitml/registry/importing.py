"""Models of GTO's are taken over: a journal whose first event lists the tags there are.

No tag is written, moved or removed. All models go in one transaction, which a
remote takes or refuses as a whole.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.errors import InputError, RefusedError
from gitml.names import MODEL_SLUG, model_ref, plural, remote_ref, tmp_ref, visible
from gitml.registry.foreign import import_field
from gitml.registry.message import event_message
from gitml.registry.values import Event, Model
from gitml.registry.versionfile import MODEL_YAML, dump_model
from gitml.registry.writing import event_time
from gitml.store.git import RefUpdate
from gitml.store.remote import PushRef, push_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.registry.state import Registry
    from gitml.registry.writing import Context
    from gitml.store.git import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What there is to be taken over."""

    models: tuple[Model, ...]
    """Models that only foreign tags tell of."""
    left: tuple[tuple[str, str], ...] = ()
    """Names of other models that only tags tell of, and why they stay as they are."""


def plan_import(registry: Registry, names: Sequence[str] = ()) -> Plan:
    """Return what to take over: the models of these names, or all that can be.

    Raises `InputError` for a named model that cannot be, and `NotFoundError`.
    """
    wanted = [registry.find(name) for name in names] if names else [*registry.models.values()]
    chosen: list[Model] = []
    left: list[tuple[str, str]] = []
    for model in {model.slug: model for model in wanted}.values():
        reason = _obstacle(model)
        if reason is None:
            chosen.append(model)
        elif names:
            raise InputError(f"{visible(model.name, 80)} cannot be taken over: {reason}.")
        elif model.foreign:
            left.append((model.name, reason))
    return Plan(models=tuple(chosen), left=tuple(left))


def _obstacle(model: Model) -> str | None:
    if model.tip is not None:
        return "it has a journal already"
    if not model.foreign:
        return "gitml made it, and a fetch brings its journal"
    if not MODEL_SLUG.fullmatch(model.slug):
        return "its name has capitals or other characters that gitml's tags cannot have"
    return None


def import_models(
    repository: Repository, models: Sequence[Model], context: Context
) -> dict[str, str]:
    """Write a journal for each model and return its commit by slug.

    Raises `RefusedError` if the registry's remote does not have all the tags, or a
    model has an event dated ahead; `BeatenError` if somebody took one over first.
    """
    if context.remote is not None:
        _check_shared(repository, models, context.remote)
    commits = _commits(repository, models, context)
    updates = [RefUpdate(model_ref(slug), oid, None) for slug, oid in commits.items()]
    if context.remote is not None:
        pushes = [PushRef(ref=update.ref, new=oid) for update in updates if (oid := update.new)]
        push_atomic(repository, context.remote, pushes)
        place = remote_ref(context.remote, "models/")
        updates += [RefUpdate(place + slug, oid, None) for slug, oid in commits.items()]
    repository.update_refs(updates)
    return commits


def _commits(repository: Repository, models: Sequence[Model], context: Context) -> dict[str, str]:
    commits = {}
    with repository.fast_import() as stream:
        for model in models:
            event = Event(
                kind="import",
                at=event_time(model, context.now),
                by=context.by,
                model=model.name,
                extra={"imported": import_field(model.events)},
            )
            tags = plural(len(model.events), "tag")
            place = tmp_ref(secrets.token_hex(8))
            mark = stream.commit(
                place,
                committer=event.by,
                time=event.at,
                message=event_message(event, f"Take {model.name} over from {tags} of GTO"),
            )
            stream.put_data(MODEL_YAML, dump_model(model))
            commits[model.slug] = stream.oid(mark)
            stream.reset(place, repository.zero)  # as deleted: no ref is written
    return commits


def _check_shared(repository: Repository, models: Sequence[Model], remote: str) -> None:
    """Refuse tags that others would not have, or have otherwise."""
    place = remote_ref(remote, "tags/")
    theirs = repository.refs(place)
    for model in models:
        for event in model.events:
            for tag in event.tags:
                if theirs.get(place + tag) != event.extra["foreign"]:
                    raise RefusedError(
                        f"{visible(remote, 80)} does not have the tag {visible(tag, 80)} "
                        "as it is here.",
                        hint=f"git push {remote} 'refs/tags/{visible(tag, 200)}' and do it again",
                    )
