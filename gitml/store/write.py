"""Runs into git: one ``fast-import`` and one ref transaction, however many runs.

Every write is a compare-and-swap of the runs' refs against what was read; when
beaten, everything is read and joined again. The order is objects, refs, then
the logs that were folded: a crash anywhere is repaired by doing it again.
"""

from __future__ import annotations

import random
import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from gitml import names
from gitml.codec import dump_json, load_json
from gitml.errors import BeatenError, DamagedError, GitmlError, RefusedError
from gitml.model import Edit, Json, Run, iso
from gitml.store import live
from gitml.store.git import RefUpdate
from gitml.store.points import Collector
from gitml.store.runtree import message_of, put_artifacts, put_files, segments_of
from gitml.store.source import commit_date, write_commit
from gitml.store.state import (
    State,
    fold,
    join,
    read_tree,
    source_edit,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from gitml.store.fast_import import FastImport
    from gitml.store.git import Repository
    from gitml.store.live import Who

TRIES = 12
T = TypeVar("T")
FIRST = frozenset({"name", "experiment", "status", "created"})
"""The facts without which there is no run."""
PATIENCE = 500
"""How often our own closed log, that somebody else is looking at, is tried again.

Five seconds: on a busy machine who looks may have no turn for a while.
"""
ENDED = frozenset({"finished", "failed", "killed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A copy of a run that a write builds on."""

    commit: str
    """The commit that becomes a parent."""
    tree: str
    """The run's tree."""


@dataclass(slots=True, kw_only=True)
class Change:
    """What is to be added to one run."""

    run_id: str
    edits: set[Edit] = field(default_factory=set)
    points: dict[str, Collector] = field(default_factory=dict)
    """Points by the stem that their raw segments are named with."""
    sources: list[dict[str, Json]] = field(default_factory=list)
    staged: dict[str, Path] = field(default_factory=dict)
    """Content of small artifacts by SHA-256."""
    requirements: bytes | None = None
    seal_segments: bool = True
    """Whether to merge all points into sorted segments once the run has ended."""
    bases: Sequence[Base] = ()
    """Copies besides the hot ref's: of ledgers, of remotes."""
    abandoned: int | None = None
    """The time of the last word, if every writer is gone: a run that says it is
    running then becomes killed."""
    mine: str | None = None
    """The writer that is ending well: its own logs alone tell of no death."""


def new_edit(*, at: int, by: str, key: str, value: Json) -> Edit:
    """Return an edit with a fresh id."""
    return Edit(at=at, id=secrets.token_hex(8), by=by, key=key, json=dump_json(value))


def locate(repository: Repository, run_id: str) -> list[Base]:
    """Return every copy of a run but its own hot ref's: remotes' and ledgers'.

    Raises `RefusedError` if the run was purged.
    """
    listed = repository.refs(names.REMOTES, names.EXPERIMENTS)
    ref_end = f"/runs/{run_id}"
    commits = [oid for ref, oid in listed.items() if ref.endswith(ref_end)]
    ledgers = [oid for ref, oid in listed.items() if ref.startswith(names.EXPERIMENTS)]
    reader = repository.objects()
    below = f"{run_id[:2]}/{run_id}"
    for found in reader.heads(f"{oid}:tombstones/{below}" for oid in ledgers):
        if found is not None:
            raise RefusedError(
                f"The run {run_id[:8]} was purged, and that is final.",
                hint="Make a new run instead.",
            )
    bases = [Base(commit=oid, tree=repository.commit_tree(oid)) for oid in commits]
    sealed = reader.heads(f"{oid}:runs/{below}" for oid in ledgers)
    for ledger, found in zip(ledgers, list(sealed), strict=True):
        if found is not None and found.kind == "tree":
            bases.append(Base(commit=ledger, tree=found.oid))
    return bases


def commit_runs(
    repository: Repository,
    changes: Sequence[Change],
    *,
    committer: str,
    now: int,
    failed: dict[str, GitmlError] | None = None,
) -> dict[str, Run]:
    """Write changes to their runs' hot refs and return the runs as they are now.

    One run that is new needs no temporary ref and no second process: its id is
    random, and ``fast-import`` itself refuses to move a ref that is not what it was.

    A run that cannot be read goes into ``failed``, or raises without it. Raises
    `BeatenError` when others won `TRIES` times in a row; nothing of this call is
    written then, and the logs are still there.
    """
    if not changes:
        return {}
    return again(lambda: _try_commit(repository, changes, committer, now, failed))


def again(attempt: Callable[[], T]) -> T:
    """Do something until nobody else was first, with jitter in between, `TRIES` times at most."""
    for number in range(TRIES - 1):
        try:
            return attempt()
        except BeatenError:
            time.sleep(random.uniform(0, 0.02 * 2 ** min(number, 5)))  # noqa: S311 - jitter
    return attempt()


def _try_commit(
    repository: Repository,
    changes: Sequence[Change],
    committer: str,
    now: int,
    failed: dict[str, GitmlError] | None,
) -> dict[str, Run]:
    token = secrets.token_hex(4)
    updates: list[RefUpdate] = []
    runs: dict[str, Run] = {}
    with repository.fast_import() as stream:
        for number, change in enumerate(changes):
            ref = names.run_ref(change.run_id)
            hot = repository.resolve(ref)
            bases = [*change.bases]
            direct = len(changes) == 1 and hot is None and not bases
            tmp = ref if direct else names.tmp_ref(f"{token}{number:08x}")
            try:
                if hot is not None:
                    bases.insert(0, Base(commit=hot, tree=repository.commit_tree(hot)))
                told, kept = _write_sources(repository, stream, change, tmp)
                edits = change.edits | told
                commit, run = _write_run(
                    repository, stream, change, edits, bases, tmp, committer, now
                )
            except DamagedError as error:
                if failed is None:
                    raise
                failed[change.run_id] = error
                continue
            runs[change.run_id] = run
            if direct:
                for source, mark in kept.items():
                    stream.reset(source, mark)
                continue
            updates += [RefUpdate(ref, commit, hot), RefUpdate(tmp, None, None)]
            updates += [RefUpdate(source, stream.oid(mark), None) for source, mark in kept.items()]
    if not updates:
        return runs
    try:
        repository.update_refs(_unique(updates))
    except BaseException:
        temporary = [u for u in updates if u.ref.startswith(names.TMP)]
        repository.update_refs(_unique(temporary))
        raise
    return runs


def _unique(updates: Iterable[RefUpdate]) -> list[RefUpdate]:
    return list({u.ref: u for u in updates}.values())


def _write_sources(
    repository: Repository, stream: FastImport, change: Change, tmp: str
) -> tuple[set[Edit], dict[str, str]]:
    """Write the trees of the code; return the edits that name them, and a mark by new ref."""
    edits = set()
    kept = {}
    for record in change.sources:
        value = dict(record["source"])
        if not (value.get("base") or value.get("files")):
            edits.add(source_edit(record, _described(value)))
            continue
        base = value.get("base")
        date = commit_date(repository.read(base, "commit")) if base else 0
        mark, tree = write_commit(stream, tmp, value, date=date)
        stream.reset(tmp)  # the run's commit is no child of it
        ref = names.source_ref(tree)
        if (
            repository.resolve(ref) is None
            and repository.resolve(f"{names.SOURCES}:{tree[:2]}/{tree}") is None
        ):
            kept[ref] = mark
        # Changes that undo each other, or touch what filters normalise, are none.
        dirty = repository.commit_tree(base) != tree if base else bool(value.get("dirty"))
        edits.add(source_edit(record, {**_described(value), "dirty": dirty, "tree": tree}))
    return edits, kept


def _described(value: Mapping[str, Json]) -> dict[str, Json]:
    return {
        k: v for k, v in value.items() if k not in {"files", "base"} and v not in (None, [], "")
    }


def _write_run(
    repository: Repository,
    stream: FastImport,
    change: Change,
    edits: set[Edit],
    bases: Sequence[Base],
    tmp: str,
    committer: str,
    now: int,
) -> tuple[str, Run]:
    loose = Collector()
    states = [read_tree(repository, base.tree) for base in {b.tree: b for b in bases}.values()]
    state = join(states, loose, repository) if states else State()
    before = state.edits
    # A record told before may be told again by a log that a crash left behind.
    told = {(e.at, e.id) for e in before}
    edits = {e for e in edits if (e.at, e.id) not in told}
    edits |= _bury(before | edits, change.abandoned, committer)
    state = replace(state, edits=before | edits)
    ended = change.seal_segments and value_of(state.edits, "status") in ENDED
    segments, summaries = segments_of(repository, stream, state, change.points, loose, ended=ended)
    state = replace(state, segments=segments, summaries=summaries)
    run = fold(change.run_id, state)
    mark = stream.commit(
        tmp,
        committer=committer,
        time=now,
        message=message_of(run),
        parents=dict.fromkeys(b.commit for b in bases),
    )
    put_files(stream, state, run, segments, change.requirements)
    put_artifacts(stream, change.staged, state, run, before)
    return stream.oid(mark), run


def fold_logs(
    repository: Repository,
    run_id: str,
    *,
    here: Who,
    now: int,
    committer: str,
    bases: Sequence[Base] = (),
    mine: str | None = None,
) -> Run | None:
    """Take a run's logs whose writers are gone into its hot ref, and remove them.

    A run that says it is running while no writer is left becomes ``killed``, at
    the time of its last word; not when only logs of the writer ``mine`` were left,
    which may have added a word to what runs elsewhere. Returns None when there was
    nothing to take.
    """
    change = Change(run_id=run_id, bases=bases, mine=mine)
    return fold_many(repository, [change], here=here, now=now, committer=committer).get(run_id)


def fold_many(
    repository: Repository,
    changes: Sequence[Change],
    *,
    here: Who,
    now: int,
    committer: str,
    failed: dict[str, GitmlError] | None = None,
) -> dict[str, Run]:
    """Do `fold_logs` for many runs in one stream, each on top of its change.

    A run that cannot be written goes into ``failed``, its logs untouched; without
    ``failed`` it raises. One whose first facts lie in a log that is still written
    is left to that writer.
    """
    with ExitStack() as stack:
        done: dict[str, list[Path]] = {}
        ready = []
        for change in changes:
            taken = _take(repository, stack, change, here, now)
            if taken and _waits(repository, change):
                continue
            if taken:
                done[change.run_id] = taken
            if _begun(repository, change):
                ready.append(change)
        runs = commit_runs(repository, ready, committer=committer, now=now, failed=failed)
        for run_id, paths in done.items():
            if failed is None or run_id not in failed:
                live.discard(repository.home, run_id, paths)
    return runs


def _begun(repository: Repository, change: Change) -> bool:
    """Say whether there is anything to write: its writer may have died at its first word.

    The first facts are one record; if that was torn, nobody was told of the run yet.
    """
    told = {edit.key for edit in change.edits}
    if change.bases or any(change.points.values()) or told >= FIRST:
        return True
    word = told or change.sources or change.abandoned is not None
    return bool(word) and repository.resolve(names.run_ref(change.run_id)) is not None


def _take(
    repository: Repository, stack: ExitStack, change: Change, here: Who, now: int
) -> list[Path]:
    """Read the logs of a run that can be taken into its change; return them."""
    done: list[Path] = []
    alive = False
    last = 0
    for path in live.logs(repository.home, change.run_id):
        mine = path.stem.partition("-")[0] == change.mine
        taken = live.taken(path, here, now, patience=PATIENCE if mine else 0)
        file = stack.enter_context(taken)
        if file is None:
            alive = alive or path.exists()
            continue
        points = change.points.setdefault(path.stem, Collector())
        stack.callback(points.close)
        live.replay(file, points, change.edits, change.sources)
        last = max(last, int(path.stat().st_mtime * 1000))
        done.append(path)
        _find_staged(repository.home, change.run_id, path, change)
    change.seal_segments = not alive
    others = any(path.stem.partition("-")[0] != change.mine for path in done)
    change.abandoned = last if others and not alive else None
    return done


def _waits(repository: Repository, change: Change) -> bool:
    """Say whether a run that is still written has not been begun as far as we can read."""
    alive = not change.seal_segments
    if not alive or change.bases or any(edit.key == "created" for edit in change.edits):
        return False
    return repository.resolve(names.run_ref(change.run_id)) is None


def _find_staged(home: Path, run_id: str, log: Path, change: Change) -> None:
    writer = log.stem.partition("-")[0]
    for edit in change.edits:
        if edit.key.startswith("artifacts.") and edit.json != "null":
            sha256 = str(load_json(edit.json).get("sha256"))
            staged = live.staged(home, run_id, writer, sha256)
            if sha256 not in change.staged and staged.is_file():
                change.staged[sha256] = staged
    requirements = live.staged(home, run_id, writer, "requirements")
    if requirements.is_file():
        change.requirements = requirements.read_bytes()


def _bury(edits: Iterable[Edit], last: int | None, committer: str) -> set[Edit]:
    """Return what ends a run whose writers are gone without a word."""
    edits = frozenset(edits)
    if last is None or value_of(edits, "status") not in {"running", "scheduled"}:
        return set()
    at = max(*(e.at + 1 for e in edits), last)
    return {
        new_edit(at=at, by=committer, key="status", value="killed"),
        new_edit(at=at, by=committer, key="ended", value=iso(last)),
    }
