"""``gitml export``: runs or points into a file that other tools read."""

from __future__ import annotations

import contextlib
import io
import secrets
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from gitml.commands.options import Session, command, experiment_option, where_option
from gitml.errors import InputError, UsageError
from gitml.model import iso
from gitml.names import plural, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitml.model import Json, Run
    from gitml.store.git import Repository

POINT_HEAD = ("run_id", "run", "experiment", "metric", "step", "time", "value")


@command(
    examples=[
        "gitml export csv -e churn -o churn.csv",
        "gitml export parquet --points --where \"status = 'finished'\" -o points.parquet",
    ],
    exits=[3, 5, 6, 8, 10],
)
@click.argument("form", metavar="FORMAT", type=click.Choice(["csv", "json", "parquet"]))
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write this file, whole or not at all, instead of stdout.",
)
@click.option("--points", is_flag=True, help="Every point of every metric, a row each.")
@experiment_option
@where_option
def export(
    session: Session,
    *,
    form: str,
    output: Path | None,
    points: bool,
    experiment: str | None,
    where: str | None,
) -> None:
    """Export runs as CSV, JSON or Parquet.

    FORMAT is csv, json or parquet. There is a row for each run, with columns such
    as params.lr and metrics.auc; or, with --points, a row for each point.
    """
    from gitml.store.snapshot import snapshot

    if form == "parquet" and output is None and session.screen.terminal:
        raise UsageError("Parquet is not for a terminal.", hint="give a file with -o FILE")
    if form == "parquet":
        from gitml.output import parquet

        parquet.pyarrow()
    with session.index() as index:
        runs = index.search(where=where, experiment=experiment)
    store = snapshot(session.store())
    with _opened(output) as file:
        if form == "parquet":
            _parquet(file, store, runs, points=points)
        else:
            with _text(file) as text:
                _write(text, form, store, runs, points=points)
    if output is not None:
        session.say(f"Wrote {plural(len(runs), 'run')} to {visible(str(output))}")


def _write(
    text: io.TextIOWrapper, form: str, store: Repository, runs: Sequence[Run], *, points: bool
) -> None:
    from gitml.output import Screen
    from gitml.query.columns import csv_keys, value_of
    from gitml.registry.standing import run_documents

    screen = Screen(text, terminal=False, color=False)
    if form == "csv" and points:
        screen.csv(POINT_HEAD, _points(store, runs))
    elif form == "csv":
        keys = csv_keys(runs)
        screen.csv(keys, ([value_of(run, key) for key in keys] for run in runs))
    elif points:
        rows = _points(store, runs)
        screen.json(points=(dict(zip(POINT_HEAD, row, strict=True)) for row in rows))
    else:
        screen.json(runs=run_documents(store, runs))


def _points(store: Repository, runs: Sequence[Run]) -> Iterator[tuple[Json, ...]]:
    from gitml.store.history import history

    for run in runs:
        head = run.id, run.name, run.experiment
        for metric, step, time, value in history(store, run.id):
            yield *head, metric, step, iso(time), value


def _parquet(file: IO[bytes], store: Repository, runs: Sequence[Run], *, points: bool) -> None:
    from gitml.output import parquet
    from gitml.query.columns import csv_keys, value_of

    if points:
        kinds = dict.fromkeys(POINT_HEAD, str) | {"step": int, "value": float}
        parquet.write_rows(file, kinds, _points(store, runs))
    else:
        columns = {key: [value_of(run, key) for run in runs] for key in csv_keys(runs)}
        parquet.write_table(file, columns)


@contextlib.contextmanager
def _opened(output: Path | None) -> Iterator[IO[bytes]]:
    """Give a file to write: stdout's bytes, or one that takes its place when it is whole."""
    if output is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        return
    target = output.expanduser().resolve()  # through a link, not in its place
    if target.is_dir():
        raise InputError(f"{visible(str(output))} is a folder.", hint="name a file")
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {visible(str(output.parent))}", hint="mkdir it first")
    if target.exists() and not target.is_file():  # /dev/null, a named pipe
        with target.open("wb") as file:
            yield file
        return
    part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _text(file: IO[bytes]) -> Iterator[io.TextIOWrapper]:
    """Give a text stream over bytes, which stay open."""
    text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
    try:
        yield text
        text.flush()
    finally:
        text.detach()
