"""What every gate shares: the case it judges, where it stands in the policy, its verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NoReturn, Protocol, Self, TypeAlias

from gitml.errors import GitmlError, InputError
from gitml.names import visible
from gitml.registry.values import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitml.model import Json
    from gitml.query.index import Index
    from gitml.registry.values import Answer, Assignment, Model, ModelVersion, Version
    from gitml.store.git import Repository

Setting: TypeAlias = Literal["direct", "propose", "apply", "rollback", "break-glass"]
"""What asks: ``gitml promote``, ``gitml review``, ``gitml apply``, ``gitml rollback``, an alarm."""

ORDER: tuple[Answer, ...] = ("refuse", "unknown", "pending", "pass")
"""Answers from the worst to the best: ``all`` takes the worst, ``any`` the best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewAnswer:
    """What a git host says about the request that a change came by."""

    answer: Answer
    """pass, refuse, or unknown where the host cannot be asked."""
    got: str
    """What was found: ``#12 by ada, approved by grace``, or why the host cannot tell."""
    request: str | None = None
    """The address or number of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A version that is to enter a stage, and all that gates may look at."""

    repository: Repository
    """The registry's repository."""
    model: Model
    """The model, with its journal."""
    version: Version
    """The version as the journal knows it."""
    candidate: ModelVersion
    """The version as it was frozen at registration."""
    stage: str
    """The stage."""
    now: int
    """The time, in milliseconds."""
    setting: Setting
    """What asks."""
    current: ModelVersion | None = None
    """What it is compared with: the version that `compared_with` names; None if it names none."""
    branch: str | None = None
    """The newest commit of the protected branch; None if there is no such branch."""
    rules: str | None = None
    """Its commit whose policy, settings and allowed signers count; None: `branch`."""
    change: str | None = None
    """The commit of the protected branch that asks for it (``apply``)."""
    signers: Callable[[], tuple[str, ...]] | None = None
    """Gives the principals that the assignment's tag will verify as; None: it is not signed."""
    review: Callable[[], ReviewAnswer] | None = None
    """Asks the host about the request behind ``change``; None: there is none to ask."""
    index: Callable[[], Index] | None = None
    """Gives the index of the runs, which whoever made the case closes; None: there is none."""
    remote: str | None = None
    """The registry's remote, from which what is not here may be fetched; None: there is none."""
    passed_before: tuple[Verdict, ...] = ()
    """What the gates said when this stage had the version before (``rollback``)."""
    leaves: bool = False
    """Whether the version is to leave the stage."""


class Gate(Protocol):
    """One condition of the policy: a value, made by `parse`, which `check` puts to a case."""

    name: ClassVar[str]
    """Its key in the policy file."""

    @classmethod
    def parse(cls, value: Json, where: Where) -> Self:
        """Return the gate that ``value`` describes; refuse with ``where.refuse``."""
        ...

    @property
    def text(self) -> str:
        """The gate on one line: ``from_stage staging for 24h``."""
        ...

    @property
    def words(self) -> str:
        """What it takes to pass, as the end of a sentence: ``the version is in staging …``."""
        ...

    @property
    def relative(self) -> bool:
        """Whether it compares with a moment, so that a rollback does not ask it again."""
        ...

    def check(self, case: Case) -> Verdict:
        """Judge the case; what is not there to be judged is refused."""
        ...


class PolicyError(InputError):
    """A policy that cannot be accepted; ``path`` says where in the document."""

    def __init__(
        self, message: str, *, hint: str | None = None, path: tuple[str | int, ...] = ()
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the policy, and how what stands below it is read."""

    path: tuple[str | int, ...]
    """Keys and positions from the top of the document."""
    read: Callable[[Json, Where], Gate]
    """Reads a gate, for gates made of gates."""

    def __str__(self) -> str:
        """Return ``stages.production[2].any``, counted from 1 as people do."""
        text = ""
        for part in self.path:
            key = visible(str(part), 80)
            text += f"[{part + 1}]" if isinstance(part, int) else f".{key}" if text else key
        return text

    def below(self, key: str | int) -> Where:
        """Return a place one level below."""
        return Where((*self.path, key), self.read)

    def refuse(self, what: str, hint: str | None = None) -> NoReturn:
        """Raise `PolicyError`: this place ``what``, ``is not a list``."""
        raise PolicyError(f"{self} {what}.", hint=hint, path=self.path)


def verdict(gate: Gate, answer: Answer, got: str, expected: str, *, hint: str = "") -> Verdict:
    """Return what ``gate`` says."""
    return Verdict(
        gate=gate.text, answer=answer, got=got, expected=expected, kind=gate.name, hint=hint
    )


def judge(gate: Gate, case: Case) -> Verdict:
    """Put a case to a gate.

    In a rollback a relative gate counts as passed if it passed when the stage
    had the version before. A failure to find out is "cannot tell".
    """
    if case.setting == "rollback" and gate.relative:
        before = _find(case.passed_before, gate)
        if before is not None and before.answer == "pass":
            got = f"passed when the stage had it before: {before.got}"
            return verdict(gate, "pass", got, before.expected)
    try:
        return gate.check(case)
    except GitmlError as error:
        return verdict(gate, "unknown", error.message, gate.words, hint=error.hint or "")


def review_command(
    slug: str, version: str, stage: str, setting: Setting, *, leaves: bool = False
) -> str:
    """Return the command that asks for a review of what was refused."""
    if leaves:
        return f"gitml unassign {slug} --stage {stage} --review"
    if setting == "rollback":
        return f"gitml rollback {slug} --stage {stage} --to {version} --review"
    return f"gitml promote {slug} {version} --stage {stage} --review"


def _find(verdicts: Sequence[Verdict], gate: Gate) -> Verdict | None:
    for found in verdicts:
        if (found.kind, found.gate) == (gate.name, gate.text):
            return found
        if (inner := _find(found.inner, gate)) is not None:
            return inner
    return None


def worst(answers: Sequence[Answer]) -> Answer:
    """Return the answer of gates that must all pass; none at all refuse."""
    return min(answers, key=ORDER.index, default="refuse")


def best(answers: Sequence[Answer]) -> Answer:
    """Return the answer of gates one of which must pass; none at all refuse."""
    return max(answers, key=ORDER.index, default="refuse")


def compared_with(model: Model, stage: str) -> Version | None:
    """Return the version to compare a candidate for ``stage`` with.

    It is the one in the stage, or the last that was there if it was emptied, so
    that emptying a stage does not get around a comparison; None if it never held one.
    """
    held: Assignment | None = model.stages.get(stage)
    name = held.version if held is not None else None
    if name is None:
        filled = (e.version for e in reversed(model.events) if _fills(e.kind, e.stage, stage))
        name = next(filled, None)
    return next((v for v in model.versions if v.name == name), None)


def was_filled(case: Case) -> bool:
    """Say whether the stage ever held a version."""
    if case.stage in case.model.stages or case.model.stacks.get(case.stage):
        return True
    return any(_fills(event.kind, event.stage, case.stage) for event in case.model.events)


def _fills(kind: str, of: str | None, stage: str) -> bool:
    return kind == "assign" and of == stage


def read_list(value: Json, where: Where) -> tuple[Gate, ...]:
    """Return the gates of a list, which may be empty: it refuses, and `policy check` says so."""
    if not isinstance(value, list):
        where.refuse("is not a list of gates", "each gate is a line that starts with -")
    return tuple(where.read(item, where.below(at)) for at, item in enumerate(value))


def hints(verdicts: Sequence[Verdict], between: str) -> str:
    """Return what to do about those that do not pass."""
    found = [one.hint for one in verdicts if one.answer != "pass" and one.hint]
    return between.join(dict.fromkeys(found))


def summary(verdicts: Sequence[Verdict]) -> str:
    """Return on one line what gates answered: ``1 of 2 pass``."""
    if not verdicts:
        return "an empty list"
    passed = sum(found.answer == "pass" for found in verdicts)
    return f"{passed} of {len(verdicts)} pass"
