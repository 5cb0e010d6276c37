"""Where runs can be recorded: every shape of repository, and what the source tree holds there."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess

import pytest


def log(gitml_cli, cwd, *arguments, env=None):
    answer = gitml_cli("log", "-m", "auc=0.9", "--json", *arguments, cwd=cwd, env=env)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)["run"]


def files(git, repo, tree):
    """Return mode and content of each file of a tree."""
    listed = git(repo, "ls-tree", "-r", "-z", "--full-tree", tree).split("\0")[:-1]
    found = {}
    for line in listed:
        head, path = line.split("\t")
        mode, kind, oid = head.split()
        found[path] = (mode, git(repo, "cat-file", "blob", oid) if kind == "blob" else oid)
    return found


def healthy(git, repo):
    git(repo, "fsck", "--strict")
    git(repo, "gc", "--prune=now", "--quiet")
    git(repo, "fsck", "--strict", "--connectivity-only")


def test_linked_worktree(repo, git, gitml_cli, tmp_path):
    git(repo, "worktree", "add", "--quiet", tmp_path / "linked", "-b", "side")
    (tmp_path / "linked" / "train.py").write_text("print('side')\n")
    run = log(gitml_cli, tmp_path / "linked")
    assert run["source"]["branch"] == "side"
    tree = files(git, repo, run["source"]["tree"])
    assert tree == {"train.py": ("100644", "print('side')\n")}
    shown = gitml_cli("show", run["id"], "--json", cwd=repo)
    assert json.loads(shown.out)["run"] == run
    healthy(git, repo)


def test_bare_store_and_a_source_repository(repo, bare_repo, git, gitml_cli):
    (repo / "data").mkdir()
    (repo / "data" / "tool").write_text("tool\n")
    (repo / "data" / "tool").chmod(0o755)
    (repo / "link").symlink_to("train.py")
    git(repo, "add", "-A")
    git(repo, "commit", "--quiet", "-m", "more")
    clean = log(gitml_cli, repo, "--repo", bare_repo)
    assert not clean["source"]["dirty"]
    assert clean["source"]["tree"] == git(repo, "rev-parse", "HEAD^{tree}").strip()
    (repo / "train.py").write_text("print('changed')\n")
    dirty = log(gitml_cli, repo, env={"GITML_REPO": str(bare_repo)})
    assert dirty["source"]["dirty"]
    assert files(git, bare_repo, dirty["source"]["tree"]) == {
        "data/tool": ("100755", "tool\n"),
        "link": ("120000", "train.py"),
        "train.py": ("100644", "print('changed')\n"),
    }
    assert git(repo, "for-each-ref", "refs/gitml") == ""
    git(repo, "config", "gitml.repo", bare_repo)
    assert len(json.loads(gitml_cli("ls", "--json", cwd=repo).out)["runs"]) == 2
    healthy(git, bare_repo)


def test_detached_head(repo, git, gitml_cli):
    git(repo, "checkout", "--quiet", "--detach")
    source = log(gitml_cli, repo)["source"]
    assert "branch" not in source or source["branch"] is None
    assert source["commit"] == git(repo, "rev-parse", "HEAD").strip()


def test_no_commit_yet(empty_repo, git, gitml_cli):
    (empty_repo / "train.py").write_text("print(1)\n")
    run = log(gitml_cli, empty_repo)
    assert run["source"].get("commit") is None
    assert files(git, empty_repo, run["source"]["tree"]) == {"train.py": ("100644", "print(1)\n")}
    assert git(empty_repo, "status", "--porcelain") == "?? train.py\n"
    healthy(git, empty_repo)


def test_no_user_name(repo, git, gitml_cli):
    git(repo, "config", "--unset", "user.name")
    git(repo, "config", "--unset", "user.email")
    gone = dict.fromkeys(
        ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"]
    )
    run = log(gitml_cli, repo, env={**gone, "LOGNAME": "grace"})
    assert run["author"].startswith("grace <grace@")
    healthy(git, repo)


def test_sha256(tmp_path, git, gitml_cli):
    repo = tmp_path / "sha256"
    git(tmp_path, "init", "--quiet", "--object-format=sha256", repo)
    (repo / "train.py").write_text("print(1)\n")
    git(repo, "add", "-A")
    git(repo, "commit", "--quiet", "-m", "first")
    (repo / "train.py").write_text("print(2)\n")
    run = log(gitml_cli, repo)
    assert len(run["source"]["tree"]) == 64
    assert gitml_cli("pack", cwd=repo).code == 0
    assert json.loads(gitml_cli("show", "latest", "--json", cwd=repo).out)["run"] == run
    healthy(git, repo)


def test_shallow_clone(repo, git, gitml_cli, tmp_path):
    for number in range(3):
        (repo / "train.py").write_text(f"print({number})\n")
        git(repo, "commit", "--quiet", "-am", str(number))
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repo}", "shallow")
    (tmp_path / "shallow" / "new.py").write_text("print('new')\n")
    run = log(gitml_cli, tmp_path / "shallow")
    assert set(files(git, tmp_path / "shallow", run["source"]["tree"])) == {"new.py", "train.py"}
    healthy(git, tmp_path / "shallow")


def test_in_a_hook(repo, git, gitml_cli, tmp_path):
    """A hook inherits variables that name another repository and another index."""
    git(tmp_path, "init", "--quiet", "other")
    index = hashlib.sha256((repo / ".git" / "index").read_bytes()).hexdigest()
    run = log(
        gitml_cli,
        repo,
        env={
            "GIT_DIR": str(tmp_path / "other" / ".git"),
            "GIT_WORK_TREE": str(tmp_path / "other"),
            "GIT_INDEX_FILE": str(repo / ".git" / "index"),
        },
    )
    assert git(repo, "rev-parse", f"refs/gitml/runs/{run['id']}")
    assert git(tmp_path / "other", "for-each-ref") == ""
    assert hashlib.sha256((repo / ".git" / "index").read_bytes()).hexdigest() == index


@pytest.mark.parametrize("name", ["with space", "mit ümläut", "quo'te\"s", "-dash"])
def test_names_of_folders(tmp_path, git, gitml_cli, name):
    repo = tmp_path / name
    repo.mkdir()
    git(repo, "init", "--quiet")
    (repo / name).write_text("x\n")
    git(repo, "add", "--", name)
    git(repo, "commit", "--quiet", "-m", "first")
    (repo / name).write_text("y\n")
    run = log(gitml_cli, repo, "--artifact", f"./{name}", "--input", f"./{name}")
    assert run["source"]["dirty"]
    assert gitml_cli("show", run["id"], cwd=repo).code == 0
    healthy(git, repo)


def test_everything_a_work_tree_can_differ_by(repo, git, gitml_cli):
    for name in ("deleted", "renamed", "mode", "staged", "both", "untouched"):
        (repo / f"{name}.py").write_text(f"{name}\n")
    (repo / "file-to-link").write_text("plain\n")
    (repo / ".gitignore").write_text("ignored/\n*.log\n")
    git(repo, "add", "-A")
    git(repo, "commit", "--quiet", "-m", "many")
    (repo / "deleted.py").unlink()
    git(repo, "mv", "renamed.py", "new-name.py")
    (repo / "mode.py").chmod(0o755)
    (repo / "staged.py").write_text("staged once\n")
    git(repo, "add", "staged.py")
    (repo / "both.py").write_text("staged\n")
    git(repo, "add", "both.py")
    (repo / "both.py").write_text("and changed again\n")
    (repo / "file-to-link").unlink()
    (repo / "file-to-link").symlink_to("train.py")
    (repo / "sub").mkdir()
    (repo / "sub" / "new file é.py").write_text("new\n")
    (repo / "ignored").mkdir()
    (repo / "ignored" / "x.py").write_text("x\n")
    (repo / "a.log").write_text("log\n")
    (repo / ".env").write_text("TOKEN=1\n")
    (repo / "server.pem").write_text("key\n")
    (repo / "big.bin").write_bytes(b"\0" * (1024 * 1024 + 1))
    git(repo, "init", "--quiet", "nested")
    (repo / "nested" / "inside.py").write_text("inside\n")
    before = git(repo, "status", "--porcelain"), (repo / ".git" / "index").read_bytes()
    run = log(gitml_cli, repo)
    assert (git(repo, "status", "--porcelain"), (repo / ".git" / "index").read_bytes()) == before
    tree = files(git, repo, run["source"]["tree"])
    assert tree.pop(".gitignore")
    assert tree == {
        "train.py": ("100644", "print('trained')\n"),
        "new-name.py": ("100644", "renamed\n"),
        "mode.py": ("100755", "mode\n"),
        "staged.py": ("100644", "staged once\n"),
        "both.py": ("100644", "and changed again\n"),
        "untouched.py": ("100644", "untouched\n"),
        "file-to-link": ("120000", "train.py"),
        "sub/new file é.py": ("100644", "new\n"),
    }
    left_out = " ".join(run["source"]["left_out"])
    for reason in (
        ".env: looks like a secret",
        "server.pem: looks like a secret",
        "big.bin: 1048577 bytes",
        "nested/: a repository of its own",
    ):
        assert reason in left_out
    healthy(git, repo)


def test_filters_clean_what_is_kept(repo, git, gitml_cli):
    """As git add would: line ends, and a filter such as git-lfs's."""
    git(repo, "config", "filter.shout.clean", "tr a-z A-Z")
    (repo / ".gitattributes").write_text("*.txt text eol=crlf\n*.shout filter=shout\n")
    git(repo, "add", "-A")
    git(repo, "commit", "--quiet", "-m", "attributes")
    (repo / "note.txt").write_bytes(b"one\r\ntwo\r\n")
    (repo / "loud.shout").write_text("quiet\n")
    tree = files(git, repo, log(gitml_cli, repo)["source"]["tree"])
    assert tree["note.txt"][1] == "one\ntwo\n"
    assert tree["loud.shout"][1] == "QUIET\n"


def test_a_merge_with_conflicts(repo, git, gitml_cli):
    git(repo, "checkout", "--quiet", "-b", "side")
    (repo / "train.py").write_text("print('side')\n")
    git(repo, "commit", "--quiet", "-am", "side")
    git(repo, "checkout", "--quiet", "main")
    (repo / "train.py").write_text("print('main')\n")
    git(repo, "commit", "--quiet", "-am", "main")
    merged = subprocess.run(["git", "-C", repo, "merge", "side"], capture_output=True, check=False)
    assert merged.returncode == 1
    tree = files(git, repo, log(gitml_cli, repo)["source"]["tree"])
    assert tree["train.py"][1] == (repo / "train.py").read_text()
    assert "<<<<<<<" in tree["train.py"][1]


def test_submodule_and_sparse_checkout(repo, git, gitml_cli, tmp_path):
    git(tmp_path, "init", "--quiet", "lib")
    (tmp_path / "lib" / "lib.py").write_text("lib\n")
    git(tmp_path / "lib", "add", "-A")
    git(tmp_path / "lib", "commit", "--quiet", "-m", "lib")
    git(
        repo,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        tmp_path / "lib",
        "lib",
    )
    (repo / "deep").mkdir()
    (repo / "deep" / "d.py").write_text("d\n")
    git(repo, "add", "-A")
    git(repo, "commit", "--quiet", "-m", "submodule")
    git(repo, "sparse-checkout", "set", "--cone", "--skip-checks", "lib")
    assert not (repo / "deep").exists()
    (repo / "lib" / "lib.py").write_text("changed\n")
    run = log(gitml_cli, repo)
    assert run["source"]["tree"] == git(repo, "rev-parse", "HEAD^{tree}").strip()
    assert any("submodule" in reason for reason in run["source"]["left_out"])
    healthy(git, repo)


@pytest.mark.skipif(os.name == "nt", reason="needs a fifo")
def test_a_fifo_among_the_untracked_files(repo, gitml_cli):
    os.mkfifo(repo / "pipe")
    assert log(gitml_cli, repo)["status"] == "finished"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="takes root to give a folder away")
def test_a_repository_of_somebody_else(repo, git, gitml_cli, tmp_path):
    """Git's own check holds: its configuration could name programs to run."""
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    git(repo, "config", "core.fsmonitor", trap)
    os.chown(repo, 12345, 12345)
    os.chown(repo / ".git", 12345, 12345)
    answer = gitml_cli("log", "-m", "auc=0.9", cwd=repo)
    assert answer.code == 6
    assert answer.err.startswith("error: git does not trust this repository")
    assert re.search(r"--add safe\.directory /\S+", answer.err)
    assert not (tmp_path / "sprung").exists()
