"""What is said of models and versions after they were registered; nothing is ever unsaid.

Each change is an event of the model's journal, and its undoing is another. No
version, number or name becomes free by it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitml.errors import NotFoundError, RefusedError
from gitml.lines import dump_json
from gitml.names import TAGS, check_name, did_you_mean, version_tag, visible
from gitml.registry.finding import find_model, require_journal, version_of
from gitml.registry.message import check_text, event_message
from gitml.registry.references import check_model_name, latest, parse_reference
from gitml.registry.stagedrafts import draft_of
from gitml.registry.state import read_registry
from gitml.registry.tagobject import TagDraft
from gitml.registry.values import Event
from gitml.registry.versionfile import load_version
from gitml.registry.writing import AlreadySoError, event_time, write_event
from gitml.store.git import RefUpdate
from gitml.store.shared import fetch_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from gitml.registry.values import Model, Version
    from gitml.registry.writing import Context, Draft, Written
    from gitml.store.git import Repository


def set_tags(
    repository: Repository, reference: str, changes: Mapping[str, str | None], context: Context
) -> Written:
    """Set tags of a model or of one version of it; None takes a tag off.

    Raises `NotFoundError` for a tag to be taken off that is not there.
    """
    given = {
        check_name(key, "tag"): None if value is None else check_text(value, f"tag {key}")
        for key, value in changes.items()
    }

    def decide(model: Model, version: Version | None) -> dict[str, Any]:
        before = model.tags if version is None else _labels(repository, version)
        for key, value in given.items():
            if value is None and key not in before:
                raise NotFoundError(
                    f"{_title(model, version)} has no tag {visible(key, 80)}",
                    hint=did_you_mean(key, before),
                )
        after = {key: value for key, value in {**before, **given}.items() if value is not None}
        if after == dict(before):
            raise AlreadySoError(model.events[-1])
        return {"kind": "describe", "extra": {"labels": dump_json(dict(sorted(after.items())))}}

    return _change(repository, reference, context, decide, "Set tags of {}")


def set_note(repository: Repository, reference: str, text: str, context: Context) -> Written:
    """Set a model's description, or the note of one version; an empty text removes it."""
    kept = check_text(text, "text")

    def decide(model: Model, version: Version | None) -> dict[str, Any]:
        before = model.description if version is None else _note(repository, version)
        if (before or "") == kept:
            raise AlreadySoError(model.events[-1])
        key = "description" if version is None else "note"
        return {"kind": "describe", "extra": {key: kept}}

    def told(model: Model, version: Version | None) -> object:
        return model.description if version is None else version.note

    return _change(repository, reference, context, decide, "Describe {}", matters=told)


def _labels(repository: Repository, version: Version) -> Mapping[str, str]:
    """Return the labels of a version: those of its registration until somebody set others."""
    return load_version(repository, version).tags if version.tags is None else version.tags


def _note(repository: Repository, version: Version) -> str | None:
    return load_version(repository, version).note if version.note is None else version.note


def deprecate(repository: Repository, reference: str, reason: str, context: Context) -> Written:
    """Mark a version as one that nobody should use any more; no stage may take it then.

    Raises `RefusedError` while a stage holds it.
    """
    why = check_text(reason, "reason")

    def decide(model: Model, version: Version | None) -> dict[str, Any]:
        wanted = _one_version(model, version)
        _check_in_no_stage(model, wanted, "deprecated")
        if wanted.deprecated == why:
            raise AlreadySoError(model.events[-1])
        return {"kind": "deprecate", "reason": why or None}

    return _change(repository, reference, context, decide, "Deprecate {}", matters=_use)


def undo_deprecate(repository: Repository, reference: str, context: Context) -> Written:
    """Take a deprecation back."""

    def decide(model: Model, version: Version | None) -> dict[str, Any]:
        if _one_version(model, version).deprecated is None:
            raise AlreadySoError(model.events[-1])
        return {"kind": "restore"}

    sentence = "Take back the deprecation of {}"
    return _change(repository, reference, context, decide, sentence, matters=_use)


def rename(repository: Repository, name: str, new: str, context: Context) -> Written:
    """Give a model another name; the old one goes on naming it, and its tags stay.

    Raises `RefusedError` if another model has the name.
    """
    check_model_name(new)

    def decide(model: Model, version: Version | None) -> dict[str, Any]:
        if version is not None:
            raise RefusedError("A version cannot be renamed, only a model.")
        if model.name == new:
            raise AlreadySoError(model.events[-1])
        _check_name_is_free(repository, model, new)
        return {"kind": "rename", "model": new, "previous": model.name}

    sentence = f"Rename {{}} to {visible(new, 100)}"
    return _change(repository, name, context, decide, sentence, matters=lambda m, _: m.name)


def delete(repository: Repository, reference: str, reason: str | None, context: Context) -> Written:
    """Delete a model or a version: a mark, which `undo_delete` takes back.

    A version gets the tag by which GTO takes it for deregistered as well. Raises
    `RefusedError` while a stage holds it.
    """
    why = check_text(reason, "reason") if reason else None

    def decide(model: Model, version: Version | None) -> dict[str, Any]:
        if version is not None:
            _check_in_no_stage(model, version, "deleted")
        elif model.stages:
            raise _in_use(model, next(iter(model.stages)), model.name, "deleted")
        return {"kind": "delete", "reason": why}

    return _change(repository, reference, context, decide, "Delete {}", matters=_use)


def undo_delete(repository: Repository, reference: str, context: Context) -> Written:
    """Bring back a model or a version that was deleted; for GTO the version stays away."""

    def decide(model: Model, version: Version | None) -> dict[str, Any]:
        if not (model.deleted if version is None else version.deleted):
            raise AlreadySoError(model.events[-1])
        if version is None:
            _check_name_is_free(repository, model, model.name)
        return {"kind": "restore"}

    return _change(repository, reference, context, decide, "Bring back {}", deleted=True)


def forget(repository: Repository, version: Version) -> None:
    """Remove a version that was never published; raise `RefusedError` for any other."""
    if version.published or version.pending_ref is None:
        raise RefusedError(f"{version.title} is published; it can be deleted, and not forgotten.")
    old = repository.resolve(version.pending_ref)
    repository.update_refs([RefUpdate(version.pending_ref, None, old)])


def _change(
    repository: Repository,
    reference: str,
    context: Context,
    decide: Callable[[Model, Version | None], dict[str, Any]],
    sentence: str,
    *,
    matters: Callable[[Model, Version | None], object] = lambda *_: None,
    deleted: bool = False,
) -> Written:
    """Write the event whose facts ``decide`` returns, of a model or a version of it."""
    slug, seen = _find(repository, reference, context, deleted=deleted)

    def build(model: Model | None) -> Draft:
        present = require_journal(model, reference, deleted=deleted)
        version = _wanted(present, reference, deleted=deleted)
        facts = decide(present, version)
        event = Event(
            at=event_time(present, context.now),
            by=context.by,
            version=None if version is None else version.name,
            **{"model": present.name, **facts},
        )
        said = sentence.replace("{}", _title(present, version), 1)
        tag = None if version is None else version_tag(slug, version.name, deleted=True)
        if event.kind != "delete" or tag is None or _has_tag(repository, tag):
            return draft_of(present, event, said)
        return _with_tag(present, event, said, tag)

    def state(model: Model | None) -> object:
        if model is None:
            return None
        try:
            return matters(model, _wanted(model, reference, deleted=deleted))
        except NotFoundError as error:
            return error.message

    return write_event(repository, slug, build, context, state, seen=seen)


def _find(
    repository: Repository, reference: str, context: Context, *, deleted: bool
) -> tuple[str, Model]:
    """Return slug and model as `find_model` does, with ``deleted`` models by their names too."""
    wanted = parse_reference(reference)
    if deleted and wanted == parse_reference(wanted.model):
        gone = _deleted_models(repository, wanted.model)
        if not gone and context.remote is not None:
            fetch_registry(repository, context.remote, context.branch)
            gone = _deleted_models(repository, wanted.model)
        if len(gone) > 1:
            slugs = ", ".join(model.slug for model in gone)
            raise NotFoundError(
                f"Several deleted models were called {visible(wanted.model, 80)}",
                hint=f"name one by its slug: {slugs}",
            )
        if gone:
            return gone[0].slug, gone[0]
    return find_model(repository, reference, context)


def _deleted_models(repository: Repository, name: str) -> list[Model]:
    known = read_registry(repository).models.values()
    return [model for model in known if model.deleted and name in {model.name, model.slug}]


def _wanted(model: Model, reference: str, *, deleted: bool) -> Version | None:
    """Return the version that a reference names in a model, None if it names the model."""
    wanted = parse_reference(reference)
    found: Version | None = None
    if wanted.latest:
        found = latest(model)
        if found is None:
            raise NotFoundError(f"{visible(model.name, 80)} has no version yet")
    elif wanted.stage is not None:
        held = model.stages.get(wanted.stage)
        if held is None:
            raise NotFoundError(
                f"No version of {visible(model.name, 80)} is in {visible(wanted.stage, 80)}",
                hint=did_you_mean(wanted.stage, model.stages),
            )
        found = version_of(model, held.version)
    elif wanted.number is not None:
        numbered = [v for v in model.versions if v.number == wanted.number]
        found = next((v for v in numbered if v.published), next(iter(numbered), None))
        if found is None:
            raise NotFoundError(
                f"{visible(model.name, 80)} has no version {wanted.number}",
                hint=f"gitml model show {model.slug} lists its versions",
            )
    elif wanted.version is not None:
        found = version_of(model, wanted.version)
    if found is not None and found.deleted and not deleted:
        raise NotFoundError(
            f"{_title(model, found)} was deleted.",
            hint=f"gitml model delete {found.title} --undo brings it back",
        )
    if found is not None and not found.published:
        raise RefusedError(
            f"{_title(model, found)} is not published yet.",
            hint=f"gitml model publish {model.slug}",
        )
    return found


def _with_tag(model: Model, event: Event, sentence: str, tag: str) -> Draft:
    """Return the draft of an event with a tag of its version's commit."""
    assert event.version is not None
    told = replace(event, tags=(tag,))
    draft = TagDraft(
        name=tag,
        target=version_of(model, event.version).commit,
        message=event_message(told, sentence),
        tagger=event.by,
        at=event.at,
    )
    return draft_of(model, told, sentence, (draft,))


def _has_tag(repository: Repository, tag: str) -> bool:
    return repository.resolve(f"{TAGS}{tag}") is not None


def _title(model: Model, version: Version | None) -> str:
    name = visible(model.name, 80)
    return name if version is None else f"{name} {version.name}"


def _use(model: Model, version: Version | None) -> object:
    """Return what tells whether a version is in use, and what was said of it."""
    stages = {stage: held.version for stage, held in model.stages.items()}
    if version is None:
        return model.deleted, stages, len(model.versions)
    used = sorted(stage for stage, name in stages.items() if name == version.name)
    return version.deprecated, version.deleted, used


def _one_version(model: Model, version: Version | None) -> Version:
    if version is None:
        raise NotFoundError(
            f"{visible(model.name, 80)} is a model, and a version is needed",
            hint=f"gitml model show {model.slug} lists them; name one as {model.slug}@v1.0.0",
        )
    return version


def _check_in_no_stage(model: Model, version: Version, what: str) -> None:
    for stage, held in model.stages.items():
        if held.version == version.name:
            raise _in_use(model, stage, _title(model, version), what)


def _in_use(model: Model, stage: str, title: str, what: str) -> RefusedError:
    return RefusedError(
        f"{visible(title, 200)} cannot be {what} while {stage} holds "
        f"{model.stages[stage].version}. Nothing was changed.",
        hint=f"gitml unassign {model.slug} --stage {stage}, or promote another version",
    )


def _check_name_is_free(repository: Repository, model: Model, name: str) -> None:
    for other in read_registry(repository).models.values():
        if other.slug == model.slug or other.deleted:
            continue
        if name in {other.name, other.slug, *other.aliases}:
            raise RefusedError(
                f"Another model is called {visible(name, 80)}, or was.",
                hint=f"gitml model show {other.slug} shows it",
            )
