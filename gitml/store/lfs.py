"""git-lfs, asked to carry large contents to a remote and from it."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gitml.errors import RemoteError
from gitml.names import visible
from gitml.redact import strip_credentials
from gitml.store.artifacts import pointer, put_back
from gitml.store.hosts import said as host_name
from gitml.store.hosts import transport_failure
from gitml.store.talking import talk

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from gitml.store.git import Repository

_AT_ONCE = 500
"""Objects named on one command line."""
_ABSENT = "is not a git command"
_WORDS = 300
_NO_OBJECT = ("missing object", "does not exist on the server", "Object does not exist")
"""What is said of one object by a server that speaks of objects at all."""
_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[^/]+:")
"""How a URL begins, or ``host:path``, and no path of this machine."""
_WIDE = 64
"""Digits of an object's id in a repository of SHA-256."""


class AbsentError(RemoteError):
    """A remote whose git-lfs answers, and does not have what it is asked for."""


def upload(repository: Repository, remote: str, contents: Iterable[str]) -> None:
    """Send the contents of these SHA-256 that are on this machine to a remote.

    What the remote has already is not sent again: it is asked each time. Raises
    `RemoteError` without git-lfs, or if the remote does not take them.
    """
    here = sorted({sha256 for sha256 in contents if put_back(repository, sha256)})
    for start in range(0, len(here), _AT_ONCE):
        part = here[start : start + _AT_ONCE]
        _run(repository, remote, "push", "--object-id", _address(repository, remote), *part)


def folders_of(repository: Repository, remote: str) -> list[Path] | None:
    """Return where a remote that is on this machine may have large files, else None."""
    told = repository.config("lfs", "url") or repository.config(f'remote "{remote}"', "lfsurl")
    top = repository.work_tree or repository.git_dir
    if told or (top / ".lfsconfig").exists():
        return None  # they are somewhere else
    url = repository.run("ls-remote", "--get-url", remote).decode("utf-8", "surrogateescape")
    url = url.strip()
    if not url.startswith("file://") and _ELSEWHERE.match(url):
        return None
    path = top / unquote(url.removeprefix("file://"))
    return [place / "lfs" / "objects" for place in (path / ".git", path)]


def _address(repository: Repository, remote: str) -> str:
    """Return a remote as git-lfs knows it, which takes no paths."""
    if remote in repository.subsections("remote") or _ELSEWHERE.match(remote):
        return remote
    return ((repository.work_tree or repository.git_dir) / remote).resolve().as_uri()


def used_by_branches(repository: Repository, contents: Mapping[str, int]) -> set[str]:
    """Return those SHA-256 (with their bytes) to which branches, tags or sources have pointers."""
    name = "sha256" if repository.oid_width == _WIDE else "sha1"
    oids = {}
    for sha256, size in contents.items():
        data = pointer(sha256, size)
        head = b"blob %d\0" % len(data)
        oids[hashlib.new(name, head + data, usedforsecurity=False).hexdigest()] = sha256
    kinds = ("runs", "experiments", "models", "packages", "unpublished")
    ours = [*(f"refs/gitml/{kind}/*" for kind in kinds), "refs/gitml-*"]
    listed = repository.run(
        *("rev-list", "--objects", "--no-object-names", "--missing=allow-any"),
        *(f"--exclude={pattern}" for pattern in ours),
        *("--all", "--indexed-objects"),
    )
    return {oids[oid] for oid in listed.decode("ascii").split() if oid in oids}


def answers(repository: Repository, remote: str, commit: str) -> str | None:
    """Ask git-lfs for a content that nobody has; return why it does not work there, or None.

    ``commit`` has the pointer to it.
    """
    try:
        download(repository, remote, commit)
    except AbsentError:
        return None
    except RemoteError as error:
        return error.message
    return None


def download(repository: Repository, remote: str, commit: str) -> None:
    """Bring the contents of the pointers in a commit's tree from a remote.

    Raises `RemoteError` without git-lfs, and `AbsentError` if the remote does not have them all.
    """
    everything = ("-c", "lfs.fetchinclude=", "-c", "lfs.fetchexclude=")
    _run(*(repository, remote, "fetch", _address(repository, remote), commit), settings=everything)


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
    _check_git(repository, remote)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    lines = [line for line in lines if " LFS objects:" not in line] or ["no word"]
    told = next((line for line in lines if "rror" in line or "not " in line), lines[-1])
    absent = any(word in told for word in _NO_OBJECT)
    raise (AbsentError if absent else RemoteError)(
        f"git-lfs could not speak to {host_name(remote)}: "
        f"{visible(strip_credentials(told), _WORDS)}",
        hint="not every host has git-lfs: artifacts.remote in .gitml/config.yaml names another "
        "place, a folder, s3:// or gs://, and push.large: false keeps large files here",
    )


def _check_git(repository: Repository, remote: str) -> None:
    """Raise what keeps git itself from speaking to a remote, which it says better than git-lfs."""
    code, _, err = talk(repository, "ls-remote", "--quiet", remote, "HEAD")
    if code:
        raise transport_failure(remote, err.decode("utf-8", "replace"), code)
