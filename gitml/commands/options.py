"""What commands share: the session, how a command is declared, and common options."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gitml.errors import EXIT_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gitml.output import Screen
    from gitml.store.git import Repository

F = TypeVar("F", bound="Callable[..., Any]")


class Session:
    """What one call of gitml works with: global options, repositories, the screen."""

    def __init__(self) -> None:
        self.repo: str | None = os.environ.get("GITML_REPO") or None
        self.color = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._opened: dict[Path, Repository] = {}
        self._screen: Screen | None = None

    def store(self) -> Repository:
        """Return the repository that keeps the runs.

        It is what ``--repo`` names, else ``GITML_REPO``, else ``git config
        gitml.repo`` of the repository around the working directory, else that
        one itself. Raises `RepositoryError` if there is none.
        """
        from pathlib import Path

        if self.repo is not None:
            return self._open(Path(self.repo).expanduser())
        here = self.here()
        named = here.config("gitml", "repo")
        if named is None:
            return here
        return self._open((here.work_tree or here.git_dir) / Path(named).expanduser())

    def here(self) -> Repository:
        """Return the repository around the working directory; raise `RepositoryError`."""
        return self._open(self.cwd())

    def cwd(self) -> Path:
        """Return the working directory; raise `RepositoryError` if it was removed."""
        from pathlib import Path

        try:
            return Path.cwd()
        except FileNotFoundError:
            from gitml.errors import RepositoryError

            raise RepositoryError("The working directory is gone.", hint="cd to another") from None

    def _open(self, path: Path) -> Repository:
        from gitml.store.git import INHERITED, open_repository

        if path not in self._opened:
            for name in INHERITED:  # within a hook these name another repository or index
                os.environ.pop(name, None)
            self._opened[path] = open_repository(path)
        return self._opened[path]

    @property
    def screen(self) -> Screen:
        """Where answers go."""
        if self._screen is None:
            from gitml.output import Screen

            self._screen = Screen.of_process(color=self.color)
        return self._screen

    def close(self) -> None:
        """End the processes of the repositories that were opened."""
        for repository in self._opened.values():
            repository.close()


def _set_repo(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None and isinstance(ctx.obj, Session):
        ctx.obj.repo = value


def _set_color(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and isinstance(ctx.obj, Session):
        ctx.obj.color = False


def everywhere(function: F) -> F:
    """Add the options that every command has."""
    repo = click.option(
        "--repo",
        metavar="PATH",
        expose_value=False,
        callback=_set_repo,
        help="The repository that keeps the runs, if not this one (or GITML_REPO).",
    )
    color = click.option(
        "--no-color",
        is_flag=True,
        expose_value=False,
        callback=_set_color,
        help="Plain text (as NO_COLOR=1 does).",
    )
    return repo(color(function))


class _Explained:
    """A help page that ends with examples and exit codes."""

    examples: Sequence[str] = ()
    exits: Sequence[int] = ()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples and the exit codes."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")
        codes = "; ".join(f"{code} {EXIT_CODES[code]}" for code in sorted({0, 2, *self.exits}))
        with formatter.section("Exit codes"):
            formatter.write_text(codes)


class Command(_Explained, click.Command):
    """A command, declared by `command`."""


class CommandGroup(_Explained, click.Group):
    """A command with subcommands, declared by `group`."""


def command(
    *, examples: Sequence[str], exits: Sequence[int] = (), name: str | None = None, **settings: Any
) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command; its first argument is the `Session`.

    ``examples`` are two or more whole command lines; ``exits`` are the exit
    codes it may give besides 0 and 2.
    """

    def declare(function: Callable[..., Any]) -> Command:
        made = click.command(name, cls=Command, **settings)(everywhere(click.pass_obj(function)))
        made.examples, made.exits = examples, exits
        return made

    return declare


def group(
    *, examples: Sequence[str], exits: Sequence[int] = (), **settings: Any
) -> Callable[[Callable[..., Any]], CommandGroup]:
    """Make a function a command with subcommands; add them with ``NAME.add_command(…)``."""

    def declare(function: Callable[..., Any]) -> CommandGroup:
        made = click.group(None, cls=CommandGroup, **settings)(everywhere(function))
        made.examples, made.exits = examples, exits
        return made

    return declare
