"""Bringing the index up to date: what refs and live logs say, and no more than what changed.

Everything here happens inside of one ``BEGIN IMMEDIATE``, the listing of refs
included: whoever lists later also writes later.
"""

from __future__ import annotations

from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING

from gitml import names
from gitml.errors import DamagedError
from gitml.query.parsing import parse_all
from gitml.query.rows import to_row
from gitml.query.writing import RowWriter
from gitml.store import live, state, walk
from gitml.store.walk import RUNS, TOMBSTONES, LedgerChange, Problem, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from gitml.model import Run
    from gitml.query.index import Connection
    from gitml.query.parsing import Order
    from gitml.store.git import Repository
    from gitml.store.walk import Listing

_UNREADABLE = (DamagedError, OSError, ValueError)
"""What reading a damaged repository may raise."""


def update(
    connection: Connection,
    repository: Repository,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Make the index say what the repository says now; the caller has begun a transaction."""
    _Update(connection, repository, progress).run()


class _Update:
    def __init__(
        self,
        connection: Connection,
        repository: Repository,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._db = connection
        self._repository = repository
        self._progress = progress
        self._touched: set[str] = set()
        self._live: dict[str, str] = {}
        self._renamed = False
        self._done = self._total = 0

    def run(self) -> None:
        """Read what changed."""
        # A run moves from live to hot to its ledger: looked for in this order it is not missed.
        home = self._repository.home
        with suppress(OSError):  # somebody else's home: what is live there is theirs to read
            self._live = {i: live.fingerprint(home, i) for i in live.live_ids(home)}
        listing = walk.list_refs(self._repository)
        self._read_hot(listing)
        self._read_ledgers(listing)
        self._touched.update(i for i, logs in self._live.items() if logs)
        for query in (
            "SELECT id FROM run WHERE live",
            "SELECT again FROM problem WHERE again IS NOT NULL",
        ):
            self._touched.update(row[0] for row in self._db.execute(query))
        with RowWriter(self._db) as rows:
            self._read_runs(rows)
        if self._renamed:
            rows.rename()

    def _read_hot(self, listing: Listing) -> None:
        seen = dict(self._db.execute("SELECT ref, head FROM hot"))
        gone = [ref for ref in seen if ref not in listing.hot]
        changed = {ref: oid for ref, oid in listing.hot.items() if seen.get(ref) != oid}
        self._db.execute("DELETE FROM problem WHERE scope LIKE 'ref %'")
        for ref in (*gone, *changed):
            self._db.execute("DELETE FROM hot WHERE ref = ?", (ref,))
            self._db.execute("DELETE FROM place WHERE place = ?", (ref,))
            self._touched.add(str(walk.hot_run(ref)))
        trees, problems = walk.read_hot(self._repository, changed)
        for ref, tree in trees.items():
            self._db.execute("INSERT INTO hot VALUES (?, ?)", (ref, changed[ref]))
            self._db.execute("INSERT INTO place VALUES (?, ?, ?)", (ref, walk.hot_run(ref), tree))
        self._report([*listing.problems, *problems])

    def _read_ledgers(self, listing: Listing) -> None:
        query = "SELECT slug, head, experiment, runs, tombstones FROM ledger"
        known = {slug: rest for slug, *rest in self._db.execute(query)}
        for slug in known.keys() - listing.ledgers.keys():
            empty: dict[str, dict[str, str]] = {RUNS: {}, TOMBSTONES: {}}
            self._store(LedgerChange(slug=slug, seen=Seen(), buckets=empty))
            self._db.execute("DELETE FROM ledger WHERE slug = ?", (slug,))
            self._renamed = True
        self._renamed = self._renamed or bool(listing.ledgers.keys() - known.keys())
        for slug, oid in listing.ledgers.items():
            head, experiment, runs, tombstones = known.get(slug, ("", "", "", ""))
            if head != oid:
                kinds = {k: o for k, o in ((RUNS, runs), (TOMBSTONES, tombstones)) if o is not None}
                seen = Seen(head=head, experiment=experiment, kinds=kinds)
                buckets = partial(self._buckets, slug)
                change = walk.read_ledger(self._repository, slug, oid, seen, buckets)
                self._store(change)
                self._store_ledger(change)

    def _buckets(self, slug: str, kind: str) -> dict[str, str]:
        query = "SELECT name, oid FROM bucket WHERE slug = ? AND kind = ?"
        return dict(self._db.execute(query, (slug, kind)))

    def _store_ledger(self, change: LedgerChange) -> None:
        seen, slug = change.seen, change.slug
        values = [seen.head, seen.experiment, seen.kinds.get(RUNS), seen.kinds.get(TOMBSTONES)]
        self._db.execute(
            "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO UPDATE SET head = ?, "
            "experiment = ?, runs = ?, tombstones = ?",
            (slug, *values, slug, *values),
        )
        if change.document is not None:
            name = str(change.document.get("name") or slug)
            deleted = change.document.get("deleted") is True
            self._db.execute(
                "UPDATE ledger SET name = ?, deleted = ? WHERE slug = ?", (name, deleted, slug)
            )
            self._renamed = True

    def _store(self, change: LedgerChange) -> None:
        slug = change.slug
        scopes = {f"ledger {slug}", *(f"kind {slug} {kind}" for kind in change.buckets)}
        for kind, current in change.buckets.items():
            for name in self._buckets(slug, kind):
                if name not in current:
                    change.entries[kind, name] = {}
            self._db.execute("DELETE FROM bucket WHERE slug = ? AND kind = ?", (slug, kind))
            rows = ((slug, kind, name, oid) for name, oid in current.items())
            self._db.executemany("INSERT INTO bucket VALUES (?, ?, ?, ?)", rows)
        for (kind, name), entries in change.entries.items():
            scopes.add(f"bucket {slug} {kind} {name}")
            if kind == RUNS:
                self._store_places(names.experiment_ref(slug), name, entries)
            else:
                self._store_tombstones(slug, name, entries)
        self._db.executemany("DELETE FROM problem WHERE scope = ?", ((s,) for s in scopes))
        self._report(change.problems)

    def _store_places(self, place: str, bucket: str, entries: dict[str, str]) -> None:
        query = "SELECT run_id, tree FROM place WHERE place = ? AND run_id >= ? AND run_id < ?"
        old = dict(self._db.execute(query, (place, bucket, f"{bucket}g")))
        gone = [i for i in old if i not in entries]
        new = [i for i, tree in entries.items() if old.get(i) != tree]
        self._db.executemany(
            "DELETE FROM place WHERE place = ? AND run_id = ?", ((place, i) for i in gone)
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO place VALUES (?, ?, ?)", ((place, i, entries[i]) for i in new)
        )
        self._touched.update(gone, new)

    def _store_tombstones(self, slug: str, bucket: str, entries: dict[str, str]) -> None:
        query = "SELECT run_id, oid FROM tombstone WHERE slug = ? AND run_id >= ? AND run_id < ?"
        old = dict(self._db.execute(query, (slug, bucket, f"{bucket}g")))
        for run_id in old.keys() - entries.keys():
            self._db.execute("DELETE FROM tombstone WHERE slug = ? AND run_id = ?", (slug, run_id))
            self._touched.add(run_id)
        for run_id, oid in entries.items():
            if old.get(run_id) != oid:
                by, at, reason = walk.read_tombstone(self._repository, oid)
                self._db.execute(
                    "INSERT OR REPLACE INTO tombstone VALUES (?, ?, ?, ?, ?, ?)",
                    (slug, run_id, oid, at, by, reason),
                )
                self._touched.add(run_id)

    def _report(self, problems: Sequence[Problem], again: str | None = None) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO problem VALUES (?, ?, ?, ?)",
            ((p.scope, p.where, p.sentence, again) for p in problems),
        )

    def _read_runs(self, rows: RowWriter) -> None:
        alone: list[tuple[str, str]] = []
        joined: list[tuple[str, list[str]]] = []
        for run_id in sorted(self._touched):
            self._db.execute("DELETE FROM problem WHERE scope = ?", (f"run {run_id}",))
            places = self._db.execute("SELECT place, tree FROM place WHERE run_id = ?", (run_id,))
            trees = dict(places.fetchall())
            logs = self._live.get(run_id, "")
            purged = "SELECT 1 FROM tombstone WHERE run_id = ?"
            if not (trees or logs) or self._db.execute(purged, (run_id,)).fetchone():
                rows.drop(run_id)
            elif not rows.plan(run_id, trees, logs):
                continue
            elif logs or len(set(trees.values())) > 1:
                joined.append((run_id, sorted(set(trees.values()))))
            else:
                alone.append((run_id, min(trees.values())))
        self._total = len(alone) + len(joined)
        if self._total and self._progress is not None:
            self._progress(0, self._total)
        self._read_alone(rows, alone)
        for run_id, copies in joined:
            self._read_joined(rows, run_id, copies)
            self._step()

    def _step(self) -> None:
        self._done += 1
        if self._progress is not None and (self._done % 20 == 0 or self._done == self._total):
            self._progress(self._done, self._total)

    def _read_alone(self, rows: RowWriter, alone: Sequence[tuple[str, str]]) -> None:
        """Read runs of which there is one copy."""
        problems: dict[str, str] = {}

        def orders() -> Generator[Order]:
            read = walk.read_runs(self._repository, [tree for _, tree in alone])
            with closing(read):
                for (run_id, _), found in zip(alone, read, strict=True):
                    if found.problem is not None:
                        problems[run_id] = f"The run {run_id} cannot be read: {found.problem}."
                    yield run_id, found.files

        with closing(orders()) as asked, closing(parse_all(asked, len(alone))) as answers:
            for (run_id, _), answer in zip(alone, answers, strict=True):
                if run_id in problems:
                    self._quarantine(rows, run_id, problems.pop(run_id), again=True)
                elif isinstance(answer, str):
                    self._quarantine(rows, run_id, answer)
                else:
                    rows.put(run_id, answer)
                self._step()

    def _read_joined(self, rows: RowWriter, run_id: str, trees: Sequence[str]) -> None:
        """Read a run that is in several places, or is being written."""
        try:
            run = self._view(run_id, trees)
        except _UNREADABLE as error:
            self._repository.close()  # a reader that stopped half-way would answer the wrong thing
            if trees:
                told = isinstance(error, DamagedError)
                sentence = str(error) if told else f"The run {run_id} cannot be read."
                self._quarantine(rows, run_id, sentence, again=True)
                self._fall_back(rows, run_id, trees)
            else:  # its writer has said nothing yet
                rows.drop(run_id)
            return
        rows.put(run_id, to_row(run))

    def _view(self, run_id: str, trees: Sequence[str]) -> Run:
        run = None
        try:
            run = state.view(self._repository, run_id, trees)
        except DamagedError:
            if trees:
                raise
        home = self._repository.home
        if self._live.get(run_id) and not live.fingerprint(home, run_id):
            # Its logs went into git after the refs were listed: what they said is there now.
            commit = self._repository.resolve(names.run_ref(run_id))
            if commit is not None:
                tree = self._repository.commit_tree(commit)
                return state.view(self._repository, run_id, [*trees, tree])
        if run is None:
            raise DamagedError(f"The run {run_id} has no copy that can be read.")
        return run

    def _fall_back(self, rows: RowWriter, run_id: str, trees: Sequence[str]) -> None:
        """Show the first copy that can be read."""
        for found in walk.read_runs(self._repository, trees):
            if found.problem is None:
                (answer,) = parse_all([(run_id, found.files)], 1)
                if not isinstance(answer, str):
                    rows.put(run_id, answer, whole=False)
                    return

    def _quarantine(
        self, rows: RowWriter, run_id: str, sentence: str, *, again: bool = False
    ) -> None:
        query = "SELECT place FROM place WHERE run_id = ? ORDER BY place"
        places = [row[0] for row in self._db.execute(query, (run_id,))]
        where = [
            f"{p}:runs/{run_id[:2]}/{run_id}" if p.startswith(names.EXPERIMENTS) else p
            for p in places
        ]
        rows.drop(run_id)
        problem = Problem(f"run {run_id}", " ".join(where), sentence)
        self._report([problem], run_id if again else None)
