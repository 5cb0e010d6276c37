r"""What a run was made from: files, folders, globs, URLs and tables in memory.

The digest of a folder or a glob is the SHA-256 of its listing: for each regular
file, in the order of the bytes of its path, ``<sha256> <size> <path>\n``, with
``/`` between parts, relative to the folder (of a glob: to the longest folder
without a wildcard). ``.git`` is left out: it is not data, and never the same
twice. A link inside counts as what it leads to and must not lead out of the
folder; the input itself may be a link to anywhere, as its data was read.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gitml import model
from gitml.errors import InputError, NotFoundError
from gitml.names import check_name, visible
from gitml.tracking import capture, rows
from gitml.tracking.tables import kind

if TYPE_CHECKING:
    from collections.abc import Iterator

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_WILD = re.compile(r"[*?\[]")
_BUFFER = 1 << 18
_Inode: TypeAlias = tuple[int, int]


def describe_input(
    path: str | os.PathLike[str],
    *,
    root: Path | None,
    name: str | None = None,
    context: str | None = None,
) -> model.Dataset:
    """Return what is known of an input: a file, a folder, a glob pattern or a URL.

    Files are read whole, for the digest and for the rows of tables; the parts
    of a folder or glob count as one table if all have the same columns. A URL
    is noted without being opened. The URI is relative to ``root`` inside it,
    otherwise absolute with the home directory as ``~``.

    Raises `NotFoundError` if there is no such file, with the nearest name, and
    `InputError` for what cannot be read: special files, links that lead out of
    the folder, names nobody can type.
    """
    text = os.fspath(path)
    if not text:
        raise InputError("The path of an input cannot be empty.")
    if context is not None:
        check_name(context, "context")
    if _URL.match(text):
        uri = capture.strip_credentials(text)
        last = re.split(r"[?#]", uri.rstrip("/"))[0].rstrip("/").rpartition("/")[2]
        return model.Dataset(name=check_name(name or last, "input"), context=context, uri=uri)
    place = capture.absolute(text) if text.startswith("~") else Path(text)
    if _WILD.search(text) and not os.path.lexists(place):
        return _describe_glob(place, root=root, name=name, context=context)
    is_folder, uri = kind(place) == "folder", _uri(place, root)
    named = check_name(name or _text(capture.absolute(place).name) or uri, "input")
    if is_folder:
        found = _listed(_Walk(place, hidden=True), ("**",))
        return _describe_listing(found, name=named, context=context, uri=uri)
    digest, size = _digest(place)
    table = _shape(place)
    return model.Dataset(
        name=named,
        context=context,
        uri=uri,
        digest=f"sha256:{digest}",
        size=size,
        rows=table.rows if table else None,
        columns=table.columns if table else None,
    )


def _describe_glob(
    place: Path, *, root: Path | None, name: str | None, context: str | None
) -> model.Dataset:
    wild = next(i for i, part in enumerate(place.parts) if _WILD.search(part))
    folder, pattern = Path(*place.parts[:wild]), place.parts[wild:]
    if kind(folder) != "folder":
        raise NotFoundError(f"{visible(str(folder))} is not a folder.")
    inside = _uri(folder, root)
    uri = _text("/".join(pattern if inside == "." else (inside, *pattern)))
    named = check_name(name or uri, "input")
    found = _listed(_Walk(folder, hidden=False), pattern)
    if not found.files:
        raise NotFoundError(
            f"{visible(str(place))} matches no file.",
            hint="** stands for any folders, and a leading dot is matched only by a dot.",
        )
    return _describe_listing(found, name=named, context=context, uri=uri)


@dataclass(frozen=True, slots=True)
class _Listing:
    """The files of a folder or glob, in order."""

    folder: Path
    files: tuple[str, ...]


def _describe_listing(
    found: _Listing, *, name: str, context: str | None, uri: str
) -> model.Dataset:
    listing, total = hashlib.sha256(), 0
    for file in found.files:
        digest, size = _digest(found.folder / file)
        listing.update(f"{digest} {size} ".encode() + os.fsencode(file) + b"\n")
        total += size
    table = rows.together(_shape(found.folder / file) for file in found.files)
    return model.Dataset(
        name=name,
        context=context,
        uri=uri,
        digest=f"sha256:{listing.hexdigest()}",
        size=total,
        files=len(found.files),
        rows=table.rows if table else None,
        columns=table.columns if table else None,
    )


def _uri(path: Path, root: Path | None) -> str:
    """Return where ``path`` is, relative to ``root`` also if only links lead there."""
    whole = capture.absolute(path)
    if root is not None:
        real = (whole.parent.resolve() / whole.name, root.resolve())
        for place, top in ((whole, capture.absolute(root)), real, (whole.resolve(), real[1])):
            if place.is_relative_to(top):
                return _text(place.relative_to(top).as_posix())
    return _text(capture.shortened(whole))


def _text(name: str) -> str:
    """Return a file name that can be stored: what is not UTF-8 in it becomes ``�``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _digest(path: Path) -> tuple[str, int]:
    """Return the SHA-256 of a file's content, and its size."""
    kind(path)
    try:
        with open(path, "rb", buffering=0, opener=_without_waiting) as file:
            buffer, size, digest = memoryview(bytearray(_BUFFER)), 0, hashlib.sha256()
            while count := file.readinto(buffer):
                digest.update(buffer[:count])
                size += count
            return digest.hexdigest(), size
    except OSError as error:
        raise _unreadable(path, error) from None


def _without_waiting(path: str, flags: int) -> int:
    """Open without waiting for a writer, should a pipe have taken the file's place."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _shape(path: Path) -> rows.Shape | None:
    try:
        return rows.shape(path)
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{visible(str(path))} cannot be read: {(error.strerror or str(error)).lower()}.",
        hint="Look at its permissions: ls -l" if isinstance(error, PermissionError) else None,
    )


class _Walk:
    """One look through a folder; links are followed as long as they stay inside."""

    def __init__(self, folder: Path, *, hidden: bool) -> None:
        self.folder = folder
        self.real = os.path.realpath(folder)
        self.hidden = hidden
        """Whether a wildcard matches a leading dot."""

    def files(self, pattern: tuple[str, ...]) -> Iterator[str]:
        """Yield the path, relative to the folder, of each file that ``pattern`` matches.

        In no order of paths, and more than once if there is more than one way to match.
        """
        # What is left to match, where (with a slash at the end), and which folders
        # led there, so that no link ends in one of them.
        todo: list[tuple[tuple[str, ...], str, frozenset[_Inode]]] = [(pattern, "", frozenset())]
        while todo:
            parts, inside, above = todo.pop()
            deep, rest = parts[0] == "**", parts[1:]
            if deep and rest:
                todo.append((rest, inside, above))
            led = above | {self._new_folder(inside, above)}
            for entry in self._entries(inside, parts[0]):
                path = f"{inside}{entry.name}"
                if _is_folder(entry):
                    if deep or rest:
                        self._check(entry, path)
                        todo.append((parts if deep else rest, f"{path}/", led))
                elif not rest:
                    self._check(entry, path)
                    yield path

    def _matches(self, name: str, head: str) -> bool:
        if name == ".git" or (name.startswith(".") and not self.hidden and head[0] != "."):
            return False
        return head == "**" or fnmatchcase(name, head)

    def _entries(self, inside: str, head: str) -> list[os.DirEntry[str]]:
        place = self.folder / inside
        try:
            with os.scandir(place) as entries:
                found = [entry for entry in entries if self._matches(entry.name, head)]
        except OSError as error:
            raise _unreadable(place, error) from None
        return sorted(found, key=lambda entry: entry.name)  # of two faults, always the same one

    def _new_folder(self, inside: str, above: frozenset[_Inode]) -> _Inode:
        place = self.folder / inside
        try:
            found = place.stat()
        except OSError as error:
            raise _unreadable(place, error) from None
        if (found.st_dev, found.st_ino) in above:
            raise InputError(
                f"{visible(str(place))} is a link to a folder it is in.",
                hint="Remove the link, or name the files with a glob.",
            )
        return found.st_dev, found.st_ino

    def _check(self, entry: os.DirEntry[str], path: str) -> None:
        place = self.folder / path
        if "\n" in entry.name:  # it would forge a line of the listing
            raise InputError(
                f"{visible(str(place))} has a line break in its name.", hint="Rename it."
            )
        if entry.is_symlink() and kind(place):
            real = os.path.realpath(place)
            if os.path.commonpath([real, self.real]) != self.real:
                raise InputError(
                    f"{visible(str(place))} is a link that leads out of the folder.",
                    hint=f"Copy it, or log its target as an input of its own: {visible(real)}",
                )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: reading it says so
        return False


def _listed(walk: _Walk, pattern: tuple[str, ...]) -> _Listing:
    parts = [
        a for a, before in zip(pattern, ("", *pattern), strict=False) if a != "**" or a != before
    ]
    return _Listing(walk.folder, tuple(sorted(set(walk.files(tuple(parts))), key=os.fsencode)))


def describe_frame(data: Any, *, name: str, context: str | None = None) -> model.Dataset:
    """Return what is known of a table in memory: a pandas DataFrame or Series, or a numpy array.

    The digest of a DataFrame is the SHA-256 of its columns, types and pandas's
    hash of each row, index included; that of an array of its type, shape and
    bytes. It is None for Python objects in cells that pandas cannot hash.
    Raises `InputError` for anything else.
    """
    check_name(name, "input")
    if context is not None:
        check_name(context, "context")
    if isinstance(data, _classes("pandas", "Series")):
        data = data.to_frame()
    if isinstance(data, _classes("pandas", "DataFrame")):
        return _describe_pandas(data, name, context)
    if isinstance(data, _classes("numpy", "ndarray")):
        return _describe_numpy(data, name, context)
    kind = visible(type(data).__qualname__, 60)
    raise InputError(
        f"A value of the type {kind} is not a kind of input gitml knows.",
        hint="Give a pandas DataFrame, a numpy array, or the path of a file.",
    )


def _classes(module: str, name: str) -> tuple[Any, ...]:
    """Return a class of a library, or none: what is not imported yet made no object."""
    found = getattr(sys.modules.get(module), name, None)
    return (found,) if found else ()


def _describe_pandas(frame: Any, name: str, context: str | None) -> model.Dataset:
    columns = [(str(column), str(dtype)) for column, dtype in frame.dtypes.items()]
    digest = None
    with suppress(TypeError):  # lists or dicts in cells
        hashes = sys.modules["pandas"].util.hash_pandas_object(frame, index=True)
        content = hashlib.sha256(repr(columns).encode("utf-8", "surrogatepass"))
        content.update(hashes.to_numpy().astype("<u8").tobytes())
        digest = f"sha256:{content.hexdigest()}"
    wide = len(columns) > rows.COLUMNS_LIMIT
    return model.Dataset(
        name=name,
        context=context,
        digest=digest,
        rows=len(frame),
        columns=None if wide else tuple(column for column, _ in columns),
        schema=None if wide else dict(columns),
    )


def _describe_numpy(array: Any, name: str, context: str | None) -> model.Dataset:
    kinds = array.dtype.descr if array.dtype.names else array.dtype.str
    digest = None
    if not array.dtype.hasobject:  # else the bytes are addresses
        content = hashlib.sha256(f"{kinds} {list(array.shape)}\n".encode())
        for part in array if array.ndim > 1 else (array,):  # a part at a time spares a whole copy
            content.update(part.tobytes())
        digest = f"sha256:{content.hexdigest()}"
    names = array.dtype.names
    fields = {field: array.dtype[field].str for field in names} if names else None
    return model.Dataset(
        name=name,
        context=context,
        digest=digest,
        size=int(array.nbytes),
        rows=int(array.shape[0]) if array.ndim else None,
        columns=names,
        schema=fields or {"dtype": array.dtype.str, "shape": list(array.shape)},
    )
