"""``gitml model reproduced``: that another run got a version's result again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_references, complete_runs
from gitml.commands.options import command, json_option
from gitml.commands.writing import context_of, reason_option, sign_options
from gitml.names import plural, visible

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.model import Run
    from gitml.registry.reproduced import Reproduction


@command(
    name="reproduced",
    examples=[
        "gitml model reproduced churn@v1.2.0 --run brave-otter-12 --sign",
        "gitml model reproduced churn#staging --run latest --tolerance 0.01 --metric auc",
    ],
    exits=[3, 4, 5, 6, 7, 8, 9],
)
@click.argument("ref", metavar="REF", shell_complete=complete_references)
@click.option(
    "--run", metavar="RUN", required=True, shell_complete=complete_runs, help="The other run."
)
@click.option(
    "--tolerance",
    metavar="SHARE",
    type=float,
    default=1e-6,
    show_default=True,
    help="By how much a metric may differ, as a share of the larger value.",
)
@click.option(
    "--metric",
    "metrics",
    metavar="NAME",
    multiple=True,
    help="A metric to be compared; repeatable. By default all of the version's.",
)
@reason_option
@sign_options
@json_option
def model_reproduced(
    session: Session,
    *,
    ref: str,
    run: str,
    tolerance: float,
    metrics: tuple[str, ...],
    reason: str | None,
    sign: bool | None,
    as_json: bool,
) -> None:
    """Record that another run got the result of a version again.

    Its code, params, data and metrics are held against the version's; if they
    differ, nothing is written. The policy's gate "reproduced" counts a signed
    record. That the run was made where and as it says is for its signer to know.
    """
    from gitml.names import MODELS, TAGS, UNPUBLISHED
    from gitml.registry.reproduced import record
    from gitml.store.snapshot import snapshot

    store = session.store()
    view = snapshot(store, ahead=(MODELS, UNPUBLISHED, TAGS))
    with session.index(view) as index:
        found = index.find(run)
    context = context_of(session, store, sign=sign)
    done = record(
        *(store, ref, found, context),
        tolerance=tolerance,
        metrics=metrics,
        reason=reason,
        view=view,
    )
    if as_json:
        _json(session, done)
    else:
        _tell(session, done, found, signed=context.sign is not None)


def _json(session: Session, done: Reproduction) -> None:
    from gitml.registry.documents import event_json

    session.screen.json(
        event=event_json(done.written.event),
        tags=[*done.written.tags],
        metrics=[{"name": m.name, "before": m.before, "after": m.after} for m in done.metrics],
    )


def _tell(session: Session, done: Reproduction, run: Run, *, signed: bool) -> None:
    from gitml.output import Column

    screen, event = session.screen, done.written.event
    rows = [[m.name, screen.number(m.before), screen.number(m.after)] for m in done.metrics]
    heads = [Column("METRIC"), Column(str(event.version), right=True)]
    screen.table([*heads, Column(visible(run.name, 40), right=True)], rows)
    name = f"{visible(event.model, 80)} {event.version}"
    screen.line(
        f"{visible(run.name, 80)} reproduced {name}: {plural(len(rows), 'metric')} compared.  "
        f"{done.written.tags[0]}"
    )
    if not signed:
        session.say(
            "It is not signed, so the policy's gate reproduced does not count it.",
            hint=f"gitml model reproduced {event.model}@{event.version} --run {run.id[:8]} --sign",
        )
