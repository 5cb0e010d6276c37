"""Which files become a version: those that are named, or the run's logged model."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.errors import DamagedError, InputError, NotFoundError, StorageError
from gitml.names import UNPUBLISHED, did_you_mean, model_slug, visible
from gitml.registry.package import (
    MLMODEL,
    TEXT_LIMIT,
    Member,
    check_listing,
    is_text,
    members_of,
    scan,
)
from gitml.registry.state import read_registry
from gitml.registry.versionfile import load_version
from gitml.reproduce.artifacts import Contents, is_here
from gitml.sharing.fetching import fetch_large
from gitml.store.artifacts import INCOMING, INLINE_LIMIT, keep_large, kept_path, lfs_path
from gitml.store.remote import registry_remote
from gitml.store.transfer import Content

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from gitml.model import Artifact, Run
    from gitml.store.git import Repository


FOLDER = "model"
"""Where a model's files are among the artifacts, or those of several in folders below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The files that are to become a version."""

    members: tuple[Member, ...]
    """The files."""
    origin: str
    """Where they are from, for people: ``model/ of brave-otter-12``."""
    bound: str | None = None
    """The file of a pickle that loads nowhere but in the script that made it, if it is one."""
    differs: tuple[str, ...] = ()
    """Paths that were taken from the run although the work tree has other files of that name."""


def logged_models(run: Run) -> dict[str, list[Artifact]]:
    """Return the models among a run's artifacts, by folder: each has a MLmodel in it.

    A model within the folder of another is not part of that one.
    """
    end = f"/{MLMODEL}"
    folders = [path.removesuffix(end) for path in run.artifacts if path.endswith(end)]
    if MLMODEL in run.artifacts:
        folders.append("")
    found: dict[str, list[Artifact]] = {folder: [] for folder in sorted(folders)}
    for path, artifact in sorted(run.artifacts.items()):
        inside = [f for f in folders if not f or path.startswith(f"{f}/")]
        if inside:
            found[max(inside, key=len)].append(artifact)
    return found


def logged_members(
    repository: Repository, run: Run, *, folder: str | None = None, model: str | None = None
) -> Gathered:
    """Return the files of the run's logged model, or, if it has none, all its artifacts.

    Of several that in ``folder`` is meant, or the one that was logged for ``model``.
    Raises `InputError` where that does not tell, and for a run without files.
    """
    models = logged_models(run)
    if folder is None and len(models) > 1:
        folder = None if model is None else f"{FOLDER}/{model_slug(model)}"
        if folder not in models:
            several = ", ".join(visible(f or ".", 60) for f in models)
            raise InputError(
                f"{visible(run.name, 80)} has several models: {several}.",
                hint="name one with --path",
            )
    if folder is None:
        folder = next(iter(models), None)
    if folder is None:
        return _all_artifacts(repository, run)
    if folder not in models:
        raise NotFoundError(f"{visible(run.name, 80)} has no model in {visible(folder, 80)}")
    members = _artifact_members(repository, run, models[folder], folder)
    return _checked(members, f"{folder or '.'}/ of {run.name}")


def _all_artifacts(repository: Repository, run: Run) -> Gathered:
    if not run.artifacts:
        raise InputError(
            f"{visible(run.name, 80)} has no files to register.",
            hint="name the model's files with --path; log them with the run the next time",
        )
    members = _artifact_members(repository, run, [*run.artifacts.values()], "")
    return _checked(members, f"all artifacts of {run.name}")


def named_members(
    repository: Repository, run: Run | None, paths: Sequence[str], cwd: Path
) -> Gathered:
    """Return the files that ``paths`` name: artifacts of the run, else files on disk.

    What the run recorded comes first, because the work tree may hold what a later
    training wrote; ``./model.pkl`` and absolute paths always mean the disk.
    """
    if "" in paths:
        raise InputError("An empty path names no file.", hint="--path . is this folder")
    chosen = {path: _in_run(run, path) for path in paths}
    if run is None or not any(chosen.values()):
        found = scan([cwd / path for path in paths])
        return _checked(members_of(found), " and ".join(paths))
    members: list[Member] = []
    differs = []
    for path, artifacts in chosen.items():
        wanted = path.strip("/")
        if not artifacts:
            raise NotFoundError(
                f"{visible(run.name, 80)} has no artifact {visible(path, 80)}, "
                "and has others that are named.",
                hint=did_you_mean(path, run.artifacts)
                or "files are all of the run or all of the disk; ./PATH is of the disk",
            )
        single = len(artifacts) == 1 and artifacts[0].path == wanted
        parent = wanted.rpartition("/")[0]
        prefix = parent if single or len(paths) > 1 else wanted
        several = _artifact_members(repository, run, artifacts, prefix)
        members += several
        if _differs(cwd / path, {m.path: m for m in several}, single=single):
            differs.append(path)
    return _checked(members, f"{', '.join(paths)} of {run.name}", tuple(differs))


def _checked(members: Sequence[Member], origin: str, differs: tuple[str, ...] = ()) -> Gathered:
    check_listing(members)
    return Gathered(members=tuple(members), origin=visible(origin), differs=differs)


def _in_run(run: Run | None, path: str) -> list[Artifact]:
    if run is None or path.startswith(("./", "../", "/", "~")) or path in {".", ".."}:
        return []
    wanted = path.strip("/")
    if wanted in run.artifacts:
        return [run.artifacts[wanted]]
    return [a for p, a in sorted(run.artifacts.items()) if p.startswith(f"{wanted}/")]


def _differs(place: Path, members: Mapping[str, Member], *, single: bool) -> bool:
    """Say whether the disk has files of these names with other contents."""
    for path, member in members.items():
        file = place if single else place / path
        with contextlib.suppress(OSError):
            if file.is_file() and file.stat().st_size != member.size:
                return True
            if file.is_file() and members_of({path: file})[0].sha256 != member.sha256:
                return True
    return False


def _artifact_members(
    repository: Repository, run: Run, artifacts: Sequence[Artifact], prefix: str
) -> list[Member]:
    for artifact in artifacts:
        if artifact.store == "uri":
            raise InputError(
                f"{visible(artifact.path, 80)} was recorded by its address and not copied.",
                hint="get it and name the files with --path",
            )
    away = [
        Content(sha256=a.sha256 or "", size=a.size or 0, name=a.path)
        for a in artifacts
        if a.store == "lfs" and not is_here(repository, a)
    ]
    if away:  # gitml gc has freed it, or the run was made elsewhere
        fetch_large(repository, away, remote=registry_remote(repository))
    contents = Contents(repository, run, artifacts)
    return [_artifact_member(contents, a, prefix) for a in artifacts]


def _artifact_member(contents: Contents, artifact: Artifact, prefix: str) -> Member:
    size = artifact.size or 0
    small = size <= TEXT_LIMIT
    data = b"".join(contents.read(artifact)) if small else b""

    def read() -> Iterator[bytes]:
        return contents.read(artifact)

    return Member(
        path=artifact.path.removeprefix(f"{prefix}/") if prefix else artifact.path,
        size=len(data) if small else size,
        sha256=artifact.sha256 or "",
        text=small and is_text(data),
        open=read,
    )


def keep_contents(repository: Repository, members: Sequence[Member]) -> None:
    """Put the contents above 1 MiB where git-lfs looks for them, in pieces.

    Raises `StorageError`, or what reading them raises; what was put is found again.
    """
    for member in members:
        if member.size > INLINE_LIMIT and not _is_kept(repository, member):
            folder = repository.home / INCOMING
            copy = folder / f"{secrets.token_hex(8)}.part"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with copy.open("xb") as file:
                    file.writelines(member.open())
            except OSError as error:
                copy.unlink(missing_ok=True)
                raise StorageError(
                    f"{visible(member.path, 80)} cannot be copied into the repository: "
                    f"{(error.strerror or str(error)).lower()}.",
                    hint="check the free space and who owns .git",
                ) from None
            except BaseException:
                copy.unlink(missing_ok=True)
                raise
            keep_large(repository, copy, member.sha256)
            with contextlib.suppress(OSError):
                folder.rmdir()


def _is_kept(repository: Repository, member: Member) -> bool:
    places = (lfs_path(repository, member.sha256), kept_path(repository, member.sha256))
    with contextlib.suppress(OSError):
        return all(place.stat().st_size == member.size for place in places)
    return False


def named_contents(repository: Repository) -> set[str] | None:
    """Return the SHA-256 of all large contents that versions name, deleted and waiting ones too.

    None if that cannot be known for sure, because something cannot be read.
    """
    registry = read_registry(repository)
    if registry.damaged or any(odd.ref.startswith(UNPUBLISHED) for odd in registry.odd):
        return None
    versions = [version for model in registry.models.values() for version in model.versions]
    try:
        loaded = [load_version(repository, version) for version in versions]
    except DamagedError:
        return None
    return {file.sha256 for version in loaded for file in version.files if file.store == "lfs"}
