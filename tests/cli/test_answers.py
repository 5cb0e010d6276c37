"""What ls, show, diff, sql, export and status answer, as data and in words."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import stat

import pytest
import yaml

from gitml.commands.comparing import _apart
from gitml.model import Source
from gitml.query.columns import ATTRIBUTES
from gitml.query.schema import ATTRIBUTES as QUERIED
from tests.cli.world import BRAVE, CALM, GOING, KEEN, answer
from tests.support import make_runs, on_terminal, run_id_of

RUN_KEYS = {
    *("id", "name", "experiment", "status", "created", "ended", "duration", "updated", "author"),
    *("parent", "params", "metrics", "tags", "note", "inputs", "source", "environment"),
    *("artifacts", "deleted", "conflict", "versions"),
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
    wrong = invoke("sql", "select * from nosuch", cwd=world)
    assert (wrong.code, "hint: There are: runs, metrics, params" in wrong.err) == (5, True)
    wrong = invoke("sql", "select", cwd=world)
    assert (wrong.code, "hint: gitml sql --help names the tables" in wrong.err) == (5, True)
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


def test_versions_and_params_are_shown_as_they_are(repo):
    runs = {"one-1": ("1.8", 0.3, 0.5), "two-2": ("1.10", 0.05, 0.25), "three-3": ("1.8", 0.3, 0.5)}
    make_runs(
        repo,
        *(
            {
                "name": name,
                "requirements": "".join([f"lib=={lib}\n", *(f"x{n}=={lr}\n" for n in range(20))]),
                "params": {"lr": lr},
                "metrics": {"auc": auc},
            }
            for name, (lib, lr, auc) in runs.items()
        ),
    )
    code, out = on_terminal("diff", *runs, cwd=repo, env={"NO_COLOR": "1"})
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert ["lib", "1.8", "1.10", "1.8"] in rows
    assert ["lr", "0.3", "0.05", "0.3"] in rows
    assert ["auc", "0.50", "0.25", "0.50"] in rows
    assert "… and 11 more packages: --all shows them".split() in rows
