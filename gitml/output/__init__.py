"""How answers are drawn: for people on a terminal, plain and whole in a pipe.

Everything that is shown passes through `Screen`, which escapes control and
bidirectional characters whoever wrote them. rich is imported here only, and
only to colour a terminal or draw a progress bar.
"""

from gitml.output.progress import bars, progress
from gitml.output.screen import Cell, Column, Piece, Screen
from gitml.words import (
    duration,
    exact,
    first_line,
    number,
    quoted,
    same_decimals,
    signed,
    size,
    span,
    spark,
)

__all__ = [
    "Cell",
    "Column",
    "Piece",
    "Screen",
    "bars",
    "duration",
    "exact",
    "first_line",
    "number",
    "progress",
    "quoted",
    "same_decimals",
    "signed",
    "size",
    "span",
    "spark",
]
