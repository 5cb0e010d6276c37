"""Python's search for cycles, kept away from a great many values that stay."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def much_that_stays() -> Iterator[Callable[[], None]]:
    """Give ``settled()``, to be called when what stays to the end has been made.

    Until then nothing is searched for cycles, and after it only what is made later. Else all
    of 10,000 runs is looked through every so often: a quarter of the time of a build that
    writes little, to find nothing.
    """
    was = gc.isenabled()
    gc.disable()

    def settled() -> None:
        gc.freeze()
        if was:
            gc.enable()

    try:
        yield settled
    finally:
        gc.unfreeze()
        if was:
            gc.enable()
