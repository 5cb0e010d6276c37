"""``registered_by: [ada@example.com]``: who signed the version's tag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from gitml.registry.gates.base import verdict
from gitml.registry.gates.principals import judge_tag, read_principals, who

if TYPE_CHECKING:
    from gitml.model import Json
    from gitml.registry.gates.base import Case, Where
    from gitml.registry.values import Verdict


@dataclass(frozen=True, slots=True)
class RegisteredBy:
    """Passes a version whose tag is signed by one of these principals."""

    principals: tuple[str, ...]
    """Who, as the allowed signers name them."""
    name: ClassVar[str] = "registered_by"
    relative: ClassVar[bool] = False

    @classmethod
    def parse(cls, value: Json, where: Where) -> Self:
        """Take a list of principals, or one."""
        return cls(read_principals(value, where))

    @property
    def text(self) -> str:
        """Who."""
        return f"registered_by {who(self.principals)}"

    @property
    def words(self) -> str:
        """Who, in words."""
        return f"the tag of the version is signed by {who(self.principals)}"

    def check(self, case: Case) -> Verdict:
        """Refuse a version without a tag of its own, or with another signature."""
        expected = f"the version's tag signed by {who(self.principals)}"
        version = case.version
        if version.attached is not None:
            got = "a tag that GTO wrote, which does not cover the package that was attached"
            return verdict(self, "refuse", got, expected)
        answer, got = judge_tag(case, version.title, version.commit, self.principals)
        hint = "" if answer == "pass" else "register it again with --sign, as another version"
        return verdict(self, answer, got, expected, hint=hint)
