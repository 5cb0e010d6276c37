"""``gitml site``: the runs as a report of static pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitml.commands.completing import complete_experiments
from gitml.commands.options import F, command, group, json_option
from gitml.commands.options import where_option as where
from gitml.errors import InputError, RefusedError
from gitml.names import plural, visible

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.site.gather import Options
    from gitml.site.write import Folder, Written

FOLDER = "public"
_EXITS = (3, 4, 5, 6, 8, 10)


@group(
    examples=["gitml site build -o public", "gitml site build --check"],
    exits=_EXITS,
)
def site() -> None:
    """Make a report of static pages from the runs."""


def _what(function: F) -> F:
    """Add the options that say what a site shows and how."""
    for option in reversed(
        (
            click.option("--title", metavar="TEXT", help="By default the repository's name."),
            click.option(
                "--base-url",
                metavar="URL",
                callback=_web,
                help="Where the pages will be, for the feed and for 404.html.",
            ),
            click.option(
                "-e",
                "--experiment",
                "experiments",
                metavar="NAME",
                multiple=True,
                shell_complete=complete_experiments,
                help="Only runs of this experiment; repeatable.",
            ),
            where,
            click.option(
                "--max-points",
                metavar="N",
                type=click.IntRange(min=10),
                default=500,
                show_default=True,
                help="Points of a metric in a page; more are thinned, extremes stay.",
            ),
            click.option(
                "--redact/--no-redact",
                default=True,
                help="Leave out e-mail addresses, host names, home folders and credentials "
                "(the default), or show them.",
            ),
            click.option(
                "--templates",
                metavar="DIR",
                type=click.Path(path_type=Path),
                help="A folder whose templates and assets come before gitml's own.",
            ),
        )
    ):
        function = option(function)
    return function


def _web(_: click.Context, __: click.Parameter, address: str | None) -> str | None:
    if address is not None and not address.startswith(("https://", "http://")):
        raise InputError(
            f"{visible(address, 80)} is no address on the web.", hint="it begins with https://"
        )
    return address


@command(
    name="build",
    examples=[
        "gitml site build -o public --title 'Churn model'",
        "gitml site build -e churn --where \"status = 'finished'\" --base-url https://ml.example.com/",
    ],
    exits=_EXITS,
)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    default=FOLDER,
    show_default=True,
    type=click.Path(path_type=Path),
    help="The folder to write: a new one, an empty one, or one of an earlier build.",
)
@click.option(
    "--check", is_flag=True, help="Write nothing, and exit with 1 if anything would be written."
)
@_what
@json_option
def build(session: Session, *, output: Path, check: bool, as_json: bool, **asked: Any) -> int:
    """Write the report: pages that open from any host, and from a disk.

    Only what changed since the last build is written, and only files that gitml
    wrote are ever removed. The same runs give the same bytes.
    """
    from gitml.site.gather import Options
    from gitml.site.write import Folder

    _check_place(session, output)
    done = _build(session, Folder(output, check=check), Options(**asked))
    if as_json:
        session.screen.json(
            output=str(output),
            checked=check,
            written=list(done.written),
            removed=list(done.removed),
            unchanged=done.unchanged,
        )
    else:
        _tell(session, output, done, check=check)
    return int(check and done.changed)


def _check_place(session: Session, output: Path) -> None:
    """Refuse to write pages into the repository's own folder, or over its work tree."""
    store = session.store()
    place = output.expanduser().resolve()
    if place == store.work_tree or place.is_relative_to(store.common_dir):
        raise RefusedError(
            f"{visible(str(output))} is the repository itself.", hint="name a folder for the pages"
        )


def _build(session: Session, folder: Folder, options: Options) -> Written:
    from gitml.output import progress
    from gitml.site.build import Sources, build
    from gitml.store.snapshot import snapshot

    with session.index() as index, progress("Writing runs", color=session.color) as report:
        sources = Sources(index=index, store=snapshot(session.store()))
        return build(sources, folder, options, progress=report)


def _tell(session: Session, output: Path, done: Written, *, check: bool) -> None:
    from gitml.words import size

    shown = visible(str(output))
    if not done.changed:
        session.screen.line(f"{shown} is up to date: {plural(done.unchanged, 'file')}.")
        return
    written = f"{plural(len(done.written), 'file')} {'to write' if check else 'written'}"
    parts = [
        f"{written} ({size(done.bytes)})",
        f"{done.unchanged:,} unchanged",
        f"{len(done.removed):,} {'to remove' if check else 'removed'}",
    ]
    session.screen.line(f"{shown}: {', '.join(parts)}.")
    if not check:
        session.screen.line(f"  {visible(str(output / 'index.html'))}", style="act")


site.add_command(build)
