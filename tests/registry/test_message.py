from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gitml.codec import load_stored
from gitml.errors import DamagedError, InputError, NewerSchemaError
from gitml.names import is_hostile
from gitml.registry.message import (
    check_text,
    dump_fields,
    dump_verdicts,
    event_message,
    event_of,
    parse_fields,
    parse_verdicts,
)
from gitml.registry.values import Event, Verdict

ANY = st.text(st.characters(exclude_categories=["Cs"]))
FIELDS = st.dictionaries(st.from_regex(r"f_[a-z0-9_]{0,8}", fullmatch=True), ANY, min_size=1)
VERDICT = Verdict(
    gate="any",
    kind="any",
    answer="pass",
    got="1 of 2",
    expected="one",
    inner=(Verdict(gate="metrics.auc >= 0.9", answer="unknown", got="–", expected=">= 0.9"),),
)
EVENT = Event(
    kind="assign",
    at=1_767_322_800_000,
    by="Ada Author <ada@example.com>",
    commit="c" * 40,
    model="Customer churn",
    version="v1.2.0",
    stage="production",
    n=3,
    tags=("churn#production#3",),
    previous="v1.1.0",
    run="a" * 32,
    digest="sha256:" + "b" * 64,
    reason="It is\n#1\n\n-- \nreally",
    via="promote",
    change="d" * 40,
    review="https://example.com/pull/1",
    gates=(VERDICT,),
    extra={"repository": "x", "newer": "y"},
)


@given(FIELDS)
def test_fields_are_read_as_they_were_written_by_yaml_too(fields):
    text = dump_fields(fields)
    assert parse_fields(text) == fields
    assert parse_fields(f"A sentence\n\n{text}") == fields
    assert load_stored(text.encode(), "fields", names=True) == fields
    assert yaml.safe_load(text) == fields
    assert not any(is_hostile(char) for char in text.replace("\n", ""))


def test_an_event_is_read_as_it_was_written():
    text = event_message(EVENT, "Put churn v1.2.0\nin production\x1b")
    assert text.startswith('Put churn v1.2.0\\nin production\\x1b\n\nevent: "assign"\n')
    read = event_of(parse_fields(text), at=EVENT.at, by=EVENT.by, commit=EVENT.commit)
    assert read == EVENT


def test_what_is_absent_is_left_out():
    event = Event(kind="describe", at=0, by="")
    assert event_message(event, "Say") == 'Say\n\nevent: "describe"\n'
    assert event_of({"event": "describe"}, at=0, by="") == event


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A sentence alone",
        'event: "a"\n\n',
        'event: "a"\nevent: "b"\n',
        "event: a\n",
        "event: 1\n",
        'event: "a" # and more\n',
        "event: 'a'\n",
        'Event: "a"\n',
        'event:"a"\n',
        'event: "a"\n  and more\n',
        'event: "a"\r\n',
        'event: ["a"]\n',
        "event: " + "[" * 100_000 + "\n",
    ],
)
def test_what_is_no_list_of_fields_is_refused(text):
    with pytest.raises(DamagedError):
        parse_fields(text)


@pytest.mark.parametrize(
    "fields,error",
    [
        ({"model": "churn"}, DamagedError),
        ({"event": "assign", "n": "-1"}, DamagedError),
        ({"event": "assign", "n": "1" * 5000}, DamagedError),
        ({"event": "assign", "gates": "no"}, DamagedError),
        ({"event": "assign", "gates": "{}"}, DamagedError),
        ({"event": "assign", "gates": "[1]"}, DamagedError),
        ({"event": "assign", "gates": '[{"answer": "maybe"}]'}, DamagedError),
        ({"event": "assign", "gates": '[{"answer": "pass", "got": 1}]'}, DamagedError),
        ({"event": "assign", "gates": "[" * 50_000}, DamagedError),
        ({"event": "assign", "schema": "x"}, DamagedError),
        ({"event": "assign", "schema": "2"}, NewerSchemaError),
    ],
)
def test_what_is_no_event_is_refused(fields, error):
    with pytest.raises(error) as caught:
        event_of(fields, at=0, by="")
    assert type(caught.value) is error


def test_verdicts_that_nest_too_deep_are_refused():
    deep = VERDICT
    for _ in range(9):
        deep = Verdict(gate="all", answer="pass", got="", expected="", inner=(deep,))
    with pytest.raises(ValueError, match="too deep"):
        parse_verdicts(dump_verdicts([deep]))


def test_an_event_of_a_newer_kind_is_kept():
    assert event_of({"event": "celebrate", "cake": "yes"}, at=0, by="").extra == {"cake": "yes"}


@pytest.mark.parametrize(
    "text", ["x" * 4001, "a\x1bb", "a\u202eb", "-----BEGIN PGP SIGNATURE-----"]
)
def test_texts_of_people_that_are_refused(text):
    with pytest.raises(InputError):
        check_text(text, "reason")


def test_texts_of_people_keep_their_lines():
    assert check_text("  two\r\nlines\t– é \n", "reason") == "two\nlines\t– é"
