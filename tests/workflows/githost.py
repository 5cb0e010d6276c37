"""A git host in a folder: a bare remote, requests, merges, and workflows run by act.

act (https://github.com/nektos/act) executes the jobs on this machine, in a scratch
folder each. Of GitHub itself the REST API is `tests.fake_github`, on loopback; each
action of others that is executed has a stand-in beside this file.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fake_github import TOKEN

HERE = Path(__file__).parent
REPOSITORY = "team/churn"
PRODUCTION = ".gitml/stages/churn/production.yaml"


def gitml(cwd, *args):
    """Run gitml, which must succeed, and return what it answers."""
    done = subprocess.run(
        [sys.executable, "-m", "gitml", *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def find_act():
    """Return the path of act, or skip."""
    beside = Path(sys.executable).parent / "act"
    found = str(beside) if beside.exists() else shutil.which("act")
    return found or pytest.skip("act is not installed (pip install -e '.[dev]')")


@dataclass
class Ran:
    """What a run of workflows left behind."""

    results: dict = field(default_factory=dict)
    """Names of jobs (with the number of a matrix) and how each ended."""
    outputs: dict = field(default_factory=dict)
    """Outputs of steps by name; the last one counts."""
    summary: str = ""
    """What the steps put into the summary."""
    log: str = ""
    """What the scripts printed."""

    @property
    def events(self):
        """The output ``events`` of apply, as (model, stage, version)."""
        listed = json.loads(self.outputs["events"])
        return [(e["model"], e["stage"], e["version"]) for e in listed]


@dataclass
class GitHost:
    """A repository on the host, and somebody's clone of it."""

    place: Path
    git: object
    api: object = None
    """A `FakeGitHub`, or None where the host's API cannot be reached."""
    secrets: dict = field(default_factory=dict)

    @property
    def bare(self):
        return self.place / "churn.git"

    @property
    def clone(self):
        """The clone of a person."""
        return self.place / "clone"

    def tip(self, ref="main"):
        return self.git(self.bare, "rev-parse", ref).strip()

    def tags(self, pattern="*"):
        return self.git(self.bare, "tag", "--list", pattern).split()

    def commit(self, branch, files, message="change", *, start="origin/main"):
        """Commit files (None: removed) on a branch of the clone, and push it."""
        self.git(self.clone, "fetch", "--quiet", "origin")
        self.git(self.clone, "checkout", "--quiet", "-B", branch, start)
        for path, text in files.items():
            place = self.clone / path
            if text is None:
                place.unlink()
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text)
        self.git(self.clone, "add", "--all", ".")
        self.git(self.clone, "commit", "--quiet", "-m", message)
        self.git(self.clone, "push", "--quiet", "--force", "origin", branch)
        return self.git(self.clone, "rev-parse", "HEAD").strip()

    def stage_file(self, version, reason="as asked"):
        """Return what a stage file says to have ``version`` in the stage."""
        shown = gitml(self.clone, "model", "show", f"churn@{version}", "--json")
        digest = re.search(r"sha256:[0-9a-f]{64}", shown)[0]
        return f'schema: 1\nversion: {version}\ndigest: "{digest}"\nreason: {reason}\n'

    def propose(self, version, branch="topic", **more):
        """Push a branch that asks for ``version`` in production, and changes ``more`` files."""
        return self.commit(branch, {PRODUCTION: self.stage_file(version), **more})

    def merged(self, version, branch="topic", **more):
        """Propose and merge; return (before, after)."""
        self.propose(version, branch, **more)
        return self.merge(branch)

    def stages(self):
        """Return the tags of stages with the versions they name, by their counter."""
        found = {}
        for tag in self.tags("*#*"):
            text = self.git(self.bare, "cat-file", "tag", tag)
            found[tag] = re.search(r'^version: "(.*)"$', text, re.MULTILINE)[1]
        return dict(sorted(found.items(), key=lambda item: int(item[0].rpartition("#")[2])))

    def request(self, branch, number=1, *, fork=False):
        """Open a request, run its workflows, and return what they did."""
        head, base = self.tip(branch), self.tip()
        self.git(self.bare, "update-ref", f"refs/pull/{number}/head", head)
        merge = self._merged(branch, "merge")
        self.git(
            self.clone, "push", "--quiet", "--force", self.bare, f"{merge}:refs/pull/{number}/merge"
        )
        whose = "somebody/churn" if fork else REPOSITORY
        payload = {
            "action": "opened",
            "number": number,
            "pull_request": {
                "number": number,
                "head": {"ref": branch, "sha": head, "repo": {"full_name": whose}},
                "base": {"ref": "main", "sha": base, "repo": {"full_name": REPOSITORY}},
            },
        }
        return self.run("pull_request", payload, at=merge, workflow="gitml-review.yml")

    def queue(self, branch):
        """Put a request into the merge queue, and return what its workflows did."""
        base, head = self.tip(), self._merged(branch, "merge")
        waiting = f"refs/heads/gh-readonly-queue/main/pr-1-{base}"
        self.git(self.clone, "push", "--quiet", "--force", self.bare, f"{head}:{waiting}")
        group = {"base_sha": base, "head_sha": head, "base_ref": "refs/heads/main"}
        payload = {"action": "checks_requested", "merge_group": {**group, "head_ref": waiting}}
        return self.run("merge_group", payload, at=head, workflow="gitml-review.yml")

    def merge(self, branch, how="merge"):
        """Merge a branch as the host does, and return (before, after) of the protected one."""
        before = self.tip()
        after = self._merged(branch, how)
        self.git(self.clone, "push", "--quiet", self.bare, f"{after}:refs/heads/main")
        return before, after

    def _merged(self, branch, how):
        self.git(self.clone, "fetch", "--quiet", "origin")
        self.git(self.clone, "checkout", "--quiet", "--detach", "origin/main")
        if how == "merge":
            self.git(self.clone, "merge", "--quiet", "--no-ff", "-m", "merge", f"origin/{branch}")
        elif how == "squash":
            self.git(self.clone, "merge", "--quiet", "--squash", f"origin/{branch}")
            self.git(self.clone, "commit", "--quiet", "-m", "squashed")
        else:
            self.git(self.clone, "checkout", "--quiet", "--detach", f"origin/{branch}")
            self.git(self.clone, "rebase", "--quiet", "--force-rebase", "origin/main")
        return self.git(self.clone, "rev-parse", "HEAD").strip()

    def push(self, before, after, **more):
        """Run what a push to the protected branch starts; an old run run again just the same."""
        payload = {"before": before, "after": after, "ref": "refs/heads/main"}
        return self.run("push", payload, at=after, workflow="gitml-apply.yml", **more)

    def by_hand(self, **inputs):
        payload = {"inputs": inputs, "ref": "refs/heads/main"}
        return self.run("workflow_dispatch", payload, at=self.tip(), workflow="gitml-apply.yml")

    def run(self, event, payload, *, at, workflow, env=None):
        """Run the workflow as it is in the commit ``at``."""
        folder = self.place / f"run-{len(list(self.place.glob('run-*')))}"
        self.git(self.place, "clone", "--quiet", "--no-checkout", self.bare, folder)
        self.git(folder, "fetch", "--quiet", "origin", at)
        self.git(folder, "checkout", "--quiet", "-B", "main", at)
        self.git(folder, "remote", "set-url", "origin", f"https://github.com/{REPOSITORY}")
        file = self.place / f"{folder.name}.json"
        whole = {"repository": {"full_name": REPOSITORY, "default_branch": "main"}, **payload}
        file.write_text(json.dumps(whole))
        command = [find_act(), event, "--json", "--directory", folder, "--eventpath", file]
        command += ["--workflows", folder / ".github" / "workflows" / workflow]
        command += ["--platform", "ubuntu-24.04=-self-hosted", "--no-skip-checkout"]
        command += ["--action-offline-mode", "--no-cache-server"]
        command += ["--action-cache-path", self.place / "act"]
        command += ["--env", f"REMOTE_OF_THE_TEST=file://{self.bare}"]
        for used in {u for path in folder.rglob("*.yml") for u in USED.findall(path.read_text())}:
            name = used.partition("/")[2].partition("@")[0]
            command += ["--local-repository", f"{used}={HERE / name}"]
        given = {**self.secrets}
        if self.api is not None:
            command += ["--env", f"GITHUB_API_URL={self.api.api}"]
            given["GITHUB_TOKEN"] = TOKEN
        for name, value in given.items():
            command += ["--secret", f"{name}={value}"]
        for name, value in (env or {}).items():
            command += ["--env", f"{name}={value}"]
        done = subprocess.run(
            [*map(str, command)],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        return _read(done)

    @property
    def real_git(self):
        return shutil.which("git")

    def tool(self, name, script):
        """Put a program on the path of the runner, before all others."""
        place = self.place / "tools" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(script)
        place.chmod(0o755)
        return place.parent

    def tools(self):
        """Return a folder with gitml, to be first on the path."""
        return self.tool("gitml", f'#!/bin/sh\nexec "{sys.executable}" -m gitml "$@"\n')

    def _environment(self):
        """Return what the runner has: gitml on its path, and who runs it."""
        tools = self.tools()
        path = os.environ.get("PYTHONPATH", "")
        return {
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE.parents[1]), path])),
        }


USED = re.compile(r"actions/[\w-]+@[0-9a-f]{40}")
"""An action of GitHub's, pinned; a folder beside this file stands in for it."""


def _read(done):
    ran = Ran()
    for line in done.stdout.splitlines():
        told = json.loads(line)
        if "jobResult" in told:
            ran.results[told["job"].partition("/")[2].strip()] = told["jobResult"]
        elif told.get("command") == "set-output":
            ran.outputs[told["name"]] = told["arg"]
        elif told.get("command") == "summary":
            ran.summary = told["content"]
        elif told.get("raw_output"):
            ran.log += told["msg"]
    assert ran.results, done.stdout + done.stderr
    return ran
