"""``gitml model delete``: a model or a version out of the lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_references
from gitml.commands.options import command, json_option
from gitml.commands.writing import context_of, reason_option, target_of, tell_change
from gitml.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.registry.values import Version
    from gitml.store.git import Repository


@command(
    name="delete",
    examples=[
        'gitml model delete churn@v1.1.0 -m "Registered by mistake."',
        "gitml model delete churn --undo",
    ],
    exits=[3, 4, 5, 6, 7, 8, 9],
)
@click.argument("ref", metavar="MODEL|VERSION", shell_complete=complete_references)
@reason_option
@click.option("--undo", is_flag=True, help="Bring it back.")
@json_option
def model_delete(
    session: Session, *, ref: str, reason: str | None, undo: bool, as_json: bool
) -> None:
    """Take a model or a version out of the lists.

    It is a mark: the journal, the tags and the files stay, and the name and the
    number of a version are never given again. What a stage holds cannot be deleted.
    A version that was never published is removed for good.
    """
    from gitml.registry import manage

    if undo and reason:
        raise UsageError("--undo needs no reason.")
    store = session.store()
    if undo:
        written = manage.undo_delete(store, ref, context_of(session, store))
        tell_change(session, written, "Brought {} back.", as_json=as_json)
        return
    waiting = _waiting(store, ref)
    if waiting is not None:
        manage.forget(store, waiting)
        if as_json:
            session.screen.json(changed=True, removed=waiting.title)
        else:
            session.screen.line(f"Removed {waiting.title}, which was never published.")
        return
    written = manage.delete(store, ref, reason, context_of(session, store))
    undo_it = f"gitml model delete {ref} --undo"
    tell_change(session, written, "Deleted {}.", as_json=as_json, undo=undo_it)


def _waiting(store: Repository, ref: str) -> Version | None:
    """Return the version that is meant, if it waits here to be published."""
    try:
        _, version = target_of(store, ref)
    except NotFoundError:  # of another clone, perhaps
        return None
    return version if version is not None and not version.published else None
