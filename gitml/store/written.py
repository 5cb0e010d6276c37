"""Files that gitml brought out of runs: a later run in that work tree does not take them for code.

`note` remembers them beside the runs, with size and time; `find` names those of
the files asked about that nobody has changed since. A note that is lost, or a
file that moved, makes a run take the file along, as it does any other.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml.names import SELF

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gitml.store.git import Repository

FILE = "written.jsonl"
MOST = 16 * 1024 * 1024
"""Bytes of notes that are still read; what is beyond is forgotten at the next note."""
_MODULES = (".py", ".pyx", ".ipynb")


def note(repository: Repository, folder: Path, files: Iterable[str], what: str) -> None:
    """Remember that gitml has put ``files`` into ``folder``: ``what`` they are, in words.

    Nothing fails for it: without a note the files are like any others.
    """
    place = folder.resolve()
    stamps = {name: stamp for name in files if (stamp := _stamp(place / name)) is not None}
    line = {"folder": str(place), "what": what, "files": stamps}
    path = repository.home / FILE
    kept = [old for old in _read(path) if _stands(old)]
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{FILE}.{os.getpid()}.part")
        part.write_text("".join(f"{json.dumps(each)}\n" for each in (*kept, line)))
        part.replace(path)


def find(
    repository: Repository,
    top: Path | None,
    asked: Sequence[str],
    *,
    working: Path,
    script: str | None,
) -> dict[str, str]:
    """Return those of the files ``asked`` about (below ``top``) that are copies, and of what.

    None is of a folder that the run is ``working`` in, or whose program it runs: there
    they are its code. So are modules that were put among other files: programs import them.
    """
    found: dict[str, str] = {}
    if top is None or not asked:
        return found
    top, working = top.resolve(), working.resolve()
    for line in _read(repository.home / FILE):
        folder, files = Path(line["folder"]), line["files"]
        try:
            prefix = folder.relative_to(top).as_posix()
        except ValueError:
            continue
        prefix = "" if prefix == "." else f"{prefix}/"
        if prefix and (working.is_relative_to(folder) or (script or "").startswith(prefix)):
            continue
        code = () if _is_of_copies(folder, files) else _MODULES
        for path in asked:
            name = path.removeprefix(prefix)
            if (
                path.startswith(prefix)
                and path != script
                and not path.endswith(code)
                and name in files
                and _stamp(folder / name) == files[name]
            ):
                found[path] = f"{prefix or path}: {line['what']}, a copy {SELF}"
    return found


def _is_of_copies(folder: Path, files: Iterable[str]) -> bool:
    """Say whether nothing is in a folder but what gitml has put there, and caches of it."""
    ours = {"__pycache__", *(name.partition("/")[0] for name in files)}
    try:
        return ours.issuperset(entry.name for entry in folder.iterdir())
    except OSError:
        return False


def _stamp(path: Path) -> list[int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _stands(line: dict[str, Any]) -> bool:
    folder = Path(line["folder"])
    return any(_stamp(folder / name) == stamp for name, stamp in line["files"].items())


def _read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what was noted; a line that is none of ours is passed over."""
    try:
        with path.open("rb") as file:
            lines = file.read(MOST).splitlines()
    except OSError:
        return
    for text in lines:
        with contextlib.suppress(ValueError, RecursionError):
            line = json.loads(text)
            if isinstance(line, dict) and isinstance(line.get("files"), dict):
                texts = {key: str(line.get(key)) for key in ("folder", "what")}
                yield {**texts, "files": line["files"]}
