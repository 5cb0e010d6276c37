"""A run as files and as JSON: nothing is lost on the way, and nothing impossible gets in."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitml import names
from gitml.codec import STORED_LIMIT, dump
from gitml.errors import DamagedError, InputError
from gitml.model import Artifact, Dataset, Environment, Metric, Run, Source, from_iso, iso
from gitml.records import (
    compact_metric,
    load_run,
    parse_artifact,
    run_document,
    run_files,
    run_json,
)

LAST = 253_402_300_799_999
texts = st.text(max_size=20)
words = st.text(min_size=1, max_size=12)
optional = st.none() | texts
times = st.integers(0, LAST)
whole = st.none() | st.integers(0, 2**63)
numbers = st.floats(allow_nan=False)  # NaN is not equal to itself; tests/format has it
values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
some = st.lists(texts, max_size=3).map(tuple)


def is_path(text):
    try:
        return names.check_path(text) == text
    except InputError:
        return False


paths = st.text("ab./~", min_size=1, max_size=9).filter(is_path)
sources = st.builds(
    Source,
    **dict.fromkeys(("commit", "branch", "tree", "remote", "script"), optional),
    dirty=st.booleans(),
    command=some,
    changed=some,
    left_out=some,
)
environments = st.builds(
    Environment,
    **dict.fromkeys(("python", "platform", "host", "cpu", "gpu"), optional),
    variables=st.dictionaries(texts, texts, max_size=2),
)
profiles = st.none() | st.dictionaries(words, values, min_size=1, max_size=2)
datasets = st.builds(
    Dataset,
    name=texts,
    **dict.fromkeys(("digest", "context", "uri"), optional),
    **dict.fromkeys(("size", "files", "rows"), whole),
    columns=st.none() | st.lists(texts, min_size=1, max_size=3).map(tuple),
    schema=profiles,
    profile=profiles,
)
metrics = st.builds(
    Metric,
    last=numbers,
    step=st.integers(-(2**63), 2**63),
    min=numbers,
    max=numbers,
    count=st.integers(1, 10**9),
    goal=st.sampled_from([None, "min", "max"]),
)
artifacts = st.builds(
    Artifact,
    path=paths,
    size=whole,
    **dict.fromkeys(("sha256", "media_type", "uri"), optional),
    store=st.sampled_from(["git", "lfs", "uri"]),
)
unknown = words.filter(lambda key: key not in run_document(RUN) and key not in KNOWN)
KNOWN = {f.name for f in fields(Run)} | {"schema"}
RUN = Run(id="0" * 32, name="a", experiment="b", status="running", created=0)
runs = st.builds(
    Run,
    id=st.integers(0, 2**128 - 1).map("{:032x}".format),
    name=words,
    experiment=words,
    status=st.sampled_from(names.STATUSES),
    created=times,
    ended=st.none() | times,
    updated=times,
    author=texts,
    parent=st.none() | words,
    source=sources,
    environment=environments,
    inputs=st.lists(datasets, max_size=2).map(tuple),
    params=st.dictionaries(texts, values, max_size=4),
    metrics=st.dictionaries(texts, metrics, max_size=3),
    tags=st.dictionaries(texts, texts, max_size=3),
    note=st.none() | words,
    artifacts=st.lists(artifacts, max_size=3).map(lambda many: {a.path: a for a in many}),
    deleted=st.booleans(),
    conflict=some,
    extra=st.dictionaries(unknown, values.filter(lambda v: v is not None), max_size=2),
)


@given(runs)
@settings(max_examples=150)
def test_a_run_comes_back_from_its_files(run):
    files = run_files(run)
    again = load_run(files, "the run")
    assert again == run
    assert run_files(again) == files


@given(runs)
@settings(max_examples=100)
def test_its_json_is_strict_and_has_every_key(run):
    document = run_json(run)
    assert list(document)[-1] == "conflict"
    assert set(document) >= {f.name for f in fields(Run)} - {"extra"}
    assert json.loads(json.dumps(document, allow_nan=False)) is not None


def test_json_has_null_where_json_has_no_number():
    nan = float("nan")
    metric = Metric(last=nan, step=1, min=float("-inf"), max=2.0, count=3)
    run = replace(RUN, params={"a": [nan, 1.0]}, metrics={"loss": metric})
    document = run_json(run)
    assert document["params"] == {"a": [None, 1.0]}
    assert document["metrics"]["loss"] == {
        "last": None,
        "step": 1,
        "min": None,
        "max": 2.0,
        "count": 3,
    }
    assert "goal" not in compact_metric(metric)
    assert document["duration"] is None
    assert run_json(replace(RUN, ended=1500))["duration"] == 1.5


def test_the_order_of_keys_in_memory_leaves_no_trace():
    one = replace(RUN, params={"b": 1, "a": 2}, tags={"y": "1", "x": "2"}, extra={"q": 1, "p": 2})
    other = replace(RUN, params={"a": 2, "b": 1}, tags={"x": "2", "y": "1"}, extra={"p": 2, "q": 1})
    assert run_files(one) == run_files(other)
    assert list(run_files(one)) == ["run.yaml", "params.yaml"]


HEAD = run_document(RUN)
WRONG = {
    "no id": {"id": None},
    "another id": {"id": "xyz"},
    "an id in capitals": {"id": "A" * 32},
    "no name": {"name": 5},
    "an experiment that is a list": {"experiment": []},
    "a status of its own": {"status": "done"},
    "a status that is a mapping": {"status": {}},
    "a time of its own": {"created": "yesterday"},
    "a time that is a number": {"created": 5},
    "an end of its own": {"ended": {}},
    "a parent that is a number": {"parent": 1},
    "inputs in a mapping": {"inputs": {"name": "x"}},
    "an input without a name": {"inputs": [{"digest": "x"}]},
    "an input with text for rows": {"inputs": [{"name": "x", "rows": "many"}]},
    "a source that is text": {"source": "here"},
    "a source with dirt": {"source": {"dirty": "yes"}},
    "a command that is text": {"source": {"command": "python"}},
    "an environment in a list": {"environment": [1]},
    "a variable that is a number": {"environment": {"variables": {"A": 1}}},
    "tags that are numbers": {"tags": {"a": 1}},
    "a note in a list": {"note": ["x"]},
    "half deleted": {"deleted": "half"},
    "a conflict that is text": {"conflict": "lr"},
}


@pytest.mark.parametrize("what", WRONG)
def test_what_a_run_cannot_be_is_damage(what):
    document = {k: v for k, v in {**HEAD, **WRONG[what]}.items() if v is not None}
    with pytest.raises(DamagedError, match=r"(?m)^the run 0 cannot be read: .*\.$"):
        load_run({"run.yaml": dump(document)}, "the run 0")


@pytest.mark.parametrize(
    "name, text",
    [
        ("params.yaml", "[1]"),
        ("params.yaml", "1: a"),
        ("metrics.yaml", "auc: 0.5"),
        ("metrics.yaml", "auc: {last: high, step: 1, min: 1, max: 1, count: 1}"),
        ("metrics.yaml", "auc: {last: 1, step: 1.5, min: 1, max: 1, count: 1}"),
        ("metrics.yaml", "auc: {last: true, step: 1, min: 1, max: 1, count: 1}"),
        ("metrics.yaml", "auc: {last: 1}"),
        ("metrics.yaml", f"auc: {{last: 1{'0' * 400}, step: 1, min: 1, max: 1, count: 1}}"),
        ("metrics.yaml", "auc: {last: 1, step: 1, min: 1, max: 1, count: 1, goal: [max]}"),
        ("metrics.yaml", "auc: {last: 1, step: 1, min: 1, max: 1, count: 1, goal: up}"),
        ("artifacts.yaml", "a: 1"),
        ("artifacts.yaml", "a: {size: big}"),
        ("artifacts.yaml", "../../.ssh/authorized_keys: {size: 1}"),
        ("artifacts.yaml", "/etc/passwd: {size: 1}"),
        ("artifacts.yaml", "a/.git/config: {size: 1}"),
        ("artifacts.yaml", "a//b: {size: 1}"),
        ("artifacts.yaml", '"a\\e[31m": {size: 1}'),
    ],
)
def test_damage_beside_run_yaml(name, text):
    with pytest.raises(DamagedError) as caught:
        load_run({"run.yaml": dump(HEAD), name: text.encode()}, "the run 0")
    assert caught.value.message.isprintable()


def test_run_yaml_must_be_there():
    with pytest.raises(DamagedError, match=r"has no run\.yaml"):
        load_run({"params.yaml": b"{}"}, "the run 0")


def test_a_file_over_the_limit_is_refused_before_it_is_read():
    with pytest.raises(DamagedError, match="more than the limit"):
        load_run({"run.yaml": b"#" * (STORED_LIMIT + 1)}, "the run 0")


@given(st.text(max_size=30))
@example("a/../b")
@example("a/./b")
@example("a\\b")
def test_an_artifact_that_is_read_is_one_that_could_be_logged(path):
    try:
        artifact = parse_artifact(path, {})
    except ValueError:
        assert not is_path(path)
    else:
        assert artifact.path == names.check_path(path)


@given(st.integers(-62_135_596_800_000, LAST))
@example(0)
@example(LAST)
@example(-62_135_596_800_000)
def test_times_come_back_to_the_millisecond(ms):
    text = iso(ms)
    assert from_iso(text) == ms
    assert len(text) == len("2026-11-23T09:12:00.000Z")


@pytest.mark.parametrize(
    "text", ["", "x", "2026", "2026-13-01T00:00:00Z", "09:12", "2026-11-23T25:00"]
)
def test_what_is_no_time(text):
    with pytest.raises(ValueError, match=r"."):
        from_iso(text)


def test_a_time_without_zone_is_utc():
    assert iso(from_iso("2026-11-23 09:12:00")) == "2026-11-23T09:12:00.000Z"
    assert iso(from_iso("2026-11-23T09:12:00.1239+02:00")) == "2026-11-23T07:12:00.123Z"
