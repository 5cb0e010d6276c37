"""Runs that belong to a run: the one before it, the one it is nested in, those nested in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitml.model import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Relatives:
    """The runs around a run, those that the site has."""

    previous: Run | None = None
    """The one before it in its experiment."""
    parent: Run | None = None
    """The one it is nested in."""
    children: tuple[Run, ...] = field(default=())
    """Those that are nested in it, the oldest first."""

    @property
    def told(self) -> str:
        """What a page says of them, as text: when it changes, so does the page."""
        shown = [self.previous, self.parent, *self.children]
        return repr([r and (r.id, r.name, r.status, r.source.commit) for r in shown])


def relatives(runs: Iterable[Run]) -> Mapping[str, Relatives]:
    """Return the relatives of each run by its id."""
    ordered = sorted(runs, key=lambda run: (run.created, run.id))
    known = {run.id: run for run in ordered}
    latest: dict[str, Run] = {}
    before: dict[str, Run | None] = {}
    children: dict[str, list[Run]] = {}
    for run in ordered:
        before[run.id] = latest.get(run.experiment)
        latest[run.experiment] = run
        if run.parent in known:
            children.setdefault(str(run.parent), []).append(run)
    return {
        run.id: Relatives(
            previous=before[run.id],
            parent=known.get(run.parent or ""),
            children=tuple(children.get(run.id, ())),
        )
        for run in ordered
    }
