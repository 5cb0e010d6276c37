"""``gitml log``: what a training left behind, read, checked and committed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.support import on_terminal, without_color

PARAMS = "lr: 1e-4\nmodel:\n  depth: 6\n  kind: forest\nseeds: [1, 2]\nclip: null\n"
METRICS = '{"auc": 0.9288, "loss": 0.268, "val": {"loss": 0.31}}'
HISTORY = "step,loss,auc\n0,0.9,0.5\n1,0.5,0.7\n2,0.268,0.9288\n"


@pytest.fixture
def trained(repo):
    """Return a repository in which a training left files of the usual names."""
    (repo / "params.yaml").write_text(PARAMS, "utf-8")
    (repo / "metrics.json").write_text(METRICS, "utf-8")
    (repo / "history.csv").write_text(HISTORY, "utf-8")
    return repo


def logged(invoke, repo, *args):
    """Return the run that ``gitml log ARGS`` recorded, as JSON."""
    answer = invoke("log", *args, "--json", cwd=repo)
    assert answer.code == 0, answer.err
    document = json.loads(answer.out)
    assert document["schema"] == 1
    return document["run"]


def runs_in(invoke, repo):
    answer = invoke("ls", "--json", cwd=repo)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)["runs"]


def nothing_recorded(invoke, git, repo):
    home = repo / ".git" / "gitml"
    live = [p for p in (home / "live").rglob("*") if p.is_file()] if home.exists() else []
    refs = git(repo, "for-each-ref", "refs/gitml", "refs/gitml-tmp")
    return runs_in(invoke, repo) == [] and live == [] and refs == ""


def test_flags_become_a_run(repo, invoke):
    (repo / "plot.txt").write_text("drawn\n", "utf-8")
    (repo / "train.csv").write_text("a,b\n1,2\n3,4\n", "utf-8")
    run = logged(
        invoke,
        repo,
        *("-e", "churn", "--name", "first", "-p", "lr=1e-4", "-p", "wide=true"),
        *("-p", "name='0.1'", "-p", 'layers=[8, "x"]', "-m", "auc=0.93", "-m", "loss=nan"),
        *("--artifact", "plot.txt:plots/curve.txt", "--input", "train.csv@training"),
        *("--tag", "team=growth", "--note", "a = b", "--status", "failed"),
    )
    assert (run["name"], run["experiment"], run["status"]) == ("first", "churn", "failed")
    assert run["params"] == {"layers": [8, "x"], "lr": 0.0001, "name": "0.1", "wide": True}
    assert run["metrics"]["auc"]["last"] == 0.93
    loss = run["metrics"]["loss"]  # NaN, which JSON has no word for
    assert (loss["last"], loss["step"], loss["count"]) == (None, 0, 1)
    assert run["tags"] == {"team": "growth"}
    assert run["note"] == "a = b"
    (artifact,) = run["artifacts"]
    assert (artifact["path"], artifact["size"]) == ("plots/curve.txt", 6)
    (dataset,) = run["inputs"]
    assert (dataset["name"], dataset["context"], dataset["rows"]) == ("train.csv", "training", 2)
    assert run["author"] == "Ada Author <ada@example.com>"
    assert run["environment"]["python"]
    assert run["source"]["branch"] == "main"
    assert run["source"]["changed"] == ["plot.txt", "train.csv"]


def test_a_run_logged_afterwards_has_no_command_and_lasts_no_time(repo, invoke):
    run = logged(invoke, repo, "-m", "auc=0.93")
    assert "command" not in run["source"]
    assert run["created"] == run["ended"]
    shown = invoke("show", "latest", cwd=repo).out
    assert "started" in shown
    assert "took" not in shown  # nobody knows


def test_when_it_ran_is_told_and_not_guessed(repo, invoke):
    at = ("--started", "2026-01-02T04:00:00+01:00")
    run = logged(invoke, repo, "-m", "auc=1", *at, "--duration", "1h 30min")
    assert (run["created"], run["ended"]) == (
        "2026-01-02T03:00:00.000Z",
        "2026-01-02T04:30:00.000Z",
    )
    assert "took       1 h 30 min" in invoke("show", run["id"], cwd=repo).out
    assert logged(invoke, repo, "-m", "auc=1", "--duration", "90.5")["duration"] == 90.5
    assert logged(invoke, repo, "-m", "auc=1", *at)["created"] == run["created"]
    for bad in (
        ("--started", "yesterday"),
        ("--started", "9999-01-01"),
        ("--started", "0001-01-01T00:00:00+10:00"),
        ("--started", "1960-01-01", "--duration", "1h"),
        ("--started", "2026-01-02", "--duration", "9000d"),
        ("--duration", "-5"),
        ("--duration", "soon"),
        ("--duration", "1 h x"),
        ("--duration", "9e9"),
        ("--duration", "99999d"),
    ):
        answer = invoke("log", "-m", "auc=1", *bad, cwd=repo)
        assert answer.code == 5, bad
        assert "hint:" in answer.err or "longer" in answer.err
    assert invoke("log", "--run", run["id"], "-m", "b=1", *at, cwd=repo).code == 2
    assert len(runs_in(invoke, repo)) == 3


def test_usual_files_are_taken_without_flags(trained, invoke):
    run = logged(invoke, trained, "-e", "churn")
    assert run["params"] == {
        "lr": 0.0001,
        "model.depth": 6,
        "model.kind": "forest",
        "seeds": [1, 2],
        "clip": None,
    }
    assert {name: m["count"] for name, m in run["metrics"].items()} == {
        "auc": 3,
        "loss": 3,
        "val.loss": 1,
    }
    assert run["metrics"]["loss"]["last"] == 0.268
    assert run["metrics"]["auc"]["max"] == 0.9288


def test_the_answer_says_what_was_taken(trained, invoke):
    (trained / "metrics.json").write_text('{"auc": 0.9, "model": "big", "by": []}', "utf-8")
    answer = invoke("log", "-e", "churn", "--tag", "a=b", cwd=trained)
    commit = subprocess.check_output(["git", "rev-parse", "--short=7", "HEAD"], cwd=trained)
    shape = r"""
          params    params\.yaml   5 values
          metrics   metrics\.json  1 value, left out: model is text, by is a list
          history   history\.csv   2 metrics, 6 points
          source    HEAD on main \+ 3 changed files
        Logged [a-z]+-[a-z]+-\d+ to churn in [\d.]+ s\.  id [0-9a-f]{8}
        """
    expected = textwrap.dedent(shape).lstrip("\n").replace("HEAD", commit.decode().strip())
    assert re.fullmatch(expected, answer.out), answer.out
    assert answer.err == ""


def test_a_terminal_sees_what_to_do_next(trained, git):
    code, shown = on_terminal("log", "-e", "my churn", "--name", "one two", cwd=trained)
    assert code == 0
    *_, told, last = without_color(shown).splitlines()
    assert last == "  gitml show 'one two'      gitml ls -e 'my churn' --sort -auc"
    assert "\x1b[" in shown
    own = "  Only files of the run itself changed; in .gitignore they would not count as code."
    assert told == own
    git(trained, "add", "metrics.json")  # as DVC's users keep it
    assert own not in without_color(on_terminal("log", cwd=trained)[1]).splitlines()
    git(trained, "rm", "--quiet", "--cached", "metrics.json")
    (trained / "train.py").write_text("print()\n")
    assert own not in without_color(on_terminal("log", cwd=trained)[1]).splitlines()


def test_quiet_prints_the_id_alone(trained, invoke):
    answer = invoke("log", "-q", cwd=trained)
    (run,) = runs_in(invoke, trained)
    assert answer.out == f"{run['id']}\n"
    assert answer.err == ""


def test_experiment_by_flag_environment_and_settings(trained, invoke, monkeypatch):
    assert logged(invoke, trained)["experiment"] == "default"
    (trained / ".gitml").mkdir()
    (trained / ".gitml" / "config.yaml").write_text("experiment: house\n", "utf-8")
    assert logged(invoke, trained)["experiment"] == "house"
    monkeypatch.setenv("GITML_EXPERIMENT", "sweep")
    assert logged(invoke, trained)["experiment"] == "sweep"
    assert logged(invoke, trained, "-e", "Über Größe / 3")["experiment"] == "Über Größe / 3"


def test_nothing_to_log_names_what_is_looked_for(repo, invoke, git):
    answer = invoke("log", cwd=repo)
    assert answer.code == 3
    assert answer.err.splitlines()[0].startswith("error: There is nothing to log in ")
    assert "params.yaml" in answer.err
    assert "metrics.json" in answer.err
    assert nothing_recorded(invoke, git, repo)


@pytest.mark.parametrize(
    "args,code,said",
    [
        (["--params", "parms.yaml"], 3, "did you mean params.yaml?"),
        (["--metrics", "gone.json"], 3, "There is no file gone.json"),
        (["--history", "gone.csv"], 3, "There is no file gone.csv"),
        (["--artifact", "plt.png"], 3, "There is no file plt.png"),
        (["--artifact", "gone.png:x.png"], 3, "There is no file gone.png"),
        (["--input", "gone.csv@training"], 3, "There is no file gone.csv"),
        (["--params", "."], 5, "not a kind of file"),
        (["--metrics", "empty.json"], 5, "empty.json is empty"),
        (["--metrics", "text.json"], 5, "text.json holds no number"),
        (["--params", "broken.yaml"], 5, "broken.yaml"),
        (["--history", "late.csv"], 5, "late.csv, line 3, column loss: oops is not a number"),
        (["--history", "empty.csv"], 5, "empty.csv holds no points"),
        (["--artifact", "bare/"], 5, "bare/ is a folder without a file"),
        (["--artifact", "train.py:../../x"], 5, "leaves the run's folder"),
        (["--artifact", "train.py:/etc/x"], 5, "is absolute"),
        (["--artifact", "train.py:.git/config"], 5, "that git keeps for itself"),
        (["--artifact", "out"], 5, "is a link that leads out of"),
        (["--artifact", "broken-link"], 5, "broken-link is a link to nowhere"),
        (["--artifact", "pipe"], 5, "pipe is neither a file nor a folder"),
        (["--input", "pipe"], 5, "pipe is not a regular file"),
        (["-p", "lr"], 5, "lr does not say what the param is"),
        (["-p", "=1"], 5, "The name of a param cannot be empty"),
        (["-m", "auc=high"], 5, "The metric auc is not a number: high"),
        (["-m", "a\nb=1"], 5, r"control or bidirectional character: a\nb"),
        (["--tag", "\x1b[31mx=1"], 5, r"\x1b[31mx"),
        (["-e", "x\u202ey"], 5, r"x\u202ey"),
        (["-e", ""], 5, "The name of an experiment cannot be empty"),
        (["--name", "a" * 300], 5, "has 300 characters"),
        (["--name", " a"], 5, "starts or ends with a space"),
        (["--note", "n" * 70_000], 5, "The note has 70,000 characters"),
        (["-p", f"x={'v' * 70_000}"], 5, "The param x has 70,002 characters"),
        (["-p", "a=1", "-p", "a=2"], 5, "The param a is 1 in -p and 2 in -p"),
        (["-p", "lr=2", "--params", "params.yaml"], 5, "0.1 in params.yaml"),
        (["-m", "auc=1", "-m", "auc=2"], 5, "The metric auc is 1.0 in -m and 2.0 in -m"),
        (["--history", "h1.csv", "--history", "h2.csv"], 5, "loss has points of the same steps"),
        (["--artifact", "a:x", "--artifact", "b:x"], 5, "would be one artifact: x"),
        (["--tag", "a=1", "--tag", "a=2"], 2, "The tag a is given two values"),
        (["--status", "done"], 2, "'done' is not one of"),
        (["-q", "--json"], 2, "--quiet and --json"),
        (["--run", "nobody"], 3, "nobody"),
        (["--parent", "nobody"], 3, "nobody"),
        (["--run", "nobody", "-m"], 2, "requires an argument"),
        (["--parms", "x"], 2, "did you mean --params"),
    ],
)
def test_bad_input_records_nothing(repo, invoke, git, args, code, said):
    files = {
        "params.yaml": "lr: 0.1\n",
        "a": "a",
        "b": "b",
        "empty.json": " ",
        "empty.csv": "",
        "text.json": '{"auc": "high"}',
        "broken.yaml": "a: [1\n",
        "late.csv": "",
        "h1.csv": "step,loss\n0,1\n5,2\n",
        "h2.csv": "step,loss\n5,1\n9,2\n",
    }
    for name, text in files.items():
        (repo / name).write_text(text, "utf-8")
    (repo / "late.csv").write_text("step,loss\n0,1\n1,oops\n", "utf-8")
    (repo / "bare").mkdir()
    (repo / "out").symlink_to("/etc/hostname")
    (repo / "broken-link").symlink_to("nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(repo / "pipe")
    elif "pipe" in args:
        pytest.skip("no pipes in the file system")
    answer = invoke("log", "-m", "ok=1", *args, cwd=repo)
    assert answer.code == code, answer.err
    assert said in answer.err
    first, *rest = answer.err.splitlines()
    assert first.startswith("error: ")
    assert all(line.startswith("  hint: ") for line in rest)
    assert answer.out == ""
    assert nothing_recorded(invoke, git, repo)


def test_a_file_that_cannot_be_read(repo, invoke, git):
    (repo / "secret.bin").write_text("x", "utf-8")
    (repo / "secret.bin").chmod(0)
    if os.access(repo / "secret.bin", os.R_OK):
        pytest.skip("this user reads everything")
    answer = invoke("log", "--artifact", "secret.bin", cwd=repo)
    assert answer.code == 5
    assert "cannot be read: permission denied" in answer.err
    assert nothing_recorded(invoke, git, repo)


def test_metrics_that_repeat_the_end_of_a_history_are_no_new_points(repo, invoke):
    (repo / "h.csv").write_text("step,loss,acc\n0,0.9,0.1\n1,0.5,0.4\n", "utf-8")
    (repo / "m.json").write_text('{"loss": 0.5, "acc": 0.45, "auc": 0.7}', "utf-8")
    metrics = logged(invoke, repo, "--history", "h.csv", "--metrics", "m.json")["metrics"]
    assert (metrics["loss"]["count"], metrics["loss"]["step"]) == (2, 1)
    assert (metrics["acc"]["count"], metrics["acc"]["step"]) == (3, 2)  # the best, restored
    assert metrics["acc"]["last"] == 0.45
    assert metrics["auc"]["step"] == 0


def test_a_history_may_go_on_in_another_file(repo, invoke):
    (repo / "h1.csv").write_text("step,loss\n0,0.9\n1,0.5\n", "utf-8")
    (repo / "h2.csv").write_text("step,loss\n2,0.4\n3,0.3\n", "utf-8")
    run = logged(invoke, repo, "--history", "h1.csv", "--history", "h2.csv", "-m", "loss=0.3")
    assert (run["metrics"]["loss"]["count"], run["metrics"]["loss"]["last"]) == (4, 0.3)


def test_dvclive_with_nothing_said(repo, invoke):
    shutil.copytree(Path(__file__).parents[1] / "tracking" / "data" / "dvclive", repo / "dvclive")
    answer = invoke("log", cwd=repo)
    assert answer.code == 0, answer.err
    (run,) = runs_in(invoke, repo)
    assert run["params"]
    assert {"acc", "train/loss", "val/loss"} <= run["metrics"].keys()
    assert "dvclive/params.yaml" in answer.out


@pytest.mark.parametrize("name", ["a:b.txt", "-x", "ünï.txt", "two words", "x@y"])
def test_artifacts_and_inputs_of_odd_names(repo, invoke, name):
    (repo / name).write_text("odd\n", "utf-8")
    run = logged(invoke, repo, "--artifact", name, "--input", name)
    assert [a["path"] for a in run["artifacts"]] == [name]
    assert [d["name"] for d in run["inputs"]] == [name]


def test_artifact_destinations(repo, invoke):
    (repo / "out").mkdir()
    (repo / "out" / "a.txt").write_text("a", "utf-8")
    (repo / "out" / "deep").mkdir()
    (repo / "out" / "deep" / "b.txt").write_text("b", "utf-8")
    (repo / "c:d").write_text("c", "utf-8")
    run = logged(
        invoke,
        repo,
        *("--artifact", "out", "--artifact", "out/a.txt:first/", "--artifact", "c:d:colon:ed"),
        *("--artifact", "out:second"),
    )
    assert [a["path"] for a in run["artifacts"]] == [
        *["colon:ed", "first/a.txt", "out/a.txt", "out/deep/b.txt"],
        *["second/a.txt", "second/deep/b.txt"],
    ]


def test_adding_to_a_run(repo, invoke):
    first = logged(invoke, repo, "-e", "churn", "-p", "lr=0.1", "-m", "loss=0.5", "--tag", "a=1")
    (repo / "plot.txt").write_text("p", "utf-8")
    answer = invoke(
        *("log", "--run", first["name"], "-p", "lr=0.1", "-p", "depth=6", "-m", "loss=0.4"),
        *("--tag", "a=2", "--note", "late", "--artifact", "plot.txt"),
        cwd=repo,
    )
    assert answer.code == 0, answer.err
    assert f"Added to {first['name']} in " in answer.out
    (run,) = runs_in(invoke, repo)
    assert run["id"] == first["id"]
    assert run["params"] == {"lr": 0.1, "depth": 6}
    assert run["metrics"]["loss"]["count"] == 2
    assert (run["metrics"]["loss"]["last"], run["metrics"]["loss"]["step"]) == (0.4, 1)
    assert (run["tags"], run["note"]) == ({"a": "2"}, "late")
    assert [a["path"] for a in run["artifacts"]] == ["plot.txt"]
    assert (run["status"], run["ended"]) == ("finished", first["ended"])
    assert run["source"] == first["source"]


def test_adding_another_value_of_a_param_changes_nothing(repo, invoke, git):
    first = logged(invoke, repo, "-p", "lr=0.1", "-m", "loss=0.5")
    refs = git(repo, "for-each-ref")
    answer = invoke("log", "--run", first["id"][:8], "-p", "lr=0.2", "-m", "loss=0.4", cwd=repo)
    assert answer.code == 5
    assert "The param lr is 0.1 already, not 0.2." in answer.err
    assert git(repo, "for-each-ref") == refs
    assert runs_in(invoke, repo) == [first]
    assert not [*(repo / ".git" / "gitml" / "live").rglob("*.log")]


def test_adding_states_what_is_said_and_no_more(repo, invoke):
    first = logged(invoke, repo, "-m", "loss=0.5")
    parent = logged(invoke, repo, "-m", "loss=0.6")
    nothing = invoke("log", "--run", first["name"], cwd=repo)
    assert nothing.code == 2
    assert "nothing to add" in nothing.err
    for args in (["-e", "other"], ["--name", "other"]):
        assert invoke("log", "--run", first["name"], "-m", "a=1", *args, cwd=repo).code == 2
    run = logged(
        invoke, repo, "--run", first["name"], "--status", "failed", "--parent", parent["name"]
    )
    assert (run["status"], run["parent"]) == ("failed", parent["id"])
    assert run["ended"] > first["ended"]


def test_adding_does_not_take_the_usual_files(trained, invoke):
    first = logged(invoke, trained, "-m", "only=1")
    run = logged(invoke, trained, "--run", first["id"], "--note", "x")
    assert run["params"] == {}
    assert run["metrics"].keys() == {"only"}


def test_a_word_about_a_run_that_goes_on_elsewhere_does_not_bury_it(repo, invoke, git):
    run = logged(invoke, repo, "-m", "loss=0.5")
    # As a pull would bring it: running, without a log on this machine.
    running = logged(invoke, repo, "--run", run["id"], "--note", "first")
    assert running["status"] == "finished"
    script = """
        import gitml, os
        run = gitml.start_run("churn", name="far")
        run.log_metric("loss", 1.0)
        run.checkpoint()
        os._exit(0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=repo, check=True)
    (far,) = [r for r in runs_in(invoke, repo) if r["name"] == "far"]
    shutil.rmtree(repo / ".git" / "gitml" / "live")
    assert logged(invoke, repo, "--run", far["id"], "--note", "hello")["status"] == "running"


def test_parent(repo, invoke):
    parent = logged(invoke, repo, "-m", "loss=0.5")
    child = logged(invoke, repo, "-m", "loss=0.4", "--parent", "latest")
    assert child["parent"] == parent["id"]


def test_it_is_committed_once_and_leaves_the_work_tree_alone(trained, invoke, git):
    before = git(trained, "status", "--porcelain=v2", "--branch")
    run = logged(invoke, trained)
    ref = f"refs/gitml/runs/{run['id']}"
    assert git(trained, "rev-list", "--count", ref) == "1\n"
    assert git(trained, "status", "--porcelain=v2", "--branch") == before
    assert git(trained, "for-each-ref", "refs/gitml-tmp") == ""
    assert not [*(trained / ".git" / "gitml" / "live").iterdir()]
    assert git(trained, "show", f"{run['source']['tree']}:params.yaml") == PARAMS
    assert git(trained, "fsck", "--strict", "--no-dangling") == ""


def test_another_store(trained, invoke, bare_repo, git, tmp_path):
    run = logged(invoke, trained, "--repo", bare_repo)
    assert runs_in(invoke, bare_repo) == [run]
    assert git(trained, "for-each-ref", "refs/gitml") == ""
    assert run["source"]["changed"] == ["history.csv", "metrics.json", "params.yaml"]
    assert git(bare_repo, "show", f"{run['source']['tree']}:params.yaml") == PARAMS
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "metrics.json").write_text('{"auc": 1}', "utf-8")
    alone = logged(invoke, outside, "--repo", bare_repo)
    assert "commit" not in alone["source"]
    assert alone["metrics"]["auc"]["last"] == 1.0


def test_a_repository_without_a_commit(empty_repo, invoke):
    (empty_repo / "metrics.json").write_text('{"auc": 1}', "utf-8")
    answer = invoke("log", cwd=empty_repo)
    assert answer.code == 0, answer.err
    assert "no commit yet on main + 1 changed file" in answer.out


def test_a_bare_repository_has_no_source(bare_repo, invoke):
    run = logged(invoke, bare_repo, "-m", "auc=1")
    assert run["source"] == {"dirty": False}


def test_no_repository(tmp_path, invoke):
    (tmp_path / "metrics.json").write_text('{"auc": 1}', "utf-8")
    answer = invoke("log", cwd=tmp_path)
    assert answer.code == 6
    assert "is not in a git repository" in answer.err
    assert "--repo PATH" in answer.err


def test_from_a_folder_below(trained, invoke):
    below = trained / "out"
    below.mkdir()
    (below / "metrics.json").write_text('{"auc": 1}', "utf-8")
    (below / "data.csv").write_text("a\n1\n", "utf-8")
    run = logged(invoke, below, "--metrics", "metrics.json", "--input", "data.csv")
    assert run["params"] == {}
    assert run["inputs"][0]["uri"] == "out/data.csv"


@pytest.mark.slow
def test_processes_are_few(trained, gitml_cli, git, tmp_path):
    """Counted by git itself; GitPython's own two ``git version`` are not ours."""
    (trained / "model.bin").write_bytes(b"m" * 2_000_000)
    git(trained, "config", "filter.lfs.clean", "false")
    for args in (["-e", "churn"], ["--artifact", "model.bin", "--input", "history.csv"]):
        trace = tmp_path / f"trace-{len(args)}"
        answer = gitml_cli("log", *args, cwd=trained, env={"GIT_TRACE2_EVENT": str(trace)})
        assert answer.code == 0, answer.err
        events = [json.loads(line) for line in trace.read_text("utf-8").splitlines()]
        started = [
            event["argv"][1:]
            for event in events
            if event["event"] == "start" and "/" not in event["sid"]
        ]
        ours = [argv for argv in started if argv != ["version"]]
        assert 0 < len(ours) <= 6, ours


def test_a_locked_ref_leaves_the_run_for_pack(trained, gitml_cli, invoke, git):
    git(trained, "update-ref", "refs/gitml/runs/other", "HEAD")
    place = trained / ".git" / "refs" / "gitml" / "runs"
    seeded = {"GITML_TEST_SEED": "locked"}
    first = gitml_cli("log", "-q", cwd=trained, env=seeded)
    run_id = first.out.strip()
    git(trained, "update-ref", "-d", "refs/gitml/runs/other")
    git(trained, "update-ref", "-d", f"refs/gitml/runs/{run_id}")
    lock = place / f"{run_id}.lock"
    place.mkdir(exist_ok=True)
    lock.touch()
    answer = gitml_cli("log", "-m", "auc=0.9", cwd=trained, env=seeded)
    assert answer.code == 7, answer.err
    assert (
        f"({run_id[:8]}) is safe on disk meanwhile, and gitml pack commits it later" in answer.err
    )
    assert answer.out == ""
    lock.unlink()
    assert invoke("pack", cwd=trained).code == 0
    (run,) = json.loads(invoke("ls", "--json", cwd=trained).out)["runs"]
    assert (run["id"], run["status"]) == (run_id, "finished")
    assert run["metrics"]["auc"]["last"] == 0.9


def test_a_full_disk_records_nothing(trained, git, invoke):
    resource = pytest.importorskip("resource")
    (trained / "big.csv").write_text(
        "step,loss\n" + "".join(f"{n},{n}.5\n" for n in range(20_000)), "utf-8"
    )

    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-m", "gitml", "log", "--history", "big.csv"],
        cwd=trained,
        preexec_fn=small,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 10, done.stderr
    assert done.stderr.startswith("error: The run's log cannot be written: File too large")
    assert done.stdout == ""
    assert nothing_recorded(invoke, git, trained)


def test_a_read_only_repository(trained, gitml_cli, git):
    """Whatever the rights of the user: a file stands where the folder of logs would be."""
    (trained / ".git" / "gitml").write_text("", "utf-8")
    answer = gitml_cli("log", cwd=trained)
    assert answer.code == 10
    assert answer.err.startswith("error: The run's log cannot be written")
    assert git(trained, "for-each-ref", "refs/gitml") == ""


@pytest.mark.slow
def test_interrupting_it_records_nothing(repo, invoke, git):
    with (repo / "long.csv").open("w", encoding="utf-8") as file:
        file.write("step,loss\n")
        file.writelines(f"{n},{n / 7!r}\n" for n in range(400_000))
    process = subprocess.Popen(
        [sys.executable, "-m", "gitml", "log", "--history", "long.csv"],
        cwd=repo,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    live = repo / ".git" / "gitml" / "live"
    while not (live.exists() and [*live.rglob("*.log")]) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (130, "", "Interrupted.\n")
    assert nothing_recorded(invoke, git, repo)


@pytest.mark.slow
def test_a_long_history_in_bounded_memory(repo, invoke):
    with (repo / "long.csv").open("w", encoding="utf-8") as file:
        file.write("step,loss\n")
        file.writelines(f"{n},{1 / (n + 1)!r}\n" for n in range(400_000))
    watched = """
        import resource, subprocess, sys
        subprocess.run([sys.executable, "-m", "gitml", "log", "--history", "long.csv"], check=True)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(used.ru_utime + used.ru_stime)
        print(used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1024))
    """
    out = subprocess.check_output(
        [sys.executable, "-c", textwrap.dedent(watched)], cwd=repo, text=True
    )
    seconds, megabytes = map(float, out.splitlines()[-2:])
    assert seconds < 24
    assert megabytes < 184  # 400 for a million, of which 36 are Python's
    shown = json.loads(invoke("show", "latest", "--json", cwd=repo).out)["run"]
    assert shown["metrics"]["loss"]["count"] == 400_000
    assert shown["metrics"]["loss"]["step"] == 399_999


def test_what_is_loaded(trained):
    """Start-up is most of the time: nothing that draws, serves or searches is imported."""
    script = (
        "import sys; from gitml.cli import main; main(['log', '-q'])\n"
        "print(sorted({'rich', 'sqlite3', 'jinja2', 'plotly', 'numpy', 'pandas'}"
        " & sys.modules.keys()))"
    )
    out = subprocess.check_output([sys.executable, "-c", script], cwd=trained, text=True)
    assert out.splitlines()[-1] == "[]"


def test_dvclive_summary_and_history_are_one_metric(repo, invoke):
    """Its metrics.json nests what its histories name with a slash."""
    curves = repo / "dvclive" / "plots" / "metrics" / "train"
    curves.mkdir(parents=True)
    (curves / "loss.tsv").write_text("step\tloss\n0\t0.5\n1\t0.4\n2\t0.3\n")
    (repo / "dvclive" / "metrics.json").write_text(
        '{"step": 2, "train": {"loss": 0.3}, "best": 0.9}'
    )
    assert invoke("log", cwd=repo).code == 0
    run = json.loads(invoke("show", "latest", "--json", cwd=repo).out)["run"]
    assert {name: m["count"] for name, m in run["metrics"].items()} == {"train/loss": 3, "best": 1}
