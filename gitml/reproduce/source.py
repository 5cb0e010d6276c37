"""The exact code of a run, in a folder of its own.

Git itself writes the files, as it would at a checkout: with the line endings,
``ident`` and filters that the tree's ``.gitattributes`` and this repository's
configuration ask for, because that is what the run read (a blob holds what the
filters made of it). The index is a private one, and hooks do not run. What git
normalised when the tree was made, such as mixed line endings, is not known any
more. The content of git-lfs's files is taken from this machine, without git-lfs
and without a network; where it is not here, the pointer stays, and
`Checkout.pointers` names it.

Trees come from refs that anybody who may push can write: the folder is new,
git's own checks keep ``..``, ``.git`` and paths through links out, and a tree
that is not well-formed is refused.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.errors import DamagedError, NotFoundError, RefusedError, RepositoryError
from gitml.model import Artifact
from gitml.names import visible
from gitml.reproduce.place import check_folder
from gitml.store.artifacts import large_chunks, pointer
from gitml.store.failures import failure
from gitml.words import command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.errors import GitmlError
    from gitml.model import Run
    from gitml.store.git import Repository

FILES_LIMIT = 500_000
"""Files of a tree that are written; more are a bomb, because trees can share subtrees."""
DEPTH_LIMIT = 256
TREE, LINK, MODULE = "40000", "120000", "160000"
_POINTED = re.compile(rb"oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,18})\n")
_POINTER_MOST = 200
_PLAIN = (  # whatever the user's repository is set to: a whole tree, and nothing but files
    *("core.fsmonitor=false", "core.sparseCheckout=false", "core.splitIndex=false"),
    *("core.protectHFS=true", "core.protectNTFS=true", "submodule.recurse=false"),
    *(f"core.hooksPath={os.devnull}", "filter.lfs.required=false"),
    *("filter.lfs.process=", "filter.lfs.smudge="),  # it would download what is not here
)


class AwayError(NotFoundError):
    """A run's source, the object ``tree``, that is not in the repository."""

    def __init__(self, message: str, *, hint: str, tree: str) -> None:
        super().__init__(message, hint=hint)
        self.tree = tree


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file of a source tree."""

    path: str
    """Relative to the top, ``/`` between parts."""
    mode: str
    """As git has it: 100644, 100755 (executable), 120000 (link), 160000 (submodule)."""
    oid: str
    """The blob, or the commit of a submodule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A source tree that was written."""

    folder: Path
    """The new folder."""
    paths: tuple[str, ...]
    """The files it has."""
    pointers: tuple[str, ...] = ()
    """Files whose content git-lfs did not have here."""
    modules: tuple[str, ...] = ()
    """Submodules, which are empty folders."""

    @property
    def files(self) -> int:
        """How many files it has."""
        return len(self.paths)


def tree_of(repository: Repository, run: Run) -> str:
    """Return the tree a run was made from, which is in the repository.

    Raises `NotFoundError` if the run has none, and `AwayError` if its objects are elsewhere.
    """
    source = run.source
    name = visible(run.name)
    tree = source.tree
    if tree is None and source.commit and not source.dirty:  # its writer has not committed yet
        tree = f"{source.commit}^{{tree}}"
    if tree is None:
        why = next((text for text in source.left_out if text.startswith("all:")), "")
        raise NotFoundError(
            f"{name} has no source tree{visible(f' ({why[4:].strip()})') if why else ''}.",
            hint="a tree is recorded when a run starts within a git repository",
        )
    oid = tree.removesuffix("^{tree}")
    if not re.fullmatch(f"[0-9a-f]{{{repository.oid_width}}}", oid):
        raise DamagedError(
            f"The source of {name} is not a tree of this repository: {visible(oid, 80)}"
        )
    found = repository.objects().get(tree)
    if found is None:
        raise AwayError(
            f"The source tree of {name} is not in this repository: {oid}",
            hint="source trees are where the run was made, or where they were pushed to",
            tree=oid,
        )
    if found.kind != "tree":
        raise DamagedError(f"The source of {name} is a {found.kind} and not a tree: {oid}")
    return found.oid


def files(repository: Repository, tree: str) -> list[SourceFile]:
    """Return the files of a source tree, sorted as git sorts.

    Raises `DamagedError` for a tree that no checkout makes: a name twice in one
    folder, more than `FILES_LIMIT` files.
    """
    found: list[SourceFile] = []
    _walk(repository, tree, "", 0, found)
    return found


def _walk(
    repository: Repository, tree: str, prefix: str, depth: int, found: list[SourceFile]
) -> None:
    seen = set()
    for entry in repository.tree(tree):
        path = prefix + entry.name
        if entry.name in seen or "/" in entry.name or entry.name in {"", ".", ".."}:
            raise DamagedError(f"The source tree is not well-formed at {visible(path)}")
        if len(found) >= FILES_LIMIT or depth > DEPTH_LIMIT:
            raise DamagedError(
                f"The source tree has more than {FILES_LIMIT:,} files or {DEPTH_LIMIT} levels."
            )
        seen.add(entry.name)
        if entry.mode == TREE:
            _walk(repository, entry.oid, f"{path}/", depth + 1, found)
        else:
            found.append(SourceFile(path=path, mode=entry.mode, oid=entry.oid))


def checkout(repository: Repository, tree: str, folder: Path) -> Checkout:
    """Write a source tree into a new folder, wholly or not at all.

    Raises `RefusedError` if the folder has anything in it, `DamagedError` if the
    tree is hostile or its objects are missing.
    """
    listed = files(repository, tree)
    check_folder(folder.parent)
    _check_new(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.parent / f".{folder.name[:100]}.{secrets.token_hex(4)}.tmp"
    part.mkdir()
    try:
        with tempfile.TemporaryDirectory(prefix="gitml-") as aside:
            git = _Git(repository, part, Path(aside) / "index")
            git.read_tree(tree)
            pointers = git.fill(listed)
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()  # it is empty, and not every system renames onto a folder
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    modules = tuple(f.path for f in listed if f.mode == MODULE)
    return Checkout(
        folder=folder,
        paths=tuple(f.path for f in listed if f.mode != MODULE),
        pointers=pointers,
        modules=modules,
    )


def _check_new(folder: Path) -> None:
    if folder.is_symlink() or (
        folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    ):
        raise RefusedError(
            f"{visible(str(folder))} exists already, and nothing is written over it.",
            hint="name a new folder with -o DIR",
        )


class _Git:
    """Git with a work tree and an index of our own."""

    def __init__(self, repository: Repository, folder: Path, index: Path) -> None:
        self._repository = repository
        self._folder = folder
        self._environment = {"GIT_WORK_TREE": str(folder.absolute()), "GIT_INDEX_FILE": str(index)}

    def read_tree(self, tree: str) -> None:
        """Write a tree into the folder."""
        options = [part for setting in _PLAIN for part in ("-c", setting)]
        command = ("read-tree", "-u", "--reset", tree)
        process = self._repository.start(*options, *command, env=self._environment)
        try:
            _, err = process.communicate()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.returncode:
            raise _meaning(err.decode("utf-8", "replace"), process.returncode)

    def fill(self, listed: Sequence[SourceFile]) -> tuple[str, ...]:
        """Put content for git-lfs's pointers; return the paths of those that is not here."""
        top = self._folder.resolve()
        found = {}
        for file in listed:
            path = self._folder / file.path
            if file.mode not in {LINK, MODULE} and path.stat().st_size <= _POINTER_MOST:
                match = _POINTED.search(data := path.read_bytes())
                told = (match[1].decode(), int(match[2])) if match else ("", 0)
                if data == pointer(*told) and path.resolve() == top / file.path:
                    found[file.path] = told
        if not found:
            return ()
        asked = "".join(f"{name}\0" for name in found).encode("utf-8", "surrogateescape")
        answer = self._repository.run(
            *("check-attr", "-z", "--stdin", "filter"), data=asked, env=self._environment
        )
        fields = answer.decode("utf-8", "surrogateescape").split("\0")
        filters = dict(zip(fields[::3], fields[2::3], strict=False))
        return tuple(
            name
            for name, (sha256, size) in found.items()
            if filters.get(name) == "lfs" and not self._replace(name, sha256, size)
        )

    def _replace(self, path: str, sha256: str, size: int) -> bool:
        """Put a large content in a pointer's place, unless it is not here."""
        file = self._folder / path
        artifact = Artifact(path=path, sha256=sha256, size=size, store="lfs")
        part = self._folder / f".{secrets.token_hex(8)}"
        try:
            with part.open("xb") as writer:
                writer.writelines(large_chunks(self._repository, artifact))
        except NotFoundError:
            part.unlink()
            return False
        part.chmod(file.stat().st_mode)
        part.replace(file)
        return True


def _meaning(words: str, code: int) -> GitmlError:
    lines = [x for kind in ("fatal:", "error:") for x in words.splitlines() if x.startswith(kind)]
    said = visible("".join(lines[:1]).partition(": ")[2])
    if "invalid path" in words or "empty filename" in words:
        return DamagedError(f"git refuses the source tree: {said}.", hint="nothing was written")
    if "unable to read" in words or "missing blob" in words:
        return DamagedError(
            f"Objects of the source tree are missing: {said}.",
            hint="git fsck shows what else is; a new clone gets them from the remote",
        )
    if "filter" in words:
        return RepositoryError(
            f"A filter that the tree's .gitattributes asks for failed: {said}.",
            hint="git config --get-regexp filter shows what this repository runs",
        )
    return failure("read-tree", words, code)


def rerun(run: Run) -> tuple[str, str] | None:
    """Return (folder within the tree, command line) of a run, None if it has no command.

    The folder is told by the script, which is known from the top, and by how the
    command names it.
    """
    command, script = run.source.command, run.source.script
    if not command:
        return None
    for argument in command[1:]:
        if script and (script == argument or script.endswith(f"/{argument}")):
            return script[: -len(argument)].rstrip("/"), command_line(command)
    return "", command_line(command)
