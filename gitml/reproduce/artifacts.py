"""Files of a run, written to a folder and verified on the way."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.errors import DamagedError, NotFoundError, RefusedError
from gitml.names import did_you_mean, visible
from gitml.reproduce.place import check_folder, check_twins, target_of
from gitml.store import live
from gitml.store.artifacts import INLINE_MOST, check_blob, digest_of, here, large_chunks
from gitml.store.history import copies
from gitml.store.points import Collector
from gitml.store.state import join, read_tree, stored_paths
from gitml.store.uris import uri_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from gitml.model import Artifact, Run
    from gitml.store.git import Repository

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An artifact that is in its place now."""

    artifact: Artifact
    target: Path
    """Where it is."""
    written: bool
    """Whether it was written; else the same content was there."""


def is_here(repository: Repository, artifact: Artifact) -> bool:
    """Say whether an artifact's bytes are on this machine."""
    if artifact.store != "lfs":
        return artifact.store == "git"
    sha256 = artifact.sha256 or ""
    return _SHA256.fullmatch(sha256) is not None and here(repository, sha256) is not None


def select(run: Run, paths: Sequence[str]) -> list[Artifact]:
    """Return the artifacts that ``paths`` name: files, or folders with all that is below.

    Without paths all that have bytes of their own, in order; one that was recorded
    as a URI must be named, because whoever wrote the run chose what it leads to.
    Raises `NotFoundError` for a path that is neither.
    """
    if not paths:
        return [a for _, a in sorted(run.artifacts.items()) if a.store != "uri"]
    chosen: dict[str, Artifact] = {}
    for path in paths:
        wanted = path.strip("/") if path not in run.artifacts else path
        below = {p: a for p, a in sorted(run.artifacts.items()) if p.startswith(f"{wanted}/")}
        if path in run.artifacts:
            chosen[path] = run.artifacts[path]
        elif below:
            chosen |= {p: a for p, a in below.items() if a.store != "uri"}
        else:
            near = did_you_mean(path, run.artifacts)
            raise NotFoundError(
                f"{visible(run.name)} has no artifact {visible(path, 80)}",
                hint=near or f"gitml artifacts ls {run.id[:8]} lists them",
            )
    return list(chosen.values())


class Contents:
    """The bytes of a run's artifacts; where they are is looked up once for all."""

    def __init__(self, repository: Repository, run: Run, artifacts: Sequence[Artifact]) -> None:
        """Find the bytes of these artifacts of a run."""
        self._repository = repository
        self._staging = live.folder(repository.home, run.id) / "files"
        self._blobs: Mapping[str, str] = {}
        if any(a.store == "git" for a in artifacts):
            trees = dict.fromkeys(base.tree for base in copies(repository, run.id))
            states = [read_tree(repository, tree) for tree in trees]
            self._blobs = join(states, Collector(), repository).artifacts if states else {}

    def read(self, artifact: Artifact) -> Iterator[bytes]:
        """Yield an artifact's bytes; raise, at the end at the latest, if they do not verify."""
        if artifact.store == "lfs":
            return large_chunks(self._repository, artifact)
        if artifact.store != "git":
            return uri_chunks(artifact)
        for place in sorted(self._staging.glob(f"{artifact.sha256}.*")):
            data = place.read_bytes()
            break
        else:
            oid = self._blobs.get(artifact.path)
            if oid is None:
                raise DamagedError(f"The content of {visible(artifact.path)} is missing.")
            data = self._repository.read(oid, "blob", INLINE_MOST)
        return iter([check_blob(artifact, data) or b""])


def fetch(
    repository: Repository,
    run: Run,
    artifacts: Sequence[Artifact],
    folder: Path,
    *,
    force: bool = False,
    bring: Callable[[Sequence[Artifact]], None] | None = None,
) -> list[Placed]:
    """Write artifacts below ``folder``, each in its own path; return where they are.

    Everything that can be known before is checked before the first is written:
    names, links on the way, files that are there (the same content will do,
    other content is overwritten only with ``force``), large content that is not
    on this machine: ``bring`` is asked for that, if it is given. A file appears whole
    and verified or not at all.
    """
    check_folder(folder)
    places = {
        path: target_of(folder, place)
        for path, place in stored_paths(a.path for a in artifacts).items()
    }
    check_twins(folder, places)
    there = {a.path: _is_there(a, places[a.path], force=force) for a in artifacts}
    reader = Contents(repository, run, artifacts)
    away = [a for a in artifacts if a.store == "lfs" and not there[a.path]]
    away = [a for a in away if not is_here(repository, a)]
    if away and bring is not None:
        bring(away)
    elif away:
        next(reader.read(away[0]))  # which raises, and says what to do
    placed = []
    for artifact in artifacts:
        target = places[artifact.path]
        if not there[artifact.path]:
            _write(target, reader.read(artifact))
        placed.append(Placed(artifact=artifact, target=target, written=not there[artifact.path]))
    return placed


def _is_there(artifact: Artifact, target: Path, *, force: bool) -> bool:
    """Say whether the same content is in its place; raise if something else must stay there."""
    if target.is_dir() and not target.is_symlink():
        raise RefusedError(
            f"{visible(str(target))} is a folder.", hint="name a new one with -o DIR"
        )
    if not (target.exists() or target.is_symlink()):
        return False
    if target.is_file() and not target.is_symlink() and digest_of(target) == artifact.sha256:
        return True
    if not force:
        raise RefusedError(
            f"{visible(str(target))} exists already with other content.",
            hint="--force overwrites it; -o DIR names another folder",
        )
    return False


def _write(target: Path, content: Iterator[bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".gitml-{secrets.token_hex(8)}.tmp")
    try:
        with part.open("xb") as file:
            file.writelines(content)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
