"""``gitml clone``: a repository with its runs and models, and no large files."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitml.commands import sharing
from gitml.commands.options import command, experiment_option, json_option, where_option
from gitml.errors import GitmlError, UsageError
from gitml.names import plural

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.sharing.exchange import Pull


@command(
    examples=[
        "gitml clone git@github.com:acme/churn.git",
        "gitml clone --depth 1 https://github.com/acme/churn.git site-builder",
    ],
    exits=[3, 4, 5, 6, 8, 9, 10],
    exit_words=sharing.LEFT_OUT_WORDS,
)
@click.argument("url", metavar="URL")
@click.argument("folder", metavar="[DIR]", required=False)
@click.option(
    "--depth",
    metavar="N",
    type=click.IntRange(min=1),
    help="Only the newest N commits of the code; runs and models come whole.",
)
@click.option("-b", "--branch", metavar="NAME", help="Check out this branch instead.")
@click.option(
    "--with-artifacts",
    is_flag=True,
    help="Bring the large files of runs too: of all, or of those that -e and --where say.",
)
@experiment_option
@where_option
@click.option("--bare", is_flag=True, help="Without a work tree, as a store of runs for --repo.")
@json_option
def clone(  # noqa: PLR0913 - what git clone may be told, and whose large files are wanted
    session: Session,
    *,
    url: str,
    folder: str | None,
    depth: int | None,
    branch: str | None,
    with_artifacts: bool,
    experiment: str | None,
    where: str | None,
    bare: bool,
    as_json: bool,
) -> None:
    """Clone a repository with its runs and models.

    It is what git clone does and then gitml pull: source trees of runs and large
    files stay on the remote until gitml source or gitml artifacts get ask for
    them. If anything fails, no folder is left behind.
    """
    from gitml.output import progress
    from gitml.sharing.exchange import pull
    from gitml.store.cloning import cloned, folder_of
    from gitml.store.git import INHERITED, open_repository
    from gitml.store.pulling import where as remote_of

    if not with_artifacts and (experiment or where):
        raise UsageError(
            "-e and --where say whose large files are brought, and none are asked for.",
            hint="add --with-artifacts; runs themselves always come all",
        )
    name = folder_of(url) + (".git" if bare else "") if folder is None else folder
    place = session.cwd() / Path(name).expanduser()
    started = time.monotonic()
    for variable in INHERITED:  # within a hook these name another repository
        os.environ.pop(variable, None)
    with (
        sharing.if_interrupted("Nothing was left behind."),
        progress("Cloning", color=session.color) as report,
        cloned(url, place, depth=depth, branch=branch, bare=bare, progress=report) as part,
    ):
        store = open_repository(part)
        try:
            there = remote_of(store, "origin")
            with sharing.receiving(session, store):
                done = pull(store, there)
        finally:
            store.close()
    document = sharing.pull_json(done)
    if not as_json:
        _tell(session, name, done, started)
        sharing.tell_left(session, there, done)
    if with_artifacts:
        store = open_repository(place)
        try:
            came = sharing.bring_artifacts(
                session, store, "origin", experiment=experiment, where=where
            )
        except GitmlError as error:
            error.hint = f"{name} is whole but for these: gitml pull --with-artifacts brings them"
            raise
        finally:
            store.close()
        document["large"] = sharing.artifacts_json(came)
        if not as_json:
            sharing.tell_artifacts(session, came)
    if as_json:
        session.screen.json(folder=str(place), **document)
    else:
        session.screen.commands(shlex.join(["cd", name]), "gitml ls")
    sharing.exit_after_pull(done)


def _tell(session: Session, name: str, done: Pull, started: float) -> None:
    screen = session.screen
    facts = {
        "runs": f"{plural(len(done.runs.runs), 'run')} not packed" if done.runs.runs else None,
        "ledgers": ", ".join(sorted(done.runs.ledgers)),
        "models": ", ".join(done.models),
    }
    for label, text in facts.items():
        screen.fact(label, text or None)
    screen.line(f"Cloned to {name} in {time.monotonic() - started:.2f} s.")
    if not any(facts.values()):
        session.say("There are no runs on it yet.", hint="gitml push sends those of a clone")
