"""Artifacts that are recorded by their address: nothing is copied, a digest says what was meant.

Written ``URL#sha256=HEX&size=BYTES&as=PATH``; all after the ``#`` may be left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from gitml.errors import InputError
from gitml.names import check_path, is_hostile, visible
from gitml.redact import strip_credentials

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://\S")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")
_MOST = 4096
_KEYS = ("sha256", "size", "as")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An artifact that lies elsewhere."""

    uri: str
    """Its address, without credentials."""
    dest: str
    """Its path among the artifacts."""
    sha256: str | None = None
    """Hex digest of its content; None leaves it unverified."""
    size: int | None = None
    """Its bytes, if they are known."""


def is_address(text: str) -> bool:
    """Say whether a text is an address and not a path: ``s3://bucket/model.pt``."""
    return _URL.match(text) is not None


def parse_reference(
    text: str, dest: str | None = None, *, sha256: str | None = None, size: int | None = None
) -> Reference:
    """Return what a text, and whatever is said besides, refers to; raise `InputError`."""
    uri, _, fragment = text.partition("#")
    shown = visible(strip_credentials(uri), 120)
    if not is_address(text) or len(uri) > _MOST or any(is_hostile(c) for c in uri):
        raise InputError(f"{shown} is not an address.", hint="write it as s3://bucket/model.pt")
    said = dict(parse_qsl(fragment, keep_blank_values=True))
    if fragment and (not said or said.keys() - {*_KEYS}):
        raise InputError(
            f"What stands after the # of {shown} is not understood.",
            hint="write URL#sha256=HEX&size=BYTES&as=PATH; a # in the address itself is %23",
        )
    dest = dest if dest is not None else said.get("as")
    last = unquote(re.split(r"[?]", uri.rstrip("/"))[0].partition("://")[2].rpartition("/")[2])
    if dest is None or dest.endswith("/"):
        if not last:
            raise InputError(
                f"{shown} does not say how to call the artifact.",
                hint="add #as=NAME to it",
            )
        dest = f"{dest or ''}{last}"
    return Reference(
        uri=strip_credentials(uri),
        dest=check_path(dest),
        sha256=_digest(sha256 if sha256 is not None else said.get("sha256"), shown),
        size=_size(size if size is not None else said.get("size"), shown),
    )


def _digest(text: str | None, shown: str) -> str | None:
    if text is None:
        return None
    found = _DIGEST.fullmatch(text.strip())
    if found is None:
        raise InputError(
            f"The digest of {shown} is not one: {visible(text, 80)!r}.",
            hint="sha256sum prints it: 64 hex digits",
        )
    return found[1].lower()


def _size(text: str | int | None, shown: str) -> int | None:
    if text is None:
        return None
    if isinstance(text, bool) or not re.fullmatch(r"[0-9]{1,18}", str(text)):
        raise InputError(f"The size of {shown} is not a number of bytes: {visible(str(text), 40)}.")
    return int(text)
