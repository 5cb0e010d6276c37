"""The one door to git: discovery and config by GitPython, all work by plumbing.

Every process is started here, with a clean environment, and counted: a command
needs at most six of them, whatever the number of runs. (GitPython itself asks
``git version`` twice when it is imported; those are not ours and not counted.)
"""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from gitml.errors import BeatenError, DamagedError, NotFoundError, RepositoryError
from gitml.names import visible
from gitml.store.failures import NO_GIT, failure
from gitml.store.fast_import import FastImport
from gitml.store.feeding import file_of
from gitml.store.locks import remove_left
from gitml.store.objects import CatFile, parse_tree, read_object

try:
    import git
    from git.cmd import Git as _GitCommand
except ImportError as error:
    if "git executable" not in str(error):
        raise
    raise RepositoryError(NO_GIT[0], hint=NO_GIT[1]) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gitml.store.objects import Entry, Object

INHERITED = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_PREFIX",
)
"""What a hook hands down; it would send gitml to another repository or index."""


_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "b": "\b"}
"""What a backslash means in git's configuration, besides the character itself."""


class RefUpdate(NamedTuple):
    """A compare-and-swap of one ref; a None is "does not exist"."""

    ref: str
    new: str | None
    old: str | None


class Repository:
    """A git repository, its plumbing, and how many processes that took.

    Not for use by several threads at once without the lock that `objects`
    takes; open one for each thread.
    """

    def __init__(self, repo: git.Repo) -> None:
        """Wrap what `open_repository` found."""
        self._repo = repo
        self.git_dir = Path(repo.git_dir)
        self.common_dir = Path(repo.common_dir)
        self.work_tree = None if repo.bare else Path(str(repo.working_tree_dir))
        self.processes = 0
        self._called: list[str] = []
        self.patience: float | None = None
        """When (`time.monotonic`) what speaks to a remote is ended; None is never."""
        self.received: Callable[[int, int], None] | None = None
        """What is told of the objects that a fetch receives: how many, and of how many."""
        self._config = repo.config_reader()
        sha256 = str(self.config("extensions", "objectformat") or "sha1").lower() == "sha256"
        self.oid_width = 64 if sha256 else 40
        self.zero = "0" * self.oid_width
        self._command = _GitCommand(str(self.work_tree or self.git_dir))
        self._environment = {
            "GIT_DIR": str(self.git_dir),
            "GIT_INDEX_FILE": str(self.git_dir / "index"),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "LC_ALL": "C",
        }
        if self.work_tree is not None:
            self._environment["GIT_WORK_TREE"] = str(self.work_tree)
        self._cat: CatFile | None = None
        self._lock = threading.RLock()

    @property
    def home(self) -> Path:
        """The folder for what gitml keeps outside of git's objects and refs."""
        return self.common_dir / "gitml"

    def config(self, section: str, key: str) -> str | None:
        """Return a value of git's configuration as git gives it, or None."""
        # GitPython's get_value would make 7 of 007, and True of yes.
        value = self._config.get(section, key, fallback=None)
        if not value:
            return None
        return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), str(value))

    def subsections(self, kind: str) -> list[str]:
        """Return the names of the subsections of a kind, such as remotes."""
        head = f'{kind} "'
        return [s[len(head) : -1] for s in self._config.sections() if s.startswith(head)]

    def identity(self) -> str | None:
        """Return ``Name <email>`` as git's configuration gives it, or None."""
        name, email = self.config("user", "name"), self.config("user", "email")
        if name is None and email is None:
            return None
        return f"{name or email} <{email or ''}>"

    def call_remote(self, name: str, url: str) -> None:
        """Let git know an address by a name, in what is started from here on."""
        setting = f"remote.{name}.url={url}"
        if setting not in self._called:
            self._called += ["-c", setting]

    def start(
        self,
        *args: str,
        stdin: BinaryIO | int = subprocess.PIPE,
        env: Mapping[str, str] | None = None,
        alone: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start a git process with pipes on its streams; the caller waits for it.

        One that is ``alone`` is in a session of its own, without a terminal to ask on.
        """
        self.processes += 1
        try:
            process = self._command.execute(
                ["git", *self._called, *args],
                as_process=True,
                istream=stdin,
                env={**self._environment, **(env or {})},
                start_new_session=alone,
            )
        except git.exc.GitCommandNotFound:
            raise RepositoryError(NO_GIT[0], hint=NO_GIT[1]) from None
        popen = process.proc
        process.proc = None  # AutoInterrupt would terminate a process that we still read
        assert popen is not None
        return popen

    def run(
        self,
        *args: str,
        data: bytes = b"",
        ok: tuple[int, ...] = (0,),
        env: Mapping[str, str] | None = None,
    ) -> bytes:
        """Run git to its end and return its output; raise for an exit code not in ``ok``."""
        with file_of(data) as stdin:
            process = self.start(*args, stdin=stdin, env=env)
            try:
                out, err = process.communicate()
            except BaseException:
                process.kill()
                process.wait()
                raise
        if process.returncode not in ok:
            command = args[2] if args[0] == "-c" else args[0]
            raise failure(command, err.decode("utf-8", "replace"), process.returncode)
        return out

    def refs(self, *prefixes: str) -> dict[str, str]:
        """Return ref name -> oid for every ref below the prefixes, in one process.

        Broken refs (that git warns of) are left out; `doctor` names them.
        """
        out = self.run("for-each-ref", "--format=%(objectname) %(refname)", *prefixes)
        listed = {}
        for line in out.decode("utf-8", "surrogateescape").splitlines():
            oid, _, name = line.partition(" ")
            listed[name] = oid
        return listed

    def objects(self) -> CatFile:
        """Return the reader of objects, one ``git cat-file --batch`` process, started once."""
        with self._lock:
            if self._cat is None or self._cat.ended:
                if self._cat is not None:
                    self._cat.close()
                self._cat = CatFile(self)
            return self._cat

    def bulk(self, oids: Iterable[str], limit: int) -> Iterator[Object | None]:
        """Yield many objects in order from a process of its own.

        One over ``limit`` bytes comes as None, like one that is missing.
        """
        names = list(oids)
        with file_of("".join(f"{oid}\n" for oid in names).encode()) as stdin:
            process = self.start("cat-file", "--batch", "--buffer", stdin=stdin)
        stdout = process.stdout
        assert stdout is not None
        try:
            for name in names:
                try:
                    yield read_object(stdout, name, limit)
                except DamagedError:
                    yield None
        finally:
            process.kill()
            for pipe in (stdout, process.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            process.wait()

    def lines(
        self, *args: str, data: bytes, env: Mapping[str, str] | None = None
    ) -> Iterator[bytes]:
        """Yield the lines that git prints of ``data`` as they come; raise if it then fails."""
        with file_of(data) as stdin:
            process = self.start(*args, stdin=stdin, env=env)
        stdout, stderr = process.stdout, process.stderr
        assert stdout is not None
        assert stderr is not None
        try:
            yield from stdout
            said = stderr.read().decode("utf-8", "replace")
            if process.wait() != 0:
                raise failure(" ".join(args[:3]), said, process.returncode)
        finally:
            process.kill()
            for pipe in (stdout, stderr):
                with contextlib.suppress(OSError):
                    pipe.close()
            process.wait()

    def resolve(self, revision: str) -> str | None:
        """Return the oid that ``revision`` names, or None."""
        (found,) = self.objects().heads([revision])
        return None if found is None else found.oid

    def read(self, revision: str, kind: str, limit: int | None = None) -> bytes:
        """Return the content of an object; raise `DamagedError` if it is absent or other."""
        found = self.objects().get(revision, limit=limit)
        if found is None:
            raise DamagedError(
                f"The object {visible(revision, 80)} is missing from the repository.",
                hint="git fsck shows what else is; a pull may bring it back.",
            )
        if found.kind != kind:
            raise DamagedError(
                f"The object {visible(revision, 80)} is a {found.kind} and not a {kind}."
            )
        return found.data

    def tree(self, revision: str) -> list[Entry]:
        """Return the entries of a tree (or of a commit's tree)."""
        return parse_tree(self.read(f"{revision}^{{tree}}", "tree"), self.oid_width // 2)

    def commit_tree(self, commit: str) -> str:
        """Return the oid of a commit's tree."""
        oid = self.resolve(f"{commit}^{{tree}}")
        if oid is None:
            raise DamagedError(f"The commit {visible(commit, 80)} or its tree is missing.")
        return oid

    def fast_import(self) -> FastImport:
        """Start a ``git fast-import``; use it as a context manager."""
        return FastImport(self)

    def update_refs(self, updates: Iterable[RefUpdate]) -> None:
        """Move refs in one transaction, all or none.

        Raises `BeatenError` if any ref is not what ``old`` says or is locked, by a git
        that may be alive.
        """
        lines = ["start"]
        for ref, new, old in updates:
            expected = self.zero if old is None else old
            if new is None:
                lines.append(f"delete {ref}" + ("" if old is None else f" {old}"))
            else:
                lines.append(f"update {ref} {new} {expected}")
        lines += ["prepare", "commit", ""]
        data = "\n".join(lines).encode()
        try:
            self.run("update-ref", "--stdin", data=data)
        except BeatenError:
            if not remove_left(self.common_dir):
                raise
            self.run("update-ref", "--stdin", data=data)

    def after_fork(self) -> None:
        """Forget what belongs to the parent: its process, and a lock another thread may hold."""
        self._cat = None
        self._lock = threading.RLock()

    def close(self) -> None:
        """End the reader of objects."""
        with self._lock:
            if self._cat is not None:
                self._cat.close()
                self._cat = None


def open_repository(path: Path) -> Repository:
    """Return the repository around ``path``: a work tree, a linked one, or a bare store.

    Raises `NotFoundError` if ``path`` is not there and `RepositoryError` if no
    repository is around it.
    """
    if not path.exists():
        raise NotFoundError(f"There is no folder {visible(str(path))}")
    try:
        repository = Repository(git.Repo(str(path), search_parent_directories=True))
        _check_owner(repository, path)
    except (git.exc.InvalidGitRepositoryError, git.exc.NoSuchPathError):
        raise RepositoryError(
            f"{visible(str(path))} is not in a git repository.",
            hint="Make one with git init, or name one with --repo PATH or GITML_REPO.",
        ) from None
    except (OSError, ValueError, configparser.Error) as error:
        raise RepositoryError(
            f"The repository at {visible(str(path))} cannot be read: {visible(str(error))}."
        ) from None
    return repository


def start_git(
    folder: Path, *args: str, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a git that has no repository yet, alone, with pipes on its streams."""
    try:
        process = git.Git(str(folder)).execute(
            ["git", *args],
            as_process=True,
            istream=subprocess.DEVNULL,
            env={"LC_ALL": "C", **(env or {})},
            start_new_session=True,
        )
    except git.exc.GitCommandNotFound:
        raise RepositoryError(NO_GIT[0], hint=NO_GIT[1]) from None
    popen = process.proc
    process.proc = None
    assert popen is not None
    return popen


def _check_owner(repository: Repository, path: Path) -> None:
    """Let git judge a repository of somebody else: with GIT_DIR set it would not ask.

    Its configuration can name programs (``core.fsmonitor``, filters, hooks), which
    is why ``safe.directory`` exists. Costs a process only where the owner is another.
    """
    places = [p for p in (repository.git_dir, repository.work_tree) if p is not None]
    if not hasattr(os, "geteuid") or all(p.stat().st_uid == os.geteuid() for p in places):
        return
    code, _, err = git.Git(str(path if path.is_dir() else path.parent)).execute(
        ["git", "rev-parse", "--git-dir"],
        with_extended_output=True,
        with_exceptions=False,
        env={"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
    )
    if code:
        raise failure("rev-parse", str(err), int(code))


def git_version() -> tuple[int, ...]:
    """Return the version of the git on the PATH."""
    return tuple(git.Git().version_info)
