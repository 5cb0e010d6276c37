r"""Packages: the files of a model version, their rules and their digest.

The digest is ``sha256:`` and the SHA-256 over, for each file in the order of its
path's UTF-8 bytes, ``<sha256 of the content, hex> <size> <path>\n``; the paths are
relative, with ``/``. Modes and times do not count. FORMAT.md has vectors.

Where the bytes lie: small text files in the version's own tree (``tag``), so that
``git diff`` shows them; others up to 1 MiB as blobs of the package's ref (``git``);
larger ones as git-lfs objects (``lfs``).
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gitml.errors import InputError, NotFoundError
from gitml.names import check_path, did_you_mean, is_read_by_git, plural, visible
from gitml.registry.values import PackageFile
from gitml.store.artifacts import INLINE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

MLMODEL = "MLmodel"
TEXT_LIMIT = 64 * 1024
"""Bytes of a text file that a tag may hold, and of all of a version's together."""
FILES_LIMIT = 10_000
"""Files of a package: readers refuse listings much longer than that."""
LISTING_LIMIT = 2 * 1024 * 1024
"""Bytes of the listing that the digest is taken of."""
_FIRST = (MLMODEL, "requirements.txt", "python_env.yaml", "conda.yaml", "input_example.json")
_CHUNK = 1 << 20
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-.*\n)*oid sha256:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of a package that is being made."""

    path: str
    """Relative to the package, ``/`` between parts."""
    size: int
    """Bytes."""
    sha256: str
    """Hex digest of the content."""
    open: Callable[[], Iterator[bytes]]
    """Gives the content again, in pieces; what reads it verifies it."""
    text: bool = False
    """Whether it is text small enough for a tag."""


def package_digest(files: Iterable[PackageFile | Member]) -> str:
    """Return the digest of a package: ``sha256:`` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(listing(files)).hexdigest()}"


def listing(files: Iterable[PackageFile | Member]) -> bytes:
    """Return what the digest is taken of: a line for each file."""
    by_path = sorted((file.path.encode(), file) for file in files)
    return b"".join(f"{f.sha256} {f.size} ".encode() + path + b"\n" for path, f in by_path)


def check_members(paths: Iterable[str]) -> None:
    """Raise `InputError` unless files of these paths can be a package.

    Refused are: none at all, a path that is not in its stored form, two that are
    one after NFC and case folding, and one that is a folder of another.
    """
    folded: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        _check_member(path)
        key = unicodedata.normalize("NFC", path).casefold()
        if (twin := folded.setdefault(key, path)) is not path:
            raise InputError(
                f"{visible(twin, 80)} and {visible(path, 80)} would be one file on some systems.",
                hint="rename one of them",
            )
        parts = key.split("/")
        folders |= {"/".join(parts[:n]): path for n in range(1, len(parts))}
    for key in folded.keys() & folders.keys():
        raise InputError(
            f"{visible(folded[key], 80)} would be a file and the folder of "
            f"{visible(folders[key], 80)}.",
            hint="rename one of them",
        )
    if not folded:
        raise InputError("A package without a file is no model.", hint="name its files with --path")
    if len(folded) > FILES_LIMIT:
        raise InputError(
            f"The package has {len(folded):,} files; a version keeps at most {FILES_LIMIT:,}.",
            hint="put them into an archive, or leave out what the model does not need",
        )


def _check_member(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InputError(
            f"The name of {visible(path, 80)} is not UTF-8.", hint="rename the file"
        ) from None
    if check_path(path, "package") != path:
        raise InputError(
            f"The package path {visible(path, 80)} holds a backslash or an empty part.",
            hint="rename the file",
        )


def scan(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the files that ``paths`` name, by their path within the package.

    A single folder is the package itself; of several paths each keeps its name. A
    folder may be named by a link; nothing within it may be one. ``.git`` is left
    out. Raises `NotFoundError` and `InputError`.
    """
    found: dict[str, Path] = {}
    for place in paths:
        if not os.path.lexists(place):
            near = did_you_mean(place.name, _siblings(place))
            raise NotFoundError(f"There is no file or folder {visible(str(place))}", hint=near)
        name = place.absolute().name
        if place.is_dir():
            prefix = f"{name}/" if len(paths) > 1 else ""
            inside = {prefix + path: file for path, file in _walk(place, "")}
        else:
            _check_regular(place, place.lstat().st_mode)
            inside = {name: place}
        for path, file in inside.items():
            if path in found:
                raise InputError(
                    f"{visible(str(found[path]))} and {visible(str(file))} would be one file of "
                    f"the package: {visible(path, 80)}",
                    hint="name the folder that holds both",
                )
            found[path] = file
    check_members(found)
    return found


def _siblings(place: Path) -> list[str]:
    try:
        return [path.name for path in place.absolute().parent.iterdir()]
    except OSError:
        return []


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from None
    for entry in entries:
        if entry.name == ".git":
            continue
        mode = entry.lstat().st_mode
        if stat.S_ISDIR(mode):
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            _check_regular(entry, mode)
            yield f"{prefix}{entry.name}", entry


def _check_regular(place: Path, mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise InputError(
            f"{visible(str(place))} is a link, which a package cannot hold.",
            hint="copy what it points to: cp -rL copies a folder without links",
        )
    if not stat.S_ISREG(mode):
        raise InputError(f"{visible(str(place))} is neither a file nor a folder.")


def members_of(found: dict[str, Path]) -> list[Member]:
    """Hash the files that `scan` found, in pieces; return them in order.

    Raises `InputError` for what cannot be read, and for the pointer of a git-lfs
    file whose content was never fetched.
    """
    return [_member(path, place) for path, place in sorted(found.items())]


def _member(path: str, place: Path) -> Member:
    digest, size = hashlib.sha256(), 0
    head = b""
    for chunk in _pieces(place):
        head = head or chunk
        digest.update(chunk)
        size += len(chunk)
    if size < _LONGEST_POINTER and _POINTER.match(head):
        raise InputError(
            f"{visible(str(place))} is a git-lfs pointer and not the file itself.",
            hint="git lfs pull brings the file",
        )
    sha256 = digest.hexdigest()
    return Member(
        path=path,
        size=size,
        sha256=sha256,
        text=size <= TEXT_LIMIT and is_text(head),
        open=lambda: _unchanged(place, sha256),
    )


_LONGEST_POINTER = 1024


def _pieces(place: Path) -> Iterator[bytes]:
    try:
        with open(place, "rb", opener=_without_links) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InputError(f"{visible(str(place))} is neither a file nor a folder.")
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise _unreadable(place, error) from None


def _without_links(path: str, flags: int) -> int:
    """Open what `scan` saw: no link that took its place, and no pipe to wait for."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _unchanged(place: Path, sha256: str) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for chunk in _pieces(place):
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != sha256:
        raise InputError(
            f"{visible(str(place))} changed while it was being read.",
            hint="do it again once nothing writes to it",
        )


def _unreadable(place: Path, error: OSError) -> InputError:
    reason = (error.strerror or str(error)).lower()
    return InputError(f"{visible(str(place))} cannot be read: {reason}.")


def is_text(data: bytes) -> bool:
    """Say whether ``data`` is text that a diff can show: UTF-8 without NUL."""
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def made_member(path: str, data: bytes) -> Member:
    """Return a file that gitml itself adds to a package."""
    return Member(
        path=path,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        text=len(data) <= TEXT_LIMIT and is_text(data),
        open=lambda: iter([data]),
    )


def package_files(members: Iterable[Member]) -> tuple[PackageFile, ...]:
    """Return the files of a package with where each is kept, in the order of their paths.

    A pure function of paths, sizes and contents. The tag holds text up to 64 KiB in
    all: what MLflow reads first, then the smallest, so that a plain clone stays small.
    """
    ordered = sorted(members, key=lambda m: m.path.encode())
    room, in_tag = TEXT_LIMIT, set()
    for member in sorted(ordered, key=_first):
        name = member.path.rpartition("/")[2]
        if member.text and member.size <= room and not is_read_by_git(name):
            room -= member.size
            in_tag.add(member.path)
    return tuple(
        PackageFile(path=m.path, size=m.size, sha256=m.sha256, store=_store(m, in_tag))
        for m in ordered
    )


def _first(member: Member) -> tuple[int, int, bytes]:
    known = _FIRST.index(member.path) if member.path in _FIRST else len(_FIRST)
    return known, member.size, member.path.encode()


def _store(member: Member, in_tag: set[str]) -> Literal["tag", "git", "lfs"]:
    if member.path in in_tag:
        return "tag"
    return "git" if member.size <= INLINE_LIMIT else "lfs"


def check_listing(members: Sequence[Member]) -> None:
    """Raise `InputError` for a package whose listing readers would refuse, or without files."""
    check_members(member.path for member in members)
    if len(listing(members)) > LISTING_LIMIT:
        raise InputError(
            f"The paths of the package's {plural(len(members), 'file')} are too long in all.",
            hint="put them into an archive, or shorten the names of the folders",
        )
