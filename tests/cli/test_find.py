"""Runs found again: the whole output of ls, show, diff, sql, export and status."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import math
import os
import stat
from pathlib import Path

import pytest
import yaml

from gitml.commands.diff import _apart
from gitml.model import Artifact, Dataset, Environment, Source
from gitml.output.runs import ATTRIBUTES
from gitml.query.schema import ATTRIBUTES as QUERIED
from tests.support import (
    MINUTE,
    START,
    assert_golden,
    make_runs,
    on_terminal,
    run_id_of,
    without_color,
)

GOLDEN = Path(__file__).parent / "golden"
NOW = "2026-01-02T05:00:00Z"
HOUR = 60 * MINUTE
KEEN, BRAVE, CALM, GOING = "keen-fjord-8", "brave-otter-12", "calm-juniper-3", "going-on-1"

MACHINE = Environment(
    python="CPython 3.11.7",
    platform="Linux 6.1.0 x86_64",
    host="anvil",
    cpu="AMD EPYC 7763, 8 threads, 31.3 GiB",
    gpu="2 × NVIDIA A100",
    variables={"OMP_NUM_THREADS": "4"},
)
TABLE = Dataset(
    name="train.csv",
    context="training",
    digest="sha256:51ce07b" + "0" * 57,
    uri="data/train.csv",
    size=1_204_331,
    rows=7043,
    columns=("age", "plan"),
)


def rising(top, steps=20):
    return [round(top * (1 - math.exp(-step / 4)), 4) for step in range(1, steps)] + [top]


def falling(low, steps=20):
    return [round(low * (1 + 2 * math.exp(-step / 4)), 4) for step in range(1, steps)] + [low]


@pytest.fixture
def world(repo, git):
    """Return a repository with five runs of two experiments, the same in every session."""
    (repo / "train.py").write_text("import sklearn\n\nDEPTH = 6\nprint('trained')\n")
    git(repo, "commit", "--quiet", "-am", "depth")
    first = git(repo, "rev-parse", "HEAD", "HEAD^{tree}").split()
    (repo / "train.py").write_text("import sklearn\n\nDEPTH = 8\nprint('trained', DEPTH)\n")
    (repo / "models.py").write_text("FOREST = 'forest'\n")
    git(repo, "add", "-A")
    git(repo, "commit", "--quiet", "-m", "deeper")
    second = git(repo, "rev-parse", "HEAD", "HEAD^{tree}").split()

    def source(commit, tree, *changed):
        return Source(
            commit=commit,
            branch="main",
            tree=tree,
            dirty=bool(changed),
            changed=changed,
            command=("python", "train.py", "--seed", "0"),
            script="train.py",
        )

    same = {"kind": "forest", "seed": 0}
    make_runs(
        repo,
        {
            "name": KEEN,
            "created": START - 3 * HOUR,
            "seconds": 125.0,
            "params": {**same, "lr": 3e-4, "depth": 6},
            "metrics": {"auc": rising(0.9312), "loss": falling(0.271)},
            "tags": {"team": "growth"},
            "inputs": [TABLE],
            "source": source(*first),
            "environment": MACHINE,
            "requirements": "numpy==2.3.1\nold-thing==0.1\nscikit-learn==1.8.0\n",
        },
        {
            "name": BRAVE,
            "created": START + 118 * MINUTE,
            "seconds": 61.5,
            "params": {**same, "lr": 1e-4, "depth": 8},
            "metrics": {"auc": rising(0.9288), "loss": falling(0.2685)},
            "goals": {"auc": "max"},
            "tags": {"team": "growth", "champion": ""},
            "note": "Deeper trees.\nSlower, though.",
            "inputs": [TABLE],
            "source": source(*second, "params.yaml", "train.py"),
            "environment": MACHINE,
            "requirements": "numpy==2.3.1\nscikit-learn==1.9.1\n",
            "artifacts": [
                Artifact(path="plot.png", size=18_234, sha256="ab" * 32, media_type="image/png"),
                Artifact(path="model/forest.pkl", size=91_340_822, sha256="cd" * 32, store="lfs"),
            ],
            "edits": [("tags.team", "risk"), ("note", "Deeper trees.\nSlower, though!")],
        },
        {
            "name": CALM,
            "created": START - 26 * HOUR,
            "status": "failed",
            "params": {**same, "lr": 1e-2, "depth": 12},
        },
        {
            "name": "вечерний-лес-三号",
            "created": START - 90 * 24 * HOUR,
            "params": {**same, "lr": 1e-2, "depth": 12, "optimizer": "adam"},
            "metrics": {"auc": 0.5},
        },
        {
            "name": GOING,
            "experiment": "churn nets",
            "created": START + 119 * MINUTE,
            "status": "running",
            "params": {"kind": "net", "layers": [64, 32]},
            "metrics": {"val/acc": [0.61, 0.68]},
        },
    )
    return repo


PAGES = {
    "ls": [["ls"], ["ls", "--experiments"]],
    "ls-sorted": [["ls", "-e", "churn", "--sort", "-auc"]],
    "ls-all": [["ls", "-e", "churn", "--all"]],
    "ls-columns": [["ls", "--columns", "auc,metrics_min.loss,duration,commit,team,age"]],
    "show": [["show", BRAVE]],
    "show-history": [["show", BRAVE, "--history"]],
    "diff": [["diff", KEEN, BRAVE]],
    "diff-all": [["diff", KEEN, BRAVE, "--all"]],
    "diff-three": [["diff", KEEN, BRAVE, CALM]],
    "diff-patch": [["diff", KEEN, BRAVE, "--patch"]],
    "status": [[]],
}


@pytest.mark.parametrize("columns", [60, 100, 140])
@pytest.mark.parametrize("page", PAGES)
def test_on_a_terminal(world, page, columns):
    seen = []
    for args in PAGES[page]:
        code, out = on_terminal(*args, cwd=world, columns=columns, env={"GITML_TEST_CLOCK": NOW})
        assert code == 0, out
        seen.append(f"$ gitml {' '.join(args)}\n{without_color(out)}")
    text = "\n".join(seen)
    if page != "diff-patch":  # somebody's text is never cut
        assert [x for x in text.splitlines() if len(x) > columns and x[0] != "$"] == []
    assert_golden(GOLDEN / str(columns) / f"{page}.txt", text)


@pytest.mark.parametrize("page", PAGES)
def test_in_a_pipe(world, invoke, page):
    answers = [(args, invoke(*args, cwd=world)) for args in PAGES[page]]
    assert [answer.code for _, answer in answers] == [0] * len(answers)
    assert [answer.err for _, answer in answers] == [""] * len(answers)
    text = "\n".join(f"$ gitml {' '.join(args)}\n{answer.out}" for args, answer in answers)
    assert "\x1b" not in text
    assert "…" not in text
    assert_golden(GOLDEN / "pipe" / f"{page}.txt", text)


def answer(invoke, *args, cwd):
    """Return the JSON that a command answers."""
    done = invoke(*args, "--json", cwd=cwd)
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out, parse_constant=pytest.fail)
    assert next(iter(document.items())) == ("schema", 1)
    return document


RUN_KEYS = {
    *("id", "name", "experiment", "status", "created", "ended", "duration", "updated", "author"),
    *("parent", "params", "metrics", "tags", "note", "inputs", "source", "environment"),
    *("artifacts", "deleted", "conflict"),
}


def test_ls_json(world, invoke):
    runs = answer(invoke, "ls", "-e", "churn", cwd=world)["runs"]
    assert [run["name"] for run in runs][:3] == [BRAVE, KEEN, CALM]
    assert all(run.keys() == RUN_KEYS for run in runs)
    brave = runs[0]
    assert brave["id"] == run_id_of(BRAVE)
    assert brave["params"] == {"kind": "forest", "seed": 0, "lr": 1e-4, "depth": 8}
    assert brave["metrics"]["auc"] == {
        "last": 0.9288,
        "step": 20,
        "min": 0.2054,
        "max": 0.9288,
        "count": 20,
        "goal": "max",
    }
    assert (brave["created"], brave["duration"]) == ("2026-01-02T04:58:00.000Z", 61.5)
    assert brave["tags"] == {"champion": "", "team": "risk"}


def test_ls_filters_sorts_and_limits(world, invoke):
    def names(*args):
        return [run["name"] for run in answer(invoke, "ls", *args, cwd=world)["runs"]]

    assert names("--where", "metrics.auc > 0.9 and params.lr < 0.001") == [BRAVE, KEEN]
    assert names("--sort", "loss", "--limit", "1") == [BRAVE]
    assert names("--sort", "-params.lr", "--sort", "name", "--limit", "2")[0] == CALM
    assert names("--limit", "0", "-e", "churn nets") == [GOING]
    assert names("--where", "status = 'failed'") == [CALM]


def test_show_json_is_one_run_of_ls(world, invoke):
    listed = answer(invoke, "ls", cwd=world)["runs"]
    shown = answer(invoke, "show", "latest", cwd=world)["run"]
    assert shown == listed[0]
    assert answer(invoke, "show", run_id_of(KEEN)[:6], cwd=world)["run"]["name"] == KEEN
    assert answer(invoke, "show", "best:loss", cwd=world)["run"]["name"] == BRAVE
    loaded = yaml.safe_load(invoke("show", KEEN, "--yaml", cwd=world).out)
    assert loaded == {"schema": 1, "run": answer(invoke, "show", KEEN, cwd=world)["run"]}


def test_show_history_json(world, invoke):
    document = answer(invoke, "show", BRAVE, "--history", cwd=world)
    assert document["id"] == run_id_of(BRAVE)
    assert [(e["key"], e["value"]) for e in document["edits"][-2:]] == [
        ("tags.team", "risk"),
        ("note", "Deeper trees.\nSlower, though!"),
    ]
    assert document["edits"][-1]["by"] == "Ada Author <ada@example.com>"


def test_diff_json(world, invoke):
    found = answer(invoke, "diff", KEEN, BRAVE, "--patch", cwd=world)
    assert [run["name"] for run in found["runs"]] == [KEEN, BRAVE]
    assert found["metrics"]["loss"] == {
        "values": [0.271, 0.2685],
        "goal": "min",
        "changes": [pytest.approx(-0.0025)],
        "better": [1],
    }
    assert found["metrics"]["auc"]["better"] == [-1]
    assert found["params"] == {"depth": [6, 8], "lr": [3e-4, 1e-4]}
    assert found["tags"] == {"champion": [None, ""], "team": ["growth", "risk"]}
    assert found["inputs"] == found["environment"] == {}
    assert found["packages"] == {"old-thing": ["0.1", None], "scikit-learn": ["1.8.0", "1.9.1"]}
    (source,) = found["source"]
    assert source["files"] == [
        {"path": "models.py", "added": 1, "removed": 0},
        {"path": "train.py", "added": 2, "removed": 2},
    ]
    assert "+print('trained', DEPTH)\n" in source["patch"]
    everything = answer(invoke, "diff", KEEN, BRAVE, "--all", cwd=world)
    assert everything["params"]["kind"] == ["forest", "forest"]
    assert everything["packages"]["numpy"] == ["2.3.1", "2.3.1"]


def test_diff_of_a_run_with_itself(world, invoke):
    found = answer(invoke, "diff", KEEN, KEEN, cwd=world)
    assert found["metrics"] == found["params"] == found["packages"] == {}
    code, out = on_terminal("diff", KEEN, KEEN, cwd=world, env={"NO_COLOR": "1"})
    assert code == 0
    assert out.splitlines() == [
        "  The same: metrics, params, tags and environment.",
        "  DATA       same: train.csv (training) 51ce07b",
        "  SOURCE     same",
    ]


def test_ls_csv(world, invoke):
    rows = list(csv.DictReader(io.StringIO(invoke("ls", "--csv", cwd=world).out)))
    by_name = {row["name"]: row for row in rows}
    assert list(rows[0])[:4] == ["id", "name", "experiment", "status"]
    assert by_name[BRAVE]["params.lr"] == "0.0001"
    assert by_name[BRAVE]["metrics.auc"] == "0.9288"
    assert by_name[BRAVE]["note"] == "Deeper trees.\nSlower, though!"
    assert by_name[GOING]["params.layers"] == "[64, 32]"
    assert by_name[CALM]["metrics.auc"] == ""
    chosen = invoke("ls", "-e", "churn", "--columns", "name,lr,auc", "--csv", cwd=world).out
    assert chosen.splitlines()[:2] == ["name,params.lr,metrics.auc", f"{BRAVE},0.0001,0.9288"]


def test_ls_yaml_holds_what_json_holds(world, invoke):
    loaded = yaml.safe_load(invoke("ls", "--yaml", cwd=world).out)
    assert loaded == answer(invoke, "ls", cwd=world)


def test_experiments(world, invoke):
    found = answer(invoke, "ls", "--experiments", cwd=world)["experiments"]
    assert [(e["name"], e["runs"], e["newest"]) for e in found] == [
        ("churn nets", 1, GOING),
        ("churn", 4, BRAVE),
    ]
    assert found[1]["statuses"] == {"finished": 3, "failed": 1}
    rows = list(csv.DictReader(io.StringIO(invoke("ls", "--experiments", "--csv", cwd=world).out)))
    assert [row["slug"] for row in rows] == [e["slug"] for e in found]


def test_status_json(world, invoke):
    found = answer(invoke, "status", cwd=world)
    assert [e["name"] for e in found["experiments"]] == ["churn nets", "churn"]
    assert [run["name"] for run in found["running"]] == [GOING]
    assert found["running"][0]["doubt"] == "lost?"
    assert found["unpacked"] == 4


def test_what_rm_hides(repo, invoke):
    make_runs(repo, {"name": "kept-1"}, {"name": "gone-1", "deleted": True})
    assert [r["name"] for r in answer(invoke, "ls", cwd=repo)["runs"]] == ["kept-1"]
    assert "gone-1 (deleted)" in invoke("ls", "--deleted", cwd=repo).out


@pytest.mark.parametrize("args", [[], ["ls"], ["ls", "--experiments"]])
def test_nothing_there_yet(repo, invoke, args):
    done = invoke(*args, cwd=repo)
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("There are no ")
    assert "hint: after training, gitml log" in done.err


def test_nothing_that_matches(world, invoke):
    done = invoke("ls", "--where", "params.depth > 100", cwd=world)
    assert (done.code, done.out) == (0, "")
    assert done.err == "No run of 5 matches.\n  hint: gitml ls lists them all\n"
    assert invoke("ls", "--where", "params.depth > 100", "--json", cwd=world).out == (
        '{"schema": 1, "runs": []}\n'
    )


@pytest.mark.parametrize(
    "args,code,said",
    [
        (["show", "brave-oter-12"], 3, "did you mean brave-otter-12?"),
        (["show", "ffffffff"], 3, "gitml ls lists the runs"),
        (["diff", KEEN, "nobody"], 3, "no run is named nobody"),
        (["ls", "--columns", "aucc"], 5, "did you mean metrics.auc?"),
        (["ls", "--sort", "dept"], 5, "did you mean params.depth?"),
        (["ls", "--where", "params.dept = 6"], 5, "did you mean params.depth?"),
        (["ls", "--where", "params.depth >"], 5, "hint: "),
        (["ls", "-e", "chrn"], 3, "did you mean churn?"),
        (["sql", "select * from nowhere"], 5, "hint: "),
        (["sql", "delete from runs"], 5, "hint: "),
        (["export", "csv", "-o", "no/such/folder.csv"], 5, "mkdir it first"),
        (["export", "csv", "-o", "."], 5, "is a folder"),
    ],
)
def test_what_cannot_be_found_or_read(world, invoke, args, code, said):
    done = invoke(*args, cwd=world)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert 1 <= done.err.count("\n") <= 2


def test_sql(world, invoke):
    query = "select experiment, count(*) as runs, null as n from runs group by 1 order by 1"
    assert answer(invoke, "sql", query, cwd=world) == {
        "schema": 1,
        "columns": ["experiment", "runs", "n"],
        "rows": [
            {"experiment": "churn", "runs": 4, "n": None},
            {"experiment": "churn nets", "runs": 1, "n": None},
        ],
    }
    assert invoke("sql", query, "--csv", cwd=world).out == (
        "experiment,runs,n\nchurn,4,\nchurn nets,1,\n"
    )
    assert invoke("sql", "-", cwd=world, input=query).out == (
        "experiment  runs  n\nchurn          4  -\nchurn nets     1  -\n"
    )
    twice = answer(invoke, "sql", "select 1 as a, 2 as a", cwd=world)
    assert twice["rows"] == [{"a": 1, "a:1": 2}]


def test_export_is_what_ls_answers(world, invoke):
    assert invoke("export", "csv", cwd=world).out == invoke("ls", "--csv", cwd=world).out
    assert invoke("export", "json", cwd=world).out == invoke("ls", "--json", cwd=world).out
    done = invoke("export", "json", "-e", "churn nets", "-o", "runs.json", cwd=world)
    assert (done.code, done.out, done.err) == (0, "", "Wrote 1 run to runs.json\n")
    (run,) = json.loads((world / "runs.json").read_text(encoding="utf-8"))["runs"]
    assert run["name"] == GOING


def test_export_points(world, invoke):
    out = invoke("export", "csv", "--points", "-e", "churn nets", cwd=world).out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(r["run"], r["metric"], r["step"], r["value"]) for r in rows] == [
        (GOING, "val/acc", "1", "0.61"),
        (GOING, "val/acc", "2", "0.68"),
    ]
    points = answer(lambda *a, **k: invoke(*a[:-1], **k), "export", "json", "--points", cwd=world)
    assert len(points["points"]) == 20 + 20 + 20 + 20 + 1 + 2


@pytest.mark.skipif(os.name == "nt", reason="permissions and links are others there")
def test_export_replaces_a_file_whole(world, invoke):
    real, link = world / "real.csv", world / "link.csv"
    real.write_text("before", encoding="utf-8")
    link.symlink_to(real)
    assert invoke("export", "csv", "-o", link, cwd=world).code == 0
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8").startswith("id,name,")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(real.stat().st_mode) == 0o666 & ~umask
    assert [p.name for p in world.iterdir() if p.name.endswith(".part")] == []
    assert invoke("export", "csv", "-o", os.devnull, cwd=world).code == 0


def test_export_to_parquet(world, invoke):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    assert invoke("export", "parquet", "-o", "runs.parquet", cwd=world).code == 0
    rows = {row["name"]: row for row in parquet.read_table(world / "runs.parquet").to_pylist()}
    assert rows[BRAVE]["metrics.auc"] == 0.9288
    assert rows[BRAVE]["params.depth"] == 8
    assert rows[GOING]["params.layers"] == "[64, 32]"
    assert rows[CALM]["metrics.auc"] is None
    assert invoke("export", "parquet", "--points", "-o", "p.parquet", cwd=world).code == 0
    assert parquet.read_table(world / "p.parquet").num_rows == 83


def test_parquet_without_its_library(world, gitml_cli):
    if importlib.util.find_spec("pyarrow"):
        pytest.skip("pyarrow is installed")
    done = gitml_cli("export", "parquet", "-o", "x.parquet", cwd=world)
    assert (done.code, done.out) == (2, "")
    assert "pip install 'gitml[parquet]'" in done.err
    assert not (world / "x.parquet").exists()


def test_every_attribute_that_can_be_queried_can_be_a_column():
    assert QUERIED.keys() - {"age"} <= ATTRIBUTES.keys()


BAD = "\x1b]0;owned\x07\x9b31m\u202etxt.exe\u2066\u2028\x7f"


@pytest.fixture
def hostile(repo):
    """Return a repository whose run holds control and bidirectional characters everywhere."""
    facts = {
        "experiment": f"e{BAD}",
        "params": {f"p{BAD}": f"v{BAD}", "list": [f"l{BAD}"]},
        "metrics": {f"m{BAD}": [1.0, math.nan, math.inf]},
        "tags": {f"t{BAD}": f"v{BAD}"},
        "note": f"n{BAD}\nsecond",
        "inputs": [Dataset(name=f"d{BAD}", uri=f"u{BAD}", context=f"c{BAD}", digest=f"x{BAD}")],
        "source": Source(branch=f"b{BAD}", command=(f"c{BAD}",), changed=(f"f{BAD}",), tree="-x"),
        "environment": Environment(python=f"p{BAD}", variables={f"V{BAD}": f"v{BAD}"}),
        "requirements": f"pkg{BAD}==1{BAD}\n",
        "artifacts": [Artifact(path=f"a{BAD}", store="uri", uri=f"u{BAD}")],
        "author": f"A{BAD} <a@example.com>",
    }
    make_runs(repo, {"name": f"run{BAD}", **facts}, {"name": "tame-1", "created": START - 1})
    return repo


HOSTILE_CALLS = [
    [],
    ["ls"],
    ["ls", "--all"],
    ["ls", "--csv"],
    ["ls", "--json"],
    ["ls", "--yaml"],
    ["ls", "--experiments"],
    ["show", "latest"],
    ["show", "latest", "--json"],
    ["show", "latest", "--yaml"],
    ["show", "latest", "--history"],
    ["diff", "latest", "tame-1"],
    ["diff", "latest", "tame-1", "--json"],
    ["sql", "select * from params"],
    ["sql", "select * from params", "--json"],
    ["sql", "select * from params", "--csv"],
    ["export", "csv", "--points"],
    ["status", "--json"],
    ["ls", "--where", f"nothing{BAD} = 1"],
    ["show", f"nobody{BAD}"],
    [f"command{BAD}"],
]
RAW = [c for c in BAD if c not in "txt.exeowned]0;31m"]


@pytest.mark.parametrize("args", HOSTILE_CALLS, ids=lambda args: " ".join(args)[:40])
def test_hostile_characters_are_never_raw(hostile, invoke, args):
    done = invoke(*args, cwd=hostile)
    assert [c for c in RAW if c in done.out + done.err] == []
    assert done.code in {0, 2, 3, 5}
    _, seen = on_terminal(*args, cwd=hostile, env={"NO_COLOR": "1"})
    assert [c for c in RAW if c in seen] == []


def test_hostile_characters_survive_in_data(hostile, invoke):
    run = answer(invoke, "show", f"run{BAD}", cwd=hostile)["run"]
    assert run["params"][f"p{BAD}"] == f"v{BAD}"
    assert run["metrics"][f"m{BAD}"]["last"] is None
    loaded = yaml.safe_load(invoke("show", f"run{BAD}", "--yaml", cwd=hostile).out)
    assert loaded["run"] == run


@pytest.mark.parametrize(
    "args",
    [
        ["ls"],
        [],
        ["show", BRAVE],
        ["show", BRAVE, "--history"],
        ["diff", KEEN, BRAVE, CALM, GOING, BRAVE, "--json", "--patch"],
        ["diff", KEEN, BRAVE, KEEN, BRAVE, KEEN],
        ["export", "csv", "--points"],
    ],
    ids=" ".join,
)
def test_at_most_six_processes(world, tmp_path, gitml_cli, args):
    log = tmp_path / "trace"
    assert gitml_cli(*args, cwd=world, env={"GIT_TRACE": str(log)}).code == 0
    lines = log.read_text(encoding="utf-8").splitlines()
    started = [x for x in lines if "trace: built-in: git" in x and "git version" not in x]
    assert 1 <= len(started) <= 6, started


def test_diff_of_many_says_which_source(world, invoke):
    found = answer(invoke, "diff", KEEN, BRAVE, KEEN, CALM, BRAVE, "--patch", cwd=world)["source"]
    assert [source["run"] for source in found] == [BRAVE, KEEN, CALM, BRAVE]
    assert [len(source.get("files", "-")) for source in found] == [2, 0, 1, 2]
    assert found[0] == found[3]
    assert "patch" in found[1]
    assert found[1]["patch"] == found[2]["patch"] == ""


@pytest.mark.parametrize("end", ["\n", "\0"])
@pytest.mark.parametrize("texts", [["x", "y", "z"], ["", "", ""], ["", "y\n+a b", ""], ["x"]])
def test_what_git_says_of_pairs_comes_apart(texts, end):
    pairs = ["a b\n", "a c\n", "a b\n"][: len(texts)]
    texts = [text + end if text else "" for text in texts]
    said = "".join(pair + text for pair, text in zip(pairs, texts, strict=True))
    assert _apart(said, pairs, end) == texts


def test_diff_keeps_text_that_looks_like_another_pair(repo, git, invoke):
    """A file that is named and filled like git's own lines between two pairs of trees."""
    (repo / "a").write_text("1\n", encoding="utf-8")
    git(repo, "add", "-A")
    git(repo, "commit", "--quiet", "-m", "a")
    first = git(repo, "rev-parse", "HEAD^{tree}").strip()
    (repo / f"{first} {first}\n").write_text(f"\n{first} {first}\n", encoding="utf-8")
    git(repo, "add", "-A")
    second = git(repo, "write-tree").strip()
    make_runs(
        repo,
        {"name": "one-1", "source": Source(tree=first)},
        {"name": "two-2", "source": Source(tree=second)},
    )
    (source,) = answer(invoke, "diff", "one-1", "two-2", "--patch", cwd=repo)["source"]
    assert source["files"] == [{"path": f"{first} {first}\n", "added": 2, "removed": 0}]
    assert f"+{first} {first}\n" in source["patch"]
