"""Fixtures of the tests of the registry."""

from __future__ import annotations

import pytest

from tests.registry.people import Team, register_three


@pytest.fixture
def team(bare_repo, repo, git, monkeypatch):
    """Return a team whose remote has a first commit and three versions of churn."""
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME"):
        monkeypatch.delenv(name)
    monkeypatch.delenv("GIT_COMMITTER_EMAIL")
    git(repo, "push", "--quiet", bare_repo, "main")
    register_three(bare_repo)
    return Team(git=git, remote=bare_repo)


@pytest.fixture
def ada(team):
    """Return the clone of Ada."""
    return team.clone("ada")


@pytest.fixture
def bob(team):
    """Return the clone of Bob."""
    return team.clone("bob")
