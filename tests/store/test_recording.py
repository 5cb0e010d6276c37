"""From a recorder into git: by way of checkpoints or at once, hot or sealed, nothing is lost."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from gitml.store import live
from gitml.store.git import open_repository
from gitml.store.history import artifact_chunks, edits_of, history, requirements
from gitml.store.pack import pack
from gitml.store.points import Collector
from gitml.store.runtree import put_run
from gitml.store.state import fold, join, read_tree, view
from gitml.tracking.identity import who
from gitml.tracking.recorder import Recorder
from gitml.tracking.settings import Settings

AUTHOR = "Ada Author <ada@example.com>"
START = 1_767_322_800_000


class Clock:
    """A millisecond at each look."""

    def __init__(self):
        self.now = START

    def __call__(self):
        self.now += 1
        return self.now


def record(repository, path, number, *, checkpoints, ways=2):
    """Record a run of many kinds of facts, with a checkpoint after each of these steps."""
    run_id = f"{number:032x}"
    recorder = Recorder(
        repository,
        run_id=run_id,
        experiment="churn",
        name=f"run-{number}",
        settings=Settings(inline_limit=100, pack_limit=0),
        now=Clock(),
    )
    recorder.begin(
        created=START, requirements="a==1\n", code=repository, command=("t",), checkpoints=False
    )
    steps = [
        lambda: recorder.log_params({"lr": 0.1, "depth": 3, "layers": [1, 2]}),
        lambda: recorder.log_points(("loss", s, START + s, 1 / (s + 1)) for s in range(500)),
        lambda: recorder.log_metrics({"auc": 0.5, 'odd,"name"': float("nan")}, 1, START),
        lambda: recorder.log_file(path / "small.txt", "files/small.txt"),
        lambda: recorder.log_points(("loss", s, START + s, 1 / (s + 1)) for s in range(400, 900)),
        lambda: recorder.log_file(path / "large.bin", "files"),
        lambda: recorder.set_tags({"team": "growth", "gone": "x"}),
        lambda: recorder.set_tags({"gone": None}),
        lambda: recorder.log_file(path / "other.txt", "files/small.txt"),
        lambda: recorder.log_uri("s3://b/x", "x", size=None, sha256=None),
        lambda: recorder.log_metrics({"auc": 0.9}, 2, START + 2),
    ]
    for at, step in enumerate(steps):
        step()
        if at in checkpoints:
            recorder.checkpoint()
    return recorder.end("finished", ended=START + 10_000)


@pytest.fixture
def work(repo, tmp_path):
    (repo / "train.py").write_text("print('changed')\n")
    (tmp_path / "small.txt").write_text("small")
    (tmp_path / "other.txt").write_text("other")
    (tmp_path / "large.bin").write_bytes(random.Random(1).randbytes(5000))
    repository = open_repository(repo)
    yield repository
    repository.close()


def told(run):
    return {f: getattr(run, f) for f in run.__slots__ if f not in {"id", "name", "updated"}}


def facts(repository, run_id):
    return sorted((e.key, e.json) for e in edits_of(repository, run_id) if e.key != "name")


def segments(repository, run_id):
    tree = repository.resolve(f"refs/gitml/runs/{run_id}:metrics")
    return repository.tree(tree)


def test_checkpoints_leave_no_trace_in_the_end(work, tmp_path):
    rng = random.Random(2)
    ways = [(), range(20), *(rng.sample(range(11), 4) for _ in range(4))]
    runs = [record(work, tmp_path, n, checkpoints=set(way)) for n, way in enumerate(ways, 1)]
    first = runs[0]
    for run in runs[1:]:
        assert repr(told(run)) == repr(told(first))
        assert facts(work, run.id) == facts(work, first.id)
        assert segments(work, run.id) == segments(work, first.id)
        assert [repr(p) for p in history(work, run.id)] == [
            repr(p) for p in history(work, first.id)
        ]
        assert requirements(work, run.id) == "a==1\n"
    assert first.metrics["loss"].count == 900
    assert first.artifacts["files/small.txt"].sha256 == hashlib.sha256(b"other").hexdigest()
    assert live.live_ids(work.home) == []
    assert list((work.home / "live").iterdir()) == []


def test_an_ended_run_is_as_a_join_would_write_it(work, tmp_path):
    """So a clone that seals it directly and one that joins it make the same tree."""
    run = record(work, tmp_path, 1, checkpoints={3, 5})
    tree = work.resolve(f"refs/gitml/runs/{run.id}^{{tree}}")
    collector = Collector()
    state = join([read_tree(work, tree)], collector, work)
    with work.fast_import() as stream:
        mark = stream.commit(
            "refs/gitml-tmp/0000000000000000", committer=AUTHOR, time=0, message=""
        )
        put_run(work, stream, run.id, state, collector, prefix="")
        assert stream.tree_of(mark) == tree
    assert repr(fold(run.id, state)) == repr(run)


@pytest.mark.parametrize("sealed", [False, True], ids=["hot", "sealed"])
def test_git_gc_takes_nothing_of_it(work, tmp_path, repo, git, sealed):
    runs = [record(work, tmp_path, n, checkpoints={n}) for n in range(1, 4)]
    if sealed:
        report = pack(work, here=who(), committer=AUTHOR, now=START + 20_000)
        assert sum(map(len, report.seal.sealed.values())) == 3
        assert not git(repo, "for-each-ref", "refs/gitml/runs", "refs/gitml/source")
    git(repo, "-c", "gc.reflogExpire=now", "gc", "--prune=now", "--quiet", "--aggressive")
    git(repo, "prune", "--expire=now")
    git(repo, "repack", "-a", "-d", "--quiet")
    git(repo, "fsck", "--strict", "--no-dangling")
    fresh = open_repository(repo)
    for run in runs:
        from gitml.store.history import copies

        again = view(fresh, run.id, [base.tree for base in copies(fresh, run.id)])
        assert repr(again) == repr(run)
        assert len(list(history(fresh, run.id, "loss"))) == 900
        small, large = run.artifacts["files/small.txt"], run.artifacts["files"]
        assert b"".join(artifact_chunks(fresh, run.id, small)) == b"other"
        assert len(b"".join(artifact_chunks(fresh, run.id, large))) == 5000
        assert requirements(fresh, run.id) == "a==1\n"
        source = git(repo, "cat-file", "blob", f"{run.source.tree}:train.py")
        assert source == "print('changed')\n"
    fresh.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a file that makes its reader wait")
@pytest.mark.parametrize("size", [50, 500], ids=["small", "large"])
def test_a_checkpoint_does_not_sweep_away_a_copy_in_the_making(work, tmp_path, size):
    os.mkfifo(tmp_path / "slow")
    settings = Settings(inline_limit=100)
    recorder = Recorder(
        work, run_id="1" * 32, experiment="e", name="n", settings=settings, now=Clock()
    )
    recorder.begin(created=START, checkpoints=False)
    thread = threading.Thread(target=recorder.log_file, args=(tmp_path / "slow", "a.bin"))
    thread.start()
    with (tmp_path / "slow").open("wb", buffering=0) as feed:
        feed.write(b"x" * (size - 1))
        while not list(live.folder(work.home, recorder.id).glob("files/*")):
            time.sleep(0.001)
        recorder.checkpoint()
        feed.write(b"y")
    thread.join()
    run = recorder.end()
    content = b"x" * (size - 1) + b"y"
    assert b"".join(artifact_chunks(work, run.id, run.artifacts["a.bin"])) == content


def test_who_looks_at_the_writers_does_not_keep_a_run_out_of_git(work, monkeypatch):
    """Looking takes the same lock for a moment as writing to git does.

    A moment is what a busy machine makes of it: who looks may have no turn for seconds.
    """
    recorder = Recorder(work, run_id="1" * 32, experiment="e", name="n", now=Clock())
    recorder.begin(created=START, checkpoints=False)
    (path,) = live.logs(work.home, recorder.id)
    looking = os.open(path, os.O_RDONLY)
    close = recorder._log.close
    fcntl = pytest.importorskip("fcntl")

    def close_and_be_looked_at():
        close()
        fcntl.flock(looking, fcntl.LOCK_EX)

    waited = []

    def wait(seconds):
        waited.append(seconds)
        if sum(waited) >= 4:
            os.close(looking)
            waited.clear()

    monkeypatch.setattr(live, "sleep", wait)
    recorder._log.close = close_and_be_looked_at
    recorder.end()
    assert not waited
    assert work.resolve(f"refs/gitml/runs/{recorder.id}") is not None
    assert live.live_ids(work.home) == []


MILLION = """
    import os, resource, sys
    import gitml
    with gitml.start_run("big") as run:
        for step in range(200_000):
            run.log_metrics({"a": step / 3, "b": step / 7, "c": 1.0, "d": -step, "e": 0.5}, step)
    times = os.times()  # of the processor, git's too: a busy machine changes little
    took = sum(times[:4])
    # Linux hands what the starting process had on to ru_maxrss: this is the process's own.
    try:
        peak = open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(run.id, took, peak)
"""


@pytest.mark.slow
def test_a_million_points_in_bounded_memory(repo, git):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MILLION)],
        cwd=repo,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    run_id, took, peak = done.stdout.split()
    kilobytes = int(peak) / (1024 if sys.platform == "darwin" else 1)
    assert kilobytes < 400_000
    assert float(took) < 60, "15 seconds where nothing else is going on; tests/bench has the number"
    repository = open_repository(repo)
    run = view(repository, run_id, [repository.resolve(f"refs/gitml/runs/{run_id}^{{tree}}")])
    assert [m.count for m in run.metrics.values()] == [200_000] * 5
    assert sum(1 for _ in history(repository, run_id)) == 1_000_000
    repository.close()
    sizes = git(repo, "ls-tree", "-r", "-l", f"refs/gitml/runs/{run_id}", "metrics/").splitlines()
    assert len(sizes) == 10
    git(repo, "fsck", "--strict")
