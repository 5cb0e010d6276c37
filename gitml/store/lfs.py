"""git-lfs, asked to carry large contents to a remote and from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.errors import RemoteError
from gitml.names import visible
from gitml.store.artifacts import lfs_path
from gitml.store.talking import talk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitml.store.git import Repository

_AT_ONCE = 500
"""Objects named on one command line."""
_ABSENT = "is not a git command"
_WORDS = 300


def upload(repository: Repository, remote: str, contents: Iterable[str]) -> None:
    """Send the contents of these SHA-256 that are on this machine to a remote.

    What the remote has already is not sent again. Raises `RemoteError` without
    git-lfs, or if the remote does not take them.
    """
    here = sorted({sha256 for sha256 in contents if lfs_path(repository, sha256).is_file()})
    for start in range(0, len(here), _AT_ONCE):
        part = here[start : start + _AT_ONCE]
        _run(repository, remote, "push", "--object-id", remote, *part)


def download(repository: Repository, remote: str, commit: str) -> None:
    """Bring the contents of the pointers in a commit's tree from a remote.

    Raises `RemoteError` without git-lfs, or if the remote does not have them.
    """
    everything = ("-c", "lfs.fetchinclude=", "-c", "lfs.fetchexclude=")
    _run(repository, remote, "fetch", remote, commit, settings=everything)


def _run(repository: Repository, remote: str, *args: str, settings: tuple[str, ...] = ()) -> None:
    code, out, err = talk(repository, *settings, "lfs", *args)
    said = (err + out).decode("utf-8", "replace")
    if code == 0:
        return
    if _ABSENT in said:
        raise RemoteError(
            "Files above 1 MiB travel by git-lfs, and it is not installed here.",
            hint="install git-lfs: https://git-lfs.com",
        )
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = next((line for line in lines if "rror" in line or "not " in line), *lines[-1:])
    raise RemoteError(
        f"git-lfs could not speak to {visible(remote, 80)}: {visible(told, _WORDS)}",
        hint="git lfs env shows where it goes; not every host has git-lfs",
    )
