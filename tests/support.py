"""What several tests need: runs made without a training script, and a terminal."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

from gitml.codec import dump_json
from gitml.model import Edit, Run, iso
from gitml.records import compact
from gitml.store.git import open_repository
from gitml.store.points import Collector
from gitml.store.write import Change, commit_runs

AUTHOR = "Ada Author <ada@example.com>"
START = 1_767_322_800_000
"""2026-01-02T03:00:00Z, a little before the fixed commit date of the tests."""
MINUTE = 60_000


def run_id_of(name):
    """Return the id that `make_run` gives a run called ``name``: the same in every session."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def make_run(path, name="brave-otter-12", **facts) -> Run:
    """Write a run into the repository at ``path`` as a hot ref, and return it.

    Facts are those of `change_of`.
    """
    (run,) = make_runs(path, {"name": name, **facts})
    return run


def make_runs(path, *many) -> list[Run]:
    """Write several runs at once, each a mapping of facts."""
    repository = open_repository(Path(path))
    try:
        changes = [change_of(repository, **facts) for facts in many]
        runs = commit_runs(repository, changes, committer=AUTHOR, now=START)
    finally:
        repository.close()
    return [runs[change.run_id] for change in changes]


def change_of(
    repository,
    *,
    name,
    run_id=None,
    experiment="churn",
    status="finished",
    created=START,
    seconds=60.0,
    author=AUTHOR,
    parent=None,
    source=None,
    environment=None,
    inputs=(),
    params=None,
    metrics=None,
    goals=None,
    tags=None,
    note=None,
    artifacts=(),
    requirements=None,
    deleted=False,
    edits=(),
):
    """Return what makes a run with these facts.

    ``metrics`` maps a name to a value or to values of the steps 1, 2, …;
    ``source`` and ``environment`` are values of the model, ``inputs`` and
    ``artifacts`` (without content) lists of them; ``edits`` are further (key, value)
    pairs, a second apart, after the end. A running run has no end.
    """
    run_id = run_id or run_id_of(name)
    numbers = itertools.count()
    ended = None if status in {"scheduled", "running"} else int(created + seconds * 1000)

    def edit(key, value, at):
        unique = hashlib.sha256(f"{run_id} {next(numbers)}".encode()).hexdigest()[:16]
        return Edit(at=at, id=unique, by=author, key=key, json=dump_json(value))

    first = {
        "name": name,
        "experiment": experiment,
        "created": iso(created),
        "author": author,
        "parent": parent,
        "note": note,
        "source": compact(source) if source else None,
        "environment": compact(environment) if environment else None,
        **{f"inputs.{d.context or ''}.{d.name}": compact(d) for d in inputs},
        **{f"params.{key}": value for key, value in (params or {}).items()},
        **{f"tags.{key}": value for key, value in (tags or {}).items()},
        **{f"goals.{key}": value for key, value in (goals or {}).items()},
        **{f"artifacts.{a.path}": artifact_facts(a) for a in artifacts},
    }
    kept = {key: value for key, value in first.items() if value is not None or "." in key}
    stated = {edit(key, value, created) for key, value in kept.items()}
    last = ended or created
    stated.add(edit("status", status, last))
    if ended is not None:
        stated.add(edit("ended", iso(ended), last))
    if deleted:
        stated.add(edit("deleted", True, last + 1))
    for nth, (key, value) in enumerate(edits, 1):
        stated.add(edit(key, value, last + nth * 1000))
    points = Collector()
    for key, values in (metrics or {}).items():
        series = values if isinstance(values, (list, tuple)) else [values]
        step = (last - created) // max(len(series), 1)
        points.add_all((key, n, created + n * step, v) for n, v in enumerate(series, 1))
    return Change(
        run_id=run_id,
        edits=stated,
        points={"00000000": points},
        requirements=None if requirements is None else requirements.encode(),
    )


def artifact_facts(artifact):
    return {key: value for key, value in compact(artifact).items() if key != "path"}


def on_terminal(*args, cwd=".", columns=100, lines=40, env=None):
    """Return (exit code, what a terminal of this size received) of ``gitml ARGS``.

    Bars are left out: whether one came tells of the machine, not of the command.
    """
    import fcntl  # none of these is there on Windows
    import pty
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    size = {"COLUMNS": str(columns), "LINES": str(lines)}
    process = subprocess.Popen(
        [sys.executable, "-m", "gitml", *map(str, args)],
        cwd=cwd,
        env={**os.environ, **size, **(env or {})},
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    received = b""
    while True:
        try:
            block = os.read(leader, 65536)
        except OSError:  # how Linux says that the other end is closed
            block = b""
        if not block:
            break
        received += block
    os.close(leader)
    return process.wait(), BAR.sub("", received.decode("utf-8").replace("\r\n", "\n"))


ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
BAR = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h\r(?:\x1b\[1A\x1b\[2K)+", re.DOTALL)
"""A bar from where it hides the cursor to where it is taken away again."""


def without_color(text):
    """Return what a terminal shows of ``text``."""
    return ESCAPE.sub("", text)


def assert_golden(path, text):
    """Compare ``text`` with a file; ``UPDATE_GOLDEN=1 pytest …`` writes the file instead."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    assert text == path.read_text(encoding="utf-8"), f"UPDATE_GOLDEN=1 pytest writes {path.name}"
