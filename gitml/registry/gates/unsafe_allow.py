"""``unsafe_allow: true``: anything passes, and the name says what that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from gitml.registry.gates.base import verdict

if TYPE_CHECKING:
    from gitml.model import Json
    from gitml.registry.gates.base import Case, Where
    from gitml.registry.values import Verdict


@dataclass(frozen=True, slots=True)
class UnsafeAllow:
    """Lets everything pass."""

    name: ClassVar[str] = "unsafe_allow"
    text: ClassVar[str] = "unsafe_allow"
    words: ClassVar[str] = "nothing: whatever asks may have the stage"
    relative: ClassVar[bool] = False

    @classmethod
    def parse(cls, value: Json, where: Where) -> Self:
        """Take ``true``."""
        if value is not True:
            where.refuse("is not true", "write unsafe_allow: true, or take the gate away")
        return cls()

    def check(self, case: Case) -> Verdict:  # noqa: ARG002 - every gate is given a case
        """Pass."""
        return verdict(self, "pass", "nothing was asked", "anything")
