"""Words that a shell is offered."""

from __future__ import annotations

import subprocess

import pytest

from tests.support import MINUTE, START, make_run, make_runs


def complete(gitml_cli, words, cwd="."):
    env = {
        "_GITML_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    answer = gitml_cli(cwd=cwd, env=env)
    assert answer.err == ""
    return [line.partition(",")[2] for line in answer.out.splitlines() if line]


def test_completes_commands_and_options(gitml_cli):
    assert complete(gitml_cli, "gitml sh") == ["show"]
    assert complete(gitml_cli, "gitml ls --w") == ["--where"]
    assert complete(gitml_cli, "gitml completion ") == ["bash", "zsh", "fish"]


def test_completion_of_an_argument_is_silent_outside_of_a_repository(gitml_cli):
    assert complete(gitml_cli, "gitml show zz") == []


HOSTILE_NAMES = ["odd $(reboot)", "odd;ls", "odd\u202eevil", "odd`x`", "odd'x"]


def test_completes_what_the_index_knows(repo, gitml_cli, invoke, git):
    make_run(repo, "brave-otter-12", metrics={"auc": 0.9}, params={"alpha": 1})
    make_run(repo, "odd-1", experiment="churn/eu", created=START + MINUTE)
    make_runs(repo, *({"name": name, "experiment": name} for name in HOSTILE_NAMES))
    assert complete(gitml_cli, "gitml show br", cwd=repo) == []  # there is no index yet
    invoke("ls", cwd=repo)
    assert complete(gitml_cli, "gitml show br", cwd=repo) == ["brave-otter-12"]
    assert complete(gitml_cli, "gitml show o", cwd=repo) == ["odd-1"]
    assert complete(gitml_cli, "gitml diff odd-1 la", cwd=repo) == ["latest"]
    assert complete(gitml_cli, "gitml show best:", cwd=repo) == ["best:auc"]
    assert complete(gitml_cli, "gitml ls -e c", cwd=repo) == ["churn", "churn/eu"]
    assert complete(gitml_cli, "gitml ls --sort a", cwd=repo) == ["alpha", "auc"]
    assert complete(gitml_cli, "gitml ls --columns alpha,au", cwd=repo) == ["alpha,auc"]
    git(repo, "worktree", "add", "--quiet", repo.parent / "linked")
    (repo.parent / "linked" / "deep").mkdir()
    assert complete(gitml_cli, "gitml show br", cwd=repo.parent / "linked" / "deep") == [
        "brave-otter-12"
    ]
    assert complete(gitml_cli, f"gitml --repo {repo} show br") == ["brave-otter-12"]


@pytest.mark.parametrize("damage", [b"", b"not a database", b"SQLite format 3\0" + bytes(200)])
def test_completion_bears_a_damaged_index(repo, gitml_cli, damage):
    (repo / ".git" / "gitml").mkdir()
    (repo / ".git" / "gitml" / "index.sqlite").write_bytes(damage)
    assert complete(gitml_cli, "gitml show br", cwd=repo) == []


def test_completion_script_is_bash(invoke):
    script = invoke("completion", "bash").out
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert "_GITML_COMPLETE=bash_complete" in script


def test_completes_models_versions_and_stages_from_the_names_of_refs(repo, gitml_cli, git):
    """Without git and without an index, loose or packed; never a word that a shell would run."""
    for ref in (
        *("gitml/models/churn", "gitml/models/fraud", "tags/churn@v1.2.0", "tags/churn@v1.10.0"),
        *("tags/churn#production#1", "tags/churn#production!#2", "tags/churn#staging#3"),
        *("tags/other@v1.0.0", "tags/churn@v$(reboot)", "tags/v1.0", "gitml/models/ch`x`"),
    ):
        git(repo, "update-ref", f"refs/{ref}", "HEAD")
    for _ in range(2):
        assert complete(gitml_cli, "gitml model history ", cwd=repo) == ["churn", "fraud"]
        assert complete(gitml_cli, "gitml model show churn@", cwd=repo) == [
            *("churn@latest", "churn@v1.10.0", "churn@v1.2.0")
        ]
        assert complete(gitml_cli, "gitml lineage churn#", cwd=repo) == [
            *("churn#production", "churn#staging")
        ]
        assert complete(gitml_cli, "gitml model history churn --stage p", cwd=repo) == [
            "production"
        ]
        git(repo, "pack-refs", "--all")
