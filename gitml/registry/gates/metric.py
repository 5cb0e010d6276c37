"""``metric: metrics.auc >= current - 0.005``: a condition over the version's metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from gitml.errors import InputError
from gitml.names import visible
from gitml.registry.conditions.holding import holds, look_up, nearest_metric, number
from gitml.registry.conditions.nodes import Comparison, Logic, Name, Number, names, shown
from gitml.registry.conditions.parsing import parse
from gitml.registry.gates.base import PolicyError, verdict, was_filled

if TYPE_CHECKING:
    from fractions import Fraction

    from gitml.model import Json
    from gitml.registry.gates.base import Case, Where
    from gitml.registry.values import Verdict


@dataclass(frozen=True, slots=True)
class Metric:
    """Holds the version's frozen metrics against a number, or against the present version's."""

    text: str
    """The condition as it is written."""
    condition: Comparison | Logic
    """The condition."""
    name: ClassVar[str] = "metric"

    @classmethod
    def parse(cls, value: Json, where: Where) -> Self:
        """Take a condition; its grammar is in `gitml.registry.conditions`."""
        if not isinstance(value, str):
            where.refuse("is not a condition", "for example metrics.auc >= 0.85")
        try:
            condition = parse(value)
        except InputError as error:
            message = f"{where}: {error.message}"
            raise PolicyError(message, hint=error.hint, path=where.path) from None
        return cls(" ".join(value.split()), condition)

    @property
    def words(self) -> str:
        """Whose metrics they are."""
        told = "; current is that of the version in the stage" if self.relative else ""
        return f"it holds for the metrics that the version was registered with{told}"

    @property
    def relative(self) -> bool:
        """Whether the present version's metrics are in it."""
        return any(name.current for name in names(self.condition))

    def check(self, case: Case) -> Verdict:
        """Refuse without every metric it names, a number each; NaN is none."""
        found = names(self.condition)
        values: dict[Name, Fraction] = {}
        for name in found:
            of = case.current if name.current else case.candidate
            if of is None:
                if was_filled(case):
                    got = "the stage held a version before, which cannot be read"
                    return verdict(self, "unknown", got, self.text)
                continue
            value = look_up(of.metrics, name)
            if isinstance(value, str):
                got = f"{of.name} {value}"
                hint = nearest_metric(of, name)
                return verdict(self, "refuse", got, self.text, hint=hint)
            values[name] = value
        try:
            holding = holds(self.condition, values)
        except ZeroDivisionError:
            return verdict(self, "refuse", "a division by zero", self.text)
        if holding is None:
            got = (
                f"{self._listed(values, case)}; no version was ever in {case.stage} to compare with"
            )
            return verdict(self, "pass", got, self.text)
        got, expected = self._told(values, case)
        return verdict(self, "pass" if holding else "refuse", got, expected)

    def _told(self, values: dict[Name, Fraction], case: Case) -> tuple[str, str]:
        """Return what was got and expected; short where one metric is held against a number."""
        node = self.condition
        if isinstance(node, Comparison) and len(node.signs) == 1:
            left, right = node.operands
            if isinstance(left, Name) and not left.current:
                limit = number(right, values)
                got, expected = shown(values[left]), shown(limit)
                if got == expected and values[left] != limit:  # six digits hide the difference
                    got, expected = shown(values[left], whole=True), shown(limit, whole=True)
                expected = f"{node.signs[0]} {expected}"
                if not isinstance(right, Number):
                    others = {name: value for name, value in values.items() if name != left}
                    expected += f" ({self._listed(others, case)})"
                return got, expected
        return self._listed(values, case), self.text

    def _listed(self, values: dict[Name, Fraction], case: Case) -> str:
        texts = []
        for name, value in values.items():
            of = f" in {case.current.name}" if name.current and case.current else ""
            label = "current" if name.plain else name.metric
            texts.append(f"{visible(label, 80)} {shown(value)}{of}")
        return ", ".join(dict.fromkeys(texts))
