"""``gitml apply``: tags for what the stage files of the protected branch ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option
from gitml.commands.writing import context_of, draw_judgement, sign_options
from gitml.errors import RefusedError, UsageError
from gitml.names import plural, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.commands.options import Session
    from gitml.errors import GitmlError
    from gitml.model import Json
    from gitml.registry.applying import Applied
    from gitml.registry.writing import Context
    from gitml.store.git import Repository


@command(
    examples=[
        'gitml apply --before "$BEFORE" --events-to "$GITHUB_OUTPUT"',
        "gitml apply --model churn --stage production --json",
    ],
    exits=[3, 4, 5, 6, 7, 8, 9, 10],
)
@click.option("--before", metavar="REV", help="The commit of the branch before the push.")
@click.option("--model", metavar="MODEL", help="Tag nothing; say what a stage of MODEL holds.")
@click.option("--stage", metavar="STAGE", help="The stage that --model asks for.")
@click.option(
    "--events-to",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Append events=JSON, what is to be deployed, to FILE.",
)
@sign_options
@json_option
def apply(
    session: Session,
    *,
    before: str | None,
    model: str | None,
    stage: str | None,
    events_to: Path | None,
    sign: bool | None,
    as_json: bool,
) -> int:
    """Put versions into stages as the protected branch's stage files say.

    For CI, after a merge. Each stage file that is another than before the push is
    judged again, by the policy before it and at the branch's newest commit, and
    tagged if it passes. A change that was applied before is left alone, so doing it
    again is safe. Without --before it goes on from what was applied last.
    """
    from gitml.registry.applying import apply as done
    from gitml.registry.applying import events_json

    if (model is None) != (stage is None):
        raise UsageError("--model and --stage go together.")
    if model is not None and before is not None:
        raise UsageError("--before and --model do not go together.")
    store = session.store()
    context = context_of(session, store, sign=sign)
    if model is not None and stage is not None:
        return _present(session, store, model, stage, events_to, context, as_json=as_json)
    from gitml.commands.hosting import host_and_access

    host, access = host_and_access(store, context.remote)
    applied = done(store, before=before, context=context, host=host, access=access)
    events = events_json(applied)
    _append(events_to, events)
    if as_json:
        changes = [_applied_json(one) for one in applied]
        session.screen.json(branch=context.branch, changes=changes, events=events)
    else:
        _draw(session, applied, context)
    if any(one.outcome == "done" for one in applied):
        from gitml.registry.github import tags_protected

        if tags_protected(host, access) is False:
            session.say(
                "Tags are not protected: whoever can push can promote.",
                hint="gitml init --github writes the rules for them",
            )
    _raise_first(applied)
    return 0


def _present(
    session: Session,
    store: Repository,
    name: str,
    stage: str,
    events_to: Path | None,
    context: Context,
    *,
    as_json: bool,
) -> int:
    """Say what a stage holds now; nothing is tagged."""
    from gitml.registry.applying import deployment, present

    model, event = present(store, name, stage, context)
    events = [deployment(model.slug, event)]
    _append(events_to, events)
    if as_json:
        session.screen.json(branch=context.branch, changes=[], events=events)
        return 0
    held = event.version if event.kind == "assign" else "nothing"
    session.screen.line(f"{model.name}: {stage} holds {held}  {' '.join(event.tags[:1])}")
    return 0


def _append(events_to: Path | None, events: Sequence[dict[str, Json]]) -> None:
    """Write the events as GitHub's and GitLab's files of variables have them: a line."""
    if events_to is not None:
        with events_to.open("a", encoding="utf-8", newline="\n") as file:
            file.write(f"events={json.dumps(events, separators=(',', ':'))}\n")


_WORDS = {
    "done": "tagged",
    "already": "applied before",
    "overtaken": "applied before",
    "refused": "refused",
    "unknown": "cannot tell",
    "failed": "failed",
}


def _draw(session: Session, applied: Sequence[Applied], context: Context) -> None:
    if not applied:
        session.say(f"No stage file of {visible(context.branch or '', 80)} is to be applied.")
    for one in applied:
        wanted = "?" if one.desired is None else one.desired.version or "empty"
        place = f"{one.model or one.path}: {one.stage} → {wanted}"
        session.screen.line(f"{place}  {_WORDS[one.outcome]}  {' '.join(one.tags)}".rstrip())
        if one.judgement is not None:
            draw_judgement(session, one.judgement)
        if one.error is not None and one.error is _raised(applied):
            continue  # said at the end
        if one.text:
            session.say(f"  {one.text}")
        if one.hint:
            session.say(f"  hint: {one.hint}")


def _applied_json(one: Applied) -> dict[str, Json]:
    from gitml.registry.documents import event_json
    from gitml.registry.message import verdict_json

    verdicts = () if one.judgement is None else one.judgement.verdicts
    return {
        "path": one.path,
        "model": one.model,
        "stage": one.stage,
        "change": one.change,
        "outcome": one.outcome,
        "version": None if one.desired is None else one.desired.version,
        "digest": None if one.desired is None else one.desired.digest,
        "event": None if one.event is None else event_json(one.event),
        "tags": list(one.tags),
        "text": one.text,
        "gates": [verdict_json(verdict) for verdict in verdicts],
    }


def _raised(applied: Sequence[Applied]) -> GitmlError | None:
    """Return the failure that is raised in the end: what a later call may do by itself."""
    return next((one.error for one in applied if one.outcome == "failed"), None)


def _raise_first(applied: Sequence[Applied]) -> None:
    """Raise for what was not done: what a later call may do by itself comes first."""
    if (failed := _raised(applied)) is not None:
        raise failed
    refused = [one for one in applied if one.outcome in {"refused", "unknown"}]
    if refused:
        count = plural(len(refused), "stage file")
        raise RefusedError(
            f"{count} of {len(applied)} was not applied: {visible(refused[0].path)}"
            if len(refused) == 1
            else f"{count} of {len(applied)} were not applied.",
            hint="mend it by another reviewed change, or do it again where a gate cannot tell",
        )
