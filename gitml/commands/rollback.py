"""``gitml rollback``: a stage back to what it held before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option
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
        "gitml rollback churn --stage production",
        'gitml rollback churn --stage production --to v1.1.0 -m "Slow on large accounts."',
    ],
    exits=[3, 4, 5, 6, 7, 8, 9],
)
@click.argument("name", metavar="MODEL")
@stage_option
@click.option("--to", metavar="VERSION", help="This version, which the stage held at some time.")
@reason_option
@break_glass_option
@sign_options
@json_option
def rollback(
    session: Session,
    *,
    name: str,
    stage: str,
    to: str | None,
    reason: str | None,
    break_glass: str | None,
    sign: bool | None,
    as_json: bool,
) -> None:
    """Bring back the version that a stage held before.

    Done again it goes one version further back. Gates that compare with a moment
    count as passed if they passed then; reviews, signatures and lineage are asked
    again.
    """
    from gitml.registry import stages
    from gitml.registry.judging import PolicyRefusedError
    from gitml.registry.stagedrafts import request_of

    store = session.store()
    context = context_of(session, store, sign=sign)
    request = request_of(stage, reason=reason, break_glass=break_glass, via="rollback")
    try:
        written = stages.rollback(store, name, request, context, to=to)
    except PolicyRefusedError as error:
        refused(session, error, as_json=as_json)
        raise
    tell_stage(session, store, written, as_json=as_json)
