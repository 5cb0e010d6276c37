"""``gitml rollback``: a stage back to what it held before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option
from gitml.commands.proposing import check_review, propose_stage, review_option
from gitml.commands.writing import (
    break_glass_option,
    context_of,
    reason_option,
    refused,
    sign_options,
    stage_option,
    tell_stage,
)

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.registry.writing import Context
    from gitml.store.git import Repository


@command(
    examples=[
        "gitml rollback churn --stage production",
        'gitml rollback churn --stage production --to v1.1.0 -m "Slow on large accounts." --review',
    ],
    exits=[3, 4, 5, 6, 7, 8, 9],
)
@click.argument("name", metavar="MODEL")
@stage_option
@click.option("--to", metavar="VERSION", help="This version, which the stage held at some time.")
@reason_option
@review_option
@break_glass_option
@sign_options
@json_option
def rollback(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    name: str,
    stage: str,
    to: str | None,
    reason: str | None,
    review: bool,
    break_glass: str | None,
    sign: bool | None,
    as_json: bool,
) -> None:
    """Bring back the version that a stage held before.

    Done again it goes one version further back. Gates that compare with a moment
    count as passed if they passed then; reviews, signatures and lineage are asked
    again. With --review a branch with the stage file is pushed and a request opened.
    """
    from gitml.registry import stages
    from gitml.registry.judging import PolicyRefusedError
    from gitml.registry.stagedrafts import request_of

    store = session.store()
    context = context_of(session, store, sign=sign)
    if review:
        check_review(break_glass=break_glass, sign=sign)
        propose_stage(
            *(session, store, context),
            reference=_before(store, name, stage, to, context),
            stage=stage,
            reason=reason,
            as_json=as_json,
        )
        return
    request = request_of(stage, reason=reason, break_glass=break_glass, via="rollback")
    try:
        written = stages.rollback(store, name, request, context, to=to)
    except PolicyRefusedError as error:
        refused(session, error, as_json=as_json)
        raise
    tell_stage(session, store, written, as_json=as_json)


def _before(store: Repository, name: str, stage: str, to: str | None, context: Context) -> str:
    """Return the version to go back to, as the remote has it now: ``churn@v1.1.0``."""
    from gitml.names import check_version
    from gitml.registry.finding import find_model, require_journal
    from gitml.registry.stages import held_before
    from gitml.registry.state import read_registry
    from gitml.store.shared import fetch_registry

    slug, _ = find_model(store, name, context)
    if context.remote is not None:
        fetch_registry(store, context.remote, context.branch, slugs=[slug])
    model = require_journal(read_registry(store, model=slug).models.get(slug), name)
    return held_before(model, stage, None if to is None else check_version(to)).title
