"""The page that explores runs: what of it stands there without a script."""

from __future__ import annotations

import math
from sys import float_info
from typing import TYPE_CHECKING

from gitml.names import plural
from gitml.query.association import FEW, FLAT, LEAST, OWN, RANK, SAME, associations
from gitml.query.columns import leading_metrics, params_of
from gitml.site import urls
from gitml.site.explore_pages import Axis, Bar, BarTable, Explore, Lines, Tick
from gitml.site.facts import shown
from gitml.site.gather import SYSTEM
from gitml.site.plan import Output
from gitml.site.table import example
from gitml.words import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gitml.model import Json, Run
    from gitml.query.association import Association, Associations
    from gitml.site.plan import Site

_DRAWN = 100
"""Runs that are drawn without a script."""
_AXES = 7
_BARS = 30
"""Params of a table that stands in the page."""
_METRICS = 3
_NAMED = 3
"""Params of which a sentence says that they are left out, by name."""
_WORK = 400_000
"""Values that are ranked for the page at the most; scripts do the others."""
_WIDTH, _HEIGHT = 1000, 300
_COLOURS = 5
_LOG = 100
"""How far apart the ends of a param lie for a logarithmic scale, as a ratio."""
_TICKS = 12
_WHY = {
    FEW: f"in fewer than {LEAST} runs that have the metric",
    SAME: "the same in all of them",
    FLAT: "the metric is the same in all of them",
    OWN: "so many values that chance alone would explain the metric",
}


def outputs(site: Site) -> Iterator[Output]:
    """Yield the page, where there is anything to draw."""
    gathered = site.gathered
    if gathered.has_values:
        experiments = gathered.experiments()
        name, listed = _first(experiments)
        runs = list(reversed(listed))[: settled(len(listed))]
        title = name if len(experiments) > 1 else ""
        # The rest of it that comes from other runs: what the example asks for.
        goals = repr([(metric, gathered.goals[metric]) for metric in gathered.leading[:1]])
        yield Output(
            address=urls.EXPLORE,
            make=lambda: site.page("explore", explore(site, title, runs)),
            key=site.key(title, goals, *map(site.made, runs)),
        )


def explore(site: Site, title: str, runs: Sequence[Run]) -> Explore:
    """Return the context of the page on ``runs``, the oldest first, of the experiment ``title``."""
    leading = [m for m in leading_metrics(runs) if not m.startswith(SYSTEM)]
    varied = params_of(runs).varied if len(runs) > 1 else sorted(runs[0].params)
    answers = _associations(runs, leading, varied)
    order = varied
    if answers:
        found = [each.name for each in answers[0][1].found]
        order = [*found, *(n for n in varied if n not in found)]
    drawn = list(reversed(runs[-_DRAWN:]))
    return Explore(
        frame=site.frames.frame(urls.EXPLORE, "Explore", dated=False),
        experiment=title,
        count=len(runs),
        lines=_lines(drawn, order, leading),
        drawn=len(drawn),
        tables=tuple(_table(metric, answer) for metric, answer in answers),
        least=LEAST,
        example=example(site.gathered, runs),
    )


def settled(count: int) -> int:
    """Return how many runs the page shows without a script: the first, by a step that grows.

    One run more writes few files, and this page is not among them as a rule: 1, 2, 4, 8, 16,
    then by ten, from 200 by a hundred, from 2,000 by a thousand, and so on.
    """
    if count < LEAST:
        return 1 << max(count.bit_length() - 1, 0)
    step = 10
    while count >= 20 * step:
        step *= 10
    return count // step * step


def _first(experiments: dict[str, list[Run]]) -> tuple[str, list[Run]]:
    """Return the experiment to begin with: the newest with enough runs, else the one with most."""
    for name, runs in experiments.items():
        if len(runs) >= LEAST:
            return name, runs
    return max(experiments.items(), key=lambda item: len(item[1]))


def _associations(
    runs: Sequence[Run], leading: Sequence[str], names: Sequence[str]
) -> list[tuple[str, Associations]]:
    """Return the associations with each of a few metrics."""
    if len(runs) < LEAST or not names:
        return []
    most = max(1, _WORK // (len(names) * len(runs)))
    params = {name: [run.params.get(name) for run in runs] for name in names}
    return [
        (m, associations(params, [r.metrics[m].last if m in r.metrics else None for r in runs]))
        for m in leading[: min(most, _METRICS)]
    ]


def _table(metric: str, answer: Associations) -> BarTable:
    names: dict[str, list[str]] = {}
    for name, why in answer.left_out:
        names.setdefault(why, []).append(name)
    left_out = []
    if len(answer.found) > _BARS:
        left_out.append(f"{plural(len(answer.found) - _BARS, 'weaker one')} not shown.")
    for why, those in sorted(names.items()):
        some = ", ".join(those[:_NAMED])
        more = f" and {plural(len(those) - _NAMED, 'other')}" if len(those) > _NAMED else ""
        left_out.append(f"{some}{more}: {_WHY[why]}.")
    return BarTable(
        metric=metric,
        bars=tuple(_bar(each) for each in answer.found[:_BARS]),
        left_out=tuple(left_out),
    )


def _bar(found: Association) -> Bar:
    size = abs(found.value)
    signed = found.method == RANK
    sign = "" if not signed else "−" if found.value < 0 else "+"
    marks = (
        (50 + 50 * found.chance, 50 - 50 * found.chance) if signed else (50 + 50 * found.chance,)
    )
    direction = ("down" if found.value < 0 else "up") if signed else "size"
    return Bar(
        name=found.name,
        value=f"{sign}{size:.2f}",
        method=found.method,
        runs=found.runs,
        left=round(50 - 50 * size if found.value < 0 else 50.0, 2),
        width=round(50 * size, 2),
        bend=round(50 * (found.bend or 0), 2),
        bent="" if found.bend is None else f"{found.bend:.2f}",
        marks=tuple(round(mark, 2) for mark in marks),
        tone="chance" if size <= found.chance else direction,
    )


def _lines(runs: Sequence[Run], order: Sequence[str], leading: Sequence[str]) -> Lines | None:
    """Return the runs drawn over a few params and the leading metric."""
    metric = leading[0] if leading else None
    columns: list[tuple[str, list[Json], bool]] = [
        (name, [run.params.get(name) for run in runs], True) for name in order[: _AXES - 1]
    ]
    for name in leading[: max(1, 3 - len(columns))]:
        values: list[Json] = [r.metrics[name].last if name in r.metrics else None for r in runs]
        columns.append((name, values, False))
    if not columns:
        return None
    gap = _WIDTH / max(len(columns), 1)
    axes, heights, gaps = [], [], False
    for nth, (name, values, param) in enumerate(columns):
        place, ticks, log = _scale(values, param=param)
        left = (nth + 0.5) * gap
        axes.append(Axis(label=name, left=round(100 * left / _WIDTH, 2), log=log, ticks=ticks))
        places = [place(value) for value in values]
        gaps = gaps or None in places
        heights.append([_y(place) for place in places])
    colours, low, high = _colours(runs, metric)
    paths = [
        (colour, "M" + "L".join(f"{(n + 0.5) * gap:.0f} {ys[at]}" for n, ys in enumerate(heights)))
        for at, colour in enumerate(colours)
    ]
    return Lines(
        width=_WIDTH,
        height=_HEIGHT,
        axes=tuple(axes),
        paths=tuple(paths),
        gaps=gaps,
        metric=metric,
        low=low,
        high=high,
    )


def _y(place: float | None) -> int:
    """Return the height of a value, 0 to 1; those that are missing have a lane below."""
    return _HEIGHT - 8 if place is None else round((1 - place) * (_HEIGHT - 40)) + 10


def _top(place: float) -> float:
    return round(100 * _y(place) / _HEIGHT, 2)


def _scale(
    values: Sequence[Json], *, param: bool
) -> tuple[Callable[[Json], float | None], tuple[Tick, ...], bool]:
    """Return where values lie on an axis, the values that stand on it, and if it is logarithmic."""
    there = [v for v in values if v is not None]
    if there and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in there):
        finite = [v for v in there if abs(v) <= float_info.max]
        low, high = (min(finite), max(finite)) if finite else (0, 0)
        log = param and low > 0 and high / low >= _LOG
        ends = (low, high) if low < high else (low,) if finite else ()

        def place(value: Json) -> float | None:
            if value is None or not abs(value) <= float_info.max:
                return None
            if log:
                return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
            return float((value / 2 - low / 2) / (high / 2 - low / 2)) if high > low else 0.5

        return place, tuple(_tick(number(end), place(end)) for end in ends), log
    words = sorted({shown(v) for v in there})
    step = max(1, -(-len(words) // _TICKS))
    spots = {word: (n + 0.5) / len(words) for n, word in enumerate(words)}
    ticks = tuple(_tick(word, spots[word]) for word in words[::step])
    return lambda value: None if value is None else spots[shown(value)], ticks, False


def _tick(text: str, place: float | None) -> Tick:
    return Tick(text=text, top=_top(place or 0.0))


def _colours(runs: Sequence[Run], name: str | None) -> tuple[list[int], str, str]:
    """Return the colour of each run by its metric, and the ends of the scale as text."""
    found = [run.metrics.get(name or "") for run in runs]
    values = [math.nan if metric is None else metric.last for metric in found]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return [0] * len(runs), "", ""
    low, high = min(finite), max(finite)
    half = high / 2 - low / 2
    steps = [
        0
        if not math.isfinite(value)
        else min(_COLOURS, 1 + int(_COLOURS * (value / 2 - low / 2) / half))
        if half
        else 3
        for value in values
    ]
    return steps, number(low), number(high)
