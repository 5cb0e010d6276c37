"""``gitml purge``: remove a run for good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option, run_argument
from gitml.commands.typed import typed
from gitml.errors import RefusedError
from gitml.names import visible

if TYPE_CHECKING:
    from gitml.commands.options import Session


@command(
    examples=[
        "gitml purge brave-otter-12 --yes",
        'gitml purge brave-otter-12 --yes --reason "personal data"',
    ],
    exits=[3, 4, 5, 6, 7, 8],
)
@run_argument()
@click.option("--yes", is_flag=True, help="Do it: it cannot be undone.")
@click.option("--reason", metavar="TEXT", help="Why, for those who ask later.")
@json_option
def purge(session: Session, *, run: str, yes: bool, reason: str | None, as_json: bool) -> None:
    """Remove a run for good.

    A tombstone with your name, the time and the reason stays in the experiment,
    and wins over every copy of the run, wherever it comes from. The run's bytes
    stay in git's history, here and in clones. RUN is a name or an id.
    """
    with session.index() as index:
        found = index.find(run)
    name = visible(found.name)
    if run not in {found.name, found.id} and not found.id.startswith(run.lower()):
        raise RefusedError(
            f"{visible(run)} is {name} at present, but may be another run later.",
            hint="name a run that is to be purged by its name or id",
        )
    if not yes:
        again = typed("purge", "--yes", runs=(run,))
        raise RefusedError(
            f"Purging {name} is final: nothing brings it back.",
            hint=f"gitml rm hides a run and can be undone; to purge it: {again}",
        )
    from gitml.tracking import edit

    edit.purge(session.store(), found, now=session.now, reason=reason)
    if as_json:
        session.screen.json(purged={"id": found.id, "name": found.name})
        return
    session.screen.line(f"Purged {found.name}  id {found.id[:8]}")
    session.say("  Its bytes are still in git's history, here and wherever it was pushed to.")
    if any(artifact.store == "lfs" for artifact in found.artifacts.values()):
        session.say("  Large files stay where they were sent to; gitml gc removes them here.")
