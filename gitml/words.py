"""Numbers, times and sizes as people read them."""

from __future__ import annotations

import json
import math
import re
import shlex
import unicodedata
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gitml.model import Json


Value = TypeVar("Value")


def plain_width(text: str) -> int:
    """Return the cells of ``text`` by Unicode's East Asian widths (UAX #11)."""
    width = 0
    for char in text:
        if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
            continue
        width += 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
    return width


def first_line(text: str) -> str:
    """Return the first line of ``text``, with ``…`` behind it where there are more."""
    line, _, more = text.strip().partition("\n")
    return f"{line.rstrip()} …" if more else line


def cut(text: str, width: int, cells: Callable[[str], int] = plain_width) -> str:
    """Return ``text``, cut to ``width`` cells with ``…`` at its end."""
    if cells(text) <= width:
        return text
    kept = text[: max(width - 1, 0)]
    while kept and cells(kept) > width - 1:
        kept = kept[:-1]
    return f"{kept}…" if width > 0 else ""


_DIGITS = 6
_SMALL, _LARGE = 1e-3, 1e15


def number(value: float, digits: int = _DIGITS) -> str:
    """Return ``value`` with six significant digits: ``0.931234``, ``3e-4``, ``12``."""
    if isinstance(value, int) and abs(value) < _LARGE:
        return str(value)
    if not math.isfinite(value):
        return exact(value)
    small = value and abs(value) < _SMALL
    text = f"{value:.{digits - 1}e}" if small else f"{value:.{digits}g}"
    mantissa, e, exponent = text.partition("e")
    if not e:
        return mantissa
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def signed(value: float) -> str:
    """Return a change, with its sign: ``+0.0024``, ``−0.003``."""
    text = number(abs(value))
    if value == 0 or math.isnan(value):
        return text
    return f"{'−' if value < 0 else '+'}{text}"


def percent(ratio: float) -> str:
    """Return a relative change: ``+0.42%``, ``−12%``, ``+3,400%``, ``from 0`` if infinite."""
    part = abs(ratio) * 100
    if math.isinf(part):
        return "from 0"
    text = f"{part:.2g}" if part < 10 else f"{part:,.0f}"  # noqa: PLR2004 - two digits suffice
    return f"{'−' if ratio < 0 else '+'}{text}%"


def same_decimals(texts: Sequence[str]) -> list[str]:
    """Return numbers with as many decimals as the one that has the most: 0.2710, 0.2685."""
    plain = re.compile(r"-?\d+\.(\d+)")
    decimals = [len(found[1]) for text in texts if (found := plain.fullmatch(text))]
    most = max(decimals, default=0)
    return [
        text + "0" * (most - len(found[1])) if (found := plain.fullmatch(text)) else text
        for text in texts
    ]


def exact(value: Json) -> str:
    """Return a value whole, as JSON spells it; a text as it is."""
    if isinstance(value, str):
        return value
    if type(value) in {int, float}:  # as JSON does, many times faster; and NaN has a name
        return repr(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _encode(value)


_encode = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps would make one each time


_UNITS = (  # name, seconds, and from how many on it is used
    ("y", 365 * 86400, 2),
    ("mo", 30 * 86400, 3),
    ("d", 86400, 1),
    ("h", 3600, 1),
    ("min", 60, 1),
)


def span(seconds: float) -> str:
    """Return how long ago: ``12 s``, ``2 min``, ``5 h``, ``1 d``, ``4 mo``, ``3 y``."""
    for unit, length, least in _UNITS:
        if seconds >= length * least:
            return f"{int(seconds // length)} {unit}"
    return f"{max(int(seconds), 0)} s"


def duration(seconds: float) -> str:
    """Return how long something took: ``0.14 s``, ``12.3 s``, ``2 min 5 s``, ``1 h 3 min``."""
    minute, hour, day = 60, 3600, 86400
    if seconds < minute:
        return f"{seconds:.3g} s"
    whole = int(seconds)
    if seconds < hour:
        return f"{whole // minute} min {whole % minute} s"
    if seconds < day:
        return f"{whole // hour} h {whole % hour // minute} min"
    return f"{whole // day} d {whole % day // hour} h"


def size(count: int) -> str:
    """Return bytes for reading: ``512 B``, ``18.2 kB``, ``1.4 GB`` (decimal units)."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if float(f"{amount:.3g}") < 1000:  # noqa: PLR2004 - the next unit
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:,.3g} TB" if amount < 1000 else f"{amount:,.0f} TB"  # noqa: PLR2004


def quoted(word: str) -> str:
    """Return a word as a shell takes it, quoted where it must be."""
    return shlex.quote(word)


def in_order(values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the items by name, numbers in names by their size: fold-2 before fold-10."""
    return dict(sorted(values.items(), key=lambda item: (_parts(item[0]), item[0])))


def _parts(name: str) -> list[tuple[str, int]]:
    """Return a name as (text, number after it) pairs."""
    pieces = _RUN.split(name)
    numbers = [int(digits) for digits in pieces[1::2]] + [-1]
    return list(zip(pieces[::2], numbers, strict=True))


_RUN = re.compile(r"([0-9]{1,18})")
"""Digits in a row."""


def command_line(words: Iterable[str]) -> str:
    """Return words as a line for a shell; one with line breaks and the like in ``$'…'``."""
    return " ".join(
        quoted(word) if word.isprintable() else f"$'{''.join(map(_escaped, word))}'"
        for word in words
    )


_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\'"}
_BYTES = range(0xDC80, 0xDD00)
"""How Python spells bytes that are not UTF-8, less 0xDC00."""


def _escaped(char: str) -> str:
    number = ord(char)
    if number in _BYTES or (number < 0x80 and not char.isprintable()):  # noqa: PLR2004 - ASCII
        return _NAMED.get(char, f"\\x{number & 0xFF:02x}")
    return _NAMED.get(char, char if char.isprintable() else f"\\U{number:08x}")


_BLOCKS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float], width: int = 16) -> str:
    """Return a curve in at most ``width`` blocks; what is not finite is a gap."""
    if len(values) > width:  # the last value of each slice: where the curve had got to
        values = [values[(at + 1) * len(values) // width - 1] for at in range(width)]
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    scale = high - low
    if not scale or not math.isfinite(scale):
        return "".join(_BLOCKS[3] if math.isfinite(v) else " " for v in values)
    top = len(_BLOCKS) - 1
    return "".join(
        _BLOCKS[round((v - low) / scale * top)] if math.isfinite(v) else " " for v in values
    )
