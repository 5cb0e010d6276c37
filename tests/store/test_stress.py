"""Fifty processes log into one repository while others seal and read: each run arrives, once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gitml.query.index import open_index
from gitml.store.git import open_repository
from gitml.store.history import history
from gitml.store.live import live_ids
from gitml.store.pack import pack
from gitml.tracking import capture
from gitml.tracking.identity import who

PROCESSES = 50
POINTS = 200
AUTHOR = "Ada Author <ada@example.com>"
WRITER = """
import sys, gitml
number = int(sys.argv[1])
sys.stdin.read()
with gitml.start_run(f"stress-{number % 3}", name=f"worker-{number}") as run:
    run.log_params({"number": number, "lr": number / 100})
    for step in range(int(sys.argv[2])):
        run.log_metric("loss", number + 1 / (step + 1), step=step)
    if number % 5 == 0:
        run.checkpoint()
    run.log_text(f"worker {number}", "out/log.txt")
print(run.id)
"""
SHARER = """
import sys, gitml
sys.stdin.read()
number = int(sys.argv[1])
run = gitml.start_run()
for step in range(int(sys.argv[2])):
    run.log_metric(f"loss/{number}", step / 7, step=step)
    run.log_metric("shared", number, step=step)
run.end()
"""
pytestmark = pytest.mark.slow


def start(script, number, cwd, env=None):
    return subprocess.Popen(
        [sys.executable, "-c", script, str(number), str(POINTS)],
        cwd=cwd,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.strip()


def go(processes):
    """Let all of them begin at once: each waits for the end of its input."""
    for process in processes:
        process.stdin.close()
        process.stdin = None


def test_many_processes_one_repository(repo, git):
    processes = [start(WRITER, number, repo) for number in range(PROCESSES)]
    go(processes)
    store = open_repository(repo)
    seals = reads = 0
    while any(process.poll() is None for process in processes):
        report = pack(store, here=who(), committer=AUTHOR, now=capture.now_ms())
        # One that has closed its log, and has had no turn yet to write it, is written for it.
        known = {run.status for run in report.recovered.values()}
        assert known <= {"finished"}, "a living writer was taken for dead"
        assert not report.seal.unreadable
        seals += bool(report.seal.sealed)
        with open_index(store, now=capture.now_ms()) as index:
            reads += len(index.search()) > 0
            assert not index.quarantined()
    ids = [finish(process) for process in processes]
    pack(store, here=who(), committer=AUTHOR, now=capture.now_ms())
    assert (seals > 0, reads > 0) == (True, True)
    assert len(set(ids)) == PROCESSES
    assert live_ids(store.home) == []
    with open_index(store, now=capture.now_ms()) as index:
        runs = {run.id: run for run in index.search()}
    assert set(runs) == set(ids)
    for number, run_id in enumerate(ids):
        run = runs[run_id]
        assert (run.name, run.status) == (f"worker-{number}", "finished")
        assert run.params == {"number": number, "lr": number / 100}
        assert run.metrics["loss"].count == POINTS
        assert set(run.artifacts) == {"out/log.txt"}
        assert [p.step for p in history(store, run_id, "loss")] == list(range(POINTS))
    refs = git(repo, "for-each-ref", "--format=%(refname)").split()
    assert sorted(refs) == [
        *(f"refs/gitml/experiments/stress-{n}" for n in range(3)),
        "refs/gitml/sources",
        "refs/heads/main",
    ]
    git(repo, "fsck", "--strict")
    store.close()


def test_many_processes_one_run(repo, git, gitml_cli):
    """``gitml run`` around a launcher whose workers all write to its run."""
    launcher = (
        "import subprocess, sys\n"
        f"script = {SHARER!r}\n"
        "workers = [subprocess.Popen([sys.executable, '-c', script, str(n), sys.argv[1]],"
        " stdin=subprocess.DEVNULL) for n in range(8)]\n"
        "sys.exit(max(worker.wait() for worker in workers))\n"
    )
    answer = gitml_cli(
        "run", "-e", "shared", "--", sys.executable, "-c", launcher, POINTS, cwd=repo
    )
    assert answer.code == 0, answer.err
    run = json.loads(gitml_cli("show", "latest", "--json", cwd=repo).out)["run"]
    assert run["status"] == "finished"
    assert {name: m["count"] for name, m in run["metrics"].items()} == {
        "shared": 8 * POINTS,
        **{f"loss/{n}": POINTS for n in range(8)},
    }
    git(repo, "fsck", "--strict")
