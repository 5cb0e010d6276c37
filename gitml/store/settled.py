"""Hot runs that a ledger holds whole: their refs have done their work."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gitml.errors import DamagedError
from gitml.store.state import points_of, read_tree, winning

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitml.store.git import Repository
    from gitml.store.state import State

POINTS = 2_000_000
"""Points of a hot run up to which they are looked for one by one."""


def settled(repository: Repository, ledgers: Iterable[str], hot: Mapping[str, str]) -> set[str]:
    """Return those runs (commit by id) of which some ledger holds all that is in the commit.

    It is worked out anew each time and remembered nowhere: whoever seals and
    whoever lets go need not know of each other.
    """
    found: set[str] = set()
    reader = repository.objects()
    ids = list(hot)
    trees = dict(
        zip(
            ids, (o and o.oid for o in reader.heads(f"{hot[i]}^{{tree}}" for i in ids)), strict=True
        )
    )
    for ledger in ledgers:
        waiting = [i for i in ids if i not in found and trees[i] is not None]
        asked = (f"{ledger}:runs/{i[:2]}/{i}" for i in waiting)
        sealed = {
            i: o.oid
            for i, o in zip(waiting, reader.heads(asked), strict=True)
            if o is not None and o.kind == "tree"
        }
        for run_id, tree in sealed.items():
            own = trees[run_id]
            assert own is not None
            with contextlib.suppress(DamagedError):
                if tree == own or holds(
                    repository, read_tree(repository, tree), read_tree(repository, own)
                ):
                    found.add(run_id)
    return found


def holds(repository: Repository, ledger: State, hot: State) -> bool:
    """Say whether joining ``hot`` to ``ledger`` would change nothing."""
    if not hot.edits <= ledger.edits:
        return False
    if any(ledger.others.get(name, ("", "")) < entry for name, entry in hot.others.items()):
        return False
    winners = winning(ledger.edits)
    for path, oid in hot.artifacts.items():
        counts = winners.get(f"artifacts.{path}") in hot.edits
        if counts and ledger.artifacts.get(path, "") < oid:
            return False
    if all(ledger.segments.get(name) == oid for name, oid in hot.segments.items()):
        return True
    if sum(metric.count for metric in hot.summaries.values()) > POINTS:
        return False
    return _points(repository, hot) <= _points(repository, ledger)


def _points(repository: Repository, state: State) -> set[tuple[str, int, int, str]]:
    """Return a run's points; values as text, for NaN is not even itself."""
    return {
        (p.metric, p.step, p.time, repr(p.value)) for p in points_of(repository, state.segments)
    }
