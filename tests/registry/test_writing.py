"""Writers that do not see each other: exactly one is first, and nothing is left behind.

Two clones and a bare remote. A second writer runs inside the first one's push, from
a hook of the remote: after the remote's refs were advertised, before they change.
"""

from __future__ import annotations

import re

import pytest

from gitml.names import TAGS
from tests.registry.people import CHAIN, SEEN, in_stages, model_at, start, wait_for

PROMOTE = ("promote", "churn", "v1.1.0", "--stage", "production")
LATER = ("promote", "churn", "v1.2.0", "--stage", "production")


@pytest.fixture
def filled(team, ada, invoke):
    """Return a team whose production holds v1.0.0, put there by Ada."""
    assert invoke("promote", "churn", "v1.0.0", "--stage", "production", cwd=ada).code == 0
    return team


@pytest.mark.parametrize(
    "mine, theirs, told, stages",
    [
        (PROMOTE, LATER, "put churn v1.2.0 in production", {"production": "v1.2.0"}),
        (PROMOTE, PROMOTE, "put churn v1.1.0 in production", {"production": "v1.1.0"}),
        (
            PROMOTE,
            ("unassign", "churn", "--stage", "production"),
            "took churn v1.0.0 out of production",
            {},
        ),
        (
            ("unassign", "churn", "--stage", "production"),
            LATER,
            "put churn v1.2.0 in production",
            {"production": "v1.2.0"},
        ),
        (
            ("rollback", "churn", "--stage", "production", "--to", "v1.0.0"),
            LATER,
            "put churn v1.2.0 in production",
            {"production": "v1.2.0"},
        ),
        (
            PROMOTE,
            ("model", "deprecate", "churn@v1.1.0", "-m", "leaks"),
            "deprecated churn v1.1.0",
            {"production": "v1.0.0"},
        ),
    ],
    ids=["assign", "same", "unassign", "against-unassign", "rollback", "deprecate"],
)
def test_who_is_beaten_is_told_by_whom(filled, ada, bob, invoke, mine, theirs, told, stages):
    if mine[0] == "rollback":  # there must be something to roll back
        assert invoke(*PROMOTE, cwd=ada).code == 0
    before = filled.refs()
    filled.meanwhile(bob, *theirs)
    answer = invoke(*mine, cwd=ada)
    filled.said_meanwhile()
    assert answer.code == 7
    assert re.search(rf"Bob <bob@example.com> was first: {told} at 20", answer.err)
    assert "nothing was changed" in answer.err
    assert in_stages(filled.check(ada, bob)) == stages
    new = set(filled.refs()) - set(before)
    assert all(ref in filled.refs(bob) for ref in new), "all that is new is Bob's"


def test_what_does_not_matter_is_no_defeat(filled, ada, bob, invoke):
    filled.meanwhile(bob, "promote", "churn", "v1.2.0", "--stage", "staging")
    answer = invoke(*PROMOTE, cwd=ada)
    filled.said_meanwhile()
    assert answer.code == 0
    assert in_stages(filled.check(ada, bob)) == {"production": "v1.1.0", "staging": "v1.2.0"}
    assert f"{TAGS}churn#staging#2" in filled.refs()
    assert f"{TAGS}churn#production#3" in filled.refs(ada)


def test_the_policy_is_asked_again_when_beaten(filled, ada, bob, invoke):
    filled.push_file(
        bob,
        ".gitml/policy.yaml",
        "schema: 1\nstages: {production: [{from_stage: staging}]}\n"
        "default: [{unsafe_allow: true}]\n",
    )
    assert invoke("promote", "churn", "v1.1.0", "--stage", "staging", cwd=bob).code == 0
    filled.meanwhile(bob, "promote", "churn", "v1.2.0", "--stage", "staging")
    answer = invoke(*PROMOTE, cwd=ada)
    filled.said_meanwhile()
    assert answer.code == 4
    assert "v1.2.0 is in staging" in answer.out
    assert in_stages(filled.check(ada, bob)) == {"production": "v1.0.0", "staging": "v1.2.0"}


def test_a_clone_that_has_not_seen_the_newest_event(filled, ada, bob, invoke):
    assert invoke(*PROMOTE, cwd=ada).code == 0
    answer = invoke(*LATER, "--json", cwd=bob)
    assert answer.code == 0
    assert '"previous": "v1.1.0"' in answer.out
    assert '"n": 3' in answer.out
    filled.check(ada, bob)


def test_many_at_once(filled, git):
    clones = [filled.clone(f"clone{n}") for n in range(4)]
    versions = ["v1.1.0", "v1.2.0", "v1.1.0", "v1.2.0"]
    stages = ["production", "production", "staging", "canary"]
    processes = [
        start("promote", "churn", version, "--stage", stage, cwd=clone)
        for clone, version, stage in zip(clones, versions, stages, strict=True)
    ]
    answers = [process.communicate(timeout=120) for process in processes]
    codes = [process.returncode for process in processes]
    assert codes[2:] == [0, 0], answers
    assert sorted(codes[:2]) in ([0, 0], [0, 7]), answers  # one after the other, or at once
    model = filled.check(*clones)
    assert len(model.events) == 4 + codes.count(0)
    assert set(in_stages(model)) == {"production", "staging", "canary"}


def test_killed_between_the_push_and_the_local_refs(filled, ada, bob, invoke):
    reached, go = filled.remote / "reached", filled.remote / "go"
    filled.hook(
        "post-receive",
        f"cat > /dev/null; touch {reached}; while [ ! -e {go} ]; do sleep 0.05; done",
    )
    before = filled.refs(ada)
    process = start(*PROMOTE, cwd=ada)
    wait_for(reached.exists)
    process.kill()
    process.communicate()
    go.touch()
    assert filled.refs(ada) == before
    assert in_stages(filled.check(bob)) == {"production": "v1.1.0"}
    answer = invoke(*PROMOTE, cwd=ada)
    assert answer.code == 0
    assert "is in production already" in answer.err
    assert in_stages(model_at(ada)) == {"production": "v1.1.0"}
    filled.check(ada, bob)


def test_a_connection_that_breaks_after_the_push_was_taken(filled, ada, invoke):
    filled.hook("post-receive", "cat > /dev/null; kill -9 $PPID; sleep 0.1")
    answer = invoke(*PROMOTE, cwd=ada)
    assert answer.code == 0, answer.err
    assert in_stages(filled.check(ada)) == {"production": "v1.1.0"}


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
@pytest.mark.parametrize("atomic", [True, False])
def test_a_remote_that_refuses_the_tag(filled, ada, bob, invoke, git, hook, atomic):
    git(filled.remote, "config", "receive.advertiseAtomic", str(atomic).lower())
    rule = "error: GH013: Repository rule violations found for refs/tags/churn#production#2."
    if hook == "update":
        script = f'case "$1" in refs/tags/*) echo "{rule}" >&2; exit 1;; esac'
    else:
        script = f'if grep -q refs/tags/; then echo "{rule}" >&2; exit 1; fi'
    filled.hook(hook, script)
    before, mine = filled.refs(), filled.refs(ada)
    answer = invoke(*PROMOTE, cwd=ada)
    assert answer.code == 9
    assert "GH013: Repository rule violations" in answer.err
    assert "--review" in answer.err
    assert filled.refs() == before
    assert filled.refs(ada) == mine
    (filled.remote / "hooks" / hook).unlink()
    assert invoke(*PROMOTE, cwd=ada).code == 0
    filled.check(ada, bob)


def test_a_remote_that_refuses_the_journal(filled, ada, invoke):
    filled.hook("update", 'case "$1" in refs/gitml/*) echo "no such ref here" >&2; exit 1;; esac')
    before, mine = filled.refs(), filled.refs(ada)
    answer = invoke(*PROMOTE, cwd=ada)
    assert answer.code == 9
    assert "no such ref here" in answer.err
    assert (filled.refs(), filled.refs(ada)) == (before, mine)


def test_a_remote_without_atomic_pushes(filled, ada, bob, invoke, git):
    git(filled.remote, "config", "receive.advertiseAtomic", "false")
    assert invoke(*PROMOTE, cwd=ada).code == 0
    filled.meanwhile(bob, *LATER)
    answer = invoke("unassign", "churn", "--stage", "production", cwd=ada)
    filled.said_meanwhile()
    assert answer.code == 7
    assert "put churn v1.2.0 in production" in answer.err
    assert in_stages(filled.check(ada, bob)) == {"production": "v1.2.0"}


def test_a_remote_that_says_no_without_a_reason(filled, ada, invoke):
    lock = filled.remote / f"{CHAIN}.lock"  # as a crash of the host leaves it
    lock.touch()
    before, mine = filled.refs(), filled.refs(ada)
    answer = invoke(*PROMOTE, cwd=ada)
    lock.unlink()
    assert answer.code == 9
    assert "nobody else wrote" in answer.err
    assert "churn.lock" in answer.err
    assert (filled.refs(), filled.refs(ada)) == (before, mine)


def test_a_remote_that_breaks_off(filled, ada, invoke):
    filled.hook("reference-transaction", '[ "$1" != prepared ] || exit 1')
    before, mine = filled.refs(), filled.refs(ada)
    answer = invoke(*PROMOTE, cwd=ada)
    assert answer.code == 9
    assert "origin broke off: ref updates aborted by hook" in answer.err
    assert (filled.refs(), filled.refs(ada)) == (before, mine)


def test_a_remote_that_is_not_there(filled, ada, invoke, git):
    git(ada, "remote", "set-url", "origin", f"file://{filled.remote}.gone")
    mine = filled.refs(ada)
    answer = invoke(*PROMOTE, cwd=ada)
    assert answer.code == 9
    assert "origin is not there" in answer.err
    assert filled.refs(ada) == mine


def test_nobody_is_asked_for_a_password(filled, ada, git, gitml_cli, tmp_path):
    ssh = tmp_path / "ssh"
    ssh.write_text(
        "#!/bin/sh\n"
        '[ "$SSH_ASKPASS_REQUIRE" = force ] && "$SSH_ASKPASS" && echo "asked" >&2\n'
        'echo "git@host: Permission denied (publickey)." >&2\nexit 255\n',
        encoding="utf-8",
    )
    ssh.chmod(0o755)
    git(ada, "remote", "set-url", "origin", "ssh://git@host.invalid/models.git")
    answer = gitml_cli(*PROMOTE, cwd=ada, env={"GIT_SSH": str(ssh)}, timeout=120)
    assert answer.code == 9
    assert "origin does not let you in" in answer.err
    assert "git fetch origin" in answer.err
    assert "asked" not in answer.err


def test_a_clock_that_is_behind(filled, ada, bob, invoke, monkeypatch):
    from gitml.tracking import capture

    now = capture.now_ms()
    monkeypatch.setattr(capture, "now_ms", lambda: now + 4 * 60_000)
    assert invoke(*PROMOTE, cwd=ada).code == 0
    monkeypatch.setattr(capture, "now_ms", lambda: now)
    assert invoke(*LATER, cwd=bob).code == 0
    first, second = filled.check(ada, bob).events[-2:]
    assert second.at == first.at + 1000
    monkeypatch.setattr(capture, "now_ms", lambda: now - 2 * 60_000)
    before = filled.refs()
    answer = invoke("unassign", "churn", "--stage", "production", cwd=ada)
    assert answer.code == 4
    assert "this clock says" in answer.err
    assert filled.refs() == before


def test_a_journal_that_was_taken_back_is_noticed_until_it_is_mended(filled, ada, bob, invoke, git):
    assert invoke(*PROMOTE, cwd=ada).code == 0
    whole = filled.refs()[CHAIN]
    git(filled.remote, "update-ref", CHAIN, f"{CHAIN}~1")
    for _ in range(2):
        answer = invoke(*LATER, cwd=ada)
        assert answer.code == 8
        assert "gitml audit churn" in answer.err
        assert filled.refs(ada)[f"{SEEN}models/churn"] == whole
    git(filled.remote, "update-ref", "-d", CHAIN)
    assert invoke(*LATER, cwd=ada).code == 8
    git(filled.remote, "update-ref", CHAIN, whole)
    assert invoke(*LATER, cwd=ada).code == 0
    filled.check(ada, bob)


def test_a_counter_that_somebody_used_by_hand_is_passed_over(filled, ada, invoke, git):
    git(ada, "tag", "-a", "-m", "by hand", "churn#production#2", "churn@v1.2.0^{commit}")
    git(ada, "push", "--quiet", "origin", "churn#production#2")
    answer = invoke(*PROMOTE, "--json", cwd=ada)
    assert '"tags": ["churn#production#3"]' in answer.out
    assert in_stages(model_at(filled.remote)) == {"production": "v1.1.0"}


def test_without_a_remote_the_local_refs_are_the_registry(filled, git, ada, invoke):
    git(ada, "config", "gitml.remote", "none")
    theirs = filled.refs()
    processes = [
        start(*command, cwd=ada)
        for command in (PROMOTE, LATER, ("promote", "churn", "v1.2.0", "--stage", "staging"))
    ]
    answers = [process.communicate(timeout=120) for process in processes]
    codes = [process.returncode for process in processes]
    assert codes[2] == 0, answers
    assert set(codes) <= {0, 7}, answers
    assert filled.refs() == theirs
    model = model_at(ada)
    assert len(model.events) == 4 + codes.count(0)
    assert model.stages["production"].version in {"v1.1.0", "v1.2.0"}


def test_a_registry_that_grew_here_is_taken_along(filled, git, ada, bob, invoke):
    git(ada, "config", "gitml.remote", "none")
    assert invoke(*PROMOTE, cwd=ada).code == 0
    git(ada, "config", "--unset", "gitml.remote")
    answer = invoke("promote", "churn", "v1.2.0", "--stage", "staging", cwd=ada)
    assert answer.code == 0, answer.err
    assert in_stages(filled.check(ada)) == {"production": "v1.1.0", "staging": "v1.2.0"}
    assert invoke("promote", "churn", "v1.2.0", "--stage", "staging", cwd=bob).code == 0
    filled.check(ada, bob)
