"""Points of many runs, read in bulk and thinned to what a chart can show."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from gitml.errors import DamagedError, GitmlError
from gitml.store.history import history
from gitml.store.objects import parse_tree
from gitml.store.points import Collector, read_segment
from gitml.store.state import SEGMENT_LIMIT, is_merged

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from gitml.model import Point, Run
    from gitml.store.git import Repository
    from gitml.store.objects import Object

_TREE_LIMIT = 1024 * 1024
_COLUMNS = ["metric", "step", "time", "value"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One metric of one run."""

    count: int
    """How many points there are."""
    steps: tuple[int, ...]
    """Steps of the points that are kept."""
    seconds: tuple[float, ...]
    """Seconds since the start of the run."""
    values: tuple[float, ...]
    """Values; NaN and infinities are as they were recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """The points of a run, as a chart shows them."""

    series: Mapping[str, Series] = field(default_factory=dict)
    """By metric."""
    problem: str | None = None
    """A sentence on why there are none, if they cannot be read."""


def read_curves(
    store: Repository, runs: Sequence[Run], made_of: Mapping[str, str], most: int
) -> Iterator[Curves]:
    """Yield the points of each run, at most ``most`` of each metric, in order.

    The extremes of what is left out stay. Runs of a single copy are read from two
    ``git cat-file`` however many there are; the others one by one.
    """
    width = store.oid_width
    trees = {run.id: made_of.get(run.id, "") for run in runs if run.metrics}
    alone = [run.id for run in runs if len(trees.get(run.id, "")) == width]
    segments = _segments(store, [trees[run_id] for run_id in alone])
    plans = dict(zip(alone, segments, strict=True))
    blobs = [oid for run in runs for oid in plans.get(run.id) or ()]
    with closing(_contents(store, blobs)) as contents:
        for run in runs:
            oids = plans.get(run.id)
            found = list(islice(contents, len(oids or ()))) if oids else []
            try:
                yield _curves(store, run, found, most)
            except GitmlError as error:
                yield Curves(problem=error.message)
            except (ValueError, OverflowError, IndexError):
                yield Curves(problem="The points of this run cannot be read.")


def _segments(store: Repository, trees: Sequence[str]) -> list[list[str]]:
    """Return the oids of the merged segments of run trees, none where there are others."""
    listed: list[list[str]] = []
    if not trees:
        return listed
    for found in _trees(store, [f"{tree}:metrics" for tree in trees]):
        entries = []
        if found is not None and found.kind == "tree":
            with suppress(ValueError, IndexError):
                entries = parse_tree(found.data, store.oid_width // 2)
        merged = is_merged(entry.name for entry in entries)
        listed.append([e.oid for e in sorted(entries, key=lambda e: e.name)] if merged else [])
    return listed


def _trees(store: Repository, names: Sequence[str]) -> Iterable[Object | None]:
    """Return objects that are small, from the process that reads them anyway if it can."""
    try:
        return list(store.objects().many(names, _TREE_LIMIT))
    except DamagedError:
        return store.bulk(names, _TREE_LIMIT)


def _contents(store: Repository, oids: Sequence[str]) -> Generator[bytes | None]:
    if oids:
        for found in store.bulk(oids, SEGMENT_LIMIT):
            yield found.data if found is not None and found.kind == "blob" else None


def _curves(store: Repository, run: Run, found: Sequence[bytes | None], most: int) -> Curves:
    if not run.metrics:
        return Curves()
    segments = [data for data in found if data is not None]
    if segments and len(segments) == len(found):
        quick = _quickly(run, segments, most)
        if quick is not None:
            return quick
        points: Iterable[Point] = (
            point for data in segments for point in read_segment(data, "a segment")
        )
    else:
        points = history(store, run.id)
    return _slowly(run, points, most)


def _quickly(run: Run, segments: Sequence[bytes], most: int) -> Curves | None:
    """Return the curves of merged segments, None where the rows are not as gitml writes them.

    The rows of a metric lie together, in order: only those that are kept are taken apart.
    """
    if any("," in name or '"' in name or "\n" in name for name in run.metrics):
        return None
    if len(segments) == 1 and all(metric.count <= most for metric in run.metrics.values()):
        whole = _whole(run, segments[0].decode("utf-8"), most)
        if whole is not None:
            return whole
    parts: dict[str, list[list[str]]] = {}
    latest = ""
    for data in segments:
        lines = data.decode("utf-8").splitlines()
        at = 1
        while at < len(lines):
            name = lines[at].partition(",")[0]
            if name not in run.metrics or (name in parts and name != latest):
                return None
            end = _end(lines, at, f"{name},", run.metrics[name].count)
            parts.setdefault(name, []).append(lines[at:end])
            latest, at = name, end
    series = {}
    for name, found in sorted(parts.items()):
        keeper = _Keeper(run.created, sum(map(len, found)), most)
        for rows in found:
            keeper.take(rows)
        series[name] = keeper.series()
    return Curves(series=series)


def _whole(run: Run, text: str, most: int) -> Curves | None:
    """Return the curves of a segment of which every point is kept, as of most runs; else None."""
    cells = text.replace("\n", ",").split(",")  # metric, step, time, value, metric, …
    names = cells[4::4]
    if cells[:4] != _COLUMNS or cells[-1] or len(cells) % 4 != 1 or text.count("\n") != len(names):
        return None
    times: list[str] = []
    moments: tuple[tuple[int, ...], tuple[float, ...]] = (), ()
    series: dict[str, Series] = {}
    at = 0
    while at < len(names) - 1:
        name = names[at]
        if name in series or name not in run.metrics:
            return None
        end = at + max(run.metrics[name].count, 1)
        if end >= len(names) or names[at:end].count(name) != end - at:
            end = at + 1
        while names[end] == name:
            end += 1
        if end - at > most:
            return None
        first, last = 4 + 4 * at, 4 + 4 * end
        told = cells[first + 1 : last : 4] + cells[first + 2 : last : 4]
        if told != times:  # what is logged together has the same steps and times
            times = told
            seconds = [(int(time) - run.created) / 1000 for time in told[end - at :]]
            moments = tuple(map(int, told[: end - at])), tuple(seconds)
        values = tuple(map(float, cells[first + 3 : last : 4]))
        series[name] = Series(count=end - at, steps=moments[0], seconds=moments[1], values=values)
        at = end
    return Curves(series=dict(sorted(series.items())))


def _end(lines: Sequence[str], start: int, prefix: str, count: int) -> int:
    """Return where the rows that begin alike end: at ``count`` rows, as a rule."""
    end = start + count
    if count > 0 and end <= len(lines) and lines[end - 1].startswith(prefix):
        if end == len(lines) or not lines[end].startswith(prefix):
            return end
        start = end
    while start < len(lines) and lines[start].startswith(prefix):
        start += 1
    return start


class _Keeper:
    """Keeps what a chart shows of the rows of a metric."""

    def __init__(self, start: int, count: int, most: int) -> None:
        self._start, self._count, self._most = start, count, most
        self._steps: list[int] = []
        self._seconds: list[float] = []
        self._values: list[float] = []

    def take(self, rows: Sequence[str]) -> None:
        """Take rows that follow those before, as many as there are in a segment."""
        if self._count > self._most:
            values = list(map(float, [row.rpartition(",")[2] for row in rows]))
            places = thinned(values, max(2, self._most * len(rows) // self._count))
            rows = [rows[at] for at in places]
        split = [row.rsplit(",", 3) for row in rows]
        start = self._start
        self._steps += [int(parts[1]) for parts in split]
        self._seconds += [(int(parts[2]) - start) / 1000 for parts in split]
        self._values += [float(parts[3]) for parts in split]

    def series(self) -> Series:
        """Return what was kept."""
        return Series(
            count=self._count,
            steps=tuple(self._steps),
            seconds=tuple(self._seconds),
            values=tuple(self._values),
        )


def _slowly(run: Run, points: Iterable[Point], most: int) -> Curves:
    """Return the curves of points in order, whatever wrote them."""
    rows: dict[str, list[str]] = {}
    collector = Collector()
    collector.add_all(points)
    try:
        for name, step, time, value in collector.points():
            rows.setdefault(name, []).append(f",{step},{time},{value!r}")
    finally:
        collector.close()
    series = {}
    for name, found in sorted(rows.items()):
        keeper = _Keeper(run.created, len(found), most)
        keeper.take(found)
        series[name] = keeper.series()
    return Curves(series=series)


def thinned(values: Sequence[float], most: int) -> list[int]:
    """Return at most ``most`` places of ``values``: both ends, and the extremes between.

    Each of ``(most - 2) / 2`` slices of the same length gives its least and its
    greatest value, in their order, so that no peak is lost.
    """
    last = len(values) - 1
    if len(values) <= most:
        return list(range(len(values)))
    slices = (most - 2) // 2
    kept = [0]
    for nth in range(slices):
        start, end = 1 + nth * (last - 1) // slices, 1 + (nth + 1) * (last - 1) // slices
        part = values[start:end]
        known = [v for v in part if v == v]  # noqa: PLR0124 - NaN is not
        if known:
            low, high = part.index(min(known)), part.index(max(known))
            kept += [start + at for at in sorted({low, high})]
    return [*kept, last]
