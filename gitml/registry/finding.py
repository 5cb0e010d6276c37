"""Models by the names that people give, also those that only the remote knows yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.errors import NotFoundError, RefusedError
from gitml.names import MODELS, did_you_mean, visible
from gitml.registry.references import parse_reference
from gitml.registry.state import Registry, read_registry
from gitml.store.shared import fetch_registry

if TYPE_CHECKING:
    from gitml.registry.values import Model, Version
    from gitml.registry.writing import Context
    from gitml.store.git import Repository


def find_model(repository: Repository, name: str, context: Context) -> tuple[str, Model]:
    """Return the slug of a model, and the model as it is here.

    ``name`` may be a reference; its model counts. One that is not known here is
    looked for on the remote. Raises `NotFoundError`, `RemoteError`.
    """
    wanted = parse_reference(name).model
    registry = read_registry(repository)
    try:
        found = registry.find(wanted)
    except NotFoundError:
        if context.remote is None:
            raise
        fetch_registry(repository, context.remote, context.branch)
        found = read_registry(repository).find(wanted)
    return found.slug, found


def only(model: Model) -> Registry:
    """Return a registry of this model alone, for references into it."""
    return Registry(models={model.slug: model})


def require_journal(model: Model | None, name: str, *, deleted: bool = False) -> Model:
    """Return a model that has a journal to write to, else raise.

    Raises `NotFoundError` if there is no model, `RefusedError` if only foreign
    tags or unpublished versions tell of it, or if it was deleted (unless ``deleted``).
    """
    if model is None:
        raise NotFoundError(
            f"There is no model {visible(name, 80)}", hint="gitml models lists them"
        )
    shown = visible(model.name, 80)
    if model.deleted and not deleted:
        raise RefusedError(
            f"The model {shown} was deleted.",
            hint=f"gitml model delete {model.slug} --undo brings it back",
        )
    if model.tip is None and model.foreign:
        raise RefusedError(
            f"{shown} is known from tags alone, which gitml did not write.",
            hint=f"gitml import gto takes it over: it begins {MODELS}{model.slug}",
        )
    if model.tip is None:
        raise RefusedError(
            f"No version of {shown} is published yet.", hint=f"gitml model publish {model.slug}"
        )
    return model


def version_of(model: Model, name: str) -> Version:
    """Return a version of a model by its name; raise `NotFoundError` if there is none."""
    found = next((version for version in model.versions if version.name == name), None)
    if found is None:
        raise NotFoundError(
            f"{visible(model.name, 80)} has no version {visible(name, 80)}",
            hint=did_you_mean(name, [v.name for v in model.versions if not v.deleted]),
        )
    return found


def check_usable(model: Model, version: Version) -> None:
    """Raise `RefusedError` for a version that no stage may hold."""
    name = f"{visible(model.name, 80)} {version.name}"
    if not version.published:
        raise RefusedError(
            f"{name} is not published yet, so it cannot be in a stage.",
            hint=f"gitml model publish {model.slug}",
        )
    if version.deleted:
        raise RefusedError(
            f"{name} was deleted.",
            hint=f"gitml model delete {model.slug}@{version.name} --undo brings it back",
        )
    if version.deprecated is not None:
        why = f": {visible(version.deprecated, 200)}" if version.deprecated else "."
        raise RefusedError(
            f"{name} is deprecated{why}",
            hint=f"gitml model deprecate {model.slug}@{version.name} --undo takes that back",
        )
