"""Runs as columns: which there are, what stands in them, which value is the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gitml.model import iso
from gitml.output.screen import Cell, Column
from gitml.query.columns import METRICS, best_value, leading_metrics, value_of
from gitml.words import duration, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gitml.model import Json, Run
    from gitml.output.screen import Piece, Screen
    from gitml.query.summaries import ExperimentSummary
    from gitml.registry.standing import Standing


def titles(keys: Sequence[str]) -> dict[str, str]:
    """Return a short heading for each key, the whole key where two would be the same."""
    short = {key: key.partition(".")[2] or key.upper() for key in keys}
    seen = list(short.values())
    return {key: title if seen.count(title) == 1 else key for key, title in short.items()}


STATUS_STYLES = {
    "failed": "bad",
    "killed": "bad",
    "killed?": "warn",
    "lost?": "warn",
    "running": "good",
    "scheduled": "dim",
}


class Drawn(NamedTuple):
    """A column and its cell for each run."""

    column: Column
    cells: list[Cell]


def name_column(screen: Screen, runs: Sequence[Run]) -> Drawn:
    """Return the column of names, which says so where a run is deleted."""
    cells = [Cell(run.name + " (deleted)" * run.deleted, "act") for run in runs]
    return Drawn(Column("NAME" if screen.terminal else "name", widest=40), cells)


def status_column(screen: Screen, runs: Sequence[Run], doubts: Mapping[str, str]) -> Drawn:
    """Return the column of statuses, with the doubt there is about a run."""
    words = [doubts.get(run.id, run.status) for run in runs]
    cells = [Cell(word, STATUS_STYLES.get(word, "")) for word in words]
    return Drawn(Column("STATUS" if screen.terminal else "status"), cells)


def age_column(screen: Screen, runs: Sequence[Run], now: int, rank: int) -> Drawn:
    """Return the column of when runs began."""
    title = "AGE" if screen.terminal else "created"
    cells = [Cell(moment_cell(screen, run.created, now)) for run in runs]
    return Drawn(Column(title, right=screen.terminal, rank=rank), cells)


_SHORT: dict[str, Callable[[Run], str | None]] = {
    "id": lambda run: run.id[:8],
    "parent": lambda run: run.parent and run.parent[:8],
    "commit": lambda run: run.source.commit and run.source.commit[:7],
    "tree": lambda run: run.source.tree and run.source.tree[:7],
    "duration": lambda run: duration(run.duration) if run.duration else None,
    "author": lambda run: run.author.partition(" <")[0],
}
"""How a terminal shows what is long."""


def value_column(screen: Screen, runs: Sequence[Run], key: str, title: str, rank: int) -> Drawn:
    """Return the column of a key; on a terminal the best value of a metric is marked."""
    if screen.terminal and key in _SHORT:
        texts = [_SHORT[key](run) for run in runs]
        cells = [Cell(text) if text else Cell(screen.absent, "dim") for text in texts]
        return Drawn(Column(title, right=key == "duration", rank=rank), cells)
    values = [value_of(run, key) for run in runs]
    best = best_value(runs, key[len(METRICS) :]) if key.startswith(METRICS) else None
    marks = screen.terminal and best is not None
    cells = []
    for value in values:
        if value is None:
            cells.append(Cell(screen.absent + " " * marks, "dim"))
        elif marks and value == best:
            cells.append(Cell(screen.value(value) + "*", "head"))
        else:
            cells.append(Cell(screen.value(value) + " " * marks))
    numeric = all(_is_number(value) for value in values if value is not None)
    column = Column(title + " " * marks, right=numeric, rank=rank, widest=32)
    return Drawn(column, cells)


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def running_table(screen: Screen, runs: Sequence[Run], doubts: Mapping[str, str], now: int) -> None:
    """Draw runs that are being written: how far they are."""
    names = name_column(screen, runs)
    statuses = status_column(screen, runs, doubts)
    ages = age_column(screen, runs, now, rank=1)
    steps = []
    for run in runs:
        metric = next(iter(leading_metrics([run])), None)
        if metric is None:
            steps.append(Cell(screen.absent, "dim"))
        else:
            at = run.metrics[metric]
            steps.append(Cell(f"{metric} {screen.number(at.last)} at step {at.step}"))
    heads = ["EXPERIMENT", "LATEST"] if screen.terminal else ["experiment", "latest"]
    columns = [names.column, statuses.column, ages.column, *(Column(h, rank=2) for h in heads)]
    experiments = [run.experiment for run in runs]
    rows = zip(names.cells, statuses.cells, ages.cells, experiments, steps, strict=True)
    screen.table(columns, rows)


def stage_column(
    screen: Screen, runs: Sequence[Run], standing: Mapping[str, Sequence[Standing]]
) -> list[Drawn]:
    """Return the column of stages and versions; none if no run of these was registered."""
    cells = []
    for run in runs:
        found = standing.get(run.id, ())
        staged = [stage for one in found for stage in one.stages]
        if staged:
            words = dict.fromkeys(staged)
            cells.append(Cell(("● " if screen.terminal else "") + ", ".join(words), "good"))
        else:
            cells.append(Cell(found[0].version if found else screen.absent, "dim"))
    if not any(run.id in standing for run in runs):
        return []
    return [Drawn(Column("STAGE" if screen.terminal else "stage", rank=2, widest=24), cells)]


def experiment_json(each: ExperimentSummary) -> dict[str, Json]:
    """Return an experiment as ``--json`` shows it."""
    return {
        "name": each.name,
        "slug": each.slug,
        "runs": each.runs,
        "statuses": dict(each.statuses),
        "newest": each.newest,
        "created": None if each.created is None else iso(each.created),
    }


def by_newest(found: Iterable[ExperimentSummary]) -> list[ExperimentSummary]:
    """Return experiments, those with the newest runs first."""
    return sorted(found, key=lambda each: (-(each.created or 0), each.name))


def experiments_table(screen: Screen, found: Sequence[ExperimentSummary], now: int) -> None:
    """Draw experiments: how many runs of what kind, and the newest."""
    heads = ["EXPERIMENT", "RUNS", "RUNNING", "FAILED", "NEWEST RUN", "AGE"]
    ranks = [0, 0, 3, 2, 4, 1]
    if not screen.terminal:
        heads = ["name", "runs", "running", "failed", "newest", "created"]
    numbers = {1, 2, 3, 5} if screen.terminal else {1, 2, 3}
    columns = [Column(head, right=at in numbers, rank=ranks[at]) for at, head in enumerate(heads)]
    rows: list[list[Piece]] = []
    for each in found:
        running = each.statuses.get("running", 0)
        failed = each.statuses.get("failed", 0) + each.statuses.get("killed", 0)
        rows.append(
            [
                Cell(each.name, "act"),
                f"{each.runs:,}" if screen.terminal else str(each.runs),
                Cell(str(running), "good" if running else "dim"),
                Cell(str(failed), "bad" if failed else "dim"),
                each.newest or screen.absent,
                screen.absent if each.created is None else moment_cell(screen, each.created, now),
            ]
        )
    screen.table(columns, rows)


def moment_cell(screen: Screen, ms: int, now: int) -> str:
    """Return a time for a column: an age on a terminal, ISO 8601 in a pipe."""
    return span((now - ms) / 1000) if screen.terminal else iso(ms)
