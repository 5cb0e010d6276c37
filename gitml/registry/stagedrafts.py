"""Events of stages as they are drafted: the request, the event, its tags."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from gitml.errors import UsageError
from gitml.names import TAGS, check_stage, stage_tag, visible
from gitml.registry import gto
from gitml.registry.finding import version_of
from gitml.registry.message import check_text, event_message
from gitml.registry.state import fold
from gitml.registry.tagobject import TagDraft
from gitml.registry.values import Event
from gitml.registry.versionfile import MODEL_YAML, dump_model
from gitml.registry.writing import Draft
from gitml.tracking.settings import check_known_stage, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitml.registry.gates.base import ReviewAnswer, Setting
    from gitml.registry.policy import Judgement
    from gitml.registry.values import Assignment, Model, Version
    from gitml.registry.writing import Context
    from gitml.store.git import Repository

_COUNTER = re.compile(r"#([0-9]{1,9})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A change of a stage that somebody asks for."""

    stage: str
    """The stage."""
    model: Model | None = None
    """The model as it was read, where no name counts (``apply``)."""
    reason: str | None = None
    """Why."""
    via: str = "promote"
    """``promote``, ``apply``, ``rollback`` or ``break-glass``."""
    back: bool = False
    """Whether it goes back to what the stage held before, however it came about."""
    change: str | None = None
    """The commit of the protected branch that asks for it (``apply``)."""
    review: Callable[[], ReviewAnswer] | None = None
    """Asks the host about the request behind the change (``apply``)."""
    policy_at: Sequence[str | None] | None = None
    """Commits whose policies must all pass; None is the protected branch's newest."""

    @property
    def setting(self) -> Setting:
        """What asks, as the policy has it."""
        settings: dict[str, Setting] = {
            "apply": "apply",
            "rollback": "rollback",
            "break-glass": "break-glass",
        }
        return settings.get(self.via, "direct")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """That the policy let a change pass: who makes it, and when."""

    judgement: Judgement
    """What the gates said."""
    by: str
    """Who, as ``Name <email>``."""
    at: int
    """The time of the event, in milliseconds."""


def request_of(
    stage: str, *, reason: str | None = None, break_glass: str | None = None, via: str = "promote"
) -> Request:
    """Return what somebody asks for at a keyboard; raise `UsageError` for two reasons."""
    if break_glass is None:
        return Request(stage=stage, reason=reason, via=via)
    if reason is not None:
        raise UsageError("--break-glass has the reason; --reason cannot be given as well.")
    return Request(stage=stage, reason=break_glass, via="break-glass")


def checked(repository: Repository, request: Request) -> Request:
    """Return a request whose words and stage can be written; its host is asked once at most."""
    check_known_stage(check_stage(request.stage), read_settings(repository.work_tree))
    if request.via == "break-glass" and not (request.reason and request.reason.strip()):
        raise UsageError("Breaking the glass needs a reason.", hint="--break-glass REASON")
    return replace(
        request,
        reason=check_text(request.reason, "reason") if request.reason else None,
        review=cache(request.review) if request.review is not None else None,
    )


def decision(judgement: Judgement, context: Context, at: int) -> Decision:
    """Return a decision of the one who writes."""
    return Decision(judgement=judgement, by=context.by, at=at)


def _event(request: Request, model: Model, version: Version, decided: Decision) -> Event:
    """Return a stage event, its kind and tags still to be set."""
    found = decided.judgement
    held = model.stages.get(request.stage)
    answered = request.review() if request.review is not None and _asked(found) else None
    return Event(
        kind="assign",
        at=decided.at,
        by=decided.by,
        model=model.name,
        version=version.name,
        stage=request.stage,
        previous=held.version if held else None,
        run=version.run,
        digest=version.digest,
        reason=request.reason,
        via=request.via,
        change=request.change,
        review=answered.request if answered else None,
        gates=found.verdicts,
        extra={"repository": model.events[0].commit, **({"back": "true"} if request.back else {})},
    )


def _asked(found: Judgement) -> bool:
    """Say whether a gate looked at the review, so that its answer is known."""
    waiting = [*found.verdicts]
    while waiting:
        verdict = waiting.pop()
        if verdict.kind == "review":
            return True
        waiting += verdict.inner
    return False


def entering(
    repository: Repository, model: Model, version: Version, request: Request, decided: Decision
) -> Draft:
    """Return the draft that puts a version into a stage."""
    stage = request.stage
    n = _next_counter(model)
    while repository.resolve(f"{TAGS}{stage_tag(model.slug, stage, n)}") is not None:
        n += 1  # a tag that somebody made by hand
    tag = stage_tag(model.slug, stage, n)
    event = replace(_event(request, model, version, decided), n=n, tags=(tag,))
    verb = "Roll back to" if request.via == "rollback" else "Put"
    place = f"in {stage}" if request.via == "rollback" else f"into {stage}"
    sentence = f"{verb} {visible(model.name, 100)} {version.name} {place}"
    draft = TagDraft(
        name=tag,
        target=version.commit,
        message=event_message(event, sentence),
        tagger=event.by,
        at=event.at,
    )
    return draft_of(model, event, sentence, (draft,))


def leaving(
    repository: Repository, model: Model, held: Assignment, request: Request, decided: Decision
) -> Draft:
    """Return the draft that empties a stage, with a tag for each version GTO would fall back to."""
    stage = request.stage
    first = _next_counter(model)
    others = [v for v in gto.holders(model.events, stage) if v != held.version]
    gone = [version_of(model, name) for name in (held.version, *reversed(others))]
    while True:
        counters = range(first, first + len(gone))
        tags = [stage_tag(model.slug, stage, n, unassign=True) for n in counters]
        if all(repository.resolve(TAGS + tag) is None for tag in tags):
            break
        first += 1
    base = _event(request, model, gone[0], decided)
    event = replace(base, kind="unassign", n=first, tags=tuple(tags))
    sentence = f"Take {visible(model.name, 100)} {held.version} out of {stage}"
    drafts = []
    for n, version, tag in zip(counters, gone, tags, strict=True):
        told = replace(event, version=version.name, n=n, run=version.run, digest=version.digest)
        drafts.append(
            TagDraft(
                name=tag,
                target=version.commit,
                message=event_message(told, sentence),
                tagger=event.by,
                at=event.at,
            )
        )
    return draft_of(model, event, sentence, tuple(drafts))


def draft_of(model: Model, event: Event, sentence: str, tags: tuple[TagDraft, ...] = ()) -> Draft:
    """Return the draft of an event whose commit holds ``model.yaml`` alone."""
    after = dump_model(fold([*model.events, event], slug=model.slug))
    return Draft(
        event=event,
        sentence=sentence,
        put=lambda stream: stream.put_data(MODEL_YAML, after),
        tags=tags,
    )


def _next_counter(model: Model) -> int:
    """Return the counter of a model's next stage event."""
    used = [0]
    for event in model.events:
        if event.kind in {"assign", "unassign"}:
            found = (_COUNTER.search(tag) for tag in event.tags)
            used += [event.n or 0, *(int(one[1]) for one in found if one)]
    return max(used) + 1
