"""Metric points: immutable sorted CSV segments, and their summaries.

A run's points are a set. A segment holds at most 100,000 of them as
``metric,step,time,value`` rows in the order of (metric, step, time, value),
NaN last. Sorting a million points takes 24 bytes each in memory; past
`SPILL_LIMIT` they go through sorted temporary files.
"""

from __future__ import annotations

import csv
import heapq
import io
import math
import tempfile
from array import array
from itertools import islice
from typing import IO, TYPE_CHECKING, TypeAlias

from gitml.errors import DamagedError, StorageError
from gitml.model import Metric, Point
from gitml.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SEGMENT_ROWS = 100_000
SPILL_LIMIT = 2_000_000
HEADER = "metric,step,time,value\n"
INT_LIMIT = 2**63 - 1

_Row: TypeAlias = tuple[int, int, float]


def _nan_last(row: _Row) -> tuple[int, int, bool, float]:
    return row[0], row[1], row[2] != row[2], row[2]


def _same(row: _Row, other: _Row) -> bool:
    """Say whether two rows are one point; NaN equals NaN here."""
    return row == other or _nan_last(row)[:3] == (*other[:2], True) == _nan_last(other)[:3]


def _point_key(point: Point) -> tuple[str, int, int, bool, float]:
    return point[0], *_nan_last((point[1], point[2], point[3]))


def quote_field(text: str) -> str:
    """Return a CSV field, quoted only where it must be (RFC 4180)."""
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if any(c in text for c in ',"\n\r') else text


class Collector:
    """A growing set of points with their summaries, sorted on the way out."""

    def __init__(self, spill_limit: int = SPILL_LIMIT) -> None:
        """Start empty."""
        self._columns: dict[str, tuple[array[int], array[int], array[float]]] = {}
        self._held = 0
        self._spill_limit = spill_limit
        self._spills: list[IO[str]] = []

    def __bool__(self) -> bool:
        """Whether there is any point."""
        return self._held > 0 or bool(self._spills)

    def add_all(self, points: Iterable[tuple[str, int, int, float]]) -> None:
        """Add points; a duplicate counts once.

        Raises OverflowError for a step or time outside of 64 bits, ValueError for a
        name that is not Unicode, and `StorageError` if there is no room to sort them.
        """
        columns = self._columns
        for name, step, time, value in points:
            held = columns.get(name)
            if held is None:
                name.encode()
                held = columns[name] = (array("q"), array("q"), array("d"))
            # All three or none: a value that does not fit must not leave a crooked row.
            if not -INT_LIMIT <= step <= INT_LIMIT or not -INT_LIMIT <= time <= INT_LIMIT:
                raise OverflowError("a step or time does not fit 64 bits")
            held[2].append(value or 0.0)  # -0.0 equals 0.0, so only one of them is kept
            held[0].append(step)
            held[1].append(time)
            self._held += 1
            if self._held >= self._spill_limit:
                self._spill()
                columns = self._columns

    def _spill(self) -> None:
        try:
            file = tempfile.TemporaryFile("w+", encoding="utf-8", newline="")  # noqa: SIM115
            self._spills.append(file)
            file.writelines(_line(point) for point in self._in_memory())
            file.flush()
        except OSError as error:
            raise StorageError(
                f"There is no room to sort the points of a run: {error.strerror}.",
                hint="Free some space for temporary files, or name another folder in TMPDIR.",
            ) from None
        self._columns = {}
        self._held = 0

    def _in_memory(self) -> Iterator[Point]:
        for name in sorted(self._columns):
            steps, times, values = self._columns[name]
            rows: list[_Row] = list(zip(steps, times, values, strict=True))
            rows.sort(key=_nan_last if any(map(math.isnan, values)) else None)
            previous: _Row | None = None
            for row in rows:
                if previous is None or not _same(row, previous):
                    yield Point(name, *row)
                previous = row

    def points(self) -> Iterator[Point]:
        """Yield the points in order, each once."""
        if not self._spills:
            yield from self._in_memory()
            return
        streams = [self._in_memory()]
        for file in self._spills:
            file.seek(0)
            streams.append(_rows(file, "a temporary file"))
        previous = None
        for point in heapq.merge(*streams, key=_point_key):
            key = _point_key(point)
            if (
                previous is not None
                and key[:4] == previous[:4]
                and (key[3] or key[4] == previous[4])
            ):
                continue
            previous = key
            yield point

    def segments(self, summaries: dict[str, Metric]) -> Iterator[bytes]:
        """Yield the points as segments, and put the metrics' summaries into ``summaries``."""
        name: str | None = None
        field = ""
        count = 0
        low = high = math.nan
        last = Point("", 0, 0, math.nan)
        lines = [HEADER]

        def summarise() -> None:
            if name is not None:
                summaries[name] = Metric(
                    last=last.value, step=last.step, min=low, max=high, count=count
                )

        for point in self.points():
            if point.metric != name:
                summarise()
                name, field, count = point.metric, quote_field(point.metric), 0
                low = high = math.nan
            value = point.value
            count += 1
            if not low <= value:  # also when low is NaN
                low = value if value == value else low  # noqa: PLR0124
            if not high >= value:
                high = value if value == value else high  # noqa: PLR0124
            last = point
            lines.append(f"{field},{point.step},{point.time},{value!r}\n")
            if len(lines) > SEGMENT_ROWS:
                yield "".join(lines).encode()
                lines = [HEADER]
        summarise()
        if len(lines) > 1:
            yield "".join(lines).encode()

    def close(self) -> None:
        """Give up the temporary files."""
        for file in self._spills:
            file.close()
        self._spills = []
        self._columns = {}


def _line(point: Point) -> str:
    return f"{quote_field(point.metric)},{point.step},{point.time},{point.value!r}\n"


def _rows(file: Iterable[str], what: str) -> Iterator[Point]:
    try:
        for name, step, time, value in csv.reader(file):
            yield Point(name, int(step), int(time), float(value))
    except (ValueError, csv.Error) as error:
        raise DamagedError(f"{what} cannot be read: {visible(str(error), 80)}.") from None


def read_segment(data: bytes, what: str) -> Iterator[Point]:
    """Yield the points of a segment; raise `DamagedError` for a row that is none."""
    try:
        lines = io.StringIO(data.decode("utf-8"), newline="")
    except UnicodeDecodeError:
        raise DamagedError(f"{what} is not UTF-8.") from None
    yield from _rows(islice(lines, 1, None), what)


def merge_summaries(first: Mapping[str, Metric], second: Mapping[str, Metric]) -> dict[str, Metric]:
    """Join the summaries of two disjoint sets of points, the second being the later."""
    merged = dict(first)
    for name, new in second.items():
        old = first.get(name)
        if old is None:
            merged[name] = new
            continue
        newest = new if new.step >= old.step else old
        merged[name] = Metric(
            last=newest.last,
            step=newest.step,
            min=_least(old.min, new.min),
            max=-_least(-old.max, -new.max),
            count=old.count + new.count,
            goal=new.goal or old.goal,
        )
    return merged


def _least(first: float, second: float) -> float:
    if math.isnan(first):
        return second
    return first if math.isnan(second) else min(first, second)
