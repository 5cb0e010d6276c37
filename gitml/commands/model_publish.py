"""``gitml model publish``: what waits here, sent to the registry's remote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_models
from gitml.commands.options import command, json_option
from gitml.commands.writing import context_of, sign_options
from gitml.names import plural, visible

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.model import Json
    from gitml.registry.publishing import Published


@command(
    name="publish",
    examples=["gitml model publish churn", "gitml model publish --json"],
    exits=[3, 4, 5, 6, 7, 8, 9, 10],
)
@click.argument("name", metavar="[MODEL]", required=False, shell_complete=complete_models)
@sign_options
@json_option
def model_publish(session: Session, *, name: str | None, sign: bool | None, as_json: bool) -> None:
    """Publish what waits here: versions that were registered while the remote was away.

    They go in the order of time; one whose name was taken meanwhile gets the next.
    A model that was made before there was a remote goes as a whole. Without MODEL
    all are published.
    """
    from gitml.registry.publishing import publish

    store = session.store()
    context = context_of(session, store, sign=sign)
    done = publish(store, name, context)
    if as_json:
        session.screen.json(published=[_json(one) for one in done])
    elif done:
        _tell(session, done, str(context.remote))
    else:
        session.say("Nothing waits to be published.")


def _json(one: Published) -> dict[str, Json]:
    from gitml.registry.documents import event_json

    return {
        "model": one.model.name,
        "slug": one.model.slug,
        "events": [event_json(event) for event in one.events],
        "versions": [
            {"version": v.version.name, "number": v.version.number, "changed": v.written.changed}
            for v in one.versions
        ],
    }


def _tell(session: Session, done: tuple[Published, ...], remote: str) -> None:
    screen = session.screen
    for one in done:
        name = visible(one.model.name, 80)
        if one.events:
            count = plural(len(one.events), "event")
            screen.line(f"Published {name} with {count} on {visible(remote, 80)}.")
        for registered in one.versions:
            version = registered.version
            if registered.written.changed:
                screen.line(f"Published {name}@{version.name}, number {version.number}.")
            else:
                screen.line(f"{name}@{version.name} was published already.")
