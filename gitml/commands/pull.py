"""``gitml pull``: bring runs and models from a remote."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from gitml.commands import sharing
from gitml.commands.options import command, json_option

if TYPE_CHECKING:
    from gitml.commands.options import Session


@command(examples=["gitml pull", "gitml pull backup --json"], exits=[5, 6, 7, 8, 9])
@click.argument("remote", required=False, metavar="[REMOTE]")
@click.option(
    "--accept-rewind",
    is_flag=True,
    help="Take ledgers that went back on the remote as they are there.",
)
@json_option
def pull(session: Session, *, remote: str | None, accept_rewind: bool, as_json: bool) -> None:
    """Bring runs and models from a remote.

    Runs of others appear in every list; source trees, packages and large files
    come when they are asked for. A ledger that lost runs on the remote is named
    and not followed.
    """
    from gitml.sharing.exchange import pull as bring
    from gitml.store.pulling import where

    store = session.store()
    there = where(store, remote)
    started = time.monotonic()
    done = bring(store, there, accept_rewind=accept_rewind)
    if as_json:
        session.screen.json(remote=there.name, **sharing.pull_json(done))
    else:
        sharing.tell_pull(session, there, done, started)
    if done.runs.rewound and not accept_rewind:
        sharing.tell_rewound(session, there, done)
        raise click.exceptions.Exit(sharing.REFUSED)
