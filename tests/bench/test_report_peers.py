"""The report beside others': MLflow's UI until its table is there, and asv's publish.

Both are measured only where an environment variable names a Python that has them:
GITML_BENCH_MLFLOW_PYTHON (all of MLflow, not mlflow-skinny; and the browser of
tests/site) and GITML_BENCH_ASV_PYTHON.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitml.query.index import open_index
from gitml.site.build import Sources, build
from gitml.site.gather import Options
from gitml.site.write import Folder
from gitml.store.git import open_repository
from gitml.store.snapshot import snapshot
from tests.bench.ledgers import START, make_ledger, make_run
from tests.query.regressing import facts_of, make_commits
from tests.site.browsing import CHROMIUM, MODULES, NODE, needs_browser
from tests.support import make_runs

MLFLOW = os.environ.get("GITML_BENCH_MLFLOW_PYTHON")
ASV = os.environ.get("GITML_BENCH_ASV_PYTHON")
RUNS, COMMITS = 10_000, 1_000
NOW = START + 10**10
FIRST_ROW = Path(__file__).with_name("first_row.cjs")
# Written past the API, which takes minutes for so many; what the server reads is the same.
FILL = """
import json, logging, sys
logging.disable(50)
import sqlalchemy
from mlflow.store.tracking.dbmodels.models import *
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
store = SqlAlchemyStore(sys.argv[1], sys.argv[2])
experiment = store.create_experiment("sweep")
rows = {SqlRun: [], SqlParam: [], SqlLatestMetric: [], SqlMetric: [], SqlTag: []}
for run in json.load(sys.stdin):
    made = {"run_uuid": run["id"]}
    rows[SqlRun].append({**made, "name": run["name"], "source_type": "LOCAL", "source_name": "",
        "entry_point_name": "", "user_id": "ada", "status": "FINISHED", "source_version": "",
        "start_time": run["created"], "end_time": run["created"] + 60000, "deleted_time": None,
        "lifecycle_stage": "active", "artifact_uri": sys.argv[2], "experiment_id": int(experiment)})
    rows[SqlTag].append({**made, "key": "mlflow.runName", "value": run["name"]})
    rows[SqlParam] += [{**made, "key": k, "value": str(v)} for k, v in run["params"].items()]
    points = [{**made, "key": k, "value": v, "timestamp": run["created"], "step": 100,
        "is_nan": False} for k, v in run["metrics"].items()]
    rows[SqlLatestMetric] += points
    rows[SqlMetric] += points
with store.engine.begin() as connection:
    for table, values in rows.items():
        connection.execute(sqlalchemy.insert(table), values)
print(experiment)
"""


def built(repository, folder):
    with open_index(repository, now=NOW) as index:
        sources = Sources(index=index, store=snapshot(repository))
        return build(sources, Folder(folder), Options())


def timed(command, folder):
    """Return seconds that a process takes."""
    begun = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - begun


def first_row(address, text, rounds=3):
    """Return seconds until a page in an empty browser shows ``text``."""
    done = subprocess.run(
        [NODE, FIRST_ROW, MODULES, CHROMIUM, address, text, str(rounds)],
        capture_output=True,
        text=True,
        check=True,
    )
    return statistics.median(json.loads(done.stdout)) / 1000


@contextlib.contextmanager
def mlflow_server(tmp_path, runs):
    """Give the address of the runs of an MLflow server on the loopback, and of its search."""
    store = f"sqlite:///{tmp_path}/mlflow.db"
    facts = [
        {
            "id": run.id,
            "name": run.name,
            "created": run.created,
            "params": dict(run.params),
            "metrics": {name: metric.last for name, metric in run.metrics.items()},
        }
        for run in runs
    ]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    experiment = subprocess.run(
        [MLFLOW, "-c", FILL, store, str(tmp_path / "artifacts")],
        input=json.dumps(facts),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[-1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--backend-store-uri", store, "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [MLFLOW, "-m", "mlflow", "server", *words, "--workers", "1"],
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                ask(port, "/health")
                break
            time.sleep(0.2)
        page = f"http://127.0.0.1:{port}/#/experiments/{experiment}/runs"
        yield page, lambda: search(port, experiment)
    finally:
        os.killpg(server.pid, 15)  # it has workers
        server.wait(30)


def ask(port, path, body=None):
    """Return what the server answers, as JSON or as text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    with contextlib.closing(connection):
        headers = {"content-type": "application/json"}
        connection.request("POST" if body else "GET", path, body, headers)
        return connection.getresponse().read()


def search(port, experiment):
    """Return seconds that the server takes for the first hundred runs."""
    question = json.dumps({"experiment_ids": [experiment], "max_results": 100})
    begun = time.perf_counter()
    answer = json.loads(ask(port, "/api/2.0/mlflow/runs/search", question))
    assert len(answer["runs"]) == 100
    return time.perf_counter() - begun


@needs_browser
@pytest.mark.skipif(not MLFLOW, reason="GITML_BENCH_MLFLOW_PYTHON names no Python with MLflow")
def test_first_table_against_mlflow(benchmark, tmp_path):
    """The same 10,000 runs; MLflow's server has started and answered once before."""
    subprocess.run(["git", "init", "-q", tmp_path / "repo"], check=True)
    make_ledger(tmp_path / "repo", RUNS)
    repository = open_repository(tmp_path / "repo")
    built(repository, tmp_path / "pages")
    repository.close()
    runs = [make_run(number) for number in range(RUNS)]
    newest = runs[-1].name
    address = (tmp_path / "pages" / "runs.html").as_uri()
    ours = benchmark.pedantic(first_row, args=(address, newest), rounds=1)
    with mlflow_server(tmp_path, runs) as (page, searched):
        searched()
        took = statistics.median(searched() for _ in range(3))
        benchmark.extra_info["mlflow_search_s"] = round(took, 2)
        theirs = first_row(page, newest)
    benchmark.extra_info["first_table_s"] = round(ours, 2)
    benchmark.extra_info["mlflow_first_table_s"] = round(theirs, 2)
    assert ours < theirs


def make_asv(top, commits, metrics):
    """Put results of benchmarks into ``top`` as asv keeps them, a file for each commit."""
    about = {"arch": "x86_64", "cpu": "cpu", "machine": "m", "num_cpu": "2", "os": "Linux"}
    about["ram"] = "1"
    settings = {"version": 1, "project": "sweep", "repo": str(top / "repo"), "branches": ["main"]}
    settings |= {"environment_type": "virtualenv", "pythons": ["3.11"]}
    found = {
        name: {
            "name": name,
            "pretty_name": name,
            "code": "",
            "version": "1",
            "type": "track",
            "unit": "unit",
            "params": [],
            "param_names": [],
            "timeout": 60.0,
        }
        for name in metrics
    }
    folder = top / "results" / "m"
    (top / "benchmarks").mkdir(parents=True)
    folder.mkdir(parents=True)
    for path, document in (
        (top / "asv.conf.json", settings),
        (folder / "machine.json", {"version": 1, **about}),
        (top / "results" / "benchmarks.json", {"version": 2, **found}),
    ):
        path.write_text(json.dumps(document))
    for n, commit in enumerate(commits):
        result = {
            "version": 2,
            "commit_hash": commit,
            "env_name": "virtualenv-py3.11",
            "date": START + n * 3_600_000,
            "params": {**about, "python": "3.11"},
            "python": "3.11",
            "requirements": {},
            "env_vars": {},
            "result_columns": ["result", "params", "version", "started_at", "duration"],
            "results": {k: [[v[n]], [], "1", START, 1.0] for k, v in metrics.items()},
            "durations": {},
        }
        (folder / f"{commit[:8]}-virtualenv-py3.11.json").write_text(json.dumps(result))


@pytest.mark.skipif(not ASV, reason="GITML_BENCH_ASV_PYTHON names no Python with asv")
def test_build_against_asv(benchmark, tmp_path, git):
    """A thousand commits with five values each: asv writes 30 files, gitml a page a run as well."""
    subprocess.run(["git", "init", "-q", "-b", "main", tmp_path / "repo"], check=True)
    commits = make_commits(tmp_path / "repo", git, COMMITS)
    rng = random.Random(1)
    metrics = {
        name: [1 + rng.gauss(0, 0.02) + 0.2 * (n >= 600) for n in range(COMMITS)]
        for name in ("loss", "mse", "mae", "error", "seconds")
    }
    make_runs(tmp_path / "repo", *facts_of(commits, **metrics))
    make_asv(tmp_path, commits, metrics)
    pages = tmp_path / "pages"
    report = [sys.executable, "-m", "gitml", "site", "build", "-o", pages]
    timed([sys.executable, "-m", "gitml", "ls", "--limit", "1"], tmp_path / "repo")
    cold = timed(report, tmp_path / "repo")
    files = sum(path.is_file() for path in pages.rglob("*"))
    (pages / "regressions.html").unlink()
    benchmark.pedantic(timed, args=(report, tmp_path / "repo"), rounds=1)
    asv = timed([ASV, "-m", "asv", "publish"], tmp_path)
    theirs = json.loads((tmp_path / "html" / "regressions.json").read_text())["regressions"]
    page = (pages / "regressions.html").read_text()
    assert page.count("<article") == 5
    assert len(theirs) == 5
    benchmark.extra_info["files"] = files
    benchmark.extra_info["from_nothing_s"] = round(cold, 2)
    benchmark.extra_info["asv_publish_s"] = round(asv, 2)
    assert benchmark.stats.stats.median < asv
