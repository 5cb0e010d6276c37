"""Versions that no remote has yet: kept here as root commits, each with a ref of its own."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from gitml import names
from gitml.registry.message import event_message
from gitml.store.git import RefUpdate

if TYPE_CHECKING:
    from gitml.registry.writing import Draft
    from gitml.store.git import Repository


def write_pending(repository: Repository, slug: str, draft: Draft) -> str:
    """Write an event as a root commit that waits to be published; return the commit."""
    token = secrets.token_hex(8)
    tmp = names.tmp_ref(token)
    with repository.fast_import() as stream:
        along = [] if draft.prepare is None else [*draft.prepare(stream)]
        mark = stream.commit(
            tmp,
            committer=draft.event.by,
            time=draft.event.at,
            message=event_message(draft.event, draft.sentence),
        )
        draft.put(stream)
        commit = stream.oid(mark)
        stream.reset(tmp, repository.zero)
    updates = [RefUpdate(names.unpublished_ref(slug, token), commit, None)]
    for push in along:
        held = repository.resolve(push.ref)
        if push.ref in draft.keep and held != push.new:
            updates.append(RefUpdate(push.ref, push.new, held))
    repository.update_refs(updates)
    return commit
