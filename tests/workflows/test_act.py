"""The workflows that `gitml init --github` writes, executed against a bare remote.

Each test is a story with a host (`githost.py`): what a person pushes, what the jobs
say of it, and which tags there are in the end. Checkouts have a depth of 1.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.workflows.conftest import POLICY
from tests.workflows.githost import PRODUCTION, find_act, gitml

pytestmark = [pytest.mark.act, pytest.mark.slow]

STAGING = ".gitml/stages/churn/staging.yaml"
NEW = "0" * 40
"""What hosts say came before, of a branch that is new."""


@pytest.fixture(autouse=True, scope="module")
def _act():
    find_act()


def test_from_the_request_to_the_deployment(host):
    host.propose("v1.0.0")
    ran = host.request("topic")
    assert ran.results == {"gitml review": "success", "comment": "success"}, ran.log
    assert "v1.0.0" in ran.summary
    (comment,) = host.api.comments[1]
    assert comment["body"].partition("\n")[2].strip() == ran.summary.strip()
    assert host.tags("*#*") == []

    ran = host.push(*host.merge("topic"))
    assert ran.results == {"apply": "success", "deploy churn to production": "success"}, ran.log
    assert ran.events == [("churn", "production", "v1.0.0")]
    assert host.stages() == {"churn#production#1": "v1.0.0"}
    assert "Deploy churn v1.0.0 to production here" in ran.log
    assert ran.log.rstrip().endswith("v1.0.0")  # the bytes of model/model.bin


def test_a_request_that_changes_no_stage(host):
    host.commit("topic", {"train.py": "print('better')\n"})
    ran = host.request("topic")
    assert ran.results == {"gitml review": "success"}, ran.log
    assert "No stage file is changed" in ran.summary
    assert (ran.outputs["report"], host.api.comments) == ("", {})
    ran = host.push(*host.merge("topic"))
    assert (ran.results, ran.events) == ({"apply": "success"}, [])


def test_one_from_a_fork_is_reviewed_and_gets_no_comment(host):
    host.propose("v1.0.0")
    ran = host.request("topic", fork=True)
    assert ran.results == {"gitml review": "success"}, ran.log
    assert "v1.0.0" in ran.summary
    assert host.api.comments == {}


def test_a_gate_refuses(host):
    host.propose("v1.1.0")
    ran = host.request("topic")
    assert ran.results == {"gitml review": "failure", "comment": "success"}, ran.log
    assert "0.85" in ran.summary
    assert "0.4" in host.api.comments[1][0]["body"]
    ran = host.queue("topic")
    assert ran.results == {"gitml review": "failure"}, ran.log
    assert "0.85" in ran.summary

    ran = host.push(*host.merge("topic"))  # by somebody who may merge without the check
    assert ran.results == {"apply": "failure"}, ran.log
    assert host.tags("*#*") == []
    assert "deploy" not in ran.log


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_the_policy_is_not_changed_by_what_it_judges(host, how):
    loose = POLICY.replace("0.85", "0.1")
    host.propose("v1.1.0", **{".gitml/policy.yaml": loose})
    ran = host.request("topic")
    assert ran.results["gitml review"] == "failure", ran.log
    assert ".gitml/policy.yaml" in ran.summary
    assert host.push(*host.merge("topic", how)).results == {"apply": "failure"}
    assert host.tags("*#*") == []


def test_nor_is_it_by_a_commit_that_comes_with_it(host):
    """Policy and stage in two commits of one request, which a rebase merge pushes at once."""
    host.commit("topic", {".gitml/policy.yaml": POLICY.replace("0.85", "0.1")})
    host.commit("topic", {PRODUCTION: host.stage_file("v1.1.0")}, start="topic")
    assert host.request("topic").results["gitml review"] == "failure"
    ran = host.push(*host.merge("topic", "rebase"))
    assert ran.results == {"apply": "failure"}, ran.log
    assert host.tags("*#*") == []


def test_the_workflow_is_not_changed_by_what_it_judges(host):
    workflow = ".github/workflows/gitml-review.yml"
    text = (host.clone / workflow).read_text()
    host.propose("v1.0.0", **{workflow: text.replace("timeout-minutes: 15", "timeout-minutes: 5")})
    ran = host.request("topic")
    assert ran.results["gitml review"] == "failure", ran.log
    assert workflow in ran.summary
    assert host.push(*host.merge("topic")).results == {"apply": "failure"}
    assert host.tags("*#*") == []


KILLS_THE_SECOND_PUSH = """\
#!/bin/sh
case " $* " in
  *" push "*)
    echo push >>"$PUSHES"
    if [ "$(wc -l <"$PUSHES")" -eq 2 ]; then kill -9 "$PPID"; exit 1; fi ;;
esac
exec {git} "$@"
"""


def test_killed_between_two_tags_and_run_again(host, tmp_path):
    files = {PRODUCTION: host.stage_file("v1.0.0"), STAGING: host.stage_file("v1.2.0")}
    host.commit("topic", files)
    push = host.merge("topic")
    host.tool("git", KILLS_THE_SECOND_PUSH.replace("{git}", host.real_git))
    ran = host.push(*push, env={"PUSHES": tmp_path / "pushes"})
    assert ran.results == {"apply": "failure"}, ran.log
    assert len(host.tags("*#*")) == 1

    ran = host.push(*push, env={"PUSHES": tmp_path / "pushes"})
    both = [("churn", "production", "v1.0.0"), ("churn", "staging", "v1.2.0")]
    assert sorted(ran.events) == both
    assert set(ran.results.values()) == {"success"}
    assert host.stages() == {"churn#production#1": "v1.0.0", "churn#staging#2": "v1.2.0"}
    gitml(host.clone, "audit")


def test_an_old_run_is_run_again(host):
    first = host.merged("v1.0.0")
    host.push(*first)
    second = host.merged("v1.2.0", "later")
    assert host.push(*second).events == [("churn", "production", "v1.2.0")]
    before = host.tags()
    for push in (first, second):  # each deploys what is there now
        assert host.push(*push).events == [("churn", "production", "v1.2.0")]
    assert host.tags() == before
    host.commit("other", {"train.py": "print('other')\n"})
    assert host.push(*host.merge("other")).events == []


def test_a_run_that_came_late_does_what_is_there_now(host):
    """The run of the first push starts after the second was merged."""
    first = host.merged("v1.0.0")
    second = host.merged("v1.2.0", "later")
    assert host.push(*first).events == [("churn", "production", "v1.2.0")]
    assert host.push(*second).events == [("churn", "production", "v1.2.0")]
    assert host.stages() == {"churn#production#1": "v1.2.0"}


def test_a_revert_is_a_new_assignment(host):
    host.push(*host.merged("v1.0.0"))
    host.push(*host.merged("v1.2.0", "later"))
    host.git(host.clone, "checkout", "--quiet", "-B", "undo", "origin/main")
    host.git(host.clone, "fetch", "--quiet", "origin")
    host.git(host.clone, "reset", "--quiet", "--hard", "origin/main")
    host.git(host.clone, "revert", "--mainline", "1", "--no-edit", "HEAD")
    host.git(host.clone, "push", "--quiet", "origin", "undo")
    assert host.request("undo", 3).results["gitml review"] == "success"
    assert host.push(*host.merge("undo")).events == [("churn", "production", "v1.0.0")]
    assert list(host.stages().values()) == ["v1.0.0", "v1.2.0", "v1.0.0"]


def test_break_glass_is_not_undone_by_an_unrelated_merge(host):
    first = host.merged("v1.0.0")
    host.push(*first)
    why = "the new customers cannot log in"
    asked = ["churn", "v1.2.0", "--stage", "production", "--break-glass", why]
    gitml(host.clone, "promote", *asked)
    assert host.push(*first).events == []  # the old run: overtaken
    host.commit("other", {"train.py": "print('other')\n"})
    ran = host.push(*host.merge("other"))
    assert (ran.results, ran.events) == ({"apply": "success"}, [])
    assert list(host.stages().values()) == ["v1.0.0", "v1.2.0"]


def test_by_hand_the_present_version_is_deployed_again(host):
    host.push(*host.merged("v1.0.0"))
    before = host.tags()
    ran = host.by_hand(model="churn", stage="production")
    assert ran.events == [("churn", "production", "v1.0.0")]
    assert ran.results == {"apply": "success", "deploy churn to production": "success"}, ran.log
    assert host.tags() == before
    assert host.by_hand(model="churn", stage="nowhere").results == {"apply": "failure"}


def test_an_emptied_stage_is_taken_down(host):
    host.push(*host.merged("v1.0.0"))
    host.commit("down", {PRODUCTION: "schema: 1\nversion: null\nreason: it is wrong\n"})
    assert host.request("down", 2).results["gitml review"] == "success"
    ran = host.push(*host.merge("down"))
    assert ran.events == [("churn", "production", None)]
    assert "Nothing serves production of churn any more" in ran.log


def test_approved_by_somebody_else_as_the_host_says(host):
    """``review: merged``: pending in the request, asked of the host after the merge."""
    host.commit("policy", {".gitml/policy.yaml": POLICY.replace("branch", "merged")})
    ran = host.request("policy", 5)
    assert ran.results == {"gitml review": "success", "comment": "success"}, ran.log
    assert "The request changes .gitml/policy.yaml" in host.api.comments[5][0]["body"]
    host.push(*host.merge("policy"))
    host.propose("v1.0.0")
    head = host.tip("topic")
    assert host.request("topic").results["gitml review"] == "success"
    push = host.merge("topic")
    host.api.add_pull(1, head=head, merged=[push[1]])
    blob = host.git(host.bare, "rev-parse", f"main:{PRODUCTION}").strip()
    host.api.files[1] = [{"filename": PRODUCTION, "status": "added", "sha": blob}]
    assert host.push(*push).results == {"apply": "failure"}
    assert host.tags("*#*") == []
    host.api.review(1, "grace")
    assert host.push(*push).events == [("churn", "production", "v1.0.0")]
    text = host.git(host.bare, "cat-file", "tag", "churn#production#1")
    assert "/team/churn/pull/1" in text


SSH = """\
#!/bin/sh
# As OpenSSH's client: the key and the host's own key must be there, and private.
while [ $# -gt 2 ]; do
  case $1 in
    -i) key=$2; shift ;;
    -o) case $2 in UserKnownHostsFile=*) hosts=${2#*=} ;; esac; shift ;;
  esac
  shift
done
[ "$1" = git@github.com ] || exit 255
[ "$(stat -c %a "$key")" = 600 ] && ssh-keygen -y -f "$key" >"$PUSHED_WITH" || exit 255
grep -q '^github.com ssh-ed25519 ' "$hosts" || exit 255
command=${2%% *}
exec "$command" "$CHURN"
"""


@pytest.mark.skipif(not Path("/usr/bin/ssh-keygen").exists(), reason="needs OpenSSH's ssh-keygen")
def test_keys_that_push_and_sign(host, tmp_path):
    keys = {}
    for name in ("push", "sign"):
        key = tmp_path / name
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key]
        subprocess.run(make, check=True)
        keys[name] = key.with_suffix(".pub").read_text().split()[:2]
    signers = f"gitml@example.com {' '.join(keys['sign'])}\n"
    policy = POLICY.replace("- review: branch", "- signed_by: [gitml@example.com]")
    host.commit("policy", {".gitml/allowed_signers": signers, ".gitml/policy.yaml": policy})
    host.merge("policy")
    push = host.merged("v1.0.0")
    assert host.push(*push).results == {"apply": "failure"}  # nobody signs
    host.secrets["GITML_DEPLOY_KEY"] = (tmp_path / "push").read_text()
    host.secrets["GITML_SIGNING_KEY"] = (tmp_path / "sign").read_text().strip()
    host.tool("ssh", SSH)
    env = {"PUSHED_WITH": tmp_path / "with", "CHURN": host.bare}
    ran = host.push(*push, env=env)
    assert ran.events == [("churn", "production", "v1.0.0")], ran.log
    assert (tmp_path / "with").read_text().split()[:2] == keys["push"]
    tag = host.git(host.bare, "cat-file", "tag", "churn#production#1")
    assert "-----BEGIN SSH SIGNATURE-----" in tag
    assert list((host.place / "act").rglob("gitml-keys.*")) == []
    gitml(host.clone, "audit")


def test_a_branch_that_is_new(host):
    """The first push of a repository: everything there is, is asked for."""
    _, after = host.merged("v1.0.0")
    assert host.push(NEW, after).events == [("churn", "production", "v1.0.0")]
