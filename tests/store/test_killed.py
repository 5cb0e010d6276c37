"""Writers killed at any moment, while others take the logs of the dead into git."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time

import pytest

from gitml.store.git import open_repository
from gitml.store.history import artifact_chunks, copies, edits_of, history
from gitml.store.live import live_ids
from gitml.store.pack import pack
from gitml.store.state import view
from gitml.tracking import capture
from gitml.tracking.recorder import who

AUTHOR = "Ada Author <ada@example.com>"
WRITER = """
import json, random, sys, gitml
rng = random.Random(sys.argv[1])
run = gitml.start_run("killed", name=f"writer-{sys.argv[1]}")

def tell(*fact):
    sys.stdout.write(json.dumps([run.id, *fact]) + "\\n")
    sys.stdout.flush()

tell("begun")
for step in range(100_000):
    way = rng.random()
    if way < 0.9:
        run.log_metric("loss", step / 7, step)
        tell("point", step)
    elif way < 0.93:
        run.set_tag(f"t{step}", "x")
        tell("tag", f"t{step}")
    elif way < 0.96:
        run.log_text(f"text {step}", f"f{step}.txt")
        tell("file", f"f{step}.txt", f"text {step}")
    else:
        run.checkpoint()
"""
SEALER = """
import sys
from pathlib import Path
from gitml.store.git import open_repository
from gitml.store.pack import pack
from gitml.tracking import capture
from gitml.tracking.recorder import who
store = open_repository(Path("."))
while True:
    report = pack(store, here=who(), committer="B <b@c>", now=capture.now_ms())
    assert not report.failed and not report.seal.unreadable, (report.failed, report.seal)
"""
pytestmark = pytest.mark.slow


def start(script, argument, cwd):
    return subprocess.Popen(
        [sys.executable, "-c", script, argument], cwd=cwd, stdout=subprocess.PIPE, bufsize=0
    )


def kill(process):
    process.kill()
    out = process.communicate()[0]
    lines = out.split(b"\n")[:-1]  # what it died in the middle of telling, it had not told
    return [json.loads(line) for line in lines]


def test_all_that_was_told_is_there_once(repo, git):
    rng = random.Random(11)
    told = []
    sealer = start(SEALER, "", repo)
    writers = {}
    for number in range(24):
        writers[number] = start(WRITER, str(number), repo)
        if number >= 3:
            told.append(json.loads(writers[number - 3].stdout.readline()))  # it has begun
        time.sleep(rng.uniform(0, 0.2))
        if number % 5 == 4:  # the folder may be killed as well
            kill(sealer)
            sealer = start(SEALER, "", repo)
        while len(writers) > 4:
            told += kill(writers.pop(min(writers)))
    assert sealer.poll() is None, "it found a run that it could not write"
    kill(sealer)
    for writer in writers.values():
        told += kill(writer)
    store = open_repository(repo)
    pack(store, here=who(), committer=AUTHOR, now=capture.now_ms())
    assert live_ids(store.home) == []
    ids = {fact[0] for fact in told}
    assert len(ids) >= 20
    for run_id in ids:
        mine = [fact[1:] for fact in told if fact[0] == run_id]
        run = view(store, run_id, [base.tree for base in copies(store, run_id)])
        assert run.status == "killed"
        assert run.ended is not None
        steps = [point.step for point in history(store, run_id, "loss")]
        logged = [step for kind, step, *_ in (f for f in mine if f[0] == "point")]
        assert steps == sorted(set(steps))
        assert set(logged) <= set(steps)
        assert len(steps) <= len(logged) + 1, "at most the one that it was logging"
        assert {f[1] for f in mine if f[0] == "tag"} <= set(run.tags)
        for _, path, text in (f for f in mine if f[0] == "file"):
            content = b"".join(artifact_chunks(store, run_id, run.artifacts[path]))
            assert content == text.encode()
        edits = edits_of(store, run_id)
        assert len({(e.at, e.id) for e in edits}) == len(edits)
        assert sum(e.key == "status" and e.json == '"killed"' for e in edits) == 1
    again = pack(store, here=who(), committer=AUTHOR, now=capture.now_ms())
    assert (again.recovered, again.seal.sealed) == ({}, {})
    store.close()
    git(repo, "fsck", "--strict", "--no-dangling")
