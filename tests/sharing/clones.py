"""Clones of a bare repository, and what is done in them by processes that may stop or die.

Whatever is done in a clone is done by a forked child: at its N-th git process it
can stop until it is let go on, or be killed. So other clones act in the middle
of a pull, and a crash runs no ``except`` and no ``finally``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml.errors import GitmlError, NotFoundError, RefusedError
from gitml.query.index import open_index
from gitml.store.git import Repository, open_repository
from gitml.store.health import collect
from gitml.store.history import artifact_chunks, edits_of, history
from gitml.store.ledger import collect_garbage
from gitml.store.pack import pack
from gitml.store.pulling import pull_runs, where
from gitml.store.pushing import push_runs
from gitml.tracking.identity import who
from tests.support import AUTHOR

if TYPE_CHECKING:
    from pathlib import Path

DONE, IN_VAIN, WRONG = 0, 10, 11
"""Exit codes of a child: it did it; there was nothing to do it to; it failed."""


def git(path, *args, input=None, ok=(0,)):  # noqa: A002 - subprocess's own name for it
    """Run git and return what it said on stdout."""
    done = subprocess.run(
        ["git", "-C", str(path), *map(str, args)], input=input, capture_output=True, check=False
    )
    assert done.returncode in ok, f"git {args}: {done.stderr.decode(errors='replace')}"
    return done.stdout.decode("utf-8", "surrogateescape")


def make_world(top, count=3):
    """Return (bare repository, clones) below ``top``, with a commit of code in all of them."""
    hub = top / "hub.git"
    git(top, "init", "--quiet", "--bare", "--template=", "-b", "main", hub)
    first = top / "clone0"
    git(top, "clone", "--quiet", "--template=", hub, first)
    (first / "train.py").write_text("print('training')\n")
    git(first, "add", "train.py")
    git(first, "commit", "--quiet", "-m", "code")
    git(first, "push", "--quiet", "origin", "HEAD:main")
    for number in range(1, count):
        shutil.copytree(first, top / f"clone{number}")
    return hub, [Clone(top / f"clone{number}") for number in range(count)]


def copy_world(of, top):
    """Return the same as `make_world`, copied from one that it made."""
    shutil.copytree(of, top)
    clones = [Clone(path) for path in sorted(top.glob("clone*"))]
    for clone in clones:
        git(clone.path, "remote", "set-url", "origin", top / "hub.git")
    return top / "hub.git", clones


@dataclass(slots=True)
class Clone:
    """A clone, opened anew for each thing that is done in it, as commands do."""

    path: Path
    skew: int = 0
    """How many milliseconds its clock is ahead."""

    def do(self, what):
        """Do something with the repository in this process."""
        repository = open_repository(self.path)
        try:
            return what(repository)
        finally:
            repository.close()

    def act(self, what, *, stop=None, kill=None):
        """Do something in a child that stops or is killed before its N-th git process."""
        return Child(self, what, stop=stop, kill=kill)

    def runs(self, now):
        """Return every run that is to be seen here, hidden ones too, by id."""

        def read(repository):
            with open_index(repository, now=now) as index:
                assert not index.quarantined(), index.quarantined()
                return {run.id: run for run in index.search(deleted=True) + index.search()}

        return self.do(read)

    def everything(self, run_id):
        """Return (edits, points, content by path) of a run, or None if it was purged."""

        def read(repository):
            try:
                edits = edits_of(repository, run_id)
            except RefusedError:
                return None
            points = [(p.metric, p.step, p.time, p.value) for p in history(repository, run_id)]
            return edits, points

        return self.do(read)

    def content(self, run):
        """Return the verified content of each artifact of a run."""
        return self.do(
            lambda r: {p: b"".join(artifact_chunks(r, run.id, a)) for p, a in run.artifacts.items()}
        )

    def refs(self, *places):
        """Return oid by ref."""
        return refs(self.path, *places)


def refs(path, *places):
    """Return oid by ref of a repository; all of gitml's unless places are named."""
    places = places or ("refs/gitml", "refs/gitml-tmp")
    lines = git(path, "for-each-ref", "--format=%(refname) %(objectname)", *places)
    return dict(line.split() for line in lines.splitlines())


def check_git(*paths):
    """Assert that git finds nothing wrong, and that nothing that blocks was left."""
    for path in paths:
        git(path, "fsck", "--strict", "--no-dangling", "--no-progress")
        top = path if (path / "objects").is_dir() else path / ".git"
        locks = [p for p in top.rglob("*.lock") if p.name != "maintenance.lock"]
        assert not locks, locks


class Child:
    """A forked process that does something, and how it ended."""

    def __init__(self, clone, what, *, stop, kill):
        self.clone = clone
        self._said = clone.path.parent / f"said-{os.urandom(4).hex()}"
        self._pid = os.fork()
        if self._pid == 0:
            self._child(what, stop, kill)
        self.code = None
        self.stopped = False
        self._wait()

    def _child(self, what, stop, kill):
        code = WRONG
        try:
            _at_git(stop, signal.SIGSTOP)
            _at_git(kill, signal.SIGKILL)
            repository = open_repository(self.clone.path)
            try:
                what(repository)
                code = DONE
            finally:
                repository.close()
        except (NotFoundError, RefusedError):
            code = IN_VAIN
        except GitmlError as error:
            self._said.write_text(f"{type(error).__name__}: {error.message}")
        except BaseException:  # noqa: BLE001 - told to the parent
            self._said.write_text(traceback.format_exc())
        sys.stdout.flush()
        os._exit(code)

    def _wait(self):
        status = os.waitpid(self._pid, os.WUNTRACED)[1]
        self.stopped = os.WIFSTOPPED(status)
        if not self.stopped:
            self.code = os.waitstatus_to_exitcode(status)
            said = self._said.read_text() if self._said.exists() else ""
            assert self.code in {DONE, IN_VAIN, -signal.SIGKILL}, said

    def go_on(self):
        """Let it go on to its end."""
        if self.stopped:
            os.kill(self._pid, signal.SIGCONT)
            self._wait()

    @property
    def done(self):
        """Whether it did what it was to do."""
        return self.code == DONE

    @property
    def killed(self):
        """Whether it was killed, so that nobody knows what it did."""
        return self.code == -signal.SIGKILL


def _at_git(number, what):
    """Make this process send itself a signal before it starts its N-th git process."""
    if number is None:
        return
    start = Repository.start
    left = [number]

    def counted(self, *args, **options):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), what)
        return start(self, *args, **options)

    Repository.start = counted


def push(now):
    return lambda r: push_runs(r, where(r, None), committer=AUTHOR, now=now)


def pull(now):
    del now
    return lambda r: pull_runs(r, where(r, None))


def sync(now):
    def both(repository):
        pull(now)(repository)
        push(now)(repository)

    return both


def seal(now):
    def sealed(repository):
        report = pack(repository, here=who(), committer=AUTHOR, now=now)
        assert not report.failed, report.failed
        assert not report.seal.unreadable, report.seal.unreadable

    return sealed


def gc(now):
    def collected(repository):
        collect(repository, here=who(), now=now)
        collect_garbage(repository)
        repository.run("pack-refs", "--all", "--prune")

    return collected


def settle(hub, clones, now, *, rounds=6, more=()):
    """Let all clones sync until a whole round moves nothing; assert that it takes few rounds."""
    before = None
    for _ in range(rounds):
        after = [refs(hub), *(clone.refs("refs") for clone in clones)]
        if before == after:
            return
        before = after
        for clone in clones:
            for step in (*more, sync):
                clone.do(step(now + clone.skew))
    raise AssertionError(f"still moving after {rounds} rounds: {before}")


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(slots=True)
class Known:
    """What must be there of a run, as its writers were told."""

    experiment: str
    facts: set = field(default_factory=set)
    """(key, value as JSON) of edits."""
    rows: set = field(default_factory=set)
    """(metric, step, value)."""
    files: dict = field(default_factory=dict)
    purged: str = "no"
