"""``gitml policy check``: whether the policy file can be read, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option
from gitml.errors import InputError, NotFoundError
from gitml.names import plural, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from gitml.commands.options import Session
    from gitml.output import Piece
    from gitml.registry.gates import Gate
    from gitml.registry.policy import Policy
    from gitml.registry.state import Registry
    from gitml.store.git import Repository
    from gitml.tracking.settings import Settings


@command(
    name="check",
    examples=["gitml policy check", "gitml policy check --at HEAD --json"],
    exits=[3, 5, 6, 8],
)
@click.option("--at", metavar="REV", help="The file of this commit, not that of the work tree.")
@json_option
def policy_check(session: Session, *, at: str | None, as_json: bool) -> None:
    """Check .gitml/policy.yaml, before it is committed.

    An unknown key or gate is named with its line and the nearest one there is. It
    also says what would refuse without being meant to: empty lists, two patterns
    that match one model, stages that are not among those that are allowed.
    """
    from gitml.registry.policy import FILE, parse_policy
    from gitml.registry.state import read_registry
    from gitml.tracking.settings import read_settings

    store = session.store()
    text = _text(store, at)
    if text is None:
        where = "the work tree" if at is None else visible(at, 80)
        raise NotFoundError(
            f"There is no {FILE} in {where}, so anything passes.",
            hint="gitml init --policy writes one to start from",
        )
    policy = parse_policy(text)
    doubts = [
        *_doubts(policy, read_settings(store.work_tree)),
        *_ambiguous(policy, read_registry(store)),
    ]
    if as_json:
        session.screen.json(file=FILE, at=at, policy=policy_json(policy), doubts=doubts)
        return
    _draw(session, policy)
    for doubt in doubts:
        session.say(doubt)
    session.screen.line(f"{FILE} can be read; {_counts(policy)}.")
    if at is None:
        session.screen.line(*_place(store, text), style="dim")


def _text(store: Repository, at: str | None) -> str | None:
    """Return the text of the policy file, None if there is none."""
    from gitml.registry.policy import FILE, LIMIT, decode, read_policy

    if at is not None:
        return read_policy(store, commit_of(store, at))
    if store.work_tree is None:
        return None
    path: Path = store.work_tree / FILE
    try:
        with path.open("rb") as file:
            return decode(file.read(LIMIT + 1))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except IsADirectoryError:
        raise InputError(f"{FILE} is a folder.") from None


def commit_of(store: Repository, revision: str) -> str:
    """Return the commit that a revision names; raise `NotFoundError` if there is none."""
    commit = None if "\n" in revision else store.resolve(f"{revision}^{{commit}}")
    if commit is None:
        raise NotFoundError(
            f"{visible(revision, 80)} names no commit of this repository.",
            hint="git log shows the commits, git branch -a the branches",
        )
    return commit


def _lists(policy: Policy) -> Iterator[tuple[str, str, Sequence[Gate]]]:
    """Yield (the list's place in the file, what it is for, its gates)."""
    for stage, gates in policy.stages.items():
        yield f"stages.{stage}", stage, gates
    if policy.default is not None:
        yield "default", "any other stage", policy.default
    for pattern, stages in policy.models.items():
        for stage, gates in stages.items():
            yield f"models.{visible(pattern, 80)}.{stage}", f"{stage} of {pattern}", gates
    if policy.break_glass is not None:
        yield "break_glass", "break-glass", policy.break_glass


def _doubts(policy: Policy, settings: Settings) -> Iterator[str]:
    """Yield what may not be meant."""
    for place, _, gates in _lists(policy):
        if not gates:
            yield f"{place} is empty, so it refuses."
        for gate in _every(gates):
            if getattr(gate, "gates", None) == ():
                yield f"{place} has a gate {gate.name} without gates, which refuses."
    if not policy.stages and policy.default is None and not policy.models:
        yield "It has no list at all, so every stage refuses."
    named = {s for stages in (policy.stages, *policy.models.values()) for s in stages}
    if settings.stage_only:
        for stage in sorted(named - set(settings.stage_order)):
            yield f"{stage} is not one of stages.order in .gitml/config.yaml."


def _every(gates: Sequence[Gate]) -> Iterator[Gate]:
    for gate in gates:
        yield gate
        yield from _every(getattr(gate, "gates", ()))


def _ambiguous(policy: Policy, registry: Registry) -> Iterator[str]:
    from gitml.registry.policy import matching

    for model in registry.models.values():
        if not model.deleted:
            try:
                matching(policy, model)
            except InputError as error:
                yield f"{error.message.rstrip('.')}: every stage of it fails."


def policy_json(policy: Policy) -> dict[str, object]:
    """Return a policy as a mapping, gates as they are told in one line."""

    def texts(gates: Sequence[Gate] | None) -> list[str] | None:
        return None if gates is None else [gate.text for gate in gates]

    return {
        "stages": {stage: texts(gates) for stage, gates in policy.stages.items()},
        "default": texts(policy.default),
        "models": {
            pattern: {stage: texts(gates) for stage, gates in stages.items()}
            for pattern, stages in policy.models.items()
        },
        "break_glass": texts(policy.break_glass),
    }


def _draw(session: Session, policy: Policy) -> None:
    from gitml.output import Cell, Column

    screen = session.screen
    rows: list[list[Piece]] = []
    for _, title, gates in _lists(policy):
        texts = [gate.text for gate in gates] or ["nothing passes"]
        for nth, text in enumerate(texts):
            first = title if not nth or not screen.terminal else ""
            rows.append([Cell(first, "act"), text])
    if rows:
        heads = ("STAGE", "GATE") if screen.terminal else ("stage", "gate")
        screen.table([Column(heads[0], widest=32), Column(heads[1], widest=100)], rows)


def _counts(policy: Policy) -> str:
    lists = list(_lists(policy))
    gates = sum(len(gates) for _, _, gates in lists)
    return f"{plural(gates, 'gate')} in {plural(len(lists), 'list')}"


def _place(store: Repository, text: str) -> list[str]:
    """Return whether what counts, the protected branch's, is the same."""
    from gitml.registry.policy import FILE, read_policy
    from gitml.store.remote import branch_tip, protected_branch, registry_remote

    remote = registry_remote(store)
    branch = protected_branch(store, remote)
    tip = branch_tip(store, remote, branch)
    if branch is None or tip is None:
        return [f"{FILE} counts once it is on the protected branch."]
    shown = visible(branch, 80)
    try:
        there = read_policy(store, tip)
    except InputError:
        there = ""
    if there is None:
        return [f"{shown} has none yet, so anything passes until this one is there."]
    if there == text:
        return [f"{shown} has the same."]
    return [f"{shown} has another, which counts until this one is there."]
