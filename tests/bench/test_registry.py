"""How long the registry takes as processes: 1,000 tags in 10 models.

The goal of ``gitml stages`` is 250 ms; ``gto show`` takes about 2 s.
"""

from __future__ import annotations

import os

import pytest

from gitml.registry.state import read_registry
from gitml.store.git import open_repository
from tests.bench.test_cli import LIBRARIES, gitml, holds, process
from tests.registry.journal import Journal, write_journals

GTO = os.environ.get("GITML_GTO_PYTHON")
SHOW = "from gto.cli import app; app(['show'])"
MODELS, VERSIONS, ASSIGNMENTS = 10, 20, 80


@pytest.fixture(scope="module")
def registry(tmp_path_factory, git):
    """Return a repository with 1,000 tags, packed as git packs them."""
    path = tmp_path_factory.mktemp("registry")
    git(path, "init", "--quiet", "--initial-branch=main", "--template=")
    journals = []
    for slug in (f"model-{n}" for n in range(MODELS)):
        journal = Journal(slug)
        for n in range(VERSIONS):
            journal.register(f"v1.{n}.0", run="a" * 32, digest="sha256:" + "b" * 64)
        for n in range(ASSIGNMENTS):
            stage = ("production", "staging", "canary")[n % 3]
            journal.assign(stage, f"v1.{n % VERSIONS}.0", reason="better", via="promote")
        journals.append(journal)
    write_journals(path, *journals)
    git(path, "gc", "--quiet")
    assert len(git(path, "tag", "--list").splitlines()) == 1000
    return path


def test_stages(benchmark, registry):
    assert process(gitml("stages"), registry).count(b"\n") == MODELS + 1
    holds(benchmark, gitml("stages"), LIBRARIES, registry, 2.5)


def test_stages_of_foreign_tags(benchmark, registry, tmp_path, git):
    git(tmp_path, "clone", "--quiet", registry, tmp_path / "clone")
    assert process(gitml("stages"), tmp_path / "clone") == process(gitml("stages"), registry)
    holds(benchmark, gitml("stages"), LIBRARIES, tmp_path / "clone", 2.5)


@pytest.mark.skipif(not GTO, reason="GITML_GTO_PYTHON names no Python with GTO")
def test_stages_against_gto(benchmark, registry):
    holds(benchmark, gitml("stages"), [GTO, "-c", SHOW], registry, 0.2, rounds=3)


def test_reading(benchmark, registry):
    store = open_repository(registry)
    found = benchmark(read_registry, store)
    store.close()
    assert sum(len(model.events) for model in found.models.values()) == 1000
    assert benchmark.stats.stats.min < 0.25
