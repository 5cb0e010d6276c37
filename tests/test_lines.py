"""JSON lines: every value and every edit comes back as it was."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitml.errors import DamagedError
from gitml.lines import (
    VALUE_DEPTH,
    dump_edit,
    dump_edits,
    dump_json,
    edit_from_json,
    load_edits,
    load_json,
    without_surrogates,
)
from gitml.model import Edit
from tests.test_codec import same

FLOAT_KEYS = ["$float", "$$float", "$"]
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(FLOAT_KEYS), inner, max_size=3)
    ),
    max_leaves=10,
)
edits = st.builds(
    Edit,
    at=st.integers(0, 253_402_300_799_000),
    id=st.text("0123456789abcdef", min_size=16, max_size=16),
    by=st.text(),
    key=st.text(min_size=1),
    json=values.map(dump_json),
)


@given(values)
@example({"$float": "NaN"})
@example({"$$float": {"$float": math.nan}})
@example([math.nan, -math.inf, -0.0, {"$float": math.inf}])
@example("\u2028\x85\n\x00\U0001f600")
def test_a_value_is_one_line_of_strict_json_and_comes_back(value):
    text = dump_json(value)
    assert "\n" not in text
    assert same(load_json(text), value)
    assert dump_json(load_json(text)) == text
    json.loads(text, parse_constant=pytest.fail)
    text.encode()


@given(st.text(st.characters(exclude_categories=[])))
@example("caf\udce9")
def test_what_is_no_character_is_written_out(text):
    told = without_surrogates(text)
    told.encode()
    assert load_json(dump_json({text: [text]})) == {told: [told]}
    if told == text:
        assert not any("\ud800" <= c <= "\udfff" for c in text)


@given(st.frozensets(edits, max_size=6))
def test_edits_come_back_and_are_sorted(many):
    data = dump_edits(many)
    assert load_edits(data, "x") == many
    assert dump_edits(load_edits(data, "x")) == data
    assert data.count(b"\n") == len(many)
    times = [json.loads(line)["at"] for line in data.split(b"\n")[:-1]]
    assert times == sorted(times)


def test_the_order_of_lines_does_not_matter_nor_twins_nor_what_else_a_line_holds():
    first = Edit(at=2, id="a" * 16, by="A <a@b>", key="note", json='"x"')
    second = Edit(at=1, id="b" * 16, by="A <a@b>", key="status", json='"finished"')
    lines = [dump_edit(first), dump_edit(second), dump_edit(first)]
    lines.append('{"by": "A <a@b>", "at": 1, "value" : "finished", "new": {}, "key": "status", ')
    lines[-1] += f'"id": "{"b" * 16}"}}'
    assert load_edits("\n".join([*lines, "", ""]).encode(), "x") == {first, second}


WRONG = [
    *["", "[]", "1", "{", "null", '{"at":1}', "[" * 100_000],
    '{"at":true,"id":"0123456789abcdef","by":"a","key":"note","value":1}',
    '{"at":-1,"id":"0123456789abcdef","by":"a","key":"note","value":1}',
    '{"at":1e3,"id":"0123456789abcdef","by":"a","key":"note","value":1}',
    '{"at":253402300800000,"id":"0123456789abcdef","by":"a","key":"note","value":1}',
    '{"at":1,"id":"0123456789ABCDEF","by":"a","key":"note","value":1}',
    '{"at":1,"id":"0123456789abcdef\\n","by":"a","key":"note","value":1}',
    '{"at":1,"id":"0123456789abcdef","by":null,"key":"note","value":1}',
    '{"at":1,"id":"0123456789abcdef","by":"a","key":"","value":1}',
    '{"at":1,"id":"0123456789abcdef","by":"a","key":"note","value":%s}' % ("9" * 5000),
    '{"at":1,"id":"0123456789abcdef","by":"a","key":"note","value":%s}'
    % ("[" * 30 + "1" + "]" * 30),
    '{"at":1,"id":"0123456789abcdef","by":"a","key":"note","value":%s}' % ("[" * 900 + "]" * 900),
]


@pytest.mark.parametrize("line", WRONG[1:], ids=lambda line: line[:80])
def test_a_line_that_is_no_edit_is_named(line):
    good = dump_edit(Edit(at=1, id="a" * 16, by="A", key="note", json="1"))
    with pytest.raises(DamagedError, match=r"(?m)^edits.jsonl cannot be read: .*, line 2\.$"):
        load_edits(f"{good}\n{line}\n".encode(), "edits.jsonl")


def test_edits_are_utf8():
    with pytest.raises(DamagedError, match="line 1"):
        load_edits(b'{"at": "\xff"}\n', "edits.jsonl")
    with pytest.raises(DamagedError, match="line 1"):
        load_edits(b"\xed\xa0\x80\n", "edits.jsonl")


def test_an_edit_has_one_form_whoever_wrote_it():
    loose = {
        "at": 1,
        "id": "a" * 16,
        "by": "\udce9",
        "key": "tags.\ud800",
        "value": [1.0, "\ud800"],
    }
    edit = edit_from_json(loose)
    assert edit.key == "tags.\\ud800"
    assert edit.json == '[1.0,"\\\\ud800"]'
    assert edit_from_json(load_json(dump_edit(edit))) == edit


def test_json_that_cannot_be_kept_is_a_value_error():
    circle = []
    circle.append(circle)
    deep = 1
    for _ in range(VALUE_DEPTH + 1):
        deep = [deep]
    for value in (circle, 10**5000, deep, [deep, math.nan]):
        with pytest.raises(ValueError, match=r"nest|digits"):
            dump_json(value)
    assert load_json(dump_json(deep[0])) == deep[0]
    wide = [[n, [n]] for n in range(1000)]
    assert load_json(dump_json(wide)) == wide
