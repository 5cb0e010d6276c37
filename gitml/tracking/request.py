"""What a command line asks to record: flags as values, and what a flag's text means."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitml.tracking.files import UsualFiles

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
