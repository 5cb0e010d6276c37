"""Fixtures of the tests of the registry."""

from __future__ import annotations

import pytest

from tests.registry.people import Team, register_three


@pytest.fixture(scope="session")
def _filled(tmp_path_factory, copied, git, _made):
    """Return a bare repository with a first commit and three versions of churn."""
    path = copied(_made / "bare.git", tmp_path_factory.mktemp("filled") / "bare.git")
    git(_made / "repo", "push", "--quiet", path, "main")
    register_three(path)
    return path


@pytest.fixture
def team(tmp_path, copied, _filled, git, monkeypatch):
    """Return a team whose remote has a first commit and three versions of churn."""
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME"):
        monkeypatch.delenv(name)
    monkeypatch.delenv("GIT_COMMITTER_EMAIL")
    return Team(git=git, remote=copied(_filled, tmp_path / "bare.git"))


@pytest.fixture
def ada(team):
    """Return the clone of Ada."""
    return team.clone("ada")


@pytest.fixture
def bob(team):
    """Return the clone of Bob."""
    return team.clone("bob")
