"""Events of journals as people read them: what happened, how it came about, what gates said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.site import urls
from gitml.site.facts import moment
from gitml.site.model_parts import Gate, Happening, Held, Mark, Registration, Stage
from gitml.site.parts import Link
from gitml.words import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitml.registry.values import Assignment, Event, Verdict
    from gitml.site.gather import Gathered
    from gitml.site.hosts import Host
    from gitml.site.registered import ShownModel, ShownVersion

_LEADS = {
    "register": "Registered",
    "assign": "Promoted",
    "unassign": "Took",
    "deprecate": "Deprecated",
    "restore": "Restored",
    "describe": "Described",
    "rename": "Renamed",
    "reproduce": "Reproduced",
    "delete": "Deleted",
    "import": "Took over the tags of",
}
_ANSWERS = {
    "pass": ("passed", "good"),
    "refuse": ("refused", "bad"),
    "unknown": ("cannot tell", "warn"),
    "pending": ("decided later", "warn"),
}
_TONES = {
    **dict.fromkeys(("production", "prod", "live"), "production"),
    **dict.fromkeys(("staging", "preprod"), "staging"),
}
_FOREIGN = Mark(text="foreign tag", tone="", said="Read from a tag that gitml did not write.")
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
LONGEST = 1000
"""Characters of a reason, beyond which it is cut."""


def stage_of(name: str) -> Stage:
    """Return a stage as it is drawn."""
    return Stage(name=name, tone=_TONES.get(name.casefold(), ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Teller:
    """Tells of events on a page, with links from there."""

    gathered: Gathered
    """The runs and the models of the site."""
    root: str
    """The way from the page to the top of the site."""

    def model(self, shown: ShownModel) -> Link:
        """Return a model, with its page."""
        return Link(text=shown.model.name, href=shown.page and self.root + shown.page)

    def version(self, shown: ShownModel, name: str) -> Link:
        """Return a version, with its page if it has one."""
        found = shown.find(name)
        page = None if found is None else found.page
        return Link(text=name, href=page and self.root + page)

    def lineage(self, shown: ShownModel) -> str | None:
        """Return where a model's lineage is drawn, None if nothing is known of it."""
        known = any(each.whole is not None for each in shown.living)
        return f"{self.root}{urls.LINEAGE}#m-{shown.key}" if known else None

    def run(self, shown: ShownVersion) -> Link | None:
        """Return the run of a version, with its page if the site has it."""
        run_id = shown.version.run
        if not run_id:
            return None
        run = shown.whole.run if shown.whole is not None else None
        key = self.gathered.keys.get(run_id)
        href = self.root + urls.run_page(key) if key else None
        return Link(text=(run.name if run else "") or run_id[:12], href=href)

    def host(self, shown: ShownModel) -> Host | None:
        """Return the web pages of the repository that a model's code came from, if known."""
        for each in shown.versions:
            if each.run is not None and each.run.source.remote:
                remote = each.run.source.remote
                return self.gathered.host(remote)
        return None

    def happened(self, shown: ShownModel, event: Event) -> Happening:
        """Return an event as it is told."""
        version = None if event.version is None else self.version(shown, event.version)
        lead, joint, tail = _words(event)
        gates = tuple(_gates(event.gates, 0))
        return Happening(
            when=moment(event.at),
            who=event.by,
            kind=event.kind,
            lead=lead,
            model=self.model(shown),
            version=version,
            joint=joint,
            stage=None if event.stage is None else stage_of(event.stage),
            tail=tail,
            reason=cut(event.reason or "", LONGEST),
            marks=tuple(self.marks(shown, event)),
            gates=gates,
            refused=sum(gate.depth == 0 and gate.tone != "good" for gate in gates),
            tags=event.tags,
        )

    def registrations(self, run_id: str) -> tuple[Registration, ...]:
        """Return the versions that were made of a run."""
        return tuple(
            Registration(
                model=self.model(shown),
                version=self.version(shown, each.name),
                stages=tuple(map(stage_of, each.stages)),
                marks=tuple(state_marks(each, shown.latest)),
                lineage=self.lineage(shown),
            )
            for shown, each in self.gathered.registered.of_run.get(run_id, ())
        )

    def of_run(self, run_id: str, most: int) -> tuple[Happening, ...]:
        """Return what happened last to the versions that were made of a run."""
        pairs = self.gathered.registered.of_run.get(run_id, ())
        found = [
            (event.at, n, shown, event)
            for shown, each in pairs
            for n, event in enumerate(shown.model.events)
            if event.version == each.name
        ]
        found.sort(key=lambda item: item[:2], reverse=True)
        return tuple(self.happened(shown, event) for _, _, shown, event in found[:most])

    def history(self, shown: ShownModel, version: str | None = None) -> list[Happening]:
        """Return all that happened to a model, or to one version of it, the newest first."""
        events = reversed(shown.model.events)
        return [self.happened(shown, e) for e in events if version in (None, e.version)]

    def marks(self, shown: ShownModel, event: Event) -> Iterator[Mark]:
        """Yield how an event came about."""
        if event.kind in {"assign", "unassign"}:
            yield from self._ways(shown, event)
        signatures = self.gathered.registered.signatures
        kinds = {signatures[name] for name in event.tags if name in signatures}
        if kinds:
            kind = ", ".join(sorted(kinds))
            said = f"Its tag carries a signature ({kind}). gitml audit says whose, and if it holds."
            yield Mark(text="signed", tone="good", said=said)
        if "foreign" in event.extra:
            yield Mark(
                text="foreign tag", tone="", said="Read from a tag that gitml did not write."
            )

    def _ways(self, shown: ShownModel, event: Event) -> Iterator[Mark]:
        if event.via == "break-glass":
            said = "Past the policy, by its list for emergencies."
            yield Mark(text="break-glass", tone="warn", said=said)
        if event.via == "rollback":
            yield Mark(text="rollback", tone="", said="Back to a version that the stage had held.")
        if event.review:
            text = f"reviewed {_short(event.review)}".strip()
            href = event.review if event.review.startswith(("https://", "http://")) else None
            said = "A merged request asked for it; who approved it is among its gates."
            yield Mark(text=text, tone="good", said=said, href=href)
        elif event.change and _COMMIT.fullmatch(event.change):
            host = self.host(shown)
            yield Mark(
                text=f"merged {event.change[:7]}",
                tone="",
                said="A commit on the protected branch asked for it.",
                href=None if host is None else host.commit(event.change),
            )
        elif event.via == "promote":
            yield Mark(text="direct", tone="", said="By gitml promote, without a review.")

    def held(self, shown: ShownModel, held: Assignment) -> Held:
        """Return what a stage of a model holds."""
        version = shown.find(held.version)
        return Held(
            stage=stage_of(held.stage),
            version=self.version(shown, held.version),
            since=moment(held.at),
            by=held.by,
            reason=cut(held.event.reason or "", 300),
            marks=tuple(self.marks(shown, held.event)),
            metric=metric_of(shown, version),
        )


def metric_of(shown: ShownModel, version: ShownVersion | None) -> str:
    """Return name and value of the metric that tells most, nothing if the version has none."""
    if version is None or version.run is None:
        return ""
    for name in shown.metrics[:1]:
        if name in version.run.metrics:
            return f"{name} {number(version.run.metrics[name].last)}"
    return ""


def state_marks(version: ShownVersion, newest: ShownVersion | None) -> Iterator[Mark]:
    """Yield what became of a version."""
    facts = version.version
    if newest is version:
        yield Mark(text="latest", tone="", said="The version that @latest names.")
    if facts.deleted:
        yield Mark(text="deleted", tone="bad", said="Its name stays taken; its tag is kept.")
    if facts.deprecated is not None:
        said = (
            f"Not to be promoted: {facts.deprecated}" if facts.deprecated else "Not to be promoted."
        )
        yield Mark(text="deprecated", tone="warn", said=cut(said, 300))
    if not facts.published:
        said = "Registered here and not yet pushed: its number may change."
        yield Mark(text="not published", tone="warn", said=said)
    if facts.foreign:
        yield _FOREIGN
    if version.whole is None and not facts.deleted:
        yield Mark(text="damaged", tone="bad", said="Its files cannot be read: see gitml audit.")


def _words(event: Event) -> tuple[str, str, str]:
    """Return what happened, the word before the stage, and what stands behind it."""
    lead = _LEADS.get(event.kind, event.kind)
    if event.kind == "assign":
        back = event.via == "rollback" and event.previous
        tail = f"in place of {event.previous}" if event.previous else ""
        return ("Rolled back to", "in", tail) if back else (lead, "to", tail)
    if event.kind == "unassign":
        return lead, "out of", ""
    if event.kind == "rename":
        return "Renamed", "", f"was {event.previous}" if event.previous else ""
    if event.version is None:
        return f"{lead} the model".replace("of the model", "of this model"), "", ""
    if event.kind == "reproduce" and event.extra.get("outcome"):
        return lead, "", f"outcome: {event.extra['outcome']}"
    return lead, "", ""


def _gates(verdicts: Iterable[Verdict], depth: int) -> Iterator[Gate]:
    for verdict in verdicts:
        answer, tone = _ANSWERS[verdict.answer]
        yield Gate(
            name=verdict.gate,
            answer=answer,
            tone=tone,
            got=cut(verdict.got, 300),
            expected=cut(verdict.expected, 300),
            depth=depth,
        )
        yield from _gates(verdict.inner, depth + 1)


def _short(review: str) -> str:
    """Return ``#12`` for the address of a request."""
    last = review.rstrip("/").rpartition("/")[2].lstrip("#!")
    return f"#{last}" if last.isascii() and last.isdigit() else cut(last, 20)


def cut(text: str, most: int) -> str:
    """Return text with at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
