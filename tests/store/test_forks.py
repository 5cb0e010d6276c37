"""Forks: what a child inherits must neither keep a run from ending nor be ended by it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from gitml.store.git import open_repository
from gitml.store.state import view

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def run_script(path, script):
    """Run ``script`` in the repository at ``path`` and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def committed(path, run_id):
    repository = open_repository(path)
    try:
        tree = repository.resolve(f"refs/gitml/runs/{run_id}^{{tree}}")
        assert tree is not None, "the run is not in git"
        return view(repository, run_id, [tree])
    finally:
        repository.close()


CHILD = """
    import os, time, gitml

    def child():
        # What a data loader's worker is: forked, and alive until somebody ends it.
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        return pid
"""


def test_a_child_that_outlives_the_run_does_not_keep_it_from_git(repo):
    out = run_script(
        repo,
        CHILD
        + """
    import signal
    run = gitml.start_run("forks")
    run.log_metric("loss", 0.5, 0)
    first = child()
    run.checkpoint()
    second = child()
    run.log_metric("loss", 0.25, 1)
    ended = run.end()
    assert ended.status == "finished", ended
    assert not os.path.exists(f".git/gitml/live/{run.id}"), os.listdir(f".git/gitml/live/{run.id}")
    for pid in (first, second):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    print(run.id)
    """,
    )
    run = committed(repo, out.strip())
    assert (run.status, run.metrics["loss"].count) == ("finished", 2)
    assert list((repo / ".git/gitml/live").iterdir()) == []


def test_git_is_told_the_end_of_its_input_while_a_child_holds_our_pipes(repo):
    """The code is captured by a thread: a fork at that moment must not stall it."""
    (repo / "more.py").write_text("x = 1\n" * 1000)
    out = run_script(
        repo,
        CHILD
        + """
    import signal
    for attempt in range(8):
        run = gitml.start_run("forks")
        time.sleep(attempt * 0.002)
        pid = child()
        started = time.monotonic()
        ended = run.end()
        assert time.monotonic() - started < 20
        assert ended.source.tree
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        print(run.id)
    """,
    )
    assert len(out.split()) == 8
    for run_id in out.split():
        assert committed(repo, run_id).source.dirty


def test_what_a_child_logs_is_in_the_run(repo):
    out = run_script(
        repo,
        """
    import os, gitml
    run = gitml.start_run("forks")
    run.log_metric("loss", 1.0, 0)
    children = []
    for number in range(1, 5):
        pid = os.fork()
        if pid == 0:
            for step in range(100):
                run.log_metric(f"worker/{number}", step / 2, step)
            os._exit(0)
        children.append(pid)
    run.checkpoint()
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    ended = run.end()
    assert len(ended.metrics) == 5, sorted(ended.metrics)
    print(run.id)
    """,
    )
    run = committed(repo, out.strip())
    assert [run.metrics[f"worker/{n}"].count for n in range(1, 5)] == [100] * 4


def test_a_child_that_ends_by_itself_does_not_end_the_run(repo):
    out = run_script(
        repo,
        """
    import os, sys, gitml
    run = gitml.start_run("forks")
    pid = os.fork()
    if pid == 0:
        run.log_metric("child", 1.0, 0)
        sys.exit(0)  # through atexit, unlike a worker of multiprocessing
    assert os.waitpid(pid, 0)[1] == 0
    assert not run.ended
    run.log_metric("loss", 1.0, 0)
    assert run.end().status == "finished"
    print(run.id)
    """,
    )
    run = committed(repo, out.strip())
    assert (run.status, sorted(run.metrics)) == ("finished", ["child", "loss"])
    assert run.ended is not None


def test_children_of_multiprocessing_log_too(repo):
    script = repo / "pool.py"
    script.write_text(
        textwrap.dedent("""
        import multiprocessing, gitml

        def work(number):
            gitml.log_metric("square", number * number, number)
            return number

        if __name__ == "__main__":
            with gitml.start_run("forks") as run:
                with multiprocessing.get_context("fork").Pool(3) as pool:
                    assert sum(pool.map(work, range(50))) == 1225
            print(run.id)
        """)
    )
    out = run_script(repo, f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')")
    run = committed(repo, out.strip())
    assert (run.metrics["square"].count, run.metrics["square"].max) == (50, 49.0**2)
