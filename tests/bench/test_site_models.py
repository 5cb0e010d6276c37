"""How long the pages of models take: 1,000 tags in 10 models, 200 versions with all their files.

The goal is 1.5 s for the whole part, and no work where nothing changed. It is the processor's
time that is held to it, so that a busy machine changes nothing; it takes about half of that.
"""

from __future__ import annotations

import time

import pytest

from gitml.query.index import open_index
from gitml.site.build import Sources, build
from gitml.site.gather import Options
from gitml.site.write import Folder
from gitml.store.git import open_repository
from gitml.store.snapshot import snapshot
from tests.registry.journal import write_journals
from tests.site.shelf import DAY, Shelf
from tests.support import START

MODELS, VERSIONS, ASSIGNMENTS = 10, 20, 80
SECONDS, UNCHANGED = 1.5, 0.2


@pytest.fixture(scope="module")
def registry(tmp_path_factory, git):
    """Return a repository with 1,000 tags, packed as git packs them."""
    path = tmp_path_factory.mktemp("registry")
    git(path, "init", "--quiet", "--initial-branch=main", "--template=")
    shelves = [Shelf(f"model-{n}") for n in range(MODELS)]
    for shelf in shelves:
        for n in range(VERSIONS):
            shelf.register(f"v1.{n}.0")
        for n in range(ASSIGNMENTS):
            stage = ("production", "staging", "canary")[n % 3]
            shelf.journal.assign(stage, f"v1.{n % VERSIONS}.0", reason="better", via="promote")
    files = {shelf.slug: shelf.files for shelf in shelves}
    write_journals(path, *(shelf.journal for shelf in shelves), files=files)
    git(path, "gc", "--quiet")
    assert len(git(path, "tag", "--list").splitlines()) == 1000
    return path


def built(registry, folder):
    """Build a site; return what became of it and how long the processor took."""
    store = open_repository(registry)
    try:
        with open_index(store, now=START + 90 * DAY) as index:
            begun = time.process_time()
            sources = Sources(index=index, store=snapshot(store))
            done = build(sources, Folder(folder), Options())
            return done, time.process_time() - begun
    finally:
        store.close()


def test_all_pages_of_models(registry, tmp_path, record_property):
    done, seconds = built(registry, tmp_path / "site")
    assert sum(name.startswith("models/") for name in done.written) == MODELS * (VERSIONS + 1)
    again, unchanged = built(registry, tmp_path / "site")
    record_property("seconds", round(seconds, 2))
    record_property("unchanged", round(unchanged, 3))
    assert again.written == ()
    assert seconds < SECONDS
    assert unchanged < UNCHANGED
