"""Where a remote keeps what is pushed: below ``refs/gitml``, or on branches called ``gitml/…``.

Branches are for hosts that take no refs but branches and tags. Which it is, says
``git config remote.NAME.gitmlRefs`` (``branches`` or ``custom``), for all remotes
``gitml.refs``, else what the remote was seen to have when it was last pulled from.
Here refs are always below ``refs/gitml``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitml.errors import InputError
from gitml.names import BRANCHES, visible

if TYPE_CHECKING:
    from pathlib import Path

    from gitml.store.git import Repository

CUSTOM = "refs/gitml/"
_NO = {"false", "no", "off", "0"}
_SETTINGS = {"branches": True, "custom": False}
_DESTINATION = re.compile(r"^(\+?[^:]*:)(.*)$", re.DOTALL)


def on_branches(repository: Repository, remote: str) -> bool:
    """Say whether a remote is pushed to, and first looked at, on branches."""
    settings = {
        f"remote.{remote}.gitmlRefs": repository.config(f'remote "{remote}"', "gitmlrefs"),
        "gitml.refs": repository.config("gitml", "refs"),
    }
    for key, said in settings.items():
        if said is None:
            continue
        if said.lower() not in _SETTINGS:
            raise InputError(
                f"{visible(key, 100)} is {visible(said, 60)}.",
                hint=f"git config {visible(key, 100)} branches, or custom; unset it is found out",
            )
        return _SETTINGS[said.lower()]
    return _mark(repository, remote).exists()


def learn(repository: Repository, remote: str, *, branches: bool) -> None:
    """Note where a remote was seen to keep what is pushed."""
    mark = _mark(repository, remote)
    if branches:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    else:
        mark.unlink(missing_ok=True)


def _mark(repository: Repository, remote: str) -> Path:
    return repository.home / "branches" / remote.replace("/", "%2F")


def theirs(ref: str, *, branches: bool) -> str:
    """Return what a ref of ours is called on a remote; others are called the same."""
    if branches and ref.startswith(CUSTOM):
        return BRANCHES + ref.removeprefix(CUSTOM)
    return ref


def ours(ref: str, *, branches: bool) -> str:
    """Return what a ref of a remote is called here; see `theirs`."""
    if branches and ref.startswith(BRANCHES):
        return CUSTOM + ref.removeprefix(BRANCHES)
    return ref


def push_address(repository: Repository, remote: str, *, branches: bool) -> str:
    """Return what git is given to push to a remote.

    For branches it is the URL: told the name, git would keep them below ``refs/remotes`` too.
    So it is for a mirror, of which git would push all refs or none.
    """
    section = f'remote "{remote}"'
    if not branches and (repository.config(section, "mirror") or "false").lower() in _NO:
        return remote
    return repository.config(section, "pushurl") or repository.config(section, "url") or remote


def fetched(spec: str, *, branches: bool) -> str:
    """Return a refspec of a fetch, ``+source:destination``, with the source as it is there."""
    plus = "+" if spec.startswith("+") else ""
    return plus + theirs(spec.removeprefix("+"), branches=branches)


def pushed(spec: str, *, branches: bool) -> str:
    """Return a refspec of a push, ``source:destination``, with the destination as it is there."""
    found = _DESTINATION.match(spec)
    return spec if found is None else found[1] + theirs(found[2], branches=branches)
