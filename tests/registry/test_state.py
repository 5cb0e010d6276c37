from __future__ import annotations

from dataclasses import replace

import pytest

from gitml.errors import DamagedError, InputError, NotFoundError
from gitml.names import model_slug
from gitml.registry.chain import read_chain
from gitml.registry.message import event_message
from gitml.registry.references import Reference, latest, parse_reference, resolve
from gitml.registry.state import fold, read_registry
from gitml.registry.values import Event
from gitml.store.git import open_repository
from tests.registry.journal import Journal, write_journals
from tests.support import AUTHOR, START


@pytest.fixture
def store(repo):
    repository = open_repository(repo)
    yield repository
    repository.close()


def model_of(journal):
    return fold(journal.events, slug=journal.slug)


def held(model):
    return {stage: held.version for stage, held in model.stages.items()}


def stack(model, stage="production"):
    return [assignment.version for assignment in model.stacks.get(stage, ())]


def three():
    return Journal("churn").register("v1.0.0").register("v1.1.0").register("v2.0.0-rc.1")


def test_a_journal_is_read_as_it_was_written(repo, store):
    journal = three().assign("production", "v1.0.0", reason="first", via="promote")
    events = journal.write(repo)
    model = read_registry(store).find("churn")
    assert model.events == tuple(events) == read_chain(store, model.tip)
    assert model == replace(fold(events, slug="churn"), tip=events[-1].commit)
    assert [(v.name, v.number, v.commit) for v in model.versions] == [
        (event.version, event.n, event.commit) for event in events[:3]
    ]
    assert model.stages["production"].event == events[3]
    assert read_registry(store).odd == ()


def test_stages_follow_the_journal():
    journal = three().assign("production", "v1.0.0").assign("staging", "v1.1.0")
    assert held(model_of(journal)) == {"production": "v1.0.0", "staging": "v1.1.0"}
    journal.assign("production", "v1.1.0", via="break-glass")
    assert model_of(journal).stages["production"].drift
    journal.unassign("production", "v1.1.0")
    assert held(model_of(journal)) == {"staging": "v1.1.0"}


def test_rollback_is_a_stack():
    journal = three().assign("production", "v1.0.0").assign("production", "v1.1.0")
    journal.assign("production", "v2.0.0-rc.1")
    assert stack(model_of(journal)) == ["v1.0.0", "v1.1.0", "v2.0.0-rc.1"]
    journal.assign("production", "v1.1.0", via="rollback")
    assert stack(model_of(journal)) == ["v1.0.0", "v1.1.0"]
    assert model_of(journal).stacks["production"][-1].n == 4
    journal.assign("production", "v1.0.0", via="rollback")
    assert stack(model_of(journal)) == ["v1.0.0"]
    journal.assign("production", "v1.1.0").assign("production", "v1.1.0")
    assert stack(model_of(journal)) == ["v1.0.0", "v1.1.0"]


def test_an_emptied_stage_is_rolled_back_to_what_was_in_it():
    journal = three().assign("production", "v1.0.0").assign("production", "v1.1.0")
    journal.unassign("production", "v1.1.0")
    assert stack(model_of(journal)) == ["v1.0.0", "v1.1.0"]
    journal.assign("production", "v1.1.0", via="rollback")
    assert (held(model_of(journal)), stack(model_of(journal))) == (
        {"production": "v1.1.0"},
        ["v1.0.0", "v1.1.0"],
    )


def test_a_version_that_is_deprecated_deleted_and_restored():
    journal = three().add("deprecate", version="v1.1.0", reason="leaks")
    journal.add("delete", version="v1.1.0")
    version = model_of(journal).versions[1]
    assert (version.deprecated, version.deleted) == ("leaks", True)
    assert latest(model_of(journal)).name == "v1.0.0"
    journal.add("restore", version="v1.1.0")
    version = model_of(journal).versions[1]
    assert (version.deprecated, version.deleted) == ("leaks", False)
    assert latest(model_of(journal)).name == "v1.0.0"
    journal.add("restore", version="v1.1.0")
    assert latest(model_of(journal)).name == "v1.1.0"


def test_what_is_said_of_a_model_and_of_a_version():
    journal = three().add("describe", extra={"description": "Who leaves", "labels": '{"a": "1"}'})
    journal.add("describe", version="v1.0.0", extra={"note": "old", "labels": '{"b": "2"}'})
    journal.add("describe", extra={"labels": "not JSON"})
    model = model_of(journal)
    assert (model.description, model.tags) == ("Who leaves", {"a": "1"})
    assert (model.versions[0].note, model.versions[0].tags) == ("old", {"b": "2"})
    assert (model.versions[1].note, model.versions[1].tags) == (None, None)
    assert model_of(journal.add("describe", extra={"description": ""})).description is None


def test_a_renamed_model_keeps_its_slug_and_is_found_by_both_names(repo, store):
    journal = three()
    journal.name = "Retention"
    journal.add("rename", previous="churn").write(repo)
    registry = read_registry(store)
    assert registry.find("Retention") is registry.find("churn")
    assert registry.find("Retention").aliases == ("churn",)
    assert registry.slug_for_new("churn") == model_slug("churn", salt="2") != "churn"
    assert registry.slug_for_new("other") == "other"


def test_a_deleted_model_gives_its_name_free_and_not_its_slug(repo, store):
    three().add("delete").write(repo)
    registry = read_registry(store)
    assert registry.find("churn").deleted
    slug = registry.slug_for_new("churn")
    Journal(slug, name="churn").register("v1.0.0").write(repo)
    found = read_registry(store).find("churn")
    assert (found.slug, found.deleted) == (slug, False)
    assert read_registry(store).slug_for_new("churn") == model_slug("churn", salt="3")


def test_what_is_not_published_comes_last_and_is_not_the_latest(repo, store):
    three().write(repo)
    event = Event(kind="register", at=START, by=AUTHOR, model="churn", version="v3.0.0", n=4)
    with store.fast_import() as stream:
        for nth in range(2):
            facts = {"committer": AUTHOR, "time": START, "message": event_message(event, "x")}
            stream.commit(f"refs/gitml/unpublished/churn/{nth:016x}", **facts)
        stream.commit("refs/gitml/unpublished/churn/" + "b" * 16, **{**facts, "message": "no"})
    registry = read_registry(store)
    model = registry.find("churn")
    shown = [(v.name, v.number, v.published) for v in model.versions]
    assert shown[3:] == [("v3.0.0", 4, False), ("v3.0.0", 5, False)]
    assert latest(model).name == "v1.1.0"
    assert model.versions[4].pending_ref == "refs/gitml/unpublished/churn/" + "0" * 15 + "1"
    assert [odd.ref for odd in registry.odd] == ["refs/gitml/unpublished/churn/" + "b" * 16]


def test_a_journal_that_cannot_be_read_breaks_no_other(repo, store, git):
    three().write(repo)
    Journal("fraud").register("v1.0.0").write(repo)
    git(repo, "update-ref", "refs/gitml/models/churn", "HEAD")
    git(repo, "update-ref", "refs/gitml/models/No.Slug", "HEAD")
    registry = read_registry(store)
    assert [*registry.models] == ["fraud"]
    assert [odd.ref for odd in registry.odd] == ["refs/gitml/models/No.Slug"]
    with pytest.raises(DamagedError, match="cannot be read"):
        registry.find("churn")
    with pytest.raises(DamagedError, match="cannot be read"):
        read_registry(store, model="churn")
    assert [*read_registry(store, model="fraud").models] == ["fraud"]
    assert registry.slug_for_new("churn") != "churn"


@pytest.mark.parametrize("what", ["lost", "shallow", "merged"])
def test_a_journal_of_which_something_is_missing(repo, store, git, what):
    events = three().write(repo)
    Journal("fraud").register("v1.0.0").write(repo)
    first, second = events[0].commit, events[1].commit
    if what == "lost":
        (repo / ".git/objects" / first[:2] / first[2:]).unlink()
    elif what == "shallow":
        (repo / ".git/shallow").write_text(f"{second}\n")
        (repo / ".git/objects" / first[:2] / first[2:]).unlink()
    else:
        raw = git(repo, "cat-file", "commit", second).replace("author", f"parent {second}\nauthor")
        oid = git(repo, "hash-object", "-t", "commit", "-w", "--stdin", input=raw).strip()
        git(repo, "update-ref", "refs/gitml/models/churn", oid)
    registry = read_registry(store)
    assert ([*registry.models], [*registry.damaged]) == (["fraud"], ["churn"])
    assert ("merges" if what == "merged" else "missing") in registry.damaged["churn"]


def test_texts_in_another_encoding_are_no_matter(repo, store, git):
    git(repo, "config", "i18n.logOutputEncoding", "latin1")
    journal = Journal("churn", name="Kündigung ✓").register("v1.0.0", reason="schön")
    journal.write(repo)
    model = read_registry(store).find("Kündigung ✓")
    assert (model.slug, model.events[0].reason) == ("churn", "schön")


@pytest.mark.parametrize(
    "text,facts",
    [
        ("churn", {}),
        ("churn@v1.2.0", {"version": "v1.2.0"}),
        ("churn@1.2.0-rc.1", {"version": "v1.2.0-rc.1"}),
        ("churn@3", {"number": 3}),
        ("churn@latest", {"latest": True}),
        ("churn#production", {"stage": "production"}),
    ],
)
def test_references(text, facts):
    assert parse_reference(text) == Reference(model="churn", **facts)
    with_sign = parse_reference(text.replace("churn", "a@b#c d/é"))
    if facts:
        assert with_sign == Reference(model="a@b#c d/é", **facts)


@pytest.mark.parametrize("text", ["", "@1", "#production", "churn@", "churn#", "churn@v1", "x@y"])
def test_what_names_nothing(text):
    with pytest.raises(InputError):
        parse_reference(text)


def test_resolve(repo, store):
    journal = three().assign("production", "v1.0.0").add("delete", version="v2.0.0-rc.1")
    write_journals(repo, journal, Journal("empty").add("describe"))
    registry = read_registry(store)
    for text in ("churn@v1.0.0", "churn@1.0.0", "churn@1", "churn#production"):
        assert resolve(registry, text)[1].name == "v1.0.0", text
    assert resolve(registry, "churn@latest")[1].name == "v1.1.0"
    hints = {
        "chrun@1": "did you mean churn?",
        "churn@v1.0.1": "did you mean v1.0.0 or v1.1.0?",
        "churn@9": "gitml model show churn lists its versions",
        "churn@3": "gitml model delete churn@v2.0.0-rc.1 --undo brings it back",
        "churn#prodction": "did you mean production?",
        "churn#zzz": "gitml stages shows what is in each stage",
        "empty@latest": "gitml model show empty lists its versions",
    }
    for text, hint in hints.items():
        with pytest.raises(NotFoundError) as caught:
            resolve(registry, text)
        assert caught.value.hint == hint, text
    with pytest.raises(InputError):
        resolve(registry, "churn")
