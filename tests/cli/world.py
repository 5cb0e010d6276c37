"""Five runs of two experiments, the same in every session: what golden output is made of."""

from __future__ import annotations

import json
import math

import pytest

from gitml.model import Artifact, Dataset, Environment, Source
from tests.support import MINUTE, START, make_runs

NOW = "2026-01-02T05:00:00Z"
HOUR = 60 * MINUTE
KEEN, BRAVE, CALM, GOING = "keen-fjord-8", "brave-otter-12", "calm-juniper-3", "going-on-1"

MACHINE = Environment(
    python="CPython 3.11.7",
    platform="Linux 6.1.0 x86_64",
    host="anvil",
    cpu="AMD EPYC 7763, 8 threads, 31.3 GiB",
    gpu="2 × NVIDIA A100",
    variables={"OMP_NUM_THREADS": "4"},
)
TABLE = Dataset(
    name="train.csv",
    context="training",
    digest="sha256:51ce07b" + "0" * 57,
    uri="data/train.csv",
    size=1_204_331,
    rows=7043,
    columns=("age", "plan"),
)


def rising(top, steps=20):
    return [round(top * (1 - math.exp(-step / 4)), 4) for step in range(1, steps)] + [top]


def falling(low, steps=20):
    return [round(low * (1 + 2 * math.exp(-step / 4)), 4) for step in range(1, steps)] + [low]


def make_world(repo, git):
    """Fill a repository that has one commit, and return it."""
    (repo / "train.py").write_text("import sklearn\n\nDEPTH = 6\nprint('trained')\n")
    git(repo, "commit", "--quiet", "-am", "depth")
    first = git(repo, "rev-parse", "HEAD", "HEAD^{tree}").split()
    (repo / "train.py").write_text("import sklearn\n\nDEPTH = 8\nprint('trained', DEPTH)\n")
    (repo / "models.py").write_text("FOREST = 'forest'\n")
    git(repo, "add", "-A")
    git(repo, "commit", "--quiet", "-m", "deeper")
    second = git(repo, "rev-parse", "HEAD", "HEAD^{tree}").split()

    def source(commit, tree, *changed):
        return Source(
            commit=commit,
            branch="main",
            tree=tree,
            dirty=bool(changed),
            changed=changed,
            command=("python", "train.py", "--seed", "0"),
            script="train.py",
        )

    same = {"kind": "forest", "seed": 0}
    make_runs(
        repo,
        {
            "name": KEEN,
            "created": START - 3 * HOUR,
            "seconds": 125.0,
            "params": {**same, "lr": 3e-4, "depth": 6},
            "metrics": {"auc": rising(0.9312), "loss": falling(0.271)},
            "tags": {"team": "growth"},
            "inputs": [TABLE],
            "source": source(*first),
            "environment": MACHINE,
            "requirements": "numpy==2.3.1\nold-thing==0.1\nscikit-learn==1.8.0\n",
        },
        {
            "name": BRAVE,
            "created": START + 118 * MINUTE,
            "seconds": 61.5,
            "params": {**same, "lr": 1e-4, "depth": 8},
            "metrics": {"auc": rising(0.9288), "loss": falling(0.2685)},
            "goals": {"auc": "max"},
            "tags": {"team": "growth", "champion": ""},
            "note": "Deeper trees.\nSlower, though.",
            "inputs": [TABLE],
            "source": source(*second, "params.yaml", "train.py"),
            "environment": MACHINE,
            "requirements": "numpy==2.3.1\nscikit-learn==1.9.1\n",
            "artifacts": [
                Artifact(path="plot.png", size=18_234, sha256="ab" * 32, media_type="image/png"),
                Artifact(path="model/forest.pkl", size=91_340_822, sha256="cd" * 32, store="lfs"),
            ],
            "edits": [("tags.team", "risk"), ("note", "Deeper trees.\nSlower, though!")],
        },
        {
            "name": CALM,
            "created": START - 26 * HOUR,
            "status": "failed",
            "params": {**same, "lr": 1e-2, "depth": 12},
        },
        {
            "name": "вечерний-лес-三号",
            "created": START - 90 * 24 * HOUR,
            "params": {**same, "lr": 1e-2, "depth": 12, "optimizer": "adam"},
            "metrics": {"auc": 0.5},
        },
        {
            "name": GOING,
            "experiment": "churn nets",
            "created": START + 119 * MINUTE,
            "status": "running",
            "params": {"kind": "net", "layers": [64, 32]},
            "metrics": {"val/acc": [0.61, 0.68]},
        },
    )
    return repo


def answer(invoke, *args, cwd):
    """Return the JSON that a command answers."""
    done = invoke(*args, "--json", cwd=cwd)
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out, parse_constant=pytest.fail)
    assert next(iter(document.items())) == ("schema", 1)
    return document
