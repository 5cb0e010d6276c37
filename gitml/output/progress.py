"""A bar on stderr for what takes long."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

from gitml.words import size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Report = Callable[[int, int], None]

_QUIET = 0.5
"""Seconds before a bar comes, so that what is quick stays quiet."""


@contextlib.contextmanager
def progress(label: str, *, color: bool = True, sized: bool = False) -> Iterator[Report]:
    """Give ``report(done, total)``, which draws a bar on stderr if that is a terminal.

    The bar comes only after half a second, so that what is quick stays quiet. What is
    ``sized`` is counted in bytes.
    """
    with bars(color=color) as bar:
        yield bar(label, sized=sized)


class Bars:
    """Bars below each other, each from the first time that something is reported to it."""

    def __init__(self, stack: contextlib.ExitStack, *, color: bool) -> None:
        """Take where the drawing is ended, and whether it has colours."""
        self._stack = stack
        self._color = color
        self._start = time.monotonic()
        self._drawn: Any = None

    def __call__(self, label: str, *, sized: bool = False) -> Report:
        """Return the ``report(done, total)`` of a new bar."""
        if not sys.stderr.isatty():
            return lambda done, total: None  # noqa: ARG005 - the signature of a report
        task: list[Any] = []

        def report(done: int, total: int) -> None:
            if not task and time.monotonic() - self._start > _QUIET:
                task.append(self._bars().add_task(label, total=total, amount=""))
            if task:
                amount = f"{size(done)} of {size(total)}" if sized else ""
                self._drawn.update(task[0], completed=done, total=total, amount=amount)

        return report

    def _bars(self) -> Any:
        if self._drawn is None:
            from rich.console import Console
            from rich.progress import Progress, TextColumn

            console = Console(stderr=True, no_color=None if self._color else True)
            columns = [*Progress.get_default_columns(), TextColumn("{task.fields[amount]}")]
            self._drawn = self._stack.enter_context(
                Progress(*columns, console=console, transient=True)
            )
        return self._drawn


@contextlib.contextmanager
def bars(*, color: bool = True) -> Iterator[Bars]:
    """Give what makes bars, for work of several parts: ``bar(label)`` is a report."""
    with contextlib.ExitStack() as stack:
        yield Bars(stack, color=color)
