"""Signatures: read, compared, and what they mean for the next version."""

from __future__ import annotations

import pytest

from gitml.errors import InputError
from gitml.registry.signature import bump_for, differences, mlflow_signature, read_signature

AGE = {"type": "long", "name": "age"}
SPEND = {"type": "double", "name": "spend", "required": True}
NOTE = {"type": "string", "name": "note", "required": False}
SCORE = {"type": "double"}
TENSOR = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 28, 28]}}
BEFORE = {"inputs": [AGE, SPEND], "outputs": [SCORE], "params": None}


@pytest.mark.parametrize(
    "after, part, said",
    [
        ({**BEFORE, "inputs": [SPEND, AGE]}, "minor", "compatible"),
        ({**BEFORE, "inputs": [{**AGE, "required": True}, SPEND]}, "minor", "compatible"),
        ({**BEFORE, "inputs": [AGE, SPEND, NOTE]}, "minor", "compatible"),
        ({**BEFORE, "inputs": [{**AGE, "required": False}, SPEND]}, "minor", "compatible"),
        (
            {**BEFORE, "params": [{"name": "t", "type": "double", "default": 1.0}]},
            "minor",
            "compatible",
        ),
        ({**BEFORE, "inputs": [AGE]}, "major", "input spend was removed"),
        ({**BEFORE, "inputs": [AGE, SPEND, {**NOTE, "required": True}]}, "major", "note was added"),
        (
            {**BEFORE, "inputs": [{**AGE, "type": "double"}, SPEND]},
            "major",
            "input age was long and is double",
        ),
        ({**BEFORE, "outputs": [{"type": "long"}]}, "major", "output #1 was double and is long"),
        ({**BEFORE, "outputs": [SCORE, SCORE]}, "major", "output #2 was added"),
        ({**BEFORE, "outputs": None}, "major", "output #1 was removed"),
        (
            {"inputs": [TENSOR]},
            "major",
            "input age was removed, and 3 more",
        ),
        (None, "minor", "this version has no signature"),
    ],
)
def test_the_next_version_follows_the_signature(after, part, said):
    bump, why = bump_for(BEFORE, after)
    assert (bump, said in why) == (part, True), why


def test_without_signatures():
    assert bump_for(None, None) == ("minor", "neither version has a signature")
    assert bump_for(None, BEFORE) == ("minor", "the one before has no signature")


def test_tensors_and_making_an_input_required():
    narrower = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 32, 32]}}
    (found,) = differences({"inputs": [TENSOR]}, {"inputs": [narrower]})
    assert (found.sentence, found.breaks) == (
        "input #1 was float32 (-1, 28, 28) and is float32 (-1, 32, 32)",
        True,
    )
    (found,) = differences({"inputs": [NOTE]}, {"inputs": [{**NOTE, "required": True}]})
    assert (found.sentence, found.breaks) == ("input note was optional and is required", True)
    old = {"type": "array", "items": {"type": "long"}, "name": "ids"}
    (found,) = differences({"inputs": [old]}, {"inputs": [{**old, "items": {"type": "string"}}]})
    assert "array" in found.sentence
    assert found.breaks


def test_what_anybody_may_have_pushed_is_compared_without_failing():
    for hostile in ({"inputs": 3}, {"inputs": [3, {"name": 1}]}, [1], "text", {"outputs": {}}):
        differences(hostile, BEFORE)
        differences(BEFORE, hostile)
        bump_for(hostile, BEFORE)


def test_every_form_of_a_signature_is_read():
    class Theirs:
        def to_dict(self):
            return mlflow_signature(BEFORE)

    assert read_signature(Theirs()) == BEFORE
    assert read_signature({"inputs": [AGE, SPEND], "outputs": [SCORE]}) == BEFORE
    assert read_signature({}) is None
    assert read_signature(None) is None
    for wrong, said in [
        ([AGE], "not a mapping"),
        ({"input": [AGE]}, "not a mapping"),
        ({"inputs": AGE}, "not a list"),
        ({"inputs": [AGE, AGE]}, "twice"),
        ({"inputs": [{"type": 1}]}, "without a type"),
        ({"inputs": [{"type": "x", "more": {1, 2}}]}, "JSON cannot"),
    ]:
        with pytest.raises(InputError, match=said):
            read_signature(wrong)
