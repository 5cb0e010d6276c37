"""``any: [GATE, …]``: gates one of which must pass."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from gitml.registry.gates.base import best, hints, judge, read_list, summary, verdict

if TYPE_CHECKING:
    from gitml.model import Json
    from gitml.registry.gates.base import Case, Gate, Where
    from gitml.registry.values import Verdict


@dataclass(frozen=True, slots=True)
class Any:
    """Passes when one of its gates does."""

    gates: tuple[Gate, ...]
    """The gates; none at all refuse."""
    name: ClassVar[str] = "any"
    relative: ClassVar[bool] = False

    @classmethod
    def parse(cls, value: Json, where: Where) -> Self:
        """Take a list of gates."""
        return cls(read_list(value, where))

    @property
    def text(self) -> str:
        """The gates, in brackets."""
        return f"any of [{'; '.join(gate.text for gate in self.gates)}]"

    @property
    def words(self) -> str:
        """How many of the gates it takes; each says what it takes itself."""
        return "one of these passes"

    def check(self, case: Case) -> Verdict:
        """Answer with the best of the gates."""
        inner = tuple(judge(gate, case) for gate in self.gates)
        answer = best([found.answer for found in inner])
        return replace(
            verdict(self, answer, summary(inner), "one of them passes", hint=hints(inner, ", or ")),
            inner=inner,
        )
