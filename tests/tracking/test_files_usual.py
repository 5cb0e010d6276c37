"""The files that are logged when nobody names any."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gitml.tracking.files import (
    UsualFiles,
    read_history,
    read_metrics,
    read_params,
    usual_files,
)

DATA = Path(__file__).with_name("data")
TABLE = "epoch,loss\n1,0.5\n2,0.4\n"


@pytest.fixture
def usual(tmp_path):
    """Return ``usual({name: text}) -> {kind: names}``: write files and look for them."""

    def look(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        found = usual_files(tmp_path)
        return {
            kind: [path.relative_to(tmp_path).as_posix() for path in getattr(found, kind)]
            for kind in ("params", "metrics", "history")
        }

    return look


def test_everything_at_once_in_its_order(usual):
    names = [
        *("params.yaml", "params.yml", "params.json", "params.toml", "dvclive/params.yaml"),
        *("metrics.json", "metrics.yaml", "metrics.yml", "metrics.toml", "dvclive/metrics.json"),
        *("history.csv", "history.tsv", "history.jsonl", "history.json"),
        *(f"dvclive/plots/metrics/{name}.tsv" for name in ("acc", "train/loss", "val/loss")),
    ]
    other = ["train.py", "training.log", "data.csv", "params.txt", "dvclive/plots/other.tsv"]
    other += ["dvclive/plots/metrics/notes.md", "nested/params.yaml"]
    found = usual(dict.fromkeys([*reversed(names), *other], "{}"))
    assert found == {"params": names[:5], "metrics": names[5:10], "history": names[10:]}


@pytest.mark.parametrize(
    "name,text,kind",
    [
        ("metrics.csv", TABLE, "history"),
        ("metrics.csv", "epoch,loss\n1,0.5\n", "metrics"),
        ("metrics.csv", "auc,0.9\nloss,0.1\nf1,0.5\n", "metrics"),
        ("metrics.csv", "name,value\nauc,0.9\nloss,0.1\n", "metrics"),
        ("metrics.csv", "metric,step,value\nauc,1,0.9\nauc,2,0.95\n", "history"),
        ("metrics.csv", "loss\n0.5\n0.4\n", "history"),
        ("metrics.csv", "", "metrics"),
        ("metrics.csv", "\0\0", "metrics"),
        ("metrics.tsv", TABLE.replace(",", "\t"), "history"),
        ("metrics.jsonl", '{"loss": 1}\n{"loss": 2}', "history"),
        ("metrics.jsonl", '{"loss": 1}\n', "metrics"),
        ("metrics.json", '{"loss": 1}', "metrics"),
        ("metrics.json", '{"loss": 1}\n{"loss": 2}', "history"),
        ("metrics.json", '[{"loss": 1}, {"loss": 2}]', "history"),
        ("metrics.json", "{broken", "metrics"),
        ("metrics.yaml", "loss: 1\nauc: 2\n", "metrics"),
    ],
)
def test_a_metrics_file_of_several_rows_is_a_history(usual, name, text, kind):
    nothing = {"params": [], "metrics": [], "history": []}
    assert usual({name: text}) == {**nothing, kind: [name]}


def test_an_empty_folder_and_none_at_all(tmp_path):
    assert usual_files(tmp_path) == UsualFiles() == usual_files(tmp_path / "gone")


def test_folders_of_usual_names_are_not_files(tmp_path):
    (tmp_path / "params.yaml").mkdir()
    (tmp_path / "history.csv").mkdir()
    assert usual_files(tmp_path) == UsualFiles()


def test_a_loop_of_links_is_not_followed(tmp_path):
    inner = tmp_path / "dvclive" / "plots" / "metrics"
    shutil.copytree(DATA / "dvclive", tmp_path / "dvclive")
    (inner / "again").symlink_to(inner)
    assert len(usual_files(tmp_path).history) == 3


def test_what_is_found_can_be_read():
    found = usual_files(DATA)
    assert read_params(*found.params) == {"lr": 0.001, "model.name": "resnet18"}
    assert read_metrics(*found.metrics).step == 1
    points = [point for path in found.history for point in read_history(path)]
    assert points == list(read_history(DATA / "dvclive"))
