"""That the remote has what is here, and that nothing published was moved or taken away."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gitml.errors import DamagedError
from gitml.names import MODELS, TAGS, plural, visible
from gitml.registry.checks.journal import commits_of, differences
from gitml.registry.checks.sight import Finding, says_of
from gitml.registry.message import MESSAGE_LIMIT
from gitml.registry.tagobject import parse_tag
from gitml.store.shared import contains

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitml.registry.checks.sight import Shared, Sight
    from gitml.registry.tagobject import Tag
    from gitml.registry.values import Event, Model


def check(sight: Sight) -> Iterator[Finding]:
    """Yield where the remote disagrees with this repository."""
    shared = sight.shared
    if shared is None:
        return
    if shared.unreachable:
        yield Finding(
            kind="unreachable",
            level="warning",
            text=f"{shared.name} could not be asked, so this is what was last seen of it: "
            f"{shared.unreachable}",
            mend="gitml audit again when it can be reached",
        )
    lacking: set[str] = set()
    for slug in sorted(sight.slugs):
        finding = _journal(sight, shared, slug)
        if finding is not None:
            lacking.add(slug)
            yield finding
    yield from _tags(sight, shared, lacking)
    for model in sight.registry.models.values():
        pending = [v.name for v in model.versions if not v.published]
        if pending and model.slug in sight.slugs:
            yield Finding(
                kind="unpublished",
                level="note",
                model=model.slug,
                text=f"{plural(len(pending), 'version')} of {visible(model.name, 80)} "
                f"{'is' if len(pending) == 1 else 'are'} not published.",
                mend=f"gitml model publish {model.slug}",
            )


def _journal(sight: Sight, shared: Shared, slug: str) -> Finding | None:
    """Return what is wrong with a journal on the remote, or None."""
    ours = sight.repository.resolve(f"{MODELS}{slug}")
    theirs, before = shared.models.get(slug), shared.before.get(slug)
    name = shared.name
    if ours is None or ours == theirs:
        return None
    mend = (
        f"git push --force {name} {ours}:{MODELS}{slug} puts ours back; first find out who did it"
    )
    if theirs is None and before is None:
        return _unpublished(name, slug, f"{name} does not have the journal of {slug}", ours)
    if theirs is None:
        return _changed("deleted", slug, f"The journal of {slug} was deleted on {name}.", mend)
    holds = sight.repository
    if contains(holds, theirs, ours):  # newer: the next fetch brings it
        return None
    if not contains(holds, ours, theirs):
        text = f"The journal of {slug} on {name} is another than the one that was published."
    elif before is not None and before != theirs and contains(holds, before, theirs):
        text = f"The journal of {slug} was set back on {name}: its newest events are gone there."
    else:
        return _unpublished(name, slug, f"{name} lacks the newest events of {slug}", ours)
    return _changed("rewritten", slug, text, mend)


def _changed(kind: str, slug: str, text: str, mend: str) -> Finding:
    return Finding(kind=kind, level="damage", model=slug, ref=MODELS + slug, text=text, mend=mend)


def _unpublished(remote: str, slug: str, clause: str, ours: str) -> Finding:
    return Finding(
        kind="unpublished",
        level="warning",
        model=slug,
        ref=MODELS + slug,
        text=f"{clause}: they were written without it, or deleted there before this clone saw it.",
        mend=f"git push {remote} {ours}:{MODELS}{slug}, then gitml audit {slug} --fix for its tags",
    )


def _tags(sight: Sight, shared: Shared, lacking: set[str]) -> Iterator[Finding]:
    told = sight.told()
    for name, ours in sight.tags.items():
        theirs = shared.tags.get(name)
        if theirs == ours or name not in told:
            continue
        model, event = told[name]
        if theirs is not None:
            yield _moved(sight, shared, model, event, name, theirs)
        elif model.slug not in lacking:
            yield _lost(shared, model, name)
    for name in shared.tags:
        says = says_of(name)
        if says is None or name in sight.tags or says.model not in sight.slugs:
            continue
        yield Finding(
            kind="stray",
            level="warning",
            model=says.model,
            ref=TAGS + name,
            text=f"{shared.name} has the tag {visible(name, 100)}, and it is not here.",
            mend=f"git fetch {shared.name} 'refs/tags/{visible(name, 100)}:"
            f"refs/tags/{visible(name, 100)}', then gitml audit again",
        )


def _lost(shared: Shared, model: Model, name: str) -> Finding:
    """Return the finding of a tag that is here and not there, though its event is."""
    fix = f"gitml audit {model.slug} --fix pushes it again"
    if name in shared.tags_before:
        return Finding(
            kind="deleted",
            level="damage",
            model=model.slug,
            ref=TAGS + name,
            text=f"The tag {name} was deleted on {shared.name}.",
            mend=f"{fix}; first find out who did it",
        )
    return Finding(
        kind="incomplete",
        level="warning",
        model=model.slug,
        ref=TAGS + name,
        text=f"{shared.name} has the event of {name} and not the tag: "
        "it never arrived, or was deleted there.",
        mend=fix,
    )


def _moved(
    sight: Sight, shared: Shared, model: Model, event: Event, name: str, theirs: str
) -> Finding:
    """Return the finding of a tag that is another on the remote, by the journal."""
    ours = sight.tags[name]
    right_here = name in sight.parsed and _agrees(sight.parsed[name], name, model, event)
    found = sight.repository.objects().get(theirs, limit=MESSAGE_LIMIT)
    right_there = False
    if found is not None and found.kind == "tag":
        with contextlib.suppress(DamagedError):
            right_there = _agrees(parse_tag(found.data), name, model, event)
    force = f"git push --force {shared.name} {ours}:'refs/tags/{name}' puts it back there"
    take = f"git fetch {shared.name} '+refs/tags/{name}:refs/tags/{name}' takes that one"
    if right_here and not right_there:
        text, mend = f"was moved on {shared.name}", f"{force}; first find out who did it"
    elif right_there and not right_here:
        text, mend = "was moved here", f"{take}, which is as the journal says"
    elif right_there:
        text = f"was replaced by another that says the same, here or on {shared.name}"
        mend = f"compare the signatures; {force}, or {take}"
    else:
        text = f"is wrong both here and on {shared.name}"
        mend = "find out who changed it; a clone that has the true one can push it"
    return Finding(
        kind="moved",
        level="damage",
        model=model.slug,
        ref=TAGS + name,
        text=f"The tag {name} {text}: {ours[:12]} is here and {theirs[:12]} there.",
        mend=mend,
    )


def _agrees(tag: Tag, name: str, model: Model, event: Event) -> bool:
    return not any(differences(tag, name, event, commits_of(model)))
