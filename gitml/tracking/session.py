"""Start, find and end the runs of this process."""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import signal
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml import names
from gitml.errors import GitmlError, InputError, NotFoundError, RepositoryError, UsageError
from gitml.query.index import open_index
from gitml.store.git import Repository, open_repository
from gitml.store.history import copies
from gitml.store.live import logs
from gitml.store.state import view
from gitml.store.write import locate
from gitml.tracking import capture
from gitml.tracking.active import ActiveRun, status_of
from gitml.tracking.recorder import Recorder
from gitml.tracking.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from gitml.model import Run

_ACTIVE: list[ActiveRun] = []
_OF_THREAD = threading.local()
_LOCK = threading.RLock()
_CRASH: list[tuple[BaseException, int | None]] = []
"""What ended the program, and how much was logged when it was a ``sys.exit``."""
_HOOKED: list[bool] = []
_DEFERRED: list[int] = []
_AGAIN, _MOST_DEFERRED = 0.02, 1500
"""Seconds until a signal that came within gitml is sent again, and how often at the most."""
_JOINED: dict[str, str] = {}
"""The runs of other processes that this one has joined, and their experiments."""


def find_store(repo: str | os.PathLike[str] | None = None) -> tuple[Repository, Repository | None]:
    """Return (the repository that keeps runs, the repository of the code or None).

    The store is ``repo``, else ``GITML_REPO``, else git's ``gitml.repo``, else the
    repository around the working directory, which is that of the code.
    """
    here = capture.working_folder()
    try:
        code: Repository | None = open_repository(here)
    except RepositoryError:
        code = None
    named = os.fspath(repo) if repo is not None else capture.variable("GITML_REPO")
    if named is None and code is not None and (named := code.config("gitml", "repo")):
        named = str((code.work_tree or code.git_dir) / Path(named).expanduser())
    if named is None:
        return (code, code) if code is not None else (open_repository(here), None)
    store = open_repository(capture.absolute(named))
    if code is not None and code.common_dir.resolve() == store.common_dir.resolve():
        return code, code
    return store, code


def start_run(  # noqa: PLR0913 - a run may be given all of these
    experiment: str | None = None,
    *,
    name: str | None = None,
    run_id: str | None = None,
    nested: bool = False,
    parent: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, object] | None = None,
    note: str | None = None,
    system_metrics: bool | float = False,
    push: bool | str | None = None,
    repo: str | os.PathLike[str] | None = None,
) -> ActiveRun:
    """Start a run, or go on with one, and make it this thread's active run.

    ``experiment`` defaults to ``GITML_EXPERIMENT``, the configured one, or
    ``default``. ``run_id`` (an id, a prefix of one, or a name) resumes a run.
    ``nested`` makes the active run the parent; ``parent`` names another one.
    ``system_metrics`` samples CPU, memory and GPU every ten (or so many) seconds.
    ``push`` sends the run to the usual remote, or to the one it names, when it has ended;
    by default ``GITML_AUTOPUSH`` says so (``1``, or a remote).
    Inside ``gitml run`` the program's first run is the one that ``gitml run``
    began, and further ones are part of it. Processes that find the id of a run in
    ``GITML_RUN_ID`` join it too, and leave its end to the one that began it.

    Raises `UsageError` if a run is active and ``nested`` is not given,
    `RepositoryError` without a repository, `InputError` for unusable names.
    """
    current = active_run(thread_only=True)
    if current is not None and not nested:
        raise UsageError(
            f"The run {current.name} is active already.",
            hint="gitml.end_run() ends it; start_run(nested=True) starts one within it.",
        )
    for text, what in ((experiment, "experiment"), (name, "run")):
        if text is not None:
            names.check_name(text, what)
    store, code = find_store(repo)
    try:
        wish = _wish(store, push)
        settings = read_settings(code.work_tree if code is not None else store.work_tree)
        if run_id is not None:
            recorder = _resume(store, run_id, settings)
        else:
            recorder = _join_or_begin(store, code, settings, experiment, name, parent)
    except BaseException:
        store.close()
        raise
    top = code.work_tree if code is not None else None
    run = ActiveRun(recorder, root=top, on_end=_forget, push=wish)
    try:
        _first_words(run, params, tags, note)
        if system_metrics:
            run.start_sampling(10.0 if system_metrics is True else float(system_metrics))
    except BaseException:
        recorder.abandon()
        store.close()
        raise
    with _LOCK:
        _ACTIVE.append(run)
        _stack().append(run)
    _hook()
    return run


def _wish(store: Repository, push: bool | str | None) -> bool | str:
    """Return whether to push, and where to; raise `UsageError` for a remote that is none."""
    said = capture.variable("GITML_AUTOPUSH") if push is None else None
    if said is None and not push:
        return False
    from gitml.sharing.autopush import remote_of, wished  # what few runs need

    if push is None:
        return wished(said)  # of a remote that is none the end of the run tells
    remote_of(store, push)
    return push


def _join_or_begin(
    store: Repository,
    code: Repository | None,
    settings: Settings,
    experiment: str | None,
    name: str | None,
    parent: str | None,
) -> Recorder:
    """Join the run that wraps the program, once; else begin one."""
    current = active_run(thread_only=True)
    if current is not None:
        experiment, parent = experiment or current.experiment, parent or current.id
    elif wrapped := capture.variable("GITML_RUN_ID"):
        if wrapped not in _JOINED:
            recorder = _attach(store, wrapped, settings, experiment, name)
            _JOINED[wrapped] = recorder.experiment
            return recorder
        experiment, parent = experiment or _JOINED[wrapped], parent or wrapped
    if parent is not None and not names.is_run_id(parent):
        with open_index(store, now=capture.now_ms()) as index:
            parent = index.find(parent).id
    return _begin(store, code, settings, experiment, name, parent)


def _first_words(
    run: ActiveRun,
    params: Mapping[str, Any] | None,
    tags: Mapping[str, object] | None,
    note: str | None,
) -> None:
    if params:
        run.log_params(params)
    if tags:
        run.set_tags(tags)
    if note is not None:
        run.note(note)


def _begin(
    store: Repository,
    code: Repository | None,
    settings: Settings,
    experiment: str | None,
    name: str | None,
    parent: str | None,
) -> Recorder:
    experiment = experiment or capture.variable("GITML_EXPERIMENT") or settings.experiment
    names.check_name(experiment, "experiment")
    recorder = Recorder(
        store,
        run_id=capture.new_run_id(),
        experiment=experiment,
        name=name or names.run_name(capture.rng()),
        settings=settings,
    )
    recorder.begin(
        created=capture.now_ms(),
        parent=parent,
        environment=capture.environment(settings.variables),
        requirements=capture.requirements(),
        code=code,
        command=capture.command_line(),
        script=script_name(code),
    )
    return recorder


def script_name(code: Repository | None) -> str | None:
    """Return the running program relative to the repository, where it is inside."""
    script = capture.script()
    return None if script is None else relative(script, code)


def relative(script: Path, code: Repository | None) -> str:
    """Return a program's path relative to the repository, where it is inside."""
    top = code.work_tree if code is not None else None
    if top is not None:
        with contextlib.suppress(ValueError):
            return script.resolve().relative_to(top.resolve()).as_posix()
    return capture.shortened(script)


def _resume(store: Repository, text: str, settings: Settings) -> Recorder:
    with open_index(store, now=capture.now_ms()) as index:
        known = index.find(text)
    recorder = reopen(store, known, settings)
    recorder.resume()
    return recorder


def reopen(store: Repository, known: Run, settings: Settings, *, owner: bool = True) -> Recorder:
    """Return a recorder that adds to a known run; an owner's end is the run's end."""
    return Recorder(
        store,
        run_id=known.id,
        experiment=known.experiment,
        name=known.name,
        settings=settings,
        owner=owner,
        known=known,
        bases=tuple(locate(store, known.id)),
    )


def _attach(
    store: Repository, run_id: str, settings: Settings, experiment: str | None, name: str | None
) -> Recorder:
    """Join a run that another process began and will end.

    One that ``gitml run`` began takes the name and the experiment that the
    program chooses, unless they were given on the command line.
    """
    if not names.is_run_id(run_id):
        raise InputError(f"GITML_RUN_ID is no run id: {names.visible(run_id, 60)}")
    trees = [base.tree for base in copies(store, run_id)]
    if not trees and not logs(store.home, run_id):
        raise NotFoundError(
            f"GITML_RUN_ID names a run that is not in this repository: {run_id[:12]}",
            hint="Unset it, or name the run's repository with GITML_REPO.",
        )
    known = view(store, run_id, trees)
    free = (capture.variable("GITML_RUN_OPEN") or "").split(",")
    chosen = {"experiment": experiment, "name": name}
    facts = {k: v for k, v in chosen.items() if v and k in free and v != getattr(known, k)}
    recorder = Recorder(
        store,
        run_id=run_id,
        experiment=facts.get("experiment", known.experiment),
        name=facts.get("name", known.name),
        settings=settings,
        known=known,
        owner=False,
    )
    if facts:
        recorder.state(facts)
    recorder.keep()
    return recorder


def _stack() -> list[ActiveRun]:
    if not hasattr(_OF_THREAD, "runs"):
        _OF_THREAD.runs = []
    stack: list[ActiveRun] = _OF_THREAD.runs
    stack[:] = [run for run in stack if not run.ended]
    return stack


def active_run(*, thread_only: bool = False) -> ActiveRun | None:
    """Return the newest active run of this thread, else of the process; None without any."""
    stack = _stack()
    if stack:
        return stack[-1]
    if thread_only:
        return None
    with _LOCK:
        return next((run for run in reversed(_ACTIVE) if not run.ended), None)


def _forget(run: ActiveRun) -> None:
    with _LOCK:
        _ACTIVE[:] = [r for r in _ACTIVE if r is not run]
    repository = run._recorder.repository  # noqa: SLF001 - the session made it
    repository.close()


def _hook() -> None:
    """See to it that runs end with the process, whichever way it ends."""
    if _HOOKED:
        return
    _HOOKED.append(True)
    atexit.register(_end_all)
    capture.watch_end(_remember)
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, _terminated)


def _remember(error: BaseException, asked: bool) -> None:
    _CRASH[:] = [(error, _logged() if asked else None)]


def _logged() -> int:
    return sum(run._recorder.events for run in _ACTIVE)  # noqa: SLF001 - the session made them


def _terminated(number: int, frame: FrameType | None) -> None:
    """Write the runs as killed, then die of the signal as without gitml.

    Not within gitml itself, which may hold a lock or the half of an answer from
    git there: then the signal comes again a little later.
    """
    if _within_gitml(frame) and len(_DEFERRED) < _MOST_DEFERRED:
        _DEFERRED.append(number)
        # Not a threading.Timer, whose locks the interrupted code may hold as well.
        _thread.start_new_thread(_send_again, (os.getpid(), number))
        return
    _end_in_order("killed")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _within_gitml(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("gitml."):
            return True
        frame = frame.f_back
    return False


def _send_again(pid: int, number: int) -> None:
    time.sleep(_AGAIN)
    os.kill(pid, number)


def _end_all() -> None:
    error, logged = _CRASH[0] if _CRASH else (None, None)
    if logged not in {None, _logged()}:  # somebody caught the exit, and the program went on
        error = None
    status = status_of(error)
    _end_in_order(status)


def _end_in_order(status: str) -> None:
    """End all runs, inner ones first: every one is committed before one is pushed."""
    runs = list(reversed(_ACTIVE))
    for end in (ActiveRun.commit, ActiveRun.end):
        for run in runs:
            try:
                end(run, status)
            except GitmlError as error:
                _warn(f"{error.message} gitml pack commits the run later.")
            except Exception as error:  # noqa: BLE001 - the others are to be ended too
                _warn(str(error))


def _warn(text: str) -> None:
    with contextlib.suppress(UserWarning):  # which -W error raises: the others are to be ended
        warnings.warn(f"gitml: {text}", stacklevel=1)
