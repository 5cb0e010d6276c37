"""Stage files: what the protected branch says should be in each stage.

``.gitml/stages/<model>/<stage>.yaml`` holds ``version``, ``digest`` and ``reason``.
People write them and anybody may propose one, so all is checked here: that it
is a file of a sane size, its name, its keys and their values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gitml.codec import dump, load_user_yaml
from gitml.errors import DamagedError, InputError, NotFoundError
from gitml.model import SCHEMA, Json
from gitml.names import MODEL_SLUG, check_stage, check_version, did_you_mean, visible
from gitml.registry.finding import check_usable, require_journal, version_of
from gitml.registry.message import check_text
from gitml.store.objects import Entry, parse_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gitml.registry.state import Registry
    from gitml.registry.values import Model, Version
    from gitml.store.git import Repository

STAGES = ".gitml/stages"
FILE_LIMIT = 64 * 1024
"""Bytes of a stage file; the longest reason takes 16 kB of them."""
GUARDED = (
    *(".gitml", ".github", ".gitlab", ".gitea", ".forgejo", ".circleci", ".woodpecker"),
    *("CODEOWNERS", "docs/CODEOWNERS", "Jenkinsfile", ".travis.yml", "bitbucket-pipelines.yml"),
    *(".gitlab-ci.yml", ".woodpecker.yml", ".woodpecker.yaml", "azure-pipelines.yml"),
)
"""What decides about promotions: no request may change it together with a stage file."""
KEYS = ("schema", "version", "digest", "reason")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SHOWN = 5
_FOLDER = "040000"
_MODES = {"120000": "a symbolic link", "160000": "a submodule", _FOLDER: "a folder"}
_FILES = frozenset(["100644", "100755", "100664"])


class StageFile(NamedTuple):
    """A stage file as a tree of git holds it, not read yet."""

    path: str
    mode: str
    """As git writes it: 100644 for a file, 120000 for a link."""
    oid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What a stage file asks for."""

    model: str
    """The slug of the model."""
    stage: str
    """The stage."""
    version: str | None
    """The version, ``v1.2.0``; None empties the stage."""
    digest: str | None = None
    """The digest of the version's package, which pins what was reviewed."""
    reason: str | None = None
    """Why, in the words of whoever asks."""

    @property
    def path(self) -> str:
        """Return where the file lies."""
        return stage_path(self.model, self.stage)


def stage_path(slug: str, stage: str) -> str:
    """Return the path of the stage file of a model's stage."""
    if not MODEL_SLUG.fullmatch(slug):
        raise InputError(f"{visible(slug)} is not the slug of a model.")
    return f"{STAGES}/{slug}/{check_stage(stage)}.yaml"


def names_of(path: str) -> tuple[str, str] | None:
    """Return the model's slug and the stage that ``path`` is about.

    None for what is not meant as a stage file (another folder, a README). Raises
    `InputError` for a YAML file among them that is at no right place.
    """
    if not path.startswith(f"{STAGES}/") or not path.lower().endswith((".yaml", ".yml")):
        return None
    parts = path.removeprefix(f"{STAGES}/").split("/")
    if len(parts) != 2 or not path.endswith(".yaml"):  # noqa: PLR2004 - <model>/<stage>.yaml
        raise InputError(
            f"{visible(path)} is at no place of a stage file.",
            hint=f"name it {STAGES}/<model>/<stage>.yaml",
        )
    slug, stage = parts[0], parts[1].removesuffix(".yaml")
    if not MODEL_SLUG.fullmatch(slug):
        raise InputError(
            f"{visible(path)} names no model: {visible(slug, 80)!r} is not a slug.",
            hint="gitml models lists the slugs",
        )
    return slug, check_stage(stage)


def is_stage_file(path: str) -> bool:
    """Say whether ``path`` is meant as a stage file, at a right place or not."""
    try:
        return names_of(path) is not None
    except InputError:
        return True


def guarded(paths: Iterable[str]) -> list[str]:
    """Return those paths that decide about promotions and are no stage files."""
    places = tuple(f"{place}/" for place in GUARDED)
    return [path for path in paths if f"{path}/".startswith(places) and not is_stage_file(path)]


def together(also: Sequence[str]) -> str:
    """Return what is wrong with changing these beside a stage file, without a subject."""
    named = ", ".join(visible(path, 80) for path in also[:_SHOWN])
    more = f" and {len(also) - _SHOWN} more" if len(also) > _SHOWN else ""
    return (
        f"changes a stage file together with {named}{more}. "
        "What decides about promotions is changed in a request of its own."
    )


def stage_files(repository: Repository, commit: str) -> Iterator[StageFile]:
    """Yield what lies at the places of stage files at ``commit``, in the order of the paths."""
    for entry in _folder(repository, f"{commit}:{STAGES}"):
        if entry.mode == "40000":
            for inner in _folder(repository, entry.oid):
                if inner.name.endswith(".yaml"):
                    path = f"{STAGES}/{entry.name}/{inner.name}"
                    yield StageFile(path, inner.mode.zfill(6), inner.oid)


def stage_file(repository: Repository, commit: str, slug: str, stage: str) -> StageFile | None:
    """Return the stage file of a stage at ``commit``, or None."""
    folder, _, name = stage_path(slug, stage).rpartition("/")
    found = (e for e in _folder(repository, f"{commit}:{folder}") if e.name == name)
    return next((StageFile(f"{folder}/{name}", e.mode.zfill(6), e.oid) for e in found), None)


def read_desired(repository: Repository, file: StageFile) -> Desired:
    """Return what a stage file asks for; raise `InputError` that names it and says why not."""
    names = names_of(file.path)
    shown = visible(file.path)
    if names is None:
        raise InputError(f"{shown} is not a stage file.", hint=f"they lie below {STAGES}/")
    if file.mode not in _FILES:
        kind = _MODES.get(file.mode, "no file")
        raise InputError(f"{shown} is {kind} and not a file.", hint="write the file itself")
    data = _content(repository, file)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{shown} is not UTF-8.") from None
    return _checked(load_user_yaml(text, shown), shown, *names)


def matched(registry: Registry, desired: Desired) -> tuple[Model, Version | None]:
    """Return the model and the version that a stage file asks for; None to empty the stage.

    Raises `NotFoundError` and `RefusedError` for a model or version that is not there,
    is deprecated, deleted or not published, and `InputError` for another digest.
    """
    if desired.model in registry.damaged:
        raise DamagedError(registry.damaged[desired.model], hint="gitml audit says what is wrong")
    found = registry.models.get(desired.model)  # the slug: no other model's name counts
    if found is None:
        known = [model.slug for model in registry.models.values() if not model.deleted]
        raise NotFoundError(
            f"There is no model {desired.model}",
            hint=did_you_mean(desired.model, known) or "gitml models lists them",
        )
    model = require_journal(found, desired.model)
    if desired.version is None:
        return model, None
    version = version_of(model, desired.version)
    check_usable(model, version)
    if version.digest and desired.digest is None:
        raise InputError(
            f"{desired.path} names no digest, so it would not say what was reviewed.",
            hint=f"digest: {version.digest}",
        )
    if desired.digest is not None and desired.digest != version.digest:
        raise InputError(
            f"{desired.path} has another digest than {version.title}: {desired.digest}",
            hint=f"it is {version.digest}" if version.digest else "that version has no package",
        )
    return model, version


def dump_desired(desired: Desired) -> bytes:
    """Return the stage file of what is asked for."""
    facts = {"version": desired.version, "digest": desired.digest, "reason": desired.reason}
    return dump({k: v for k, v in facts.items() if v is not None or k == "version"})


def _folder(repository: Repository, revision: str) -> list[Entry]:
    """Return the entries of a folder; none where there is no folder."""
    found = repository.objects().get(revision)
    if found is None or found.kind != "tree":
        return []
    return parse_tree(found.data, repository.oid_width // 2)


def _content(repository: Repository, file: StageFile) -> bytes:
    shown = visible(file.path)
    try:
        found = repository.objects().get(file.oid, limit=FILE_LIMIT)
    except DamagedError:
        raise InputError(
            f"{shown} has more than {FILE_LIMIT:,} bytes.",
            hint="A stage file holds a version, a digest and a reason.",
        ) from None
    if found is None or found.kind != "blob":
        raise InputError(f"{shown} is not in this repository.", hint="git fetch brings it")
    return found.data


def _checked(value: Json, shown: str, slug: str, stage: str) -> Desired:
    if not isinstance(value, dict):
        raise InputError(f"{shown} is not a mapping.", hint="it needs a line version: v1.2.0")
    for key in value:
        if key not in KEYS:
            raise InputError(
                f"{shown} has the key {visible(str(key), 80)}, which means nothing.",
                hint=did_you_mean(str(key), KEYS) or f"the keys are {', '.join(KEYS[1:])}",
            )
    schema = value.get("schema", SCHEMA)
    if schema != SCHEMA or isinstance(schema, bool):
        raise InputError(f"{shown} has schema {visible(str(schema), 40)}, and {SCHEMA} is known.")
    if "version" not in value:
        raise InputError(
            f"{shown} does not say which version.",
            hint="version: v1.2.0, or version: null to empty the stage",
        )
    version = _text(value, "version", shown)
    digest = _text(value, "digest", shown)
    reason = _text(value, "reason", shown)
    if version is None and digest is not None:
        raise InputError(f"{shown} has a digest and no version.", hint="take out the digest")
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise InputError(
            f"{shown} has a digest that is none: {visible(digest, 80)}",
            hint="A digest is sha256: and 64 hex digits; gitml model show prints it.",
        )
    return Desired(
        model=slug,
        stage=stage,
        version=None if version is None else _version(version, shown),
        digest=digest,
        reason=_reason(reason, shown),
    )


def _text(value: dict[str, Json], key: str, shown: str) -> str | None:
    found = value.get(key)
    if found is None or isinstance(found, str):
        return found
    raise InputError(
        f"The {key} in {shown} is not text: {visible(str(found), 40)}", hint="put it in quotes"
    )


def _version(version: str, shown: str) -> str:
    try:
        return check_version(version)
    except InputError as error:
        message = f"{shown} has a version that is none: {visible(version, 80)}"
        raise InputError(message, hint=error.hint) from None


def _reason(reason: str | None, shown: str) -> str | None:
    return check_text(reason, f"reason in {shown}") or None if reason else None
