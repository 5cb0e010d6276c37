"""``gitml sync``: pull, then push."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from gitml.commands import sharing
from gitml.commands.options import command, json_option

if TYPE_CHECKING:
    from gitml.commands.options import Session


@command(
    examples=["gitml sync", "gitml sync backup --json"],
    exits=[5, 6, 7, 8, 9, 10],
    exit_words=sharing.LEFT_OUT_WORDS,
)
@click.argument("remote", required=False, metavar="[REMOTE]")
@click.option("--dry-run", is_flag=True, help="Say what would move, and move nothing.")
@json_option
def sync(session: Session, *, remote: str | None, dry_run: bool, as_json: bool) -> None:
    """Pull, then push: afterwards this repository and the remote have the same.

    REMOTE is a remote of this repository, a URL or a path; by default git config
    gitml.remote, else origin.
    """
    from gitml.sharing.exchange import pull
    from gitml.store.pulling import where

    store = session.store()
    there = where(store, remote)
    if dry_run:
        behind = sharing.would_pull(there, store)
        ahead = sharing.run_push(session, there, store, dry_run=True)
        if as_json:
            pulled, pushed = sharing.behind_json(behind), sharing.push_json(ahead)
            session.screen.json(remote=there.name, dry_run=True, pulled=pulled, pushed=pushed)
        else:
            sharing.tell_behind(session, there, behind)
            sharing.tell_push(session, there, ahead, dry_run=True)
        return
    started = time.monotonic()
    with sharing.if_interrupted(sharing.PULL_GOES_ON), sharing.receiving(session, store):
        came = pull(store, there)
    if not as_json:
        sharing.tell_pull(session, there, came, started)
    if came.runs.rewound:
        if as_json:
            session.screen.json(remote=there.name, pulled=sharing.pull_json(came), pushed=None)
        sharing.tell_rewound(session, there, came)
        raise click.exceptions.Exit(sharing.REFUSED)
    if came.wrong is not None:
        raise came.wrong
    went = sharing.run_push(session, there, store, dry_run=False)
    if as_json:
        session.screen.json(
            remote=there.name, pulled=sharing.pull_json(came), pushed=sharing.push_json(went)
        )
    else:
        sharing.tell_push(session, there, went, dry_run=False)
    sharing.exit_after(went)
    sharing.exit_after_pull(came)
