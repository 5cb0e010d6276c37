"""How long recording takes, against what it could not be faster than, and against MLflow.

The goals: a run of 10 params and 5 metrics in 15 ms from the second one on,
100,000 points a second from one thread, a run of a million points in seconds
and in bounded memory. MLflow is timed if GITML_BENCH_MLFLOW_PYTHON names a
Python that has it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

import gitml
from tests.bench.turns import ratio, seconds

MLFLOW = os.environ.get("GITML_BENCH_MLFLOW_PYTHON")
PARAMS = {f"param_{n}": n * 0.1 for n in range(10)}
METRICS = {f"metric_{n}": n * 0.1 for n in range(5)}
IN_MLFLOW = """
import json, logging, sys, time
logging.disable(50)
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("bench")
params = {f"param_{n}": n * 0.1 for n in range(10)}
metrics = {f"metric_{n}": n * 0.1 for n in range(5)}
def one():
    with mlflow.start_run():
        mlflow.log_params(params)
        mlflow.log_metrics(metrics)
one()
took = []
for _ in range(10):
    start = time.perf_counter()
    one()
    took.append(time.perf_counter() - start)
with mlflow.start_run():
    start = time.perf_counter()
    for step in range(200):
        mlflow.log_metric("loss", step / 7, step=step)
    points = 200 / (time.perf_counter() - start)
print(json.dumps({"run": min(took), "points": points}))
"""
MILLION = """
import resource, sys, time, gitml
with gitml.start_run("bench") as run:
    start = time.perf_counter()
    for step in range(1_000_000):
        run.log_metric("loss", step / 7, step=step)
    logged = time.perf_counter() - start
print(logged, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def one_run():
    with gitml.start_run("bench") as run:
        run.log_params(PARAMS)
        run.log_metrics(METRICS)


def in_mlflow(tmp_path, store):
    done = subprocess.run(
        [str(MLFLOW), "-c", IN_MLFLOW, store.format(tmp_path)],
        env={**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_run(benchmark, repo, monkeypatch):
    """Against one ``git commit``, the least that people do to keep a result in git."""
    monkeypatch.chdir(repo)
    commit = ["git", "-C", repo, "commit", "--quiet", "--allow-empty", "-m", "result"]
    one_run()
    found = ratio(
        benchmark, one_run, lambda: seconds(subprocess.check_call, commit), below=8, rounds=30
    )
    assert found < 8


def test_points(benchmark, repo, monkeypatch):
    """Against an unbuffered ``write`` of the same line, which is what durable means."""
    monkeypatch.chdir(repo)
    count = 20_000
    with gitml.start_run("bench") as run, (repo / "peer").open("wb", buffering=0) as file:

        def ours():
            for step in range(count):
                run.log_metric("loss", step / 7, step=step)

        def peer():
            for step in range(count):
                now = time.time_ns() // 1_000_000
                file.write(f'\n["loss",{step},{now},{step / 7!r}]\n'.encode())

        assert ratio(benchmark, ours, lambda: seconds(peer), below=6, rounds=5) < 6
        benchmark.extra_info["points_a_second"] = round(count / benchmark.stats.stats.min)


def test_million_points(repo, benchmark):
    """Logged and committed in bounded memory: 24 bytes a point, and what Python takes anyway."""

    def record():
        done = subprocess.run(
            [sys.executable, "-c", MILLION], cwd=repo, capture_output=True, text=True, check=True
        )
        return [float(word) for word in done.stdout.split()]

    logged, whole, kilobytes = benchmark.pedantic(record, rounds=1)
    benchmark.extra_info["memory_mb"] = round(kilobytes / 1024)
    assert whole < 6 * logged
    assert kilobytes / 1024 < 400
    assert gitml.get_run("latest", repo=repo).metrics["loss"].count == 1_000_000


@pytest.mark.skipif(not MLFLOW, reason="GITML_BENCH_MLFLOW_PYTHON names no Python with MLflow")
@pytest.mark.parametrize(
    "store, most", [("sqlite:///{}/mlflow.db", 1), ("file://{}/mlruns", 3)], ids=["sqlite", "files"]
)
def test_against_mlflow(benchmark, repo, monkeypatch, tmp_path, store, most):
    """Its files are not committed to anything, and may take less than two git processes."""
    peer = in_mlflow(tmp_path, store)
    monkeypatch.chdir(repo)
    one_run()
    benchmark.pedantic(one_run, rounds=20)
    benchmark.extra_info["mlflow_run_ms"] = round(peer["run"] * 1000, 1)
    benchmark.extra_info["mlflow_points_a_second"] = round(peer["points"])
    assert benchmark.stats.stats.min < most * peer["run"]
    with gitml.start_run("bench") as run:
        many = range(10_000)
        took = min(seconds(lambda: [run.log_metric("loss", n) for n in many]) for _ in range(3))
    assert 10_000 / took > 20 * peer["points"]
