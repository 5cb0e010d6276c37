"""How long finding runs takes, against reading every run's YAML one after the other.

The ceilings are ratios to that peer, timed right after what is held to it, and the
best of either counts: what else a machine does only ever adds. In milliseconds, on
two cores, the goals are: 5,000 for a first reading of 10,000 runs, 20 for a filtered
and sorted search among 5,000, and within the process 30 for the first 50 of 10,000
and 150 for those of 100,000 (`GITML_BENCH_LARGE=1` makes such a ledger, which takes
minutes).
"""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from gitml.query.index import FILE, open_index
from gitml.records import load_run
from gitml.store import walk
from gitml.store.git import open_repository
from tests.bench.ledgers import START, make_hot, make_ledger
from tests.bench.turns import ratio

LARGE = pytest.mark.skipif(
    not os.environ.get("GITML_BENCH_LARGE"), reason="GITML_BENCH_LARGE is not set"
)
SAMPLE = 1_000
NOW = START + 10**10


def prepared(folder, runs):
    path = folder / str(runs)
    subprocess.run(["git", "init", "-q", path], check=True)
    make_ledger(path, runs)
    return open_repository(path)


@pytest.fixture(scope="module", params=[10_000, pytest.param(100_000, marks=LARGE)])
def ledger(request, tmp_path_factory):
    """Return (repository, number of runs) of a sealed sweep that has been indexed."""
    repository = prepared(tmp_path_factory.mktemp("ledger"), request.param)
    open_index(repository, now=NOW).close()
    yield repository, request.param
    repository.close()


@pytest.fixture(scope="module")
def yaml_seconds(tmp_path_factory):
    """Return what tells how long one run's YAML takes now to become a run, without git."""
    repository = prepared(tmp_path_factory.mktemp("sample"), SAMPLE)
    head = walk.list_refs(repository).ledgers["sweep"]
    change = walk.read_ledger(repository, "sweep", head, walk.Seen(), lambda _: {})
    trees = [oid for entries in change.entries.values() for oid in entries.values()]
    files = [found.files for found in walk.read_runs(repository, trees)]
    repository.close()
    assert len(files) == SAMPLE

    def once():
        begun = time.perf_counter()
        for each in files:
            load_run(each, "a run")
        return (time.perf_counter() - begun) / SAMPLE

    return once


def against(benchmark, runs, yaml_seconds):
    """Return the benchmark's best over the time that the YAML of so many runs takes."""
    peer_seconds = runs * min(yaml_seconds() for _ in range(3))
    benchmark.extra_info["peer_ms"] = round(peer_seconds * 1000, 1)
    return benchmark.stats.stats.min / peer_seconds


def test_first_reading(benchmark, ledger, yaml_seconds):
    repository, runs = ledger

    def peer():
        (repository.home / FILE).unlink()
        return sum(yaml_seconds() for _ in range(runs // SAMPLE)) * SAMPLE

    found = ratio(
        benchmark,
        lambda: open_index(repository, now=NOW).close(),
        peer,
        below=1.8,
        rounds=1 if runs > 10_000 else 2,
    )
    # Two workers parse while this process writes; alone it would be about 1.8.
    assert found < 1.8


def test_the_newest_50_of_all(benchmark, ledger, yaml_seconds):
    repository, runs = ledger
    before = repository.processes

    def newest():
        with open_index(repository, now=NOW) as index:
            return index.search(limit=50), index.count()

    found, count = benchmark(newest)
    assert (len(found), count) == (50, runs)
    assert (repository.processes - before) % 2 == 0  # two listings of refs each, and no more
    assert against(benchmark, runs, yaml_seconds) < 1 / 50


def test_one_run_more(benchmark, ledger, yaml_seconds):
    repository, runs = ledger
    made = iter(range(1, 100))

    def one_more():
        make_hot(repository.common_dir, next(made))

    def newest():
        with open_index(repository, now=NOW) as index:
            return index.search(limit=50)

    benchmark.pedantic(newest, setup=one_more, rounds=20)
    assert against(benchmark, runs, yaml_seconds) < 1 / 40


@pytest.fixture(scope="module")
def five_thousand(tmp_path_factory):
    repository = prepared(tmp_path_factory.mktemp("five"), 5_000)
    with open_index(repository, now=NOW) as index:
        yield index
    repository.close()


QUERIES = {
    "numbers": ("metrics.auc > 0.8 and params.lr < 0.005", ["-metrics.auc"]),
    "text": ("tags.team = 'growth' and params.kind = 'forest'", ["metrics.val/loss", "-created"]),
    "all": (None, ["-metrics.auc", "params.depth"]),
    "nested": ("id in (select run_id from metrics where name = 'loss' and last < 0.2)", ["loss"]),
}


@pytest.mark.parametrize("query", QUERIES)
def test_filter_and_sort_5000(benchmark, five_thousand, yaml_seconds, query):
    where, order = QUERIES[query]
    found = benchmark(five_thousand.search, where=where, order_by=order, limit=100)
    assert len(found) == 100
    assert against(benchmark, 5_000, yaml_seconds) < 1 / 25


def test_best_of_5000(benchmark, five_thousand, yaml_seconds):
    best = benchmark(five_thousand.find, "best:auc")
    assert best.metrics["auc"].last == max(
        run.metrics["auc"].last for run in five_thousand.search()
    )
    assert against(benchmark, 5_000, yaml_seconds) < 1 / 25
