"""``gitml model rename``: another name for a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_models
from gitml.commands.options import command, json_option
from gitml.commands.writing import context_of, tell_change
from gitml.names import visible

if TYPE_CHECKING:
    from gitml.commands.options import Session


@command(
    name="rename",
    examples=[
        'gitml model rename churn "Churn, monthly"',
        "gitml model rename churn-2 churn-weekly --json",
    ],
    exits=[3, 4, 5, 6, 7, 8, 9],
)
@click.argument("name", metavar="MODEL", shell_complete=complete_models)
@click.argument("new", metavar="NAME")
@json_option
def model_rename(session: Session, *, name: str, new: str, as_json: bool) -> None:
    """Give a model another name.

    The old name goes on naming it, and its tags keep the name it was registered
    under.
    """
    from gitml.registry.manage import rename

    store = session.store()
    written = rename(store, name, new, context_of(session, store))
    tell_change(session, written, f"Renamed {{}} to {visible(new, 80)}.", as_json=as_json)
