"""``gitml push``: send runs, models and large files to a remote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands import sharing
from gitml.commands.options import command, json_option

if TYPE_CHECKING:
    from gitml.commands.options import Session


@command(
    examples=["gitml push", "gitml push backup --dry-run --json"],
    exits=[5, 6, 7, 8, 9, 10],
)
@click.argument("remote", required=False, metavar="[REMOTE]")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@json_option
def push(session: Session, *, remote: str | None, dry_run: bool, as_json: bool) -> None:
    """Send runs, models and large files to a remote.

    REMOTE is a remote of this repository, a URL or a path; by default git config
    gitml.remote, else origin. What others pushed meanwhile is joined with ours.
    A run whose large files do not go waits, and everything else is sent. A push
    that fails leaves everything safe here, and the next takes it along.
    """
    from gitml.store.pulling import where

    store = session.store()
    there = where(store, remote)
    done = sharing.run_push(session, there, store, dry_run=dry_run)
    if as_json:
        session.screen.json(remote=there.name, dry_run=dry_run, **sharing.push_json(done))
    else:
        sharing.tell_push(session, there, done, dry_run=dry_run)
    sharing.exit_after(done)
