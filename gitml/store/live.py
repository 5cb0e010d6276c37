r"""Runs being written: one append-only log per process, replayed by anybody.

``live/<run id>/<writer>-<n>.log`` starts with a header that says who writes.
Each record is ``\n`` + JSON + ``\n``, one ``write`` each, so a record cut short
by a crash spoils no other. A list is a point ``[metric, step, time, value]``, an
object with ``key`` an edit, one with ``source`` the code (see `store.source`).

The writer holds a shared lock on its file for life; who folds a log into git
takes the exclusive one first, and so knows that the writer is gone. Where
locks do not work, the header's host, boot id and process id tell.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import threading
from dataclasses import dataclass
from time import sleep
from typing import IO, TYPE_CHECKING

from gitml.codec import dump_edit, edit_from_json, load_json
from gitml.errors import StorageError
from gitml.names import is_run_id
from gitml.store.processes import runs, started

try:
    import fcntl
except ImportError:  # Windows: the header's process id tells instead
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gitml.model import Edit, Json
    from gitml.store.points import Collector

PART = ".part"
"""The suffix of a file that is being staged."""
SILENCE = 24 * 3600 * 1000
"""Milliseconds after which a silent writer on another host, without locks, is dead."""
_HAS_LOCKS = hasattr(fcntl, "flock")
_OPEN: set[Path] = set()
"""The logs that this process writes now."""
_FLOAT_WORDS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The process that writes, as its log's header tells."""

    host: str
    boot: str
    pid: int
    started: int
    """The process's start time in clock ticks since boot (0 where unknown)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A log and whether its process still lives."""

    path: Path
    alive: bool


def folder(home: Path, run_id: str) -> Path:
    """Return the folder of a live run's logs."""
    return home / "live" / run_id


def live_ids(home: Path) -> list[str]:
    """Return the ids of the runs that have logs here."""
    try:
        found = [p.name for p in (home / "live").iterdir() if is_run_id(p.name)]
    except FileNotFoundError:
        return []
    return sorted(run_id for run_id in found if logs(home, run_id))


def logs(home: Path, run_id: str) -> list[Path]:
    """Return the logs of a run, each writer's in the order they were written."""

    def order(path: Path) -> tuple[str, int]:
        writer, _, number = path.stem.partition("-")
        return writer, int(number) if number.isdigit() else 0

    with contextlib.suppress(FileNotFoundError):
        return sorted((p for p in folder(home, run_id).iterdir() if p.suffix == ".log"), key=order)
    return []


def fingerprint(home: Path, run_id: str) -> str:
    """Return a text that changes whenever a log of the run does; empty without logs."""
    parts = []
    for path in logs(home, run_id):
        with contextlib.suppress(FileNotFoundError):
            stat = path.stat()
            parts.append(f"{path.name}:{stat.st_size}:{stat.st_mtime_ns}")
    return " ".join(parts)


def _lock(file: IO[bytes] | int, exclusive: bool) -> bool | None:
    """Take a lock without waiting: True, False if another holds it, None if locks fail."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


class LiveLog:
    """The log this process writes for one run; safe for threads, not for forks.

    After a fork the child makes a `LiveLog` of its own.
    """

    def __init__(self, home: Path, run_id: str, writer: str, who: Who) -> None:
        """Create the first log file; raises `StorageError` if it cannot be written."""
        self.folder = folder(home, run_id)
        self.writer = writer
        self.number = 0
        self._who = who
        self._lock = threading.RLock()  # a signal handler may write in the middle of a write
        self._fd = -1
        self._open()

    def _open(self) -> None:
        path = self.path
        # Under another name until it is locked: who folds would take it for a dead writer's.
        hidden = path.with_suffix(".new") if _HAS_LOCKS else path
        fd = -1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                fd = os.open(hidden, flags, 0o666)
            except FileNotFoundError:  # somebody folded the last log and removed the folder
                self.folder.mkdir(parents=True, exist_ok=True)
                fd = os.open(hidden, flags, 0o666)
            locked = _lock(fd, exclusive=False)
            header = {"gitml": 1, "writer": self.writer, "locks": bool(locked)}
            header |= {s: getattr(self._who, s) for s in ("host", "boot", "pid", "started")}
            line = json.dumps(header).encode() + b"\n"
            if os.write(fd, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301
            if hidden != path:
                hidden.rename(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                if fd >= 0:
                    os.close(fd)
                hidden.unlink(missing_ok=True)
                self.folder.rmdir()
            raise StorageError(
                f"The run's log cannot be written: {error.strerror}: {path}",
                hint="Check the free space and who owns the folder .git/gitml.",
            ) from None
        self._fd = fd
        _OPEN.add(path)

    @property
    def path(self) -> Path:
        """The file being written now."""
        return self.folder / f"{self.writer}-{self.number}.log"

    def append(self, records: bytes) -> None:
        """Write whole records (each newline, JSON, newline), durable against our own death."""
        with self._lock:
            try:
                written = os.write(self._fd, records)
                for _ in range(8):
                    if written == len(records):
                        return
                    written = os.write(self._fd, records)
            except OSError as error:
                raise StorageError(
                    f"The run's log cannot be written: {error.strerror}: {self.path}",
                    hint="Free some space; what was logged before is safe.",
                ) from None
        raise StorageError(f"The run's log cannot be written whole: {self.path}")

    def rotate(self) -> Path:
        """Go on in a new file; return the one left, which may now be folded."""
        with self._lock:
            left, old = self.path, self._fd
            self.number += 1
            try:
                self._open()
            except BaseException:
                self.number -= 1
                raise
            os.close(old)
            _OPEN.discard(left)
            return left

    def after_fork(self) -> None:
        """Let go of the parent's log: what a fork holds open stays locked for its life."""
        if self._fd >= 0:
            os.close(self._fd)
            _OPEN.discard(self.path)
            self._fd = -1

    def close(self) -> None:
        """Stop writing; the log may then be folded by anybody."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                _OPEN.discard(self.path)
                self._fd = -1


def edit_record(edit: Edit) -> bytes:
    """Return an edit as a record."""
    return f"\n{dump_edit(edit)}\n".encode("utf-8", "surrogatepass")


def _process_lives(header: Mapping[str, Json], path: Path, here: Who, now: int) -> bool:
    """Say whether the writer lives, where no lock can tell."""
    if header.get("host") == here.host and header.get("boot") == here.boot:
        pid = header.get("pid")
        if pid == here.pid and header.get("started") == here.started:
            return path in _OPEN  # ours, and closed when its run ended
        if not isinstance(pid, int) or pid <= 0:
            return False
        try:
            return runs(pid) and header.get("started") in {0, started(pid)}
        except OSError:  # somebody else's
            return True
    try:
        return now - int(path.stat().st_mtime * 1000) < SILENCE
    except FileNotFoundError:  # folded and removed since we looked
        return True


def read_header(path: Path) -> dict[str, Json]:
    """Return a log's header; empty if it cannot be read."""
    with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
        header = json.loads(file.readline(4096))
        if isinstance(header, dict):
            return header
    return {}


@contextlib.contextmanager
def taken(path: Path, here: Who, now: int, *, patience: int = 0) -> Iterator[IO[bytes] | None]:
    """Open a dead writer's log to fold it, or give None while the writer lives.

    Who knows that the writer is gone has ``patience``: so many times the lock is
    tried again, a hundredth of a second apart, as another may be looking at it.
    There is none for a log that this process itself goes on writing.
    """
    patience = 0 if path in _OPEN else patience
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        while (locked := _lock(file, exclusive=True)) is False and patience > 0:
            sleep(0.01)
            patience -= 1
        if locked is None or not read_header(path).get("locks", False):
            locked = not _process_lives(read_header(path), path, here, now)
        # Another folder may have unlinked it between our open and our lock.
        yield file if locked and path.exists() else None


def writers(home: Path, run_id: str, here: Who, now: int) -> list[Writer]:
    """Return the writers of a run here, and which of them live."""
    found = []
    for path in logs(home, run_id):
        with taken(path, here, now) as file:
            found.append(Writer(path=path, alive=file is None and path.exists()))
    return found


def replay(
    file: IO[bytes], points: Collector, edits: set[Edit], sources: list[dict[str, Json]]
) -> int:
    """Read a log to its end into the collections; return how many records were spoilt."""
    spoilt = 0
    file.seek(0)
    file.readline()
    rest = b""
    while chunk := file.read(1 << 20):
        *lines, rest = (rest + chunk).split(b"\n")
        spoilt += _replay_lines(lines, points, edits, sources)
    return spoilt + _replay_lines([rest], points, edits, sources)


def _replay_lines(
    lines: list[bytes], points: Collector, edits: set[Edit], sources: list[dict[str, Json]]
) -> int:
    rows = [line for line in lines if line.startswith(b"[")]
    spoilt = 0
    try:  # all at once is twice as fast as one by one
        points.add_all(_points(json.loads(b"[" + b",".join(rows) + b"]")))
    except (ValueError, TypeError, OverflowError, RecursionError):
        for row in rows:
            try:
                points.add_all(_points([json.loads(row)]))
            except (ValueError, TypeError, OverflowError, RecursionError):
                spoilt += 1
    for line in lines:
        if line and not line.startswith(b"["):
            try:
                record = load_json(line.decode("utf-8", "surrogatepass"))
                if isinstance(record, dict) and "source" in record:
                    edit_from_json({**record, "key": "source", "value": None})
                    sources.append(record)
                else:
                    edits.add(edit_from_json(record))
            except ValueError:
                spoilt += 1
    return spoilt


def _points(rows: list[Json]) -> list[tuple[str, int, int, float]]:
    checked = []
    for name, step, time, value in rows:
        number = _FLOAT_WORDS.get(value, value) if isinstance(value, str) else value
        if (
            isinstance(number, (str, bool))
            or not isinstance(name, str)
            or not isinstance(step, int)
            or not isinstance(time, int)
        ):
            raise TypeError("not a point")
        checked.append((name, step, time, float(number)))
    return checked


def point_record(name_json: str, step: int, time: int, value: float) -> bytes:
    """Return a point as a record; ``name_json`` is the metric's name as JSON."""
    text = repr(value)
    if text in _FLOAT_WORDS:
        text = f'"{text}"'
    return f"\n[{name_json},{step},{time},{text}]\n".encode("utf-8", "surrogatepass")


def staged(home: Path, run_id: str, writer: str, sha256: str) -> Path:
    """Return where a writer keeps a small artifact until its log is folded."""
    return folder(home, run_id) / "files" / f"{sha256}.{writer}"


def discard(home: Path, run_id: str, done: list[Path]) -> None:
    """Remove logs that are in git now, what they staged, and the folder if it is empty."""
    place = folder(home, run_id)
    for path in done:
        path.unlink(missing_ok=True)
    files = place / "files"
    with contextlib.suppress(OSError):
        # In this order: a writer has its log before it stages its first file.
        there = list(files.iterdir())
        left = {p.stem.partition("-")[0] for p in logs(home, run_id)}
        for file in there:
            if not left or (file.suffix != PART and file.suffix[1:] not in left):
                file.unlink()
        files.rmdir()
    with contextlib.suppress(OSError):
        place.rmdir()


def withdraw(home: Path, run_id: str, log: LiveLog) -> None:
    """Remove what one writer wrote here, before anybody can fold it."""
    own = [path for path in logs(home, run_id) if path.stem.partition("-")[0] == log.writer]
    if fcntl is None:  # Windows does not remove what is open
        log.close()
    discard(home, run_id, own)
    log.close()


def drop(home: Path, run_id: str) -> None:
    """Remove all of a live run: for a purge."""
    shutil.rmtree(folder(home, run_id), ignore_errors=True)
