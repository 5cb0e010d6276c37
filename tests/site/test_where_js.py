"""The filter box of the table understands what ``--where`` does: one file of cases for both."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from gitml import names
from gitml.codec import dump, load_json
from gitml.data import json_text
from gitml.model import from_iso
from gitml.query.index import open_index
from gitml.site.gather import Options, gather
from gitml.site.render import own_templates
from gitml.site.table import runs_data
from gitml.store.git import open_repository
from tests.bench.ledgers import write_commits

HERE = Path(__file__).parent
CASES = load_json((HERE.parent / "query" / "where_cases.json").read_text(encoding="utf-8"))
NOW = from_iso(CASES["now"])
REFUSED = {
    "": "is empty",
    "1) or (1": "closes nothing",
    "((1)": "is not closed",
    "1; drop table run": "without a ;",
    "status = 'finished": "A ' is not closed",
    "metrics.auc >": "ends too early",
    "status = finished": "called finished",
    'status = "finished"': "no attribute of runs",
    "metric.auc > 1": "neither a metric",
    "created > 2026": "is a time",
    "duration > '60'": "is a number",
    "metrics.auc > '0.9'": "is a number",
    "load_extension('x')": "function load_extension",
    "id in (select id from runs)": "subquery",
    "exists (select 1)": "subquery",
    "status = 'failed' status": "should end",
    "__proto__ = 1": "called __proto__",
    "params.constructor = 1": "called constructor",
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Return what the page's scripts say to each expression, over the runs of the cases."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    path = tmp_path_factory.mktemp("where")
    subprocess.run(["git", "init", "-q", path], check=True)
    commits = []
    for document in CASES["runs"]:
        run = {"schema": 1, **document}
        files = {f"{part}.yaml": dump(run.pop(part)) for part in ("params", "metrics")}
        files["run.yaml"] = dump(run)
        commits.append((names.run_ref(run["id"]), files.items()))
    write_commits(path, commits)
    repository = open_repository(path)
    with open_index(repository, now=NOW) as index:
        data = runs_data(gather(index, Options(redact=False)), {})
    repository.close()
    asked = [case["where"] for case in CASES["cases"]] + list(REFUSED)
    done = subprocess.run(
        [node, HERE / "where.cjs", own_templates() / "assets"],
        input=json.dumps({"runs": json.loads(json_text(data)), "now": NOW, "cases": asked}),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(asked, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda case: case["where"])
def test_case(answers, case):
    answer = answers[case["where"]]
    if "finds" in case:
        assert answer.get("finds") == case["finds"], answer
    else:
        assert answer["unknown"] == case["unknown"]
        assert case["suggests"] in answer["error"]


@pytest.mark.parametrize("where,said", REFUSED.items())
def test_what_means_nothing_is_said(answers, where, said):
    assert said in answers[where]["error"]
