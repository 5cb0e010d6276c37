"""How answers are drawn: numbers, times, widths, tables, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.data import hostile, json_text
from gitml.names import is_hostile, visible
from gitml.output import (
    Cell,
    Column,
    Screen,
    duration,
    exact,
    number,
    same_decimals,
    signed,
    size,
    span,
    spark,
)
from gitml.words import command_line, cut, in_order, plain_width


@pytest.mark.parametrize(
    "value,text",
    [
        (0, "0"),
        (0.0, "0"),
        (-0.0, "-0"),
        (3, "3"),
        (12345678, "12345678"),
        (0.9312, "0.9312"),
        (0.93123456789, "0.931235"),
        (1 / 3, "0.333333"),
        (0.001, "0.001"),
        (3e-4, "3e-4"),
        (1.23456789e-5, "1.23457e-5"),
        (-2.5e-9, "-2.5e-9"),
        (123456.0, "123456"),
        (1234567.0, "1.23457e6"),
        (1e300, "1e300"),
        (10**20, "1e20"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_number(value, text):
    assert number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_is_right_to_six_digits(value):
    assert math.isclose(float(number(value)), value, rel_tol=5e-6)


@pytest.mark.parametrize(
    "value,text", [(0.0024, "+0.0024"), (-3.0, "−3"), (0.0, "0"), (math.nan, "nan")]
)
def test_signed(value, text):
    assert signed(value) == text


def test_same_decimals():
    assert same_decimals(["0.271", "0.2685", "–", "3"]) == ["0.2710", "0.2685", "–", "3"]
    assert same_decimals(["-0.5", "1e-4"]) == ["-0.5", "1e-4"]


@pytest.mark.parametrize(
    "value,text",
    [
        ("text", "text"),
        (True, "true"),
        (None, "null"),
        (0.1, "0.1"),
        (1e16, "1e+16"),
        (math.inf, "inf"),
        ([1, "é"], '[1, "é"]'),
    ],
)
def test_exact(value, text):
    assert exact(value) == text


@pytest.mark.parametrize(
    "seconds,text",
    [
        (-5, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86399, "23 h"),
        (86400, "1 d"),
        (89 * 86400, "89 d"),
        (90 * 86400, "3 mo"),
        (729 * 86400, "24 mo"),
        (730 * 86400, "2 y"),
    ],
)
def test_span(seconds, text):
    assert span(seconds) == text


@pytest.mark.parametrize(
    "seconds,text",
    [
        (0.1437, "0.144 s"),
        (59.96, "60 s"),
        (61.5, "1 min 1 s"),
        (3600, "1 h 0 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    "count,text",
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (18_234, "18.2 kB"),
        (999_999, "1 MB"),
        (91_340_822, "91.3 MB"),
        (5 * 10**15, "5,000 TB"),
    ],
)
def test_size(count, text):
    assert size(count) == text


def test_spark():
    assert spark([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert spark([2, 2]) == "▄▄"
    assert spark([0, math.nan, math.inf, 1]) == "▁  █"
    assert spark([]) == spark([math.nan]) == ""
    assert spark([-1e308, 1e308]) == "▄▄"
    assert spark(list(range(1000)), width=8) == "▁▂▃▄▅▆▇█"
    assert len(spark(list(range(17)))) == 16


@pytest.mark.parametrize(
    "text,width",
    [("abc", 3), ("三号", 4), ("вечер", 5), ("e\u0301", 1), ("ab\u200bc", 3), ("ｱ", 1), ("Ａ", 2)],
)
def test_width_of_text(text, width):
    assert plain_width(text) == width
    screen = Screen(io.StringIO(), terminal=True, color=False)
    assert screen.cells(text) == width


def test_cut():
    assert cut("三号三号", 5) == "三号…"
    assert cut("三号三号", 4) == "三…"
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 1) == "…"
    assert cut("abcd", 0) == ""


@given(st.text(), st.integers(0, 20))
def test_what_is_cut_fits(text, width):
    assert plain_width(cut(text, width)) <= width


def test_hostile_is_what_no_name_may_hold():
    """JSON is made harmless by a pattern, names by a rule: one set, and none of it visible."""
    beyond_ascii = list(map(chr, range(0x7F, sys.maxunicode + 1)))
    assert [c for c in beyond_ascii if hostile(c) != is_hostile(c)] == []
    assert [c for c in beyond_ascii if hostile(c) and visible(c) == c] == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None, exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON, st.booleans())
def test_json_is_what_it_was_and_harmless(value, ascii_only):
    text = json_text(value, ascii_only=ascii_only)
    assert json.loads(text) == value
    assert not hostile(text)
    assert not ascii_only or text.isascii()


def test_json_has_no_nan():
    assert json_text({"a": [math.nan, 1.0], "b": -math.inf}) == '{"a": [null, 1.0], "b": null}'


def screen(width=None, encoding="utf-8"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    return Screen(stream, terminal=width is not None, color=False, width=width or 80)


def drawn(place):
    place.stream.flush()
    return place.stream.buffer.getvalue().decode(place.stream.encoding)


def test_json_object_on_one_line_for_each_item():
    place = screen()
    place.json(runs=iter([{"a": 1}, {"a": 2}]), names=["x", "y"], count=2, more={})
    assert drawn(place) == (
        '{"schema": 1, "runs": [\n{"a": 1},\n{"a": 2}\n], "names": ["x", "y"], "count": 2, '
        '"more": {}}\n'
    )
    assert json.loads(drawn(place))["schema"] == 1


def test_json_in_a_stream_that_is_not_utf_8():
    place = screen(encoding="cp1252")
    place.json(name="é 🦦 三")
    assert json.loads(drawn(place)) == {"schema": 1, "name": "é 🦦 三"}
    assert drawn(place).isascii()


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2)))
def test_csv_reads_back_what_is_harmless(rows):
    place = screen()
    place.csv(["a", "b"], rows)
    seen = list(csv.reader(io.StringIO(drawn(place), newline="")))
    assert seen[0] == ["a", "b"]
    kept = [[c.replace("\r\n", "\n") for c in row] for row in rows]
    escaped = [["\n".join(visible(x, 10**6) for x in c.split("\n")) for c in row] for row in kept]
    assert seen[1:] == escaped


def test_csv_of_values():
    place = screen()
    place.csv(["n", "x", "l"], [[None, 1.5, [1, 2]], [True, math.nan, 'a"b,c\nd']])
    assert drawn(place) == 'n,x,l\n,1.5,"[1, 2]"\ntrue,nan,"a""b,c\nd"\n'


COLUMNS = [
    Column("NAME"),
    Column("long", rank=2, narrowest=6),
    Column("n", right=True, rank=1),
    Column("extra", rank=3),
]
ROWS = [["one", "a long text", "1", "x"], ["三号", "b", "1000", Cell("y", "good")]]


@pytest.mark.parametrize(
    "width,lines,hidden",
    [
        (80, ["  NAME  long            n  extra", "  one   a long text     1  x"], []),
        (28, ["  NAME  long        n  extra", "  one   a long…     1  x"], []),
        (26, ["  NAME  long            n", "  one   a long text     1"], ["extra"]),
        (16, ["  NAME     n", "  one      1"], ["long", "extra"]),
        (7, ["  NAME", "  one"], ["long", "n", "extra"]),
        (5, ["  NA…", "  one"], ["long", "n", "extra"]),
    ],
)
def test_columns_go_by_rank(width, lines, hidden):
    place = screen(width)
    assert place.table(COLUMNS, ROWS) == hidden
    assert drawn(place).splitlines()[:2] == lines
    assert max(map(place.cells, drawn(place).splitlines())) <= width


def test_table_folds():
    place = screen(20)
    assert place.table(COLUMNS, ROWS, fold=True) == []
    assert drawn(place).splitlines() == [
        "  NAME  long",
        "  one   a long text",
        "  三号  b",
        "",
        "  NAME     n  extra",
        "  one      1  x",
        "  三号  1000  y",
    ]


def test_table_in_a_pipe_is_whole():
    place = screen()
    place.table([Column("a", widest=3), Column("b")], [["x" * 99, "1"], ["\x1b[1m", "2"]])
    assert drawn(place).splitlines()[1:] == [f"{'x' * 99}  1", rf"\x1b[1m{' ' * 92}  2"]


@given(
    st.lists(st.lists(st.text(max_size=30), min_size=4, max_size=4), max_size=4),
    st.integers(30, 120),
)
def test_no_table_is_wider_than_its_terminal(rows, width):
    place = screen(width)
    place.table(COLUMNS, rows)
    assert max(place.cells(line) for line in drawn(place).split("\n")) <= width


def test_pairs_in_columns():
    place = screen(40)
    place.pairs({"lr": "3e-4", "depth": "6", "kind": "forest", "seed": "0"})
    assert drawn(place).splitlines() == [
        "  lr     3e-4      kind   forest",
        "  depth  6         seed   0",
    ]
    place = screen(60)
    place.pairs({"prompt": "word " * 20, "lr": "3e-4", "seed": "0"})
    lines = drawn(place).splitlines()
    assert lines[0] == "  lr      3e-4    seed    0"
    assert lines[1].startswith("  prompt  word word")
    assert lines[1].endswith("…")
    assert place.cells(lines[1]) == 60


def test_colors_have_words_and_end():
    stream = io.StringIO()
    place = Screen(stream, terminal=True, color=True)
    place.line("plain ", Cell("better", "good"), Cell("   ", "bad"))
    assert stream.getvalue() == "plain \x1b[32mbetter\x1b[0m\n"


def test_code_keeps_tabs():
    place = screen()
    place.code("\tif x:\x1b[31m\r")
    assert drawn(place) == "\tif x:\\x1b[31m\\r\n"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_command_of_several_lines_is_a_line_that_a_shell_takes():
    words = ["-c", "import a\n\tprint('x', \"y\\n\")\r", "", "a b", "\x1b2", "\u202eé", "caf\udce9"]
    line = command_line(words)
    assert line.isprintable()
    assert line.startswith("-c $'import a\\n\\tprint(\\'x\\', \"y\\\\n\")\\r' '' 'a b'")
    done = subprocess.run(  # noqa: S602 - a shell is what it is about
        f"printf '%s\\0' {line}",
        shell=True,
        executable="bash",
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1] == words


def test_numbers_in_names_count_by_their_size():
    names = ["loss", "fold-10", "fold-2", "a", "fold-2/b", "fold-02", "9", "1e3", "fold"]
    assert list(in_order(dict.fromkeys(names))) == [
        *["1e3", "9", "a", "fold", "fold-02", "fold-2", "fold-2/b", "fold-10", "loss"]
    ]
