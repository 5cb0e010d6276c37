"""``gitml model history``: who did what to a model, when and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_models, complete_stages
from gitml.commands.options import command, json_option

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.output import Piece
    from gitml.registry.values import Event


@command(
    name="history",
    examples=["gitml model history churn", "gitml model history churn --stage production --json"],
    exits=[3, 6, 8],
)
@click.argument("name", metavar="MODEL", shell_complete=complete_models)
@click.option(
    "--stage",
    metavar="STAGE",
    shell_complete=complete_stages,
    help="Only what happened to this stage.",
)
@json_option
def model_history(session: Session, *, name: str, stage: str | None, as_json: bool) -> None:
    """Show who did what to a model, when, why and by which review; the newest first.

    These are the events of the model's journal. --json has the gates with the
    values they saw.
    """
    from gitml.registry.documents import event_json
    from gitml.registry.state import read_registry

    model = read_registry(session.store()).find(name)
    events = [e for e in reversed(model.events) if stage is None or e.stage == stage]
    if as_json:
        session.screen.json(
            model=model.name, slug=model.slug, events=[event_json(event) for event in events]
        )
    elif events:
        _draw(session, events)
    else:
        session.say("Nothing happened to it yet.", hint="gitml stages shows which stages there are")


def _draw(session: Session, events: list[Event]) -> None:
    from gitml.output import Column
    from gitml.registry.showing import told

    screen = session.screen
    heads = ["WHEN", "WHO", "WHAT", "HOW", "WHY"]
    columns = [
        Column(
            head if screen.terminal else head.lower(),
            rank=rank,
            widest=72,
            narrowest=16 if head == "WHY" else 99,
        )
        for head, rank in zip(heads, (0, 1, 0, 2, 3), strict=True)
    ]
    rows: list[list[Piece]] = []
    for event in events:
        plain = event.kind == "unassign" and event.via == "promote"
        how = ", ".join(filter(None, ["unassign" if plain else event.via, event.review]))
        why = (event.reason or "").replace("\n", " ")
        rows.append(
            [
                screen.moment(event.at, session.now),
                event.by.partition(" <")[0] if screen.terminal else event.by,
                told(event),
                how or screen.absent,
                why or screen.absent,
            ]
        )
    screen.table(columns, rows)
