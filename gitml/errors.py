"""Failures: what went wrong, what to do next, and the exit code.

    GitmlError                 1   unexpected (a bug in gitml: please report it)
    ├── UsageError             2   options that do not go together
    ├── NotFoundError          3   no such run, experiment, artifact, file or key
    ├── RefusedError           4   a rule forbids it (policy, finality, a limit)
    ├── InputError             5   a value, name or file that cannot be accepted
    ├── RepositoryError        6   no usable repository or git (absent, read-only, too old)
    ├── BeatenError            7   somebody else was first, or a lock is held; trying again may help
    ├── DamagedError           8   stored data cannot be read or does not verify
    │   └── NewerSchemaError   8   written by a newer gitml
    ├── RemoteError            9   a remote said no
    │   └── UnreachableError   9   a remote could not be reached
    └── StorageError          10   the disk is full, or a file cannot be written

Exit codes are only ever added, never changed. ``gitml run`` passes on the exit
code of the command it wraps. Interrupting any other command gives 130.
"""

from __future__ import annotations


class GitmlError(Exception):
    """Base of every failure gitml reports.

    ``message`` is one sentence that says what is wrong; ``hint`` says what to
    do next, or is None; ``exit_code`` is what the command line exits with.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Keep the sentence and the hint for whoever reports the failure, tracebacks too."""
        super().__init__(message)
        if hint is not None:
            self.add_note(f"hint: {hint}")
        self.message = message
        self.hint = hint


class UsageError(GitmlError):
    """Options that do not go together, or an argument that is missing."""

    exit_code = 2


class NotFoundError(GitmlError):
    """A run, experiment, artifact, file or key that does not exist."""

    exit_code = 3


class RefusedError(GitmlError):
    """Something a rule forbids: a policy, the finality of a purge, a limit."""

    exit_code = 4


class InputError(GitmlError):
    """A value, a name or a file that cannot be accepted."""

    exit_code = 5


class RepositoryError(GitmlError):
    """No usable repository or git: absent, read-only, not trusted, too old."""

    exit_code = 6


class BeatenError(GitmlError):
    """Another writer was first, or holds a lock; trying again may help."""

    exit_code = 7


class DamagedError(GitmlError):
    """Stored data that cannot be read or does not verify."""

    exit_code = 8


class NewerSchemaError(DamagedError):
    """Data written by a newer gitml than this one."""


class RemoteError(GitmlError):
    """A remote that could not be reached, or that refused."""

    exit_code = 9


class UnreachableError(RemoteError):
    """A remote that could not be reached, or not to the end: later it may be."""


class StorageError(GitmlError):
    """The disk is full, or a file or folder cannot be written."""

    exit_code = 10


EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "unexpected: a bug in gitml",
    2: "wrong usage",
    3: "not found",
    4: "refused by a rule",
    5: "bad input",
    6: "no usable repository or git",
    7: "somebody was first, or a lock is held",
    8: "stored data is damaged or newer than this gitml",
    9: "a remote failed or refused",
    10: "disk full or not writable",
    130: "interrupted",
}
