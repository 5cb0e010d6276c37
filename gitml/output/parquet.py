"""Parquet files, by pyarrow (the ``parquet`` extra)."""

from __future__ import annotations

from importlib import import_module
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from gitml.errors import UsageError
from gitml.words import exact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitml.model import Json

BATCH = 100_000
"""Rows of a row group, so that points need bounded memory."""


def pyarrow() -> Any:
    """Return the library; raise `UsageError` if it is not installed."""
    try:
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ImportError:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed.", hint="pip install 'gitml[parquet]'"
        ) from None


def write_table(file: IO[bytes], columns: Mapping[str, Sequence[Json]]) -> None:
    """Write columns; one whose values are of several kinds is written as text."""
    arrow = pyarrow()
    table = arrow.table({name: _column(arrow, values) for name, values in columns.items()})
    arrow.parquet.write_table(table, file)


def _column(arrow: Any, values: Sequence[Json]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        return arrow.array(values, arrow.float64())
    if kinds <= {bool} or kinds <= {float}:
        return arrow.array(values, arrow.bool_() if kinds == {bool} else arrow.float64())
    if kinds == {int} and all(v is None or abs(v) < 1 << 63 for v in values):
        return arrow.array(values, arrow.int64())
    return arrow.array([None if v is None else exact(v) for v in values], arrow.string())


def write_rows(file: IO[bytes], kinds: Mapping[str, type], rows: Iterable[Sequence[Json]]) -> None:
    """Write rows of the given kinds of columns, in row groups of `BATCH`."""
    arrow = pyarrow()
    types = {str: arrow.string(), int: arrow.int64(), float: arrow.float64()}
    schema = arrow.schema([(name, types[kind]) for name, kind in kinds.items()])
    with arrow.parquet.ParquetWriter(file, schema) as writer:
        for batch in _batches(rows):
            arrays = zip(*batch, strict=True)
            writer.write_table(arrow.table([*map(list, arrays)], schema=schema))


def _batches(rows: Iterable[Sequence[Json]]) -> Iterator[list[Sequence[Json]]]:
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        yield batch
