"""Installed packages of runs: listed once for all the runs that had the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.errors import GitmlError
from gitml.records import REQUIREMENTS
from gitml.site import redact
from gitml.store.artifacts import INLINE_MOST
from gitml.store.history import requirements

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gitml.model import Json, Run
    from gitml.store.git import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """What was installed where a run was made."""

    key: str
    """What the list is called by: the beginning of the hash of its text."""
    text: str
    """One ``name==version`` a line, sorted."""

    @property
    def count(self) -> int:
        """How many there are."""
        return self.text.count("\n")

    def versions(self) -> list[Json]:
        """Return (name, version) of each; what is no such pair has no version."""
        found = (line.partition("==") for line in self.text.splitlines())
        return [[name, version] for name, _, version in found]


def installed(
    store: Repository, runs: Sequence[Run], made_of: Mapping[str, str], *, hide: bool
) -> Iterator[Packages | None]:
    """Yield the packages of each run, None for one without a list.

    Those of runs with a single copy come from one ``git cat-file``. With ``hide``
    there are no home folders and addresses in them.
    """
    width = store.oid_width
    trees = [made_of.get(run.id, "") for run in runs]
    asked = [f"{tree}:{REQUIREMENTS}" for tree in trees if len(tree) == width]
    contents = store.bulk(asked, INLINE_MOST) if asked else iter(())
    known: dict[str, Packages | None] = {}
    for run, tree in zip(runs, trees, strict=True):
        if len(tree) != width:
            yield _listed(_one(store, run), hide=hide)
            continue
        blob = next(contents)
        if blob is None or blob.kind != "blob":
            yield None
            continue
        if blob.oid not in known:
            known[blob.oid] = _listed(blob.data.decode("utf-8", "replace"), hide=hide)
        yield known[blob.oid]


def _one(store: Repository, run: Run) -> str:
    try:
        return requirements(store, run.id) or ""
    except GitmlError:
        return ""


def _listed(text: str, *, hide: bool) -> Packages | None:
    lines = sorted({line.strip() for line in (redact.text(text) if hide else text).splitlines()})
    listed = "".join(f"{line}\n" for line in lines if line)
    if not listed:
        return None
    digest = hashlib.sha256(listed.encode("utf-8", "backslashreplace")).hexdigest()
    return Packages(key=digest[:12], text=listed)
