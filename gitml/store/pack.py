"""Tidy a store: write what dead writers left, end what nobody ends, seal what has ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml import names
from gitml.codec import STORED_LIMIT, load_stored
from gitml.errors import DamagedError
from gitml.model import iso
from gitml.records import RUN_YAML
from gitml.store import live
from gitml.store.ledger import SEALED_FROM, SealReport, collect_garbage, seal
from gitml.store.state import read_tree
from gitml.store.write import Base, Change, commit_runs, fold_many, new_edit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gitml.errors import GitmlError
    from gitml.model import Run
    from gitml.store.git import Repository
    from gitml.store.live import Who

LOST_AFTER = 3600 * 1000
"""Milliseconds without a checkpoint after which a running run elsewhere looks lost."""


@dataclass(slots=True, kw_only=True)
class PackReport:
    """What `pack` did."""

    recovered: dict[str, Run] = field(default_factory=dict)
    """Runs whose writers had died, as they are now."""
    ended: dict[str, Run] = field(default_factory=dict)
    """Runs that had been silent for too long, killed now."""
    failed: dict[str, GitmlError] = field(default_factory=dict)
    """Runs whose logs cannot be written, untouched."""
    seal: SealReport = field(default_factory=SealReport)
    """What was sealed."""


def pack(
    repository: Repository,
    *,
    here: Who,
    committer: str,
    now: int,
    ids: Iterable[str] | None = None,
    stale: int | None = None,
    pulled: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> PackReport:
    """Recover dead live runs, end stale ones, and seal all that have ended.

    ``ids`` names some runs only; ``stale`` is in milliseconds of silence after
    which a run that nobody here writes is taken for killed. With ``pulled`` what
    others pushed is sealed too, as it was last seen.
    """
    report = PackReport()
    wanted = None if ids is None else frozenset(ids)
    refs = repository.refs(*SEALED_FROM)
    dead = [
        run_id
        for run_id in live.live_ids(repository.home)
        if (wanted is None or run_id in wanted)
        and not any(w.alive for w in live.writers(repository.home, run_id, here, now))
    ]
    if dead:
        changes = [Change(run_id=i, bases=_bases(repository, refs, i)) for i in dead]
        report.recovered = fold_many(
            repository, changes, here=here, now=now, committer=committer, failed=report.failed
        )
        refs = _fresh(repository, refs, report.recovered)
    if stale is not None:
        report.ended = _end_stale(repository, refs, committer, now, stale, wanted)
        refs = _fresh(repository, refs, report.ended)
    report.seal = seal(
        repository,
        committer=committer,
        now=now,
        ids=wanted,
        refs=refs,
        pulled=pulled,
        progress=progress,
    )
    if report.seal.sealed and not (report.recovered or report.ended):
        collect_garbage(repository)
    return report


def _fresh(repository: Repository, refs: Mapping[str, str], runs: Iterable[str]) -> dict[str, str]:
    """Return refs with the hot refs of some runs as they are now."""
    fresh = dict(refs)
    for run_id in runs:
        oid = repository.resolve(names.run_ref(run_id))
        if oid is not None:
            fresh[names.run_ref(run_id)] = oid
    return fresh


def _bases(repository: Repository, refs: Mapping[str, str], run_id: str) -> list[Base]:
    """Return the copies of a run that remotes and ledgers hold, from refs listed before."""
    bases = [
        Base(commit=oid, tree=repository.commit_tree(oid))
        for ref, oid in refs.items()
        if ref.startswith(names.REMOTES) and ref.endswith(f"/runs/{run_id}")
    ]
    ledgers = [oid for ref, oid in refs.items() if ref.startswith(names.EXPERIMENTS)]
    asked = (f"{oid}:runs/{run_id[:2]}/{run_id}" for oid in ledgers)
    for ledger, found in zip(ledgers, repository.objects().many(asked), strict=True):
        if found is not None and found.kind == "tree":
            bases.append(Base(commit=ledger, tree=found.oid))
    return bases


def _end_stale(
    repository: Repository,
    refs: Mapping[str, str],
    committer: str,
    now: int,
    stale: int,
    wanted: frozenset[str] | None,
) -> dict[str, Run]:
    here = set(live.live_ids(repository.home))
    hot: dict[str, list[str]] = {}
    for ref, oid in refs.items():
        run_id = ref.rpartition("/")[2]
        if "/runs/" in ref and names.is_run_id(run_id) and run_id not in here:
            hot.setdefault(run_id, []).append(oid)
    changes = []
    for run_id, commits in hot.items():
        if wanted is not None and run_id not in wanted:
            continue
        try:
            documents = [
                load_stored(repository.read(f"{oid}:{RUN_YAML}", "blob", STORED_LIMIT), RUN_YAML)
                for oid in commits
            ]
            if any(d.get("status") not in {"running", "scheduled"} for d in documents):
                continue
            newest = max(
                read_tree(repository, repository.commit_tree(oid)).newest for oid in commits
            )
        except DamagedError:
            continue
        if now - newest >= stale:
            killed = {
                new_edit(at=newest + 1, by=committer, key="status", value="killed"),
                new_edit(at=newest + 1, by=committer, key="ended", value=iso(newest)),
            }
            changes.append(
                Change(run_id=run_id, edits=killed, bases=_bases(repository, refs, run_id))
            )
    return commit_runs(repository, changes, committer=committer, now=now)
