"""``gitml pull``: bring runs and models from a remote."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from gitml.commands import sharing
from gitml.commands.options import command, experiment_option, json_option, where_option
from gitml.errors import UsageError

if TYPE_CHECKING:
    from gitml.commands.options import Session


@command(
    examples=[
        "gitml pull",
        "gitml pull backup --dry-run",
        'gitml pull --with-artifacts --where "metrics.auc > 0.9"',
    ],
    exits=[3, 5, 6, 7, 8, 9, 10],
    exit_words=sharing.LEFT_OUT_WORDS,
)
@click.argument("remote", required=False, metavar="[REMOTE]")
@click.option(
    "--accept-rewind",
    is_flag=True,
    help="Take ledgers that went back on the remote as they are there.",
)
@click.option(
    "--with-artifacts",
    is_flag=True,
    help="Bring the large files of runs too: of all, or of those that -e and --where say.",
)
@click.option("--dry-run", is_flag=True, help="Say what would come, and bring nothing.")
@experiment_option
@where_option
@json_option
def pull(
    session: Session,
    *,
    remote: str | None,
    accept_rewind: bool,
    with_artifacts: bool,
    dry_run: bool,
    experiment: str | None,
    where: str | None,
    as_json: bool,
) -> None:
    """Bring runs and models from a remote.

    Runs of others appear in every list; source trees, packages and large files
    come when they are asked for. A ledger that lost runs on the remote is named
    and not followed.
    """
    from gitml.sharing.exchange import pull as bring
    from gitml.store.pulling import where as remote_of

    if not with_artifacts and (experiment or where):
        raise UsageError(
            "-e and --where say whose large files are brought, and none are asked for.",
            hint="add --with-artifacts; runs themselves always come all",
        )
    store = session.store()
    there = remote_of(store, remote)
    if dry_run:
        behind = sharing.would_pull(there, store)
        if as_json:
            session.screen.json(remote=there.name, dry_run=True, **sharing.behind_json(behind))
        else:
            sharing.tell_behind(session, there, behind)
        return
    started = time.monotonic()
    with sharing.if_interrupted(sharing.PULL_GOES_ON), sharing.receiving(session, store):
        done = bring(store, there, accept_rewind=accept_rewind)
    if not as_json:
        sharing.tell_pull(session, there, done, started)
    document = sharing.pull_json(done)
    if with_artifacts:
        came = sharing.bring_artifacts(
            session, store, there.address, experiment=experiment, where=where
        )
        document["large"] = sharing.artifacts_json(came)
        if not as_json:
            sharing.tell_artifacts(session, came)
    if as_json:
        session.screen.json(remote=there.name, **document)
    if done.runs.rewound and not accept_rewind:
        sharing.tell_rewound(session, there, done)
        raise click.exceptions.Exit(sharing.REFUSED)
    sharing.exit_after_pull(done)
