"""``reproduced: {by: [ci@example.com]}``: somebody got the same result again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from gitml.names import did_you_mean, visible
from gitml.registry.gates.base import best, verdict
from gitml.registry.gates.principals import judge_tag, read_principals, who

if TYPE_CHECKING:
    from gitml.model import Json
    from gitml.registry.gates.base import Case, Where
    from gitml.registry.values import Answer, Event, Verdict

_EXAMPLE = "for example reproduced: {by: [ci@example.com]}"
PASSED = "passed"
"""What the field ``outcome`` of an event says that counts."""


@dataclass(frozen=True, slots=True)
class Reproduced:
    """Passes a version whose run was reproduced, as a signed event of the journal says."""

    by: tuple[str, ...]
    """Who must say so."""
    name: ClassVar[str] = "reproduced"
    relative: ClassVar[bool] = False

    @classmethod
    def parse(cls, value: Json, where: Where) -> Self:
        """Take a mapping with ``by``, a list of principals."""
        if not isinstance(value, dict) or "by" not in value:
            where.refuse("does not say by whom", _EXAMPLE)
        for key in value:
            if key != "by":
                near = did_you_mean(str(key), ("by",))
                where.below(str(key)).refuse("means nothing here", near or _EXAMPLE)
        return cls(read_principals(value["by"], where.below("by")))

    @property
    def text(self) -> str:
        """By whom."""
        return f"reproduced by {who(self.by)}"

    @property
    def words(self) -> str:
        """By whom, in words."""
        return f"its run was reproduced, as an event signed by {who(self.by)} says"

    def check(self, case: Case) -> Verdict:
        """Refuse without an event for this version and run, passed and signed.

        The signature is that of a tag on the event's commit, which the event names.
        """
        expected = f"a reproduction that passed, signed by {who(self.by)}"
        told = [e for e in case.model.events if e.kind == "reproduce" and _about(e, case)]
        if not told:
            return verdict(self, "refuse", "no reproduction was recorded", expected)
        passed = [event for event in told if event.extra.get("outcome") == PASSED]
        if not passed:
            said = visible(told[-1].extra.get("outcome", "nothing"), 40)
            return verdict(self, "refuse", f"a reproduction said {said}", expected)
        found: list[tuple[Answer, str]] = [("refuse", "a reproduction that is not signed")]
        for event in passed:
            found += [judge_tag(case, tag, event.commit, self.by) for tag in event.tags]
        answer = best([answer for answer, _ in found])
        got = next(text for one, text in reversed(found) if one == answer)
        return verdict(self, answer, got, expected)


def _about(event: Event, case: Case) -> bool:
    run = case.candidate.run
    return event.version == case.version.name and run is not None and event.run == run.id
