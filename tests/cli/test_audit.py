"""``gitml audit``: its words, its exit codes, its listing."""

from __future__ import annotations

import json

import pytest

from tests.support import make_run, on_terminal


@pytest.fixture
def shop(repo, bare_repo, git, invoke):
    """Return a repository with a remote, two versions, and one of them in production."""
    git(repo, "remote", "add", "origin", bare_repo)
    git(repo, "push", "--quiet", "origin", "main")
    git(repo, "remote", "set-head", "origin", "main")
    make_run(repo, "brave-otter-12", metrics={"auc": 0.9})
    (repo.parent / "model.bin").write_bytes(b"\0weights")
    for bump in ("minor", "major"):
        register = ("register", "churn", "--run", "brave-otter-12", "--path", "../model.bin")
        assert invoke(*register, "--bump", bump, cwd=repo).code == 0
    assert invoke("promote", "churn", "v1.0.0", "--stage", "production", cwd=repo).code == 0
    return repo


def test_what_is_sound(shop, invoke):
    answer = invoke("audit", cwd=shop)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == (
        "note    Whether tags are protected on origin cannot be told from here.\n"
        "        hint: the host's settings show it: rules for tags that match *#* and *@*\n"
        "Looked at 1 model: 2 versions, 3 events, 3 tags (0 signed), compared with origin.\n"
        "Nothing that was published has changed.\n"
    )
    told = json.loads(invoke("audit", "churn", "--json", cwd=shop).out)
    assert told["sound"] is True
    assert told["counts"] == {"models": 1, "versions": 2, "events": 3, "tags": 3, "signed": 0}
    assert (told["findings"], told["fixed"], told["remote"]) == ([], [], "origin")


def test_nothing_to_look_at(repo, invoke, git, bare_repo):
    answer = invoke("audit", cwd=repo)
    assert answer.code == 0
    assert answer.out.startswith("Looked at 0 models: 0 versions")
    git(repo, "remote", "add", "origin", bare_repo)  # without a branch, and without a model
    assert invoke("audit", cwd=repo).code == 0
    answer = invoke("audit", "chrun", cwd=repo)
    assert (answer.code, answer.out) == (3, "")


def test_what_was_changed_what_is_to_be_mended_and_the_mending(shop, invoke, git, bare_repo):
    tag = "refs/tags/churn#production#1"
    oid = git(bare_repo, "rev-parse", tag).strip()
    git(bare_repo, "update-ref", "-d", tag)
    deleted = invoke("audit", cwd=shop)
    assert deleted.code == 8
    assert deleted.out.startswith(
        "damage  The tag churn#production#1 was deleted on origin.\n"
        "        hint: gitml audit churn --fix pushes it again; first find out who did it\n"
    )
    assert deleted.out.endswith("1 thing is not as published.\n")
    # Once it was seen to be gone, nobody can tell any more from a tag that never arrived.
    missing = invoke("audit", "--json", cwd=shop)
    assert missing.code == 4
    (found,) = [f for f in json.loads(missing.out)["findings"] if f["level"] == "warning"]
    assert (found["kind"], found["model"], found["ref"]) == ("incomplete", "churn", tag)
    fixed = invoke("audit", "--fix", cwd=shop)
    assert fixed.code == 0
    assert fixed.out.startswith("Completed churn#production#1 and pushed it to origin.\n")
    assert git(bare_repo, "rev-parse", tag).strip() == oid


def test_a_listing_is_written_compared_with_and_kept_from_damage(shop, invoke, git, bare_repo):
    assert invoke("audit", "--write", "audit.json", cwd=shop).code == 0
    listing = (shop / "audit.json").read_text()
    assert set(json.loads(listing)) == {"schema", "kind", "at", "models", "tags"}
    assert listing.count("\n") == 9
    assert invoke("audit", "--since", "audit.json", "--write", "audit.json", cwd=shop).code == 0
    for path in (bare_repo, shop):
        for ref in git(path, "for-each-ref", "--format=%(refname)").split():
            if "churn" in ref:
                git(path, "update-ref", "-d", ref)
    assert invoke("audit", cwd=shop).code == 0
    kept = (shop / "audit.json").read_text()
    answer = invoke("audit", "--since", "audit.json", "--write", "audit.json", cwd=shop)
    assert answer.code == 8
    assert "damage  The journal of churn is gone since the audit of 20" in answer.out
    assert "audit.json was not written" in answer.err
    assert (shop / "audit.json").read_text() == kept


@pytest.mark.parametrize(
    "args,content,code",
    [
        (["--since", "none.json"], None, 3),
        (["--since", "odd.json"], "{}", 5),
        (["--since", "odd.json"], "\udcff", 5),
        (["--since", "."], None, 5),
        (["--write", "no/folder/audit.json"], None, 10),
    ],
)
def test_files_that_are_none(shop, invoke, args, content, code):
    if content is not None:
        (shop / "odd.json").write_text(content, errors="surrogateescape")
    answer = invoke("audit", *args, cwd=shop)
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.count("error:") == 1


def test_on_a_terminal(shop):
    code, shown = on_terminal("audit", cwd=shop, env={"NO_COLOR": "1"})
    assert code == 0
    assert shown.startswith("· Whether tags are protected on origin cannot be told from here.\n")
