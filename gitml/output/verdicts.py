"""How the verdicts of a policy's gates are drawn: a line each, the bad ones with what they want."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gitml.output.screen import Cell, Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitml.output.screen import Screen
    from gitml.registry.values import Answer, Verdict


class _Face(NamedTuple):
    """How an answer looks."""

    sign: str
    style: str
    word: str


FACES: dict[Answer, _Face] = {
    "pass": _Face("✓", "good", "pass"),
    "refuse": _Face("✗", "bad", "refuse"),
    "unknown": _Face("?", "warn", "cannot tell"),
    "pending": _Face("○", "act", "pending"),
}
_WIDEST = 60
"""Cells of a gate, beyond which what was got begins further right."""


def draw_verdicts(screen: Screen, verdicts: Sequence[Verdict]) -> None:
    """Draw what each gate says: a sign, the gate, what was got, what would pass.

    The gates within ``any`` and ``all`` stand below it. In a pipe it is a table.
    """
    rows = list(_flat(verdicts, 0))
    if not screen.terminal:
        screen.table(
            [Column("answer"), Column("gate"), Column("got"), Column("expected")],
            [[FACES[v.answer].word, "  " * depth + v.gate, v.got, v.expected] for depth, v in rows],
        )
        return
    widths = [screen.cells(v.gate) + 2 * depth for depth, v in rows]
    width = max((w for w in widths if w <= _WIDEST), default=0)
    for (depth, found), own in zip(rows, widths, strict=True):
        face = FACES[found.answer]
        told = f"got {found.got}"
        if found.answer != "pass" and found.expected not in found.gate:
            told += f", expected {found.expected}"
        pad = " " * max(0, width - own)
        sign = Cell(face.sign, face.style)
        screen.line("  ", "  " * depth, sign, f" {found.gate}{pad}", Cell(f"  {told}", "dim"))


def _flat(verdicts: Sequence[Verdict], depth: int) -> Iterator[tuple[int, Verdict]]:
    for found in verdicts:
        yield depth, found
        yield from _flat(found.inner, depth + 1)
