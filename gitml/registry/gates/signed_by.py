"""``signed_by: [release@example.com]``: who signs the assignment's tag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from gitml.registry.gates.base import verdict
from gitml.registry.gates.principals import accepted, read_principals, who

if TYPE_CHECKING:
    from gitml.model import Json
    from gitml.registry.gates.base import Case, Where
    from gitml.registry.values import Verdict


@dataclass(frozen=True, slots=True)
class SignedBy:
    """Passes an assignment that one of these principals signs."""

    principals: tuple[str, ...]
    """Who, as the allowed signers name them."""
    name: ClassVar[str] = "signed_by"
    relative: ClassVar[bool] = False

    @classmethod
    def parse(cls, value: Json, where: Where) -> Self:
        """Take a list of principals, or one."""
        return cls(read_principals(value, where))

    @property
    def text(self) -> str:
        """Who."""
        return f"signed_by {who(self.principals)}"

    @property
    def words(self) -> str:
        """Who, in words."""
        return f"the tag that puts it into the stage is signed by {who(self.principals)}"

    def check(self, case: Case) -> Verdict:
        """Refuse an assignment that would not verify; in a proposal it is not signed yet."""
        expected = f"signed by {who(self.principals)}"
        if case.setting == "propose":
            return verdict(self, "pending", "signed when it is applied", expected)
        if case.signers is None:
            hint = "sign it: --sign, with the key that git config user.signingKey names"
            return verdict(self, "refuse", "not signed", expected, hint=hint)
        found = case.signers()
        by = accepted(found, self.principals)
        if by is not None:
            return verdict(self, "pass", f"signed by {who([by])}", expected)
        got = (
            f"signed by {who(found)}"
            if found
            else "a key that .gitml/allowed_signers does not name"
        )
        return verdict(self, "refuse", got, expected)
