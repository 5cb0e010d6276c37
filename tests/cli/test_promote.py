"""``gitml promote``, ``rollback`` and ``unassign``: what they say, and what they leave."""

from __future__ import annotations

import json

import pytest

from tests.registry.people import in_stages, model_at, references, register_three
from tests.support import on_terminal, without_color

POLICY = """\
schema: 1
stages:
  production:
    - metric: metrics.auc >= 0.85
    - from_stage: staging
default: [{unsafe_allow: true}]
break_glass: [{metric: metrics.auc >= 0.5}]
"""
NO_POLICY = "There is no policy, so nothing was asked.\n  hint: gitml init --policy writes one\n"


@pytest.fixture
def models(repo):
    """Return a repository without a remote, with v1.0.0, v1.1.0 and v1.2.0 of churn."""
    register_three(repo)
    return repo


@pytest.fixture
def guarded(models, git):
    """Return the same with a policy."""
    (models / ".gitml").mkdir()
    (models / ".gitml/policy.yaml").write_text(POLICY, encoding="utf-8")
    git(models, "add", ".gitml")
    git(models, "commit", "--quiet", "-m", "policy")
    return models


def test_what_is_said(models, invoke):
    first = invoke("promote", "churn", "v1.0.0", "--stage", "production", cwd=models)
    assert first.out == (
        "Promoted churn v1.0.0 to production, which was empty.  churn#production#1\n"
        "  undo: gitml unassign churn --stage production\n"
    )
    assert first.err == NO_POLICY
    second = invoke("promote", "churn@latest", "--stage", "production", cwd=models)
    assert second.out == (
        "Promoted churn v1.2.0 to production, in place of v1.0.0.  churn#production#2\n"
        "  undo: gitml rollback churn --stage production\n"
    )
    same = invoke("promote", "churn", "3", "--stage", "production", cwd=models)
    assert (same.code, same.out) == (0, "")
    assert same.err == "churn v1.2.0 is in production already; nothing was changed.\n"
    back = invoke("rollback", "churn", "--stage", "production", cwd=models)
    assert back.out == (
        "Rolled back to churn v1.0.0 in production, in place of v1.2.0.  churn#production#3\n"
        "  undo: gitml promote churn v1.2.0 --stage production\n"
    )
    end = invoke("rollback", "churn", "--stage", "production", cwd=models)
    assert end.code == 3
    assert end.err == (
        "error: production of churn held no other version to go back to\n"
        "  hint: gitml unassign churn --stage production empties it\n"
    )
    gone = invoke("unassign", "churn", "--stage", "production", cwd=models)
    assert gone.out == (
        "Took churn v1.0.0 out of production: it is empty now.  churn#production!#4\n"
        "  undo: gitml promote churn v1.0.0 --stage production\n"
    )
    assert model_at(models).stages == {}


def test_each_undo_undoes(models, invoke):
    def undo(answer):
        command = json.loads(answer.out)["undo"].split()
        return invoke(*command[1:], "--json", cwd=models)

    def stages():
        return in_stages(model_at(models))

    def call(*words):
        answer = invoke(*words, "--stage", "dev", "--json", cwd=models)
        assert answer.code == 0, answer.err
        return answer

    undo(call("promote", "churn", "1"))
    assert stages() == {}
    call("promote", "churn", "1")
    undo(call("promote", "churn", "2"))
    assert stages() == {"dev": "v1.0.0"}
    call("promote", "churn", "2")
    undo(call("rollback", "churn"))
    assert stages() == {"dev": "v1.1.0"}
    undo(call("unassign", "churn"))
    assert stages() == {"dev": "v1.1.0"}


def test_the_policy_refuses_with_what_each_gate_says(guarded, invoke, git):
    before = references(git, guarded)
    answer = invoke("promote", "churn", "v1.0.0", "--stage", "production", cwd=guarded)
    assert answer.code == 4
    head, metric, stage = answer.out.splitlines()
    assert head.split() == ["answer", "gate", "got", "expected"]
    assert metric.startswith("refuse  metrics.auc >= 0.85  0.8 ")
    assert stage.startswith("refuse  from_stage staging   ")
    message, hint = answer.err.splitlines()
    assert message == (
        "error: churn v1.0.0 does not meet the policy of production. Nothing was changed."
    )
    assert "gitml promote churn v1.0.0 --stage production --review" in hint
    document = invoke("promote", "churn", "1", "--stage", "production", "--json", cwd=guarded)
    assert document.code == 4
    policy = json.loads(document.out)["policy"]
    assert (policy["answer"], policy["source"]) == ("refuse", "stages.production")
    assert references(git, guarded) == before


def test_the_policy_lets_pass_and_the_tag_keeps_why(guarded, invoke, git):
    assert invoke("promote", "churn", "2", "--stage", "staging", cwd=guarded).code == 0
    answer = invoke("promote", "churn", "2", "--stage", "production", "-m", "best", cwd=guarded)
    assert answer.code == 0
    assert answer.out.splitlines()[1].split(None, 3)[:3] == ["pass", "metrics.auc", ">="]
    tag = git(guarded, "cat-file", "tag", "churn#production#2")
    assert "\n\nPut churn v1.1.0 into production\n\n" in tag
    assert 'reason: "best"\n' in tag
    assert '\\"gate\\":\\"metrics.auc >= 0.85\\"' in tag
    event = model_at(guarded).events[-1]
    assert [verdict.answer for verdict in event.gates] == ["pass", "pass"]


def test_on_a_terminal(guarded, invoke):
    assert invoke("promote", "churn", "1", "--stage", "staging", cwd=guarded).code == 0
    code, shown = on_terminal("promote", "churn", "1", "--stage", "production", cwd=guarded)
    assert code == 4
    first, second = without_color(shown).splitlines()[:2]
    assert first.startswith("  ✗ metrics.auc >= 0.85  got 0.8")
    assert second.startswith("  ✓ from_stage staging   ")


def test_what_passed_by_then_counts_in_a_rollback(guarded, invoke):
    for stage in ("staging", "production"):
        assert invoke("promote", "churn", "2", "--stage", stage, cwd=guarded).code == 0
    for stage in ("staging", "production"):
        assert invoke("promote", "churn", "3", "--stage", stage, cwd=guarded).code == 0
    answer = invoke("rollback", "churn", "--stage", "production", cwd=guarded)
    assert answer.code == 0, answer.err  # though v1.1.0 is no longer in staging
    assert "passed when the stage had it before" in answer.out
    refused = invoke("rollback", "churn", "--stage", "production", "--to", "v1.0.0", cwd=guarded)
    assert refused.code == 3
    assert "churn v1.0.0 was never in production" in refused.err


def test_emptying_asks_only_who_may(guarded, invoke, git):
    for stage in ("staging", "production"):
        assert invoke("promote", "churn", "2", "--stage", stage, cwd=guarded).code == 0
    stricter = POLICY.replace("0.85", "0.99")
    (guarded / ".gitml/policy.yaml").write_text(stricter, encoding="utf-8")
    git(guarded, "commit", "--quiet", "-am", "stricter")
    assert invoke("unassign", "churn", "--stage", "production", cwd=guarded).code == 0
    mine = POLICY.replace("    - from_stage", "    - signed_by: [b@example.com]\n    - from_stage")
    (guarded / ".gitml/policy.yaml").write_text(mine, encoding="utf-8")
    git(guarded, "commit", "--quiet", "-am", "signed")
    assert invoke("promote", "churn", "2", "--stage", "staging", cwd=guarded).code == 0
    glass = ("--break-glass", "the pager rang")
    assert invoke("promote", "churn", "2", "--stage", "production", *glass, cwd=guarded).code == 0
    refused = invoke("unassign", "churn", "--stage", "production", cwd=guarded)
    assert refused.code == 4
    assert "does not let you take churn v1.1.0 out of production" in refused.err
    assert "metrics.auc" not in refused.out
    emptied = invoke("unassign", "churn", "--stage", "production", *glass, cwd=guarded)
    again = "gitml promote churn v1.1.0 --stage production --break-glass REASON"
    assert (emptied.code, emptied.out.splitlines()[-1]) == (0, f"  undo: {again}")
    assert "hint: gitml unassign churn --stage production --review" in emptied.err


def test_breaking_the_glass(guarded, invoke):
    answer = invoke(
        *("promote", "churn", "1", "--stage", "production", "--break-glass", "all else is down"),
        cwd=guarded,
    )
    assert answer.code == 0, answer.err
    assert "differs from what was reviewed" in answer.err
    held = model_at(guarded).stages["production"]
    assert (held.drift, held.event.via, held.event.reason) == (
        True,
        "break-glass",
        "all else is down",
    )
    both = invoke(
        *("promote", "churn", "1", "--stage", "x", "--break-glass", "a", "-m", "b"), cwd=guarded
    )
    assert both.code == 2
    empty = invoke("promote", "churn", "1", "--stage", "x", "--break-glass", " ", cwd=guarded)
    assert empty.code == 2


def test_a_stage_that_may_be_a_slip_of_the_pen_is_named(models, invoke):
    for stage, told in (("production", ""), ("staging", ""), ("prodction", "production")):
        answer = invoke("promote", "churn", "1", "--stage", stage, cwd=models)
        assert answer.code == 0
        assert ("is a new stage of churn" in answer.err) == bool(told)
        assert f"did you mean {told}?" in answer.err or not told
    wrong = invoke("rollback", "churn", "--stage", "stagign", cwd=models)
    assert (wrong.code, "did you mean staging?" in wrong.err) == (3, True)


@pytest.mark.parametrize(
    "words, code, told",
    [
        (("promote", "chrun", "1", "--stage", "dev"), 3, "did you mean churn?"),
        (("promote", "churn", "v9.0.0", "--stage", "dev"), 3, "churn has no version v9.0.0"),
        (("promote", "churn", "--stage", "dev"), 5, "names a model and no version"),
        (("promote", "churn", "1", "--stage", "Dev 1"), 5, "hint: use dev-1"),
        (("promote", "churn", "1", "--stage", "latest"), 5, "cannot be the name of a stage"),
        (("promote", "churn", "1", "2", "--stage", "dev"), 2, "one word too many"),
        (("promote", "churn#dev", "2", "--stage", "dev"), 2, "both name a version"),
        (("promote", "churn", "1"), 2, "--stage"),
        (("promote", "churn", "1", "--stage", "dev", "-m", "\x1b[2J"), 5, "cannot be printed"),
        (("promote", "churn", "1", "--stage", "dev", "-m", "-----BEGIN"), 5, "-----BEGIN"),
        (("promote", "churn", "1", "--stage", "dev", "-m", "x" * 4001), 5, "4,001 characters"),
        (("rollback", "churn", "--stage", "dev"), 3, "was ever in dev"),
        (("rollback", "churn", "--stage", "dev", "--to", "one"), 5, "is not a version"),
        (("unassign", "churn", "--stage", "dev"), 3, "was ever in dev"),
    ],
)
def test_bad_input(models, invoke, git, words, code, told):
    before = references(git, models)
    answer = invoke(*words, cwd=models)
    assert answer.code == code, answer.err
    assert told in answer.err
    assert references(git, models) == before


def test_only_the_stages_of_the_settings(models, invoke):
    (models / ".gitml").mkdir()
    settings = "stages: {order: [dev, production], only: true}\n"
    (models / ".gitml/config.yaml").write_text(settings, encoding="utf-8")
    assert invoke("promote", "churn", "1", "--stage", "dev", cwd=models).code == 0
    answer = invoke("promote", "churn", "1", "--stage", "prod", cwd=models)
    assert answer.code == 5
    assert "prod is not one of the stages of this repository" in answer.err


def test_what_is_deprecated_or_deleted_enters_no_stage(models, invoke):
    assert invoke("model", "deprecate", "churn@1", "-m", "leaks", cwd=models).code == 0
    answer = invoke("promote", "churn", "1", "--stage", "dev", cwd=models)
    assert answer.code == 4
    assert answer.err == (
        "error: churn v1.0.0 is deprecated: leaks\n"
        "  hint: gitml model deprecate churn@v1.0.0 --undo takes that back\n"
    )
    assert invoke("model", "delete", "churn@2", cwd=models).code == 0
    answer = invoke("promote", "churn", "2", "--stage", "dev", cwd=models)
    assert answer.code == 3
    assert "--undo" in answer.err


def test_a_rollback_to_files_that_were_changed(models, invoke, git):
    for version in ("1", "2"):
        assert invoke("promote", "churn", version, "--stage", "dev", cwd=models).code == 0
    blob = git(models, "rev-parse", "churn@v1.0.0^{commit}:package/model.txt").strip()
    loose = models / ".git/objects" / blob[:2] / blob[2:]
    assert loose.exists()
    loose.chmod(0o644)
    other = git(models, "hash-object", "-w", "--stdin", input="model v6.6.6\n").strip()
    loose.write_bytes((models / ".git/objects" / other[:2] / other[2:]).read_bytes())
    before = references(git, models)
    answer = invoke("rollback", "churn", "--stage", "dev", cwd=models)
    assert answer.code == 8
    assert references(git, models) == before


def test_a_review_of_a_rollback_is_of_the_version_before(models, invoke, git, bare_repo):
    for version in ("1", "2"):
        assert invoke("promote", "churn", version, "--stage", "dev", cwd=models).code == 0
    git(models, "remote", "add", "origin", f"file://{bare_repo}")
    git(models, "push", "--quiet", "origin", "main")
    assert invoke("model", "publish", cwd=models).code == 0
    answer = invoke("rollback", "churn", "--stage", "dev", "--review", cwd=models)
    assert answer.code == 0, answer.err
    branches = git(bare_repo, "branch", "--list", "gitml/churn/dev/v1.0.0-*")
    assert len(branches.splitlines()) == 1
    assert in_stages(model_at(models)) == {"dev": "v1.1.0"}


def test_a_rollback_through_the_glass_goes_back_further_when_done_again(guarded, invoke):
    """It pops the stage's stack as every rollback does; a bad version does not come back."""
    glass = ("--break-glass", "the pager rang")
    for number in "123":
        promoted = invoke("promote", "churn", number, "--stage", "production", *glass, cwd=guarded)
        assert promoted.code == 0, promoted.err
    for wanted in ("v1.1.0", "v1.0.0"):
        back = invoke("rollback", "churn", "--stage", "production", *glass, cwd=guarded)
        assert back.code == 0, back.err
        assert model_at(guarded).stages["production"].version == wanted
    assert invoke("rollback", "churn", "--stage", "production", *glass, cwd=guarded).code == 3
