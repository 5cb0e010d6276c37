"""A folder of files that is brought up to date: nothing is written that is already there.

What the folder holds of ours is in its ``gitml-manifest.json``: each file with the
hash of what it was made from. Nothing else in the folder is ever touched.

While a build writes, ``.gitml-build/`` holds a lock, what is half-written, and a journal
with the address of each file before it is put in its place. A build that was killed
leaves it there: the next one distrusts the files it names, and makes or removes them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from gitml.errors import InputError, RefusedError, StorageError
from gitml.model import SCHEMA, Json
from gitml.names import visible
from gitml.site.journal import Journal
from gitml.site.urls import BUILDING, MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_WRITERS = 2
"""Threads: making a file is a wait for the system, while the next page can be rendered."""
_AT_ONCE, _MUCH = 16, 1_000_000
"""Files that a thread is given at once, and bytes that are enough for it."""
_AHEAD = 4
"""How many times as much may wait to be written."""
_ADDRESS = re.compile(r"(?!.*(?:^|/)\.\.?(?:/|$))[^\x00-\x1f\\/:]+(?:/[^\x00-\x1f\\/:]+)*")
"""What a manifest may list: a path that stays in the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of a folder."""

    written: tuple[str, ...]
    """Files that are new or other than before."""
    removed: tuple[str, ...]
    """Files that belonged to what is no longer shown."""
    unchanged: int
    """How many files stayed as they were."""
    bytes: int
    """Bytes written."""

    @property
    def changed(self) -> bool:
        """Whether anything is other than before."""
        return bool(self.written or self.removed)


class Folder:
    """A folder that the site is in, or will be; with ``check`` nothing in it is changed."""

    def __init__(self, path: Path, *, check: bool = False) -> None:
        """Read the manifest; raise `RefusedError` for a folder with files of somebody else's."""
        self._path = path
        self._base = f"{path}{os.sep}"
        self._check = check
        self._journal = Journal(path / BUILDING)
        self._new: dict[str, tuple[str, int]] = {}
        self._planned: frozenset[str] = frozenset()
        self._written: list[str] = []
        self._bytes = 0
        self._batch: list[tuple[str, bytes]] = []
        self._folders: set[str] = set()
        self._parts = count()
        self._writers = ThreadPoolExecutor(_WRITERS)
        self._waiting: deque[Future[None]] = deque()
        self._read()

    def _read(self) -> None:
        self._old: dict[str, tuple[str, int]] = {}
        self.notes: Mapping[str, Json] = {}
        self.state = ""
        self._by_folder: dict[str, list[str]] | None = None
        path = self._path
        file = path / MANIFEST
        self._read_at = _identity(file)
        try:
            if path.exists() and not path.is_dir():
                raise InputError(
                    f"{visible(str(path))} is not a folder.", hint="name another with -o"
                )
            text = file.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            if not self._journal.exists and path.is_dir() and any(path.iterdir()):
                raise RefusedError(
                    f"{visible(str(path))} is not empty, and gitml did not make it.",
                    hint="name an empty or a new folder with -o",
                ) from None
        except (OSError, ValueError) as error:
            raise _unreadable(file, error) from None
        else:
            self._parse(file, text)
        self._left = self._journal.left()
        for address in self._left:
            if _ADDRESS.fullmatch(address):
                self._old[address] = ("", -1)
            self.state = ""

    def _parse(self, file: Path, text: str) -> None:
        try:
            document = json.loads(text)
            files = document["files"]
            self._old = {address: (str(f[0]), int(f[1])) for address, f in files.items()}
            _check(self._old)
            self.notes = dict(document.get("notes") or {})
            self.state = str(document.get("state") or "")
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, InputError) as error:
            raise _unreadable(file, error) from None

    def is_whole(self) -> bool:
        """Say whether every file of the manifest is there, of the size it had."""
        return bool(self._old) and all(self._size(p) == s for p, (_, s) in self._old.items())

    def _size(self, address: str) -> int:
        """Return the bytes of a file, -1 if it is not there."""
        try:
            return os.stat(self._base + address).st_size  # noqa: PTH116 - 20,000 in a row
        except OSError:
            return -1

    def begin(self, addresses: Iterable[str]) -> None:
        """Say which files there will be, before the first is written.

        Raises `RefusedError` where somebody else's file is in the way, `BeatenError`
        while another process writes the folder.
        """
        if not self._check:
            self._journal.open()
            now = _identity(self._path / MANIFEST), self._journal.left()
            if now != (self._read_at, self._left):  # another build was faster
                self._read()
        self._planned = frozenset(addresses)
        for address in self._planned:
            self._refuse_others(address)

    def _refuse_others(self, address: str) -> None:
        if address not in self._old and os.path.lexists(self._base + address):
            raise RefusedError(
                f"{visible(str(self._path / address))} is in the way, and gitml did not make it.",
                hint="move it, or name another folder with -o",
            )

    def has(self, address: str, key: str) -> bool:
        """Say whether a file made from what ``key`` names is there; if so, it stays."""
        old = self._old.get(address)
        if old is None or old[0] != key or self._size(address) != old[1]:
            return False
        self._new[address] = old
        return True

    def below(self, prefix: str) -> list[str]:
        """Return the files there were whose addresses begin with ``prefix``."""
        if self._by_folder is None:
            self._by_folder = {}
            for address in self._old:
                self._by_folder.setdefault(address.rpartition("/")[0] + "/", []).append(address)
        return self._by_folder.get(prefix, [])

    def put(self, address: str, data: bytes, key: str | None = None) -> None:
        """Put a file; its own hash is its key unless it is given.

        Raises `RefusedError` where `begin` was not told of it and somebody else's is there.
        """
        key = key or hashlib.sha256(data).hexdigest()[:16]
        if self.has(address, key):
            return
        if address not in self._planned:
            self._refuse_others(address)
        self._new[address] = key, len(data)
        if address in self._old and self._size(address) == len(data):
            with suppress(OSError):
                if (self._path / address).read_bytes() == data:
                    return
        self._written.append(address)
        self._bytes += len(data)
        if not self._check:
            self._batch.append((address, data))
            if len(self._batch) == _AT_ONCE or sum(len(b) for _, b in self._batch) > _MUCH:
                self._send()

    def _send(self) -> None:
        """Note what is to be put in its place next, and have that written."""
        batch, self._batch = self._batch, []
        self._journal.add([address for address, _ in batch])
        self._waiting.append(self._writers.submit(self._replace, batch))
        if len(self._waiting) > _AHEAD:
            self._waiting.popleft().result()

    def close(self) -> None:
        """Let go of it; what is being written ends, what waits to be written is given up."""
        self._writers.shutdown(cancel_futures=True)
        self._journal.close()

    def _settle(self) -> None:
        """Wait for what is to be written; raise what went wrong."""
        if self._batch:
            self._send()
        while self._waiting:
            self._waiting.popleft().result()

    def _replace(self, batch: Iterable[tuple[str, bytes]]) -> None:
        """Put files in their places; with paths as texts, because there may be 20,000."""
        for address, data in batch:
            part, target = self._journal.part(next(self._parts)), self._base + address
            try:
                self._make_folder(address.rpartition("/")[0])
                with open(part, "wb") as file:  # noqa: PTH123
                    file.write(data)
                os.replace(part, target)  # noqa: PTH105
            except OSError as error:
                with suppress(OSError):
                    os.unlink(part)  # noqa: PTH108
                raise StorageError(
                    f"{visible(target)} cannot be written: {error.strerror}.",
                    hint="check the free space and who owns the folder",
                ) from None

    def _make_folder(self, folder: str) -> None:
        if folder not in self._folders:
            (self._path / folder).mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)

    def finish(self, state: str, notes: Mapping[str, Json]) -> Written:
        """Remove what is no longer shown, write the manifest and say what became of it all."""
        self._settle()
        gone = sorted(address for address in self._old if address not in self._new)
        removed = [address for address in gone if self._size(address) >= 0]
        if not self._check:
            for address in removed:
                self._remove(address)
            self._write_manifest(state, notes)
            self._journal.end()
        return Written(
            written=tuple(sorted(self._written)),
            removed=tuple(removed),
            unchanged=len(self._new) - len(self._written),
            bytes=self._bytes,
        )

    def untouched(self) -> Written:
        """Say that everything is as it was."""
        return Written(written=(), removed=(), unchanged=len(self._old), bytes=0)

    def _remove(self, address: str) -> None:
        target = self._path / address
        with suppress(OSError):
            target.unlink()
        for folder in target.parents:
            if folder == self._path:
                break
            with suppress(OSError):  # not empty
                folder.rmdir()

    def _write_manifest(self, state: str, notes: Mapping[str, Json]) -> None:
        document = {
            "schema": SCHEMA,
            "state": state,
            "notes": notes,
            "files": dict(sorted(self._new.items())),
        }
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        data = text.replace('],"', '],\n"').encode("utf-8", "backslashreplace") + b"\n"
        target = self._path / MANIFEST
        with suppress(OSError):
            if target.read_bytes() == data:
                return
        self._replace([(MANIFEST, data)])


def _identity(file: Path) -> tuple[int, int, int] | None:
    """Return what tells a file from one that was put in its place, None if it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _check(addresses: Iterable[str]) -> None:
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
            raise InputError(f"it lists {visible(address, 80)}")


def _unreadable(file: Path, error: Exception) -> InputError:
    why = (isinstance(error, OSError) and error.strerror) or str(error)
    return InputError(
        f"{visible(str(file))} cannot be read: {visible(why, 80)}.",
        hint="remove the folder, or name another with -o",
    )
