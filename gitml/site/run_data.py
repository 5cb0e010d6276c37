"""All of a run as JSON: its facts, what belongs to it, and its points as columns."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from gitml.data import json_text
from gitml.model import SCHEMA
from gitml.query.goals import default_goal
from gitml.records import run_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.model import Json, Run
    from gitml.site.curves import Curves
    from gitml.site.gather import Gathered
    from gitml.site.report import Around


def run_data(
    run: Run, curves: Curves, figures: Sequence[Json], *, gathered: Gathered, around: Around
) -> str:
    """Return everything about a run as JSON: its facts, and its points as columns."""
    axes: list[str] = []
    numbers: dict[tuple[tuple[int, ...], tuple[float, ...]], int] = {}
    series = []
    for name, each in curves.series.items():
        at = numbers.setdefault((each.steps, each.seconds), len(axes))
        if at == len(axes):
            steps, seconds = map(str, each.steps), _numbers(each.seconds)
            axes.append(f'{{"step":[{",".join(steps)}],"time":[{seconds}]}}')
        series.append(
            f'{json_text(name)}:{{"axis":{at},"count":{each.count},'
            f'"value":[{_numbers(each.values)}]}}'
        )
    head = json_text(
        {
            "schema": SCHEMA,
            "run": run_json(run),
            **_around(run, gathered, around),
            "figures": list(figures),
        }
    )
    return f'{head[:-1]},"axes":[{",".join(axes)}],"series":{{{",".join(series)}}}}}'


def goal_of(run: Run, name: str) -> str:
    """Return ``min`` or ``max`` for a metric of this run."""
    return run.metrics[name].goal or default_goal(name)


def _around(run: Run, gathered: Gathered, around: Around) -> dict[str, Json]:
    """Return what belongs to a run: other runs by their keys, shared files, pages of the host."""
    kin, patch, packages = around.relatives, around.patch, around.packages
    host = gathered.host(run.source.remote)
    commit = run.source.commit
    return {
        "key": gathered.keys[run.id],
        "parent": kin.parent and gathered.keys[kin.parent.id],
        "previous": kin.previous and gathered.keys[kin.previous.id],
        "children": [gathered.keys[child.id] for child in kin.children],
        "goals": {name: goal_of(run, name) for name in sorted(run.metrics)},
        "links": {
            "commit": host.commit(commit) if host and commit else None,
            "diff": (host.comparison or None) if host else None,
        },
        "packages": packages and {"key": packages.key, "count": packages.count},
        "code": patch
        and {
            "key": patch.key or None,
            "files": patch.count,
            "added": patch.added,
            "removed": patch.removed,
        },
    }


def _numbers(values: Sequence[float]) -> str:
    """Return numbers for JSON with six significant digits; what is not finite is null."""
    if all(map(math.isfinite, values)):
        return _pattern(len(values)) % tuple(values)  # all at once: twice as fast as one by one
    return ",".join([f"{v:.6g}" if math.isfinite(v) else "null" for v in values])


@lru_cache(16)
def _pattern(count: int) -> str:
    return ",".join(["%.6g"] * count)
