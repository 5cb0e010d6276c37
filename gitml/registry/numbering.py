"""What a new version is called: as asked, or by what changed in the signature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.errors import BeatenError, NotFoundError, RefusedError
from gitml.model import iso
from gitml.names import visible
from gitml.registry import semver
from gitml.registry.references import latest
from gitml.registry.signature import bump_for
from gitml.registry.values import Event
from gitml.registry.versionfile import load_version
from gitml.registry.writing import AlreadySoError

if TYPE_CHECKING:
    from gitml.registry.package import Member
    from gitml.registry.semver import Part
    from gitml.registry.values import Model, ModelVersion, Version
    from gitml.store.git import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is to be registered, and under what name."""

    version: ModelVersion
    """What of it is frozen; `freeze` makes it."""
    members: tuple[Member, ...]
    """Its files."""
    name: str
    """The true name of the model."""
    wanted: str | None = None
    """The version that was asked for."""
    bump: Part | None = None
    """The part to raise; None follows the signature."""
    attach: bool = False
    """Whether ``wanted`` is a foreign version that gets its package."""
    again: bool = False
    """Whether ``wanted`` is what it was called while it waited, and may change."""
    waited: str = ""
    """The commit that it waited as: its event says so, for whom it comes to again."""


def next_version(
    repository: Repository, model: Model, candidate: Candidate, *, again: bool
) -> tuple[str, str]:
    """Return the name of the next version of a model, and why it is that."""
    taken = {version.name: version for version in model.versions if version.published}
    for event in model.events:
        if candidate.waited and event.extra.get("waited") == candidate.waited:
            raise AlreadySoError(event)  # a writer was killed before it forgot what it published
    if candidate.attach:
        assert candidate.wanted is not None
        return _attached(taken.get(candidate.wanted), candidate.wanted, model), ""
    if candidate.wanted is not None:
        if candidate.wanted not in taken:
            return candidate.wanted, ""
        if not candidate.again:
            raise _exists(model, taken[candidate.wanted], again=again)
    _check_new(model, candidate)
    last = latest(model) or max(taken.values(), key=lambda v: semver.key(v.name), default=None)
    if last is None:
        return semver.FIRST, "the first version"
    if candidate.bump is not None:
        part, why = candidate.bump, "as asked"
    else:
        before = load_version(repository, last).signature
        part, why = bump_for(before, candidate.version.signature)
    name = semver.bump(last.name, part)
    while name in taken:
        name = semver.bump(name, part)
    return name, f"{part} after {last.name}: {why}"


def _check_new(model: Model, candidate: Candidate) -> None:
    """Raise `AlreadySoError` if the newest version is of the same run and files."""
    run = candidate.version.run
    mine = [v for v in model.versions if v.published and not v.deleted and v.run and v.digest]
    newest = max(mine, key=lambda v: v.number, default=None)
    if newest is None or run is None or candidate.bump is not None:
        return
    if (newest.run, newest.digest) == (run.id, candidate.version.digest):
        raise AlreadySoError(event_of(newest, model.name))


def event_of(version: Version, model: str) -> Event:
    """Return the event that registered a version, as far as the version tells."""
    return Event(
        kind="register",
        at=version.at,
        by=version.by,
        model=model,
        commit=version.commit,
        version=version.name,
        n=version.number,
        run=version.run,
        digest=version.digest,
    )


def _exists(model: Model, version: Version, *, again: bool) -> RefusedError | BeatenError:
    name = f"{visible(model.name, 80)} {version.name}"
    if again:
        return BeatenError(
            f"{visible(version.by, 80)} was first: registered {name} at {iso(version.at)}; "
            "nothing was changed.",
            hint="name another version, or leave --version out",
        )
    said = " and was deleted" if version.deleted else ""
    return RefusedError(
        f"{name} exists{said}: {visible(version.by, 80)} registered it at {iso(version.at)}.",
        hint="leave --version out for the next one",
    )


def _attached(version: Version | None, name: str, model: Model) -> str:
    if version is None:
        raise NotFoundError(
            f"{visible(model.name, 80)} has no version {visible(name, 80)}",
            hint=f"gitml model show {model.slug} lists them",
        )
    if not version.foreign or version.attached is not None:
        raise RefusedError(
            f"{visible(model.name, 80)} {version.name} has its package already.",
            hint="a version never changes: register the files as a new one",
        )
    return version.name
