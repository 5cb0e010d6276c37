"""That a run got a version's result again: compared, and written to the journal.

The event says which run, within what tolerance, and what was compared; it has a
tag of its own, ``churn@reproduced#1``, so that it can be signed. Tools that read
GTO's tags pass that name over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitml.errors import InputError, NotFoundError, RefusedError
from gitml.lines import dump_json
from gitml.names import TAGS, did_you_mean, plural, reproduction_tag, visible
from gitml.query.compare import alike
from gitml.registry.candidate import run_along, source_along
from gitml.registry.finding import find_model, only, require_journal
from gitml.registry.gates.reproduced import PASSED
from gitml.registry.message import check_text, event_message
from gitml.registry.references import resolve
from gitml.registry.state import fold
from gitml.registry.tagobject import TagDraft
from gitml.registry.values import Event, RunRef
from gitml.registry.versionfile import MODEL_YAML, dump_model, load_version
from gitml.registry.writing import Draft, Written, event_time, policy_tip, write_event
from gitml.store.history import copies
from gitml.words import exact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitml.model import Run
    from gitml.registry.values import Model, ModelVersion
    from gitml.registry.writing import Context
    from gitml.store.fast_import import FastImport
    from gitml.store.git import Repository
    from gitml.store.remote import PushRef

TOLERANCE = 1e-6
"""By how much a metric may differ, as a share of the larger of the two."""
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A metric of a version and of the run that was to get it again."""

    name: str
    """The metric."""
    before: float
    """Its last value when the version was registered."""
    after: float
    """Its last value in the other run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """What became of it."""

    written: Written
    """The event."""
    metrics: tuple[Compared, ...]
    """What was compared."""


def record(
    repository: Repository,
    reference: str,
    run: Run,
    context: Context,
    *,
    tolerance: float = TOLERANCE,
    metrics: Sequence[str] = (),
    reason: str | None = None,
    view: Repository | None = None,
) -> Reproduction:
    """Write that ``run`` got the result of the version that ``reference`` names.

    ``metrics`` are those to be compared, by default all of the version's. Raises
    `RefusedError` that says what differs: a metric by more than ``tolerance``, a
    param, the digest of an input, the code. Nothing is written then. ``view`` is the
    repository as it was when ``run`` was looked up.
    """
    if not math.isfinite(tolerance) or not 0 <= tolerance < 1:
        raise InputError(
            f"A tolerance of {exact(tolerance)} is none.", hint="a share such as 0.01 is one"
        )
    said = check_text(reason, "reason") if reason else None
    slug, seen = find_model(view or repository, reference, context)
    found: list[tuple[Compared, ...]] = []

    def build(model: Model | None) -> Draft:
        present = require_journal(model, reference)
        version = load_version(repository, resolve(only(present), reference)[1])
        found[:] = [_compared(version, run, tolerance, metrics)]
        event = _event(repository, present, version, run, context, tolerance, found[0])
        return _draft(repository, present, version, run, replace(event, reason=said), context)

    def matters(model: Model | None) -> object:
        return model and resolve(only(model), reference)[1].commit

    written = write_event(repository, slug, build, context, matters, seen=seen)
    return Reproduction(written=written, metrics=found[0])


def _compared(
    version: ModelVersion, run: Run, tolerance: float, metrics: Sequence[str]
) -> tuple[Compared, ...]:
    """Return the metrics side by side; raise `RefusedError` if the run is no reproduction."""
    title, shown = f"{visible(version.model, 80)} {version.name}", visible(run.name, 80)
    if version.run is None:
        raise RefusedError(f"{title} has no run, so there is nothing to be got again.")
    if run.id == version.run.id:
        raise RefusedError(
            f"{shown} is the run of {title} itself.", hint="train again and name that run"
        )
    if run.status != "finished":
        raise RefusedError(f"{shown} is {run.status}, and a reproduction is finished.")
    unknown = [name for name in metrics if name not in version.metrics]
    if unknown:
        raise NotFoundError(
            f"{title} has no metric {visible(unknown[0], 80)}",
            hint=did_you_mean(unknown[0], version.metrics),
        )
    names = sorted({*metrics} or version.metrics)
    if not names:
        raise RefusedError(f"{title} has no metrics, so there is nothing to compare.")
    differs = [*_facts(version, run), *_metrics(version, run, tolerance, names)]
    if differs:
        rest = f", and {len(differs) - _SHOWN} more" if len(differs) > _SHOWN else ""
        raise RefusedError(
            f"{shown} did not reproduce {title}: {'; '.join(differs[:_SHOWN])}{rest}.",
            hint=f"gitml diff {visible(version.run.name, 80)} {shown} shows both; "
            "--tolerance and --metric say what may differ",
        )
    pairs = ((name, version.metrics[name].last, run.metrics[name].last) for name in names)
    return tuple(Compared(name=n, before=before, after=after) for n, before, after in pairs)


def _facts(version: ModelVersion, run: Run) -> Iterator[str]:
    """Yield how the run was made of something else than the version's."""
    for name in sorted({*version.params, *run.params}):
        before, after = version.params.get(name), run.params.get(name)
        if name not in version.params or name not in run.params or not alike(before, after):
            yield f"another param {visible(name, 60)}"
    digests = {(d.context, d.name): d.digest for d in run.inputs}
    for data in version.inputs:
        other = digests.get((data.context, data.name))
        if data.digest is not None and other != data.digest:
            what = "another input" if other else "no digest of the input"
            yield f"{what} {visible(data.name, 60)}"
    trees = version.source.tree, run.source.tree
    if None not in trees and trees[0] != trees[1]:
        yield "other code"


def _metrics(
    version: ModelVersion, run: Run, tolerance: float, names: Sequence[str]
) -> Iterator[str]:
    for name in names:
        before, shown = version.metrics[name].last, visible(name, 60)
        if name not in run.metrics:
            yield f"no metric {shown}"
        elif not _near(before, run.metrics[name].last, tolerance):
            yield f"{shown} is {exact(run.metrics[name].last)} and was {exact(before)}"


def _near(before: float, after: float, tolerance: float) -> bool:
    if alike(float(before), float(after)):  # infinities and NaN too
        return True
    return math.isclose(before, after, rel_tol=tolerance, abs_tol=0.0)


def _event(
    repository: Repository,
    model: Model,
    version: ModelVersion,
    run: Run,
    context: Context,
    tolerance: float,
    found: Sequence[Compared],
) -> Event:
    assert version.run is not None
    n = 1 + sum(event.kind == "reproduce" for event in model.events)
    while repository.resolve(TAGS + reproduction_tag(model.slug, n)) is not None:
        n += 1  # a tag that somebody made by hand
    return Event(
        kind="reproduce",
        at=event_time(model, context.now),
        by=context.by,
        model=model.name,
        version=version.name,
        n=n,
        tags=(reproduction_tag(model.slug, n),),
        run=version.run.id,
        digest=version.digest,
        extra={
            "outcome": PASSED,
            "reproduction": run.id,
            "tolerance": exact(tolerance),
            "metrics": dump_json({one.name: [one.before, one.after] for one in found}),
        },
    )


def _draft(
    repository: Repository,
    model: Model,
    version: ModelVersion,
    run: Run,
    event: Event,
    context: Context,
) -> Draft:
    compared = plural(event.extra["metrics"].count("["), "metric")
    sentence = (
        f"{visible(model.name, 100)} {version.name}: reproduced by {visible(run.name, 80)}, "
        f"{compared} compared"
    )
    message = event_message(event, sentence)
    (name,) = event.tags
    after = dump_model(fold([*model.events, event], slug=model.slug))

    def prepare(stream: FastImport) -> Iterator[PushRef]:
        if context.remote is not None:  # whoever doubts it can look at the run
            known = copies(repository, run.id)
            tree = known[0].tree if known else None
            ref = RunRef(id=run.id, name=run.name, experiment=run.experiment, tree=tree)
            other = replace(version, run=ref, source=run.source)
            yield from run_along(repository, stream, other)
            yield from source_along(repository, stream, other, policy_tip(repository, context))

    return Draft(
        event=event,
        sentence=sentence,
        put=lambda stream: stream.put_data(MODEL_YAML, after),
        tags=(TagDraft(name=name, target="", message=message, tagger=event.by, at=event.at),),
        prepare=prepare,
    )
