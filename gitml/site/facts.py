"""Values, times and curves as pages show them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from gitml.model import iso
from gitml.site.parts import Curve, Moment
from gitml.words import exact, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.model import Json

ABSENT = "–"
LONGEST = 300
"""Characters of a value, beyond which it is cut."""
_MARKDOWN, _BARS = 50_000, 200
"""Characters of a text, and bars in a line of it, beyond which nobody wrote it by hand."""
SPARK_WIDTH, SPARK_HEIGHT, SPARK_POINTS = 88, 22, 24
_DRAWN = 60
"""Points of a drawing."""
LEVELS = "0123456789abcdefghijklmnopqrstuv"
"""Heights of a sparkline's points, the lowest first; ``-`` is a gap."""


def moment(ms: int) -> Moment:
    """Return a time in milliseconds as pages show it."""
    text = iso(ms)
    return Moment(iso=text, text=f"{text[:16].replace('T', ' ')} UTC")


def shown(value: Json) -> str:
    """Return a value as text: numbers with six significant digits, lists as JSON."""
    if value is None:
        return ABSENT
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    text = exact(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def is_markdown(text: str) -> bool:
    """Say whether a text is short and plain enough to be taken for Markdown."""
    return len(text) <= _MARKDOWN and all(line.count("|") <= _BARS for line in text.splitlines())


def spark_of(values: Sequence[float]) -> str:
    """Return a series as at most 24 characters of `LEVELS`: where it had got to, evenly."""
    if len(values) > SPARK_POINTS:
        last = len(values) - 1
        values = [values[round(at * last / (SPARK_POINTS - 1))] for at in range(SPARK_POINTS)]
    finite = [v for v in values if math.isfinite(v)]
    if len(finite) < 2:  # noqa: PLR2004 - a line takes two
        return ""
    low, high = min(finite), max(finite)
    scale = high - low
    if not scale or not math.isfinite(scale):
        return "".join("g" if math.isfinite(v) else "-" for v in values)
    top = len(LEVELS) - 1
    return "".join(
        LEVELS[round((v - low) / scale * top)] if math.isfinite(v) else "-" for v in values
    )


def spark_path(levels: str) -> str:
    """Return the SVG path of a sparkline in a view box of 88 by 22."""
    gap = (SPARK_WIDTH - 4) / max(len(levels) - 1, 1)
    path, pen = [], "M"
    for at, level in enumerate(levels):
        if level == "-":
            pen = "M"
            continue
        y = SPARK_HEIGHT - 2 - LEVELS.index(level) * (SPARK_HEIGHT - 4) / (len(LEVELS) - 1)
        path.append(f"{pen}{math.floor(2.5 + at * gap)} {math.floor(y + 0.5)}")
        pen = "L"
    return "".join(path)


def curve_of(xs: Sequence[float], ys: Sequence[float]) -> Curve | None:
    """Return a drawing of a series with at most 60 points; None of less than two."""
    if not all(map(math.isfinite, ys)):
        finite = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)]
        xs, ys = [x for x, _ in finite], [y for _, y in finite]
    if len(ys) < 2:  # noqa: PLR2004 - a line takes two
        return None
    width, height = 400, 150
    low, high = min(ys), max(ys)
    up = height / (high - low) if high > low and math.isfinite(high - low) else 0
    base = height if up else height / 2
    places, along = _along(tuple(xs), width)
    spots = [0.0] * (2 * len(places))
    spots[::2] = along
    spots[1::2] = [base - (ys[at] - low) * up for at in places]
    return Curve(
        path=_pattern(len(places)) % tuple(spots),  # all at once, which is faster
        width=width,
        height=height,
        low=number(float(f"{low:.4g}")),  # there is room for no more
        high=number(float(f"{high:.4g}")),
        first=number(xs[0]),
        last=number(xs[-1]),
    )


@lru_cache(16)
def _along(xs: tuple[float, ...], width: int) -> tuple[list[int], list[float]]:
    """Return which points are drawn and where: of many metrics of a run the same."""
    last = len(xs) - 1
    most = min(last, _DRAWN - 1)
    scale = width / (xs[-1] - xs[0]) if xs[-1] > xs[0] else 0
    places = [at * last // most for at in range(most + 1)]
    return places, [(xs[at] - xs[0]) * scale for at in places]


@lru_cache(_DRAWN)
def _pattern(count: int) -> str:
    return f"M{'L'.join(['%.0f %.0f'] * count)}"


def progress_of(values: Sequence[float], goal: str) -> Curve | None:
    """Return values in their order as dots, and the best so far as a line of steps."""
    finite = [v for v in values if math.isfinite(v)]
    if len(finite) < 2:  # noqa: PLR2004 - one run is no progress
        return None
    width, height = 600, 120
    low, high = min(finite), max(finite)
    scale = high - low
    gap = width / (len(values) - 1)
    dots, path = [], ""
    best = math.nan
    for at, value in enumerate(values):
        if not math.isfinite(value):
            continue
        x, y = round(at * gap), _height(value, low, scale, height)
        dots.append((float(x), float(y)))
        better = value < best if goal == "min" else value > best
        if not path:
            path, best = f"M{x} {y}", value
        elif better:
            path += f"H{x}V{y}"
            best = value
    most = 250
    if len(dots) > most:
        last = len(dots) - 1
        dots = [dots[round(at * last / (most - 1))] for at in range(most)]
    return Curve(
        path=f"{path}H{width}",
        width=width,
        height=height,
        low=number(low),
        high=number(high),
        dots=tuple(dots),
    )


def _height(value: float, low: float, scale: float, height: int) -> int:
    part = (value - low) / scale if scale and math.isfinite(scale) else 0.5
    return round(height - part * height)
