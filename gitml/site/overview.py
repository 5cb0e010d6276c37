"""The first page: what there is, how far each experiment got, what is new."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from gitml.query.columns import leading_metrics
from gitml.site import report, urls
from gitml.site.facts import moment, progress_of
from gitml.site.gather import SYSTEM
from gitml.site.pages import Feed, Overview
from gitml.site.parts import ExperimentCard, Fact, RunLine
from gitml.site.plan import Output
from gitml.words import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitml.model import Run
    from gitml.site.gather import Frames, Gathered
    from gitml.site.plan import Site

_RECENT, _FEED, _VALUES = 10, 30, 2


def outputs(site: Site) -> Iterator[Output]:
    """Yield the first page and the feed."""
    given = site.gathered, site.frames
    yield Output(address=urls.OVERVIEW, make=lambda: site.page("overview", overview(*given)))
    yield Output(address=urls.FEED, make=lambda: site.page("feed", feed(*given)))


def overview(gathered: Gathered, frames: Frames) -> Overview:
    """Return the context of the first page."""
    cards = [_card(gathered, name, runs) for name, runs in gathered.experiments().items()]
    return Overview(
        frame=frames.frame(urls.OVERVIEW, "Overview"),
        facts=_facts(gathered),
        experiments=tuple(cards),
        recent=tuple(_line(gathered, run) for run in gathered.runs[:_RECENT]),
    )


def _facts(gathered: Gathered) -> tuple[Fact, ...]:
    runs = gathered.runs
    if not runs:
        return ()
    statuses = Counter(run.status for run in runs)
    failed = statuses["failed"] + statuses["killed"]
    running = statuses["running"]
    facts = [
        Fact(label="Runs", value=f"{len(runs):,}", href=urls.RUNS),
        Fact(
            label="Experiments",
            value=f"{len({run.experiment for run in runs}):,}",
            note=f"newest {runs[0].experiment}",
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
    branches = {run.source.branch for run in runs if run.source.branch}
    if branches and len(facts) < 4:  # noqa: PLR2004 - the strip has four places
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
        goal=goal,
        best=best,
        progress=progress,
        newest=moment(runs[0].created),
    )


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
    """Return the newest runs for a feed reader."""
    frame = frames.frame(urls.FEED, f"{frames.title}: runs")
    entries = [
        {
            "id": run.id,
            "title": f"{run.name} ({run.status})",
            "href": (frame.base_url or "") + urls.run_page(gathered.keys[run.id]),
            "updated": report.updated(run),
            "author": run.author,
            "summary": report.summary(run),
        }
        for run in gathered.runs[:_FEED]
    ]
    return Feed(frame=frame, entries=tuple(entries))
