"""Versions into stages, out of them, and back: each an event that the policy let pass."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitml.errors import NotFoundError, RefusedError
from gitml.names import check_version, did_you_mean, visible
from gitml.registry.finding import check_usable, find_model, only, require_journal, version_of
from gitml.registry.judging import Question, ask
from gitml.registry.pulling import Contents
from gitml.registry.references import resolve
from gitml.registry.stagedrafts import checked, decision, entering, leaving
from gitml.registry.versionfile import load_version
from gitml.registry.writing import AlreadySoError, Draft, Written, event_time, write_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitml.registry.policy import Judgement
    from gitml.registry.stagedrafts import Request
    from gitml.registry.values import Assignment, Model, Version
    from gitml.registry.writing import Context
    from gitml.store.git import Repository


def assign(repository: Repository, reference: str, request: Request, context: Context) -> Written:
    """Put the version that ``reference`` names into a stage, if the policy lets it.

    The answer says ``changed=False`` where the stage holds the version already.

    Raises `PolicyRefusedError`; `RefusedError` for a version that is deprecated,
    deleted or not published; `BeatenError` if somebody else changed the stage meanwhile.
    """

    def chosen(model: Model) -> Version:
        return resolve(only(model), reference)[1]

    return _put(repository, reference, request, context, chosen)


def rollback(
    repository: Repository,
    name: str,
    request: Request,
    context: Context,
    *,
    to: str | None = None,
) -> Written:
    """Bring back the version that a stage held before, or ``to``, one it held ever.

    Its files are verified: all but large ones that are not on this machine. Gates
    that compare with a moment count as passed if they passed then; all others are
    asked again. Raises what `assign` does, `NotFoundError` if the stage held no
    other version, and `DamagedError` if its files are not what was registered.
    """
    wanted = None if to is None else check_version(to)
    asked = request if request.via == "break-glass" else replace(request, via="rollback")
    asked = replace(asked, back=asked.via == "break-glass")  # a rollback says so itself

    def chosen(model: Model) -> Version:
        return held_before(model, asked.stage, wanted)

    return _put(repository, name, asked, context, chosen, back=True)


def unassign(repository: Repository, name: str, request: Request, context: Context) -> Written:
    """Empty a stage. The policy is asked only who may: its review and signature gates.

    Raises `NotFoundError` if nothing was ever in the stage, and what `assign` does.
    """
    request = checked(repository, request)
    slug, seen = _model(repository, name, request, context)
    judged: list[Judgement] = []

    def build(model: Model | None) -> Draft:
        present = require_journal(model, name)
        held = present.stages.get(request.stage)
        if held is None:
            raise _empty(present, request.stage)
        version = version_of(present, held.version)
        at = event_time(present, context.now)
        question = _question(request, present, version, at)
        found = ask(repository, context, replace(question, leaves=True))
        judged[:] = [found]
        return leaving(repository, present, held, request, decision(found, context, at))

    def matters(model: Model | None) -> object:
        return model and _place(model, request.stage)

    written = write_event(repository, slug, build, context, matters, seen=seen)
    return replace(written, judgement=judged[0] if judged else None)


def _put(
    repository: Repository,
    name: str,
    request: Request,
    context: Context,
    choose: Callable[[Model], Version],
    *,
    back: bool = False,
) -> Written:
    """Write an assignment of the version that ``choose`` finds in the model as it is."""
    request = checked(repository, request)
    slug, seen = _model(repository, name, request, context)
    judged: list[Judgement] = []

    def build(model: Model | None) -> Draft:
        present = require_journal(model, name)
        version = choose(present)
        check_usable(present, version)
        if back and not version.foreign:
            facts = load_version(repository, version)
            Contents(repository, version, facts, context.remote).verify()
        held = present.stages.get(request.stage)
        if held is not None and held.version == version.name and _is_same(held, request):
            raise AlreadySoError(held.event)
        at = event_time(present, context.now)
        found = ask(repository, context, _question(request, present, version, at))
        judged[:] = [found]
        return entering(repository, present, version, request, decision(found, context, at))

    def matters(model: Model | None) -> object:
        if model is None:
            return None
        try:
            version = choose(model)
        except (NotFoundError, RefusedError) as error:
            return error.message
        usable = (version.name, version.commit, version.deprecated, version.deleted)
        return (*usable, _place(model, request.stage))

    written = write_event(repository, slug, build, context, matters, seen=seen)
    return replace(written, judgement=judged[0] if judged else None)


def _model(
    repository: Repository, name: str, request: Request, context: Context
) -> tuple[str, Model]:
    """Return the slug of the model that is meant, and the model as it is here."""
    if request.model is not None:
        return request.model.slug, request.model
    return find_model(repository, name, context)


def _is_same(held: Assignment, request: Request) -> bool:
    """Say whether a stage that holds the version owes it to this very request, or need not."""
    return request.change is None or held.event.change == request.change


def _place(model: Model, stage: str) -> tuple[str, int] | None:
    """Return what is in a stage, so that a change of it is noticed."""
    held = model.stages.get(stage)
    return None if held is None else (held.version, held.n)


def _question(request: Request, model: Model, version: Version, at: int) -> Question:
    key = ("assign", request.stage, version.name)
    before = (e for e in reversed(model.events) if (e.kind, e.stage, e.version) == key)
    passed = next((event.gates for event in before), ())
    return Question(
        model=model,
        version=version,
        stage=request.stage,
        setting=request.setting,
        at=at,
        change=request.change,
        review=request.review,
        passed_before=passed if request.via == "rollback" else (),
        policy_at=request.policy_at,
    )


def held_before(model: Model, stage: str, wanted: str | None) -> Version:
    """Return the version that a rollback brings back: of the stack, or ``wanted``.

    Raises `NotFoundError` if the stage never held it, or held no other.
    """
    held = model.stages.get(stage)
    stack = model.stacks.get(stage, ())
    name = visible(model.name, 80)
    if wanted is not None:
        ever = [e.version for e in model.events if (e.kind, e.stage) == ("assign", stage)]
        if wanted not in ever:
            raise NotFoundError(
                f"{name} {wanted} was never in {stage}",
                hint=f"gitml model history {model.slug} shows what was",
            )
        return version_of(model, wanted)
    usable = [
        version_of(model, assignment.version)
        for assignment in reversed(stack)
        if held is None or assignment.version != held.version
    ]
    if not usable and all(event.stage != stage for event in model.events):
        raise _empty(model, stage)
    if not usable:
        raise NotFoundError(
            f"{stage} of {name} held no other version to go back to",
            hint=f"gitml unassign {model.slug} --stage {stage} empties it",
        )
    return usable[0]


def _empty(model: Model, stage: str) -> NotFoundError | RefusedError:
    name = visible(model.name, 80)
    known = {event.stage for event in model.events if event.stage}
    if stage in known:
        return RefusedError(f"{stage} of {name} is empty already. Nothing was changed.")
    return NotFoundError(
        f"Nothing of {name} was ever in {stage}",
        hint=did_you_mean(stage, known) or "gitml stages shows what is in each stage",
    )
