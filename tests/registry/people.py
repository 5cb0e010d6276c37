"""A team: a bare remote with a registered model, and clones of several people."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

from gitml.model import Metric
from gitml.names import MODELS, REMOTES, TAGS
from gitml.registry.package import package_digest
from gitml.registry.state import read_registry
from gitml.registry.values import ModelVersion, PackageFile
from gitml.registry.versionfile import dump_package, dump_version
from gitml.store.git import open_repository
from tests.registry.journal import Journal
from tests.support import AUTHOR, START

VERSIONS = ("v1.0.0", "v1.1.0", "v1.2.0")
AUC = {"v1.0.0": 0.80, "v1.1.0": 0.90, "v1.2.0": 0.95}
PATIENCE = 60
"""Seconds until a test that waits for another process fails."""
SEEN = f"{REMOTES}origin/"
CHAIN = f"{MODELS}churn"


@dataclass(frozen=True)
class Team:
    """Where the remote and the clones are."""

    git: object
    remote: Path

    def clone(self, name):
        """Return a new clone, of somebody called ``name``."""
        path = self.remote.parent / name
        url = f"file://{self.remote}"
        self.git(path.parent, "clone", "--quiet", "--template=", url, path)
        self.git(path, "config", "user.name", name.title())
        self.git(path, "config", "user.email", f"{name}@example.com")
        return path

    def hook(self, name, script):
        """Install a hook on the remote; in ``script`` the variables of its git are gone."""
        path = self.remote / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        clean = "unset $(git rev-parse --local-env-vars) GIT_QUARANTINE_PATH"
        path.write_text(f"#!/bin/sh\n{clean}\n{textwrap.dedent(script)}\n", encoding="utf-8")
        path.chmod(0o755)

    def meanwhile(self, place, *args):
        """Run ``gitml ARGS`` in a clone while the next push is between its checks and its refs."""
        once = self.remote / "once"
        once.touch()
        self.hook(
            "pre-receive",
            f"""
            cat > /dev/null
            [ -e {once} ] || exit 0
            rm {once}
            cd {place} && {command_line(*args)} > {once}.log 2>&1 || cp {once}.log {once}.failed
            """,
        )

    def said_meanwhile(self):
        """Return what the command of `meanwhile` said; it must have succeeded."""
        assert not (self.remote / "once").exists(), "nothing was pushed"
        text = (self.remote / "once.log").read_text(encoding="utf-8")
        assert not (self.remote / "once.failed").exists(), text
        return text

    def push_file(self, place, path, text):
        """Commit a file on main in a clone and push it."""
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text, encoding="utf-8")
        self.git(place, "add", path)
        self.git(place, "commit", "--quiet", "-m", f"write {path}")
        self.git(place, "push", "--quiet", "origin", "main")

    def refs(self, place=None):
        """Return the refs of models, and whatever a write could have left behind."""
        found = references(self.git, place or self.remote)
        return {ref: oid for ref, oid in found.items() if ref.startswith(("refs/gitml", TAGS))}

    def check(self, *clones):
        """Check that remote and clones hold whole events and nothing else; return the model."""
        theirs = self.refs()
        assert_events_and_tags_agree(self.remote, theirs)
        for clone in clones:
            refs = self.refs(clone)
            assert not [ref for ref in refs if ref.startswith("refs/gitml-tmp/")]
            for ref, oid in refs.items():
                if ref.startswith(TAGS):
                    assert theirs.get(ref) == oid, f"{ref} is not on the remote"
            if CHAIN in refs:  # a clone that never fetched has the tags alone
                assert_events_and_tags_agree(clone, refs)
            assert self.git(clone, "fsck", "--no-dangling", "--no-progress") == ""
        return model_at(self.remote)


def command_line(*args):
    """Return a shell's words for ``gitml ARGS``."""
    words = [sys.executable, "-m", "gitml", *args]
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


def references(git, place):
    """Return ref -> oid of everything in a repository."""
    lines = git(place, "for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    return {ref: oid for oid, _, ref in (line.partition(" ") for line in lines)}


def assert_events_and_tags_agree(place, refs):
    """Fail unless the tags are those of the journal's events, all of them and no other."""
    tags = {ref.removeprefix(TAGS) for ref in refs if ref.startswith(TAGS)}
    events = model_at(place).events
    assert tags == {tag for event in events for tag in event.tags}
    times = [event.at for event in events]
    assert times == sorted(set(times)), "two events at one time"


def model_at(place, slug="churn"):
    """Return a model as a repository has it."""
    repository = open_repository(Path(place))
    try:
        return read_registry(repository).models.get(slug)
    finally:
        repository.close()


def in_stages(model):
    """Return the version in each stage."""
    return {stage: held.version for stage, held in model.stages.items()}


def content_of(name):
    """Return the only file of a version's package."""
    return f"model {name}\n".encode()


def package_of(name):
    """Return the package of a version."""
    content = content_of(name)
    sha256 = hashlib.sha256(content).hexdigest()
    return (PackageFile(path="model.txt", size=len(content), sha256=sha256, store="tag"),)


def register_three(place):
    """Write a journal with three versions into a repository."""
    journal, files = Journal("churn"), {}
    for number, name in enumerate(VERSIONS, 1):
        content = content_of(name)
        package = package_of(name)
        digest = package_digest(package)
        journal.register(name, digest=digest, run=f"{number:032x}")
        auc = AUC[name]
        version = ModelVersion(
            model="churn",
            slug="churn",
            name=name,
            number=number,
            created=START + number * 1000,
            author=AUTHOR,
            digest=digest,
            size=len(content),
            files=package,
            metrics={"auc": Metric(last=auc, step=1, min=auc, max=auc, count=1)},
        )
        files[number - 1] = {
            "version.yaml": dump_version(version),
            "package.yaml": dump_package(version),
            "package/model.txt": content,
        }
    return journal.write(place, files=files)


def wait_for(condition):
    """Wait until ``condition()`` holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


def start(*args, cwd):
    """Start a process of gitml."""
    return subprocess.Popen(
        [sys.executable, "-m", "gitml", *args],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
