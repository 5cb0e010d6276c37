"""Semantic versions as gitml and GTO write them: an order, and the next one.

https://semver.org/#spec-item-11
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from gitml.errors import InputError
from gitml.names import VERSION, visible

Part: TypeAlias = Literal["major", "minor", "patch"]
Key: TypeAlias = tuple[int, int, int, int, tuple[tuple[int, int, str], ...], str]
"""What sorts versions."""

FIRST = "v1.0.0"
_READ = re.compile(rf"(?:{VERSION.pattern})(?:\+[0-9A-Za-z.-]+)?")
"""What is read: also build metadata, which GTO writes."""


def is_version(text: str) -> bool:
    """Say whether ``text`` is ``v`` and a semantic version, with build metadata or without."""
    return _READ.fullmatch(text) is not None


def key(version: str) -> Key:
    """Return what sorts versions by precedence; what is no version comes first.

    A pre-release comes before its release, numbers before words. Build metadata does
    not count, except to tell two versions apart.
    """
    found = _READ.fullmatch(version)
    if found is None:
        return (-1, 0, 0, 0, (), version)
    major, minor, patch = (int(found[nth]) for nth in (1, 2, 3))
    parts = found[4].split(".") if found[4] else []
    words = tuple((0, int(word), "") if word.isdecimal() else (1, 0, word) for word in parts)
    return (major, minor, patch, 0 if parts else 1, words, version)


def is_prerelease(version: str) -> bool:
    """Say whether ``version`` is one such as ``v1.2.0-rc.1``."""
    found = _READ.fullmatch(version)
    return found is not None and found[4] is not None


def bump(version: str, part: Part) -> str:
    """Return the release that follows ``version``: ``v1.3.0`` for ``v1.2.1`` and minor.

    What a pre-release leads to follows it if that is a step of ``part``: ``v2.0.0`` follows
    ``v2.0.0-rc.1`` whichever is asked. Raises `InputError` for what is no version.
    """
    found = _READ.fullmatch(version)
    if found is None:
        raise InputError(f"{visible(version, 80)!r} is not a version.")
    major, minor, patch = (int(found[nth]) for nth in (1, 2, 3))
    if found[4] and (part == "patch" or (patch == 0 and (part == "minor" or minor == 0))):
        return f"v{major}.{minor}.{patch}"
    if part == "major":
        return f"v{major + 1}.0.0"
    return f"v{major}.{minor + 1}.0" if part == "minor" else f"v{major}.{minor}.{patch + 1}"
