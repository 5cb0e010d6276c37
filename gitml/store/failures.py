"""What git says on stderr, as failures with a hint."""

from __future__ import annotations

import re

from gitml.errors import BeatenError, GitmlError, RepositoryError, StorageError
from gitml.names import visible
from gitml.words import quoted

_OWNED = re.compile(r"dubious ownership in repository at '([^'\n]+)'")
MINIMUM_GIT = (2, 31)
"""``update-ref --stdin`` transactions and ``fast-import``, with some years of repairs."""

_MEANINGS: tuple[tuple[tuple[str, ...], type[GitmlError], str, str | None], ...] = (
    (
        ("No space left on device", "Out of diskspace", "Disk quota exceeded"),
        StorageError,
        "The disk is full.",
        "Free some space and do it again; nothing that was recorded is lost.",
    ),
    (
        ("bad config", "bad boolean config", "bad numeric config"),
        RepositoryError,
        "git's configuration cannot be read.",
        "git config --edit opens the repository's, with --global your own.",
    ),
    (
        ("dubious ownership",),
        RepositoryError,
        "git does not trust this repository, because somebody else owns it.",
        "git config --global --add safe.directory PATH",
    ),
    (
        ("Permission denied", "Read-only file system", "insufficient permission"),
        RepositoryError,
        "The repository cannot be written to.",
        "Check who owns .git and whether the file system is mounted read-only.",
    ),
    (
        (
            *("cannot lock ref", "Unable to create", "but expected"),
            *("reference already exists", "Not updating", "packed-refs.new: File exists"),
        ),
        BeatenError,
        "Another process changed or locked the same ref.",
        "Do it again; if it stays so, remove the .lock file that git names.",
    ),
)


_UNKNOWN = (
    "unknown option",
    "unknown command",
    "unknown feature",
    "usage:",
    "is not a git command",
)
"""What an older git says to what it does not know."""


_WORDS = 600
"""Characters of git's own words: with two long paths in them."""
NO_GIT = ("git was not found.", "Install git, or put it on the PATH.")
"""The sentence and the hint where there is no git."""


def failure(command: str, stderr: str, code: int) -> GitmlError:
    """Return the error that git's words on stderr mean."""
    known = meaning(command, stderr)
    if known is not None:
        return known
    told = visible(_detail(stderr), _WORDS) or "no word"
    return RepositoryError(f"git {command} failed with exit code {code}: {told}.")


def _detail(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    told = (line for line in lines if line.startswith(("fatal:", "error:")))
    return next(told, lines[0] if lines else "")


def meaning(command: str, stderr: str) -> GitmlError | None:
    """Return the error that git's words on stderr are known to mean, or None."""
    lines = stderr.splitlines()
    for words, kind, sentence, hint in _MEANINGS:
        if any(word in stderr for word in words):
            saying = (line for line in lines if any(word in line for word in words))
            detail = next(saying, _detail(stderr))
            owned = _OWNED.search(stderr)
            place = quoted(visible(owned[1], _WORDS)) if owned else "PATH"
            told = f"{sentence} (git {command}: {visible(detail, _WORDS)})"
            return kind(told, hint=hint and hint.replace("PATH", place))
    if any(word in stderr for word in _UNKNOWN):
        wanted = ".".join(map(str, MINIMUM_GIT))
        return RepositoryError(
            f"This git does not know what gitml needs of git {command}.",
            hint=f"gitml needs git {wanted} or later; git version tells which this is.",
        )
    return None
