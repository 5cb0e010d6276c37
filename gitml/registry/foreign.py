"""Tags that no journal tells of: GTO's, a plain clone's, and odd ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gitml.errors import DamagedError
from gitml.lines import dump_json, load_json
from gitml.names import TAGS, visible
from gitml.registry.gto import TagName, parse_tag_name
from gitml.registry.message import event_of
from gitml.registry.tagobject import Tag, parse_tag
from gitml.registry.values import Event

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from gitml.model import Json
    from gitml.store.git import Repository
    from gitml.store.objects import Object


class OddTag(NamedTuple):
    """A tag, or another ref, that looks like a registry's and cannot be used."""

    ref: str
    """Its whole name."""
    reason: str
    """What is wrong with it."""


class _Found(NamedTuple):
    """A usable tag."""

    name: str
    oid: str
    says: TagName
    tag: Tag


def read_tags(
    repository: Repository,
    tags: Mapping[str, str],
    journals: Mapping[str, Sequence[Event]],
    damaged: Container[str],
) -> tuple[dict[str, list[Event]], list[OddTag]]:
    """Return by model the events of tags that no journal holds, and what is odd.

    ``tags`` maps short names to oids. A model that has a journal is read from that
    alone: a tag of its own that it does not know is odd.
    """
    known = _told(journals)
    odd: list[OddTag] = []
    asked: dict[str, TagName] = {}
    for name in tags:
        says = parse_tag_name(name)
        if says is None or says.model in damaged:
            continue
        if says.model in journals:
            if name not in known:
                odd.append(OddTag(TAGS + name, "no event of the model's journal made it"))
        elif says.kind == "create":
            odd.append(OddTag(TAGS + name, "it says created, which not even GTO can read"))
        else:
            asked[name] = says
    found = _read(repository, {name: tags[name] for name in asked}, asked, odd)
    return _events(found), odd


def _told(journals: Mapping[str, Sequence[Event]]) -> set[str]:
    """Return the names of the tags that journals tell of."""
    names: set[str] = set()
    for events in journals.values():
        for event in events:
            names.update(event.tags)
            if event.kind == "import":
                names.update(tag for one in imported(event) for tag in one.tags)
    return names


def _read(
    repository: Repository,
    oids: Mapping[str, str],
    says: Mapping[str, TagName],
    odd: list[OddTag],
) -> list[_Found]:
    found = []
    answers = repository.objects().many(oids.values()) if oids else ()
    for (name, oid), answer in zip(oids.items(), answers, strict=True):
        tag = _usable(name, answer)
        if isinstance(tag, str):
            odd.append(OddTag(TAGS + name, tag))
        else:
            found.append(_Found(name, oid, says[name], tag))
    return found


def _usable(name: str, answer: Object | None) -> Tag | str:
    """Return the tag, or why it cannot be used."""
    if answer is None:
        return "its object is missing"
    if answer.kind != "tag":
        return "it is not annotated"
    try:
        tag = parse_tag(answer.data)
    except DamagedError as error:
        return error.message.removesuffix(".")
    if tag.kind != "commit":
        return f"it is a tag of a {visible(tag.kind, 20)}"
    if tag.name != name:
        return f"its header says {visible(tag.name, 80)}"
    return "it has no time" if tag.at is None else tag


def _events(found: Iterable[_Found]) -> dict[str, list[Event]]:
    """Return by model the events of tags, in the order in which GTO takes them."""
    several: dict[str, list[_Found]] = {}
    for one in found:
        several.setdefault(one.says.model, []).append(one)
    return {model: _of_model(tags) for model, tags in several.items()}


def _of_model(found: Sequence[_Found]) -> list[Event]:
    ordered = sorted(found, key=_order)
    at_commit: dict[str, str] = {}
    for one in ordered:  # of several versions of one commit the last counts
        if one.says.kind == "register" and one.says.version is not None:
            at_commit[one.tag.target] = one.says.version
    events: list[Event] = []
    for one in ordered:
        event = _event(one, at_commit)
        if event is not None and not any(_same(event, other) for other in events[-8:]):
            events.append(event)
    return events


_WITHIN_A_SECOND = ("register", "delete", "assign", "unassign")


def _order(found: _Found) -> tuple[int, int, str]:
    """Return what sorts tags as GTO takes them, also those of the same second."""
    says = found.says
    whole = says.version is None and says.stage is None
    rank = -1 if whole else _WITHIN_A_SECOND.index(says.kind)
    return found.tag.at or 0, rank, found.name


def _same(event: Event, other: Event) -> bool:
    """Say whether two tags were made by one event: gitml empties a stage by several."""
    return event.at == other.at and bool(event.tags) and event.tags == other.tags


def _event(found: _Found, at_commit: Mapping[str, str]) -> Event | None:
    says, tag = found.says, found.tag
    version = says.version
    if says.stage is not None:
        version = at_commit.get(tag.target)
        if version is None:
            return None  # a stage of a commit that is no version
    assert tag.at is not None
    if tag.fields:
        try:
            event = event_of(tag.fields, at=tag.at, by=tag.tagger, commit=tag.target)
        except DamagedError:
            pass
        else:
            whole = event.kind == "unassign" or event.version == version
            if (event.kind, event.stage) == (says.kind, says.stage) and whole:
                return event
    return Event(
        kind=says.kind,
        at=tag.at,
        by=tag.tagger,
        model=says.model,
        commit=tag.target,
        version=version,
        stage=says.stage,
        n=says.n if says.stage is not None else None,
        tags=(found.name,),
        reason=tag.message.strip() or None,
        extra={"foreign": found.oid},
    )


_KEPT = ("kind", "at", "by", "commit", "version", "stage", "n", "reason")


def import_field(events: Iterable[Event]) -> str:
    """Return foreign events as the field ``imported`` of an import event."""
    return dump_json(
        [
            {
                **{key: value for key in _KEPT if (value := getattr(event, key)) is not None},
                "tag": event.tags[0],
                "oid": event.extra["foreign"],
            }
            for event in events
        ]
    )


def imported(event: Event) -> list[Event]:
    """Return the foreign events that an import event took over; none if it cannot be read."""
    try:
        listed = load_json(event.extra.get("imported", "[]"))
        return [_imported(item, event.model) for item in listed]
    except (TypeError, ValueError, KeyError, AttributeError):
        return []


def _imported(item: dict[str, Json], model: str) -> Event:
    facts = {key: item[key] for key in _KEPT if key in item}
    numbers = (facts["at"], facts.get("n", 0))
    texts = [facts.get(key, "") for key in _KEPT if key not in {"at", "n"}]
    if not all(type(n) is int for n in numbers) or not all(type(t) is str for t in texts):
        raise TypeError("a field of an imported event is of another type")
    return Event(**facts, model=model, tags=(item["tag"],), extra={"foreign": str(item["oid"])})
