"""That whoever signed was allowed to, at that time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.names import TAGS, plural, visible
from gitml.registry.checks.sight import Finding
from gitml.registry.verify import Asked, verify_tags

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitml.registry.checks.sight import Sight


_OVER = ("revoked", "ended", "expired")
"""Words of reasons by which a key did count once."""


def check(sight: Sight) -> Iterator[Finding]:
    """Yield signatures that do not count, and how many nobody here can judge."""
    told = sight.told()
    asked = [
        Asked(sight.objects[name], name)
        for name, tag in sight.parsed.items()
        if tag.signature is not None and name in told
    ]
    unknown: dict[str, list[str]] = {}
    answers = verify_tags(sight.repository, asked, sight.allowed)
    for one, answer in zip(asked, answers, strict=True):
        if answer.state == "unknown":
            unknown.setdefault(answer.reason, []).append(one.name)
        elif answer.state == "bad":
            yield Finding(
                kind="signature",
                level="damage",
                model=told[one.name][0].slug,
                ref=TAGS + one.name,
                text=f"The signature of {one.name} does not count: {answer.reason}.",
                mend=_mend(answer.reason, sight.allowed.origin),
            )
    for reason, names in unknown.items():
        yield Finding(
            kind="unverified",
            level="note",
            ref=TAGS + names[0],
            text=f"{plural(len(names), 'signature')} cannot be judged: {reason}.",
        )


def _mend(reason: str, origin: str) -> str:
    if any(word in reason for word in _OVER):
        return (
            "find out who signed this when, and since when the key does not count; "
            "what is still wanted is done again with one that does"
        )
    return (
        f"if the key is a colleague's, add it to {visible(origin, 80)} with the time from which "
        "it was theirs; else find out whose it is"
    )
