"""Which large files anything names: runs that were not purged, and versions of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.registry.packing import named_contents

if TYPE_CHECKING:
    from collections.abc import Collection

    from gitml.query.index import Index
    from gitml.store.git import Repository


def named_large(index: Index, store: Repository) -> set[str] | None:
    """Return what runs and models name of the large contents; None if that is not known for sure.

    Contents are given up only where a purge is the reason: without one, and while
    some run or version cannot be read, nothing is.
    """
    if not index.tombstones() or index.quarantined():
        return None
    packages = named_contents(store)
    if packages is None:
        return None
    _, rows = index.sql("SELECT DISTINCT sha256 FROM artifacts WHERE store = 'lfs'")
    named = {str(row[0]) for row in rows}
    for run in index.search(where="deleted"):
        named |= {str(a.sha256) for a in run.artifacts.values() if a.store == "lfs"}
    return named | packages


def runs_naming(index: Index, contents: Collection[str]) -> set[str]:
    """Return the ids of the runs, hidden ones too, that name one of these large contents."""
    _, rows = index.sql("SELECT DISTINCT run_id, sha256 FROM artifacts WHERE store = 'lfs'")
    named = {str(run_id) for run_id, sha256 in rows if sha256 in contents}
    hidden = index.search(where="deleted")
    return named | {
        run.id for run in hidden if any(a.sha256 in contents for a in run.artifacts.values())
    }
