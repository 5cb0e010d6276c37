"""That a journal is in order, and that each of its events is in a tag that says the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.errors import DamagedError
from gitml.model import iso
from gitml.names import MODELS, TAGS, visible
from gitml.registry.checks.sight import Finding, says_of, taken_over
from gitml.registry.message import event_fields, event_of
from gitml.registry.values import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitml.registry.checks.sight import Sight
    from gitml.registry.tagobject import Tag
    from gitml.registry.values import Event, Model

_EACH = ("version", "run", "digest", "n")
"""What may differ among the tags of one event that empties a stage: one for each version."""


def check(sight: Sight) -> Iterator[Finding]:
    """Yield what is wrong with journals, and with the tags of their events."""
    yield from _unreadable(sight)
    for model in sight.models:
        yield from _order(model)
        commits = commits_of(model)
        for event in model.events:
            if "foreign" not in event.extra:
                yield from _event(sight, model, event, commits)
        yield from _taken_over(sight, model)


def _unreadable(sight: Sight) -> Iterator[Finding]:
    for slug, reason in sight.registry.damaged.items():
        if slug in sight.slugs:
            yield Finding(
                kind="journal",
                level="damage",
                model=slug,
                ref=MODELS + slug,
                text=f"The journal of {slug} cannot be read: {reason}",
                mend="git fsck says what is missing here; a clone that has it can push it",
            )
    own = {model.slug for model in sight.models}
    for odd in sight.registry.odd:
        name = odd.ref.removeprefix(TAGS)
        says = says_of(name)
        slug = says.model if says is not None else ""
        if slug in own:  # whoever reads tags alone, GTO for one, takes it for true
            yield Finding(
                kind="stray",
                level="damage",
                model=slug,
                ref=odd.ref,
                text=f"The tag {visible(name, 100)} is not gitml's: {odd.reason}.",
                mend=f"find out who made it, then remove it: git tag -d '{visible(name, 100)}'"
                + _there(sight, name),
            )
        elif sight.whole:
            yield Finding(
                kind="odd",
                level="note",
                model=slug,
                ref=odd.ref,
                text=f"{visible(name, 100)} is passed over: {odd.reason}.",
            )


def _there(sight: Sight, name: str) -> str:
    if sight.shared is None or name not in sight.shared.tags:
        return ""
    return f" and git push {sight.shared.name} --delete '{visible(name, 100)}'"


def _order(model: Model) -> Iterator[Finding]:
    """Yield events that are dated before the one before, and versions that stand twice."""
    last: Event | None = None
    numbers: set[int] = set()
    for event in model.events:
        if "foreign" in event.extra:
            continue
        if last is not None and event.at < last.at:
            yield _damage(
                "backdated",
                model,
                event,
                f"{_title(model, event)} is dated {iso(event.at)}, "
                f"before the event before it ({iso(last.at)}).",
                "no signature or time of it proves when it was made; find out who wrote it",
            )
        last = event
        if event.kind not in KINDS:
            yield Finding(
                kind="newer",
                level="note",
                model=model.slug,
                text=f"{_title(model, event)} is of a kind that this gitml does not know.",
                mend="pip install --upgrade gitml",
            )
        if event.kind == "register" and event.n is not None:
            if event.n in numbers:
                text = f"{_title(model, event)} has the number {event.n}, which another has too."
                yield _damage("journal", model, event, text, "find out who wrote it")
            numbers.add(event.n)


def _event(sight: Sight, model: Model, event: Event, commits: dict[str, str]) -> Iterator[Finding]:
    """Yield what is wrong with an event's tags."""
    if not event.tags and _wants_a_tag(model, event):
        text = f"{_title(model, event)} names no tag, so that it is in the journal alone."
        yield _damage("journal", model, event, text, "find out who wrote it")
    for name in event.tags:
        says = says_of(name)
        right = says is not None and (says.model, says.kind) == (model.slug, event.kind)
        if says is None or not right or says.stage != event.stage:
            text = f"{_title(model, event)} names the tag {visible(name, 100)}, which is another's."
            yield _damage("journal", model, event, text, "find out who wrote it")
        elif name not in sight.tags:
            yield _missing(sight, model, name)
        elif name not in sight.parsed:
            text = f"The tag {name} is not annotated, or cannot be read."
            yield _damage("tag", model, event, text, _put_back(sight, name), name)
        else:
            for wrong in differences(sight.parsed[name], name, event, commits):
                yield _damage(
                    "tag", model, event, f"The tag {name} {wrong}.", _put_back(sight, name), name
                )


def _wants_a_tag(model: Model, event: Event) -> bool:
    if event.kind == "register":  # what is attached to a foreign version has that one's tag
        return not any(v.foreign and v.name == event.version for v in model.versions)
    return event.kind in {"assign", "unassign"}


def _missing(sight: Sight, model: Model, name: str) -> Finding:
    """Return the finding of an event whose tag is nowhere: its writer was killed, or it went."""
    return Finding(
        kind="incomplete",
        level="warning",
        model=model.slug,
        ref=TAGS + name,
        text=f"The journal of {model.slug} has an event whose tag {name} is not there.",
        mend=f"gitml audit {model.slug} --fix makes it from the journal"
        + ("" if sight.shared is None else f" and pushes it to {sight.shared.name}"),
    )


def commits_of(model: Model) -> dict[str, str]:
    """Return the commit that each published version's tag names."""
    return {version.name: version.commit for version in model.versions if version.published}


def differences(tag: Tag, name: str, event: Event, commits: dict[str, str]) -> Iterator[str]:
    """Yield in what a tag is another than its event made it, as ends of a sentence."""
    if tag.name != name:
        yield f"says that it is {visible(tag.name, 80)}: it was copied or renamed"
    if tag.kind != "commit":
        yield f"names a {visible(tag.kind, 20)} and not a commit"
    elif tag.target not in _targets(event, commits):
        right = "of its event" if event.kind == "reproduce" else "that registered the version"
        yield f"points at {tag.target[:12]}, which is not the commit {right}"
    if tag.tagger != event.by:
        yield f"is by {visible(tag.tagger, 80)} and its event by {visible(event.by, 80)}"
    if tag.at != event.at:
        said = "no time" if tag.at is None else iso(tag.at)
        yield f"is dated {said} and its event {iso(event.at)}"
    try:
        told = event_fields(event_of(tag.fields, at=event.at, by=event.by))
    except DamagedError:
        yield "does not hold an event that can be read"
        return
    own = event_fields(event)
    several = len(event.tags) > 1
    keys = {k for k in {*own, *told} if own.get(k) != told.get(k)} - {*(_EACH if several else ())}
    if keys:
        yield f"says another {', '.join(sorted(visible(key, 40) for key in keys))} than its event"


def _targets(event: Event, commits: dict[str, str]) -> set[str]:
    if event.kind == "reproduce":
        return {event.commit}
    if event.kind == "register" and commits.get(event.version or "") in {None, event.commit}:
        return {event.commit}
    if event.kind == "unassign":
        return {*commits.values()}
    return {commits.get(event.version or "", "")}


def _taken_over(sight: Sight, model: Model) -> Iterator[Finding]:
    """Yield tags of GTO's that are not what they were when the journal took them over."""
    for name, oid in taken_over(model).items():
        found = sight.tags.get(name)
        if found != oid:
            shown = visible(name, 100)
            what = "is gone" if found is None else f"is {found[:12]} and was {oid[:12]}"
            put = f"git update-ref 'refs/tags/{shown}' {oid}"
            yield Finding(
                kind="moved" if found else "deleted",
                level="damage",
                model=model.slug,
                ref=TAGS + name,
                text=f"The tag {shown} {what} since gitml took it over.",
                mend=f"{put} puts it back, if the object is still here",
            )


def _put_back(sight: Sight, name: str) -> str:
    """Return how a tag that is wrong here is put right."""
    shared = sight.shared
    if shared is not None and shared.tags.get(name) not in {None, sight.tags.get(name)}:
        return f"git fetch {shared.name} '+refs/tags/{name}:refs/tags/{name}' takes {shared.name}'s"
    return "find out who changed it; a clone that has the true one can push it"


def _damage(kind: str, model: Model, event: Event, text: str, mend: str, tag: str = "") -> Finding:
    ref = TAGS + tag if tag else f"{MODELS}{model.slug} {event.commit}"
    return Finding(kind=kind, level="damage", model=model.slug, ref=ref, text=text, mend=mend)


def _title(model: Model, event: Event) -> str:
    """Return an event as people read it: ``The event assign of churn v1.2.0 (4f2a9c41be02)``."""
    what = " ".join(filter(None, (visible(model.name, 80), event.version, event.stage)))
    return f"The event {visible(event.kind, 40)} of {what} ({event.commit[:12]})"
