"""gitml doctor finds what is wrong, and the command it names mends it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gitml.store import live
from gitml.store.artifacts import kept_path, lfs_path
from gitml.store.git import Repository, open_repository
from gitml.tracking.recorder import Recorder
from gitml.tracking.settings import Settings
from tests.forge import forge
from tests.support import START, make_run, on_terminal, run_id_of, without_color

LATER = {"GITML_TEST_CLOCK": "2099-01-01T00:00:00Z"}
HEALTHY = ["author", "git", "git-lfs", "live", "refs", "repository", "runs", "settings"]


@pytest.fixture
def doctor(gitml_cli, invoke, repo):
    """Return ``doctor(*args, code=0, env={})``: its findings but the healthy ones, by check."""

    def run(*args, code=0, env=None):
        if env is None:
            answer = invoke("doctor", "--json", *args, cwd=repo)
        else:
            answer = gitml_cli("doctor", "--json", *args, cwd=repo, env=env)
        assert answer.code == code, answer
        assert answer.err == ""
        document = json.loads(answer.out)
        assert document["healthy"] == (code == 0)
        assert document["schema"] == 1
        found = {}
        for finding in document["findings"]:
            assert finding.keys() == {"check", "level", "sentence", "hint"}
            if finding["level"] != "ok":
                found.setdefault(finding["check"], []).append(finding)
        return found

    return run


def mend(finding, repo):
    """Do what a finding says, as a person would."""
    hint = finding["hint"].partition(" removes it")[0].rpartition(": ")[2]
    command = re.match(r"(?:gitml \w+|git [^&;|]*|rm \S+)", hint)[0]
    command = re.sub(r"^gitml", "python -m gitml", command)
    bin_ = Path(os.sys.executable).parent
    env = {**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(command, shell=True, cwd=repo, check=True, env=env, capture_output=True)  # noqa: S602


def recorder_of(store, name, **settings):
    return Recorder(
        store,
        run_id=run_id_of(name),
        experiment="churn",
        name=name,
        settings=Settings(**settings),
        now=lambda: START,
    )


def with_files(repo, tmp_path):
    """Return a run with a small and a large file and two points."""
    store = open_repository(repo)
    recorder = recorder_of(store, "brave", inline_limit=10)
    recorder.begin(created=START, checkpoints=False)
    for name, content in {"small.txt": b"small", "large.bin": b"large" * 10}.items():
        (tmp_path / "file").write_bytes(content)
        recorder.log_file(tmp_path / "file", name)
    recorder.log_metrics({"auc": 0.5}, step=1)
    recorder.log_metrics({"auc": 0.6}, step=2)
    run = recorder.end()
    store.close()
    return run


def test_a_healthy_store(repo, invoke):
    make_run(repo, "one")
    answer = invoke("doctor", cwd=repo)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines.pop() == "All is well."
    assert all(line.startswith("ok      ") for line in lines)
    assert sorted(line.split()[1] for line in lines) == HEALTHY
    assert f"ok      repository  {repo} (objects are named by sha1)" in lines
    assert "ok      runs        1 run can be read" in lines


def test_an_empty_repository_is_healthy(empty_repo, bare_repo, invoke):
    for path in (empty_repo, bare_repo):
        answer = invoke("doctor", "--verify", cwd=path)
        assert (answer.code, answer.out.splitlines()[-1]) == (0, "All is well.")


def test_on_a_terminal_each_line_has_a_sign(repo, git):
    make_run(repo, "one")
    git(repo, "update-ref", "refs/gitml/strange", "HEAD")
    code, shown = on_terminal("doctor", cwd=repo, columns=200)
    assert code == 0
    lines = without_color(shown).splitlines()
    assert lines[0].startswith("  ✓ git         git ")
    assert "  ! refs        refs/gitml/strange was not made by gitml, or by a newer one." in lines
    assert (
        "                hint: git update-ref --no-deref -d refs/gitml/strange removes it" in lines
    )
    assert lines[-1] == "Nothing is damaged; 1 thing to mend."


@pytest.mark.parametrize("content", [b"garbage\n", b"", b"\0\0\0", b"0" * 40])
def test_a_ref_that_git_cannot_read(repo, git, doctor, invoke, content):
    make_run(repo, "one")
    ref = f"refs/gitml/runs/{'1' * 32}"
    (repo / ".git" / ref).write_bytes(content)
    (found,) = doctor(code=8)["refs"]
    assert found["sentence"] == f"{ref} is broken: git cannot read it."
    assert "git fsck --lost-found" in found["hint"]
    assert invoke("ls", cwd=repo).code == 0  # and all else goes on
    assert invoke("doctor", cwd=repo).out.endswith("\n1 thing damaged.\n")
    mend(found, repo)
    assert doctor() == {}


def test_a_ref_to_an_object_that_is_gone(repo, doctor):
    ref = f"refs/gitml/runs/{'1' * 32}"
    (repo / ".git" / ref).parent.mkdir(parents=True)
    (repo / ".git" / ref).write_text("3" * 40)
    (found,) = doctor(code=8)["runs"]
    assert found["sentence"].startswith(f"The ref {ref} cannot be read: the object {'3' * 40}")


@pytest.mark.parametrize(
    "ref,why",
    [
        ("refs/gitml/strange", "was not made by gitml"),
        ("refs/gitml/runs/my-branch", "is not named after a run"),
        ("refs/gitml/source/t-" + "1" * 40, "is broken: it holds another tree."),
        ("refs/gitml/source/x y", "is broken: git does not allow its name."),
    ],
)
def test_refs_that_somebody_else_made(repo, git, doctor, ref, why):
    make_run(repo, "one")
    place = repo / ".git" / ref
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(git(repo, "rev-parse", "HEAD"))
    code = 0 if "strange" in ref else 8
    found = doctor(code=code)
    (finding,) = found.get("refs") or found["runs"]
    assert ref in finding["sentence"]
    assert why in finding["sentence"]
    if "refs" in found:
        mend(finding, repo)
        assert doctor() == {}


def test_source_refs_hold_what_they_say(repo, git, doctor):
    store = open_repository(repo)
    recorder = recorder_of(store, "sourced")
    recorder.begin(created=START, code=store, checkpoints=False)
    recorder.end()
    store.close()
    assert doctor() == {}
    blob = git(repo, "rev-parse", "HEAD:train.py").strip()
    git(repo, "update-ref", "refs/gitml/sources", blob)
    (found,) = doctor(code=8)["refs"]
    assert found["sentence"] == "refs/gitml/sources is broken: it holds a blob."


def test_a_lock_that_was_forgotten(repo, doctor, git):
    make_run(repo, "one")
    lock = repo / ".git" / "refs" / "gitml" / "runs" / f"{'1' * 32}.lock"
    lock.write_text("")
    assert doctor() == {}
    (found,) = doctor(env=LATER)["refs"]
    assert found["sentence"] == f"{lock} has been locked for more than an hour."
    mend(found, repo)
    assert doctor(env=LATER) == {}


def test_a_run_that_cannot_be_read(repo, git, doctor):
    make_run(repo, "one")
    git(repo, "update-ref", f"refs/gitml/runs/{'1' * 32}", "HEAD")
    (found,) = doctor(code=8)["runs"]
    assert "1" * 32 in found["sentence"]
    assert found["level"] == "damage"


def test_a_run_whose_program_died(repo, doctor):
    store = open_repository(repo)
    recorder = recorder_of(store, "dead")
    recorder.begin(created=START, checkpoints=False)
    assert "live" not in doctor()
    recorder._log.close()
    (found,) = doctor()["live"]
    assert found["sentence"] == "The program of dead died without a word."
    assert found["hint"].startswith("gitml pack ")
    mend(found, repo)
    assert live.live_ids(store.home) == []
    assert doctor() == {}
    store.close()


def test_a_run_without_news(repo, doctor):
    make_run(repo, "away", status="running")
    (found,) = doctor(env=LATER)["live"]
    assert found["sentence"] == "There has been no news of away for an hour."
    assert "gitml pack --stale" in found["hint"]


def test_a_param_with_two_values(repo, doctor):
    run = make_run(repo, "torn", params={"lr": 0.1}, edits=[("params.lr", 0.2)])
    (found,) = doctor()["conflicts"]
    assert found["sentence"] == "lr of torn was given two values; the earlier one is kept."
    assert found["hint"] == f"gitml show {run.id[:12]} --history tells by whom"


def test_large_files_that_are_not_here(repo, doctor, tmp_path):
    run = with_files(repo, tmp_path)
    assert doctor() == {}
    store = open_repository(repo)
    for place in (lfs_path, kept_path):
        place(store, run.artifacts["large.bin"].sha256).unlink()
    store.close()
    (found,) = doctor()["large files"]
    assert found["level"] == "note"
    assert found["sentence"] == "1 large file of 1 is not on this machine: large.bin of brave"


def path_with(tmp_path, **programs):
    """Return a PATH of these programs alone, each a script or a link to the real one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in programs.items():
        if script is None:
            (folder / name).symlink_to(shutil.which(name))
        else:
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


def test_git_lfs_is_missed_only_where_it_is_needed(repo, doctor, tmp_path):
    env = path_with(tmp_path, git=None)
    assert doctor(env=env) == {}
    with_files(repo, tmp_path)
    (found,) = doctor(env=env)["git-lfs"]
    assert found["sentence"].startswith("git-lfs is not installed, so 1 large file cannot be")


def test_a_git_that_is_too_old(repo, doctor, tmp_path):
    real = shutil.which("git")
    script = f'[ "$1" = version ] && echo git version 2.20.1 || exec {real} "$@"'
    (found,) = doctor(env=path_with(tmp_path, git=script))["git"]
    assert found["sentence"] == "git 2.20.1 is too old."
    assert found["hint"] == "install git 2.31 or later"


def test_nobody_knows_who_records(repo, git, doctor):
    for key in ("user.name", "user.email"):
        git(repo, "config", "--unset", key)
    env = {"GIT_AUTHOR_NAME": None, "GIT_AUTHOR_EMAIL": None, "LOGNAME": "ada"}
    (found,) = doctor(env=env)["author"]
    assert found["sentence"].startswith("git knows no user.name; runs are recorded as ada <ada@")
    assert found["hint"].startswith("git config --global user.name")


def test_settings_that_cannot_be(repo, doctor):
    (repo / ".gitml").mkdir()
    (repo / ".gitml" / "config.yaml").write_text("experimnt: x\n")
    (found,) = doctor()["settings"]
    assert found["sentence"] == ".gitml/config.yaml has an unknown key: experimnt"
    assert found["hint"] == "did you mean experiment?"


@pytest.mark.parametrize("refspec", ["+refs/*:refs/*", "+refs/gitml/*:refs/gitml/*"])
def test_a_remote_that_would_prune_runs(repo, git, doctor, refspec):
    make_run(repo, "one")
    git(repo, "config", "remote.backup.url", "elsewhere")
    git(repo, "config", "--add", "remote.backup.fetch", "+refs/heads/*:refs/remotes/backup/*")
    git(repo, "config", "--add", "remote.backup.fetch", refspec)
    (found,) = doctor()["remotes"]
    assert found["sentence"].startswith(f"remote.backup.fetch = {refspec} lets git fetch")
    mend(found, repo)
    assert doctor() == {}
    assert "refs/heads/*" in git(repo, "config", "--get-all", "remote.backup.fetch")


def test_leftovers(repo, doctor):
    left = repo / ".git" / "gitml" / "live" / run_id_of("dead") / "x.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    assert doctor() == {}
    (found,) = doctor(env=LATER)["leftovers"]
    assert (found["level"], found["sentence"]) == ("note", "1 file of writers that died.")


# --verify


def verified(doctor):
    return [finding["sentence"] for finding in doctor("--verify", code=8)["verify"]]


def test_verify_reads_every_file_and_point(repo, git, doctor, tmp_path, invoke):
    run = with_files(repo, tmp_path)
    make_run(repo, "other", metrics={"loss": [3.0, 2.0]})
    assert doctor("--verify") == {}
    assert invoke("pack", cwd=repo).code == 0
    assert doctor("--verify") == {}
    store = open_repository(repo)
    large = lfs_path(store, run.artifacts["large.bin"].sha256)
    store.close()
    large.chmod(0o644)
    large.write_bytes(b"LARGE" * 10)
    place = f"refs/gitml/experiments/churn:runs/{run.id[:2]}/{run.id}"
    assert verified(doctor) == [f"{place}: The local copy of large.bin is damaged."]


@pytest.mark.parametrize(
    "path,content,said",
    [
        ("artifacts/small.txt", "other", "The artifact small.txt does not match its recorded"),
        ("artifacts/large.bin", "other", "The artifact large.bin has a pointer to other content."),
        ("metrics/0000.csv", "metric,step,time,value\nauc,1,2,0.5\n", "auc has 1 points, and its"),
        ("metrics/0000.csv", "metric,step,time,value\nauc,x\n", "the segment 0000.csv cannot be"),
        ("edits.jsonl", "nonsense\n", "edits.jsonl of the run tree"),
    ],
)
def test_verify_finds_what_was_tampered_with(repo, git, doctor, tmp_path, path, content, said):
    run = with_files(repo, tmp_path)
    forge(repo, git, run.id, path, content)
    (sentence,) = verified(doctor)
    assert sentence.startswith(f"refs/gitml/runs/{run.id}: {said}")


def test_verify_misses_a_file(repo, git, doctor, tmp_path):
    run = with_files(repo, tmp_path)
    ref = f"refs/gitml/runs/{run.id}"
    listing = [x for x in git(repo, "ls-tree", ref).splitlines() if not x.endswith("\tartifacts")]
    tree = git(repo, "mktree", input="\n".join(listing) + "\n").strip()
    git(repo, "update-ref", ref, git(repo, "commit-tree", "-m", "forged", tree).strip())
    assert verified(doctor) == [
        f"{ref}: The content of large.bin is missing.",
        f"{ref}: The content of small.txt is missing.",
    ]


def test_what_strangers_wrote_reaches_a_terminal_harmlessly(repo, git, doctor, invoke):
    make_run(repo, "a\x1b[2Jb", params={"\u202elr": 1}, edits=[("params.\u202elr", 2)])
    (found,) = doctor()["conflicts"]
    assert "a\\x1b[2Jb" in found["sentence"]
    out = invoke("doctor", cwd=repo).out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_at_most_six_processes(repo, invoke, tmp_path, monkeypatch):
    with_files(repo, tmp_path)
    assert invoke("ls", cwd=repo).code == 0
    counted = []
    start = Repository.start
    monkeypatch.setattr(
        Repository, "start", lambda self, *a, **k: (counted.append(a), start(self, *a, **k))[1]
    )
    assert invoke("doctor", "--verify", cwd=repo).code == 0
    assert 0 < len(counted) <= 6, counted


def test_outside_of_a_repository(invoke, repo):
    assert invoke("doctor").code == 6
    answer = invoke("doctor", "--repo", repo)
    assert (answer.code, answer.out.splitlines()[-1]) == (0, "All is well.")
