"""The code of a run, described for its log while the training begins."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gitml.errors import GitmlError
from gitml.names import visible
from gitml.redact import strip_credentials
from gitml.store import source, written

if TYPE_CHECKING:
    from pathlib import Path

    from gitml.model import Json
    from gitml.store.git import Repository
    from gitml.tracking.settings import Settings


def describe_code(
    code: Repository, store: Repository, settings: Settings, working: Path, script: str | None
) -> dict[str, Json]:
    """Return what a source record holds of the code, its objects brought into the store.

    ``working`` is the folder and ``script`` the program (from the top) that the run works
    in: copies that gitml made are no code elsewhere. What cannot be described is said in
    its ``left_out``: no training fails for it.
    """
    record: dict[str, Json] = {}
    try:
        remote = code.config('remote "origin"', "url")
        record["remote"] = strip_credentials(remote) if remote else None
        found = source.snapshot(
            code,
            file_limit=settings.file_limit,
            exclude=settings.exclude,
            aside=partial(written.find, store, code.work_tree, working=working, script=script),
        )
        if code.common_dir == store.common_dir:
            record |= found
        else:  # the objects are in another repository than the runs
            record |= {k: v for k, v in found.items() if k not in {"base", "files"}}
            record |= source.carry(code, store, found)
    except (GitmlError, OSError) as error:
        record["left_out"] = [visible(f"all: {error}", 300)]
    finally:
        if code is not store:
            code.close()  # who ends the run knows no repository but its store
    return record
