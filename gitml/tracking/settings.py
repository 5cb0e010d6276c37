"""What ``.gitml/config.yaml`` says; everything works without it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitml.codec import load_user_yaml
from gitml.errors import InputError
from gitml.names import check_name, check_stage, did_you_mean, visible
from gitml.store.artifacts import INLINE_LIMIT, INLINE_MOST
from gitml.store.bucket import check_address
from gitml.store.source import FILE_LIMIT
from gitml.tracking.capture import DEFAULT_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gitml.store.git import Repository

FILE = ".gitml/config.yaml"
_LIMIT = 1024 * 1024
"""Bytes of a commit's settings file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one repository."""

    experiment: str = "default"
    """Where runs go that name no experiment."""
    goals: Mapping[str, str] = field(default_factory=dict)
    """``min`` or ``max`` by metric, where the name does not tell."""
    inline_limit: int = INLINE_LIMIT
    """Bytes up to which an artifact is a git blob; larger ones lie outside of git."""
    remote: str | None = None
    """Where ``gitml push`` sends large files, if not to git-lfs (`gitml.store.bucket`)."""
    file_limit: int = FILE_LIMIT
    """Bytes of an untracked file that the source tree still takes along."""
    exclude: tuple[str, ...] = ()
    """Patterns of untracked files that the source tree leaves out."""
    variables: tuple[str, ...] = DEFAULT_VARIABLES
    """Patterns of environment variables that are recorded."""
    pack_limit: int = 200
    """Finished hot runs after which they are sealed in the background; 0 is never."""
    push_source: bool = True
    """Whether ``gitml push`` sends source trees."""
    push_large: bool = True
    """Whether ``gitml push`` sends large files."""
    stage_order: tuple[str, ...] = ()
    """Stages of models in the order in which they are shown."""
    stage_only: bool = False
    """Whether models have these stages and no others."""


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise _wrong(key, value, "text")
    return value


def _texts(value: Any, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise _wrong(key, value, "a list of patterns")
    return tuple(value)


def _count(value: Any, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(key, value, "a whole number from 0")
    return value


def _inline(value: Any, key: str) -> int:
    if _count(value, key) > INLINE_MOST:
        raise _wrong(key, value, f"at most {INLINE_MOST}")
    return int(value)


def _address(value: Any, key: str) -> str | None:
    if value == "none":
        return None
    return check_address(_text(value, key), f"{key} in {FILE}")


def _stages(value: Any, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise _wrong(key, value, "a list of stages")
    if len(set(value)) < len(value):
        raise _wrong(key, value, "a list that names each stage once")
    try:
        return tuple(map(check_stage, value))
    except InputError as error:
        raise InputError(f"{key} in {FILE}: {error.message}", hint=error.hint) from None


def _flag(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(key, value, "true or false")
    return value


def _goals(value: Any, key: str) -> dict[str, str]:
    if not isinstance(value, dict) or not set(value.values()) <= {"min", "max"}:
        raise _wrong(key, value, "a mapping of metrics to min or max")
    return {str(k): v for k, v in value.items()}


def _wrong(key: str, value: Any, wanted: str) -> InputError:
    return InputError(
        f"{key} in {FILE} is {visible(repr(value), 60)}.", hint=f"It must be {wanted}."
    )


_KEYS: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "experiment": ("experiment", _text),
    "goals": ("goals", _goals),
    "artifacts.inline_limit": ("inline_limit", _inline),
    "artifacts.remote": ("remote", _address),
    "source.file_limit": ("file_limit", _count),
    "source.exclude": ("exclude", _texts),
    "environment.variables": ("variables", _texts),
    "pack.limit": ("pack_limit", _count),
    "push.source": ("push_source", _flag),
    "push.large": ("push_large", _flag),
    "stages.order": ("stage_order", _stages),
    "stages.only": ("stage_only", _flag),
}


def read_settings(top: Path | None) -> Settings:
    """Return the settings below ``top``, the defaults where nothing is said.

    Raises `InputError` naming the key that is unknown or has no such value.
    """
    if top is None:
        return Settings()
    try:
        text = (top / FILE).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Settings()
    except (OSError, ValueError) as error:
        raise InputError(f"{FILE} cannot be read: {visible(str(error))}.") from None
    return parse_settings(load_user_yaml(text, FILE))


def read_settings_at(repository: Repository, commit: str | None) -> Settings:
    """Return the settings of a commit, the defaults without one; see `read_settings`."""
    found = None if commit is None else repository.objects().get(f"{commit}:{FILE}", limit=_LIMIT)
    if found is None or found.kind != "blob":
        return Settings()
    return parse_settings(load_user_yaml(found.data.decode("utf-8", "replace"), FILE))


def artifacts_remote(repository: Repository) -> str | None:
    """Return the address that large files of a repository go to and come from, or None.

    It is ``git config gitml.artifactsRemote`` (``none`` is None), else what the settings
    of the work tree say, or in a bare repository those of ``HEAD``. Raises `InputError`.
    """
    named = repository.config("gitml", "artifactsRemote")
    if named is not None:
        if named.lower() == "none":
            return None
        return check_address(named, "gitml.artifactsRemote")
    if repository.work_tree is None:
        return read_settings_at(repository, repository.resolve("HEAD^{commit}")).remote
    return read_settings(repository.work_tree).remote


def parse_settings(document: Any) -> Settings:
    """Return the settings that a document says; raise `InputError` like `read_settings`."""
    if document is None:
        return Settings()
    if not isinstance(document, dict):
        raise InputError(f"{FILE} is not a mapping.", hint="gitml init writes one to start from.")
    given: dict[str, Any] = {}
    for key, value in _flat(document):
        if key == "schema":
            continue
        if key not in _KEYS:
            raise InputError(
                f"{FILE} has an unknown key: {visible(key)}", hint=did_you_mean(key, _KEYS)
            )
        name, parse = _KEYS[key]
        if value is not None:
            given[name] = parse(value, key)
    if "experiment" in given:
        check_name(given["experiment"], "experiment")
    if given.get("stage_only") and not given.get("stage_order"):
        raise InputError(
            f"stages.only in {FILE} is true, and stages.order names none.",
            hint="stages: {order: [staging, production], only: true}",
        )
    return Settings(**given)


def _flat(document: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    sections = {key.partition(".")[0] for key in _KEYS if "." in key}
    out: list[tuple[str, Any]] = []
    for key, value in document.items():
        if key in sections and isinstance(value, dict):
            out += [(f"{key}.{inner}", item) for inner, item in value.items()]
        elif not (key in sections and value is None):
            out.append((str(key), value))
    return out


class UnknownStageError(InputError):
    """A stage that is not among those that there may be, which are ``known``."""

    def __init__(self, message: str, *, hint: str, known: tuple[str, ...]) -> None:
        super().__init__(message, hint=hint)
        self.known = known


def check_known_stage(stage: str, settings: Settings) -> str:
    """Return a stage that models may have, else raise `InputError`."""
    order = settings.stage_order
    if settings.stage_only and stage not in order:
        listed = f"stages.order in {FILE} has {', '.join(order)}"
        near = did_you_mean(stage, order)
        raise UnknownStageError(
            f"{visible(stage, 80)} is not one of the stages of this repository.",
            hint=f"{near} {listed}" if near else listed,
            known=order,
        )
    return check_stage(stage)
