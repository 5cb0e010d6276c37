"""The set of source trees that sealing keeps: one ref for all of them."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from gitml import names
from gitml.store.git import RefUpdate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitml.store.fast_import import FastImport
    from gitml.store.git import Repository

PARENTS = 500
"""Commits that one commit takes in."""
_PREFIX = names.source_ref("")


def unsealed(repository: Repository, refs: Mapping[str, str]) -> dict[str, str]:
    """Return the commit of each source ref by its tree; refs that are none are left out."""
    named = {r[len(_PREFIX) :]: oid for r, oid in refs.items() if r.startswith(_PREFIX)}
    oid_like = re.compile(f"[0-9a-f]{{{repository.oid_width}}}")
    likely = {tree: oid for tree, oid in named.items() if oid_like.fullmatch(tree)}
    held = repository.objects().heads(f"{oid}^{{tree}}" for oid in likely.values())
    return {
        tree: oid
        for (tree, oid), found in zip(likely.items(), held, strict=True)
        if found is not None and found.oid == tree
    }


def seal_sources(
    stream: FastImport, sources: Mapping[str, str], old: str | None, committer: str, now: int
) -> list[RefUpdate]:
    """Take source trees (commit by tree) into their set, with the commits as parents."""
    tmp = names.tmp_ref(secrets.token_hex(8))
    head = old
    items = sorted(sources.items())
    for start in range(0, len(items), PARENTS):
        part = items[start : start + PARENTS]
        mark = stream.commit(
            tmp,
            committer=committer,
            time=now,
            message=f"keep {names.plural(len(part), 'source tree')}\n",
            parents=[*([head] if head else []), *(commit for _, commit in part)],
            keep_tree=head is not None,
        )
        head = mark
        for tree, _ in part:
            stream.put(f"{tree[:2]}/{tree}", tree, "040000")
    assert head is not None
    return [
        RefUpdate(names.SOURCES, stream.oid(head), old),
        RefUpdate(tmp, None, None),
        *(RefUpdate(names.source_ref(tree), None, commit) for tree, commit in items),
    ]
