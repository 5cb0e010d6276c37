"""Which files an artifact is made of, and where each goes among the artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml import names
from gitml.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def plan_artifact(path: Path, dest: str | None, *, inside: Path) -> Iterator[tuple[Path, str]]:
    """Yield (file, path among the artifacts) for a file, or for each file of a folder.

    A link must not lead out of ``inside`` (for a file) or out of the folder.
    """
    shown = names.visible(str(path))
    target = names.check_path(dest if dest and dest != "." else path.absolute().name)
    if not path.exists():
        if path.is_symlink():
            raise InputError(f"{shown} is a link to nowhere.")
        near = names.did_you_mean(path.name, _siblings(path))
        raise NotFoundError(f"There is no file {shown}", hint=near or "Check the path.")
    if path.is_dir():
        prefix = "" if dest == "." else f"{target}/"
        yield from _walk(path, path.resolve(), prefix)
        return
    if not path.is_file():
        raise InputError(f"{shown} is neither a file nor a folder.")
    if path.is_symlink() and not path.resolve().is_relative_to(inside.resolve()):
        raise InputError(
            f"{shown} is a link that leads out of {names.visible(str(inside))}",
            hint="Log the file that it points to, or a copy.",
        )
    yield path, target


def _siblings(path: Path) -> list[str]:
    try:
        return [p.name for p in path.absolute().parent.iterdir()]
    except OSError:
        return []


def _walk(folder: Path, top: Path, prefix: str) -> Iterator[tuple[Path, str]]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"{names.visible(str(folder))} cannot be read: {error.strerror}."
        ) from None
    for entry in entries:
        if entry.name == ".git":
            continue
        if entry.is_symlink() and not entry.resolve().is_relative_to(top):
            raise InputError(
                f"{names.visible(str(entry))} is a link that leads out of the folder.",
                hint="Log the file that it points to, or a copy.",
            )
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry, top, f"{prefix}{entry.name}/")
        elif entry.is_file():
            yield entry, names.check_path(f"{prefix}{entry.name}")
        elif not entry.is_dir():
            raise InputError(f"{names.visible(str(entry))} is neither a file nor a folder.")
