"""Pages for the browser of this machine alone: a small server, and a look at whether refs moved.

Other machines cannot reach it. Other sites in the same browser must not read it either:
their scripts are refused by what the browser says of a request (its ``Host``, under which
a rebound name would come, and ``Sec-Fetch-Site``), and by what is answered.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
import shutil
import socketserver
import threading
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote, urlsplit

from gitml.errors import InputError, StorageError
from gitml.names import REMOTES, TAGS, visible
from gitml.site.reload import Changes
from gitml.site.urls import OVERVIEW
from gitml.store import live

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]
_HAS_LOCKS = hasattr(fcntl, "flock")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gitml.store.git import Repository

LOOPBACK = "127.0.0.1"
FIRST, TRIED = 8000, 20
"""The port that is tried first, and how many behind it, where none was asked for."""
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".atom": "application/atom+xml; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
_HEADERS = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGE_POLICY = "frame-ancestors 'none'"  # the rest each page says itself
_FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_MISSING = (
    "<!DOCTYPE html><html lang=en><title>Not here</title><body>"
    '<h1>Not here</h1><p>There is no such page. <a href="/">To the overview</a></p>'
)


class Server(ThreadingHTTPServer):
    """Answers with the files of a folder."""

    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # elsewhere it would take a port from another

    def __init__(self, folder: Path, port: int) -> None:
        """Take the port; raises `OSError`."""
        self.folder = folder
        self.changes = Changes()
        super().__init__((LOOPBACK, port), _Handler)
        port = int(self.server_address[1])
        self.url = f"http://{LOOPBACK}:{port}/"
        self.names = frozenset(f"{name}:{port}" for name in (LOOPBACK, "localhost", "[::1]"))

    def server_bind(self) -> None:
        """Take the port without asking the network for the name of this machine."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, int(self.server_address[1])

    def handle_error(self, *_: Any) -> None:
        """Say nothing: browsers hang up as they like."""

    def find(self, target: str) -> Path | None:
        """Return the file that a request asks for, None if there is none that may be shown."""
        address = unquote(urlsplit(target).path).removeprefix("/") or OVERVIEW
        parts = address.split("/")
        if any(not p or p.startswith(".") or "\\" in p or ":" in p or "\0" in p for p in parts):
            return None
        try:
            found = self.folder.joinpath(*parts).resolve(strict=True)
            inside = found.is_relative_to(self.folder.resolve())
        except (OSError, ValueError, RuntimeError):
            return None
        return found if inside and found.is_file() else None


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "gitml", ""
    timeout = 30

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer with a file."""
        self._answer(whole=True)

    def do_HEAD(self) -> None:
        """Answer with what a file is."""
        self._answer(whole=False)

    def _answer(self, *, whole: bool) -> None:
        if self.headers.get("Host", "").lower() not in self.server.names:
            self._say(HTTPStatus.MISDIRECTED_REQUEST, "This server has another name.", whole=whole)
            return
        if self._is_elsewhere():
            self._say(HTTPStatus.FORBIDDEN, "Another site may not read this.", whole=whole)
            return
        asked = urlsplit(self.path)
        own = self.server.changes.answer(asked.path, asked.query)
        if own is not None:
            self._give(*own, whole=whole)
            return
        path = self.server.find(self.path)
        try:
            file = None if path is None else path.open("rb")
        except OSError:
            file = None
        if path is None or file is None:
            self._say(HTTPStatus.NOT_FOUND, _MISSING, whole=whole)
            return
        with file:
            self._show(path, file, whole=whole)

    def _show(self, path: Path, file: BinaryIO, *, whole: bool) -> None:
        """Answer with a file; with a page as it is now, and what will tell that it is no longer."""
        changes, page = self.server.changes, path.suffix == ".html"
        status = os.fstat(file.fileno())
        tag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
        tag = f'"{tag}-{changes.version}"' if page else f'"{tag}"'
        if self.headers.get("If-None-Match") == tag:
            self._head(HTTPStatus.NOT_MODIFIED, ETag=tag)
            return
        content: BinaryIO = io.BytesIO(changes.watching(file.read())) if page else file
        size = content.seek(0, os.SEEK_END)
        content.seek(0)
        self._head(
            HTTPStatus.OK,
            **{
                "Content-Type": _TYPES.get(path.suffix, "application/octet-stream"),
                "Content-Length": str(size),
                "Content-Security-Policy": _PAGE_POLICY if page else _FILE_POLICY,
                "ETag": tag,
            },
        )
        if whole:
            shutil.copyfileobj(content, self.wfile)

    def _is_elsewhere(self) -> bool:
        """Say whether a page of another site asks, unless it is a link that somebody follows."""
        site = self.headers.get("Sec-Fetch-Site", "none")
        return site in {"cross-site", "same-site"} and not (
            self.headers.get("Sec-Fetch-Mode") == "navigate"
            and self.headers.get("Sec-Fetch-Dest") == "document"
        )

    def _head(self, status: HTTPStatus, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _say(self, status: HTTPStatus, text: str, *, whole: bool) -> None:
        kind = _TYPES[".html"] if text.startswith("<") else "text/plain; charset=utf-8"
        self._give(kind, text.encode(), status, whole=whole)

    def _give(
        self, kind: str, data: bytes, status: HTTPStatus = HTTPStatus.OK, *, whole: bool
    ) -> None:
        self._head(status, **{"Content-Type": kind, "Content-Length": str(len(data))})
        if whole:
            self.wfile.write(data)


def listen(folder: Path, port: int | None) -> Server:
    """Return a server on ``port``, or on the next that is free if none was asked for.

    It answers once `answering` is entered. Raises `InputError` if the port cannot be had.
    """
    for number in [*range(FIRST, FIRST + TRIED), 0] if port is None else [port]:
        try:
            return Server(folder, number)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            if port is None and taken:
                continue
            why = "is taken" if taken else f"cannot be used: {error.strerror}"
            raise InputError(
                f"Port {number} {why}.",
                hint="name another with --port; without one, gitml takes one that is free",
            ) from None
    raise AssertionError("port 0 is never taken")  # pragma: no cover


@contextmanager
def passing_folder(home: Path) -> Iterator[Path]:
    """Give a folder for pages that goes when it is left; those of killed servers go first.

    Raises `StorageError`.
    """
    place = home / "site"
    name = secrets.token_hex(6)
    lock = place / f"{name}.lock"
    # Under another name until it is locked: who cleans up would take it for a killed server's.
    hidden = lock.with_suffix(".new") if _HAS_LOCKS else lock
    try:
        place.mkdir(parents=True, exist_ok=True)
        _remove_left(place)
        held = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if _HAS_LOCKS:
            with suppress(OSError):  # not every file system has them
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.rename(lock)
    except OSError as error:
        raise StorageError(
            f"{visible(str(place))} cannot be written to: {error.strerror}.",
            hint="name a folder for the pages with -o",
        ) from None
    try:
        yield place / name
    finally:
        shutil.rmtree(place / name, ignore_errors=True)
        os.close(held)
        lock.unlink(missing_ok=True)


def _remove_left(place: Path) -> None:
    """Remove the folders, and their locks, that no server has."""
    folders = [path for path in place.iterdir() if path.is_dir()]  # first: a lock is there before
    locks = {path.stem: path for path in place.glob("*.lock")}
    for name in {path.name for path in folders} | locks.keys():
        lock = locks.get(name)
        if lock is None or _is_left(lock):
            shutil.rmtree(place / name, ignore_errors=True)
            with suppress(OSError):
                (place / f"{name}.lock").unlink(missing_ok=True)


def _is_left(lock: Path) -> bool:
    """Say whether nobody holds a lock; where that cannot be told, somebody does."""
    try:
        if not _HAS_LOCKS:  # Windows does not remove what is open
            lock.unlink()
            return True
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def answering(server: Server) -> Iterator[None]:
    """Answer in a thread of its own, until it is left."""
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


_POLL, _SHARE = 1.0, 20
"""Seconds between two looks at the refs; where a look takes long, this many times as long."""
_LIVE = 10.0
"""Seconds after which what running processes wrote is looked at too."""


def changes(store: Repository, wait: Callable[[float], object]) -> Iterator[None]:
    """Yield at once, and then whenever refs have moved, or running processes recorded more.

    ``wait`` is called with the seconds until the next look.
    """
    known, running, since = "", _running(store), monotonic()
    while True:
        begun = monotonic()
        refs = _refs(store)
        took = monotonic() - begun
        moved = refs != known
        if not moved and monotonic() - since > _LIVE:
            moved, since = _running(store) != running, monotonic()
        if moved:
            known, running = refs, _running(store)
            begun = monotonic()
            yield
            # Making pages of a run that writes all the time must not keep a machine busy.
            since = monotonic() + (monotonic() - begun) * _SHARE
        wait(max(_POLL, took * _SHARE))


def _refs(store: Repository) -> str:
    listed = store.refs("refs/gitml", REMOTES, TAGS)
    return hashlib.sha256(repr(listed).encode("utf-8", "backslashreplace")).hexdigest()


def _running(store: Repository) -> dict[str, str]:
    home = store.home
    return {run_id: live.fingerprint(home, run_id) for run_id in live.live_ids(home)}
