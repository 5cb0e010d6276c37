"""``gitml demo``: what the README's first command does, for real."""

from __future__ import annotations

import json

import pytest

from gitml.commands import demo


@pytest.mark.slow
def test_demo(gitml_cli, git, tmp_path):
    answer = gitml_cli("demo", cwd=tmp_path)
    assert answer.code == 0, answer.err
    folder = tmp_path / "gitml-demo"
    runs = json.loads(gitml_cli("ls", "--json", cwd=folder).out)["runs"]
    assert len(runs) == len(demo.RUNS) + 1
    for run in runs:
        assert run["status"] == "finished"
        assert run["metrics"]["val/loss"]["count"] == run["params"]["n_estimators"]
        assert run["metrics"]["auc"]["last"] > 0.9
        assert (run["inputs"][0]["rows"], len(run["inputs"][0]["columns"])) == (569, 31)
        assert [a["path"] for a in run["artifacts"]] == ["model.pkl"]
    newest = runs[0]
    assert newest["source"]["dirty"]
    assert demo.EDIT[1] in git(folder, "show", f"{newest['source']['tree']}:train.py")
    assert newest["params"]["subsample"] == 0.5
    pages = folder / "site"
    assert {f"{run['id'][:12]}.html" for run in runs} == {
        p.name for p in (pages / "runs").iterdir()
    }
    assert newest["name"] in (pages / "index.html").read_text(encoding="utf-8")
    assert git(folder, "status", "--porcelain", "site") == ""
    # The last lines are commands to try: each works.
    lines = [line.strip() for line in answer.out.partition("Try next:")[2].splitlines()]
    tried = [line for line in lines if line.startswith("gitml ")]
    assert len(tried) == 5
    for line in tried:
        words = line.replace('"', "").split(" ", 2) if "--where" in line else line.split()
        if "--where" in line:
            words = ["gitml", "ls", "--where", line.split('"')[1]]
        done = gitml_cli(*words[1:], cwd=folder)
        assert done.code == 0, (line, done.err)
    git(folder, "fsck", "--strict")


def test_a_folder_that_is_not_empty(gitml_cli, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine\n")
    answer = gitml_cli("demo", "full", cwd=tmp_path)
    assert answer.code == 4
    assert answer.err == (
        "error: full is there already, and not empty.\n"
        "  hint: Name another folder: gitml demo FOLDER\n"
    )
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine.txt"]
