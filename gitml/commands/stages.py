"""``gitml stages``: which version of which model is in which stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_models
from gitml.commands.models import known_stages, say_there_are_none, say_what_is_wrong
from gitml.commands.options import command, json_option
from gitml.names import plural, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.commands.options import Session
    from gitml.output import Piece
    from gitml.registry.state import Registry
    from gitml.registry.values import Model


@command(
    examples=["gitml stages", "gitml stages churn --json"],
    exits=[3, 5, 6, 8],
)
@click.argument("names", nargs=-1, metavar="[MODEL]...", shell_complete=complete_models)
@json_option
def stages(session: Session, *, names: tuple[str, ...], as_json: bool) -> None:
    """Show which version is in each stage.

    A line for each model, a column for each stage; ! marks a version that came
    past the policy, and that no stage file has agreed with since. Stages stand in
    the order that stages.order of .gitml/config.yaml gives.
    """
    from gitml.output.models import stage_order
    from gitml.registry.documents import model_json, odd_json
    from gitml.registry.state import read_registry

    store = session.store()
    registry = read_registry(store)
    models = [model for model in registry.models.values() if not model.deleted]
    if names:
        models = list({found.slug: found for found in map(registry.find, names)}.values())
    order = stage_order(models, known_stages(store))
    if as_json:
        keys = ("name", "slug", "latest", "foreign", "stages")
        documents = [model_json(model) for model in models]
        session.screen.json(
            stages=order,
            models=[{key: document[key] for key in keys} for document in documents],
            odd=odd_json(registry.odd),
            damaged=dict(registry.damaged),
        )
        return
    if models:
        draw(session, models, order)
        _foot(session, registry, models)
    else:
        say_there_are_none(session)
    say_what_is_wrong(session, registry)


def draw(session: Session, models: Sequence[Model], order: Sequence[str]) -> None:
    """Draw the matrix: a line for each model, a column for each stage."""
    from gitml.output import Cell, Column
    from gitml.output.models import stage_cell
    from gitml.registry.references import latest

    screen = session.screen
    heads = ["MODEL", "LATEST"] if screen.terminal else ["model", "latest"]
    columns = [Column(heads[0], widest=32), Column(heads[1])]
    columns += [Column(stage, widest=32) for stage in order]
    rows: list[list[Piece]] = []
    for model in models:
        newest = latest(model)
        row: list[Piece] = [
            Cell(model.name, "act"),
            screen.absent if newest is None else newest.name,
        ]
        row += [stage_cell(screen, model.stages.get(stage), session.now) for stage in order]
        rows.append(row)
    screen.table(columns, rows, fold=True)


def _foot(session: Session, registry: Registry, models: Sequence[Model]) -> None:
    from gitml.output import quoted

    screen = session.screen
    if not screen.terminal:
        return
    filled = sum(len(model.stages) for model in models)
    parts = [plural(len(models), "model"), f"{filled:,} in a stage"]
    if registry.odd:
        parts.append(f"{plural(len(registry.odd), 'odd tag')}: gitml audit names them")
    screen.line(screen.fit(f"  {' · '.join(parts)}", screen.width), style="dim")
    screen.line()
    model = next((model for model in models if model.stages), models[0])
    stage = next(iter(model.stages), None)
    name = quoted(visible(model.name))
    more = [f"gitml model show {name}"]
    if stage is not None:
        pair = (quoted(visible(f"{model.name}{what}")) for what in (f"#{stage}", "@latest"))
        more.append(f"gitml model diff {' '.join(pair)}")
    screen.commands(*more)
