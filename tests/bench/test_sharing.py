"""Pushes and pulls of many runs over ``file://``, beside the naive layout: a ref for each run.

Both hosts hold the same runs, packed. The goals at 10,000 and 100,000 runs: push of one
run 200 ms, a pull without news 100 ms.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import time

import pytest

from gitml import names
from gitml.store.git import open_repository
from gitml.store.pulling import pull_runs, where
from gitml.store.pushing import push_runs
from tests.bench.ledgers import START, WHO, make_ledger, make_run, tree_files, write_commits
from tests.bench.turns import ratio

LARGE = pytest.mark.skipif(
    not os.environ.get("GITML_BENCH_LARGE"), reason="GITML_BENCH_LARGE is not set; it takes minutes"
)
LEDGER = "refs/gitml/experiments/sweep"
NAIVE = "+refs/naive/*:refs/naive/*"


class Hosts:
    """A host with a ledger, one with a ref for each run, and a clone of each."""

    def __init__(self, git, top, runs):
        self.git, self.runs, self.numbers = git, runs, itertools.count(runs)
        self.hub, self.naive_hub = top / "ledger.git", top / "naive.git"
        self.ours, self.theirs = top / "ours", top / "theirs"
        for hub, clone in ((self.hub, self.ours), (self.naive_hub, self.theirs)):
            git(top, "init", "--quiet", "--bare", hub)
            git(top, "init", "--quiet", clone)
            git(clone, "remote", "add", "origin", f"file://{hub}")
        make_ledger(self.hub, runs)
        self._ref_each()
        for hub in (self.hub, self.naive_hub):
            git(hub, "pack-refs", "--all")
            git(hub, "repack", "-a", "-d", "--quiet")

    def _ref_each(self):
        """Give each run of the ledger a ref in the naive host, and nothing else."""
        self.git(self.naive_hub, "fetch", "--quiet", self.hub, "refs/gitml/*:refs/gitml/*")
        listed = self.git(self.hub, "ls-tree", "-r", "-d", "-t", LEDGER)
        trees = dict(reversed(line.split()[2:]) for line in listed.splitlines())
        lines = [
            f"commit refs/naive/{path[8:]}\ncommitter {WHO} 1767323045 +0000\ndata 0\n"
            f'M 040000 {oid} ""\n\n'
            for path, oid in trees.items()
            if path.count("/") == 2
        ]
        self.git(self.naive_hub, "fast-import", "--quiet", input="".join(lines))
        self.git(self.naive_hub, "update-ref", "-d", LEDGER)

    def log(self):
        """Make one run more in each clone; return the ref that the naive one gave it."""
        run = make_run(next(self.numbers))
        files = list(tree_files(run).items())
        write_commits(self.ours, [(names.run_ref(run.id), files)])
        write_commits(self.theirs, [(f"refs/naive/{run.id}", files)])
        return f"refs/naive/{run.id}"

    def pull(self):
        store = open_repository(self.ours)
        try:
            return pull_runs(store, where(store, None))
        finally:
            store.close()

    def push(self):
        store = open_repository(self.ours)
        try:
            return push_runs(store, where(store, None), committer=WHO, now=START)
        finally:
            store.close()

    def naive(self, *command):
        start = time.perf_counter()
        self.git(self.theirs, *command)
        return time.perf_counter() - start

    def advertised(self):
        """Return the bytes that a push is greeted with: by the ledger's host, by the other."""
        said = [
            subprocess.check_output(["git", "receive-pack", "--http-backend-info-refs", hub])
            for hub in (self.hub, self.naive_hub)
        ]
        return len(said[0]), len(said[1])


@pytest.fixture(scope="module", params=[10_000, pytest.param(100_000, marks=LARGE)])
def hosts(request, git, tmp_path_factory):
    """Return both hosts; each clone has pulled once, and how long that took is kept."""
    made = Hosts(git, tmp_path_factory.mktemp("hosts"), request.param)
    start = time.perf_counter()
    assert list(made.pull().ledgers.values()) == ["new"]
    made.first = time.perf_counter() - start, made.naive("fetch", "--quiet", "origin", NAIVE)
    return made


def test_first_pull(hosts):
    ours, naive = hosts.first
    assert ours < naive / 2


def test_what_a_host_greets_with(hosts):
    ours, naive = hosts.advertised()
    assert ours < 1_000 < 50 * hosts.runs < naive


def test_pull_without_news(benchmark, hosts):
    def peer():
        return hosts.naive("fetch", "--quiet", "origin", NAIVE)

    assert ratio(benchmark, hosts.pull, peer, below=0.5, rounds=5) < 0.5


def test_push_of_one_run(benchmark, hosts):
    def peer():
        return hosts.naive("push", "--quiet", "origin", hosts.log())

    assert ratio(benchmark, hosts.push, peer, below=0.8, rounds=5) < 0.8
