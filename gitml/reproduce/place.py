"""Where files of a run are put: below one folder, whatever their names say.

The names come from refs that anybody who may push can write.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import unicodedata
from typing import TYPE_CHECKING

from gitml.errors import InputError, RefusedError
from gitml.names import check_path, visible

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gitml.model import Run


def folder_name(run: Run, what: str) -> str:
    """Return the name of a new folder for a run's things: ``brave-otter-12-source``."""
    safe = re.sub(r"[^\w.-]+", "-", run.name).strip("-.")[:80] or run.id[:8]
    return f"{safe}-{what}"


def check_folder(folder: Path) -> None:
    """Raise `RefusedError` if something that is no folder stands where one is to be."""
    for place in (folder, *folder.parents):
        if place.exists() or place.is_symlink():
            if place.is_dir():
                return
            raise RefusedError(
                f"{visible(str(place))} is not a folder.", hint="name another folder with -o DIR"
            )


def target_of(folder: Path, path: str) -> Path:
    """Return where the file ``path`` goes, having looked at every step on the way.

    Raises `InputError` for a name that leaves the folder, and `RefusedError`
    where a link or a file is in the way.
    """
    if check_path(path) != path:
        raise InputError(f"The artifact path {visible(path, 80)} is not in its stored form.")
    parts = path.split("/")
    place = folder
    for part in parts[:-1]:
        place /= part
        mode = _mode(place)
        if mode is not None and not stat.S_ISDIR(mode):
            what = "a link" if stat.S_ISLNK(mode) else "not a folder"
            raise RefusedError(
                f"{visible(str(place))} is {what}, so nothing is written through it.",
                hint="name a new folder with -o DIR",
            )
    return place / parts[-1]


def _mode(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return None


def check_twins(folder: Path, paths: Iterable[str]) -> None:
    """Raise `RefusedError` if two paths would be one file on this file system."""
    groups: dict[str, str] = {}
    for path in paths:
        folded = unicodedata.normalize("NFC", path).casefold()
        twin = groups.setdefault(folded, path)
        if twin != path and folds_case(folder):
            raise RefusedError(
                f"{visible(twin, 80)} and {visible(path, 80)} would be one file here.",
                hint="get one of them by its name, each into a folder of its own",
            )


def folds_case(folder: Path) -> bool:
    """Say whether names that differ in case only are one name in ``folder``, by trying."""
    while not folder.exists():
        folder = folder.parent
    probe = folder / f".gitml-{secrets.token_hex(8)}-case"
    os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    try:
        return probe.with_name(probe.name.upper()).exists()
    finally:
        probe.unlink()
