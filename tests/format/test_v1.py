"""Schema 1 loads for ever: the files in v1/ are never changed, only added to."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import pytest

from gitml import names
from gitml.codec import load_stored
from gitml.errors import NewerSchemaError
from gitml.lines import load_edits
from gitml.model import Artifact, Dataset, Environment, Metric, Run, Source, from_iso
from gitml.records import load_run, run_files
from gitml.store import live
from gitml.store.git import open_repository
from gitml.store.points import Collector, read_segment
from gitml.store.runtree import put_run
from gitml.store.state import fold, points_of, read_tree

V1 = Path(__file__).parent / "v1"
PLOT = "0f3850ab36e9d43a8615d62d179e484003562531b41a9f517c5f4e7313b00222"
START = from_iso("2026-11-23T09:12:00.000Z")

FULL = Run(
    id="00000000000000000000000000000001",
    name="brave-otter-12",
    experiment="Churn, dritte Runde",
    status="finished",
    created=START,
    ended=from_iso("2026-11-23T10:12:00.500Z"),
    updated=from_iso("2026-11-24T08:00:00.000Z"),
    author="Ada Author <ada@example.com>",
    parent="00000000000000000000000000000002",
    source=Source(
        commit="3f786850e387550fdab836ed7e6dc881de23001b",
        branch="main",
        tree="89e6c98d92887913cadf06b2adb97f26cde4849b",
        dirty=True,
        remote="https://example.com/team/churn.git",
        command=("python", "train.py", "--lr=1e-5", ""),
        script="train.py",
        changed=("train.py",),
        left_out=(".env: looks like a secret, or is excluded",),
    ),
    environment=Environment(
        python="CPython 3.11.7",
        platform="Linux-6.1.0-x86_64",
        host="node-1",
        cpu="AMD EPYC 9354P, 16 logical processors",
        gpu="2 x NVIDIA A100",
        variables={"CUDA_VISIBLE_DEVICES": "0"},
    ),
    inputs=(
        Dataset(
            name="train.csv",
            digest="sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            context="training",
            uri="data/train.csv",
            size=1048576,
            files=1,
            rows=1000,
            columns=("age", "no"),
            schema={"age": "int64"},
            profile={"age": {"mean": 41.5, "missing": math.nan}},
        ),
    ),
    params={
        "batch": 32,
        "betas": [0.9, 0.999],
        "bias": True,
        "clip": None,
        "lr": 1e-5,
        "opt": "adam",
        "start": "12:30:00",
        "version": "1.10",
        "weights": {"a": [[1, 2], []], "b": {}},
        "zero": -0.0,
    },
    metrics={
        "auc": Metric(last=0.93, step=100, min=0.5, max=0.94, count=4, goal="max"),
        'auc, "quoted"': Metric(last=0.5, step=1, min=0.25, max=0.5, count=2),
        "loss": Metric(last=math.nan, step=3, min=1e-5, max=math.inf, count=4),
        "nothing": Metric(last=math.nan, step=-1, min=math.nan, max=math.nan, count=1),
    },
    tags={"stage": "on", "team": "growth"},
    note='First line.\n\nThird: with colon, # and "quotes".\n',
    artifacts={
        "model/weights.bin": Artifact(
            path="model/weights.bin", size=52428800, sha256="f" * 64, store="lfs"
        ),
        "plot.png": Artifact(path="plot.png", size=4, sha256=PLOT, media_type="image/png"),
        "remote.parquet": Artifact(
            path="remote.parquet", store="uri", uri="s3://bucket/remote.parquet"
        ),
    },
    deleted=True,
    conflict=("lr",),
)


def files_of(name):
    return {path.name: path.read_bytes() for path in (V1 / name).glob("*.yaml")}


def test_a_run_with_everything():
    # Its text, because NaN is not equal to itself; the text of a float is exact.
    assert repr(load_run(files_of("full"), "the sample")) == repr(FULL)


def test_it_is_still_written_as_it_was():
    """So that clones with different versions of gitml make the same trees."""
    assert run_files(FULL) == files_of("full")


def test_a_tree_with_everything_is_the_fold_of_its_edits_and_points(repo, git, monkeypatch):
    monkeypatch.setenv("GIT_WORK_TREE", str(V1 / "full"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(repo / ".git" / "sample"))
    git(repo, "add", "--force", ".")
    tree = git(repo, "write-tree").strip()
    repository = open_repository(repo)
    state = read_tree(repository, tree)
    assert repr(fold(FULL.id, state)) == repr(FULL)
    summaries = {}
    points = Collector()
    points.add_all(points_of(repository, state.segments))
    (segment,) = points.segments(summaries)
    assert segment == (V1 / "full" / "metrics" / "0000.csv").read_bytes()
    assert repr(summaries["loss"]) == repr(FULL.metrics["loss"])
    with repository.fast_import() as stream:
        stream.commit("refs/gitml-tmp/0000000000000000", committer="A <a@b>", time=0, message="")
        put_run(repository, stream, FULL.id, state, Collector(), prefix="")
    repository.close()
    assert git(repo, "rev-parse", "refs/gitml-tmp/0000000000000000^{tree}").strip() == tree


def test_the_least_that_a_run_is():
    run = load_run(files_of("least"), "the sample")
    least = Run(
        id="00000000000000000000000000000003",
        name="a",
        experiment="default",
        status="scheduled",
        created=0,
    )
    assert run == least
    assert load_run(run_files(run), "the sample") == run


def test_what_a_later_gitml_of_schema_1_may_add():
    run = load_run(files_of("later"), "the sample")
    assert run.extra == {
        "carbon": {"grams": 12.5, "grid": ["no", "yes"]},
        "<<": {"not": "merged"},
    }
    assert (run.created, run.ended) == (START, START)
    assert run.params == {"schema": "a param may be called so"}
    assert run.metrics == {"schema": Metric(last=1, step=0, min=1, max=1, count=1)}
    assert run.artifacts["schema"].store == "tape"
    again = load_run(run_files(run), "the sample")
    assert again == replace(run, updated=again.updated)


@pytest.mark.parametrize("name", ["full", "least", "later"])
def test_a_later_schema_is_refused_with_advice(name):
    files = files_of(name)
    files["run.yaml"] = files["run.yaml"].replace(b"schema: 1\n", b"schema: 2\nnovelty: {}\n", 1)
    with pytest.raises(NewerSchemaError, match="schema 2") as caught:
        load_run(files, "the sample")
    assert caught.value.hint


def test_an_experiment_and_a_tombstone():
    experiment = load_stored((V1 / "experiment.yaml").read_bytes(), "experiment.yaml")
    assert experiment == {
        "schema": 1,
        "name": FULL.experiment,
        "slug": names.slugify(FULL.experiment),
        "created": "2026-11-23T09:12:00.000Z",
    }
    stone = load_stored((V1 / "tombstone.yaml").read_bytes(), "a tombstone")
    assert stone == {
        "schema": 1,
        "id": "00000000000000000000000000000005",
        "by": FULL.author,
        "at": "2026-11-23T09:12:00.000Z",
        "reason": "held personal data",
    }


def test_segments_and_edits():
    rows = list(read_segment((V1 / "full" / "metrics" / "0000.csv").read_bytes(), "0000.csv"))
    assert rows[:2] == [("auc", 0, START, 0.5), ("auc", 50, START + 50, 0.94)]
    assert rows[5] == ('auc, "quoted"', 1, START, 0.5)
    assert len(rows) == 11
    edits = load_edits((V1 / "full" / "edits.jsonl").read_bytes(), "edits.jsonl")
    assert len(edits) == 36
    assert {e.key for e in edits if e.json == "null"} == {"deleted", "params.clip", "tags.gone"}


def test_a_live_log_with_a_torn_record():
    data = (V1 / "live.log").read_bytes()
    points, edits, sources = Collector(), set(), []
    assert live.replay(io.BytesIO(data), points, edits, sources) == 1
    found = list(points.points())
    assert [(p.step, repr(p.value)) for p in found] == [(0, "0.5"), (1, "nan"), (2, "-inf")]
    assert {e.key: e.json for e in edits} == {
        "name": '"brave-otter-12"',
        "params.lr": '{"$float":"-Infinity"}',
    }
    (record,) = sources
    assert record["source"]["files"] == [
        ["100644", "89e6c98d92887913cadf06b2adb97f26cde4849b", "train.py"],
        ["100644", None, "caf\udce9.py"],
        ["link", "train.py", "latest.py"],
    ]
    assert live.read_header(V1 / "live.log")["writer"] == "0a1b2c3d"
