"""Where the stage files on the protected branch and the tags disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.errors import InputError
from gitml.names import TAGS, stage_tag, visible
from gitml.registry.checks.sight import Finding
from gitml.registry.desired import read_desired, stage_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitml.registry.checks.sight import Sight
    from gitml.registry.desired import Desired
    from gitml.registry.values import Assignment, Model


def check(sight: Sight) -> Iterator[Finding]:
    """Yield stages that are not as their stage files say, and stage files that say nothing."""
    models = {model.slug: model for model in sight.registry.models.values()}
    agreed: set[tuple[str, str]] = set()
    for file in stage_files(sight.repository, sight.tip) if sight.tip is not None else ():
        try:
            desired = read_desired(sight.repository, file)
        except InputError as error:
            if sight.whole:
                mend = error.hint or "mend the file by a reviewed change"
                where = f"{visible(file.path, 120)} on {sight.branch}"
                yield _drift("", f"{where} cannot be used: {error.message}", mend)
            continue
        if desired.model not in sight.slugs and not sight.whole:
            continue
        model = models.get(desired.model)
        if model is None:
            text = f"{file.path} is of a model that is not registered."
            yield _drift(desired.model, text, "remove the file, or mend its path")
            continue
        finding = _compare(sight, model, desired)
        if finding is None:
            agreed.add((desired.model, desired.stage))
        else:
            yield finding
    for model in sight.models:
        for stage, assignment in model.stages.items():
            if assignment.drift and (model.slug, stage) not in agreed:
                yield _broken_glass(model, assignment)


def _compare(sight: Sight, model: Model, desired: Desired) -> Finding | None:
    now = model.stages.get(desired.stage)
    held = None if now is None else now.version
    where = f"{stage_title(model, desired.stage)} holds {held or 'nothing'}"
    if held != desired.version:
        text = f"{where}, and {desired.path} on {sight.branch} says {desired.version or 'null'}."
    elif desired.digest is not None:
        version = next((v for v in model.versions if v.name == desired.version), None)
        if version is None or version.digest == desired.digest:
            return None
        text = f"{where}, whose digest is another than the one in {desired.path}."
    else:
        return None
    mend = (
        "gitml apply does what the file says if it was never applied, "
        "or gitml promote --review changes the file"
    )
    ref = "" if now is None else TAGS + stage_tag(model.slug, desired.stage, now.n)
    return _drift(model.slug, text, mend, ref)


def _broken_glass(model: Model, assignment: Assignment) -> Finding:
    text = (
        f"{stage_title(model, assignment.stage)} holds {assignment.version} by break-glass, "
        "and no stage file has agreed since."
    )
    mend = (
        f"gitml promote {model.slug} {assignment.version} --stage {assignment.stage} --review "
        "makes it reviewed, or gitml rollback takes it back"
    )
    ref = TAGS + stage_tag(model.slug, assignment.stage, assignment.n)
    return _drift(model.slug, text, mend, ref)


def stage_title(model: Model, stage: str) -> str:
    """Return a stage of a model as a sentence begins with it."""
    return f"{visible(model.name, 80)}#{stage}"


def _drift(slug: str, text: str, mend: str, ref: str = "") -> Finding:
    return Finding(kind="drift", level="warning", model=slug, ref=ref, text=text, mend=mend)
