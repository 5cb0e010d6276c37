"""YAML: what is written is read alike by all, and what is hostile is refused in time."""

from __future__ import annotations

import contextlib
import itertools
import math
import subprocess
import sys
import time

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitml import codec
from gitml.codec import dump, load_stored, load_user_yaml, scalar_from_text
from gitml.errors import DamagedError, InputError, NewerSchemaError

TRAPS = [
    *"1e-5 1E5 1.e5 +1 -0 010 0o17 0x1f 0b1 1_000 .5 5. +.inf -.inf .NaN .nan 1e400 08 0.".split(),
    *"12:30:00 190:20:30.15 -1:30 1:60 2001-01-01 2001-01-01T00:00:00Z".split(),
    *"no No NO yes on off y n true True TRUE ~ null Null = << ! !a !!str &a *a".split(),
    *"- -- --- ... ? : # [ ] { } , | > @ ` ' \" \\ '' [] {} 中 é \U0001f600 १२".split(),
    *["", " ", "  ", "\t", "a ", " a", "a\t", "- a", "--- a", "? a", ": a", "a: b", "a #b", "a, b"],
    *["%YAML 1.1", "2001-01-01 00:00:00 +1", "|-\n", "...\n", "\n", "\n\n", "a\n", "a\nb", "\na"],
    *["a\n\n\n", "  a\n b", "a\n  b", "a \nb", "a\t\nb", "#a\nb", "a\n---\nb", "a\n...\n"],
    *["a:\nb", "- a\n- b\n", "\r", "a\rb", "\r\n", "a\r\nb\n", "\x00", "\x07", "\x1b[31m", "\x7f"],
    *["a\x7f\nb", "\x85", "a\x85b", "\u2028", "a\u2028b", "a\u2029\nb", "\xa0", "\xa0\n"],
    *["\n\u2028", "\ufeff", "\ufeffa", "a\ufeff", "\ufffe", "\uffff", "\ue000", "\U0001fffe"],
    *["\U0010ffff", "\u200b", "\u202e", "x" * 5000, "x " * 3000, ("y" * 90 + " ") * 60],
]
FLOATS = [1e22, 1e-5, -0.0, 1e300, 5e-324, math.nan, math.inf, -math.inf]
keys = st.one_of(
    st.sampled_from(TRAPS),
    st.text(min_size=1),
    st.text(max_size=200),
    st.text("a:- #\n'\"", max_size=9),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.text("ab \n\t-:#'\"\x85\u2028", max_size=12),
    st.sampled_from(TRAPS),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(keys.filter(lambda key: key != "schema"), values, max_size=5)


def same(one, other):
    """Compare as YAML means it: NaN is NaN, 1 is not 1.0 and not true, -0.0 is not 0.0."""
    if isinstance(one, float) and isinstance(other, float):
        return (one != one and other != other) or (  # noqa: PLR0124 - NaN
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@given(documents)
@settings(max_examples=200)
@example({})
@example({"a": [[], {}, [[]], {"": {}}]})
@example({text: text for text in TRAPS})
@example({"numbers": [0, -1, 2**70, *FLOATS]})
def test_every_reader_sees_what_was_written(document):
    data = dump(document)
    assert same(load_stored(data, "x"), document)
    assert same(load_user_yaml(data.decode(), "x"), document)
    assert same(yaml.safe_load(data), document), "YAML 1.1"
    assert same(yaml.load(data, Loader=yaml.SafeLoader), document), "YAML 1.1 without libyaml"
    assert dump(document) == data


def test_text_that_is_no_unicode_is_written_out():
    document = {"command": ["train", "caf\udce9.csv"], "\ud800": "\udfff\ud800"}
    told = {"command": ["train", "caf\\udce9.csv"], "\\ud800": "\\udfff\\ud800"}
    assert load_stored(dump(document), "x") == told
    assert yaml.safe_load(dump(document)) == told


def test_it_reads_as_people_write_it():
    document = {"name": "a", "lr": 1e-5, "note": "one\ntwo\n", "tags": {"a": "no"}, "l": [1, "1"]}
    assert dump(document).decode() == (
        "name: a\nlr: 1.0e-05\nnote: |\n  one\n  two\ntags:\n  a: 'no'\nl:\n- 1\n- '1'\n"
    )


ONE_POINT_TWO = {
    "1e-5": 1e-5,
    "1E5": 1e5,
    ".5": 0.5,
    "5.": 5.0,
    "010": 10,
    "0o17": 15,
    "0x1F": 31,
    "+12": 12,
    "-.inf": -math.inf,
    ".NaN": math.nan,
    "true": True,
    "FALSE": False,
    "~": None,
    "null": None,
    "no": "no",
    "Off": "Off",
    "y": "y",
    "12:30:00": "12:30:00",
    "1_000": "1_000",
    "0b1": "0b1",
    "2001-01-01": "2001-01-01",
    "=": "=",
    "1e400": math.inf,
    "nan": "nan",
    "inf": "inf",
    "-0o17": "-0o17",
    "tRue": "tRue",
}


@pytest.mark.parametrize("text", ONE_POINT_TWO)
def test_hand_written_scalars_are_those_of_yaml_1_2(text):
    assert same(load_user_yaml(f"a: {text}\n", "x"), {"a": ONE_POINT_TWO[text]})
    assert same(scalar_from_text(text), ONE_POINT_TWO[text])
    quoted = f"a: '{text}'\n"
    assert load_user_yaml(quoted, "x") == load_stored(quoted.encode(), "x") == {"a": text}


@given(st.one_of(st.text(), st.integers().map(str), st.floats().map(repr), st.sampled_from(TRAPS)))
@example("9" * 5000)
@example("")
def test_a_scalar_on_the_command_line_is_never_an_error(text):
    found = scalar_from_text(text)
    assert type(found) in {str, int, float, bool, type(None)}
    if isinstance(found, str):
        assert found == text


@given(scalars.filter(lambda v: not isinstance(v, str)))
def test_what_is_written_of_a_scalar_is_read_on_the_command_line(value):
    text = dump([value]).decode().removeprefix("- ").removesuffix("\n")
    assert same(scalar_from_text(text), value)


def test_anchors_and_merges_are_for_people():
    text = (
        "base: &b {lr: 1, depth: 2}\nrun:\n  <<: *b\n  lr: 3\nboth:\n  <<: [{a: 1}, {a: 2, c: 3}]\n"
    )
    told = {"base": {"lr": 1, "depth": 2}, "run": {"depth": 2, "lr": 3}, "both": {"a": 1, "c": 3}}
    assert load_user_yaml(text, "params.yaml") == told
    with pytest.raises(DamagedError, match="anchor"):
        load_stored(text.encode(), "run.yaml")
    assert load_stored(b"<<: {a: 1}\n", "run.yaml") == {"<<": {"a": 1}}, "no merging under refs"


REFUSED = {
    "an anchor": "a: &x 1\n",
    "an anchor in flow": "{a: [1,&x 2]}",
    "an anchor first": "&x\na: 1\n",
    "an anchor on a key": "&x a: 1\n",
    "an alias": "a: *x\n",
    "a tag": "a: !!python/object/apply:os.system [id]\n",
    "a tag of YAML": "a: !!binary aGk=\n",
    "a local tag": "a: !x 1\n",
    "a whole tag": "a: !<tag:yaml.org,2002:int> 1\n",
    "a tag of a prefix": "%TAG ! tag:yaml.org,2002:python/\n---\na: !object:x 1\n",
    "twice the same key": "a: 1\na: 2\n",
    "twice, once quoted": "a: 1\n'a': 2\n",
    "keys that are one to Python": "1: a\n1.0: b\n",
    "keys that are one to Python, too": "true: a\n1: b\n",
    "a list as key": "? [a]\n: 1\n",
    "a mapping as key": "? {a: 1}\n: 1\n",
    "two documents": "a: 1\n---\nb: 1\n",
    "no end": "a: [1\n",
    "a tab": "a:\n\t- b\n",
    "a control character": "a: \x01\n",
    "too many digits": f"a: {'9' * 5000}\n",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_under_refs_is_refused(what):
    with pytest.raises(DamagedError) as caught:
        load_stored(REFUSED[what].encode(), "run.yaml of 01234567")
    message = caught.value.message
    assert message.startswith("run.yaml of 01234567 cannot be read: ")
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize("what", [w for w in REFUSED if "anchor" not in w])
def test_what_by_hand_is_refused(what):
    with pytest.raises(InputError, match=r"(?m)^params.yaml is not YAML that can be read: .*\.$"):
        load_user_yaml(REFUSED[what], "params.yaml")


@pytest.mark.parametrize(
    "data",
    [b"\xff", b"[1]", b"a", b"", b"1: [", b"\x00", "a: \ud800".encode("utf-8", "surrogatepass")],
)
def test_what_is_no_mapping_of_utf8_is_damaged(data):
    with pytest.raises(DamagedError):
        load_stored(data, "run.yaml")


def test_a_refusal_shows_nothing_hostile():
    for text in ("*\x1b[31mred", "a: !\u202etag b", "a: 1\n'\\e[31m': 1\n'\\e[31m': 2\n"):
        with pytest.raises(InputError) as caught:
            load_user_yaml(text, "x")
        assert caught.value.message.isprintable()


@pytest.mark.parametrize("schema", [2, 99, 2**80])
def test_a_newer_schema_is_told_from_damage(schema):
    with pytest.raises(NewerSchemaError, match=r"schema .* reads up to 1") as caught:
        load_stored(f"schema: {schema}\nunknown: {{}}\n".encode(), "run.yaml")
    assert "pip install --upgrade gitml" in caught.value.hint


@pytest.mark.parametrize("schema", ["0", "-1", "1.0", "true", "one", "[]", "~"])
def test_a_schema_that_is_none_is_damage(schema):
    with pytest.raises(DamagedError) as caught:
        load_stored(f"schema: {schema}\n".encode(), "run.yaml")
    assert not isinstance(caught.value, NewerSchemaError)


BOMBS = {
    "aliases": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n" for p, c in itertools.pairwise("abcdefghi")
    ),
    "merges": "a: &a {x: 1}\n"
    + "".join(
        f"{c}: &{c} {{<<: [{','.join([f'*{p}'] * 9)}], {c}: 1}}\n"
        for p, c in itertools.pairwise("abcdefghijklmn")
    ),
    "merges of a large one": "a: &a {"
    + ",".join(f"k{n}: 1" for n in range(20000))
    + "}\n"
    + "".join(f"b{n}: {{<<: *a}}\n" for n in range(20000)),
    "itself": "a: &a [*a]\n",
    "itself in a mapping": "a: &a {b: *a}\n",
    "a million of values": "a: [" + "1," * 1_000_000 + "]",
    "a million of empty mappings": "- ?\n" * 1_000_000,
    "many keys": "".join(f"k{n}: 1\n" for n in range(40000)) + "k39999: 1\n",
    "digits": "a: [" + ",".join(["9" * 4200] * 900) + "]",
    "a long key": f"? {'k' * 1_000_000}\n: 1\n",
    "100 MB": "a: b\n" * 20_000_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_or_read_in_a_moment(bomb):
    start = time.process_time()
    for read, error in ((load_user_yaml, InputError), (_load_text, DamagedError)):
        try:
            found = read(BOMBS[bomb], "x")
        except error:
            continue
        assert bomb in {"digits", "a long key", "merges"}
        assert isinstance(found, dict)
    assert time.process_time() - start < 5


def test_keys_under_refs_are_text():
    """Numbers of one hash would take the square of their number to read."""
    start = time.process_time()
    with pytest.raises(DamagedError, match="a key is 0"):
        load_stored("".join(f"{n * (2**61 - 1)}: 1\n" for n in range(90_000)).encode(), "x")
    assert time.process_time() - start < 5


def _load_text(text, what):
    return load_stored(text.encode(), what)


DEEP = """
import sys
from gitml.codec import load_stored, load_user_yaml
from gitml.errors import DamagedError, InputError
from gitml.lines import load_json, load_edits

n = 100_000
units = ["[", "{", "- ", "? ", ": ", "-\\t", "?\\t", "{a: ", "[[", "{? ", "[? ", "- ? ", "? - "]
units += ["- - ? ", ": - ", ": ? ", "a: [", "!!seq [", "&a [", "&a - ", "! [", "[{a: ", "- ["]
before = ["", "a: ", "- ", "a: 1\\r", "a: 1\\n", "x\\r\\n"]
texts = [pre + unit * n for unit in units for pre in before]
for step in (1, 2):
    for line in ("-", "a:", "?", "- a:", "? a\\n", "-\\r"):
        texts.append("\\n".join(" " * (i * step) + line for i in range(2000)))
        texts.append("\\r".join(" " * (i * step) + line for i in range(2000)))
refused = 0
for text in texts:
    for read in (load_stored, load_user_yaml):
        try:
            found = read(text.encode() if read is load_stored else text, "x")
        except (DamagedError, InputError):
            refused += 1
        else:  # one long plain text, its lines joined
            assert isinstance(found, str) or len(found) == 1, text[:60]
for text in ("[" * n, '{"a":' * n, "[" * n + "]" * n, '{"a":' * n + "1" + "}" * n):
    for read in (load_json, lambda text: load_edits(text.encode(), "x")):
        try:
            read(text)
        except (ValueError, DamagedError):
            refused += 1
print(refused > 300)
"""


def test_no_nesting_crashes_the_interpreter(tmp_path):
    """In a process of its own: libyaml's composer would take the whole of pytest with it."""
    script = tmp_path / "deep.py"
    script.write_text(DEEP, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


@given(st.binary(max_size=200) | st.text("[]{}-?:,&*!|>'\"#% \n\ta1<", max_size=60).map(str.encode))
@settings(max_examples=300)
def test_any_bytes_are_a_mapping_or_damage(data):
    with contextlib.suppress(DamagedError):
        assert isinstance(load_stored(data, "x"), dict)
    with contextlib.suppress(InputError):
        load_user_yaml(data.decode("utf-8", "replace"), "x")


def test_what_is_written_deep_can_be_read():
    value = 1
    for _ in range(codec.DEPTH_LIMIT - 1):
        value = [value]
    assert load_stored(dump({"a": value}), "x") == {"a": value}
    with pytest.raises(DamagedError, match="nests deeper"):
        load_stored(dump({"a": [[value]]}), "x")
