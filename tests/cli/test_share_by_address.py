"""A path or an address as the remote: all that a named one is given goes there too."""

from __future__ import annotations

import json

import pytest

from gitml.store.git import open_repository
from gitml.store.pulling import where
from tests.support import make_run


@pytest.fixture
def other(git, tmp_path):
    """Another repository, without any remote."""
    git(tmp_path, "init", "--quiet", "-b", "main", "other")
    return tmp_path / "other"


@pytest.mark.parametrize("form", ["path", "relative", "url"])
def test_runs_and_models_go_to_an_address_and_come_from_it(
    repo, bare_repo, other, git, invoke, form
):
    address = {"path": str(bare_repo), "relative": "../bare.git", "url": bare_repo.as_uri()}[form]
    (repo / "model.txt").write_text("weights\n")
    for words in (
        ["log", "--name", "one", "-m", "auc=0.9", "--artifact", "model.txt"],
        ["register", "churn", "--run", "one"],
        ["pack"],
        ["push", address],
    ):
        answer = invoke(*words, cwd=repo)
        assert answer.code == 0, answer.err
    assert "models     churn" in answer.out
    assert "refs/tags/churn@v1.0.0" in git(bare_repo, "for-each-ref")
    assert invoke("push", address, cwd=repo).out == f"{address} has everything.\n"
    answer = invoke("pull", address, cwd=other)
    assert answer.code == 0, answer.err
    assert [run["name"] for run in json.loads(invoke("ls", "--json", cwd=other).out)["runs"]] == [
        "one"
    ]
    versions = json.loads(invoke("model", "show", "churn@1", "--json", cwd=other).out)
    assert versions["version"]["published"]
    make_run(other, "two")
    answer = json.loads(invoke("sync", address, "--json", cwd=other).out)
    assert len(answer["pushed"]["runs"]) == 1
    refs = git(other, "for-each-ref", "--format=%(refname)").split()
    assert {ref.split("/")[1] for ref in refs} == {"gitml", "gitml-remotes", "tags"}
    assert "url-" not in (other / ".git" / "config").read_text()


def test_an_address_with_a_password_is_never_shown(repo, invoke):
    make_run(repo, "one")
    for command in ("push", "pull", "sync"):
        answer = invoke(command, "http://ada:sesame@127.0.0.1:9/x.git", cwd=repo)
        assert answer.code == 9
        assert "sesame" not in answer.out + answer.err
    # And the same place has one name, whatever the password of a job is.
    store = open_repository(repo)
    addresses = ("https://ci:one@host.invalid/x", "https://ci:two@host.invalid/x")
    assert len({where(store, address).name for address in addresses}) == 1
    store.close()
