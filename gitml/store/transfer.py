"""Large files to a bucket and from it: several at a time, verified, tried again.

A file is sent once and never over another. One that comes is written aside, goes
on after what came before, and has its name only when its bytes are those of its
digest. Whatever breaks off, doing it again does the rest.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import re
import secrets
import shlex
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

from gitml.errors import DamagedError, GitmlError, NotFoundError, StorageError, UnreachableError
from gitml.names import visible
from gitml.store.artifacts import INCOMING, digest_of, here, keep_large, kept_path, lfs_path
from gitml.store.bucket import key_of
from gitml.store.meter import Meter, StoppedError

try:
    import fcntl
except ImportError:  # Windows: a file for each process
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from gitml.store.bucket import Bucket
    from gitml.store.git import Repository

    Progress = Callable[[int, int], None]

_SHA256 = re.compile(r"[0-9a-f]{64}")

AT_ONCE = 4
"""Files that travel at the same time."""
CHUNK = 8 * 1024 * 1024
"""Bytes that are asked for at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A large content, and what people call it."""

    sha256: str
    """Hex digest of the bytes."""
    size: int
    """How many they are."""
    name: str = ""
    """The path of an artifact or file that has it, for messages."""

    def __post_init__(self) -> None:
        """Raise `DamagedError` for what is no digest: it comes from runs, and names files."""
        if not is_sha256(self.sha256):
            raise DamagedError(f"The digest of {visible(self.name, 80)} is not one.")

    @property
    def title(self) -> str:
        """What it is called in a message."""
        return visible(self.name, 80) if self.name else f"sha256:{self.sha256[:12]}"


def is_sha256(text: str) -> bool:
    """Say whether a text is a SHA-256 in hex, as it is stored."""
    return _SHA256.fullmatch(text) is not None


def send(
    repository: Repository,
    bucket: Bucket,
    contents: Sequence[Content],
    *,
    done: Callable[[Content, bool], None],
    progress: Progress | None = None,
) -> list[Content]:
    """Send contents that are on this machine; return those that were not there already.

    ``done`` is told of each that is there whole, and whether it was sent. Raises
    `RemoteError`, and `DamagedError` for a local copy that is not what it should be, or
    for another object in its place; others are sent all the same.
    """
    return _each(repository, functools.partial(_send, repository, bucket), contents, done, progress)


def _send(repository: Repository, bucket: Bucket, content: Content, meter: Meter) -> bool:
    key = key_of(content.sha256)
    found = meter.again(lambda: bucket.size(key))
    if found == content.size:
        meter.at(content.sha256, content.size)
        return False
    file = here(repository, content.sha256)
    if file is None:
        raise NotFoundError(f"The content of {content.title} is not on this machine.")
    if not _is_whole(file, content):
        twins = (lfs_path(repository, content.sha256), kept_path(repository, content.sha256))
        raise DamagedError(
            f"The local copy of {content.title} is damaged, so it was not sent.",
            hint=f"remove it: rm -f {shlex.join(map(str, twins))}; "
            "gitml artifacts get then brings a true one from where there is any",
        )
    if found is not None:
        raise _other(bucket, content, found)

    def attempt() -> None:
        moved = 0

        def told(count: int) -> None:
            nonlocal moved
            moved += count
            meter.at(content.sha256, moved)

        meter.at(content.sha256, 0)
        bucket.send(key, file, told)

    meter.again(attempt)
    if _size_there(bucket, content, meter) is None:
        raise UnreachableError(f"{bucket.address} took {content.title} and does not have it.")
    return True


def _size_there(bucket: Bucket, content: Content, meter: Meter) -> int | None:
    """Return the size of a content's object or None; raise `DamagedError` if it is another's."""
    found = meter.again(lambda: bucket.size(key_of(content.sha256)))
    if found is not None and found != content.size:
        raise _other(bucket, content, found)
    return found


def _other(bucket: Bucket, content: Content, size: int) -> DamagedError:
    """Return the failure that an object of ``size`` bytes stands where a content should be."""
    what = "its bytes have another digest"
    if size != content.size:
        what = f"{size:,} bytes where it has {content.size:,}"
    return DamagedError(
        f"{bucket.address}/{key_of(content.sha256)} is not {content.title}: {what}.",
        hint="nothing was taken from it or written over it; whoever owns it should look at it",
    )


def _is_whole(file: Path, content: Content) -> bool:
    try:
        return file.stat().st_size == content.size and digest_of(file) == content.sha256
    except OSError as error:
        raise StorageError(f"{file} cannot be read: {error.strerror}.") from None


def bring(
    repository: Repository,
    bucket: Bucket,
    contents: Sequence[Content],
    *,
    done: Callable[[Content, bool], None],
    progress: Progress | None = None,
) -> list[Content]:
    """Bring contents to this machine; return those that the bucket has.

    ``done`` is told of each, and whether it came. Raises `RemoteError`, `StorageError`, and
    `DamagedError` for an object that is not what its key says; others come all the same.
    """
    work = functools.partial(_bring, repository, bucket)
    came = _each(repository, work, contents, done, progress)
    with contextlib.suppress(OSError):
        (repository.home / INCOMING).rmdir()
    return came


def _bring(repository: Repository, bucket: Bucket, content: Content, meter: Meter) -> bool:
    if _size_there(bucket, content, meter) is None:
        return False
    try:
        with _part(repository.home / INCOMING, content.sha256) as (file, place):
            begun = os.fstat(file.fileno()).st_size
            digest = _fill(file, bucket, content, meter)
            if begun and digest != content.sha256:
                file.truncate(0)  # what was begun may have been wrong
                digest = _fill(file, bucket, content, meter)
            if digest != content.sha256:
                _let_go(file)
                place.unlink()
                raise _other(bucket, content, content.size)
            file.flush()
            _let_go(file)
            keep_large(repository, place, content.sha256)
    except OSError as error:
        if isinstance(error, InterruptedError):
            raise
        raise StorageError(
            f"{content.title} ({content.size:,} bytes) cannot be written here: "
            f"{(error.strerror or str(error)).lower()}.",
            hint="free some space and do it again; nothing of it was kept",
        ) from None
    return True


def _fill(file: BinaryIO, bucket: Bucket, content: Content, meter: Meter) -> str:
    """Get what a file lacks; return the digest of all of it."""
    digest = hashlib.sha256()
    file.seek(0)
    at = 0
    while chunk := file.read(min(CHUNK, content.size - at)):
        digest.update(chunk)
        at += len(chunk)
    file.truncate(at)
    key = key_of(content.sha256)
    meter.at(content.sha256, at)
    while at < content.size:
        end = min(at + CHUNK, content.size)
        chunk = meter.again(functools.partial(_read, bucket, key, at, end))
        file.write(chunk)
        digest.update(chunk)
        at = end
        meter.at(content.sha256, at)
    return digest.hexdigest()


def _read(bucket: Bucket, key: str, start: int, end: int) -> bytes:
    chunk = bucket.read(key, start, end)
    if len(chunk) != end - start:
        raise UnreachableError(f"{bucket.address} broke off in the middle of a file.")
    return chunk


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def _part(folder: Path, sha256: str) -> Iterator[tuple[BinaryIO, Path]]:
    """Give the file in which a content is gathered: what was begun, unless another fills it."""
    place = folder / f"{sha256}.part"
    begun = _locked(place)
    mine = begun is not None
    if not mine:
        place = folder / f"{sha256[:16]}.{secrets.token_hex(8)}.part"
    with begun or _open(place, "x+b") as file:
        try:
            yield file, place
        except OSError as error:
            if error.errno in _FULL:
                _let_go(file)
                place.unlink(missing_ok=True)
            raise
        finally:
            if not mine:
                _let_go(file)
                place.unlink(missing_ok=True)


def _locked(place: Path) -> BinaryIO | None:
    """Open a file that is ours alone; None if somebody fills it, or there are no locks here."""
    if fcntl is None:
        return None
    file = _open(place, "a+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if place.exists() and os.fstat(file.fileno()).st_ino == place.stat().st_ino:
            return file
    except BlockingIOError:
        pass
    except OSError:
        if os.fstat(file.fileno()).st_size == 0:
            place.unlink(missing_ok=True)
    file.close()
    return None


def _let_go(file: BinaryIO) -> None:
    """Close a file where one that is open can neither be renamed nor removed."""
    if fcntl is None:
        file.close()


def _open(place: Path, mode: Literal["a+b", "x+b"]) -> BinaryIO:
    while True:
        place.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # somebody tidied the empty folder away
            return place.open(mode)


def confirm(
    repository: Repository,
    bucket: Bucket,
    contents: Sequence[Content],
    *,
    progress: Progress | None = None,
) -> tuple[list[Content], dict[Content, str]]:
    """Ask a bucket which contents it has; return those, and why it is not sure of the others.

    Sure is a content whose checksum, as told now, is that of the copy here, or whose
    bytes were read again. Raises `RemoteError` if the bucket cannot be asked.
    """
    doubts: dict[Content, str] = {}
    check = functools.partial(_confirm, repository, bucket, doubts)
    return _each(repository, check, contents, _nothing, progress), doubts


def _confirm(
    repository: Repository,
    bucket: Bucket,
    doubts: dict[Content, str],
    content: Content,
    meter: Meter,
) -> bool:
    key = key_of(content.sha256)
    found = meter.again(lambda: bucket.size(key))
    if found is None:
        doubts[content] = "not there"
        return False
    file = here(repository, content.sha256)
    if file is None or not _is_whole(file, content):
        doubts[content] = "the copy here is damaged"
        return False
    if found != content.size:
        doubts[content] = _other(bucket, content, found).message.rstrip(".")
        return False
    if meter.again(lambda: bucket.vouches(key, file)):
        return True
    digest, at = hashlib.sha256(), 0
    while at < content.size:
        end = min(at + CHUNK, content.size)
        digest.update(meter.again(functools.partial(_read, bucket, key, at, end)))
        at = end
        meter.at(content.sha256, at)
    if digest.hexdigest() != content.sha256:
        doubts[content] = f"{bucket.address}/{key} has other bytes"
    return content not in doubts


def sizes(repository: Repository, bucket: Bucket, contents: Sequence[Content]) -> list[Content]:
    """Return those contents of which a bucket has an object of their size."""

    def ask(content: Content, meter: Meter) -> bool:
        found = meter.again(lambda: bucket.size(key_of(content.sha256)))
        return found == content.size

    return _each(repository, ask, contents, _nothing, None)


def _nothing(content: Content, answer: bool) -> None:
    del content, answer


def _each(
    repository: Repository,
    work: Callable[[Content, Meter], bool],
    contents: Sequence[Content],
    done: Callable[[Content, bool], None],
    progress: Progress | None,
) -> list[Content]:
    """Do something with each, several at once; return those for which it says yes, in order.

    A remote that fails ends it all; what is wrong with one file ends only that.
    ``done`` is told of each that did not fail, and what it says, by the thread that called.
    """
    if not contents:
        return []
    meter = Meter(sum(content.size for content in contents), progress, repository.patience)
    yes: set[Content] = set()
    failures: list[GitmlError] = []
    with ThreadPoolExecutor(min(AT_ONCE, len(contents)), "gitml-transfer") as pool:
        begun = {pool.submit(work, content, meter): content for content in contents}
        try:
            for future in as_completed(begun):
                try:
                    answer = future.result()
                    if answer:
                        yes.add(begun[future])
                    done(begun[future], answer)
                except StoppedError:
                    continue
                except GitmlError as error:
                    failures.append(error)
                    if not isinstance(error, (DamagedError, NotFoundError)):
                        meter.stop.set()
        except BaseException:
            meter.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failures:
        raise failures[0]
    return [content for content in contents if content in yes]
