"""``gitml show``: everything there is to know about one run."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import click

from gitml.commands import facts
from gitml.commands.options import command, json_option, one_format, run_argument, yaml_option
from gitml.model import SCHEMA, iso
from gitml.names import plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitml.commands.options import Session
    from gitml.model import Json, Run
    from gitml.output import Piece, Screen
    from gitml.store.git import Repository

AT_ONCE = 3
"""Edits of one moment that are still shown one by one."""
POINTS_LIMIT = 50_000
"""Points up to which curves are drawn: reading them takes about a tenth of a second."""


@command(examples=["gitml show latest", "gitml show best:auc --json"], exits=[3, 5, 6, 8])
@run_argument()
@click.option("--history", "edits", is_flag=True, help="Who changed what, and when.")
@json_option
@yaml_option
def show(session: Session, *, run: str, edits: bool, as_json: bool, as_yaml: bool) -> None:
    """Show everything about a run.

    RUN is a name, an id or its first digits, latest, or best:METRIC (best:METRIC:min
    or :max where the name does not tell which is better).
    """
    form = one_format(as_json=as_json, as_yaml=as_yaml)
    with session.index() as index:
        found = index.find(run)
        status = session.doubts(index, [found]).get(found.id, found.status)
    if edits:
        _edits(session, found, form)
    elif form is None:
        _page(session, found, status)
    else:
        from gitml.registry.standing import run_documents

        (document,) = run_documents(session.store(), [found])
        if form == "json":
            session.screen.json(run=document)
        else:
            session.screen.yaml({"schema": SCHEMA, "run": document})


def _edits(session: Session, run: Run, form: str | None) -> None:
    from gitml.codec import load_json
    from gitml.output import Column
    from gitml.store.history import edits_of

    screen = session.screen
    edits = [
        {"at": iso(e.at), "id": e.id, "by": e.by, "key": e.key, "value": load_json(e.json)}
        for e in edits_of(session.store(), run.id)
    ]
    if form == "json":
        screen.json(id=run.id, edits=edits)
    elif form == "yaml":
        screen.yaml({"schema": SCHEMA, "id": run.id, "edits": edits})
    else:
        heads = (
            ["WHEN", "WHO", "WHAT", "VALUE"] if screen.terminal else ["at", "by", "key", "value"]
        )
        least = {"WHO": 8, "WHAT": 14, "VALUE": 10}
        columns = [
            Column(head, rank=head == "WHO", widest=72, narrowest=least.get(head, 99))
            for head in heads
        ]
        screen.table(columns, _lines(screen, edits))


def _lines(screen: Screen, edits: Sequence[Mapping[str, Json]]) -> list[list[str]]:
    """Return a row for each edit; a terminal gets what came in one moment as one."""
    if not screen.terminal:
        return [[e["at"], e["by"], e["key"], screen.value(e["value"])] for e in edits]
    rows = []
    for (at, by), group in itertools.groupby(edits, lambda e: (e["at"], e["by"])):
        when, who = at[:19].replace("T", " "), by.partition(" <")[0]
        stated = sorted(group, key=lambda e: e["key"])
        if len(stated) > AT_ONCE:
            keys = ", ".join(e["key"] for e in stated)
            rows.append([when, who, f"{len(stated)} facts", keys])
        else:
            rows += [[when, who, e["key"], screen.value(e["value"])] for e in stated]
    return rows


def _page(session: Session, run: Run, status: str) -> None:
    from gitml.store.snapshot import snapshot

    screen, store = session.screen, snapshot(session.store())
    _head(screen, run, status, session.now)
    _registered(session, run)
    facts.metrics(screen, run, _curves(store, run) if screen.terminal else {})
    facts.params(screen, run)
    facts.inputs(screen, run)
    facts.source(screen, run)
    _environment(screen, store, run)
    _artifacts(screen, run)
    if screen.terminal:
        screen.line()
        screen.commands(*_next(run))


def _next(run: Run) -> list[str]:
    """Return what one may do with this run."""
    from gitml.output import quoted
    from gitml.query.columns import leading_metrics

    name = quoted(run.name)
    commands = [f"gitml source {name}"]
    for metric in leading_metrics([run])[:1]:
        commands.insert(0, f"gitml diff {quoted(f'best:{metric}')} {name}")
    if run.artifacts:
        commands.append(f"gitml artifacts get {name}")
    return commands


def _head(screen: Screen, run: Run, status: str, now: int) -> None:
    from gitml.output import Cell, duration
    from gitml.output.runs import STATUS_STYLES

    state = Cell(status, STATUS_STYLES.get(status, ""))
    words: list[Piece] = [Cell(run.name, "act"), f"  {run.experiment}  ", state]
    if run.deleted:
        words.append(Cell("  deleted", "bad"))
    screen.line(*words)
    screen.fact("id", run.id)
    started = iso(run.created)
    if screen.terminal:
        started = f"{screen.moment(run.created, now)}, {started[:16].replace('T', ' ')} UTC"
    screen.fact("started", started)
    if run.duration:  # of a run that was logged afterwards nobody knows
        screen.fact("took", duration(run.duration))
    screen.fact("author", run.author)
    screen.fact("parent", run.parent)
    screen.fact("tags", ", ".join(f"{k}={v}" if v else k for k, v in run.tags.items()))
    for nth, line in enumerate((run.note or "").splitlines()):
        screen.fact("" if nth else "note", line or " ")
    if run.conflict:
        keys = ", ".join(run.conflict)
        screen.fact("conflict", f"{keys}: given two values, the earlier is kept", style="warn")
    for key, value in run.extra.items():
        screen.fact(key, screen.value(value))


def _registered(session: Session, run: Run) -> None:
    from gitml.output import Cell
    from gitml.registry.standing import standings

    for nth, one in enumerate(standings(session.store()).get(run.id, ())):
        label = "" if nth else "registered"
        stages = [Cell(f"  ● {stage}", "good") for stage in one.stages]
        title = Cell(f"{one.model}@{one.version}", "act")
        session.screen.line(Cell(f"  {label:<11}", "dim"), title, *stages)


def _curves(store: Repository, run: Run) -> dict[str, list[float]]:
    """Return the values of each metric in their order; nothing where that takes long."""
    if not 0 < sum(metric.count for metric in run.metrics.values()) <= POINTS_LIMIT:
        return {}
    from gitml.store.history import history

    curves: dict[str, list[float]] = {}
    for point in history(store, run.id):
        curves.setdefault(point.metric, []).append(point.value)
    return curves


def _environment(screen: Screen, store: Repository, run: Run) -> None:
    from gitml.store.history import requirements

    machine = run.environment
    parts = [machine.python, machine.platform, machine.host]
    packages = requirements(store, run.id)
    if not any([*parts, machine.cpu, machine.gpu, machine.variables, packages]):
        return
    screen.title("ENVIRONMENT")
    screen.fact("system", " · ".join(part for part in parts if part))
    screen.fact("cpu", machine.cpu)
    screen.fact("gpu", machine.gpu)
    if packages:
        screen.fact("packages", plural(len(packages.splitlines()), "distribution"))
    screen.fact("variables", "  ".join(f"{k}={v}" for k, v in machine.variables.items()))


def _artifacts(screen: Screen, run: Run) -> None:
    from gitml.output import Column, size

    if not run.artifacts:
        return
    heads = ["ARTIFACT", "SIZE", "TYPE", "KEPT IN", "DIGEST"]
    ranks = (0, 0, 3, 2, 1)
    columns = [
        Column(
            head if screen.terminal else head.lower(), right=head == "SIZE", rank=rank, widest=60
        )
        for head, rank in zip(heads, ranks, strict=True)
    ]
    rows = []
    for each in run.artifacts.values():
        bytes_ = screen.absent
        if each.size is not None:
            bytes_ = size(each.size) if screen.terminal else str(each.size)
        kind = each.media_type or screen.absent
        digest = screen.digest(each.sha256)
        if each.store == "uri" and each.sha256 is None:
            digest = "unverified"
        rows.append([each.path, bytes_, kind, each.uri or each.store, digest])
    screen.line()
    screen.table(columns, rows)
