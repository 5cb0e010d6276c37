"""Source trees of runs, brought from a remote when somebody asks for one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitml.errors import GitmlError, NotFoundError, UnreachableError
from gitml.names import SOURCES, remote_ref, source_ref, visible
from gitml.reproduce.source import AwayError, tree_of
from gitml.store.hosts import said, transport_failure
from gitml.store.places import on_branches, theirs
from gitml.store.remote import registry_remote, spoken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.model import Run
    from gitml.store.git import Repository

_FETCH = (
    *("-c", "fetch.fsckObjects=true", "fetch", "--no-tags", "--no-write-fetch-head"),
    *("--no-auto-maintenance", "--no-recurse-submodules", "--no-filter", "--refmap="),
)


def source_of(repository: Repository, run: Run) -> str:
    """Return the tree a run was made from, fetched from a remote if it is not here.

    The usual remote is asked first, then the others. Raises `NotFoundError` if none of them
    has it, `UnreachableError` where one that might could not be asked.
    """
    try:
        return tree_of(repository, run)
    except AwayError as away:
        remotes = _remotes(repository)
        if not remotes:
            raise
        bring_trees(repository, [away.tree], remotes, of=run.name)
    return tree_of(repository, run)


def bring_trees(
    repository: Repository, trees: Sequence[str], remotes: Sequence[str] = (), *, of: str
) -> None:
    """Fetch trees that are not here, each to where a remote's sources are remembered.

    ``of`` names in messages what they are the source of. Raises like `source_of`.
    """
    asked = remotes or _remotes(repository)
    left = _away(repository, trees)
    failures: list[GitmlError] = []
    for remote in asked if left else ():
        try:
            _fetch(repository, remote, left)
        except GitmlError as error:
            failures.append(error)
        left = _away(repository, left)
        if not left:
            return
    if not left:
        return
    what = f"The source tree of {visible(of, 80)}"
    if failures:
        raise UnreachableError(
            f"{what} is not here, and it could not be asked for: {failures[0].message}",
            hint=failures[0].hint,
        )
    nowhere = " nor ".join(["here", *(f"on {said(remote)}" for remote in asked)])
    raise NotFoundError(
        f"{what} is neither {nowhere}: {left[0]}"
        if asked
        else f"{what} is not in this repository: {left[0]}",
        hint="gitml push sends it from where the run was made, unless push.source is false there",
    )


def _remotes(repository: Repository) -> list[str]:
    """Return the remotes to be asked, the usual one first."""
    usual = registry_remote(repository)
    first = [] if usual is None else [usual]
    return [*first, *(r for r in repository.subsections("remote") if r != usual)]


def _away(repository: Repository, trees: Sequence[str]) -> list[str]:
    likely = [t for t in trees if re.fullmatch(f"[0-9a-f]{{{repository.oid_width}}}", t)]
    found = repository.objects().many(likely)
    return [tree for tree, here in zip(likely, found, strict=True) if here is None]


def _fetch(repository: Repository, remote: str, trees: Sequence[str]) -> None:
    """Fetch trees by their ids, without any history; or, where a host lists refs only, so."""
    kept = {tree: remote_ref(remote, f"source/t-{tree}") for tree in trees}
    for tree, place in kept.items():
        code, _, err = spoken(repository, *_FETCH, remote, f"+{tree}:{place}")
        if code and "unadvertised object" in err:
            break
        if code and "not our ref" not in err:
            raise transport_failure(remote, err, code)
    else:
        return
    branches = on_branches(repository, remote)
    hot = [
        f"+{theirs(source_ref(tree), branches=branches)}*:{place}*" for tree, place in kept.items()
    ]
    whole = f"+{theirs(SOURCES, branches=branches)}*:{remote_ref(remote, 'sources')}*"
    for specs in (hot, [whole]):
        code, _, err = spoken(repository, *_FETCH, remote, *specs)
        if code:
            raise transport_failure(remote, err, code)
        if not _away(repository, trees):
            return
