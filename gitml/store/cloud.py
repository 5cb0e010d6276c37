"""The one door to fsspec: buckets in a cloud, and files that a URI names.

Credentials and endpoints are the services' own business: the AWS and Google
libraries find them in the environment and in their own files. They are neither
read nor kept nor shown here. Tries are counted by whoever calls: the libraries are
told to try once.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import importlib.util
import logging
import re
from typing import TYPE_CHECKING, Any

from gitml.errors import GitmlError, NotFoundError, RemoteError, UnreachableError, UsageError
from gitml.names import visible
from gitml.redact import strip_credentials
from gitml.store.artifacts import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PART = 16 * 1024 * 1024
"""Bytes of a part, of files that are sent in parts; larger where there would be too many."""
_PARTS_MOST = 9_000
_MIB = 1024 * 1024
_PARTS_AT_ONCE = 2
_PATIENCE = 60
"""Seconds without an answer after which a request is given up."""
PACKAGES = {
    "s3": ("s3fs", "gitml[s3]"),
    "gs": ("gcsfs", "gitml[gs]"),
    "http": ("aiohttp", "fsspec[http]"),
    "https": ("aiohttp", "fsspec[http]"),
    "az": ("adlfs", "fsspec[abfs]"),
    "abfs": ("adlfs", "fsspec[abfs]"),
    "hf": ("huggingface_hub", "fsspec huggingface_hub"),
}
"""The schemes that can be read: what speaks them, and what pip installs for that."""
_NO_KEYS = ("NoCredentials", "PartialCredentials", "ProfileNotFound", "DefaultCredentialsError")
_KEYS = ("CredentialRetrievalError", "UnauthorizedSSOTokenError", "RefreshError", "SSOTokenLoad")
_NO_BUCKET = "bucket does not exist"
_LOUD = ("aiobotocore", "botocore", "fsspec", "gcsfs", "google", "s3fs")
_NOWHERE = logging.NullHandler()
_PASSING = {"RequestTimeout", "BadDigest", "IncompleteBody", "SlowDown", "OperationAborted"}
_TELLING = {"HttpError", "ClientResponseError"}
"""Failures of gcsfs and aiohttp that are a service's answers; others carry codes of their own."""
_SERVER, _TOO_MANY, _SLOW, _FORBIDDEN, _AWAY = 500, 429, 408, (401, 403), 404


class TriedError(UnreachableError):
    """A place that could not be reached although it was tried again and again by its library."""


class Cloud:
    """A bucket, or a folder of one."""

    def __init__(self, address: str) -> None:
        """Take an address; raise `UsageError` where the package is missing for it."""
        self.address = address
        self._scheme, _, self._root = address.partition("://")
        self._files = _filesystem(address)

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def size(self, key: str) -> int | None:
        """Return the bytes of an object, None if there is none."""
        info = self._info(key)
        return None if info is None else int(info["size"])

    def _info(self, key: str) -> dict[str, Any] | None:
        with asked(self.address):
            try:
                info = dict(self._files.info(self._path(key)))
            except FileNotFoundError as error:
                if _NO_BUCKET in str(error):
                    raise
                return None
        return info if info.get("type") == "file" else None

    def read(self, key: str, start: int, end: int) -> bytes:
        """Return a part of an object."""
        with asked(self.address):
            return bytes(self._files.cat_file(self._path(key), start=start, end=end))

    def send(self, key: str, file: Path, moved: Callable[[int], None]) -> None:
        """Write an object; one in parts is there when the last of them is."""
        from fsspec.callbacks import Callback

        class Told(Callback):  # type: ignore[misc]
            def relative_update(self, inc: int = 1) -> None:
                self.value += inc
                moved(inc)

            def absolute_update(self, value: int) -> None:
                self.relative_update(value - self.value)

        how = {"max_concurrency": _PARTS_AT_ONCE} if self._scheme == "s3" else {}
        try:
            with asked(self.address):
                self._files.put_file(
                    str(file),
                    self._path(key),
                    callback=Told(),
                    chunksize=part_size(file.stat().st_size),
                    **how,
                )
        except NotFoundError:
            raise _no_bucket(visible(self.address, 200)) from None

    def vouches(self, key: str, file: Path) -> bool:
        """Say whether the object's MD5, or that of its parts, is that of a file here."""
        info = self._info(key)
        if info is None:
            return False
        told = str(info.get("ETag") or "").strip('"')
        if self._scheme == "gs" and info.get("md5Hash"):
            with contextlib.suppress(binascii.Error):
                told = base64.b64decode(str(info["md5Hash"])).hex()
        whole, dash, parts = told.partition("-")
        if not re.fullmatch(r"[0-9a-f]{32}", whole):
            return False
        return (_md5_of_parts(file) if dash else digest_of(file, "md5")) == (
            f"{whole}-{parts}" if dash else whole
        )


def part_size(size: int) -> int:
    """Return the bytes of a part of a file of ``size`` bytes: services allow 10,000 parts.

    Google's have to be multiples of 256 KiB.
    """
    return max(PART, -(-size // (_PARTS_MOST * _MIB)) * _MIB)


def _md5_of_parts(file: Path) -> str:
    """Return what S3 tells of an object that `Cloud.send` wrote in parts."""
    step = part_size(file.stat().st_size)
    digests = []
    with file.open("rb") as reader:
        while chunk := reader.read(step):
            digests.append(hashlib.md5(chunk, usedforsecurity=False).digest())
    whole = hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()
    return f"{whole}-{len(digests)}"


def _filesystem(address: str) -> Any:
    scheme = address.partition("://")[0]
    package, wanted = PACKAGES[scheme]
    name = visible(strip_credentials(address), 200)
    missing = [p for p in ("fsspec", package) if importlib.util.find_spec(p) is None]
    if missing:
        raise UsageError(
            f"{name} cannot be spoken to without {missing[-1]}.", hint=f"pip install '{wanted}'"
        )
    import fsspec

    for library in _LOUD:  # what fails is said once, by us; without a handler Python prints it
        logging.getLogger(library).addHandler(_NOWHERE)
    how: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme == "s3":
        once = {"retries": {"total_max_attempts": 1}}
        how["config_kwargs"] = {**once, "connect_timeout": 15, "read_timeout": _PATIENCE}
        how["version_aware"] = "?versionId=" in address
    with asked(address):
        files = fsspec.filesystem(scheme, **how)
    files.retries = 1
    return files


@contextlib.contextmanager
def asked(address: str) -> Iterator[None]:
    """Turn what a library raises into the failures that callers know."""
    try:
        yield
    except (GitmlError, InterruptedError):
        raise
    except Exception as error:  # noqa: BLE001 - libraries of many services, each with its own tree
        raise _meaning(address, error) from None


def _meaning(address: str, error: Exception) -> GitmlError:
    name = visible(strip_credentials(address), 200)
    words = visible(" ".join(strip_credentials(str(error)).split()).rstrip("."), 200)
    causes = [error, *filter(None, [error.__cause__, error.__context__])]
    kinds = " ".join(type(cause).__name__ for cause in causes)
    code, status = _told(causes)
    if any(word in kinds for word in _NO_KEYS):
        return RemoteError(
            f"There are no credentials for {name}",
            hint="the service's own tools set them, as in aws configure or AWS_ACCESS_KEY_ID",
        )
    denied = isinstance(error, PermissionError) or str(error).startswith("Forbidden")  # gcsfs
    if denied or status in _FORBIDDEN or any(word in kinds for word in _KEYS):
        return RemoteError(
            f"{name} does not let you in: {words or 'no word why'}.",
            hint="reading takes the right to get and list objects, writing to create them",
        )
    if code == "NoSuchBucket" or _NO_BUCKET in str(error):
        return _no_bucket(name)
    if isinstance(error, FileNotFoundError) or status == _AWAY:
        return NotFoundError(f"There is nothing at {name}")
    passing = status >= _SERVER or status in {0, _TOO_MANY, _SLOW} or code in _PASSING
    if passing and not isinstance(error, (TypeError, ValueError)):
        tried = address.startswith("gs://")  # gcsfs cannot be told to try once
        return (TriedError if tried else UnreachableError)(
            f"{name} could not be reached: {words or kinds}.",
            hint="what arrived stays; do it again later (AWS_ENDPOINT_URL names the server)",
        )
    return RemoteError(f"{name} refuses: {words or kinds}.")


def _no_bucket(name: str) -> RemoteError:
    return RemoteError(f"There is no bucket at {name}", hint="make it, or correct artifacts.remote")


def _told(causes: list[BaseException]) -> tuple[str, int]:
    """Return the service's own code of a failure and its HTTP status, 0 if it told none."""
    for cause in causes:
        response = getattr(cause, "response", None)
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return str(response.get("Error", {}).get("Code", "")), int(status or 0)
        if type(cause).__name__ in _TELLING:
            field = "status" if hasattr(cause, "status") else "code"
            return "", int(getattr(cause, field, 0) or 0)
    return "", 0


class Named:
    """A file that a URI names."""

    def __init__(self, uri: str) -> None:
        """Take a URI of one of `PACKAGES`; raise `UsageError` where that is missing."""
        self.address = visible(strip_credentials(uri), 200)
        self._uri = uri
        self._files = _filesystem(uri)
        self._streams = uri.lower().startswith("http")

    def size(self) -> int | None:
        """Return its bytes, None if it can only be read from its beginning to its end."""
        if self._streams:
            return None
        with asked(self._uri):
            return int(self._files.info(self._uri)["size"])

    def read(self, start: int, end: int) -> bytes:
        """Return a part of it."""
        with asked(self._uri):
            return bytes(self._files.cat_file(self._uri, start=start, end=end))

    def stream(self, step: int) -> Iterator[bytes]:
        """Yield all of it, in pieces."""
        with asked(self._uri), self._files.open(self._uri, block_size=0) as file:
            while chunk := file.read(step):
                yield bytes(chunk)
