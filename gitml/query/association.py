"""How closely params go together with a metric, over the runs that have both.

Called association and not importance, because that is all it is: runs were not drawn by
chance, params move together, and what is associated need not be what matters. Both measures
look at the order of the metric only. So no scale has to be chosen, a run that diverged is
simply the worst, and one far value decides nothing.

- Numbers and booleans: Spearman's rank correlation, from -1 to 1. Equal values share the
  mean of their ranks.
- Everything else: the correlation ratio (eta) of the metric's ranks between the values, from
  0 to 1. Its square is Kruskal and Wallis' H divided by n - 1; of two values it is the size of
  the rank correlation.

``site_templates/assets/association.js`` does the same for what a page shows; both are held
by ``tests/query/association_cases.json``.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from operator import mul
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from gitml.model import Json

LEAST = 20
"""Runs that it takes: of fewer, chance alone makes strong associations."""
RANK, RATIO = "rank correlation", "correlation ratio"
FEW, SAME, FLAT, OWN = "few", "same", "flat", "own"
"""Why a param has none: too few runs have it and the metric; it is the same in all of them; the
metric is; it has so many values that chance alone would explain the metric."""
_CHI2_1 = 3.841458820694124  # what chi-squared of one degree exceeds one time in twenty
_Z = 1.6448536269514722  # the same of the normal distribution, on one side


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """How a param goes together with a metric."""

    name: str
    """The param."""
    value: float
    """-1 to 1 for a rank correlation, 0 to 1 for a correlation ratio."""
    method: str
    """`RANK` or `RATIO`."""
    runs: int
    """How many runs have both."""
    chance: float
    """What its size exceeds one time in twenty where there is nothing but chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Associations:
    """How the params of some runs go together with a metric."""

    found: tuple[Association, ...]
    """Those beyond chance first, the strongest first."""
    left_out: tuple[tuple[str, str], ...]
    """The other params, each with `FEW`, `SAME`, `FLAT` or `OWN`."""


def associations(
    params: Mapping[str, Sequence[Json]], metric: Sequence[float | None]
) -> Associations:
    """Return how each param goes together with a metric.

    Params and metric hold a value for each run, in the same order, None where a run has none.
    NaN counts as none; infinities are the least and the greatest of all.
    """
    known = [n for n, value in enumerate(metric) if value is not None and not math.isnan(value)]
    measured = [float(metric[n] or 0) for n in known]
    heights = _ranks(measured)
    found, left_out = [], []
    for name, values in params.items():
        answer = _associated(name, [values[n] for n in known], measured, heights)
        if isinstance(answer, str):
            left_out.append((name, answer))
        else:
            found.append(answer)
    found.sort(key=lambda a: (abs(a.value) <= a.chance, -abs(a.value)))
    return Associations(found=tuple(found), left_out=tuple(left_out))


def _associated(
    name: str, values: Sequence[Json], measured: Sequence[float], heights: Sequence[int]
) -> Association | str:
    """Return the association of one param, or why there is none."""
    there = [n for n, v in enumerate(values) if v is not None and v == v]  # noqa: PLR0124 - NaN
    runs = len(there)
    if runs < LEAST:
        return FEW
    if runs < len(values):
        values = [values[n] for n in there]
        heights = _ranks([measured[n] for n in there])
    spread = sum(map(mul, heights, heights))
    if all(isinstance(value, (int, float)) for value in values):
        places = _ranks([_float(value) for value in values])
        across = sum(map(mul, places, places))
        if not across or not spread:
            return FLAT if across else SAME
        together = sum(map(mul, places, heights))
        value = together / math.sqrt(float(across) * float(spread))
        method, freedom = RANK, 1
    else:
        sums: dict[Hashable, int] = {}
        kinds = [_kind(value) for value in values]
        for kind, height in zip(kinds, heights, strict=True):
            sums[kind] = sums.get(kind, 0) + height
        if len(sums) == 1 or not spread:
            return SAME if len(sums) == 1 else FLAT
        counts = Counter(kinds)
        between = 0.0
        for kind, total in sums.items():
            between += total * total / counts[kind]
        value = math.sqrt(between / spread)
        method, freedom = RATIO, len(sums) - 1
    chance = math.sqrt(_exceeded(freedom) / (runs - 1))
    if chance >= 1:
        return OWN
    value = max(-1.0, min(1.0, value))
    return Association(name=name, value=value, method=method, runs=runs, chance=chance)


def _ranks(values: Sequence[float]) -> list[int]:
    """Return the ranks of values, equal ones sharing the mean of theirs.

    Ranks are doubled and moved to a mean of 0, so that they, their products and sums are
    whole: another language finds the same to the last bit.
    """
    counts = Counter(values)
    ranks, before = {}, 0
    for value in sorted(counts):
        ranks[value] = 2 * before + counts[value] - len(values)
        before += counts[value]
    return [ranks[value] for value in values]


def _float(value: Json) -> float:
    """Return a number as JavaScript has it, a whole one beyond all floats as an infinity."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _kind(value: Json) -> Hashable:
    """Return what is equal for values that are one: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, dict):
        return "map", tuple((key, _kind(value[key])) for key in sorted(value))
    if isinstance(value, (list, tuple)):
        return "list", tuple(_kind(item) for item in value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = _float(value)
        return ("none",) if math.isnan(number) else ("number", number)
    return type(value).__name__, value


def _exceeded(freedom: int) -> float:
    """Return what chi-squared exceeds one time in twenty (Wilson and Hilferty, 1931)."""
    if freedom == 1:
        return _CHI2_1
    part = 2 / (9 * freedom)
    base = 1 - part + _Z * math.sqrt(part)
    return freedom * base * base * base
