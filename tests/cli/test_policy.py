"""gitml policy check and gitml policy explain, as people type them."""

from __future__ import annotations

import json
import re

import pytest

from gitml.model import Source
from tests.support import make_run, on_terminal, without_color

POLICY = """\
stages:
  production:
    - metric: metrics.auc >= 0.85
    - any: [{signed_by: [release@example.com]}, {clean_source: true}]
  staging: []
models:
  "churn-*": {production: [{unsafe_allow: true}]}
break_glass: [{signed_by: [oncall@example.com]}]
"""


@pytest.fixture
def gitml(invoke, repo):
    """Return ``gitml(*args, code=0)``, run in the repository: its whole answer."""

    def run(*args, code=0, cwd=repo):
        answer = invoke(*args, cwd=cwd)
        assert answer.code == code, answer
        return answer

    return run


@pytest.fixture
def write(repo, git):
    """Return ``write(text, path)``: write a file of .gitml and commit it."""

    def put(text, path="policy.yaml", *, commit=True):
        (repo / ".gitml").mkdir(exist_ok=True)
        (repo / ".gitml" / path).write_text(text, encoding="utf-8")
        if commit:
            git(repo, "add", ".gitml")
            git(repo, "commit", "--quiet", "--allow-empty", "-m", f"write {path}")

    return put


@pytest.fixture
def churn(repo, git, gitml, write):
    """Register churn v1.0.0, of committed code, with an auc of 0.93."""
    write(POLICY)
    head = git(repo, "rev-parse", "HEAD").strip()
    make_run(repo, "keen-fjord-8", metrics={"auc": 0.93}, source=Source(commit=head))
    (repo.parent / "weights").write_bytes(b"weights")
    gitml("register", "churn", "--run", "keen-fjord-8", "--path", "../weights")


def cells(text):
    """Return the cells of a table in a pipe."""
    return [re.split("  +", line) for line in text.splitlines()]


# check


def test_check_shows_what_the_file_says(gitml, write):
    write(POLICY, commit=False)
    answer = gitml("policy", "check")
    assert cells(answer.out) == [
        ["stage", "gate"],
        ["production", "metrics.auc >= 0.85"],
        ["production", "any of [signed_by release@example.com; clean_source]"],
        ["staging", "nothing passes"],
        ["production of churn-*", "unsafe_allow"],
        ["break-glass", "signed_by oncall@example.com"],
        [".gitml/policy.yaml can be read; 4 gates in 4 lists."],
        ["main has none yet, so anything passes until this one is there."],
    ]
    assert answer.err == "stages.staging is empty, so it refuses.\n"


def test_check_says_whether_the_branch_has_it(gitml, write):
    write(POLICY)
    assert gitml("policy", "check").out.endswith("\nmain has the same.\n")
    write("default: []", commit=False)
    assert "main has another" in gitml("policy", "check").out
    assert gitml("policy", "check", "--at", "HEAD").out.endswith("4 gates in 4 lists.\n")


def test_check_as_json(gitml, write):
    write(POLICY)
    found = json.loads(gitml("policy", "check", "--json").out)
    assert found["schema"] == 1
    assert found["policy"] == {
        "stages": {
            "production": [
                "metrics.auc >= 0.85",
                "any of [signed_by release@example.com; clean_source]",
            ],
            "staging": [],
        },
        "default": None,
        "models": {"churn-*": {"production": ["unsafe_allow"]}},
        "break_glass": ["signed_by oncall@example.com"],
    }
    assert found["doubts"] == ["stages.staging is empty, so it refuses."]


@pytest.mark.parametrize(
    "text,said",
    [
        ("default: [{any: []}]", "default has a gate any without gates, which refuses."),
        ("schema: 1", "It has no list at all, so every stage refuses."),
        ("stages: {prod: [{unsafe_allow: true}]}", "prod is not one of stages.order in"),
        (
            'models: {"ch*": {}, "*rn": {}}\ndefault: [{unsafe_allow: true}]',
            ".gitml/policy.yaml has two entries under models that match churn: ch* and *rn",
        ),
    ],
)
def test_check_doubts_what_can_hardly_be_meant(gitml, write, churn, text, said):
    write("stages: {order: [staging, production], only: true}", "config.yaml", commit=False)
    write(text, commit=False)
    assert said in gitml("policy", "check").err


@pytest.mark.parametrize(
    "text,code,said,hint",
    [
        ("default: [{metrc: 1}]", 5, "line 1: default[1].metrc is not the name", "metric?"),
        ("schema: 2", 8, "has schema 2", "Upgrade"),
        ("default: [", 5, "is not YAML that can be read", None),
        (b"default: \xff", 5, "is not UTF-8 text.", None),
        (b"#" * (257 * 1024), 5, "more than the limit of 262,144", None),
        (None, 3, "There is no .gitml/policy.yaml in the work tree", "gitml init --policy"),
    ],
)
def test_check_of_a_file_that_is_none(gitml, repo, text, code, said, hint):
    (repo / ".gitml").mkdir()
    if text is not None:
        data = text.encode() if isinstance(text, str) else text
        (repo / ".gitml" / "policy.yaml").write_bytes(data)
    answer = gitml("policy", "check", code=code)
    assert answer.out == ""
    assert said in answer.err
    assert hint is None or hint in answer.err


def test_check_of_no_commit_and_of_a_folder(gitml, repo):
    assert "nothing names no commit" in gitml("policy", "check", "--at", "nothing", code=3).err
    assert "in HEAD, so anything passes" in gitml("policy", "check", "--at", "HEAD", code=3).err
    (repo / ".gitml" / "policy.yaml").mkdir(parents=True)
    assert "is a folder" in gitml("policy", "check", code=5).err


# explain


def test_explain_says_which_list_counts(gitml, write):
    write(POLICY)
    answer = gitml("policy", "explain", "spam", "production")
    assert answer.err == "There is no model spam; this is what would count for one.\n"
    assert answer.out == (
        "stages.production counts, in .gitml/policy.yaml on main: "
        "no entry of models is about spam.\n"
        "gate                             passes when\n"
        "metrics.auc >= 0.85              it holds for the metrics that the version was "
        "registered with\n"
        "any of                           one of these passes\n"
        "  signed_by release@example.com  the tag that puts it into the stage is signed by "
        "release@example.com\n"
        "  clean_source                   the code of its run was committed, and a branch of "
        "the remote has it\n"
        "All of them must pass.\n"
        "--break-glass takes signed_by oncall@example.com\n"
    )


@pytest.mark.parametrize(
    "model,stage,said",
    [
        ("churn-eu", "production", "models.churn-*.production counts"),
        ("churn-eu", "production", "models.churn-* matches churn-eu."),
        ("churn-eu", "staging", "models.churn-* matches churn-eu and says nothing of staging."),
        ("churn-eu", "staging", "It is empty, so it refuses."),
        ("spam", "qa", "has no list for qa: no entry of models is about spam, and stages does not"),
        ("spam", "qa", "does not name qa, and there is no default, so it refuses."),
    ],
)
def test_explain_says_why(gitml, write, model, stage, said):
    write(POLICY)
    assert said in gitml("policy", "explain", model, stage).out


def test_explain_judges_a_version(repo, git, gitml, churn):
    head = git(repo, "rev-parse", "HEAD").strip()[:10]
    for version in ("v1.0.0", "1.0.0", "1", "latest"):
        answer = gitml("policy", "explain", "churn", "production", version)
        signed = "signed_by release@example.com"
        assert cells(answer.out)[1:] == [
            ["answer", "gate", "got", "expected"],
            ["pass", "metrics.auc >= 0.85", "0.93", ">= 0.85"],
            ["pass", f"any of [{signed}; clean_source]", "1 of 2 pass", "one of them passes"],
            ["refuse", signed, "not signed", "signed by release@example.com"],
            ["pass", "clean_source", f"{head} on main", "committed, and on a branch"],
            ["churn v1.0.0 may enter production."],
        ]
    for stage in ("staging", "qa"):  # an empty list, and none: a review would not help
        assert "--review" not in gitml("promote", "churn", "1", "--stage", stage, code=4).err
    words = (["churn@1", "production"], ["churn@1", "--stage", "production"])
    for asked in (*words, ["churn", "latest", "--stage", "production"]):
        assert gitml("policy", "explain", *asked).out == answer.out
    for asked in (["churn@1"], ["churn@1", "production", "1"], ["churn", "1", "2", "--stage", "x"]):
        gitml("policy", "explain", *asked, code=2)
    refused = gitml("policy", "explain", "churn", "staging", "v1.0.0").out
    assert "churn v1.0.0 may not enter staging." in refused


def test_explain_as_json(repo, git, gitml, churn):
    found = json.loads(gitml("policy", "explain", "churn", "production", "1", "--json").out)
    assert found["commit"] == git(repo, "rev-parse", "HEAD").strip()
    assert (found["source"], found["absent"]) == ("stages.production", False)
    assert (found["version"], found["answer"]) == ("v1.0.0", "pass")
    assert [gate["kind"] for gate in found["gates"]] == ["metric", "any"]
    assert [v["answer"] for v in found["verdicts"]] == ["pass", "pass"]
    assert [v["answer"] for v in found["verdicts"][1]["inner"]] == ["refuse", "pass"]
    without = json.loads(gitml("policy", "explain", "spam", "production", "--json").out)
    assert (without["answer"], without["verdicts"]) == (None, None)


def test_explain_by_the_policy_of_a_commit(gitml, write, churn):
    write("default: [{metric: metrics.auc >= 0.99}]")
    args = ["policy", "explain", "churn", "production", "v1.0.0"]
    assert "may not enter" in gitml(*args).out
    assert "may enter" in gitml(*args, "--at", "HEAD~").out
    assert ".gitml/policy.yaml on HEAD~" in gitml(*args, "--at", "HEAD~").out


def test_the_work_tree_s_policy_does_not_count(gitml, write, churn):
    write("default: []", commit=False)
    assert "may enter" in gitml("policy", "explain", "churn", "production", "v1.0.0").out


def test_explain_without_a_policy(gitml):
    answer = gitml("policy", "explain", "churn", "production")
    assert answer.out == ""
    assert "There is no .gitml/policy.yaml on main, so anything passes." in answer.err


@pytest.mark.parametrize(
    "args,code,said",
    [
        (["chrun", "production", "v1.0.0"], 3, "did you mean churn?"),
        (["churn", "production", "v9.0.0"], 3, "v9.0.0"),
        (["churn", "Production"], 5, "use production"),
        (["churn", "production", "v1.0.0", "--at", "--all"], 3, "names no commit"),
    ],
)
def test_explain_of_what_is_not_there(gitml, churn, args, code, said):
    answer = gitml("policy", "explain", *args, code=code)
    assert answer.out == ""
    assert said in answer.err


def test_a_stage_that_is_not_allowed(gitml, write, churn):
    write("stages: {order: [staging, production], only: true}", "config.yaml")
    answer = gitml("policy", "explain", "churn", "prodction", code=5)
    assert answer.err == (
        "error: prodction is not one of the stages of this repository.\n"
        "  hint: did you mean production? stages.order in .gitml/config.yaml has staging, "
        "production\n"
    )
    assert gitml("promote", "churn", "v1.0.0", "--stage", "prodction", code=5).err == answer.err
    gitml("promote", "churn", "v1.0.0", "--stage", "production")


def test_on_a_terminal(repo, gitml, churn):
    code, out = on_terminal("policy", "explain", "churn", "production", "v1.0.0", cwd=repo)
    lines = without_color(out).splitlines()
    assert code == 0
    assert lines[1] == "  ✓ metrics.auc >= 0.85              got 0.93"
    assert lines[2] == "  ✓ any of                           1 of 2 pass"
    assert lines[3] == "    ✗ signed_by release@example.com  not signed"
    assert "\x1b[32m✓" in out
    assert "\x1b[31m✗" in out


def test_hostile_names_are_escaped(gitml, write):
    write('models:\n  "a\\e[31m*": {production: [{metric: \'metrics."\u202e" > 1\'}]}\n')
    answer = gitml("policy", "check")
    assert "\x1b" not in answer.out + answer.err
    assert "\u202e" not in answer.out + answer.err
    write('default: [{"\\e[31m": 1}]')
    assert "\x1b" not in gitml("policy", "check", code=5).err
