"""Whether a key is meant as a number or as text, told by what stands beside it.

SQLite orders every text after every number, so ``params.lr > 0.5`` would find
runs whose ``lr`` is the text ``auto``. Beside a number a key therefore counts
only where it is a number, beside a text only where it is text; elsewhere it is
what it is. A mismatch is unknown, like NULL, whatever the comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitml.query.tokens import Token

RAW, NUMBER, TEXT = "raw", "number", "text"

_ORDER = frozenset({"<", "<=", ">", ">="})
_COMPARE = _ORDER | {"=", "==", "!=", "<>"}
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%"})
_NUMERIC = frozenset(
    "abs round ceil ceiling floor trunc sign sqrt exp ln log log10 log2 pow power mod min max sum "
    "avg total".split()
)
_NUMBERS = _NUMERIC | {"true", "false"}
_KEYWORDS = frozenset("and or not in between like glob is case when then else end where".split())
_COALESCING = frozenset({"coalesce", "ifnull", "nullif", "iif"})


def face(found: Sequence[Token], at: int, is_number: Callable[[Token], bool]) -> str:
    """Return which face of the key at ``found[at]`` is meant: `RAW`, `NUMBER` or `TEXT`.

    ``is_number`` says whether a name is always a number.
    """
    first, last = _unwrap(found, at)
    before, after = _word(found, first - 1), _word(found, last + 1)
    function = _function(found, first)
    if after in _ARITHMETIC or before in _ARITHMETIC or function in _NUMERIC:
        return NUMBER
    if after in _COMPARE:
        return _beside(found, last + 2, 1, after, is_number)
    if before in _COMPARE:
        return _beside(found, first - 2, -1, before, is_number)
    if after == "not":
        last += 1
        after = _word(found, last + 1)
    kinds = set()
    if function in _COALESCING:
        members = _members(found, found[first].inside)
        kinds = {_kind(found, i, 1, is_number) for i in members} - {RAW}
    elif after == "between":
        kinds = {_kind(found, last + 2, 1, is_number)}
    elif after == "in" and _word(found, last + 2) == "(":
        kinds = {_kind(found, i, 1, is_number) for i in _members(found, last + 2)}
    return kinds.pop() if len(kinds) == 1 else RAW


def _word(found: Sequence[Token], at: int) -> str:
    return found[at].word if 0 <= at < len(found) else ""


def _unwrap(found: Sequence[Token], at: int) -> tuple[int, int]:
    """Return where a key begins and ends with the parentheses that hold nothing else."""
    first = last = at
    while _word(found, first - 1) == "(" and _word(found, last + 1) == ")":
        if first > 1 and found[first - 2].kind == "name" and not _keyword(found[first - 2]):
            break
        first, last = first - 1, last + 1
    return first, last


def _keyword(token: Token) -> bool:
    return token.word in _KEYWORDS


def _function(found: Sequence[Token], at: int) -> str:
    """Return the name of the function whose arguments ``found[at]`` is among, or nothing."""
    before = found[at].inside - 1
    return found[before].word if before >= 0 and found[before].kind == "name" else ""


def _members(found: Sequence[Token], inside: int) -> list[int]:
    """Return the positions that begin a member of the parentheses opened at ``inside``."""
    members = [inside + 1]
    for i in range(inside + 1, len(found)):
        if found[i].inside == inside and found[i].text == ",":
            members.append(i + 1)
        elif found[i].inside < inside:
            break
    return members


def _kind(found: Sequence[Token], at: int, step: int, is_number: Callable[[Token], bool]) -> str:
    """Return whether a number or a text begins (or, going back, ends) at a position."""
    while _word(found, at) in ({"+", "-", "("} if step > 0 else {")"}):
        at += step
    if not 0 <= at < len(found):
        return RAW
    token = found[at]
    if token.kind == "number" or token.word in _NUMBERS or is_number(token):
        return NUMBER
    return TEXT if token.kind == "text" else RAW


def _beside(
    found: Sequence[Token], at: int, step: int, operator: str, is_number: Callable[[Token], bool]
) -> str:
    kind = _kind(found, at, step, is_number)
    if kind == RAW and operator in _ORDER and 0 <= at < len(found) and found[at].kind == "dotted":
        return NUMBER  # two params in order: numbers
    return kind
