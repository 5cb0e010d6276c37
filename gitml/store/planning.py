"""What a remote lacks, as far as is known here, and in what portions it goes there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml import names
from gitml.names import EXPERIMENTS, RUNS, SOURCE, SOURCES, is_run_id
from gitml.store.joining import relations

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from gitml.store.git import Repository
    from gitml.store.pulling import Where

BATCH = 1_000
"""Refs named on one command line."""
MANY = 100
"""Refs of a place beyond which they are pushed by a pattern: git compares every ref that is
named with every ref there is."""
_OURS = re.compile(r"source of gitml runs|join source trees|keep [\d,]+ source trees?")
"""First lines of the commits that gitml makes of source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the remote lacks, as far as is known: new value by ref."""

    hot: Mapping[str, str]
    """Hot runs."""
    sources: Mapping[str, str]
    """Source trees, one by one and sealed."""
    ledgers: Mapping[str, str]
    """Ledgers."""
    there: Mapping[str, str] = field(default_factory=dict)
    """Ledgers that were there when the remote was last seen; it may have lost them since."""

    def __bool__(self) -> bool:
        """Say whether the remote lacks anything."""
        return bool(self.hot or self.sources or self.ledgers)


def listed_for(repository: Repository, there: Where, *more: str) -> dict[str, str]:
    """Return the refs that a push looks at, and those of ``more`` places, by one process."""
    places = (RUNS, EXPERIMENTS, SOURCE, SOURCES, there.ref("").rstrip("/"))
    return repository.refs(*places, *more)


def plan(
    repository: Repository,
    there: Where,
    refs: Mapping[str, str],
    *,
    left_out: Collection[str] = (),
    source: bool = True,
    ids: Collection[str] | None = None,
    trees: Collection[str] = (),
) -> Plan:
    """Return what the remote lacks of ``refs`` (as `listed_for`), without those ``left_out``.

    With ``ids`` that is just those hot runs, and of source what ``trees`` name.
    """

    def remembered(ref: str) -> str | None:
        return refs.get(there.ref(ref.removeprefix("refs/gitml/")))

    def lacking(place: str) -> dict[str, str]:
        """Return refs below a place that the remote has not, as far as is known."""
        return {
            ref: oid
            for ref, oid in refs.items()
            if ref.startswith(place) and remembered(ref) != oid and ref not in left_out
        }

    def not_behind(lacked: Mapping[str, str]) -> dict[str, str]:
        """Leave out what the remote has gone on from: joining it again would never end."""
        stands = relations(repository, [(oid, remembered(ref)) for ref, oid in lacked.items()])
        kept = zip(lacked.items(), stands, strict=True)
        return {ref: oid for (ref, oid), stand in kept if stand != "behind"}

    hot = {ref: oid for ref, oid in lacking(RUNS).items() if is_run_id(ref.removeprefix(RUNS))}
    if ids is not None:
        hot = {ref: oid for ref, oid in hot.items() if ref.removeprefix(RUNS) in ids}
        own = {names.source_ref(tree) for tree in trees} if source else set()
        code = {ref: oid for ref, oid in lacking(SOURCE).items() if ref in own}
        return Plan(hot=not_behind(hot), sources=code, ledgers={})
    kept = {r: o for r, o in refs.items() if r.startswith(EXPERIMENTS) and r not in left_out}
    return Plan(
        hot=not_behind(hot),
        sources={**lacking(SOURCE), **lacking(SOURCES)} if source else {},
        ledgers=not_behind(lacking(EXPERIMENTS)),
        there={ref: oid for ref, oid in kept.items() if remembered(ref) == oid},
    )


def batches(
    wanted: Plan, known: Mapping[str, str], held: Collection[str] = ()
) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield (refspecs, the refs that are meant) of each push: what others need comes first.

    ``held`` are refs of ours that must not go along.
    """
    few: dict[str, str] = {}
    for place, refs in {SOURCE: wanted.sources, RUNS: wanted.hot}.items():
        below = {ref: oid for ref, oid in refs.items() if ref.startswith(place)}
        few |= {ref: oid for ref, oid in refs.items() if ref not in below}
        listed = [ref for ref in known if ref.startswith(place)]
        if len(below) > MANY and len(listed) <= 2 * len(below) and _all_may(place, listed, held):
            yield from _chunks(few)
            few = {}
            yield [f"{place}*:{place}*"], below
        else:
            few |= below
    yield from _chunks({**few, **wanted.ledgers, **wanted.there})


def _chunks(refs: Mapping[str, str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield (refspecs, refs) of as many as a command line holds."""
    listed = list(refs.items())
    for start in range(0, len(listed), BATCH):
        batch = dict(listed[start : start + BATCH])
        yield [f"{oid}:{ref}" for ref, oid in batch.items()], batch


def _all_may(place: str, refs: Iterable[str], held: Collection[str]) -> bool:
    """Say whether every ref of a place may be pushed."""
    return not any(
        ref in held or (place == RUNS and not is_run_id(ref.removeprefix(place))) for ref in refs
    )


def people_s_commits(repository: Repository, there: Where, code: Iterable[str]) -> int:
    """Return how many commits of people go along with commits of source.

    Counted is what no branch of the remote had when it was last fetched from. Of a place
    without a name, and in a bare repository, nothing is known of branches: it is 0.
    """
    tips = "".join(f"{oid}\n" for oid in code)
    if not tips or not there.named or repository.work_tree is None:
        return 0
    known = f"--glob={there.ref('source')}*"
    # A ref of git's at an object that is not here must not keep back a push.
    walk = ("rev-list", "--ignore-missing", "--format=%s", "--stdin")
    asked = (*walk, "--not", f"--remotes={there.name}", known)
    lines = repository.run(*asked, data=tips.encode()).decode("utf-8", "replace").splitlines()
    return sum(not (line.startswith("commit ") or _OURS.fullmatch(line)) for line in lines)
