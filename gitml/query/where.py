"""``--where``: which keys an SQL expression names, and the view it is evaluated over.

``metrics.auc > 0.9 and params.lr < 0.01 and tags.team = 'growth'`` becomes the
same expression over columns of a view made for it; SQLite does the rest. Names
with other characters than letters, digits, ``_`` and dots are quoted:
``metrics."val/loss"``. Subqueries may read the views of `query.schema`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml.errors import InputError
from gitml.names import nearest, visible
from gitml.query import faces
from gitml.query.keys import (
    ATTRIBUTE,
    METRICS,
    NAMESPACES,
    PARAMS,
    TAGS,
    Key,
    full_name,
    known,
    resolve,
    unknown,
)
from gitml.query.schema import ATTRIBUTES, NUMBER, TIME, VIEWS
from gitml.query.tokens import EXAMPLE, Token, strictly_quote, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitml.query.summaries import Keys

VIEW = "_runs"
"""The view of one query, in the temporary schema."""
MOST_KEYS = 60
"""SQLite joins at most 64 tables."""
_TABLES = {METRICS: "metric", PARAMS: "param", TAGS: "tag"}
_FACES = {
    (PARAMS, faces.NUMBER): "CASE WHEN typeof({k}.value) IN ('integer', 'real') THEN {k}.value END",
    (PARAMS, faces.TEXT): "CASE typeof({k}.value) WHEN 'text' THEN {k}.value END",
    (TAGS, faces.NUMBER): "{k}.number",
}
_QUOTES_HINT = "Text takes single quotes, 'forest', and names double ones, metrics.\"val/loss\""


@dataclass(slots=True)
class View:
    """The columns that a query names, and the tables they come from."""

    keys: Keys
    """What keys there are."""
    numbers: Mapping[tuple[str, str], int]
    """The number of each key by (kind, name)."""
    now: int
    """The present, in milliseconds."""
    columns: dict[str, str] = field(default_factory=dict)
    """SQL of each column of the view by its name."""
    joins: dict[tuple[str, str], str] = field(default_factory=dict)
    """Alias of the table joined for a key."""
    attributes: set[str] = field(default_factory=set)
    """The attributes named."""

    def sql(self) -> str:
        """Return the statement that makes the view; values in it are integers of ours."""
        columns = ["r.n AS _n", "r.slug AS _slug", "r.deleted AS _deleted", "r.status AS _status"]
        columns += ["r.created AS _created", "r.id AS _id"]
        columns += [f"{sql} AS {strictly_quote(name)}" for name, sql in self.columns.items()]
        joins = "".join(
            f" LEFT JOIN {_TABLES[kind]} AS {alias} ON {alias}.run = r.n AND {alias}.key = "
            f"{self.numbers.get((kind, name), -1)}"
            for (kind, name), alias in self.joins.items()
        )
        return f"CREATE TEMP VIEW {VIEW} AS SELECT {', '.join(columns)} FROM run AS r{joins}"  # noqa: S608

    def attribute(self, name: str) -> str:
        """Return the quoted column of an attribute."""
        self.attributes.add(name)
        self.columns[name] = ATTRIBUTES[name].sql.format(now=self.now)
        return strictly_quote(name)

    def key(self, key: Key, face: str = faces.RAW) -> str:
        """Return the quoted column of a metric, param or tag."""
        alias = self._join(key)
        sql = _FACES.get((key.kind, face), "{k}.{column}").format(k=alias, column=key.column)
        return self._column(alias, sql)

    def order(self, text: str) -> list[str]:
        """Return the terms that sort by ``KEY`` or ``-KEY``: runs without it last, NaN before."""
        key = resolve(text.removeprefix("-"), self.keys)
        down = " DESC" if text.startswith("-") else ""
        if key.kind == ATTRIBUTE:
            attribute = ATTRIBUTES[key.name]
            sql = f"r.{key.name}" if attribute.kind == TIME else attribute.sql.format(now=self.now)
            column = self._column("r", sql)
            return [f"{column} IS NULL", f"{column}{down}"]
        alias = self._join(key)
        absent = self._column(alias, f"{alias}.run IS NULL")
        column = self._column(alias, f"{alias}.{key.column}")
        return [absent, f"{column} IS NULL", f"{column}{down}"]

    def _column(self, alias: str, sql: str) -> str:
        for name, other in self.columns.items():
            if other == sql and name.startswith("#"):
                return strictly_quote(name)
        name = f"#{alias} {len(self.columns)}"
        self.columns[name] = sql
        return strictly_quote(name)

    def _join(self, key: Key) -> str:
        alias = self.joins.setdefault((key.kind, key.name), f"k{len(self.joins)}")
        if len(self.joins) > MOST_KEYS:
            raise InputError(f"A query may name {MOST_KEYS} keys, not more.")
        return alias


def rewrite(expression: str, view: View) -> str:
    """Return an expression over the columns of ``view``, which gets what is named.

    Raises `InputError` for what is not one whole expression, for keys that no
    run has, and for numbers beside text.
    """
    found = tokens(expression)
    nested = any(t.word == "select" for t in found)
    out = []
    for at, token in enumerate(found):
        text = token.text
        if token.kind == "dotted":
            text = _dotted(found, at, view, nested=nested)
        elif token.kind in {"name", "quoted"}:
            text = _name(found, at, view, nested=nested)
        out.append(text)
    return " ".join(out)


def _name(found: Sequence[Token], at: int, view: View, *, nested: bool) -> str:
    token = found[at]
    name = token.parts()[0].lower() if token.parts() else ""
    called = at + 1 < len(found) and found[at + 1].text == "("
    if name in ATTRIBUTES and not (called and token.kind == "name"):
        _check_attribute(found, at, name)
        return view.attribute(name)
    if token.kind == "quoted" and not nested:
        raise InputError(f"{visible(token.text, 60)} is no attribute of runs.", hint=_QUOTES_HINT)
    return token.text


def _dotted(found: Sequence[Token], at: int, view: View, *, nested: bool) -> str:
    token = found[at]
    head, *rest = token.parts()
    name = ".".join(rest)
    kind, column = NAMESPACES.get(head.lower(), ("", ""))
    if kind == ATTRIBUTE and name.lower() in ATTRIBUTES:
        _check_attribute(found, at, name.lower())
        return f"runs.{view.attribute(name.lower())}"
    if kind in _TABLES and (name in known(view.keys, kind) or not known(view.keys, kind)):
        key = Key(kind, name, column)
        face = faces.face(found, at, _is_number)
        if kind == METRICS and face == faces.TEXT:
            raise _beside_text(full_name(kind, name))
        return view.key(key, face)
    if nested and (not kind or _has_column(head.lower(), name)):
        return token.text  # a table of a subquery
    if kind:
        raise unknown(kind, name, view.keys)
    close = [f"{n}.{'.'.join(rest)}" for n in nearest(head, NAMESPACES, 1)]
    raise InputError(
        f"{visible(token.text, 60)} is neither a metric nor a param, tag or attribute.",
        hint=f"did you mean {visible(close[0])}?" if close else EXAMPLE,
    )


def _has_column(view: str, name: str) -> bool:
    return re.search(rf'(AS |\.)"?{re.escape(name.lower())}"?\b', VIEWS.get(view, "")) is not None


def _is_number(token: Token) -> bool:
    if token.kind not in {"dotted", "name"}:
        return False
    head, *rest = (part.lower() for part in token.parts())
    kind = NAMESPACES.get(head, ("", ""))[0]
    name = rest[0] if kind == ATTRIBUTE and rest else head
    return kind == METRICS or (name in ATTRIBUTES and ATTRIBUTES[name].kind == NUMBER)


def _check_attribute(found: Sequence[Token], at: int, name: str) -> None:
    """Raise `InputError` for a time beside a number and a number beside text."""
    kind = ATTRIBUTES[name].kind
    face = faces.face(found, at, _is_number)
    if kind == TIME and face == faces.NUMBER:
        raise InputError(
            f"{name} is a time and stands beside a number.",
            hint=f"Times are text in UTC: {name} > '2026-11-01'",
        )
    if kind == NUMBER and face == faces.TEXT:
        raise _beside_text(name)


def _beside_text(name: str) -> InputError:
    return InputError(
        f"{visible(name)} is a number and stands beside text.", hint="Leave out the quotes."
    )
