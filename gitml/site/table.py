"""The table of runs: the page, and all of it as columns of JSON and as CSV."""

from __future__ import annotations

import io
import math
from dataclasses import asdict
from operator import itemgetter
from typing import TYPE_CHECKING

from gitml.data import write_columns
from gitml.model import SCHEMA, Json
from gitml.query.columns import (
    METRICS,
    PARAMS,
    best_value,
    column_of,
    csv_keys,
    params_of,
    value_of,
)
from gitml.query.keys import full_name
from gitml.site import urls
from gitml.site.facts import ABSENT, moment, shown, spark_path
from gitml.site.gather import SYSTEM
from gitml.site.happened import stage_of
from gitml.site.pages import RunsTable
from gitml.site.parts import Cell, Column, Made, TableRow
from gitml.site.plan import Output, data_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitml.model import Run
    from gitml.site.gather import Frames, Gathered
    from gitml.site.plan import Site

FIRST = 100
"""Rows that stand in the page itself."""
_METRICS = 3
"""Metrics that are shown at first."""
_ALWAYS, _PHONE, _TABLET, _LAPTOP = 0, 2, 3, 4
_PARAM_RANKS = (_PHONE, _TABLET, _LAPTOP, _LAPTOP)
_TEXTS = ("name", "experiment", "status", "author", "parent", "note")


def outputs(site: Site) -> Iterator[Output]:
    """Yield the page, and the runs as JSON, as a script and as CSV."""
    gathered, sparks = site.gathered, site.sparks
    yield from data_files("runs", lambda: runs_data(gathered, sparks))
    yield Output(address=urls.RUNS_CSV, make=lambda: runs_csv(gathered))
    yield Output(
        address=urls.RUNS,
        make=lambda: site.page("runs", runs_table(gathered, site.frames, sparks)),
    )


def columns_of(gathered: Gathered) -> list[Column]:
    """Return the columns that are shown at first, behind the name and the status."""
    runs = gathered.runs
    columns = []
    if any(run.id in gathered.registered.of_run for run in runs):
        columns.append(_column("stage", "Stage", "run", _PHONE))
    for nth, name in enumerate(gathered.leading[:_METRICS]):
        rank = _ALWAYS if nth == 0 else _PHONE
        columns.append(_column(METRICS + name, name, "metrics", rank, numeric=True))
    if gathered.curve_metric is not None:
        columns.append(_column("spark", f"{gathered.curve_metric} curve", "metrics", _PHONE))
    varied = params_of(runs).varied if len(runs) > 1 else sorted(runs[0].params) if runs else []
    for name, rank in zip(varied, _PARAM_RANKS, strict=False):
        numeric = all(_is_number(run.params[name]) for run in runs if name in run.params)
        columns.append(_column(PARAMS + name, name, "params", rank, numeric=numeric))
    if any(run.source.commit for run in runs):
        columns.append(_column("commit", "commit", "git", _TABLET))
    if len({run.source.branch for run in runs}) > 1:
        columns.append(_column("branch", "branch", "git", _LAPTOP))
    if len({run.experiment for run in runs}) > 1:
        columns.append(_column("experiment", "experiment", "run", _TABLET))
    columns.append(_column("created", "started", "run", _PHONE, numeric=True))
    return columns


def _column(key: str, label: str, group: str, rank: int, *, numeric: bool = False) -> Column:
    return Column(key=key, label=label, group=group, numeric=numeric, rank=rank)


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def runs_table(gathered: Gathered, frames: Frames, sparks: Mapping[str, str]) -> RunsTable:
    """Return the context of the page; ``sparks`` are the sparklines by run id."""
    columns = columns_of(gathered)
    best = {
        c.key: best_value(gathered.runs, c.key[len(METRICS) :])
        for c in columns
        if c.key.startswith(METRICS)
    }
    rows = [
        TableRow(
            key=gathered.keys[run.id],
            name=run.name,
            href=urls.run_page(gathered.keys[run.id]),
            status=run.status,
            cells=tuple(_cell(gathered, run, c.key, best.get(c.key), sparks) for c in columns),
        )
        for run in gathered.runs[:FIRST]
    ]
    return RunsTable(
        frame=frames.frame(urls.RUNS, "Runs"),
        total=len(gathered.runs),
        experiments=len({run.experiment for run in gathered.runs}),
        columns=tuple(columns),
        rows=tuple(rows),
        example=example(gathered, gathered.runs),
    )


def _cell(
    gathered: Gathered, run: Run, key: str, best: float | None, sparks: Mapping[str, str]
) -> Cell:
    if key == "spark":
        levels = sparks.get(run.id, "")
        return Cell(text="" if levels else ABSENT, spark=spark_path(levels) if levels else None)
    if key == "stage":
        return Cell(text=ABSENT, made=made_of(gathered, run))
    if key == "created":
        when = moment(run.created)
        return Cell(text=when.text, moment=when)
    value = value_of(run, key)
    if key == "commit" and run.source.commit:
        host = gathered.host(run.source.remote)
        href = None if host is None else host.commit(run.source.commit)
        return Cell(text=run.source.commit[:7], href=href)
    return Cell(text=shown(value), best=best is not None and value == best)


def made_of(gathered: Gathered, run: Run) -> tuple[Made, ...]:
    """Return the versions that were made of a run: those in stages first, then the newest."""
    registered = gathered.registered
    found = []
    for model, each in reversed(registered.of_run.get(run.id, ())):
        title = f"{model.model.name} {each.name}"
        for stage in each.stages:
            tone = stage_of(stage).tone or "other"
            made = Made(text=stage, tone=tone, said=f"{title} in {stage}", href=each.page)
            found.append((registered.columns.index(stage), made))
        if not (each.stages or each.version.deleted):
            made = Made(text=each.name, tone="", said=title, href=each.page)
            found.append((len(registered.columns), made))
    return tuple(made for _, made in sorted(found, key=itemgetter(0)))


def example(gathered: Gathered, runs: Sequence[Run]) -> str:
    """Return an expression that some of these runs satisfy."""
    for name in gathered.leading[:1]:
        values = sorted(
            run.metrics[name].last
            for run in runs
            if name in run.metrics and math.isfinite(run.metrics[name].last)
        )
        if values:
            sign = ">=" if gathered.goals[name] == "max" else "<="
            return f"{full_name('metrics', name)} {sign} {values[len(values) // 2]:.3g}"
    return "status = 'finished'"


def runs_data(gathered: Gathered, sparks: Mapping[str, str]) -> dict[str, Json]:
    """Return all runs as columns: a list for each fact, in the order of the runs, newest first.

    Texts of which many are alike are ``{"words": […], "at": […]}``, where ``at`` counts
    from 0 and -1 is none. Which whole numbers are floats, 1.0 and not 1, is said apart: a
    program that does not tell them apart would divide them otherwise than ``--where``.
    """
    runs = gathered.runs
    attributes: dict[str, Json] = {"id": [run.id for run in runs]}
    attributes["created"] = [run.created for run in runs]
    attributes["ended"] = [run.ended for run in runs]
    attributes["updated"] = [run.updated for run in runs]
    attributes |= {name: _words(getattr(run, name) or None for run in runs) for name in _TEXTS}
    source = [run.source for run in runs]
    attributes |= {
        "branch": _words(s.branch for s in source),
        "commit": _words(s.commit for s in source),
        "tree": _words(s.tree for s in source),
        "dirty": [int(s.dirty) for s in source],
        "script": _words(s.script for s in source),
        "command": _words(" ".join(s.command) or None for s in source),
        "host": _words(run.environment.host for run in runs),
        "python": _words(run.environment.python for run in runs),
        "platform": _words(run.environment.platform for run in runs),
    }
    params = sorted({name for run in runs for name in run.params})
    tags = sorted({name for run in runs for name in run.tags})
    return {
        "schema": SCHEMA,
        "count": len(runs),
        "keys": [gathered.keys[run.id] for run in runs]
        if any(len(key) > 12 for key in gathered.keys.values())  # noqa: PLR2004 - the usual length
        else None,
        "goals": dict(gathered.goals),
        "leading": [*gathered.leading, *(n for n in gathered.goals if n.startswith(SYSTEM))],
        "attributes": attributes,
        "metrics": {name: _metric(runs, name) for name in gathered.goals},
        "params": {name: _values(run.params.get(name) for run in runs) for name in params},
        "floats": _floats(runs, params),
        "tags": {name: _words(run.tags.get(name) for run in runs) for name in tags},
        "curve": {
            "metric": gathered.curve_metric,
            "levels": [sparks.get(run.id, "") for run in runs],
        },
        "commits": _commits(gathered),
        "made": _made(gathered),
    }


def _floats(runs: Sequence[Run], params: Sequence[str]) -> dict[str, Json]:
    """Return by param where whole numbers are floats: true for everywhere, else the rows."""
    found: dict[str, Json] = {}
    for name in params:
        values = [run.params.get(name) for run in runs]
        kinds = set(map(type, values))
        if float not in kinds:
            continue
        rows = [n for n, v in enumerate(values) if isinstance(v, float) and v.is_integer()]
        if rows:
            found[name] = rows if kinds & {int, bool} else True
    return found


def _commits(gathered: Gathered) -> dict[str, str]:
    """Return the address of each commit on its host."""
    found = {}
    for run in gathered.runs:
        host, commit = gathered.host(run.source.remote), run.source.commit
        if host is not None and commit and commit not in found and (page := host.commit(commit)):
            found[commit] = page
    return found


def _made(gathered: Gathered) -> list[Json]:
    """Return the versions of runs that have any, with the number of the run."""
    return [
        {"run": nth, **asdict(each)}
        for nth, run in enumerate(gathered.runs)
        for each in made_of(gathered, run)
    ]


def _metric(runs: Sequence[Run], name: str) -> dict[str, Json]:
    found = [run.metrics.get(name) for run in runs]
    return {
        "last": _numbers([None if m is None else m.last for m in found]),
        "min": _numbers([None if m is None else m.min for m in found]),
        "max": _numbers([None if m is None else m.max for m in found]),
    }


def _numbers(values: list[Json]) -> Json:
    """Return values as JSON can have them: those themselves, where all numbers are finite."""
    total = sum([v for v in values if type(v) is float])
    if math.isfinite(total):  # it is not as soon as one of them is not
        return values
    return [_rounded(v) if isinstance(v, float) else v for v in values]


def _rounded(value: float) -> Json:
    """Return a number as JSON can have it: those that are not finite are spelled as in edits."""
    if math.isfinite(value):
        return value
    word = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return {"$float": word}


def _values(found: Iterable[Json]) -> Json:
    values = list(found)
    texts = [v for v in values if v is None or isinstance(v, str)]
    if len(texts) == len(values) != texts.count(None):
        return _words(texts)
    return _numbers(values)


def _words(texts: Iterable[str | None]) -> Json:
    """Return texts as words and their numbers, in the order in which they first come."""
    numbers: dict[str, int] = {}
    at = [-1 if text is None else numbers.setdefault(text, len(numbers)) for text in texts]
    return {"words": list(numbers), "at": at}


def runs_csv(gathered: Gathered) -> bytes:
    """Return all runs as CSV, as ``gitml export csv`` has them."""
    text = io.StringIO()
    keys = csv_keys(gathered.runs)
    write_columns(text, keys, (column_of(gathered.runs, key) for key in keys))
    return text.getvalue().encode("utf-8", "backslashreplace")
