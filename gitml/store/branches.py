"""What happened on a branch: which files a range of commits changed, and by which commit.

A CI job's checkout may be shallow, detached and without any branch of the remote;
what is needed of its history is fetched here first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gitml.errors import GitmlError, NotFoundError, RefusedError, UnreachableError
from gitml.names import visible
from gitml.store.objects import parse_tree
from gitml.store.remote import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitml.store.git import Repository

GONE = "000000"
"""The mode of a file that is not there."""
_FOLDER = "40000"
_HEAD = ("--no-renames", "--no-abbrev", "--raw", "-z")


class FileChange(NamedTuple):
    """A file that is not the same in two commits."""

    path: str
    mode: str
    """In the later commit, as git writes it; `GONE` if it is not there."""
    oid: str
    """Its content in the later commit; zeros if it is not there."""
    commit: str = ""
    """The commit that did it, in a history."""

    @property
    def gone(self) -> bool:
        """Whether the file was taken away."""
        return self.mode == GONE


def complete(
    repository: Repository, remote: str | None, branch: str | None, commits: Sequence[str] = ()
) -> None:
    """Fetch what a shallow clone lacks of a branch's history, and of these commits'.

    Without a remote to fetch from a shallow clone is refused.
    """
    if not (repository.common_dir / "shallow").exists():
        return
    if remote is None:
        raise RefusedError(
            "This clone is shallow, and there is no remote to complete it from.",
            hint="clone it without --depth",
        )
    fetch(repository, remote, commits, branch, options=["--unshallow"])


def fetch_commit(repository: Repository, remote: str | None, commit: str) -> bool:
    """Say whether ``commit`` is here, after asking the remote for it where it was not."""
    if repository.resolve(f"{commit}^{{commit}}") is not None:
        return True
    if remote is None:
        return False
    try:
        fetch(repository, remote, [commit], None)
    except UnreachableError:
        raise
    except GitmlError:  # "not our ref": the remote has dropped it
        return False
    return repository.resolve(f"{commit}^{{commit}}") is not None


def merge_base(repository: Repository, one: str, other: str) -> str | None:
    """Return the commit at which two histories parted, or None."""
    out = repository.run("merge-base", one, other, ok=(0, 1)).decode().strip()
    return out or None


def files_below(repository: Repository, commit: str | None, folder: str) -> dict[str, FileChange]:
    """Return the files below a folder of a commit by path; nothing where there is no folder."""
    found: dict[str, FileChange] = {}
    waiting = [] if commit is None else [(folder, f"{commit}:{folder}")]
    while waiting:
        place, revision = waiting.pop()
        tree = repository.objects().get(revision)
        if tree is None or tree.kind != "tree":
            continue
        for entry in parse_tree(tree.data, repository.oid_width // 2):
            path = f"{place}/{entry.name}"
            if entry.mode == _FOLDER:
                waiting.append((path, entry.oid))
            else:
                found[path] = FileChange(path, entry.mode, entry.oid)
    return found


def changed(
    repository: Repository, before: str | None, after: str, *paths: str
) -> list[FileChange]:
    """Return the files that differ between two commits, below ``paths`` if any are given.

    A ``before`` of None is the empty tree.
    """
    start = before or repository.run("hash-object", "-t", "tree", "--stdin").decode().strip()
    out = repository.run("diff-tree", "-r", *_HEAD, start, after, "--", *paths)
    return list(_parsed(out))


def history(
    repository: Repository, tip: str, *paths: str, without: Sequence[str] = ()
) -> Iterator[FileChange]:
    """Yield each change of files below ``paths`` along the first parents, newest first.

    A merge counts as one change, made to its first parent: what a branch saw when
    the merge came to it. What ``without`` reach is left out.
    """
    out = repository.run(
        *("log", "--first-parent", "-m", "--format=%H", *_HEAD, tip),
        *(f"^{commit}" for commit in without),
        *("--", *paths),
    )
    yield from _parsed(out)


def authors(repository: Repository, before: str, after: str, *paths: str) -> dict[str, str]:
    """Return who wrote the newest change of each file between two commits, by path."""
    out = repository.run(
        *("log", "--no-merges", "--format=%x01%an <%ae>", "--name-only", "-z", "--no-renames"),
        *(after, f"^{before}", "--", *paths),
    )
    found: dict[str, str] = {}
    who = ""
    for token in out.decode("utf-8", "replace").split("\0"):
        word = token.lstrip("\n")
        if word.startswith("\x01"):
            who = word[1:]
        elif word:
            found.setdefault(word, who)
    return found


def need(repository: Repository, revision: str) -> str:
    """Return the commit that ``revision`` names; raise `NotFoundError` if there is none."""
    found = repository.resolve(f"{revision}^{{commit}}")
    if found is None:
        raise NotFoundError(
            f"There is no commit {visible(revision, 100)}", hint="git fetch may bring it"
        )
    return found


def _parsed(out: bytes) -> Iterator[FileChange]:
    """Read git's raw format: ``:mode mode oid oid status`` and a path, each ended by NUL."""
    commit = ""
    tokens = iter(out.decode("utf-8", "surrogateescape").split("\0"))
    for token in tokens:
        word = token.lstrip("\n")
        if word.startswith(":"):
            _, mode, _, oid, _ = word.split(" ")
            yield FileChange(next(tokens), mode, oid, commit)
        elif word:
            commit = word
