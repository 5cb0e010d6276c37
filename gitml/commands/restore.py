"""``gitml restore``: show runs again that were removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.commands.options import command, json_option, run_argument
from gitml.names import plural, visible

if TYPE_CHECKING:
    from gitml.commands.options import Session


@command(
    examples=["gitml restore brave-otter-12", "gitml restore calm-lake-3 keen-fjord-8 --json"],
    exits=[3, 5, 6, 7, 8],
)
@run_argument("words", metavar="RUN...", nargs=-1, required=True)
@json_option
def restore(session: Session, *, words: tuple[str, ...], as_json: bool) -> None:
    """Bring back runs that gitml rm removed.

    RUN is the whole name or id of a removed run: gitml ls --deleted lists them.
    """
    from gitml.tracking import edit

    with session.index() as index:
        runs = list({run.id: run for run in map(index.find, words)}.values())
    hidden = [run for run in runs if run.deleted]
    if hidden:
        edit.restore(session.store(), hidden, now=session.now)
    if as_json:
        session.screen.json(restored=[{"id": run.id, "name": run.name} for run in hidden])
        return
    for run in runs:
        if not run.deleted:
            session.say(f"{visible(run.name)} was not removed.")
    if hidden:
        session.screen.line(
            f"Restored {hidden[0].name if len(hidden) == 1 else plural(len(hidden), 'run')}"
        )
