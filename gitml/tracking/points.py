"""Points as a program gives them: checked, counted on, and made into records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gitml import names
from gitml.errors import InputError, RefusedError
from gitml.store import live
from gitml.tracking.values import number, whole_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gitml.tracking.room import Room

_LARGEST = 2**63 - 1


class Points:
    """Makes records of points, and knows where each metric has got to.

    Not for several threads at once where steps are counted.
    """

    def __init__(self, now: Callable[[], int], room: Room) -> None:
        """Start without a metric; ``now`` gives milliseconds."""
        self._now = now
        self._room = room
        self._steps: dict[str, int] = {}
        self._names: dict[str, str] = {}

    def learn(self, name: str, step: int) -> None:
        """Count on from a step that others have reached."""
        self._steps[name] = max(step, self._steps.get(name, step))

    def record(self, name: str, value: Any, step: int | None, time: int | None) -> bytes:
        """Return a point as a record; without ``step`` it is one after the metric's last.

        Raises `InputError` for what is no name, no number, no step or no time, and
        `RefusedError` for one metric too many.
        """
        try:
            quoted = self._names[name]
        except (KeyError, TypeError):  # not seen yet, or no name at all
            quoted = self._quote(name)
        if type(value) is not float:
            value = number(name, value)
        if step is None:
            step = self._steps.get(name, -1) + 1
        elif type(step) is not int:
            step = whole_step(name, step)
        _check_fit(name, step, "step")
        if step > self._steps.get(name, -1):
            self._steps[name] = step
        time = self._now() if time is None else _milliseconds(name, time)
        if value - value == 0:  # finite, at the price of a subtraction
            return f"\n[{quoted},{step},{time},{value!r}]\n".encode("utf-8", "surrogatepass")
        return live.point_record(quoted, step, time, value)

    def records(
        self, values: Mapping[str, Any], step: int | None, time: int | None
    ) -> Iterable[bytes]:
        """Return a record for each metric; if one is refused no step is counted."""
        before = {name: self._steps[name] for name in values if name in self._steps}
        try:
            return [self.record(name, value, step, time) for name, value in values.items()]
        except (InputError, RefusedError):
            for name in values:
                self._steps.pop(name, None)
            self._steps |= before
            raise

    def _quote(self, name: Any) -> str:
        if not isinstance(name, str):
            raise InputError(f"A metric's name must be text, not {names.visible(repr(name), 60)}.")
        names.check_name(name, "metric")
        self._room.take_metric(name)
        quoted = self._names[name] = json.dumps(name, ensure_ascii=False)
        return quoted


def _milliseconds(name: str, time: Any) -> int:
    whole = time if type(time) is int else whole_step(name, time, "time")
    return _check_fit(name, whole, "time")


def _check_fit(name: str, number: int, what: str) -> int:
    if not -_LARGEST <= number <= _LARGEST:
        raise InputError(f"The {what} of {names.visible(name)} does not fit 64 bits.")
    return number
