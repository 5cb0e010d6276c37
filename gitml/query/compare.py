"""What is different between runs, as rows of values; nothing is read or drawn here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.query.goals import default_goal
from gitml.words import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitml.model import Json, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The facts of several runs by kind and name, a value for each run or None."""

    metrics: Mapping[str, tuple[Json, ...]]
    """Last values."""
    goals: Mapping[str, str]
    """``min`` or ``max`` for each metric."""
    params: Mapping[str, tuple[Json, ...]]
    """Hyper-parameters."""
    tags: Mapping[str, tuple[Json, ...]]
    """Labels."""
    inputs: Mapping[str, tuple[Json, ...]]
    """Digests by name, with ``(context)`` behind it; the size where there is no digest."""
    environment: Mapping[str, tuple[Json, ...]]
    """Python, platform, host, cpu, gpu and variables."""
    packages: Mapping[str, tuple[Json, ...]]
    """Versions of distributions."""


def compare(runs: Sequence[Run], packages: Sequence[Mapping[str, str]]) -> Comparison:
    """Return the facts of runs side by side; ``packages`` are versions by name for each run."""
    last = [{name: m.last for name, m in run.metrics.items()} for run in runs]
    metrics = in_order(_side_by_side(last))
    return Comparison(
        metrics=metrics,
        goals={name: goal_of(runs, name) for name in metrics},
        params=in_order(_side_by_side([run.params for run in runs])),
        tags=dict(sorted(_side_by_side([run.tags for run in runs]).items())),
        inputs=_side_by_side([_inputs(run) for run in runs]),
        environment=_side_by_side([_environment(run) for run in runs]),
        packages=dict(sorted(_side_by_side(packages).items())),
    )


def only_differences(rows: Mapping[str, tuple[Json, ...]]) -> dict[str, tuple[Json, ...]]:
    """Return those rows whose values are not all alike."""
    return {name: values for name, values in rows.items() if not all_alike(values)}


def all_alike(values: Iterable[Json]) -> bool:
    """Say whether all values are one."""
    first, *others = values
    return all(alike(first, other) for other in others)


def alike(first: Json, second: Json) -> bool:
    """Say whether two values are one: 1 and 1.0 are, 1 and true are not, NaN is itself."""
    if isinstance(first, float) and isinstance(second, float) and math.isnan(first):
        return math.isnan(second)
    return bool(first == second) and isinstance(first, bool) == isinstance(second, bool)


def goal_of(runs: Iterable[Run], metric: str) -> str:
    """Return ``min`` or ``max``: what somebody said, else what the metric's name says."""
    stated = (run.metrics[metric].goal for run in runs if metric in run.metrics)
    return next((goal for goal in stated if goal), None) or default_goal(metric)


def improvement(before: Json, after: Json, goal: str) -> int:
    """Return 1 if ``after`` is better, -1 if it is worse, 0 if neither can be said."""
    if before is None or after is None or math.isnan(before) or math.isnan(after):
        return 0
    up = int(after > before) - int(after < before)
    return up if goal == "max" else -up


def versions(requirements: str | None) -> dict[str, str]:
    """Return version by distribution of a ``requirements.txt`` that a run holds."""
    found = {}
    for line in (requirements or "").splitlines():
        name, equals, version = line.partition("==")
        if not equals:
            name, _, version = line.partition(" @ ")
        if name.strip() and not name.startswith("#"):
            found[name.strip()] = version.strip()
    return found


def _side_by_side(each: Sequence[Mapping[str, Json]]) -> dict[str, tuple[Json, ...]]:
    """Return rows by name, in the order in which the names first come."""
    names = dict.fromkeys(name for facts in each for name in facts)
    return {name: tuple(facts.get(name) for facts in each) for name in names}


def _inputs(run: Run) -> dict[str, Json]:
    return {
        f"{item.name} ({item.context})" if item.context else item.name: item.digest or item.size
        for item in run.inputs
    }


def _environment(run: Run) -> dict[str, Json]:
    machine = run.environment
    fields = {name: getattr(machine, name) for name in ("python", "platform", "host", "cpu", "gpu")}
    return {**{k: v for k, v in fields.items() if v}, **machine.variables}
