"""gitml artifacts ls and get, as people type them."""

from __future__ import annotations

import json
import sys

import pytest

from gitml.model import Artifact
from gitml.store.artifacts import kept_path, lfs_path
from gitml.store.git import Repository, open_repository
from gitml.tracking.recorder import Recorder
from gitml.tracking.settings import Settings
from tests.forge import forge
from tests.support import START, make_run, on_terminal, run_id_of

FILES = {
    "model.bin": b"weights" * 100,
    "plots/roc.txt": b"a curve\n",
    "plots/loss.txt": b"another\n",
    "odd.bin": b"\xff\x00",
    "tricky.txt": b"\x1b[2Jgone\n",
}


@pytest.fixture
def gitml(invoke, repo):
    """Return ``gitml(*args, code=0)``, run in the repository: its whole answer."""

    def run(*args, code=0, cwd=repo):
        answer = invoke(*args, cwd=cwd)
        assert answer.code == code, answer
        return answer

    return run


@pytest.fixture
def run(repo, tmp_path):
    store = open_repository(repo)
    recorder = Recorder(
        store,
        run_id=run_id_of("brave"),
        experiment="churn",
        name="brave",
        settings=Settings(inline_limit=100),
        now=lambda: START,
    )
    recorder.begin(created=START, checkpoints=False)
    for name, content in FILES.items():
        (tmp_path / "file").write_bytes(content)
        recorder.log_file(tmp_path / "file", name)
    (tmp_path / "file").unlink()
    recorder.log_uri("sftp://nas/far", "far", size=None, sha256=None)
    ended = recorder.end()
    store.close()
    return ended


def test_ls_lists_what_there_is_and_where(gitml, run):
    assert gitml("artifacts", "ls", "brave").out == (
        "path            size  type                      store\n"
        "far                -  -                         sftp://nas/far, unverified\n"
        "model.bin        700  application/octet-stream  lfs\n"
        "odd.bin            2  application/octet-stream  git\n"
        "plots/loss.txt     8  text/plain                git\n"
        "plots/roc.txt      8  text/plain                git\n"
        "tricky.txt         9  text/plain                git\n"
    )
    document = json.loads(gitml("artifacts", "ls", "brave", "--json").out)
    assert (document["schema"], document["run"]) == (1, {"id": run.id, "name": "brave"})
    assert document["artifacts"][0] == {
        "path": "far",
        "store": "uri",
        "uri": "sftp://nas/far",
        "here": False,
    }
    assert [a["here"] for a in document["artifacts"]] == [False, *[True] * 5]


def test_ls_says_what_is_not_here(repo, gitml, run):
    store = open_repository(repo)
    for place in (lfs_path, kept_path):
        place(store, run.artifacts["model.bin"].sha256).unlink()
    store.close()
    assert "lfs, not here\n" in gitml("artifacts", "ls", "brave").out
    answer = gitml("artifacts", "get", "brave", "model.bin", code=3)
    assert answer.err.startswith("error: The content of model.bin is not on this machine.\n  hint:")


def test_what_a_stranger_wrote_is_listed_harmlessly(repo, gitml):
    evil = "\x1b[2J\u202e"
    far = Artifact(path="far", store="uri", uri=evil, media_type=evil)
    make_run(repo, "evil", artifacts=[far])
    assert gitml("artifacts", "ls", "evil").out.count("\\x1b[2J\\u202e") == 2
    assert "\\x1b[2J\\u202e" in gitml("artifacts", "get", "evil").err


def test_get_writes_all_files_into_a_folder_named_after_the_run(repo, gitml, run):
    answer = gitml("artifacts", "get", "brave")
    assert answer.out == "Wrote 5 files (727 B) to brave-artifacts\n"
    assert answer.err == "far was not copied: it is at sftp://nas/far\n"
    folder = repo / "brave-artifacts"
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}
    assert found == FILES
    assert gitml("artifacts", "get", "brave").out == "5 files were in brave-artifacts already.\n"


def test_get_writes_named_files_below_the_working_directory(repo, gitml, run, tmp_path):
    assert gitml("artifacts", "get", "brave", "plots").out == "Wrote 2 files (16 B) to .\n"
    assert sorted(p.name for p in (repo / "plots").iterdir()) == ["loss.txt", "roc.txt"]
    out = tmp_path / "a" / "b"
    assert gitml("artifacts", "get", "brave", "plots/roc.txt", "-o", out).out == (
        f"Wrote roc.txt (8 B) to {out}\n"
    )
    assert (out / "plots" / "roc.txt").read_bytes() == FILES["plots/roc.txt"]


def test_get_answers_in_json(repo, gitml, run):
    document = json.loads(gitml("artifacts", "get", "brave", "odd.bin", "--json").out)
    assert document == {
        "schema": 1,
        "folder": str(repo),
        "files": [
            {
                "path": "odd.bin",
                "target": str(repo / "odd.bin"),
                "size": 2,
                "sha256": run.artifacts["odd.bin"].sha256,
                "written": True,
            }
        ],
    }


def test_get_overwrites_only_when_forced(repo, gitml, run):
    (repo / "odd.bin").write_bytes(b"mine")
    answer = gitml("artifacts", "get", "brave", "odd.bin", "plots", code=4)
    assert answer.err == (
        f"error: {repo}/odd.bin exists already with other content.\n"
        "  hint: --force overwrites it; -o DIR names another folder\n"
    )
    assert not (repo / "plots").exists()
    gitml("artifacts", "get", "brave", "odd.bin", "--force")
    assert (repo / "odd.bin").read_bytes() == FILES["odd.bin"]


@pytest.mark.parametrize("name", FILES)
def test_get_prints_a_file(gitml, run, name):
    answer = gitml("artifacts", "get", "brave", name, "-o", "-")
    assert answer.out.encode("utf-8", "surrogateescape") == FILES[name]


def test_a_terminal_gets_text_only(repo, run):
    code, shown = on_terminal("artifacts", "get", "brave", "plots/roc.txt", "-o", "-", cwd=repo)
    assert (code, shown) == (0, "a curve\n")
    for name in ("odd.bin", "tricky.txt"):
        code, shown = on_terminal("artifacts", "get", "brave", name, "-o", "-", cwd=repo)
        assert code == 5
        assert f"{name} is not text that a terminal can show." in shown
        assert "\x1b[2J" not in shown


@pytest.mark.parametrize(
    "args,code,said",
    [
        (["get", "brave", "plots", "-o", "-"], 2, "2 files cannot go to stdout."),
        (["get", "brave", "odd.bin", "-o", "-", "--json"], 2, "JSON cannot go to stdout."),
        (["get", "brave", "roc"], 3, "brave has no artifact roc"),
        (["get", "brave", "../x"], 3, "brave has no artifact ../x"),
        (["get", "brave", "far"], 5, "far was recorded and not copied, and gitml cannot read"),
        (["get", "brave", "odd.bin", "-o", "train.py"], 4, "REPO/train.py is not a folder."),
        (["get", "brave", "odd.bin", "-o", "train.py/x"], 4, "REPO/train.py is not a folder."),
        (["get", "nobody"], 3, "no run is named nobody"),
        (["ls", "nobody"], 3, "no run is named nobody"),
        (["put"], 2, "No such command 'put'."),
    ],
)
def test_what_cannot_be_got(repo, gitml, run, args, code, said):
    answer = gitml("artifacts", *args, code=code)
    assert answer.out == ""
    assert answer.err.replace(str(repo), "REPO").startswith(f"error: {said}")
    assert "\n  hint: " in answer.err
    assert sorted(p.name for p in repo.iterdir()) == [".git", "train.py"]


@pytest.mark.parametrize("path", ["../outside", "/outside", ".git/hooks/x", "a\x1b[2J"])
def test_a_forged_run_cannot_write_outside_of_the_folder(repo, gitml, git, tmp_path, path):
    """Somebody pushed a run whose artifacts.yaml names such a path."""
    run = make_run(repo, "evil", artifacts=[Artifact(path="fine", size=1, sha256="0" * 64)])
    facts = {path: {"size": 1, "sha256": "0" * 64, "store": "git"}}
    forge(repo, git, run.id, "artifacts.yaml", json.dumps(facts))
    answer = gitml("artifacts", "get", run.id, "-o", tmp_path / "out", code=8)
    assert "The artifact path" in answer.err
    assert "\x1b" not in answer.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["repo"]


def test_a_run_without_files_says_so(repo, gitml):
    make_run(repo, "bare")
    assert gitml("artifacts", "ls", "bare").err.startswith("bare has no artifacts.\n  hint: ")
    assert gitml("artifacts", "get", "bare").err == "bare has no artifacts.\n"
    assert not (repo / "bare-artifacts").exists()


def test_at_most_six_processes(gitml, run, monkeypatch):
    gitml("ls")
    counted = []
    start = Repository.start
    monkeypatch.setattr(
        Repository, "start", lambda self, *a, **k: (counted.append(a), start(self, *a, **k))[1]
    )
    gitml("artifacts", "get", "brave")
    assert 0 < len(counted) <= 6, counted


@pytest.mark.skipif(sys.platform == "win32", reason="a name that Windows does not have")
def test_a_run_with_a_hostile_name_names_a_harmless_folder(repo, gitml, tmp_path, run):
    (repo / "sub").mkdir()
    gitml("copy", "brave", "--name", "../../evil")
    answer = gitml("artifacts", "get", "../../evil", cwd=repo / "sub")
    assert answer.out == "Wrote 5 files (727 B) to evil-artifacts\n"
    assert [p.name for p in (repo / "sub").iterdir()] == ["evil-artifacts"]
