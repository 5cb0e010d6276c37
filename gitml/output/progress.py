"""A bar on stderr for what takes long."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_QUIET = 0.5
"""Seconds before a bar comes, so that what is quick stays quiet."""


@contextlib.contextmanager
def progress(label: str, *, color: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Give ``report(done, total)``, which draws a bar on stderr if that is a terminal.

    The bar comes only after half a second, so that what is quick stays quiet.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None  # noqa: ARG005 - the signature of a report
        return
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        bar: list[Any] = []

        def report(done: int, total: int) -> None:
            if not bar and time.monotonic() - start > _QUIET:
                from rich.console import Console
                from rich.progress import Progress

                bar.append(
                    stack.enter_context(
                        Progress(
                            console=Console(stderr=True, no_color=None if color else True),
                            transient=True,
                        )
                    )
                )
                bar.append(bar[0].add_task(label, total=total))
            if bar:
                bar[0].update(bar[1], completed=done, total=total)

        yield report
