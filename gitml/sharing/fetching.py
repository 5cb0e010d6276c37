"""Large files to this machine, from wherever they are: the bucket, then git-lfs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.errors import GitmlError, NotFoundError
from gitml.names import plural, tmp_ref
from gitml.sharing.large import note, place_name
from gitml.store import lfs
from gitml.store.artifacts import here, keep_fetched, pointer
from gitml.store.bucket import open_bucket
from gitml.store.git import RefUpdate
from gitml.store.hosts import said
from gitml.store.pulling import where
from gitml.store.transfer import Content, bring, is_sha256
from gitml.tracking.settings import artifacts_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gitml.model import Run
    from gitml.store.git import Repository

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What became of the large files that were wanted."""

    came: tuple[Content, ...] = ()
    """Those that came, whole and verified."""
    had: int = 0
    """How many were on this machine already."""

    @property
    def size(self) -> int:
        """The bytes that came."""
        return sum(content.size for content in self.came)


def large_files(runs: Iterable[Run]) -> list[Content]:
    """Return the large files of runs, each content once; what names none is left out."""
    found: dict[str, Content] = {}
    for run in runs:
        for path, artifact in sorted(run.artifacts.items()):
            sha256, size = artifact.sha256 or "", artifact.size
            if artifact.store == "lfs" and is_sha256(sha256) and size is not None:
                found.setdefault(sha256, Content(sha256=sha256, size=size, name=path))
    return list(found.values())


def fetch_large(
    repository: Repository,
    wanted: Iterable[Content],
    *,
    remote: str | None,
    progress: Progress | None = None,
) -> Fetched:
    """Bring large files that are not on this machine, verified; what is here is left alone.

    Asked are the address of ``artifacts.remote``, if there is one, and then git-lfs at
    ``remote`` (a name or URL; None asks nobody). Raises `NotFoundError` for what none of
    them has, `RemoteError` where they cannot be asked, and `DamagedError` for a wrong
    object; what came by then stays, and doing it again brings the rest.
    """
    asked = list(wanted)
    away = [content for content in asked if here(repository, content.sha256) is None]
    if not away:
        return Fetched(had=len(asked))
    bucket = artifacts_remote(repository)
    failure: GitmlError | None = None
    if bucket is not None:
        try:
            _from_bucket(repository, bucket, away, progress)
        except GitmlError as error:
            failure = error
    left = [content for content in away if here(repository, content.sha256) is None]
    if left and remote is not None:
        try:
            _from_lfs(repository, remote, left)
        except lfs.AbsentError:
            pass  # it is named below, beside the other places that do not have it
        except GitmlError as error:
            failure = failure or (error if bucket is None else None)
    left = [content for content in left if here(repository, content.sha256) is None]
    if left:
        raise failure or _nowhere(left, bucket, remote)
    if progress is not None:
        total = sum(content.size for content in away)
        progress(total, total)
    return Fetched(came=tuple(away), had=len(asked) - len(away))


def _from_bucket(
    repository: Repository, address: str, wanted: Sequence[Content], progress: Progress | None
) -> None:
    place = place_name(address, "")

    def done(content: Content, came: bool) -> None:
        if came:
            note(repository, place, [content.sha256])

    bring(repository, open_bucket(address), wanted, done=done, progress=progress)


def _from_lfs(repository: Repository, remote: str, wanted: Sequence[Content]) -> None:
    """Let git-lfs fetch a commit that has nothing but the pointers of what is wanted."""
    ref = tmp_ref(secrets.token_hex(8))
    with repository.fast_import() as stream:
        mark = stream.commit(ref, committer="gitml <>", time=0, message="wanted\n")
        for content in wanted:
            stream.put_data(content.sha256, pointer(content.sha256, content.size))
        commit = stream.oid(mark)
    try:
        lfs.download(repository, remote, commit)
    finally:
        repository.update_refs([RefUpdate(ref, None, commit)])
        came = [
            content for content in wanted if keep_fetched(repository, content.sha256, content.size)
        ]
        place = place_name(None, where(repository, remote).name)
        note(repository, place, [content.sha256 for content in came])


def _nowhere(left: Sequence[Content], bucket: str | None, remote: str | None) -> NotFoundError:
    places = [said(place) for place in (bucket, remote) if place is not None]
    what = left[0].title if len(left) == 1 else f"{plural(len(left), 'large file')}"
    verb = "is" if len(left) == 1 else "are"
    nor = "".join(f", nor at {place}" for place in places)
    return NotFoundError(
        f"The content of {what} {verb} not on this machine{nor}.",
        hint="it is where the run was made: gitml push sends it from there",
    )
