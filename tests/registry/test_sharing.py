"""Registries that are shared through a remote: what is registered, published and fetched."""

from __future__ import annotations

import pytest

from gitml.errors import InputError
from gitml.store.git import open_repository
from gitml.store.remote import registry_remote
from gitml.store.shared import fetch_registry
from tests.registry.journal import Journal, write_journals
from tests.registry.people import references
from tests.support import make_run, run_id_of

PROMOTE = ("promote", "churn", "v1.1.0", "--stage", "production")
ADA, BOB = "Ada <ada@example.com>", "Bob <bob@example.com>"


def test_two_register_one_version(team, ada, bob, invoke):
    for place in (ada, bob):
        make_run(place, "brave-otter-12", metrics={"auc": 0.9}, run_id=run_id_of(place.name))
        (place / "model.txt").write_text(place.name, encoding="utf-8")
    register = ("register", "churn", "--run", "brave-otter-12", "--path", "./model.txt")
    team.meanwhile(bob, *register, "--version", "v2.0.0")
    answer = invoke(*register, "--version", "v2.0.0", cwd=ada)
    team.said_meanwhile()
    assert answer.code == 7
    assert "Bob <bob@example.com> was first: registered churn v2.0.0 at 20" in answer.err
    refs = team.refs()
    assert [version.by for version in team.check(ada, bob).versions][3:] == [BOB]
    assert f"refs/gitml/runs/{run_id_of('ada')}" not in refs
    assert len([ref for ref in refs if ref.startswith("refs/gitml/packages/")]) <= 1
    # Without a version both are registered, one after the other.
    team.meanwhile(bob, *register, "--bump", "minor")
    answer = invoke(*register, "--bump", "minor", cwd=ada)
    team.said_meanwhile()
    assert answer.code == 0, answer.err
    versions = team.check(ada, bob).versions
    assert [(v.name, v.number, v.by) for v in versions][4:] == [
        ("v2.1.0", 5, BOB),
        ("v2.2.0", 6, "Ada <ada@example.com>"),
    ]


def test_registered_while_the_remote_was_away(team, ada, bob, invoke, git):
    make_run(ada, "brave-otter-12", metrics={"auc": 0.9})
    make_run(bob, "keen-fjord-8", metrics={"auc": 0.9})
    for place in (ada, bob):
        (place / "model.txt").write_text(place.name, encoding="utf-8")
    assert invoke("model", "note", "churn", "Who leaves.", cwd=ada).code == 0
    url = git(ada, "remote", "get-url", "origin").strip()
    git(ada, "remote", "set-url", "origin", f"{url}.gone")
    before = team.refs()
    answer = invoke("register", "churn", "--run", "latest", "--path", "./model.txt", cwd=ada)
    assert answer.code == 0
    assert "gitml model publish churn" in answer.out
    refused = invoke("promote", "churn", "v1.3.0", "--stage", "production", cwd=ada)
    assert refused.code == 9
    assert team.refs() == before
    taken = ("register", "churn", "--run", "latest", "--path", "./model.txt")
    assert invoke(*taken, cwd=bob).code == 0  # v1.3.0 too
    git(ada, "remote", "set-url", "origin", url)
    refused = invoke("promote", "churn", "4", "--stage", "production", cwd=ada)
    assert refused.code == 0  # it is Bob's: the fourth is who was published fourth
    published = invoke("model", "publish", cwd=ada)
    assert published.out == "Published churn@v1.4.0, number 5.\n"
    assert not [ref for ref in team.refs(ada) if ref.startswith("refs/gitml/unpublished/")]
    versions = team.check(ada, bob).versions
    assert [(v.name, v.by) for v in versions][3:] == [("v1.3.0", BOB), ("v1.4.0", ADA)]
    assert invoke("model", "publish", cwd=ada).err == "Nothing waits to be published.\n"
    assert f"refs/gitml/runs/{run_id_of('brave-otter-12')}" in team.refs()


def test_published_and_killed_before_it_was_known_here(team, ada, bob, invoke, git):
    for place in (ada, bob):
        make_run(place, "brave-otter-12", metrics={"auc": 0.9})
        (place / "model.txt").write_text(place.name, encoding="utf-8")
    call = ("register", "churn", "--run", "latest", "--path", "./model.txt", "--no-push")
    assert invoke(*call, cwd=ada).code == 0
    (waiting,) = [ref for ref in team.refs(ada) if ref.startswith("refs/gitml/unpublished/")]
    commit = team.refs(ada)[waiting]
    assert invoke("model", "publish", cwd=ada).code == 0
    git(ada, "update-ref", waiting, commit)  # as if it had been killed before this went
    assert invoke(*call[:-1], cwd=bob).code == 0  # so that it is not the newest any more
    count = len(team.check(ada).events)
    again = invoke("model", "publish", cwd=ada)
    assert again.out == "churn@v1.3.0 was published already.\n"
    assert len(team.check(ada).events) == count
    assert waiting not in team.refs(ada)


def test_a_model_from_before_there_was_a_remote(git, repo, bare_repo, invoke):
    make_run(repo, "brave-otter-12", metrics={"auc": 0.9})
    (repo / "model.bin").write_bytes(bytes(range(256)) * 4)
    assert invoke("register", "churn", "--run", "latest", "--path", "model.bin", cwd=repo).code == 0
    assert invoke("promote", "churn", "1", "--stage", "dev", cwd=repo).code == 0
    git(repo, "remote", "add", "origin", f"file://{bare_repo}")
    git(repo, "push", "--quiet", "origin", "main")
    assert invoke("model", "publish", cwd=repo).out == "Published churn with 2 events on origin.\n"
    mine, theirs = (references(git, place) for place in (repo, bare_repo))
    shared = ("refs/tags/", "refs/gitml/models/", "refs/gitml/packages/", "refs/gitml/runs/")
    wanted = {ref: oid for ref, oid in mine.items() if ref.startswith(shared)}
    assert {ref: oid for ref, oid in theirs.items() if ref.startswith(shared)} == wanted
    assert len(wanted) == 5


def test_all_models_are_fetched_by_name(team, ada, git):
    register_journals = [Journal(slug).register("v1.0.0") for slug in ("churn-2", "fraud")]
    write_journals(team.remote, *register_journals)
    git(team.remote, "tag", "-a", "-m", "a release", "v1.0", "main")
    repository = open_repository(ada)
    try:
        fetch_registry(repository, "origin", "main", slugs=["churn"])
        assert set(below(team, ada, "refs/gitml/models/")) == {"churn"}
        fetch_registry(repository, "origin", "main")
        assert set(below(team, ada, "refs/gitml/models/")) == {"churn", "churn-2", "fraud"}
        assert "v1.0" not in below(team, ada, "refs/gitml-remotes/origin/tags/")
        git(team.remote, "tag", "-d", "fraud@v1.0.0")
        fetch_registry(repository, "origin", "main")
        assert "fraud@v1.0.0" not in below(team, ada, "refs/gitml-remotes/origin/tags/")
        assert "fraud@v1.0.0" in below(team, ada, "refs/tags/")
    finally:
        repository.close()


def below(team, place, prefix):
    return [ref.removeprefix(prefix) for ref in team.refs(place) if ref.startswith(prefix)]


def test_which_remote_and_branch(repo, git):
    def chosen():
        repository = open_repository(repo)
        try:
            return registry_remote(repository)
        finally:
            repository.close()

    assert chosen() is None
    git(repo, "remote", "add", "work", "file:///nowhere")
    assert chosen() == "work"
    git(repo, "remote", "add", "home", "file:///nowhere")
    assert chosen() is None
    git(repo, "remote", "add", "origin", "file:///nowhere")
    assert chosen() == "origin"
    git(repo, "config", "gitml.remote", "home")
    assert chosen() == "home"
    git(repo, "config", "gitml.remote", "none")
    assert chosen() is None
    git(repo, "config", "gitml.remote", "hoem")
    with pytest.raises(InputError, match="no such remote") as caught:
        chosen()
    assert caught.value.hint == "did you mean home?"


def test_a_branch_that_the_remote_does_not_have(team, ada, invoke, git):
    git(ada, "config", "gitml.branch", "mian")
    answer = invoke(*PROMOTE, cwd=ada)
    assert answer.code == 5
    assert "gitml.branch is mian, and origin has no such branch" in answer.err


def test_the_remote_is_asked_for_its_branch_once(team, ada, invoke, git):
    git(team.remote, "branch", "-m", "main", "trunk")
    git(team.remote, "symbolic-ref", "HEAD", "refs/heads/trunk")
    git(ada, "remote", "set-head", "origin", "--delete")
    policy = "schema: 1\nstages: {production: []}\n"
    (ada / ".gitml").mkdir()
    (ada / ".gitml/policy.yaml").write_text(policy, encoding="utf-8")
    git(ada, "add", ".gitml")
    git(ada, "commit", "--quiet", "-m", "policy")
    git(ada, "push", "--quiet", "origin", "HEAD:trunk")
    assert invoke(*PROMOTE, cwd=ada).code == 4
    assert git(ada, "symbolic-ref", "refs/remotes/origin/HEAD") == "refs/remotes/origin/trunk\n"
