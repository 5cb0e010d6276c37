"""Where the boxes of a lineage lie: in layers from left to right, the same every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEIGHT, DOWN = 44, 12
"""Of a box, and the room below it."""
_ROOM = {4: (216, 76), 5: (192, 50), 6: (164, 38)}
"""Width of a box and the room beside it, by the number of layers: six go on a laptop's screen."""
TOP = 28
"""Room for the headings."""
_SWEEPS = 2


def room(layers: int) -> tuple[int, int]:
    """Return how wide a box is, and the room beside it."""
    return _ROOM[min(max(layers, 4), 6)]


def layers_of(edges: Sequence[tuple[str, str]], last: Mapping[str, int]) -> dict[str, int]:
    """Return how many steps each node is from the right: the longest way, round trips left out.

    ``last`` says where the layers of some nodes begin at least.
    """
    after: dict[str, list[str]] = {}
    for source, target in edges:
        after.setdefault(source, []).append(target)
        after.setdefault(target, [])
    found: dict[str, int] = {}
    for start in [*after, *last]:
        waiting, on_the_way = [start], {start}
        while waiting:
            node = waiting[-1]
            ahead = [n for n in after.get(node, ()) if n not in found and n not in on_the_way]
            if ahead:
                waiting.append(ahead[0])
                on_the_way.add(ahead[0])
                continue
            steps = [found[n] + 1 for n in after.get(node, ()) if n in found]
            found.setdefault(node, max([*steps, last.get(node, 0)]))
            waiting.pop()
            on_the_way.discard(node)
    return found


def places(
    layers: Mapping[str, int], edges: Sequence[tuple[str, str]], order: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """Return the left upper corner of each node's box.

    ``order`` is how the nodes of a layer follow each other where nothing else says it.
    Each box is drawn to the middle of those that it is joined to, in sweeps to and fro.
    """
    most = max(layers.values(), default=0)
    columns: list[list[str]] = [[] for _ in range(most + 1)]
    for node in order:
        columns[layers[node]].append(node)
    joined: dict[str, list[str]] = {}
    for source, target in edges:
        joined.setdefault(source, []).append(target)
        joined.setdefault(target, []).append(source)
    y: dict[str, float] = {}
    start = max(range(len(columns)), key=lambda at: (len(columns[at]), -at), default=0)
    for at in range(len(columns)):
        for nth, node in enumerate(columns[at]):
            y[node] = nth * (HEIGHT + DOWN)
    outward = [*range(start + 1, len(columns)), *reversed(range(start))]
    for _ in range(_SWEEPS):
        for at in outward:
            _settle(columns[at], layers, joined, y, toward=-1 if at > start else 1)
    low, pitch = min(y.values(), default=0), sum(room(len(columns)))
    return {n: ((most - layers[n]) * pitch, round(TOP + y[n] - low)) for n in order}


def _settle(
    column: list[str],
    layers: Mapping[str, int],
    joined: Mapping[str, Sequence[str]],
    y: dict[str, float],
    *,
    toward: int,
) -> None:
    """Move the boxes of a layer beside those they are joined to on one side, none over another."""
    wish = {}
    for node in column:
        near = [y[n] for n in joined.get(node, ()) if (layers[n] - layers[node]) * toward > 0]
        wish[node] = sum(near) / len(near) if near else y[node]
    column.sort(key=lambda node: wish[node])
    pitch = HEIGHT + DOWN
    placed: list[float] = []
    for node in column:
        placed.append(max(wish[node], placed[-1] + pitch if placed else wish[node]))
    # What was pushed down is taken back by half, so that a layer lies around its middle.
    shift = sum(at - wish[n] for at, n in zip(placed, column, strict=True)) / max(len(column), 1)
    for at, node in zip(placed, column, strict=True):
        y[node] = at - shift
