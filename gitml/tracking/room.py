"""How much one run may hold: no more than its readers take.

Readers refuse large files under refs before they build them, because anybody who
may push can have written them; so no recorder may write one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from gitml.codec import NODE_LIMIT, STORED_LIMIT
from gitml.errors import RefusedError
from gitml.lines import dump_json
from gitml.store.state import EDITS_LIMIT

if TYPE_CHECKING:
    from gitml.model import Json, Run

_VALUES = NODE_LIMIT * 9 // 10
_BYTES = STORED_LIMIT * 9 // 10
_EDITS = EDITS_LIMIT // 2
_FILES = ("params", "metrics", "artifacts")
"""What has a file of its own; all other facts are in ``run.yaml``."""
_END = {"status", "ended"}
_SUMMARY = dict.fromkeys(("last", "step", "min", "max", "count", "goal"), "-1.2345678901234567e+89")


class Weight(NamedTuple):
    """How many values something is in YAML, and at most about how many bytes."""

    values: int
    size: int


class Room:
    """What the YAML files of a run hold so far; not for several threads at once."""

    def __init__(self) -> None:
        """Start empty."""
        self._held: dict[str, dict[str, Weight]] = {}
        self._totals: dict[str, Weight] = {}
        self._edits = 0

    def learn(self, run: Run) -> None:
        """Count what others wrote to the run."""
        facts: dict[str, Json] = {f"params.{name}": value for name, value in run.params.items()}
        facts |= {f"tags.{name}": value for name, value in run.tags.items()}
        facts |= {f"artifacts.{path}": _SUMMARY for path in run.artifacts}
        facts |= {f"metrics.{name}": _SUMMARY for name in run.metrics}
        for key, value in facts.items():
            self._put(key, _weight(key, value))

    def take_metric(self, name: str) -> None:
        """Count a metric; raise `RefusedError` if there is no room for its summary."""
        self.take({f"metrics.{name}": _SUMMARY}, 0)

    def take(self, facts: Mapping[str, Json], size: int) -> None:
        """Count facts, of ``size`` bytes as edits; raise `RefusedError` if there is no room.

        For a run's end there always is.
        """
        if facts.keys() <= _END:
            return
        if self._edits + size > _EDITS:
            raise RefusedError(
                "The run has been told too many facts to keep them all.",
                hint="What changes often is a metric; tags and notes are kept with their history.",
            )
        before = {key: self._put(key, _weight(key, value)) for key, value in facts.items()}
        for file, total in self._totals.items():
            if total.values > _VALUES or total.size > _BYTES:
                for key, old in before.items():
                    self._put(key, old)
                raise RefusedError(
                    f"The run cannot hold any more {file or 'facts'}.",
                    hint="Log them as one file: log_dict, or log_artifact of an archive.",
                )
        self._edits += size

    def _put(self, key: str, new: Weight) -> Weight:
        """Let a fact weigh ``new``, and return what it weighed before."""
        prefix = key.partition(".")[0]
        file = prefix if prefix in _FILES else ""
        held = self._held.setdefault(file, {})
        old = held.get(key, Weight(0, 0))
        held[key] = new
        total = self._totals.get(file, Weight(0, 0))
        self._totals[file] = Weight(
            total.values + new.values - old.values, total.size + new.size - old.size
        )
        return old


def _weight(key: str, value: Json) -> Weight:
    weight = weigh(value)
    return Weight(weight.values + 1, weight.size + _size(key) + 4)


def _size(text: str) -> int:
    """Return at most how many bytes a text takes, escaped."""
    escaped = 0 if text.isascii() else sum(c > "\uffff" or not c.isprintable() for c in text)
    return len(dump_json(text).encode()) + 7 * escaped


def weigh(value: Json, indent: int = 2) -> Weight:
    """Return the weight of ``value`` in block style."""
    parts: list[Weight] = []
    if isinstance(value, Mapping):
        for key, inner in value.items():
            weight = weigh(inner, indent + 2)
            parts.append(Weight(weight.values + 1, weight.size + indent + _size(key) + 4))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            weight = weigh(inner, indent + 2)
            parts.append(Weight(weight.values, weight.size + indent + 4))
    elif isinstance(value, str):
        lines = value.count("\n") + 1 + len(value) // 4000  # where it is folded
        return Weight(1, _size(value) + (indent + 3) * lines)
    else:
        return Weight(1, len(str(value)) + 4)
    return Weight(1 + sum(p.values for p in parts), 2 + sum(p.size for p in parts))
