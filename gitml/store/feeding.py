"""What a git process reads on its standard input."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from typing import TYPE_CHECKING, BinaryIO

from gitml.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def file_of(data: bytes) -> Iterator[BinaryIO | int]:
    """Give ``data`` as a file: of a pipe git sees no end while a fork of ours holds it too."""
    if not data:
        yield subprocess.DEVNULL
        return
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - who is given it closes it
        file.write(data)
        file.seek(0)
    except OSError as error:
        raise StorageError(
            f"A temporary file cannot be written: {error.strerror}.",
            hint="Free some space for temporary files, or name another folder in TMPDIR.",
        ) from None
    with file:
        yield file
