"""Tags as GTO writes and reads them: the grammar of their names, and who is in a stage.

GTO keeps no journal; it reads the tags' times (https://github.com/iterative/gto).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from gitml.registry import semver

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitml.registry.values import Event

_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9/_-]*[a-zA-Z0-9])?"
_TAG = re.compile(
    rf"(?P<model>(?:[a-zA-Z0-9_./-]+=)?{_NAME})"
    rf"(?:#(?P<stage>{_NAME})(?P<emptied>!?)|@(?P<version>v[0-9][0-9A-Za-z.+-]*)(?P<taken>!?)"
    r"|@(?P<whole>deprecated|created))(?:#(?P<n>[0-9]{1,9}))?"
)
_KINDS = {"deprecated": "delete", "created": "create"}


class TagName(NamedTuple):
    """What the name of a tag says."""

    model: str
    """The model as GTO calls it: ``churn``, ``models/churn``, ``folder:churn``."""
    kind: str
    """register, delete, assign, unassign; ``create``, which GTO itself cannot read."""
    version: str | None = None
    stage: str | None = None
    n: int | None = None
    """The counter, if there is one."""


def parse_tag_name(name: str) -> TagName | None:
    """Return what the name of a tag says; None if the tag is none of a registry."""
    if "@" not in name and "#" not in name:
        return None
    found = _TAG.fullmatch(name)
    if found is None or not semver.is_version(found["version"] or semver.FIRST):
        return None
    if found["whole"]:
        kind = _KINDS[found["whole"]]
    elif found["version"]:
        kind = "delete" if found["taken"] else "register"
    else:
        kind = "unassign" if found["emptied"] else "assign"
    return TagName(
        model=found["model"].replace("=", ":"),
        kind=kind,
        version=found["version"],
        stage=found["stage"],
        n=int(found["n"]) if found["n"] else None,
    )


def holders(events: Iterable[Event], stage: str) -> tuple[str, ...]:
    """Return the versions that GTO takes to be in ``stage``, the one it shows last.

    A version is in a stage for GTO until a tag says that *it* is not: of several the
    one assigned last is shown, and when that is taken out the one before it. Whoever
    empties a stage therefore needs a tag for each of these. Of those assigned in the
    same second the one registered first is shown.
    """
    since: dict[str, int] = {}
    registered: dict[str, int] = {}
    gone: set[str] = set()
    for event in events:
        version = event.version
        if version is None:
            continue
        if event.kind in {"register", "restore"}:
            registered.setdefault(version, len(registered))
            gone.discard(version)
        elif event.kind == "delete":
            gone.add(version)
        elif event.stage != stage:
            continue
        elif event.kind == "assign":
            since[version] = event.at
        elif "foreign" in event.extra:
            since.pop(version, None)
        else:  # gitml writes one tag for each that is there
            since.clear()
    held = [version for version in since if version in registered and version not in gone]
    return tuple(sorted(held, key=lambda version: (since[version], -registered[version])))


def stages_of(events: Sequence[Event]) -> dict[str, Event]:
    """Return what GTO shows in each stage: the event that put it there."""
    found = {}
    for stage in dict.fromkeys(event.stage for event in events if event.stage is not None):
        held = holders(events, stage)
        if held:
            version = held[-1]
            found[stage] = next(
                event
                for event in reversed(events)
                if (event.kind, event.stage, event.version) == ("assign", stage, version)
            )
    return found
