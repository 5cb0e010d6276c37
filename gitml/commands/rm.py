"""``gitml rm``: hide runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.commands.options import command, json_option, run_argument
from gitml.commands.typed import typed
from gitml.names import plural, visible

if TYPE_CHECKING:
    from gitml.commands.options import Session


@command(
    examples=["gitml rm brave-otter-12", "gitml rm calm-lake-3 keen-fjord-8 --json"],
    exits=[3, 5, 6, 7, 8],
)
@run_argument("words", metavar="RUN...", nargs=-1, required=True)
@json_option
def rm(session: Session, *, words: tuple[str, ...], as_json: bool) -> None:
    """Remove runs from the lists; gitml restore brings them back.

    Nothing is lost: ls --deleted shows what was removed, and gitml purge removes
    a run for good.
    """
    from gitml.tracking import edit

    with session.index() as index:
        runs = list({run.id: run for run in map(index.find, words)}.values())
    there = [run for run in runs if not run.deleted]
    if there:
        edit.delete(session.store(), there, now=session.now)
    if as_json:
        session.screen.json(removed=[{"id": run.id, "name": run.name} for run in there])
        return
    for run in runs:
        if run.deleted:
            session.say(f"{visible(run.name)} was removed already.")
    if there:
        session.screen.line(
            f"Removed {there[0].name if len(there) == 1 else plural(len(there), 'run')}"
        )
        session.screen.commands(typed("restore", runs=tuple(run.name for run in there)))
