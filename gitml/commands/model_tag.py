"""``gitml model tag``: labels on models and versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_references
from gitml.commands.options import command, json_option
from gitml.commands.writing import context_of, target_of, tell_change
from gitml.errors import UsageError
from gitml.names import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitml.commands.options import Session


@command(
    name="tag",
    examples=[
        "gitml model tag churn team=growth",
        "gitml model tag churn@v1.2.0 validated=yes -d draft",
    ],
    exits=[3, 4, 5, 6, 7, 8, 9],
)
@click.argument("ref", metavar="MODEL|VERSION", shell_complete=complete_references)
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("-d", "--delete", metavar="KEY", multiple=True, help="Take this tag off; repeatable.")
@json_option
def model_tag(
    session: Session, *, ref: str, words: tuple[str, ...], delete: tuple[str, ...], as_json: bool
) -> None:
    """Set tags of a model or a version, take them off, or show them.

    A tag says something; it decides nothing: gates read what was frozen when the
    version was registered.
    """
    from gitml.registry.manage import set_tags

    changes = _changes(words, delete)
    if not changes:
        _show(session, ref, as_json=as_json)
        return
    store = session.store()
    written = set_tags(store, ref, changes, context_of(session, store))
    told = [f"{key}={value}" for key, value in changes.items() if value is not None]
    told += [f"{key} taken off" for key, value in changes.items() if value is None]
    tell_change(session, written, f"Tagged {{}}: {', '.join(told)}", as_json=as_json)


def _changes(words: tuple[str, ...], delete: tuple[str, ...]) -> dict[str, str | None]:
    changes: dict[str, str | None] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(
                f"{visible(word, 80)} does not say what the tag is.", hint="write it as KEY=VALUE"
            )
        if changes.get(key, value) != value:
            raise UsageError(f"The tag {visible(key, 80)} is given two values.")
        changes[key] = value
    both = [key for key in delete if key in changes]
    if both:
        raise UsageError(f"The tag {visible(both[0], 80)} is both set and taken off.")
    return {**changes, **dict.fromkeys(delete)}


def _show(session: Session, ref: str, *, as_json: bool) -> None:
    name, tags = _tags(session, ref)
    screen = session.screen
    if as_json:
        screen.json(name=name, tags=dict(tags))
        return
    if not tags:
        session.say(f"{name} has no tags.", hint="gitml model tag REF KEY=VALUE sets one")
    for key, value in sorted(tags.items()):
        screen.line("  " if screen.terminal else "", f"{key}={value}")


def _tags(session: Session, ref: str) -> tuple[str, Mapping[str, str]]:
    from gitml.registry.versionfile import load_version

    store = session.store()
    model, version = target_of(store, ref)
    if version is None:
        return visible(model.name, 80), model.tags
    name = f"{visible(model.name, 80)} {version.name}"
    if version.tags is not None:
        return name, version.tags
    return name, load_version(store, version).tags
