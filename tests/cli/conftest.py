"""Fixtures of the tests of commands."""

from __future__ import annotations

import pytest

from tests.cli.world import make_world


@pytest.fixture
def world(repo, git):
    """Return a repository with five runs of two experiments, the same in every session."""
    return make_world(repo, git)
