"""The policy file: what it says, what is wrong with it, and which list counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gitml
from gitml.errors import DamagedError, InputError, NewerSchemaError
from gitml.registry.gates import GATES, read_gate
from gitml.registry.gates.base import ORDER, PolicyError, Where, verdict
from gitml.registry.policy import (
    FILE,
    LIMIT,
    Policy,
    evaluate,
    load_policy,
    parse_policy,
)
from gitml.store.git import open_repository
from tests.registry.cases import case, event, frozen, model

FORMAT = Path(gitml.__file__).parent / "FORMAT.md"
DESIGN = """\
schema: 1
stages:
  production:
    - metric: metrics.auc >= 0.85
    - metric: metrics.auc >= current - 0.005
    - from_stage: {stage: staging, for: 24h}
    - lineage: all
    - any: [{signed_by: [release@example.com]}, {review: merged}]
  staging: [{clean_source: true}]
default: [{unsafe_allow: true}]
models:
  "churn-*": {production: [{metric: metrics.auc >= 0.8}]}
break_glass: [{signed_by: [oncall@example.com]}]
"""


def texts(gates):
    return None if gates is None else [gate.text for gate in gates]


def test_the_file_of_the_design():
    policy = parse_policy(DESIGN)
    assert texts(policy.stages["production"]) == [
        "metrics.auc >= 0.85",
        "metrics.auc >= current - 0.005",
        "from_stage staging for 24h",
        "lineage all",
        "any of [signed_by release@example.com; review merged]",
    ]
    assert texts(policy.stages["staging"]) == ["clean_source"]
    assert texts(policy.default) == ["unsafe_allow"]
    assert texts(policy.models["churn-*"]["production"]) == ["metrics.auc >= 0.8"]
    assert texts(policy.break_glass) == ["signed_by oncall@example.com"]


def test_lists_may_be_shared_by_anchors():
    policy = parse_policy("stages:\n  a: &one [{metric: metrics.x > 1}]\n  b: *one\n")
    assert texts(policy.stages["b"]) == ["metrics.x > 1"]


@pytest.mark.parametrize(
    "text,said,hint",
    [
        ("", "it is not a mapping", "gitml init --policy"),
        ("- metric: metrics.auc > 1", "it is not a mapping", None),
        ("schema: 1\nstage: {}", "line 2: stage is not a key of a policy", "did you mean stages?"),
        ("brake_glass: []", "line 1: brake_glass is not a key", "did you mean break_glass?"),
        ("7: []", "line 1: 7 is not a key", "the keys are schema, stages"),
        ("schema: one", "line 1: schema is not a number", "write schema: 1"),
        ("stages: []", "line 1: stages is not a mapping", None),
        ("stages:\n  Prod: []", "line 2: stages.Prod cannot be the name of a stage", "use prod"),
        ("stages:\n  latest: []", "line 2: stages.latest cannot be", None),
        ("stages:\n  production:", "line 2: stages.production is not a list", "starts with -"),
        ("default: {metric: metrics.auc > 1}", "line 1: default is not a list", None),
        ("default: [metric]", "default[1] is not a gate", "metric: metrics.auc >= 0.85"),
        ("default: [{}]", "default[1] is not a gate", None),
        (
            "default:\n - unsafe_allow: true\n - metric: metrics.auc > 1\n   any: []\n",
            "line 3: default[2] holds metric and any",
            "a - of its own",
        ),
        (
            "stages:\n  production:\n    - clean_source: true\n    - metrc: metrics.auc > 1\n",
            "line 4: stages.production[2].metrc is not the name of a gate",
            "did you mean metric?",
        ),
        ("default: [{xyz: 1}]", "default[1].xyz is not the name of a gate", "the gates are metric"),
        ("default: [{1: 1}]", "default[1].1 is not the name of a gate", None),
        ("models: {a: []}", "line 1: models.a is not a mapping", None),
        ("models:\n  1: {}", "line 2: models.1 is not a name", 'in quotes: "1"'),
        (
            "models:\n  a:\n    qa:\n      - any: x\n",
            "line 4: models.a.qa[1].any is not a list",
            None,
        ),
        (
            "default:\n  - any:\n      - unsafe_allow: true\n      - all: [{review: merge}]\n",
            "line 4: default[1].any[2].all[1].review is neither merged nor branch",
            "did you mean merged?",
        ),
        (
            "default: [{metric: auc > 1}]",
            "line 1: default[1].metric: auc in auc > 1 is not the name of a metric",
            "metrics.auc",
        ),
        ("default: [{metric: 0.85}]", "default[1].metric is not a condition", None),
        ("stages: {a: [], a: []}", "the key a stands twice", None),
        ("stages: [", "is not YAML that can be read", None),
        ("default: &a [{any: *a}]", "is not YAML that can be read", None),
    ],
)
def test_what_is_wrong_is_named_with_line_and_key(text, said, hint):
    with pytest.raises(InputError) as raised:
        parse_policy(text)
    assert raised.value.message.startswith(FILE)
    assert said in raised.value.message
    assert hint is None or hint in raised.value.hint


def test_gates_within_gates_have_an_end():
    text = "default: [" + "{any: [" * 9 + "{unsafe_allow: true}" + "]}" * 9 + "]"
    with pytest.raises(InputError, match="stands too deep"):
        parse_policy(text)
    assert parse_policy(text.replace("{any: [" * 9, "{any: [" * 5).replace("]}" * 9, "]}" * 5))


def test_a_newer_schema_is_told_apart():
    with pytest.raises(NewerSchemaError, match="schema 2"):
        parse_policy("schema: 2\nwhat_comes_next: 1\n")


def test_the_page_on_the_format_shows_what_there_is():
    section = FORMAT.read_text("utf-8").partition("\n## Policy\n")[2].partition("\n## ")[0]
    parse_policy(section.partition("```yaml\n")[2].partition("```")[0])
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == {*GATES}


# which list counts


@pytest.mark.parametrize(
    "name,stage,source",
    [
        ("fraud", "production", "stages.production"),
        ("fraud", "staging", "stages.staging"),
        ("fraud", "qa", "default"),
        ("churn-eu", "production", "models.churn-*.production"),
        ("churn-eu", "staging", "stages.staging"),
        ("churn-eu", "qa", "default"),
        ("churn", "production", "stages.production"),
    ],
)
def test_a_model_s_list_replaces_the_stage_s(name, stage, source):
    found = parse_policy(DESIGN).gates_for(model(name=name, slug=name), stage)
    assert found.source == source
    assert found.gates


def test_a_stage_that_is_not_named_refuses_without_a_default():
    policy = parse_policy("stages: {production: [{unsafe_allow: true}]}")
    found = policy.gates_for(model(), "staging")
    assert (found.gates, found.source) == (None, "")
    judged = evaluate(policy, case(stage="staging"))
    assert (judged.answer, judged.passed) == ("refuse", False)
    (only,) = judged.verdicts
    assert only.got == "no list for staging, and no default"
    assert only.expected == f"stages.staging or default in {FILE}"


EXACT = """\
models:
  churn: {production: [{metric: metrics.auc >= 0.1}]}
  "churn*": {production: [{metric: metrics.auc >= 0.2}]}
  "*eu": {production: [{metric: metrics.auc >= 0.3}]}
  "Churn EU": {production: [{metric: metrics.auc >= 0.4}]}
default: [{unsafe_allow: true}]
"""


@pytest.mark.parametrize(
    "facts,gate",
    [
        ({"name": "churn", "slug": "churn"}, "metrics.auc >= 0.1"),
        ({"name": "churn-us", "slug": "churn-us"}, "metrics.auc >= 0.2"),
        ({"name": "spam-eu", "slug": "spam-eu"}, "metrics.auc >= 0.3"),
        ({"name": "Churn EU", "slug": "churn-eu--0a1b2c3d"}, "metrics.auc >= 0.4"),
        ({"name": "other", "slug": "other"}, "unsafe_allow"),
        # a name that it had before still counts, and its slug
        ({"name": "retention", "slug": "x", "aliases": ("churn",)}, "metrics.auc >= 0.1"),
        ({"name": "retention", "slug": "churn"}, "metrics.auc >= 0.1"),
    ],
)
def test_an_exact_name_beats_a_pattern(facts, gate):
    policy = parse_policy(EXACT)
    assert texts(policy.gates_for(model(**facts), "production").gates) == [gate]


@pytest.mark.parametrize(
    "facts",
    [
        {"name": "churn-eu", "slug": "churn-eu"},  # two patterns
        {"name": "Churn EU", "slug": "churn"},  # two names
    ],
)
def test_two_entries_that_match_are_an_error(facts):
    policy = parse_policy(EXACT)
    with pytest.raises(InputError, match="two entries under models that match") as raised:
        policy.gates_for(model(**facts), "production")
    assert facts["slug"] in raised.value.hint
    with pytest.raises(InputError):
        evaluate(policy, case(model=model(**facts)))


def test_renaming_does_not_move_a_model_to_another_pattern():
    policy = parse_policy(
        "stages: {production: [{metric: metrics.auc >= 0.9}]}\n"
        'models: {"demo-*": {production: [{unsafe_allow: true}]}}\n'
    )
    renamed = event("rename", model="demo-churn", previous="churn")
    moved = model(renamed, name="demo-churn", slug="churn", aliases=("churn",))
    assert policy.gates_for(moved, "production").source == "stages.production"
    assert policy.gates_for(model(name="demo-churn", slug="d"), "production").source.startswith("m")


# what the gates say together


def test_all_gates_of_a_list_must_pass():
    policy = parse_policy("default: [{metric: metrics.auc >= 0.9}, {metric: metrics.auc >= 0.95}]")
    judged = evaluate(policy, case())
    assert [v.answer for v in judged.verdicts] == ["pass", "refuse"]
    assert judged.answer == "refuse"
    assert judged.source == "default"
    assert evaluate(policy, case(candidate=frozen(metrics={"auc": 0.96}))).passed


def test_without_a_policy_all_passes():
    judged = evaluate(Policy(absent=True), case())
    assert judged.passed
    assert judged.absent
    assert judged.verdicts == ()


@pytest.mark.parametrize("text", ["default: []", "stages: {production: []}", "schema: 1"])
def test_an_empty_list_refuses(text):
    assert evaluate(parse_policy(text), case()).answer == "refuse"


def test_break_glass_has_a_list_of_its_own():
    allowing = parse_policy("default: []\nbreak_glass: [{unsafe_allow: true}]")
    judged = evaluate(allowing, case(setting="break-glass"))
    assert judged.passed
    assert judged.source == "break_glass"
    for policy in (parse_policy("default: [{unsafe_allow: true}]"), Policy(absent=True)):
        judged = evaluate(policy, case(setting="break-glass"))
        assert judged.answer == "refuse"
        assert judged.verdicts[0].got == "no list break_glass"
    assert not evaluate(parse_policy("break_glass: []"), case(setting="break-glass")).passed


class Says:
    """A gate that answers what it is told to."""

    name = "says"
    relative = False
    words = "it is told to"

    def __init__(self, answer):
        self.answer = self.text = answer

    def check(self, case):  # noqa: ARG002 - every gate is given a case
        return verdict(self, self.answer, "told", "told")


def nested(tree):
    """Return (the gate, its answer by hand) of a tree of ``any``, ``all`` and answers."""
    if isinstance(tree, str):
        return Says(tree), tree
    kind, inner = tree
    made = [nested(one) for one in inner]
    gates = [gate for gate, _ in made]
    top = Where(("default",), lambda value, _: gates[value])
    found = read_gate({kind: list(range(len(gates)))}, top)
    answers = [answer for _, answer in made]
    if not answers:
        return found, "refuse"
    wanted = ORDER if kind == "all" else tuple(reversed(ORDER))
    return found, next(answer for answer in wanted if answer in answers)


@given(
    st.recursive(
        st.sampled_from(ORDER),
        lambda inner: st.tuples(st.sampled_from(["any", "all"]), st.lists(inner, max_size=3)),
        max_leaves=12,
    )
)
def test_any_takes_the_best_and_all_the_worst(tree):
    gate, expected = nested(tree)
    found = evaluate(Policy(default=(gate,)), case())
    assert found.answer == expected
    assert found.passed == (expected == "pass")
    (only,) = found.verdicts
    if not isinstance(tree, str):
        assert len(only.inner) == len(tree[1])


@pytest.mark.parametrize(
    "setting,answer", [("direct", "refuse"), ("apply", "refuse"), ("rollback", "pass")]
)
def test_a_stage_that_the_settings_do_not_allow(repo, git, commit, setting, answer):
    config = "stages: {order: [staging, prod], only: true}"
    branch = commit(config_yaml=("100644", config))
    repository = open_repository(repo)
    try:
        asked = case(repository=repository, branch=branch, setting=setting)
        for policy in (Policy(absent=True), parse_policy("default: [{unsafe_allow: true}]")):
            judged = evaluate(policy, asked)
            assert judged.answer == answer
            if answer == "refuse":
                (only,) = judged.verdicts
                assert (only.got, only.expected) == ("production", "one of staging, prod")
                assert only.hint == "stages.order in .gitml/config.yaml has staging, prod"
    finally:
        repository.close()


# where it is read from


@pytest.fixture
def commit(repo, git):
    """Return ``commit(files) -> oid``: a commit on main with these files, mode and text."""

    def make(**files):
        lines = []
        for name, (mode, text) in files.items():
            oid = git(repo, "hash-object", "-w", "--stdin", input=text).strip()
            lines.append(f"{mode} blob {oid}\t{name.replace('_', '.')}\n")
        folder = git(repo, "mktree", input="".join(lines)).strip()
        top = git(repo, "mktree", input=f"040000 tree {folder}\t.gitml\n").strip()
        return git(repo, "commit-tree", "-m", "x", top).strip()

    return make


def test_it_is_read_from_a_commit(repo, git, commit):
    repository = open_repository(repo)
    try:
        assert load_policy(repository, None).absent
        assert load_policy(repository, git(repo, "rev-parse", "HEAD").strip()).absent
        assert load_policy(repository, commit(config_yaml=("100644", "{}"))).absent
        found = load_policy(repository, commit(policy_yaml=("100644", "default: []")))
        assert (found.absent, found.default) == (False, ())
    finally:
        repository.close()


def test_what_is_no_file_to_read_is_refused(repo, git, commit):
    repository = open_repository(repo)
    blob = git(repo, "hash-object", "-w", "--stdin", input="x").strip()
    as_file = git(repo, "mktree", input=f"100644 blob {blob}\t.gitml\n").strip()
    cases = [
        (commit(policy_yaml=("120000", "../train.py")), InputError, "is not a file"),
        (git(repo, "commit-tree", "-m", "x", as_file).strip(), InputError, "is not a folder"),
        (commit(policy_yaml=("100644", "#" * (LIMIT + 1))), InputError, "yaml has more than"),
        (commit(policy_yaml=("100644", "default: [{metrc: 1}]")), InputError, "line 1: default"),
        ("0" * 40, DamagedError, "missing"),
    ]
    try:
        for oid, kind, said in cases:
            with pytest.raises(kind, match=said):
                load_policy(repository, oid)
    finally:
        repository.close()


def test_a_place_is_counted_from_one():
    where = Where((), read_gate).below("stages").below("production").below(0).below("any")
    assert str(where) == "stages.production[1].any"
    with pytest.raises(PolicyError) as raised:
        where.refuse("is wrong", "mend it")
    assert raised.value.path == ("stages", "production", 0, "any")
