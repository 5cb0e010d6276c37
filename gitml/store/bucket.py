"""Where large files lie outside of git: below an address, each named by its content.

The object of a content is ``sha256/<first two hex digits>/<hex>`` below the
address, so whoever has a digest finds the bytes, and two repositories may share
one address. Nothing is ever written over or deleted there.
"""

from __future__ import annotations

import contextlib
import errno
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote

from gitml.errors import InputError, RemoteError, UnreachableError
from gitml.names import visible

if TYPE_CHECKING:
    from collections.abc import Callable

_ADDRESS = re.compile(r"(s3|gs|file)://([^/]*)((?:/.*)?)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CHUNK = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}


class Bucket(Protocol):
    """A place for large files.

    What fails raises `UnreachableError` where another try may help, else `RemoteError`.
    """

    address: str
    """The address, for people; it holds no credentials."""

    def size(self, key: str) -> int | None:
        """Return the bytes of an object as it is there now, None if there is none."""

    def read(self, key: str, start: int, end: int) -> bytes:
        """Return the bytes of an object from ``start`` up to ``end``."""

    def send(self, key: str, file: Path, moved: Callable[[int], None]) -> None:
        """Write a file as an object, wholly or not at all; ``moved`` is told bytes as they go."""

    def vouches(self, key: str, file: Path) -> bool:
        """Say whether the checksum that is told of an object now is that of a file here.

        False may mean that no checksum is told: then the bytes have to be read.
        """


def key_of(sha256: str) -> str:
    """Return the key of a content, relative to the address."""
    return f"sha256/{sha256[:2]}/{sha256}"


def check_address(text: str, what: str) -> str:
    """Return an address in its usual form, without a slash at the end.

    ``what`` names where it was written. Raises `InputError` for what is no
    address, and for one with credentials, which it does not repeat.
    """
    authority = text.partition("://")[2].partition("/")[0]
    at = "@" in (authority if text.startswith("file://") else text)
    if at or ":" in authority or "?" in text or "#" in text:
        raise InputError(
            f"{what} holds a user name, a password, a port or options.",
            hint="an address is s3://bucket/folder; credentials come from the environment",
        )
    found = _ADDRESS.fullmatch(text)
    hint = "it must be s3://bucket/folder, gs://bucket/folder or file:///folder"
    if found is None or any(not c.isprintable() for c in text):
        raise InputError(f"{what} is {visible(repr(text), 60)}.", hint=hint)
    scheme, host, path = found[1], found[2], found[3].rstrip("/")
    if scheme == "file" and (host or not path):
        raise InputError(f"{what} is {visible(repr(text), 60)}.", hint=hint)
    if scheme != "file" and not _NAME.fullmatch(host):
        raise InputError(f"{what} is {visible(repr(text), 60)}.", hint=hint)
    return f"{scheme}://{host}{path}"


def open_bucket(address: str) -> Bucket:
    """Return what lies at an address of `check_address`.

    Nothing is asked of it yet. Raises `UsageError` where a package is missing that
    speaks to it.
    """
    if address.startswith("file://"):
        return Folder(address)
    from gitml.store.cloud import Cloud

    return Cloud(address)


class Folder:
    """A folder of this machine's, or one that is mounted; it needs no package."""

    def __init__(self, address: str) -> None:
        """Take an address; the folder has to be there when it is used."""
        self.address = address
        self.root = Path(unquote(address.removeprefix("file://")))

    def _place(self, key: str) -> Path:
        # It is not made: a share that is not mounted would be a folder of this disk.
        if not self.root.is_dir():
            raise RemoteError(
                f"There is no folder {visible(str(self.root))}",
                hint="mount it, or make it, or name another place in artifacts.remote",
            )
        return self.root / key

    def size(self, key: str) -> int | None:
        """Return the bytes of a file, None if there is none."""
        try:
            found = self._place(key)
            return found.stat().st_size if found.is_file() else None
        except OSError as error:
            raise self._meaning(error) from None

    def read(self, key: str, start: int, end: int) -> bytes:
        """Return a part of a file."""
        try:
            with self._place(key).open("rb", buffering=0) as file:
                file.seek(start)
                return file.read(end - start) or b""
        except OSError as error:
            raise self._meaning(error) from None

    def send(self, key: str, file: Path, moved: Callable[[int], None]) -> None:
        """Copy a file beside its place, and give it its name when it is whole."""
        place = self._place(key)
        part = place.with_name(f".{place.name[:16]}.{secrets.token_hex(8)}.part")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with file.open("rb") as reader, part.open("xb") as writer:
                while chunk := reader.read(_CHUNK):
                    writer.write(chunk)
                    moved(len(chunk))
            part.replace(place)
        except OSError as error:
            raise self._meaning(error) from None
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def vouches(self, key: str, file: Path) -> bool:
        """Say no: a folder tells no checksums."""
        del key, file
        return False

    def _meaning(self, error: OSError) -> RemoteError:
        name = visible(self.address, 200)
        if error.errno in _FULL:
            return RemoteError(f"{name} is full.", hint="free some space there and do it again")
        words = (error.strerror or str(error)).lower()
        if error.errno in _CLOSED:
            return RemoteError(
                f"{name} does not let you in: {words}.", hint="check who owns the folder"
            )
        return UnreachableError(f"{name} could not be read or written: {words}.")
