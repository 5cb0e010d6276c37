"""Where runs stand in the registry: which versions were made of them, in which stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gitml.names import MODELS, UNPUBLISHED
from gitml.records import run_json
from gitml.registry.state import read_registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gitml.model import Json, Run
    from gitml.store.git import Repository


class Standing(NamedTuple):
    """A version that was made of a run."""

    model: str
    """The model's name."""
    version: str
    """``v1.2.0``."""
    number: int
    """1, 2, 3 …"""
    stages: tuple[str, ...]
    """The stages that it is in."""

    def as_json(self) -> dict[str, Json]:
        """Return it as ``--json`` answers."""
        return {**self._asdict(), "stages": list(self.stages)}


def standings(repository: Repository) -> Mapping[str, list[Standing]]:
    """Return the versions made of each run, by run id; those in a stage first.

    Costs no process where nothing was ever registered.
    """
    found: dict[str, list[Standing]] = {}
    if not _has_models(repository):
        return found
    for model in read_registry(repository).models.values():
        held: dict[str, list[str]] = {}
        for stage, assignment in model.stages.items():
            held.setdefault(assignment.version, []).append(stage)
        for version in model.versions:
            if version.run and not version.deleted and not model.deleted:
                stages = tuple(held.get(version.name, ()))
                standing = Standing(model.name, version.name, version.number, stages)
                found.setdefault(version.run, []).append(standing)
    for several in found.values():
        several.sort(key=lambda one: (not one.stages, one.model, -one.number))
    return found


def run_documents(repository: Repository, runs: Iterable[Run]) -> Iterator[dict[str, Json]]:
    """Yield each run as ``--json`` answers, with the versions that were made of it."""
    found = standings(repository)
    for run in runs:
        versions = [standing.as_json() for standing in found.get(run.id, ())]
        yield {**run_json(run), "versions": versions}


def _has_models(repository: Repository) -> bool:
    """Say whether a journal may be there, from git's files; where they tell nothing, yes."""
    common = repository.common_dir
    if (common / "reftable").exists() or not (common / "refs").is_dir():
        return True
    below = [common / MODELS, common / UNPUBLISHED]
    if any(folder.is_dir() and any(folder.iterdir()) for folder in below):
        return True
    try:
        packed = (common / "packed-refs").read_bytes()
    except OSError:
        return False
    return MODELS.encode() in packed or UNPUBLISHED.encode() in packed
