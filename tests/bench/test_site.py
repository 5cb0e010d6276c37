"""How long a site takes: from nothing, unchanged, and with one run more.

The ceilings are ratios to the build from nothing in the same session, so that a slow or
busy machine slows both. In seconds, on two cores, the goals for 1,000 runs of five
metrics are 5 from nothing, and 1 where nothing changed.
"""

from __future__ import annotations

import subprocess
import time

import pytest

from gitml.query.index import open_index
from gitml.site.build import Sources, build
from gitml.site.gather import Options
from gitml.site.write import Folder
from gitml.store.git import open_repository
from gitml.store.snapshot import snapshot
from tests.bench.ledgers import START, make_hot, make_ledger

RUNS, POINTS = 1_000, 200
NOW = START + 10**10


def built(repository, folder):
    with open_index(repository, now=NOW) as index:
        sources = Sources(index=index, store=snapshot(repository))
        return build(sources, Folder(folder), Options())


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Return (repository, folder of its site, seconds that the site took from nothing)."""
    place = tmp_path_factory.mktemp("site")
    subprocess.run(["git", "init", "-q", place / "repo"], check=True)
    make_ledger(place / "repo", RUNS, points=POINTS)
    repository = open_repository(place / "repo")
    open_index(repository, now=NOW).close()
    begun = time.perf_counter()
    done = built(repository, place / "pages")
    seconds = time.perf_counter() - begun
    assert len(done.written) > 3 * RUNS
    yield repository, place / "pages", seconds
    repository.close()


def test_unchanged(benchmark, sweep):
    repository, folder, cold = sweep
    done = benchmark.pedantic(built, args=(repository, folder), rounds=3)
    assert not done.changed
    benchmark.extra_info["from_nothing_s"] = round(cold, 2)
    assert benchmark.stats.stats.median < cold / 6


def test_one_run_more(benchmark, sweep):
    repository, folder, cold = sweep
    made = iter(range(1, 9))

    def one_more():
        make_hot(repository.common_dir, next(made))
        return (repository, folder), {}

    done = benchmark.pedantic(built, setup=one_more, rounds=3)
    assert len(done.written) <= 9  # the run's three, and six that tell of all runs
    assert benchmark.stats.stats.median < cold / 4
