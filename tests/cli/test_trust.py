"""Signatures from end to end: keys, a policy, commands, and what an audit says of it all."""

from __future__ import annotations

import json

import pytest

from gitml.model import Dataset, Source
from tests.registry.keys import (
    allowed_line,
    gpg_home,
    gpg_key,
    needs_gpg,
    needs_ssh,
    ssh_key,
)
from tests.support import make_run

__all__ = ["gpg_home"]
POLICY = """\
schema: 1
stages:
  staging: [{unsafe_allow: true}]
  production:
    - registered_by: [ada@example.com]
    - signed_by: [release@example.com]
    - reproduced: {by: [ci@example.com]}
"""
FACTS = {
    "params": {"lr": 0.1},
    "metrics": {"auc": [0.8, 0.9312], "loss": 0.27},
    "inputs": [Dataset(name="train.csv", digest=f"sha256:{'5' * 64}", context="training")],
    "source": Source(commit="a" * 40, tree="b" * 40),
}


@pytest.fixture
def shop(repo, bare_repo, git, tmp_path, invoke):
    """Return ``gitml(*args, key=None)``: commands in a repository with a remote and a policy."""
    keys = {name: ssh_key(tmp_path / "keys", name) for name in ("ada", "release", "ci", "eve")}
    git(repo, "config", "gpg.format", "ssh")
    git(repo, "remote", "add", "origin", bare_repo)
    lines = [allowed_line(f"{n}@example.com", k, 'namespaces="git"') for n, k in keys.items()]
    (repo / ".gitml").mkdir()
    (repo / ".gitml" / "allowed_signers").write_text("".join(lines[:3]))
    (repo / ".gitml" / "policy.yaml").write_text(POLICY)
    git(repo, "add", ".gitml")
    git(repo, "commit", "--quiet", "-m", "policy")
    git(repo, "push", "--quiet", "origin", "main")
    git(repo, "remote", "set-head", "origin", "main")
    make_run(repo, "brave-otter-12", **FACTS)
    (repo.parent / "model.bin").write_bytes(b"\0weights")

    def gitml(*args, key=None):
        if key is not None:
            git(repo, "config", "user.signingKey", keys[key])
        return invoke(*args, *([] if key is None else ["--sign"]), cwd=repo)

    return gitml


def register(gitml, key=None):
    args = ("register", "churn", "--run", "brave-otter-12", "--path", "../model.bin")
    answer = gitml(*args, "--bump", "minor", key=key)
    assert answer.code == 0, answer.err


def promote(gitml, key=None, stage="production", version="v1.0.0"):
    return gitml("promote", "churn", version, "--stage", stage, key=key)


@needs_ssh
def test_the_gates_of_signatures_with_real_keys(shop, repo, git, bare_repo):
    register(shop, key="ada")
    refused = promote(shop)
    assert refused.code == 4
    assert "signed by ada@example.com" in refused.out
    assert "not signed" in refused.out
    assert "no reproduction was recorded" in refused.out

    make_run(repo, "calm-heron-3", **FACTS)
    again = ("model", "reproduced", "churn@v1.0.0", "--run", "calm-heron-3")
    unsigned = shop(*again)
    assert unsigned.code == 0
    assert "calm-heron-3 reproduced churn v1.0.0: 2 metrics compared.  churn@reproduced#1" in (
        unsigned.out
    )
    assert "does not count it" in unsigned.err
    by_ci = [x for x in promote(shop, key="release").out.splitlines() if "reproduced by ci" in x]
    assert (by_ci[0].split()[0], by_ci[0].split()[4:6]) == ("refuse", ["not", "signed"])
    assert shop(*again, key="eve").code == 0
    assert "names its key" in promote(shop, key="release").out
    assert shop(*again, key="ci").code == 0

    # Everything but the one who signs is as the policy wants it.
    wrong = promote(shop, key="ci")
    assert wrong.code == 4
    assert "signed by ci@example.com" in wrong.out
    before = git(bare_repo, "for-each-ref")
    assert promote(shop, key="eve").code == 4
    assert git(bare_repo, "for-each-ref") == before
    done = promote(shop, key="release")
    assert done.code == 0, done.out + done.err

    # Eve's record is in the journal for good; an audit says that it does not count.
    answer = shop("audit")
    assert answer.code == 8
    assert "The signature of churn@reproduced#2 does not count: no line of " in answer.out
    assert answer.out.count("damage") == 1
    assert "5 tags (4 signed), compared with origin." in answer.out


@needs_ssh
def test_a_version_that_the_wrong_key_registered_stays_out(shop):
    register(shop, key="eve")
    register(shop)
    for version, got in (("v1.0.0", "no line of"), ("v1.1.0", "not signed")):
        refused = promote(shop, key="release", version=version)
        assert refused.code == 4
        assert got in refused.out


@needs_ssh
def test_a_signed_tag_that_is_copied_opens_no_gate(shop, repo, git):
    """Ada signs v1.0.0; somebody gives her tag's object the name of what nobody signed."""
    register(shop, key="ada")
    register(shop)
    oid = git(repo, "rev-parse", "churn@v1.0.0").strip()
    git(repo, "update-ref", "refs/tags/churn@v1.1.0", oid)
    git(repo, "push", "--quiet", "--force", "origin", f"{oid}:refs/tags/churn@v1.1.0")
    refused = promote(shop, key="release", version="v1.1.0")
    assert refused.code == 4
    assert "was moved" in refused.out
    answer = shop("audit")
    assert answer.code == 8
    assert "The tag churn@v1.1.0 says that it is churn@v1.0.0" in answer.out


@needs_gpg
@needs_ssh
def test_gpg_signs_and_opens_gates_by_its_fingerprint(shop, repo, git, gpg_home):
    fingerprint = gpg_key("Release <release@example.com>")
    register(shop)
    git(repo, "config", "gpg.format", "openpgp")
    git(repo, "config", "user.signingKey", fingerprint)
    policy = f"stages:\n  production: [{{signed_by: ['{fingerprint}']}}]\n"
    (repo / ".gitml" / "policy.yaml").write_text(policy)
    git(repo, "commit", "--quiet", "-am", "by fingerprint")
    git(repo, "push", "--quiet", "origin", "main")
    answer = shop("promote", "churn", "v1.0.0", "--stage", "production", "--sign")
    assert answer.code == 0, answer.out + answer.err
    git(repo, "verify-tag", "churn#production#1")
    assert shop("audit").code == 0


@pytest.mark.parametrize(
    "changed,said",
    [
        ({"params": {"lr": 0.2}}, "another param lr"),
        ({"inputs": [Dataset(name="train.csv", digest=f"sha256:{'6' * 64}", context="training")]},
         "another input train.csv"),
        ({"inputs": []}, "no digest of the input train.csv"),
        ({"source": Source(tree="c" * 40)}, "other code"),
        ({"metrics": {"auc": 0.94, "loss": 0.27}}, "auc is 0.94 and was 0.9312"),
        ({"metrics": {"auc": 0.9312}}, "no metric loss"),
        ({"status": "failed"}, "calm-heron-3 is failed"),
    ],
)  # fmt: skip
def test_what_is_no_reproduction_is_not_written(shop, repo, git, bare_repo, changed, said):
    register(shop)
    make_run(repo, "calm-heron-3", **{**FACTS, **changed})
    before = git(bare_repo, "for-each-ref"), git(repo, "for-each-ref", "refs/gitml/models")
    answer = shop("model", "reproduced", "churn@v1.0.0", "--run", "calm-heron-3")
    assert answer.code == 4
    assert said in answer.err
    assert (
        git(bare_repo, "for-each-ref"),
        git(repo, "for-each-ref", "refs/gitml/models"),
    ) == before


def test_a_reproduction_within_a_tolerance_and_what_is_asked_of_it(shop, repo, git, bare_repo):
    register(shop)
    run = make_run(repo, "calm-heron-3", **{**FACTS, "metrics": {"auc": 0.93, "loss": 0.5}})
    again = ("model", "reproduced", "churn@1", "--run", "calm-heron-3")
    assert shop(*again, "--tolerance", "0.01").code == 4
    done = shop(*again, "--tolerance", "0.01", "--metric", "auc", "--json")
    assert done.code == 0
    told = json.loads(done.out)
    assert told["metrics"] == [{"name": "auc", "before": 0.9312, "after": 0.93}]
    extra = {"outcome": "passed", "reproduction": run.id, "tolerance": "0.01"}
    assert told["event"]["extra"] == {**extra, "metrics": '{"auc":[0.9312,0.93]}'}
    # Whoever doubts it can look at the run: it went along.
    assert f"refs/gitml/runs/{run.id}" in git(bare_repo, "for-each-ref")
    assert shop(*again, "--metric", "acu").code == 3
    assert shop(*again, "--tolerance", "nan").code == 5
    own = shop("model", "reproduced", "churn@1", "--run", "brave-otter-12")
    assert own.code == 4
    assert "is the run of churn v1.0.0 itself" in own.err
