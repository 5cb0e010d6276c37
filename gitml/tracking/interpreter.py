"""Which Python a training runs in, where that is not the one that gitml runs in.

gitml may live in an environment of its own (pipx, ``uv tool``). What is to be
recorded are the packages of the training: of the interpreter that its command
names, else of the environment that is activated.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*(?:\.exe)?", re.IGNORECASE)
_SHEBANG = re.compile(rb"#![ \t]*(\S+)(?:[ \t]+(?:-S[ \t]+)?(\S+))?")
_TOOLS = ("pipx_metadata.json", "uv-receipt.toml")
"""Files in an environment that holds one command and nothing of a training's."""
_ASK = (  # nothing of the folder it is asked in is imported
    "import sys; sys.path = [p for p in sys.path if p]; import json, platform; print(json.dumps("
    "[platform.python_implementation(), platform.python_version(), sys.prefix, sys.path]))"
)
_SECONDS = 20.0


class Interpreter(NamedTuple):
    """Another interpreter than this one."""

    python: str
    """Implementation and version: ``CPython 3.11.7``."""
    path: tuple[str, ...]
    """Where it looks for packages."""


def find(words: Sequence[str], *, venv: str | None, conda: str | None) -> Interpreter | None:
    """Return the interpreter of a training's command, None if it is this one or nobody knows.

    Without ``words``, or where they name no Python, it is that of the activated
    environment (``venv``: VIRTUAL_ENV, ``conda``: CONDA_PREFIX).
    """
    program = _of_command(words[0]) if words else None
    if program is None:
        program = _of_environment(venv)
    if program is None and any(Path(sys.prefix, name).exists() for name in _TOOLS):
        program = _of_environment(conda) or shutil.which("python") or shutil.which("python3")
    return None if program is None or _is_this(Path(program)) else _ask(program)


def _is_this(program: Path) -> bool:
    """Say whether it is this interpreter, as far as paths tell without a process."""
    mine = Path(sys.executable)
    return (program.parent.resolve(), program.resolve()) == (mine.parent.resolve(), mine.resolve())


def _of_command(word: str) -> str | None:
    """Return the Python that a command is, or that its first line names."""
    program = shutil.which(word)
    if program is None or _PYTHON.fullmatch(Path(program).name):
        return program
    try:
        with Path(program).open("rb") as file:
            found = _SHEBANG.match(file.readline(500))
    except OSError:
        return None
    if found is None:
        return None
    first, second = (os.fsdecode(part or b"") for part in found.groups())
    named = shutil.which(second) if Path(first).name == "env" else first
    return named if named and _PYTHON.fullmatch(Path(named).name) else None


def _of_environment(prefix: str | None) -> str | None:
    """Return the Python of an environment's folder."""
    if not prefix:
        return None
    places = (("bin", "python"), ("Scripts", "python.exe"), ("python.exe",))
    there = (Path(prefix, *parts) for parts in places)
    return next((str(place) for place in there if place.exists()), None)


def _ask(program: str) -> Interpreter | None:
    """Ask an interpreter what it is; None if it does not say, or is this one under another name."""
    try:
        done = subprocess.run(
            [program, "-c", _ASK],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_SECONDS,
        )
        kind, version, prefix, path = json.loads(done.stdout)
    except (OSError, ValueError, TypeError, subprocess.SubprocessError):
        return None
    if Path(prefix).resolve() == Path(sys.prefix).resolve():
        return None
    return Interpreter(f"{kind} {version}", tuple(map(str, path)))
