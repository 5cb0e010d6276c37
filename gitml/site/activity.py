"""The audit log: who did what to which model, and what journals and tags disagree in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gitml.model import SCHEMA, iso
from gitml.site import urls
from gitml.site.happened import Teller
from gitml.site.model_pages import Activity
from gitml.site.model_parts import Trouble
from gitml.site.plan import Output, data_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitml.model import Json
    from gitml.registry.values import Event
    from gitml.site.model_parts import Happening
    from gitml.site.plan import Site
    from gitml.site.registered import Registered, ShownModel

FIRST = 100
"""Events that stand in the page itself."""
_TROUBLES = 50


class Entry(NamedTuple):
    """An event of a model's journal."""

    model: ShownModel
    event: Event


def outputs(site: Site) -> Iterator[Output]:
    """Yield the page and its data; nothing where nothing ever happened."""
    if site.gathered.registered.eventful:
        entries = entries_of(site.gathered.registered)
        yield Output(
            address=urls.ACTIVITY, make=lambda: site.page("activity", activity(site, entries))
        )
        yield from data_files("activity", lambda: activity_data(site, entries))


def entries_of(registered: Registered) -> list[Entry]:
    """Return all events, the newest first; those of one model always in their order."""
    found = []
    for shown in registered.models:
        latest = 0
        for n, event in enumerate(shown.model.events):
            latest = max(latest, event.at)  # one that is dated back stays behind the one before
            found.append((-latest, shown.model.slug, -n, Entry(shown, event)))
    found.sort(key=lambda each: each[:3])
    return [each[3] for each in found]


def activity(site: Site, entries: Sequence[Entry]) -> Activity:
    """Return the context of the page."""
    registered = site.gathered.registered
    teller = Teller(gathered=site.gathered, root="")
    events = [entry.event for entry in entries]
    promoted = [event for event in events if event.kind == "assign"]
    tagged = [event for event in events if event.tags]
    signed = [e for e in tagged if any(tag in registered.signatures for tag in e.tags)]
    return Activity(
        frame=site.frames.frame(urls.ACTIVITY, "Activity"),
        total=len(events),
        events=tuple(teller.happened(*entry) for entry in entries[:FIRST]),
        models=tuple(sorted({entry.model.model.name for entry in entries})),
        stages=tuple(sorted({event.stage for event in events if event.stage})),
        people=tuple(sorted({event.by for event in events})),
        signed=len(signed),
        tagged=len(tagged),
        reviewed=sum(bool(event.review) for event in promoted),
        promoted=len(promoted),
        troubles=tuple(
            Trouble(level=found.level, text=found.text, mend=found.mend)
            for found in sorted(registered.findings, key=lambda f: _LEVELS.index(f.level))
        )[:_TROUBLES],
        more_troubles=max(len(registered.findings) - _TROUBLES, 0),
    )


_LEVELS = ("damage", "warning", "note")


def activity_data(site: Site, entries: Sequence[Entry]) -> dict[str, Json]:
    """Return the log, as the page shows it; gates and all else are in the models' own files."""
    teller = Teller(gathered=site.gathered, root="")
    return {
        "schema": SCHEMA,
        "events": [_entry(teller.happened(*entry), entry) for entry in entries],
        "findings": [
            {"level": found.level, "kind": found.kind, "text": found.text, "mend": found.mend}
            for found in site.gathered.registered.findings
        ],
    }


def _entry(told: Happening, entry: Entry) -> dict[str, Json]:
    event = entry.event
    return {
        "at": iso(event.at),
        "by": event.by,
        "event": event.kind,
        "model": told.model.text,
        "model_page": told.model.href,
        "version": event.version,
        "version_page": told.version.href if told.version else None,
        "stage": event.stage,
        "previous": event.previous,
        "reason": told.reason or None,
        "tags": list(event.tags),
        "told": {
            "lead": told.lead,
            "joint": told.joint,
            "tail": told.tail,
            "tone": told.stage.tone if told.stage else "",
        },
        "marks": [
            {"text": m.text, "tone": m.tone, "said": m.said, "href": m.href} for m in told.marks
        ],
    }
