"""Ledgers: the cold store of an experiment, one commit chain with its sealed runs.

A seal's commit has the ledger and every hot commit taken in as parents, so a
push sends what is new and no more. A hot ref is deleted in the transaction
that moves the ledger, and only if the ledger then holds all that it held.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml import names
from gitml.codec import STORED_LIMIT, dump, dump_edits, load_stored
from gitml.errors import DamagedError, GitmlError
from gitml.model import SCHEMA, iso
from gitml.records import RUN_YAML
from gitml.store import live
from gitml.store.git import RefUpdate
from gitml.store.points import Collector
from gitml.store.runtree import put_run
from gitml.store.settled import holds, settled
from gitml.store.sources import PARENTS, seal_sources, unsealed
from gitml.store.state import fold, is_merged, join, points_of, read_tree, value_of
from gitml.store.write import ENDED, again, new_edit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gitml.model import Json
    from gitml.store.fast_import import FastImport
    from gitml.store.git import Repository
    from gitml.store.objects import Object

EXPERIMENT_YAML = "experiment.yaml"
SEALED_FROM = (names.RUNS, names.REMOTES, names.EXPERIMENTS, names.SOURCE, names.SOURCES)
"""What to list for a seal."""


@dataclass(slots=True, kw_only=True)
class SealReport:
    """What a seal did."""

    sealed: dict[str, list[str]] = field(default_factory=dict)
    """Ids of the runs taken in, by experiment."""
    dropped: list[str] = field(default_factory=list)
    """Ids of hot runs that had been purged."""
    running: int = 0
    """Hot runs that have not ended, and were left alone."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Ids of hot runs that cannot be read, with the reason."""
    sources: int = 0
    """Source trees taken into their set."""


@dataclass(slots=True, kw_only=True)
class _Ledger:
    slug: str
    name: str
    commit: str | None
    hot: dict[str, list[str]] = field(default_factory=dict)
    """Commits of each hot run to take in, by run id: ours, if there is one, is the first."""


def ledgers(repository: Repository) -> dict[str, tuple[str, str]]:
    """Return (commit, the experiment's name) by slug of every ledger that can be read."""
    return read_ledgers(repository, repository.refs(names.EXPERIMENTS))


def read_ledgers(repository: Repository, refs: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Do `ledgers` with the refs as just listed."""
    heads = {
        ref[len(names.EXPERIMENTS) :]: oid
        for ref, oid in refs.items()
        if ref.startswith(names.EXPERIMENTS)
    }
    found = {}
    for slug, oid in heads.items():
        try:
            blob = repository.objects().get(f"{oid}:{EXPERIMENT_YAML}", limit=STORED_LIMIT)
            document = _document(blob, EXPERIMENT_YAML)
        except DamagedError:
            continue
        if names.SLUG.fullmatch(slug):
            found[slug] = oid, str(document.get("name", slug))
    return found


def slug_of(experiment: str, taken: Mapping[str, str]) -> str:
    """Return the slug of an experiment, given the names of the slugs that exist."""
    for slug, name in sorted(taken.items()):
        if name == experiment:
            return slug
    slug = names.slugify(experiment)
    return names.slugify(experiment, salt=slug) if slug in taken else slug


def free_slug(experiment: str, taken: Mapping[str, str], refs: Mapping[str, str]) -> str:
    """Do `slug_of`; raise `DamagedError` if its ref is there and is no ledger to write to."""
    slug = slug_of(experiment, taken)
    if slug not in taken and names.experiment_ref(slug) in refs:
        raise DamagedError(
            f"The ledger {slug} cannot be read.", hint="gitml doctor says what is wrong with it."
        )
    return slug


def seal(
    repository: Repository,
    *,
    committer: str,
    now: int,
    ids: Iterable[str] | None = None,
    refs: Mapping[str, str] | None = None,
    pulled: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> SealReport:
    """Take finished hot runs into their ledgers and delete their hot refs.

    The trees of their code go into the set of source trees. ``ids`` names some
    runs only; with ``pulled`` the remotes' hot runs, as they were last seen, are taken in
    too; ``refs`` are the refs as just listed. It is one transaction: raises
    `BeatenError` when others won `TRIES` times in a row, and nothing is done then.
    """
    wanted = None if ids is None else frozenset(ids)
    listed = [refs] if refs is not None else []

    def attempt() -> SealReport:
        report = SealReport()
        fresh = listed.pop() if listed else repository.refs(*SEALED_FROM)
        _seal(repository, report, committer, now, wanted, fresh, progress, pulled=pulled)
        return report

    return again(attempt)


def collect_garbage(repository: Repository) -> None:
    """Let git pack and prune if it thinks it should: plumbing alone never does."""
    repository.run("maintenance", "run", "--auto", "--quiet", ok=(0, 1, 128, 129))


def _seal(
    repository: Repository,
    report: SealReport,
    committer: str,
    now: int,
    wanted: frozenset[str] | None,
    refs: Mapping[str, str],
    progress: Callable[[int, int], None] | None,
    *,
    pulled: bool,
) -> None:
    known = read_ledgers(repository, refs)
    hot = _copies(repository, known, refs, pulled=pulled)
    hot = {i: commits for i, commits in hot.items() if wanted is None or i in wanted}
    purged = purged_among(repository, known, hot)
    groups: dict[str, _Ledger] = {}
    taken = {slug: name for slug, (_, name) in known.items()}
    here = set(live.live_ids(repository.home))
    for run_id, commits in hot.items():
        if run_id in purged:
            continue
        try:
            readable, status, name = _looked_at(repository, commits)
            if status not in ENDED or run_id in here:
                report.running += 1
                continue
            slug = free_slug(name, taken, refs)
        except GitmlError as error:
            report.unreadable[run_id] = error.message
            continue
        taken.setdefault(slug, name)
        group = groups.setdefault(
            slug, _Ledger(slug=slug, name=name, commit=known.get(slug, (None, ""))[0])
        )
        group.hot[run_id] = readable
    dropped = sorted(i for i in purged if names.run_ref(i) in refs)
    updates = [RefUpdate(names.run_ref(i), None, hot[i][0]) for i in dropped]
    report.dropped = dropped
    done, total = 0, sum(len(g.hot) for g in groups.values())
    sources = unsealed(repository, refs)
    if groups or sources:
        with repository.fast_import() as stream:
            for group in groups.values():
                report.sealed[group.name] = _seal_group(
                    repository, stream, report, group, committer, now, updates
                )
                done += len(group.hot)
                if progress is not None:
                    progress(done, total)
            if sources:
                updates += seal_sources(stream, sources, refs.get(names.SOURCES), committer, now)
                report.sources = len(sources)
    # A remote's hot run has no ref of ours: who pushes the ledger lets it go there.
    updates = [u for u in updates if u.ref in refs or not u.ref.startswith(names.RUNS)]
    if updates:
        move_refs(repository, updates)


def _copies(
    repository: Repository,
    known: Mapping[str, tuple[str, str]],
    refs: Mapping[str, str],
    *,
    pulled: bool,
) -> dict[str, list[str]]:
    """Return the commits of each hot run, ours first.

    With ``pulled`` also those of remotes, as they were last seen, of which no ledger of ours
    holds the whole.
    """
    found = {r.removeprefix(names.RUNS): [o] for r, o in refs.items() if r.startswith(names.RUNS)}
    theirs: dict[str, list[str]] = {}
    for ref, oid in refs.items() if pulled else ():
        place, _, run_id = ref.rpartition("/")
        if place.startswith(names.REMOTES) and place.endswith("/runs"):
            others = theirs.setdefault(run_id, [])
            if oid not in (*others, *found.get(run_id, ())):
                others.append(oid)
    theirs = {run_id: oids for run_id, oids in theirs.items() if names.is_run_id(run_id)}
    sealed = [oid for oid, _ in known.values()]
    while layer := {run_id: oids.pop(0) for run_id, oids in theirs.items() if oids}:
        done = settled(repository, sealed, layer)
        for run_id in layer.keys() - done:
            found.setdefault(run_id, []).append(layer[run_id])
    return {run_id: commits for run_id, commits in found.items() if names.is_run_id(run_id)}


def _looked_at(repository: Repository, commits: Sequence[str]) -> tuple[list[str], str, str]:
    """Return those copies of a run that can be read, what they say of its status, its experiment.

    Raises `DamagedError` if the first cannot be read.
    """
    blob = repository.objects().get(f"{commits[0]}:{RUN_YAML}", limit=STORED_LIMIT)
    document = _document(blob, RUN_YAML)
    status, name = str(document.get("status")), str(document.get("experiment"))
    if len(commits) == 1:
        return [*commits], status, name
    edits = set(read_tree(repository, repository.commit_tree(commits[0])).edits)
    readable = [commits[0]]
    for commit in commits[1:]:
        with contextlib.suppress(DamagedError):
            edits |= read_tree(repository, repository.commit_tree(commit)).edits
            readable.append(commit)
    return readable, str(value_of(edits, "status") or status), name


def _document(blob: Object | None, name: str) -> dict[str, Json]:
    if blob is None or blob.kind != "blob" or len(blob.data) > STORED_LIMIT:
        raise DamagedError(f"It has no {name} that can be read.")
    return load_stored(blob.data, name)


def purged_among(
    repository: Repository, known: Mapping[str, tuple[str, str]], hot: Iterable[str]
) -> set[str]:
    """Return those of the hot runs that some ledger says were purged."""
    dead: set[str] = set()
    reader = repository.objects()
    with_tombstones = [
        oid
        for (oid, _), found in zip(
            known.values(),
            list(reader.heads(f"{oid}:tombstones" for oid, _ in known.values())),
            strict=True,
        )
        if found is not None
    ]
    ids = list(hot)
    for ledger in with_tombstones:
        asked = (f"{ledger}:tombstones/{i[:2]}/{i}" for i in ids)
        dead |= {i for i, found in zip(ids, reader.heads(asked), strict=True) if found is not None}
    return dead


def _seal_group(
    repository: Repository,
    stream: FastImport,
    report: SealReport,
    group: _Ledger,
    committer: str,
    now: int,
    updates: list[RefUpdate],
) -> list[str]:
    tmp = names.tmp_ref(secrets.token_hex(8))
    plans = []
    for run_id, commits in group.hot.items():
        try:
            plans.append((run_id, commits, _plan(repository, group, run_id, commits)))
        except GitmlError as error:
            report.unreadable[run_id] = error.message
    head = group.commit
    for start in range(0, len(plans), PARENTS):
        part = plans[start : start + PARENTS]
        mark = stream.commit(
            tmp,
            committer=committer,
            time=now,
            message=f"seal {names.plural(len(part), 'run')} of {names.visible(group.name)}\n",
            parents=[*([head] if head else []), *(c for _, commits, _ in part for c in commits)],
            # Without a ledger yet the first parent is a run: its tree is not the start of ours.
            keep_tree=head is not None,
        )
        if head is None:
            put_experiment(stream, group.slug, group.name, committer, now)
        head = mark
        for run_id, _, plan in part:
            prefix = f"runs/{run_id[:2]}/{run_id}"
            if isinstance(plan, str):
                stream.put(prefix, plan, "040000")
            elif plan is not None:
                stream.drop(prefix)
                plan(stream, f"{prefix}/")
    if plans and head is not None:
        updates += [
            RefUpdate(names.experiment_ref(group.slug), stream.oid(head), group.commit),
            RefUpdate(tmp, None, None),
            *(RefUpdate(names.run_ref(i), None, group.hot[i][0]) for i, _, _ in plans),
        ]
    return [run_id for run_id, _, _ in plans]


def move_refs(repository: Repository, updates: Sequence[RefUpdate]) -> None:
    """Move all refs or none; in the end no temporary one is left."""
    try:
        repository.update_refs(updates)
    except BaseException:
        repository.update_refs([u for u in updates if u.ref.startswith(names.TMP)])
        raise


def put_experiment(stream: FastImport, slug: str, name: str, committer: str, now: int) -> None:
    """Put the files of a new ledger."""
    document = {"schema": SCHEMA, "name": name, "slug": slug, "created": iso(now)}
    stream.put_data(EXPERIMENT_YAML, dump(document))
    named = new_edit(at=now, by=committer, key="name", value=name)
    stream.put_data("edits.jsonl", dump_edits([named]))


def _plan(
    repository: Repository, group: _Ledger, run_id: str, commits: Sequence[str]
) -> str | Callable[[FastImport, str], None] | None:
    """Return what to put for a run: a tree's oid, nothing, or a writer of joined files."""
    hot = list(dict.fromkeys(repository.commit_tree(commit) for commit in commits))
    sealed = None
    if group.commit is not None:
        sealed = repository.resolve(f"{group.commit}:runs/{run_id[:2]}/{run_id}")
    if [sealed] == hot:
        return None
    states = [read_tree(repository, tree) for tree in hot]
    first = states[0]
    if all(holds(repository, first, state) for state in states[1:]):
        states = [first]
    if sealed is not None:
        states.append(read_tree(repository, sealed))
    elif len(states) == 1 and is_merged(first.segments):
        return hot[0]
    points = Collector()
    state = join(states, points, repository)
    fold(run_id, state)  # what cannot be a run must not break off the stream
    if not points:
        points.add_all(points_of(repository, state.segments))

    def write(stream: FastImport, prefix: str) -> None:
        put_run(repository, stream, run_id, state, points, prefix=prefix)
        points.close()

    return write
