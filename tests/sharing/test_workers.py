"""Twenty workers that push each run as it ends, over smart HTTP, while somebody seals."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.sharing.serving import smart_http

WORKERS = 20
# GITML_TEST_WORKER_RUNS=50 takes two minutes on two cores; more of the same.
RUNS = int(os.environ.get("GITML_TEST_WORKER_RUNS", "4"))

TRAIN = """\
import sys, time
from pathlib import Path

import gitml

worker, runs, sealed = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
end = time.monotonic() + 240
for number in range(runs):
    while number == runs // 2 and not sealed.exists() and time.monotonic() < end:
        time.sleep(0.05)  # the other half is pushed to a host where there is a ledger already
    with gitml.start_run("sweep", name=f"w{worker}-{number}") as run:
        run.log_params({"worker": worker, "number": number})
        for step in range(3):
            run.log_metric("loss", worker + number / 100 + step, step=step)
"""


@pytest.mark.slow
def test_every_run_arrives_exactly_once(git, tmp_path):
    hub = tmp_path / "hosted" / "hub.git"
    git(tmp_path, "init", "--quiet", "--bare", "-b", "main", hub)
    git(hub, "config", "http.receivepack", "true")
    with smart_http(hub.parent, tmp_path / "etc") as http:
        address = f"{http}open/hub.git"
        seed = tmp_path / "seed"
        git(tmp_path, "clone", "--quiet", address, seed)
        (seed / "train.py").write_text(TRAIN)
        git(seed, "add", "train.py")
        git(seed, "commit", "--quiet", "-m", "code")
        git(seed, "push", "--quiet", "origin", "HEAD:main")
        places = [tmp_path / f"worker-{n}" for n in range(WORKERS)]
        for place in places:
            git(tmp_path, "clone", "--quiet", address, place)
        environment = {**os.environ, "GITML_AUTOPUSH": "1"}
        workers = [
            subprocess.Popen(
                [sys.executable, "train.py", str(n), str(RUNS), tmp_path / "sealed"],
                cwd=place,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for n, place in enumerate(places)
        ]
        sealed = 0
        while any(worker.poll() is None for worker in workers):
            sealed += _seal(seed)
            if sealed:
                (tmp_path / "sealed").touch()
        told = [worker.communicate()[1] for worker in workers]
        assert [worker.returncode for worker in workers] == [0] * WORKERS, told
        assert sealed > 0
        # Who was beaten too often said so; the next push takes it along.
        for place, words in zip(places, told, strict=True):
            if "was not pushed" in words:
                assert _gitml(place, "push").returncode == 0
        while _seal(seed):
            pass
        reader = tmp_path / "reader"
        git(tmp_path, "clone", "--quiet", address, reader)
        assert _gitml(reader, "pull").returncode == 0
        runs = json.loads(_gitml(reader, "ls", "--json", "--limit", "0").stdout)["runs"]
    names = sorted(run["name"] for run in runs)
    assert names == sorted(f"w{n}-{number}" for n in range(WORKERS) for number in range(RUNS))
    for run in runs:
        worker, number = run["params"]["worker"], run["params"]["number"]
        assert run["name"] == f"w{worker}-{number}"
        assert run["status"] == "finished"
        loss = run["metrics"]["loss"]
        assert (loss["count"], loss["last"]) == (3, worker + number / 100 + 2)
    assert git(hub, "fsck", "--strict", "--no-dangling") == ""
    assert git(hub, "for-each-ref", "refs/gitml/runs") == ""  # all sealed, and let go


def _seal(place):
    """Take what arrived into the ledger; return how many runs that were."""
    sealed = 0
    for command in ("pull", "pack", "push"):
        done = _gitml(place, command, "--json")
        assert done.returncode in {0, 7}, done.stderr
        if command == "pack" and not done.returncode:
            sealed = sum(map(len, json.loads(done.stdout)["sealed"].values()))
    return sealed


def _gitml(place, *args):
    return subprocess.run(
        [sys.executable, "-m", "gitml", *args],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
