"""Histories: points step by step, in the layouts that training libraries write."""

from __future__ import annotations

import csv
import itertools
import json
import math
import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.errors import InputError, NotFoundError
from gitml.names import visible
from gitml.tracking.files import read_history
from gitml.tracking.tables import LINE_LIMIT

DATA = Path(__file__).with_name("data")
T = 1_700_000_000_000


def same(got, expected):
    """Compare types too, and take NaN for itself."""
    return repr(got) == repr(expected)


@pytest.fixture
def history(tmp_path):
    """Return ``history(name, text) -> list``: write a file and read its points."""

    def read(name, text):
        path = tmp_path / name
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text, encoding="utf-8", newline="")
        return list(read_history(path))

    return read


LAYOUTS = {
    "keras.csv": [
        *(("accuracy", 0, None, 0.7101), ("loss", 0, None, 0.8412)),
        *(("val_accuracy", 0, None, 0.7433), ("val_loss", 0, None, 0.7012)),
        *(("accuracy", 1, None, 0.7934), ("loss", 1, None, 0.5931)),
        *(("val_accuracy", 1, None, 0.8012), ("val_loss", 1, None, 0.5520)),
        *(("accuracy", 2, None, 0.8203), ("loss", 2, None, 0.5108)),
    ],
    "lightning.csv": [
        *(("epoch", 49, None, 0.0), ("lr-Adam", 49, None, 0.001)),
        *(("epoch", 49, None, 0.0), ("train_loss", 49, None, 0.8123)),
        *(("epoch", 99, None, 0.0), ("val_acc", 99, None, 0.7301), ("val_loss", 99, None, 0.6904)),
        *(("epoch", 149, None, 1.0), ("train_loss", 149, None, 0.5512)),
        *(
            ("epoch", 199, None, 1.0),
            ("val_acc", 199, None, 0.811),
            ("val_loss", 199, None, 0.5023),
        ),
    ],
    "ultralytics.csv": [
        *(("train/box_loss", 1, None, 1.0372), ("metrics/mAP50(B)", 1, None, 0.61234)),
        *(("train/box_loss", 2, None, 0.9811), ("metrics/mAP50(B)", 2, None, 0.65002)),
    ],
    "wandb_export.csv": [
        *(("brave-otter-12 - loss", 0, None, 0.91), ("brave-otter-12 - loss__MIN", 0, None, 0.91)),
        *(
            ("brave-otter-12 - loss", 10, None, 0.55),
            ("brave-otter-12 - loss__MIN", 10, None, 0.55),
        ),
    ],
    "pandas_index.csv": [
        *(("loss", 0, None, 0.69), ("auc", 0, None, 0.5)),
        *(("loss", 1, None, 0.41), ("auc", 1, None, 0.83)),
    ],
    "long.csv": [
        ("loss", 0, T + 500, 0.9),
        ("loss", 1, T + 1500, 0.7),
        ("acc", 1, T + 1500, 0.6),
    ],
    "xgboost.json": [
        *(
            ("train.auc", 0, None, 0.91),
            ("train.logloss", 0, None, 0.61),
            ("valid.auc", 0, None, 0.88),
        ),
        *(
            ("train.auc", 1, None, 0.95),
            ("train.logloss", 1, None, 0.52),
            ("valid.auc", 1, None, 0.9),
        ),
        *(
            ("train.auc", 2, None, 0.97),
            ("train.logloss", 2, None, 0.44),
            ("valid.auc", 2, None, 0.91),
        ),
    ],
    "lightgbm.json": [
        *(("training.l2", 0, None, 4.1), ("valid_1.l2", 0, None, 4.4)),
        *(("training.l2", 1, None, 3.2), ("valid_1.l2", 1, None, 3.9)),
    ],
    "keras_history.json": [
        *(("loss", 0, None, 0.84), ("val_loss", 0, None, 0.7), ("lr", 0, None, 0.001)),
        *(("loss", 1, None, 0.59), ("lr", 1, None, 0.0005)),
    ],
    "pandas.json": [
        *(("loss", 0, None, 0.9), ("auc", 0, None, 0.5)),
        ("loss", 5, None, 0.4),
    ],
    "trainer_state.json": [
        *(("epoch", 5, None, 0.5), ("grad_norm", 5, None, 1.25)),
        *(("learning_rate", 5, None, 5e-05), ("loss", 5, None, 0.81)),
        *(("epoch", 10, None, 1.0), ("eval_loss", 10, None, 0.52), ("eval_runtime", 10, None, 1.5)),
        *(("epoch", 20, None, 2.0), ("total_flos", 20, None, 263.0), ("train_loss", 20, None, 0.6)),
    ],
    "detectron_metrics.json": [
        *(
            ("eta_seconds", 19, None, 93.1),
            ("lr", 19, None, 0.00499),
            ("total_loss", 19, None, 1.91),
        ),
        *(
            ("eta_seconds", 39, None, 81.4),
            ("lr", 39, None, 0.00999),
            ("total_loss", 39, None, 1.52),
        ),
        ("bbox/AP", 39, None, 27.5),
    ],
    "events.jsonl": [
        *(("loss.cls", 1, T + 250, 0.8), ("loss.box", 1, T + 250, 0.3)),
        ("acc", 1, T + 3500, 0.61),
        ("acc", 1, None, 0.64),
    ],
    "dvclive": [
        *(("acc", 0, None, 0.71), ("acc", 1, None, 0.84)),
        *(("train/loss", 0, 1623671484747, 0.4), ("train/loss", 1, 1623671484892, 0.2)),
        *(("val/loss", 0, None, 0.9), ("val/loss", 1, None, 0.5)),
    ],
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_training_libraries(name):
    assert same(list(read_history(DATA / name)), LAYOUTS[name])


@pytest.mark.parametrize("place", ["dvclive/plots", "dvclive/plots/metrics"])
def test_any_folder_of_dvclive_will_do(place):
    assert list(read_history(DATA / place)) == LAYOUTS["dvclive"]


@pytest.mark.parametrize("place", ["train/loss.tsv", "train"])
def test_one_of_dvclives_files_knows_its_name(place):
    points = list(read_history(DATA / "dvclive" / "plots" / "metrics" / place))
    assert [name for name, *_ in points] == ["train/loss", "train/loss"]


def test_dvclives_layout_without_plots(tmp_path):
    for name in ("train/loss", "lr"):
        file = tmp_path / "live" / "metrics" / f"{name}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"step\t{file.stem}\n0\t1\n", encoding="utf-8")
    assert [name for name, *_ in read_history(tmp_path / "live")] == ["lr", "train/loss"]
    (tmp_path / "live" / "other.tsv").write_text("step\ta\tb\n0\t1\t2\n", encoding="utf-8")
    assert [name for name, *_ in read_history(tmp_path / "live")] == ["lr", "train/loss"]
    (tmp_path / "other.tsv").write_text("step\ta\tother\n0\t1\t2\n", encoding="utf-8")
    assert [name for name, *_ in read_history(tmp_path / "other.tsv")] == ["a", "other"]


STEPS = ["step", "epoch", "iteration", "iter", "global_step", "batch", "round", "index"]
STEPS += ["Unnamed: 0", "", "trainer/global_step"]


@pytest.mark.parametrize("name", [*STEPS, "Step", "EPOCH", " step "])
def test_the_column_of_steps(history, name):
    assert history("h.csv", f"loss,{name}\n0.5,7\n") == [("loss", 7, None, 0.5)]


@pytest.mark.parametrize("better,worse", list(itertools.pairwise(STEPS)))
def test_the_first_of_the_steps_is_chosen_and_the_other_is_a_metric(history, better, worse):
    points = history("h.csv", f"{worse},{better},loss\n3,7,0.5\n")
    nameless = worse in {"", "Unnamed: 0"}
    assert points == [*([] if nameless else [(worse, 7, None, 3.0)]), ("loss", 7, None, 0.5)]


@pytest.mark.parametrize(
    "name,text,steps",
    [
        ("h.csv", "loss\n5\n5\n5\n", [0, 1, 2]),
        ("h.csv", "step,loss\n1.0,5\n2e1,5\n-3,5\n+4,5\n", [1, 20, -3, 4]),
        ("h.csv", "step,loss\n9007199254740993,5\n9223372036854775807,5\n", [2**53 + 1, 2**63 - 1]),
        ("h.csv", "step,loss\n3,5\n,5\nNA,5\n4,5\n", [3, 3, 3, 4]),
        ("h.csv", "step,loss\n,5\n,5\n7,5\n", [0, 1, 7]),
        ("h.jsonl", '{"loss": 5}\n{"loss": 5, "step": 9}\n{"loss": 5, "step": 1.0}', [0, 9, 1]),
        ("h.json", '{"step": [3, 6], "loss": [5, 5]}', [3, 6]),
        ("h.json", '{"loss": {"10": 5, "9": 5}}', [9, 10]),
    ],
)
def test_steps(history, name, text, steps):
    points = history(name, text)
    assert same([step for metric, step, *_ in points if metric == "loss"], steps)


@pytest.mark.parametrize(
    "name", ["timestamp", "time", "_timestamp", "wall_time", "Wall time", "datetime", "created_at"]
)
@pytest.mark.parametrize(
    "cell,time",
    [
        ("1700000000", T),
        ("1700000000.25", T + 250),
        ("1700000000250", T + 250),
        ("1700000000250000", T + 250),
        ("1700000000250000000", T + 250),
        ("2023-11-14T22:13:20Z", T),
        ("2023-11-14 22:13:20.250", T + 250),
        ("2023-11-15T00:13:20+02:00", T),
    ],
)
def test_times(history, name, cell, time):
    assert history("h.csv", f"{name},loss\n{cell},5\n,6\n") == [
        ("loss", 0, time, 5.0),
        ("loss", 1, None, 6.0),
    ]


def test_times_in_json(history):
    lines = '{"time": 1700000000.25, "a": 5}\n{"time": "2023-11-14T22:13:20", "a": 6}\n{"a": 7}'
    assert history("h.jsonl", lines) == [
        *(("a", 0, T + 250, 5.0), ("a", 1, T, 6.0)),
        ("a", 2, None, 7.0),
    ]


def test_seconds_since_the_start_are_a_metric_and_the_next_column_the_time(history):
    assert history("h.csv", "time,_timestamp,loss\n0.5,1700000000,5\n") == [
        ("time", 0, T, 0.5),
        ("loss", 0, T, 5.0),
    ]
    assert history("h.csv", "time,loss\n00:12,5\n") == [("loss", 0, None, 5.0)]


@pytest.mark.parametrize("name", ["metric", "name", "key", "tag", "Metric"])
def test_one_row_a_value(history, name):
    text = f"{name},step,value,time\na,1,0.5,1700000000\nb,1,nan,\na,2,,\nc,2,x,\n"
    assert same(history("h.csv", text), [("a", 1, T, 0.5), ("b", 1, None, math.nan)])
    rows = [{name: "a", "step": 1, "value": 0.5}, {name: "step", "step": 2, "value": 3}]
    points = [("a", 1, None, 0.5), ("step", 2, None, 3.0)]
    assert history("h.jsonl", "\n".join(map(json.dumps, rows))) == points
    assert history("h.json", json.dumps(rows)) == points


AB = [("a", 0, None, 1.0), ("b", 0, None, 3.0)]


@pytest.mark.parametrize(
    "name,text,points",
    [
        ("h.csv", "", []),
        ("h.csv", "step,loss\n", []),
        ("h.csv", "\ufeffloss\r\n5\r\n", [("loss", 0, None, 5.0)]),
        ("h.csv", "\ufeff\n\nstep;loss\n1;5\n", [("loss", 1, None, 5.0)]),
        ("h.csv", "step\tloss\n1\t5\n", [("loss", 1, None, 5.0)]),
        ("h.csv", "loss,host\n5,gpu-1\n", [("loss", 0, None, 5.0)]),
        ("h.csv", "a,b\n,1\n2,\n", [("b", 0, None, 1.0), ("a", 1, None, 2.0)]),
        (
            "h.csv",
            "step,loss\n1,5\nstep,loss\n2,6\n",
            [("loss", 1, None, 5.0), ("loss", 2, None, 6.0)],
        ),
        ("h.csv", "step,a,b\n1,5\n", [("a", 1, None, 5.0)]),
        ("h.csv", "step,a,\n1,5,\n", [("a", 1, None, 5.0)]),
        ("h.csv", "a,b\nnan,.nan\n", [("a", 0, None, math.nan), ("b", 0, None, math.nan)]),
        ("h.csv", "a,b\n-inf,.inf\n", [("a", 0, None, -math.inf), ("b", 0, None, math.inf)]),
        ("h.csv", 'step,"a, b"\n1,"5"\n', [("a, b", 1, None, 5.0)]),
        ("h.jsonl", "", []),
        ("h.jsonl", '\n{"a": 1}\n\n{"a": 2}\n', [("a", 0, None, 1.0), ("a", 1, None, 2.0)]),
        ("h.jsonl", '{"a": NaN, "b": "5", "c": true}', [("a", 0, None, math.nan)]),
        ("h.jsonl", '{"a": "-inf", "b": ["5"], "c": ""}', [("a", 0, None, -math.inf)]),
        ("h.jsonl", '{"a": {"b": {"c": 1}}, "d": [1]}', [("a.b.c", 0, None, 1.0)]),
        ("h.json", "[]", []),
        ("h.json", ' [ {"a": 1} , {"a": 2} ] ', [("a", 0, None, 1.0), ("a", 1, None, 2.0)]),
        ("h.json", '[{"a": 1, "b": [1, 2]}]', [("a", 0, None, 1.0)]),
        ("h.json", '{"a": 1}', [("a", 0, None, 1.0)]),
        ("h.json", '{"a": [1, 2], "b": [3]}', [*AB, ("a", 1, None, 2.0)]),
        ("h.json", '{"a": [1], "classes": ["x"], "n": 7}', [("a", 0, None, 1.0)]),
    ],
)
def test_shapes(history, name, text, points):
    assert same(history(name, text), points)


@pytest.mark.parametrize(
    "name,text,said",
    [
        ("h.csv", "step,loss\n1,5\n2,bad\n", "line 3, column loss: bad is not a number"),
        ("h.csv", 'step,note,loss\n1,"two\nlines",5\n2,x,bad\n', "line 4, column loss: bad is not"),
        ("h.csv", "step,loss\n1,5\n2,1_0\n", "column loss: 1_0 is not a number"),
        ("h.csv", "step,loss\n1,5\n2,\x1b[31m\n", "column loss: \\x1b[31m is not a number"),
        ("h.csv", "step,loss\n1.5,5\n", "line 2, column step: 1.5 is not a whole number"),
        ("h.csv", "step,loss\nnan,5\n", "column step: nan is not a whole number"),
        ("h.csv", "step,loss\none,5\n", "column step: one is not a whole number"),
        ("h.csv", "step,loss\n9223372036854775808,5\n", "is not a whole number"),
        ("h.csv", "step,loss\n1e300,5\n", "column step: 1e300 is not a whole number"),
        ("h.csv", ",loss\nx,5\n", "column without a name: x is not a whole number"),
        ("h.csv", "time,loss\n1700000000,5\nsoon,5\n", "column time: soon is not a time"),
        ("h.csv", "time,loss\n1700000000,5\n12,5\n", "column time: 12 is not a time"),
        ("h.csv", "loss\n5\n1,2\n", "line 3: 2 cells under 1 names"),
        ("h.csv", "loss,loss\n5,6\n", "has two columns called loss"),
        ("h.csv", "0,0.5\n1,0.4\n", "line 1: the first line has numbers, not names"),
        (
            "h.csv",
            "step,host\n1,gpu\n",
            "holds no metric: no column begins with a number (host, step)",
        ),
        ("h.csv", "step\n1\n", "holds no metric"),
        ("h.csv", "metric,step,value\na,1,x\n", "holds no metric"),
        ("h.csv", "metric,step,value\na,1,5\na,2,x\n", "line 3, column a: x is not a number"),
        ("h.csv", "a\u202eb\n5\n", "The name of a metric holds a control or bidirectional"),
        ("h.csv", "k" * 251 + "\n5\n", "has 251 characters"),
        ("h.csv", "x" * (LINE_LIMIT + 1), "has a line of more than 4,194,304 characters"),
        ("h.csv", 'a\n"' + "x\n" * 100_000, "field larger than field limit"),
        (
            "h.csv",
            ",".join(f"c{i}" for i in range(10_001)) + "\n" + "1," * 10_000 + "1",
            "more than 10,000",
        ),
        ("h.csv", b"loss\n5\n\xff\n", "is not UTF-8 text"),
        ("h.csv", b"loss\n" + b"5\n" * 100_000 + b"\xff\n", "is not UTF-8 text"),
        ("h.csv", "loss\n5\n".encode("utf-16"), "is UTF-16 text"),
        ("h.csv", b"PK\3\4\0\0", "is a binary file, not text"),
        ("h.jsonl", '{"a": 1}\n{"a": "x"}\n', "line 2, column a: x is not a number"),
        ("h.jsonl", '{"a": 1}\n{"a": true}\n', "line 2, column a: True is not a number"),
        ("h.jsonl", '{"a": 1}\n{"a": ' + "9" * 400 + "}\n", "line 2, column a: 999"),
        ("h.jsonl", '{"a": 1}\n\n{"a": 2, "b\n', "line 3: not JSON"),
        ("h.jsonl", '{"a": 1}\n{"a": 2,\n "b" 3}', "line 3: not JSON: expecting ':' delimiter"),
        ("h.jsonl", '{"a": 1}\n[2]\n', "line 2: [2] is not an object"),
        ("h.jsonl", '{"a": 1}\n{"a": ' + "[" * 100_000, "line 2: it nests too deep"),
        ("h.jsonl", '{"a": ' + "[" * 40 + "]" * 40 + "}", "nests deeper than 32 levels"),
        ("h.jsonl", '{"a": ' + "9" * 5000 + "}", "line 1: a number has too many digits"),
        ("h.jsonl", '{"a": 1, "a": 2}', "the key a twice in one object"),
        ("h.jsonl", '{"a": {"b": 1}, "a.b": 2}', "two values for a.b: 1 and 2"),
        ("h.json", '[{"a": 1}\n{"a": 2}]', "line 2: not JSON: a comma is missing here"),
        ("h.json", '[{"a": 1},\n{"a": 2}', "line 2: not JSON: the array has no end"),
        ("h.json", '[{"a": 1}]\n[]', "line 2: not JSON: there is more after the array"),
        ("h.json", '[{"a": 1}, 5]', "line 1: 5 is not an object"),
        ("h.json", '"words"', "line 1: words is not an object"),
        ("h.json", '{"log_history": [3]}', "line 1: 3 is not an object"),
        ("h.json", '{"log_history": [{"model": "rf"}]}', "holds no metric"),
        ("h.json", '{"classes": ["a", "b"]}', "holds no metric: no column begins with a number"),
        ("h.log", "loss\n5\n", "not a kind of file that histories are read from"),
    ],
)
def test_what_is_refused_and_how(history, name, text, said):
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        history(name, text)
    assert caught.value.message.isprintable()


def test_what_can_be_said_without_reading_is_said_at_once(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        read_history(DATA / "kears.csv")
    assert caught.value.hint == "did you mean keras.csv?"
    with pytest.raises(InputError, match=r"is a folder without a \.tsv file"):
        read_history(tmp_path)
    with pytest.raises(InputError, match="not a kind of file"):
        read_history(Path(__file__))


def test_points_before_what_is_wrong_are_yielded(tmp_path):
    path = tmp_path / "h.csv"
    path.write_text("loss\n5\nbad\n", encoding="utf-8")
    points = read_history(path)
    assert next(points) == ("loss", 0, None, 5.0)
    with pytest.raises(InputError):
        next(points)


def write(path, rows):
    """Write ``rows`` in the format that the suffix says."""
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix in {".csv", ".tsv"}:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerow(rows[0])
            writer.writerows(row.values() for row in rows)
        elif path.suffix == ".json":
            json.dump(rows, file)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json"])
def test_memory_does_not_grow_with_the_file(tmp_path, suffix):
    def peak(count):
        path = tmp_path / f"h{suffix}"
        write(path, [{"step": i, "loss": 1 / (i + 1), "note": "x" * 50} for i in range(count)])
        tracemalloc.start()
        try:
            points = sum(1 for _ in read_history(path))
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert points == count
        return most

    assert peak(24_000) < 1.2 * peak(8_000)


COLUMNS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
    .map(lambda name: f"m {name}")  # no column of steps, times, names or values
    .filter(lambda name: name == name.strip()),
    min_size=1,
    max_size=5,
    unique_by=str.casefold,
)


@st.composite
def tables(draw):
    names = draw(COLUMNS)
    row = st.tuples(st.integers(-(2**63), 2**63 - 1), *(st.floats() for _ in names))
    return [
        dict(zip(["step", *names], cells, strict=True)) for cells in draw(st.lists(row, min_size=1))
    ]


@given(rows=tables())
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json"])
def test_a_table_comes_back_as_it_was_written(tmp_path_factory, suffix, rows):
    path = tmp_path_factory.getbasetemp() / f"round{suffix}"
    write(path, rows)
    expected = [
        (name, row["step"], None, value)
        for row in rows
        for name, value in row.items()
        if name != "step"
    ]
    assert same(list(read_history(path)), expected)


@given(
    data=st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json"])
def test_whatever_is_in_the_file_it_is_read_or_refused(tmp_path_factory, suffix, data):
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    path.write_bytes(data)
    said, points = "", []
    try:
        points = list(read_history(path))
    except InputError as error:
        said = error.message
    assert visible(said, 10_000) == said
    assert all(isinstance(value, float) for *_, value in points)
