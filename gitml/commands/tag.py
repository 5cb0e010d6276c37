"""``gitml tag``: labels on runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option, run_argument
from gitml.errors import NotFoundError, UsageError
from gitml.names import did_you_mean, plural, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitml.commands.options import Session
    from gitml.model import Run


@command(
    examples=[
        "gitml tag brave-otter-12 team=growth reviewed=yes",
        "gitml tag latest best:auc sweep=a -d draft",
    ],
    exits=[3, 5, 6, 7, 8],
)
@run_argument("words", metavar="RUN... [KEY=VALUE]...", nargs=-1, required=True)
@click.option("-d", "--delete", metavar="KEY", multiple=True, help="Take this tag off; repeatable.")
@json_option
def tag(
    session: Session, *, words: tuple[str, ...], delete: tuple[str, ...], as_json: bool
) -> None:
    """Set tags of runs, take them off, or show them.

    The first word is a RUN; from the first KEY=VALUE after it on, all words are
    tags. A RUN whose name holds a = comes first, or is named by its id. All runs
    get all the tags, or none does. Without tags those there are are shown.
    """
    from gitml.tracking import edit

    names, tags = _parted(words)
    both = [key for key in delete if key in tags]
    if both:
        raise UsageError(f"The tag {visible(both[0], 80)} is both set and taken off.")
    with session.index() as index:
        runs = list({run.id: run for run in map(index.find, names)}.values())
    for key in delete:
        _check_there(runs, key)
    changes: dict[str, str | None] = {**tags, **dict.fromkeys(delete)}
    if changes:
        runs = edit.set_tags(session.store(), runs, changes, now=session.now)
    if as_json:
        from gitml.registry.standing import run_documents

        session.screen.json(runs=run_documents(session.store(), runs))
    elif changes:
        _tell(session, runs, changes)
    else:
        _show(session, runs)


def _parted(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the runs and the tags that the words name."""
    first = next((n for n, word in enumerate(words) if n and "=" in word), len(words))
    tags: dict[str, str] = {}
    for word in words[first:]:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(
                f"{visible(word, 80)} comes after a tag and is none.",
                hint="name the runs first, then the tags as KEY=VALUE; quote a value with spaces",
            )
        if tags.get(key, value) != value:
            raise UsageError(f"The tag {visible(key, 80)} is given two values.")
        tags[key] = value
    return list(words[:first]), tags


def _check_there(runs: Sequence[Run], key: str) -> None:
    if not any(key in run.tags for run in runs):
        among = [known for run in runs for known in run.tags]
        raise NotFoundError(
            f"{_named(runs)} has no tag {visible(key, 80)}"
            if len(runs) == 1
            else f"None of these {len(runs)} runs has a tag {visible(key, 80)}",
            hint=did_you_mean(key, among) or "gitml tag RUN shows a run's tags",
        )


def _named(runs: Sequence[Run]) -> str:
    return visible(runs[0].name, 80) if len(runs) == 1 else plural(len(runs), "run")


def _tell(session: Session, runs: Sequence[Run], changes: Mapping[str, str | None]) -> None:
    told = [f"{key}={value}" for key, value in changes.items() if value is not None]
    told += [f"{key} taken off" for key, value in changes.items() if value is None]
    session.screen.line(f"Tagged {_named(runs)}: {', '.join(told)}")


def _show(session: Session, runs: Sequence[Run]) -> None:
    from gitml.output import Cell, Column

    rows = [(run.name, key, value) for run in runs for key, value in sorted(run.tags.items())]
    if not rows:
        verb = "has" if len(runs) == 1 else "have"
        session.say(f"{_named(runs)} {verb} no tags.", hint="gitml tag RUN KEY=VALUE sets one")
        return
    screen = session.screen
    heads = ["RUN", "TAG", "VALUE"] if screen.terminal else ["run", "tag", "value"]
    screen.table(
        [Column(heads[0]), Column(heads[1]), Column(heads[2], widest=60)],
        [[Cell(name, "act"), key, value] for name, key, value in rows],
    )
