"""A repository cloned into a new folder: wholly, or not at all."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.errors import InputError, NotFoundError, RefusedError, StorageError
from gitml.names import visible
from gitml.store.git import start_git
from gitml.store.hosts import said as host_name
from gitml.store.hosts import transport_failure
from gitml.store.talking import NEVER_ASK, end, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Progress = Callable[[int, int], None]


def folder_of(url: str) -> str:
    """Return the folder that git makes of an address: its last part, without ``.git``."""
    path = url.rstrip("/").removesuffix("/.git").rstrip("/")
    name = re.split(r"[/\\:]", path)[-1].removesuffix(".git").removesuffix(".bundle")
    if not name or name in {".", ".."}:
        raise InputError(
            f"The address {visible(url, 80)} does not say how to call the folder.",
            hint="name it: gitml clone URL DIR",
        )
    return name


@contextlib.contextmanager
def cloned(
    url: str,
    folder: Path,
    *,
    depth: int | None = None,
    branch: str | None = None,
    bare: bool = False,
    progress: Progress | None = None,
) -> Iterator[Path]:
    """Clone what git clones and give the place; it becomes ``folder`` when the block ends well.

    Raises `RefusedError` if the folder has anything in it, `RemoteError` where the remote
    cannot be spoken to, `NotFoundError` for a branch that it does not have, and
    `StorageError` where there is no place for the folder. Whatever fails, within the
    block too, leaves nothing behind.
    """
    _check_new(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.parent / f".{folder.name[:100]}.{secrets.token_hex(4)}.tmp"
    options = ["--depth", str(depth)] if depth is not None else []
    options += ["--branch", branch] if branch is not None else []
    options += ["--bare"] if bare else []
    try:
        _clone(url, part, options, progress)
        yield part
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()  # it is empty, and not every system renames onto a folder
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _check_new(folder: Path) -> None:
    if folder.is_symlink() or (
        folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    ):
        raise RefusedError(
            f"{visible(str(folder))} exists already, and nothing is written over it.",
            hint="name a new folder: gitml clone URL DIR",
        )


def _clone(url: str, part: Path, options: list[str], progress: Progress | None) -> None:
    # Not as a copy of all objects, which of a path git makes: source trees stay where they are.
    command = ("clone", "--progress", "--no-local", *options, "--", url, str(part.absolute()))
    process = start_git(Path(), *command, env=NEVER_ASK)
    try:
        _, err = watched(process, progress or (lambda done, total: None))  # noqa: ARG005
    except BaseException:
        end(process)
        raise
    said = err.decode("utf-8", "replace")
    if process.returncode and "Remote branch " in said and " not found in " in said:
        name = visible(options[options.index("--branch") + 1], 80)
        raise NotFoundError(
            f"{host_name(url)} has no branch {name}",
            hint=f"git ls-remote --heads {host_name(url)} lists them",
        )
    if process.returncode and "could not create " in said:
        raise StorageError(
            f"{visible(str(part.parent))} cannot be written to.",
            hint="name another folder: gitml clone URL DIR",
        )
    if process.returncode:
        raise transport_failure(url, said, process.returncode)
