"""``review: merged`` or ``review: branch``: that others agreed to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from gitml.names import did_you_mean, visible
from gitml.registry.gates.base import review_command, verdict

if TYPE_CHECKING:
    from gitml.model import Json
    from gitml.registry.gates.base import Case, Where
    from gitml.registry.values import Verdict

_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_EXPECTED = {
    "merged": "a merged request, approved on its head by somebody other than its author",
    "branch": "a change of the stage file on the protected branch",
}


@dataclass(frozen=True, slots=True)
class Review:
    """Passes a change that the protected branch has, with ``merged`` one that was approved too."""

    how: str
    """``merged`` or ``branch``."""
    name: ClassVar[str] = "review"
    relative: ClassVar[bool] = False

    @classmethod
    def parse(cls, value: Json, where: Where) -> Self:
        """Take ``merged`` or ``branch``."""
        if not isinstance(value, str) or value not in _EXPECTED:
            near = did_you_mean(str(value), _EXPECTED)
            where.refuse("is neither merged nor branch", near or "write review: merged")
        return cls(value)

    @property
    def text(self) -> str:
        """Which of the two."""
        return f"review {self.how}"

    @property
    def words(self) -> str:
        """Which of the two, in words."""
        return f"there is {_EXPECTED[self.how]}"

    def check(self, case: Case) -> Verdict:
        """Refuse what nobody asked for on the branch; in a proposal that is still to come."""
        expected = _EXPECTED[self.how]
        if case.setting == "propose":
            return verdict(self, "pending", "decided when it is merged", expected)
        if case.change is None:
            names = case.model.slug, case.version.name, case.stage
            asking = review_command(*names, case.setting, leaves=case.leaves)
            hint = f"ask for a review: {asking}"
            return verdict(self, "refuse", "no request asked for it", expected, hint=hint)
        if not _has(case, case.change):
            got = f"{visible(case.change[:10])} is not on the protected branch"
            return verdict(self, "refuse", got, expected)
        if self.how == "branch":
            got = f"{visible(case.change[:10])} is on the protected branch"
            return verdict(self, "pass", got, expected)
        if case.review is None:
            return verdict(self, "unknown", "no git host can be asked", expected)
        found = case.review()
        return verdict(self, found.answer, found.got, expected)


def _has(case: Case, change: str) -> bool:
    """Say whether the protected branch reaches the commit ``change``."""
    if case.branch is None or not _OID.fullmatch(change):
        return False
    return not case.repository.run("rev-list", "--max-count=1", change, "--not", case.branch)
