"""Refs of a remote that have done their work there, let go.

Hot runs that a ledger there holds whole or whose run was purged, and trees of source that
its set of them has. Each goes on condition that it is as it was seen; one that moved
waits for the next sealer.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gitml import names
from gitml.errors import BeatenError, RemoteError
from gitml.names import EXPERIMENTS, RUNS, is_run_id
from gitml.store.git import RefUpdate
from gitml.store.ledger import purged_among, read_ledgers
from gitml.store.sending import send_refs
from gitml.store.settled import settled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitml.store.git import Repository
    from gitml.store.pulling import Where

DELETED_AT_ONCE = 500


def let_go_there(
    repository: Repository, there: Where, refs: Mapping[str, str], sealed: str | None
) -> list[str]:
    """Delete what has done its work on a remote; return the ids of the runs among it.

    ``refs`` are what is known of the remote, and ``sealed`` is which of them is the set of its
    source trees, if it was pushed just now: else it may have been lost there.
    """
    gone = {names.run_ref(i): refs[there.ref(f"runs/{i}")] for i in _runs(repository, there, refs)}
    if sealed is not None and sealed in refs:
        gone |= _sources(repository, there, refs, refs[sealed])
    listed = sorted(gone)
    dropped: list[str] = []
    for start in range(0, len(listed), DELETED_AT_ONCE):
        part = listed[start : start + DELETED_AT_ONCE]
        leases = [f"--force-with-lease={there.theirs(ref)}:{gone[ref]}" for ref in part]
        try:
            arrived, _ = send_refs(repository, there, [f":{ref}" for ref in part], leases)
        except RemoteError:
            break  # everything arrived; who seals next tidies up
        kept = {ref: there.ref(ref.removeprefix("refs/gitml/")) for ref in part if ref in arrived}
        with contextlib.suppress(BeatenError):  # a fetch that was first knows better
            repository.update_refs([RefUpdate(to, None, gone[ref]) for ref, to in kept.items()])
        dropped += kept
    return [ref.removeprefix(RUNS) for ref in dropped if ref.startswith(RUNS)]


def _runs(repository: Repository, there: Where, refs: Mapping[str, str]) -> set[str]:
    """Return the hot runs of a remote that its ledgers hold whole, or that were purged."""
    place = there.ref("runs/")
    hot = {r.removeprefix(place): oid for r, oid in refs.items() if r.startswith(place)}
    hot = {run_id: oid for run_id, oid in hot.items() if is_run_id(run_id)}
    theirs = {
        EXPERIMENTS + r.removeprefix(there.ref("experiments/")): oid
        for r, oid in refs.items()
        if r.startswith(there.ref("experiments/"))
    }
    if not hot or not theirs:
        return set()
    known = read_ledgers(repository, theirs)  # only what has arrived there counts
    gone = purged_among(repository, known, hot)
    ledgers = [oid for oid, _ in known.values()]
    return gone | settled(repository, ledgers, {i: o for i, o in hot.items() if i not in gone})


def _sources(
    repository: Repository, there: Where, refs: Mapping[str, str], sealed: str
) -> dict[str, str]:
    """Return the source refs of a remote, with what they were seen at, that its set has."""
    place = there.ref("source/t-")
    trees = [ref.removeprefix(place) for ref in refs if ref.startswith(place)]
    found = repository.objects().heads(f"{sealed}:{tree[:2]}/{tree}" for tree in trees)
    return {
        names.source_ref(tree): refs[place + tree]
        for tree, entry in zip(trees, found, strict=True)
        if entry is not None and entry.oid == tree
    }
