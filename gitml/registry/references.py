"""How people name a version: ``churn@v1.2.0``, ``@3``, ``@latest``, ``churn#production``."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.errors import InputError, NotFoundError
from gitml.names import check_name, did_you_mean, visible
from gitml.registry import semver

if TYPE_CHECKING:
    from gitml.registry.state import Registry
    from gitml.registry.values import Model, Version

FORMS = "a version is named as churn@v1.2.0, churn@3, churn@latest or churn#production"
"""How versions are named, for those who name them otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a text names; of the last four one is set, or none for the model itself."""

    model: str
    """The name of the model."""
    version: str | None = None
    """``v1.2.0``."""
    number: int | None = None
    """The number of the version, 1 or more."""
    latest: bool = False
    """Whether the latest version is meant."""
    stage: str | None = None
    """The stage whose version is meant."""


def parse_reference(text: str) -> Reference:
    """Return what ``text`` names; raise `InputError` for what can name nothing."""
    at = max(text.rfind("@"), text.rfind("#"))
    model, rest = (text, None) if at < 0 else (text[:at], text[at + 1 :])
    if not model or rest == "":
        raise InputError(f"{visible(text, 80)!r} names no version.", hint=FORMS)
    if rest is None:
        return Reference(model=model)
    if text[at] == "#":
        return Reference(model=model, stage=rest)
    if rest == "latest":
        return Reference(model=model, latest=True)
    if rest.isascii() and rest.isdigit() and len(rest) < 10:  # noqa: PLR2004 - no number is longer
        return Reference(model=model, number=int(rest))
    version = rest if rest.startswith("v") else f"v{rest}"
    if not semver.is_version(version):
        raise InputError(f"{visible(rest, 80)!r} is not a version.", hint=FORMS)
    return Reference(model=model, version=version)


def check_model_name(name: str) -> str:
    """Return ``name`` if a model may have it, else raise `InputError`.

    One with ``@`` or ``#`` would be read as a version or a stage wherever it is named.
    """
    check_name(name, "model")
    if not {"@", "#"} & {*name}:
        return name
    hint = "@ and # mark versions and stages; leave them out of the name"
    with contextlib.suppress(InputError):
        meant = parse_reference(name)
        if meant.version is not None and not {"@", "#"} & {*meant.model}:
            hint = f"a version is chosen with --version: {visible(meant.model, 80)}"
            hint += f" --version {meant.version}"
    raise InputError(f"A model cannot be called {visible(name, 80)}", hint=hint)


def latest(model: Model) -> Version | None:
    """Return the highest version that is neither pre-release nor deprecated.

    If there are only pre-releases, the highest of them; None if there is none.
    Versions that are deleted or not published do not count.
    """
    usable = [v for v in model.versions if not v.deleted and v.published and v.deprecated is None]
    released = [v for v in usable if not semver.is_prerelease(v.name)]
    return max(released or usable, key=lambda v: semver.key(v.name), default=None)


def resolve(registry: Registry, text: str) -> tuple[Model, Version]:
    """Return the model and the version that ``text`` names.

    Raises `InputError` if it names none, and `NotFoundError` with a hint.
    """
    wanted = parse_reference(text)
    model = registry.find(wanted.model)
    if wanted.stage is not None:
        return model, _in_stage(model, wanted.stage)
    if wanted.latest:
        found = latest(model)
        if found is None:
            raise NotFoundError(
                f"{visible(model.name, 80)} has no version that could be the latest.",
                hint=f"gitml model show {model.name} lists its versions",
            )
        return model, found
    if wanted.number is None and wanted.version is None:
        raise InputError(f"{visible(text, 80)} names a model and no version.", hint=FORMS)
    # One that is published comes before one that may still be renumbered.
    for version in sorted(model.versions, key=lambda v: not v.published):
        if wanted.version == version.name or wanted.number == version.number:
            if version.deleted:
                raise NotFoundError(
                    f"{visible(model.name, 80)} {version.name} was deleted.",
                    hint=f"gitml model delete {model.name}@{version.name} --undo brings it back",
                )
            return model, version
    word = wanted.version or str(wanted.number)
    raise NotFoundError(
        f"{visible(model.name, 80)} has no version {word}",
        hint=did_you_mean(word, [v.name for v in model.versions if not v.deleted])
        or f"gitml model show {model.name} lists its versions",
    )


def _in_stage(model: Model, stage: str) -> Version:
    held = model.stages.get(stage)
    if held is None:
        raise NotFoundError(
            f"No version of {visible(model.name, 80)} is in {visible(stage, 80)}",
            hint=did_you_mean(stage, model.stages) or "gitml stages shows what is in each stage",
        )
    return next(version for version in model.versions if version.name == held.version)
