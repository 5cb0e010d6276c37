"""A run's own page, and all of the run as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from gitml.model import iso
from gitml.names import WISH, plural
from gitml.query.columns import leading_metrics
from gitml.query.goals import default_goal
from gitml.site import urls
from gitml.site.facts import ABSENT, curve_of, moment, shown
from gitml.site.gather import SYSTEM
from gitml.site.happened import Teller
from gitml.site.pages import RunReport
from gitml.site.parts import ChartGroup, Fact, Link, MetricChart, Pair, Relative
from gitml.site.run_data import goal_of
from gitml.words import duration, number, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.model import Run
    from gitml.site.curves import Curves, Series
    from gitml.site.gather import Frames, Gathered
    from gitml.site.hosts import Host
    from gitml.site.packages import Packages
    from gitml.site.parts import File, Patch
    from gitml.site.relatives import Relatives

OPEN = 24
"""Charts that are open at first."""
_FACTS = 4
_LISTED, _CHILDREN, _EVENTS = 100, 50, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a run's page tells beside the run itself."""

    relatives: Relatives
    """The runs around it."""
    patch: Patch | None
    """Its uncommitted changes, None without any."""
    packages: Packages | None
    """What was installed, None where that was not recorded."""


def run_report(
    run: Run,
    curves: Curves,
    files: Sequence[File],
    frames: Frames,
    *,
    gathered: Gathered,
    around: Around,
) -> RunReport:
    """Return the context of a run's page."""
    key, host = gathered.keys[run.id], gathered.host(run.source.remote)
    kin, leading = around.relatives, leading_metrics([run])
    frame = frames.frame(urls.run_page(key), run.name, dated=False)
    charts = [
        _chart(run, name, curves.series.get(name))
        for name in sorted(leading, key=lambda n: n.startswith(SYSTEM))
    ]
    drawn = [chart for chart in charts if chart.count > 1]
    source = run.source
    teller = Teller(gathered=gathered, root=frame.root)
    return RunReport(
        frame=frame,
        id=run.id,
        key=key,
        name=run.name,
        status=run.status,
        experiment=Link(
            text=run.experiment,
            href=f"{frame.root}{urls.RUNS}#{table_of(run.experiment)}",
        ),
        took=duration(run.duration) if run.duration else "",
        created=moment(run.created),
        commit=Link(
            text=source.commit[:7], href=None if host is None else host.commit(source.commit)
        )
        if source.commit
        else None,
        branch=source.branch,
        parent=_parent(run, kin.parent, gathered),
        previous=None if kin.previous is None else _relative(run, kin.previous, gathered),
        children=tuple(_relative(run, each, gathered) for each in kin.children[:_CHILDREN]),
        more=max(0, len(kin.children) - _CHILDREN),
        facts=_facts(run, leading),
        groups=_groups(drawn),
        values=tuple(chart for chart in charts if chart.count == 1),
        problem=curves.problem,
        thinned=_thinned(curves),
        params=tuple(
            Pair(name=name, value=shown(value)) for name, value in sorted(run.params.items())
        ),
        conflict=run.conflict,
        tags=tuple(
            Pair(name=name, value=value)
            for name, value in sorted(run.tags.items())
            if not name.startswith(WISH)
        ),
        note=run.note or "",
        details=_details(run),
        source=_source(run, host),
        environment=_environment(run),
        packages=_packages(around.packages),
        changed=() if around.patch and around.patch.files else source.changed[:_LISTED],
        left_out=source.left_out[:_LISTED],
        patch=around.patch,
        inputs=_inputs(run),
        registered=teller.registrations(run.id),
        history=teller.of_run(run.id, _EVENTS),
        files=tuple(files),
        figures=bool(drawn) or any(file.shown == "figure" for file in files),
    )


def _parent(run: Run, parent: Run | None, gathered: Gathered) -> Relative | None:
    if parent is not None:
        return _relative(run, parent, gathered)
    if not run.parent:
        return None
    name = run.parent[:12]
    return Relative(name=name, key="", href=None, status="", commits=None, same=False)


def _relative(run: Run, other: Run, gathered: Gathered) -> Relative:
    """Return another run, and what lies between the two commits."""
    before, after = other.source.commit, run.source.commit
    host = gathered.host(run.source.remote)
    commits = None
    if before and after and before != after:
        there = host is not None and other.source.remote == run.source.remote
        href = host.diff(before, after) if host is not None and there else None
        commits = Link(text=f"{before[:7]}…{after[:7]}", href=href)
    key = gathered.keys[other.id]
    return Relative(
        name=other.name,
        key=key,
        href=f"../{urls.run_page(key)}",
        status=other.status,
        commits=commits,
        same=bool(before) and before == after,
    )


def table_of(experiment: str) -> str:
    """Return the hash of the table's address that shows one experiment."""
    text = experiment.replace("'", "''")
    return "q=" + quote(f"experiment = '{text}'", safe="")


def _facts(run: Run, leading: Sequence[str]) -> tuple[Fact, ...]:
    found = []
    for name in leading[:_FACTS]:
        metric, goal = run.metrics[name], goal_of(run, name)
        note = ""
        if metric.count > 1:
            extreme = metric.min if goal == "min" else metric.max
            at_best = metric.last == extreme
            word = "lowest" if goal == "min" else "highest"
            note = f"its {word}" if at_best else f"{word} {number(extreme)}"
        found.append(Fact(label=name, value=number(metric.last), note=note))
    return tuple(found)


def _chart(run: Run, name: str, series: Series | None) -> MetricChart:
    metric = run.metrics[name]
    curve = None
    last, low, high = number(metric.last), number(metric.min), number(metric.max)
    said = f"{name}: {last} at step {metric.step}."
    if series is not None and metric.count > 1:
        curve = curve_of(series.steps, series.values)
        said = (
            f"{name} over {plural(metric.count, 'point')} up to step {metric.step}: from "
            f"{number(series.values[0])} to {last}, lowest {low}, highest {high}."
        )
    return MetricChart(
        name=name,
        last=last,
        low=low,
        high=high,
        step=f"{metric.step:,}",
        count=metric.count,
        goal=metric.goal or ("min" if default_goal(name) == "min" else ""),
        curve=curve,
        said=said,
    )


def _groups(charts: Sequence[MetricChart]) -> tuple[ChartGroup, ...]:
    """Return the charts in one group, or by the beginning of their names if they are many."""
    if len(charts) <= OPEN:
        return (ChartGroup(name="", charts=tuple(charts), folded=False),) if charts else ()
    grouped: dict[str, list[MetricChart]] = {}
    for chart in charts:
        head, slash, _ = chart.name.partition("/")
        grouped.setdefault(head if slash else "", []).append(chart)
    groups, left = [], OPEN
    for name, members in grouped.items():
        for folded, part in ((False, members[:left]), (True, members[left:])):
            if part:
                groups.append(ChartGroup(name=name, charts=tuple(part), folded=folded))
        left -= min(left, len(members))
    return tuple(groups)


def _thinned(curves: Curves) -> str:
    cut = [s for s in curves.series.values() if s.count > len(s.values)]
    if not cut:
        return ""
    most = max(len(s.values) for s in cut)
    total = max(s.count for s in cut)
    return f"{most:,} of up to {total:,} points of a metric, extremes among them"


def _details(run: Run) -> tuple[Pair, ...]:
    pairs = [
        Pair(name="Run id", value=run.id, mono=True),
        Pair(name="Author", value=run.author),
        Pair(name="Started", value=moment(run.created).text),
        Pair(name="Ended", value="" if run.ended is None else moment(run.ended).text),
    ]
    return tuple(pair for pair in pairs if pair.value)


def _environment(run: Run) -> tuple[Pair, ...]:
    machine = run.environment
    pairs = [
        Pair(name="Python", value=machine.python or ""),
        Pair(name="System", value=machine.platform or ""),
        Pair(name="Host", value=machine.host or ""),
        Pair(name="CPU", value=machine.cpu or ""),
        Pair(name="GPU", value=machine.gpu or ""),
        *(Pair(name=name, value=value, mono=True) for name, value in machine.variables.items()),
    ]
    return tuple(pair for pair in pairs if pair.value)


def _packages(packages: Packages | None) -> Link | None:
    if packages is None:
        return None
    href = f"../{urls.data(f'packages/{packages.key}', 'txt')}"
    return Link(text=plural(packages.count, "package"), href=href)


def _source(run: Run, host: Host | None) -> tuple[Pair, ...]:
    source = run.source
    changed = len(source.changed)
    state = ""
    if source.tree or source.commit:
        state = plural(changed, "changed file") if changed else "uncommitted changes"
        state = state if source.dirty else "as committed"
    code = f"gitml source {run.id[:12]} -o code" if source.tree else ""
    pairs = [
        Pair(
            name="Commit",
            value=source.commit or "",
            href=host.commit(source.commit) if host and source.commit else None,
            mono=True,
        ),
        Pair(name="Branch", value=source.branch or "", mono=True),
        Pair(name="Working tree", value=state),
        Pair(name="Command", value=" ".join(source.command), mono=True),
        Pair(name="Get the code", value=code, mono=True),
    ]
    return tuple(pair for pair in pairs if pair.value)


def _inputs(run: Run) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            each.name,
            each.context or ABSENT,
            (each.digest or "").removeprefix("sha256:")[:12] or ABSENT,
            ABSENT if each.size is None else size(each.size),
            ABSENT if each.rows is None else f"{each.rows:,}",
        )
        for each in run.inputs[:_LISTED]
    )


def summary(run: Run) -> str:
    """Return a run in a sentence, for a feed."""
    values = ", ".join(
        f"{name} {number(run.metrics[name].last)}" for name in leading_metrics([run])[:_FACTS]
    )
    took = f" in {duration(run.duration)}" if run.duration else ""
    return f"{run.experiment}: {run.status}{took}{f'; {values}' if values else ''}."


def updated(run: Run) -> str:
    """Return when a run ended, or last said something, in ISO 8601."""
    return iso(run.ended or run.updated or run.created)
