"""The exact code of a run: ``HEAD`` and what differs from it, as a git tree.

At the start of a run `snapshot` hashes what differs from ``HEAD`` into blobs
(through the repository's filters) and describes it; the user's index and work
tree are not touched. `write_commit` makes the tree when the run is written, so
a crash in between loses nothing: the description lies in the run's log.
"""

from __future__ import annotations

import fnmatch
import stat
from typing import TYPE_CHECKING

from gitml import names
from gitml.errors import DamagedError, RepositoryError
from gitml.names import visible
from gitml.store.fast_import import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from gitml.model import Json
    from gitml.store.fast_import import FastImport
    from gitml.store.git import Repository

FILE_LIMIT = 1024 * 1024
"""Bytes of an untracked file that is still taken along (``source.file_limit``)."""
COUNT_LIMIT = 5_000
"""Untracked files that are still taken along; more than that is no source code."""
LISTED = 100
LINK = "link"
"""The mode of a changed symbolic link in a record, which holds its target and no oid."""
SECRETS = (".env*", "*.pem", "*.key", "id_*", "*credentials*", "*secret*")
_OFF = {"false", "no", "off", "0"}
_COMMITTER = "gitml <gitml@localhost>"


def snapshot(
    repository: Repository,
    *,
    file_limit: int = FILE_LIMIT,
    exclude: Sequence[str] = (),
    aside: Callable[[Sequence[str]], Mapping[str, str]] | None = None,
) -> dict[str, Json]:
    """Return what a source record holds: the fields of `Source`, ``base`` and ``files``.

    ``aside`` tells which of the untracked files are no code, and what to say of each.

    ``files`` lists ``[mode, oid, path]`` of what differs from ``base`` (oid None:
    deleted; mode `LINK`: the oid is the link's target). The blobs are in the
    repository from then on.
    """
    if repository.work_tree is None:
        return {}
    out = repository.run(
        "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames"
    )
    commit = branch = None
    changes: list[tuple[str, str]] = []
    untracked: list[str] = []
    left_out: list[str] = []
    for record in out.decode("utf-8", "surrogateescape").split("\0"):
        kind, _, rest = record.partition(" ")
        if kind == "#":
            key, _, value = rest.partition(" ")
            if key == "branch.oid" and value != "(initial)":
                commit = value
            elif key == "branch.head" and value != "(detached)":
                branch = value
        elif kind == "1":
            fields = rest.split(" ", 7)
            if fields[1].startswith("S"):
                left_out.append(f"{fields[7]}: a submodule with changes of its own")
            else:
                changes.append((fields[4], fields[7]))
        elif kind == "u":
            changes.append((rest.split(" ", 9)[5], rest.split(" ", 9)[9]))
        elif kind == "?":
            untracked.append(rest)
    untracked = _without_own(untracked, left_out, aside)
    changes += _take_along(repository, untracked, file_limit, (*SECRETS, *exclude), left_out)
    return {
        "commit": commit,
        "branch": branch,
        "dirty": bool(changes),
        "changed": [visible(path, 300) for _, path in changes[:LISTED]],
        "left_out": [visible(text, 300) for text in left_out[:LISTED]],
        "base": commit,
        "files": _hash(repository, changes),
    }


def _without_own(
    untracked: list[str],
    left_out: list[str],
    aside: Callable[[Sequence[str]], Mapping[str, str]] | None,
) -> list[str]:
    """Return the files that are no copies of gitml's, in no folder of ``gitml site build``."""
    end = f"/{names.SITE_MANIFEST}"
    folders = tuple(path.removesuffix(end[1:]) for path in untracked if path.endswith(end))
    left_out += [f"{folder}: a report {names.SELF}" for folder in folders]
    others = [path for path in untracked if not path.startswith(folders)]
    copies = aside(others) if aside is not None and others else {}
    left_out += dict.fromkeys(copies.values())
    return [path for path in others if path not in copies]


def _take_along(
    repository: Repository,
    untracked: list[str],
    limit: int,
    exclude: Sequence[str],
    left_out: list[str],
) -> list[tuple[str, str]]:
    """Return (mode, path) of the untracked files to keep, and say why of the others."""
    if len(untracked) > COUNT_LIMIT:
        left_out.append(f"{len(untracked)} untracked files: more than {COUNT_LIMIT}")
        return []
    top = repository.work_tree
    assert top is not None
    has_modes = (repository.config("core", "filemode") or "").lower() not in _OFF
    kept = []
    for path in untracked:
        try:
            status = (top / path).lstat()
        except OSError:
            continue
        if path.endswith("/"):
            left_out.append(f"{path}: a repository of its own")
        elif _is_excluded(path.lower(), exclude):
            left_out.append(f"{path}: looks like a secret, or is excluded")
        elif stat.S_ISLNK(status.st_mode):
            kept.append(("120000", path))
        elif not stat.S_ISREG(status.st_mode):
            left_out.append(f"{path}: not a regular file")
        elif status.st_size > limit:
            left_out.append(f"{path}: {status.st_size} bytes")
        else:
            runs = has_modes and status.st_mode & stat.S_IXUSR
            kept.append(("100755" if runs else "100644", path))
    return kept


def _is_excluded(path: str, patterns: Sequence[str]) -> bool:
    """Say whether a path, or any folder or name in it, matches a pattern in any case."""
    parts = [path, *path.split("/")]
    return any(fnmatch.fnmatchcase(part, p.lower()) for p in patterns for part in parts)


def _hash(repository: Repository, changes: list[tuple[str, str]]) -> list[list[str | None]]:
    top = repository.work_tree
    assert top is not None
    files: list[list[str | None]] = []
    regular = []
    for mode, path in changes:
        full = top / path
        if full.is_symlink():
            files.append([LINK, str(full.readlink()), path])
        elif full.is_file():
            regular.append((mode if mode in {"100644", "100755"} else "100644", path))
        else:
            files.append([mode, None, path])
    while regular:
        paths = b"".join(quote(path) + b"\n" for _, path in regular)
        try:
            oids = repository.run(*_HASH, data=paths).decode().split()
        except RepositoryError:
            # A training program may remove a file, or make it unreadable, meanwhile.
            there = [item for item in regular if _can_be_read(top / item[1])]
            if len(there) == len(regular):
                raise
            files += [[mode, None, path] for mode, path in regular if (mode, path) not in there]
            regular = there
        else:
            files += [[m, oid, path] for (m, path), oid in zip(regular, oids, strict=True)]
            break
    return files


_HASH = ("-c", "core.safecrlf=false", "hash-object", "-w", "--stdin-paths")
"""Line ends that git would warn of are no reason to keep no code at all."""


def _can_be_read(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False


def carry(code: Repository, store: Repository, found: Mapping[str, Json]) -> dict[str, Json]:
    """Bring the source tree of another repository into the store, without its history.

    Returns what a source record needs there: ``files`` without a base, or the
    ``tree`` that the store has already.
    """
    if code.oid_width != store.oid_width:
        return {"left_out": ["all: the repositories use different hash functions"]}
    files: dict[str, list[str | None]] = {}
    base = found.get("base")
    if base:
        tree = code.commit_tree(base)
        if not found["files"] and store.resolve(names.source_ref(tree)) is not None:
            return {"tree": tree}
        listing = code.run("ls-tree", "-r", "-z", "--full-tree", base)
        for line in listing.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            head, _, path = line.partition("\t")
            mode, kind, oid = head.split(" ")
            if kind == "blob":
                files[path] = [mode, oid, path]
    for entry in found.get("files") or []:
        files[str(entry[2])] = entry
    kept = [entry for entry in files.values() if entry[1] is not None]
    oids = [str(oid) for mode, oid, _ in kept if mode != LINK]
    with store.fast_import() as stream:
        for oid, blob in zip(oids, code.objects().many(oids), strict=True):
            if blob is None:
                raise DamagedError(f"The object {oid} is missing from the repository of the code.")
            stream.blob(blob.data)
    return {"files": kept}


def write_commit(
    stream: FastImport, ref: str, record: Mapping[str, Json], *, date: int, parents: bool = True
) -> tuple[str, str]:
    """Write the commit of a source record and return (its mark, its tree's oid).

    The commit is a pure function of tree and parent: ``date`` (milliseconds) is
    the parent's, identity and message are fixed.
    """
    base = record.get("base")
    mark = stream.commit(
        ref,
        committer=_COMMITTER,
        time=date,
        message="source of gitml runs\n",
        parents=[base] if base and parents else [],
        keep_tree=True,
    )
    for mode, oid, path in record.get("files") or []:
        if oid is None:
            stream.drop(path)
        elif mode == LINK:
            stream.put_data(path, oid.encode("utf-8", "surrogateescape"), "120000")
        else:
            stream.put(path, oid, mode)
    return mark, stream.tree_of(mark)


def commit_date(data: bytes) -> int:
    """Return the committer's date of a raw commit in milliseconds."""
    for line in data.split(b"\n\n", 1)[0].split(b"\n"):
        if line.startswith(b"committer "):
            return int(line.rsplit(b" ", 2)[1]) * 1000
    return 0
