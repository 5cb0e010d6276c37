"""What commands that write to the registry share: options, who writes, what is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from gitml.errors import UsageError
from gitml.names import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitml.commands.options import Session
    from gitml.model import Json
    from gitml.registry.judging import PolicyRefusedError
    from gitml.registry.policy import Judgement
    from gitml.registry.values import Event, Model, Version
    from gitml.registry.writing import Context, Written
    from gitml.store.git import Repository

F = TypeVar("F", bound="Callable[..., Any]")

reason_option = click.option("-m", "--reason", metavar="TEXT", help="Why; it is kept for good.")
stage_option = click.option("--stage", metavar="STAGE", required=True, help="The stage.")
break_glass_option = click.option(
    "--break-glass",
    metavar="REASON",
    help="Do it under the policy's list break_glass, for this reason.",
)


def sign_options(function: F) -> F:
    """Add ``--sign`` and ``--no-sign``; by default it is as ``tag.gpgSign`` says."""
    option = click.option(
        "--sign/--no-sign",
        default=None,
        help="Sign the tag with git's key (default: git config tag.gpgSign).",
    )
    return option(function)


def context_of(session: Session, store: Repository, *, sign: bool | None = None) -> Context:
    """Return who writes, when, where to, and with which signature."""
    from gitml.registry.signing import signature_of
    from gitml.registry.writing import open_context
    from gitml.tracking.identity import author

    signature = signature_of(store, sign)
    return open_context(store, by=author(store), now=session.now, sign=signature)


def model_and_version(words: tuple[str, ...]) -> str:
    """Return ``churn@v1.2.0`` of ``churn v1.2.0``, ``churn 3``, or of the reference itself."""
    if len(words) == 1:
        return words[0]
    if len(words) > 2:  # noqa: PLR2004 - a model and a version
        raise UsageError(f"{visible(words[2], 80)!r} is one word too many.")
    name, version = words
    if "@" in name or "#" in name:
        raise UsageError(f"{visible(name, 80)} and {visible(version, 80)} both name a version.")
    return f"{name}@{version}"


def target_of(store: Repository, ref: str) -> tuple[Model, Version | None]:
    """Return the model that is named, and the version if one is, as they are here."""
    from gitml.registry.references import parse_reference, resolve
    from gitml.registry.state import read_registry

    registry = read_registry(store)
    wanted = parse_reference(ref)
    if wanted == parse_reference(wanted.model):
        return registry.find(wanted.model), None
    return resolve(registry, ref)


def tell_change(
    session: Session, written: Written, told: str, *, as_json: bool, undo: str | None = None
) -> None:
    """Say what became of a model or version, whose name stands for ``{}`` in ``told``."""
    from gitml.output import Cell
    from gitml.registry.documents import event_json

    event, model = written.event, written.model
    assert model is not None
    if as_json:
        shown = event_json(event) if written.changed else None
        session.screen.json(changed=written.changed, model=model.name, slug=model.slug, event=shown)
        return
    if not written.changed:
        session.say("It is so already; nothing was changed.")
        return
    name = visible(model.name, 80)
    named = name if event.version is None else f"{name} {event.version}"
    session.screen.line(told.replace("{}", named, 1))
    if undo:
        session.screen.line("  undo: ", Cell(undo, "act"))


def tell_stage(session: Session, store: Repository, written: Written, *, as_json: bool) -> None:
    """Say what became of a stage, and the command that undoes it."""
    from gitml.output import Cell
    from gitml.registry.gates.base import review_command

    event, model = written.event, written.model
    assert model is not None
    undo = undo_of(written)
    if as_json:
        session.screen.json(**_stage_json(written, undo))
        return
    judgement = written.judgement
    if judgement is not None:
        draw_judgement(session, judgement)
    screen = session.screen
    name = f"{visible(model.name, 80)} {event.version}"
    if not written.changed:
        session.say(f"{name} is in {event.stage} already; nothing was changed.")
        return
    if event.kind == "unassign":
        told = f"Took {name} out of {event.stage}: it is empty now."
    else:
        verb = "Rolled back to" if event.via == "rollback" else "Promoted"
        told = f"{verb} {name} {'in' if event.via == 'rollback' else 'to'} {event.stage}, "
        told += f"in place of {event.previous}." if event.previous else "which was empty."
    screen.line(f"{told}  {written.tags[0]}")
    if undo:
        screen.line("  undo: ", Cell(undo, "act"))
    _say_if_new(session, model, event)
    if event.via == "break-glass":
        leaves = event.kind == "unassign"
        names = model.slug, event.version or "", event.stage or ""
        session.say(
            f"{event.stage} differs from what was reviewed until a stage file agrees.",
            hint=review_command(*names, "direct", leaves=leaves),
        )
    _tell_deploy(session, store, written)


def _say_if_new(session: Session, model: Model, event: Event) -> None:
    """Say that a stage is new where its name is nearly that of another, and may be a slip."""
    from gitml.names import did_you_mean

    stages = {each.stage for each in model.events if each.stage}
    if event.stage is None or event.stage in stages:
        return
    if near := did_you_mean(event.stage, stages):
        name = visible(model.name, 80)
        session.say(
            f"{event.stage} is a new stage of {name}.", hint=f"{near} The command above undoes it."
        )


def draw_judgement(session: Session, judgement: Judgement) -> None:
    """Draw what the gates said; say it where there is no policy."""
    from gitml.output.verdicts import draw_verdicts

    if judgement.absent:
        session.say(
            "There is no policy, so nothing was asked.", hint="gitml init --policy writes one"
        )
    elif judgement.verdicts:
        draw_verdicts(session.screen, judgement.verdicts)


def refused(session: Session, error: PolicyRefusedError, *, as_json: bool) -> None:
    """Draw what the gates said before the refusal is reported."""
    if as_json:
        session.screen.json(changed=False, policy=_judgement_json(error.judgement))
    else:
        draw_judgement(session, error.judgement)


def undo_of(written: Written) -> str | None:
    """Return the command that undoes a change of a stage, or None if nothing was changed."""
    event, model = written.event, written.model
    if not written.changed or model is None:
        return None
    stage = f"--stage {event.stage}"
    if event.via == "break-glass":  # what the policy does not let pass, it does not let back
        stage += " --break-glass REASON"
    if event.kind == "unassign":
        return f"gitml promote {model.slug} {event.version} {stage}"
    if event.previous is None:
        return f"gitml unassign {model.slug} {stage}"
    if event.via == "rollback":
        return f"gitml promote {model.slug} {event.previous} {stage}"
    return f"gitml rollback {model.slug} {stage}"


def _stage_json(written: Written, undo: str | None) -> dict[str, Json]:
    from gitml.registry.documents import event_json

    model = written.model
    assert model is not None
    return {
        "changed": written.changed,
        "model": model.name,
        "slug": model.slug,
        "event": event_json(written.event),
        "tags": list(written.tags),
        "policy": None if written.judgement is None else _judgement_json(written.judgement),
        "undo": undo,
    }


def _judgement_json(judgement: Judgement) -> dict[str, Json]:
    from gitml.registry.message import verdict_json

    return {
        "absent": judgement.absent,
        "answer": judgement.answer,
        "source": judgement.source,
        "gates": [verdict_json(verdict) for verdict in judgement.verdicts],
    }


def _tell_deploy(session: Session, store: Repository, written: Written) -> None:
    """Say how the deployment is started, where a workflow waits for it: no tag starts one."""
    workflow = ".github/workflows/gitml-apply.yml"
    model: Model | None = written.model
    if model is None or store.work_tree is None or not (store.work_tree / workflow).is_file():
        return
    fields = f"-f model={model.slug} -f stage={written.event.stage}"
    session.say(
        "No workflow starts by itself for a tag of a model.",
        hint=f"gh workflow run gitml-apply.yml {fields}",
    )
