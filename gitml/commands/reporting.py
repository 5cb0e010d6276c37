"""What the commands of ``gitml site`` share: the options that say what is shown, and the build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_experiments
from gitml.commands.options import F
from gitml.commands.options import where_option as where
from gitml.errors import InputError, RefusedError
from gitml.names import visible

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.site.gather import Options
    from gitml.site.write import Folder, Written

EXITS = (3, 4, 5, 6, 7, 8, 10)
"""What each of them may end with."""


def what_is_shown(function: F) -> F:
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
                "--links",
                metavar="HOST|URL",
                multiple=True,
                callback=_links,
                help="What runs at the remote's address, where its name does not tell: azure, "
                "bitbucket, gitea, github or gitlab; or an address with {commit}, with {tag}, or "
                "with {before} and {after}. Repeatable.",
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


def _links(_: click.Context, __: click.Parameter, asked: tuple[str, ...]) -> tuple[str, ...]:
    from gitml.site.hosts import check_link

    return tuple(map(check_link, asked))


def check_place(session: Session, output: Path) -> None:
    """Refuse to write pages into the repository's own folder, or over its work tree."""
    store = session.store()
    place = output.expanduser().resolve()
    if place == store.work_tree or place.is_relative_to(store.common_dir):
        raise RefusedError(
            f"{visible(str(output))} is the repository itself.", hint="name a folder for the pages"
        )


def build_pages(session: Session, folder: Folder, options: Options) -> Written:
    """Bring a folder up to date, with a bar where that takes long."""
    from gitml.output import progress
    from gitml.site.build import Sources, build
    from gitml.store.snapshot import snapshot

    with session.index() as index, progress("Writing runs", color=session.color) as report:
        sources = Sources(index=index, store=snapshot(session.store()))
        return build(sources, folder, options, progress=report)
