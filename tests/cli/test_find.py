"""Runs found again: the whole output of ls, show, diff, sql, export and status."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from gitml.model import Artifact, Dataset, Environment, Source
from tests.support import (
    MINUTE,
    START,
    assert_golden,
    make_runs,
    on_terminal,
    without_color,
)

GOLDEN = Path(__file__).parent / "golden"
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


@pytest.fixture
def world(repo, git):
    """Return a repository with five runs of two experiments, the same in every session."""
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


PAGES = {
    "ls": [["ls"], ["ls", "--experiments"]],
    "ls-sorted": [["ls", "-e", "churn", "--sort", "-auc"]],
    "ls-all": [["ls", "-e", "churn", "--all"]],
    "ls-columns": [["ls", "--columns", "auc,metrics_min.loss,duration,commit,team,age"]],
    "show": [["show", BRAVE]],
    "show-history": [["show", BRAVE, "--history"]],
    "diff": [["diff", KEEN, BRAVE]],
    "diff-all": [["diff", KEEN, BRAVE, "--all"]],
    "diff-three": [["diff", KEEN, BRAVE, CALM]],
    "diff-patch": [["diff", KEEN, BRAVE, "--patch"]],
    "status": [[]],
}


@pytest.mark.parametrize("columns", [60, 100, 140])
@pytest.mark.parametrize("page", PAGES)
def test_on_a_terminal(world, page, columns):
    seen = []
    for args in PAGES[page]:
        code, out = on_terminal(*args, cwd=world, columns=columns, env={"GITML_TEST_CLOCK": NOW})
        assert code == 0, out
        seen.append(f"$ gitml {' '.join(args)}\n{without_color(out)}")
    text = "\n".join(seen)
    if page != "diff-patch":  # somebody's text is never cut
        assert [x for x in text.splitlines() if len(x) > columns and x[0] != "$"] == []
    assert_golden(GOLDEN / str(columns) / f"{page}.txt", text)


@pytest.mark.parametrize("page", PAGES)
def test_in_a_pipe(world, invoke, page):
    answers = [(args, invoke(*args, cwd=world)) for args in PAGES[page]]
    assert [answer.code for _, answer in answers] == [0] * len(answers)
    assert [answer.err for _, answer in answers] == [""] * len(answers)
    text = "\n".join(f"$ gitml {' '.join(args)}\n{answer.out}" for args, answer in answers)
    assert "\x1b" not in text
    assert "…" not in text
    assert_golden(GOLDEN / "pipe" / f"{page}.txt", text)
