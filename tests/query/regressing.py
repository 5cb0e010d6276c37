"""Commits and runs of a branch for the tests of regressions."""

from __future__ import annotations

from gitml.model import Source
from tests.support import MINUTE, START

HOUR = 60 * MINUTE


def make_commits(repo, git, count, branch="main", hours=None):
    """Put ``count`` commits onto a new branch, an hour apart; return their ids, oldest first."""
    lines = []
    for n in range(count):
        at = START // 1000 + 3600 * (hours[n] if hours else n)
        lines += [f"commit refs/heads/{branch}", f"mark :{n + 1}"]
        lines += [f"committer Ada Author <ada@example.com> {at} +0000", "data 0", ""]
    git(repo, "fast-import", "--quiet", "--force", input="\n".join([*lines, "done", ""]))
    return git(repo, "rev-list", "--reverse", "--topo-order", branch).split()


def facts_of(commits, experiment="churn", branch="main", remote=None, dirty=(), **metrics):
    """Return the facts of a run for each commit; each metric has a value for each of them."""
    return [
        {
            "name": f"{experiment}-{branch}-{n}",
            "experiment": experiment,
            "created": START + n * HOUR,
            "metrics": {name: values[n] for name, values in metrics.items()},
            "source": Source(commit=oid, branch=branch, dirty=n in dirty, remote=remote),
        }
        for n, oid in enumerate(commits)
    ]
