"""Kill a writer at every step it takes, and find that nothing it had logged is lost.

A forked child records a run with a checkpoint, artifacts small and large, and a
seal. Python's audit events (and a wrapped ``os.write``) count its steps; at the
N-th it dies by SIGKILL, for every N until one gets through. What the child had
told its parent as logged must be there before any repair, after it, and once.
"""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest

from gitml.store.git import open_repository
from gitml.store.history import copies, edits_of, history
from gitml.store.live import live_ids
from gitml.store.pack import pack
from gitml.store.state import view
from gitml.tracking import capture
from gitml.tracking.identity import who
from gitml.tracking.session import start_run

STEPS = {
    *("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link"),
    *("subprocess.Popen", "fcntl.flock"),
}
AUTHOR = "Ada Author <ada@example.com>"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL"),
]


class Doom:
    """Dies at the N-th step, in the middle of it if it is a write."""

    def __init__(self, at, *, group):
        self.left = at
        self.group = group
        self.armed = False

    def step(self):
        if self.armed:
            self.left -= 1
            return self.left <= 0
        return False

    def die(self):
        self.armed = False
        # With the group die the git processes that it had started.
        (os.killpg if self.group else os.kill)(os.getpid(), signal.SIGKILL)

    def audit(self, event, arguments):
        if event in STEPS and (event != "open" or ".git" in str(arguments[0])) and self.step():
            self.die()

    def write(self, descriptor, data, write=os.write):
        if self.step():
            write(descriptor, bytes(data)[: len(data) // 2])
            self.die()
        return write(descriptor, data)


def record(tell, doom):
    """Record and seal a run, telling each thing that has been logged."""
    doom.armed = True
    run = start_run("crash")
    tell("id", run.id)
    run.log_params({"lr": 0.1, "depth": 3})
    tell("params", 2)
    for step in range(10):
        run.log_metric("loss", 1 / (step + 1), step=step)
        tell("points", step + 1)
    run.log_text("small", "notes/small.txt")
    tell("artifact", "notes/small.txt")
    run.checkpoint()
    for step in range(10, 20):
        run.log_metric("loss", 1 / (step + 1), step=step)
        tell("points", step + 1)
    run.log_text("large " * 100, "large.txt")
    tell("artifact", "large.txt")
    run.set_tags({"team": "growth"})
    tell("tag", "growth")
    run.end()
    tell("ended", "finished")
    store = open_repository(capture.working_folder())
    pack(store, here=who(), committer=AUTHOR, now=capture.now_ms())
    doom.armed = False


def fork_and_record(repo, doom):
    """Return (whether the child got through, what it told)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            os.close(reading)
            os.chdir(repo)
            plain = os.write
            os.write = doom.write
            sys.addaudithook(doom.audit)
            record(lambda *fact: plain(writing, json.dumps(fact).encode() + b"\n"), doom)
        except BaseException:  # noqa: BLE001 - the parent sees that it did not get through
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        told = [json.loads(line) for line in pipe]
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, -signal.SIGKILL}
    return status == 0, told


def expected(told):
    facts = {kind: value for kind, value in told if kind != "artifact"}
    return facts, {value for kind, value in told if kind == "artifact"}


def check(run, told, *, whole):
    facts, artifacts = expected(told)
    loss = run.metrics.get("loss")
    assert facts.get("points", 0) <= (loss.count if loss else 0) <= facts.get("points", 0) + 1
    assert len(run.params) >= facts.get("params", 0)
    assert artifacts <= set(run.artifacts)
    assert not facts.get("tag") or run.tags["team"] == "growth"
    if whole:
        assert run.status in ({"finished"} if "ended" in facts else {"finished", "killed"})


def read(store, run_id):
    return view(store, run_id, [base.tree for base in copies(store, run_id)])


@pytest.mark.parametrize("group", [False, True], ids=["alone", "with-its-git"])
def test_killed_at_every_step(repo, git, group):
    (repo / ".gitml").mkdir()
    (repo / ".gitml" / "config.yaml").write_text("artifacts: {inline_limit: 64}\n")
    (repo / "train.py").write_text("print('changed')\n")
    store = open_repository(repo)
    points = 0
    through = False
    while not through:
        points += 1
        through, told = fork_and_record(repo, Doom(points, group=group))
        facts, _ = expected(told)
        run_id = facts.get("id")
        if run_id is not None:
            check(read(store, run_id), told, whole=False)
        report = pack(store, here=who(), committer=AUTHOR, now=capture.now_ms())
        assert not report.failed, told
        assert not report.seal.unreadable
        if run_id is not None:
            run = read(store, run_id)
            check(run, told, whole=True)
            steps = [point.step for point in history(store, run_id, "loss")]
            assert steps == list(range(len(steps)))
            edits = edits_of(store, run_id)
            assert len({(edit.at, edit.id) for edit in edits}) == len(edits)
            for path in run.artifacts:
                assert git(
                    repo, "cat-file", "-t", f"{copies(store, run_id)[0].tree}:artifacts/{path}"
                )
        again = pack(store, here=who(), committer=AUTHOR, now=capture.now_ms())
        assert not again.recovered
        assert not again.seal.sealed
        assert live_ids(store.home) == []
    assert points > 40
    git(repo, "fsck", "--strict")
    git(repo, "gc", "--prune=now", "--quiet")
    git(repo, "fsck", "--strict")
    store.close()
