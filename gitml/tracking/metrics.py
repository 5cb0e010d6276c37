"""Metrics from the files training scripts write their results to."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from gitml.errors import GitmlError, InputError
from gitml.names import visible
from gitml.tracking.history import Columns, learn_header, read_rows, whole
from gitml.tracking.params import document_in, sort_of
from gitml.tracking.tables import (
    DELIMITERS,
    PAIR,
    csv_rows,
    joined,
    json_number,
    json_values,
    named,
    number,
    open_text,
    read_document,
    show,
    suffix,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

METRICS_SUFFIXES = (".json", ".yaml", ".yml", ".toml", ".csv", ".tsv", ".jsonl", ".ndjson")
_SERIES_HEADER = ["", "0"]
"""What pandas writes above a series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsFile:
    """What a metrics file says."""

    values: Mapping[str, float]
    """The metrics; of a table, the last value of each."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """What is not a number, by name: ``text``, ``a list``, ``null``, ``a bool`` …"""
    step: int | None = None
    """The step they were measured at, if the file says: a ``step`` key or column."""


def read_metrics(path: Path) -> MetricsFile:
    """Return the metrics in a JSON, YAML, TOML, CSV, TSV or JSON lines file.

    Nested keys are joined with ``.``. What is not a number is left out and
    said; text counts only if it spells NaN or an infinity. CSV has names and
    values in two columns, or a table as a history has it; of tables, JSON
    arrays and JSON lines the last value of each metric counts. Raises
    `NotFoundError`, or `InputError`, also if there is no number at all.
    """
    found = suffix(path, METRICS_SUFFIXES, "metrics")
    text, shown = read_document(path), show(path)
    if not text.strip():
        raise InputError(f"{shown} is empty.", hint="Write it before the run is logged.")
    if found in {".json", ".yaml", ".yml", ".toml"} and not _several(text, shown, found):
        metrics = _metrics_document(document_in(text, shown, found), shown)
    else:
        pairs = _bare_pairs(text, shown, found)
        metrics = (
            _metrics_table(text, shown, found) if pairs is None else _metrics_pairs(pairs, shown)
        )
    if not metrics.values:
        skipped = ", ".join(
            f"{visible(name, 40)} is {sort}" for name, sort in islice(metrics.skipped.items(), 3)
        )
        raise InputError(
            f"{shown} holds no number{': ' + skipped if skipped else ''}.",
            hint='Metrics are numbers by name: {"auc": 0.93}. Lists by step are a --history.',
        )
    return metrics


def _metrics_document(document: Mapping[Any, Any], shown: str) -> MetricsFile:
    leaves = joined(document, shown)
    # DVCLive keeps the step beside the values that were measured at it.
    given = leaves.get("step")
    step = whole(given) if isinstance(given, int) and len(leaves) > 1 else None
    if step is not None:
        del leaves["step"]
    values, skipped = {}, {}
    for name, leaf in leaves.items():
        value = json_number(leaf)
        if value is None:
            too_large = isinstance(leaf, int) and not isinstance(leaf, bool)
            skipped[name] = "too large a number" if too_large else sort_of(leaf)
        else:
            values[named(name, "metric", shown)] = value
    return MetricsFile(values=values, skipped=skipped, step=step)


def _several(text: str, shown: str, found: str) -> bool:
    """Say whether a JSON file is a table: an array, or values one after another."""
    if found != ".json":
        return False
    head = islice(json_values(io.StringIO(text), shown), 2)
    return text.lstrip().startswith("[") or len(list(head)) > 1


def _bare_pairs(text: str, shown: str, found: str) -> list[list[str]] | None:
    """Return the rows of a CSV file that is names and values without a header, else None."""
    if found not in DELIMITERS:
        return None
    rows = [cells for _, cells in csv_rows(io.StringIO(text, newline=""), shown, found)]
    if not _begins_bare(rows) or any(len(row) != PAIR for row in rows):
        return None
    return rows[1:] if rows[0] == _SERIES_HEADER else rows


def _begins_bare(rows: list[list[str]]) -> bool:
    """Say whether the first row is a name and a number."""
    first = rows[0] if rows else []
    return len(first) == PAIR and number(first[0]) is None and number(first[1]) is not None


def _metrics_pairs(rows: list[list[str]], shown: str) -> MetricsFile:
    cells = {named(name, "metric", shown): number(cell) for name, cell in rows}
    return MetricsFile(
        values={name: value for name, value in cells.items() if value is not None},
        skipped={name: "text" for name, value in cells.items() if value is None},
    )


def _metrics_table(text: str, shown: str, found: str) -> MetricsFile:
    columns = Columns(shown=shown, text=found in DELIMITERS)
    values, step = {}, None
    for name, step, _, value in read_rows(io.StringIO(text, newline=""), columns, found):  # noqa: B007
        values[name] = value
    return MetricsFile(
        values=values,
        skipped=dict.fromkeys(columns.left_out(), "not a number"),
        step=None if columns.step is None else step,
    )


def is_history(path: Path) -> bool:
    """Say whether a metrics file is a table of several rows; not if it cannot be read."""
    found, shown = path.suffix.lower(), show(path)
    if found not in {*DELIMITERS, ".json", ".jsonl", ".ndjson"}:
        return False
    columns = Columns(shown=shown, text=True)
    try:
        with open_text(path) as file:
            if found not in DELIMITERS:
                return len(list(islice(json_values(file, shown), 2))) > 1
            rows = [cells for _, cells in islice(csv_rows(file, shown, found), 3)]
    except GitmlError:
        return False
    learn_header(columns, rows[0] if rows else ())
    names_and_values = _begins_bare(rows) or (columns.pair is not None and columns.step is None)
    return not names_and_values and len(rows[1:]) > 1
