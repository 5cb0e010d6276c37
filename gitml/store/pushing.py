"""Runs of ours, sent to a remote: hot refs, then ledgers, then what is settled let go there.

A hot ref and a ledger are only ever moved forwards. Who is beaten fetches, joins and
tries again. A remote that seems to have everything is asked whether it has: what it
lost comes back.
"""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml import names
from gitml.errors import BeatenError
from gitml.names import EXPERIMENTS, RUNS, SOURCE, SOURCES
from gitml.store.arriving import FETCH
from gitml.store.git import RefUpdate
from gitml.store.hosts import transport_failure
from gitml.store.joining import join_sources, relations
from gitml.store.ledger import move_refs
from gitml.store.planning import batches, listed_for, people_s_commits, plan
from gitml.store.pulling import pull_runs
from gitml.store.releasing import let_go_there
from gitml.store.remote import is_ahead, is_race, listed, spoken
from gitml.store.sending import send_refs
from gitml.store.write import TRIES, Change, commit_runs, locate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from gitml.store.git import Repository
    from gitml.store.planning import Plan
    from gitml.store.pulling import Where

RACES = 5
"""How often a ref is pushed again that somebody else was writing."""


@dataclass(slots=True, kw_only=True)
class Pushed:
    """What a push did, or with ``dry_run`` would do."""

    runs: list[str] = field(default_factory=list)
    """Ids of hot runs that the remote did not have as they are."""
    ledgers: list[str] = field(default_factory=list)
    """Slugs of ledgers that went forward there."""
    sources: int = 0
    """Source trees that were sent."""
    commits: int = 0
    """Commits of people that went along with them: no branch there had them when last seen."""
    settled: list[str] = field(default_factory=list)
    """Ids of hot runs that were let go there."""
    refused: dict[str, str] = field(default_factory=dict)
    """Refs that the remote refuses, with its reason; everything else arrived."""
    lost: bool = False
    """Whether the remote had no more what it was seen to have."""


def push_runs(  # noqa: PLR0913 - what a push may be told
    repository: Repository,
    there: Where,
    *,
    committer: str,
    now: int,
    source: bool = True,
    ids: Collection[str] | None = None,
    trees: Collection[str] = (),
    held: Collection[str] = (),
    dry_run: bool = False,
    refs: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Pushed:
    """Send runs, ledgers and, with ``source``, the code to a remote.

    With ``ids`` just those hot runs, as workers do, and of source what ``trees`` name.
    ``refs`` are those of `listed_for`, as just listed; those that are ``held`` stay home.

    Raises `BeatenError` when others won `TRIES` times in a row, and `RemoteError`
    where the remote cannot be spoken to; what arrived by then stays, and the next
    push sends the rest.
    """
    done = Pushed()
    ask = ids is None
    for number in range(TRIES):
        known = dict(refs if refs is not None and not number else listed_for(repository, there))
        left_out = {*held, *done.refused}
        wanted = plan(
            repository, there, known, left_out=left_out, source=source, ids=ids, trees=trees
        )
        if not number:
            done.commits = people_s_commits(repository, there, wanted.sources.values())
        if dry_run:
            _tell(done, wanted)
            return done
        whole, ask = ask and not wanted, False
        if whole and _has_lost(repository, there, done, wanted, known, source=source):
            continue
        lost = done.lost
        behind, raced = (
            ({}, {}) if whole else _send(repository, there, wanted, done, known, held, progress)
        )
        if number >= RACES:  # nobody pushes the same for so long: it is refused
            done.refused |= raced
            raced = {}
        ask = done.lost and not lost  # what else has it lost?
        if not (behind or raced or ask):
            if ids is None:
                sealed = there.ref("sources") if SOURCES in wanted.sources else None
                done.settled += let_go_there(repository, there, known, sealed)
            return done
        time.sleep(random.uniform(0, 0.05 * 2 ** min(number, 6)))  # noqa: S311 - jitter
        if behind:
            done.lost |= _catch_up(repository, there, behind, committer=committer, now=now)
    raise BeatenError(
        f"Others wrote to {there.said} first, {TRIES} times in a row.",
        hint="gitml push again; what arrived stays, and nothing here is lost",
    )


def _tell(done: Pushed, wanted: Plan) -> None:
    done.runs = [ref.removeprefix(RUNS) for ref in wanted.hot]
    done.ledgers = [ref.removeprefix(EXPERIMENTS) for ref in wanted.ledgers]
    done.sources = len(wanted.sources)


def _has_lost(
    repository: Repository,
    there: Where,
    done: Pushed,
    wanted: Plan,
    known: Mapping[str, str],
    *,
    source: bool,
) -> bool:
    """Ask a remote that seems to have everything; forget what it has no more, and say so.

    A run that is not there may have been sealed or purged: what the remote has is joined.
    """
    patterns = (f"{RUNS}*", f"{EXPERIMENTS}*", *((f"{SOURCE}*", SOURCES) if source else ()))
    now = listed(repository, there.address, *patterns, branches=there.branches)
    code: list[RefUpdate] = []
    for ref in known if source else ():
        kept = there.ref(ref.removeprefix("refs/gitml/"))
        is_now, was = now.get(ref), known.get(kept)
        # What it has gone on to is not here.
        back = was != is_now and (is_now is None or repository.resolve(is_now) is not None)
        if (ref == SOURCES or ref.startswith(SOURCE)) and was is not None and back:
            code.append(RefUpdate(kept, is_now, was))
    if code:
        repository.update_refs(code)
    ours = {
        ref
        for ref in known
        if ref.startswith(RUNS) and there.ref(ref.removeprefix("refs/gitml/")) in known
    }
    others = not ours <= now.keys() or any(now.get(r) != oid for r, oid in wanted.there.items())
    if others:
        done.lost |= pull_runs(repository, there, rejoin=True).lost
    return bool(code) or others


def _send(
    repository: Repository,
    there: Where,
    wanted: Plan,
    done: Pushed,
    known: dict[str, str],
    held: Collection[str],
    progress: Callable[[int, int], None] | None,
) -> tuple[dict[str, str], dict[str, str]]:
    """Push all that is wanted; return (what the remote is ahead in, what just moved there).

    The second is what somebody wrote in the same moment, such as the source that many workers
    have, with the remote's reason by ref.
    """
    total = len(wanted.sources) + len(wanted.hot) + len(wanted.ledgers)
    behind: dict[str, str] = {}
    raced: dict[str, str] = {}
    sent = 0
    for specs, named in batches(wanted, known, held):
        arrived, refused = send_refs(repository, there, specs)
        sent += len(named)
        done.lost |= any(arrived.get(ref) for ref in wanted.there)
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


def _still(repository: Repository, spec: str, named: Mapping[str, str]) -> dict[str, str]:
    """Return those of the refs that are as they were listed: only they were pushed as listed."""
    now = repository.refs(spec.partition("*")[0])
    return {ref: oid for ref, oid in named.items() if now.get(ref) == oid}


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
) -> bool:
    """Fetch and join what others pushed meanwhile: ledgers, hot runs of ours, sources.

    Say whether the remote had no more what it was seen to have.
    """
    lost = pull_runs(repository, there, rejoin=True).lost
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
    return lost


def _join_sources(repository: Repository, there: Where) -> None:
    place = there.ref("sources")
    code, _, err = spoken(repository, *FETCH, there.address, f"+{there.theirs(SOURCES)}:{place}")
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
