"""An audit of the registry: what is promised of it, checked; and what it found, mended.

It promises that nothing published has changed, that every event is in the
journal and in a tag that says the same, that names equal headers, that tags
point at the commit that registered the version, that files are those that were
registered, and that whoever signed was allowed to at that time; it tells where
stage files and tags disagree, and whether tags are protected. It does not
promise true metrics, thoughtful reviews or right clocks, and it sees that a
journal went together with its tags only by the listing of an earlier audit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitml.errors import InputError
from gitml.lines import dump_json, load_json
from gitml.model import SCHEMA, iso
from gitml.names import MODELS, TAGS, visible
from gitml.registry.checks import content, desired, journal, shared, signatures
from gitml.registry.checks.sight import Finding, Sight, gather, says_of
from gitml.store.shared import contains

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gitml.model import Json
    from gitml.store.git import Repository

LISTING = "gitml audit"
"""What a listing says that it is."""
LISTING_LIMIT = 64 * 1024 * 1024
_LEVELS = ("damage", "warning", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What an audit saw: the newest event of each journal, and each tag's object."""

    at: str
    """When, in ISO 8601."""
    models: Mapping[str, str]
    """The newest event by slug."""
    tags: Mapping[str, str]
    """The object by the short name of the tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an audit found."""

    findings: tuple[Finding, ...]
    """What is wrong, or cannot be told: damage first."""
    listing: Listing
    """What it saw, for a later audit to compare with."""
    sight: Sight
    """What it looked at."""
    versions: int
    """How many versions."""
    events: int
    """How many events."""
    tags: int
    """How many tags of events."""
    signed: int
    """How many of these tags are signed."""

    def count(self, level: str) -> int:
        """Return how many findings are of a level."""
        return sum(finding.level == level for finding in self.findings)


def audit(
    repository: Repository,
    *,
    remote: str | None,
    branch: str | None,
    now: int,
    model: str | None = None,
    since: Listing | None = None,
    protected: Callable[[], bool | None] | None = None,
) -> Report:
    """Audit a model, or all of them; nothing is changed but what a fetch brings.

    ``protected`` asks the host whether the registry's tags are. Raises
    `NotFoundError` if there is no such model.
    """
    sight = gather(repository, remote=remote, branch=branch, model=model)
    found = [
        *journal.check(sight),
        *shared.check(sight),
        *content.check(sight),
        *signatures.check(sight),
        *desired.check(sight),
        *(_since(sight, since) if since is not None else ()),
        *(_protection(sight, protected) if sight.whole else ()),
    ]
    told = sight.told()
    own = [e for m in sight.models for e in m.events if "foreign" not in e.extra]
    return Report(
        findings=tuple(sorted(dict.fromkeys(found), key=lambda f: _LEVELS.index(f.level))),
        listing=_listing(sight, now),
        sight=sight,
        versions=sum(v.published for m in sight.models for v in m.versions),
        events=len(own),
        tags=sum(name in sight.tags for name in told),
        signed=sum(tag.signature is not None for name, tag in sight.parsed.items() if name in told),
    )


def _listing(sight: Sight, now: int) -> Listing:
    tips = {model.slug: model.tip for model in sight.models if model.tip is not None}
    return Listing(at=iso(now), models=tips, tags=dict(sorted(sight.tags.items())))


def _since(sight: Sight, since: Listing) -> Iterator[Finding]:
    """Yield what an earlier audit saw and is no longer so."""
    when = f"since the audit of {since.at}"
    tips = {model.slug: model.tip for model in sight.models}
    for slug, tip in since.models.items():
        if slug not in sight.slugs and not sight.whole:
            continue
        now = tips.get(slug)
        if now is None:
            what = "is gone"
        elif not contains(sight.repository, now, tip):
            what = "is another"
        else:
            continue
        yield Finding(
            kind="since",
            level="damage",
            model=slug,
            ref=MODELS + slug,
            text=f"The journal of {visible(slug, 100)} {what} {when}.",
            mend=f"find out who did it; a clone that still has {tip[:12]} can push it",
        )
    for name, oid in since.tags.items():
        says = says_of(name)
        now = sight.tags.get(name)
        if now == oid or says is None or (says.model not in sight.slugs and not sight.whole):
            continue
        what = "is gone" if now is None else f"is {now[:12]} and was {visible(oid[:12])}"
        yield Finding(
            kind="since",
            level="damage",
            model=says.model,
            ref=TAGS + name,
            text=f"The tag {visible(name, 100)} {what} {when}.",
            mend=f"find out who did it; a clone that still has {visible(oid[:12])} can push it",
        )


def _protection(sight: Sight, protected: Callable[[], bool | None] | None) -> Iterator[Finding]:
    if sight.shared is None or not sight.tags:
        return
    answer = protected() if protected is not None else None
    if answer is None:
        yield Finding(
            kind="protection",
            level="note",
            text=f"Whether tags are protected on {sight.shared.name} cannot be told from here.",
            mend="the host's settings show it: rules for tags that match *#* and *@*",
        )
    elif not answer:
        yield Finding(
            kind="protection",
            level="note",
            text=f"Tags are not protected on {sight.shared.name}: whoever can push can promote.",
            mend="gitml init --github writes a ruleset to import",
        )


def dump_listing(listing: Listing) -> str:
    """Return a listing as text: JSON, one entry a line, so that git shows what came."""
    lines = [f'{{"schema": {SCHEMA}, "kind": {dump_json(LISTING)}, "at": {dump_json(listing.at)},']
    for title, entries in (("models", listing.models), ("tags", listing.tags)):
        body = [f"  {dump_json(key)}: {dump_json(entries[key])}" for key in sorted(entries)]
        end = "}," if title == "models" else "}}"
        lines.append(f'"{title}": {{')
        lines += [",\n".join(body)] if body else []
        lines.append(end)
    return "\n".join(lines) + "\n"


def load_listing(text: str, what: str) -> Listing:
    """Return the listing that an earlier audit wrote; ``what`` names it in an `InputError`."""
    hint = "gitml audit --write FILE writes one"
    try:
        document: Any = load_json(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("kind") != LISTING:
        raise InputError(f"{what} is no listing of an audit.", hint=hint)
    if document.get("schema") != SCHEMA:
        said = visible(str(document.get("schema")), 40)
        raise InputError(f"{what} has schema {said}, and this gitml reads {SCHEMA}.", hint=hint)
    return Listing(
        at=visible(str(document.get("at", "?")), 40),
        models=_texts(document.get("models"), what),
        tags=_texts(document.get("tags"), what),
    )


def _texts(value: Json, what: str) -> dict[str, str]:
    found = {str(k): v for k, v in value.items()} if isinstance(value, dict) else None
    if found is None or not all(isinstance(text, str) for text in found.values()):
        raise InputError(f"{what} is damaged: models and tags are not as an audit writes them.")
    return found
