"""A training command as a child process: its signals, its end, and what that means.

The child shares the terminal and the process group, so ^C reaches it without
help. A signal that was sent to this process alone is passed on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.errors import GitmlError, InputError, NotFoundError
from gitml.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""What shells exit with for a command that cannot be started."""
BY_SIGNAL = 128
"""What shells add to the number of the signal that killed a command."""


def _signals(*names: str) -> tuple[int, ...]:
    return tuple(int(getattr(signal, name)) for name in names if hasattr(signal, name))


_OF_TERMINALS = _signals("SIGINT", "SIGQUIT")
_STOPS = _signals("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGKILL", "SIGXCPU")
_PASSED_ON = _signals("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


@dataclass(slots=True)
class Child:
    """A command being run; use `running` to make one."""

    process: subprocess.Popen[bytes] | None = None
    received: list[int] = field(default_factory=list)
    """The signals that this process got meanwhile."""
    early: list[int] = field(default_factory=list)
    """Those of them that came while the process was being made."""

    def start(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the command; raise a failure whose exit code is 126 or 127 if it cannot be."""
        try:
            self.process = subprocess.Popen([*words], env=dict(environment))
        except OSError as error:
            raise _not_started(words[0], error) from None
        while self.early:
            self._pass_on(self.early.pop(0))

    def wait(self) -> int:
        """Wait for its end and return its exit code, 128 and the signal's number if killed."""
        assert self.process is not None
        code = self.process.wait()
        return code if code >= 0 else BY_SIGNAL - code

    @property
    def status(self) -> str:
        """What its end means: ``finished``, ``failed`` or ``killed``."""
        assert self.process is not None
        code = self.process.returncode
        if code == 0:
            return "finished"
        asked = any(number in _STOPS for number in self.received)
        stopped = -code in _STOPS or code - BY_SIGNAL in _STOPS
        return "killed" if asked or stopped else "failed"

    def handle(self, number: int, _: FrameType | None) -> None:
        """Note a signal and pass it on, unless the terminal has sent it to both."""
        self.received.append(number)
        if self.process is None:
            self.early.append(number)
        else:
            self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        assert self.process is not None
        if number in _OF_TERMINALS and _in_foreground():
            return
        with contextlib.suppress(OSError):
            self.process.send_signal(number)


def _in_foreground() -> bool:
    """Say whether the terminal's keys reach this process group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | getattr(os, "O_NOCTTY", 0))
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


@contextlib.contextmanager
def running() -> Iterator[Child]:
    """Give a child to start; signals do not end this process until the context is left.

    One that is ignored, as under ``nohup``, stays so for the child too.
    """
    child = Child()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in _PASSED_ON:
            if signal.getsignal(number) not in {signal.SIG_IGN, None}:
                before[number] = signal.signal(number, child.handle)
    try:
        yield child
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def signal_name(code: int) -> str | None:
    """Return the name of the signal that an exit code tells of, if it does."""
    with contextlib.suppress(ValueError):
        return signal.Signals(code - BY_SIGNAL).name if code > BY_SIGNAL else None
    return None


def script_in(words: Sequence[str]) -> str | None:
    """Return the program of a command line: its first word that is a file here."""
    for word in words:
        path = Path(word)
        if path.suffix and path.is_file():
            return word
    return None


def _not_started(word: str, error: OSError) -> GitmlError:
    shown = visible(word, 80)
    here = Path(word).is_file()
    failure: GitmlError
    if isinstance(error, FileNotFoundError):
        failure = NotFoundError(f"There is no command {shown}")
        if " " in word:
            failure.hint = "write the command without quotes around it"
        elif here and "/" not in word:
            failure.hint = f"name what runs it, as in python {shown}; or write ./{shown}"
        elif here:
            failure.hint = "what its first line names to run it is not there"
        failure.exit_code = NOT_FOUND
        return failure
    reason = (error.strerror or str(error)).lower()
    failure = InputError(f"The command {shown} cannot be run: {reason}.")
    if here:
        failure.hint = f"name what runs it, as in python {shown}; or chmod +x {shown}"
    failure.exit_code = NOT_EXECUTABLE
    return failure
