"""``--review``: a change of a stage as a request, instead of a tag at once."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from gitml.commands.writing import draw_judgement
from gitml.errors import UsageError
from gitml.names import visible

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.model import Json
    from gitml.registry.policy import Judgement
    from gitml.registry.proposals import Proposal
    from gitml.registry.values import Model, Version
    from gitml.registry.writing import Context
    from gitml.store.git import Repository

review_option = click.option(
    "--review", is_flag=True, help="Ask for it by a request to the protected branch instead."
)


def check_review(*, break_glass: str | None, sign: bool | None) -> None:
    """Raise `UsageError` for options that mean nothing to a request."""
    if break_glass is not None:
        raise UsageError("--review and --break-glass do not go together.")
    if sign:
        raise UsageError(
            "--review and --sign do not go together.", hint="gitml apply signs, after the merge"
        )


def propose_stage(
    session: Session,
    store: Repository,
    context: Context,
    *,
    reference: str,
    stage: str,
    reason: str | None,
    empties: bool = False,
    as_json: bool = False,
) -> None:
    """Propose a stage file, open the request if the host lets us, and say what comes next."""
    from gitml.commands.hosting import host_and_access
    from gitml.names import check_stage
    from gitml.registry.finding import find_model, only, require_journal
    from gitml.registry.proposals import desired_of, propose
    from gitml.registry.references import resolve
    from gitml.registry.state import read_registry
    from gitml.store.shared import fetch_registry
    from gitml.tracking.settings import check_known_stage, read_settings

    check_known_stage(check_stage(stage), read_settings(store.work_tree))
    slug, _ = find_model(store, reference, context)
    if context.remote is not None:
        fetch_registry(store, context.remote, context.branch, slugs=[slug])
    model = require_journal(read_registry(store, model=slug).models.get(slug), reference)
    version = None if empties else resolve(only(model), reference)[1]
    desired = desired_of(model, version, stage, reason)
    host, access = host_and_access(store, context.remote)
    made = propose(store, model, desired, context=context, host=host, access=access)
    judgement = None if version is None else _foreseen(store, context, model, version, stage)
    if as_json:
        session.screen.json(**_json(made, judgement))
        return
    if judgement is not None:
        draw_judgement(session, judgement)
    _tell(session, model, made, judgement)


def _foreseen(
    store: Repository, context: Context, model: Model, version: Version, stage: str
) -> Judgement:
    """Return what the review will find, as things are."""
    from gitml.registry.judging import Question, case_of
    from gitml.registry.policy import evaluate, load_policy
    from gitml.registry.writing import policy_tip

    tip = policy_tip(store, context)
    question = Question(
        model=model, version=version, stage=stage, setting="propose", at=context.now
    )
    with ExitStack() as stack:
        return evaluate(load_policy(store, tip), case_of(store, context, question, tip, stack))


def _tell(session: Session, model: Model, made: Proposal, judgement: Judgement | None) -> None:
    from gitml.output import Cell

    screen, desired = session.screen, made.desired
    name = visible(model.name, 80)
    held = model.stages.get(desired.stage)
    place = f"in place of {held.version}" if held is not None else "which is empty"
    if desired.version is None:
        told = f"Proposed to take {name} out of {desired.stage}."
    else:
        told = f"Proposed {name} {desired.version} for {desired.stage}, {place}."
    screen.line(f"{told}  {made.branch}")
    if made.request is not None:
        screen.line("  ", Cell(made.request.url, "act"))
    elif made.link is not None:
        screen.line("  open the request: ", Cell(made.link, "act"))
    else:
        screen.line(f"  open a request for that branch into {made.base} at your git host")
    if made.trouble:
        session.say(made.trouble)
    if judgement is not None and judgement.answer == "refuse":
        session.say("As things are the review refuses it.")
    for request in made.open_before:
        session.say(f"A request for {desired.stage} is open already: {request.url}")
    for branch in made.branches_before:
        session.say(f"There may be a request for {desired.stage} already: branch {branch}")


def _json(made: Proposal, judgement: Judgement | None) -> dict[str, Json]:
    from gitml.registry.message import verdict_json

    request = made.request
    return {
        "model": made.desired.model,
        "stage": made.desired.stage,
        "version": made.desired.version,
        "digest": made.desired.digest,
        "base": made.base,
        "branch": made.branch,
        "commit": made.commit,
        "path": made.desired.path,
        "request": None if request is None else {"number": request.number, "url": request.url},
        "link": made.link,
        "open_before": [r.url for r in made.open_before] + list(made.branches_before),
        "answer": None if judgement is None else judgement.answer,
        "gates": [verdict_json(v) for v in judgement.verdicts] if judgement is not None else [],
    }
