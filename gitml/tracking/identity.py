"""Who writes: this process as logs name it, and the person as git knows them."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from gitml.store import live
from gitml.store.processes import boot_id, started
from gitml.tracking import capture

if TYPE_CHECKING:
    from gitml.store.git import Repository


def who() -> live.Who:
    """Return this process as a log's header names it."""
    pid = os.getpid()
    return live.Who(host=platform.node(), boot=boot_id(), pid=pid, started=started(pid))


def author(repository: Repository) -> str:
    """Return who writes: as git has it (variables, configuration), or the user of this machine."""
    return capture.author_variables() or repository.identity() or capture.author_fallback()
