"""What a published page does not tell of models: as of runs, and of who did what only the name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitml.site import redact

if TYPE_CHECKING:
    from gitml.registry.checks.sight import Finding
    from gitml.registry.values import Event, Model, ModelVersion, Verdict, Version


def whole(version: ModelVersion) -> ModelVersion:
    """Return a version without what tells of people and machines; its run says the rest."""
    labels = {name: redact.text(each) for name, each in version.tags.items()}
    files = tuple(replace(file, path=redact.text(file.path)) for file in version.files)
    run = version.run and replace(version.run, name=redact.text(version.run.name))
    return replace(
        version,
        author=redact.author(version.author),
        run=run,
        tags=labels,
        note=_maybe(version.note),
        signature=redact.value(version.signature),
        flavors=redact.value(version.flavors),
        files=files,
        environment={},
        extra={},
    )


def model(told: Model) -> Model:
    """Return a model without addresses: names of people stay."""
    held = {
        stage: replace(a, by=redact.author(a.by), event=_event(a.event))
        for stage, a in told.stages.items()
    }
    return replace(
        told,
        name=redact.text(told.name),
        aliases=tuple(map(redact.text, told.aliases)),
        description=_maybe(told.description),
        tags={name: redact.text(each) for name, each in told.tags.items()},
        versions=tuple(map(_plain, told.versions)),
        stages=held,
        stacks={},
        events=tuple(map(_event, told.events)),
    )


def _plain(version: Version) -> Version:
    labels = version.tags
    return replace(
        version,
        by=redact.author(version.by),
        deprecated=_maybe(version.deprecated),
        note=_maybe(version.note),
        tags=None if labels is None else {k: redact.text(v) for k, v in labels.items()},
    )


def _event(event: Event) -> Event:
    return replace(
        event,
        by=redact.author(event.by),
        model=redact.text(event.model),
        previous=_maybe(event.previous) if event.kind == "rename" else event.previous,
        reason=_maybe(event.reason),
        review=_maybe(event.review),
        gates=tuple(map(_verdict, event.gates)),
        extra={name: redact.text(each) for name, each in event.extra.items()},
    )


def _verdict(verdict: Verdict) -> Verdict:
    return replace(
        verdict,
        gate=redact.text(verdict.gate),
        got=redact.text(verdict.got),
        expected=redact.text(verdict.expected),
        inner=tuple(map(_verdict, verdict.inner)),
    )


def finding(found: Finding) -> Finding:
    """Return what an audit found, without addresses."""
    return replace(found, text=redact.text(found.text), mend=redact.text(found.mend))


def _maybe(words: str | None) -> str | None:
    return None if words is None else redact.text(words)
