"""The jobs that `gitml init --gitlab` writes: their scripts, run by bash as a runner does.

What GitLab itself makes of the file (rules, needs, artifacts) is not executed here; its
schema is checked in test_files.py. Variables are those that GitLab documents.
"""

from __future__ import annotations

import os
import subprocess

import pytest
import yaml

from tests.workflows.githost import PRODUCTION, gitml

pytestmark = pytest.mark.slow


class Loader(yaml.SafeLoader):
    """Knows GitLab's own tag."""


Loader.add_constructor("!reference", lambda loader, node: loader.construct_sequence(node))


@pytest.fixture
def job(host):
    """Return ``job(name, at, files, **variables) -> (process, folder)``: in a clone of its own."""
    gitml(host.clone, "init", "--gitlab")
    jobs = yaml.load((host.clone / ".gitlab" / "gitml.yml").read_text(), Loader)  # noqa: S506
    host.commit("gitlab", {})
    host.merge("gitlab", "squash")
    shared = jobs[".gitml"]

    def run(name, at, files=None, **variables):
        folder = host.place / f"job-{len(list(host.place.glob('job-*')))}"
        host.git(host.place, "clone", "--quiet", "--no-checkout", f"file://{host.bare}", folder)
        host.git(folder, "checkout", "--quiet", "--detach", at)
        for path, text in (files or {}).items():
            (folder / path).write_text(text)
        given = {
            **shared["variables"],
            "CI_BUILDS_DIR": str(host.place),
            "CI_COMMIT_SHA": at,
            "CI_PROJECT_PATH": "team/churn",
            "CI_SERVER_FQDN": "gitlab.example.com",
            "GITLAB_USER_EMAIL": "grace@example.com",
            "GITLAB_USER_NAME": "Grace",
            "GITML": "",
            "PATH": f"{host.tools()}{os.pathsep}{os.environ['PATH']}",
            **variables,
        }
        lines = ["set -eo pipefail", *shared["before_script"], *jobs[name]["script"]]
        done = subprocess.run(
            ["bash", "-c", "\n".join(lines)],
            cwd=folder,
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            check=False,
        )
        return done, folder

    return run


def test_a_merge_request(host, job):
    asked = {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}
    ran, folder = job("gitml review", host.propose("v1.0.0"), **asked)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "v1.0.0" in (folder / "gitml-report.md").read_text()
    ran, folder = job("gitml review", host.propose("v1.1.0"), **asked)
    assert ran.returncode == 1, ran.stderr
    assert "0.85" in (folder / "gitml-report.md").read_text()


def test_a_merge_and_its_deployment(host, job):
    before, after = host.merged("v1.0.0")
    ran, folder = job("gitml apply", after, CI_COMMIT_BEFORE_SHA=before)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert host.stages() == {"churn#production#1": "v1.0.0"}
    tag = host.git(host.bare, "cat-file", "tag", "churn#production#1")
    assert "tagger Grace <grace@example.com>" in tag
    made = {"gitml.env": (folder / "gitml.env").read_text()}
    ran, folder = job("gitml deploy", after, made)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Deploy churn v1.0.0 to production here" in ran.stdout
    assert (folder / "model-churn-production" / "model.bin").read_text() == "v1.0.0"

    asked = {"GITML_MODEL": "churn", "GITML_STAGE": "production"}
    ran, folder = job("gitml apply", after, **asked)
    assert (ran.returncode, host.tags("*#*")) == (0, ["churn#production#1"])
    assert (folder / "gitml.env").read_text() == made["gitml.env"]

    host.commit("down", {PRODUCTION: "schema: 1\nversion: null\nreason: it is wrong\n"})
    before, after = host.merge("down")
    ran, folder = job("gitml apply", after, CI_COMMIT_BEFORE_SHA=before)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ran, folder = job("gitml deploy", after, {"gitml.env": (folder / "gitml.env").read_text()})
    assert "Nothing serves production of churn any more" in ran.stdout
