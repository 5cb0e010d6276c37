"""What commands share: the session, how a command is declared, and common options."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from gitml.commands.completing import complete_experiments, complete_runs
from gitml.errors import EXIT_CODES, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from click.shell_completion import CompletionItem

    from gitml.model import Run
    from gitml.output import Screen
    from gitml.query.index import Index
    from gitml.store.git import Repository

HOW_TO_BEGIN = "after training, gitml log; or gitml run -- python train.py; or gitml demo"


def how_to_begin(store: Repository) -> str:
    """Return the hint where there are no runs: how they come from others, and how they begin."""
    others = "gitml pull brings those of others; " if store.subsections("remote") else ""
    return others + HOW_TO_BEGIN


VARIABLES = {
    "GITML_REPO": "The repository that keeps the runs; --repo goes first.",
    "GITML_EXPERIMENT": "The experiment of runs that name none.",
    "GITML_AUTOPUSH": "Push each run as it ends: 1, or a remote; 0 does not.",
    "GITML_RUN_ID": "The run that programs write to; gitml run sets it.",
    "GITML_DEBUG": "1 adds the traceback to what fails.",
    "NO_COLOR": "1 is --no-color.",
}
"""The environment variables that gitml reads, besides git's own and those of clouds and hosts."""

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

    @contextlib.contextmanager
    def index(self, view: Repository | None = None) -> Iterator[Index]:
        """Give the index of the store, brought up to date, with a bar where that takes long.

        ``view`` is the store as a snapshot, where the command reads on in it.
        """
        from gitml.output import progress
        from gitml.query.index import open_index

        store = view or self.store()
        with progress("Reading runs", color=self.color) as report:
            opened = open_index(store, now=self.now, progress=report)
        with opened as index:
            yield index

    def doubts(self, index: Index, runs: Iterable[Run]) -> dict[str, str]:
        """Return ``killed?`` or ``lost?`` by id for those runs that may not be running."""
        if not any(run.status == "running" for run in runs):
            return {}
        from gitml.tracking.identity import who

        return index.doubtful(who())

    @functools.cached_property
    def now(self) -> int:
        """When this call of gitml began to look at the clock, in milliseconds."""
        from gitml.tracking.capture import now_ms

        return now_ms()

    @property
    def screen(self) -> Screen:
        """Where answers go."""
        if self._screen is None:
            from gitml.output import Screen

            self._screen = Screen.of_process(color=self.color)
        return self._screen

    def say(self, sentence: str, *, hint: str | None = None) -> None:
        """Say on stderr what is no answer: stdout is for those."""
        from gitml.names import visible

        click.echo(visible(sentence, 2000), err=True)
        if hint:
            click.echo(f"  hint: {visible(hint, 2000)}", err=True)

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


def add_everywhere(made: click.Command) -> None:
    """Add the options that every command has, after its own."""
    made.params += [
        click.Option(
            ["--repo"],
            metavar="PATH",
            expose_value=False,
            callback=_set_repo,
            help="The repository that keeps the runs, if not this one (or GITML_REPO).",
        ),
        click.Option(
            ["--no-color"],
            is_flag=True,
            expose_value=False,
            callback=_set_color,
            help="Plain text (as NO_COLOR=1 does).",
        ),
    ]


HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Explained:
    """A help page that ends with examples and exit codes."""

    examples: Sequence[str] = ()
    exits: Sequence[int] = ()
    exit_words: Mapping[int, str] = MappingProxyType({})
    """What an exit code means here, where it is not what it means elsewhere."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples and the exit codes."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{example}\n")
        words = {**EXIT_CODES, **self.exit_words}
        codes = "; ".join(f"{code} {words[code]}" for code in sorted({0, 2, *self.exits}))
        with formatter.section("Exit codes"):
            formatter.write_text(codes)


class Command(_Explained, click.Command):
    """A command, declared by `command`."""


class CommandGroup(_Explained, click.Group):
    """A command with subcommands, declared by `group`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Show the help where nothing is asked."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the subcommands, and then the options."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)


class Subcommand(NamedTuple):
    """A line of the table of a group's subcommands."""

    module: str
    """The module; the function in it has the module's own name."""
    help: str
    """One imperative sentence, the first line of the function's docstring."""


class LazyGroup(CommandGroup):
    """A command with subcommands out of a table, each loaded when it is asked for."""

    table: Mapping[str, Subcommand]

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Load a subcommand."""
        entry = self.table.get(cmd_name)
        return None if entry is None else load(entry.module)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the subcommand that is called; raise `UsageError` if there is none."""
        if args[0] not in self.table and not args[0].startswith("-"):
            path = ctx.command_path
            raise unknown(f"command {path}", args[0], self.table, f"{path} --help lists them")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a subcommand."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        names = [name for name in self.table if name.startswith(incomplete)]
        return [CompletionItem(name, help=self.table[name].help) for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table."""
        rows = [(name, entry.help) for name, entry in self.table.items()]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def load(module: str) -> click.Command:
    """Return the command in a module: what has the module's own name."""
    found = getattr(importlib.import_module(module), module.rpartition(".")[2])
    assert isinstance(found, click.Command)
    return found


def unknown(what: str, word: str, among: Iterable[str], hint: str) -> UsageError:
    """Return the failure that ``word`` is no ``what``, naming the nearest of ``among``."""
    from gitml.names import nearest, visible

    dashes = "--" if word.startswith("-") else ""
    near = " or ".join(dashes + choice for choice in nearest(word.lstrip("-"), among))
    return UsageError(
        f"There is no {what} {visible(word, 60)}",
        hint=f"did you mean {near}? {hint}" if near else hint,
    )


def command(
    *,
    examples: Sequence[str],
    exits: Sequence[int] = (),
    exit_words: Mapping[int, str] | None = None,
    name: str | None = None,
    **settings: Any,
) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command; its first argument is the `Session`.

    ``examples`` are two or more whole command lines; ``exits`` are the exit
    codes it may give besides 0 and 2; ``exit_words`` says of those what they mean
    here, if that is not what they mean elsewhere.
    """

    def declare(function: Callable[..., Any]) -> Command:
        settings["context_settings"] = {**HELP, **settings.get("context_settings", {})}
        made = click.command(name, cls=Command, **settings)(click.pass_obj(function))
        add_everywhere(made)
        made.examples, made.exits, made.exit_words = examples, exits, exit_words or {}
        return made

    return declare


def group(
    *,
    examples: Sequence[str],
    exits: Sequence[int] = (),
    name: str | None = None,
    table: Mapping[str, Subcommand] | None = None,
    **settings: Any,
) -> Callable[[Callable[..., Any]], CommandGroup]:
    """Make a function a command with subcommands.

    They are those of ``table``, or are added with ``NAME.add_command(…)``.
    """

    def declare(function: Callable[..., Any]) -> CommandGroup:
        settings["context_settings"] = {**HELP, **settings.get("context_settings", {})}
        kind = CommandGroup if table is None else LazyGroup
        made = click.group(name, cls=kind, **settings)(function)
        if isinstance(made, LazyGroup):
            made.table = table or {}
        add_everywhere(made)
        made.examples, made.exits = examples, exits
        return made

    return declare


def run_argument(name: str = "run", **settings: Any) -> Callable[[F], F]:
    """Add the argument RUN: an id or its start, a name, ``latest``, ``best:METRIC``."""
    settings.setdefault("metavar", "RUN")
    return click.argument(name, shell_complete=complete_runs, **settings)


experiment_option = click.option(
    "-e",
    "--experiment",
    metavar="NAME",
    shell_complete=complete_experiments,
    help="Only runs of this experiment.",
)
where_option = click.option(
    "--where",
    metavar="EXPR",
    help='Only runs for which this holds: "metrics.auc > 0.9 and params.lr < 0.01".',
)
json_option = click.option("--json", "as_json", is_flag=True, help="Answer with JSON.")
csv_option = click.option("--csv", "as_csv", is_flag=True, help="Answer with CSV.")
yaml_option = click.option("--yaml", "as_yaml", is_flag=True, help="Answer with YAML.")


def one_format(**flags: bool) -> str | None:
    """Return which of ``as_json``, ``as_csv`` … is set, as ``json`` …; raise if several are."""
    chosen = [name.removeprefix("as_") for name, given in flags.items() if given]
    if len(chosen) > 1:
        both = " and ".join(f"--{name}" for name in chosen)
        raise UsageError(f"{both} cannot be given together.", hint="choose one of them")
    return chosen[0] if chosen else None
