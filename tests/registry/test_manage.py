"""What is said of models after they were registered, by the commands that say it."""

from __future__ import annotations

import json

import pytest

from tests.registry.people import in_stages, model_at, references, register_three


@pytest.fixture
def models(repo):
    """Return a repository without a remote, with three versions of churn."""
    register_three(repo)
    return repo


def test_tags_and_texts_of_models_and_versions(models, invoke, git):
    def say(*words):
        answer = invoke("model", *words, cwd=models)
        assert answer.code == 0, answer.err
        return answer.out

    assert say("tag", "churn", "team=growth", "draft=yes") == (
        "Tagged churn: team=growth, draft=yes\n"
    )
    say("tag", "churn", "-d", "draft")
    say("tag", "churn@2", "validated={yes}")
    say("note", "churn", "Who leaves.")
    say("note", "churn@latest", "Without March.")
    model = model_at(models)
    assert (model.tags, model.description) == ({"team": "growth"}, "Who leaves.")
    assert model.versions[1].tags == {"validated": "{yes}"}
    assert model.versions[2].note == "Without March."
    assert json.loads(say("tag", "churn@2", "--json"))["tags"] == {"validated": "{yes}"}
    assert say("note", "churn@3") == "Without March.\n"
    assert "description: Who leaves.\n" in git(models, "show", "refs/gitml/models/churn:model.yaml")
    say("note", "churn", "--delete")
    assert model_at(models).description is None
    count = len(model_at(models).events)
    assert say("tag", "churn", "team=growth") == ""
    assert len(model_at(models).events) == count


def test_deprecated_and_back(models, invoke):
    assert invoke("promote", "churn", "3", "--stage", "dev", cwd=models).code == 0
    held = invoke("model", "deprecate", "churn@3", "-m", "leaks", cwd=models)
    assert held.code == 4
    assert held.err.startswith(
        "error: churn v1.2.0 cannot be deprecated while dev holds v1.2.0. Nothing was changed.\n"
    )
    assert invoke("unassign", "churn", "--stage", "dev", cwd=models).code == 0
    done = invoke("model", "deprecate", "churn@3", "-m", "leaks", cwd=models)
    assert done.out == ("Deprecated churn v1.2.0.\n  undo: gitml model deprecate churn@3 --undo\n")
    assert model_at(models).versions[2].deprecated == "leaks"
    assert invoke("promote", "churn", "latest", "--stage", "dev", cwd=models).code == 0
    assert in_stages(model_at(models)) == {"dev": "v1.1.0"}
    assert invoke("model", "deprecate", "churn@3", "--undo", cwd=models).code == 0
    assert model_at(models).versions[2].deprecated is None
    assert invoke("model", "deprecate", "churn@3", cwd=models).code == 2
    assert invoke("model", "deprecate", "churn", "-m", "all", cwd=models).code == 3


def test_a_version_deleted_and_back(models, invoke, git):
    for _ in range(2):  # the tag is there already the second time
        assert invoke("model", "delete", "churn@v1.1.0", "-m", "oops", cwd=models).code == 0
        assert model_at(models).versions[1].deleted
        assert git(models, "rev-parse", "churn@v1.1.0!^{commit}") == git(
            models, "rev-parse", "churn@v1.1.0^{commit}"
        )
        back = invoke("model", "delete", "churn@v1.1.0", "--undo", cwd=models)
        assert back.out == "Brought churn v1.1.0 back.\n"
        assert not model_at(models).versions[1].deleted
    again = invoke("model", "delete", "churn@v1.1.0", "--undo", cwd=models)
    assert again.err == "It is so already; nothing was changed.\n"


def test_a_model_deleted_and_back(models, invoke):
    assert invoke("promote", "churn", "1", "--stage", "dev", cwd=models).code == 0
    assert invoke("model", "delete", "churn", cwd=models).code == 4
    assert invoke("unassign", "churn", "--stage", "dev", cwd=models).code == 0
    assert invoke("model", "rename", "churn", "Churn, monthly", cwd=models).code == 0
    assert invoke("model", "delete", "churn", cwd=models).code == 0
    assert model_at(models).deleted
    assert invoke("promote", "churn", "1", "--stage", "dev", cwd=models).code == 4
    assert invoke("model", "delete", "Churn, monthly", "--undo", cwd=models).code == 0
    assert not model_at(models).deleted
    assert invoke("promote", "churn", "1", "--stage", "dev", cwd=models).code == 0


def test_renamed_and_still_found_by_the_old_name(models, invoke, git):
    before = {ref for ref in references(git, models) if ref.startswith("refs/tags/")}
    answer = invoke("model", "rename", "churn", "Churn, monthly {x}", cwd=models)
    assert answer.out == "Renamed churn to Churn, monthly {x}.\n"
    model = model_at(models)
    assert (model.name, model.aliases, model.slug) == ("Churn, monthly {x}", ("churn",), "churn")
    for name in ("churn", "Churn, monthly {x}"):
        done = invoke("promote", name, "1", "--stage", name[:1].lower(), cwd=models)
        assert done.code == 0, done.err
    after = {ref for ref in references(git, models) if ref.startswith("refs/tags/")}
    assert len(after - before) == 1  # one stage, c: the second time it was so already
    assert invoke("model", "rename", "churn@1", "x", cwd=models).code == 4
    assert invoke("model", "rename", "churn", "a\x07b", cwd=models).code == 5


@pytest.mark.parametrize(
    "words, code",
    [
        (("tag", "churn", "team"), 2),
        (("tag", "churn", "a=1", "a=2"), 2),
        (("tag", "churn", "a=1", "-d", "a"), 2),
        (("tag", "churn", "-d", "nothing"), 3),
        (("tag", "churn", "a=\x1b[2J"), 5),
        (("note", "churn", "x", "--delete"), 2),
        (("note", "churn", " "), 5),
        (("note", "churn", "y" * 4001), 5),
        (("note", "churn@9", "text"), 3),
        (("note", "churn#dev", "text"), 3),
        (("delete", "nobody"), 3),
        (("delete", "churn@9"), 3),
        (("delete", "churn", "--undo", "-m", "x"), 2),
        (("deprecate", "churn@1", "--undo", "-m", "x"), 2),
        (("rename", "nobody", "somebody"), 3),
        (("publish", "nobody"), 3),
    ],
)
def test_bad_input(models, invoke, git, words, code):
    before = references(git, models)
    answer = invoke("model", *words, cwd=models)
    assert answer.code == code, answer.err
    assert answer.err.startswith("error: ")
    assert references(git, models) == before
