"""No command starts more than six git processes, however many runs there are.

Counted by git itself (GIT_TRACE2_EVENT): every git that gitml started directly.
GitPython asks ``git version`` when it is imported; that is not ours.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import click
import pytest

from gitml.cli import COMMANDS
from gitml.cli import gitml as root
from gitml.model import Source
from tests.support import START, make_runs

MOST = 6
PARTS = {"clone": 2, "pull": 2, "push": 2, "sync": 4}
"""What runs and models take each; and sync is a pull and a push, log --push two commands."""
PLAIN = {"seconds": 60, "params": {"lr": 0.1, "depth": 3}, "requirements": "numpy==2.0\n"}
POLICY = """\
stages:
  production:
    - metric: metrics.auc >= current
    - clean_source: true
    - lineage: all
    - registered_by: [ada@example.com]
"""
CALLS = {
    "apply": [["apply"], ["apply", "--before", "main", "--json"]],
    "artifacts": [
        ["artifacts", "ls", "files"],
        ["artifacts", "get", "files", "-o", "out"],
        ["artifacts", "status"],
    ],
    "audit": [["audit"], ["audit", "churn", "--json"]],
    "clone": [["clone", "../hub.git", "../new"]],
    "completion": [["completion", "bash"]],
    "copy": [["copy", "r1"], ["copy", "s1", "-e", "other"]],
    "demo": [],  # it is made of processes of gitml, each of which is held to this
    "diff": [
        ["diff", "r1", "s1"],
        ["diff", "r1", "s1", "--patch"],
        ["diff", "r0", "r1", "s0", "s1"],
    ],
    "doctor": [["doctor"], ["doctor", "--remote", "../hub.git"]],
    "export": [["export", "csv"], ["export", "json"]],
    "gc": [["gc"]],
    "import gto": [["import", "gto"], ["import", "gto", "fraud", "--dry-run"]],
    "init": [["init"], ["init", "--github"], ["init", "--gitlab"]],
    "lineage": [["lineage", "r1"], ["lineage", "files", "--json"]],
    "log": [
        ["log", "-m", "auc=0.9"],
        ["log", "-m", "auc=0.8", "--run", "r1"],
        ["log", "-m", "auc=0.8", "--run", "s1"],
        ["log", "--parent", "s1", "-p", "a=1"],
        ["log", "-m", "auc=0.9", "--push-to", "../hub.git"],
    ],
    "ls": [["ls"], ["ls", "--where", "params.lr < 1", "--sort", "-created", "--json"]],
    "model delete": [["model", "delete", "churn@v1.0.0", "-m", "by mistake"]],
    "model deprecate": [["model", "deprecate", "churn@v1.0.0", "-m", "old"]],
    "model diff": [["model", "diff", "churn@1", "churn@latest"]],
    "model export": [["model", "export", "churn@latest", "-o", "churn.zip"]],
    "model history": [["model", "history", "churn"]],
    "model note": [["model", "note", "churn", "text"], ["model", "note", "churn@1"]],
    "model publish": [["model", "publish"], ["model", "publish", "churn"]],
    "model pull": [["model", "pull", "churn@v1.0.0", "-o", "out"]],
    "model rename": [["model", "rename", "churn", "Churn, monthly"]],
    "model reproduced": [["model", "reproduced", "churn@1", "--run", "again"]],
    "model show": [["model", "show", "churn"], ["model", "show", "churn@1", "--json"]],
    "model tag": [["model", "tag", "churn", "team=a"], ["model", "tag", "churn@latest", "a=b"]],
    "models": [["models"], ["models", "--json"]],
    "note": [["note", "r1", "good"], ["note", "s1", "good"]],
    "pack": [["pack"]],
    "policy check": [["policy", "check", "--at", "with-policy"]],
    "policy explain": [
        ["policy", "explain", "fraud", "production", "v1.0.0"],
        ["policy", "explain", "fraud", "production", "v1.0.0", "--at", "with-policy", "--json"],
    ],
    "promote": [["promote", "churn", "v1.0.0", "--stage", "staging"]],
    "pull": [["pull", "../hub.git"]],
    "purge": [["purge", "r1", "--yes"], ["purge", "s1", "--yes"]],
    "push": [["push", "../hub.git"], ["push", "../hub.git", "--dry-run"]],
    "regress": [["regress"], ["regress", "--since", "HEAD", "--all", "--json"]],
    "register": [
        ["register", "risk-model", "--run", "files"],
        ["register", "churn", "--run", "files", "--bump", "major"],
    ],
    "restore": [["restore", "r1", "s1"]],
    "review": [["review", "--base", "main", "--head", "asked"]],
    "rm": [["rm", "r1", "s1"]],
    "rollback": [["rollback", "churn", "--stage", "production"]],
    "run": [["run", "--", sys.executable, "-c", "pass"]],
    "show": [["show", "r1"], ["show", "s1", "--history"], ["show", "latest", "--json"]],
    "site": [["site", "build", "-o", "pages"]],
    "source": [["source", "r1", "-o", "code"], ["source", "r1", "--list"]],
    "stages": [["stages"], ["stages", "fraud", "--json"]],
    "sql": [["sql", "select count(*) from runs"]],
    "status": [["status"], ["status", "--remote", "--json"]],
    "sync": [["sync", "../hub.git"]],
    "tag": [["tag", "r1", "s1", "team=a"]],
    "unassign": [["unassign", "churn", "--stage", "production"]],
}
BEFORE = {
    "rollback": [
        ["register", "churn", "--run", "files", "--bump", "minor"],
        ["promote", "churn", "1", "--stage", "production"],
        ["promote", "churn", "2", "--stage", "production"],
    ],
    "unassign": [["promote", "churn", "1", "--stage", "production"]],
}
"""What is done besides, before the processes of a command are counted."""
SETTINGS = {"apply": {"gitml.branch": "asked"}, "status": {"remote.origin.url": "../hub.git"}}
"""What git's configuration holds besides."""


def test_every_command_is_tried():
    paths = set()
    for name in COMMANDS:
        below = getattr(root.get_command(click.Context(root), name), "table", None)
        paths |= {name} if below is None else {f"{name} {sub}" for sub in below}
    assert set(CALLS) == paths


def started(trace):
    events = map(json.loads, trace.read_text().splitlines())
    found = [e["argv"][1:] for e in events if e["event"] == "start" and "/" not in e["sid"]]
    return [arguments for arguments in found if arguments != ["version"]]


def many_runs(repo, git, number):
    """Half of the runs sealed (s0, s1 …), half hot (r0, r1 …), each with code and a file.

    Yields commands of gitml to be run at that point.
    """
    tree = git(repo, "rev-parse", "HEAD^{tree}").strip()
    commit = git(repo, "rev-parse", "HEAD").strip()
    facts = {**PLAIN, "source": Source(tree=tree, commit=commit)}
    for letter in "sr":
        make_runs(
            repo,
            *(
                {
                    **facts,
                    "name": f"{letter}{n}",
                    "experiment": f"e{n % 3}",
                    "created": START + n,
                    "metrics": {"auc": n / 100},
                    "params": {"lr": n / 1000},
                }
                for n in range(number)
            ),
        )
        if letter == "s":
            yield ["pack"]
    for tag in ("fraud@v1.0.0", "fraud#production#1", "risk@v1.0.0", "risk@v1.1.0"):
        git(repo, "tag", "-a", "-m", "as GTO makes them", tag)
    policy = git(repo, "hash-object", "-w", "--stdin", input=POLICY).strip()
    folder = git(repo, "mktree", input=f"100644 blob {policy}\tpolicy.yaml\n").strip()
    top = git(repo, "mktree", input=f"040000 tree {folder}\t.gitml\n").strip()
    git(repo, "branch", "with-policy", git(repo, "commit-tree", "-m", "policy", top).strip())
    git(repo.parent, "init", "--quiet", "--bare", "hub.git")
    (repo.parent / "plot.txt").write_text("plot\n")
    yield ["log", "--name", "again", "-m", "auc=0.5"]
    yield ["log", "--name", "files", "-m", "auc=0.5", "--artifact", repo.parent / "plot.txt"]
    yield ["register", "churn", "--run", "files"]
    digest = re.search(r'digest: "(.*)"', git(repo, "cat-file", "tag", "churn@v1.0.0"))[1]
    entry = git(
        repo, "hash-object", "-w", "--stdin", input=f"version: v1.0.0\ndigest: {digest}\n"
    ).strip()
    entry = f"100644 blob {entry}\tproduction.yaml\n"
    for name in ("churn", "stages", ".gitml"):
        entry = f"040000 tree {git(repo, 'mktree', input=entry).strip()}\t{name}\n"
    top = git(repo, "mktree", input=git(repo, "ls-tree", "HEAD") + entry).strip()
    asked = git(repo, "commit-tree", "-p", "HEAD", "-m", "put it in production", top).strip()
    git(repo, "branch", "asked", asked)


CASES = [
    pytest.param(call, dirty, id=" ".join([*call[:4], "dirty" * dirty])[:40].strip())
    for name, calls in CALLS.items()
    for call in calls
    for dirty in ([False, True] if name in {"log", "run"} else [False])
]


@pytest.fixture(scope="module")
def world(tmp_path_factory, git):
    """Return a folder with a repository of many runs, the host beside it, and a file."""
    top = tmp_path_factory.mktemp("world")
    git(top, "init", "--quiet", "--initial-branch=main", "--template=", "repo")
    repo = top / "repo"
    (repo / "train.py").write_text("print('trained')\n")
    git(repo, "add", "train.py")
    git(repo, "commit", "--quiet", "-m", "first")
    for command in many_runs(repo, git, 12):
        done = subprocess.run([sys.executable, "-m", "gitml", *command], cwd=repo, check=False)
        assert done.returncode == 0
    for place in (repo, top / "hub.git"):
        git(place, "repack", "-a", "-d", "-q")  # to be copied sooner
    return top


@pytest.mark.parametrize("call, dirty", CASES)
def test_processes(world, copied, git, gitml_cli, invoke, tmp_path, call, dirty):
    shutil.copytree(world, tmp_path, dirs_exist_ok=True, ignore=lambda *_: {"repo"})
    repo = copied(world / "repo", tmp_path / "repo")
    for command in BEFORE.get(call[0], ()):
        done = invoke(*command, cwd=repo)
        assert done.code == 0, done.err
    for key, value in SETTINGS.get(call[0], {}).items():
        git(repo, "config", key, value)
    if dirty:
        (repo / "train.py").write_text("print('changed')\n")
        (repo / "new.py").write_text("print('new')\n")
    trace = tmp_path / "trace"
    answer = gitml_cli(*call, cwd=repo, env={"GIT_TRACE2_EVENT": str(trace)})
    assert answer.code == 0, answer.err
    commands = started(trace) if trace.exists() else []
    probing = call[:2] == ["doctor", "--remote"]  # a question a process
    parts = PARTS.get(call[0], 1 + (probing or "--push-to" in call))
    assert len(commands) <= MOST * parts, commands
