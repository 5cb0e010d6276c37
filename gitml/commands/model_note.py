"""``gitml model note``: what a model is, and what is to be known about a version."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_references
from gitml.commands.options import command, json_option
from gitml.commands.writing import context_of, target_of, tell_change
from gitml.errors import InputError, UsageError
from gitml.names import visible

if TYPE_CHECKING:
    from gitml.commands.options import Session

_MOST = 1 << 20
"""Bytes that are read from stdin; what is kept is far shorter."""


@command(
    name="note",
    examples=[
        'gitml model note churn "Who is about to leave, from a month of events."',
        'gitml model note churn@v1.2.0 "Trained without the March outage."',
    ],
    exits=[3, 4, 5, 6, 7, 8, 9],
)
@click.argument("ref", metavar="MODEL|VERSION", shell_complete=complete_references)
@click.argument("text", metavar="[TEXT]", required=False)
@click.option("--delete", is_flag=True, help="Remove the text.")
@json_option
def model_note(
    session: Session, *, ref: str, text: str | None, delete: bool, as_json: bool
) -> None:
    """Write a model's description or a version's note, or show it.

    TEXT replaces what was there, and - reads it from stdin.
    """
    from gitml.registry.manage import set_note

    if text is not None and delete:
        raise UsageError("Give one of TEXT and --delete.")
    if text is None and not delete:
        _show(session, ref, as_json=as_json)
        return
    if text == "-":
        text = sys.stdin.buffer.read(_MOST).decode("utf-8", "surrogateescape")
    if not delete and not (text or "").strip():
        raise InputError("There is no text.", hint="gitml model note REF --delete removes one")
    store = session.store()
    written = set_note(store, ref, text or "", context_of(session, store))
    verb = "Removed the text of" if delete else "Noted"
    tell_change(session, written, f"{verb} {{}}", as_json=as_json)


def _show(session: Session, ref: str, *, as_json: bool) -> None:
    from gitml.registry.versionfile import load_version

    store = session.store()
    model, version = target_of(store, ref)
    name = visible(model.name, 80)
    found = model.description
    if version is not None:
        name = f"{name} {version.name}"
        found = version.note if version.note is not None else load_version(store, version).note
    if as_json:
        session.screen.json(name=name, note=found)
    elif found:
        for line in found.split("\n"):
            session.screen.line(line)
    else:
        session.say(f"{name} has no text yet.", hint=f"gitml model note {ref} TEXT writes one")
