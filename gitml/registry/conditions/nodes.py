"""Conditions as values: what `gitml.registry.conditions.parsing` makes of their text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from gitml import words

FIELDS = ("last", "min", "max", "step", "count")
"""What of a metric's summary a name may end in."""
FUNCTIONS = ("abs", "min", "max")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written."""

    value: Fraction
    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """A metric of the version, or of the one in the stage."""

    metric: str
    """Its name, perhaps with a field of `FIELDS` at its end."""
    current: bool = False
    """Whether it is that of the version in the stage."""
    plain: bool = False
    """Whether ``current`` alone stands there."""

    @property
    def text(self) -> str:
        """The name as the expression has it, quoted where it must be."""
        if self.plain:
            return "current"
        metric = self.metric
        if not re.fullmatch(r"\w+(\.\w+)*", metric):
            metric = '"' + metric.replace('"', '""') + '"'
        return f"{'current.' if self.current else ''}metrics.{metric}"


@dataclass(frozen=True, slots=True)
class Operation:
    """``+``, ``-``, ``*`` or ``/`` of two numbers, ``-`` of one, or a function of `FUNCTIONS`."""

    op: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Numbers with a sign between each two: ``0.1 <= metrics.bias <= 0.2``."""

    operands: tuple[Node, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Logic:
    """``and``, ``or`` or ``not`` of conditions."""

    op: str
    operands: tuple[Node, ...]


Node: TypeAlias = Number | Name | Operation | Comparison | Logic


def names(node: Node) -> tuple[Name, ...]:
    """Return the metrics that a condition names, each once."""
    if isinstance(node, Name):
        return (node,)
    inner = () if isinstance(node, Number) else node.operands
    return tuple(dict.fromkeys(name for operand in inner for name in names(operand)))


def write(node: Node) -> str:
    """Return an expression that parses to ``node``, with all the parentheses it may need."""
    if isinstance(node, (Number, Name)):
        return node.text
    if isinstance(node, Comparison):
        rest = zip(node.signs, node.operands[1:], strict=True)
        return " ".join([_inner(node.operands[0]), *(f"{s} {_inner(o)}" for s, o in rest)])
    operands = [write(o) for o in node.operands]
    if node.op in FUNCTIONS:
        return f"{node.op}({', '.join(operands)})"
    operands = [_inner(o) for o in node.operands]
    if len(operands) == 1:
        return f"{node.op} {operands[0]}"
    return f" {node.op} ".join(operands)


def exact(value: float) -> Fraction:
    """Return a finite number as its shortest decimal form says it."""
    return Fraction(Decimal(repr(value)))


def shown(value: Fraction, *, whole: bool = False) -> str:
    """Return a number for people: six digits of it, or all."""
    try:
        number = float(value)
    except OverflowError:
        return "a number beyond 1e308"
    return words.exact(number) if whole else words.number(number)


def _inner(node: Node) -> str:
    simple = isinstance(node, (Number, Name)) or (
        isinstance(node, Operation) and node.op in FUNCTIONS
    )
    return write(node) if simple else f"({write(node)})"
