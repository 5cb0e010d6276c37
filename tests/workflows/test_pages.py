"""The workflows that publish the report, executed: this repository's own, and gitml init's."""

from __future__ import annotations

import shutil
import sys

import pytest

from tests.support import make_run
from tests.workflows.githost import GitHost, find_act
from tests.workflows.test_files import ROOT

pytestmark = [pytest.mark.act, pytest.mark.slow]


@pytest.fixture(autouse=True, scope="module")
def _act():
    find_act()


def publish(host, workflow):
    """Run a workflow by hand and return (what it did, the folder that it published)."""
    kept = host.place / "kept"
    ran = host.run(
        "workflow_dispatch",
        {"inputs": {}, "ref": "refs/heads/main"},
        at=host.tip(),
        workflow=workflow,
        env={"PAGES_OF_THE_TEST": str(kept)},
    )
    assert set(ran.results.values()) == {"success"}, ran.log
    return ran, kept.with_suffix(".published")


def test_the_report_of_a_repository(host):
    _, pages = publish(host, "gitml-site.yml")
    assert "run-v1.0.0" in (pages / "runs.html").read_text()
    assert (pages / "models" / "churn.html").exists()
    assert len(list((pages / "runs").glob("*.html"))) == 3


class WithDemo(GitHost):
    """A host whose runner has a `gitml demo` that trained before: tests/test_demo.py trains."""

    def tools(self):
        real = f'exec "{sys.executable}" -m gitml "$@"'
        demo = f'[ "$1" = demo ] && exec cp -R "{self.place}/trained" "$2"'
        return self.tool("gitml", f"#!/bin/sh\n{demo}\n{real}\n")


def test_the_report_of_the_demo(tmp_path, git):
    host = WithDemo(place=tmp_path, git=git)
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", host.bare)
    git(tmp_path, "init", "--quiet", "--initial-branch=main", host.clone)
    git(host.clone, "remote", "add", "origin", host.bare)
    folder = host.clone / ".github" / "workflows"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / ".github" / "workflows" / "pages.yml", folder)
    git(host.clone, "add", ".")
    git(host.clone, "commit", "--quiet", "-m", "workflow")
    git(host.clone, "push", "--quiet", "-u", "origin", "main")
    git(tmp_path, "init", "--quiet", "trained")
    make_run(tmp_path / "trained", "keen-otter-1", metrics={"auc": [0.5, 0.9]})
    host.tool("pip", '#!/bin/sh\necho "asked: pip $*"\n')  # the runner has gitml already
    ran, pages = publish(host, "pages.yml")
    assert "asked: pip install .[demo]" in ran.log
    index = (pages / "index.html").read_text()
    assert "<title>Overview · gitml demo</title>" in index
    assert 'href="https://team.github.io/churn/index.html"' in index
    assert "keen-otter-1" in (pages / "runs.html").read_text()
