"""Command lines that gitml suggests, as a person can type them."""

from __future__ import annotations

import shlex


def typed(*words: str, runs: tuple[str, ...]) -> str:
    """Return ``gitml WORDS RUNS`` as a shell takes it, whatever the runs are called."""
    dashes = ["--"] if any(run.startswith("-") for run in runs) else []
    return shlex.join(["gitml", *words, *dashes, *runs])
