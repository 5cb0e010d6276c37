"""How models and what is in their stages are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.output.screen import Cell
from gitml.words import span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitml.output.screen import Piece, Screen
    from gitml.registry.values import Assignment, Model

USUAL = ("dev", "development", "test", "qa", "staging", "preprod", "canary", "production", "prod")
"""The order of stages of which no setting says the order."""


def stage_order(models: Iterable[Model], order: Sequence[str] = ()) -> list[str]:
    """Return all stages that hold something, in ``order``, the usual one, and by name.

    Those of ``order`` are always there.
    """
    used = {stage for model in models for stage in model.stages}
    ranks = {stage: (1, n) for n, stage in enumerate(USUAL)}
    ranks |= {stage: (0, n) for n, stage in enumerate(order)}
    return sorted({*used, *order}, key=lambda stage: (ranks.get(stage, (2, 0)), stage))


def stage_cell(screen: Screen, held: Assignment | None, now: int) -> Piece:
    """Return what a stage holds: in a pipe the version alone."""
    if held is None:
        return Cell(screen.absent, "dim") if screen.terminal else screen.absent
    if not screen.terminal:
        return held.version
    age = span((now - held.at) / 1000)
    if held.drift:
        return Cell(f"! {short(held.version)}  {age}, drift", "warn")
    return Cell(f"● {short(held.version)}  {age}", "good")


def short(version: str) -> str:
    """Return a version as people read it: of a commit that is no version the first digits."""
    return version if version.startswith("v") else version[:7]
