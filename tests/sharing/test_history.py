"""Who changed what when, after one run was edited on two machines."""

from __future__ import annotations

import json

import pytest

from tests.support import make_run


@pytest.fixture
def people(git, repo, bare_repo, invoke, tmp_path, monkeypatch):
    """Return ``of(name) -> gitml(*args)``: each in a clone of their own, under their name."""
    git(repo, "push", "--quiet", bare_repo, "main")

    def of(name):
        git(tmp_path, "clone", "--quiet", bare_repo, name)

        def gitml(*args):
            with monkeypatch.context() as patch:
                patch.setenv("GIT_AUTHOR_NAME", name)
                patch.setenv("GIT_AUTHOR_EMAIL", f"{name}@example.com")
                answer = invoke(*args, cwd=tmp_path / name)
            assert answer.code == 0, answer.err
            return answer.out

        gitml.path = tmp_path / name
        return gitml

    return of


def edits(gitml):
    listed = json.loads(gitml("show", "one", "--history", "--json"))["edits"]
    return [(e["by"].partition(" ")[0], e["key"], e["value"]) for e in listed]


@pytest.mark.parametrize("sealed", [False, True])
def test_edits_of_two_are_told_with_their_authors_in_their_order(people, sealed):
    ada, bob = people("ada"), people("bob")
    make_run(ada.path, "one", tags={"team": "none"})
    ada("push")
    bob("pull")
    bob("tag", "one", "team=growth")
    bob("note", "one", "looks good")
    if sealed:
        ada("pack")  # the one seals what the other edits meanwhile
    bob("push")
    ada("tag", "one", "lang=en")  # without having seen what bob wrote
    ada("sync")
    ada("tag", "one", "team=ads")  # having seen it
    ada("push")
    bob("sync")
    expected = [
        ("bob", "tags.team", "growth"),
        ("bob", "note", "looks good"),
        ("ada", "tags.lang", "en"),
        ("ada", "tags.team", "ads"),
    ]
    for gitml in (ada, bob):
        assert edits(gitml)[-4:] == expected
    assert edits(ada) == edits(bob)
    assert ada("show", "one", "--history") == bob("show", "one", "--history")
    *_, last = bob("show", "one", "--history").splitlines()
    assert last.split()[1:] == ["ada", "<ada@example.com>", "tags.team", "ads"]
    run = json.loads(bob("show", "one", "--json"))["run"]
    assert (run["tags"], run["note"]) == ({"team": "ads", "lang": "en"}, "looks good")
