"""Who may sign: lines of an allowed signers file, and the key inside an SSH signature.

Only to find the lines that speak of a key and the names on them: whether a line
allows a signature (dates, namespaces, the signature itself) is ssh-keygen's to
say. The format: https://man.openbsd.org/ssh-keygen.1#ALLOWED_SIGNERS
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple

ALLOWED_PATH = ".gitml/allowed_signers"
"""Where the protected branch keeps the file."""
_HEX = re.compile(r"[0-9a-fA-F ]{40,}")
_FINGERPRINT = 40
_OPTIONS = r'(?:[^\s"]|"(?:\\.|[^"\\])*")+'
_LINE = re.compile(
    rf'\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"#]\S*))\s+'
    rf"(?:(?P<options>{_OPTIONS})\s+)?(?P<type>[A-Za-z0-9@.-]+)\s+(?P<blob>[A-Za-z0-9+/]+=*)(?:\s|$)"
)


class Line(NamedTuple):
    """A line of an allowed signers file."""

    text: str
    """The whole line, for ssh-keygen to judge."""
    principals: tuple[str, ...]
    """The names on it; one list of patterns, as it stands, if there are wildcards."""
    blob: str
    """The key, in base64."""
    authority: bool
    """Whether the key signs the keys of others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """An allowed signers file."""

    text: str | None
    """Its content; None if there is no such file."""
    origin: str
    """Where it is, for people."""

    def lines(self) -> tuple[Line, ...]:
        """Return the lines that can be read; ssh-keygen passes over the others too."""
        found = (_LINE.match(line) for line in (self.text or "").split("\n"))
        return tuple(_line(match) for match in found if match)


class SshSignature(NamedTuple):
    """What an armoured SSH signature says of itself."""

    blob: str
    """The public key, in base64."""
    fingerprint: str
    """``SHA256:…``, as ssh-keygen prints it."""
    namespace: str
    """What it was made for: ``git``."""


def _line(match: re.Match[str]) -> Line:
    names = match["quoted"] if match["quoted"] is not None else match["plain"]
    patterns = any(char in names for char in "*?!")
    principals = (names,) if patterns else tuple(name for name in names.split(",") if name)
    options = (match["options"] or "").lower()
    return Line(match.string, principals, match["blob"], "cert-authority" in options)


def ssh_signature(armour: bytes) -> SshSignature | None:
    """Return what a signature says, or None if it cannot be read.

    https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig
    """
    lines = armour.decode("ascii", "replace").strip().splitlines()
    try:
        data = base64.b64decode("".join(lines[1:-1]), validate=True)
        if not data.startswith(b"SSHSIG"):
            return None
        key, rest = _string(data[10:])
        namespace, _ = _string(rest)
    except (binascii.Error, ValueError):
        return None
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    return SshSignature(
        base64.b64encode(key).decode(), f"SHA256:{digest}", namespace.decode("utf-8", "replace")
    )


def _string(data: bytes) -> tuple[bytes, bytes]:
    """Return the string that ``data`` starts with, and the rest."""
    size = int.from_bytes(data[:4], "big")
    if len(data) < 4 + size:
        raise ValueError("a string is cut off")
    return data[4 : 4 + size], data[4 + size :]


def answers_to(principal: str, wanted: str) -> bool:
    """Say whether one of a signature's principals is the one that is asked for.

    A principal with wildcards is a list of patterns as OpenSSH matches it: a
    pattern after ``!`` that matches forbids. Fingerprints of GnuPG match in any
    spelling.
    """
    if principal == wanted:
        return True
    if _HEX.fullmatch(wanted) and len(wanted.replace(" ", "")) >= _FINGERPRINT:
        return principal == wanted.replace(" ", "").upper()
    if not any(char in principal for char in "*?!"):
        return False
    patterns = principal.split(",")
    if any(p.startswith("!") and _matches(p[1:], wanted) for p in patterns):
        return False
    return any(not p.startswith("!") and _matches(p, wanted) for p in patterns)


def _matches(pattern: str, text: str) -> bool:
    parts = {"*": ".*", "?": "."}
    return re.fullmatch("".join(parts.get(c, re.escape(c)) for c in pattern), text) is not None
