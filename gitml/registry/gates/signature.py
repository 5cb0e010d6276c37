"""``signature: compatible``: what called the present version can call this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from gitml.names import did_you_mean
from gitml.registry.gates.base import verdict, was_filled
from gitml.registry.signature import differences

if TYPE_CHECKING:
    from gitml.model import Json
    from gitml.registry.gates.base import Case, Where
    from gitml.registry.values import Verdict

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Signature:
    """Passes a version whose inputs and outputs are those of the one in the stage, or wider."""

    name: ClassVar[str] = "signature"
    text: ClassVar[str] = "signature compatible"
    words: ClassVar[str] = "what calls the version in the stage can call this one (its signature)"
    relative: ClassVar[bool] = True

    @classmethod
    def parse(cls, value: Json, where: Where) -> Self:
        """Take ``compatible``."""
        if value != "compatible":
            near = did_you_mean(str(value), ("compatible",))
            where.refuse("is not compatible", near or "write signature: compatible")
        return cls()

    def check(self, case: Case) -> Verdict:
        """Refuse where either has no signature, and what breaks callers."""
        mine, current = case.candidate.signature, case.current
        if not mine:
            hint = "register it with a signature: signature=… of run.log_model"
            return verdict(
                self, "refuse", f"{case.version.name} has no signature", "a signature", hint=hint
            )
        if current is None:
            if was_filled(case):
                got = "the stage held a version before, which cannot be read"
                return verdict(self, "unknown", got, "compatible with that one")
            got = f"no version was ever in {case.stage} to compare with"
            return verdict(self, "pass", got, "compatible with the version in the stage")
        expected = f"compatible with {current.name}"
        if not current.signature:
            return verdict(self, "refuse", f"{current.name} has no signature", expected)
        broken = [d.sentence for d in differences(current.signature, mine) if d.breaks]
        if broken:
            more = f" and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
            return verdict(self, "refuse", "; ".join(broken[:_SHOWN]) + more, expected)
        same = "the same" if not differences(current.signature, mine) else "compatible"
        return verdict(self, "pass", same, expected)
