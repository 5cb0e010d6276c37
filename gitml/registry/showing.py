"""A version as what runs are compared and drawn by, and events in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.model import Environment, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitml.registry.values import Event, Model, ModelVersion, PackageFile, Version

USUAL = ("dev", "development", "test", "qa", "staging", "preprod", "canary", "production", "prod")
"""The order of stages of which no setting says the order."""
_MACHINE = ("python", "platform", "host", "cpu", "gpu")


def as_run(version: ModelVersion, *, name: str) -> Run:
    """Return the run that a version froze, called ``name``: as it was at registration."""
    machine = {k: str(v) for k, v in version.environment.items() if not isinstance(v, dict)}
    return Run(
        id=version.run.id if version.run else "0" * 32,
        name=name,
        experiment=version.run.experiment if version.run else "",
        status="finished",
        created=version.created,
        author=version.author,
        source=version.source,
        environment=Environment(
            python=machine.get("python"),
            platform=machine.get("platform"),
            host=machine.get("host"),
            cpu=machine.get("cpu"),
            gpu=machine.get("gpu"),
            variables={k: v for k, v in machine.items() if k not in _MACHINE},
        ),
        inputs=version.inputs,
        params=version.params,
        metrics=version.metrics,
        tags=version.tags,
        note=version.note,
    )


def file_changes(
    before: Sequence[PackageFile], after: Sequence[PackageFile]
) -> dict[str, tuple[PackageFile | None, PackageFile | None]]:
    """Return what became of each file of a package, by path; the same ones are left out."""
    old, new = ({file.path: file for file in files} for files in (before, after))
    pairs = {path: (old.get(path), new.get(path)) for path in sorted({**old, **new})}
    return {
        path: (was, now)
        for path, (was, now) in pairs.items()
        if was is None or now is None or was.sha256 != now.sha256
    }


def stages_of(model: Model, version: Version) -> list[str]:
    """Return the stages that a version is in."""
    return [stage for stage, held in model.stages.items() if held.version == version.name]


def stage_order(models: Iterable[Model], order: Sequence[str] = ()) -> list[str]:
    """Return all stages that hold something, in ``order``, the usual one, and by name.

    Those of ``order`` are always there.
    """
    used = {stage for model in models for stage in model.stages}
    ranks = {stage: (1, n) for n, stage in enumerate(USUAL)}
    ranks |= {stage: (0, n) for n, stage in enumerate(order)}
    return sorted({*used, *order}, key=lambda stage: (ranks.get(stage, (2, 0)), stage))


def told(event: Event) -> str:
    """Return what happened, in a few words: ``production: v1.1.0 → v1.2.0``."""
    what = event.version or "the model"
    if event.kind == "assign":
        return f"{event.stage}: {event.previous or 'empty'} → {event.version}"
    if event.kind == "unassign":
        return f"{event.stage}: {event.previous or event.version or 'something'} → empty"
    if event.kind == "register":
        return f"registered {what}"
    if event.kind == "rename":
        return f"renamed, was {event.previous}" if event.previous else "renamed"
    if event.kind == "import":
        return "took over the tags there were"
    words: Mapping[str, str] = {
        "deprecate": "deprecated",
        "restore": "restored",
        "describe": _described(event),
        "delete": "deleted",
        "reproduce": "reproduced",
    }
    return f"{words.get(event.kind, event.kind)} {what}"


def _described(event: Event) -> str:
    if "labels" in event.extra:
        return "tagged"
    return "noted" if "note" in event.extra else "described"
