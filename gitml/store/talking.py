"""Git processes that speak to a remote: they never ask, and can be ended in time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from gitml.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

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
_GRACE = 2.0
"""Seconds in which git puts its locks away when it is told to end."""


def talk(
    repository: Repository, *args: str, env: Mapping[str, str] | None = None
) -> tuple[int, bytes, bytes]:
    """Run git to its end; return its exit code, stdout and stderr.

    Raises `UnreachableError` when `Repository.patience` has run out.
    """
    said = {**NEVER_ASK, **(env or {})}
    process = repository.start(*args, stdin=subprocess.DEVNULL, env=said, alone=True)
    left = None if repository.patience is None else repository.patience - time.monotonic()
    try:
        out, err = process.communicate(timeout=None if left is None else max(left, 0.1))
    except subprocess.TimeoutExpired:
        end(process)
        raise UnreachableError(
            "The remote took too long.", hint="what had arrived by then stays there"
        ) from None
    except BaseException:
        end(process)
        raise
    return process.returncode, out, err


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
