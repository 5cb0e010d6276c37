"""Seal in the background once enough runs have ended, as ``git gc --auto`` does."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitml.store.git import Repository


def note_ended(repository: Repository, limit: int) -> None:
    """Count one more ended run; past ``limit`` start ``gitml pack --auto``, detached.

    The count is a file's size, so that counting costs no git process; losing
    some to a race does no harm.
    """
    if limit <= 0:
        return
    counter = repository.home / "unsealed"
    with contextlib.suppress(OSError):
        with counter.open("ab") as file:
            file.write(b".")
            count = file.tell()
        if count >= limit:
            counter.unlink()
            _start_packing(repository)


def _start_packing(repository: Repository) -> None:
    detached = {"start_new_session": True} if sys.platform != "win32" else {"creationflags": 0x8}
    command = [sys.executable, "-m", "gitml", "pack", "--auto", "--repo", str(repository.git_dir)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=repository.common_dir,
        **detached,
    )
    process.returncode = 0  # nobody waits for it, and that is no leak to warn of
