"""The models: what is in which stage, and a page for each with its versions and its history."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from gitml.names import plural
from gitml.query.columns import best_value
from gitml.site import model_data, urls, versions
from gitml.site.facts import ABSENT, moment
from gitml.site.happened import Teller, cut, metric_of, stage_of, state_marks
from gitml.site.model_pages import ModelReport, Models
from gitml.site.model_parts import Dot, Happening, Mark, ModelRow, VersionChart, VersionRow
from gitml.site.parts import Fact, Pair
from gitml.site.plan import Output
from gitml.words import number, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitml.site.plan import Site
    from gitml.site.registered import ShownModel, ShownVersion

FIRST, _EVENTS = 50, 12
"""Versions, and events, that are not folded away."""
_METRICS = 3
_DOTS, _DENSE = 120, 40
_MARGIN = 6
"""Hundredths of the height above and below the dots of a drawing."""
_SIDE = 1.5
"""Hundredths of its width beside them."""


def outputs(site: Site) -> Iterator[Output]:
    """Yield the matrix, a page for each model and one for each version; nothing without models."""
    registered = site.gathered.registered
    if not registered.present:
        return
    yield Output(address=urls.MODELS, make=lambda: site.page("models", models(site)))
    keys = {shown.model.slug: key_of(site, shown) for shown in registered.living}
    for shown in registered.living:
        if shown.page is not None:
            key = keys[shown.model.slug]
            yield Output(address=shown.page, key=key, make=partial(_page, site, shown))
            yield from versions.outputs(site, shown, key)
    yield from model_data.outputs(site, keys)


def _page(site: Site, shown: ShownModel) -> bytes:
    return site.page("model", model_report(site, shown))


def key_of(site: Site, shown: ShownModel) -> str:
    """Return a hash of all that the pages of a model are made from."""
    runs = [v.version.run for v in shown.versions if v.version.run]
    linked = [f"{run} {site.gathered.keys.get(run)}" for run in runs]
    stages = repr(site.gathered.registered.columns)
    return site.key("model", site.options.told, shown.tip, stages, *linked)


def models(site: Site) -> Models:
    """Return the context of the matrix."""
    registered = site.gathered.registered
    stages = registered.columns  # on a narrow screen what matters most is seen first
    teller = Teller(gathered=site.gathered, root="")
    living = registered.living
    count = sum(len(shown.living) for shown in living)
    return Models(
        frame=site.frames.frame(urls.MODELS, "Models"),
        stages=tuple(map(stage_of, stages)),
        rows=tuple(_row(teller, shown, stages) for shown in living),
        versions=plural(count, "version"),
        gone=tuple(_end(teller, shown) for shown in registered.models if shown.model.deleted),
        damaged=registered.damaged,
        partial=bool(site.options.experiments or site.options.where),
    )


def _row(teller: Teller, shown: ShownModel, stages: Sequence[str]) -> ModelRow:
    model, newest = shown.model, shown.latest
    held = [model.stages.get(stage) for stage in stages]
    return ModelRow(
        model=teller.model(shown),
        description=cut((model.description or "").partition("\n")[0], 120),
        marks=tuple(model_marks(shown)),
        latest=None if newest is None else teller.version(shown, newest.name),
        metric=metric_of(shown, newest),
        versions=f"{len(shown.living):,}",
        updated=moment(max(e.at for e in model.events)) if model.events else None,
        cells=tuple(None if each is None else teller.held(shown, each) for each in held),
    )


def model_marks(shown: ShownModel) -> Iterator[Mark]:
    """Yield what else is to be known of a model."""
    if shown.model.foreign:
        said = "Only tags tell of it that gitml did not write; gitml import gto takes them over."
        yield Mark(text="foreign tags", tone="", said=said)
    waiting = sum(not each.version.published for each in shown.living)
    if waiting:
        said = "Registered here and not yet pushed: their numbers may change."
        yield Mark(text=f"{waiting:,} not published", tone="warn", said=said)
    if any(held.drift for held in shown.model.stages.values()):
        said = "A stage came by break-glass, and no stage file has agreed since."
        yield Mark(text="drift", tone="warn", said=said)


def _end(teller: Teller, shown: ShownModel) -> Happening:
    """Return the event that deleted a model."""
    ends = [e for e in shown.model.events if e.kind == "delete" and e.version is None]
    return teller.happened(shown, (ends or list(shown.model.events))[-1])


def model_report(site: Site, shown: ShownModel) -> ModelReport:
    """Return the context of a model's page."""
    model = shown.model
    frame = site.frames.frame(shown.page or "", model.name, dated=False)
    teller = Teller(gathered=site.gathered, root=frame.root)
    order = [s for s in site.gathered.registered.columns if s in model.stages]
    metrics = shown.metrics[:_METRICS]
    runs = [each.run for each in shown.living if each.run is not None]
    best = {m: best_value(runs, m) for m in metrics}
    rows = [_version_row(teller, shown, each, metrics, best) for each in shown.versions]
    first = [n < FIRST or bool(row.stages) for n, row in enumerate(rows)]
    history = teller.history(shown)
    return ModelReport(
        frame=frame,
        name=model.name,
        description=model.description or "",
        marks=tuple(model_marks(shown)),
        facts=_facts(site, teller, shown),
        stages=tuple(teller.held(shown, model.stages[stage]) for stage in order),
        chart=chart_of(shown),
        metrics=metrics,
        versions=tuple(row for row, is_first in zip(rows, first, strict=True) if is_first),
        older=tuple(row for row, is_first in zip(rows, first, strict=True) if not is_first),
        history=tuple(history[:_EVENTS]),
        earlier=tuple(history[_EVENTS:]),
        tags=tuple(Pair(name=name, value=value) for name, value in sorted(model.tags.items())),
        details=tuple(_details(shown)),
        commands=tuple(_commands(shown)),
        data=frame.root + urls.model_json(shown.key),
        lineage=teller.lineage(shown),
    )


def _facts(site: Site, teller: Teller, shown: ShownModel) -> tuple[Fact, ...]:
    facts, newest = [], shown.latest
    if newest is not None:
        link = teller.version(shown, newest.name)
        note = metric_of(shown, newest)
        facts.append(Fact(label="Latest", value=link.text, note=note, href=link.href))
    stage = site.gathered.registered.production
    held = site.gathered.registered.current(shown)
    if held is not None:
        link = teller.version(shown, held.version)
        note = metric_of(shown, shown.find(held.version))
        facts.append(Fact(label=f"In {held.stage}", value=link.text, note=note, href=link.href))
    elif stage is not None:
        facts.append(Fact(label=f"In {stage}", value="empty"))
    old = sum(v.version.deprecated is not None for v in shown.living)
    note = f"{old:,} deprecated" if old else ""
    facts.append(Fact(label="Versions", value=f"{len(shown.living):,}", note=note))
    people = {event.by for event in shown.model.events}
    note = f"by {plural(len(people), 'person', 'people')}" if people else ""
    facts.append(Fact(label="Events", value=f"{len(shown.model.events):,}", note=note))
    return tuple(facts)


def _version_row(
    teller: Teller,
    shown: ShownModel,
    each: ShownVersion,
    metrics: Sequence[str],
    best: dict[str, float | None],
) -> VersionRow:
    facts = each.version
    has = {} if each.run is None else each.run.metrics
    return VersionRow(
        version=teller.version(shown, each.name),
        number=str(facts.number),
        values=tuple(number(has[m].last) if m in has else ABSENT for m in metrics),
        best=tuple(best[m] is not None and m in has and has[m].last == best[m] for m in metrics),
        stages=tuple(map(stage_of, each.stages)),
        marks=tuple(state_marks(each, shown.latest)),
        run=teller.run(each),
        registered=moment(facts.at),
        by=facts.by,
        digest=(facts.digest or "").removeprefix("sha256:")[:12] or ABSENT,
    )


def chart_of(shown: ShownModel) -> VersionChart | None:
    """Return the first metric that differs among versions, else the first that several have."""
    drawn: list[tuple[str, list[tuple[ShownVersion, float]]]] = []
    for metric in shown.metrics[:_METRICS]:
        points = [
            (each, each.run.metrics[metric].last)
            for each in reversed(shown.living)
            if each.run is not None
            and metric in each.run.metrics
            and math.isfinite(each.run.metrics[metric].last)
        ]
        if len(points) > 1:
            drawn.append((metric, points))
    drawn.sort(key=lambda pair: len({value for _, value in pair[1]}) == 1)
    return _chart(shown, *drawn[0]) if drawn else None


def _chart(
    shown: ShownModel, metric: str, points: Sequence[tuple[ShownVersion, float]]
) -> VersionChart:
    low, high = min(v for _, v in points), max(v for _, v in points)
    scale, last = high - low, len(points) - 1
    even = {round(n * last / (_DOTS - 1)) for n in range(_DOTS)} if last >= _DOTS else None
    dots = []
    for n, (each, value) in enumerate(points):
        if even is None or n in even or each.stages:
            part = (value - low) / scale if scale and math.isfinite(scale) else 0.5
            tone = next((t for s in each.stages if (t := stage_of(s).tone)), "other")
            dots.append(
                Dot(
                    x=round(_SIDE + n / last * (100 - 2 * _SIDE), 2),
                    y=round(100 - _MARGIN - part * (100 - 2 * _MARGIN), 2),
                    held=f"{', '.join(each.stages)} {each.name}" if each.stages else "",
                    tone=tone if each.stages else "",
                )
            )
    first, end = points[0], points[-1]
    return VersionChart(
        metric=metric,
        goal=shown.goal(metric),
        path="M" + "L".join(f"{dot.x:g} {dot.y:g}" for dot in dots),
        dots=tuple(dots),
        dense=len(dots) > _DENSE,
        low=number(low) if low != high else "",
        high=number(high),
        first=first[0].name,
        last=end[0].name,
        said=(
            f"{metric} over {plural(len(points), 'version')}, from {number(first[1])} in "
            f"{first[0].name} to {number(end[1])} in {end[0].name}, lowest {number(low)}, "
            f"highest {number(high)}."
        ),
    )


def _details(shown: ShownModel) -> Iterator[Pair]:
    model = shown.model
    if model.slug != model.name:
        yield Pair(name="Slug", value=model.slug, mono=True)
    if model.aliases:
        yield Pair(name="Once called", value=", ".join(model.aliases))
    if model.events:
        yield Pair(name="First event", value=moment(model.events[0].at).text)
        yield Pair(name="Last event", value=moment(max(e.at for e in model.events)).text)
    if model.tip is not None:
        yield Pair(name="Journal", value=f"refs/gitml/models/{model.slug}", mono=True)
        yield Pair(name="Newest commit", value=model.tip[:12], mono=True)


def _commands(shown: ShownModel) -> Iterator[str]:
    slug = shown.model.slug
    if shown.latest is not None and shown.latest.version.digest:
        yield f"gitml model pull {quoted(f'{slug}@latest')} -o model"
    yield f"gitml model history {quoted(slug)}"
    yield f"gitml audit {quoted(slug)}"
