"""Files of runs: small ones are blobs, large ones git-lfs objects with a pointer.

The pointer is git-lfs's own (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md),
and the bytes lie where git-lfs looks for them, so its tools serve them too. A
hard link below ``gitml/objects`` keeps ``git lfs prune`` from taking the only
copy: it looks at branches and tags alone.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import mimetypes
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.errors import DamagedError, InputError, NotFoundError, StorageError
from gitml.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitml.model import Artifact
    from gitml.store.git import Repository

INLINE_LIMIT = 1024 * 1024
"""Bytes up to which an artifact is a blob (``artifacts.inline_limit``)."""
INLINE_MOST = 8 * 1024 * 1024
"""The limit cannot be set higher: no larger blob ever enters a ledger."""
INCOMING = "incoming"
"""The folder in `Repository.home` where large contents are copied before they have a place."""
_CHUNK = 1 << 20
_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"
_POINTER_RE = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (\d+)\n\Z"
)


def pointer(sha256: str, size: int) -> bytes:
    """Return the git-lfs pointer of a content."""
    return _POINTER.format(sha256, size).encode()


def lfs_path(repository: Repository, sha256: str) -> Path:
    """Return where git-lfs keeps a content (``lfs.storage`` is honoured)."""
    storage = repository.config("lfs", "storage")
    root = repository.common_dir / storage if storage else repository.common_dir / "lfs"
    return root / "objects" / sha256[:2] / sha256[2:4] / sha256


def kept_path(repository: Repository, sha256: str) -> Path:
    """Return the hard link that keeps a large content from being pruned."""
    return repository.home / "objects" / sha256[:2] / sha256


def here(repository: Repository, sha256: str) -> Path | None:
    """Return where a large content lies on this machine, None if it does not."""
    places = (lfs_path(repository, sha256), kept_path(repository, sha256))
    return next((place for place in places if place.is_file()), None)


def digest_of(file: Path, algorithm: str = "sha256") -> str:
    """Return the hex digest of a file's content; raises `OSError`."""
    digest = hashlib.new(algorithm, usedforsecurity=algorithm == "sha256")
    with file.open("rb") as reader:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def media_type(path: str) -> str | None:
    """Return the media type that a name suggests."""
    known = {".md": "text/markdown", ".yaml": "application/yaml", ".yml": "application/yaml"}
    known[".pt"] = "application/octet-stream"  # a console's page table, says the registry
    return known.get(Path(path).suffix.lower()) or mimetypes.guess_type(path)[0]


def absorb(source: Path, folder: Path) -> tuple[Path, str, int]:
    """Copy a file into ``folder`` while hashing it; return (copy, sha256, bytes).

    The copy has a random name. Raises `NotFoundError`, `InputError` or
    `StorageError`, and leaves no copy behind when it fails.
    """
    digest = hashlib.sha256()
    target = folder / f"{secrets.token_hex(8)}.part"
    size = 0
    try:
        reader = source.open("rb")
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {visible(str(source))}") from None
    except OSError as error:
        raise InputError(f"{visible(str(source))} cannot be read: {error.strerror}.") from None
    try:
        with reader:
            folder.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as writer:
                while chunk := reader.read(_CHUNK):
                    digest.update(chunk)
                    writer.write(chunk)
                    size += len(chunk)
    except OSError as error:
        with contextlib.suppress(OSError):
            target.unlink(missing_ok=True)
        raise StorageError(
            f"{visible(str(source))} cannot be copied into the repository: {error.strerror}.",
            hint="Check the free space and who owns .git.",
        ) from None
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target, digest.hexdigest(), size


def keep_large(repository: Repository, copy: Path, sha256: str) -> None:
    """Move an absorbed copy to where git-lfs looks, and link it against pruning."""
    place = lfs_path(repository, sha256)
    kept = kept_path(repository, sha256)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and place.stat().st_size == copy.stat().st_size:
            copy.unlink()
        else:
            _move(copy, place)
        _link(place, kept)
    except OSError as error:
        with contextlib.suppress(OSError):
            copy.unlink(missing_ok=True)
        raise StorageError(f"A large file cannot be kept: {error.strerror}: {place}") from None


def keep_fetched(repository: Repository, sha256: str, size: int) -> bool:
    """Link what git-lfs has fetched against pruning; say whether it came, in its size."""
    place = lfs_path(repository, sha256)
    try:
        if place.stat().st_size != size:
            return False
        _link(place, kept_path(repository, sha256))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError(f"A large file cannot be kept: {error.strerror}: {place}") from None
    return True


def put_back(repository: Repository, sha256: str) -> bool:
    """Say whether a content is where git-lfs looks, after linking what ``git lfs prune`` left."""
    place, kept = lfs_path(repository, sha256), kept_path(repository, sha256)
    if not place.is_file() and kept.is_file():
        _link(kept, place)
    return place.is_file()


def _link(place: Path, twin: Path) -> None:
    """Give a file a second name, or copy it where it cannot have one."""
    twin.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        try:
            os.link(place, twin)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            part = twin.with_name(f"{twin.name}.{secrets.token_hex(4)}.part")
            try:
                shutil.copyfile(place, part)
                part.replace(twin)
            finally:
                part.unlink(missing_ok=True)


_NO_LINKS = {errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES}
"""What a file system without hard links says, or one that ``place`` is not on (``lfs.storage``)."""


def _move(copy: Path, place: Path) -> None:
    try:
        copy.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        part = place.with_name(f"{place.name}.{secrets.token_hex(4)}.part")
        try:
            shutil.copyfile(copy, part)
            part.replace(place)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        copy.unlink()


def check_blob(artifact: Artifact, data: bytes) -> bytes | None:
    """Return the content a blob holds, or None for a pointer; raise if it does not verify."""
    if artifact.store == "lfs":
        match = _POINTER_RE.match(data)
        if match is None or match[1].decode() != artifact.sha256:
            raise DamagedError(
                f"The artifact {visible(artifact.path)} has a pointer to other content."
            )
        return None
    if hashlib.sha256(data).hexdigest() != artifact.sha256:
        raise DamagedError(
            f"The artifact {visible(artifact.path)} does not match its recorded digest."
        )
    return data


def large_chunks(repository: Repository, artifact: Artifact) -> Iterator[bytes]:
    """Yield a large artifact's bytes; raise at the end if they do not verify.

    Raises `NotFoundError` when no copy is on this machine.
    """
    sha256 = artifact.sha256 or ""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise DamagedError(f"The artifact {visible(artifact.path)} has no digest.")
    place = here(repository, sha256)
    if place is None:
        raise NotFoundError(
            f"The content of {visible(artifact.path)} is not on this machine.",
            hint=f"gitml artifacts get brings it from where it was pushed to; "
            f"its id is sha256:{sha256[:12]}",
        )
    digest = hashlib.sha256()
    with place.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            yield chunk
    if digest.hexdigest() != sha256:
        raise DamagedError(
            f"The local copy of {visible(artifact.path)} is damaged.",
            hint=f"Remove {place} and fetch it again.",
        )
