"""A registry that two people share through a bare remote, written by the real functions."""

from __future__ import annotations

from dataclasses import replace

from gitml.registry.package import members_of, package_digest, package_files, scan
from gitml.registry.registering import Candidate, register
from gitml.registry.stagedrafts import request_of
from gitml.registry.stages import assign, rollback, unassign
from gitml.registry.values import ModelVersion, RunRef
from gitml.registry.writing import open_context
from gitml.store.git import open_repository
from tests.support import START

SECOND = 1000


class Clone:
    """Somebody's clone: each event is ten seconds after the one before, whoever wrote it."""

    clock = START

    def __init__(self, git, path, who, *, remote="origin"):
        self.git, self.path, self.who = git, path, who
        self.remote = remote
        name, _, email = who.partition(" <")
        git(path, "config", "user.name", name)
        git(path, "config", "user.email", email.rstrip(">"))
        self.repository = open_repository(path)
        self.sign = None

    def reopen(self):
        """Read git's configuration anew."""
        self.repository.close()
        self.repository = open_repository(self.path)

    def context(self):
        Clone.clock += 10 * SECOND
        return open_context(self.repository, by=self.who, now=Clone.clock, sign=self.sign)

    def register(self, name="churn", *, files=None, run=None, metrics=None, **facts):
        """Register a version of files, a mapping of paths to contents; return its tag."""
        folder = self.path.parent / f"package-{Clone.clock}"
        for path, data in (
            files or {"model.bin": b"\0weights", "README.md": b"A model.\n"}
        ).items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        members = tuple(members_of(scan([folder])))
        version = ModelVersion(
            **dict.fromkeys(("model", "slug", "name", "author"), ""),
            number=0,
            created=0,
            digest=package_digest(members),
            size=sum(member.size for member in members),
            files=package_files(members),
            run=run and RunRef(id=run.id, name=run.name, experiment=run.experiment),
            metrics=metrics or (run.metrics if run else {}),
        )
        candidate = Candidate(version=version, members=members, name=name, bump="minor")
        done = register(self.repository, replace(candidate, **facts), self.context())
        return done.written.tags[0]

    def assign(self, reference="churn@latest", stage="production", **facts):
        request = request_of(stage, **facts)
        return assign(self.repository, reference, request, self.context()).tags[0]

    def rollback(self, name="churn", stage="production", **facts):
        request = request_of(stage, **facts)
        return rollback(self.repository, name, request, self.context()).tags[0]

    def unassign(self, name="churn", stage="production"):
        return unassign(self.repository, name, request_of(stage), self.context()).tags

    def commit(self, files, message="change"):
        """Commit files on main and push them."""
        for path, text in files.items():
            place = self.path / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
            self.git(self.path, "add", path)
        self.git(self.path, "commit", "--quiet", "-m", message)
        self.git(self.path, "push", "--quiet", self.remote, "main")

    def close(self):
        self.repository.close()


def make_clones(git, folder, bare):
    """Return two clones of a bare repository that has one commit."""
    ada = folder / "ada"
    git(folder, "clone", "--quiet", bare, ada)
    git(ada, "config", "user.name", "Ada Author")
    git(ada, "config", "user.email", "ada@example.com")
    (ada / "train.py").write_text("print('trained')\n")
    git(ada, "add", "train.py")
    git(ada, "commit", "--quiet", "-m", "first")
    git(ada, "push", "--quiet", "origin", "HEAD:main")
    git(ada, "remote", "set-head", "origin", "main")
    git(folder, "clone", "--quiet", bare, folder / "bob")
    return (
        Clone(git, ada, "Ada Author <ada@example.com>"),
        Clone(git, folder / "bob", "Bob Builder <bob@example.com>"),
    )
