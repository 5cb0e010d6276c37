"""The review of a proposal: which stages a request changes, and what the policy says of that.

The policy is the base's and never the proposal's. The answer is for people: what
counts is what `gitml.registry.applying` finds after the merge.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitml.errors import GitmlError, InputError
from gitml.names import plural, visible
from gitml.registry import evidence
from gitml.registry.desired import (
    Desired,
    StageFile,
    guarded,
    is_stage_file,
    matched,
    names_of,
    read_desired,
    together,
)
from gitml.registry.findings import Report, StageChange
from gitml.registry.gates.base import worst
from gitml.registry.judging import Question, case_of
from gitml.registry.policy import FILE as POLICY
from gitml.registry.policy import Policy, evaluate, load_policy
from gitml.registry.report import code
from gitml.registry.state import read_registry
from gitml.registry.traces import trace
from gitml.registry.versionfile import load_version
from gitml.store.branches import authors, changed, complete, fetch_commit, merge_base, need
from gitml.store.remote import fetch
from gitml.store.shared import fetch_registry
from gitml.tracking.settings import FILE as SETTINGS
from gitml.tracking.settings import read_settings_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitml.registry.gates.base import Case
    from gitml.registry.host import Host
    from gitml.registry.state import Registry
    from gitml.registry.values import Answer, Model, ModelVersion, Version
    from gitml.registry.writing import Context
    from gitml.store.branches import FileChange
    from gitml.store.git import Repository

_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_COMMANDS = ("gitml ", "git ")
_UNREADABLE = "The policy of the base cannot be read."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What all changes of a request are judged by."""

    repository: Repository
    registry: Registry
    policy: Policy
    context: Context
    host: Host | None
    base: str


def review(
    repository: Repository,
    *,
    base: str,
    head: str,
    context: Context,
    host: Host | None = None,
) -> Report:
    """Return what a request that takes ``head`` into ``base`` would do to the stages.

    What a shallow clone lacks is fetched. Raises `NotFoundError` for commits that
    are nowhere, `InputError` for histories without a common commit, and
    `RemoteError`.
    """
    tip, end = _ends(repository, base, head, context)
    start = merge_base(repository, tip, end)
    if start is None:
        raise InputError(
            f"{visible(base, 80)} and {visible(head, 80)} have no commit in common.",
            hint="git fetch --unshallow completes a shallow clone",
        )
    files = changed(repository, start, end)
    stages = [f for f in files if is_stage_file(f.path)]
    problems: list[str] = []
    notes = _other_policy(repository, files, end, problems)
    if not stages:
        return Report(
            base=tip,
            head=end,
            answer="refuse" if problems else "pass",
            problems=tuple(problems),
            notes=tuple(notes),
        )
    also = guarded(file.path for file in files)
    if also:
        problems.append(f"The request {together(also)}")
    if context.remote is not None:
        slugs = {names[0] for f in stages if (names := _names(f.path)) is not None}
        fetch_registry(repository, context.remote, context.branch, slugs=sorted(slugs))
    policy = _policy(repository, tip, problems)
    ground = _Ground(
        repository=repository,
        registry=read_registry(repository),
        policy=policy,
        context=context,
        host=host,
        base=tip,
    )
    asked_by = authors(repository, start, end, *(f.path for f in stages))
    changes = [_change(ground, file, asked_by.get(file.path, "")) for file in stages]
    answers: list[Answer] = [change.answer for change in changes]
    answers += ["refuse"] if problems else []
    answer = worst(["pass" if found == "pending" else found for found in answers])
    if policy.absent and not any(text.startswith(_UNREADABLE) for text in problems):
        notes.append("There is no .gitml/policy.yaml, so anything passes.")
    into = _branch_of(base, context)
    if into not in {None, context.branch}:
        notes.append(
            f"This request goes into {visible(str(into), 80)}: "
            f"stage files count on {visible(context.branch or '', 80)} alone."
        )
    return Report(
        base=tip,
        head=end,
        answer=answer,
        changes=tuple(changes),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _ends(repository: Repository, base: str, head: str, context: Context) -> tuple[str, str]:
    """Return the commits of base and head, with all of their histories."""
    end, remote = need(repository, head), context.remote
    if remote is None:
        complete(repository, None, None)
        return need(repository, base), end
    branch = _branch_of(base, context) or base
    if branch == base and _OID.fullmatch(base):
        fetch_commit(repository, remote, base)
        complete(repository, remote, context.branch, [base, end])
        return need(repository, base), end
    if branch == base and repository.resolve(f"{base}^{{commit}}") is not None:
        tip = need(repository, base)
        complete(repository, remote, context.branch, [tip, end])
        return tip, end
    fetch(repository, remote, [], branch)
    complete(repository, remote, branch, [end])
    return need(repository, f"refs/remotes/{remote}/{branch}"), end


def _branch_of(base: str, context: Context) -> str | None:
    """Return the branch of the remote that ``base`` names; None if it names something else."""
    names = base.removeprefix("refs/remotes/")
    branch = names.removeprefix(f"{context.remote}/")
    return None if context.remote is None or branch == names else branch


def _other_policy(
    repository: Repository, files: Iterable[FileChange], end: str, problems: list[str]
) -> list[str]:
    """Say that the policy changes, if it does; a problem is one that nobody could read."""
    paths = {file.path for file in files}
    try:
        if SETTINGS in paths:
            read_settings_at(repository, end)
        if POLICY not in paths:
            return []
        policy = load_policy(repository, end)
    except GitmlError as error:
        problems.append(f"After a merge every promotion would be refused. {_said(error)}")
        return []
    if policy.absent:
        return [f"After a merge anything passes: the request takes {POLICY} away."]
    return [f"The request changes {POLICY}: once merged, it decides about the requests after it."]


def _names(path: str) -> tuple[str, str] | None:
    try:
        return names_of(path)
    except InputError:
        return None


def _policy(repository: Repository, tip: str, problems: list[str]) -> Policy:
    try:
        return load_policy(repository, tip)
    except GitmlError as error:
        problems.append(f"{_UNREADABLE} {_said(error)}")
        return Policy(absent=True)  # nothing is said of gates


def _change(ground: _Ground, file: FileChange, requester: str) -> StageChange:
    slug, stage = _names(file.path) or ("", "")
    change = StageChange(
        path=file.path,
        slug=slug,
        model=slug or file.path,
        stage=stage or "?",
        answer="refuse",
        requester=requester,
        readable=False,
    )
    if slug in ground.registry.models:
        model = ground.registry.models[slug]
        held = model.stages.get(stage)
        change = replace(
            change,
            model=model.name,
            before=held.version if held else None,
            events=evidence.last_events(model, stage),
        )
    if file.gone:
        text = f"{visible(file.path)} is taken away, which says nothing about the stage."
        hint = "To empty the stage, write version: null."
        return replace(change, after=change.before, problems=(f"{text} {hint}",))
    try:
        desired = read_desired(ground.repository, StageFile(file.path, file.mode, file.oid))
        change = replace(change, after=desired.version, reason=desired.reason, readable=True)
        model, version = matched(ground.registry, desired)
        return _judged(ground, change, desired, model, version)
    except GitmlError as error:
        return replace(change, problems=(_said(error),))


def _said(error: GitmlError) -> str:
    """Return a failure and what to do about it as sentences."""
    hint = error.hint or ""
    if not hint.startswith(_COMMANDS):
        hint = f"{hint[:1].upper()}{hint[1:]}"
    return " ".join(_ended(text) for text in (error.message, hint) if text)


def _ended(text: str) -> str:
    """Return a sentence with its end, which those about a name go without."""
    return text if text.endswith((".", "?")) else f"{text}."


def _judged(
    ground: _Ground, change: StageChange, desired: Desired, model: Model, version: Version | None
) -> StageChange:
    """Return the change with what the gates say and what a reviewer weighs."""
    held = model.stages.get(change.stage)
    notes = []
    if held is not None and held.drift:
        notes.append(f"{change.stage} was last filled by break-glass: {held.version}.")
    change = replace(change, undo=evidence.undo_command(model, change.stage), notes=tuple(notes))
    if version is None:
        if held is None:
            notes.append(f"{change.stage} is empty already.")
        return replace(change, answer="pass", notes=tuple(notes))
    if held is not None and held.version == version.name:
        notes.append(f"{change.stage} holds {version.name} already.")
    question = Question(
        model=model,
        version=version,
        stage=change.stage,
        setting="propose",
        at=ground.context.now,
    )
    with ExitStack() as stack:
        case = case_of(ground.repository, ground.context, question, ground.base, stack)
        judgement = evaluate(ground.policy, case)
        package = _package(case)
    current = _current(ground.repository, model, held.version if held else None)
    candidate = case.candidate
    if candidate.digest != (desired.digest or ""):
        raise InputError(f"The files of {version.title} have another digest: {candidate.digest}")
    return replace(
        change,
        answer="pass" if judgement.answer == "pending" else judgement.answer,
        notes=tuple(notes),
        verdicts=judgement.verdicts,
        metrics=evidence.metric_rows(current, candidate),
        params=evidence.param_rows(current, candidate),
        data=evidence.data_rows(current, candidate),
        environment=evidence.environment_rows(current, candidate),
        same=evidence.same_facts(current, candidate),
        code=evidence.code_of(current, candidate, ground.host),
        digest=version.digest,
        size=candidate.size if version.digest else None,
        package=package,
        reproducible=evidence.reproducible(model, candidate),
    )


def _current(repository: Repository, model: Model, name: str | None) -> ModelVersion | None:
    found: Iterable[Version] = (v for v in model.versions if v.name == name)
    version = next(iter(found), None)
    return None if version is None else load_version(repository, version)


def _package(case: Case) -> str:
    """Say whether the files of the candidate's package are there and verify."""
    count = plural(len(case.candidate.files), "file")
    if not case.candidate.files:
        return "no package: a tag that gitml did not write"
    try:
        _, problems = trace(case, ["package"])
    except GitmlError as error:
        return f"{count}; cannot tell whether they are there: {code(error.message)}"
    if problems:
        return f"{count}: ❌ {code('; '.join(problems))}"
    return f"{count}, all there and verified"
