"""What a command line asks to record: flags as values, and what a flag's text means."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.errors import InputError
from gitml.model import from_iso
from gitml.names import visible

if TYPE_CHECKING:
    from gitml.tracking.files import UsualFiles

_UNITS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}
_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(s|min|m|h|d|$)")
_YEARS = 50 * 366 * 86400
_CONTEXT = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a command line names; files are read by `gather`."""

    params: tuple[str, ...] = ()
    """``NAME=VALUE`` each."""
    params_files: tuple[Path, ...] = ()
    """Files of params."""
    metrics: tuple[str, ...] = ()
    """``NAME=VALUE`` each."""
    metrics_files: tuple[Path, ...] = ()
    """Files of metrics."""
    histories: tuple[Path, ...] = ()
    """Files of metrics step by step, or folders of them."""
    artifacts: tuple[str, ...] = ()
    """``PATH`` or ``PATH:DEST`` each."""
    inputs: tuple[str, ...] = ()
    """``PATH`` or ``PATH@CONTEXT`` each."""
    tags: tuple[str, ...] = ()
    """``NAME=VALUE`` each."""
    note: str | None = None
    """Free text."""

    @property
    def has_values(self) -> bool:
        """Whether it says where params or metrics come from, so that none are looked for."""
        return any(
            (self.params, self.params_files, self.metrics, self.metrics_files, self.histories)
        )

    @property
    def has_anything(self) -> bool:
        """Whether it names anything at all."""
        return self.has_values or any((self.artifacts, self.inputs, self.tags, self.note))

    @property
    def files(self) -> tuple[Path, ...]:
        """The files and folders that it takes params, metrics and artifacts from."""
        kept = (Path(split_artifact(text)[0]) for text in self.artifacts)
        return (*self.params_files, *self.metrics_files, *self.histories, *kept)


def with_usual(request: Request, usual: UsualFiles) -> Request:
    """Return the request with files of conventional names added."""
    return replace(
        request,
        params_files=(*request.params_files, *usual.params),
        metrics_files=(*request.metrics_files, *usual.metrics),
        histories=(*request.histories, *usual.history),
    )


def _there(text: str) -> bool:
    path = Path(text)
    return path.exists() or path.is_symlink()


def split_artifact(text: str) -> tuple[str, str | None]:
    r"""Return the path and the destination in ``PATH[:DEST]``.

    A colon belongs to the path where that is there with it: ``a:b.txt``. One
    after a drive's letter (``C:\plots``) never separates.
    """
    if _there(text):
        return text, None
    colons = [at for at, char in enumerate(text) if char == ":" and at and not _drive(text, at)]
    at = next((at for at in reversed(colons) if _there(text[:at])), colons[-1] if colons else None)
    return (text, None) if at is None else (text[:at], text[at + 1 :] or None)


def _drive(text: str, at: int) -> bool:
    return at == 1 and text[0].isalpha() and text[2:3] in {"\\", "/"}


def split_input(text: str) -> tuple[str, str | None]:
    """Return the path and the context in ``PATH[@CONTEXT]``.

    A context is a word of letters, digits, ``_`` and ``-``; where a file has
    the whole for its name, that file is meant.
    """
    path, _, context = text.rpartition("@")
    if path and _CONTEXT.fullmatch(context) and not _there(text):
        return path, context
    return text, None


def span_of(started: str | None, duration: str | None, now: int) -> tuple[int, int]:
    """Return when a run began and ended, in milliseconds, as far as somebody says it.

    With one of the two it ended ``now``. Raises `InputError` for what is no time, or
    would be later than now or before 1970.
    """
    length = None if duration is None else round(_seconds(duration) * 1000)
    if started is None:
        return now - (length or 0), now
    try:
        begun = from_iso(started.strip())
    except (ValueError, OverflowError):
        raise InputError(
            f"{visible(started, 40)!r} is no time.",
            hint="give ISO 8601 as date -Is prints it; without an offset such as +01:00 it is UTC",
        ) from None
    if begun < 0:
        raise InputError(
            f"{visible(started, 40)} is before 1970.", hint="check the year; gitml log --help"
        )
    ended = now if length is None else begun + length
    if begun > now or ended > now:
        raise InputError(
            f"{visible(started, 40)} is {'in the future' if begun > now else 'too late for that'}.",
            hint="a run has ended when it is logged",
        )
    return begun, ended


def _seconds(text: str) -> float:
    """Return the seconds in ``90``, ``12.5s``, ``1h 30min``."""
    stripped = text.strip()
    parts = [(float(n), _UNITS[unit or "s"]) for n, unit in _LENGTH.findall(stripped)]
    if _LENGTH.sub("", stripped).strip() or not parts:
        raise InputError(
            f"{visible(text, 40)!r} is no length of time.",
            hint="give seconds, or units: 90, 12.5s, 15min, 1h30min, 2d",
        )
    total = sum(n * unit for n, unit in parts)
    if total > _YEARS:
        raise InputError(f"{visible(text, 40)} is longer than any training.")
    return total
