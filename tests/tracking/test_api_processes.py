"""Several writers of one run, and the ends a process can come to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import gitml

pytestmark = pytest.mark.usefixtures("here")


def counts(run):
    return {name: metric.count for name, metric in run.metrics.items()}


class TestTogether:
    def test_threads(self):
        threads, points = 8, 5_000
        with gitml.start_run() as run:

            def work(number):
                for step in range(points):
                    run.log_metric(f"loss/{number % 4}", step / 7, step=step * threads + number)

            started = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
            for thread in started:
                thread.start()
            while any(thread.is_alive() for thread in started):
                run.checkpoint()
            for thread in started:
                thread.join()
        assert counts(gitml.get_run(run.id)) == {f"loss/{n}": 2 * points for n in range(4)}

    def test_threads_count_steps_together(self):
        with gitml.start_run() as run:

            def work():
                for _ in range(2_000):
                    run.log_metric("loss", 1.0)

            started = [threading.Thread(target=work) for _ in range(4)]
            for thread in started:
                thread.start()
            for thread in started:
                thread.join()
        found = gitml.get_run(run.id).metrics["loss"]
        assert (found.count, found.step) == (8_000, 7_999)

    def test_threads_with_runs_of_their_own(self):
        found = {}

        def work(number):
            with gitml.start_run("sweep", name=f"thread-{number}") as run:
                for step in range(50):
                    gitml.log_metric("loss", float(number), step=step)
                found[number] = run.id

        started = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()
        for number, run_id in found.items():
            metric = gitml.get_run(run_id).metrics["loss"]
            assert (metric.count, metric.min, metric.max) == (50, number, number)
            assert gitml.get_run(run_id).parent is None

    def test_forks(self, program):
        code, out, err = program(
            """
            import gitml, os, sys
            with gitml.start_run("forks") as run:
                run.log_metric("parent", 1.0)
                children = []
                for number in range(4):
                    pid = os.fork()
                    if pid == 0:
                        for step in range(1000):
                            run.log_metric(f"child/{number}", step / 3, step=step)
                        run.log_text(str(number), f"child-{number}.txt")
                        if number % 2:
                            sys.exit(0)  # runs atexit and leaves the block
                        os._exit(0)
                    children.append(pid)
                run.checkpoint()
                for pid in children:
                    assert os.waitpid(pid, 0)[1] == 0
                run.log_metric("parent", 2.0)
            print(run.id)
            """
        )
        assert (code, err) == (0, "")
        found = gitml.get_run(out.strip())
        assert found.status == "finished"
        assert counts(found) == {"parent": 2, **{f"child/{n}": 1000 for n in range(4)}}
        assert len(found.artifacts) == 4
        assert len(gitml.search_runs()) == 1

    def test_a_fork_outlives_the_parents_run(self, program):
        """What a child says after the end is not lost, and does not begin the run anew."""
        code, out, err = program(
            """
            import gitml, os, sys, time
            run = gitml.start_run("forks")
            reader, writer = os.pipe()
            pid = os.fork()
            if pid == 0:
                run.log_metric("child", 1.0, step=0)
                os.read(reader, 1)
                run.log_metric("child", 2.0, step=1)
                run.end("failed")
                os._exit(0)
            time.sleep(0.2)
            run.log_metric("parent", 1.0)
            run.end()
            os.write(writer, b"x")
            assert os.waitpid(pid, 0)[1] == 0
            print(run.id)
            """
        )
        assert (code, err) == (0, "")
        found = gitml.get_run(out.strip())
        assert (found.status, counts(found)) == ("finished", {"child": 2, "parent": 1})

    @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
    def test_multiprocessing(self, program, method):
        code, out, err = program(
            f"""
            import gitml, multiprocessing, os

            def work(number):
                for step in range(200):
                    gitml.log_metric(f"worker/{{number}}", step / 3, step=step)

            if __name__ == "__main__":
                with gitml.start_run("pool") as run:
                    os.environ["GITML_RUN_ID"] = run.id  # for workers that are no forks
                    context = multiprocessing.get_context({method!r})
                    with context.Pool(3) as pool:
                        pool.map(work, range(6))
                        pool.close()
                        pool.join()
                print(run.id)
            """
        )
        assert (code, err) == (0, "")
        found = gitml.get_run(out.strip())
        assert counts(found) == {f"worker/{n}": 200 for n in range(6)}
        assert found.status == "finished"
        assert len(gitml.search_runs()) == 1

    def test_processes_that_find_the_run(self):
        worker = """
            import gitml, sys
            with gitml.start_run() as run:
                for step in range(1000):
                    run.log_metric(f"rank/{sys.argv[1]}", step / 3, step=step)
                run.log_param("shared", 1)
                run.log_param(f"own/{sys.argv[1]}", 1)
        """
        with gitml.start_run("ranks") as run:
            started = [
                subprocess.Popen(
                    [sys.executable, "-c", textwrap.dedent(worker), str(n)],
                    env={**os.environ, "GITML_RUN_ID": run.id},
                )
                for n in range(4)
            ]
            run.log_metric("main", 1.0)
            assert [p.wait() for p in started] == [0] * 4
            assert gitml.get_run(run.id).status == "running"
        found = gitml.get_run(run.id)
        assert counts(found) == {"main": 1, **{f"rank/{n}": 1000 for n in range(4)}}
        assert found.params == {"shared": 1, **{f"own/{n}": 1 for n in range(4)}}
        assert (found.status, found.conflict) == ("finished", ())

    def test_a_process_killed_among_several(self):
        worker = """
            import gitml, os
            run = gitml.start_run()
            run.log_metric("worker", 1.0)
            os.kill(os.getpid(), 9)
        """
        with gitml.start_run("ranks") as run:
            done = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(worker)],
                env={**os.environ, "GITML_RUN_ID": run.id},
                check=False,
            )
            assert done.returncode == -9
            run.log_metric("main", 1.0)
        found = gitml.get_run(run.id)
        assert (found.status, counts(found)) == ("finished", {"main": 1, "worker": 1})

    @pytest.mark.parametrize(
        "value,said", [("nonsense", "is no run id"), ("0" * 32, "is not in this repository")]
    )
    def test_a_run_id_that_is_none(self, here, monkeypatch, value, said):
        monkeypatch.setenv("GITML_RUN_ID", value)
        with pytest.raises(gitml.GitmlError, match=said):
            gitml.start_run()
        assert not [*(here / ".git" / "gitml").rglob("*.log")]


class TestProcessEnd:
    def test_a_run_ends_with_the_program(self, program):
        code, out, err = program("import gitml; print(gitml.start_run().id); gitml.note('x')")
        assert (code, err) == (0, "")
        assert gitml.get_run(out.strip()).status == "finished"

    def test_an_exception_that_nobody_catches(self, program):
        code, out, err = program("import gitml; print(gitml.start_run().id); 1 / 0")
        assert code == 1
        assert err.rstrip().endswith("ZeroDivisionError: division by zero")
        assert gitml.get_run(out.strip()).status == "failed"

    def test_exit_codes(self, program):
        for text, status in (("0", "finished"), ("", "finished"), ("3", "failed")):
            source = f"import gitml, sys; print(gitml.start_run().id); sys.exit({text})"
            code, out, err = program(source)
            assert (code, err) == (int(text or 0), "")
            assert gitml.get_run(out.strip()).status == status

    def test_nested_runs_end_inside_out(self, program):
        code, out, _ = program(
            """
            import gitml
            print(gitml.start_run().id, gitml.start_run(nested=True).id)
            """
        )
        assert code == 0
        assert {gitml.get_run(text).status for text in out.split()} == {"finished"}

    @pytest.mark.parametrize("number,code", [(signal.SIGTERM, -15), (signal.SIGINT, -2)])
    def test_signals(self, number, code):
        source = """
            import gitml, time
            run = gitml.start_run()
            run.log_metric("loss", 1.0)
            print(run.id, flush=True)
            time.sleep(60)
        """
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(source)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        run_id = process.stdout.readline().strip()
        process.send_signal(number)
        process.communicate()
        assert process.returncode == code
        found = gitml.get_run(run_id)
        assert (found.status, counts(found)) == ("killed", {"loss": 1})

    def test_a_handler_of_the_program_stays(self, program):
        code, out, err = program(
            """
            import os, signal, gitml
            signal.signal(signal.SIGTERM, lambda *_: print("mine"))
            with gitml.start_run() as run:
                os.kill(os.getpid(), signal.SIGTERM)
            print(run.id)
            """
        )
        assert (code, err) == (0, "")
        assert out.splitlines()[0] == "mine"
        assert gitml.get_run(out.splitlines()[1]).status == "finished"

    @pytest.mark.slow
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_within_a_write(self, number):
        """It may come anywhere, in the middle of a commit too; no point is lost."""
        source = """
            import gitml, sys
            with gitml.start_run() as run:
                print(run.id, flush=True)
                step = 0
                while True:
                    run.log_metric("loss", 1.0, step=step)
                    step += 1
                    if step % 100 == 0:
                        run.checkpoint()
                        print(step, flush=True)
                        sum(range(100_000))  # the training
        """
        for nth in range(4):
            process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(source)],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            run_id = process.stdout.readline().strip()
            assert process.stdout.readline() == "100\n"  # it is well on its way
            time.sleep(nth * 0.037)
            process.send_signal(number)
            out, _ = process.communicate(timeout=300)
            assert process.returncode == -number
            found = gitml.get_run(run_id)
            said = int(out.split()[-1]) if out.split() else 0
            assert found.status == "killed"
            assert found.metrics["loss"].count >= said
            assert found.metrics["loss"].count == found.metrics["loss"].step + 1

    def test_sigterm_in_a_program_of_threads(self, program):
        code, out, err = program(
            """
            import gitml, os, signal, threading, time
            run = gitml.start_run()
            print(run.id, flush=True)
            def work():
                step = 0
                while True:
                    try:
                        run.log_metric("loss", 1.0, step=step)
                    except gitml.GitmlError:
                        return
                    step += 1
            for _ in range(3):
                threading.Thread(target=work, daemon=True).start()
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(100)
            """
        )
        assert code == -15, err
        assert gitml.get_run(out.strip()).status == "killed"

    def test_killed_at_once_loses_nothing(self, program, gitml_cli, content):
        code, out, _ = program(
            """
            import gitml, os
            run = gitml.start_run("churn")
            run.log_params({"lr": 0.1})
            for step in range(1000):
                run.log_metric("loss", step / 3, step=step)
            run.log_text("text", "a.txt")
            print(run.id, flush=True)
            os.kill(os.getpid(), 9)
            """
        )
        assert code == -9
        assert gitml_cli("pack").code == 0
        found = gitml.get_run(out.strip())
        assert (found.status, found.params, counts(found)) == (
            *("killed", {"lr": 0.1}, {"loss": 1000}),
        )
        assert content(found, "a.txt") == b"text"
