"""How models and what is in their stages are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.output.screen import Cell
from gitml.registry.showing import stage_order as stage_order  # noqa: PLC0414 - a re-export
from gitml.words import span

if TYPE_CHECKING:
    from gitml.output.screen import Piece, Screen
    from gitml.registry.values import Assignment


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
