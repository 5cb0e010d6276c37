"""``gitml artifacts``: the files of a run."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitml.commands.artifacts_status import status
from gitml.commands.options import command, group, json_option, run_argument
from gitml.errors import InputError, UsageError
from gitml.names import plural, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.commands.options import Session
    from gitml.model import Artifact, Run
    from gitml.output import Piece
    from gitml.reproduce.artifacts import Placed
    from gitml.store.git import Repository

_SHOWN = 1 << 20
"""Bytes up to which a file is shown on a terminal."""


@group(
    examples=[
        "gitml artifacts ls brave-otter-12",
        "gitml artifacts get best:auc model.pkl -o models",
    ],
    exits=[3, 4, 5, 6, 8, 9, 10],
)
def artifacts() -> None:
    """List the files of a run, or get them."""


@command(
    examples=["gitml artifacts ls brave-otter-12", "gitml artifacts ls latest --json"],
    exits=[3, 5, 6, 8],
    name="ls",
)
@run_argument()
@json_option
def list_(session: Session, *, run: str, as_json: bool) -> None:
    """List the files of a run.

    Small ones are in git itself; larger ones are git-lfs objects, which may not be
    on this machine; some were recorded by their address alone.
    """
    with session.index() as index:
        found = index.find(run)
    listed = [artifact for _, artifact in sorted(found.artifacts.items())]
    if as_json:
        _as_json(session, found, listed)
    elif listed:
        _table(session, listed)
    else:
        session.say(
            f"{visible(found.name)} has no artifacts.",
            hint="gitml log --artifact PATH --run RUN adds one",
        )


def _as_json(session: Session, run: Run, listed: Sequence[Artifact]) -> None:
    from gitml.records import compact
    from gitml.reproduce.artifacts import is_here

    store = session.store()
    session.screen.json(
        run={"id": run.id, "name": run.name},
        artifacts=[{**compact(a), "here": is_here(store, a)} for a in listed],
    )


def _table(session: Session, listed: Sequence[Artifact]) -> None:
    from gitml.output import Cell, Column, size

    screen, store = session.screen, session.store()
    heads = ["PATH", "SIZE", "TYPE", "STORE"]
    columns = [
        Column(
            head if screen.terminal else head.lower(), right=head == "SIZE", rank=rank, widest=60
        )
        for head, rank in zip(heads, [0, 1, 2, 0], strict=True)
    ]
    rows: list[list[Piece]] = []
    for artifact in listed:
        amount = screen.absent
        if artifact.size is not None:
            amount = size(artifact.size) if screen.terminal else str(artifact.size)
        where = _where(store, artifact)
        style = "" if where == artifact.store else "warn" if artifact.store == "lfs" else "dim"
        rows.append(
            [
                Cell(artifact.path, "act"),
                amount,
                Cell(artifact.media_type or screen.absent, "dim"),
                Cell(where, style),
            ]
        )
    screen.table(columns, rows)


def _where(store: Repository, artifact: Artifact) -> str:
    from gitml.reproduce.artifacts import is_here

    if artifact.store == "uri":
        doubt = "" if artifact.sha256 else ", unverified"
        return f"{artifact.uri or 'elsewhere'}{doubt}"
    return artifact.store if is_here(store, artifact) else f"{artifact.store}, not here"


@command(
    examples=[
        "gitml artifacts get brave-otter-12 plots -o report",
        "gitml artifacts get best:auc report.md -o -",
    ],
    exits=[3, 4, 5, 6, 8, 9, 10],
)
@run_argument()
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option("-o", "--output", metavar="DIR", help="The folder to write to; - is stdout.")
@click.option("--force", is_flag=True, help="Overwrite files that have other content.")
@json_option
def get(
    session: Session,
    *,
    run: str,
    paths: tuple[str, ...],
    output: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Get files of a run, verified.

    PATH is a file or a folder, as gitml artifacts ls names them; without any, all
    files are written to a new folder named after the run. Named ones are written
    below the working directory. A file with the same content is left alone.
    To later runs they are no change of their code, as long as nobody changes them.
    What is not here comes from artifacts.remote, else from git-lfs at the remote; a
    file that was recorded by its address is read from there when it is named.
    """
    from gitml.reproduce.artifacts import fetch, select
    from gitml.reproduce.place import folder_name
    from gitml.store import written
    from gitml.store.uris import can_be_read

    with session.index() as index:
        found = index.find(run)
    chosen = select(found, paths)
    if output == "-":
        if len(chosen) != 1 or as_json:
            what = "JSON" if as_json else plural(len(chosen), "file")
            raise UsageError(f"{what} cannot go to stdout.", hint="name one PATH with -o -")
        _to_stdout(session, found, chosen[0])
        return
    if output is None:
        output = "." if paths else folder_name(found, "artifacts")
    folder = session.cwd() / Path(output).expanduser()
    bring = functools.partial(_bring, session)
    placed = fetch(session.store(), found, chosen, folder, force=force, bring=bring)
    fresh = [p.target.relative_to(folder).as_posix() for p in placed if p.written]
    written.note(session.store(), folder, fresh, f"files of {visible(found.name, 60)}")
    if as_json:
        session.screen.json(
            folder=str(folder),
            files=[
                {
                    "path": p.artifact.path,
                    "target": str(p.target),
                    "size": p.artifact.size,
                    "sha256": p.artifact.sha256,
                    "written": p.written,
                }
                for p in placed
            ],
        )
        return
    _tell(session, placed, output)
    for each in placed:
        if each.written and each.artifact.sha256 is None:
            session.say(f"{visible(each.artifact.path)} has no digest to be verified against.")
    left = [a for a in found.artifacts.values() if a.store == "uri"] if not paths else []
    for artifact in left:
        session.say(
            f"{visible(artifact.path)} was not copied: it is at {artifact.uri}",
            hint=f"gitml artifacts get {run} {artifact.path} reads it from there"
            if can_be_read(artifact.uri or "")
            else None,
        )
    if not chosen and not left:
        session.say(f"{visible(found.name)} has no artifacts.")


def _bring(session: Session, wanted: Sequence[Artifact]) -> None:
    """Bring large files that are not on this machine."""
    from gitml.output import progress
    from gitml.sharing.fetching import fetch_large
    from gitml.store.remote import registry_remote
    from gitml.store.transfer import Content

    store = session.store()
    contents = [Content(sha256=a.sha256, size=a.size or 0, name=a.path) for a in wanted if a.sha256]
    with progress("Large files", color=session.color, sized=True) as report:
        fetch_large(store, contents, remote=registry_remote(store), progress=report)


def _to_stdout(session: Session, run: Run, artifact: Artifact) -> None:
    from gitml.data import hostile
    from gitml.reproduce.artifacts import Contents, is_here

    screen = session.screen
    if artifact.store == "lfs" and not is_here(session.store(), artifact):
        _bring(session, [artifact])
    content = Contents(session.store(), run, [artifact]).read(artifact)
    if not screen.terminal:
        screen.stream.flush()
        for chunk in content:
            screen.stream.buffer.write(chunk)
        screen.stream.buffer.flush()
        return
    shown = (artifact.size or 0) <= _SHOWN
    try:
        text = b"".join(content).decode() if shown else ""
    except UnicodeDecodeError:
        shown = False
        text = ""
    lines = text.replace("\r\n", "\n").replace("\t", "    ").split("\n")
    if not shown or any(hostile(line) or not line.isprintable() for line in lines):
        raise InputError(
            f"{visible(artifact.path)} is not text that a terminal can show.",
            hint="send it to a file: > FILE, or -o DIR",
        )
    for line in lines[:-1] if lines[-1] == "" else lines:
        screen.line(line)


def _tell(session: Session, placed: Sequence[Placed], output: str) -> None:
    from gitml.output import size

    written = [p for p in placed if p.written]
    amount = size(sum(p.artifact.size or 0 for p in written))
    if len(placed) == 1 and written:
        session.screen.line(f"Wrote {placed[0].target.name} ({amount}) to {output}")
    elif written:
        session.screen.line(f"Wrote {plural(len(written), 'file')} ({amount}) to {output}")
    there = len(placed) - len(written)
    if there:
        session.screen.line(
            f"{plural(there, 'file')} {'was' if there == 1 else 'were'} in {output} already."
        )


artifacts.add_command(list_)
artifacts.add_command(get)
artifacts.add_command(status)
