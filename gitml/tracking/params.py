"""Params from the files people keep them in: YAML, JSON, TOML, ``.env`` and CSV."""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, TypeAlias

from gitml.codec import DEPTH_LIMIT, load_user_yaml, scalar_from_text
from gitml.errors import InputError
from gitml.names import visible
from gitml.tracking.tables import (
    NAMELESS,
    PAIR,
    csv_rows,
    joined,
    named,
    parse_json,
    put,
    read_document,
    show,
    suffix,
)

if TYPE_CHECKING:
    from pathlib import Path

ParamValue: TypeAlias = "bool | int | float | str | list[ParamValue] | None"

PARAMS_SUFFIXES = (".yaml", ".yml", ".json", ".toml", ".env", ".csv")
INT_BITS = 1024
"""A whole number of more bits has no float to be compared with."""
_NAME_HEADERS = frozenset({"name", "param", "parameter", "key", ""})
_VALUE_HEADERS = frozenset({"value", "0"})  # pandas writes ",0" above a series


def read_params(path: Path) -> dict[str, ParamValue]:
    """Return the params in a YAML, JSON, TOML, ``.env`` or CSV file.

    Nested keys are joined with ``.``, those of a list of mappings by index; a
    list of scalars is a value, an empty mapping is None, and a TOML date is
    text in ISO 8601. A CSV file has two columns, names and values, or a row of
    names above a row of values; a cell reads as it would in YAML 1.2, and an
    empty one is None. Raises `NotFoundError` or `InputError`.
    """
    found = suffix(path, PARAMS_SUFFIXES, "params")
    text, shown = read_document(path), show(path)
    if not text.strip():
        return {}
    if found == ".csv":
        flat = _params_table(text, shown)
    elif found == ".env":
        flat = _env(text, shown)
    else:
        flat = joined(document_in(text, shown, found), shown)
    return {
        named(key, "param", shown): param_value(value, f"{shown}: the param {visible(key, 80)}")
        for key, value in flat.items()
    }


def document_in(text: str, shown: str, found: str) -> Mapping[Any, Any]:
    """Return the mapping a YAML, JSON or TOML file holds."""
    if found == ".toml":
        try:
            return tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            problem = "it nests too deep" if isinstance(error, RecursionError) else str(error)
            raise InputError(f"{shown} is not TOML: {visible(problem)}.") from None
    document = parse_json(text, shown) if found == ".json" else load_user_yaml(text, shown)
    if document is None and found != ".json":
        return {}  # a YAML file of comments
    if not isinstance(document, Mapping):
        raise InputError(
            f"{shown} holds {sort_of(document)} where names and values are expected.",
            hint="Write name: value lines, or an object in JSON.",
        )
    return document


def sort_of(value: Any) -> str:
    """Return what sort of value it is, in words."""
    if value is None or isinstance(value, Mapping):
        return "null" if value is None else "a mapping"
    if isinstance(value, bool):
        return "a bool"
    if isinstance(value, (int, float)):
        return "a number"
    return "text" if isinstance(value, str) else "a list" if isinstance(value, list) else "a date"


def param_value(value: Any, what: str, depth: int = 0) -> ParamValue:
    """Return ``value`` if it may be a param's, a date as text."""
    if isinstance(value, list):
        if depth >= DEPTH_LIMIT:
            raise InputError(f"{what} nests deeper than {DEPTH_LIMIT} levels.")
        return [param_value(inner, what, depth + 1) for inner in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, str):
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise InputError(f"{what} holds half a character: {visible(value, 40)}.")
        return value
    if isinstance(value, int) and value.bit_length() > INT_BITS:
        raise InputError(f"{what} has too many digits.", hint="Write it as text, in quotes.")
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise InputError(f"{what} is neither text, a number, a bool nor a list.")


_ENV_BLANK = re.compile(r"[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r|\n|\Z)")
_ENV_LINE = re.compile(
    r"""[ \t]* (?:export[ \t]+)? (?P<key>[^=\#\s'"]+) [ \t]* =
    (?: [ \t]* (?: '(?P<single>[^']*)' | "(?P<double>(?:\\.|[^"\\])*)" ) [ \t]* (?:\#[^\r\n]*)?
      | (?P<plain>(?![ \t]*['"])[^\r\n]*) )
    (?:\r\n|\r|\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_ENV_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def _env(text: str, shown: str) -> dict[str, Any]:
    """Return the variables of a ``.env`` file; quoted ones stay text, nothing is expanded."""
    found: dict[str, Any] = {}
    at = 0
    while at < len(text):
        if blank := _ENV_BLANK.match(text, at):
            at = blank.end()
            continue
        line = _ENV_LINE.match(text, at)
        if line is None:
            raise InputError(
                f"{shown}, line {text.count(chr(10), 0, at) + 1}: not of the form KEY=VALUE.",
                hint="Close the quotes, and start comments with #.",
            )
        at = line.end()
        if line["single"] is not None:
            value: Any = line["single"]
        elif line["double"] is not None:
            value = re.sub(
                r"\\(.)",
                lambda match: _ENV_ESCAPES.get(match[1], match[0]),
                line["double"],
                flags=re.DOTALL,
            )
        else:
            value = scalar_from_text(re.sub(r"(?<=\s)#.*", "", line["plain"]).strip())
        put(found, line["key"], value, shown)
    return found


def _cell(text: str) -> Any:
    return scalar_from_text(text) if text else None


def _params_table(text: str, shown: str) -> dict[str, Any]:
    table = list(csv_rows(io.StringIO(text, newline=""), shown, ".csv"))
    rows = [cells for _, cells in table]
    found: dict[str, Any] = {}
    pairs = _pairs(rows, shown) if rows else []
    if pairs is None:
        if len(rows) != PAIR:
            raise InputError(
                f"{shown} has {len(rows) - 1} rows of values under its names, not one.",
                hint="Params have one value each; a table of steps is a history: --history FILE",
            )
        if len(rows[0]) != len(rows[1]):
            raise InputError(
                f"{shown}, line {table[1][0]}: {len(rows[1])} cells under {len(rows[0])} names."
            )
        pairs = [
            [name, cell]
            for name, cell in zip(*rows, strict=True)
            if name.casefold() not in NAMELESS
        ]
    for name, cell in pairs:
        put(found, name, _cell(cell), shown)
    return found


def _pairs(rows: list[list[str]], shown: str) -> list[list[str]] | None:
    """Return the rows of names and values, or None for a table under a row of names.

    Two columns may be either. They are names and values under a header that
    says so, or if the first row ends in a number, and are not if the second row
    begins with one. Raises `InputError` for two rows that do not tell.
    """
    if any(len(row) != PAIR for row in rows):
        return None
    first, second = rows[0], rows[-1] if len(rows) == 1 else rows[1]
    if first[0].casefold() in _NAME_HEADERS and first[1].casefold() in _VALUE_HEADERS:
        return rows[1:]
    if not isinstance(_cell(first[1]), str):
        return rows
    if len(rows) > 1 and not isinstance(_cell(second[0]), str):
        return None
    if len(rows) > PAIR:
        return rows
    raise InputError(
        f"{shown} does not tell names from values: it could be read by row or by column.",
        hint="Start it with a line that says name,value and put one name on each line.",
    )
