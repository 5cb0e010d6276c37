"""The contract of gates, over the whole table, and what each says of a case."""

from __future__ import annotations

import ast
import math
from dataclasses import replace
from pathlib import Path

import pytest

import gitml.registry.gates as package
from gitml.errors import InputError, RemoteError
from gitml.model import Source
from gitml.registry.gates import GATES, ReviewAnswer, read_gate
from gitml.registry.gates.base import Where, compared_with, judge
from gitml.registry.message import dump_verdicts, parse_verdicts
from gitml.store.git import open_repository
from tests.registry.cases import HOUR, assigned, case, event, frozen, known, model
from tests.support import START

GOOD = {
    "metric": ["metrics.auc >= 0.85", "metrics.auc >= current - 0.005"],
    "from_stage": ["staging", {"stage": "staging", "for": "24h"}, {"stage": "qa", "for": "90 min"}],
    "clean_source": [True],
    "lineage": ["all", "inputs", ["run", "source"]],
    "registered_by": ["ada@example.com", ["ada@example.com", "bob@example.com"]],
    "signed_by": ["ada@example.com", ["ada@example.com", "bob@example.com"]],
    "reproduced": [{"by": ["ci@example.com"]}, {"by": "ci@example.com"}],
    "signature": ["compatible"],
    "review": ["merged", "branch"],
    "any": [[{"unsafe_allow": True}], []],
    "all": [[{"unsafe_allow": True}], []],
    "unsafe_allow": [True],
}
BAD = {
    "metric": [None, True, 0.85, [], "", "metrics.auc", "auc > 1"],
    "from_stage": [
        *(None, True, 3, [], {}, "Staging", "latest", {"for": "24h"}, {"stage": "qa", "fro": "1h"}),
        *({"stage": "qa", "for": length} for length in (24, "24", "24m", "1.5h", "soon", None)),
        {"stage": 3},
    ],
    "clean_source": [None, False, "true", 1, {}],
    "lineage": [None, True, [], "everything", ["input"], {}],
    "registered_by": [None, True, [], [""], [1], {}, [["ada@example.com"]]],
    "signed_by": [None, True, [], [""], [1], {}],
    "reproduced": [None, True, [], {}, {"by": []}, {"of": 1}, {"by": ["a"], "for": 1}, "ci"],
    "signature": [None, True, "same", "compatibel", []],
    "review": [None, True, "merge", "approved", []],
    "any": [None, True, {}, "x", [1], [{"metrc": 1}], [{}]],
    "all": [None, True, {}, "x", [1], [{"metrc": 1}], [{}]],
    "unsafe_allow": [None, False, "true", 1],
}


def gate(name, value=None):
    """Return a gate as the policy file would give it; by default of the first good value."""
    value = GOOD[name][0] if value is None else value
    return read_gate({name: value}, Where(("default", 0), read_gate))


def of_table(examples):
    return [
        pytest.param(name, value, id=f"{name} {value}")
        for name, values in examples.items()
        for value in values
    ]


@pytest.fixture
def repository(repo):
    found = open_repository(repo)
    yield found
    found.close()


# the contract


def test_every_gate_has_examples_and_a_file_with_its_class():
    assert set(GATES) == set(GOOD) == set(BAD)
    folder = Path(package.__file__).parent
    for name, kind in GATES.items():
        path = folder / f"{kind.__module__.rpartition('.')[2]}.py"
        assert path.stem.rstrip("_") == name == kind.name
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert [n.name for n in tree.body if isinstance(n, ast.ClassDef)] == [kind.__name__]


@pytest.mark.parametrize("name,value", of_table(GOOD))
def test_a_gate_says_what_it_takes(name, value):
    made = gate(name, value)
    assert made == gate(name, value)
    for text in (made.text, made.words):
        assert text
        assert "\n" not in text
        assert text == text.strip()
    assert isinstance(made.relative, bool)


@pytest.mark.parametrize("name,value", of_table(BAD))
def test_what_a_gate_does_not_understand_is_refused_with_its_place(name, value):
    with pytest.raises(InputError) as raised:
        gate(name, value) if value is not None else read_gate(
            {name: None}, Where(("default", 0), read_gate)
        )
    assert raised.value.message.startswith(f"default[1].{name}")
    assert raised.value.hint


@pytest.mark.parametrize("name,value", of_table(GOOD))
def test_what_is_not_there_to_be_judged_never_passes(repository, name, value):
    """A version of GTO's: no metrics, run, source, package or signature of any kind."""
    nothing = {"run": None, "source": Source(), "signature": None, "inputs": (), "digest": ""}
    candidate = frozen(metrics={}, size=0, **nothing)
    made = gate(name, value)
    for setting in ("direct", "propose", "apply", "rollback", "break-glass"):
        asked = case(repository=repository, candidate=candidate, setting=setting)
        found = judge(made, replace(asked, version=known(foreign=True)))
        assert (found.kind, found.gate) == (name, made.text)
        assert found.got
        assert found.expected
        if "unsafe_allow" in f"{name} {value}":
            assert found.answer == "pass"
        elif name in {"signed_by", "review"} and setting == "propose":
            assert found.answer == "pending"
        else:
            assert found.answer == "refuse"
        (kept,) = parse_verdicts(dump_verdicts([found]))
        assert kept == without_hints(found)


def without_hints(found):
    """Return a verdict as a tag keeps it."""
    return replace(found, hint="", inner=tuple(map(without_hints, found.inner)))


def test_a_failure_to_find_out_is_no_answer():
    def unreachable():
        raise RemoteError("github.com does not answer.", hint="do it again")

    found = judge(gate("signed_by"), case(signers=unreachable))
    assert (found.answer, found.got, found.hint) == (
        "unknown",
        "github.com does not answer.",
        "do it again",
    )


# metric


def test_a_metric_is_held_against_a_number():
    found = judge(gate("metric"), case())
    assert (found.answer, found.got, found.expected) == ("pass", "0.93", ">= 0.85")
    found = judge(gate("metric"), case(candidate=frozen(metrics={"auc": 0.7})))
    assert (found.answer, found.got, found.expected) == ("refuse", "0.7", ">= 0.85")


def test_and_against_the_version_in_the_stage():
    made = gate("metric", "metrics.auc >= current - 0.005")
    held = model(production=assigned("v1.1.0", "production"))
    for now, answer in ((0.935, "pass"), (0.9351, "refuse")):
        current = frozen("v1.1.0", metrics={"auc": now})
        found = judge(made, case(model=held, current=current))
        assert found.answer == answer
        assert found.expected == f">= {now - 0.005:.6g} (current {now} in v1.1.0)"


def test_on_a_stage_that_never_held_anything_a_comparison_passes_and_says_so():
    made = gate("metric", "metrics.auc >= current - 0.005")
    found = judge(made, case())
    assert found.answer == "pass"
    assert found.got == "auc 0.93; no version was ever in production to compare with"
    absolute = gate("metric", "metrics.auc >= current - 0.005 and metrics.auc >= 0.95")
    assert judge(absolute, case()).answer == "refuse"


def test_but_not_where_a_version_was_and_is_gone():
    """Emptying a stage is no way around the comparison."""
    emptied = model(
        event("assign", version="v1.1.0", stage="production", n=1),
        event("unassign", version="v1.1.0", stage="production", n=2),
    )
    assert compared_with(emptied, "production").name == "v1.1.0"
    assert compared_with(emptied, "staging") is None
    for made in (gate("metric", "metrics.auc >= current"), gate("signature")):
        assert judge(made, case(model=emptied)).answer == "unknown"
        better = frozen("v1.1.0", metrics={"auc": 0.9})
        assert judge(made, case(model=emptied, current=better)).answer == "pass"


@pytest.mark.parametrize(
    "text,metrics,got,hint",
    [
        ("metrics.acu > 0", {"auc": 1}, "v1.2.0 has no metric acu", "did you mean auc?"),
        ("metrics.xyz > 0", {"auc": 1}, "v1.2.0 has no metric xyz", "v1.2.0 has auc"),
        ("metrics.auc > 0", {}, "v1.2.0 has no metric auc", "no metrics were registered"),
        ("metrics.auc > 0", {"auc": math.nan}, "v1.2.0 has auc NaN", ""),
        ("not metrics.auc > 0", {"auc": math.nan}, "v1.2.0 has auc NaN", ""),
        (
            "metrics.a > 0 or metrics.auc < 9",
            {"a": 1, "auc": math.inf},
            "v1.2.0 has auc infinite",
            "",
        ),
        ("metrics.auc / 0 > 0", {"auc": 1}, "a division by zero", ""),
        # typos are found even where there is nothing to compare with
        ("metrics.acu >= current", {"auc": 1}, "v1.2.0 has no metric acu", "did you mean auc?"),
    ],
)
def test_what_is_no_number_refuses(text, metrics, got, hint):
    found = judge(gate("metric", text), case(candidate=frozen(metrics=metrics)))
    assert (found.answer, found.got) == ("refuse", got)
    assert found.hint.startswith(hint)


def test_the_present_version_needs_the_metric_too():
    held = model(production=assigned("v1.1.0", "production"))
    made = gate("metric", "metrics.auc >= current")
    found = judge(made, case(model=held, current=frozen("v1.1.0", metrics={"acc": 1})))
    assert (found.answer, found.got) == ("refuse", "v1.1.0 has no metric auc")


def test_numbers_that_look_alike_are_shown_whole():
    found = judge(gate("metric"), case(candidate=frozen(metrics={"auc": 0.84999999})))
    assert (found.answer, found.got, found.expected) == ("refuse", "0.84999999", ">= 0.85")


# from_stage


@pytest.mark.parametrize(
    "held,answer,got",
    [
        ({}, "refuse", "nothing was ever in staging"),
        ({"staging": assigned("v1.1.0", "staging")}, "refuse", "v1.1.0 is in staging"),
        (
            {"staging": assigned("v1.2.0", "staging", START + 6 * HOUR)},
            "pass",
            "1 d, since 2026-01-02T09:00Z",
        ),
        (
            {"staging": assigned("v1.2.0", "staging", START + 6 * HOUR + 1000)},
            "refuse",
            "23 h, since 2026-01-02T09:00Z",
        ),
        (
            {"staging": assigned("v1.2.0", "staging", START + 40 * HOUR)},  # a clock ahead
            "refuse",
            "0 s, since 2026-01-03T19:00Z",
        ),
    ],
)
def test_how_long_it_has_been_in_a_stage(held, answer, got):
    made = gate("from_stage", {"stage": "staging", "for": "24h"})
    found = judge(made, case(model=model(**held)))
    assert (found.answer, found.got, found.expected) == (answer, got, "in staging for 24h")
    if answer == "refuse":
        assert found.hint


def test_from_stage_says_when_it_will_pass():
    held = model(staging=assigned("v1.2.0", "staging", START + 27 * HOUR))
    made = gate("from_stage", {"stage": "staging", "for": "24h"})
    assert judge(made, case(model=held)).hint == "promote it again after 2026-01-04T06:00Z"
    later = case(model=held, now=START + 51 * HOUR)
    assert judge(made, later).answer == "pass"


def test_an_emptied_stage_is_told_from_one_that_never_was():
    told = judge(gate("from_stage"), case(model=model(event("unassign", stage="staging"))))
    assert told.got == "staging is empty"


# clean_source


def test_code_that_a_branch_has_is_clean(repo, git, repository):
    head = git(repo, "rev-parse", "HEAD").strip()

    def told(**facts):
        candidate = frozen(source=Source(**{"commit": head, **facts}))
        found = judge(gate("clean_source"), case(repository=repository, candidate=candidate))
        return found.answer, found.got

    assert told() == ("pass", f"{head[:10]} on main")
    assert told(dirty=True, changed=("train.py", "b.py")) == (
        "refuse",
        f"2 files changed since {head[:10]}: train.py, b.py",
    )
    assert told(commit=None) == ("refuse", "no commit was recorded")
    assert told(commit="--all") == ("refuse", "no commit was recorded")
    assert told(commit="f" * 40)[0] == "unknown"
    git(repo, "commit", "--quiet", "--amend", "-m", "rebased away")
    assert told() == ("refuse", f"no branch has {head[:10]}")


def test_with_a_remote_a_branch_of_this_clone_is_not_enough(repo, git, repository, bare_repo):
    git(repo, "push", "--quiet", bare_repo, "main")
    git(repo, "remote", "add", "origin", bare_repo)
    git(repo, "fetch", "--quiet", "origin")
    pushed = git(repo, "rev-parse", "HEAD").strip()
    git(repo, "commit", "--quiet", "--allow-empty", "-m", "mine")
    mine = git(repo, "rev-parse", "HEAD").strip()

    def told(commit):
        candidate = frozen(source=Source(commit=commit))
        return judge(gate("clean_source"), case(repository=repository, candidate=candidate))

    git(repo, "push", "--quiet", "origin", "main~1:refs/heads/a/fork")
    assert told(pushed).got == f"{pushed[:10]} on origin/main"
    assert told(mine).answer == "refuse"
    assert "push" in told(mine).hint
    # What gitml pushes for a review, or where a host takes branches alone, is nobody's work.
    git(repo, "push", "--quiet", "origin", "main:refs/heads/gitml/source/t-1")
    git(repo, "branch", "gitml/churn/production/v1.0.0-12345678")
    assert told(mine).answer == "refuse"
    git(repo, "push", "--quiet", "origin", "main:refs/heads/ada/gitml/x")
    assert told(mine).got == f"{mine[:10]} on origin/ada/gitml/x"


def test_a_shallow_clone_cannot_tell(repo, git, tmp_path):
    old = git(repo, "rev-parse", "HEAD").strip()
    git(repo, "checkout", "--quiet", "--orphan", "other")
    git(repo, "commit", "--quiet", "-m", "other")
    git(repo, "merge", "--quiet", "--allow-unrelated-histories", "--no-edit", "main")
    git(repo, "commit", "--quiet", "--allow-empty", "-m", "newest")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth", "1", "-b", "other", f"file://{repo}", clone)
    git(clone, "fetch", "--quiet", "--depth", "1", "origin", old)
    shallow = open_repository(clone)
    try:
        candidate = frozen(source=Source(commit=old))
        found = judge(gate("clean_source"), case(repository=shallow, candidate=candidate))
    finally:
        shallow.close()
    assert (found.answer, found.hint) == ("unknown", "git fetch --unshallow")


# signature


@pytest.mark.parametrize(
    "before,after,answer,got",
    [
        ("same", "same", "pass", "the same"),
        ("same", "wider", "pass", "compatible"),
        ("wider", "same", "refuse", "input income was removed"),
        ("same", None, "refuse", "v1.2.0 has no signature"),
        (None, "same", "refuse", "v1.1.0 has no signature"),
    ],
)
def test_a_signature_is_compared(before, after, answer, got):
    same = frozen().signature
    optional = {"name": "income", "type": "double", "required": False}
    kinds = {
        "same": same,
        "wider": {**same, "inputs": [*same["inputs"], optional]},
        None: None,
    }
    held = model(production=assigned("v1.1.0", "production"))
    found = judge(
        gate("signature"),
        case(
            model=held,
            current=frozen("v1.1.0", signature=kinds[before]),
            candidate=frozen(signature=kinds[after]),
        ),
    )
    assert (found.answer, found.got) == (answer, got)


# review


def test_only_a_change_on_the_protected_branch_was_reviewed(repo, git, repository):
    head = git(repo, "rev-parse", "HEAD").strip()
    git(repo, "checkout", "--quiet", "-b", "side")
    git(repo, "commit", "--quiet", "--allow-empty", "-m", "side")
    side = git(repo, "rev-parse", "HEAD").strip()

    def told(how, answer="pass", **facts):
        made = ReviewAnswer(answer=answer, got="#12 by ada, approved by grace")
        facts = {"setting": "apply", "branch": head, "review": lambda: made, **facts}
        found = judge(gate("review", how), case(repository=repository, **facts))
        return found.answer, found.got

    for how in ("merged", "branch"):
        assert told(how, setting="direct", change=None) == ("refuse", "no request asked for it")
        assert told(how, change=side) == ("refuse", f"{side[:10]} is not on the protected branch")
        assert told(how, change="--all")[0] == "refuse"
        assert told(how, change=head, branch=None)[0] == "refuse"
        assert told(how, change="f" * 40)[0] == "unknown"
        assert told(how, setting="propose") == ("pending", "decided when it is merged")
    assert told("branch", change=head)[0] == "pass"
    assert told("merged", change=head) == ("pass", "#12 by ada, approved by grace")
    assert told("merged", change=head, answer="unknown")[0] == "unknown"
    assert told("merged", change=head, answer="refuse")[0] == "refuse"
    assert told("merged", change=head, review=None) == ("unknown", "no git host can be asked")


def test_the_review_that_would_help_is_named():
    for facts, command in (
        ({}, "promote churn v1.2.0 --stage production"),
        ({"setting": "rollback"}, "rollback churn --stage production --to v1.2.0"),
        ({"leaves": True}, "unassign churn --stage production"),
    ):
        hint = judge(gate("review"), case(**facts)).hint
        assert hint == f"ask for a review: gitml {command} --review"


# any, all


def test_any_and_all_keep_what_is_within():
    made = gate("any", [{"metric": "metrics.auc >= 0.99"}, {"all": [{"unsafe_allow": True}]}])
    found = judge(made, case())
    assert (found.answer, found.got) == ("pass", "1 of 2 pass")
    assert [inner.answer for inner in found.inner] == ["refuse", "pass"]
    assert [inner.answer for inner in found.inner[1].inner] == ["pass"]
    for name in ("any", "all"):
        found = judge(gate(name, []), case())
        assert (found.answer, found.got) == ("refuse", "an empty list")


# rollback


def test_in_a_rollback_what_compares_with_a_moment_counts_as_it_did():
    value = [
        {"from_stage": "staging"},
        {"metric": "metrics.auc >= current"},
        {"signature": "compatible"},
    ]
    absolute = [{"metric": "metrics.auc >= 0.85"}]
    held = model(production=assigned("v1.1.0", "production"), staging=assigned("v1.2.0", "staging"))
    current = frozen("v1.1.0", metrics={"auc": 0.9})
    made = gate("all", value + absolute)
    then = judge(made, case(model=held, current=current))
    assert then.answer == "pass"
    now = {
        "setting": "rollback",
        "model": model(production=assigned("v1.1.0", "production")),
        "current": frozen("v1.1.0", metrics={"auc": 0.99}, signature=None),
        "passed_before": (then,),
    }
    found = judge(made, case(**now))
    assert found.answer == "pass"
    assert found.inner[0].got.startswith("passed when the stage had it before: ")
    # what does not compare is asked again, and so is what did not pass then
    worse = frozen(metrics={"auc": 0.1})
    assert judge(made, case(**now, candidate=worse)).answer == "refuse"
    assert judge(made, case(**{**now, "passed_before": ()})).answer == "refuse"
    failed = replace(then, inner=tuple(replace(v, answer="refuse") for v in then.inner))
    assert judge(made, case(**{**now, "passed_before": (failed,)})).answer == "refuse"
    assert judge(made, case(**{**now, "setting": "direct"})).answer == "refuse"
