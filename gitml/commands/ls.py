"""``gitml ls``: runs as a table, fit for the screen, or as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from gitml.commands.completing import complete_keys
from gitml.commands.options import (
    command,
    csv_option,
    experiment_option,
    how_to_begin,
    json_option,
    one_format,
    where_option,
    yaml_option,
)
from gitml.model import SCHEMA
from gitml.names import plural, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitml.commands.options import Session
    from gitml.model import Json, Run
    from gitml.output import Screen
    from gitml.query.index import Index

FEWEST = 10
"""Runs that are listed however low the terminal is."""
AROUND = 5
"""Lines of the screen that are not runs: the command, headings, the footer, the prompt."""
MOST_METRICS = 6
"""Metrics that are shown without ``--all`` or ``--columns``."""


class _Asked(NamedTuple):
    """What is to be listed."""

    experiment: str | None
    where: str | None
    deleted: bool
    sort: tuple[str, ...]
    limit: int | None
    columns: str | None
    everything: bool


@command(
    examples=[
        "gitml ls -e churn --sort -auc --limit 5",
        'gitml ls --where "metrics.auc > 0.9 and params.lr < 0.01" --csv > best.csv',
    ],
    exits=[3, 5, 6, 8],
)
@experiment_option
@where_option
@click.option(
    "--sort",
    metavar="KEY",
    multiple=True,
    shell_complete=complete_keys,
    help="Sort by a metric, param or attribute, -KEY from the greatest down; again for ties.",
)
@click.option(
    "-n",
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    help="At most N runs, 0 for all. By default what fits the terminal, and all in a pipe.",
)
@click.option(
    "--columns",
    metavar="A,B",
    shell_complete=complete_keys,
    help="Just these columns: metrics, params, tags, attributes such as duration.",
)
@click.option("--all", "everything", is_flag=True, help="Every column, in blocks if need be.")
@click.option("--deleted", is_flag=True, help="The runs that gitml rm has hidden, too.")
@click.option("--experiments", is_flag=True, help="List experiments and not runs.")
@json_option
@csv_option
@yaml_option
def ls(
    session: Session,
    *,
    experiments: bool,
    as_json: bool,
    as_csv: bool,
    as_yaml: bool,
    **asked: bool | int | str | tuple[str, ...] | None,
) -> None:
    """List runs: a table, or JSON, CSV or YAML.

    The table shows name, status, age, the leading metrics and the params that
    differ; * marks the best value of a column. In a pipe nothing is cut, times
    are ISO 8601, and all runs are listed.
    """
    form = one_format(as_json=as_json, as_csv=as_csv, as_yaml=as_yaml)
    with session.index() as index:
        if experiments:
            _experiments(session, index, form)
        else:
            _runs(session, index, _Asked(**asked), form)  # type: ignore[arg-type]


def _runs(session: Session, index: Index, asked: _Asked, form: str | None) -> None:
    screen = session.screen
    limit = asked.limit or None
    if asked.limit is None and form is None and screen.terminal:
        limit = max(screen.height - AROUND, FEWEST)
    where, experiment, deleted = asked.where, asked.experiment, asked.deleted
    runs = index.search(
        where=where, experiment=experiment, order_by=asked.sort, limit=limit, deleted=deleted
    )
    if form is not None:
        _as_data(session, index, runs, asked, form)
    elif runs:
        total = index.count(where=where, experiment=experiment, deleted=deleted)
        _table(session, index, runs, asked, total)
    else:
        _nothing(session, index, asked)


def _chosen(index: Index, columns: str) -> list[str]:
    """Return the keys that ``--columns`` names; raise `InputError` for one that no run has."""
    from gitml.query.keys import resolve

    keys = index.keys()
    words = {"last": "", "value": "", "min": "_min", "max": "_max"}
    chosen = []
    for text in filter(None, map(str.strip, columns.split(","))):
        key = resolve(text, keys)
        if key.kind == "attributes":
            chosen.append("created" if key.name == "age" else key.name)
        else:
            chosen.append(f"{key.kind}{words[key.column]}.{key.name}")
    return list(dict.fromkeys(chosen))


def _as_data(session: Session, index: Index, runs: Sequence[Run], asked: _Asked, form: str) -> None:
    from gitml.query.columns import csv_keys, value_of
    from gitml.registry.standing import run_documents

    screen = session.screen
    if form == "json":
        screen.json(runs=run_documents(session.store(), runs))
    elif form == "yaml":
        screen.yaml({"schema": SCHEMA, "runs": list(run_documents(session.store(), runs))})
    else:
        keys = _chosen(index, asked.columns) if asked.columns else csv_keys(runs)
        screen.csv(keys, ([value_of(run, key) for key in keys] for run in runs))


def _table(session: Session, index: Index, runs: Sequence[Run], asked: _Asked, total: int) -> None:
    from gitml.output.runs import (
        age_column,
        name_column,
        stage_column,
        status_column,
        titles,
        value_column,
    )
    from gitml.query.columns import params_of
    from gitml.registry.standing import standings

    screen = session.screen
    keys = _chosen(index, asked.columns) if asked.columns else _default_keys(runs, asked)
    ranks = _ranks(keys)
    heads = titles(keys) if screen.terminal else {key: key for key in keys}
    drawn = [name_column(screen, runs), status_column(screen, runs, session.doubts(index, runs))]
    for key in keys:
        if key == "created":
            drawn.append(age_column(screen, runs, session.now, ranks[key]))
        elif key not in {"name", "status"}:
            head = heads[key] + (_arrow(key, asked.sort) if screen.terminal else "")
            drawn.append(value_column(screen, runs, key, head, ranks[key]))
    if not asked.columns:
        drawn += stage_column(screen, runs, standings(session.store()))
    rows = zip(*(column.cells for column in drawn), strict=True)
    hidden = screen.table([column.column for column in drawn], rows, fold=asked.everything)
    if screen.terminal:
        same = {} if asked.columns or asked.everything else params_of(runs).same
        _footer(screen, runs, total, same, more=bool(hidden or same))


def _default_keys(runs: Sequence[Run], asked: _Asked) -> list[str]:
    """Return what to show of these runs: what is sorted by, metrics, and params that differ."""
    from gitml.query.columns import METRICS, PARAMS, TAGS, keys_of, leading_metrics, params_of

    params = params_of(runs)
    sorted_by = [text.lstrip("-").removeprefix(METRICS) for text in asked.sort]
    keys = ["created"]
    if len({run.experiment for run in runs}) > 1:
        keys.append("experiment")
    metrics = leading_metrics(runs, first=sorted_by)
    keys += [METRICS + name for name in (metrics if asked.everything else metrics[:MOST_METRICS])]
    keys += [PARAMS + name for name in params.varied]
    if asked.everything:
        keys += [PARAMS + name for name in params.same]
        keys += [key for key in keys_of(runs) if key.startswith(TAGS)]
        keys += ["duration", "author", "branch", "commit", "id"]
    return keys


def _ranks(keys: Sequence[str]) -> dict[str, int]:
    """Return ranks that take turns: the first metric, the first param, the second metric."""
    from gitml.query.columns import METRICS

    ranks = {}
    metrics = others = 0
    for key in keys:
        if key.startswith(METRICS):
            metrics += 1
            ranks[key] = 2 * metrics
        elif key == "created":
            ranks[key] = 3
        else:
            others += 1
            ranks[key] = 2 * others + 1
    return ranks


def _arrow(key: str, sort: Sequence[str]) -> str:
    for text in sort:
        if text.lstrip("-") in {key, key.partition(".")[2]}:
            return " ▼" if text.startswith("-") else " ▲"
    return ""


def _footer(
    screen: Screen, runs: Sequence[Run], total: int, same: Mapping[str, Json], *, more: bool
) -> None:
    count = (
        plural(total, "run") if len(runs) == total else f"{len(runs):,} of {plural(total, 'run')}"
    )
    tail = " · --all shows every column" if more else ""
    middle = ""
    if same:
        pairs = ", ".join(f"{name}={screen.value(value)}" for name, value in same.items())
        room = screen.width - 2 - screen.cells(f"  {count} · same in all: {tail}")
        middle = f" · same in all: {screen.fit(pairs, room)}" if room > len("a=1, …") else ""
    screen.line(screen.fit(f"  {count}{middle}{tail}", screen.width), style="dim")


def _nothing(session: Session, index: Index, asked: _Asked) -> None:
    """Say on stderr that there are no runs, and what to do."""
    if asked.where is not None:
        others = index.count(experiment=asked.experiment, deleted=asked.deleted)
        session.say(f"No run of {others:,} matches.", hint="gitml ls lists them all")
    elif asked.experiment is not None:
        session.say(
            f"{visible(asked.experiment)} has no runs yet.",
            hint="gitml ls --experiments lists the experiments",
        )
    else:
        session.say("There are no runs here yet.", hint=how_to_begin(session.store()))


def _experiments(session: Session, index: Index, form: str | None) -> None:
    from gitml.output.runs import by_newest, experiment_json, experiments_table

    screen = session.screen
    found = by_newest(each for each in index.experiments() if not each.deleted)
    rows = [experiment_json(each) for each in found]
    if form == "json":
        screen.json(experiments=rows)
    elif form == "yaml":
        screen.yaml({"schema": SCHEMA, "experiments": rows})
    elif form == "csv":
        heads = ("name", "slug", "runs", "newest", "created")
        screen.csv(heads, ([row[head] for head in heads] for row in rows))
    elif found:
        experiments_table(screen, found, session.now)
    else:
        session.say("There are no experiments here yet.", hint=how_to_begin(session.store()))
