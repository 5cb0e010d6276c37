"""gitml model show, diff and history, and where runs and lineage tell of models."""

from __future__ import annotations

import json

import pytest

from gitml import api
from gitml.model import Dataset
from tests.support import make_run, on_terminal, without_color

DATA = "sha256:" + "d4" * 32
SIGNATURE = "signature:\n  inputs: '[{columns}]'\n  outputs: '[{{\"type\": \"double\"}}]'\n"
MLMODEL = "flavors:\n  mine: {{}}\n" + SIGNATURE
AGE = '{"name": "age", "type": "long"}'
CITY = '{"name": "city", "type": "string"}'


@pytest.fixture
def gitml(invoke, repo):
    """Return ``gitml(*args, code=0)``, run in the repository: its whole answer."""

    def run(*args, code=0):
        answer = invoke(*args, cwd=repo)
        assert answer.code == code, answer
        return answer

    return run


@pytest.fixture
def churn(repo, gitml, tmp_path):
    """v1.0.0 of one run, in production, and v2.0.0 of another, which wants one input more."""
    for name, auc, columns in (("one", 0.8, AGE), ("two", 0.9, f"{AGE}, {CITY}")):
        folder = tmp_path / name / "model"
        folder.mkdir(parents=True)
        (folder / "MLmodel").write_text(MLMODEL.format(columns=columns))
        (folder / "weights.txt").write_text(f"weights of {name}\n" * 20)
        if name == "two":
            (folder / "cities.txt").write_text("Oslo\n")
        data = Dataset(name="train.csv", digest=DATA, context="training")
        make_run(repo, name, metrics={"auc": auc}, params={"depth": len(name)}, inputs=[data])
        gitml("log", "--run", name, "--artifact", folder)
        gitml("register", "churn", "--run", name, "--tag", "team=growth", "--note", f"from {name}")
    gitml("model", "note", "churn", "Customers who leave.")
    gitml("promote", "churn", "1", "--stage", "production", "-m", "the first")


def document(gitml, *args):
    return json.loads(gitml(*args, "--json").out)


def test_a_model_is_shown_with_its_stages_and_versions(churn, gitml):
    lines = gitml("model", "show", "churn").out.splitlines()
    assert lines[:2] == ["churn  2 versions", "  what       Customers who leave."]
    assert lines[4].split() == [
        *("production", "v1.0.0"),
        *(lines[4].split()[2], "Ada", "Author", "<ada@example.com>", "the", "first"),
    ]
    assert [line.split()[:5] for line in lines[6:]] == [
        ["version", "#", "auc", "stage", "run"],
        ["v2.0.0", "2", "0.9", "-", "two"],
        ["v1.0.0", "1", "0.8", "production", "one"],
    ]
    model = document(gitml, "model", "show", "churn")["model"]
    assert [(v["version"], v["stages"]) for v in model["versions"]] == [
        ("v1.0.0", ["production"]),
        ("v2.0.0", []),
    ]
    assert [e["event"] for e in model["events"]] == ["register", "register", "describe", "assign"]
    assert model["stages"]["production"]["reason"] == "the first"


def test_a_version_is_shown_whole(churn, gitml):
    version = document(gitml, "model", "show", "churn#production")["version"]
    assert (version["model"], version["version"], version["stages"]) == (
        "churn",
        "v1.0.0",
        ["production"],
    )
    assert version["metrics"]["auc"]["last"] == 0.8
    assert version["params"] == {"depth": 3}
    assert version["inputs"][0]["digest"] == DATA
    assert version["signature"]["inputs"] == [{"name": "age", "type": "long"}]
    assert list(version["flavors"]) == ["mine"]
    assert (version["tags"], version["note"]) == ({"team": "growth"}, "from one")
    assert [file["path"] for file in version["files"]] == ["MLmodel", "weights.txt"]
    text = gitml("model", "show", "churn@1").out
    for words in ("from one", "team=growth", DATA, "age long", version["digest"], "weights.txt"):
        assert words in text


def test_versions_are_compared_in_all_that_they_are(churn, gitml):
    compared = document(gitml, "model", "diff", "churn#production", "churn@latest")
    assert [v["version"] for v in compared["versions"]] == ["v1.0.0", "v2.0.0"]
    assert compared["metrics"]["auc"]["values"] == [0.8, 0.9]
    assert compared["metrics"]["auc"]["better"] == [1]
    assert compared["inputs"] == {}  # the same data
    (signature,) = compared["signature"]
    assert [(d["part"], d["name"], d["what"], d["breaks"]) for d in signature] == [
        ("inputs", "city", "added", True)
    ]
    (files,) = compared["files"]
    assert [f["path"] for f in files] == ["MLmodel", "cities.txt", "weights.txt"]
    assert files[1]["before"] is None
    text = gitml("model", "diff", "churn@1", "churn@2").out
    assert "signature  input city was added  (breaks callers)" in text
    assert "files  cities.txt  added, 5" in text
    assert "files  weights.txt  300, other content" in text  # and as long as before
    assert gitml("model", "diff", "churn@1", code=2).err.startswith("error: It takes two versions")


def test_history_says_who_did_what_and_why(churn, gitml):
    gitml("model", "tag", "churn@1", "a=b")
    gitml("model", "note", "churn@1", "slow")
    gitml("promote", "churn", "2", "--stage", "dev")
    gitml("unassign", "churn", "--stage", "dev")
    gitml("promote", "churn", "2", "--stage", "production")
    gitml("rollback", "churn", "--stage", "production", "-m", "slow")
    events = document(gitml, "model", "history", "churn", "--stage", "production")["events"]
    assert [(e["version"], e["previous"], e["via"], e["reason"]) for e in events] == [
        ("v1.0.0", "v2.0.0", "rollback", "slow"),
        ("v2.0.0", "v1.0.0", "promote", None),
        ("v1.0.0", None, "promote", "the first"),
    ]
    text = gitml("model", "history", "churn").out
    for words in (
        *("production: v2.0.0 → v1.0.0  rollback", "production: empty → v1.0.0"),
        *("registered v2.0.0", "described the model", "tagged v1.0.0", "noted v1.0.0"),
        "dev: v2.0.0 → empty          unassign",
    ):
        assert words in text
    assert gitml("model", "history", "churn", "--stage", "nowhere").out == ""


def test_runs_say_what_was_made_of_them(churn, gitml, repo):
    runs = {run["name"]: run["versions"] for run in document(gitml, "ls")["runs"]}
    assert runs["one"] == [
        {"model": "churn", "version": "v1.0.0", "number": 1, "stages": ["production"]}
    ]
    assert runs["two"][0]["stages"] == []
    assert "registered churn@v1.0.0  ● production" in gitml("show", "one").out
    table = {line.split()[0]: line.split()[-1] for line in gitml("ls").out.splitlines()}
    assert (table["name"], table["one"], table["two"]) == ("stage", "production", "v2.0.0")
    status = document(gitml, "status")
    assert status["models"][0]["stages"]["production"]["version"] == "v1.0.0"


def test_lineage_leads_from_data_to_the_stage_and_back(churn, gitml):
    graph = document(gitml, "lineage", DATA)
    labels = [node["label"] for node in graph["nodes"]]
    assert {*labels} == {
        *("train.csv", "one", "two", "churn@v1.0.0", "churn@v2.0.0", "churn#production")
    }
    back = document(gitml, "lineage", "churn#production")
    assert [edge["label"] for edge in back["edges"]] == [
        *("in stage", "registered", "used as training")
    ]
    assert document(gitml, "lineage", "churn")["focus"] == "version:churn@v2.0.0"
    gitml("rm", "one")  # what the version froze stays
    assert document(gitml, "lineage", "churn#production")["edges"] == back["edges"]


def test_of_many_files_some_are_listed(churn, repo, gitml, tmp_path):
    (tmp_path / "many").mkdir()
    for n in range(25):
        (tmp_path / "many" / f"part-{n:02}.txt").write_text("x\n")
    gitml("register", "churn", "--run", "two", "--path", tmp_path / "many", "--version", "v3.0.0")
    _, shown = on_terminal("model", "show", "churn@latest", cwd=repo, columns=120)
    assert "… and 6 more files: --all shows them" in shown
    assert "gitml model diff churn@v2.0.0 churn@v3.0.0" in without_color(shown)
    assert "part-24.txt" in gitml("model", "show", "churn@3").out
    _, everything = on_terminal("model", "show", "churn@3", "--all", cwd=repo, columns=120)
    assert "part-24.txt" in everything


def test_a_plain_clone_says_what_it_lacks(churn, repo, git, gitml, invoke, tmp_path):
    gitml("model", "deprecate", "churn@2", "-m", "it leaks")
    pulled = gitml("model", "pull", "churn@2", "-o", tmp_path / "pulled")
    assert pulled.err == "churn@v2.0.0 is deprecated: it leaks.\n"
    with pytest.warns(UserWarning, match="is deprecated: it leaks"):
        api.pull_model("churn@2", tmp_path / "pulled", repo=repo)
    git(repo, "init", "-q", "--bare", tmp_path / "bare.git")
    git(repo, "remote", "add", "origin", tmp_path / "bare.git")
    git(repo, "push", "-q", "origin", "HEAD:main")
    gitml("push")
    for tags, said in (("--tags", "not their journals"), ("--no-tags", "brings those of others")):
        clone = tmp_path / tags
        git(tmp_path, "clone", "-q", tags, tmp_path / "bare.git", clone)
        for command in ("stages", "models"):
            answer = invoke(command, cwd=clone)
            assert (answer.code, said in answer.err, "gitml pull" in answer.err) == (0, True, True)
    assert said in invoke("model", "show", "churn", cwd=clone).err
    shown = invoke("model", "show", "churn@latest", cwd=tmp_path / "--tags")
    assert "not their journals" in shown.err
    traced = invoke("lineage", "churn#production", cwd=tmp_path / "--tags").out
    assert "run one  registered  churn · not in this repository" in traced
    assert invoke("pull", cwd=clone).code == 0
    after = invoke("model", "show", "churn@latest", cwd=clone)
    assert (after.out.split()[0], after.err) == ("churn@v1.0.0", "")


@pytest.mark.parametrize("width", [60, 82, 140])
def test_tables_fit_the_screen(churn, repo, gitml, width):
    for command in (["show", "churn"], ["show", "churn@1"], ["history", "churn"]):
        code, drawn = on_terminal("model", *command, cwd=repo, columns=width)
        assert code == 0
        text = without_color(drawn)
        assert max(map(len, text.splitlines())) <= width
        if command == ["show", "churn@1"] and width > 80:
            assert document(gitml, "model", *command)["version"]["digest"] in text  # to be copied
        assert "v1.0.0" in text


@pytest.mark.parametrize(
    "ref, code, words",
    [
        ("nope", 3, "There is no model nope"),
        ("models:/churn/3", 3, "a version is named as churn@v1.2.0"),
        ("churn@9", 3, "churn has no version 9"),
        ("churn#staging", 3, "No version of churn is in staging"),
        ("churn@", 5, "names no version"),
        ("churn@v1", 5, "is not a version"),
    ],
)
def test_what_is_not_there(churn, gitml, ref, code, words):
    answer = gitml("model", "show", ref, code=code)
    assert words in answer.err
    assert "hint:" in answer.err
    assert answer.out == ""
