"""Commits that runs were made from: when each was made, and which come before it."""

from __future__ import annotations

import heapq
import re
from typing import TYPE_CHECKING, NamedTuple

from gitml.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitml.store.git import Repository
    from gitml.store.objects import Object

_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_COMMITTER = re.compile(rb"committer .*> (-?\d{1,12}) [+-]\d{4}")
_FIRST, _LAST = -62_135_596_800, 253_402_300_799
"""The seconds of the years 1 to 9999; git takes others too."""
_LIMIT = 1 << 20
"""Bytes of a commit, beyond which it is not read."""


class Commit(NamedTuple):
    """What the order of commits is made of."""

    time: int
    """When it was committed, in milliseconds."""
    parents: tuple[str, ...] = ()
    """The commits it was made upon."""


def read_commits(repository: Repository, oids: Iterable[str]) -> dict[str, Commit]:
    """Return those of the commits that are in the repository.

    They are read by the process that reads objects anyway; where one of them is no
    commit but large, or damaged, by a further one.
    """
    asked = sorted({oid for oid in oids if _OID.fullmatch(oid)})
    if not asked:
        return {}
    try:
        return _found(asked, repository.objects().many(asked, _LIMIT))
    except DamagedError:
        return _found(asked, repository.bulk(asked, _LIMIT))


def _found(asked: Sequence[str], objects: Iterable[Object | None]) -> dict[str, Commit]:
    found = {}
    for oid, read in zip(asked, objects, strict=True):
        commit = _parsed(read.data) if read is not None and read.kind == "commit" else None
        if commit is not None:
            found[oid] = commit
    return found


def _parsed(data: bytes) -> Commit | None:
    head = data.partition(b"\n\n")[0]
    made = _COMMITTER.search(head)
    if made is None or not _FIRST <= int(made[1]) <= _LAST:
        return None
    lines = head.split(b"\n")
    parents = [line[7:].decode("ascii", "replace") for line in lines if line[:7] == b"parent "]
    return Commit(int(made[1]) * 1000, tuple(parents))


def in_order(commits: Mapping[str, Commit], seen: Mapping[str, int]) -> list[str]:
    """Return commits, the oldest first: by their dates, and none before a parent of it.

    ``seen`` says when each was first met, in milliseconds: commits of one second are in that
    order, and so is one that is not in the repository. Parents count where they are among
    the commits themselves; a clock that went back between others cannot be noticed.
    """
    known = {oid: commits.get(oid) or Commit(met) for oid, met in seen.items()}
    children: dict[str, list[str]] = {}
    waiting: dict[str, int] = {}
    for oid, commit in known.items():
        parents = {parent for parent in commit.parents if parent in known}
        waiting[oid] = len(parents)
        for parent in parents:
            children.setdefault(parent, []).append(oid)
    ready = [(known[oid].time, seen[oid], oid) for oid, count in waiting.items() if not count]
    heapq.heapify(ready)
    ordered = []
    while ready:
        oid = heapq.heappop(ready)[2]
        ordered.append(oid)
        for child in children.get(oid, ()):
            waiting[child] -= 1
            if not waiting[child]:
                heapq.heappush(ready, (known[child].time, seen[child], child))
    return ordered
