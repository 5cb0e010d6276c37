"""``from_stage: {stage: staging, for: 24h}``: what it went through before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from gitml.errors import InputError
from gitml.model import iso
from gitml.names import check_stage, did_you_mean, visible
from gitml.registry.gates.base import verdict
from gitml.words import span

if TYPE_CHECKING:
    from gitml.model import Json
    from gitml.registry.gates.base import Case, Where
    from gitml.registry.values import Verdict

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_LENGTH = re.compile(r"([0-9]{1,6}) ?([a-z]+)")
_EXAMPLE = "for example from_stage: {stage: staging, for: 24h}"


@dataclass(frozen=True, slots=True)
class FromStage:
    """Passes a version that is in another stage now, and has been for long enough."""

    stage: str
    """The stage it must be in."""
    seconds: int = 0
    """For how long at least, since its present assignment."""
    length: str = ""
    """The same as it is written, ``24h``."""
    name: ClassVar[str] = "from_stage"
    relative: ClassVar[bool] = True

    @classmethod
    def parse(cls, value: Json, where: Where) -> Self:
        """Take a stage, or a mapping with ``stage`` and perhaps ``for``."""
        if isinstance(value, str):
            value = {"stage": value}
        if not isinstance(value, dict) or "stage" not in value:
            where.refuse("names no stage", _EXAMPLE)
        for key in value:
            if key not in {"stage", "for"}:
                near = did_you_mean(str(key), ("stage", "for"))
                where.below(str(key)).refuse("means nothing here", near or _EXAMPLE)
        stage = value["stage"]
        try:
            check_stage(stage if isinstance(stage, str) else str(stage))
        except InputError as error:
            where.below("stage").refuse("is not the name of a stage", error.hint)
        if "for" not in value:
            return cls(stage)
        length = _LENGTH.fullmatch(str(value["for"]))
        if length is None or length[2] not in _UNITS:
            where.below("for").refuse(
                "is not a length of time", f"write 30min, 24h, 7d; {_EXAMPLE}"
            )
        return cls(stage, int(length[1]) * _UNITS[length[2]], length[1] + length[2])

    @property
    def text(self) -> str:
        """The stage and the time."""
        return f"from_stage {self.stage}{f' for {self.length}' if self.length else ''}"

    @property
    def words(self) -> str:
        """The stage and the time, in words."""
        told = f", and has been for {self.length}" if self.length else ""
        return f"the version is in {self.stage} now{told}"

    def check(self, case: Case) -> Verdict:
        """Refuse a version that is not there, or not for long enough."""
        expected = f"in {self.stage}{f' for {self.length}' if self.length else ''}"
        held = case.model.stages.get(self.stage)
        promote = f"gitml promote {case.model.slug} {case.version.name} --stage {self.stage}"
        if held is None:
            was = any(event.stage == self.stage for event in case.model.events)
            got = f"{self.stage} is empty" if was else f"nothing was ever in {self.stage}"
            return verdict(self, "refuse", got, expected, hint=promote)
        if held.version != case.version.name:
            got = f"{visible(held.version, 60)} is in {self.stage}"
            return verdict(self, "refuse", got, expected, hint=promote)
        elapsed = max(0, case.now - held.at) // 1000
        got = f"{span(elapsed)}, since {minute(held.at)}"
        if elapsed >= self.seconds:
            return verdict(self, "pass", got, expected)
        ready = minute(held.at + self.seconds * 1000 + 59_999)
        return verdict(self, "refuse", got, expected, hint=f"promote it again after {ready}")


def minute(ms: int) -> str:
    """Return a time to the minute, ``2026-11-23T09:12Z``."""
    return f"{iso(ms)[:16]}Z"
