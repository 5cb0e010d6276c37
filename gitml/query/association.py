"""How closely params go together with a metric, over the runs that have both.

Called association and not importance, because that is all it is: runs were not drawn by
chance, params move together, and what is associated need not be what matters. Both measures
look at the order of the metric only. So no scale has to be chosen, a run that diverged is
simply the worst, and one far value decides nothing.

- Numbers and booleans: Spearman's rank correlation, from -1 to 1. Equal values share the
  mean of their ranks. It misses what goes up and down, as a learning rate that is best in the
  middle: where the correlation ratio between eight groups of equal size says more than the
  rank correlation, by more than chance, that is told too.
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
_GROUPS = 8
"""Into how many groups of equal size numbers are put."""
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
    bend: float | None = None
    """The correlation ratio between groups of a number, where the metric goes up and down."""

    @property
    def strength(self) -> float:
        """How close it is, whichever way."""
        return max(abs(self.value), self.bend or 0.0)

    @property
    def by_chance(self) -> bool:
        """Whether it is no more than what chance alone does."""
        return self.bend is None and abs(self.value) <= self.chance


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
    found.sort(key=lambda a: (a.by_chance, -a.strength))
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
        method, freedom, bend = RANK, 1, _bend(places, heights, spread, value)
    else:
        groups, between = _between([_kind(value) for value in values], heights)
        if groups == 1 or not spread:
            return SAME if groups == 1 else FLAT
        value = math.sqrt(between / spread)
        method, freedom, bend = RATIO, groups - 1, None
    chance = math.sqrt(_exceeded(freedom) / (runs - 1))
    if chance >= 1:
        return OWN
    value = max(-1.0, min(1.0, value))
    return Association(name=name, value=value, method=method, runs=runs, chance=chance, bend=bend)


def _between(kinds: Sequence[Hashable], heights: Sequence[int]) -> tuple[int, float]:
    """Return how many kinds there are, and the squares that lie between them."""
    sums: dict[Hashable, int] = {}
    for kind, height in zip(kinds, heights, strict=True):
        sums[kind] = sums.get(kind, 0) + height
    counts = Counter(kinds)
    between = 0.0  # added up in one order, and not by sum(), which rounds otherwise than others do
    for square in sorted(total * total / counts[kind] for kind, total in sums.items()):
        between += square
    return len(sums), between


def _bend(places: Sequence[int], heights: Sequence[int], spread: int, value: float) -> float | None:
    """Return the correlation ratio between groups, if it says more than the rank correlation.

    That is tested as a departure from a straight line in the ranks, one time in twenty.
    """
    runs = len(places)
    groups, between = _between([(p + runs) * _GROUPS // (2 * runs) for p in places], heights)
    share = min(1.0, between / spread)
    if groups < 3 or (share - value * value) * (runs - 1) <= _exceeded(groups - 2):  # noqa: PLR2004
        return None
    return math.sqrt(share)


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
    if isinstance(value, str):  # most are
        return "str", value
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
