"""Artifacts that were recorded by their address: read from there, and verified where a digest is.

Whoever can push chose the address, so it is opened only when somebody asks for that
file, and only with the schemes below.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gitml.errors import DamagedError, InputError, NotFoundError, UnreachableError
from gitml.names import visible
from gitml.store.cloud import PACKAGES, Named
from gitml.store.meter import Meter
from gitml.store.transfer import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitml.model import Artifact


def uri_chunks(artifact: Artifact) -> Iterator[bytes]:
    """Yield the bytes an artifact's URI leads to; raise at the end if they do not verify.

    Without a digest they are what is there now. Raises `NotFoundError` for what is not
    there, `InputError` for an address that cannot be read, `RemoteError`, `UsageError`
    where a package is missing, and `DamagedError`.
    """
    uri, name = artifact.uri or "", visible(artifact.path, 80)
    if not can_be_read(uri):
        raise InputError(
            f"{name} was recorded and not copied, and gitml cannot read its address.",
            hint=f"it lies at {visible(uri, 200) or 'a place that was not recorded'}",
        )
    chunks = _of_file(uri) if uri.lower().startswith("file:") else _of_cloud(Named(uri))
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if artifact.size is not None and size > artifact.size:
            break
        yield chunk
    if artifact.size not in {None, size}:
        raise _other(artifact, f"more or less than its {artifact.size:,} bytes are there")
    if artifact.sha256 not in {None, digest.hexdigest()}:
        raise _other(artifact, f"what is there has the digest sha256:{digest.hexdigest()}")


def can_be_read(uri: str) -> bool:
    """Say whether a URI is one that `uri_chunks` reads, given the package for it."""
    scheme, _, rest = uri.partition("://")
    return bool(rest) and "::" not in uri and scheme.lower() in {"file", *PACKAGES}


def _other(artifact: Artifact, what: str) -> DamagedError:
    return DamagedError(
        f"{visible(artifact.path, 80)} is not what was recorded: {what}.",
        hint=f"{visible(artifact.uri or '', 200)} has been changed since; nothing was kept",
    )


def _of_file(uri: str) -> Iterator[bytes]:
    place = Path(unquote(uri.partition("://")[2]))
    if not place.is_absolute() or not place.is_file():
        raise NotFoundError(f"There is no file {visible(str(place))}")
    try:
        with place.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise InputError(f"{visible(str(place))} cannot be read: {words}.") from None


def _of_cloud(named: Named) -> Iterator[bytes]:
    meter = Meter(0, None, None)
    size = meter.again(named.size)
    if size is None:  # a server that tells neither a size nor ranges
        yield from named.stream(CHUNK)
        return
    for start in range(0, size, CHUNK):
        yield meter.again(functools.partial(_whole, named, start, min(start + CHUNK, size)))


def _whole(named: Named, start: int, end: int) -> bytes:
    chunk = named.read(start, end)
    if len(chunk) != end - start:
        raise UnreachableError(f"{named.address} broke off in the middle of a file.")
    return chunk
