"""What ``--where`` finds and refuses, over the runs of where_cases.json."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml import names
from gitml.codec import dump, load_json
from gitml.errors import InputError
from gitml.model import from_iso
from gitml.query import index as index_module
from gitml.query.index import open_index
from gitml.query.schema import VIEWS
from gitml.query.tokens import tokens
from gitml.store.git import open_repository
from tests.bench.ledgers import write_commits

CASES = load_json(Path(__file__).with_name("where_cases.json").read_text(encoding="utf-8"))
NOW = from_iso(CASES["now"])


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    path = tmp_path_factory.mktemp("where")
    subprocess.run(["git", "init", "-q", path], check=True)
    commits = []
    for document in CASES["runs"]:
        run = {"schema": 1, **document}
        files = {f"{part}.yaml": dump(run.pop(part)) for part in ("params", "metrics")}
        files["run.yaml"] = dump(run)
        commits.append((names.run_ref(run["id"]), files.items()))
    write_commits(path, commits)
    repository = open_repository(path)
    with open_index(repository, now=NOW) as opened:
        assert opened.quarantined() == []
        yield opened
    repository.close()


def found(index, where):
    return sorted(run.name for run in index.search(where=where))


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["where"])
def test_case(index, case):
    if "finds" in case:
        assert found(index, case["where"]) == case["finds"]
        assert index.count(where=case["where"]) == len(case["finds"])
        return
    with pytest.raises(InputError, match=rf"^no {case['unknown']} is called ") as caught:
        index.search(where=case["where"])
    assert case["suggests"] in caught.value.hint


@pytest.mark.parametrize(
    "where,said",
    [
        ("", "is empty"),
        ("  -- nothing", "is empty"),
        ("1) or (1", r"A \) closes nothing"),
        ("1)) --", r"A \) closes nothing"),
        ("((1)", r"A \( is not closed"),
        ("1; drop table run", "without a ;"),
        ("status = 'finished", "A ' is not closed"),
        ('metrics."val/loss > 1', 'A " is not closed'),
        ("1 /* or", "A comment is not closed"),
        ("metrics.auc > ?", "no placeholders such as ?"),
        ("metrics.auc > :auc", "no placeholders such as :"),
        ("metrics.auc >", "SQLite cannot read"),
        ("status = finished", "no attribute is called finished"),
        ('status = "finished"', '"finished" is no attribute'),
        ("metric.auc > 1", "metric.auc is neither"),
        ("nothing.auc > 1", "nothing.auc is neither"),
        ("created > 2026", "created is a time and stands beside a number"),
        ("created > 2026-11-01", "created is a time and stands beside a number"),
        ("duration > '60'", "duration is a number and stands beside text"),
        ("metrics.auc > '0.9'", "metrics.auc is a number and stands beside text"),
        ("count(*) > 1", "misuse of aggregate"),
        ("load_extension('x')", "only read"),
        ("id in (select id from run)", "only read"),
        ("id in (select json from document)", "only read"),
        ("(select 1 from sqlite_master)", "only read"),
        ("(select 1 from pragma_table_info('run'))", "only read|no table is called"),
        ("attach database 'x' as y", "syntax error"),
        ("pragma user_version", "syntax error"),
        ("1 order by 1", "syntax error"),
        ("exists (delete from run)", "syntax error"),
        ("\x00", "means nothing"),
        ("1 = \ud800", "means nothing|cannot read|no attribute"),
        ("(" * 2000 + "1" + ")" * 2000, "SQLite cannot read"),
        (f"{'1 + ' * 20_000}1", "SQLite cannot read"),
        (f"{'params.lr + ' * 8_000}1", "SQLite cannot read"),
        (f"{'1 + ' * 100_000}1", "more than 100,000 characters"),
        (f"length(zeroblob({10**9})) > 1", "SQLite cannot read"),
        (
            " and ".join(f"tags.t{n} is null" for n in range(3)),
            "no tag is called t0",
        ),
    ],
)
def test_what_cannot_be_asked(index, where, said):
    with pytest.raises(InputError, match=said) as caught:
        index.search(where=where)
    assert len(caught.value.message) < 400
    assert caught.value.message.isprintable()


def test_subqueries_read_the_views(index):
    where = "id in (select run_id from metrics where name = 'loss' and last < 0.4)"
    assert found(index, where) == ["a"]
    assert found(index, "id in (select metrics.run_id from metrics where metrics.min < 0.15)") == [
        "d"
    ]
    lists = "exists (select 1 from params, json_each(params.value) as j where run_id = runs.id "
    assert found(index, lists + "and params.name = 'layers' and j.value = 64)") == ["c"]


def test_a_query_that_does_not_end_is_stopped(index, monkeypatch):
    endless = (
        "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    )
    with monkeypatch.context() as patch:
        patch.setattr(index_module, "TIME_LIMIT", 0.2)
        begun = time.monotonic()
        with pytest.raises(InputError, match="took more than"):
            index.search(where=f"({endless}) > 0")
        with pytest.raises(InputError, match="took more than"):
            index.sql(endless)
        assert time.monotonic() - begun < 60, "it did not end in so many times its limit"
    assert found(index, "metrics.auc > 0.9") == ["a"]


def test_the_views_have_the_documented_columns(index):
    head = ["run_id", "run", "experiment"]
    expected = {
        "metrics": [*head, "name", "last", "step", "min", "max", "count", "goal"],
        "params": [*head, "name", "value"],
        "tags": [*head, "name", "value"],
        "inputs": [*head, *"name digest context uri size files rows".split()],
        "artifacts": [*head, *"path size sha256 media_type store uri".split()],
        "runs": [a for a in index.keys().attributes if a not in {"age", "deleted"}],
    }
    found = {view: index.sql(f"select * from {view}")[0] for view in VIEWS}  # noqa: S608 - ours
    assert found == expected


def test_sql_reads_the_views_and_nothing_else(index):
    columns, rows = index.sql(
        "select run, name, last from metrics where name = 'auc' order by last;"
    )
    assert columns == ["run", "name", "last"]
    assert list(rows) == [("d", "auc", float("-inf")), ("b", "auc", 0.9), ("a", "auc", 0.95)]
    _, rows = index.sql('select name, "commit" from runs where duration > 60 order by created')
    assert list(rows) == [("b", "3" * 40), ("a", "1" * 40)]
    assert list(index.sql("values (1)")[1]) == [(1,)]
    for query in (
        "select * from run",
        "select json from document",
        "delete from run",
        "select 1; delete from run",
        "pragma user_version = 3",
        "attach database ':memory:' as x",
        "create table x (y)",
        "select load_extension('x')",
        "select * from sqlite_master",
        "",
    ):
        with pytest.raises(InputError):
            index.sql(query)
    assert index.count() == len(CASES["runs"])


def test_a_later_answer_leaves_an_earlier_one_alone(index):
    _, first = index.sql("select name from runs order by name")
    assert next(first) == ("a",)
    assert list(index.sql("select 1")[1]) == [(1,)]
    assert [name for (name,) in first] == ["b", "c", "d"]


PIECES = [
    *"'\"();[]`<1?.,\\é\n ",
    "--",
    "/*",
    "*/",
    "''",
    "or",
    "in",
    "not",
    "status",
    "metrics.auc",
]


@given(st.lists(st.sampled_from([*PIECES, "params.model.depth"]), max_size=12).map("".join))
def test_any_text_is_an_expression_or_refused(index, text):
    try:
        runs = index.search(where=text)
    except InputError:
        return
    assert {run.name for run in runs} <= {"a", "b", "c", "d"}
    assert index.count() == len(CASES["runs"])


@given(st.text(max_size=20), st.text(max_size=20))
def test_text_within_quotes_names_nothing(before, text):
    quoted = "'" + text.replace("'", "''") + "'"
    assert [t.kind for t in tokens(f"{quoted} = 'x'")] == ["text", "op", "text"]
    name = '"' + before.replace('"', '""') + '"'
    (token,) = tokens(f"params.{name}")
    assert token.parts() == ["params", before]


def test_the_cases_are_plain_json():
    text = Path(__file__).with_name("where_cases.json").read_text(encoding="utf-8")
    assert json.loads(text)["cases"]
