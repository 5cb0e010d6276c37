"""``gitml promote``: a version into a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option
from gitml.commands.proposing import check_review, propose_stage, review_option
from gitml.commands.writing import (
    break_glass_option,
    context_of,
    model_and_version,
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
        "gitml promote churn v1.2.0 --stage staging",
        'gitml promote churn@latest --stage production -m "Better on new customers." --review',
    ],
    exits=[3, 4, 5, 6, 7, 8, 9],
)
@click.argument("words", metavar="MODEL VERSION", nargs=-1, required=True)
@stage_option
@reason_option
@review_option
@break_glass_option
@sign_options
@json_option
def promote(
    session: Session,
    *,
    words: tuple[str, ...],
    stage: str,
    reason: str | None,
    review: bool,
    break_glass: str | None,
    sign: bool | None,
    as_json: bool,
) -> None:
    """Put a version of a model into a stage, if the policy lets it.

    A version is named by two words (churn v1.2.0, churn 3, churn latest) or one
    (churn@v1.2.0, churn#staging). The stage's policy is read from the protected
    branch; whoever is refused may ask for a review. With --review a branch with the
    stage file is pushed and a request opened: what the policy lets pass is tagged
    after the merge.
    """
    from gitml.registry.judging import PolicyRefusedError
    from gitml.registry.stagedrafts import request_of
    from gitml.registry.stages import assign

    reference = model_and_version(words)
    store = session.store()
    context = context_of(session, store, sign=sign)
    if review:
        check_review(break_glass=break_glass, sign=sign)
        propose_stage(
            *(session, store, context),
            reference=reference,
            stage=stage,
            reason=reason,
            as_json=as_json,
        )
        return
    request = request_of(stage, reason=reason, break_glass=break_glass)
    try:
        written = assign(store, reference, request, context)
    except PolicyRefusedError as error:
        refused(session, error, as_json=as_json)
        raise
    tell_stage(session, store, written, as_json=as_json)
