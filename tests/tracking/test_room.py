"""No recorder writes a run that its readers would refuse."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import gitml
from gitml.codec import NODE_LIMIT, STORED_LIMIT, dump
from gitml.errors import InputError, RefusedError
from gitml.tracking.room import Room, weigh
from tests.test_codec import TRAPS

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cc", "Cf", "Zs", "Co"]))
    | st.sampled_from(TRAPS)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300)
@given(values)
def test_a_weight_is_never_too_light(value):
    weight = weigh(value)
    data = dump([value])
    events = list(yaml.parse(data, Loader=yaml.CSafeLoader))
    nodes = sum(isinstance(event, yaml.NodeEvent) for event in events)
    assert weight.values == nodes - 1
    assert weight.size + 2 >= len(data) - 2


@pytest.mark.parametrize("text", ["x" * 300_000, "x y " * 70_000, "a\nb " * 70_000, "é" * 99_999])
def test_long_texts_are_not_too_light_either(text):
    for value in (text, [[[[[text]]]]]):
        assert weigh(value).size >= len(dump([value])) - 4


def log_params(run):
    for number in range(100):
        run.log_param(f"p{number}", "x" * 60_000)


def log_lists(run):
    for number in range(20):
        run.log_param(f"p{number}", [1] * 30_000)


def log_metrics(run):
    for number in range(20_000):
        run.log_metric(f"metric/{number}", 1.0, 0)


def log_tags(run):
    run.set_tags({f"tag-{number}": "x" for number in range(100_000)})


def log_edits(run):
    for number in range(2000):
        run.note("x" * 60_000 + str(number))


@pytest.mark.parametrize("log", [log_params, log_lists, log_metrics, log_tags, log_edits])
def test_a_run_that_is_full_can_be_read(repo, monkeypatch, log):
    monkeypatch.chdir(repo)
    run = gitml.start_run("full")
    run.log_metric("after", 0.0)
    with pytest.raises(RefusedError) as caught:
        log(run)
    assert caught.value.hint
    run.log_metric("after", 1.0)
    run.end()
    again = gitml.get_run(run.id)
    assert (again.status, again.metrics["after"].count) == ("finished", 2)


def test_what_was_logged_before_counts_when_a_run_goes_on(repo, monkeypatch):
    monkeypatch.chdir(repo)
    with gitml.start_run("full") as run:
        for number in range(40):
            run.log_param(f"p{number}", "x" * 60_000)
    again = gitml.start_run(run_id=run.id)
    with pytest.raises(RefusedError, match="any more params"):
        log_params(_Renamed(again))
    again.end()
    assert len(gitml.get_run(run.id).params) > 40


class _Renamed:
    def __init__(self, run):
        self._run = run

    def log_param(self, name, value):
        self._run.log_param(f"more-{name}", value)


def test_a_fact_that_is_stated_again_takes_no_more_room():
    room = Room()
    for _ in range(1000):
        room.take({"tags.a": "x" * 60_000}, 0)
    for _ in range(2):
        with pytest.raises(RefusedError):
            room.take({"tags.b": "x" * STORED_LIMIT}, 0)
    room.take({"tags.b": "x"}, 0)
    room.take({"params.a": [1] * (NODE_LIMIT // 2)}, 0)
    with pytest.raises(RefusedError, match="params"):
        room.take({"params.b": [1] * (NODE_LIMIT // 2), "params.c": 1}, 0)
    room.take({"params.c": 1}, 0)


def deep(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


def circle():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value", [deep(40), deep(900), deep(100_000), circle(), 10**5000], ids=lambda _: "value"
)
def test_a_param_that_no_file_can_hold(repo, monkeypatch, value):
    monkeypatch.chdir(repo)
    with gitml.start_run("full") as run:
        with pytest.raises(InputError):
            run.log_param("a", value)
        run.log_param("b", 1)
    assert gitml.get_run(run.id).params == {"b": 1}


@pytest.mark.parametrize("time", [2**70, -(2**64), "now", 1.5, float("inf")])
def test_a_time_that_is_none_is_refused_and_not_lost(repo, monkeypatch, time):
    monkeypatch.chdir(repo)
    with gitml.start_run("times") as run:
        for value in (1.0, float("nan")):
            with pytest.raises(InputError, match="time of loss"):
                run.log_metric("loss", value, 1, time=time)
        run.log_metric("loss", 1.0, 1, time=1.767e12)
    assert [p.time for p in gitml.metric_history(run.id, "loss")] == [1_767_000_000_000]
