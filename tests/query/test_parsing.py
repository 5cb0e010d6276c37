"""Many runs are parsed by workers, with the same answers, and without them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gitml.query import parsing
from gitml.query.rows import from_row
from gitml.records import run_files
from tests.bench.ledgers import make_ledger, make_run

RUNS = [make_run(number) for number in range(150)]


def orders():
    for number, run in enumerate(RUNS):
        files = run_files(run)
        if number % 25 == 7:
            files["run.yaml"] = b"broken \xff"
        yield run.id, files


@pytest.fixture
def workers(monkeypatch):
    monkeypatch.setattr(parsing, "ALONE", 10)
    monkeypatch.setattr(parsing, "_processors", lambda: 2)


def test_workers_answer_as_this_process_does(workers, monkeypatch):
    alone = list(map(parsing.parse, orders()))
    assert sum(isinstance(answer, str) for answer in alone) == 6
    started = []
    start = parsing._start
    monkeypatch.setattr(parsing, "_start", lambda: started.append(start()) or started[-1])
    assert list(parsing.parse_all(orders(), len(RUNS))) == alone
    assert [worker.returncode is not None for worker in started] == [True, True]
    row = alone[0]
    assert from_row(row["json"], "sweep") == RUNS[0]


@pytest.mark.parametrize(
    "interpreter", ["/nowhere/python", "/bin/false", "/bin/cat", "/bin/echo", None, ""]
)
def test_without_an_interpreter_that_answers_it_goes_on_here(workers, monkeypatch, interpreter):
    monkeypatch.setattr(sys, "executable", interpreter)
    assert len(list(parsing.parse_all(orders(), len(RUNS)))) == len(RUNS)


def test_a_worker_that_dies_is_done_without(workers, monkeypatch):
    start = parsing._start
    started = []

    def one_that_dies():
        started.append(start())
        started[0].kill()
        return started[-1]

    monkeypatch.setattr(parsing, "_start", one_that_dies)
    assert len(list(parsing.parse_all(orders(), len(RUNS)))) == len(RUNS)


def test_reading_may_stop_half_way(workers):
    answers = parsing.parse_all(orders(), len(RUNS))
    next(answers)
    answers.close()


UNGUARDED = """
import sys
print("once")
from pathlib import Path
from gitml.query import parsing
from gitml.query.index import open_index
from gitml.store.git import open_repository
parsing.ALONE = 10
parsing._processors = lambda: 2
repository = open_repository(Path(sys.argv[1]))
with open_index(repository, now=0) as index:
    print(index.count())
print(sorted(m for m in sys.modules if m.startswith("multiprocessing")))
"""


def test_the_callers_script_is_not_run_again(repo, tmp_path):
    make_ledger(repo, 60)
    script = tmp_path / "train.py"
    script.write_text(UNGUARDED)
    (tmp_path / "yaml.py").write_text("print('not the yaml that was meant')")
    done = subprocess.run(
        [sys.executable, "-P", script, repo],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        check=False,
    )
    assert (done.stdout, done.stderr) == ("once\n60\n[]\n", "")
