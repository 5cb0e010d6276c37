"""Completing what an audit found half-done: events whose tags did not arrive.

A remote without atomic pushes gets the journal first and the tags second, and a
writer may be killed between the two. All that a tag says is in its event, so
anybody can make it, unsigned. What somebody moved is not touched.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitml.errors import DamagedError
from gitml.names import TAGS, remote_ref
from gitml.registry import gto
from gitml.registry.message import event_message
from gitml.registry.signing import write_tag
from gitml.registry.tagobject import TagDraft
from gitml.store.git import RefUpdate
from gitml.store.remote import PushRef, push_together
from gitml.store.shared import contains

if TYPE_CHECKING:
    from gitml.registry.audit import Report
    from gitml.registry.checks.sight import Shared
    from gitml.registry.values import Event, Model
    from gitml.store.git import Repository

MENDED = ("incomplete", "deleted")
"""Kinds of findings that `fix` mends."""


def fix(repository: Repository, report: Report) -> tuple[str, ...]:
    """Make, keep and push the tags that a report misses; return their names.

    Raises `BeatenError` if one appeared meanwhile, and `RemoteError`.
    """
    sight = report.sight
    shared = sight.shared
    told = sight.told()
    wanted: dict[str, str] = {}
    for finding in report.findings:
        name = finding.ref.removeprefix(TAGS)
        if finding.kind in MENDED and name in told:
            model, event = told[name]
            ours = sight.tags.get(name)
            wanted[name] = ours or write_tag(repository, _draft(repository, model, event, name))
    missing: dict[str, str] = {}
    if shared is not None and not shared.unreachable:
        missing = {
            name: oid
            for name, oid in wanted.items()
            if name not in shared.tags and _is_there(repository, shared, *told[name])
        }
        if missing:
            refs = [PushRef(ref=TAGS + name, new=oid) for name, oid in missing.items()]
            push_together(repository, shared.name, refs)
    updates = [RefUpdate(TAGS + n, o, None) for n, o in wanted.items() if n not in sight.tags]
    if shared is not None:
        there = repository.refs(remote_ref(shared.name, "tags/"))
        for name, oid in missing.items():
            place = remote_ref(shared.name, f"tags/{name}")
            if place not in there:
                updates.append(RefUpdate(place, oid, None))
    if updates:
        repository.update_refs(updates)
    return tuple(wanted)


def _is_there(repository: Repository, shared: Shared, model: Model, event: Event) -> bool:
    """Say whether the remote has an event: its tag goes there with it, or after it."""
    tip = shared.models.get(model.slug)
    return tip is not None and contains(repository, tip, event.commit)


def _draft(repository: Repository, model: Model, event: Event, name: str) -> TagDraft:
    """Return a tag as its event says it was: unsigned, the very object that was meant."""
    commits = {version.name: version.commit for version in model.versions}
    commit = repository.read(event.commit, "commit").decode("utf-8", "replace")
    message = commit.partition("\n\n")[2]
    target = commits.get(event.version or "", "")
    if event.kind in {"register", "reproduce"}:
        target = event.commit
    elif event.kind == "unassign" and event.stage is not None:
        nth = event.tags.index(name)
        before = model.events[: model.events.index(event)]
        others = [v for v in gto.holders(before, event.stage) if v != event.version]
        gone = [event.version, *reversed(others)]
        if nth >= len(gone) or event.n is None:
            raise DamagedError(f"What the tag {name} took out of the stage cannot be told.")
        version = next(v for v in model.versions if v.name == gone[nth])
        told = replace(
            event, version=version.name, n=event.n + nth, run=version.run, digest=version.digest
        )
        message = event_message(told, message.partition("\n")[0])
        target = version.commit
    return TagDraft(name=name, target=target, message=message, tagger=event.by, at=event.at)
