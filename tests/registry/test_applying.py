"""Requests reviewed, merged and applied: in jobs whose checkout is one detached commit."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from tests.fake_github import running
from tests.registry.merges import POLICY, STAGE_FILE, WEAK, Main, asks, blob_at, digest_of
from tests.registry.people import wait_for
from tests.support import on_terminal

STAGING_FILE = STAGE_FILE.replace("production", "staging")
WORKFLOW = ".github/workflows/gitml-apply.yml"
POLICY_FILE = ".gitml/policy.yaml"


@pytest.fixture
def main(team, git, invoke):
    """Return main of a remote whose policy wants an AUC of 0.85: v1.0.0 has 0.8."""
    branch = Main(team, git, invoke)
    branch.push({POLICY_FILE: POLICY}, "policy")
    return branch


@pytest.fixture
def held(main):
    """Return main whose production holds v1.1.0, by a request that was applied."""
    assert main.outcomes(main.push({STAGE_FILE: asks("v1.1.0")})) == (0, {"production": "done"})
    return main


def test_a_proposal_is_reviewed_merged_tagged_and_deployed(main, ada, git, invoke, tmp_path):
    before_work = git(ada, "status", "--porcelain", "--branch")
    answer = invoke(
        *("promote", "churn", "v1.2.0", "--stage", "production", "--review"),
        *("-m", "better on new customers", "--json"),
        cwd=ada,
    )
    proposal = json.loads(answer.out)
    assert answer.code == 0
    assert re.fullmatch(r"gitml/churn/production/v1\.2\.0-[0-9a-f]{8}", proposal["branch"])
    assert git(ada, "status", "--porcelain", "--branch") == before_work
    changed = git(main.team.remote, "diff", "--name-only", "main", proposal["branch"])
    assert changed.split() == [STAGE_FILE]

    reviewed = main.review(proposal["branch"], "--summary", tmp_path / "summary.md")
    assert reviewed.code == 0
    assert (tmp_path / "summary.md").read_text(encoding="utf-8") == reviewed.out
    assert "(empty) → <code>v1.2.0</code>" in reviewed.out
    assert "<code>better on new customers</code>" in reviewed.out
    assert re.search(r"<code>auc</code> \| <code>0.95</code> \|.*✅ pass", reviewed.out)
    assert "1 file, all there and verified" in reviewed.out
    assert main.stage_tags == []

    before = main.merge(proposal["branch"])
    events = tmp_path / "output"
    answer, document = main.apply(before, "--events-to", events)
    assert answer.code == 0
    (event,) = document["events"]
    assert event == {
        "model": "churn",
        "stage": "production",
        "version": "v1.2.0",
        "digest": digest_of("v1.2.0"),
        "previous": None,
        "tag": "churn#production#1",
        "change": main.tip,
    }
    line = events.read_text(encoding="utf-8")
    assert line.endswith("\n")
    assert json.loads(line.removeprefix("events=")) == [event]
    tag = git(main.team.remote, "cat-file", "tag", "churn#production#1")
    assert f'change: "{main.tip}"' in tag
    assert "metrics.auc >= 0.85" in tag
    main.team.check()

    answer, document = main.apply(before)
    assert answer.code == 0
    assert document["events"] == [event], "a re-run deploys again and tags nothing"
    assert document["changes"][0]["outcome"] == "already"
    assert main.stage_tags == ["churn#production#1"]


def test_what_changes_no_stage_file_passes_and_tags_nothing(held):
    name = held.branch(
        {"train.py": "print(2)\n", POLICY_FILE: WEAK, ".gitml/stages/README.md": "x"}
    )
    answer = held.review(name)
    assert answer.code == 0
    assert "No stage file is changed" in answer.out
    assert held.apply(held.merge(name))[1]["events"] == []
    assert held.stage_tags == ["churn#production#1"]


def test_a_gate_that_refuses_does_so_before_and_after_the_merge(main):
    name = main.branch({STAGE_FILE: asks("v1.0.0")})
    answer = main.review(name)
    assert answer.code == 1
    assert re.search(r"<code>0.8</code> \|.*❌ refuse: got <code>0.8</code>", answer.out)
    answer, document = main.apply(main.merge(name))
    assert answer.code == 4
    assert document["changes"][0]["outcome"] == "refused"
    assert document["changes"][0]["gates"][0]["got"] == "0.8"
    assert document["events"] == []
    assert "1 stage file of 1 was not applied" in answer.err
    assert main.stage_tags == []


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_a_request_cannot_bring_its_own_policy(main, how):
    name = main.branch({POLICY_FILE: WEAK}, {STAGE_FILE: asks("v1.0.0")})
    answer = main.review(name)
    assert answer.code == 1
    assert "together with .gitml/policy.yaml" in answer.out.replace("<wbr>", "")
    before = main.merge(name, how)
    assert main.outcomes(before) == (4, {"production": "refused"})
    assert main.outcomes(before) == (4, {"production": "refused"})
    assert main.outcomes() == (4, {"production": "refused"})
    assert main.stage_tags == []


def test_nor_its_own_stages_or_signers(main, ada, invoke):
    """What the policy leans on counts as it stood before, like the policy itself."""
    config, only = ".gitml/config.yaml", "stages: {{order: [{}], only: true}}\n".format
    main.push({config: only("staging")})
    name = main.branch({config: only("staging, production")}, {STAGE_FILE: asks("v1.2.0")})
    assert main.outcomes(main.merge(name, "rebase")) == (4, {"production": "refused"})
    assert main.outcomes(main.push({STAGE_FILE: asks("v1.2.0", "again")}))[0] == 0


def test_an_old_run_done_again_does_not_bring_the_policy_of_its_time(main):
    weak = main.push({POLICY_FILE: WEAK})
    main.push({POLICY_FILE: POLICY})
    name = main.branch({POLICY_FILE: WEAK}, {STAGE_FILE: asks("v1.0.0")})
    main.merge(name, "rebase")
    assert main.outcomes(weak) == (4, {"production": "refused"})
    assert main.stage_tags == []


def test_a_terminal_gets_the_gates_and_not_the_markdown(held):
    main = held
    name = main.branch({STAGE_FILE: asks("v1.0.0"), STAGING_FILE: "link to x"})
    review = ("review", "--base", "origin/main", "--head", name)
    code, text = on_terminal(*review, cwd=main.path, env={"NO_COLOR": "1"})
    assert code == 1
    assert "churn: staging (empty) → ?" in text
    assert "churn: production v1.1.0 → v1.0.0" in text
    assert "✗ metrics.auc >= 0.85  got 0.8" in text
    assert text.endswith("Refused.\n  gitml model diff churn@v1.1.0 churn@v1.0.0\n")
    before = main.merge(name)
    code, text = on_terminal("apply", "--before", before, cwd=main.path, env={"NO_COLOR": "1"})
    assert code == 4
    assert "churn: production → v1.0.0  refused" in text


def test_what_a_request_makes_of_the_policy_is_said(main):
    """A mistake in it would refuse whatever comes next, so it is found before the merge."""
    answer = main.review(main.branch({POLICY_FILE: "schema: 1\nstagse: {}\n"}))
    assert answer.code == 1
    assert "After a merge every promotion would be refused." in answer.out
    assert "stagse" in answer.out
    answer = main.review(main.branch({".gitml/config.yaml": "stages: {only: maybe}\n"}))
    assert (answer.code, "After a merge every promotion" in answer.out) == (1, True)
    answer = main.review(main.branch({POLICY_FILE: "#" * 300_000}))
    assert ".gitml/policy.yaml has more than 262,144 bytes." in answer.out
    answer = main.review(main.branch({POLICY_FILE: WEAK}), "--json")
    said = json.loads(answer.out)
    assert (answer.code, said["changes"], said["problems"]) == (0, [], [])
    assert "once merged, it decides" in said["notes"][0]
    answer = main.review(main.branch({POLICY_FILE: None}))
    assert (answer.code, "After a merge anything passes" in answer.out) == (0, True)


def test_a_request_into_another_branch_says_that_it_counts_for_nothing(main):
    main.branch({"train.py": "print(4)\n"}, name="dev")
    answer = main.review(main.branch({STAGE_FILE: asks("v1.2.0")}), base="origin/dev")
    assert "This request goes into dev&#58; stage files count on main alone." in answer.out
    answer = main.review(main.branch({STAGE_FILE: asks("v1.2.0")}))
    assert "stage files count on" not in answer.out


def test_a_policy_that_cannot_be_read_refuses(main):
    before = main.push({POLICY_FILE: "schema: 1\nstagse: {}\n"})
    name = main.branch({STAGE_FILE: asks("v1.2.0")})
    answer = main.review(name)
    assert answer.code == 1
    assert "The policy of the base cannot be read." in answer.out
    assert "1 refuses" not in answer.out  # no gates were asked
    assert "anything passes" not in answer.out
    main.merge(name)
    answer, document = main.apply(before)
    assert answer.code == 4
    assert "stagse" in document["changes"][0]["text"]


@pytest.mark.parametrize("how", ["merge", "squash"])
@pytest.mark.parametrize("path", [WORKFLOW, "CODEOWNERS", ".gitlab-ci.yml", ".gitml/config.yaml"])
def test_a_request_cannot_change_what_decides_as_well(main, how, path):
    name = main.branch({path: "# mine\n", STAGE_FILE: asks("v1.2.0"), "train.py": "print(3)\n"})
    answer = main.review(name)
    assert answer.code == 1
    assert f"together with {path}. What decides" in answer.out
    answer, document = main.apply(main.merge(name, how))
    assert answer.code == 4
    assert f"together with {path}." in document["changes"][0]["text"]
    assert main.stage_tags == []


BAD = [
    ("churn/s01.yaml", "link to ../../policy.yaml", "is a symbolic link and not a file"),
    ("churn/s02.yaml", "# " + "x" * 70_000, "has more than 65,536 bytes"),
    ("churn/s03.yaml", "version: v9.0.0\n", "churn has no version v9.0.0"),
    ("churn/s04.yaml", "version: v1.2\n", "has a version that is none"),
    ("churn/s05.yaml", "version: 1.2\n", "is not text"),
    ("churn/s06.yaml", "verison: v1.2.0\n", "has the key verison, which means nothing"),
    ("churn/s07.yaml", "reason: none\n", "does not say which version"),
    ("churn/s08.yaml", "- v1.2.0\n", "is not a mapping"),
    ("churn/s09.yaml", "version: [\n", "is not YAML that can be read"),
    ("churn/s10.yaml", "version: v1.2.0\n", "names no digest"),
    ("churn/s11.yaml", asks("v1.2.0", digest=digest_of("v1.0.0")), "has another digest than"),
    ("churn/s12.yaml", "version: v1.2.0\ndigest: sha256:1\n", "has a digest that is none"),
    ("churn/s13.yaml", "version: null\ndigest: sha256:1\n", "has a digest and no version"),
    ("churn/s14.yaml", "schema: 2\nversion: v1.2.0\n", "has schema 2"),
    ("churn/s15.yaml", asks("v1.2.0", '"-----BEGIN"'), "holds -----BEGIN"),
    ("churn/s16.yaml", asks("v1.1.0"), "is deprecated: leaks"),
    ("churn/s17.yml", asks("v1.2.0"), "at no place of a stage file"),
    ("churn/latest.yaml", asks("v1.2.0"), "cannot be the name of a stage"),
    ("churn.yaml", asks("v1.2.0"), "at no place of a stage file"),
    ("Churn/production.yaml", asks("v1.2.0"), "is not a slug"),
    ("fraud/production.yaml", asks("v1.2.0"), "There is no model fraud"),
]


def test_stage_files_that_cannot_be_followed_are_refused(main, bob, invoke):
    assert invoke("model", "deprecate", "churn@v1.1.0", "-m", "leaks", cwd=bob).code == 0
    files = {f".gitml/stages/{path}": text for path, text, _ in BAD}
    name = main.branch({**files, STAGE_FILE: asks("v1.2.0")})
    said = {f".gitml/stages/{path}": words for path, _, words in BAD}
    answer = main.review(name, "--json")
    changes = {c["path"]: c for c in json.loads(answer.out)["changes"]}
    assert answer.code == 1
    assert changes.pop(STAGE_FILE)["answer"] == "pass"
    assert {p: said[p] in "".join(c["problems"]) for p, c in changes.items()} == dict.fromkeys(
        said, True
    )
    assert "Did you mean version" in changes[".gitml/stages/churn/s06.yaml"]["problems"][0]
    answer, document = main.apply(main.merge(name))
    changes = {c["path"]: c for c in document["changes"]}
    assert answer.code == 4
    assert f"{len(BAD)} stage files of {len(BAD) + 1} were not applied." in answer.err
    assert changes.pop(STAGE_FILE)["outcome"] == "done"
    assert {p: said[p] in c["text"] for p, c in changes.items()} == dict.fromkeys(said, True)
    assert main.stage_tags == ["churn#production#1"], "one bad file keeps no other from its stage"


def test_a_stage_file_taken_away_says_nothing(held):
    name = held.branch({STAGE_FILE: None})
    answer = held.review(name)
    assert answer.code == 1
    assert "To empty the stage, write version&#58; null" in answer.out
    assert held.outcomes(held.merge(name)) == (4, {"production": "refused"})
    assert held.held == "v1.1.0"


def test_a_stage_is_emptied_by_its_file(held, ada, invoke):
    answer = invoke("unassign", "churn", "--stage", "production", "--review", "--json", cwd=ada)
    branch = json.loads(answer.out)["branch"]
    assert held.review(branch).code == 0
    answer, document = held.apply(held.merge(branch))
    assert (answer.code, held.held) == (0, None)
    (event,) = document["events"]
    assert (event["version"], event["digest"], event["previous"]) == (None, None, "v1.1.0")
    assert "churn#production!#2" in held.stage_tags
    held.team.check()


def test_what_is_not_published_cannot_be_asked_for(main, ada, git, invoke):
    git(ada, "fetch", "--quiet", "origin", "refs/gitml/models/churn:refs/gitml/models/churn")
    commit = git(ada, "cat-file", "commit", "churn@v1.2.0")
    message = commit.partition("\n\n")[2].replace("v1.2.0", "v1.3.0")
    made = git(ada, "commit-tree", "-F", "-", "churn@v1.2.0^{tree}", input=message).strip()
    git(ada, "update-ref", "refs/gitml/unpublished/churn/0123456789abcdef", made)
    ask = ("promote", "churn", "v1.3.0", "--stage", "production", "--review")
    answer = invoke(*ask, cwd=ada)
    assert answer.code == 4
    assert "churn v1.3.0 is not published yet" in answer.err
    assert "refs/heads/gitml" not in git(main.team.remote, "for-each-ref")
    name = main.branch({STAGE_FILE: asks("v1.2.0").replace("v1.2.0", "v1.3.0")})
    answer = invoke("review", "--base", "origin/main", "--head", name, "--json", cwd=main.path)
    assert answer.code == 1
    assert "churn has no version v1.3.0" in answer.out
    git(
        main.path, "fetch", "--quiet", str(ada), "refs/gitml/unpublished/*:refs/gitml/unpublished/*"
    )
    answer = invoke("review", "--base", "origin/main", "--head", name, "--json", cwd=main.path)
    assert answer.code == 1
    assert "churn v1.3.0 is not published yet" in answer.out


def test_a_job_that_may_make_no_tags_is_told_how_it_may(main):
    before = main.push({STAGE_FILE: asks("v1.2.0")})
    main.team.hook("update", 'case "$1" in refs/tags/*) exit 1; esac')
    answer = main.invoke("apply", "--before", before, cwd=main.checkout())
    assert answer.code == 9
    assert answer.err.startswith("error: origin refuses the tag churn#production#1: hook declined")
    assert "  hint: the host lets some make tags, and this job is none of them" in answer.err
    assert main.stage_tags == []


@pytest.mark.slow
def test_killed_between_two_tags_and_run_again(main, git):
    """The second push is held up by a hook of the remote while apply and its git are killed."""
    files = {STAGE_FILE: asks("v1.2.0"), STAGING_FILE: asks("v1.1.0")}
    before = main.merge(main.branch(files))
    count, go = main.team.remote / "count", main.team.remote / "go"
    main.team.hook(
        "pre-receive",
        f"cat > /dev/null; echo x >> {count}\n"
        f"[ $(wc -l < {count}) -lt 2 ] && exit 0\n"
        f"while [ ! -e {go} ]; do sleep 0.02; done; exit 1",
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "gitml", "apply", "--before", before],
        cwd=main.checkout(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(lambda: count.exists() and count.read_text().count("x") == 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    go.touch()
    (main.team.remote / "hooks" / "pre-receive").unlink()
    assert main.stage_tags == ["churn#production#1"]
    answer, document = main.apply(before)
    assert answer.code == 0
    assert {c["stage"]: c["outcome"] for c in document["changes"]} == {
        "production": "already",
        "staging": "done",
    }
    assert [event["tag"] for event in document["events"]] == main.stage_tags
    assert main.stage_tags == ["churn#production#1", "churn#staging#2"]
    main.team.check()


def test_a_revert_is_a_new_assignment(held):
    held.apply(held.merge(held.branch({STAGE_FILE: asks("v1.2.0")})))
    assert held.held == "v1.2.0"
    answer, document = held.apply(held.revert())
    assert (answer.code, held.held) == (0, "v1.1.0")
    (event,) = document["events"]
    assert event["previous"] == "v1.2.0"
    assert event["change"] == held.tip
    assert held.stage_tags == [f"churn#production#{n}" for n in (1, 2, 3)]


def test_an_old_run_done_again_changes_nothing(main):
    first = main.push({STAGE_FILE: asks("v1.1.0")})
    main.apply(first)
    second = main.push({STAGE_FILE: asks("v1.2.0")})
    main.apply(second)
    answer, document = main.apply(first)
    assert answer.code == 0
    assert [event["version"] for event in document["events"]] == ["v1.2.0"]
    assert (main.held, len(main.stage_tags)) == ("v1.2.0", 2)


def test_a_run_that_comes_late_does_what_the_newest_file_says(main):
    first = main.push({STAGE_FILE: asks("v1.1.0")})
    main.push({STAGE_FILE: asks("v1.2.0")})
    assert main.outcomes(first) == (0, {"production": "done"})
    assert (main.held, main.stage_tags) == ("v1.2.0", ["churn#production#1"])


def test_break_glass_is_not_undone_by_another_merge_or_an_old_run(held, bob, invoke):
    policy = f"{POLICY}break_glass: [{{unsafe_allow: true}}]\n"
    before = held.push({POLICY_FILE: policy})
    alarm = ("promote", "churn", "v1.0.0", "--stage", "production", "--break-glass", "fire")
    assert invoke(*alarm, cwd=bob).code == 0
    assert held.model.stages["production"].drift
    assert held.outcomes(held.merge(held.branch({"train.py": "print(4)\n"}))) == (0, {})
    assert held.held == "v1.0.0"
    first = held.git(held.team.remote, "rev-parse", f"{before}^").strip()
    answer, document = held.apply(first)
    assert answer.code == 0
    assert document["events"] == []
    assert [c["outcome"] for c in document["changes"]] == ["overtaken"]
    assert held.held == "v1.0.0"
    again = held.push({STAGE_FILE: asks("v1.1.0", "back to what was reviewed")})
    assert held.outcomes(again) == (0, {"production": "done"})
    assert not held.model.stages["production"].drift


def test_a_file_that_is_as_it_was_is_no_change(held, bob, invoke):
    """Main comes in as the second parent, so along the first ones the file changes again."""
    assert invoke("promote", "churn", "v1.2.0", "--stage", "production", cwd=bob).code == 0
    git, path = held.git, held.path
    before = held.tip
    git(path, "switch", "--quiet", "-c", "side", f"{before}~1")
    (path / "other.py").write_text("")
    git(path, "add", "other.py")
    git(path, "commit", "--quiet", "-m", "side")
    git(path, "merge", "--quiet", "--no-ff", "-m", "the wrong way round", "main")
    git(path, "push", "--quiet", "origin", "side:main")
    assert held.outcomes(before) == (0, {})
    assert held.held == "v1.2.0"


def test_two_runs_at_once_tag_once(main, bob):
    before = main.push({STAGE_FILE: asks("v1.2.0")})
    main.team.meanwhile(bob, "apply", "--before", before)
    answer, document = main.apply(before)
    main.team.said_meanwhile()
    assert answer.code == 0
    assert [c["outcome"] for c in document["changes"]] == ["already"]
    assert len(document["events"]) == 1
    assert main.stage_tags == ["churn#production#1"]


def test_by_hand_the_present_version_is_told_and_nothing_tagged(held, tmp_path):
    held.push({STAGE_FILE: asks("v1.2.0")})
    output = tmp_path / "output"
    answer, document = held.apply(
        None, "--model", "churn", "--stage", "production", "--events-to", output
    )
    assert answer.code == 0
    assert [event["version"] for event in document["events"]] == ["v1.1.0"]
    assert json.loads(output.read_text().removeprefix("events=")) == document["events"]
    assert held.stage_tags == ["churn#production#1"]
    assert held.apply(None, "--model", "churn", "--stage", "canary")[0].code == 3
    assert held.apply(None, "--model", "churn")[0].code == 2


def test_the_commit_before_may_be_nothing_or_nowhere(main):
    main.push({STAGE_FILE: asks("v1.2.0")})
    answer, _ = main.apply("f" * 40)
    assert answer.code == 3
    assert "gitml apply, without --before" in answer.err
    assert main.outcomes("0" * 40) == (0, {"production": "done"})
    main.push({STAGE_FILE: asks("v1.1.0"), STAGING_FILE: asks("v1.0.0")})
    assert main.outcomes() == (0, {"production": "done", "staging": "done"})
    assert main.outcomes() == (0, {"production": "already", "staging": "already"})


def test_a_stage_file_names_the_slug_and_no_other_models_name(main, bob, invoke, monkeypatch):
    assert invoke("model", "rename", "churn", "old churn", cwd=bob).code == 0
    before = main.push({STAGE_FILE: asks("v1.2.0")})
    assert main.outcomes(before) == (0, {"production": "done"})


@pytest.fixture
def github(monkeypatch):
    with running() as fake:
        for name, value in fake.environment.items():
            monkeypatch.setenv(name, value)
        yield fake


def test_review_merged_asks_the_host_about_the_very_change(main, github):
    main.push({POLICY_FILE: "schema: 1\nstages: {production: [{review: merged}]}\n"})
    name = main.branch({STAGE_FILE: asks("v1.2.0")})
    answer = main.review(name)
    assert answer.code == 0
    assert "⏳ decided after the merge" in answer.out
    before = main.merge(name)
    answer, document = main.apply(before)
    assert document["changes"][0]["outcome"] == "unknown"
    assert (answer.code, main.stage_tags) == (4, [])

    head = main.git(main.team.remote, "rev-parse", name).strip()
    github.add_pull(12, head=head, branch=name, merged=[main.tip])
    blob = blob_at(main.team.remote, head, STAGE_FILE)
    github.files[12] = [{"filename": STAGE_FILE, "status": "added", "sha": blob}]
    github.review(12, "ada")
    assert main.outcomes(before) == (4, {"production": "refused"})
    github.review(12, "grace")
    answer, document = main.apply(before)
    assert (answer.code, main.held) == (0, "v1.2.0")
    assert document["changes"][0]["event"]["review"].endswith("/pull/12")
    assert "Tags are not protected: whoever can push can promote." in answer.err


def test_a_request_is_opened_and_others_of_the_stage_are_named(main, ada, invoke, github):
    propose = ("promote", "churn", "--stage", "production", "--review")
    answer = invoke(*propose[:2], "v1.2.0", *propose[2:], "-m", "a *better* one", cwd=ada)
    assert answer.code == 0
    assert "https://github.com/team/churn/pull/1" in answer.out
    assert github.pulls[1]["title"] == "Promote churn v1.2.0 to production"
    assert "a &#42;better&#42; one" in github.pulls[1]["body"]
    answer = invoke(*propose[:2], "v1.1.0", *propose[2:], cwd=ada)
    assert "open already: https://github.com/team/churn/pull/1" in answer.err
    github.failures = [(403, {}, {"message": "no"})] * 9
    answer = invoke(*propose[:2], "v1.1.0", *propose[2:], "-m", "again", cwd=ada)
    assert answer.code == 0
    assert "open the request: https://github.com/team/churn/compare/main...gitml/" in answer.out
    assert "does not let this token see" in answer.err


def test_what_cannot_be_proposed_pushes_nothing(held, ada, git, invoke):
    branches = git(held.team.remote, "branch", "--list")
    for words, code, said in (
        ("v1.2.0 --stage production --break-glass fire", 2, "do not go together"),
        ("v1.2.0 --stage production --sign", 2, "gitml apply signs"),
        ("v9.0.0 --stage production", 3, "has no version v9.0.0"),
        ("v1.1.0 --stage production -m as\N{NO-BREAK SPACE}reviewed", 4, "says so already"),
        ("v1.2.0 --stage latest", 5, "cannot be the name of a stage"),
    ):
        args = [word.replace("\N{NO-BREAK SPACE}", " ") for word in words.split(" ")]
        answer = invoke("promote", "churn", *args, "--review", cwd=ada)
        assert (answer.code, said in answer.err) == (code, True), answer
    assert git(held.team.remote, "branch", "--list") == branches


def test_without_a_remote_nothing_is_proposed(repo, invoke):
    from tests.registry.people import register_three

    register_three(repo)
    ask = ("promote", "churn", "v1.2.0", "--stage", "production", "--review")
    answer = invoke(*ask, cwd=repo)
    assert answer.code == 4
    assert "There is no remote to propose this to." in answer.err


def test_a_review_needs_commits_that_are_related(main, git):
    answer = main.review("main", base="nowhere")
    assert answer.code in {3, 9}
    assert "nowhere" in answer.err
    git(main.path, "switch", "--quiet", "--orphan", "alone")
    git(main.path, "commit", "--quiet", "--allow-empty", "-m", "alone")
    git(main.path, "push", "--quiet", "origin", "alone")
    answer = main.review("alone")
    assert answer.code == 5
    assert "have no commit in common" in answer.err


def test_a_branch_set_back_applies_nothing_that_was_applied_before(held):
    first = held.tip
    before = held.push({STAGE_FILE: asks("v1.2.0")})
    assert held.outcomes(before) == (0, {"production": "done"})
    second = held.tip
    held.git(held.path, "push", "--quiet", "--force", "origin", f"{first}:main")
    assert held.outcomes(second) == (0, {"production": "overtaken"})
    assert held.held == "v1.2.0"
