"""Local copies of large files that are safe elsewhere, given up.

Safe is what another place has *now*: it is asked, each time, and its copy is compared
with the one here by a checksum that it tells, or by its bytes. What was noted when
something was sent counts for nothing. Whatever is in doubt stays.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml.errors import GitmlError
from gitml.sharing.large import forget, kept, noted, place_name
from gitml.store import lfs
from gitml.store.artifacts import digest_of, kept_path, lfs_path
from gitml.store.bucket import Folder, key_of, open_bucket
from gitml.store.transfer import Content, confirm
from gitml.tracking.settings import artifacts_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gitml.store.bucket import Bucket
    from gitml.store.git import Repository

DAY = 24 * 3600 * 1000
KEEP_DAYS = 14
"""Days for which a local copy stays in any case."""


@dataclass(slots=True, kw_only=True)
class Freed:
    """What became of large files that have been here for long."""

    removed: dict[str, int] = field(default_factory=dict)
    """Bytes by SHA-256 of those that went, or would."""
    kept: dict[str, str] = field(default_factory=dict)
    """Why by SHA-256, of those that stay."""
    place: str | None = None
    """Where those that went are, for people."""
    unasked: GitmlError | None = None
    """Why nobody could be asked; then nothing went."""


def free_large(
    repository: Repository,
    *,
    remote: str | None,
    now: int,
    keep_days: int = KEEP_DAYS,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Freed:
    """Remove local copies older than ``keep_days`` that ``artifacts.remote`` has now.

    Of what was sent to git-lfs at ``remote`` that is asked. Nobody is asked where
    there is nothing old enough. With ``dry_run`` nothing is removed.
    """
    done = Freed()
    old = _old(repository, now - keep_days * DAY)
    if not old or (remote is None and artifacts_remote(repository) is None):
        return done
    try:
        sure, doubts = _asked(repository, remote, old, done, dry_run=dry_run, progress=progress)
    except GitmlError as error:
        done.unasked = error
        done.kept = {content.sha256: "nobody could be asked" for content in old}
        return done
    done.kept = {content.sha256: why for content, why in doubts.items()}
    _remove(repository, done, sure, dry_run=dry_run)
    return done


def _asked(
    repository: Repository,
    remote: str | None,
    old: Sequence[Content],
    done: Freed,
    *,
    dry_run: bool,
    progress: Callable[[int, int], None] | None,
) -> tuple[list[Content], dict[Content, str]]:
    """Return what the bucket has, and git-lfs of what was sent to it, and why not of the rest.

    A note that is wrong is taken back, so that the next push sends the file again.
    """
    address = artifacts_remote(repository)
    done.place = address or remote
    sure: list[Content] = []
    doubts = dict.fromkeys(old, "not pushed yet")
    if address is not None:
        bucket = open_bucket(address)
        sure, doubts = confirm(repository, bucket, old, progress=progress)
        ours = [c for c in sure if _is_in(repository, bucket, c.sha256)]
        doubts |= dict.fromkeys(ours, f"{address} leads back to the copy here")
        sure = [content for content in sure if content not in doubts]
        forget(repository, place_name(address, ""), {content.sha256 for content in doubts})
    sent = noted(repository, place_name(None, remote)) if remote is not None else set()
    if remote is not None and (pushed := [c for c in doubts if c.sha256 in sent]):
        there, others = _at_lfs(repository, remote, pushed, dry_run=dry_run)
        forget(repository, place_name(None, remote), {content.sha256 for content in others})
        if there and address is not None:
            done.place = f"{address} or {remote}"
        sure += there
        doubts = {c: others.get(c, why) for c, why in doubts.items() if c not in there}
    return sure, doubts


def _old(repository: Repository, before: int) -> list[Content]:
    found = []
    for sha256, size in kept(repository).items():
        with contextlib.suppress(FileNotFoundError):  # another gc was first
            status = kept_path(repository, sha256).stat()
            if max(status.st_mtime, status.st_ctime) * 1000 <= before:
                found.append(Content(sha256=sha256, size=size))
    return found


def _at_lfs(
    repository: Repository, remote: str, contents: Sequence[Content], *, dry_run: bool
) -> tuple[list[Content], dict[Content, str]]:
    """Return which contents git-lfs has at a remote now, and why not of the others.

    A server is offered them once more, except by a dry run: it says of each whether it
    has it, and takes it if it has not. Of a remote on this machine the files are read.
    """
    doubts = {c: "the copy here is damaged" for c in contents if not _is_whole(repository, c)}
    rest = [content for content in contents if content not in doubts]
    if not rest:
        return [], doubts
    folders = lfs.folders_of(repository, remote)
    if folders is None:
        if not dry_run:
            lfs.upload(repository, remote, [content.sha256 for content in rest])
        return rest, doubts
    for content in rest:
        s = content.sha256
        files = [folder / s[:2] / s[2:4] / s for folder in folders]
        if not any(_is(file, s) and not _is_ours(repository, file, s) for file in files):
            doubts[content] = "not there, or not whole"
    return [content for content in rest if content not in doubts], doubts


def _is_ours(repository: Repository, file: Path, sha256: str) -> bool:
    """Say whether a file that is found elsewhere is by way of links the very one here."""
    mine = (lfs_path(repository, sha256), kept_path(repository, sha256))
    return file.resolve() in {place.resolve() for place in mine}


def _is_in(repository: Repository, bucket: Bucket, sha256: str) -> bool:
    return isinstance(bucket, Folder) and _is_ours(repository, bucket.root / key_of(sha256), sha256)


def _is_whole(repository: Repository, content: Content) -> bool:
    return _is(kept_path(repository, content.sha256), content.sha256)


def _is(file: Path, sha256: str) -> bool:
    try:
        return digest_of(file) == sha256
    except OSError:
        return False


def _remove(repository: Repository, done: Freed, sure: Sequence[Content], *, dry_run: bool) -> None:
    sizes = {content.sha256: content.size for content in sure}
    used = lfs.used_by_branches(repository, sizes) if sizes else set()
    done.kept |= dict.fromkeys(used, "in use by a branch")
    top = repository.common_dir.resolve()
    shared = {s for s in sizes if not lfs_path(repository, s).resolve().is_relative_to(top)}
    done.kept |= dict.fromkeys(shared - used, "in the folder of lfs.storage, which others may use")
    used |= shared
    for sha256 in sizes.keys() - used:
        done.removed[sha256] = sizes[sha256]
        if not dry_run:
            lfs_path(repository, sha256).unlink(missing_ok=True)
            kept_path(repository, sha256).unlink(missing_ok=True)
