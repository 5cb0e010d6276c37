"""The first page: what there is, how far each experiment got, what is new."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from gitml.model import iso
from gitml.query.columns import leading_metrics
from gitml.query.goals import usual_goal
from gitml.site import report, urls
from gitml.site.activity import entries_of
from gitml.site.facts import moment, progress_of
from gitml.site.gather import SYSTEM
from gitml.site.happened import Teller
from gitml.site.pages import Feed, Overview
from gitml.site.parts import ExperimentCard, Fact, RunLine
from gitml.site.plan import Output
from gitml.site.regressions import worst
from gitml.words import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitml.model import Run
    from gitml.registry.values import Event
    from gitml.site.gather import Frames, Gathered
    from gitml.site.plan import Site
    from gitml.site.registered import ShownModel

_RECENT, _FEED, _VALUES, _HELD = 10, 30, 2, 12
_PLACES = 4


def outputs(site: Site) -> Iterator[Output]:
    """Yield the first page and the feed."""
    yield Output(address=urls.OVERVIEW, make=lambda: site.page("overview", overview(site)))
    yield Output(
        address=urls.FEED, make=lambda: site.page("feed", feed(site.gathered, site.frames))
    )


def overview(site: Site) -> Overview:
    """Return the context of the first page."""
    gathered, frames = site.gathered, site.frames
    registered, teller = gathered.registered, Teller(gathered=gathered, root="")
    pairs = [(shown, registered.current(shown)) for shown in registered.living]
    held = [(shown, current) for shown, current in pairs if current is not None]
    cards = [_card(gathered, name, runs) for name, runs in gathered.experiments().items()]
    return Overview(
        frame=frames.frame(urls.OVERVIEW, "Overview"),
        facts=_facts(gathered, worst(site)),
        experiments=tuple(cards),
        recent=tuple(_line(gathered, run) for run in gathered.runs[:_RECENT]),
        stage=registered.production or "",
        held=tuple((teller.model(shown), teller.held(shown, a)) for shown, a in held[:_HELD]),
        others=max(0, len(held) - _HELD),
    )


def _facts(gathered: Gathered, regressions: Fact | None) -> tuple[Fact, ...]:
    runs = gathered.runs
    if not runs:
        return ()
    statuses = Counter(run.status for run in runs)
    failed = statuses["failed"] + statuses["killed"]
    running = statuses["running"]
    names = {run.experiment for run in runs}
    one = len(names) == 1
    facts = [
        Fact(label="Runs", value=f"{len(runs):,}", href=urls.RUNS),
        Fact(
            label="Experiments",
            value=f"{len(names):,}",
            note=runs[0].experiment if one else f"newest {runs[0].experiment}",
        ),
    ]
    if running:
        facts.append(Fact(label="Running", value=f"{running:,}"))
    facts.append(
        Fact(
            label="Failed or killed",
            value=f"{failed:,}",
            note=f"{100 * failed / len(runs):.0f}% of all" if failed else "none",
            tone="down" if failed else "",
        )
    )
    facts += [regressions] if regressions else []
    if len(facts) > _PLACES:  # the cards below tell how many experiments there are
        del facts[1]
    branches = {run.source.branch for run in runs if run.source.branch}
    if branches and len(facts) < _PLACES:
        some = ", ".join(sorted(branches)[:2])
        facts.append(Fact(label="Branches", value=f"{len(branches):,}", note=some))
    return tuple(facts)


def _card(gathered: Gathered, name: str, runs: Sequence[Run]) -> ExperimentCard:
    metric = next((m for m in leading_metrics(runs) if not m.startswith(SYSTEM)), None)
    goal = gathered.goals.get(metric or "", "max")
    best, progress = None, None
    if metric is not None:
        dated = [run for run in reversed(runs) if metric in run.metrics]
        finite = [run for run in dated if math.isfinite(run.metrics[metric].last)]
        progress = progress_of([run.metrics[metric].last for run in dated], goal)
        if finite:
            sign = 1 if goal == "min" else -1
            top = min(finite, key=lambda run: sign * run.metrics[metric].last)
            best = Fact(
                label=f"best {metric}",
                value=number(top.metrics[metric].last),
                note=top.name,
                href=urls.run_page(gathered.keys[top.id]),
            )
    statuses = Counter(run.status for run in runs)
    return ExperimentCard(
        name=name,
        href=f"{urls.RUNS}#{report.table_of(name)}",
        count=len(runs),
        statuses=tuple((s, n) for s, n in sorted(statuses.items()) if s != "finished"),
        metric=metric,
        goal=goal if metric and _is_sure(metric, runs) else "",
        best=best,
        progress=progress,
        newest=moment(runs[0].created),
    )


def _is_sure(metric: str, runs: Sequence[Run]) -> bool:
    """Say whether the metric's name, or somebody, tells which way it is better."""
    said = (run.metrics[metric].goal for run in runs if metric in run.metrics)
    return bool(usual_goal(metric)) or any(said)


def _line(gathered: Gathered, run: Run) -> RunLine:
    names = [m for m in leading_metrics([run]) if not m.startswith(SYSTEM)][:_VALUES]
    return RunLine(
        name=run.name,
        href=urls.run_page(gathered.keys[run.id]),
        experiment=run.experiment,
        status=run.status,
        created=moment(run.created),
        values=tuple((name, number(run.metrics[name].last)) for name in names),
    )


def feed(gathered: Gathered, frames: Frames) -> Feed:
    """Return the newest runs, and what happened last to models, for a feed reader."""
    what = "runs and models" if gathered.registered.eventful else "runs"
    frame = frames.frame(urls.FEED, f"{frames.title}: {what}")
    base = frame.base_url or ""
    entries = [
        {
            "id": f"run:{run.id}",
            "title": f"{run.name} ({run.status})",
            "href": base + urls.run_page(gathered.keys[run.id]),
            "updated": report.updated(run),
            "author": run.author,
            "summary": report.summary(run),
        }
        for run in gathered.runs[:_FEED]
    ]
    teller = Teller(gathered=gathered, root=base)
    listed = entries_of(gathered.registered)[:_FEED]
    entries += [_event(teller, shown, event, base) for shown, event in listed]
    # Two of one moment stay in the order of their kinds: what is sorted stays as it is.
    entries.sort(key=lambda entry: entry["updated"], reverse=True)
    return Feed(frame=frame, entries=tuple(entries))


def _event(teller: Teller, shown: ShownModel, event: Event, base: str) -> dict[str, str]:
    told = teller.happened(shown, event)
    words = [told.lead, shown.model.name, event.version or ""]
    words += [told.joint, event.stage] if event.stage else []
    title = " ".join(word for word in words if word)
    marks = ", ".join(mark.text for mark in told.marks)
    page = (told.version and told.version.href) or told.model.href
    return {
        "id": f"event:{event.commit}:{event.kind}:{event.n or 0}",
        "title": title,
        "href": page or base + urls.ACTIVITY,
        "updated": iso(event.at),
        "author": event.by,
        "summary": " ".join(filter(None, (told.tail, told.reason, f"({marks})" if marks else ""))),
    }
