from __future__ import annotations

import random

import pytest

from gitml.errors import InputError
from gitml.registry.semver import bump, is_prerelease, is_version, key

ORDER = [
    "nonsense",
    "v0.9.0",
    "v1.0.0-alpha",
    "v1.0.0-alpha.1",
    "v1.0.0-alpha.beta",
    "v1.0.0-beta",
    "v1.0.0-beta.2",
    "v1.0.0-beta.11",
    "v1.0.0-rc.1",
    "v1.0.0",
    "v1.0.0+b1",
    "v1.0.1",
    "v1.2.0",
    "v1.10.0",
    "v2.0.0",
]
"""https://semver.org/#spec-item-11, and what is between."""


def test_order():
    shuffled = random.Random(1).sample(ORDER, len(ORDER))
    assert sorted(shuffled, key=key) == ORDER


@pytest.mark.parametrize(
    "version,part,following",
    [
        ("v1.2.3", "major", "v2.0.0"),
        ("v1.2.3", "minor", "v1.3.0"),
        ("v1.2.3", "patch", "v1.2.4"),
        ("v2.0.0-rc.1", "major", "v2.0.0"),
        ("v2.0.0-rc.1", "minor", "v2.0.0"),
        ("v2.0.0-rc.1", "patch", "v2.0.0"),
        ("v2.1.0-rc.1", "major", "v3.0.0"),
        ("v2.1.0-rc.1", "minor", "v2.1.0"),
        ("v2.1.1-rc.1", "minor", "v2.2.0"),
        ("v2.1.1-rc.1", "patch", "v2.1.1"),
        ("v1.0.0+b1", "patch", "v1.0.1"),
    ],
)
def test_bump(version, part, following):
    assert bump(version, part) == following


def test_what_is_a_version():
    assert is_version("v1.0.0-rc.1+b")
    assert is_prerelease("v1.0.0-0")
    assert not is_prerelease("v1.0.0+rc.1")
    for text in ("1.0.0", "v1.0", "v01.0.0", "v1.0.0-01", "v1.0.0-", "v1.0.0+", "v1.0.0\n", ""):
        assert not is_version(text), text
        with pytest.raises(InputError):
            bump(text, "patch")
