"""A version as one file to hand on: a tar archive or a zip, the same bytes each time.

It holds one folder, ``churn-v1.2.0``, with the files of the package, and beside it
``churn-v1.2.0.yaml`` with what the registry knows of the version.
"""

from __future__ import annotations

import gzip
import io
import secrets
import tarfile
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitml.errors import InputError, RefusedError
from gitml.names import visible
from gitml.registry.versionfile import dump_version
from gitml.reproduce.place import check_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO, TypeAlias

    from gitml.registry.pulling import Contents
    from gitml.registry.values import ModelVersion

    Entries: TypeAlias = Iterator[tuple[str, int, Iterator[bytes]]]

_MODE = 0o644
_EARLIEST = 315_532_800
"""Seconds of 1980-01-01, before which a zip knows no time."""


def export(contents: Contents, facts: ModelVersion, target: Path, *, force: bool = False) -> None:
    """Write a version into an archive whose kind the name says: .zip, .tar, .tar.gz, .tgz.

    Raises `InputError` for another name, `RefusedError` if the file is there and
    ``force`` is not given, and what reading raises; the file is not there then.
    """
    write = writer_of(target)
    check_folder(target.parent)
    if target.is_dir() or (target.exists() and not force):
        raise RefusedError(
            f"{visible(str(target))} exists already.", hint="--force overwrites a file"
        )
    contents.fetch()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".gitml-{secrets.token_hex(8)}.tmp")
    try:
        with part.open("xb") as file:
            write(file, _entries(contents, facts), facts.created // 1000)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def writer_of(target: Path) -> Callable[[BinaryIO, Entries, int], None]:
    """Return what writes an archive of this name; raise `InputError` for no such name."""
    name = target.name.lower()
    for suffixes, write in _WRITERS:
        if name.endswith(suffixes):
            return write
    raise InputError(
        f"{visible(target.name, 80)} does not say what kind of archive it is.",
        hint="name it .zip, .tar or .tar.gz; gitml model pull writes a folder",
    )


def _entries(contents: Contents, facts: ModelVersion) -> Entries:
    top = f"{facts.slug}-{facts.name}"
    known = dump_version(facts)
    yield f"{top}.yaml", len(known), iter([known])
    for file in facts.files:
        yield f"{top}/{file.path}", file.size, contents.read(file)


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a file to read from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, as many as asked for unless they end."""
        while (size < 0 or len(self._left) < size) and (piece := next(self._pieces, b"")):
            self._left += piece
        end = len(self._left) if size < 0 else size
        found, self._left = self._left[:end], self._left[end:]
        return found


def _tar(file: BinaryIO, entries: Entries, time: int) -> None:
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, size, pieces in entries:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = size, time, _MODE
            archive.addfile(entry, _Pieces(pieces))  # type: ignore[arg-type, unused-ignore]
            for _ in pieces:  # its end, where the content is verified
                pass


def _tar_gz(file: BinaryIO, entries: Entries, time: int) -> None:
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=time) as packed:
        _tar(packed, entries, time)  # type: ignore[arg-type, unused-ignore]


def _zip(file: BinaryIO, entries: Entries, time: int) -> None:
    moment = datetime.fromtimestamp(max(time, _EARLIEST), UTC)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, size, pieces in entries:
            entry = zipfile.ZipInfo(name, moment.timetuple()[:6])
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, _MODE << 16
            entry.create_system = 3  # Unix, on every system
            with archive.open(entry, "w", force_zip64=size > (1 << 31)) as member:
                for piece in pieces:
                    member.write(piece)


_WRITERS = (((".tar.gz", ".tgz"), _tar_gz), ((".tar",), _tar), ((".zip",), _zip))
