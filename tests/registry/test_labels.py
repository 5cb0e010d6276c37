"""What is said of a version after its registration stands beside what was said at it."""

from __future__ import annotations

import pytest

from gitml.registry.manage import set_note, set_tags
from gitml.registry.state import read_registry
from gitml.registry.values import ModelVersion
from gitml.registry.versionfile import dump_package, dump_version
from gitml.registry.writing import Context
from gitml.store.git import open_repository
from tests.registry.journal import Journal
from tests.support import AUTHOR, START


@pytest.fixture
def store(repo):
    version = ModelVersion(
        model="churn",
        slug="churn",
        name="v1.0.0",
        number=1,
        created=START,
        author=AUTHOR,
        digest="sha256:" + "a" * 64,
        size=0,
        tags={"team": "growth"},
        note="first",
    )
    files = {"version.yaml": dump_version(version), "package.yaml": dump_package(version)}
    Journal("churn").register("v1.0.0").write(repo, files={0: files})
    repository = open_repository(repo)
    yield repository
    repository.close()


def said(store):
    (version,) = read_registry(store).find("churn").versions
    return version.tags, version.note


def test_another_tag_does_not_take_off_those_of_the_registration(store):
    context = Context(by=AUTHOR, now=START + 60_000)
    set_tags(store, "churn@v1.0.0", {"tier": "gold"}, context)
    assert said(store) == ({"team": "growth", "tier": "gold"}, None)
    set_tags(store, "churn@v1.0.0", {"team": None}, context)
    assert said(store) == ({"tier": "gold"}, None)


def test_the_note_of_the_registration_can_be_removed(store):
    context = Context(by=AUTHOR, now=START + 60_000)
    assert not set_note(store, "churn@v1.0.0", "first", context).changed
    assert set_note(store, "churn@v1.0.0", "", context).changed
    assert said(store) == (None, "")
