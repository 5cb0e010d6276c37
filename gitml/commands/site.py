"""``gitml site``: the runs as a report of static pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitml.commands.completing import complete_runs
from gitml.commands.options import command, group, json_option
from gitml.commands.reporting import EXITS, build_pages, check_place, what_is_shown
from gitml.names import plural, visible

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.site.gather import Options
    from gitml.site.write import Written

FOLDER = "public"


@group(
    examples=["gitml site build -o public", "gitml site serve --open"],
    exits=EXITS,
)
def site() -> None:
    """Make a report of static pages from the runs."""


@command(
    name="build",
    examples=[
        "gitml site build -o public --title 'Churn model'",
        "gitml site build -e churn --where \"status = 'finished'\" --base-url https://ml.example.com/",
        "gitml site build --single-file best:auc -o best.html",
    ],
    exits=[1, *EXITS],
    exit_words={1: "with --check, something would be written"},
)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help=f"The folder to write: a new one, an empty one, or one of an earlier build "
    f"(by default {FOLDER}); with --single-file the file.",
)
@click.option(
    "--single-file",
    "single",
    metavar="RUN",
    shell_complete=complete_runs,
    help="Write one page that stands alone, with its charts: NAME.html.",
)
@click.option(
    "--check", is_flag=True, help="Write nothing, and exit with 1 if anything would be written."
)
@what_is_shown
@json_option
def build(
    session: Session,
    *,
    output: Path | None,
    single: str | None,
    check: bool,
    as_json: bool,
    **asked: Any,
) -> int:
    """Write the report: pages that open from any host, and from a disk.

    Only what changed since the last build is written, and only files that gitml
    wrote are ever removed. The same runs give the same bytes.
    """
    from gitml.site.gather import Options
    from gitml.site.write import Folder

    if single is not None:
        return _single(session, output, single, Options(**asked), check=check, as_json=as_json)
    output = output or Path(FOLDER)
    check_place(session, output)
    done = build_pages(session, Folder(output, check=check), Options(**asked))
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


def _single(
    session: Session,
    output: Path | None,
    wanted: str,
    options: Options,
    *,
    check: bool,
    as_json: bool,
) -> int:
    """Write the page of one run into one file."""
    from gitml.site.build import Sources
    from gitml.site.single import keep, single_page
    from gitml.store.snapshot import snapshot
    from gitml.words import size

    with session.index() as index:
        run = index.find(wanted)
        page = single_page(Sources(index=index, store=snapshot(session.store())), run, options)
    file = Path(page.name) if output is None else output
    file = file / page.name if file.is_dir() else file
    changed = keep(file, page.html, check=check)
    if as_json:
        session.screen.json(output=str(file), checked=check, written=changed, bytes=len(page.html))
    elif changed:
        verb = "would be written" if check else "holds the page of"
        told = verb if check else f"{verb} {visible(run.name)} ({size(len(page.html))})"
        session.screen.line(f"{visible(str(file))} {told}.")
    else:
        session.screen.line(f"{visible(str(file))} is up to date.")
    return int(check and changed)


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


@command(
    name="serve",
    examples=["gitml site serve --open", "gitml site serve --port 8080 -e churn --no-redact"],
    exits=EXITS,
)
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(0, 65535),
    help="By default 8000, or the next that is free.",
)
@click.option("--open", "opened", is_flag=True, help="Open the overview in a browser.")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Keep the pages in this folder; by default they lie in the repository's own, and go when "
    "this ends.",
)
@what_is_shown
def serve(
    session: Session, *, port: int | None, opened: bool, output: Path | None, **asked: Any
) -> None:
    """Show the report in a browser of this machine, always up to date.

    Pages are made anew when a run ends, when versions or stages change, and when
    others' runs are pulled; those that are open in a browser then load themselves
    again. No other machine can reach it. Ctrl+C ends it.
    """
    import time
    from contextlib import ExitStack

    from gitml.errors import BeatenError, GitmlError
    from gitml.site.gather import Options
    from gitml.site.serve import answering, changes, listen, passing_folder
    from gitml.site.write import Folder

    if output is not None:
        check_place(session, output)
    options = Options(**asked)
    store = session.store()
    with ExitStack() as stack:
        folder = output or stack.enter_context(passing_folder(store.home))
        server = stack.enter_context(listen(folder, port))
        moments = changes(store, time.sleep)
        next(moments)
        done = build_pages(session, Folder(folder), options)
        with answering(server):
            files = plural(done.unchanged + len(done.written), "file")
            _say(session, f"Serving {server.url} ({files}). Ctrl+C ends it.")
            if opened:
                click.launch(server.url)
            for _ in moments:
                try:
                    done = build_pages(session, Folder(folder), options)
                except BeatenError:  # another server keeps the same pages up to date
                    continue
                except GitmlError as error:
                    session.say(error.message, hint=error.hint)
                    continue
                if done.changed:
                    server.changes.add([*done.written, *done.removed])
                    removed = f", {len(done.removed):,} removed" if done.removed else ""
                    _say(session, f"{plural(len(done.written), 'file')} written anew{removed}.")


def _say(session: Session, sentence: str) -> None:
    session.screen.line(sentence)
    session.screen.stream.flush()


site.add_command(build)
site.add_command(serve)
