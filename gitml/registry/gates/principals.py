"""What gates about signatures share: lists of principals, and the signature of a tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.errors import DamagedError
from gitml.names import TAGS, visible
from gitml.registry.signers import answers_to
from gitml.registry.tagobject import parse_tag
from gitml.registry.verify import Signature, allowed_signers, verify_tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.model import Json
    from gitml.registry.gates.base import Case, Where
    from gitml.registry.values import Answer

LIMIT = 1024 * 1024
"""Bytes of a tag that is read."""


def read_principals(value: Json, where: Where) -> tuple[str, ...]:
    """Return the principals of a list, or of a single text; at least one."""
    listed = [value] if isinstance(value, str) else value
    fine = isinstance(listed, list) and all(isinstance(p, str) and p.strip() for p in listed)
    if not fine:
        where.refuse("is not a list of principals", "for example [release@example.com]")
    if not listed:
        where.refuse("names nobody", "list who may sign, as .gitml/allowed_signers names them")
    return tuple(dict.fromkeys(p.strip() for p in listed))


def who(principals: Sequence[str], last: str = "or") -> str:
    """Return ``ada@example.com or grace@example.com``."""
    shown = [visible(principal, 80) for principal in principals]
    head, tail = ", ".join(shown[:-1]), shown[-1]
    return f"{head} {last} {tail}" if head else tail


def accepted(found: Sequence[str], wanted: Sequence[str]) -> str | None:
    """Return the first of ``wanted`` that a signature with these principals is by, or None."""
    return next((w for w in wanted if any(answers_to(p, w) for p in found)), None)


def judge_tag(case: Case, name: str, target: str, wanted: Sequence[str]) -> tuple[Answer, str]:
    """Return whether the tag ``name`` of the commit ``target`` is signed by one of ``wanted``."""
    tag = case.repository.objects().get(f"{TAGS}{name}", limit=LIMIT)
    if tag is None or tag.kind != "tag":
        return "refuse", f"there is no annotated tag {visible(name, 80)}"
    try:
        names = parse_tag(tag.data).target
    except DamagedError as error:
        return "refuse", error.message.rstrip(".")
    if names != target:
        return "refuse", f"the tag {visible(name, 80)} was moved"
    allowed = allowed_signers(case.repository, case.rules or case.branch)
    signature = verify_tag(case.repository, tag.data, ref_name=name, allowed=allowed)
    return judge_signature(signature, wanted)


def judge_signature(signature: Signature, wanted: Sequence[str]) -> tuple[Answer, str]:
    """Return whether a signature is by one of ``wanted``, and what was found."""
    if signature.state == "good":
        by = accepted(signature.principals, wanted)
        if by is not None:
            return "pass", f"signed by {visible(by, 80)}"
        return "refuse", f"signed by {who(signature.principals)}"
    if signature.state == "none":
        return "refuse", "not signed"
    answer: Answer = "unknown" if signature.state == "unknown" else "refuse"
    return answer, f"a signature that does not count: {signature.reason}"
