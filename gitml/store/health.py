"""What is wrong with a store, and what crashes left behind in it."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml import names
from gitml.names import is_run_id
from gitml.store import live
from gitml.store.artifacts import INCOMING
from gitml.store.failures import failure
from gitml.store.git import RefUpdate
from gitml.store.locks import remove_left

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from gitml.store.git import Repository
    from gitml.store.live import Who

DAY = 24 * 3600 * 1000
"""Milliseconds after which what looks unfinished is taken for left behind."""
LOCK_AGE = 3600 * 1000
"""Milliseconds after which a lock of git is taken for forgotten."""
SEEN = "seen.json"
"""The file that remembers since when temporary refs have been there."""
UNREADABLE = "git cannot read it"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KNOWN = ("runs", "experiments", "source", "sources", "models", "packages", "unpublished")
"""What stands after ``refs/gitml/`` in the refs that gitml writes, of any version."""


@dataclass(slots=True, kw_only=True)
class RefHealth:
    """What there is below ``refs/gitml``, ``refs/gitml-remotes`` and ``refs/gitml-tmp``."""

    counts: dict[str, int] = field(default_factory=dict)
    """How many refs there are by kind: ``runs``, ``experiments`` … and ``remotes``."""
    broken: dict[str, str] = field(default_factory=dict)
    """Refs that git cannot read or that do not hold what their name says, with why."""
    foreign: list[str] = field(default_factory=list)
    """Refs that gitml did not make."""
    temporary: dict[str, str] = field(default_factory=dict)
    """Refs of writes that are in progress, or were when they crashed."""
    locks: list[Path] = field(default_factory=list)
    """Lock files that have been there for an hour."""


def check_refs(repository: Repository, *, now: int) -> RefHealth:
    """Look at every ref of gitml, with one ``for-each-ref`` and the reader of objects.

    That hot refs and ledgers hold runs is the index's business; here it is that
    git can read them, and that the others hold what they should.
    """
    health = RefHealth(locks=[*_old_locks(repository, now)])
    command = ("for-each-ref", "--format=%(objectname) %(refname)")
    process = repository.start(*command, "refs/gitml/", names.REMOTES, names.TMP)
    out, err = process.communicate()
    warnings = err.decode("utf-8", "replace")
    if process.returncode:
        raise failure(command[0], warnings, process.returncode)
    for line in warnings.splitlines():
        for said in ("ignoring broken ref ", "ignoring ref with broken name "):
            if said in line:
                why = (
                    "git cannot read it" if "broken ref" in said else "git does not allow its name"
                )
                health.broken[line.partition(said)[2]] = why
    listed = {}
    for line in out.decode("utf-8", "surrogateescape").splitlines():
        oid, _, ref = line.partition(" ")
        listed[ref] = oid
    _sort_refs(health, listed)
    _check_sources(repository, health, listed)
    return health


def _old_locks(repository: Repository, now: int) -> Iterator[Path]:
    top = repository.common_dir
    for path in (*sorted(top.glob("refs/gitml*/**/*.lock")), top / "packed-refs.lock"):
        with contextlib.suppress(OSError):
            if now - _age_base(path) > LOCK_AGE:
                yield path


def _sort_refs(health: RefHealth, listed: Mapping[str, str]) -> None:
    for ref, oid in listed.items():
        if ref.startswith(names.TMP):
            health.temporary[ref] = oid
            continue
        kind = "remotes" if ref.startswith(names.REMOTES) else ref.split("/")[2]
        if kind != "remotes" and kind not in _KNOWN:
            health.foreign.append(ref)
        else:
            health.counts[kind] = health.counts.get(kind, 0) + 1


def _check_sources(repository: Repository, health: RefHealth, listed: Mapping[str, str]) -> None:
    """Check that each source ref holds the tree in its name, and ``sources`` a commit."""
    asked = {r: o for r, o in listed.items() if r.startswith(names.SOURCE) or r == names.SOURCES}
    reader = repository.objects()
    for ref, found in zip(asked, reader.many(asked.values()), strict=True):
        if found is None:
            health.broken[ref] = "its object is missing"
        elif found.kind != "commit":
            health.broken[ref] = f"it holds a {found.kind}"
        elif ref != names.SOURCES:
            tree = found.data[5 : 5 + repository.oid_width].decode("ascii", "replace")
            if names.source_ref(tree) != ref:
                health.broken[ref] = "it holds another tree"


def _age_base(path: Path) -> int:
    """Return when a file was last changed, linked or renamed, in milliseconds."""
    status = path.lstat()
    return int(max(status.st_mtime, status.st_ctime) * 1000)


@dataclass(slots=True, kw_only=True)
class GcReport:
    """What `collect` removed, or would remove."""

    refs: list[str] = field(default_factory=list)
    """Temporary refs that were there for a day."""
    waiting: int = 0
    """Temporary refs that were not there for long enough."""
    files: dict[Path, int] = field(default_factory=dict)
    """Files that crashed writers left, with their bytes."""
    large: dict[str, int] = field(default_factory=dict)
    """Large contents that no run names any more, by SHA-256, with their bytes."""


def collect(
    repository: Repository,
    *,
    here: Who,
    now: int,
    named: Collection[str] | None = None,
    dry_run: bool = False,
) -> GcReport:
    """Remove what crashes and purges left behind, and nothing that a run needs.

    A temporary ref goes a day after `collect` first saw it: its commit's date
    does not tell when it was written (that of a source tree is its parent's).
    ``named`` are the SHA-256 of all large contents that runs and models name;
    the links that keep others from ``git lfs prune`` go, unless it is None.
    """
    report = GcReport()
    listed = repository.refs(names.TMP)
    seen = _read_seen(repository.home)
    since = {ref: seen.get(f"{ref} {oid}", now) for ref, oid in listed.items()}
    report.refs = sorted(ref for ref, at in since.items() if now - at >= DAY)
    report.waiting = len(listed) - len(report.refs)
    report.files = {path: path.lstat().st_size for path in left_files(repository.home, here, now)}
    if named is not None:
        report.large = dict(_unnamed(repository.home, named, now))
    if dry_run:
        return report
    if report.refs:
        repository.update_refs([RefUpdate(ref, None, listed[ref]) for ref in report.refs])
    left = {f"{r} {listed[r]}": at for r, at in since.items() if r not in report.refs}
    if left != seen:
        _write_seen(repository.home, left)
    remove_left(repository.common_dir)
    for path in report.files:
        path.unlink(missing_ok=True)
    large = [repository.home / "objects" / s[:2] / s for s in report.large]
    for path in large:
        path.unlink(missing_ok=True)
    for path in (*report.files, *large):
        _remove_empty(path.parent, repository.home)
    return report


def _read_seen(home: Path) -> dict[str, int]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((home / SEEN).read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return {str(k): v for k, v in found.items() if isinstance(v, int)}
    return {}


def _write_seen(home: Path, seen: Mapping[str, int]) -> None:
    part = home / f"{SEEN}.{secrets.token_hex(4)}"
    home.mkdir(parents=True, exist_ok=True)
    part.write_text(json.dumps(seen), encoding="utf-8")
    part.replace(home / SEEN)


def left_files(home: Path, here: Who, now: int) -> list[Path]:
    """Return files that nobody will finish: a day old, and of live runs, their writers gone."""
    found = []
    for folder in sorted(_folders(home / "live")):
        if is_run_id(folder.name):
            logs = live.logs(home, folder.name)
            for path in sorted((*folder.glob("*"), *folder.glob("files/*"))):
                with contextlib.suppress(OSError):
                    old = now - _age_base(path) >= DAY
                    if old and path.is_file() and _is_left(path, here, now, any_log=bool(logs)):
                        found.append(path)
    for path in sorted((home / INCOMING).glob("*.part")):
        with contextlib.suppress(OSError):
            if now - _age_base(path) >= DAY:
                found.append(path)
    return found


def _is_left(path: Path, here: Who, now: int, *, any_log: bool) -> bool:
    if path.suffix == ".new":  # a log that was never named: nothing was recorded in it
        with live.taken(path, here, now) as file:
            return file is not None
    return path.suffix in {".tmp", ".part"} or (path.parent.name == "files" and not any_log)


def _folders(place: Path) -> list[Path]:
    try:
        listed = sorted(place.iterdir())
        return [path for path in listed if path.is_dir() and not path.is_symlink()]
    except FileNotFoundError:
        return []


def _unnamed(home: Path, named: Collection[str], now: int) -> Iterator[tuple[str, int]]:
    for folder in _folders(home / "objects"):
        for path in sorted(folder.iterdir()):
            if _SHA256.fullmatch(path.name) and path.name not in named:
                with contextlib.suppress(OSError):
                    if now - _age_base(path) >= DAY:
                        yield path.name, path.lstat().st_size


def _remove_empty(folder: Path, home: Path) -> None:
    while folder.parent != home:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def how_to_remove(repository: Repository, ref: str, why: str = "") -> str:
    """Return the command that removes a ref which is foreign, or broken for a reason ``why``."""
    file = repository.common_dir / ref
    if why == UNREADABLE and file.is_file():  # git does not delete what it cannot read
        return f"rm {shlex.quote(str(file))} removes it; git fsck --lost-found shows its commit"
    return f"git update-ref --no-deref -d {shlex.quote(ref)} removes it"
