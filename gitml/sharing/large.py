"""Large files to where they are shared: what is here, what is known to be there, what goes.

They are shared at the address of ``artifacts.remote`` if there is one, else by git-lfs
at the git remote.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.errors import RemoteError
from gitml.store import lfs
from gitml.store.artifacts import here
from gitml.store.bucket import open_bucket
from gitml.store.transfer import Content, send
from gitml.tracking.settings import artifacts_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from gitml.store.git import Repository
    from gitml.store.pulling import Where
    from gitml.tracking.settings import Settings

    Progress = Callable[[int, int], None]

_SHA256 = re.compile(r"[0-9a-f]{64}")
AT_ONCE = 100
"""Files sent by git-lfs between two reports of progress."""
_TRIES = 32
"""Failures of git-lfs after which no smaller part is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Large files that went to a remote, or would."""

    count: int = 0
    """How many."""
    size: int = 0
    """Their bytes."""


def kept(repository: Repository) -> dict[str, int]:
    """Return bytes by SHA-256 of the large files that runs and versions here brought along."""
    found = {}
    for path in sorted((repository.home / "objects").glob("??/*")):
        with contextlib.suppress(FileNotFoundError):  # gc took it away meanwhile
            if _SHA256.fullmatch(path.name):
                found[path.name] = path.stat().st_size
    return found


def waiting(repository: Repository, there: Where) -> dict[str, int]:
    """Return bytes by SHA-256 of the large files here that are not known to be shared.

    Known is what was noted when it arrived, at ``artifacts.remote`` or else at ``there``.
    """
    known = noted(repository, place_name(artifacts_remote(repository), there.name))
    return {sha256: size for sha256, size in kept(repository).items() if sha256 not in known}


def send_large(
    repository: Repository,
    there: Where,
    settings: Settings,
    *,
    only: Collection[str] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Sent:
    """Send the large files that are not known to be shared, or of these ``only`` some.

    Raises `RemoteError`, and `DamagedError` where a copy, here or there, is not what it should be.

    What arrived is noted, file by file, so a push that is broken off goes on where it was.
    ``progress`` is told of bytes.
    """
    files = waiting(repository, there) if settings.push_large else {}
    if only is not None:
        files = {sha256: size for sha256, size in files.items() if sha256 in only}
    if files and not dry_run:
        _send(repository, there.name, there.address, files, progress)
    return Sent(count=len(files), size=sum(files.values()))


def upload(repository: Repository, remote: str, contents: Iterable[str]) -> None:
    """Send those contents that are on this machine before refs that name them are pushed.

    Raises `RemoteError`, and what `send` raises.
    """
    known = noted(repository, place_name(artifacts_remote(repository), remote))
    wanted = {sha256: here(repository, sha256) for sha256 in contents if sha256 not in known}
    files = {s: place.stat().st_size for s, place in wanted.items() if place is not None}
    if files:
        _send(repository, remote, remote, files, None)


def _send(
    repository: Repository,
    name: str,
    address: str,
    files: dict[str, int],
    progress: Progress | None,
) -> None:
    bucket = artifacts_remote(repository)
    place = place_name(bucket, name)
    if bucket is not None:
        contents = [Content(sha256=sha256, size=size) for sha256, size in files.items()]
        send(
            repository,
            open_bucket(bucket),
            contents,
            done=lambda content, _: note(repository, place, [content.sha256]),
            progress=progress,
        )
        return
    _by_lfs(repository, place, address, files, progress)


def _by_lfs(
    repository: Repository,
    place: str,
    address: str,
    files: Mapping[str, int],
    progress: Progress | None,
) -> None:
    """Send files by git-lfs; one that the host does not take keeps back no other.

    A host that takes not even the smallest takes none. Raises the first failure at the end.
    """
    listed, moved = sorted(files, key=lambda sha256: files[sha256]), 0
    parts = [listed[start : start + AT_ONCE] for start in range(0, len(listed), AT_ONCE)]
    failures: list[RemoteError] = []
    while parts and len(failures) < _TRIES:
        part = parts.pop(0)
        try:
            lfs.upload(repository, address, part)
        except RemoteError as error:
            failures.append(error)
            if len(part) > 1:
                middle = len(part) // 2 if moved else 1
                parts = [part[:middle], part[middle:], *parts]
            elif not moved:
                break
            continue
        note(repository, place, part)
        moved += sum(files[sha256] for sha256 in part)
        if progress is not None:
            progress(moved, sum(files.values()))
    if failures and not _went(repository, place, files):
        raise failures[0]


def _went(repository: Repository, place: str, files: Iterable[str]) -> bool:
    return {*files} <= noted(repository, place)


def place_name(bucket: str | None, remote: str) -> str:
    """Return what the notes of a place are kept under: those of a bucket, else of a remote."""
    if bucket is None:
        return remote.replace("/", "%2F")
    return f"bucket-{hashlib.sha256(bucket.encode()).hexdigest()[:8]}"


def note(repository: Repository, place: str, contents: Iterable[str]) -> None:
    """Note that a place has these contents."""
    file = _list(repository, place)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="ascii", newline="\n") as stream:
        stream.writelines(f"{sha256}\n" for sha256 in contents)


def forget(repository: Repository, place: str, contents: Iterable[str]) -> None:
    """Take back that a place has these contents, so that the next push asks again."""
    known, wrong = noted(repository, place), {*contents}
    left = known - wrong
    file = _list(repository, place)
    if left != known:
        part = file.with_suffix(".new")
        part.write_text("".join(f"{s}\n" for s in sorted(left)), encoding="ascii", newline="\n")
        part.replace(file)


def forget_place(repository: Repository, remote: str) -> None:
    """Take back all that was noted of git-lfs at a remote: it may have lost it."""
    _list(repository, place_name(None, remote)).unlink(missing_ok=True)


def noted(repository: Repository, place: str) -> set[str]:
    """Return what was noted; a line that a crash cut short counts for nothing."""
    try:
        lines = _list(repository, place).read_text(encoding="ascii", errors="replace").split("\n")
    except FileNotFoundError:
        return set()
    return {line for line in lines if _SHA256.fullmatch(line)}


def _list(repository: Repository, place: str) -> Path:
    return repository.home / "uploaded" / f"{place}.txt"
