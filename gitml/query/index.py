"""The index of runs, and the one door to SQLite.

``<home>/index.sqlite`` is a cache: what it holds was read from git's objects and
the live logs, under the names of what it was read from, so a copied or moved
repository may keep it, and deleting it costs time and nothing else. It keeps
SQLite's rollback journal: a write-ahead log needs memory shared by all who
read, which a repository on a network file system does not give them
(https://sqlite.org/wal.html). Nobody holds a lock for longer than a query.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from time import monotonic
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeAlias, TypeVar

from gitml.errors import (
    BeatenError,
    DamagedError,
    GitmlError,
    InputError,
    NotFoundError,
    StorageError,
)
from gitml.names import did_you_mean, visible
from gitml.query import find, guard, where
from gitml.query.goals import default_goal
from gitml.query.rows import read_runs, storable
from gitml.query.schema import TABLES, VERSION, VIEWS
from gitml.query.summaries import doubtful, experiments, key_numbers, keys, state, tombstones
from gitml.query.update import update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from gitml.model import Run
    from gitml.query.summaries import ExperimentSummary, Keys, Tombstone
    from gitml.store.git import Repository
    from gitml.store.live import Who

Connection: TypeAlias = sqlite3.Connection
P = ParamSpec("P")
T = TypeVar("T")

FILE = "index.sqlite"
PATIENCE = 120.0
"""Seconds to wait for other processes; one may be reading 100,000 runs for the first time."""
TIME_LIMIT = 10.0
"""Seconds that somebody's query may take."""
_CACHE = 64 * 1024
"""KiB of pages kept in memory: a first filling then writes each page about once."""
_LENGTH_LIMIT = 64 * 1024 * 1024
_REBUILD = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL}
_SQL_ERRORS = (sqlite3.Error, sqlite3.Warning, UnicodeError, ValueError)


def open_index(
    repository: Repository, *, now: int, progress: Callable[[int, int], None] | None = None
) -> Index:
    """Return the index of a repository, brought up to date; use it as a context manager.

    ``now`` is in milliseconds. ``progress`` is called with (runs read, runs to
    read) while there are runs to read. Where it cannot be written to, an index
    in memory is made, from the file if there is one. Raises `BeatenError` when
    another process holds the index for two minutes.
    """
    path = repository.home / FILE
    for _ in range(2):
        try:
            repository.home.mkdir(parents=True, exist_ok=True)
            return _fill(_connect(str(path)), repository, now, progress)
        except OSError:
            break
        except sqlite3.Error as error:
            code = error.sqlite_errorcode & 0xFF
            if code in _BUSY:
                raise _failure(error, path) from None
            if code not in _REBUILD:
                break
            _remove(path)
    return _fill(_in_memory(path), repository, now, progress)


def _connect(database: str, *, uri: bool = False) -> Connection:
    connection = sqlite3.connect(database, timeout=PATIENCE, isolation_level=None, uri=uri)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LENGTH_LIMIT)
    connection.execute(f"PRAGMA cache_size = {-_CACHE:d}")
    return connection


def _in_memory(path: Path) -> Connection:
    """Return an index in memory, with what the file holds if it can be read."""
    memory = _connect(":memory:")
    with contextlib.suppress(sqlite3.Error, ValueError):
        file = _connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        with contextlib.closing(file):
            file.backup(memory)
    return memory


def _fill(
    connection: Connection,
    repository: Repository,
    now: int,
    progress: Callable[[int, int], None] | None,
) -> Index:
    """Bring an index up to date in one transaction; close it if that fails."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        _create(connection)
        update(connection, repository, progress)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return Index(connection, repository, now)


def _create(connection: Connection) -> None:
    """Make the tables and views, in place of those of another version."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == VERSION:
        return
    query = "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view')"
    for kind, name in connection.execute(query).fetchall():
        if not name.startswith("sqlite_"):
            connection.execute(f'DROP {kind} "{name}"')
    for statement in (*TABLES.split(";"), *VIEWS.values()):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION:d}")


def _remove(path: Path) -> None:
    for name in (path.name, f"{path.name}-journal"):
        with contextlib.suppress(OSError):
            path.with_name(name).unlink()


def _failure(error: sqlite3.Error, path: Path) -> GitmlError:
    """Return what it means that SQLite could not read the index; a damaged one is removed."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _BUSY:
        hint = "Do it again in a minute."
        return BeatenError("Another process holds the index of runs.", hint=hint)
    if code == sqlite3.SQLITE_FULL:
        return StorageError("The disk is full.", hint="Free some space and do it again.")
    _remove(path)
    return DamagedError(
        f"The index of runs was damaged ({visible(str(error), 120)}).",
        hint="It is only a cache and has been removed: do it again.",
    )


def _reads(method: Callable[Concatenate[Index, P], T]) -> Callable[Concatenate[Index, P], T]:
    """Make a method report what is wrong with the index as a failure of gitml."""

    @functools.wraps(method)
    def reading(self: Index, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except sqlite3.Error as error:
            raise _failure(error, self.path) from None

    return reading


class Index:
    """Runs as they were when the index was opened, or later."""

    def __init__(self, connection: Connection, repository: Repository, now: int) -> None:
        """Wrap a connection that `open_index` made."""
        self._db = connection
        self._repository = repository
        self._now = now
        self.path = repository.home / FILE
        self._answers = 0
        self._numbers: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Self:
        """Return the index."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @_reads
    def search(
        self,
        *,
        where: str | None = None,
        experiment: str | None = None,
        status: str | Sequence[str] | None = None,
        order_by: Sequence[str] = (),
        limit: int | None = None,
        deleted: bool = False,
    ) -> list[Run]:
        """Return runs, newest first unless ``order_by`` says otherwise.

        ``where`` is an SQL expression (see `query.where`), ``experiment`` a name
        or slug, ``order_by`` lists ``KEY`` and ``-KEY``. Runs that were removed
        are among them with ``deleted``, or if ``where`` names that attribute.
        Raises `InputError` for what cannot be asked, `NotFoundError` for an
        experiment that does not exist.
        """
        numbers = self._matching(where, experiment, status, order_by, limit, deleted, count=False)
        return read_runs(self._db, "n", numbers)

    @_reads
    def count(
        self,
        *,
        where: str | None = None,
        experiment: str | None = None,
        status: str | Sequence[str] | None = None,
        deleted: bool = False,
    ) -> int:
        """Return how many runs `search` would find without a limit."""
        return self._matching(where, experiment, status, (), None, deleted, count=True)[0]

    def _matching(
        self,
        expression: str | None,
        experiment: str | None,
        status: str | Sequence[str] | None,
        order_by: Sequence[str],
        limit: int | None,
        deleted: bool,
        *,
        count: bool,
    ) -> list[int]:
        """Return the numbers of the runs that match, or only how many there are."""
        view = where.View(self.keys(), self._numbers, self._now)
        tests: list[str] = []
        values: list[str | int] = []
        text = ""
        if expression is not None:
            text = where.rewrite(expression, view)
        order = [term for key in order_by for term in view.order(key)]
        if not deleted and "deleted" not in view.attributes:
            tests.append("_deleted = 0")
        statuses = [status] if isinstance(status, str) else status
        for column, wanted in (
            ("_slug", None if experiment is None else self.slugs(experiment)),
            ("_status", statuses),
        ):
            if wanted is not None:
                marks = ", ".join("?" * len(wanted))
                # With = the order comes from SQLite's index too.
                tests.append(f"{column} = ?" if marks == "?" else f"{column} IN ({marks})")
                values += map(storable, wanted)
        if text:
            tests.append(f"(\n{text}\n)")
        filters = " AND ".join(tests) or "1"
        what = "count(*)" if count else "_n"
        query = f"SELECT {what} FROM {where.VIEW} AS runs WHERE {filters}"  # noqa: S608 - no values
        if not count:
            query += f" ORDER BY {', '.join([*order, '_created DESC', '_id'])} LIMIT ?"
            values.append(-1 if limit is None else limit)
        self._db.execute(f"DROP VIEW IF EXISTS temp.{where.VIEW}")
        self._db.execute(view.sql())
        with self._asking(expression or ""):
            return [row[0] for row in self._db.execute(query, values)]

    @contextlib.contextmanager
    def _asking(self, text: str) -> Iterator[None]:
        """Let somebody's text be evaluated: it may read the views, and not for ever."""
        end = monotonic() + TIME_LIMIT
        if "json_" in text.lower():  # SQLite makes these tables when they are first used
            self._db.execute("SELECT 1 FROM json_each('[]'), json_tree('[]')")
        self._db.set_authorizer(guard.authorize)
        self._db.set_progress_handler(lambda: int(monotonic() > end), 20_000)
        failure = None
        try:
            yield
        except _SQL_ERRORS as error:
            failure = error
        finally:
            self._db.set_authorizer(None)
            self._db.set_progress_handler(None, 0)
        if failure is not None:
            raise self._refusal(failure, text)

    def _refusal(self, error: Exception, text: str) -> GitmlError:
        """Return what SQLite's error means to who asked."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        said = visible(str(error), 120)
        if isinstance(error, sqlite3.Error) and code in _BROKEN | _BUSY:
            return _failure(error, self.path)
        if code == sqlite3.SQLITE_INTERRUPT:
            return InputError(f"The query took more than {TIME_LIMIT:.0f} s and was stopped.")
        return guard.refusal(said, text, self.keys())

    @_reads
    def load(self, ids: Sequence[str]) -> list[Run]:
        """Return the runs of these ids that there are, in their order, removed ones too."""
        return read_runs(self._db, "id", ids)

    @_reads
    def find(self, text: str, *, experiment: str | None = None) -> Run:
        """Return the run that RUN means: an id, a name, ``best:METRIC`` (see `query.find`)."""
        return find.find(self, self._db, text, experiment)

    @_reads
    def slugs(self, experiment: str) -> list[str]:
        """Return the slugs of the experiments of that name, label or slug.

        Raises `NotFoundError` if there is none.
        """
        found = {s.slug: s.name for s in self.experiments(counted=False)}
        named = dict(self._db.execute("SELECT slug, name FROM ledger"))
        for names in ({s: s for s in found}, found, named):
            matching = [slug for slug, name in names.items() if name == experiment]
            if matching:
                return matching
        guess = did_you_mean(experiment, found.values())
        lists = "gitml ls --experiments lists them"
        raise NotFoundError(
            f"no experiment is named {visible(experiment)}",
            hint=f"{guess} {lists}" if guess else lists,
        )

    @_reads
    def experiments(self, *, counted: bool = True) -> list[ExperimentSummary]:
        """Return the experiments by name, with the numbers of their runs if ``counted``."""
        return experiments(self._db, counted=counted)

    @_reads
    def keys(self) -> Keys:
        """Return the names that there are values for."""
        self._numbers = key_numbers(self._db)
        return keys(self._numbers)

    @_reads
    def goal(self, metric: str) -> str:
        """Return ``min`` or ``max``: what was said of the metric last, or what its name tells."""
        query = "SELECT goal FROM key WHERE kind = 'metrics' AND name = ?"
        found = self._db.execute(query, (storable(metric),)).fetchone()
        return found[0] if found and found[0] else default_goal(metric)

    @_reads
    def sql(self, query: str) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """Return the columns and the rows of a SELECT over `query.schema.VIEWS`.

        The rows are laid aside when this returns: reading them slowly keeps
        nobody from the index. Raises `InputError`, also after ten seconds.
        """
        self._answers += 1
        answer = f"temp.{guard.ANSWER}{self._answers}"
        statement = query.strip().removesuffix(";")
        with self._asking(query):
            self._db.execute(f"CREATE TABLE {answer} AS\n{statement}")
        rows = self._db.execute(f"SELECT * FROM {answer} ORDER BY rowid")  # noqa: S608 - ours
        return [column[0] for column in rows.description], rows

    @_reads
    def quarantined(self) -> list[tuple[str, str]]:
        """Return (where, what is wrong) for all that could not be read."""
        query = "SELECT place, sentence FROM problem ORDER BY scope, place"
        return self._db.execute(query).fetchall()

    @_reads
    def tombstones(self) -> list[Tombstone]:
        """Return the purged runs, the latest first."""
        return tombstones(self._db)

    @_reads
    def doubtful(self, here: Who) -> dict[str, str]:
        """Return ``killed?`` or ``lost?`` by id for running runs that may not be running.

        See `query.summaries.doubtful`.
        """
        return doubtful(self._db, self._repository.home, here, self._now)

    @_reads
    def made_of(self) -> dict[str, str]:
        """Return what each run was read from, by id: its tree, or trees and fingerprint of logs."""
        return dict(self._db.execute("SELECT id, made_of FROM run"))

    @_reads
    def state(self, *, where: str | None = None, experiments: Sequence[str] = ()) -> str:
        """Return a hash of what `search` would read; nothing if a run was read in part only."""
        slugs = experiments or (None,)
        found = (self._matching(where, s, None, (), None, False, count=False) for s in slugs)
        return state(self._db, {number for numbers in found for number in numbers})
