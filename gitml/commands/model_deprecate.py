"""``gitml model deprecate``: a version that nobody should use any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_references
from gitml.commands.options import command, json_option
from gitml.commands.writing import context_of, reason_option, tell_change
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.commands.options import Session


@command(
    name="deprecate",
    examples=[
        'gitml model deprecate churn@v1.1.0 -m "Leaks the label."',
        "gitml model deprecate churn@v1.1.0 --undo",
    ],
    exits=[3, 4, 5, 6, 7, 8, 9],
)
@click.argument("ref", metavar="VERSION", shell_complete=complete_references)
@reason_option
@click.option("--undo", is_flag=True, help="Take the mark back.")
@json_option
def model_deprecate(
    session: Session, *, ref: str, reason: str | None, undo: bool, as_json: bool
) -> None:
    """Mark a version as one that nobody should use any more.

    It cannot be promoted then, and is never the latest. A version that a stage
    holds cannot be marked.
    """
    from gitml.registry import manage

    if undo and reason:
        raise UsageError("--undo needs no reason.")
    if not undo and not (reason and reason.strip()):
        raise UsageError("Say why, for those who use it.", hint="-m TEXT")
    store = session.store()
    context = context_of(session, store)
    if undo:
        written = manage.undo_deprecate(store, ref, context)
        tell_change(session, written, "{} is no longer deprecated.", as_json=as_json)
        return
    written = manage.deprecate(store, ref, reason or "", context)
    undo_it = f"gitml model deprecate {ref} --undo"
    tell_change(session, written, "Deprecated {}.", as_json=as_json, undo=undo_it)
