"""``gitml pack``: what died is finished, what ended is sealed, and nothing is lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

WRITER = """
import os, sys, gitml
run = gitml.start_run("churn", name=sys.argv[1])
run.log_params({"lr": 0.1})
run._recorder._source.join()
for step in range(100):
    run.log_metric("loss", 1 / (step + 1), step=step)
print(run.id, flush=True)
if sys.argv[2] == "die":
    os.kill(os.getpid(), 9)
if sys.argv[2] == "wait":
    sys.stdin.read()
run.end()
"""


def write(repo, name, how="end"):
    done = subprocess.run(
        [sys.executable, "-c", WRITER, name, how],
        cwd=repo,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (-signal.SIGKILL if how == "die" else 0), done.stderr
    return done.stdout.strip()


def shown(invoke, repo, run_id):
    return json.loads(invoke("show", run_id, "--json", cwd=repo).out)["run"]


def test_seals_finished_runs_and_their_sources(repo, git, invoke):
    first, second = write(repo, "one"), write(repo, "two")
    before = [shown(invoke, repo, i) for i in (first, second)]
    answer = invoke("pack", cwd=repo)
    assert (answer.code, answer.out) == (0, "Sealed 2 runs into churn\n")
    refs = git(repo, "for-each-ref", "--format=%(refname)", "refs/gitml").split()
    assert refs == ["refs/gitml/experiments/churn", "refs/gitml/sources"]
    assert [shown(invoke, repo, i) for i in (first, second)] == before
    tree = before[0]["source"]["tree"]
    assert tree == git(repo, "rev-parse", "HEAD^{tree}").strip()
    git(repo, "gc", "--prune=now", "--quiet")
    git(repo, "fsck", "--strict")
    assert git(repo, "cat-file", "-t", f"refs/gitml/sources:{tree[:2]}/{tree}") == "tree\n"


def test_a_killed_run_is_finished_with_all_it_logged(repo, invoke):
    run_id = write(repo, "doomed", "die")
    answer = invoke("pack", cwd=repo)
    assert answer.code == 0
    assert "doomed: its program died; written as killed\n" in answer.out
    run = shown(invoke, repo, run_id)
    assert run["status"] == "killed"
    assert run["params"] == {"lr": 0.1}
    assert run["metrics"]["loss"]["count"] == 100
    assert run["source"]["tree"]
    assert invoke("pack", cwd=repo).out == "Nothing to seal.\n"


def test_a_living_run_is_left_alone(repo, invoke):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, "alive", "wait"],
        cwd=repo,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        run_id = process.stdout.readline().strip()
        assert invoke("pack", cwd=repo).out == "Nothing to seal.\n"
        assert shown(invoke, repo, run_id)["status"] == "running"
        process.communicate("")
    assert shown(invoke, repo, run_id)["status"] == "finished"


def test_named_runs_only(repo, git, invoke):
    write(repo, "one"), write(repo, "two")
    assert invoke("pack", "two", cwd=repo).out == "Sealed 1 run into churn\n"
    assert len(git(repo, "for-each-ref", "refs/gitml/runs").splitlines()) == 1


def test_stale_runs_of_other_machines_are_ended(repo, git, invoke, tmp_path):
    """A run that was pushed while it ran, and never heard of again."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER.replace("print(", "run.checkpoint(); print("), "far", "wait"],
        cwd=repo,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        run_id = process.stdout.readline().strip()
        other = tmp_path / "other"
        git(tmp_path, "clone", "--quiet", repo, other)
        git(other, "fetch", "--quiet", repo, "+refs/gitml/runs/*:refs/gitml-remotes/origin/runs/*")
        process.communicate("")
    assert shown(invoke, other, run_id)["status"] == "running"
    assert "killed" not in invoke("pack", "--stale", "1h", cwd=other).out
    time.sleep(0.01)
    answer = invoke("pack", "--stale", "0m", "--json", cwd=other)
    assert [run["id"] for run in json.loads(answer.out)["ended"]] == [run_id]
    run = shown(invoke, other, run_id)
    assert (run["status"], run["metrics"]["loss"]["count"]) == ("killed", 100)


@pytest.mark.parametrize("text", ["soon", "7", "-1d", "1y"])
def test_a_wrong_length_of_time(repo, invoke, text):
    answer = invoke("pack", f"--stale={text}", cwd=repo)
    assert answer.code == 5
    assert answer.err == (
        f"error: {text} is not a length of time.\n  hint: Say 90m, 12h, 7d or 2w.\n"
    )


def test_git_processes_do_not_grow_with_the_runs(repo, invoke, gitml_cli, tmp_path):
    counts = []
    for number in range(3):
        for name in range(number + 1):
            write(repo, f"run{number}{name}")
            write(repo, f"dead{number}{name}", "die")
        trace = tmp_path / f"trace{number}"
        assert gitml_cli("pack", cwd=repo, env={"GIT_TRACE2_EVENT": str(trace)}).code == 0
        starts = [
            event["argv"]
            for event in map(json.loads, trace.read_text().splitlines())
            if event["event"] == "start" and "/" not in event["sid"]
        ]
        counts.append(len([argv for argv in starts if argv[1:] != ["version"]]))
    assert max(counts) <= 6, counts


def test_sealing_in_the_background_past_the_limit(repo, git):
    (repo / ".gitml").mkdir()
    (repo / ".gitml" / "config.yaml").write_text("pack: {limit: 3}\n")
    for name in ("a", "b", "c"):
        write(repo, name)
    deadline = time.monotonic() + 120
    while git(repo, "for-each-ref", "refs/gitml/runs") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert git(repo, "for-each-ref", "--format=%(refname)", "refs/gitml/runs") == ""
    assert git(repo, "for-each-ref", "refs/gitml/experiments/churn")


def test_an_unreadable_run_is_named_and_the_others_are_sealed(repo, git, invoke):
    write(repo, "good")
    blob = git(repo, "hash-object", "-w", "--stdin", input="status: [\n").strip()
    tree = git(repo, "mktree", input=f"100644 blob {blob}\trun.yaml\n").strip()
    commit = git(repo, "commit-tree", tree, "-m", "bad").strip()
    git(repo, "update-ref", f"refs/gitml/runs/{'ab' * 16}", commit)
    answer = invoke("pack", cwd=repo)
    assert answer.code == 0
    assert "Sealed 1 run into churn\n" in answer.out
    assert "abababab cannot be read: run.yaml cannot be read: " in answer.out
    assert git(repo, "rev-parse", f"refs/gitml/runs/{'ab' * 16}").strip() == commit


def test_outside_of_a_repository(invoke, tmp_path):
    answer = invoke("pack", cwd=tmp_path)
    assert answer.code == 6
    assert "is not in a git repository.\n  hint: " in answer.err
    assert list(tmp_path.iterdir()) == []
