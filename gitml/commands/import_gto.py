"""``gitml import gto``: take over the models that GTO's tags tell of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option
from gitml.names import plural, visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitml.commands.options import Session
    from gitml.registry.importing import Plan


@command(
    name="gto",
    examples=["gitml import gto --dry-run", "gitml import gto churn fraud"],
    exits=[3, 4, 5, 6, 7, 8, 9],
)
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option("--dry-run", is_flag=True, help="Only say what would be taken over.")
@json_option
def import_gto(session: Session, *, names: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Take over the models that GTO's tags tell of.

    Each gets a journal whose first event lists its tags; no tag is written or
    changed, and gto goes on reading them. Without names all are taken over.
    """
    from gitml.registry.importing import import_models, plan_import
    from gitml.registry.state import read_registry
    from gitml.registry.writing import open_context
    from gitml.store.shared import fetch_registry
    from gitml.tracking.identity import author

    store = session.store()
    context = open_context(store, by=author(store), now=session.now)
    if context.remote is not None:
        fetch_registry(store, context.remote, context.branch)
    plan = plan_import(read_registry(store), names)
    commits: Mapping[str, str] = {}
    if plan.models and not dry_run:
        commits = import_models(store, plan.models, context)
    if as_json:
        _json(session, plan, commits)
    else:
        _tell(session, plan, dry_run=dry_run)


def _json(session: Session, plan: Plan, commits: Mapping[str, str]) -> None:
    from gitml.registry.documents import model_json

    session.screen.json(
        models=[{**model_json(m), "commit": commits.get(m.slug)} for m in plan.models],
        left=[{"name": name, "reason": reason} for name, reason in plan.left],
    )


def _tell(session: Session, plan: Plan, *, dry_run: bool) -> None:
    screen = session.screen
    for model in plan.models:
        parts = [plural(len(model.versions), "version"), plural(len(model.stages), "stage")]
        parts.append(plural(len(model.events), "tag"))
        screen.line("  " if screen.terminal else "", f"{model.name}: {', '.join(parts)}")
    for name, reason in plan.left:
        session.say(f"{visible(name, 80)} stays as it is: {reason}.")
    count = plural(len(plan.models), "model")
    if not plan.models:
        session.say(
            "There is no model to be taken over.", hint="gitml models lists those there are"
        )
    elif dry_run:
        session.say(f"{count} would be taken over; nothing was written.")
    else:
        screen.line(f"Took over {count}.")
        if screen.terminal:
            screen.commands("gitml stages", "gitml models")
