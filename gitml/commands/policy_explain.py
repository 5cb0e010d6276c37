"""``gitml policy explain``: which gates count for a stage, and what they say of a version."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from gitml.commands.completing import complete_models, complete_stages
from gitml.commands.options import command, json_option
from gitml.commands.writing import context_of, sign_options
from gitml.errors import NotFoundError, UsageError
from gitml.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitml.commands.options import Session
    from gitml.model import Json
    from gitml.output import Piece
    from gitml.registry.gates import Gate
    from gitml.registry.policy import Judgement, Policy, Rules
    from gitml.registry.state import Registry
    from gitml.registry.values import Model, Verdict, Version
    from gitml.registry.writing import Context


class _Asked(NamedTuple):
    """What is explained."""

    policy: Policy
    origin: str
    """The commit it was read from, for people."""
    commit: str | None
    model: Model
    stage: str
    rules: Rules


@command(
    name="explain",
    examples=[
        "gitml policy explain churn production",
        "gitml policy explain churn production v1.2.0 --json",
        "gitml policy explain churn@v1.2.0 --stage production",
    ],
    exits=[3, 5, 6, 8],
)
@click.argument("model", metavar="MODEL", shell_complete=complete_models)
@click.argument("stage", metavar="STAGE", required=False, shell_complete=complete_stages)
@click.argument("version", metavar="[VERSION]", required=False)
@click.option(
    "--stage", "named", metavar="STAGE", shell_complete=complete_stages, help="The same as STAGE."
)
@click.option("--at", metavar="REV", help="The policy of this commit, not the protected branch's.")
@sign_options
@json_option
def policy_explain(
    session: Session,
    *,
    model: str,
    stage: str | None,
    version: str | None,
    named: str | None,
    at: str | None,
    sign: bool | None,
    as_json: bool,
) -> None:
    """Show which gates a stage has, and what they say of a version.

    VERSION is v1.2.0, a number, or latest, or it is named with the model: churn@v1.2.0,
    churn#staging. The gates say what gitml promote would go by now, without --review.
    Nothing is changed.
    """
    if named is not None:
        if version is not None:
            raise UsageError(f"{visible(version, 80)!r} is one word too many.")
        stage, version = named, stage
    if stage is None:
        raise UsageError("Name the stage.", hint="gitml policy explain MODEL STAGE [VERSION]")
    if {"@", "#"} & {*model}:
        model, version = _both(session, model, version)
    context = context_of(session, session.store(), sign=sign)
    asked = _asked(session, context, model, stage, at, exists=version is not None)
    judged = found = None
    if version is not None:
        judged, found = _judged(session, context, asked, version)
    if as_json:
        _json(session, asked, judged, found)
        return
    _say_which(session, asked)
    if judged is None:
        _draw(session, asked.rules.gates or ())
        _foot(session, asked)
    elif found is not None:
        _verdicts(session, asked, judged, found)


def _both(session: Session, reference: str, version: str | None) -> tuple[str, str]:
    """Return the model and the version that one word names."""
    from gitml.registry.references import resolve
    from gitml.registry.state import read_registry

    if version is not None:
        raise UsageError(
            f"{visible(reference, 80)} and {visible(version, 80)} both name a version."
        )
    found, meant = resolve(read_registry(session.store()), reference)
    return found.name, meant.name


def _asked(
    session: Session, context: Context, name: str, stage: str, at: str | None, *, exists: bool
) -> _Asked:
    from gitml.commands.policy_check import commit_of
    from gitml.registry.policy import load_policy
    from gitml.registry.state import read_registry
    from gitml.registry.writing import policy_tip
    from gitml.tracking.settings import check_known_stage, read_settings_at

    store = session.store()
    tip = policy_tip(store, context)
    check_known_stage(stage, read_settings_at(store, tip))
    commit = tip if at is None else commit_of(store, at)
    origin = visible(at or context.branch or "the protected branch", 80)
    policy = load_policy(store, commit)
    model = _model(session, read_registry(store), name, exists=exists)
    return _Asked(policy, origin, commit, model, stage, policy.gates_for(model, stage))


def _model(session: Session, registry: Registry, name: str, *, exists: bool) -> Model:
    """Return the model; without a version to judge one that is still to be registered, too."""
    from gitml.names import model_slug
    from gitml.registry.references import check_model_name
    from gitml.registry.values import Model

    try:
        return registry.find(name)
    except NotFoundError as error:
        if exists:
            raise
        session.say(f"{error.message.rstrip('.')}; this is what would count for one.")
        return Model(slug=model_slug(check_model_name(name)), name=name)


def _judged(
    session: Session, context: Context, asked: _Asked, word: str
) -> tuple[Judgement, Version]:
    """Return what the gates say of a version, as a direct promotion is asked."""
    from gitml.registry.judging import PolicyRefusedError, Question, ask
    from gitml.registry.references import resolve
    from gitml.registry.state import Registry

    store, model = session.store(), asked.model
    only = Registry(models={model.slug: model})
    _, version = resolve(only, f"{model.slug}@{word}")
    question = Question(
        model=model,
        version=version,
        stage=asked.stage,
        setting="direct",
        at=session.now - session.now % 1000,
        policy_at=[asked.commit],
    )
    try:
        return ask(store, context, question), version
    except PolicyRefusedError as refusal:
        return refusal.judgement, version


def _say_which(session: Session, asked: _Asked) -> None:
    from gitml.registry.policy import FILE

    rules, screen = asked.rules, session.screen
    where = f"{FILE} on {asked.origin}"
    if asked.policy.absent:
        session.say(
            f"There is no {where}, so anything passes.", hint="gitml init --policy writes one"
        )
        return
    why = f": {rules.why}" if rules.why else ""
    if not rules.source:
        screen.line(f"{where} has no list for {asked.stage}{why}.")
        return
    screen.line(f"{rules.source} counts, in {where}{why}.")


def _draw(session: Session, gates: Sequence[Gate]) -> None:
    from gitml.output import Column

    screen = session.screen
    rows: list[list[Piece]] = [[text, words] for text, words in _rows(gates, "")]
    if rows:
        heads = ("GATE", "PASSES WHEN") if screen.terminal else ("gate", "passes when")
        screen.table([Column(heads[0], widest=48), Column(heads[1], widest=120)], rows)


def _rows(gates: Sequence[Gate], indent: str) -> Iterator[tuple[str, str]]:
    """Yield a line for each gate, those within ``any`` and ``all`` below them."""
    for gate in gates:
        within: Sequence[Gate] = getattr(gate, "gates", ())
        yield indent + (gate.text.partition(" [")[0] if within else gate.text), gate.words
        yield from _rows(within, f"{indent}  ")


def _foot(session: Session, asked: _Asked) -> None:
    rules, policy = asked.rules, asked.policy
    if policy.absent:
        return
    if rules.gates:
        session.screen.line("All of them must pass." if len(rules.gates) > 1 else "It must pass.")
    elif rules.source:
        session.screen.line("It is empty, so it refuses.")
    glass = policy.break_glass
    told = "; ".join(gate.text for gate in glass) if glass else "is refused: there is no list"
    session.screen.line(f"--break-glass {'takes ' if glass else ''}{told}", style="dim")


def _verdicts(session: Session, asked: _Asked, judged: Judgement, version: Version) -> None:
    from gitml.output.verdicts import draw_verdicts

    if judged.verdicts:
        draw_verdicts(session.screen, judged.verdicts)
    name = f"{visible(asked.model.name, 80)} {version.name}"
    answers = {
        "pass": f"{name} may enter {asked.stage}.",
        "refuse": f"{name} may not enter {asked.stage}.",
        "unknown": f"Whether {name} may enter {asked.stage} cannot be told.",
        "pending": f"Whether {name} may enter {asked.stage} is decided after a review.",
    }
    hints = [v.hint for v in judged.verdicts if v.answer != "pass" and v.hint]
    session.screen.line(answers[judged.answer])
    for hint in dict.fromkeys(hints):
        session.screen.line(f"  {hint}", style="dim")


def _json(
    session: Session, asked: _Asked, judged: Judgement | None, version: Version | None
) -> None:
    gates: list[dict[str, Json]] | None = None
    if asked.rules.gates is not None:
        gates = [{"gate": g.text, "kind": g.name, "passes": g.words} for g in asked.rules.gates]
    glass = asked.policy.break_glass
    session.screen.json(
        model=asked.model.name,
        stage=asked.stage,
        version=None if version is None else version.name,
        absent=asked.policy.absent,
        commit=asked.commit,
        source=asked.rules.source or None,
        why=asked.rules.why or None,
        gates=gates,
        break_glass=None if glass is None else [gate.text for gate in glass],
        answer=None if judged is None else judged.answer,
        verdicts=None if judged is None else [_verdict(v) for v in judged.verdicts],
    )


def _verdict(found: Verdict) -> dict[str, Json]:
    from gitml.registry.message import verdict_json

    return {**verdict_json(found), "hint": found.hint or None}
