"""Runs of ours, sent to a remote: hot refs, then ledgers, then what is settled let go there.

A hot ref and a ledger are only ever moved forwards. Who is beaten fetches, joins and
tries again. Hot refs of the remote that a ledger there holds whole are deleted,
each on condition that it is as it was seen; one that moved waits for the next sealer.
"""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml import names
from gitml.errors import BeatenError, RemoteError
from gitml.names import EXPERIMENTS, RUNS, SOURCE, SOURCES, is_run_id
from gitml.store import places
from gitml.store.git import RefUpdate
from gitml.store.hosts import WITHOUT_A_REASON, remote_words, transport_failure
from gitml.store.joining import join_sources, relations
from gitml.store.ledger import move_refs, purged_among, read_ledgers
from gitml.store.pulling import pull_runs
from gitml.store.remote import is_ahead, is_race, rejected, spoken
from gitml.store.settled import settled
from gitml.store.write import TRIES, Change, commit_runs, locate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from gitml.store.git import Repository
    from gitml.store.pulling import Where

BATCH = 1_000
"""Refs named on one command line."""
MANY = 100
"""Refs of a place beyond which they are pushed by a pattern: git compares every ref that is
named with every ref there is."""
DELETED_AT_ONCE = 500
RACES = 5
"""How often a ref is pushed again that somebody else was writing."""
_PUSH = (
    *("-c", "pack.useSparse=false", "push", "--porcelain", "--no-verify", "--no-follow-tags"),
    "--recurse-submodules=no",
)


@dataclass(slots=True, kw_only=True)
class Pushed:
    """What a push did, or with ``dry_run`` would do."""

    runs: list[str] = field(default_factory=list)
    """Ids of hot runs that the remote did not have as they are."""
    ledgers: list[str] = field(default_factory=list)
    """Slugs of ledgers that went forward there."""
    sources: int = 0
    """Source trees that were sent."""
    settled: list[str] = field(default_factory=list)
    """Ids of hot runs that were let go there."""
    refused: dict[str, str] = field(default_factory=dict)
    """Refs that the remote refuses, with its reason; everything else arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What the remote lacks, as far as is known: new value by ref."""

    hot: Mapping[str, str]
    sources: Mapping[str, str]
    ledgers: Mapping[str, str]
    there: Mapping[str, str]
    """Ledgers that were there when the remote was last seen; it may have lost them since."""


def push_runs(  # noqa: PLR0913 - what a push may be told
    repository: Repository,
    there: Where,
    *,
    committer: str,
    now: int,
    source: bool = True,
    ids: Collection[str] | None = None,
    trees: Collection[str] = (),
    dry_run: bool = False,
    refs: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Pushed:
    """Send runs, ledgers and, with ``source``, the code to a remote.

    With ``ids`` just those hot runs, as workers do, and of source what ``trees`` name.
    ``refs`` are those of `listed_for`, as just listed.

    Raises `BeatenError` when others won `TRIES` times in a row, and `RemoteError`
    where the remote cannot be spoken to; what arrived by then stays, and the next
    push sends the rest.
    """
    done = Pushed()
    for number in range(TRIES):
        known = dict(refs if refs is not None and not number else listed_for(repository, there))
        plan = _plan(repository, there, done, known, source=source, ids=ids, trees=trees)
        if dry_run:
            _tell(done, plan)
            return done
        behind, raced = _send(repository, there, plan, done, known, progress)
        if number >= RACES:  # nobody pushes the same for so long: it is refused
            done.refused |= raced
            raced = {}
        if not behind and not raced:
            if ids is None:
                _let_go_there(repository, there, done, known)
            return done
        time.sleep(random.uniform(0, 0.05 * 2 ** min(number, 6)))  # noqa: S311 - jitter
        if behind:
            _catch_up(repository, there, behind, committer=committer, now=now)
    raise BeatenError(
        f"Others wrote to {there.said} first, {TRIES} times in a row.",
        hint="gitml push again; what arrived stays, and nothing here is lost",
    )


def listed_for(repository: Repository, there: Where, *more: str) -> dict[str, str]:
    """Return the refs that a push looks at, and those of ``more`` places, by one process."""
    places = (RUNS, EXPERIMENTS, SOURCE, SOURCES, there.ref("").rstrip("/"))
    return repository.refs(*places, *more)


def _plan(
    repository: Repository,
    there: Where,
    done: Pushed,
    refs: Mapping[str, str],
    *,
    source: bool,
    ids: Collection[str] | None,
    trees: Collection[str],
) -> _Plan:

    def lacking(place: str) -> dict[str, str]:
        """Return refs below a place that the remote has not, as far as is known."""
        return {
            ref: oid
            for ref, oid in refs.items()
            if ref.startswith(place)
            and refs.get(there.ref(ref.removeprefix("refs/gitml/"))) != oid
            and ref not in done.refused
        }

    def not_behind(lacked: Mapping[str, str]) -> dict[str, str]:
        """Leave out what the remote has gone on from: joining it again would never end."""
        pairs = [(o, refs.get(there.ref(r.removeprefix("refs/gitml/")))) for r, o in lacked.items()]
        stands = relations(repository, pairs)
        kept = zip(lacked.items(), stands, strict=True)
        return {ref: oid for (ref, oid), stand in kept if stand != "behind"}

    hot = {ref: oid for ref, oid in lacking(RUNS).items() if is_run_id(ref.removeprefix(RUNS))}
    if ids is not None:
        hot = {ref: oid for ref, oid in hot.items() if ref.removeprefix(RUNS) in ids}
    hot = not_behind(hot)
    if ids is not None:
        own = {names.source_ref(tree) for tree in trees} if source else set()
        code = {ref: oid for ref, oid in lacking(SOURCE).items() if ref in own}
        return _Plan(hot=hot, sources=code, ledgers={}, there={})
    ledgers = not_behind(lacking(EXPERIMENTS))
    kept = {r: o for r, o in refs.items() if r.startswith(EXPERIMENTS) and r not in done.refused}
    same = {
        r: o for r, o in kept.items() if refs.get(there.ref(r.removeprefix("refs/gitml/"))) == o
    }
    sources = {**lacking(SOURCE), **lacking(SOURCES)} if source else {}
    return _Plan(hot=hot, sources=sources, ledgers=ledgers, there=same)


def _tell(done: Pushed, plan: _Plan) -> None:
    done.runs = [ref.removeprefix(RUNS) for ref in plan.hot]
    done.ledgers = [ref.removeprefix(EXPERIMENTS) for ref in plan.ledgers]
    done.sources = len(plan.sources)


def _send(
    repository: Repository,
    there: Where,
    plan: _Plan,
    done: Pushed,
    known: dict[str, str],
    progress: Callable[[int, int], None] | None,
) -> tuple[dict[str, str], dict[str, str]]:
    """Push all that the plan says; return (what the remote is ahead in, what just moved there).

    The second is what somebody wrote in the same moment, such as the source that many workers
    have, with the remote's reason by ref.
    """
    total = len(plan.sources) + len(plan.hot) + len(plan.ledgers)
    behind: dict[str, str] = {}
    raced: dict[str, str] = {}
    sent = 0
    for specs, named in _batches(plan, known):
        arrived, refused = _push(repository, there, specs)
        sent += len(named)
        batch = named if "*" not in specs[0] else _still(repository, specs[0], named)
        refused = {ref: reason for ref, reason in refused.items() if ref in named}
        for ref, reason in refused.items():
            if is_ahead(reason):
                behind[ref] = named[ref]
            elif is_race(reason):
                raced[ref] = reason
            else:
                done.refused[ref] = reason
        _remember(repository, there, {r: batch[r] for r in arrived if r in batch}, known)
        _count(done, [ref for ref, news in arrived.items() if news])
        if progress is not None:
            progress(sent, total)
    return behind, raced


def _batches(plan: _Plan, known: Mapping[str, str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield (refspecs, the refs that are meant) of each push: what others need comes first."""
    few: dict[str, str] = {}
    for place, wanted in {SOURCE: plan.sources, RUNS: plan.hot}.items():
        below = {ref: oid for ref, oid in wanted.items() if ref.startswith(place)}
        few |= {ref: oid for ref, oid in wanted.items() if ref not in below}
        there = sum(ref.startswith(place) for ref in known)
        if len(below) > MANY and there <= 2 * len(below) and _is_ours(place, known):
            yield from _chunks(few)
            few = {}
            yield [f"{place}*:{place}*"], below
        else:
            few |= below
    yield from _chunks({**few, **plan.ledgers, **plan.there})


def _chunks(refs: Mapping[str, str]) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Yield (refspecs, refs) of as many as a command line holds."""
    listed = list(refs.items())
    for start in range(0, len(listed), BATCH):
        batch = dict(listed[start : start + BATCH])
        yield [f"{oid}:{ref}" for ref, oid in batch.items()], batch


def _is_ours(place: str, known: Mapping[str, str]) -> bool:
    """Say whether every ref of a place may be pushed."""
    return place != RUNS or all(
        is_run_id(ref.removeprefix(place)) for ref in known if ref.startswith(place)
    )


def _still(repository: Repository, spec: str, named: Mapping[str, str]) -> dict[str, str]:
    """Return those of the refs that are as they were listed: only they were pushed as listed."""
    now = repository.refs(spec.partition("*")[0])
    return {ref: oid for ref, oid in named.items() if now.get(ref) == oid}


def _push(
    repository: Repository, there: Where, specs: Sequence[str], leases: Sequence[str] = ()
) -> tuple[dict[str, bool], dict[str, str]]:
    """Push; return the refs that are there now as asked, and why by ref of the others.

    Of those that are there it says whether that is news to the remote.
    """
    asked = [places.pushed(spec, branches=there.branches) for spec in specs]
    address = places.push_address(repository, there.address, branches=there.branches)
    code, out, err = spoken(repository, *_PUSH, *leases, address, *asked)
    said = f": {words}" if (words := remote_words(err)) else ""
    refused = {
        there.ours(ref): reason + (said if reason.endswith(WITHOUT_A_REASON) else "")
        for ref, reason in rejected(out).items()
    }
    if code and not refused:
        raise transport_failure(there.address, err, code)
    arrived: dict[str, bool] = {}
    for line in out.splitlines():
        flag, tab, rest = line.partition("\t")
        if tab and flag in {" ", "*", "+", "=", "-"}:
            arrived[there.ours(rest.partition("\t")[0].partition(":")[2])] = flag != "="
    return arrived, refused


def _remember(
    repository: Repository, there: Where, arrived: Mapping[str, str], known: dict[str, str]
) -> None:
    """Note what the remote has by now, as a fetch would."""
    kept = {there.ref(ref.removeprefix("refs/gitml/")): oid for ref, oid in arrived.items()}
    updates = [
        RefUpdate(ref, oid, known.get(ref)) for ref, oid in kept.items() if known.get(ref) != oid
    ]
    known |= kept
    if updates:
        # A fetch that was first knows better.
        with contextlib.suppress(BeatenError):
            repository.update_refs(updates)


def _count(done: Pushed, arrived: Sequence[str]) -> None:
    for ref in arrived:
        if ref.startswith(RUNS):
            done.runs.append(ref.removeprefix(RUNS))
        elif ref.startswith(EXPERIMENTS):
            done.ledgers.append(ref.removeprefix(EXPERIMENTS))
        else:
            done.sources += 1


def _catch_up(
    repository: Repository,
    there: Where,
    behind: Mapping[str, str],
    *,
    committer: str,
    now: int,
) -> None:
    """Fetch and join what others pushed meanwhile: ledgers, hot runs of ours, sources."""
    pull_runs(repository, there)
    ids = [ref.removeprefix(RUNS) for ref in behind if ref.startswith(RUNS)]
    refs = repository.refs(RUNS, there.ref("runs/"))
    pairs = [(refs.get(names.run_ref(i)), refs.get(there.ref(f"runs/{i}"))) for i in ids]
    changes = [
        Change(run_id=run_id, bases=locate(repository, run_id))
        for run_id, (ours, theirs), stand in zip(
            ids, pairs, relations(repository, pairs), strict=True
        )
        if ours is not None and theirs is not None and stand == "apart"
    ]
    commit_runs(repository, changes, committer=committer, now=now)
    if SOURCES in behind:
        _join_sources(repository, there)


def _join_sources(repository: Repository, there: Where) -> None:
    place = there.ref("sources")
    command = ("fetch", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--refmap=")
    code, _, err = spoken(repository, *command, there.address, f"+{there.theirs(SOURCES)}:{place}")
    if code:
        raise transport_failure(there.address, err, code)
    refs = repository.refs(SOURCES, place)
    ours, theirs = refs.get(SOURCES), refs.get(place)
    (stand,) = relations(repository, [(ours, theirs)])
    if stand == "behind" and theirs is not None:
        repository.update_refs([RefUpdate(SOURCES, theirs, ours)])
    elif stand == "apart" and ours is not None and theirs is not None:
        with repository.fast_import() as stream:
            updates = join_sources(repository, stream, ours, theirs)
        move_refs(repository, updates)


def _let_go_there(
    repository: Repository, there: Where, done: Pushed, refs: Mapping[str, str]
) -> None:
    """Delete hot refs of the remote that its ledgers hold whole, or whose run was purged."""
    place = there.ref("runs/")
    hot = {r.removeprefix(place): oid for r, oid in refs.items() if r.startswith(place)}
    hot = {run_id: oid for run_id, oid in hot.items() if is_run_id(run_id)}
    theirs = {
        EXPERIMENTS + r.removeprefix(there.ref("experiments/")): oid
        for r, oid in refs.items()
        if r.startswith(there.ref("experiments/"))
    }
    if not hot or not theirs:
        return
    known = read_ledgers(repository, theirs)  # only what has arrived there counts
    gone = purged_among(repository, known, hot)
    ledgers = [oid for oid, _ in known.values()]
    gone |= settled(repository, ledgers, {i: oid for i, oid in hot.items() if i not in gone})
    listed = sorted(gone)
    for start in range(0, len(listed), DELETED_AT_ONCE):
        part = listed[start : start + DELETED_AT_ONCE]
        leases = [f"--force-with-lease={there.theirs(names.run_ref(i))}:{hot[i]}" for i in part]
        try:
            arrived, _ = _push(repository, there, [f":{names.run_ref(i)}" for i in part], leases)
        except RemoteError:
            return  # everything arrived; who seals next tidies up
        dropped = {ref.removeprefix(RUNS) for ref in arrived}
        with contextlib.suppress(BeatenError):  # a fetch that was first knows better
            repository.update_refs(
                [RefUpdate(place + i, None, hot[i]) for i in part if i in dropped]
            )
        done.settled += sorted(dropped)
