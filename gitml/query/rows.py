"""A run as rows of the index, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from gitml.codec import scalar_from_text
from gitml.model import Artifact, Dataset, Environment, Json, Metric, Run, Source
from gitml.query.schema import HEAD
from gitml.records import compact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitml.query.index import Connection

Cell: TypeAlias = str | int | float | None
Row: TypeAlias = dict[str, Any]
"""``head`` (the values of `HEAD`), ``json``, and lists of rows: ``metric``, ``param`` and ``tag``
begin with the key's name, ``input`` and ``artifact`` are whole. JSON can hold it."""

_INT64 = 2**63


def storable(text: str) -> str:
    """Return text as SQLite can keep it: without lone surrogates."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def cell(value: Json) -> Cell:
    """Return a value as SQLite can keep it: lists as JSON, huge integers as floats."""
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, int):
        if -_INT64 <= value < _INT64:
            return int(value)
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    return json.dumps(value, separators=(",", ":"))


def _number(text: str) -> float | None:
    value = scalar_from_text(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def to_row(run: Run) -> Row:
    """Return what the index keeps of a run."""
    source, environment = run.source, run.environment
    values = {
        **{name: getattr(run, name) for name in HEAD if hasattr(run, name)},
        "branch": source.branch,
        "commit": source.commit,
        "tree": source.tree,
        "dirty": source.dirty,
        "script": source.script,
        "command": " ".join(source.command) or None,
        "host": environment.host,
        "python": environment.python,
        "platform": environment.platform,
    }
    metrics = [
        [cell(name), m.last, cell(m.step), m.min, m.max, cell(m.count), m.goal]
        for name, m in run.metrics.items()
    ]
    inputs = [(d.name, d.digest, d.context, d.uri, d.size, d.files, d.rows) for d in run.inputs]
    artifacts = [
        (a.path, a.size, a.sha256, a.media_type, a.store, a.uri) for a in run.artifacts.values()
    ]
    return {
        "head": [cell(values[name]) for name in HEAD],
        "json": _dump(run),
        "metric": metrics,
        "param": [[cell(name), cell(value)] for name, value in run.params.items()],
        "tag": [[cell(k), cell(v), _number(v)] for k, v in run.tags.items()],
        "input": [[cell(v) for v in row] for row in inputs],
        "artifact": [[cell(v) for v in row] for row in artifacts],
    }


def _dump(run: Run) -> str:
    """Return a run as JSON; NaN stays NaN, as Python alone will read it."""
    document = [
        run.id,
        run.name,
        run.status,
        run.created,
        run.ended,
        run.updated,
        run.author,
        run.parent,
        compact(run.source),
        compact(run.environment),
        [compact(d) for d in run.inputs],
        dict(run.params),
        {k: [m.last, m.step, m.min, m.max, m.count, m.goal] for k, m in run.metrics.items()},
        dict(run.tags),
        run.note,
        {k: [a.size, a.sha256, a.media_type, a.store, a.uri] for k, a in run.artifacts.items()},
        run.deleted,
        run.conflict,
        dict(run.extra),
    ]
    return json.dumps(document, separators=(",", ":"))


def _plain(value: Mapping[str, Json], lists: frozenset[str]) -> dict[str, Json]:
    return {k: tuple(v) if k in lists else v for k, v in value.items()}


_SOURCE_LISTS = frozenset({"command", "changed", "left_out"})
_DATASET_LISTS = frozenset({"columns"})


def from_row(text: str, experiment: str) -> Run:
    """Return the run that `to_row` took apart, with its experiment's present name."""
    (
        *head,
        source,
        environment,
        inputs,
        params,
        metrics,
        tags,
        note,
        artifacts,
        deleted,
        conflict,
        extra,
    ) = json.loads(text)
    run_id, name, status, created, ended, updated, author, parent = head
    return Run(
        id=run_id,
        name=name,
        experiment=experiment,
        status=status,
        created=created,
        ended=ended,
        updated=updated,
        author=author,
        parent=parent,
        source=Source(**_plain(source, _SOURCE_LISTS)),
        environment=Environment(**environment),
        inputs=tuple(Dataset(**_plain(d, _DATASET_LISTS)) for d in inputs),
        params=params,
        metrics={
            k: Metric(last=v[0], step=v[1], min=v[2], max=v[3], count=v[4], goal=v[5])
            for k, v in metrics.items()
        },
        tags=tags,
        note=note,
        artifacts={
            k: Artifact(path=k, size=v[0], sha256=v[1], media_type=v[2], store=v[3], uri=v[4])
            for k, v in artifacts.items()
        },
        deleted=deleted,
        conflict=tuple(conflict),
        extra=extra,
    )


_AT_ONCE = 500
"""Runs that one query reads."""


def read_runs(db: Connection, column: str, values: Sequence[str | int]) -> list[Run]:
    """Return the runs whose ``n`` or ``id`` is among ``values``, in their order."""
    found: dict[str | int, Run] = {}
    for at in range(0, len(values), _AT_ONCE):
        some = values[at : at + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        columns = f"{column}, json, experiment FROM run JOIN document USING (n)"
        query = f"SELECT {columns} WHERE {column} IN ({marks})"
        found |= {key: from_row(*row) for key, *row in db.execute(query, some)}
    return [found[value] for value in values if value in found]
