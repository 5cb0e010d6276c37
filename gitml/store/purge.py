"""Purge a run: out of its ledger for good, with a tombstone in its place."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from gitml import names
from gitml.codec import dump
from gitml.errors import NotFoundError, RefusedError
from gitml.model import SCHEMA, iso
from gitml.store import live
from gitml.store.git import RefUpdate
from gitml.store.ledger import free_slug, move_refs, purged_among, put_experiment, read_ledgers
from gitml.store.write import again

if TYPE_CHECKING:
    from gitml.store.git import Repository


def purge(
    repository: Repository,
    run_id: str,
    *,
    experiment: str,
    committer: str,
    now: int,
    reason: str | None = None,
) -> None:
    """Remove a run for good, leaving a tombstone in its ledger that beats every copy.

    Its bytes stay in the ledger's history. Raises `NotFoundError` if there is no
    copy of it, `RefusedError` if it was purged before, and `BeatenError` when
    others won `TRIES` times in a row.
    """
    again(lambda: _purge(repository, run_id, experiment, committer, now, reason))
    live.drop(repository.home, run_id)


def _purge(  # one attempt of purge
    repository: Repository,
    run_id: str,
    experiment: str,
    committer: str,
    now: int,
    reason: str | None,
) -> None:
    refs = repository.refs(names.EXPERIMENTS, names.REMOTES)
    known = read_ledgers(repository, refs)
    if purged_among(repository, known, [run_id]):
        raise RefusedError(f"The run {run_id[:12]} was purged before, and that is final.")
    hot = repository.resolve(names.run_ref(run_id))
    below = f"{run_id[:2]}/{run_id}"
    slugs = [
        s for s, (oid, _) in known.items() if repository.resolve(f"{oid}:runs/{below}") is not None
    ]
    elsewhere = any(ref.endswith(f"/runs/{run_id}") for ref in refs)
    if not (hot or slugs or elsewhere or run_id in live.live_ids(repository.home)):
        raise NotFoundError(f"There is no run {run_id[:12]}")
    taken = {slug: name for slug, (_, name) in known.items()}
    slugs = slugs or [free_slug(experiment, taken, refs)]
    stone = {"schema": SCHEMA, "id": run_id, "by": committer, "at": iso(now), "reason": reason}
    updates: list[RefUpdate] = []
    with repository.fast_import() as stream:
        for slug in slugs:
            tmp = names.tmp_ref(secrets.token_hex(8))
            old = known[slug][0] if slug in known else None
            mark = stream.commit(
                tmp,
                committer=committer,
                time=now,
                message=f"purge run {run_id[:12]}\n",
                parents=[old] if old else [],
                keep_tree=True,
            )
            if old is None:
                put_experiment(stream, slug, experiment, committer, now)
            else:
                stream.drop(f"runs/{below}")
            stream.put_data(
                f"tombstones/{below}", dump({k: v for k, v in stone.items() if v is not None})
            )
            updates += [
                RefUpdate(names.experiment_ref(slug), stream.oid(mark), old),
                RefUpdate(tmp, None, None),
            ]
    if hot is not None:
        updates.append(RefUpdate(names.run_ref(run_id), None, hot))
    move_refs(repository, updates)
