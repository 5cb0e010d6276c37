"""Git processes that speak to a remote: they never ask, and can be ended in time."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import selectors
import signal
import subprocess
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, cast

from gitml.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gitml.store.git import Repository

NEVER_ASK = {
    "GIT_TERMINAL_PROMPT": "0",
    "GCM_INTERACTIVE": "never",
    "SSH_ASKPASS": "false",  # the program of that name, which answers no
    "SSH_ASKPASS_REQUIRE": "force",
}
"""What keeps git, its credential managers and ssh from asking for passwords.

ssh before 8.4 asks on the terminal whatever the environment says: hence also a
session of its own, which has none.
"""
_CHUNK, _TAIL = 1 << 16, 200
_RECEIVED = re.compile(rb"Receiving objects: +\d+% \((\d+)/(\d+)\)")
_STEPS = b"Enumerating|Counting|Compressing|Receiving|Resolving|Unpacking|Updating|Writing"
_PROGRESS = re.compile(rb"(?m)^(remote: +)?((" + _STEPS + rb") [a-z]+: |Total \d+ ).*\n?")
_GRACE = 2.0
"""Seconds in which git puts its locks away when it is told to end."""


def talk(
    repository: Repository, *args: str, env: Mapping[str, str] | None = None
) -> tuple[int, bytes, bytes]:
    """Run git to its end; return its exit code, stdout and stderr.

    Raises `UnreachableError` when `Repository.patience` has run out.
    """
    said = {**NEVER_ASK, **(env or {})}
    report = repository.received if "fetch" in args and "lfs" not in args else None
    if report is not None:
        at = args.index("fetch") + 1
        args = (*args[:at], "--progress", *args[at:])
    process = repository.start(*args, stdin=subprocess.DEVNULL, env=said, alone=True)
    try:
        out, err = watched(process, report, repository.patience)
    except BaseException:
        end(process)
        raise
    return process.returncode, out, err


def watched(
    process: subprocess.Popen[bytes],
    report: Callable[[int, int], None] | None,
    until: float | None = None,
) -> tuple[bytes, bytes]:
    """Wait for a process and tell ``report`` of its progress; return its stdout and stderr.

    Of stderr that is without the lines of progress. Raises `UnreachableError` if it has not
    ended when `time.monotonic` is ``until``.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    told: dict[IO[bytes], bytearray] = {process.stdout: bytearray(), process.stderr: bytearray()}
    pieces = _by_threads if sys.platform == "win32" else _as_they_come
    for pipe, data in pieces(list(told), until):
        told[pipe] += data
        if pipe is process.stderr and report is not None:
            counted = _RECEIVED.findall(told[pipe][-len(data) - _TAIL :])
            if counted:
                report(int(counted[-1][0]), int(counted[-1][1]))
    out, err = (bytes(data) for data in told.values())
    for pipe in told:
        pipe.close()
    process.wait()
    return out, _PROGRESS.sub(b"", err.replace(b"\r", b"\n")) if report is not None else err


def _as_they_come(
    pipes: Sequence[IO[bytes]], until: float | None
) -> Iterator[tuple[IO[bytes], bytes]]:
    """Yield what comes out of pipes, until all of them have ended."""
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(_left(until))
            if not ready and _left(until) == 0:
                raise _too_long()
            for key, _ in ready:
                pipe = cast("IO[bytes]", key.fileobj)
                data = os.read(pipe.fileno(), _CHUNK)
                if not data:
                    selector.unregister(pipe)
                yield pipe, data


def _by_threads(
    pipes: Sequence[IO[bytes]], until: float | None
) -> Iterator[tuple[IO[bytes], bytes]]:
    """Do the same on Windows, where one cannot wait for several pipes at once."""
    said: queue.SimpleQueue[tuple[IO[bytes], bytes]] = queue.SimpleQueue()

    def read(pipe: IO[bytes]) -> None:
        data = b"more"
        while data:
            try:
                data = os.read(pipe.fileno(), _CHUNK)
            except (OSError, ValueError):  # closed here: nobody listens any more
                data = b""
            said.put((pipe, data))

    for pipe in pipes:
        threading.Thread(target=read, args=(pipe,), daemon=True).start()
    ended = 0
    while ended < len(pipes):
        try:
            pipe, data = said.get(timeout=_left(until))
        except queue.Empty:
            raise _too_long() from None
        ended += not data
        yield pipe, data


def _too_long() -> UnreachableError:
    return UnreachableError(
        "The remote took too long.", hint="what had arrived by then stays there"
    )


def _left(until: float | None) -> float | None:
    return None if until is None else max(until - time.monotonic(), 0)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started alone, with all that it has started."""
    # Twice, for what it has started may outlive it.
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
