"""Runs of others, brought here: fetched beside ours, ledgers joined, what is settled let go.

Only ``refs/gitml-remotes/<remote>/…`` is written by the fetch, and ledgers by the
join; no hot ref of somebody else becomes one of ours. A ledger that went back on
the remote is refused and named, and its last known state kept.
"""

from __future__ import annotations

import functools
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from gitml import names
from gitml.errors import UsageError
from gitml.names import EXPERIMENTS, RUNS, did_you_mean, is_run_id, remote_ref, visible
from gitml.redact import strip_credentials
from gitml.store import live, places
from gitml.store.arriving import fetch_runs
from gitml.store.git import RefUpdate
from gitml.store.hosts import said
from gitml.store.joining import date_of, join_ledgers, loses, relations
from gitml.store.ledger import move_refs, purged_among, read_ledgers
from gitml.store.remote import registry_remote
from gitml.store.settled import settled
from gitml.store.write import again

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitml.store.git import Repository


class Where(NamedTuple):
    """A remote: what its refs are remembered under, and how git reaches it."""

    name: str
    """The remote's name; of a URL ``url-`` and eight digits of its SHA-256, without passwords."""
    address: str
    """What git is given: the name, or the URL."""
    branches: bool = False
    """Whether what is pushed is on branches there (`gitml.store.places`)."""

    @property
    def other(self) -> Where:
        """The other place of the same remote, which clones of others may push to."""
        return self._replace(branches=not self.branches)

    @property
    def said(self) -> str:
        """How messages call it: the name, or the URL without what is secret."""
        return said(self.address)

    @property
    def named(self) -> bool:
        """Whether it is a remote of the repository's configuration."""
        return self.name == self.address

    def ref(self, rest: str) -> str:
        """Return where a ref of it is remembered; ``rest`` is ``runs/…``."""
        return remote_ref(f"{self.name}/heads" if self.branches else self.name, rest)

    def theirs(self, ref: str) -> str:
        """Return what a ref of ours is called there."""
        return places.theirs(ref, branches=self.branches)

    def ours(self, ref: str) -> str:
        """Return what a ref of it is called here."""
        return places.ours(ref, branches=self.branches)


def where(repository: Repository, remote: str | None) -> Where:
    """Return the remote that is meant: a name, a URL or path, or None for the usual one.

    Raises `UsageError` if there is none.
    """
    known = repository.subsections("remote")
    if remote is None:
        found = registry_remote(repository)
        if found is None:
            if not known:
                raise UsageError(
                    "There is no remote to share with.", hint="git remote add origin URL"
                )
            raise UsageError(
                f"Which remote is meant: {visible(', '.join(known), 200)}?",
                hint=f"name it, or for good: git config gitml.remote {visible(known[0], 80)}",
            )
        return Where(found, found, places.on_branches(repository, found))
    if remote in known:
        return Where(remote, remote, places.on_branches(repository, remote))
    if ":" in remote or "/" in remote or "\\" in remote:
        place = strip_credentials(remote)  # a job has another password each time
        digits = hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        repository.call_remote(f"url-{digits}", remote)
        found = f"url-{digits}"
        return Where(found, remote, places.on_branches(repository, found))
    raise UsageError(
        f"There is no remote {visible(remote, 80)}",
        hint=did_you_mean(remote, known) or "git remote -v lists them; a URL or path does too",
    )


@dataclass(slots=True, kw_only=True)
class Pulled:
    """What a pull did."""

    runs: list[str] = field(default_factory=list)
    """Ids of hot runs that are new or changed on the remote."""
    gone: list[str] = field(default_factory=list)
    """Ids of hot runs that the remote no longer has: sealed, or purged."""
    ledgers: dict[str, str] = field(default_factory=dict)
    """``new``, ``forward`` or ``joined`` by slug of each ledger that changed here."""
    rewound: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """(what was known, what the remote has now) of each ledger that went back there."""
    settled: list[str] = field(default_factory=list)
    """Ids of hot runs of ours that a ledger holds whole by now, and that were let go."""
    purged: list[str] = field(default_factory=list)
    """Ids of hot runs of ours that somebody purged."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Runs by id of which a copy cannot be read; ours was kept."""
    restored: list[str] = field(default_factory=list)
    """Slugs of ledgers that went on there without what was in them, which was put back here."""
    refused: dict[str, str] = field(default_factory=dict)
    """Refs of the remote that were not taken, with why; everything else arrived."""
    lost: bool = False
    """Whether the remote had no more what it was seen to have, and no ledger of it has."""

    def add(self, more: Pulled) -> None:
        """Take in what another pull did."""
        for own, other in (
            *((self.runs, more.runs), (self.gone, more.gone), (self.settled, more.settled)),
            *((self.purged, more.purged), (self.restored, more.restored)),
        ):
            own.extend(each for each in other if each not in own)
        self.ledgers |= more.ledgers
        self.rewound |= more.rewound
        self.lost = self.lost or more.lost
        self.unreadable |= more.unreadable
        self.refused |= more.refused


def pull_runs(
    repository: Repository, there: Where, *, accept_rewind: bool = False, rejoin: bool = False
) -> Pulled:
    """Fetch runs and ledgers of a remote and join them with ours.

    Source trees, packages and large files stay where they are. A ledger that went back
    is left alone and named; with ``accept_rewind`` ours follows, with ``rejoin`` the two are
    joined, so that a push brings back what was lost. Raises `RemoteError`
    (`UnreachableError`) where the remote cannot be spoken to; nothing is changed then.
    """
    done = Pulled()
    _fetch(repository, there, done, accept_rewind=accept_rewind, rejoin=rejoin)

    def attempt() -> None:
        done.ledgers.clear()
        done.restored.clear()
        _bring_up(repository, there, done)

    again(attempt)
    hot = again(lambda: let_go(repository, done))
    if done.rewound or not hot.isdisjoint(done.gone):
        done.lost = True
        again(lambda: _forget_sources(repository, there))
    return done


def _forget_sources(repository: Repository, there: Where) -> None:
    """Forget that a remote has sources, for it lost something: the next push names them again."""
    seen = repository.refs(there.ref("source"), there.ref("sources"))
    if seen:
        repository.update_refs([RefUpdate(ref, None, oid) for ref, oid in seen.items()])


def _fetch(
    repository: Repository, there: Where, done: Pulled, *, accept_rewind: bool, rejoin: bool
) -> None:
    runs, ledgers = there.ref("runs/"), there.ref("experiments/")
    before = repository.refs(runs, ledgers)
    force = accept_rewind or rejoin
    found = again(lambda: fetch_runs(repository, there, before, force=force))
    after = found.after
    done.refused |= found.refused
    for ref, oid in after.items():
        if ref.startswith(runs) and before.get(ref) != oid:
            done.runs.append(ref.removeprefix(runs))
    back: list[RefUpdate] = []
    for ref, oid in before.items():
        if ref.startswith(runs) and ref not in after:
            done.gone.append(ref.removeprefix(runs))
        elif ref.startswith(ledgers) and ref not in after:
            back.append(RefUpdate(ref, oid, None))  # a ledger is never deleted
            done.rewound[ref.removeprefix(ledgers)] = oid, None
    for ref in found.rewound:
        slug = ref.removeprefix(EXPERIMENTS)
        done.rewound[slug] = before.get(ledgers + slug, repository.zero), repository.zero
    if force:  # then git says nothing of them
        moved = {
            ref.removeprefix(ledgers): (oid, after[ref])
            for ref, oid in before.items()
            if ref.startswith(ledgers) and after.get(ref, oid) != oid
        }
        went_back = _went_back(repository, moved)
        done.rewound |= went_back
        for slug, (was, now) in went_back.items() if accept_rewind else ():
            again(functools.partial(_follow, repository, slug, was, now))
    if back:
        repository.update_refs(back)


def _went_back(
    repository: Repository, moved: Mapping[str, tuple[str, str]]
) -> dict[str, tuple[str, str]]:
    """Return those of the ledgers (what they were, what they are, by slug) that went back."""
    stands = relations(repository, [*moved.values()])
    both = zip(moved.items(), stands, strict=True)
    return {slug: pair for (slug, pair), stand in both if stand not in {"same", "behind"}}


def _follow(repository: Repository, slug: str, was: str, now: str) -> None:
    """Let our ledger follow one that went back, our own additions becoming hot runs again.

    What was purged stays so: tombstones of ours are put there too.
    """
    ref = names.experiment_ref(slug)
    ours = repository.resolve(ref)
    if ours is None:
        return
    updates = [RefUpdate(ref, now, ours)]
    known = _below(repository, was, "runs") | _below(repository, now, "runs")
    added = {i: tree for i, tree in _below(repository, ours, "runs") if (i, tree) not in known}
    buried = {i for i, _ in _below(repository, now, "tombstones")}
    stones = [(i, o) for i, o in _below(repository, ours, "tombstones") if i not in buried]
    hot = repository.refs(RUNS)
    with repository.fast_import() as stream:
        for run_id, tree in added.items():
            if names.run_ref(run_id) in hot:
                continue
            tmp = names.tmp_ref(secrets.token_hex(8))
            mark = stream.commit(tmp, committer="gitml <>", time=0, message=f"run {run_id}\n")
            stream.put("", tree, "040000")
            updates.append(RefUpdate(names.run_ref(run_id), stream.oid(mark), None))
            updates.append(RefUpdate(tmp, None, None))
        if stones:
            tmp, time = names.tmp_ref(secrets.token_hex(8)), 1000 * date_of(repository, now)
            mark = stream.commit(
                tmp,
                committer="gitml <>",
                time=time,
                message=f"keep {names.plural(len(stones), 'tombstone')}\n",
                parents=[now],
                keep_tree=True,
            )
            for run_id, oid in sorted(stones):
                stream.drop(f"runs/{run_id[:2]}/{run_id}")
                stream.put(f"tombstones/{run_id[:2]}/{run_id}", oid)
            updates[0] = RefUpdate(ref, stream.oid(mark), ours)
            updates.append(RefUpdate(tmp, None, None))
    move_refs(repository, updates)


def _below(repository: Repository, ledger: str, folder: str) -> set[tuple[str, str]]:
    """Return (run id, oid) of every run of a ledger, or of every tombstone."""
    top = next((e for e in repository.tree(ledger) if e.name == folder), None)
    if top is None:
        return set()
    buckets = repository.tree(top.oid)
    return {
        (entry.name, entry.oid)
        for bucket in buckets
        for entry in repository.tree(bucket.oid)
        if is_run_id(entry.name)
    }


def _bring_up(repository: Repository, there: Where, done: Pulled) -> None:
    """Move our ledgers forward to the remote's, or join them where both went on."""
    refs = repository.refs(EXPERIMENTS, there.ref("experiments/"))
    theirs = {
        ref.removeprefix(there.ref("experiments/")): oid
        for ref, oid in refs.items()
        if ref.startswith(there.ref("experiments/"))
    }
    slugs = sorted(slug for slug in theirs if names.SLUG.fullmatch(slug))
    pairs = [(refs.get(EXPERIMENTS + slug), theirs[slug]) for slug in slugs]
    stands = relations(repository, pairs)
    news = {
        EXPERIMENTS + s: theirs[s] for s, how in zip(slugs, stands, strict=True) if how != "same"
    }
    readable = read_ledgers(repository, news)
    updates: list[RefUpdate] = []
    apart: dict[str, tuple[str, str]] = {}
    for slug, (ours, oid), stand in zip(slugs, pairs, stands, strict=True):
        if stand in {"behind", "apart"} and slug not in readable:
            done.refused[EXPERIMENTS + slug] = "its experiment.yaml cannot be read"
        elif stand == "behind" and ours is not None and loses(repository, ours, oid):
            apart[slug] = ours, oid
            done.ledgers[slug] = "joined"
            done.restored.append(slug)
        elif stand == "behind":
            updates.append(RefUpdate(EXPERIMENTS + slug, oid, ours))
            done.ledgers[slug] = "new" if ours is None else "forward"
        elif stand == "apart" and ours is not None:
            apart[slug] = ours, oid
            done.ledgers[slug] = "joined"
    if apart:
        with repository.fast_import() as stream:
            joined = join_ledgers(repository, stream, apart)
        updates += joined.updates
        done.unreadable |= joined.unreadable
        for slug, why in joined.refused.items():
            done.refused[EXPERIMENTS + slug] = why
            done.ledgers.pop(slug)
    if updates:
        move_refs(repository, updates)


def let_go(repository: Repository, done: Pulled) -> set[str]:
    """Delete hot refs of ours that a ledger holds whole, or whose run was purged.

    Return the ids of those that stay.
    """
    refs = repository.refs(RUNS, EXPERIMENTS)
    hot = {ref.removeprefix(RUNS): oid for ref, oid in refs.items() if ref.startswith(RUNS)}
    hot = {run_id: oid for run_id, oid in hot.items() if is_run_id(run_id)}
    if not hot:
        return set()
    known = read_ledgers(repository, refs)
    purged = purged_among(repository, known, hot)
    writing = set(live.live_ids(repository.home))
    ledgers = [oid for oid, _ in known.values()]
    kept = settled(repository, ledgers, {i: c for i, c in hot.items() if i not in purged})
    updates = [RefUpdate(names.run_ref(i), None, hot[i]) for i in sorted(purged | kept)]
    if updates:
        repository.update_refs(updates)
    for run_id in sorted(purged & writing):
        live.drop(repository.home, run_id)
    done.settled, done.purged = sorted(kept), sorted(purged)
    return hot.keys() - purged - kept
