"""``gitml run``: a training command recorded while it runs, however it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import venv

import pytest

from tests.support import without_color


@pytest.fixture
def train(repo):
    """Return ``train(SOURCE)``, which commits a training script and returns its command."""

    def write(source, name="train.py"):
        (repo / name).write_text(textwrap.dedent(source), "utf-8")
        return [sys.executable, name]

    return write


def runs_in(invoke, repo):
    answer = invoke("ls", "--json", cwd=repo)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)["runs"]


def only_run(invoke, repo):
    (run,) = runs_in(invoke, repo)
    return run


def begin(repo, *args, **settings):
    """Start ``gitml run ARGS`` in a session of its own, without a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", "gitml", "run", *map(str, args)],
        cwd=repo,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **settings,
    )


def test_what_a_command_leaves_behind_is_recorded(repo, train, gitml_cli, invoke):
    (repo / "params.yaml").write_text("lr: 1e-4\n", "utf-8")
    command = train(
        """
        import json, sys
        print("out", sys.argv[1:])
        print("err", file=sys.stderr)
        json.dump({"auc": 0.9}, open("metrics.json", "w"))
        open("history.csv", "w").write("step,loss\\n0,1\\n1,0.5\\n")
        """
    )
    answer = gitml_cli("run", "-e", "churn", "--name", "it", "--", *command, "-x", cwd=repo)
    assert answer.code == 0
    assert answer.out == "out ['-x']\n"
    lines = answer.err.splitlines()
    assert lines[0].startswith("it runs in churn.  id ")
    assert lines[1] == "err"
    assert lines[2:5] == [
        "  params    params.yaml   1 value",
        "  metrics   metrics.json  1 value",
        "  history   history.csv   1 metric, 2 points",
    ]
    assert lines[-1].startswith("Recorded it in churn: finished after ")
    run = only_run(invoke, repo)
    assert (run["status"], run["experiment"]) == ("finished", "churn")
    assert run["params"] == {"lr": 0.0001}
    assert (run["metrics"]["auc"]["last"], run["metrics"]["loss"]["count"]) == (0.9, 2)
    assert run["source"]["command"] == [*command, "-x"]
    assert run["source"]["script"] == "train.py"
    assert sorted(run["source"]["changed"]) == ["params.yaml", "train.py"]
    assert run["ended"] > run["created"]


def test_files_that_the_command_did_not_write_are_left_alone(repo, train, gitml_cli, invoke):
    (repo / "params.yaml").write_text("lr: 1e-4\n", "utf-8")
    (repo / "metrics.json").write_text('{"auc": 0.1}', "utf-8")
    gitml_cli("run", *train("print('nothing')"), cwd=repo)
    run = only_run(invoke, repo)
    assert (run["params"], run["metrics"]) == ({}, {})


def test_flags_name_what_is_picked_up_at_the_end(repo, train, gitml_cli, invoke):
    (repo / "metrics.json").write_text('{"ignored": 1}', "utf-8")
    (repo / "data.csv").write_text("a,b\n1,2\n", "utf-8")
    command = train(
        """
        import pathlib
        pathlib.Path("out").mkdir()
        pathlib.Path("out/m.json").write_text('{"auc": 0.9}')
        pathlib.Path("out/model.txt").write_text("weights")
        pathlib.Path("data.csv").write_text("gone")
        """
    )
    answer = gitml_cli(
        *("run", "-p", "lr=0.1", "-m", "gpus=2", "--metrics", "out/m.json", "--tag", "a=b"),
        *("--artifact", "out/model.txt:model.txt", "--input", "data.csv@training"),
        *("--note", "hello", *command),
        cwd=repo,
    )
    assert answer.code == 0, answer.err
    run = only_run(invoke, repo)
    assert run["params"] == {"lr": 0.1}
    assert {name: m["last"] for name, m in run["metrics"].items()} == {"auc": 0.9, "gpus": 2.0}
    assert (run["tags"], run["note"]) == ({"a": "b"}, "hello")
    assert [a["path"] for a in run["artifacts"]] == ["model.txt"]
    (dataset,) = run["inputs"]
    assert (dataset["context"], dataset["rows"]) == ("training", 1)  # as it was at the start


def test_a_failed_command_keeps_what_is_there(repo, train, gitml_cli, invoke):
    command = train(
        """
        import sys
        open("history.jsonl", "w").write('{"step": 0, "loss": 1}\\n{"step": 1, "loss"')
        sys.exit(3)
        """
    )
    flags = ["--history", "history.jsonl", "--metrics", "m.json", "--artifact", "model.pt"]
    answer = gitml_cli("run", *flags, "--", *command, cwd=repo)
    assert answer.code == 3
    warnings = [line for line in answer.err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 3
    assert warnings[0].startswith("warning: history.jsonl, line 2")
    assert "There is no file m.json" in warnings[1]
    assert "There is no file model.pt" in warnings[2]
    assert ": failed with exit code 3 after " in answer.err
    run = only_run(invoke, repo)
    assert run["status"] == "failed"
    assert run["metrics"]["loss"]["count"] == 1


def test_a_missing_file_is_no_failure_of_the_command(repo, gitml_cli, invoke):
    answer = gitml_cli("run", "--metrics", "m.json", "true", cwd=repo)
    assert answer.code == 0
    assert "warning: There is no file m.json." in answer.err
    assert only_run(invoke, repo)["status"] == "finished"


def test_quiet_says_nothing(repo, gitml_cli):
    answer = gitml_cli("run", "-q", "--", "echo", "hello", cwd=repo)
    assert (answer.code, answer.out, answer.err) == (0, "hello\n", "")


def test_secrets_of_the_command_line_are_masked(repo, gitml_cli, invoke):
    gitml_cli("run", "echo", "--api-key", "hunter2", "--token=hunter2", "--lr", "1", cwd=repo)
    run = only_run(invoke, repo)
    assert run["source"]["command"] == ["echo", "--api-key", "***", "--token=***", "--lr", "1"]


@pytest.mark.parametrize(
    "words,code,said",
    [
        (["no-such-command"], 127, "There is no command no-such-command"),
        (["train.py"], 127, "python train.py; or write ./train.py"),
        (["echo hello"], 127, "without quotes"),
        (["./train.py"], 126, "chmod +x ./train.py"),
        (["./"], 126, "The command ./ cannot be run: permission denied."),
        (["./text"], 126, "The command ./text cannot be run: exec format error."),
        (["./other"], 127, "what its first line names to run it is not there"),
    ],
)
def test_what_cannot_be_started_is_not_recorded(repo, gitml_cli, git, words, code, said, invoke):
    (repo / "text").write_text("echo hello\n", "utf-8")
    (repo / "other").write_text("#!/no/such/thing\n", "utf-8")
    for name in ("text", "other"):
        (repo / name).chmod(0o755)
    answer = gitml_cli("run", *words, cwd=repo)
    assert answer.code == code
    assert answer.err.startswith("error: ")
    assert said in answer.err
    assert runs_in(invoke, repo) == []
    assert git(repo, "for-each-ref", "refs/gitml") == ""
    assert not [*(repo / ".git" / "gitml" / "live").rglob("*.log")]


@pytest.mark.parametrize(
    "flags,code,said",
    [
        (["-p", "lr"], 5, "lr does not say what the param is"),
        (["-m", "a=x"], 5, "not a number"),
        (["--tag", "=x"], 5, "cannot be empty"),
        (["--run", "nobody"], 3, "nobody"),
        (["--parent", "nobody"], 3, "nobody"),
        (["--staus", "x"], 2, "There is no option --staus"),
    ],
)
def test_wrong_flags_start_nothing(repo, gitml_cli, flags, code, said, invoke):
    answer = gitml_cli("run", *flags, "--", "touch", "started", cwd=repo)
    assert answer.code == code
    assert said in answer.err
    assert not (repo / "started").exists()
    assert runs_in(invoke, repo) == []


def test_without_a_command(repo, gitml_cli):
    answer = gitml_cli("run", "-e", "churn", cwd=repo)
    assert answer.code == 2
    assert "COMMAND" in answer.err


def test_it_is_seen_running(repo, invoke):
    process = begin(repo, "-e", "churn", "-p", "lr=0.1", "cat")
    assert " runs in churn.  id " in process.stderr.readline()
    run = only_run(invoke, repo)
    assert (run["status"], run["params"], run["ended"]) == ("running", {"lr": 0.1}, None)
    assert run["source"]["command"] == ["cat"]
    out, _ = process.communicate("passed through\n")
    assert (process.returncode, out) == (0, "passed through\n")
    assert only_run(invoke, repo)["status"] == "finished"


SLEEPER = """
import signal, sys, time
if sys.argv[1:] == ["gently"]:
    def stop(*_):
        print("saved", flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_sent_to_gitml_reaches_the_command(repo, train, invoke, number):
    process = begin(repo, "--", *train(SLEEPER))
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == 128 + number
    assert f": killed by {signal.Signals(number).name} after " in err
    assert only_run(invoke, repo)["status"] == "killed"


def test_a_command_that_ends_well_when_asked_to_has_finished(repo, train, invoke):
    process = begin(repo, "--", *train(SLEEPER), "gently")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate()
    assert (process.returncode, out) == (0, "saved\n")
    assert only_run(invoke, repo)["status"] == "finished"


@pytest.mark.parametrize(
    "shell,code,status",
    [
        ("kill -9 $$", 137, "killed"),
        ("kill -SEGV $$", 139, "failed"),
        ("exit 143", 143, "killed"),
        ("exit 255", 255, "failed"),
        ("exit 1", 1, "failed"),
    ],
)
def test_the_exit_code_is_the_commands(repo, gitml_cli, shell, code, status, invoke):
    assert gitml_cli("run", "--", "sh", "-c", shell, cwd=repo).code == code
    assert only_run(invoke, repo)["status"] == status


def test_interrupt_from_the_terminal_comes_once(repo, train, invoke):
    command = train(
        """
        import os, signal, sys, time
        count = []
        signal.signal(signal.SIGINT, lambda *_: count.append(1))
        os.write(1, f"tty {os.isatty(0)} {os.isatty(1)} {os.isatty(2)}\\n".encode())
        end = time.monotonic() + 120
        while not count and time.monotonic() < end:
            time.sleep(0.01)
        again = time.monotonic() + 0.5
        while time.monotonic() < again:
            time.sleep(0.05)
        print("interrupts", len(count), flush=True)
        sys.exit(130)
        """
    )
    pid, terminal = pytest.importorskip("pty").fork()
    if pid == 0:
        os.chdir(repo)
        words = [sys.executable, "-m", "gitml", "run", "--", *command]
        os.execv(sys.executable, words)  # noqa: S606 - a shell is what this does without
    received = b""
    sent = False
    with contextlib.suppress(OSError):  # Linux's way to say that the other end is closed
        while block := os.read(terminal, 4096):
            received += block
            if b"tty True True True" in received and not sent:
                os.write(terminal, b"\x03")
                sent = True
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    shown = without_color(received.decode("utf-8"))
    assert "tty True True True" in shown
    assert "interrupts 1" in shown
    assert ": killed by SIGINT after " in shown
    assert only_run(invoke, repo)["status"] == "killed"


def test_an_ignored_signal_stays_ignored(repo, train, invoke):
    """As under nohup: neither gitml nor the command dies of the terminal's end."""
    command = train(SLEEPER.replace("time.sleep(60)", "sys.stdin.read(); print('survived')"))
    process = begin(
        repo,
        *["--", *command],
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGHUP)
    out, _ = process.communicate()
    assert (process.returncode, out) == (0, "survived\n")
    assert only_run(invoke, repo)["status"] == "finished"


def test_gitml_itself_killed_is_found_out(repo, train, gitml_cli, invoke):
    process = begin(repo, "-p", "lr=0.1", "--", *train(SLEEPER))
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    shown = invoke("ls", cwd=repo).out
    assert "killed?" in shown
    assert invoke("pack", cwd=repo).code == 0
    run = only_run(invoke, repo)
    assert (run["status"], run["params"]) == ("killed", {"lr": 0.1})
    assert run["ended"]


def test_a_program_that_uses_gitml_adds_to_the_run(repo, train, gitml_cli, invoke):
    command = train(
        """
        import gitml
        with gitml.start_run(experiment="mine", name="chosen", params={"depth": 6}) as run:
            for step in range(100):
                run.log_metric("loss", 1 / (step + 1), step=step)
            run.log_text("drawn", "plot.txt")
        open("metrics.json", "w").write('{"loss": 0.01}')
        """
    )
    answer = gitml_cli("run", "-p", "lr=0.1", "--", *command, cwd=repo)
    assert answer.code == 0, answer.err
    assert "Recorded chosen in mine: finished" in answer.err
    run = only_run(invoke, repo)
    assert (run["name"], run["experiment"], run["status"]) == ("chosen", "mine", "finished")
    assert run["params"] == {"lr": 0.1, "depth": 6}
    assert run["metrics"]["loss"]["count"] == 100  # and not once more from metrics.json
    assert [a["path"] for a in run["artifacts"]] == ["plot.txt"]
    assert run["source"]["command"] == command
    assert not [*(repo / ".git" / "gitml" / "live").rglob("*.log")]


def test_flags_win_over_what_the_program_chooses(repo, train, gitml_cli, invoke):
    command = train("import gitml; gitml.start_run('mine', name='chosen').log_param('a', 1)")
    gitml_cli("run", "-e", "given", "--name", "flag", "--", *command, cwd=repo)
    run = only_run(invoke, repo)
    assert (run["name"], run["experiment"], run["params"]) == ("flag", "given", {"a": 1})


def test_metrics_of_flags_go_on_where_the_program_stopped(repo, train, gitml_cli, invoke):
    command = train(
        """
        import gitml
        with gitml.start_run() as run:
            run.log_metric("loss", 0.5, step=0)
            run.log_metric("loss", 0.4, step=7)
        """
    )
    gitml_cli("run", "-m", "loss=0.3", "--", *command, cwd=repo)
    loss = only_run(invoke, repo)["metrics"]["loss"]
    assert (loss["count"], loss["last"], loss["step"]) == (3, 0.3, 8)


def test_a_param_that_the_program_logged_otherwise_is_a_warning(repo, train, gitml_cli, invoke):
    command = train("import gitml; gitml.start_run().log_param('lr', 0.1)")
    (repo / "p.yaml").write_text("lr: 0.2\ndepth: 3\n", "utf-8")
    answer = gitml_cli("run", "--params", "p.yaml", "--", *command, cwd=repo)
    assert answer.code == 0
    assert "warning: The param lr is 0.1 already, not 0.2." in answer.err
    assert only_run(invoke, repo)["params"] == {"lr": 0.1, "depth": 3}


def test_a_status_that_the_program_stated_counts(repo, train, gitml_cli, invoke):
    command = train("import gitml; gitml.start_run().end('failed')")
    assert gitml_cli("run", "--", *command, cwd=repo).code == 0
    assert only_run(invoke, repo)["status"] == "failed"


def test_an_exception_in_the_program(repo, train, gitml_cli, invoke):
    command = train("import gitml\nwith gitml.start_run() as run:\n    raise ValueError('bad')\n")
    answer = gitml_cli("run", "--", *command, cwd=repo)
    assert answer.code == 1
    assert "ValueError: bad" in answer.err
    assert only_run(invoke, repo)["status"] == "failed"


def test_further_runs_of_one_program_are_part_of_the_first(repo, train, gitml_cli, invoke):
    command = train(
        """
        import gitml
        for lr in (0.1, 0.2, 0.3):
            with gitml.start_run("sweep") as run:
                run.log_param("lr", lr)
        """
    )
    answer = gitml_cli("run", "--", *command, cwd=repo)
    assert answer.code == 0, answer.err
    runs = {run["params"]["lr"]: run for run in runs_in(invoke, repo)}
    assert runs[0.1]["source"]["command"] == command
    assert [runs[lr]["parent"] for lr in (0.2, 0.3)] == [runs[0.1]["id"]] * 2
    assert {run["experiment"] for run in runs.values()} == {"sweep"}
    assert {run["status"] for run in runs.values()} == {"finished"}


def test_several_processes_of_the_command_write_to_one_run(repo, train, gitml_cli, invoke):
    command = train(
        """
        import subprocess, sys
        worker = '''
        import gitml, sys
        rank = int(sys.argv[1])
        with gitml.start_run() as run:
            for step in range(500):
                run.log_metric(f"loss/{rank}", step / 7, step=step)
        '''
        import textwrap
        started = [
            subprocess.Popen([sys.executable, "-c", textwrap.dedent(worker), str(rank)])
            for rank in range(4)
        ]
        assert [p.wait() for p in started] == [0] * 4
        """
    )
    answer = gitml_cli("run", "--", *command, cwd=repo)
    assert answer.code == 0, answer.err
    metrics = only_run(invoke, repo)["metrics"]
    assert {name: m["count"] for name, m in metrics.items()} == {
        f"loss/{rank}": 500 for rank in range(4)
    }


def test_going_on_with_a_run(repo, train, gitml_cli, invoke):
    command = train(
        """
        import gitml, sys
        with gitml.start_run() as run:
            for step in range(3):
                run.log_metric("loss", 1.0)
        sys.exit(int(sys.argv[1]))
        """
    )
    gitml_cli("run", "-e", "churn", "--", *command, "1", cwd=repo)
    first = only_run(invoke, repo)
    assert first["status"] == "failed"
    answer = gitml_cli("run", "--run", first["name"], "--", *command, "0", cwd=repo)
    assert answer.code == 0, answer.err
    run = only_run(invoke, repo)
    assert (run["id"], run["status"], run["created"]) == (first["id"], "finished", first["created"])
    assert (run["metrics"]["loss"]["count"], run["metrics"]["loss"]["step"]) == (6, 5)
    assert run["ended"] > first["ended"]


def test_another_store(repo, bare_repo, train, gitml_cli, invoke):
    command = train("import gitml; gitml.start_run().log_metric('loss', 1.0)")
    env = {"GITML_REPO": str(bare_repo)}
    answer = gitml_cli("run", "--", *command, cwd=repo, env=env)
    assert answer.code == 0, answer.err
    assert only_run(invoke, bare_repo)["metrics"]["loss"]["count"] == 1
    assert runs_in(invoke, repo) == []


def test_what_cannot_be_committed_is_kept_and_the_command_goes_free(repo, train, gitml_cli, invoke):
    lock = repo / ".git" / "refs" / "gitml" / "runs"
    command = train(
        f"""
        import os, pathlib
        lock = pathlib.Path({str(lock)!r}) / (os.environ["GITML_RUN_ID"] + ".lock")
        lock.parent.mkdir(parents=True)
        lock.touch()
        """
    )
    answer = gitml_cli("run", "-m", "auc=1", "--", *command, cwd=repo)
    assert answer.code == 0
    assert "warning: " in answer.err
    assert "gitml pack commits it later" in answer.err
    for path in lock.iterdir():
        path.unlink()
    assert gitml_cli("pack", cwd=repo).code == 0
    run = only_run(invoke, repo)
    assert (run["status"], run["metrics"]["auc"]["last"]) == ("finished", 1.0)


def test_no_repository(tmp_path, gitml_cli):
    answer = gitml_cli("run", "--", "touch", "started", cwd=tmp_path)
    assert answer.code == 6
    assert not (tmp_path / "started").exists()


def test_a_command_that_changes_the_code_is_recorded_as_it_was(repo, train, gitml_cli, git, invoke):
    command = train("open('train.py', 'w').write('gone')")
    before = (repo / "train.py").read_text("utf-8")
    gitml_cli("run", "--", *command, cwd=repo)
    tree = only_run(invoke, repo)["source"]["tree"]
    assert git(repo, "show", f"{tree}:train.py") == before


def test_starting_is_quick_enough_to_be_forgotten(repo, gitml_cli):
    start = used()
    assert gitml_cli("run", "true", cwd=repo).code == 0
    assert used() - start < 5


def used():
    """Return how long the processor has worked for processes of ours that have ended."""
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.skipif(os.name == "nt", reason="needs a first line that names an interpreter")
def test_packages_are_those_of_the_python_that_trains(repo, invoke, monkeypatch, tmp_path):
    """Gitml may live in an environment of its own, as pipx makes one."""
    place = tmp_path / "theirs"
    venv.create(place, symlinks=True)
    (site,) = place.glob("lib/python*/site-packages")
    (site / "theirs-9.9.dist-info").mkdir()
    (site / "theirs-9.9.dist-info" / "METADATA").write_text("Name: theirs\nVersion: 9.9\n")
    (repo / "json.py").write_text("raise SystemExit('trained twice')\n")
    script = repo / "tool"
    script.write_text(f"#!{place}/bin/python\n")
    script.chmod(0o755)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)

    def packages(*words):
        assert invoke(*words, cwd=repo).code == 0
        return invoke("source", "latest", "--requirements", cwd=repo).out

    own = packages("run", "-q", "--", sys.executable, "-c", "pass")
    assert "click==" in own
    assert packages("run", "-q", "--", place / "bin" / "python", "-c", "pass") == "theirs==9.9\n"
    assert packages("run", "-q", "--", "./tool") == "theirs==9.9\n"
    assert packages("run", "-q", "--", "true") == own
    monkeypatch.setenv("VIRTUAL_ENV", str(place))
    assert packages("log", "-m", "auc=1") == "theirs==9.9\n"
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "gone"))
    assert packages("log", "-m", "auc=1") == own
