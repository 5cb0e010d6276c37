"""``all: [GATE, …]``: gates that must all pass, for use within ``any``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from gitml.registry.gates.base import hints, judge, read_list, summary, verdict, worst

if TYPE_CHECKING:
    from gitml.model import Json
    from gitml.registry.gates.base import Case, Gate, Where
    from gitml.registry.values import Verdict


@dataclass(frozen=True, slots=True)
class All:
    """Passes when every one of its gates does."""

    gates: tuple[Gate, ...]
    """The gates; none at all refuse."""
    name: ClassVar[str] = "all"
    relative: ClassVar[bool] = False

    @classmethod
    def parse(cls, value: Json, where: Where) -> Self:
        """Take a list of gates."""
        return cls(read_list(value, where))

    @property
    def text(self) -> str:
        """The gates, in brackets."""
        return f"all of [{'; '.join(gate.text for gate in self.gates)}]"

    @property
    def words(self) -> str:
        """How many of the gates it takes; each says what it takes itself."""
        return "all of these pass"

    def check(self, case: Case) -> Verdict:
        """Answer with the worst of the gates."""
        inner = tuple(judge(gate, case) for gate in self.gates)
        answer = worst([found.answer for found in inner])
        return replace(
            verdict(self, answer, summary(inner), "all of them pass", hint=hints(inner, ", and ")),
            inner=inner,
        )
