"""``gitml sql``: a SELECT over the runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, csv_option, json_option, one_format
from gitml.errors import InputError

if TYPE_CHECKING:
    from gitml.commands.options import Session


@command(
    examples=[
        'gitml sql "select experiment, count(*) as runs from runs group by experiment"',
        "gitml sql \"select run, last from metrics where name = 'auc' order by 2\" --json",
    ],
    exits=[3, 5, 6, 8],
)
@click.argument("query")
@json_option
@csv_option
def sql(session: Session, *, query: str, as_json: bool, as_csv: bool) -> None:
    """Query the runs with SQL, read-only.

    QUERY is one SELECT of SQLite; - reads it from stdin. The tables are runs (all
    attributes), metrics (run_id, run, experiment, name, last, step, min, max, count,
    goal), params, tags (run_id, run, experiment, name, value), inputs and artifacts.
    """
    from gitml.query.tokens import EXAMPLE

    form = one_format(as_json=as_json, as_csv=as_csv)
    if query == "-":
        query = sys.stdin.read()
    screen = session.screen
    with session.index() as index:
        try:
            heads, rows = index.sql(query)
        except InputError as error:
            if error.hint == EXAMPLE:  # which is one for --where
                error.hint = "gitml sql --help names the tables, and has examples"
            raise
        if form == "json":
            screen.json(columns=heads, rows=(dict(zip(heads, row, strict=True)) for row in rows))
        elif form == "csv":
            screen.csv(heads, rows)
        else:
            screen.grid(heads, rows)
