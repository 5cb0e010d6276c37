"""Source trees that are fetched when they are asked for."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def here(git, repo, bare_repo, invoke, tmp_path):
    """A clone that has two runs, ``one`` sealed and ``two`` hot, and no source of theirs."""
    git(repo, "remote", "add", "origin", bare_repo)
    git(repo, "push", "--quiet", "origin", "main")
    for name in ("one", "two"):
        (repo / "train.py").write_text(f"print('{name}')\n")
        assert invoke("log", "--name", name, "-m", "auc=0.9", cwd=repo).code == 0
        if name == "one":
            assert invoke("pack", cwd=repo).code == 0
    assert invoke("push", cwd=repo).code == 0
    assert invoke("clone", bare_repo, "here", cwd=tmp_path).code == 0
    return tmp_path / "here"


@pytest.mark.parametrize("version", ["2", "0"])  # with 0 a host gives refs, and no tree by its id
@pytest.mark.parametrize("name", ["one", "two"])
def test_source_comes_from_the_remote_without_history(here, git, invoke, name, version):
    git(here, "config", "protocol.version", version)
    answer = invoke("source", name, "-o", "code", cwd=here)
    assert answer.code == 0, answer.err
    assert (here / "code" / "train.py").read_text() == f"print('{name}')\n"
    git(here, "gc", "--quiet", "--prune=now")
    assert invoke("source", name, "--list", cwd=here).out == "train.py\n"
    git(here, "fsck", "--strict")
    assert invoke("push", cwd=here).out == "origin has everything.\n"


def test_diff_shows_the_text_when_it_is_asked_for(here, invoke):
    assert (
        "the source of one is not here: --patch fetches it"
        in invoke("diff", "one", "two", cwd=here).out
    )
    answer = invoke("diff", "one", "two", "--patch", cwd=here)
    assert "-print('one')\n+print('two')\n" in answer.out


def test_offline_it_says_what_is_missing_and_that_nobody_could_be_asked(here, bare_repo, invoke):
    bare_repo.rename(bare_repo.with_name("away.git"))
    answer = invoke("source", "one", cwd=here)
    assert answer.code == 9
    assert "The source tree of one is not here, and it could not be asked for: origin" in answer.err
    assert not (here / "one-source").exists()
    answer = invoke("diff", "one", "two", "--patch", "--json", cwd=here)
    assert json.loads(answer.out)["source"][0]["patch"] == ""
    assert "could not be asked for" in answer.err


def test_a_source_that_nobody_pushed_is_on_no_remote(here, repo, git, bare_repo, invoke):
    (repo / ".gitml").mkdir()
    (repo / ".gitml" / "config.yaml").write_text("push: {source: false}\n")
    assert invoke("log", "--name", "secret", "-m", "auc=1", cwd=repo).code == 0
    assert invoke("push", cwd=repo).code == 0
    assert invoke("pull", cwd=here).code == 0
    git(here, "remote", "add", "backup", bare_repo)
    answer = invoke("source", "secret", cwd=here)
    assert answer.code == 3
    assert "is neither here nor on origin nor on backup: " in answer.err
    assert "push.source" in answer.err
