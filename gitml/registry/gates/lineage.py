"""``lineage: all``: everything it was made from is known, is there, and is as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from gitml.names import did_you_mean, plural, visible
from gitml.registry.gates.base import verdict
from gitml.registry.traces import PARTS, trace

if TYPE_CHECKING:
    from gitml.model import Json
    from gitml.registry.gates.base import Case, Where
    from gitml.registry.values import Verdict

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Lineage:
    """Passes a version whose inputs, run, source and package can all be accounted for."""

    parts: tuple[str, ...]
    """What is looked at, of `PARTS`."""
    name: ClassVar[str] = "lineage"
    relative: ClassVar[bool] = False

    @classmethod
    def parse(cls, value: Json, where: Where) -> Self:
        """Take ``all``, or a list of parts."""
        if value == "all":
            return cls(PARTS)
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not listed:
            where.refuse("is neither all nor a list", f"the parts are {', '.join(PARTS)}")
        for part in listed:
            if part not in PARTS:
                near = did_you_mean(str(part), [*PARTS, "all"])
                known = f"the parts are {', '.join(PARTS)}"
                where.refuse(f"names {visible(str(part), 40)}, which is no part", near or known)
        return cls(tuple(part for part in PARTS if part in listed))

    @property
    def text(self) -> str:
        """The parts."""
        return f"lineage {'all' if self.parts == PARTS else ', '.join(self.parts)}"

    @property
    def words(self) -> str:
        """The parts, in words."""
        told = {
            "inputs": "every input has a digest",
            "run": "the run is as it was",
            "source": "its code is there",
            "package": "its files verify",
        }
        return "; ".join(told[part] for part in self.parts)

    def check(self, case: Case) -> Verdict:
        """Refuse with what is missing or wrong."""
        expected = f"{', '.join(self.parts)}: there, and as registered"
        found, problems = trace(case, self.parts)
        if not problems:
            return verdict(self, "pass", ", ".join(found), expected)
        more = len(problems) - _SHOWN
        told = "; ".join(problems[:_SHOWN])
        got = f"{told}; and {plural(more, 'more problem')}" if more > 0 else told
        return verdict(self, "refuse", got, expected)
