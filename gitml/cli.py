"""The command line: the table of commands, and the one place where failures are reported.

Nothing heavy is imported here: a command's module is loaded when that command
runs, and ``gitml --help`` is made from `COMMANDS` alone.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import select
import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from gitml import __version__
from gitml.commands.options import HELP, VARIABLES, Session, add_everywhere, load, unknown
from gitml.errors import GitmlError, RepositoryError, StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem


class Entry(NamedTuple):
    """A line of the table of commands."""

    module: str
    """The module; the function in it has the module's own name."""
    group: str
    """The heading that the command stands under in ``gitml --help``."""
    help: str
    """One imperative sentence, the first line of the function's docstring."""


GROUPS = ("Record", "Find", "Models", "Share", "Site", "Look after")
COMMANDS: dict[str, Entry] = {
    "log": Entry(
        "gitml.commands.log", "Record", "Record a run from the files that a training left behind."
    ),
    "run": Entry("gitml.commands.run", "Record", "Run a training command and record it."),
    "status": Entry(
        "gitml.commands.status", "Find", "Show where things stand, as gitml alone does."
    ),
    "ls": Entry("gitml.commands.ls", "Find", "List runs: a table, or JSON, CSV or YAML."),
    "show": Entry("gitml.commands.show", "Find", "Show everything about a run."),
    "diff": Entry(
        "gitml.commands.diff", "Find", "Compare runs: metrics, params, data, packages and source."
    ),
    "register": Entry("gitml.commands.register", "Models", "Register a version of a model."),
    "models": Entry("gitml.commands.models", "Models", "List the registered models."),
    "stages": Entry("gitml.commands.stages", "Models", "Show which version is in each stage."),
    "model": Entry("gitml.commands.model", "Models", "Show and change a model and its versions."),
    "import": Entry("gitml.commands.import_", "Share", "Take over what another tool has recorded."),
    "policy": Entry("gitml.commands.policy", "Models", "Check and explain the policy of stages."),
    "init": Entry(
        "gitml.commands.init",
        "Record",
        "Write .gitml/config.yaml, where every setting is explained.",
    ),
    "pack": Entry(
        "gitml.commands.pack", "Look after", "Seal finished runs into their experiments."
    ),
    "sql": Entry("gitml.commands.sql", "Find", "Query the runs with SQL, read-only."),
    "export": Entry("gitml.commands.export", "Find", "Export runs as CSV, JSON or Parquet."),
    "artifacts": Entry("gitml.commands.artifacts", "Find", "List the files of a run, or get them."),
    "regress": Entry(
        "gitml.commands.regress", "Find", "Find where a metric got worse, in commit order."
    ),
    "source": Entry(
        "gitml.commands.source",
        "Find",
        "Bring back the code that a run was made from, in a new folder.",
    ),
    "audit": Entry(
        "gitml.commands.audit",
        "Models",
        "Check that models are what was published, and say what mends them.",
    ),
    "lineage": Entry(
        "gitml.commands.lineage",
        "Models",
        "Show what something was made from, and what was made from it.",
    ),
    "site": Entry("gitml.commands.site", "Site", "Make a report of static pages from the runs."),
    "clone": Entry("gitml.commands.clone", "Share", "Clone a repository with its runs and models."),
    "push": Entry("gitml.commands.push", "Share", "Send runs, models and large files to a remote."),
    "pull": Entry("gitml.commands.pull", "Share", "Bring runs and models from a remote."),
    "sync": Entry(
        "gitml.commands.sync",
        "Share",
        "Pull, then push: afterwards this repository and the remote have the same.",
    ),
    "tag": Entry(
        "gitml.commands.tag", "Look after", "Set tags of runs, take them off, or show them."
    ),
    "note": Entry("gitml.commands.note", "Look after", "Write a run's note, or show it."),
    "rm": Entry(
        "gitml.commands.rm",
        "Look after",
        "Remove runs from the lists; gitml restore brings them back.",
    ),
    "restore": Entry(
        "gitml.commands.restore", "Look after", "Bring back runs that gitml rm removed."
    ),
    "purge": Entry("gitml.commands.purge", "Look after", "Remove a run for good."),
    "copy": Entry(
        "gitml.commands.copy", "Look after", "Make a new run with the contents of another."
    ),
    "gc": Entry(
        "gitml.commands.gc",
        "Look after",
        "Free the disk of leftovers, and of large files that are safe elsewhere.",
    ),
    "doctor": Entry(
        "gitml.commands.doctor", "Look after", "Look for what is wrong, and say what mends it."
    ),
    "demo": Entry(
        "gitml.commands.demo", "Look after", "Set up a repository with real runs to try gitml on."
    ),
    "completion": Entry(
        "gitml.commands.completion", "Look after", "Print the completion script of a shell."
    ),
    "promote": Entry(
        "gitml.commands.promote",
        "Models",
        "Put a version of a model into a stage, if the policy lets it.",
    ),
    "review": Entry(
        "gitml.commands.review",
        "Models",
        "Review a request that changes stage files, before it is merged.",
    ),
    "apply": Entry(
        "gitml.commands.apply",
        "Models",
        "Put versions into stages as the protected branch's stage files say.",
    ),
    "rollback": Entry(
        "gitml.commands.rollback", "Models", "Bring back the version that a stage held before."
    ),
    "unassign": Entry("gitml.commands.unassign", "Models", "Take the version out of a stage."),
}


class _Table(click.Group):
    """The group of `COMMANDS`, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [name for group in GROUPS for name in COMMANDS if COMMANDS[name].group == group]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else load(entry.module)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise unknown("command", args[0], COMMANDS, "gitml --help lists the commands")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        return [CompletionItem(name, help=COMMANDS[name].help) for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        width = max(map(len, names))
        for group in GROUPS:
            rows = [(n.ljust(width), COMMANDS[n].help) for n in names if COMMANDS[n].group == group]
            if rows:
                with formatter.section(group):
                    formatter.write_dl(rows)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)
        with formatter.section("Environment"):
            formatter.write_dl([*VARIABLES.items()])


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"gitml {__version__}")
        ctx.exit()


@click.group(
    cls=_Table,
    invoke_without_command=True,
    subcommand_metavar="COMMAND ...",
    options_metavar="[--repo PATH]",
    epilog="gitml COMMAND --help explains a command, with examples and its exit codes.",
    context_settings=HELP,
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version.",
)
@click.pass_context
def gitml(ctx: click.Context) -> None:
    """Keep experiments and models in the git repository you already have.

    Without a command: where things stand.
    """
    if ctx.invoked_subcommand is None:
        from gitml.commands.status import status

        try:
            ctx.obj.store()
        except RepositoryError:
            click.echo(ctx.get_help())
        else:
            ctx.invoke(status, ask=False, as_json=False)


add_everywhere(gitml)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (without the program's name) and return its exit code.

    What goes wrong is said on stderr: a sentence, a hint, and no traceback
    unless ``GITML_DEBUG`` is set.
    """
    _prepare_streams()
    session = Session()
    try:
        code = _run(sys.argv[1:] if argv is None else argv, session)
        sys.stdout.flush()
    except OSError as error:  # from the flush: a full disk behind ``> file``
        _silence_stdout()
        return _report_exception(error, session)
    finally:
        session.close()
    return code


def _run(args: Sequence[str], session: Session) -> int:
    instruction = os.environ.get("_GITML_COMPLETE")
    try:
        if instruction:
            from click.shell_completion import shell_complete

            return shell_complete(gitml, {"obj": session}, "gitml", "_GITML_COMPLETE", instruction)
        # Not gitml.main(): that would end the process on a broken pipe.
        with gitml.make_context("gitml", [*args], obj=session) as context:
            answer = gitml.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    except (click.Abort, KeyboardInterrupt) as stopped:
        click.echo(" ".join(["Interrupted.", *getattr(stopped, "__notes__", [])]), err=True)
        return 130
    except Exception as error:  # noqa: BLE001 - the last resort, and the only one
        return _report_exception(error, session)
    return answer if isinstance(answer, int) else 0


def _report_exception(error: Exception, session: Session) -> int:
    if isinstance(error, BrokenPipeError) and _reader_is_gone():
        _silence_stdout()  # gitml ls | head: whoever read has seen enough
        return 0
    if os.environ.get("GITML_DEBUG"):
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    return _report(_meaning(error), session)


def _meaning(error: Exception) -> GitmlError:
    """Return the failure to report for whatever was raised."""
    if isinstance(error, GitmlError):
        return error
    if isinstance(error, click.ClickException):
        return _from_click(error)
    if isinstance(error, OSError):
        return _from_os(error)
    return _unexpected(error)


def _unexpected(error: Exception) -> GitmlError:
    what = f"{type(error).__name__}: {error}".rstrip(".: \n")
    return GitmlError(
        f"gitml met what it did not expect: {what}.",
        hint="this is a bug: please report it, with what GITML_DEBUG=1 adds to this message",
    )


_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_WRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG, errno.ELOOP}


def _from_os(error: OSError) -> GitmlError:
    where = error.filename or "the output"
    if error.errno in _NO_SPACE:
        return StorageError(
            f"The disk is full: {where} could not be written.",
            hint="free some space and do it again; nothing that was recorded is lost",
        )
    if error.errno in _NOT_WRITABLE:
        return StorageError(
            f"The system does not give access to {where}: {error.strerror}.",
            hint="check its name, who owns it, and whether the file system is read-only",
        )
    return _unexpected(error)


def _from_click(error: click.ClickException) -> GitmlError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "gitml"
    help_hint = f"{path} --help shows the usage"
    if isinstance(error, click.NoSuchOption) and context is not None:
        given = [name for p in context.command.get_params(context) for name in p.opts]
        long = [name[2:] for name in given if name.startswith("--")]
        return unknown("option", error.option_name, long, help_hint)
    message = error.format_message().replace("a valid integer range", "a whole number")
    message = message[:1].upper() + message[1:]
    return UsageError(message if message.endswith(".") else f"{message}.", hint=help_hint)


def _report(error: GitmlError, session: Session) -> int:
    """Say what is wrong on stderr and return the exit code."""
    from gitml.names import visible

    color = None if session.color else False
    with contextlib.suppress(OSError):
        click.secho("error: ", fg="red", bold=True, nl=False, err=True, color=color)
        click.echo(visible(error.message, 2000), err=True, color=color)
        if error.hint:
            click.echo(f"  hint: {visible(error.hint, 2000)}", err=True, color=color)
    return error.exit_code


_ASCII: dict[int, str] = {
    ord(sign): plain
    for sign, plain in zip("–—−─·×▲▼●○✓✗│▁▂▃▄▅▆▇█", "-----x^voovx|__..--##", strict=True)
}
_ASCII |= {ord("…"): "...", ord("→"): "->", ord("≥"): ">=", ord("≤"): "<="}


def _spell_out(error: UnicodeError) -> tuple[str, int]:
    """Encode what the stream cannot: our own signs in ASCII, all else escaped."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    plain = error.object[error.start : error.end].translate(_ASCII)
    return plain.encode("ascii", "backslashreplace").decode("ascii"), error.end


def _prepare_streams() -> None:
    """Make writing never fail for want of a stream or of a character."""
    codecs.register_error("gitml", _spell_out)
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: else the next file opened would become our stdout
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="gitml")


def _reader_is_gone() -> bool:
    """Say whether it is stdout that broke, and not a pipe to some git process."""
    try:
        sys.stdout.flush()  # what was not taken is still there
    except BrokenPipeError:
        return True
    except (OSError, ValueError):
        return False
    with contextlib.suppress(AttributeError, OSError, ValueError):  # no poll on Windows
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    return False


def _silence_stdout() -> None:
    """Let the interpreter flush what is left to nowhere, so that it does not fail again."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
