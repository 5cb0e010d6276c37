"""The job that writes the report below a request, against a fake of GitHub's API."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
import yaml

from gitml.registry.scaffold import TEMPLATES
from tests.fake_github import TOKEN

MARK = "<!-- gitml review -->\n"

pytestmark = pytest.mark.skipif(
    not (shutil.which("jq") and shutil.which("curl") and shutil.which("bash")),
    reason="the job needs bash, curl and jq, as GitHub's machines have them",
)


@pytest.fixture
def comment(api):
    """Return ``comment(report, number=1)``: the script of the job, as the workflow has it."""
    workflow = yaml.safe_load((TEMPLATES / "github" / "gitml-review.yml").read_text("utf-8"))
    (step,) = workflow["jobs"]["comment"]["steps"]

    def run(report, number=1, token=TOKEN):
        given = {
            "API": f"{api.api}/repos/{api.path}/issues",
            "NUMBER": str(number),
            "REPORT": report,
            "TOKEN": token,
        }
        assert given.keys() == step["env"].keys()
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_it_is_written_once_and_then_renewed(api, comment):
    report = "### churn → v1.2.0\n`$(touch pwned)` \"quoted\" 'and' \\ more · ✓\n"
    assert comment(report).returncode == 0
    assert [c["body"] for c in api.comments[1]] == [MARK + report]
    assert comment("refused now").returncode == 0
    assert [c["body"] for c in api.comments[1]] == [MARK + "refused now"]
    assert comment("another request", number=2).returncode == 0
    assert [c["body"] for c in api.comments[1]] == [MARK + "refused now"]


def test_a_long_one_is_cut_where_the_host_would_refuse_it(api, comment):
    assert comment("é" * 65_000 + "x" * 600).returncode == 0
    assert len(api.comments[1][0]["body"]) == 65_536


def test_that_of_somebody_else_is_left_alone(api, comment):
    api.add_comment(1, f"{MARK}mine", "mallory")
    api.add_comment(1, f"see\n{MARK}", "github-actions[bot]")
    assert comment("report").returncode == 0
    assert [c["body"] for c in api.comments[1]][2:] == [f"{MARK}report"]
    assert api.comments[1][0]["body"] == f"{MARK}mine"


def test_it_is_found_on_a_later_page(api, comment):
    for n in range(130):
        api.add_comment(1, f"comment {n}", "ada")
    ours = api.add_comment(1, f"{MARK}old", "github-actions[bot]")
    api.add_comment(1, "after it", "ada")
    assert comment("new").returncode == 0
    assert ours["body"] == f"{MARK}new"
    assert len(api.comments[1]) == 132


def test_a_host_that_says_no_fails_the_job(api, comment):
    answer = comment("report", token="ghp_another")
    assert answer.returncode != 0
    assert "401" in answer.stderr
    assert api.comments == {}
