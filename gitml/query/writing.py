"""Rows into the index: runs put and dropped, keys counted, experiments named."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from gitml.names import EXPERIMENTS
from gitml.query.schema import HEAD
from gitml.store.ledger import slug_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitml.query.index import Connection
    from gitml.query.rows import Row

KEYED = {"metric": ("metrics", 8), "param": ("params", 3), "tag": ("tags", 4)}
"""The tables of named values: the kind of their keys, and how many columns they have."""
LISTED = {"input": 8, "artifact": 7}
"""The other tables of what a run has many of."""
BATCH = 500
_RUN = ("n", "made_of", "live", "sealed", "slug", "named", *HEAD)
_EXPERIMENT, _CREATED = HEAD.index("experiment"), HEAD.index("created")
_GOAL = 5


class _Plan(NamedTuple):
    """What a run that is to be read is made of."""

    old: int | None
    made_of: str
    live: bool
    slug: str | None


def labels(ledgers: Mapping[str, str]) -> dict[str, str]:
    """Return what each experiment is called, by slug; the later of two with one name adds it."""
    taken: set[str] = set()
    out = {}
    for slug, name in sorted(ledgers.items()):
        out[slug] = f"{name} ({slug})" if name in taken else name
        taken.add(name)
    return out


class RowWriter:
    """Puts and drops runs; what is put is there when the context ends."""

    def __init__(self, connection: Connection) -> None:
        """Remember what keys and ledgers there are."""
        self._db = connection
        self._ledgers = dict(connection.execute("SELECT slug, name FROM ledger"))
        self._labels = labels(self._ledgers)
        keys = connection.execute("SELECT n, kind, name FROM key")
        self._keys = {(kind, name): n for n, kind, name in keys}
        self._uses: Counter[int] = Counter()
        self._goals: dict[int, tuple[int, str]] = {}
        self._plans: dict[str, _Plan] = {}
        self._next = 1 + connection.execute("SELECT coalesce(max(n), 0) FROM run").fetchone()[0]
        self._pending: dict[str, list[list[Any]]] = defaultdict(list)

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        """Write what is left, unless something was raised."""
        if kind is None:
            self._flush()
            changes = [(by, n) for n, by in self._uses.items() if by]
            self._db.executemany("UPDATE key SET runs = runs + ? WHERE n = ?", changes)
            said = [(at, goal, n, at) for n, (at, goal) in self._goals.items()]
            newer = "UPDATE key SET goal_at = ?, goal = ? WHERE n = ? AND coalesce(goal_at, 0) <= ?"
            self._db.executemany(newer, said)

    def plan(self, run_id: str, trees: Mapping[str, str], logs: str) -> bool:
        """Say whether a run must be read: it is made of other copies than its row was.

        ``trees`` has the run's tree by place; ``logs`` is the fingerprint of its live logs.
        """
        made_of = " ".join(sorted({*trees.values(), logs} - {""}))
        ledgers = [p[len(EXPERIMENTS) :] for p in trees if p.startswith(EXPERIMENTS)]
        slug = min(ledgers, default=None)
        query = "SELECT n, made_of, sealed, slug, named FROM run WHERE id = ?"
        found = self._db.execute(query, (run_id,)).fetchone()
        if found is None or found[1] != made_of:
            self._plans[run_id] = _Plan(found and found[0], made_of, bool(logs), slug)
            return True
        n, _, *home, named = found
        if home != [slug is not None, slug or home[1]]:
            self._db.execute(
                "UPDATE run SET sealed = ?, slug = ?, experiment = ? WHERE n = ?",
                (slug is not None, *self._experiment(slug, named), n),
            )
        return False

    def _experiment(self, slug: str | None, named: str) -> tuple[str, str]:
        """Return the slug and the label of the experiment of a run."""
        slug = slug_of(named, self._ledgers) if slug is None else slug
        return slug, self._labels.get(slug, named)

    def put(self, run_id: str, row: Row, *, whole: bool = True) -> None:
        """Put a run that was planned; one that is not ``whole`` is read again next time."""
        plan = self._plans.pop(run_id)
        n = self._next if plan.old is None else plan.old
        if plan.old is None:
            self._next += 1
        else:
            self._clear(n)
        head = row["head"]
        named = head[_EXPERIMENT]
        slug, head[_EXPERIMENT] = self._experiment(plan.slug, named)
        add = self._pending
        made_of = plan.made_of if whole else ""
        add["run"].append([n, made_of, plan.live, plan.slug is not None, slug, named, *head])
        add["document"].append([n, row["json"]])
        for table, (kind, _) in KEYED.items():
            pending = add[table]
            for name, *values in row[table]:
                key = self._key(kind, name)
                pending.append([n, key, *values])
                if table == "metric" and values[_GOAL] is not None:  # the newest run's goal counts
                    said = head[_CREATED], values[_GOAL]
                    self._goals[key] = max(said, self._goals.get(key, said))
        for table in LISTED:
            pending = add[table]
            for values in row[table]:
                pending.append([n, *values])
        if len(add["run"]) >= BATCH:
            self._flush()

    def drop(self, run_id: str) -> None:
        """Take a run out, if it is there."""
        found = self._db.execute("SELECT n FROM run WHERE id = ?", (run_id,)).fetchone()
        if found is not None:
            self._clear(found[0])
            self._db.execute("DELETE FROM run WHERE n = ?", found)

    def _clear(self, n: int) -> None:
        for table in KEYED:
            for (key,) in self._db.execute(f"SELECT key FROM {table} WHERE run = ?", (n,)):  # noqa: S608
                self._uses[key] -= 1
        for table in (*KEYED, *LISTED):
            self._db.execute(f"DELETE FROM {table} WHERE run = ?", (n,))  # noqa: S608 - ours
        self._db.execute("DELETE FROM document WHERE n = ?", (n,))

    def _key(self, kind: str, name: str) -> int:
        number = self._keys.get((kind, name))
        if number is None:
            query = "INSERT INTO key (kind, name, runs) VALUES (?, ?, 0)"
            number = self._db.execute(query, (kind, name)).lastrowid
            assert number is not None
            self._keys[kind, name] = number
        self._uses[number] += 1
        return number

    def _flush(self) -> None:
        counts = {"run": len(_RUN), "document": 2, **LISTED}
        counts |= {table: count for table, (_, count) in KEYED.items()}
        for table, rows in self._pending.items():
            marks = ", ".join("?" * counts[table])
            names = " (" + ", ".join(f'"{c}"' for c in _RUN) + ")" if table == "run" else ""
            # OR REPLACE: names that only differ in what SQLite cannot keep become one.
            insert = f"INSERT OR REPLACE INTO {table}{names} VALUES ({marks})"  # noqa: S608 - ours
            self._db.executemany(insert, rows)
        self._pending.clear()

    def rename(self) -> None:
        """Give every run its experiment's present name, after ledgers came, went or changed."""
        self._db.executemany(
            "UPDATE run SET experiment = ? WHERE slug = ? AND sealed AND experiment <> ?",
            ((label, slug, label) for slug, label in self._labels.items()),
        )
        unsealed = self._db.execute("SELECT n, named FROM run WHERE NOT sealed").fetchall()
        self._db.executemany(
            "UPDATE run SET slug = ?, experiment = ? WHERE n = ?",
            ((*self._experiment(None, named), n) for n, named in unsealed),
        )
