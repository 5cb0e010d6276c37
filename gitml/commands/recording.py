"""What ``gitml log`` and ``gitml run`` share: their options, where they record, what they say."""

from __future__ import annotations

import functools
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitml.commands.completing import complete_experiments, complete_runs
from gitml.errors import DamagedError, GitmlError, RepositoryError, UsageError
from gitml.names import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.commands.options import F, Session
    from gitml.model import Environment, Run, Source
    from gitml.output import Piece, Screen
    from gitml.store.git import Repository
    from gitml.tracking.gather import Line
    from gitml.tracking.recorder import Recorder
    from gitml.tracking.request import Request
    from gitml.tracking.settings import Settings

KIND = 10
"""Cells of the first column of what was recorded."""
WIDEST = 48

_FILE = click.Path(path_type=Path)
_OPTIONS = (
    click.option(
        "-e",
        "--experiment",
        metavar="NAME",
        shell_complete=complete_experiments,
        help="The experiment it belongs to, made by its first run (GITML_EXPERIMENT, or default).",
    ),
    click.option(
        "--name", metavar="NAME", help="What to call it, instead of a name such as brave-otter-12."
    ),
    click.option(
        "-p", "--param", "params", metavar="NAME=VALUE", multiple=True, help="A param; repeatable."
    ),
    click.option(
        "--params",
        "params_files",
        metavar="FILE",
        type=_FILE,
        multiple=True,
        help="Params from YAML, JSON, TOML, .env or CSV, nested keys joined with a dot.",
    ),
    click.option(
        "-m",
        "--metric",
        "metrics",
        metavar="NAME=VALUE",
        multiple=True,
        help="A metric's value; nan and inf are numbers.",
    ),
    click.option(
        "--metrics",
        "metrics_files",
        metavar="FILE",
        type=_FILE,
        multiple=True,
        help="Metrics from JSON, YAML, TOML, CSV or JSON lines.",
    ),
    click.option(
        "--history",
        "histories",
        metavar="FILE",
        type=_FILE,
        multiple=True,
        help="Metrics step by step from CSV, TSV, JSON or JSON lines, or DVCLive's folder.",
    ),
    click.option(
        "--artifact",
        "artifacts",
        metavar="PATH[:DEST]",
        multiple=True,
        help="Keep a copy of a file or folder, as DEST; into a folder with model.pt:best/. "
        "Of s3://bucket/model.pt#sha256=HEX only the address and the digest.",
    ),
    click.option(
        "--input",
        "inputs",
        metavar="PATH[@CONTEXT]",
        multiple=True,
        help="Record what it was made from: a file, folder, glob or URL, as in train.csv@training",
    ),
    click.option(
        "--tag", "tags", metavar="NAME=VALUE", multiple=True, help="A tag; gitml tag changes it."
    ),
    click.option("--note", metavar="TEXT", help="A note; gitml note changes it."),
    click.option(
        "--parent", metavar="RUN", shell_complete=complete_runs, help="The run it is part of."
    ),
    click.option(
        "--run",
        "known",
        metavar="RUN",
        shell_complete=complete_runs,
        help="Add to this run, instead of making a new one.",
    ),
    click.option(
        "--push/--no-push",
        default=None,
        help="Push the run when it has ended, to origin or gitml.remote (or GITML_AUTOPUSH=1).",
    ),
    click.option("--push-to", metavar="REMOTE", help="Push it to this remote, URL or path."),
)


def recording_options(function: F) -> F:
    """Add the options that say what is to be recorded."""
    return functools.reduce(lambda made, option: option(made), reversed(_OPTIONS), function)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run is recorded, and whose code it is."""

    store: Repository
    """The repository that keeps the runs."""
    code: Repository | None
    """The repository around the working directory, if there is one."""
    settings: Settings
    cwd: Path
    """The working directory."""

    @property
    def root(self) -> Path | None:
        """The top of the user's files."""
        return self.code.work_tree if self.code is not None else None


def place_of(session: Session) -> Place:
    """Return where a run of this session is recorded; raise `RepositoryError` if nowhere."""
    from gitml.tracking.settings import read_settings

    store = session.store()
    code: Repository | None
    try:
        code = session.here()
    except RepositoryError:
        code = None
    if code is not None and code.common_dir.resolve() == store.common_dir.resolve():
        store = code
    top = code.work_tree if code is not None else store.work_tree
    return Place(store=store, code=code, settings=read_settings(top), cwd=session.cwd())


def machine_of(place: Place, words: Sequence[str] = ()) -> tuple[Environment, str]:
    """Return the machine, and the packages of the Python that a training's command runs in."""
    from gitml.tracking import capture, interpreter

    environment = capture.environment(place.settings.variables)
    venv, conda = (capture.variable(name) for name in ("VIRTUAL_ENV", "CONDA_PREFIX"))
    found = interpreter.find(words, venv=venv, conda=conda)
    if found is None:
        return environment, capture.requirements()
    return replace(environment, python=found.python), capture.requirements(found.path)


def request_of(given: dict[str, Any]) -> Request:
    """Return what the options ask to record."""
    from gitml.tracking.request import Request

    return Request(**given)


def open_recorder(
    session: Session,
    place: Place,
    *,
    experiment: str | None,
    name: str | None,
    known: str | None,
    owner: bool,
) -> tuple[Recorder, Run | None]:
    """Return the recorder of a new run, or of a known one and what is known of it.

    An ``owner`` of a known run will state its end.
    """
    from gitml import names
    from gitml.tracking import capture
    from gitml.tracking.recorder import Recorder

    if known is not None:
        for option, value in (("experiment", experiment), ("name", name)):
            if value is not None:
                raise UsageError(
                    f"--run and --{option} cannot be given together.",
                    hint="--run adds to a run that has its name and experiment already",
                )
        from gitml.tracking.session import reopen

        with session.index() as index:
            run = index.find(known)
        return reopen(place.store, run, place.settings, owner=owner), run
    if experiment is None:
        experiment = capture.variable("GITML_EXPERIMENT") or place.settings.experiment
    names.check_name(experiment, "experiment")
    if name is not None:
        names.check_name(name, "run")
    recorder = Recorder(
        place.store,
        run_id=capture.new_run_id(),
        experiment=experiment,
        name=name or names.run_name(capture.rng()),
        settings=place.settings,
    )
    return recorder, None


def find_parent(session: Session, parent: str | None) -> str | None:
    """Return the id of the run that ``--parent`` names."""
    if parent is None:
        return None
    with session.index() as index:
        return index.find(parent).id


def finish(recorder: Recorder, status: str, *, ended: int | None = None) -> Run:
    """End a run and return it as committed.

    What raises keeps everything in the run's log, and its hint says so.
    """
    shown = f"{visible(recorder.name)} ({recorder.id[:8]})"
    try:
        run = recorder.end(status, ended=ended)
    except GitmlError as error:
        hint = f"{error.hint.rstrip('.')}; " if error.hint else ""
        error.hint = f"{hint}{shown} is safe on disk meanwhile, and gitml pack commits it later"
        raise
    if run is None:
        raise DamagedError(f"The run {shown} was recorded, but it cannot be read.")
    return run


def push_wish(place: Place, push: bool | None, push_to: str | None) -> bool | str:
    """Return whether a run is to be pushed, or where to; raise `UsageError` for no remote.

    What the environment wishes is looked at when the run has ended.
    """
    from gitml.tracking.capture import variable

    if push is False and push_to is not None:
        raise UsageError("--no-push and --push-to cannot be given together.")
    asked = push_to if push_to is not None else push
    said = variable("GITML_AUTOPUSH") if asked is None else None
    if not asked and not said:
        return False
    from gitml.sharing.autopush import remote_of, wished  # what few runs need

    if asked is None:
        return wished(said)
    remote_of(place.store, asked)
    return asked


def share(
    session: Session, place: Place, run: Run, wish: bool | str, *, tell: bool = False
) -> bool | None:
    """Push a run; return what came of it, None if that was not wished; ``tell`` says it too."""
    if wish is False:
        return None
    from gitml.commands.sharing import along_with, if_interrupted
    from gitml.sharing.autopush import push_ended, remote_of
    from gitml.tracking.capture import now_ms
    from gitml.tracking.identity import author

    store = place.store
    words = f"{visible(run.name, 80)} is safe here, and gitml push takes it along."
    try:
        with if_interrupted(words):
            by = author(store)
            done = push_ended(store, run, wish, by=by, now=now_ms(), settings=place.settings)
    except GitmlError as error:
        session.say(error.message, hint=error.hint)
        return False
    there = remote_of(store, wish) if tell else None
    if there is not None and done is not None:
        along = along_with(there.said, done)
        session.screen.line(f"Pushed to {there.said}{along}.")
    return True


def draw_lines(screen: Screen, lines: Sequence[Line], source: Source | None) -> None:
    """Draw what was recorded from where, a line each."""
    rows = [(line.kind, line.where, _amount(line)) for line in lines]
    if source is not None and (source.commit or source.tree):
        rows.append(("source", _code(source), ""))
    wheres = [
        screen.fit(visible(where), WIDEST) if screen.terminal else where for _, where, _ in rows
    ]
    width = max((screen.cells(w) for w, row in zip(wheres, rows, strict=True) if row[2]), default=0)
    for (kind, _, amount), where in zip(rows, wheres, strict=True):
        gap = " " * (width - screen.cells(where) + 2) if amount else ""
        screen.line(*_dim(f"  {kind:<{KIND}}"), where, gap, *_dim(amount))


def _dim(text: str) -> list[Piece]:
    from gitml.output import Cell

    return [Cell(text, "dim")]


def _amount(line: Line) -> str:
    from gitml.names import plural
    from gitml.output import size

    parts = [plural(count, what) for count, what in line.counts]
    if line.size is not None:
        parts.append(size(line.size))
    if line.remark:
        parts.append(line.remark)
    if line.left_out:
        named = [f"{visible(name, 40)} is {what}" for name, what in line.left_out[:3]]
        more = len(line.left_out) - len(named)
        parts.append(f"left out: {', '.join(named)}{f' and {more} more' if more else ''}")
    return ", ".join(parts)


def _code(source: Source) -> str:
    from gitml.names import plural

    shown = source.commit[:7] if source.commit else "no commit yet"
    if source.branch:
        shown += f" on {visible(source.branch, 60)}"
    if source.dirty:
        shown += f" + {plural(len(source.changed), 'changed file')}"
    return shown


def _changed_nothing_else(run: Run, request: Request, place: Place) -> bool:
    """Say whether the code is dirty by nothing but untracked files the run was logged from."""
    if place.code is None or place.root is None or not run.source.dirty:
        return False
    top = place.root.resolve()
    own = {(place.cwd / path).resolve() for path in request.files}
    changed = [top / name for name in run.source.changed]
    if not all(not own.isdisjoint((path, *path.parents)) for path in changed):
        return False
    names = [f":(top,literal){name}" for name in run.source.changed]
    return not place.code.run("ls-files", "--", *names)


def draw_next(screen: Screen, run: Run, request: Request, place: Place) -> None:
    """Draw what one may do next, on a terminal."""
    if not screen.terminal:
        return
    if _changed_nothing_else(run, request, place):
        text = "  Only files of the run itself changed; in .gitignore they would not count as code."
        screen.line(*_dim(text))
    from gitml.query.compare import goal_of

    listing = f"gitml ls -e {shlex.quote(run.experiment)}"
    metric = next((name for name in run.metrics if not name.startswith("system/")), None)
    if metric is not None:
        descending = "-" if goal_of([run], metric) == "max" else ""
        listing += f" --sort {shlex.quote(descending + metric)}"
    screen.commands(f"gitml show {shlex.quote(run.name)}", listing)
