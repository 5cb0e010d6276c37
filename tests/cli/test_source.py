"""gitml source, as people type it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from gitml.model import Source
from gitml.store import ledger
from gitml.store.git import Repository, open_repository
from gitml.tracking.recorder import Recorder
from tests.support import AUTHOR, START, make_run, on_terminal, run_id_of


@pytest.fixture
def gitml(invoke, repo):
    """Return ``gitml(*args, code=0)``, run in the repository: its whole answer."""

    def run(*args, code=0, cwd=repo):
        answer = invoke(*args, cwd=cwd)
        assert answer.code == code, answer
        return answer

    return run


@pytest.fixture
def run(repo):
    """Return a run of a changed train.py and an untracked file, changed again since."""
    (repo / "train.py").write_bytes(b"print('what ran')\n")
    (repo / "sub").mkdir()
    (repo / "sub" / "new.py").write_bytes(b"")
    (repo / ".env").write_bytes(b"TOKEN=secret\n")
    store = open_repository(repo)
    recorder = Recorder(
        store, run_id=run_id_of("brave"), experiment="churn", name="brave", now=lambda: START
    )
    recorder.begin(
        created=START,
        code=store,
        requirements="numpy==2.0\npandas==2.2\n",
        command=("python", "train.py", "--name", "a b"),
        script="train.py",
        checkpoints=False,
    )
    ended = recorder.end()
    store.close()
    (repo / "train.py").write_bytes(b"print('later')\n")
    return ended


@pytest.mark.parametrize("sealed", [False, True])
def test_the_code_that_ran_comes_back_and_runs(repo, gitml, git, run, sealed):
    if sealed:
        store = open_repository(repo)
        ledger.seal(store, committer=AUTHOR, now=START)
        store.close()
    git(repo, "commit", "--quiet", "--all", "-m", "later")
    git(repo, "gc", "--prune=now", "--quiet")
    answer = gitml("source", "brave")
    assert answer.err == (
        "Left out when the run was made: .env: looks like a secret, or is excluded\n"
    )
    assert answer.out == (
        "Wrote 2 files of brave to brave-source\n"
        "  gitml source --requirements brave | pip install -r /dev/stdin\n"
        "  cd brave-source && python train.py --name 'a b'\n"
    )
    last = answer.out.splitlines()[-1]
    done = subprocess.run(last, shell=True, cwd=repo, capture_output=True, text=True, check=True)  # noqa: S602
    assert done.stdout == "what ran\n"
    assert git(repo, "status", "--porcelain") == "?? .env\n?? brave-source/\n?? sub/\n"
    answer = gitml("source", "brave", code=4)
    assert answer.err.startswith(f"error: {repo}/brave-source exists already")


def test_what_gitml_brought_back_is_no_code_of_the_next_run(repo, gitml, git, run):
    git(repo, "add", "--all", "--force")
    git(repo, "commit", "--quiet", "-m", "all")
    (repo / "model.bin").write_bytes(b"\0weights")
    gitml("log", "--artifact", "model.bin", "--name", "ready")
    (repo / "model.bin").unlink()
    gitml("source", "brave", "-o", "again")
    gitml("artifacts", "get", "ready")
    gitml("artifacts", "get", "ready", "model.bin")
    with (repo / ".git/gitml/written.jsonl").open("a") as notes:
        notes.write('[]\n{"folder": 5, "files": {"train.py": 1}}\n{"folder": "a", "fil')

    def source(*words, cwd=repo):
        gitml(*words, cwd=cwd)
        return json.loads(gitml("show", "latest", "--json").out)["run"]["source"]

    found = source("log", "-m", "auc=1")
    assert not found["dirty"]
    assert sorted(found["left_out"]) == [
        "again/: the code of brave, a copy of gitml",
        "model.bin: files of ready, a copy of gitml",
        "ready-artifacts/: files of ready, a copy of gitml",
    ]
    # Where the run works with them they are its code, and so is what was changed.
    assert source("log", "-m", "auc=1", cwd=repo / "again")["changed"] == [
        "again/sub/new.py",
        "again/train.py",
    ]
    wrapped = source("run", "-q", "--", sys.executable, "again/train.py")
    assert wrapped["changed"] == ["again/sub/new.py", "again/train.py"]
    gitml("log", "--artifact", "again/sub/new.py:helper.py", "--name", "module")
    gitml("artifacts", "get", "module")  # into a folder of its own, and among other files:
    gitml("artifacts", "get", "module", "helper.py")
    assert source("log", "-m", "auc=1")["changed"] == ["helper.py"]
    (repo / "helper.py").unlink()
    (repo / "again" / "train.py").write_text("print('changed')")
    assert source("log", "-m", "auc=1")["changed"] == ["again/train.py"]


def test_source_answers_in_json(gitml, run, tmp_path):
    document = json.loads(gitml("source", "brave", "-o", tmp_path / "out", "--json").out)
    assert document == {
        "schema": 1,
        "id": run.id,
        "tree": run.source.tree,
        "folder": str(tmp_path / "out"),
        "files": 2,
        "pointers": [],
        "submodules": [],
        "left_out": [".env: looks like a secret, or is excluded"],
        "command": ["python", "train.py", "--name", "a b"],
    }
    assert (tmp_path / "out" / "train.py").read_text() == "print('what ran')\n"


def test_files_are_listed_and_none_is_written(repo, gitml, run):
    assert gitml("source", "brave", "--list").out == "sub/new.py\ntrain.py\n"
    document = json.loads(gitml("source", "brave", "--list", "--json").out)
    assert document["tree"] == run.source.tree
    assert [(f["path"], f["mode"]) for f in document["files"]] == [
        ("sub/new.py", "100644"),
        ("train.py", "100644"),
    ]
    assert not (repo / "brave-source").exists()


def test_requirements_are_printed(repo, gitml, run):
    assert gitml("source", "brave", "--requirements").out == "numpy==2.0\npandas==2.2\n"
    document = json.loads(gitml("source", "brave", "--requirements", "--json").out)
    assert document["requirements"] == ["numpy==2.0", "pandas==2.2"]
    make_run(repo, "bare")
    answer = gitml("source", "bare", "--requirements", code=3)
    assert answer.err == "error: bare has no list of installed packages.\n"


def test_names_and_commands_of_a_stranger_reach_the_terminal_harmlessly(repo, git):
    blob = git(repo, "hash-object", "-w", "--stdin", input="x").strip()
    tree = git(repo, "mktree", "-z", input=f"100755 blob {blob}\t\x1b[2J\0").strip()
    source = Source(tree=tree, command=("sh", "-c", "\x1b[2J\u202e"), left_out=("\x1b[2J",))
    make_run(repo, "evil", source=source)
    for args in (["--list"], ["-o", "out"]):
        code, shown = on_terminal("source", "evil", *args, cwd=repo)
        assert code == 0
        assert "\\x1b[2J" in shown
        assert "\x1b[2J" not in shown
        assert "\u202e" not in shown


@pytest.mark.parametrize(
    "args,code,said",
    [
        (["nobody"], 3, "no run is named nobody"),
        (["brave", "--list", "--requirements"], 2, "Give one of -o, --list and --requirements."),
        (["brave", "-o", "train.py"], 4, "REPO/train.py exists already"),
        (["brave", "-o", "train.py/x"], 4, "REPO/train.py is not a folder."),
        (["bare"], 3, "bare has no source tree."),
        (["elsewhere"], 3, "The source tree of elsewhere is not in this repository: 1111"),
    ],
)
def test_what_cannot_be_brought_back(repo, gitml, run, args, code, said):
    make_run(repo, "bare")
    make_run(repo, "elsewhere", source=replace(run.source, tree="1" * 40))
    answer = gitml("source", *args, code=code)
    assert answer.out == ""
    assert answer.err.replace(str(repo), "REPO").startswith(f"error: {said}")
    assert sorted(p.name for p in repo.iterdir()) == [".env", ".git", "sub", "train.py"]


def test_at_most_six_processes(gitml, run, monkeypatch):
    gitml("ls")
    counted = []
    start = Repository.start
    monkeypatch.setattr(
        Repository, "start", lambda self, *a, **k: (counted.append(a), start(self, *a, **k))[1]
    )
    gitml("source", "brave")
    assert 0 < len(counted) <= 6, counted
