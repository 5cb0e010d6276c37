"""Where large files are: on this machine, at the bucket (asked), at the remote (as noted)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.sharing.large import noted, place_name
from gitml.store.artifacts import here
from gitml.store.bucket import open_bucket
from gitml.store.transfer import sizes
from gitml.tracking.settings import artifacts_remote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.store.git import Repository
    from gitml.store.transfer import Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where a large file is."""

    content: Content
    """The file."""
    here: bool
    """Whether it is on this machine."""
    bucket: bool | None
    """Whether ``artifacts.remote`` has it now, in its size; None if there is no such address."""
    remote: bool | None
    """Whether it was noted that git-lfs at the remote took it; None without a remote."""

    @property
    def safe(self) -> bool:
        """Whether another place is known to have it."""
        return bool(self.bucket or self.remote)


def whereabouts(
    repository: Repository, contents: Sequence[Content], remote: str | None
) -> list[Whereabouts]:
    """Return where contents are; raise `RemoteError` if the bucket cannot be asked."""
    address = artifacts_remote(repository)
    there = {*sizes(repository, open_bucket(address), contents)} if address and contents else set()
    known = set() if remote is None else noted(repository, place_name(None, remote))
    return [
        Whereabouts(
            content=content,
            here=here(repository, content.sha256) is not None,
            bucket=None if address is None else content in there,
            remote=None if remote is None else content.sha256 in known,
        )
        for content in contents
    ]
