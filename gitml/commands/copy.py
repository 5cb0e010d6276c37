"""``gitml copy``: a new run with the contents of another."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_experiments
from gitml.commands.options import command, json_option, run_argument
from gitml.commands.typed import typed
from gitml.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.query.index import Index


@command(
    examples=[
        "gitml copy brave-otter-12 -e churn-v2",
        "gitml copy best:auc --name baseline",
    ],
    exits=[3, 4, 5, 6, 7, 8],
)
@run_argument()
@click.option(
    "-e",
    "--experiment",
    metavar="NAME",
    shell_complete=complete_experiments,
    help="The experiment of the copy; by default that of the run.",
)
@click.option("--name", metavar="NAME", help="The name of the copy; by default RUN's with -copy.")
@json_option
def copy(
    session: Session, *, run: str, experiment: str | None, name: str | None, as_json: bool
) -> None:
    """Make a new run with the contents of another.

    Runs never move between experiments: copy one, and remove the first if you
    like. The copy has an id of its own, and the tag gitml.copied_from names the
    run it is a copy of.
    """
    from gitml.tracking import capture, edit

    with session.index() as index:
        found = index.find(run)
        chosen = name if name is not None else _free(index, f"{found.name[:200]}-copy")
    made = edit.copy(
        session.store(),
        found,
        run_id=capture.new_run_id(),
        name=chosen,
        experiment=experiment,
        now=session.now,
    )
    if as_json:
        from gitml.registry.standing import run_documents

        session.screen.json(run=next(run_documents(session.store(), [made])))
        return
    session.screen.line(
        f"Copied {found.name} to {made.name} in {made.experiment}.  id {made.id[:8]}"
    )
    session.screen.commands(typed("show", runs=(made.name,)))


def _free(index: Index, name: str) -> str:
    """Return ``name``, with a number behind it if a run has it already."""
    for candidate in itertools.chain([name], (f"{name}-{n}" for n in itertools.count(2))):
        try:
            index.find(candidate)
        except NotFoundError:
            return candidate
        except InputError:  # several have it
            continue
    raise AssertionError
