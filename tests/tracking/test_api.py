"""The Python interface: what a training program calls, and what is in git afterwards."""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import datetime as dt
import math
import pathlib
import time
import traceback
import types

import numpy as np
import pytest

import gitml
from gitml.errors import InputError, NotFoundError, RefusedError, RepositoryError, UsageError

pytestmark = pytest.mark.usefixtures("here")


def counts(run):
    return {name: metric.count for name, metric in run.metrics.items()}


class TestLogging:
    def test_everything_a_run_holds(self, here):
        (here / "data.csv").write_text("a,b\n1,2\n3,4\n", "utf-8")
        (here / "plot.txt").write_text("drawn", "utf-8")
        with gitml.start_run(
            experiment="churn", name="first", params={"lr": 0.1}, tags={"team": "growth"}, note="x"
        ) as run:
            run.log_params({"model": {"depth": 6, "kind": "forest"}, "wide": True})
            run.log_metric("loss", 0.3, step=1)
            run.log_metrics({"loss": 0.2, "auc": 0.9}, step=2)
            run.log_artifact("plot.txt")
            run.log_input("data.csv", context="training")
            run.set_tags({"seed": 3, "team": None})
            run.note("changed")
            assert gitml.active_run() is run
            assert "running" in repr(run)
        assert gitml.active_run() is None
        found = gitml.get_run("first")
        assert (found.experiment, found.status, found.note) == ("churn", "finished", "changed")
        assert found.params == {"lr": 0.1, "model.depth": 6, "model.kind": "forest", "wide": True}
        assert found.metrics["loss"].last == 0.2
        assert (found.metrics["loss"].min, found.metrics["loss"].max) == (0.2, 0.3)
        assert counts(found) == {"loss": 2, "auc": 1}
        assert found.tags == {"seed": "3"}
        assert found.artifacts["plot.txt"].size == 5
        (dataset,) = found.inputs
        assert (dataset.name, dataset.context, dataset.rows) == ("data.csv", "training", 2)
        assert found.ended >= found.created
        assert found.author == "Ada Author <ada@example.com>"
        assert found.environment.python
        assert found.source.branch == "main"
        assert sorted(found.source.changed) == ["data.csv", "plot.txt"]

    def test_params_keep_their_types(self):
        class Thing:
            def __str__(self):
                return "a thing"

        @dataclasses.dataclass
        class Config:
            rate: float
            optimizer: list

        params = {
            "text": "1e-5",
            "int": 7,
            "float": 1e-5,
            "true": True,
            "none": None,
            "list": [1, "two", 3.0, None],
            "tuple": (1, 2),
            "sequence": collections.UserList([1, collections.deque(["a"])]),
            "range": range(10**9),
            "bytes": b"ab",
            "empty": {},
            "nan": math.nan,
            "numpy": np.float32(0.5),
            "whole": np.int64(3),
            "flag": np.bool_(True),
            "path": pathlib.Path("a/b"),
            "day": dt.date(2026, 1, 2),
            "thing": Thing(),
            "nested": {"a": {"b": 1}},
            "array": np.array([[1, 2], [3, 4]]),
            "long": np.arange(5000),
            "set": {"b", "a", "c"},
            "function": self.test_params_keep_their_types.__func__,
            "config": Config(0.1, [Config(0.1, [])]),
            "parsed": argparse.Namespace(deep=types.SimpleNamespace(er=True)),
        }
        with gitml.start_run() as run:
            run.log_params(params)
        found = gitml.get_run(run.id).params
        assert math.isnan(found.pop("nan"))
        assert found == {
            "text": "1e-5",
            "int": 7,
            "float": 1e-5,
            "true": True,
            "none": None,
            "list": [1, "two", 3.0, None],
            "tuple": [1, 2],
            "sequence": [1, ["a"]],
            "range": "range(0, 1000000000)",
            "bytes": "b'ab'",
            "empty": None,
            "numpy": 0.5,
            "whole": 3,
            "flag": True,
            "path": "a/b",
            "day": "2026-01-02",
            "thing": "a thing",
            "nested.a.b": 1,
            "array": [[1, 2], [3, 4]],
            "long": "[   0    1    2 ... 4997 4998 4999]",
            "set": ["a", "b", "c"],
            "function": "<function TestLogging.test_params_keep_their_types>",
            "config.rate": 0.1,
            "config.optimizer": [{"rate": 0.1, "optimizer": []}],
            "parsed.deep.er": True,
        }
        assert isinstance(found["whole"], int)
        assert found["flag"] is True
        with gitml.start_run(params=argparse.Namespace(depth=6)) as run:
            run.log_params(Config(0.1, []))
            with pytest.raises(InputError, match="Params are names and values, and not 5"):
                run.log_params(5)
        assert gitml.get_run(run.id).params == {"depth": 6, "rate": 0.1, "optimizer": []}

    def test_two_values_for_a_param(self):
        with gitml.start_run(name="x") as run:
            run.log_param("lr", 0.1)
            run.log_param("lr", 0.1)
            run.log_param("one", 1)
            run.log_param("one", 1.0)
            with pytest.raises(InputError, match=r"The param lr is 0\.1 already, not 0\.2"):
                run.log_params({"new": 1, "lr": 0.2})
            with pytest.raises(InputError):
                run.log_param("one", True)
        assert gitml.get_run("x").params == {"lr": 0.1, "one": 1}
        assert gitml.get_run("x").conflict == ()

    def test_values_of_metrics(self):
        with gitml.start_run() as run:
            run.log_metric("nan", math.nan)
            run.log_metric("inf", math.inf)
            run.log_metric("down", -math.inf)
            run.log_metric("int", 3)
            run.log_metric("bool", True)
            run.log_metric("big", 2**70)
            for value in (np.float16(0.5), np.int32(2), np.array(4.0), np.float64("nan")):
                run.log_metric("numpy", value, step=np.int64(10))
            run.log_metric("one", np.array([[4.0]]))
            run.log_metric("tensor", types.SimpleNamespace(item=lambda: 5))
            with pytest.raises(InputError, match=r"is not a number: '0\.5'"):
                run.log_metric("bad", "0.5")
            for text in ("0.5", b"1", None, [1.0], np.array([1.0, 2.0]), {}, 1j, object(), 10**400):
                with pytest.raises(InputError, match="The metric bad is not a number"):
                    run.log_metric("bad", text)
        found = gitml.get_run(run.id).metrics
        assert "bad" not in found
        assert math.isnan(found["nan"].last)
        assert math.isnan(found["nan"].min)
        assert (found["inf"].last, found["down"].last) == (math.inf, -math.inf)
        assert (found["int"].last, found["bool"].last, found["big"].last) == (3.0, 1.0, 2.0**70)
        assert found["numpy"].step == 10
        assert (found["one"].last, found["tensor"].last) == (4.0, 5.0)

    def test_steps(self):
        with gitml.start_run() as run:
            for value in (3.0, 2.0):
                run.log_metric("counted", value)
            run.log_metric("counted", 1.0, step=10)
            run.log_metric("counted", 0.5)
            run.log_metric("negative", 1.0, step=-5)
            run.log_metric("whole", 1.0, step=4.0)
            for step in (1.5, "1", math.nan, None.__class__, 2**63, -(2**64)):
                with pytest.raises(InputError):
                    run.log_metric("bad", 1.0, step=step)
        steps = [(p.step, p.value) for p in gitml.metric_history(run.id, "counted")]
        assert steps == [(0, 3.0), (1, 2.0), (10, 1.0), (11, 0.5)]
        found = gitml.get_run(run.id).metrics
        assert found["negative"].step == -5
        assert found["whole"].step == 4
        assert "bad" not in found

    def test_times(self):
        before = time.time_ns() // 1_000_000
        with gitml.start_run() as run:
            run.log_metric("loss", 1.0, step=0, time=1_700_000_000_000)
            run.log_metrics({"loss": 0.5}, step=1)
        first, second = gitml.metric_history(run.id, "loss")
        assert first.time == 1_700_000_000_000
        assert before <= second.time <= time.time_ns() // 1_000_000

    def test_all_metrics_or_none(self):
        with gitml.start_run() as run:
            with pytest.raises(InputError):
                run.log_metrics({"a": 1.0, "b": "x"}, step=1)
            run.log_metric("a", 2.0)
        assert counts(gitml.get_run(run.id)) == {"a": 1}
        assert gitml.metric_history(run.id, "a")[0].step == 0

    @pytest.mark.parametrize(
        "name", ["val/loss", "a b", "größe", "a,b", 'a"b', "a.b", "-x", "日本", "'", "#", ":"]
    )
    def test_names_of_any_sort(self, name):
        with gitml.start_run() as run:
            run.log_metric(name, 1.0, step=3)
            run.log_param(name, name)
            run.set_tag(name, name)
        found = gitml.get_run(run.id)
        assert found.metrics[name].step == 3
        assert (found.params, found.tags) == ({name: name}, {name: name})
        assert [p.metric for p in gitml.metric_history(run.id, name)] == [name]

    @pytest.mark.parametrize("name", ["", " ", " a", "a\nb", "\x1b[31m", "a\u202eb", "x" * 300])
    def test_names_that_cannot_be(self, name):
        with gitml.start_run() as run:
            for call in (
                lambda: run.log_metric(name, 1.0),
                lambda: run.log_param(name, 1),
                lambda: run.set_tag(name, 1),
                lambda: gitml.start_run(name or " ", nested=True),
            ):
                with pytest.raises(InputError) as caught:
                    call()
                assert "\x1b" not in str(caught.value)
                assert "\n" not in str(caught.value)
        found = gitml.get_run(run.id)
        assert (found.metrics, found.params, found.tags) == ({}, {}, {})

    def test_names_that_are_no_text(self):
        with gitml.start_run() as run:
            with pytest.raises(InputError, match="must be text"):
                run.log_metric(3, 1.0)
            run.log_params({1: "one"})
        assert gitml.get_run(run.id).params == {"1": "one"}

    @pytest.mark.parametrize("text", ["\x00\x1b\n\t", "\u202e", "𝄞", "x" * 60_000])
    def test_values_of_any_text(self, text):
        with gitml.start_run() as run:
            run.log_param("value", text)
            run.set_tag("value", text)
            run.note(text)
        found = gitml.get_run(run.id)
        assert (found.params["value"], found.tags["value"], found.note) == (text, text, text)

    def test_half_a_character_is_kept_as_its_escape(self):
        with gitml.start_run() as run:
            run.log_param("value", "a\ud800b")
        assert gitml.get_run(run.id).params["value"] == "a\\ud800b"

    def test_values_that_are_too_long(self):
        with gitml.start_run() as run:
            for call in (
                lambda: run.log_param("p", "x" * 70_000),
                lambda: run.set_tag("t", "x" * 70_000),
                lambda: run.note("x" * 70_000),
            ):
                with pytest.raises(InputError, match="70,00"):
                    call()


class TestActive:
    def test_functions_start_a_run_if_there_is_none(self, here):
        gitml.log_metric("loss", 0.5)
        run = gitml.active_run()
        gitml.log_metrics({"auc": 0.9}, step=3)
        gitml.log_param("lr", 0.1)
        gitml.log_params({"depth": 6})
        gitml.log_text("text", "a.txt")
        gitml.log_dict({}, "a.json")
        gitml.log_artifact("train.py")
        (here / "out").mkdir()
        (here / "out" / "deep.txt").write_text("x", "utf-8")
        gitml.log_artifacts("out")
        gitml.log_input("train.py")
        gitml.set_tag("a", 1)
        gitml.set_tags({"b": 2})
        gitml.note("n")
        assert gitml.active_run() is run
        found = gitml.end_run()
        assert gitml.end_run() is None
        assert (found.experiment, found.status) == ("default", "finished")
        assert found.params == {"lr": 0.1, "depth": 6}
        assert found.tags == {"a": "1", "b": "2"}
        assert found.artifacts.keys() == {"a.txt", "a.json", "train.py", "deep.txt"}

    def test_a_second_run_needs_to_be_nested(self):
        with gitml.start_run("outer") as outer:
            with pytest.raises(UsageError, match="is active already"):
                gitml.start_run()
            with gitml.start_run(nested=True) as inner:
                gitml.log_metric("a", 1.0)
                with gitml.start_run("other", nested=True) as innermost:
                    assert gitml.active_run() is innermost
                assert gitml.active_run() is inner
            gitml.log_metric("b", 1.0)
        assert gitml.get_run(inner.id).parent == outer.id
        assert gitml.get_run(innermost.id).parent == inner.id
        assert (gitml.get_run(inner.id).experiment, innermost.experiment) == ("outer", "other")
        assert counts(gitml.get_run(inner.id)) == {"a": 1}
        assert counts(gitml.get_run(outer.id)) == {"b": 1}

    def test_use_after_the_end(self, here):
        with gitml.start_run(name="over") as run:
            pass
        assert run.ended
        assert "ended" in repr(run)
        for call in (
            lambda: run.log_metric("a", 1.0),
            lambda: run.log_metrics({"a": 1.0}),
            lambda: run.log_param("a", 1),
            lambda: run.log_text("a", "a"),
            lambda: run.set_tag("a", 1),
            lambda: run.note("a"),
        ):
            with pytest.raises(RefusedError, match="over has ended"):
                call()
        run.log_params({})
        assert run.end().id == run.id  # again, and nothing happens
        run.checkpoint()
        assert not [*(here / ".git" / "gitml" / "live").rglob("*")]

    def test_status(self):
        run = gitml.start_run()
        with pytest.raises(InputError, match="done is not a status"):
            run.end("done")
        assert not run.ended
        assert run.end("failed").status == "failed"

    def test_an_exception_fails_the_run_and_passes(self):
        def train():
            with gitml.start_run(name="bad") as run:
                run.log_metric("a", 1.0)
                raise ValueError("bad")

        with pytest.raises(ValueError, match="bad"):
            train()
        found = gitml.get_run("bad")
        assert (found.status, counts(found)) == ("failed", {"a": 1})

    @pytest.mark.parametrize(
        "error,status",
        [
            (KeyboardInterrupt(), "killed"),
            (SystemExit(), "finished"),
            (SystemExit(0), "finished"),
            (SystemExit(3), "failed"),
            (SystemExit("text"), "failed"),
            (GeneratorExit(), "failed"),
        ],
    )
    def test_what_an_exception_means(self, error, status):
        with pytest.raises(type(error)), gitml.start_run() as run:
            raise error
        assert gitml.get_run(run.id).status == status

    def test_a_run_that_cannot_be_committed_is_kept(self, here, gitml_cli):
        run = gitml.start_run(name="stuck")
        run.log_metric("a", 1.0)
        lock = here / ".git" / "refs" / "gitml" / "runs" / f"{run.id}.lock"
        lock.parent.mkdir(parents=True)
        lock.touch()
        with pytest.raises(gitml.GitmlError):
            run.end()
        assert gitml.active_run() is None
        lock.unlink()
        assert gitml_cli("pack").code == 0
        assert (gitml.get_run("stuck").status, counts(gitml.get_run("stuck"))) == (
            "finished",
            {"a": 1},
        )

    def test_the_programs_own_error_is_the_one_to_see(self, here):
        def train():
            with gitml.start_run() as run:
                lock = here / ".git" / "refs" / "gitml" / "runs" / f"{run.id}.lock"
                lock.parent.mkdir(parents=True)
                lock.touch()
                raise ValueError("mine")

        with pytest.warns(UserWarning, match="gitml pack"), pytest.raises(ValueError, match="mine"):
            train()

    def test_experiment_comes_from_settings_and_environment(self, here, monkeypatch):
        (here / ".gitml").mkdir()
        (here / ".gitml" / "config.yaml").write_text("experiment: house\n", "utf-8")
        with gitml.start_run() as run:
            assert run.experiment == "house"
        monkeypatch.setenv("GITML_EXPERIMENT", "sweep")
        with gitml.start_run() as run:
            assert run.experiment == "sweep"
        with gitml.start_run("given") as run:
            assert run.experiment == "given"

    def test_no_repository(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(RepositoryError, match="is not in a git repository"):
            gitml.start_run()
        assert gitml.active_run() is None

    def test_another_store(self, here, bare_repo, git):
        with gitml.start_run("churn", repo=bare_repo) as run:
            run.log_metric("a", 1.0)
        assert gitml.get_run(run.id, repo=bare_repo).source.branch == "main"
        with pytest.raises(NotFoundError):
            gitml.get_run(run.id)
        assert git(here, "for-each-ref", "refs/gitml") == ""

    def test_an_unusable_flag_leaves_no_run(self):
        with pytest.raises(InputError):
            gitml.start_run(params={"a": "x" * 70_000})
        assert gitml.active_run() is None
        assert len(gitml.search_runs()) == 0
        with pytest.raises(InputError):
            gitml.start_run(system_metrics=-1.0)
        assert gitml.active_run() is None
        assert len(gitml.search_runs()) == 0

    def test_parent_is_a_run(self):
        with gitml.start_run(name="up") as up:
            pass
        for text in (up.id, up.id[:8], "up"):
            with gitml.start_run(parent=text) as run:
                pass
            assert gitml.get_run(run.id).parent == up.id
        with pytest.raises(NotFoundError):
            gitml.start_run(parent="nobody")


class TestResume:
    def test_by_id_prefix_and_name(self):
        with gitml.start_run("churn", name="one") as first:
            first.log_param("lr", 0.1)
            first.log_metric("loss", 0.5)
        for text in (first.id, first.id[:6], "one", "latest"):
            with gitml.start_run(run_id=text) as run:
                assert (run.id, run.name, run.experiment) == (first.id, "one", "churn")
                assert gitml.get_run("one").status == "running"
                run.log_metric("loss", 0.4)
                with pytest.raises(InputError, match="already"):
                    run.log_param("lr", 0.2)
        found = gitml.get_run("one")
        assert found.status == "finished"
        assert [p.step for p in gitml.metric_history("one", "loss")] == [0, 1, 2, 3, 4]
        assert found.source == gitml.get_run(first.id).source

    def test_a_killed_run(self, program):
        code, out, _ = program(
            """
            import gitml, os
            run = gitml.start_run("churn", name="dead")
            run.log_metric("loss", 1.0, step=0)
            print(run.id, flush=True)
            os.kill(os.getpid(), 9)
            """
        )
        assert code == -9
        with gitml.start_run(run_id="dead") as run:
            run.log_metric("loss", 0.5, step=1)
        found = gitml.get_run(out.strip())
        assert (found.status, counts(found)) == ("finished", {"loss": 2})
        assert len(gitml.search_runs()) == 1

    def test_a_sealed_run(self, here, gitml_cli, git):
        with gitml.start_run("churn", name="sealed") as first:
            first.log_metric("loss", 1.0, step=0)
        assert gitml_cli("pack").code == 0
        assert git(here, "for-each-ref", "refs/gitml/runs") == ""
        with gitml.start_run(run_id="sealed") as run:
            run.log_metric("loss", 0.5)
        found = gitml.get_run("sealed")
        assert (found.id, counts(found)) == (first.id, {"loss": 2})
        assert gitml_cli("pack").code == 0
        assert counts(gitml.get_run("sealed")) == {"loss": 2}

    def test_nobody(self):
        with pytest.raises(NotFoundError):
            gitml.start_run(run_id="nobody")
        assert gitml.active_run() is None


class TestFinding:
    @pytest.fixture
    def sweep(self, here):
        for nth, lr in enumerate((0.1, 0.01, 0.001)):
            with gitml.start_run("sweep", name=f"run-{nth}", params={"lr": lr}) as run:
                run.log_metric("auc", 0.7 + nth / 10)
                run.log_metric("loss", 1.0 / (nth + 1))
        with gitml.start_run("other", name="apart") as run:
            run.log_metric("auc", 0.1)
        return here

    @pytest.mark.usefixtures("sweep")
    def test_search(self):
        assert [r.name for r in gitml.search_runs(experiment="sweep", order_by="-metrics.auc")] == [
            *["run-2", "run-1", "run-0"]
        ]
        found = gitml.search_runs(where="params.lr < 0.05", order_by=["metrics.loss"], limit=1)
        assert [r.name for r in found] == ["run-2"]
        assert len(gitml.search_runs()) == 4
        with pytest.raises((InputError, NotFoundError), match="no param is called lt"):
            gitml.search_runs(where="params.lt < 1")

    @pytest.mark.usefixtures("sweep")
    def test_a_list_of_runs(self):
        found = gitml.search_runs(experiment="sweep", order_by="name")
        assert isinstance(found[0], gitml.Run)
        assert [r.name for r in found[1:]] == ["run-1", "run-2"]
        assert isinstance(found[1:], gitml.RunList)
        assert repr(found) == "<RunList of 3 runs: run-0, run-1, run-2>"
        assert repr(found[:0]) == "<RunList of 0 runs>"
        row = found.to_dicts()[0]
        assert (row["name"], row["params.lr"], row["metrics.auc"]) == ("run-0", 0.1, 0.7)
        assert "<th>params.lr</th>" in found._repr_html_()
        with contextlib.suppress(ImportError):
            import pandas as pd

            assert isinstance(found.to_pandas(), pd.DataFrame)

    @pytest.mark.usefixtures("sweep")
    def test_a_list_in_a_notebook_is_escaped(self):
        with gitml.start_run(name="<script>") as run:
            run.log_param("<b>", "<i>")
        shown = gitml.search_runs(where="name = '<script>'")._repr_html_()
        assert "<script>" not in shown
        assert "&lt;script&gt;" in shown
        assert "<b>" not in shown

    @pytest.mark.usefixtures("sweep")
    def test_get(self):
        assert gitml.get_run("run-1").params == {"lr": 0.01}
        assert gitml.get_run("best:auc").name == "run-2"
        assert gitml.get_run("latest").name == "apart"
        with pytest.raises(NotFoundError) as caught:
            gitml.get_run("run-9")
        assert "run-" in caught.value.hint
        with pytest.raises(NotFoundError, match="run-1 has no metric acu") as caught:
            gitml.metric_history("run-1", "acu")
        assert caught.value.hint == "did you mean auc?"

    def test_a_run_is_found_while_it_runs(self):
        with gitml.start_run(name="now") as run:
            run.log_metric("loss", 0.5)
            found = gitml.get_run("now")
            assert (found.status, found.ended, counts(found)) == ("running", None, {"loss": 1})
            run.checkpoint()
            run.log_metric("loss", 0.4)
            assert counts(gitml.get_run("now")) == {"loss": 2}
            assert [p.value for p in gitml.metric_history("now", "loss")] == [0.5, 0.4]


def sampled(run):
    return "system/memory_mb" in gitml.get_run(run.id).metrics


class TestSystemMetrics:
    def test_they_are_sampled(self):
        pytest.importorskip("psutil", reason="psutil is not installed")
        with gitml.start_run(system_metrics=0.05) as run:
            end = time.monotonic() + 60
            while not sampled(run) and time.monotonic() < end:
                time.sleep(0.01)
        found = gitml.get_run(run.id).metrics
        assert found["system/memory_mb"].count >= 2
        assert found["system/memory_mb"].last > 1

    def test_without_psutil(self, program):
        code, out, _ = program(
            """
            import sys
            sys.modules["psutil"] = None
            import gitml
            try:
                gitml.start_run(system_metrics=True)
            except gitml.GitmlError as error:
                print(error.message, error.hint)
            """
        )
        assert code == 0
        assert "pip install 'gitml[system]'" in out
        assert len(gitml.search_runs()) == 0


class TestLoading:
    def test_import_is_cheap(self, program):
        code, out, _ = program(
            """
            import sys, gitml
            heavy = {"git", "yaml", "sqlite3", "click", "rich", "jinja2", "numpy", "pandas"}
            print(sorted(heavy & sys.modules.keys()))
            gitml.start_run
            print(sorted({"click", "rich", "jinja2", "numpy", "pandas"} & sys.modules.keys()))
            """
        )
        assert (code, out) == (0, "[]\n[]\n")

    def test_names(self):
        assert set(gitml.__all__) <= set(dir(gitml))
        assert all(getattr(gitml, name).__doc__ for name in gitml.__all__)
        with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
            gitml.nonsense  # noqa: B018 - the access is the test
        assert (pathlib.Path(gitml.__file__).parent / "py.typed").exists()


def test_the_hint_of_a_failure_is_in_its_traceback():
    with pytest.raises(gitml.GitmlError) as caught:
        gitml.get_run("nosuch")
    lines = "".join(traceback.format_exception(caught.value)).splitlines()
    assert lines[-2].startswith("gitml.errors.NotFoundError: no run is named nosuch")
    assert lines[-1] == f"hint: {caught.value.hint}"
