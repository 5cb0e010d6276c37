"""Record one run: a live log first, git at checkpoints and at the end.

A `Recorder` is safe for threads. A forked child that writes gets a log of its
own; other processes join by `attach`. Only the process that began a run ends it.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from typing import TYPE_CHECKING, Any

from gitml import names
from gitml.codec import dump_json
from gitml.errors import GitmlError, RefusedError, StorageError
from gitml.model import Edit, Json, Run, iso
from gitml.records import compact
from gitml.store import artifacts, live
from gitml.store.history import copies
from gitml.store.state import view
from gitml.store.write import Base, fold_logs
from gitml.tracking import capture, forks
from gitml.tracking.background import note_ended
from gitml.tracking.identity import author, who
from gitml.tracking.origin import describe_code
from gitml.tracking.points import Points
from gitml.tracking.room import Room
from gitml.tracking.settings import Settings
from gitml.tracking.values import check_length, json_of, new_params

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gitml.model import Dataset, Environment
    from gitml.store.git import Repository

CHECKPOINT_SECONDS = 30.0


class Recorder:
    """One run being recorded by this process."""

    def __init__(  # noqa: PLR0913 - these are the facts of a run
        self,
        repository: Repository,
        *,
        run_id: str,
        experiment: str,
        name: str,
        settings: Settings | None = None,
        owner: bool = True,
        known: Run | None = None,
        bases: tuple[Base, ...] = (),
        now: Callable[[], int] = capture.now_ms,
    ) -> None:
        """Open this process's log; `begin` states the first facts of a new run."""
        self.repository = repository
        self.id = run_id
        self.experiment = experiment
        self.name = name
        self.settings = settings or Settings()
        self.owner_pid = os.getpid() if owner else 0
        self.spoilt: GitmlError | None = None
        """Why the last checkpoint in the background failed; the log still has everything."""
        self.result: Run | None = None
        """The run as it was written, once it has ended."""
        self._now = now
        self._by = author(repository)
        self._known = known
        self._bases = bases
        self._params: dict[str, str] = {}
        self._room = Room()
        self._points = Points(now, self._room)
        self._clock = 0
        self._log: live.LiveLog | None = None
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._folding = threading.RLock()
        self._ended = threading.Event()
        self.events = 0
        """How many times something was logged."""
        self._source: threading.Thread | None = None
        self._checkpoints: threading.Thread | None = None
        if known is not None:
            self.learn(known)
        forks.watch(self)
        self._open()

    def _open(self) -> live.LiveLog:
        """Return this process's log, made at the first record after a fork."""
        with self._lock:
            if self._log is None:
                writer = capture.token(4)
                self._log = live.LiveLog(self.repository.home, self.id, writer, who())
            return self._log

    def hold(self) -> None:
        """Wait for the code's capture and for a checkpoint, and begin no other."""
        self._folding.acquire()
        self.settle()

    def release(self) -> None:
        """Let checkpoints be written again."""
        self._folding.release()

    def after_fork(self) -> None:
        """Forget what belongs to the parent: its log, its locks, its threads."""
        if self._log is not None:
            self._log.after_fork()
            self._log = None
        self.repository.after_fork()
        ended, self._ended = self._ended.is_set(), threading.Event()
        if ended:
            self._ended.set()
        self._lock = threading.RLock()
        self._folding = threading.RLock()
        self._source = self._checkpoints = None
        self._pid = os.getpid()

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return self._ended.is_set()

    def begin(  # noqa: PLR0913
        self,
        *,
        created: int,
        parent: str | None = None,
        environment: Environment | None = None,
        requirements: str | None = None,
        code: Repository | None = None,
        command: tuple[str, ...] = (),
        script: str | None = None,
        status: str = "running",
        checkpoints: bool = True,
    ) -> None:
        """State the first facts; the code is captured by a thread meanwhile."""
        facts = {
            "schema": 1,
            "name": self.name,
            "experiment": self.experiment,
            "status": status,
            "created": iso(created),
            "author": self._by,
            "parent": parent,
            "environment": compact(environment) if environment else None,
        }
        self.state({key: value for key, value in facts.items() if value is not None})
        if requirements:
            place = live.staged(self.repository.home, self.id, self._open().writer, "requirements")
            place.parent.mkdir(parents=True, exist_ok=True)
            part = place.with_name(f"{place.name}.part")
            part.write_bytes(requirements.encode("utf-8", "replace"))
            part.replace(place)
        if code is not None:
            args = (code, capture.working_folder(), command, script)
            self._source = threading.Thread(target=self._capture_source, args=args, daemon=True)
            self._source.start()
        if checkpoints:
            self.keep()

    def resume(self, *, checkpoints: bool = True) -> None:
        """State that a known run goes on."""
        self.state({"status": "running", "ended": None})
        if checkpoints:
            self.keep()

    def keep(self) -> None:
        """Write checkpoints from now on, every half minute in which something was logged."""
        self._checkpoints = threading.Thread(target=self._keep, name="gitml", daemon=True)
        self._checkpoints.start()

    def settle(self) -> None:
        """Wait until the code is captured."""
        if self._source is not None:
            self._source.join()

    def learn(self, told: Run) -> None:
        """Take in what others wrote to the run: its params, and where its metrics got to."""
        with self._lock:
            self._params = {k: dump_json(v) for k, v in told.params.items()} | self._params
            for name, metric in told.metrics.items():
                self._points.learn(name, metric.step)
            self._room.learn(told)
            self._clock = max(self._clock, told.updated)

    def _capture_source(
        self, code: Repository, working: Path, command: tuple[str, ...], script: str | None
    ) -> None:
        found = describe_code(code, self.repository, self.settings, working, script)
        record = {"command": list(command), "script": script, **found}
        described = {k: v for k, v in record.items() if v is not None}
        with self._lock:
            at = self._clock = max(self._now(), self._clock + 1)
        edit = {"at": at, "id": capture.token(8), "by": self._by}
        # JSON's own escapes bring back the names of files that are not UTF-8.
        line = json.dumps({**edit, "source": described})
        with contextlib.suppress(GitmlError):  # a full disk: who logs next meets it too
            self._append(f"\n{line}\n".encode())

    def state(self, facts: Mapping[str, Json]) -> None:
        """State facts of one moment, as edits."""
        with self._lock:
            at = self._clock = max(self._now(), self._clock + 1)
            edits = [
                Edit(at=at, id=capture.token(8), by=self._by, key=key, json=json_of(value, key))
                for key, value in facts.items()
            ]
            records = b"".join(live.edit_record(edit) for edit in edits)
            self._room.take(facts, len(records))
        self._append(records)

    def _check_open(self) -> None:
        if self._ended.is_set():
            raise RefusedError(
                f"The run {self.name} has ended, so nothing more can be logged to it.",
                hint=f"Resume it: gitml.start_run(run_id={self.id[:12]!r})",
            )

    def _append(self, records: bytes) -> None:
        if self._ended.is_set():
            self._check_open()
        try:
            (self._log or self._open()).append(records)
        except StorageError:
            self._check_open()  # another thread has ended it meanwhile
            raise
        self.events += 1

    def log_params(self, params: Mapping[str, Json]) -> None:
        """State params; raises `InputError` if one has another value already.

        Nothing is written unless every one of them can be.
        """
        with self._lock:
            fresh = new_params(self._params, params)
            if fresh:
                self.state({f"params.{name}": value for name, value in fresh.items()})
                self._params |= {name: dump_json(value) for name, value in fresh.items()}

    def log_metric(
        self, name: str, value: float, step: int | None = None, time: int | None = None
    ) -> None:
        """Add a point; without ``step`` it is one after the metric's last.

        ``time`` is in milliseconds, by default now. Raises `InputError` for what
        is not a number.
        """
        if step is None:
            with self._lock:  # or two threads would count the same step
                self._append(self._points.record(name, value, step, time))
        else:
            self._append(self._points.record(name, value, step, time))

    def log_metrics(
        self, values: Mapping[str, float], step: int | None = None, time: int | None = None
    ) -> None:
        """Add a point to each metric, all or none of them."""
        moment = self._now() if time is None else time
        with self._lock:
            self._append(b"".join(self._points.records(values, step, moment)))

    def log_points(self, rows: Any, chunk: int = 5000) -> int:
        """Add (metric, step, time or None, value) rows; return how many."""
        count = 0
        records: list[bytes] = []
        moment = self._now()
        for name, step, time, value in rows:
            when = moment if time is None else time
            records.append(self._points.record(name, value, step, when))
            count += 1
            if len(records) >= chunk:
                self._append(b"".join(records))
                records = []
        if records:
            self._append(b"".join(records))
        return count

    def log_file(self, path: Path, dest: str) -> None:
        """Keep a copy of a file as an artifact, durable from now on."""
        dest = names.check_path(dest)
        self._check_open()
        log = self._open()
        staging = live.folder(self.repository.home, self.id) / "files"
        copy, sha256, size = artifacts.absorb(path, staging)
        small = size <= self.settings.inline_limit
        if small:
            copy.replace(live.staged(self.repository.home, self.id, log.writer, sha256))
        else:
            artifacts.keep_large(self.repository, copy, sha256)
        value = {"size": size, "sha256": sha256, "media_type": artifacts.media_type(dest)}
        self.state({f"artifacts.{dest}": {**value, "store": "git" if small else "lfs"}})

    def log_uri(self, uri: str, dest: str, *, size: int | None, sha256: str | None) -> None:
        """Record an artifact that lies elsewhere; nothing is copied."""
        value = {"size": size, "sha256": sha256, "media_type": artifacts.media_type(dest)}
        facts = {k: v for k, v in {**value, "store": "uri", "uri": uri}.items() if v is not None}
        self.state({f"artifacts.{names.check_path(dest)}": facts})

    def log_input(self, dataset: Dataset) -> None:
        """Record an input; the same one again is one."""
        key = f"inputs.{dataset.context or ''}:{dataset.name}:{(dataset.digest or '')[-12:]}"
        self.state({key: compact(dataset)})

    def set_tags(self, tags: Mapping[str, str | None]) -> None:
        """Set tags; None removes one."""
        for key, value in tags.items():
            names.check_name(key, "tag")
            check_length(value or "", f"The tag {names.visible(key)}")
        self.state({f"tags.{key}": value for key, value in tags.items()})

    def set_note(self, text: str) -> None:
        """Write the note."""
        check_length(text, "The note")
        self.state({"note": text})

    def _keep(self) -> None:
        """Write a checkpoint every half minute in which something was logged."""
        seen = 0
        while not self._ended.wait(CHECKPOINT_SECONDS):
            if self.events != seen and os.getpid() == self._pid:
                seen = self.events
                with contextlib.suppress(Exception):
                    self.checkpoint()

    def checkpoint(self) -> None:
        """Write what was logged so far to the run's hot ref.

        A failure is kept in `spoilt` and raised; the log still has everything.
        """
        with self._folding:
            if self._ended.is_set():
                return
            try:
                self._open().rotate()
                self._fold()
                self.spoilt = None
            except GitmlError as error:
                self.spoilt = error
                raise

    def _fold(self) -> Run | None:
        return fold_logs(
            self.repository,
            self.id,
            here=who(),
            now=self._now(),
            committer=self._by,
            bases=self._bases,
            mine=self._log.writer if self._log is not None else None,
        )

    def _seen(self) -> Run | None:
        """Return the run as it is where another process writes it, or has just done so."""
        with contextlib.suppress(GitmlError):
            trees = [base.tree for base in copies(self.repository, self.id)]
            return view(self.repository, self.id, trees)
        return None

    def abandon(self) -> None:
        """Take back what this process logged and has not written to git yet, and end."""
        with self._folding:
            if self._ended.is_set():
                return
            self.settle()
            self._ended.set()
            forks.forget(self)
            if self._log is not None:
                live.withdraw(self.repository.home, self.id, self._log)

    def end(self, status: str = "finished", *, ended: int | None = None) -> Run | None:
        """End the run (or this process's part of it) and write it to git.

        Returns the run as written. Raises what writing raises; then the log is
        still there, and ``gitml pack`` writes it.
        """
        with self._folding:
            if self._ended.is_set():
                return self.result
            self.settle()
            if os.getpid() == self.owner_pid:
                moment = max(self._now() if ended is None else ended, 0)
                self.state({"status": status, "ended": iso(moment)})
            elif not self.owner_pid and status != "finished":
                self.state({"status": status})  # for the owner to know; its own word is the last
            self._ended.set()
            if self._log is not None:
                self._log.close()
            forks.forget(self)
            self.result = self._fold() or self._seen()
            if os.getpid() == self.owner_pid:
                note_ended(self.repository, self.settings.pack_limit)
            return self.result
