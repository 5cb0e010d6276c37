"""The policy: which gates a version passes before it enters a stage."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from gitml.codec import check_schema, load_user_yaml, locate_yaml
from gitml.errors import DamagedError, InputError, NewerSchemaError
from gitml.model import SCHEMA
from gitml.names import check_stage, did_you_mean, visible
from gitml.registry.gates import PolicyError, read_gate
from gitml.registry.gates.base import Where, judge, read_list, worst
from gitml.registry.values import Verdict
from gitml.tracking.settings import UnknownStageError, check_known_stage, read_settings_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitml.model import Json
    from gitml.registry.gates.base import Case, Gate
    from gitml.registry.values import Answer, Model
    from gitml.store.git import Repository

FILE = ".gitml/policy.yaml"
LIMIT = 256 * 1024
"""Bytes of a policy file."""
_KEYS = ("schema", "stages", "default", "models", "break_glass")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What ``.gitml/policy.yaml`` says."""

    stages: Mapping[str, tuple[Gate, ...]] = field(default_factory=dict)
    """Gates by stage."""
    default: tuple[Gate, ...] | None = None
    """Gates of the stages that are not named; without them those refuse."""
    models: Mapping[str, Mapping[str, tuple[Gate, ...]]] = field(default_factory=dict)
    """Gates by name or pattern of a model, and by stage; they replace those of the stage."""
    break_glass: tuple[Gate, ...] | None = None
    """Gates of ``--break-glass``; without them it is refused."""
    absent: bool = False
    """Whether there is no policy file, so that all passes."""

    def gates_for(self, model: Model, stage: str) -> Rules:
        """Return the list of gates that counts for a model and a stage.

        Raises `InputError` if several patterns match the model.
        """
        if self.absent:
            return Rules((), "", f"there is no {FILE}, so anything passes")
        name = visible(model.name, 80)
        entry, found = matching(self, model), ""
        if entry is not None:
            key = f"models.{visible(entry, 80)}"
            found = f"{key} names {name}" if entry in _known(model) else f"{key} matches {name}"
            if stage in self.models[entry]:
                return Rules(self.models[entry][stage], f"{key}.{stage}", found)
            found += f" and says nothing of {stage}"
        else:
            found = f"no entry of models is about {name}" if self.models else ""
        if stage in self.stages:
            return Rules(self.stages[stage], f"stages.{stage}", found)
        found = f"{f'{found}, and ' if found else ''}stages does not name {stage}"
        if self.default is not None:
            return Rules(self.default, "default", found)
        return Rules(None, "", f"{found}, and there is no default, so it refuses")


class Rules(NamedTuple):
    """The list of gates that counts for something."""

    gates: tuple[Gate, ...] | None
    """The gates; None if the policy has no list for it."""
    source: str
    """Where in the policy they stand: ``stages.production``; empty for no list."""
    why: str
    """Why it is that list, as a clause; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the policy says of a case."""

    verdicts: tuple[Verdict, ...]
    """What each gate says, in the order of the policy."""
    answer: Answer
    """The worst of them."""
    source: str
    """The list that counted: ``stages.production``, ``models.churn-*.production``, ``default`` …"""
    absent: bool = False
    """Whether there is no policy, so that nothing was asked."""

    @property
    def passed(self) -> bool:
        """Whether every gate passed."""
        return self.answer == "pass"


def evaluate(policy: Policy, case: Case) -> Judgement:
    """Put a case to the gates that count for it.

    Before them comes whether there may be such a stage. A gate that fails to find out
    answers "cannot tell". Raises `InputError` if several patterns match the model.
    """
    if (unknown := _unknown_stage(case)) is not None:
        return Judgement(verdicts=(unknown,), answer="refuse", source="")
    if policy.absent and case.setting != "break-glass":
        return Judgement(verdicts=(), answer="pass", source="", absent=True)
    if case.setting == "break-glass":
        rules = Rules(policy.break_glass, "break_glass", "")
    else:
        rules = policy.gates_for(case.model, case.stage)
    if not rules.gates:
        lone = _nothing(rules, case)
        return Judgement(verdicts=(lone,), answer="refuse", source=rules.source)
    verdicts = tuple(judge(gate, case) for gate in rules.gates)
    answer = worst([verdict.answer for verdict in verdicts])
    return Judgement(verdicts=verdicts, answer=answer, source=rules.source)


def _unknown_stage(case: Case) -> Verdict | None:
    """Return the refusal of a stage that the protected branch's settings do not allow."""
    if case.setting == "rollback":  # what is in a stage may leave it, whatever was decided since
        return None
    try:
        settings = read_settings_at(case.repository, case.rules or case.branch)
        check_known_stage(case.stage, settings)
    except UnknownStageError as error:
        return Verdict(
            gate="stages.only",
            kind="stages",
            answer="refuse",
            got=case.stage,
            expected=f"one of {', '.join(error.known)}",
            hint=error.hint or "",
        )
    return None


def _nothing(rules: Rules, case: Case) -> Verdict:
    """Return the refusal of a list that is not there, or is empty."""
    if rules.gates is not None:
        got, expected = f"{rules.source} is empty", "a list of gates"
    elif case.setting == "break-glass":
        got, expected = "no list break_glass", f"a list break_glass in {FILE}"
    else:
        got = f"no list for {case.stage}, and no default"
        expected = f"stages.{case.stage} or default in {FILE}"
    return Verdict(
        gate="policy",
        kind="policy",
        answer="refuse",
        got=got,
        expected=expected,
        hint=f"say in {FILE} on the protected branch what it takes; unsafe_allow: true is anything",
    )


def matching(policy: Policy, model: Model) -> str | None:
    """Return the key of ``models`` that names a model, or None.

    An exact name (also one the model had before) or slug beats a pattern. Patterns
    see the name that the model had first, so that renaming does not move it to another.
    Raises `InputError` if two match.
    """
    found = [key for key in policy.models if key in _known(model)]
    if not found:
        first = first_name(model)
        found = [key for key in policy.models if fnmatch.fnmatchcase(first, key)]
    if len(found) > 1:
        keys = " and ".join(visible(key, 80) for key in found)
        raise InputError(
            f"{FILE} has two entries under models that match {visible(model.name, 80)}: {keys}",
            hint=f"add one for {model.slug} alone, or make them narrower",
        )
    return found[0] if found else None


def _known(model: Model) -> set[str]:
    return {model.slug, model.name, *model.aliases}


def first_name(model: Model) -> str:
    """Return the name that a model was registered under first."""
    renames = (e.previous for e in model.events if e.kind == "rename" and e.previous)
    return next(renames, model.name)


def load_policy(repository: Repository, commit: str | None) -> Policy:
    """Return the policy of a commit; one that lets all pass if it has none, or is None.

    Raises `InputError` naming line and key, `NewerSchemaError`, and `DamagedError`
    if the commit cannot be read.
    """
    if commit is None:
        return Policy(absent=True)
    text = read_policy(repository, commit)
    return Policy(absent=True) if text is None else parse_policy(text)


def read_policy(repository: Repository, commit: str) -> str | None:
    """Return the text of a commit's policy file, None if there is none."""
    folder, name = FILE.split("/")
    top = {entry.name: entry for entry in repository.tree(commit)}
    if folder not in top:
        return None
    if top[folder].mode != "40000":
        raise InputError(f"{folder} is not a folder in the commit {visible(commit[:10])}.")
    entries = {entry.name: entry for entry in repository.tree(top[folder].oid)}
    if name not in entries:
        return None
    if not entries[name].mode.startswith("100"):
        raise InputError(f"{FILE} is not a file in the commit {visible(commit[:10])}.")
    oid = entries[name].oid
    try:
        found = repository.objects().get(oid, limit=LIMIT)
    except DamagedError:
        raise InputError(f"{FILE} has more than {LIMIT:,} bytes.") from None
    return decode(repository.read(oid, "blob", LIMIT) if found is None else found.data)


def decode(data: bytes) -> str:
    """Return the text of a policy file; raise `InputError` if it is none or too long."""
    if len(data) > LIMIT:
        raise InputError(f"{FILE} has {len(data):,} bytes, more than the limit of {LIMIT:,}.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{FILE} is not UTF-8 text.") from None


def parse_policy(text: str) -> Policy:
    """Return the policy that a file says; raise `InputError` naming line and key."""
    document = load_user_yaml(text, FILE)
    try:
        return _policy(document)
    except PolicyError as error:
        line = locate_yaml(text, error.path)
        at = f"{FILE}, line {line}" if line else FILE
        raise InputError(f"{at}: {error.message}", hint=error.hint) from None


def _policy(document: Json) -> Policy:
    top = Where((), read_gate)
    if not isinstance(document, dict):
        raise PolicyError("it is not a mapping.", hint="gitml init --policy writes one")
    try:
        check_schema(document.get("schema", SCHEMA), FILE)
    except NewerSchemaError:
        raise
    except DamagedError:
        top.below("schema").refuse("is not a number", f"write schema: {SCHEMA}")
    for key in document:
        if key not in _KEYS:
            hint = did_you_mean(str(key), _KEYS) or f"the keys are {', '.join(_KEYS)}"
            top.below(str(key)).refuse("is not a key of a policy", hint)
    lists = {
        key: read_list(document[key], top.below(key))
        for key in ("default", "break_glass")
        if key in document
    }
    models = _mapping(document.get("models", {}), top.below("models"))
    return Policy(
        stages=_stages(document.get("stages", {}), top.below("stages")),
        models={key: _stages(value, top.below("models").below(key)) for key, value in models},
        default=lists.get("default"),
        break_glass=lists.get("break_glass"),
    )


def _mapping(value: Json, where: Where) -> list[tuple[str, Json]]:
    if not isinstance(value, dict):
        where.refuse("is not a mapping", "see gitml init --policy for one")
    for key in value:
        if not isinstance(key, str) or not key:
            where.below(str(key)).refuse(
                "is not a name", f'write it in quotes: "{visible(str(key))}"'
            )
    return list(value.items())


def _stages(value: Json, where: Where) -> dict[str, tuple[Gate, ...]]:
    found = {}
    for stage, gates in _mapping(value, where):
        below = where.below(stage)
        try:
            check_stage(stage)
        except InputError as error:
            below.refuse("cannot be the name of a stage", error.hint)
        found[stage] = read_list(gates, below)
    return found
