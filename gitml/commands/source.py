"""``gitml source``: the exact code of a run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option, run_argument
from gitml.commands.typed import typed
from gitml.errors import NotFoundError, UsageError
from gitml.names import plural, visible

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.model import Run
    from gitml.reproduce.source import Checkout

_MOST = 5
"""Names that are told of several."""


@command(
    examples=[
        "gitml source brave-otter-12",
        "gitml source best:auc -o ../reproduced",
        "gitml source best:auc --requirements | pip install -r /dev/stdin",
    ],
    exits=[3, 4, 5, 6, 8, 9, 10],
)
@run_argument()
@click.option("-o", "--output", metavar="DIR", help="The new folder; by default RUN-source.")
@click.option("--list", "listing", is_flag=True, help="List the files and write none.")
@click.option("--requirements", is_flag=True, help="Print the packages that were installed.")
@json_option
def source(
    session: Session,
    *,
    run: str,
    output: str | None,
    listing: bool,
    requirements: bool,
    as_json: bool,
) -> None:
    """Bring back the code that a run was made from, in a new folder.

    The tree is the one that ran, uncommitted work included, written as git checks
    it out here: line endings and filters as its .gitattributes say. The work tree
    and the index are not touched. Code that is not here is fetched from the remote.
    To later runs the folder is no change of their own code, unless they work in it.
    """
    if (output is not None) + listing + requirements > 1:
        raise UsageError("Give one of -o, --list and --requirements.")
    with session.index() as index:
        found = index.find(run)
    if requirements:
        _requirements(session, found, as_json=as_json)
    elif listing:
        _list(session, found, as_json=as_json)
    else:
        _write(session, found, output, as_json=as_json)


def _requirements(session: Session, run: Run, *, as_json: bool) -> None:
    from gitml.store.history import requirements

    text = requirements(session.store(), run.id)
    if text is None:
        raise NotFoundError(f"{visible(run.name)} has no list of installed packages.")
    lines = text.splitlines()
    if as_json:
        session.screen.json(id=run.id, requirements=lines)
        return
    for line in lines:
        session.screen.line(line)


def _list(session: Session, run: Run, *, as_json: bool) -> None:
    from gitml.reproduce.source import LINK, MODULE, files
    from gitml.sharing.sources import source_of

    store = session.store()
    tree = source_of(store, run)
    listed = files(store, tree)
    if as_json:
        entries = [{"path": f.path, "mode": f.mode, "oid": f.oid} for f in listed]
        session.screen.json(id=run.id, tree=tree, files=entries)
        return
    marks = {LINK: "@", MODULE: "/", "100755": "*"}
    for file in listed:
        mark = marks.get(file.mode, "") if session.screen.terminal else ""
        session.screen.line(f"{file.path}{mark}")


def _write(session: Session, run: Run, output: str | None, *, as_json: bool) -> None:
    from gitml.reproduce.place import folder_name
    from gitml.reproduce.source import checkout, rerun
    from gitml.sharing.sources import source_of
    from gitml.store import written
    from gitml.store.history import requirements

    store = session.store()
    name = folder_name(run, "source") if output is None else output
    folder = session.cwd() / Path(name).expanduser()
    tree = source_of(store, run)
    done = checkout(store, tree, folder)
    written.note(store, folder, done.paths, f"the code of {visible(run.name, 60)}")
    again = rerun(run)
    if as_json:
        session.screen.json(
            id=run.id,
            tree=tree,
            folder=str(folder),
            files=done.files,
            pointers=list(done.pointers),
            submodules=list(done.modules),
            left_out=list(run.source.left_out),
            command=list(run.source.command),
        )
        return
    session.screen.line(f"Wrote {plural(done.files, 'file')} of {run.name} to {name}")
    _missing(session, run, done)
    if requirements(store, run.id) is not None:
        wanted = typed("source", "--requirements", runs=(run.name,))
        session.screen.commands(f"{wanted} | pip install -r /dev/stdin")
    if again is not None:
        below, command = again
        session.screen.commands(f"{shlex.join(['cd', str(Path(name) / below)])} && {command}")


def _missing(session: Session, run: Run, done: Checkout) -> None:
    """Say what the folder lacks of what the run had."""

    def told(names: tuple[str, ...]) -> str:
        more = " …" if len(names) > _MOST else ""
        return ", ".join(visible(name, 200) for name in names[:_MOST]) + more

    if run.source.left_out:
        session.say(f"Left out when the run was made: {told(run.source.left_out)}")
    if done.pointers:
        session.say(
            f"Only pointers of large files that are not on this machine: {told(done.pointers)}",
            hint="git lfs fetch --all brings what the remote has; then do it again",
        )
    if done.modules:
        session.say(f"Submodules are empty: {told(done.modules)}")
