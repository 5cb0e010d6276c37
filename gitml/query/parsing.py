"""Many runs' YAML into rows of the index, by processes of their own where that pays.

The workers are plain interpreters that import this module and nothing of the
caller's: `multiprocessing` would run a training script without a ``__main__``
guard again, or fork a process full of threads. They are told and answer one
JSON line for each batch. Without them (no interpreter, or one that does not
answer) everything is parsed here.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Self, TypeAlias

from gitml.errors import DamagedError
from gitml.query.rows import Row, to_row
from gitml.records import load_run

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from concurrent.futures import Future

Order: TypeAlias = tuple[str, dict[str, bytes]]
"""A run's id and its YAML files by name."""
Answer: TypeAlias = Row | str
"""A row, or a sentence on why there is none."""

ALONE = 1_500
"""Runs up to which starting workers costs more than it saves."""
BATCH = 64
_MOST = 8
_WORKER = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from gitml.query.parsing import serve; serve(sys.stdin.buffer, sys.stdout.buffer)"
)


def parse(order: Order) -> Answer:
    """Return the row of one run."""
    run_id, files = order
    try:
        run = load_run(files, f"the run {run_id}")
    except DamagedError as error:
        return error.message
    if run.id != run_id:
        return f"The run {run_id} says in its run.yaml that it is {run.id}"
    return to_row(run)


def parse_all(orders: Iterable[Order], total: int) -> Generator[Answer]:
    """Yield the row of every run, in order, a bounded number in memory at a time."""
    workers = min(_processors(), _MOST) if total > ALONE else 0
    if workers < 2 or not sys.executable:  # noqa: PLR2004 - one would only add to the work
        yield from map(parse, orders)
        return
    with _Pool(workers) as pool:
        yield from pool.parse_all(iter(orders))


def _processors() -> int:
    with contextlib.suppress(AttributeError, OSError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer batches until there are no more: what a worker does."""
    for line in source:
        batch = json.loads(line)
        answers = [
            parse((run_id, {k: v.encode("utf-8", "surrogateescape") for k, v in files.items()}))
            for run_id, files in batch
        ]
        sink.write(json.dumps(answers).encode() + b"\n")
        sink.flush()


class _Pool:
    """Worker processes, each with a thread that waits for it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._threads = ThreadPoolExecutor(size)
        self._idle: SimpleQueue[subprocess.Popen[bytes] | None] = SimpleQueue()
        for _ in range(size):
            self._idle.put(_start())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        for _ in range(self._size):
            _stop(self._idle.get())

    def parse_all(self, orders: Iterator[Order]) -> Iterator[Answer]:
        waiting: list[Future[list[Answer]]] = []
        while True:
            while len(waiting) < 3 * self._size and (batch := list(islice(orders, BATCH))):
                waiting.append(self._threads.submit(self._ask, batch))
            if not waiting:
                return
            yield from waiting.pop(0).result()

    def _ask(self, batch: list[Order]) -> list[Answer]:
        worker = self._idle.get()
        try:
            if worker is not None:
                return _ask(worker, batch)
        except (OSError, ValueError):
            _stop(worker)
            worker = None
        finally:
            self._idle.put(worker)
        return [parse(order) for order in batch]


def _start() -> subprocess.Popen[bytes] | None:
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _WORKER, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None


def _ask(worker: subprocess.Popen[bytes], batch: list[Order]) -> list[Answer]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    texts = [
        (run_id, {k: v.decode("utf-8", "surrogateescape") for k, v in files.items()})
        for run_id, files in batch
    ]
    worker.stdin.write(json.dumps(texts).encode() + b"\n")
    worker.stdin.flush()
    answers = json.loads(worker.stdout.readline())
    if not isinstance(answers, list) or len(answers) != len(batch):
        raise ValueError("not an answer to this batch")
    return answers


def _stop(worker: subprocess.Popen[bytes] | None) -> None:
    if worker is not None:
        worker.kill()
        for pipe in (worker.stdin, worker.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        worker.wait()
