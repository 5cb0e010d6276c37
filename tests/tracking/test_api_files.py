"""Artifacts and inputs from Python: files, folders, figures, tables."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

import gitml
from gitml.codec import load_user_yaml
from gitml.errors import InputError, NotFoundError

pytestmark = pytest.mark.usefixtures("here")


class TestFiles:
    def test_text_and_mappings(self, content):
        with gitml.start_run() as run:
            run.log_text("größe\n", "notes/a.txt")
            run.log_dict({"b": [1, 2.5, None], "a": "1e-5"}, "conf.json")
            run.log_dict({"b": [1, 2.5, None], "a": "1e-5"}, "conf.yaml")
        found = gitml.get_run(run.id)
        assert content(found, "notes/a.txt").decode() == "größe\n"
        assert json.loads(content(found, "conf.json")) == {"b": [1, 2.5, None], "a": "1e-5"}
        assert b"'1e-5'" in content(found, "conf.yaml").replace(b'"', b"'")
        assert found.artifacts["conf.yaml"].media_type == "application/yaml"

    def test_a_plotly_figure(self, content):
        plotly = pytest.importorskip("plotly.graph_objects")
        with gitml.start_run() as run:
            run.log_figure(plotly.Figure(data=[{"type": "bar", "y": [1, 2]}]), "bars.json")
            with pytest.raises(InputError, match=r"cannot be logged as bars\.png"):
                run.log_figure(plotly.Figure(), "bars.png")
        assert json.loads(content(gitml.get_run(run.id), "bars.json"))["data"]

    def test_a_matplotlib_figure(self, content):
        pytest.importorskip("matplotlib", reason="Matplotlib is not installed").use("agg")
        from matplotlib.figure import Figure

        with gitml.start_run() as run:
            run.log_figure(Figure(), "plots/empty.png")
            with pytest.raises(InputError, match="Matplotlib cannot write"):
                run.log_figure(Figure(), "plot.nonsense")
        assert content(gitml.get_run(run.id), "plots/empty.png").startswith(b"\x89PNG")

    def test_an_image(self, content):
        pytest.importorskip("PIL", reason="Pillow is not installed")
        with gitml.start_run() as run:
            run.log_image(np.zeros((2, 3, 3)), "black.png")
            with pytest.raises(InputError, match="not an image"):
                run.log_image(np.zeros((2, 3, 7)), "odd.png")
        assert content(gitml.get_run(run.id), "black.png").startswith(b"\x89PNG")

    @pytest.mark.parametrize("name", ["x.json", "x.yaml"])
    def test_a_mapping_of_numbers_of_numpy(self, content, name):
        with gitml.start_run() as run:
            run.log_dict({"auc": np.float32(0.5), "by": np.array([1, 2])}, name)
        assert load_user_yaml(content(gitml.get_run(run.id), name).decode(), name) == {
            "auc": 0.5,
            "by": [1, 2],
        }

    def test_what_is_no_figure_or_image(self):
        with gitml.start_run() as run:
            with pytest.raises(InputError, match="is not a figure"):
                run.log_figure("text", "a.png")
            with pytest.raises(InputError, match=r"not an image|needs Pillow"):
                run.log_image("text", "a.png")
        assert gitml.get_run(run.id).artifacts == {}

    def test_folders(self, here):
        (here / "out" / "deep").mkdir(parents=True)
        (here / "out" / "a.txt").write_text("a", "utf-8")
        (here / "out" / "deep" / "b.txt").write_text("b", "utf-8")
        with gitml.start_run() as run:
            run.log_artifact("out")
            run.log_artifact(here / "out", "again")
            run.log_artifacts("out")
            run.log_artifacts("out", "into")
            run.log_artifact("out/a.txt", "of/")
            run.log_artifact(here / "out" / "deep", "of/")
        assert sorted(gitml.get_run(run.id).artifacts) == [
            *["a.txt", "again/a.txt", "again/deep/b.txt", "deep/b.txt", "into/a.txt"],
            *["into/deep/b.txt", "of/a.txt", "of/deep/b.txt", "out/a.txt", "out/deep/b.txt"],
        ]

    def test_a_file_is_copied_at_once(self, here, content):
        file = here / "model.txt"
        file.write_text("first", "utf-8")
        with gitml.start_run() as run:
            run.log_artifact(file)
            file.write_text("second", "utf-8")
        assert content(gitml.get_run(run.id), "model.txt") == b"first"

    def test_a_later_file_of_one_path_replaces_the_first(self, content):
        with gitml.start_run() as run:
            run.log_text("first", "a.txt")
            run.checkpoint()
            run.log_text("second", "a.txt")
        assert content(gitml.get_run(run.id), "a.txt") == b"second"

    def test_a_large_file_goes_to_lfs(self, here, git, content):
        (here / "model.bin").write_bytes(os.urandom(3_000_000))
        with gitml.start_run() as run:
            run.log_artifact("model.bin")
        found = gitml.get_run(run.id)
        assert found.artifacts["model.bin"].store == "lfs"
        assert content(found, "model.bin") == (here / "model.bin").read_bytes()
        pointer = git(here, "show", f"refs/gitml/runs/{run.id}:artifacts/model.bin")
        assert pointer.startswith("version https://git-lfs.github.com/spec/v1\n")

    @pytest.mark.parametrize(
        "path,dest,error",
        [
            ("gone.txt", None, NotFoundError),
            ("train.py", "../x", InputError),
            ("train.py", "/x", InputError),
            ("train.py", ".git/x", InputError),
            ("train.py", "a\nb", InputError),
            ("away", None, InputError),
            ("folder", None, InputError),
        ],
    )
    def test_what_cannot_be_logged(self, here, path, dest, error):
        (here / "away").symlink_to("/etc/hostname")
        (here / "folder").mkdir()
        (here / "folder" / "away").symlink_to("/etc/hostname")
        with gitml.start_run() as run, pytest.raises(error):
            run.log_artifact(path, dest)
        assert gitml.get_run(run.id).artifacts == {}

    def test_inputs(self, here):
        (here / "data").mkdir()
        (here / "data" / "a.csv").write_text("x\n1\n", "utf-8")
        (here / "data" / "b.csv").write_text("x\n2\n3\n", "utf-8")
        with gitml.start_run() as run:
            run.log_input("data", name="all")
            run.log_input("data/*.csv", context="training")
            run.log_input("https://ada:secret@example.com/data.csv")
            run.log_input(np.zeros((5, 2)), name="zeros")
            for _ in range(2):
                run.log_input(here / "data" / "a.csv")
            with pytest.raises(NotFoundError):
                run.log_input("data/c.csv")
            with pytest.raises(InputError):
                run.log_input(object())
        found = {d.name: d for d in gitml.get_run(run.id).inputs}
        assert found.keys() == {"all", "data/*.csv", "data.csv", "zeros", "a.csv"}
        assert (found["all"].files, found["data/*.csv"].rows) == (2, 3)
        assert found["data.csv"].uri == "https://example.com/data.csv"
        assert found["zeros"].rows == 5

    def test_a_frame(self):
        pandas = pytest.importorskip("pandas", reason="pandas is not installed")
        with gitml.start_run() as run:
            run.log_input(pandas.DataFrame({"a": [1, 2]}), name="frame", context="training")
        (dataset,) = gitml.get_run(run.id).inputs
        assert (dataset.rows, dataset.columns) == (2, ("a",))
