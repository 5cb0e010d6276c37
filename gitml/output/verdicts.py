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
_WANTING = frozenset(["metric", "clean_source", "signature", "stages", "policy"])
"""Gates whose own words do not say what would pass."""
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
    gates = [_short(v) for _, v in rows]
    widths = [screen.cells(g) + 2 * depth for g, (depth, _) in zip(gates, rows, strict=True)]
    width = max((w for w in widths if w <= _WIDEST), default=0)
    for (depth, found), gate, own in zip(rows, gates, widths, strict=True):
        face = FACES[found.answer]
        told = f"got {found.got}" if found.kind == "metric" else found.got
        if found.answer != "pass" and found.kind in _WANTING and found.expected != found.gate:
            told += f"; expected {found.expected}"
        pad = " " * max(0, width - own)
        sign = Cell(face.sign, face.style)
        screen.line("  ", "  " * depth, sign, f" {gate}{pad}", Cell(f"  {told}", "dim"))


def _short(found: Verdict) -> str:
    """Return the gate; of ``any`` and ``all`` not what is within, which stands below."""
    return found.gate.partition(" [")[0] if found.inner else found.gate


def _flat(verdicts: Sequence[Verdict], depth: int) -> Iterator[tuple[int, Verdict]]:
    for found in verdicts:
        yield depth, found
        yield from _flat(found.inner, depth + 1)
