"""Params: from files of every kind, and from the command line."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gitml.codec import load_user_yaml
from gitml.errors import InputError, NotFoundError
from gitml.tracking.files import parse_assignment, read_params
from gitml.tracking.tables import DOCUMENT_LIMIT


def same(got, expected):
    """Compare types too, and take NaN for itself."""
    return repr(got) == repr(expected)


@pytest.fixture
def params(tmp_path):
    """Return ``params(name, text) -> dict``: write a file and read it."""

    def read(name, text):
        path = tmp_path / name
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text, encoding="utf-8", newline="")
        return read_params(path)

    return read


NESTED = {"lr": 0.1, "model.depth": 3, "model.act": "relu", "seeds": [1, 2], "note": None}


@pytest.mark.parametrize(
    "name,text",
    [
        ("p.yaml", "lr: 1e-1\nmodel:\n  depth: 3\n  act: relu\nseeds: [1, 2]\nnote: ~\n"),
        ("p.yml", "lr: .1\nmodel: &m {depth: 3, act: relu}\nseeds:\n- 1\n- 2\nnote:\n"),
        ("P.JSON", '{"lr":0.1,"model":{"depth":3,"act":"relu"},"seeds":[1,2],"note":null}'),
    ],
)
def test_nested_keys_are_joined(params, name, text):
    assert same(params(name, text), NESTED)


@pytest.mark.parametrize(
    "name,text,expected",
    [
        (
            "a.yaml",
            "layers:\n- {units: 4}\n- {units: 8}",
            {"layers.0.units": 4, "layers.1.units": 8},
        ),
        ("b.yaml", "mixed: [1, {a: 2}, [3]]", {"mixed.0": 1, "mixed.1.a": 2, "mixed.2": [3]}),
        ("c.yaml", "grid: [[1, 2], [3]]\nnone: []", {"grid": [[1, 2], [3]], "none": []}),
        ("d.yaml", "augment: {}\ndeep: {er: {}}", {"augment": None, "deep.er": None}),
        ("e.yaml", "7: x\ntrue: yes\n2.5: y", {"7": "x", "true": "yes", "2.5": "y"}),
        (
            "f.yaml",
            "a: 1e-5\nday: 2024-01-02\nno: no",
            {"a": 1e-5, "day": "2024-01-02", "no": "no"},
        ),
        ("g.yaml", "base: &b {lr: 1}\nrun: {<<: *b, lr: 2}", {"base.lr": 1, "run.lr": 2}),
        ("h.yaml", "a.b: 1\na: {b: 1}", {"a.b": 1}),
        ("i.yaml", "x: .nan\ny: -.inf", {"x": math.nan, "y": -math.inf}),
        ("j.yaml", "# nothing but words\n", {}),
        ("k.yaml", "", {}),
        ("k.json", " \n", {}),
        ("k.toml", "", {}),
        ("k.csv", "", {}),
        ("l.csv", ",,\n", {}),
        ("l.json", "{}", {}),
        ("m.json", '{"x": NaN, "y": -Infinity}', {"x": math.nan, "y": -math.inf}),
        ("m.json", '{"big": 123456789012345678901}', {"big": 123456789012345678901}),
        ("n.json", '{"empty": "", "text": "1"}', {"empty": "", "text": "1"}),
        ("o.yaml", "\ufefflr: 1\r\nn: 2\r\n", {"lr": 1, "n": 2}),
        ("o.json", '\ufeff{"lr":\r\n1}', {"lr": 1}),
        ("o.toml", "\ufefflr = 1\r\n", {"lr": 1}),
        ("o.csv", "\ufefflr,0.1\r\nn,2\r\n", {"lr": 0.1, "n": 2}),
        ("o.env", "\ufeffA=1\r\nB=2\r\n", {"A": 1, "B": 2}),
    ],
)
def test_shapes(params, name, text, expected):
    assert same(params(name, text), expected)


def test_toml_dates_become_text(params):
    text = "d = 2024-01-02\nt = 07:32:00\nat = 2024-01-02T03:04:05Z\n[a.b]\nc = [1.5, 2]\n"
    assert same(
        params("p.toml", text),
        {"d": "2024-01-02", "t": "07:32:00", "at": "2024-01-02T03:04:05+00:00", "a.b.c": [1.5, 2]},
    )


@pytest.mark.parametrize("name", [".env", "train.env", "TRAIN.ENV"])
def test_env(params, name):
    text = """\
# what training needs
LR=1e-3
export DEPTH = 6   # layers
NAME="two words # not a comment"  # a comment
RAW='$HOME \\n'
ESCAPED="a\\tb\\"c\\"\\$d\\q"
LINES="one
two"
QUOTED_NUMBER="12"
FLAG=true
COLOR=#ff0000
EMPTY=
COMMENTED= # nothing
URL=https://example.com/?a=b#c
LAST=it's fine"""
    assert same(
        params(name, text),
        {
            "LR": 1e-3,
            "DEPTH": 6,
            "NAME": "two words # not a comment",
            "RAW": "$HOME \\n",
            "ESCAPED": 'a\tb"c"$d\\q',
            "LINES": "one\ntwo",
            "QUOTED_NUMBER": "12",
            "FLAG": True,
            "COLOR": "#ff0000",
            "EMPTY": "",
            "COMMENTED": "",
            "URL": "https://example.com/?a=b#c",
            "LAST": "it's fine",
        },
    )


@pytest.mark.parametrize(
    "text,expected",
    [
        ("name,value\nlr,0.1\ndepth,3\n", {"lr": 0.1, "depth": 3}),
        ("Param,Value\nopt,adam\n", {"opt": "adam"}),
        ("key,value\n", {}),
        (",0\nlr,0.1\ndepth,3\n", {"lr": 0.1, "depth": 3}),
        ("lr,0.1\ndepth,3\n", {"lr": 0.1, "depth": 3}),
        ("lr,0.1\n", {"lr": 0.1}),
        ("lr,0.1\nopt,adam\n", {"lr": 0.1, "opt": "adam"}),
        ("opt,adam\nmodel,rf\nloss,mse\n", {"opt": "adam", "model": "rf", "loss": "mse"}),
        ("lr,depth\n0.1,3\n", {"lr": 0.1, "depth": 3}),
        ("lr,opt\n1e-3,adam\n", {"lr": 1e-3, "opt": "adam"}),
        ("lr,depth,opt\n0.1,3,adam\n", {"lr": 0.1, "depth": 3, "opt": "adam"}),
        ("lr\n0.1\n", {"lr": 0.1}),
        (",lr,depth\n0,0.1,3\n", {"lr": 0.1, "depth": 3}),
        ("lr;depth;opt\n0.1;3;adam\n", {"lr": 0.1, "depth": 3, "opt": "adam"}),
        ("a, b, c\n 1 ,true, .inf\n\n", {"a": 1, "b": True, "c": math.inf}),
        ("a,b,c\n,null,010\n", {"a": None, "b": None, "c": 10}),
        ('a,b,c\n"x, y","two\nlines",nan\n', {"a": "x, y", "b": "two\nlines", "c": "nan"}),
    ],
)
def test_csv(params, text, expected):
    assert same(params("p.csv", text), expected)


@pytest.mark.parametrize(
    "name,text,said",
    [
        ("p.csv", "opt,adam\nlr,0.1\n", "does not tell names from values"),
        ("p.csv", "lr,depth\n", "does not tell names from values"),
        ("p.csv", "a,b,c\n1,2,3\n4,5,6\n", "has 2 rows of values under its names, not one"),
        ("p.csv", "a,b,c\n", "has 0 rows of values"),
        ("p.csv", "a,b,c\n\n1,2\n", "line 3: 2 cells under 3 names"),
        ("p.csv", "name,value\nlr,1\nlr,2\n", "two values for lr: 1 and 2"),
        ("p.csv", 'a,b,c\n"' + "x" * 200_000, "field larger than field limit"),
        ("p.json", '{"a": 1, "a": 1}', "has the key a twice in one object"),
        ("p.json", '{"a.b": 1, "a": {"b": true}}', "two values for a.b: 1 and True"),
        ("p.json", '{"a.b": 1, "a": {"b": 1.0}}', "two values for a.b: 1 and 1.0"),
        ("p.json", '{"a": 1}\n{"a": 2}', "line 2: not JSON: extra data"),
        ("p.json", '{\n"a": 1,\n}', "line 3: not JSON"),
        ("p.json", '{"a": ' + "[" * 100_000, "line 1: it nests too deep"),
        ("p.json", '{"a": ' + "[" * 50 + "]" * 50 + "}", "nests deeper than 32 levels"),
        ("p.json", '{"a":' * 50 + "1" + "}" * 50, "nests deeper than 32 levels"),
        ("p.json", '{"a": ' + "9" * 5000 + "}", "a number has too many digits"),
        ("p.json", '{"a": ' + "9" * 400 + "}", "the param a has too many digits"),
        ("p.json", "[1, 2]", "holds a list where names and values are expected"),
        ("p.json", "null", "holds null where names"),
        ("p.json", r'{"\ud800": 1}', "The name of a param holds a control"),
        ("p.json", r'{"a": "\ud800"}', "the param a holds half a character"),
        ("p.json", '{"": 1}', "The name of a param cannot be empty"),
        ("p.json", '{" a": 1}', "starts or ends with a space"),
        ("p.json", '{"a\\nb": 1}', "holds a control or bidirectional character: a\\nb"),
        ("p.json", json.dumps({"k" * 251: 1}), "has 251 characters"),
        ("p.yaml", "just words", "holds text where names and values are expected"),
        ("p.yaml", "7", "holds a number where"),
        ("p.yaml", "a: 1\na: 2", "the key a stands twice"),
        ("p.yaml", "a: {1: x}\na.1: y", "two values for a.1: 'x' and 'y'"),
        ("p.yaml", "a: [", "is not YAML that can be read"),
        ("p.yaml", "a: !!python/name:os.system", "is not YAML that can be read"),
        ("p.yaml", "a: 0x" + "f" * 300, "the param a has too many digits"),
        ("p.yaml", "a: &a\n" + "  b: &b\n   - *a", "is not YAML that can be read"),
        ("p.toml", "a = 1\na = 2", "is not TOML: Cannot overwrite a value"),
        ("p.toml", "a = " + "[" * 100_000, "is not TOML: it nests too deep"),
        ("p.toml", "a = " + "9" * 5000, "is not TOML: Exceeds the limit"),
        ("p.env", "A=1\njust words\n", "line 2: not of the form KEY=VALUE"),
        ("p.env", "A=1\n\nB='open\n", "line 3: not of the form KEY=VALUE"),
        ("p.env", 'A="1" 2\n', "line 1: not of the form KEY=VALUE"),
        ("p.env", "A=1\nA=2\n", "two values for A: 1 and 2"),
        ("p.yaml", b"a: \xff\xfe\n", "is not UTF-8 text"),
        ("p.yaml", "a: 1".encode("utf-16"), "is UTF-16 text"),
        ("p.yaml", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is a binary file, not text"),
        ("p.yaml", b"a: b\n" * 1000 + b"\0", "is a binary file, not text"),
        ("p.yaml", b"# " + b"x" * DOCUMENT_LIMIT, "has more than 8 MiB"),
        ("params", "a: 1", "not a kind of file that params are read from"),
        ("p.py", "a = 1", "not a kind of file that params are read from"),
    ],
)
def test_what_is_refused_and_how(params, name, text, said):
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        params(name, text)
    assert "\n" not in caught.value.message
    assert caught.value.message.isprintable()


def test_an_unknown_suffix_names_those_that_are_known(params):
    with pytest.raises(InputError) as caught:
        params("p.ini", "[a]")
    assert ".yaml, .yml, .json, .toml, .env, .csv" in caught.value.hint


def test_32_levels_are_read(params):
    assert params("p.json", '{"a":' * 32 + "1" + "}" * 32) == {".".join("a" * 32): 1}
    (value,) = params("p.json", '{"a": ' + "[" * 32 + "]" * 32 + "}").values()
    assert str(value) == "[" * 32 + "]" * 32


def test_a_missing_file_is_not_found_and_its_neighbour_is_named(tmp_path):
    (tmp_path / "params.yaml").write_text("a: 1", encoding="utf-8")
    with pytest.raises(NotFoundError) as caught:
        read_params(tmp_path / "parms.yaml")
    assert caught.value.hint == "did you mean params.yaml?"
    with pytest.raises(NotFoundError, match="There is no folder"):
        read_params(tmp_path / "nowhere" / "params.yaml")
    with pytest.raises(NotFoundError, match="There is no f"):
        read_params(tmp_path / "params.yaml" / "inner.yaml")


def test_what_is_no_file_is_refused(tmp_path):
    folder = tmp_path / "params.yaml"
    folder.mkdir()
    with pytest.raises(InputError, match="is a folder, not a file"):
        read_params(folder)
    with pytest.raises(InputError, match="cannot be the name of a file"):
        read_params(tmp_path / "a\0b.yaml")
    with pytest.raises(InputError, match="cannot be read: file name too long"):
        read_params(tmp_path / ("x" * 300 + ".yaml"))


def test_links_that_lead_nowhere_or_back(tmp_path):
    loop, dangling, good = (tmp_path / f"{n}.yaml" for n in ("loop", "dangling", "good"))
    loop.symlink_to(loop.name)
    dangling.symlink_to("gone.yaml")
    (tmp_path / "real.yaml").write_text("a: 1", encoding="utf-8")
    good.symlink_to("real.yaml")
    assert read_params(good) == {"a": 1}
    with pytest.raises(InputError, match="leads back to itself"):
        read_params(loop)
    with pytest.raises(NotFoundError, match="to a file that is not there") as caught:
        read_params(dangling)
    assert caught.value.hint == "It points to gone.yaml."


def test_a_pipe_is_not_waited_for(tmp_path):
    pipe = tmp_path / "p.yaml"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="is not a regular file"):
        read_params(pipe)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("a: 1", encoding="utf-8")
    path.chmod(0)
    with pytest.raises(InputError, match="cannot be read: permission denied"):
        read_params(path)


@pytest.mark.parametrize(
    "text,name,value",
    [
        ("lr=1e-5", "lr", 1e-5),
        ("lr=.5", "lr", 0.5),
        ("n=010", "n", 10),
        ("n=0x1F", "n", 31),
        ("n=1_000", "n", "1_000"),
        ("on=true", "on", True),
        ("on=yes", "on", "yes"),
        ("x=null", "x", None),
        ("x=", "x", ""),
        ("x=.nan", "x", math.nan),
        ("x=nan", "x", "nan"),
        ("x= 3 ", "x", 3),
        ('x="3"', "x", "3"),
        ("x='3'", "x", "3"),
        ("x='it''s'", "x", "it's"),
        ("x='", "x", "'"),
        ('x="', "x", '"'),
        ("x=[1, 2.5, null]", "x", [1, 2.5, None]),
        ("x=[[1],[2]]", "x", [[1], [2]]),
        ("x=[a-z]", "x", "[a-z]"),
        ('x=[{"a": 1}]', "x", '[{"a": 1}]'),
        ("x={a: 1}", "x", "{a: 1}"),
        ("x=*alias", "x", "*alias"),
        ("url=http://h/?a=b", "url", "http://h/?a=b"),
        ("day=2024-01-02", "day", "2024-01-02"),
        ("a.b=1", "a.b", 1),
    ],
)
def test_params_on_the_command_line(text, name, value):
    assert same(parse_assignment(text, "param"), (name, value))


@pytest.mark.parametrize(
    "given_text,value",
    [
        ("0.93", 0.93),
        ("-1", -1.0),
        ("1e-5", 1e-5),
        ("nan", math.nan),
        (".nan", math.nan),
        ("inf", math.inf),
        ("-inf", -math.inf),
        ("-.Inf", -math.inf),
        ("Infinity", math.inf),
    ],
)
def test_metrics_on_the_command_line(given_text, value):
    assert same(parse_assignment(f"auc={given_text}", "metric"), ("auc", value))


@pytest.mark.parametrize(
    "text,what,said",
    [
        ("lr", "param", "lr does not say what the param is."),
        ("=3", "param", "The name of a param cannot be empty."),
        ("a b\n=3", "metric", "holds a control"),
        ("lr =3", "param", "starts or ends with a space"),
        ("auc=high", "metric", "The metric auc is not a number: high."),
        ("auc=", "metric", "The metric auc is not a number"),
        ("auc=1_000", "metric", "is not a number: 1_000"),
        ("auc=٣", "metric", "is not a number"),
        ("auc=true", "metric", "is not a number: true"),
        ("auc=0x10", "metric", "is not a number"),
        ("auc=1,5", "metric", "is not a number"),
        ("n=" + "9" * 400, "param", "The param n has too many digits."),
        ("n=" + "[" * 100_000 + "]", "param", "The param n nests too deep."),
        ("n=" + "[" * 40 + "]" * 40, "param", "The param n nests deeper than 32 levels."),
        ("s=\udcff", "param", "The param s holds half a character"),
    ],
)
def test_assignments_that_are_refused(text, what, said):
    with pytest.raises(InputError, match=re.escape(said)):
        parse_assignment(text, what)


def test_a_tag_is_text():
    assert parse_assignment("team= 007 ", "tag") == ("team", " 007 ")


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20
).filter(lambda name: name == name.strip())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20),
)
TREES = st.dictionaries(
    NAMES.filter(lambda name: "." not in name),
    st.recursive(
        SCALARS | st.lists(SCALARS, max_size=3),
        lambda inner: st.dictionaries(
            NAMES.filter(lambda name: "." not in name), inner, min_size=1, max_size=3
        ),
        max_leaves=8,
    ),
    max_size=5,
)


def flat(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


@given(tree=TREES)
def test_json_comes_back_as_it_was_written(tmp_path_factory, tree):
    path = tmp_path_factory.getbasetemp() / "round.json"
    path.write_text(json.dumps(tree), encoding="utf-8")
    assert same(read_params(path), dict(flat(tree)))


@given(
    row=st.dictionaries(
        NAMES.filter(lambda name: name.casefold() not in {"unnamed: 0", "value", "0"}),
        st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans(),
        min_size=3,
        max_size=6,
    )
)
def test_a_csv_row_comes_back_as_it_was_written(tmp_path_factory, row):
    path = tmp_path_factory.getbasetemp() / "round.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)
    assert same(read_params(path), row)


@given(pairs=st.dictionaries(NAMES, st.floats(allow_nan=False, allow_infinity=False), min_size=1))
@pytest.mark.parametrize("header", [[], [["name", "value"]]])
def test_csv_pairs_come_back_as_they_were_written(tmp_path_factory, header, pairs):
    path = tmp_path_factory.getbasetemp() / "pairs.csv"
    out = io.StringIO()
    csv.writer(out).writerows([*header, *pairs.items()])
    path.write_text(out.getvalue(), encoding="utf-8", newline="")
    assert same(read_params(path), pairs)


@given(text=st.text("0123456789+-._eExXoOaAfFnNtTrRuUlLsSiI~/", min_size=1, max_size=8))
@example("1e-5")
@example("-.inf")
@example(".NaN")
@example("0o17")
@example("Null")
def test_a_plain_scalar_reads_as_in_yaml(text):
    assume(text != "-")  # the beginning of a list
    assert same(parse_assignment(f"x={text}", "param")[1], load_user_yaml(f"x: {text}", "it")["x"])
