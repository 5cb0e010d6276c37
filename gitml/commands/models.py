"""``gitml models``: the models of the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option
from gitml.names import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitml.commands.options import Session
    from gitml.output import Piece, Screen
    from gitml.registry.state import Registry
    from gitml.registry.values import Model
    from gitml.store.git import Repository

HOW_TO_BEGIN = "gitml register NAME --run RUN makes one"


def say_there_are_none(session: Session) -> None:
    """Say on stderr that there are no models, and how they come."""
    remotes = session.store().subsections("remote")
    others = "gitml pull brings those of others; " if remotes else ""
    session.say("There are no models here yet.", hint=others + HOW_TO_BEGIN)


@command(examples=["gitml models", "gitml models --json"], exits=[5, 6, 8])
@click.option("--deleted", is_flag=True, help="The models that were deleted, too.")
@json_option
def models(session: Session, *, deleted: bool, as_json: bool) -> None:
    """List the registered models.

    With each its latest version, how many there are, and what is in its stages.
    Models that only GTO's tags tell of are listed as well.
    """
    from gitml.registry.documents import model_json, odd_json
    from gitml.registry.state import read_registry

    registry = read_registry(session.store())
    listed = [model for model in registry.models.values() if deleted or not model.deleted]
    if as_json:
        session.screen.json(
            models=[model_json(model) for model in listed],
            odd=odd_json(registry.odd),
            damaged=dict(registry.damaged),
        )
        return
    if listed:
        _draw(session, listed, known_stages(session.store()))
    else:
        say_there_are_none(session)
    say_what_is_wrong(session, registry)


def _draw(session: Session, listed: Sequence[Model], order: Sequence[str]) -> None:
    from gitml.output import Cell, Column

    screen = session.screen
    columns = [
        Column("name", widest=32),
        Column("latest"),
        Column("versions", right=True, rank=2),
        Column("updated", right=screen.terminal, rank=3),
        Column("stages", widest=48, narrowest=16, rank=1),
        Column("description", widest=48, narrowest=16, rank=4),
    ]
    if screen.terminal:
        columns = [column._replace(title=column.title.upper()) for column in columns]
    rows: list[list[Piece]] = [
        [Cell(model.name, "act"), *_facts(screen, model, order, session.now)] for model in listed
    ]
    for at in (5, 4):  # a column in which nothing stands
        if screen.terminal and not any(row[at] for row in rows):
            del columns[at]
            for row in rows:
                del row[at]
    screen.table(columns, rows)
    if screen.terminal:
        versions = sum(not version.deleted for model in listed for version in model.versions)
        count = f"{plural(len(listed), 'model')} · {plural(versions, 'version')}"
        screen.line(f"  {count}", style="dim")


def _facts(screen: Screen, model: Model, order: Sequence[str], now: int) -> list[Piece]:
    from gitml.output import Cell, first_line
    from gitml.output.models import short, stage_order
    from gitml.registry.references import latest

    newest = latest(model)
    stages = reversed(stage_order([model], order))  # what matters most is not cut
    absent = "" if screen.terminal else screen.absent
    dot = "● " if screen.terminal else ""
    held = [(stage, model.stages[stage]) for stage in stages if stage in model.stages]
    told = ", ".join(f"{dot}{stage} {short(a.version)}" for stage, a in held)
    updated = max((event.at for event in model.events), default=0)
    return [
        "deleted" if model.deleted else screen.absent if newest is None else newest.name,
        str(sum(not version.deleted for version in model.versions)),
        screen.moment(updated, now) if updated else screen.absent,
        Cell(told or absent, "good"),
        first_line(model.description or absent),
    ]


def known_stages(store: Repository) -> tuple[str, ...]:
    """Return the stages that ``stages.order`` of the settings names, if there are settings."""
    top = store.work_tree
    if top is None or not (top / ".gitml" / "config.yaml").is_file():
        return ()  # and YAML is not loaded
    from gitml.tracking.settings import read_settings

    return read_settings(top).stage_order


def say_if_tags_alone(session: Session, listed: Iterable[Model]) -> None:
    """Say on stderr that of gitml's models the tags alone are here, as in a plain clone."""
    alone = [model for model in listed if model.tip is None and not model.foreign]
    if any(version.published for model in alone for version in model.versions):
        session.say(
            "This clone has the tags of models and not their journals, which say "
            "what is deprecated, renamed or noted.",
            hint="gitml pull brings them",
        )


def say_what_is_wrong(session: Session, registry: Registry) -> None:
    """Say on stderr which journals cannot be read, and which are not here."""
    say_if_tags_alone(session, registry.models.values())
    for reason in registry.damaged.values():
        session.say(reason, hint="gitml audit says what is wrong")
