"""Whether a condition holds, given the metrics."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING

from gitml.names import did_you_mean, visible
from gitml.registry.conditions.nodes import (
    FIELDS,
    FUNCTIONS,
    Comparison,
    Logic,
    Name,
    Number,
    exact,
    names,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from gitml.model import Metric
    from gitml.registry.conditions.nodes import Node
    from gitml.registry.values import ModelVersion

MOST = 8
"""Metrics that a hint lists."""
_SIGNS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_OPERATIONS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def look_up(metrics: Mapping[str, Metric], name: Name) -> Fraction | str:
    """Return the value of a metric, or why there is none: ``has no metric acu``."""
    found = _find(metrics, name)
    if found is None:
        return f"has no metric {visible(name.metric, 80)}"
    value = getattr(*found)
    if not math.isfinite(value):
        return f"has {visible(name.metric, 80)} {'NaN' if math.isnan(value) else 'infinite'}"
    return exact(value)


def _find(metrics: Mapping[str, Metric], name: Name) -> tuple[Metric, str] | None:
    if name.metric in metrics:
        return metrics[name.metric], "last"
    head, _, tail = name.metric.rpartition(".")
    return (metrics[head], tail) if head in metrics and tail in FIELDS else None


def nearest_metric(version: ModelVersion, name: Name) -> str:
    """Return ``did you mean auc?``, or which metrics there are; nothing if it is there."""
    metrics = version.metrics
    if _find(metrics, name):
        return ""
    if close := did_you_mean(name.metric, metrics):
        return close
    if not metrics:
        return f"no metrics were registered with {version.name}"
    listed = ", ".join(visible(known, 40) for known in sorted(metrics)[:MOST])
    return f"{version.name} has {listed}{' …' if len(metrics) > MOST else ''}"


def holds(node: Node, values: Mapping[Name, Fraction]) -> bool | None:
    """Say whether a condition holds, with the ``values`` of its names.

    None is "there is nothing to compare with": a comparison one of whose names
    has no value, and what depends on it (Kleene's logic of three values). Raises
    ZeroDivisionError.
    """
    if isinstance(node, Comparison):
        if not all(name in values for name in names(node)):
            return None
        numbers = [number(o, values) for o in node.operands]
        pairs = zip(numbers, node.signs, numbers[1:], strict=False)
        return all(_SIGNS[sign](left, right) for left, sign, right in pairs)
    assert isinstance(node, Logic)
    found = [holds(o, values) for o in node.operands]
    if node.op == "not":
        return None if found[0] is None else not found[0]
    decides = node.op == "or"  # one true makes an "or" true, one false an "and" false
    if decides in found:
        return decides
    return None if None in found else not decides


def number(node: Node, values: Mapping[Name, Fraction]) -> Fraction:
    """Return what a node that is a number comes to; raise ZeroDivisionError."""
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Name):
        return values[node]
    assert not isinstance(node, (Comparison, Logic))
    numbers = [number(o, values) for o in node.operands]
    if len(numbers) == 1:
        return abs(numbers[0]) if node.op == "abs" else -numbers[0]
    if node.op in FUNCTIONS:
        return min(numbers) if node.op == "min" else max(numbers)
    result: Fraction = _OPERATIONS[node.op](*numbers)
    return result
