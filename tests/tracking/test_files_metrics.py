"""Metrics: the last numbers of a run, from files of every kind."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.errors import InputError, NotFoundError
from gitml.tracking.files import read_metrics
from gitml.tracking.tables import DOCUMENT_LIMIT

DATA = Path(__file__).with_name("data")


def same(got, expected):
    """Compare types too, and take NaN for itself."""
    return repr(got) == repr(expected)


@pytest.fixture
def metrics(tmp_path):
    """Return ``metrics(name, text) -> MetricsFile``: write a file and read it."""

    def read(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8", newline="")
        return read_metrics(path)

    return read


@pytest.mark.parametrize(
    "name,text,values",
    [
        ("m.json", '{"train": {"loss": 0.1}, "auc": 1}', {"train.loss": 0.1, "auc": 1.0}),
        ("m.yaml", "train:\n  loss: 1e-1\nauc: 1\n", {"train.loss": 0.1, "auc": 1.0}),
        ("m.toml", "auc = 1\n[train]\nloss = 0.1\n", {"auc": 1.0, "train.loss": 0.1}),
        ("m.json", '\ufeff{"auc":\r\n0.5}', {"auc": 0.5}),
        ("m.json", '{"folds": [{"auc": 1}, {"auc": 2}]}', {"folds.0.auc": 1.0, "folds.1.auc": 2.0}),
        (
            "m.json",
            '{"a": NaN, "b": -Infinity, "c": 1e999}',
            {"a": math.nan, "b": -math.inf, "c": math.inf},
        ),
        ("m.json", '{"a": "NaN", "b": "-Infinity"}', {"a": math.nan, "b": -math.inf}),
        ("m.yaml", "a: nan\nb: .inf\nc: -inf\n", {"a": math.nan, "b": math.inf, "c": -math.inf}),
        ("m.json", '{"step": 3}', {"step": 3.0}),
        ("m.csv", "auc,0.9\nloss,0.1\n", {"auc": 0.9, "loss": 0.1}),
        ("m.csv", "auc,0.9\n", {"auc": 0.9}),
        ("m.csv", "name,value\nauc,0.9\nloss,nan\n", {"auc": 0.9, "loss": math.nan}),
        ("m.csv", "metric,value\r\nauc,0.9\r\nauc,0.8\r\n", {"auc": 0.8}),
        ("m.csv", ",0\nauc,0.9\nloss,0.1\n", {"auc": 0.9, "loss": 0.1}),
        ("m.csv", "auc,loss\n0.9,0.1\n", {"auc": 0.9, "loss": 0.1}),
        ("m.csv", "auc\n0.9\n", {"auc": 0.9}),
        ("m.csv", "auc,loss\n0.8,0.2\n0.9,0.1\n", {"auc": 0.9, "loss": 0.1}),
        ("m.csv", "auc,loss,f1\n0.8,0.2,\n0.9,,\n,,1\n", {"auc": 0.9, "loss": 0.2, "f1": 1.0}),
        ("m.tsv", "auc\tloss\n0.9\t0.1\n", {"auc": 0.9, "loss": 0.1}),
        (
            "m.jsonl",
            '{"a": 1, "b": 2}\n{"a": 3, "c": {"d": 4}}\n',
            {"a": 3.0, "b": 2.0, "c.d": 4.0},
        ),
        ("m.ndjson", '{"a": 1}', {"a": 1.0}),
        ("m.json", '{"a": 1}\n{"a": 2}\n', {"a": 2.0}),
        ("m.json", '[{"a": 1}, {"a": 2}]', {"a": 2.0}),
    ],
)
def test_values(metrics, name, text, values):
    found = metrics(name, text)
    assert same(found.values, values)
    assert found.skipped == {}
    assert found.step is None


@pytest.mark.parametrize(
    "name,text,values,step",
    [
        ("m.json", '{"step": 12, "train": {"loss": 0.1}}', {"train.loss": 0.1}, 12),
        ("m.json", '{"step": 1.5, "loss": 0.1}', {"step": 1.5, "loss": 0.1}, None),
        ("m.json", '{"epoch": 3, "loss": 0.1}', {"epoch": 3.0, "loss": 0.1}, None),
        ("m.csv", "epoch,loss\n1,0.5\n2,0.4\n", {"loss": 0.4}, 2),
        (
            "m.csv",
            "metric,step,value\nloss,1,0.5\nauc,1,0.7\nloss,2,0.4\n",
            {"loss": 0.4, "auc": 0.7},
            2,
        ),
        ("m.jsonl", '{"step": 1, "loss": 0.5}\n{"step": 9, "loss": 0.4}\n', {"loss": 0.4}, 9),
    ],
)
def test_the_step_they_were_measured_at(metrics, name, text, values, step):
    found = metrics(name, text)
    assert same(found.values, values)
    assert found.step == step


@pytest.mark.parametrize(
    "name,text,skipped",
    [
        (
            "m.json",
            '{"auc": 1, "model": "rf", "ok": true, "f1": null, "cm": [[1]], "x": {}, "n": "0.5"}',
            {
                "model": "text",
                "ok": "a bool",
                "f1": "null",
                "cm": "a list",
                "x": "null",
                "n": "text",
            },
        ),
        ("m.toml", "auc = 1\nday = 2024-01-02\n", {"day": "a date"}),
        ("m.json", '{"auc": 1, "big": ' + "9" * 400 + "}", {"big": "too large a number"}),
        ("m.csv", "auc,0.9\nmodel,rf\n", {"model": "text"}),
        ("m.csv", "name,value\nmodel,rf\nauc,0.9\n", {"model": "not a number"}),
        ("m.csv", "auc,model\n0.9,rf\n", {"model": "not a number"}),
        ("m.jsonl", '{"auc": 1, "cm": [1]}', {"cm": "not a number"}),
    ],
)
def test_what_is_not_a_number_is_left_out_and_said(metrics, name, text, skipped):
    found = metrics(name, text)
    assert found.skipped == skipped
    assert len(found.values) == 1


@pytest.mark.parametrize(
    "name,text,said",
    [
        ("m.json", "", "is empty"),
        ("m.csv", " \n", "is empty"),
        ("m.json", "{}", "m.json holds no number."),
        ("m.json", '{"model": "rf"}', "m.json holds no number: model is text."),
        ("m.json", '{"loss": [0.2, 0.1]}', "holds no number: loss is a list."),
        ("m.yaml", "# words", "holds no number"),
        ("m.csv", "auc,loss\n", "holds no number"),
        ("m.csv", "a,b\nx,y\n", "holds no metric: no column begins with a number (a, b)"),
        ("m.csv", "auc\n0.9\nbad\n", "line 3, column auc: bad is not a number"),
        ("m.json", "3", "holds a number where names and values"),
        ("m.json", "[1, 2]", "line 1: 1 is not an object"),
        ("m.json", '{"a": 1}, {"a": 2}', "line 1: not JSON: expecting value"),
        ("m.json", '{"a": 1', "line 1: not JSON"),
        ("m.json", '{"a": ' + "[" * 100_000, "it nests too deep"),
        ("m.json", '{"a": ' + "9" * 5000 + "}", "a number has too many digits"),
        ("m.json", '{"a.b": 1, "a": {"b": 2}}', "two values for a.b: 1 and 2"),
        ("m.json", '{"a": 1, "a": 1}', "the key a twice"),
        ("m.json", r'{"\u202eevil": 1}', "The name of a metric holds a control"),
        ("m.csv", "\x1b[31m,0.9\n", "The name of a metric holds a control"),
        ("m.json", '{"a": 1}' + " " * DOCUMENT_LIMIT, "has more than 8 MiB"),
        ("m.txt", "a: 1", "not a kind of file that metrics are read from"),
    ],
)
def test_what_is_refused_and_how(metrics, name, text, said):
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        metrics(name, text)
    assert caught.value.message.isprintable()


def test_a_missing_file_is_not_found_and_its_neighbour_is_named():
    with pytest.raises(NotFoundError) as caught:
        read_metrics(DATA / "dvclive" / "metric.json")
    assert caught.value.hint == "did you mean metrics.json?"


def test_dvclives_summary():
    found = read_metrics(DATA / "dvclive" / "metrics.json")
    assert found.values == {"acc": 0.84, "train.loss": 0.2, "val.loss": 0.5}
    assert found.step == 1


def test_lightnings_sparse_table_gives_the_last_value_of_each():
    found = read_metrics(DATA / "lightning.csv")
    assert found.values == {
        "epoch": 1.0,
        "lr-Adam": 0.001,
        "train_loss": 0.5512,
        "val_acc": 0.8110,
        "val_loss": 0.5023,
    }
    assert found.step == 199


def test_detectrons_json_lines_in_a_json_file():
    found = read_metrics(DATA / "detectron_metrics.json")
    assert found.values == {"eta_seconds": 81.4, "lr": 0.00999, "total_loss": 1.52, "bbox/AP": 27.5}
    assert found.step == 39


@given(
    values=st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.floats(), min_size=1)
)
@pytest.mark.parametrize("name", ["round.json", "round.jsonl"])
def test_json_comes_back_as_it_was_written(tmp_path_factory, name, values):
    values = {f"m_{key}": value for key, value in values.items()}  # no column of steps or times
    path = tmp_path_factory.getbasetemp() / name
    path.write_text(json.dumps(values), encoding="utf-8")
    assert same(read_metrics(path).values, values)
