"""Answers for programs: JSON and CSV in which no hostile character is raw."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, TextIO

from gitml.names import visible
from gitml.words import exact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitml.model import Json

_PLAIN = frozenset({int, float, type(None)})
"""What CSV has as it is; True and False are no numbers there."""
UNLIMITED = 1 << 30

# What no name may hold, beyond ASCII (a test compares this with gitml.names).
_HOSTILE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ud800-\udfff]")


def hostile(text: str) -> bool:
    """Say whether ``text`` holds what must not reach a terminal raw, beyond ASCII."""
    return _HOSTILE.search(text) is not None


def json_text(value: Json, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """Return ``value`` as JSON: NaN and infinities as null, hostile characters escaped."""
    try:
        text = json.dumps(value, ensure_ascii=ascii_only, allow_nan=False, indent=indent)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=ascii_only, allow_nan=False, indent=indent)
    if text.isascii() and "\x7f" not in text:
        return text
    return _HOSTILE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _finite(value: Json) -> Json:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def write_csv(stream: TextIO, heads: Sequence[str], rows: Iterable[Sequence[Json]]) -> None:
    """Write a CSV table: numbers whole, nothing for None, lists and mappings as JSON."""
    import csv

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_csv_value(head) for head in heads])
    for row in rows:
        writer.writerow([v if type(v) in _PLAIN else _csv_value(v) for v in row])


def write_columns(stream: TextIO, heads: Sequence[str], columns: Iterable[Sequence[Json]]) -> None:
    """Write the table that `write_csv` would, of columns: faster where there are many rows."""
    import csv

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_csv_value(head) for head in heads])
    writer.writerows(zip(*map(_csv_column, columns), strict=True))


def _csv_column(column: Sequence[Json]) -> Sequence[Json]:
    """Return the values of a column as CSV shows them: itself if they are plain, as most are."""
    others = [v for v in column if type(v) not in _PLAIN]
    texts = [v for v in others if isinstance(v, str)]
    joined = "".join(texts)
    if len(texts) == len(others) and joined.isascii() and joined.isprintable():
        return column
    return [_csv_value(v) for v in column]


def _csv_value(value: Json) -> Json:
    """Return a value as CSV shows it; line breaks of a text stay, quoted."""
    if type(value) in _PLAIN:
        return value
    text = exact(value)
    if text.isascii() and text.isprintable():
        return text
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(visible(line, UNLIMITED) for line in lines)
