"""Fixtures of the tests of workflows."""

from __future__ import annotations

import pytest

from tests.fake_github import running
from tests.workflows.githost import find_act


@pytest.fixture
def api():
    """Return a fake of GitHub's API on loopback."""
    with running() as fake:
        yield fake


@pytest.fixture(scope="session")
def act():
    return find_act()
