"""Runs as columns: which there are, what stands in them, and which tell most."""

from __future__ import annotations

import math
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from gitml.model import iso
from gitml.query.compare import alike, goal_of
from gitml.query.goals import beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gitml.model import Json, Run


METRICS, PARAMS, TAGS = "metrics.", "params.", "tags."
LOWEST, HIGHEST = "metrics_min.", "metrics_max."

ATTRIBUTES: dict[str, Callable[[Run], Json]] = {
    "id": lambda run: run.id,
    "name": lambda run: run.name,
    "experiment": lambda run: run.experiment,
    "status": lambda run: run.status,
    "created": lambda run: iso(run.created),
    "ended": lambda run: None if run.ended is None else iso(run.ended),
    "updated": lambda run: iso(run.updated),
    "duration": lambda run: run.duration,
    "author": lambda run: run.author or None,
    "parent": lambda run: run.parent,
    "note": lambda run: run.note,
    "commit": lambda run: run.source.commit,
    "branch": lambda run: run.source.branch,
    "tree": lambda run: run.source.tree,
    "dirty": lambda run: run.source.dirty,
    "script": lambda run: run.source.script,
    "command": lambda run: " ".join(run.source.command) or None,
    "host": lambda run: run.environment.host,
    "python": lambda run: run.environment.python,
    "platform": lambda run: run.environment.platform,
    "deleted": lambda run: run.deleted,
}
"""What every run has, as ``--columns`` and CSV name it."""

CSV_HEAD = (
    "id",
    "name",
    "experiment",
    "status",
    "created",
    "ended",
    "duration",
    "author",
    "parent",
)
CSV_TAIL = ("note", "commit", "branch", "dirty")


def value_of(run: Run, key: str) -> Json:
    """Return a run's value for a key: ``duration``, ``metrics.auc``, ``metrics_min.loss``."""
    return reader_of(key)(run)


def reader_of(key: str) -> Callable[[Run], Json]:
    """Return what gives `value_of` a key for one run after the other."""
    kind, dot, name = key.partition(".")
    if not dot:
        return ATTRIBUTES[key]
    if f"{kind}." == PARAMS:
        return lambda run: run.params.get(name)
    if f"{kind}." == TAGS:
        return lambda run: run.tags.get(name)
    of = {METRICS: "last", LOWEST: "min", HIGHEST: "max"}[f"{kind}."]
    return lambda run: getattr(run.metrics.get(name), of, None)


def column_of(runs: Iterable[Run], key: str) -> list[Json]:
    """Return `value_of` a key for each run: of many runs at once, which is faster."""
    kind, dot, name = key.partition(".")
    if f"{kind}." == PARAMS and dot:
        return [run.params.get(name) for run in runs]
    if f"{kind}." == METRICS and dot:
        found = [run.metrics.get(name) for run in runs]
        return [None if metric is None else metric.last for metric in found]
    return list(map(reader_of(key), runs))


def keys_of(runs: Iterable[Run]) -> list[str]:
    """Return the keys that any run has values for: params, then metrics, then tags, by name."""
    params: set[str] = set()
    metrics: set[str] = set()
    tags: set[str] = set()
    for run in runs:
        params.update(run.params)
        metrics.update(run.metrics)
        tags.update(run.tags)
    found = ((PARAMS, params), (METRICS, metrics), (TAGS, tags))
    return [prefix + name for prefix, names in found for name in sorted(names)]


def csv_keys(runs: Sequence[Run]) -> list[str]:
    """Return the columns of runs as CSV."""
    return [*CSV_HEAD, *keys_of(runs), *CSV_TAIL]


def leading_metrics(runs: Sequence[Run], first: Sequence[str] = ()) -> list[str]:
    """Return metrics by how much they tell: asked for, with a goal, in most runs, by name.

    Those that say nothing of quality (``time``, ``epoch``) come after those that do, and metrics of
    the machine (``system/…``) last.
    """
    counts = Counter(chain.from_iterable(run.metrics for run in runs))
    goals = {name for run in runs for name, metric in run.metrics.items() if metric.goal}

    def rank(name: str) -> tuple[bool, bool, bool, bool, int, str]:
        system = name.startswith(("system/", "system."))
        return name not in first, system, name not in goals, beside(name), -counts[name], name

    return sorted(counts, key=rank)


class Params(NamedTuple):
    """The params of some runs."""

    same: dict[str, Json]
    """Those that have one value in all of them."""
    varied: list[str]
    """The others: those that most runs have first, then by name."""


def params_of(runs: Sequence[Run]) -> Params:
    """Return which params are the same in all runs and which differ; one run has no same."""
    counts = Counter(chain.from_iterable(run.params for run in runs))
    same = {
        name: runs[0].params[name]
        for name, count in sorted(counts.items())
        if count == len(runs) > 1
        and all(alike(run.params[name], runs[0].params[name]) for run in runs)
    }
    varied = sorted((n for n in counts if n not in same), key=lambda n: (-counts[n], n))
    return Params(same, varied)


def best_value(runs: Sequence[Run], metric: str) -> float | None:
    """Return the best last value of a metric; None unless runs differ in it."""
    values = [run.metrics[metric].last for run in runs if metric in run.metrics]
    values = [value for value in values if not math.isnan(value)]
    if len(set(values)) < 2:  # noqa: PLR2004 - one value is not better than another
        return None
    return min(values) if goal_of(runs, metric) == "min" else max(values)
