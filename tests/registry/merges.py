"""Requests and their merges, and the CI job that follows: real git, a bare remote."""

from __future__ import annotations

import itertools
import json
import shutil

from gitml.registry.package import package_digest
from gitml.store.git import open_repository
from tests.registry.people import model_at, package_of

STAGE_FILE = ".gitml/stages/churn/production.yaml"
POLICY = """\
schema: 1
stages:
  production: [{metric: metrics.auc >= 0.85}]
default: [{unsafe_allow: true}]
"""
WEAK = POLICY.replace("0.85", "0.1")


def digest_of(version):
    """Return the digest of a version of the team's model."""
    return package_digest(package_of(version))


def asks(version, reason="as reviewed", digest=None):
    """Return a stage file."""
    if version is None:
        return f"version: null\nreason: {reason}\n"
    return f"version: {version}\ndigest: {digest or digest_of(version)}\nreason: {reason}\n"


class Main:
    """Whoever merges requests on the host: each merge is one push to main."""

    def __init__(self, team, git, invoke):
        self.team, self.git, self.invoke = team, git, invoke
        self.path = team.clone("host")
        self._numbers = itertools.count(1)

    @property
    def tip(self):
        return self.git(self.team.remote, "rev-parse", "main").strip()

    def push(self, files, message="change"):
        """Commit files straight on main and push; return the commit before."""
        before = self._update()
        self._commit(files, message)
        self.git(self.path, "push", "--quiet", "origin", "main")
        return before

    def branch(self, *commits, name=None):
        """Push a branch with these commits, each a mapping of files; return its name."""
        name = name or f"request-{next(self._numbers)}"
        self._update()
        self.git(self.path, "switch", "--quiet", "-c", name)
        for files in commits:
            self._commit(files, f"commit of {name}")
        self.git(self.path, "push", "--quiet", "origin", name)
        self.git(self.path, "switch", "--quiet", "main")
        return name

    def merge(self, name, how="merge"):
        """Merge a branch of the remote as hosts do; return the commit before."""
        before = self._update()
        self.git(self.path, "fetch", "--quiet", "origin", name)
        if how == "merge":
            self.git(self.path, "merge", "--quiet", "--no-ff", "-m", f"Merge {name}", "FETCH_HEAD")
        elif how == "squash":
            self.git(self.path, "merge", "--quiet", "--squash", "FETCH_HEAD")
            self.git(self.path, "commit", "--quiet", "-m", f"Squash {name}")
        else:
            self.git(self.path, "cherry-pick", f"{before}..FETCH_HEAD")
        self.git(self.path, "push", "--quiet", "origin", "main")
        return before

    def revert(self):
        """Revert the newest commit of main by a request that is merged; return the one before."""
        before = self._update()
        parent = ["-m", "1"] if self.git(self.path, "log", "-1", "--format=%p").count(" ") else []
        self.git(self.path, "revert", "--no-edit", *parent, "HEAD")
        self.git(self.path, "push", "--quiet", "origin", "main")
        return before

    def _update(self):
        self.git(self.path, "pull", "--quiet", "--ff-only", "origin", "main")
        return self.tip

    def _commit(self, files, message):
        for path, text in files.items():
            place = self.path / path
            if text is None:
                self.git(self.path, "rm", "--quiet", "-r", path)
                continue
            if place.is_symlink() or place.is_file():
                place.unlink()
            place.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("link to "):
                place.symlink_to(text.removeprefix("link to "))
            else:
                place.write_text(text, encoding="utf-8")
            self.git(self.path, "add", path)
        self.git(self.path, "commit", "--quiet", "-m", message)

    def checkout(self, ref="main"):
        """Return a new checkout as actions/checkout makes it: one commit, detached, no branch."""
        path = self.team.remote.parent / f"job-{next(self._numbers)}"
        self.git(path.parent, "init", "--quiet", "--initial-branch=none", "--template=", path)
        self.git(path, "remote", "add", "origin", f"file://{self.team.remote}")
        oid = self.git(self.team.remote, "rev-parse", ref).strip()
        self.git(path, "fetch", "--quiet", "--no-tags", "--depth=1", "origin", oid)
        self.git(path, "checkout", "--quiet", "--detach", oid)
        self.git(path, "config", "user.name", "CI")
        self.git(path, "config", "user.email", "ci@example.com")
        return path

    def review(self, name, *args, base="origin/main"):
        """Run ``gitml review`` of a branch in a job of its own; return the answer."""
        job = self.checkout(name)
        answer = self.invoke("review", "--base", base, *args, cwd=job)
        shutil.rmtree(job)
        return answer

    def apply(self, before=None, *args):
        """Run ``gitml apply --json`` in a job of its own; return the answer and the document."""
        job = self.checkout()
        given = [] if before is None else ["--before", before]
        answer = self.invoke("apply", *given, "--json", *args, cwd=job)
        shutil.rmtree(job)
        return answer, json.loads(answer.out) if answer.out else None

    def outcomes(self, before=None):
        """Apply and return (exit code, outcome by stage)."""
        answer, document = self.apply(before)
        changes = document["changes"] if document else []
        return answer.code, {change["stage"]: change["outcome"] for change in changes}

    @property
    def model(self):
        return model_at(self.team.remote)

    @property
    def held(self):
        """The version in production."""
        held = self.model.stages.get("production")
        return held and held.version

    @property
    def stage_tags(self):
        """The tags of stage events on the remote."""
        listed = self.git(
            self.team.remote, "for-each-ref", "--format=%(refname:short)", "refs/tags"
        )
        return sorted(tag for tag in listed.split() if "#" in tag)


def blob_at(place, revision, path):
    """Return the oid of a file in a commit."""
    repository = open_repository(place)
    try:
        return repository.resolve(f"{revision}:{path}")
    finally:
        repository.close()
