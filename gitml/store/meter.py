"""How far transfers are, when they are to end, and how often something is tried."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, TypeVar

from gitml.errors import UnreachableError
from gitml.store.cloud import TriedError

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[int, int], None]

T = TypeVar("T")

TRIES = 6
"""How often something is asked for."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
"""Seconds before the second try, doubled each time, and at the most; half of it is chance."""


class StoppedError(InterruptedError):
    """Another file failed, or somebody pressed Ctrl-C: this one need not go on."""


class Meter:
    """How many bytes of all have moved; a try that failed does not count."""

    def __init__(self, total: int, report: Progress | None, until: float | None) -> None:
        """Count up to ``total``; ``until`` is when trying again ends, by the monotonic clock."""
        self.total = total
        self._until = until
        self._report = report
        self._moved: dict[str, int] = {}
        self._lock = threading.Lock()
        self.stop = threading.Event()

    def at(self, sha256: str, count: int) -> None:
        """Note how far a file is; raise `StoppedError` if nothing is to go on."""
        if self.stop.is_set():
            raise StoppedError
        with self._lock:
            self._moved[sha256] = count
            if self._report is not None:
                self._report(min(sum(self._moved.values()), self.total), self.total)

    def again(self, ask: Callable[[], T]) -> T:
        """Return what ``ask`` returns, asked `TRIES` times while nobody answers."""
        for number in range(TRIES):
            try:
                return ask()
            except TriedError:
                raise
            except UnreachableError:
                if number == TRIES - 1 or (self._until and time.monotonic() > self._until):
                    raise
            pause = min(FIRST_PAUSE * 2**number, LONGEST_PAUSE)
            if self.stop.wait(pause * random.uniform(0.5, 1)):  # noqa: S311 - jitter
                raise StoppedError
        raise AssertionError
