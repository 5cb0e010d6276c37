"""The text of a condition -> its value, or a sentence on what is wrong with it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from gitml.errors import InputError
from gitml.names import did_you_mean, visible
from gitml.registry.conditions.nodes import (
    FUNCTIONS,
    Comparison,
    Logic,
    Name,
    Number,
    Operation,
    exact,
    names,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitml.registry.conditions.nodes import Node

LIMIT = 2_000
"""Characters of an expression."""
DEPTH = 40
"""Levels of parentheses, signs and ``not``."""
EXAMPLE = "for example metrics.auc >= 0.85, or metrics.auc >= current - 0.005"

_TOKEN = re.compile(
    r"""
    (?P<space>  \s+ )
  | (?P<number> (?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)? )
  | (?P<name>   [^\W\d][\w]* (?: \. (?: \w+ | "(?:[^"]|"")*" ) )* )
  | (?P<op>     <= | >= | == | != | [-+*/<>(),] )
    """,
    re.VERBOSE,
)
_PART = re.compile(r'"(?:[^"]|"")*"|[^."]+')
_COMPARISONS = {"<", "<=", ">", ">=", "==", "!="}


class _Token(NamedTuple):
    kind: str
    text: str


def parse(text: str) -> Comparison | Logic:
    """Return the condition that ``text`` is; raise `InputError` if it is none."""
    if len(text) > LIMIT:
        raise InputError(f"The expression has more than {LIMIT:,} characters.")
    parser = _Parser(text)
    node = parser.condition()
    if parser.word:
        raise parser.unexpected()
    if not isinstance(node, (Comparison, Logic)):
        raise InputError(f"{_shown(text)} compares nothing.", hint=EXAMPLE)
    return _bound(node, text)


def _bound(node: Node, text: str) -> Comparison | Logic:
    """Return a condition in which each ``current`` knows its metric."""
    if isinstance(node, Logic):
        return Logic(node.op, tuple(_bound(o, text) for o in node.operands))
    assert isinstance(node, Comparison)
    found = names(node)
    own = [name for name in found if not name.current]
    if not own:
        raise InputError(f"{_shown(text)} names no metric of the version.", hint=EXAMPLE)
    if not any(name.plain for name in found):
        return node
    if len(own) > 1:
        raise InputError(
            f"{_shown(text)} compares several metrics with current.",
            hint=f"say which is meant: current.{own[0].text}",
        )
    metric = own[0].metric
    return Comparison(tuple(_meant(o, metric) for o in node.operands), node.signs)


def _meant(node: Node, metric: str) -> Node:
    if isinstance(node, Name):
        return Name(metric, current=True, plain=True) if node.plain else node
    if isinstance(node, Operation):
        return Operation(node.op, tuple(_meant(o, metric) for o in node.operands))
    return node


def _unquoted(text: str) -> list[str]:
    parts: list[str] = _PART.findall(text)
    return [p[1:-1].replace('""', '"') if p[0] == '"' else p for p in parts]


def _shown(text: str) -> str:
    return visible(" ".join(text.split()), 120)


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _no_token(text, at)
        at = match.end()
        if match.lastgroup == "number" and re.match(r"[\w.]", text[at:]):
            raise InputError(f"{_shown(text)} has a number that is none.", hint=EXAMPLE)
        if match.lastgroup != "space":
            found.append(_Token(match.lastgroup, match[0]))
    if not found:
        raise InputError("The expression is empty.", hint=EXAMPLE)
    return found


def _no_token(text: str, at: int) -> InputError:
    hints = {
        "=": "a comparison for equality is ==",
        "&": "write and",
        "|": "write or",
        "!": "write not",
        '"': 'a name is quoted behind its dot: metrics."val/auc"',
        "'": 'a name takes double quotes: metrics."val/auc"',
        "%": "write a share as a number: 0.99 * current",
    }
    if text[at : at + 2] in {".'", '."'}:
        at += 1
    hint = hints.get(text[at], EXAMPLE)
    if text[at : at + 2] in {"=>", "=<"}:
        hint = f"write {text[at + 1]}="
    return InputError(f"{visible(text[at])} means nothing in {_shown(text)}.", hint=hint)


class _Parser:
    """Recursive descent over the tokens; the grammar is in `gitml.registry.conditions`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    @property
    def word(self) -> str:
        """The next token's text, empty at the end."""
        return self._tokens[self._at].text if self._at < len(self._tokens) else ""

    def unexpected(self) -> InputError:
        """Return the failure for a token that cannot stand where it does."""
        if not self.word:
            return InputError(f"{_shown(self._text)} ends too early.", hint=EXAMPLE)
        return InputError(
            f"{visible(self.word, 60)} cannot stand where it does in {_shown(self._text)}.",
            hint=EXAMPLE,
        )

    def condition(self) -> Node:
        """Read conditions with ``or`` between them."""
        return self._logic("or", lambda: self._logic("and", self._negation))

    def _logic(self, op: str, read: Callable[[], Node]) -> Node:
        operands = [read()]
        while self._take(op):
            operands.append(read())
        if len(operands) == 1:
            return operands[0]
        return Logic(op, tuple(self._truth(o) for o in operands))

    def _negation(self) -> Node:
        if not self._take("not"):
            return self._comparison()
        self._deeper()
        inner = self._truth(self._negation())
        self._depth -= 1
        return Logic("not", (inner,))

    def _comparison(self) -> Node:
        operands, signs = [self._sum()], []
        while self.word in _COMPARISONS:
            signs.append(self._next().text)
            operands.append(self._sum())
        if not signs:
            return operands[0]
        return Comparison(tuple(self._number(o) for o in operands), tuple(signs))

    def _sum(self) -> Node:
        return self._operation(("+", "-"), self._product)

    def _product(self) -> Node:
        return self._operation(("*", "/"), self._sign)

    def _operation(self, ops: tuple[str, ...], read: Callable[[], Node]) -> Node:
        node = read()
        while self.word in ops:
            op = self._next().text
            node = Operation(op, (self._number(node), self._number(read())))
        return node

    def _sign(self) -> Node:
        if not self._take("-"):
            return self._atom()
        self._deeper()
        inner = self._number(self._sign())
        self._depth -= 1
        return Operation("-", (inner,))

    def _atom(self) -> Node:
        if not self.word:
            raise self.unexpected()
        token = self._next()
        if token.kind == "number":
            value = float(token.text)
            if math.isinf(value):
                raise InputError(f"{visible(token.text, 60)} is beyond what a number can be.")
            return Number(exact(value), token.text)
        if token.text == "(":
            self._deeper()
            node = self.condition()
            self._expect(")")
            self._depth -= 1
            return node
        if token.kind == "name" and token.text not in {"and", "or", "not"}:
            return self._call(token.text) if self.word == "(" else self._name(token.text)
        self._at -= 1
        raise self.unexpected()

    def _call(self, function: str) -> Node:
        if function not in FUNCTIONS:
            raise InputError(
                f"There is no function {visible(function, 60)}",
                hint=did_you_mean(function, FUNCTIONS) or "there are abs, min and max",
            )
        self._expect("(")
        self._deeper()
        operands = [self._number(self._sum())]
        while self._take(","):
            operands.append(self._number(self._sum()))
        self._expect(")")
        self._depth -= 1
        if (len(operands) == 1) != (function == "abs"):
            takes = "one number" if function == "abs" else "two numbers or more"
            raise InputError(f"{function} takes {takes}.", hint=EXAMPLE)
        return Operation(function, tuple(operands))

    def _name(self, text: str) -> Name:
        if text == "current":
            return Name("", current=True, plain=True)
        of_current = text.startswith("current.")
        head, _, rest = text.removeprefix("current.").partition(".")
        if head == "metrics" and rest and "" not in (parts := _unquoted(rest)):
            return Name(".".join(parts), current=of_current)
        raise InputError(
            f"{visible(text, 60)} in {_shown(self._text)} is not the name of a metric.",
            hint='a metric is metrics.auc, or metrics."val-auc/mean" if it has other signs',
        )

    def _number(self, node: Node) -> Node:
        if isinstance(node, (Comparison, Logic)):
            raise InputError(
                f"{_shown(self._text)} takes a condition for a number.",
                hint="put parentheses around what belongs together",
            )
        return node

    def _truth(self, node: Node) -> Node:
        if not isinstance(node, (Comparison, Logic)):
            raise InputError(
                f"{_shown(self._text)} takes a number for a condition.",
                hint="compare it with something: metrics.auc >= 0.85",
            )
        return node

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise InputError(f"The expression nests deeper than {DEPTH} levels.")

    def _next(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, word: str) -> bool:
        taken = self.word == word
        self._at += taken
        return taken

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise self.unexpected()
