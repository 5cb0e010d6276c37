"""How long a site takes: from nothing, unchanged, with one run more, and over long curves.

The ceilings are ratios to other work of the same session, so that a slow or busy machine
slows both: what it takes to write the same runs into git with ``git fast-import``, and the
build from nothing. In seconds, on two quiet cores, the goals for 1,000 and 10,000 runs of
five metrics with 200 points are 5 and 30 from nothing, 1 where nothing changed, and 2 for
one run more at 10,000. Those and 50 runs of 20 metrics with 100,000 points are measured
with GITML_BENCH_LARGE=1.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from gitml.model import Metric
from gitml.names import experiment_ref, run_ref
from gitml.query.index import open_index
from gitml.site.build import Sources, build
from gitml.site.gather import Options
from gitml.site.write import Folder
from gitml.store.git import open_repository
from gitml.store.snapshot import snapshot
from tests.bench.ledgers import START, make_ledger, make_run, tree_files, write_commits

# Read when this is imported: the tests themselves see nothing of the environment.
LARGE = bool(os.environ.get("GITML_BENCH_LARGE"))
RUNS, POINTS = 10_000 if LARGE else 1_000, 200
LONG_RUNS, LONG_METRICS, LONG_POINTS = (50, 20, 100_000) if LARGE else (2, 4, 50_000)
NOW = START + 10**10
ROUNDS = 1 if LARGE else 2
SOME_TELL_MORE = {"explore.html", "regressions.html"}
"""Pages of what runs have in common: they change where a run changes that."""
MEASURED = """
import resource, sys
from pathlib import Path
from tests.bench.test_site import built, open_repository

built(open_repository(Path(sys.argv[1])), Path(sys.argv[2]))
# Linux hands what the starting process had on to ru_maxrss: this is the process's own.
try:
    print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
except (OSError, IndexError):
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def built(repository, folder):
    with open_index(repository, now=NOW) as index:
        sources = Sources(index=index, store=snapshot(repository))
        return build(sources, Folder(folder), Options())


def timed(function, *args):
    begun = time.perf_counter()
    answer = function(*args)
    return answer, time.perf_counter() - begun


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Return (repository, folder of its site, seconds of recording, seconds of the build).

    Both are the best of some rounds, taken in turn.
    """
    records, colds = [], []
    for nth in range(ROUNDS):
        place = tmp_path_factory.mktemp("site")
        subprocess.run(["git", "init", "-q", place / "repo"], check=True)
        records.append(timed(make_ledger, place / "repo", RUNS, "sweep", POINTS)[1])
        repository = open_repository(place / "repo")
        done, seconds = timed(built, repository, place / "pages")
        colds.append(seconds)
        assert len(done.written) > 2 * RUNS
        if nth < ROUNDS - 1:
            repository.close()
            shutil.rmtree(place)
    yield repository, place / "pages", min(records), min(colds)
    repository.close()


def test_from_nothing(sweep, tmp_path):
    repository, _, recording, cold = sweep
    assert cold < 4.5 * recording
    # Again in a process of its own, whose memory is not that of what ran before.
    arguments = [sys.executable, "-c", MEASURED, repository.common_dir, tmp_path / "pages"]
    told = subprocess.run(arguments, check=True, capture_output=True, text=True)
    most = 1_000_000 if LARGE else 150_000
    assert int(told.stdout) < most * (1 if sys.platform == "linux" else 1024)  # macOS: bytes


def test_unchanged(benchmark, sweep):
    repository, folder, recording, cold = sweep
    done = benchmark.pedantic(built, args=(repository, folder), rounds=3)
    assert not done.changed
    benchmark.extra_info["recording_and_from_nothing_s"] = round(recording, 2), round(cold, 2)
    assert benchmark.stats.stats.min < cold / 12


def test_one_run_more(benchmark, sweep):
    repository, folder, _, cold = sweep
    numbers = iter(range(RUNS, RUNS + 9))

    def one_more():
        run = make_run(next(numbers))
        write_commits(repository.common_dir, [(run_ref(run.id), tree_files(run, POINTS).items())])
        return (repository, folder), {}

    done = benchmark.pedantic(built, setup=one_more, rounds=3)
    # Its page and its script, five that tell of all runs, and the feed.
    assert len(set(done.written) - SOME_TELL_MORE) <= 8
    assert benchmark.stats.stats.min < cold / (6 if LARGE else 4)


@pytest.fixture(scope="module")
def marathon(tmp_path_factory):
    """Return (repository, rows of one run) of runs with long curves; all have the same points."""
    place = tmp_path_factory.mktemp("long") / "repo"
    subprocess.run(["git", "init", "-q", place], check=True)
    first = make_run(0, "long")
    segments, metrics, rows = {}, {}, []
    for nth in range(LONG_METRICS):
        name = f"metric-{nth:02d}"
        values = [((step * 7919 + nth) % 1000) / step for step in range(1, LONG_POINTS + 1)]
        made = [f"{name},{s},{first.created + s},{v!r}\n" for s, v in enumerate(values, 1)]
        segments[f"metrics/{nth:04d}.csv"] = ("metric,step,time,value\n" + "".join(made)).encode()
        low, high = min(values), max(values)
        metrics[name] = Metric(
            last=values[-1], step=LONG_POINTS, min=low, max=high, count=LONG_POINTS
        )
        rows += made

    def files():
        for number in range(LONG_RUNS):
            run = replace(make_run(number, "long"), metrics=metrics, created=first.created)
            for name, data in {**tree_files(run), **segments}.items():
                yield f"runs/{run.id[:2]}/{run.id}/{name}", data

    write_commits(place, [(experiment_ref("long"), files())])
    repository = open_repository(place)
    yield repository, rows
    repository.close()


def test_long_curves(benchmark, marathon, tmp_path):
    repository, rows = marathon

    def read():
        found = {}
        for row in rows:
            name, _, _, value = row.split(",")
            found.setdefault(name, []).append(float(value))
        return {name: (min(values), max(values)) for name, values in found.items()}

    extremes, reading = timed(read)
    assert len(extremes) == LONG_METRICS
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = benchmark.pedantic(built, args=(repository, tmp_path / "pages"), rounds=1)
    reading = max(reading, timed(read)[1])  # before and after: the build is between the two
    benchmark.extra_info["to_reading"] = round(
        benchmark.stats.stats.median / (reading * LONG_RUNS), 2
    )
    assert len(done.written) > 2 * LONG_RUNS
    assert benchmark.stats.stats.median < 5 * reading * LONG_RUNS + 2
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 600_000 * (1 if sys.platform == "linux" else 1024)
