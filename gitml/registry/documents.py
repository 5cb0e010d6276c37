"""The registry as mappings, as ``--json`` answers: every key always there, times in ISO 8601."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.model import iso
from gitml.registry.message import verdict_json
from gitml.registry.references import latest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitml.model import Json
    from gitml.registry.foreign import OddTag
    from gitml.registry.values import Assignment, Event, Model, Version


def model_json(model: Model) -> dict[str, Json]:
    """Return a model without its versions and events."""
    newest = latest(model)
    return {
        "name": model.name,
        "slug": model.slug,
        "aliases": list(model.aliases),
        "description": model.description,
        "tags": dict(model.tags),
        "latest": None if newest is None else newest.name,
        "versions": sum(not version.deleted for version in model.versions),
        "created": iso(model.events[0].at) if model.events else None,
        "updated": iso(max(event.at for event in model.events)) if model.events else None,
        "deleted": model.deleted,
        "foreign": model.foreign,
        "stages": {stage: assignment_json(model, a) for stage, a in model.stages.items()},
    }


def version_json(version: Version) -> dict[str, Json]:
    """Return a version as the journal tells of it."""
    return {
        "version": version.name,
        "number": version.number,
        "run": version.run,
        "digest": version.digest,
        "commit": version.commit,
        "at": iso(version.at),
        "by": version.by,
        "deprecated": version.deprecated,
        "deleted": version.deleted,
        "published": version.published,
        "foreign": version.foreign,
    }


def assignment_json(model: Model, held: Assignment) -> dict[str, Json]:
    """Return what is in a stage."""
    version = next((v for v in model.versions if v.name == held.version), None)
    return {
        "version": held.version,
        "number": None if version is None else version.number,
        "run": None if version is None else version.run,
        "digest": None if version is None else version.digest,
        "n": held.n,
        "since": iso(held.at),
        "by": held.by,
        "via": held.event.via,
        "reason": held.event.reason,
        "drift": held.drift,
    }


def event_json(event: Event) -> dict[str, Json]:
    """Return an event of a journal; fields of a newer gitml are under ``extra``."""
    return {
        "event": event.kind,
        "at": iso(event.at),
        "by": event.by,
        "commit": event.commit,
        "model": event.model,
        "version": event.version,
        "stage": event.stage,
        "n": event.n,
        "tags": list(event.tags),
        "previous": event.previous,
        "run": event.run,
        "digest": event.digest,
        "reason": event.reason,
        "via": event.via,
        "change": event.change,
        "review": event.review,
        "gates": [verdict_json(verdict) for verdict in event.gates],
        "extra": dict(event.extra),
    }


def odd_json(odd: Iterable[OddTag]) -> list[Json]:
    """Return tags and refs that cannot be used, each with the reason."""
    return [{"ref": one.ref, "reason": one.reason} for one in odd]
