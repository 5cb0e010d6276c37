"""Rows and columns of tables on disk: csv's own answer, only sooner."""

from __future__ import annotations

import csv
import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.tracking import rows
from gitml.tracking.rows import Shape, shape


def table(tmp_path, content, name="data.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return shape(path)


@pytest.mark.parametrize(
    "content,expected",
    [
        ("a,b\n1,2\n3,4\n", Shape(2, ("a", "b"))),
        ("a,b\n1,2\n3,4", Shape(2, ("a", "b"))),
        ("a,b\r\n1,2\r\n", Shape(1, ("a", "b"))),
        ("a,b\r1,2\r3,4\r", Shape(2, ("a", "b"))),
        ("a,b\n", Shape(0, ("a", "b"))),
        ("a", Shape(0, ("a",))),
        ("", Shape(0, None)),
        ("\n\n\r\n", Shape(0, None)),
        ("\n\na,b\n\n1,2\n\n\n", Shape(1, ("a", "b"))),
        ('id,text\n1,"two\nlines, and ""quotes"""\n2,plain\n', Shape(2, ("id", "text"))),
        ('"id","a\nb"\n1,2\n', Shape(1, ("id", "a\nb"))),
        ('size,n\n5" pipe,1\n6" pipe,2\n', Shape(2, ("size", "n"))),
        ('a,b\n1,"never closed\n2,3\n', Shape(1, ("a", "b"))),
        ("a;b\n1;2,5\n", Shape(1, ("a", "b"))),
        ("a\tb\n1\t2\n", Shape(1, ("a", "b"))),
        ("5.1,3.5\n4.9,-1e3\n", Shape(2, None)),
        ("0,1,2\n5.1,3.5,1\n", Shape(1, ("0", "1", "2"))),
        ("1\n2\n3\n", Shape(3, None)),
        ("\ufeffé,ü\n1,2\n", Shape(1, ("é", "ü"))),
        (b"caf\xe9,b\n1,2\n", Shape(1, ("caf\ufffd", "b"))),
        ("a,b\n1,2\n".encode("utf-16"), None),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", None),
        ('"' + "x" * 200_000 + '"\n', None),
    ],
)
def test_rows_and_columns_of_a_csv(tmp_path, content, expected):
    assert table(tmp_path, content) == expected


def test_a_tsv_is_cut_at_tabs(tmp_path):
    expected = Shape(1, ("a,b", "c"))
    assert table(tmp_path, "a,b\tc\n1\t2\n", "x.tsv") == expected
    assert table(tmp_path, gzip.compress(b"a,b\tc\n1\t2\n"), "X.TSV.GZ") == expected


@pytest.mark.parametrize("text", ["a,b\n1,2\n", 'a,b\n1,"x\ny"\n'])
def test_a_packed_csv(tmp_path, text):
    assert table(tmp_path, gzip.compress(text.encode()), "x.csv.gz") == Shape(1, ("a", "b"))


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-12], lambda b: b[:30] + b"\xff\xff\xff" + b[33:], lambda _: b"a,b\n1,2\n"],
)
def test_a_damaged_archive_has_no_rows(tmp_path, damage):
    packed = gzip.compress(b"".join(b"%d,%d\n" % (i, i * i) for i in range(5000)))
    assert table(tmp_path, damage(packed), "x.csv.gz") is None


def test_other_files_are_no_tables(tmp_path):
    assert table(tmp_path, "a,b\n", "x.txt") is None
    assert table(tmp_path, "a,b\n", "csv") is None
    assert table(tmp_path, gzip.compress(b"a,b\n"), "x.gz") is None


def test_many_columns_are_counted_but_not_named(tmp_path):
    header = ",".join(f"c{i}" for i in range(rows.COLUMNS_LIMIT))
    assert table(tmp_path, f"{header}\n")[1][-1] == "c999"
    assert table(tmp_path, f"{header},more\n1,2\n") == Shape(1, None)


def test_a_large_file_with_quotes_is_not_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "SLOW_LIMIT", 20)
    assert table(tmp_path, 'a,b\n1,"x"\n' * 2) == Shape(3, ("a", "b"))
    assert table(tmp_path, 'a,b\n1,"x"\n' * 3) == Shape(None, ("a", "b"))
    assert table(tmp_path, "a,b\n1,2\n" * 3) == Shape(5, ("a", "b"))


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1 << 20])
@given(st.text('a1,"\r\n', max_size=60))
def test_every_text_has_the_rows_that_csv_finds(tmp_path_factory, block, text):
    content = f"head,er\n{text}"
    want = sum(1 for row in csv.reader(io.StringIO(content, newline="")) if row) - 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_BLOCK", block)
        got = table(tmp_path_factory.getbasetemp(), content, f"same-{block}.csv")
    assert got == Shape(want, ("head", "er"))


def test_parts_of_one_table_are_added():
    a, b, other = Shape(2, ("x",)), Shape(3, ("x",)), Shape(3, ("y",))
    assert rows.together([a, b, b]) == Shape(8, ("x",))
    assert rows.together([a, Shape(None, ("x",)), b]) == Shape(None, ("x",))
    assert rows.together([a, other]) is None
    assert rows.together([a, None]) is None
    assert rows.together([]) is None


def test_parquet_says_what_it_holds(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    made = pyarrow.table({"a": [1, 2, 3], "b": ["x", "y", None]})
    parquet.write_table(made, tmp_path / "x.parquet")
    assert shape(tmp_path / "x.parquet") == Shape(3, ("a", "b"))
    assert table(tmp_path, b"PAR1 not really", "y.parquet") is None


def test_parquet_without_pyarrow_is_only_a_file(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    assert table(tmp_path, b"PAR1", "x.parquet") is None
