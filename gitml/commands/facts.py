"""The facts of a run or of a version: its metrics, params, data and code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.names import plural
from gitml.words import command_line, in_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitml.model import Run
    from gitml.output import Piece, Screen


def metrics(screen: Screen, run: Run, curves: Mapping[str, list[float]]) -> None:
    """Draw the metrics, with curves where there are any."""
    from gitml.output import Cell, Column, spark

    if not run.metrics:
        return
    heads = ["METRIC", "LAST", "STEP", "MIN", "MAX", "POINTS", "CURVE"]
    if not screen.terminal:
        heads = ["metric", "last", "step", "min", "max", "points", "goal"]
    ranks = (0, 0, 2, 3, 3, 5, 4)
    columns = [
        Column(head, right=0 < at < len(heads) - 1, rank=rank)
        for at, (head, rank) in enumerate(zip(heads, ranks, strict=True))
    ]
    rows: list[list[Piece]] = []
    for name, metric in in_order(run.metrics).items():
        values = curves.get(name, [])
        curve = spark(values) if len(values) > 1 else ""
        rows.append(
            [
                name,
                Cell(screen.number(metric.last), "head"),
                str(metric.step),
                screen.number(metric.min),
                screen.number(metric.max),
                str(metric.count),
                Cell(curve, "act") if screen.terminal else metric.goal or screen.absent,
            ]
        )
    screen.line()
    screen.table(columns, rows)


def params(screen: Screen, run: Run) -> None:
    """Draw the hyper-parameters."""
    if run.params:
        screen.title("PARAMS")
        values = {name: screen.value(value) for name, value in in_order(run.params).items()}
        screen.pairs(values)


def inputs(screen: Screen, run: Run) -> None:
    """Draw the data."""
    from gitml.output import Column, size

    if not run.inputs:
        return
    heads = ["INPUT", "FOR", "DIGEST", "SIZE", "ROWS", "WHERE"]
    ranks = (0, 2, 0, 3, 4, 1)
    columns = [
        Column(head if screen.terminal else head.lower(), right=head in {"SIZE", "ROWS"}, rank=rank)
        for head, rank in zip(heads, ranks, strict=True)
    ]
    rows = []
    for each in run.inputs:
        bytes_ = screen.absent
        if each.size is not None:
            bytes_ = size(each.size) if screen.terminal else str(each.size)
        rows.append(
            [
                each.name,
                each.context or screen.absent,
                screen.digest(each.digest),
                bytes_,
                screen.absent if each.rows is None else str(each.rows),
                each.uri or screen.absent,
            ]
        )
    screen.line()
    screen.table(columns, rows)


def source(screen: Screen, run: Run) -> None:
    """Draw the code."""
    code = run.source
    if not (code.commit or code.tree or code.command):
        return
    screen.title("SOURCE")
    commit = code.commit[:7] if code.commit and screen.terminal else code.commit
    where = f"{commit or 'no commit yet'}{f' on {code.branch}' if code.branch else ''}"
    if code.dirty:
        changed = len(code.changed)
        where += f" + {plural(changed, 'changed file')}" if changed else " + uncommitted changes"
    screen.fact("code", where)
    screen.fact("changed", ", ".join(code.changed))
    screen.fact("left out", ", ".join(code.left_out), style="warn")
    screen.fact("command", command_line(code.command))
    screen.fact("remote", code.remote)
