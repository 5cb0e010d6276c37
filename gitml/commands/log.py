"""``gitml log``: a run that has ended, from the files it left behind."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from gitml.commands.options import command, json_option
from gitml.commands.recording import (
    Place,
    draw_lines,
    draw_next,
    find_parent,
    finish,
    machine_of,
    open_recorder,
    place_of,
    push_wish,
    recording_options,
    request_of,
    share,
)
from gitml.errors import NotFoundError, RemoteError, StorageError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from gitml.commands.options import Session
    from gitml.model import Run
    from gitml.tracking.gather import Gathered
    from gitml.tracking.recorder import Recorder
    from gitml.tracking.request import Request

LOOKED_FOR = "params.yaml, metrics.json or history.csv (also .yml, .toml, .tsv …) and dvclive/"


@command(
    examples=[
        "gitml log -e churn",
        "gitml log -p lr=1e-4 --metrics out/metrics.json --artifact model.pt:best/",
        "gitml log -e churn --duration 1h30min --push",
    ],
    exits=[3, 4, 5, 6, 7, 8, 9, 10],
    exit_words={9: "the run is recorded, and --push could not send it"},
)
@recording_options
@click.option(
    "--status",
    type=click.Choice(["finished", "failed", "killed"]),
    help="How it ended, finished if not said.",
)
@click.option(
    "--started", metavar="TIME", help="When it began, in ISO 8601, as date -Is prints it."
)
@click.option("--duration", metavar="TIME", help="How long it took: 90 (seconds), 15min, 1h30min.")
@click.option("-q", "--quiet", is_flag=True, help="Print the id of the run and nothing else.")
@json_option
def log(  # noqa: PLR0913 - options that all may be given
    session: Session,
    *,
    experiment: str | None,
    name: str | None,
    parent: str | None,
    known: str | None,
    status: str | None,
    started: str | None,
    duration: str | None,
    push: bool | None,
    push_to: str | None,
    quiet: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Record a run from the files that a training left behind.

    Without -p, --params, -m, --metrics and --history it takes the files of
    usual names in this folder: params.yaml, metrics.json, history.csv,
    dvclive/ and the like. All is read and checked before anything is written.
    When the training began is not guessed: --started or --duration tells it.
    The packages are those of the activated environment, else of gitml's own.
    A run that could not be pushed is safe here, and the next gitml push sends it.
    """
    if quiet and as_json:
        raise UsageError("--quiet and --json cannot be given together.", hint="choose one of them")
    from gitml.tracking.request import span_of

    since = time.perf_counter()
    place = place_of(session)
    wish = push_wish(place, push, push_to)
    request = request_of(given)
    if known is None:
        request = _with_usual(request, place.cwd)
    elif started is not None or duration is not None:
        raise UsageError(
            "--run cannot be given together with --started or --duration.",
            hint="when a run began and ended is stated once, when it is made",
        )
    elif not (request.has_anything or status or parent):
        raise UsageError(
            "--run names a run, but nothing to add to it.",
            hint="gitml log --help lists what can be added, such as -m NAME=VALUE",
        )
    span = span_of(started, duration, session.now)
    parent = find_parent(session, parent)
    found = _gather(session, request, place)
    try:
        recorder, before = open_recorder(
            session, place, experiment=experiment, name=name, known=known, owner=False
        )
        _record(session, recorder, before, place, found, span, parent=parent, status=status)
        run = finish(recorder, status or "finished", ended=span[1])
    finally:
        found.close()
    if not as_json:
        _answer(session, run, found, before, since, quiet=quiet)
        if not quiet:
            draw_next(session.screen, run, request, place)
    pushed = share(session, place, run, wish, tell=not (quiet or as_json))
    if as_json:
        from gitml.registry.standing import run_documents

        document = next(run_documents(session.store(), [run]))
        session.screen.json(run=document, pushed=pushed)
    asked = push or push_to is not None
    return RemoteError.exit_code if pushed is False and asked else 0


def _with_usual(request: Request, folder: Path) -> Request:
    """Add the files of usual names, unless the request says where values come from."""
    from pathlib import Path

    from gitml.names import visible
    from gitml.tracking.files import usual_files
    from gitml.tracking.request import with_usual

    if request.has_values:
        return request
    request = with_usual(request, usual_files(Path()))
    if not request.has_anything:
        raise NotFoundError(
            f"There is nothing to log in {visible(str(folder))}",
            hint=f"gitml log looks for {LOOKED_FOR}; or give -p, -m, --metrics FILE …",
        )
    return request


def _gather(session: Session, request: Request, place: Place) -> Gathered:
    from gitml.tracking.gather import gather

    return gather(request, inside=place.root or place.cwd, root=place.root, now=session.now)


def _record(
    session: Session,
    recorder: Recorder,
    before: Run | None,
    place: Place,
    found: Gathered,
    span: tuple[int, int],
    *,
    parent: str | None,
    status: str | None,
) -> None:
    """Write everything into the run's log, or nothing."""
    from gitml.model import iso
    from gitml.tracking.gather import record

    try:
        if before is None:
            environment, packages = machine_of(place)
            recorder.begin(
                created=span[0],
                parent=parent,
                environment=environment,
                requirements=packages,
                code=place.code,
                checkpoints=False,
            )
        else:
            facts = {"parent": parent} if parent else {}
            if status is not None:
                facts |= {"status": status, "ended": iso(session.now)}
            if facts:
                recorder.state(facts)
        record(recorder, found)
    except BaseException as error:
        recorder.abandon()
        if isinstance(error, StorageError):
            error.hint = "free some space and log it again; nothing was recorded"
        raise


def _answer(
    session: Session,
    run: Run,
    found: Gathered,
    before: Run | None,
    since: float,
    *,
    quiet: bool,
) -> None:
    from gitml.output import Cell, duration

    screen = session.screen
    if quiet:
        screen.line(run.id)
        return
    draw_lines(screen, found.lines, run.source if before is None else None)
    verb, to = ("Logged ", f" to {run.experiment}") if before is None else ("Added to ", "")
    took = duration(round(time.perf_counter() - since, 2))
    screen.line(verb, Cell(run.name, "act"), f"{to} in {took}.  id {run.id[:8]}")
