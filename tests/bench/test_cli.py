"""How long commands take as processes, against the bare start of what they stand on.

The ceilings are ratios to a peer timed in turn (`turns`). In milliseconds the goals
are: ``--help`` 60, ``log`` 200, ``ls`` 250 at 10,000 runs and 500 at 100,000.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.bench.ledgers import make_ledger
from tests.bench.turns import ratio, seconds

MLFLOW = os.environ.get("GITML_BENCH_MLFLOW_PYTHON")
LARGE = pytest.mark.skipif(
    not os.environ.get("GITML_BENCH_LARGE"), reason="GITML_BENCH_LARGE is not set; it takes minutes"
)
LIBRARIES = [sys.executable, "-c", "import click, git, sqlite3, yaml"]


def process(arguments, cwd):
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def gitml(*arguments):
    return [sys.executable, "-m", "gitml", *arguments]


def holds(benchmark, arguments, peer, cwd, below, rounds=9):
    """Hold a command to so many times what the peer takes."""
    process(arguments, cwd), process(peer, cwd)
    found = ratio(
        benchmark,
        lambda: process(arguments, cwd),
        lambda: seconds(process, peer, cwd),
        below=below,
        rounds=rounds,
    )
    assert found < below


def test_help(benchmark, repo):
    holds(benchmark, gitml("--help"), [sys.executable, "-c", "import click"], repo, 2)


def test_log(benchmark, repo):
    (repo / "params.yaml").write_text("lr: 0.1\nmodel: {depth: 3, kind: forest}\n")
    (repo / "metrics.json").write_text('{"auc": 0.9, "loss": 0.3}\n')
    holds(benchmark, gitml("log"), LIBRARIES, repo, 4)


@pytest.mark.parametrize("runs", [10_000, pytest.param(100_000, marks=LARGE)])
def test_ls(benchmark, tmp_path, git, runs):
    git(tmp_path, "init", "--quiet", "big")
    make_ledger(tmp_path / "big", runs=runs)
    process(gitml("ls", "--limit", "1"), tmp_path / "big")
    listing = gitml("ls", "--limit", "50", "--sort", "-auc")
    assert len(process(listing, tmp_path / "big").splitlines()) > 50
    holds(benchmark, listing, LIBRARIES, tmp_path / "big", 4 if runs < 50_000 else 7)


@pytest.mark.skipif(not MLFLOW, reason="GITML_BENCH_MLFLOW_PYTHON names no Python with MLflow")
def test_help_against_mlflow(benchmark, repo):
    peer = [str(MLFLOW), "-m", "mlflow", "--help"]
    holds(benchmark, gitml("--help"), peer, repo, 0.1, rounds=3)
