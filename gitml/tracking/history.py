"""Histories: the points of metrics, step by step, from the tables training scripts write.

Read a row at a time, so a file may have any length. Known to work with CSV and
TSV tables of one column a metric (Keras' ``CSVLogger``, Lightning's sparse one,
pandas), tables of one row a value (``metric,step,value``), DVCLive's folder of
TSV files, JSON lines or an array of objects, Hugging Face's
``trainer_state.json``, and JSON of lists by name (XGBoost's and LightGBM's
evaluation results, Keras' ``history.history``, ``DataFrame.to_json()``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gitml.codec import DEPTH_LIMIT
from gitml.errors import InputError
from gitml.model import from_iso
from gitml.names import visible
from gitml.tracking.tables import (
    DELIMITERS,
    NAMELESS,
    csv_rows,
    joined,
    json_number,
    json_values,
    kind,
    named,
    number,
    open_text,
    repeated,
    show,
    suffix,
)

if TYPE_CHECKING:
    from typing import TextIO

HistoryRow: TypeAlias = tuple[str, int, int | None, float]
"""Metric, step, milliseconds since 1970 UTC or None, value."""
Rows: TypeAlias = Iterable[tuple[int, dict[str, Any]]]
"""Of each row its line and its cells that are not empty, by column."""

HISTORY_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
STEP_COLUMNS = (
    *("step", "_step", "epoch", "iteration", "iter", "global_step", "batch", "round", "index"),
    *("unnamed: 0", "", "trainer/global_step"),
)
"""What a column of steps is called, in any case; the first of these that a table has."""
TIME_COLUMNS = ("timestamp", "time", "_timestamp", "wall_time", "datetime", "created_at")
"""What a column of times is called, in any case and with spaces for ``_``."""
METRIC_COLUMNS = ("metric", "name", "key", "tag")
"""What the column of names is called in a table of one row a value."""
_EMPTY = frozenset({"", "NA", "N/A", "None", "null"})
"""Cells without a value; Keras writes NA for what an epoch did not measure."""
_FIRST_SECOND = 1e8
"""The first number taken for a time: 1973, in seconds. A thousand times more is milliseconds."""
_INTEGER = re.compile(r"[-+]?[0-9]{1,19}")
COLUMN_LIMIT = 10_000
"""Columns of one table."""


@dataclass(slots=True, kw_only=True)
class Columns:
    """What is known of a table's columns, learnt from the first value of each."""

    shown: str
    """The file, for messages."""
    text: bool
    """Whether cells are text, as in CSV, or JSON values."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Metrics that are called other than their column."""
    known: set[str] = field(default_factory=set)
    """The columns that had a value so far."""
    metrics: dict[str, str | None] = field(default_factory=dict)
    """The metric of each column (or of each name, see `pair`), None if it is not one."""
    step: str | None = None
    """The column of steps."""
    time: str | None = None
    """The column of times."""
    pair: tuple[str, str] | None = None
    """The columns of names and values in a table of one row a value."""

    def left_out(self) -> list[str]:
        """Return the columns that are not metrics, nor the step or the time."""
        special = {self.step, self.time}
        return [
            name
            for name, metric in self.metrics.items()
            if metric is None and name not in special and name.casefold() not in NAMELESS
        ]


def learn_header(columns: Columns, names: Iterable[str]) -> None:
    """Choose the columns whose names say what they are."""
    folded = {name.casefold(): name for name in reversed([*names])}
    columns.step = next((folded[name] for name in STEP_COLUMNS if name in folded), None)
    if not columns.known and "value" in folded:
        name = next((folded[name] for name in METRIC_COLUMNS if name in folded), None)
        columns.pair = None if name is None else (name, folded["value"])


def points(columns: Columns, rows: Rows) -> Iterator[HistoryRow]:
    """Yield the points of ``rows``.

    A row without a step has that of the row before; where no step was seen, a
    row's step is its number from 0. Raises `InputError` for a step that is no
    whole number, and for text in a column that began with a number.
    """
    last = None
    for index, (line, row) in enumerate(rows):
        if not row.keys() <= columns.known:
            _learn(columns, row)
        if columns.step in row:
            last = _row_step(columns, row, line)
        step = index if last is None else last
        time = _row_time(columns, row, line) if columns.time in row else None
        for column, cell in _named_cell(columns, row) if columns.pair else row.items():
            metric = columns.metrics[column]
            if metric is not None:
                value = _number(cell, text=columns.text)
                if value is None:
                    raise _wrong(columns, line, column, cell, "a number")
                yield metric, step, time, value
    if columns.known and not any(columns.metrics.values()):
        seen = ", ".join(visible(name, 40) for name in islice(sorted(columns.known), 8))
        raise InputError(
            f"{columns.shown} holds no metric: no column begins with a number ({seen}).",
            hint="A history has a line of names, then numbers in a column for each metric.",
        )


def _learn(columns: Columns, row: Mapping[str, Any]) -> None:
    """Learn what the columns are whose first value stands in ``row``."""
    if columns.step is None:
        learn_header(columns, row)
    new = [name for name in row if name not in columns.known]
    columns.known.update(new)
    moments = {name.casefold().replace(" ", "_"): name for name in new if name != columns.step}
    if columns.time is None:
        # A time that is none, such as seconds since the start, is a metric like others.
        columns.time = next(
            (
                moments[name]
                for name in TIME_COLUMNS
                if name in moments and _moment(row[moments[name]], text=columns.text) is not None
            ),
            None,
        )
    for name in new if columns.pair is None else ():
        if name in {columns.step, columns.time} or name.casefold() in NAMELESS:
            columns.metrics[name] = None
        else:
            _learn_metric(columns, name, row[name])


def _learn_metric(columns: Columns, column: str, cell: Any) -> None:
    """Take a column for a metric if its first value is a number."""
    columns.metrics[column] = None
    if _number(cell, text=columns.text) is not None:
        metric = columns.renamed.get(column, column)
        columns.metrics[column] = named(metric, "metric", columns.shown)
    if len(columns.metrics) > COLUMN_LIMIT:
        raise InputError(
            f"{columns.shown} has more than {COLUMN_LIMIT:,} columns.",
            hint="A history has a row for each step and a column for each metric.",
        )


def _named_cell(columns: Columns, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the name and the value of a row that holds one value, if both are there."""
    name_column, value_column = columns.pair or ("", "")
    if name_column in row and value_column in row:
        name, cell = str(row[name_column]), row[value_column]
        if name not in columns.metrics:
            _learn_metric(columns, name, cell)
        yield name, cell


def _number(cell: Any, *, text: bool) -> float | None:
    return number(cell) if text else json_number(cell)


def _row_step(columns: Columns, row: Mapping[str, Any], line: int) -> int:
    cell = row[columns.step or ""]
    step = whole(cell)
    if step is None:
        raise _wrong(columns, line, columns.step, cell, "a whole number")
    return step


def _row_time(columns: Columns, row: Mapping[str, Any], line: int) -> int:
    cell = row[columns.time or ""]
    time = _moment(cell, text=columns.text)
    if time is None:
        raise _wrong(columns, line, columns.time, cell, "a time")
    return time


def whole(cell: Any) -> int | None:
    """Return the whole number of 64 bits a cell holds, or None; ``3.0`` is one."""
    whole = cell if isinstance(cell, int) and not isinstance(cell, bool) else None
    if isinstance(cell, str) and _INTEGER.fullmatch(cell):
        whole = int(cell)  # exact above 2**53 too
    elif whole is None:
        value = number(cell) if isinstance(cell, str) else json_number(cell)
        whole = int(value) if value is not None and value.is_integer() else None
    return whole if whole is not None and -(2**63) <= whole < 2**63 else None


def _moment(cell: Any, *, text: bool) -> int | None:
    """Return the milliseconds since 1970 UTC that a cell says, or None.

    A number is seconds, milli-, micro- or nanoseconds by its size, none before
    1973; text is ISO 8601, in UTC unless it says otherwise.
    """
    value = _number(cell, text=text)
    if value is None:
        try:
            moment = from_iso(cell) if isinstance(cell, str) else -1
        except (ValueError, OverflowError):
            return None
        return moment if moment >= 0 else None
    if not value >= _FIRST_SECOND:
        return None
    for unit in (1000, 1, 1e-3, 1e-6):
        if value * unit < _FIRST_SECOND * 1e6:
            return round(value * unit)
    return None


def _wrong(columns: Columns, line: int, column: str | None, cell: Any, what: str) -> InputError:
    name = visible(column or "", 40) or "without a name"
    return InputError(
        f"{columns.shown}, line {line}, column {name}: {visible(str(cell), 40)} is not {what}.",
        hint="Leave a cell empty where there is no value.",
    )


def table_rows(file: TextIO, columns: Columns, found: str) -> Rows:
    """Yield the rows of a CSV table under its header; a header that comes again is skipped."""
    rows = csv_rows(file, columns.shown, found)
    first_line, header = next(rows, (1, []))
    if header and all(number(name) is not None for name in header if name):
        raise InputError(
            f"{columns.shown}, line {first_line}: the first line has numbers, not names.",
            hint="Write the names of the columns above them, such as step,loss.",
        )
    twice = repeated(header)
    if twice is not None:
        raise InputError(
            f"{columns.shown} has two columns called {visible(twice, 40)}.",
            hint="Rename one of the two.",
        )
    learn_header(columns, header)
    for line, cells in rows:
        if len(cells) > len(header):
            raise InputError(
                f"{columns.shown}, line {line}: {len(cells)} cells under {len(header)} names.",
                hint="Put quotes around text that holds the separator.",
            )
        if cells != header:
            named_cells = zip(header, cells, strict=False)  # a short row lacks its last cells
            yield line, {name: cell for name, cell in named_cells if cell not in _EMPTY}


def json_rows(values: Iterable[tuple[int, Any]], shown: str) -> Rows:
    """Yield a row for each JSON object; nested keys are joined with ``.``."""
    for line, value in values:
        if not isinstance(value, Mapping):
            raise InputError(
                f"{shown}, line {line}: {visible(str(value), 40)} is not an object.",
                hint='Each line or element is an object such as {"step": 1, "loss": 0.5}.',
            )
        nested = any(isinstance(inner, (dict, list)) for inner in value.values())
        row = joined(value, shown) if nested else value
        yield line, {name: cell for name, cell in row.items() if cell is not None}


def _document_rows(file: TextIO, shown: str) -> Rows:
    """Yield the rows of a ``.json`` file: an array, JSON lines, or lists by name."""
    start = file.read(4096).lstrip()
    file.seek(0)
    values = json_values(file, shown)
    if start.startswith("["):
        return json_rows(values, shown)
    head = list(islice(values, 2))
    if len(head) == 1 and isinstance(head[0][1], Mapping):
        document = head[0][1]
        if isinstance(document.get("log_history"), list):
            return json_rows(enumerate(document["log_history"], 1), shown)
        lists = dict(_lists(document, ""))
        if lists:
            return _transposed(lists)
    return json_rows(chain(head, values), shown)


def _lists(
    document: Mapping[str, Any], prefix: str, depth: int = 0
) -> Iterator[tuple[str, Mapping[int, Any]]]:
    """Yield the lists in nested mappings as values by index; pandas writes them as mappings."""
    for key, value in document.items():
        if isinstance(value, list):
            yield prefix + key, dict(enumerate(value))
        elif isinstance(value, Mapping) and value and depth < DEPTH_LIMIT:
            if all(_INTEGER.fullmatch(index) for index in value):
                yield prefix + key, {int(index): inner for index, inner in value.items()}
            else:
                yield from _lists(value, f"{prefix}{key}.", depth + 1)


def _transposed(lists: Mapping[str, Mapping[int, Any]]) -> Rows:
    """Yield a row for each index, which is its step where no list has a step's name."""
    for index in sorted(set().union(*lists.values())):
        row = {name: values[index] for name, values in lists.items() if index in values}
        cells = {name: cell for name, cell in row.items() if cell is not None}
        yield index + 1, {**cells, "": index}


def read_history(path: Path) -> Iterator[HistoryRow]:
    """Return the points in a file, or in every ``*.tsv`` of a folder in DVCLive's layout.

    They are yielded as the file is read, in its order. Raises `NotFoundError`
    or `InputError`, the latter also after points were yielded.
    """
    if kind(path) == "file":
        suffix(path, HISTORY_SUFFIXES, "histories")
        return _file_points(path, path.parent)
    inner = (path / "plots" / "metrics", path / "metrics")
    root = next((place for place in inner if place.is_dir()), path)
    files = live_files(root)
    if not files:
        raise InputError(
            f"{show(root)} is a folder without a .tsv file.",
            hint="A folder given as a history is DVCLive's; else name the file in it.",
        )
    return chain.from_iterable(_file_points(file, root) for file in files)


def live_files(folder: Path) -> list[Path]:
    """Return the ``*.tsv`` files under ``folder``, at any depth, sorted; links to folders not."""
    found = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    return sorted(file for file in found if file.suffix.lower() == ".tsv")


def read_rows(file: TextIO, columns: Columns, found: str) -> Iterator[HistoryRow]:
    """Yield the points of an open file whose suffix is ``found``."""
    rows: Rows
    if found in DELIMITERS:
        rows = table_rows(file, columns, found)
    elif found == ".json":
        rows = _document_rows(file, columns.shown)
    else:
        rows = json_rows(json_values(file, columns.shown), columns.shown)
    return points(columns, rows)


def _file_points(path: Path, root: Path) -> Iterator[HistoryRow]:
    found = path.suffix.lower()
    columns = Columns(
        shown=show(path),
        text=found in DELIMITERS,
        renamed={path.stem: _live_name(path, root)} if found == ".tsv" else {},
    )
    with open_text(path) as file:
        yield from read_rows(file, columns, found)


def _live_name(path: Path, root: Path) -> str:
    """Return the metric whose points DVCLive keeps in ``path``: ``train/loss``.

    In the file its column has only the last part of the name.
    """
    name = path.with_suffix("")
    for place in name.parents:
        if place.parts[-2:] == ("plots", "metrics"):
            return name.relative_to(place).as_posix()
    return name.relative_to(root).as_posix()
