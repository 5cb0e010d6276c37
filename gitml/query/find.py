"""What RUN means: an id, the beginning of one, a name, ``latest`` or ``best:METRIC``."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from gitml.errors import DamagedError, InputError, NotFoundError
from gitml.model import iso
from gitml.names import RUN_ID_PREFIX, did_you_mean, is_run_id, plural, visible
from gitml.query.keys import METRICS, known, unknown
from gitml.query.rows import storable

if TYPE_CHECKING:
    from gitml.model import Run
    from gitml.query.index import Connection, Index

_LISTED = 5
_CANDIDATES = 2_000
"""Names that a misspelt one is compared with: the newest, and those that begin or end alike."""
_LISTS = "gitml ls lists the runs"


def find(index: Index, connection: Connection, text: str, experiment: str | None) -> Run:
    """Return the run that ``text`` means, among those of ``experiment`` if that is given.

    Runs that were removed are found by their whole id or name only. Raises
    `NotFoundError`, `InputError` if it could be several, and `DamagedError` if
    it is one that cannot be read.
    """
    word, _, rest = text.partition(":")
    if word == "latest" and (rest or text == "latest"):
        return _latest(index, rest or experiment)
    if word == "best" and rest:
        return _best(index, rest, experiment)
    slugs = None if experiment is None else set(index.slugs(experiment))
    if is_run_id(text):
        found = index.load([text])
        return found[0] if found else _missing(connection, text)
    named = [row for row in _named(connection, text) if slugs is None or row[3] in slugs]
    shown = [row for row in named if not row[1]] or named
    if len(shown) == 1:
        return index.load([shown[0][0]])[0]
    if shown:
        raise _several(f"are named {visible(text)}", [row[0] for row in shown])
    prefix = text.lower()
    if RUN_ID_PREFIX.fullmatch(prefix):
        query = "SELECT id FROM run WHERE id >= ? AND id < ? AND NOT deleted ORDER BY id"
        ids = [row[0] for row in connection.execute(query, (prefix, f"{prefix}g"))]
        if len(ids) == 1:
            return index.load(ids)[0]
        if ids:
            raise _several(f"have an id that begins with {prefix}", ids)
    return _missing(connection, text)


def _named(connection: Connection, name: str) -> list[tuple[str, int, int, str]]:
    query = "SELECT id, deleted, created, slug FROM run WHERE name = ? ORDER BY created DESC, id"
    return connection.execute(query, (storable(name),)).fetchall()


def _several(what: str, ids: list[str]) -> InputError:
    shown = ", ".join(i[:12] for i in ids[:_LISTED])
    more = " …" if len(ids) > _LISTED else ""
    return InputError(
        f"{plural(len(ids), 'run')} {what}.", hint=f"Name one by its id: {shown}{more}"
    )


def _latest(index: Index, experiment: str | None) -> Run:
    found = index.search(experiment=experiment, limit=1)
    if found:
        return found[0]
    where = "" if experiment is None else f" in {visible(experiment)}"
    raise NotFoundError(f"There are no runs{where} yet.", hint="gitml log records one.")


def _best(index: Index, text: str, experiment: str | None) -> Run:
    keys = index.keys()
    name, _, goal = text.rpartition(":")
    if text in keys.metrics or goal not in {"min", "max"}:
        name, goal = text, ""
    if name not in known(keys, METRICS):
        _latest(index, None)  # which says so if there are no runs at all
        raise unknown(METRICS, name, keys)
    goal = goal or index.goal(name)
    sign = "-" if goal == "max" else ""
    found = index.search(experiment=experiment, order_by=[f"{sign}metrics.{name}"], limit=1)
    metric = found[0].metrics.get(name) if found else None
    if metric is None or math.isnan(metric.last):
        where = "" if experiment is None else f" in {visible(experiment)}"
        raise NotFoundError(f"No run{where} has a value of {visible(name)}.", hint=_LISTS)
    return found[0]


def _missing(connection: Connection, text: str) -> Run:
    """Raise what tells best why there is no such run."""
    if RUN_ID_PREFIX.fullmatch(text):
        query = 'SELECT run_id, at, "by", reason FROM tombstone WHERE run_id >= ? AND run_id < ?'
        row = connection.execute(query, (text, f"{text}g")).fetchone()
        if row is not None:
            run_id, at, by, reason = row
            when = f" at {iso(at)}" if at else ""
            why = f": {visible(reason)}" if reason else ""
            raise NotFoundError(
                f"The run {run_id[:12]} was purged.",
                hint=f"By {visible(by) or 'somebody'}{when}{why}",
            )
        query = "SELECT name FROM run WHERE id >= ? AND id < ? AND deleted"
        row = connection.execute(query, (text, f"{text}g")).fetchone()
        if row is not None:
            name = visible(row[0])
            raise NotFoundError(
                f"no run is named {text}", hint=f"{name} was removed: gitml restore {name}"
            )
        query = "SELECT sentence FROM problem WHERE scope >= ? AND scope < ?"
        row = connection.execute(query, (f"run {text}", f"run {text}g")).fetchone()
        if row is not None:
            raise DamagedError(str(row[0]), hint="gitml doctor tells more.")
    guess = did_you_mean(text, ["latest", *_candidates(connection, text)])
    hint = f"{guess} {_LISTS}" if guess else _LISTS
    raise NotFoundError(f"no run is named {visible(text)}", hint=hint)


def _candidates(connection: Connection, text: str) -> list[str]:
    newest = "SELECT name FROM run WHERE deleted = 0 ORDER BY created DESC LIMIT ?"
    names = [row[0] for row in connection.execute(newest, (_CANDIDATES,))]
    start, end = (re.sub(r"[*?\[\]]", "?", storable(part)) for part in (text[:3], text[-4:]))
    alike = "SELECT name FROM run WHERE deleted = 0 AND (name GLOB ? OR name GLOB ?) LIMIT ?"
    names += [r[0] for r in connection.execute(alike, (f"{start}*", f"*{end}", _CANDIDATES))]
    return names
