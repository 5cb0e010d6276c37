"""What a build is about to write, so that one that was killed can be taken up."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from gitml.errors import BeatenError, StorageError
from gitml.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two builds of one folder at once are not noticed there
    fcntl = None  # type: ignore[assignment]


class Journal:
    """A folder that is there while a build writes: a lock, a list of addresses, parts of files."""

    def __init__(self, folder: Path) -> None:
        """Remember where it is; nothing is made."""
        self._folder = folder
        self._file = folder / "journal"
        self._lock = -1

    @property
    def exists(self) -> bool:
        """Whether a build goes on, or was killed."""
        return self._folder.is_dir()

    def left(self) -> list[str]:
        """Return the addresses that a build may have written and its manifest does not tell."""
        try:
            text = self._file.read_text("utf-8", "backslashreplace")
        except OSError:
            return []
        return text.split("\n")[:-1]  # what stands behind the last line's end is cut

    def open(self) -> None:
        """Take the lock; raise `BeatenError` if another build has it, `StorageError`."""
        try:
            while self._lock < 0:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._lock = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
                self._take()
            for part in self._folder.glob("*.part"):
                part.unlink()
        except BlockingIOError:
            os.close(self._lock)
            self._lock = -1
            raise BeatenError(
                f"Another gitml builds pages in {visible(str(self._folder.parent))}",
                hint="wait for it, or name another folder with -o",
            ) from None
        except OSError as error:
            raise self._failure(error) from None

    def _take(self) -> None:
        """Lock the file; let go of it if it was removed meanwhile by who had the lock."""
        if fcntl is None:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # not every file system has locks
            return
        if not self._is_in_place():
            os.close(self._lock)
            self._lock = -1

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._lock), self._file.stat())
        except FileNotFoundError:
            return False

    def add(self, addresses: Iterable[str]) -> None:
        """Note which files are about to be put in their places; raise `StorageError`."""
        lines = "".join(f"{address}\n" for address in addresses)
        try:
            os.write(self._lock, lines.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise self._failure(error) from None

    def part(self, number: int) -> str:
        """Return where a file is written before it is put in its place."""
        return f"{self._folder}{os.sep}{number}.part"

    def end(self) -> None:
        """Remove it all: the manifest tells everything now."""
        if self._lock < 0:
            return
        if fcntl is None:  # Windows does not remove what is open
            os.close(self._lock)
            self._lock = -1
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """Let go of the lock; a build that was given up leaves the rest for the next one."""
        if self._lock < 0:
            return
        with suppress(OSError):
            if self._is_in_place() and not os.fstat(self._lock).st_size:
                shutil.rmtree(self._folder, ignore_errors=True)  # nothing was written
        os.close(self._lock)
        self._lock = -1

    def _failure(self, error: OSError) -> StorageError:
        return StorageError(
            f"{visible(str(self._folder.parent))} cannot be written to: {error.strerror}.",
            hint="check the free space and who owns the folder",
        )
