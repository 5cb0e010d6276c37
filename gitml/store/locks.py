"""Locks of refs that a git left behind which was killed while it held them.

git holds the lock of a ref for milliseconds and takes it away when it ends, by any
signal but SIGKILL. Where one is left, nobody could write that ref ever again.
"""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGE = 60
"""Seconds after which the lock of a ref of gitml's is nobody's."""
PACKED_AGE = 600
"""The same of the lock of all packed refs, which other programs hold too, and for longer."""


def remove_left(common_dir: Path) -> list[Path]:
    """Remove the locks that were left of gitml's refs, and of all refs; return them."""
    removed = []
    now = _now(common_dir)
    for path, age in _locks(common_dir):
        with contextlib.suppress(OSError):
            if now - path.lstat().st_mtime > age:
                path.unlink()
                removed.append(path)
    return removed


def _locks(common_dir: Path) -> Iterator[tuple[Path, int]]:
    for path in common_dir.glob("refs/gitml*/**/*.lock"):
        yield path, AGE
    for name in ("packed-refs.lock", "packed-refs.new"):
        yield common_dir / name, PACKED_AGE


def _now(common_dir: Path) -> float:
    """Return what time it is by the clock of the disk, which need not be this machine's."""
    home = common_dir / "gitml"
    home.mkdir(parents=True, exist_ok=True)
    file = home / f"{secrets.token_hex(8)}.tmp"
    try:
        file.touch()
        return file.stat().st_mtime
    except OSError:
        return 0.0
    finally:
        with contextlib.suppress(OSError):
            file.unlink()
