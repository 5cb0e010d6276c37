"""When a remote was last spoken to, and whether its name stands for another place by now.

What was seen of a remote is remembered by its name. Where the name was given another
address since, nothing of that counts: the place may be a new and empty host.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gitml.names import RUNS, remote_ref
from gitml.redact import strip_credentials
from gitml.sharing.large import forget_place, kept, waiting
from gitml.store.git import RefUpdate
from gitml.store.write import again
from gitml.tracking.settings import artifacts_remote

if TYPE_CHECKING:
    from pathlib import Path

    from gitml.store.git import Repository
    from gitml.store.pulling import Where

_KINDS = ("runs", "experiments", "source", "sources", "models", "tags", "packages")
"""What is remembered of a remote, as folders or a ref below its name."""


def last_contact(repository: Repository, there: Where) -> int | None:
    """Return when a push or a pull last went through, in milliseconds, or None."""
    try:
        return int(_mark(repository, there).stat().st_mtime * 1000)
    except FileNotFoundError:
        return None


def note_contact(repository: Repository, there: Where) -> None:
    """Note that a remote has just been spoken to, and at which address."""
    mark = _mark(repository, there)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(f"{_address(repository, there)}\n", encoding="ascii")


def has_moved(repository: Repository, there: Where) -> bool:
    """Say whether a remote has another address than when it was last spoken to."""
    try:
        noted = _mark(repository, there).read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return False
    return noted not in {"", _address(repository, there)}


def forget_former(repository: Repository, there: Where) -> None:
    """Forget what was seen of the place that a remote's name stood for before, if there is one.

    Hot runs of others stay until the next pull.
    """
    if has_moved(repository, there):
        again(lambda: _forget(repository, there))
        forget_place(repository, there.name)
        _mark(repository, there).unlink(missing_ok=True)  # with this one nobody has spoken yet


def large_to_share(repository: Repository, there: Where) -> dict[str, int]:
    """Return what `waiting` does, and all there is where the remote is another place by now."""
    if artifacts_remote(repository) is None and has_moved(repository, there):
        return kept(repository)
    return waiting(repository, there)


def _forget(repository: Repository, there: Where) -> None:
    places = [remote_ref(there.name, ""), remote_ref(f"{there.name}/heads", "")]
    refs = repository.refs(RUNS, *(f"{place}{kind}" for place in places for kind in _KINDS))
    gone = {
        ref: oid
        for ref, oid in refs.items()
        if not ref.startswith(RUNS)
        and (ref.rpartition("/runs/")[1] == "" or RUNS + ref.rpartition("/")[2] in refs)
    }
    if gone:
        repository.update_refs([RefUpdate(ref, None, oid) for ref, oid in gone.items()])


def _address(repository: Repository, there: Where) -> str:
    """Return a hash of where a remote is, whoever asks: jobs have a new password each."""
    section = f'remote "{there.name}"'
    told = [repository.config(section, key) or "" for key in ("url", "pushurl")]
    text = strip_credentials("\n".join(told if there.named else [there.address]))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _mark(repository: Repository, there: Where) -> Path:
    return repository.home / "contact" / there.name.replace("/", "%2F")
