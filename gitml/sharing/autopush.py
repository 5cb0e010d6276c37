"""A run that has just ended, pushed by whoever made it: that run and what it needs.

Nothing of anybody else is sent, nobody is asked for a password, and it takes a
bounded time. A push that fails is no failure of the run: the next push sends it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gitml.errors import GitmlError, RemoteError
from gitml.names import run_ref, source_ref, visible
from gitml.sharing.contact import forget_former, note_contact
from gitml.sharing.large import forget_place, send_large
from gitml.store.hosts import what_then
from gitml.store.planning import listed_for
from gitml.store.pulling import where
from gitml.store.pushing import push_runs

if TYPE_CHECKING:
    from gitml.model import Run
    from gitml.store.git import Repository
    from gitml.store.pulling import Where
    from gitml.store.pushing import Pushed
    from gitml.tracking.settings import Settings

SECONDS = 60
"""How long a push of one run may take, besides the time for large files."""
RATE = 1_000_000
"""Bytes of large files for which it may take another second."""
_YES, _NO = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}


def wished(text: str | None) -> bool | str:
    """Return what ``GITML_AUTOPUSH`` says: whether to push, or the remote to push to."""
    word = (text or "").strip()
    if word.lower() in _NO:
        return False
    return True if word.lower() in _YES else word


def remote_of(repository: Repository, wish: bool | str) -> Where | None:
    """Return the remote that is wished for; raise `UsageError` if there is no such one."""
    if wish is False:
        return None
    return where(repository, None if wish is True else wish)


def push_ended(
    repository: Repository,
    run: Run,
    wish: bool | str,
    *,
    by: str,
    now: int,
    settings: Settings,
    seconds: float = SECONDS,
) -> Pushed | None:
    """Push a run that has ended, with its source and its large files; None is not wished.

    One that was sealed meanwhile goes with its ledger. Raises a `GitmlError`, whose sentence
    says that the run is safe here.
    """
    try:
        there = remote_of(repository, wish)
        if there is None:
            return None
        forget_former(repository, there)
        done = _push(repository, run, there, by=by, now=now, settings=settings, seconds=seconds)
        note_contact(repository, there)
    except (GitmlError, OSError) as error:
        raise _not_pushed(run, error) from None
    finally:
        repository.patience = None
    return done


def _push(
    repository: Repository,
    run: Run,
    there: Where,
    *,
    by: str,
    now: int,
    settings: Settings,
    seconds: float,
) -> Pushed:
    large = {a.sha256: a.size or 0 for a in run.artifacts.values() if a.store == "lfs" and a.sha256}
    repository.patience = time.monotonic() + seconds + sum(large.values()) / RATE
    if large:
        _send(repository, there, settings, large)
    refs = listed_for(repository, there)
    hot = run_ref(run.id) in refs
    if not hot:  # its ledger goes, with other runs whose files must be there first
        _send(repository, there, settings, None)
    done = push_runs(
        repository,
        there,
        committer=by,
        now=now,
        source=settings.push_source,
        ids=[run.id] if hot else None,
        trees=[run.source.tree] if run.source.tree else [],
        refs=refs,
    )
    if done.lost:  # and so it may have large files, which the next push sends
        forget_place(repository, there.name)
    for ref, reason in done.refused.items():
        if not hot or ref == run_ref(run.id) or ref == source_ref(run.source.tree or ""):
            raise RemoteError(
                f"{there.said} refuses {visible(ref, 120)}: {visible(reason, 200)}.",
                hint=what_then([reason]),
            )
    return done


def _send(
    repository: Repository, there: Where, settings: Settings, large: dict[str, int] | None
) -> None:
    try:
        send_large(repository, there, settings, only=large)
    except RuntimeError as error:  # which an interpreter that exits says of any new thread
        raise RemoteError(
            "its large files cannot be sent while the program exits.",
            hint="end the run in the program: with gitml.start_run(…) as run, or run.end()",
        ) from error


def _not_pushed(run: Run, error: GitmlError | OSError) -> RemoteError:
    told = error.message if isinstance(error, GitmlError) else str(error)
    hint = error.hint if isinstance(error, GitmlError) else None
    return RemoteError(
        f"{visible(run.name, 80)} is safe here and was not pushed: {told}",
        hint="gitml push takes it along later" + (f"; {hint}" if hint else ""),
    )
