"""A change of a stage put to the policy: the case that the gates judge, and the refusal."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from gitml.errors import RefusedError
from gitml.names import visible
from gitml.query.index import open_index
from gitml.registry.gates.base import Case, compared_with, review_command, worst
from gitml.registry.policy import evaluate, load_policy
from gitml.registry.signing import Sign
from gitml.registry.verify import allowed_signers, probe_signers
from gitml.registry.versionfile import load_version
from gitml.registry.writing import policy_tip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from gitml.query.index import Index
    from gitml.registry.gates.base import ReviewAnswer, Setting
    from gitml.registry.policy import Judgement
    from gitml.registry.values import Model, Verdict, Version
    from gitml.registry.writing import Context
    from gitml.store.git import Repository

WHO = ("review", "signed_by")
"""Gates that ask who decides, and not what the version is worth."""


class PolicyRefusedError(RefusedError):
    """A policy that does not let a version into a stage, with what each gate said."""

    def __init__(self, message: str, *, hint: str | None, judgement: Judgement) -> None:
        super().__init__(message, hint=hint)
        self.judgement = judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the policy is asked."""

    model: Model
    """The model as it is now."""
    version: Version
    """The version that is to enter the stage, or that leaves it."""
    stage: str
    """The stage."""
    setting: Setting
    """What asks."""
    at: int
    """The time that the event will have."""
    change: str | None = None
    """The commit of the protected branch that asks for it."""
    review: Callable[[], ReviewAnswer] | None = None
    """Asks the host about the request behind the change."""
    passed_before: tuple[Verdict, ...] = ()
    """What the gates said when the stage had the version before."""
    leaves: bool = False
    """Whether the version leaves the stage: only who decides is asked then."""
    policy_at: Sequence[str | None] | None = None
    """Commits whose policies must all pass; None is the protected branch's newest."""


def ask(repository: Repository, context: Context, question: Question) -> Judgement:
    """Put a question to the policies; return what they say, or raise `PolicyRefusedError`.

    Of several the first that refuses counts. Raises `InputError` for a policy that
    cannot be read.
    """
    tip = policy_tip(repository, context)
    commits = [tip] if question.policy_at is None else [*question.policy_at]
    with ExitStack() as stack:
        found = None
        for commit in dict.fromkeys(commits):
            case = case_of(repository, context, question, tip, stack, rules=commit)
            found = evaluate(load_policy(repository, commit), case)
            if question.leaves:
                found = _of_who(found)
            if not found.passed:
                raise _refusal(question, found)
    assert found is not None
    return found


def case_of(
    repository: Repository,
    context: Context,
    question: Question,
    tip: str | None,
    stack: ExitStack,
    *,
    rules: str | None = None,
) -> Case:
    """Return the case that the gates judge; what it opens is closed with ``stack``.

    ``tip`` is the protected branch's newest commit, ``rules`` the one whose settings and
    allowed signers count, if not ``tip``.
    """
    model, version = question.model, question.version
    current = compared_with(model, question.stage)

    @cache
    def index() -> Index:
        return stack.enter_context(open_index(repository, now=context.now))

    @cache
    def signers() -> tuple[str, ...]:
        allowed = allowed_signers(repository, rules or tip)
        return probe_signers(
            *(repository, context.sign, allowed),
            tagger=context.by,
            at=question.at,
            target=version.commit,
        )

    return Case(
        repository=repository,
        model=model,
        version=version,
        candidate=load_version(repository, version),
        stage=question.stage,
        now=context.now,
        setting=question.setting,
        current=None if current is None else load_version(repository, current),
        branch=tip,
        rules=rules,
        change=question.change,
        signers=signers if isinstance(context.sign, Sign) else None,
        review=question.review,
        index=index,
        remote=context.remote,
        passed_before=question.passed_before,
        leaves=question.leaves,
    )


def _of_who(found: Judgement) -> Judgement:
    """Return what the gates say that ask who decides; a list that is missing says no."""
    kept = tuple(v for v in found.verdicts if v.kind == "policy" or any(_kinds(v, WHO)))
    answer = worst([verdict.answer for verdict in kept]) if kept else "pass"
    return replace(found, verdicts=kept, answer=answer)


def _kinds(verdict: Verdict, wanted: Iterable[str]) -> Iterator[bool]:
    yield verdict.kind in wanted
    for inner in verdict.inner:
        yield from _kinds(inner, wanted)


def _refusal(question: Question, found: Judgement) -> PolicyRefusedError:
    """Return the refusal, with the steps that would help."""
    model, version, stage = question.model, question.version, question.stage
    name = visible(model.name, 80)
    hints = [v.hint for v in found.verdicts if v.answer != "pass" and v.hint]
    instead = ""
    if question.setting == "break-glass":
        what = f"The policy does not let {name} {version.name} into {stage} by breaking the glass"
    elif question.leaves:
        what = f"The policy does not let you take {name} {version.name} out of {stage}"
    else:
        what = f"{name} {version.name} does not meet the policy of {stage}"
        reviewable = question.setting in {"direct", "rollback"}
        if any(verdict.kind == "policy" for verdict in found.verdicts):
            reviewable = False  # without a list, or with an empty one, a review is refused too
        if reviewable and not any("--review" in hint for hint in hints):
            names = model.slug, version.name, stage
            instead = f"ask for a review: {review_command(*names, question.setting)}"
    steps = "; ".join(dict.fromkeys(hints))  # all of them are needed
    hint = ", or ".join(filter(None, (steps, instead)))
    hint = hint or "gitml policy explain says what it takes"
    return PolicyRefusedError(f"{what}. Nothing was changed.", hint=hint, judgement=found)
