"""``gitml note``: a run's note."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option, run_argument
from gitml.commands.typed import typed
from gitml.errors import InputError, UsageError
from gitml.names import visible

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.model import Run

_MOST = 1 << 20
"""Bytes that are read from stdin; a note is far shorter."""


@command(
    examples=[
        'gitml note brave-otter-12 "Trained on the cleaned data."',
        "gitml note latest --append - < remarks.txt",
    ],
    exits=[3, 5, 6, 7, 8],
)
@run_argument()
@click.argument("text", metavar="[TEXT]", required=False)
@click.option("--append", is_flag=True, help="Add a line to the note there is.")
@click.option("--edit", is_flag=True, help="Open the note in $VISUAL or $EDITOR.")
@click.option("--delete", is_flag=True, help="Remove the note.")
@json_option
def note(
    session: Session,
    *,
    run: str,
    text: str | None,
    append: bool,
    edit: bool,
    delete: bool,
    as_json: bool,
) -> None:
    """Write a run's note, or show it.

    TEXT replaces the note, and - reads it from stdin. Without TEXT the note is
    shown.
    """
    if (text is not None) + edit + delete > 1:
        raise UsageError("Give one of TEXT, --edit and --delete.")
    if append and text is None:
        raise UsageError("There is nothing to append.", hint="gitml note RUN --append TEXT")
    from gitml.tracking.edit import set_note

    with session.index() as index:
        found = index.find(run)
    given = _given(found, text, append=append, edit=edit, delete=delete)
    if given is not None:
        (found,) = set_note(session.store(), [found], given, now=session.now)
    if as_json:
        from gitml.registry.standing import run_documents

        session.screen.json(run=next(run_documents(session.store(), [found])))
    elif given is None:
        _show(session, found, edited=edit)
    else:
        session.screen.line(f"{'Noted' if found.note else 'Removed the note of'} {found.name}")


def _given(run: Run, text: str | None, *, append: bool, edit: bool, delete: bool) -> str | None:
    """Return the new note, None if it is not to be changed."""
    if delete:
        return ""
    if edit:
        return _edited(run.note or "")
    if text == "-":
        text = _from_stdin()
    if text is not None and append and run.note:
        return f"{run.note}\n{text.strip()}"
    return text


def _from_stdin() -> str:
    text = sys.stdin.buffer.read(_MOST).decode("utf-8", "surrogateescape")
    if not text.strip():
        raise InputError(
            "There is no text on stdin.", hint="gitml note RUN --delete removes a note"
        )
    return text


def _edited(old: str) -> str | None:
    try:
        new = click.edit(f"{old}\n", extension=".md")
    except click.ClickException as error:
        raise InputError(
            f"The editor did not work: {visible(error.format_message(), 120)}.",
            hint="set EDITOR, or give the text: gitml note RUN TEXT",
        ) from None
    return None if new is None or new.strip() == old.strip() else new


def _show(session: Session, run: Run, *, edited: bool) -> None:
    if edited:
        session.say("Nothing was changed.")
    elif run.note:
        for line in run.note.split("\n"):
            session.screen.line(line)
    else:
        session.say(
            f"{visible(run.name)} has no note.",
            hint=f"{typed('note', runs=(run.name,))} TEXT writes one",
        )
