"""``gitml run``: a training command, recorded while it runs and however it ends."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitml.commands.options import command
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
from gitml.errors import GitmlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.commands.options import Session
    from gitml.model import Run
    from gitml.output import Screen
    from gitml.tracking.child import Child
    from gitml.tracking.files import UsualFiles
    from gitml.tracking.gather import Gathered, Line
    from gitml.tracking.recorder import Recorder
    from gitml.tracking.request import Request


@command(
    examples=[
        "gitml run -e churn -- python train.py --lr 1e-4",
        "gitml run --metrics out/metrics.json --artifact out/model.pt -- make model",
        "gitml run --push -- python train.py",
    ],
    exits=[3, 4, 5, 6, 7, 8, 10],
    context_settings={"allow_interspersed_args": False},
)
@recording_options
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but warnings.")
@click.argument("words", metavar="[--] COMMAND ...", nargs=-1, required=True, type=str)
def run(  # noqa: PLR0913 - options that all may be given
    session: Session,
    *,
    experiment: str | None,
    name: str | None,
    parent: str | None,
    known: str | None,
    push: bool | None,
    push_to: str | None,
    quiet: bool,
    words: tuple[str, ...],
    **given: Any,
) -> int:
    """Run a training command and record it.

    Its output passes through, and its exit code is that of gitml run: 128 and
    the signal's number if it was killed, 127 if there is no such command and
    126 if it cannot be run. A run that fails or is killed is kept as such.
    The packages are those of the Python that the command names or that is activated.

    Files named here are read when it has ended; without -p, --params, -m,
    --metrics and --history those of usual names that it has written. A program
    that uses gitml from Python adds to this run. A run that could not be pushed
    is safe here, and the next gitml push sends it; the exit code is not changed.
    """
    from gitml.tracking.child import running

    place = place_of(session)
    wish = push_wish(place, push, push_to)
    request = request_of(given)
    parent = find_parent(session, parent)
    usual = None if request.has_values else _Usual()
    with running() as child:
        recorder, before = open_recorder(
            session, place, experiment=experiment, name=name, known=known, owner=True
        )
        try:
            first = _begin(session, recorder, before, place, request, words, parent=parent)
            _start(child, recorder, place, words, chosen=(experiment, name, known), wish=wish)
        except BaseException:
            recorder.abandon()
            raise
        if not quiet:
            text = f"{recorder.name} runs in {recorder.experiment}.  id {recorder.id[:8]}"
            _screen(session).line(text, style="dim")
        inputs = _Inputs(recorder, request.inputs, place.root)
        code = child.wait()
        late = replace(request, params=(), tags=(), note=None, inputs=inputs.wait())
        lines = [*first.lines, *inputs.lines]
        ended = _end(session, recorder, before, place, late, usual, child, lines)
    if ended is not None and not quiet:
        _draw(session, ended, lines, code, resumed=before is not None)
        draw_next(
            _screen(session), ended, request if usual is None else usual.added(request), place
        )
    if ended is not None:
        share(session, place, ended, wish)
    return code


def _begin(
    session: Session,
    recorder: Recorder,
    before: Run | None,
    place: Place,
    request: Request,
    words: Sequence[str],
    *,
    parent: str | None,
) -> Gathered:
    """State what is known before the command runs; raise `InputError` for flags that are wrong."""
    from gitml.redact import mask_arguments
    from gitml.tracking.child import script_in
    from gitml.tracking.gather import gather, record
    from gitml.tracking.session import relative

    flags = replace(
        request, params_files=(), metrics_files=(), histories=(), artifacts=(), inputs=()
    )
    first = gather(flags, inside=place.cwd, root=place.root, now=session.now)
    first.metrics.clear()  # checked now, and recorded at the end
    first.lines = [line for line in first.lines if line.kind != "metrics"]
    if before is None:
        script = script_in(words)
        environment, packages = machine_of(place, words)
        recorder.begin(
            created=session.now,
            parent=parent,
            environment=environment,
            requirements=packages,
            code=place.code,
            command=mask_arguments(words),
            script=relative(Path(script).absolute(), place.code) if script else None,
        )
        recorder.settle()  # the code as it was before the command could change a file
    else:
        recorder.resume()
        if parent:
            recorder.state({"parent": parent})
    record(recorder, first)
    return first


def _start(
    child: Child,
    recorder: Recorder,
    place: Place,
    words: Sequence[str],
    *,
    chosen: tuple[str | None, str | None, str | None],
    wish: bool | str,
) -> None:
    """Start the command, which finds the run in its environment."""
    experiment, name, known = chosen
    open_to_it = [
        what
        for what, value in (("experiment", experiment), ("name", name))
        if value is None and known is None
    ]
    store = place.store
    environment = {
        **os.environ,
        "GITML_RUN_ID": recorder.id,
        "GITML_RUN_OPEN": ",".join(open_to_it),
        "GITML_AUTOPUSH": wish if isinstance(wish, str) else str(int(wish)),
        "GITML_REPO": str((store.work_tree or store.git_dir).absolute()),
    }
    child.start(words, environment)


class _Usual:
    """The files of usual names, and which of them a command has written."""

    def __init__(self) -> None:
        self._before = self._stamps(self._all())

    @staticmethod
    def _all() -> UsualFiles:
        from gitml.tracking.files import usual_files

        return usual_files(Path())

    @staticmethod
    def _stamps(files: UsualFiles) -> dict[Path, tuple[int, int]]:
        found = {}
        for path in (*files.params, *files.metrics, *files.history):
            status = path.stat()
            found[path] = (status.st_mtime_ns, status.st_size)
        return found

    def added(self, request: Request) -> Request:
        """Return the request with all of them that there are."""
        from gitml.tracking.request import with_usual

        return with_usual(request, self._all())

    def written(self) -> UsualFiles:
        """Return what was written since; params beside results that were, written or not."""
        files = self._all()
        after = self._stamps(files)
        fresh = {path for path, stamp in after.items() if self._before.get(path) != stamp}
        results = fresh & {*files.metrics, *files.history}
        return replace(
            files,
            params=tuple(path for path in files.params if path in fresh or results),
            metrics=tuple(path for path in files.metrics if path in fresh),
            history=tuple(path for path in files.history if path in fresh),
        )


class _Inputs:
    """Inputs described while the command runs, since that may read many bytes."""

    def __init__(self, recorder: Recorder, texts: Sequence[str], root: Path | None) -> None:
        self.lines: list[Line] = []
        self._left: list[str] = []
        self._thread = threading.Thread(target=self._describe, args=(recorder, texts, root))
        self._thread.daemon = True
        self._thread.start()

    def _describe(self, recorder: Recorder, texts: Sequence[str], root: Path | None) -> None:
        from gitml.tracking.gather import input_line
        from gitml.tracking.inputs import describe_input
        from gitml.tracking.request import split_input

        for text in texts:
            path, context = split_input(text)
            try:
                dataset = describe_input(path, root=root, context=context)
                recorder.log_input(dataset)
                self.lines.append(input_line(dataset))
            except GitmlError:
                self._left.append(text)

    def wait(self) -> tuple[str, ...]:
        """Wait for the last, and return those that were not there yet."""
        self._thread.join()
        return tuple(self._left)


def _end(
    session: Session,
    recorder: Recorder,
    before: Run | None,
    place: Place,
    late: Request,
    usual: _Usual | None,
    child: Child,
    lines: list[Line],
) -> Run | None:
    """Record what the command left behind and end the run; warn of what that fails in."""
    from gitml.tracking.gather import gather, record
    from gitml.tracking.request import with_usual

    problems: list[GitmlError] = []
    status = child.status
    try:
        told = _told(recorder, place)
        recorder.learn(told)
        if status == "finished" and told.status in {"failed", "killed"}:
            status = told.status
        if usual is not None:
            late = with_usual(late, _untold(usual.written(), told, before))
        inside = place.root or place.cwd
        found = gather(late, inside=inside, root=place.root, now=session.now, problems=problems)
        lines += found.lines
        record(recorder, found, problems)
        found.close()
        ended = finish(recorder, status)
        _register(session, recorder, ended, problems)
    except GitmlError as error:
        problems.append(error)
        return None
    else:
        return ended
    finally:
        for problem in problems:
            session.say(f"warning: {problem.message}", hint=problem.hint)


def _register(session: Session, recorder: Recorder, ended: Run, problems: list[GitmlError]) -> None:
    """Register the models that the command logged with a name; the run is safe already."""
    from gitml.names import WISH, visible

    if not any(key.startswith(WISH) for key in ended.tags):
        return
    from gitml.registry.publishing import waiting_words
    from gitml.registry.wishes import register_wished
    from gitml.tracking.capture import now_ms
    from gitml.tracking.identity import author

    store = recorder.repository
    try:
        for one in register_wished(store, ended, by=author(store), now=now_ms()):
            if words := waiting_words(one):
                session.say(f"{words[0]}.", hint=words[1])
            else:
                session.say(f"Registered {visible(one.version.model, 80)}@{one.version.name}")
    except GitmlError as error:
        problems.append(error)


def _told(recorder: Recorder, place: Place) -> Run:
    """Return the run with what others, such as the command itself, wrote to it."""
    from gitml.store.history import copies
    from gitml.store.state import view

    trees = [base.tree for base in copies(place.store, recorder.id)]
    return view(place.store, recorder.id, trees)


def _untold(usual: UsualFiles, told: Run, before: Run | None) -> UsualFiles:
    """Leave out the files of a command that has recorded metrics by itself."""
    known = {} if before is None else {name: m.count for name, m in before.metrics.items()}
    if {name: m.count for name, m in told.metrics.items()} != known:
        return replace(usual, params=(), metrics=(), history=())
    return usual


def _screen(session: Session) -> Screen:
    from gitml.output import Screen

    width = shutil.get_terminal_size().columns
    terminal = sys.stderr.isatty()
    return Screen(sys.stderr, terminal=terminal, color=session.color, width=width)


def _draw(session: Session, run: Run, lines: Sequence[Line], code: int, *, resumed: bool) -> None:
    from gitml.output import Cell, duration
    from gitml.tracking.child import signal_name

    screen = _screen(session)
    draw_lines(screen, lines, None if resumed else run.source)
    how = run.status
    killed_by = signal_name(code)
    if killed_by is not None and how != "finished":
        how = f"{how} by {killed_by}"
    elif code:
        how = f"{how} with exit code {code}"
    took = f" after {duration(run.duration)}" if run.duration is not None else ""
    name = Cell(run.name, "act")
    screen.line("Recorded ", name, f" in {run.experiment}: {how}{took}.  id {run.id[:8]}")
