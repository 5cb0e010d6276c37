"""Large files to a remote: what is here, what is known to be there, what goes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.store import lfs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from gitml.store.git import Repository
    from gitml.store.pulling import Where
    from gitml.tracking.settings import Settings

_SHA256 = re.compile(r"[0-9a-f]{64}")
AT_ONCE = 100
"""Files sent between two reports of progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Large files that went to a remote, or would."""

    count: int = 0
    """How many."""
    size: int = 0
    """Their bytes."""


def waiting(repository: Repository, there: Where) -> dict[str, int]:
    """Return bytes by SHA-256 of the large files here that are not known to be there."""
    known = _known(repository, there)
    found = {}
    for path in sorted((repository.home / "objects").glob("??/*")):
        if _SHA256.fullmatch(path.name) and path.name not in known:
            found[path.name] = path.stat().st_size
    return found


def send_large(
    repository: Repository,
    there: Where,
    settings: Settings,
    *,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Sent:
    """Send the large files that are not known to be there; raise `RemoteError`.

    What arrived is remembered, file by file, so a push that is broken off goes on
    where it was.
    """
    files = waiting(repository, there) if settings.push_large else {}
    if files and not dry_run:
        names = list(files)
        for start in range(0, len(names), AT_ONCE):
            part = names[start : start + AT_ONCE]
            lfs.upload(repository, there.address, part)
            remember(repository, there, part)
            if progress is not None:
                progress(min(start + AT_ONCE, len(names)), len(names))
    return Sent(count=len(files), size=sum(files.values()))


def remember(repository: Repository, there: Where, contents: Iterable[str]) -> None:
    """Note that the remote has these contents."""
    place = _list(repository, there)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("a", encoding="ascii", newline="\n") as file:
        file.writelines(f"{sha256}\n" for sha256 in contents)


def _known(repository: Repository, there: Where) -> set[str]:
    """Return what was noted; a line that a crash cut short counts for nothing."""
    try:
        lines = _list(repository, there).read_text(encoding="ascii", errors="replace").split("\n")
    except FileNotFoundError:
        return set()
    return {line for line in lines if _SHA256.fullmatch(line)}


def _list(repository: Repository, there: Where) -> Path:
    return repository.home / "uploaded" / f"{there.name.replace('/', '%2F')}.txt"
