"""Objects out of git: ``git cat-file --batch``, and what a tree holds."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import IO, TYPE_CHECKING, NamedTuple

from gitml.errors import DamagedError
from gitml.names import visible
from gitml.store.failures import failure, meaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitml.errors import GitmlError
    from gitml.store.git import Repository


class Object(NamedTuple):
    """An object of the repository."""

    oid: str
    kind: str
    data: bytes


class Entry(NamedTuple):
    """An entry of a tree."""

    mode: str
    oid: str
    name: str


class _EndedError(DamagedError):
    """git ended in the middle of an answer."""


_ASKED = 16_000
"""Bytes of questions asked at once: well below what a pipe holds, so asking never blocks."""


class CatFile:
    """``git cat-file --batch``: contents of objects by oid or revision."""

    def __init__(self, repository: Repository) -> None:
        self._process = repository.start("cat-file", "--batch")
        self._pid = os.getpid()
        self._lock = threading.Lock()

    @property
    def ended(self) -> bool:
        """Whether the process is gone, or is a parent's and not ours to read."""
        return self._pid != os.getpid() or self._process.poll() is not None

    def get(self, revision: str, limit: int | None = None) -> Object | None:
        """Return an object, or None if there is none; one over ``limit`` is damaged."""
        return next(self.many([revision], limit=limit))

    def many(self, revisions: Iterable[str], limit: int | None = None) -> Iterator[Object | None]:
        """Yield each revision's object or None, in order, asking ahead in small blocks."""
        yield from self._many(revisions, limit, keep=True)

    def _many(
        self, revisions: Iterable[str], limit: int | None, *, keep: bool
    ) -> Iterator[Object | None]:
        block: list[str] = []
        size = 0
        for revision in revisions:
            if "\n" in revision:
                raise DamagedError("The name of an object holds a newline.")
            block.append(revision)
            size += len(revision) + 1
            if size > _ASKED:
                yield from self._block(block, limit, keep=keep)
                block, size = [], 0
        yield from self._block(block, limit, keep=keep)

    def heads(self, revisions: Iterable[str]) -> Iterator[Object | None]:
        """Do `many` where only the oids and kinds matter: contents, of any size, are left out."""
        yield from self._many(revisions, None, keep=False)

    def _block(self, names: list[str], limit: int | None, *, keep: bool) -> list[Object | None]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with self._lock:
            try:
                asked = "".join(f"{name}\n" for name in names)
                stdin.write(asked.encode("utf-8", "surrogateescape"))
                stdin.flush()
                return [read_object(stdout, name, limit, keep=keep) for name in names]
            except BaseException as error:
                if isinstance(error, (_EndedError, OSError)) and (why := self._why(error)):
                    raise why from None
                if len(names) > 1 or not isinstance(error, DamagedError):
                    # What is left unread, after ^C too, would answer the next question.
                    self._process.kill()
                    self.close()
                raise

    def _why(self, error: Exception) -> GitmlError | None:
        """Return what git, which has ended, says that it died of, if that is known."""
        self._process.kill()
        assert self._process.stderr is not None
        words = self._process.stderr.read().decode("utf-8", "replace")
        code = self._process.wait()
        self.close()
        if isinstance(error, OSError):  # it was gone before it was asked
            return failure("cat-file", words, code)
        return meaning("cat-file", words)

    def close(self) -> None:
        """End the process, which a fork of ours may keep from seeing the end of its input."""
        if self._pid == os.getpid():
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._process.wait()


def read_object(
    stdout: IO[bytes], name: str, limit: int | None, *, keep: bool = True
) -> Object | None:
    """Read the next answer; None if there is no such object. Its data is empty without ``keep``."""
    header = stdout.readline()
    if not header.endswith(b"\n"):
        raise _EndedError(f"git ended while reading {visible(name, 80)}.", hint="Run git fsck.")
    fields = header[:-1].rsplit(b" ", 2)
    if len(fields) != 3 or not fields[2].isdigit():  # noqa: PLR2004 - "<oid> <kind> <size>"
        return None  # "<name> missing" or "<name> ambiguous"
    size = int(fields[2])
    if limit is not None and size > limit:
        _skip(stdout, size + 1)
        raise DamagedError(
            f"The object {visible(name, 80)} has {size:,} bytes, more than the limit of {limit:,}."
        )
    if not keep:
        _skip(stdout, size + 1)
        return Object(fields[0].decode(), fields[1].decode(), b"")
    data = stdout.read(size)
    if len(data) != size or stdout.read(1) != b"\n":  # a corrupt object: git has died of it
        raise _EndedError(f"git ended while reading {visible(name, 80)}.", hint="Run git fsck.")
    return Object(fields[0].decode(), fields[1].decode(), data)


def _skip(stdout: IO[bytes], size: int) -> None:
    while size > 0 and (block := stdout.read(min(size, 1 << 20))):
        size -= len(block)


def parse_tree(data: bytes, width: int) -> list[Entry]:
    """Return the entries of a raw tree; ``width`` is the bytes of an oid."""
    entries = []
    at = 0
    while at < len(data):
        space = data.index(b" ", at)
        nul = data.index(b"\0", space)
        end = nul + 1 + width
        entries.append(
            Entry(
                data[at:space].decode(),
                data[nul + 1 : end].hex(),
                data[space + 1 : nul].decode("utf-8", "surrogateescape"),
            )
        )
        at = end
    return entries
