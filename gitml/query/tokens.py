"""What an SQL expression names, found without understanding it.

SQLite evaluates the expression. This splits it into tokens the way SQLite's own
tokenizer does (https://sqlite.org/src/file/src/tokenize.c), so that names in
text, comments and quotes are told from names of metrics and params, and refuses
what is not one whole expression.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitml.errors import InputError
from gitml.names import visible

_ID = r"[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*"
_QUOTED = r'"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]'
_TOKEN = re.compile(
    rf"""
    (?P<space>   \s+ | --[^\n]* | /\*.*?\*/ )
  | (?P<text>    [xX]?'(?:[^']|'')*' )
  | (?P<dotted>  (?:{_ID}|{_QUOTED}) (?: \s* \. \s* (?: [\w$\x80-\U0010ffff]+ | {_QUOTED} ) )+ )
  | (?P<quoted>  {_QUOTED} )
  | (?P<number>  0[xX][0-9a-fA-F]+ | (?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)? )
  | (?P<name>    {_ID} )
  | (?P<op>      \|\| | << | >> | <= | >= | <> | != | == | ->> | -> | /(?!\*) | [-+*%<>=&|~,().] )
    """,
    re.VERBOSE | re.DOTALL,
)
_PART = re.compile(rf"{_QUOTED}|[^\s.]+")
LIMIT = 100_000
"""Characters of an expression."""
EXAMPLE = "For example: metrics.auc > 0.9 and params.kind = 'forest'"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an expression."""

    kind: str
    """text, number, name, quoted, dotted or op."""
    text: str
    """As it is written."""
    inside: int = -1
    """Which token opens the parentheses it stands in, -1 outside of all."""

    @property
    def word(self) -> str:
        """The text in lower case, to compare keywords and operators with."""
        return self.text.lower()

    def parts(self) -> list[str]:
        """Return the parts of a dotted, quoted or plain name, unquoted."""
        return [unquote(part) for part in _PART.findall(self.text)]


def unquote(text: str) -> str:
    """Return an SQL identifier without its quotes."""
    if text[0] in '"`':
        return text[1:-1].replace(text[0] * 2, text[0])
    return text[1:-1] if text[0] == "[" else text


def quote(name: str) -> str:
    """Return a name as an SQL identifier, quoted if it has to be."""
    return name if re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", name, re.ASCII) else strictly_quote(name)


def strictly_quote(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def tokens(expression: str) -> list[Token]:
    """Return the tokens of an expression; raise `InputError` unless it is whole and single."""
    if len(expression) > LIMIT:
        raise InputError(f"The expression has more than {LIMIT:,} characters.")
    found: list[Token] = []
    opened = [-1]
    at = 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None or not match.lastgroup:
            raise _refusal(expression, at)
        at = match.end()
        if match.lastgroup == "space":
            continue
        text = match[0]
        if text == ")":
            opened.pop()
            if not opened:
                raise InputError(f"A ) closes nothing in {_shown(expression)}.", hint=EXAMPLE)
        found.append(Token(match.lastgroup, text, opened[-1]))
        if text == "(":
            opened.append(len(found) - 1)
    if len(opened) > 1:
        raise InputError(f"A ( is not closed in {_shown(expression)}.", hint=EXAMPLE)
    if not found:
        raise InputError("The expression is empty.", hint=EXAMPLE)
    return found


def _shown(expression: str) -> str:
    return visible(" ".join(expression.split()), 80)


def _refusal(expression: str, at: int) -> InputError:
    char = expression[at]
    if char in "'\"`[":
        return InputError(f"A {char} is not closed in {_shown(expression)}.", hint=EXAMPLE)
    if expression.startswith("/*", at):
        return InputError(f"A comment is not closed in {_shown(expression)}.", hint=EXAMPLE)
    if char == ";":
        return InputError("An expression is one condition, without a ;.", hint=EXAMPLE)
    if char in "?:@$#":
        hint = "Text takes single quotes: 'forest'."
        return InputError(f"An expression has no placeholders such as {char}.", hint=hint)
    return InputError(f"{visible(char)} means nothing in {_shown(expression)}.", hint=EXAMPLE)
