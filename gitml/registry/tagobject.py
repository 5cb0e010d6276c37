"""Annotated tags as objects: what is written, and what is read of anybody's.

Read from the object itself, up to the signature: ``git tag -m`` drops lines that
start with ``#``, and ``for-each-ref`` shows no trailers of a tag signed with SSH.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml.errors import DamagedError
from gitml.names import visible
from gitml.registry.message import MESSAGE_LIMIT, parse_fields
from gitml.store.fast_import import clean_identity

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIGNATURE = re.compile(
    rb"^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE|SSH SIGNATURE)-----", re.MULTILINE
)
"""What git takes for the start of a signature (gpg-interface.c); the last one counts."""
_OID = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}")
_WHO = re.compile(rb"(.*?) ?(-?[0-9]{1,12}) ([+-][0-9]{4})")


@dataclass(frozen=True, slots=True, kw_only=True)
class TagDraft:
    """A tag to be made of a commit."""

    name: str
    """Its short name, ``churn@v1.2.0``: the header says the same as the ref."""
    target: str
    """The commit."""
    message: str
    """The whole message, of `event_message`."""
    tagger: str
    """Who, as ``Name <email>``."""
    at: int
    """When, in milliseconds of a whole second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """An annotated tag as it was found."""

    name: str
    """What its header says, which may not be the name of its ref."""
    target: str
    """The object it names."""
    kind: str
    """What that object is said to be: ``commit`` for ours."""
    tagger: str
    """Who, as ``Name <email>``; empty if it does not say."""
    at: int | None
    """When, in milliseconds; None if it does not say."""
    message: str
    """The message without the signature."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """The fields of an event; empty for a tag that gitml did not write."""
    signature: bytes | None = None
    """The signature, armoured."""
    signed_part: bytes = b""
    """What the signature is of: all that stands before it."""


def content(draft: TagDraft) -> bytes:
    """Return the object of a tag without a signature, as ``git mktag`` takes it."""
    message = draft.message if draft.message.endswith("\n") else f"{draft.message}\n"
    text = (
        f"object {draft.target}\ntype commit\ntag {draft.name}\n"
        f"tagger {clean_identity(draft.tagger)} {draft.at // 1000} +0000\n\n{message}"
    )
    return text.encode("utf-8", "replace")


def parse_tag(data: bytes) -> Tag:
    """Return the tag in an object's content; raise `DamagedError` if it is none."""
    if len(data) > MESSAGE_LIMIT:
        raise DamagedError(f"A tag has {len(data):,} bytes, more than the limit.")
    starts = [found.start() for found in _SIGNATURE.finditer(data)]
    signed_part = data[: starts[-1]] if starts else data
    head, _, message = signed_part.partition(b"\n\n")
    headers: dict[bytes, bytes] = {}
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")
        headers.setdefault(name, value)
    if not _OID.fullmatch(headers.get(b"object", b"")) or b"type" not in headers:
        raise DamagedError(f"A tag cannot be read: {visible(repr(head), 80)}.")
    tagger, at = identity(headers.get(b"tagger", b""))
    text = message.decode("utf-8", "replace")
    return Tag(
        name=headers.get(b"tag", b"").decode("utf-8", "replace"),
        target=headers[b"object"].decode(),
        kind=headers[b"type"].decode("utf-8", "replace"),
        tagger=tagger,
        at=at,
        message=text,
        fields=_fields(text),
        signature=data[starts[-1] :] if starts else None,
        signed_part=signed_part,
    )


def identity(line: bytes) -> tuple[str, int | None]:
    """Return who and when (in milliseconds) of a header such as ``tagger``."""
    found = _WHO.fullmatch(line)
    if found is None:
        return line.decode("utf-8", "replace"), None
    return found[1].decode("utf-8", "replace"), int(found[2]) * 1000


def _fields(message: str) -> dict[str, str]:
    if "\n\n" not in message:
        return {}
    try:
        fields = parse_fields(message)
    except DamagedError:
        return {}
    return fields if "event" in fields else {}
