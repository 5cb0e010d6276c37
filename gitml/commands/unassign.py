"""``gitml unassign``: a stage emptied."""

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


@command(
    examples=[
        "gitml unassign churn --stage staging",
        'gitml unassign churn --stage production -m "Retired." --review',
    ],
    exits=[3, 4, 5, 6, 7, 8, 9],
)
@click.argument("name", metavar="MODEL")
@stage_option
@reason_option
@review_option
@break_glass_option
@sign_options
@json_option
def unassign(
    session: Session,
    *,
    name: str,
    stage: str,
    reason: str | None,
    review: bool,
    break_glass: str | None,
    sign: bool | None,
    as_json: bool,
) -> None:
    """Take the version out of a stage.

    Of the policy only the gates count that say who may: review and signed_by. With
    --review a branch with the stage file is pushed and a request opened.
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
            reference=name,
            stage=stage,
            reason=reason,
            empties=True,
            as_json=as_json,
        )
        return
    request = request_of(stage, reason=reason, break_glass=break_glass)
    try:
        written = stages.unassign(store, name, request, context)
    except PolicyRefusedError as error:
        refused(session, error, as_json=as_json)
        raise
    tell_stage(session, store, written, as_json=as_json)
