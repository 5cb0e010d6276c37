"""The tables of the index, and the views that ``gitml sql`` and ``--where`` read.

The tables are ours to change (then `VERSION` goes up and every index is made
anew); the views are what people write queries against.
"""

from __future__ import annotations

from typing import NamedTuple

from gitml.model import SCHEMA

VERSION = 1_000 * SCHEMA + 1
"""Stored in the file; an index of any other version is rebuilt."""

HEAD = (
    *("id", "name", "experiment", "status", "created", "ended", "updated", "author", "parent"),
    *("note", "branch", "commit", "tree", "dirty", "script", "command", "host", "python"),
    *("platform", "deleted"),
)
"""The columns of ``run`` that come from the run itself, in this order."""

# A run's own columns are few, so that a scan reads little: its JSON lies in `document`.
# What it has many of is kept in order of the run, so that adding runs only appends.
TABLES = """
CREATE TABLE ledger (
  slug TEXT PRIMARY KEY, head TEXT, experiment TEXT, runs TEXT, tombstones TEXT,
  name TEXT, deleted INT
) WITHOUT ROWID;
CREATE TABLE bucket (
  slug TEXT, kind TEXT, name TEXT, oid TEXT, PRIMARY KEY (slug, kind, name)
) WITHOUT ROWID;
CREATE TABLE hot (ref TEXT PRIMARY KEY, head TEXT) WITHOUT ROWID;
CREATE TABLE place (
  place TEXT, run_id TEXT, tree TEXT, PRIMARY KEY (place, run_id)
) WITHOUT ROWID;
CREATE INDEX place_of_run ON place (run_id);
CREATE TABLE tombstone (
  slug TEXT, run_id TEXT, oid TEXT, at INT, "by" TEXT, reason TEXT, PRIMARY KEY (run_id, slug)
) WITHOUT ROWID;
CREATE TABLE problem (
  scope TEXT, place TEXT, sentence TEXT, again TEXT, PRIMARY KEY (scope, place)
) WITHOUT ROWID;
CREATE TABLE run (
  n INTEGER PRIMARY KEY, made_of TEXT, live INT, sealed INT, slug TEXT, named TEXT,
  id TEXT UNIQUE, name TEXT, experiment TEXT, status TEXT,
  created INT, ended INT, updated INT, author TEXT, parent TEXT, note TEXT,
  branch TEXT, "commit" TEXT, tree TEXT, dirty INT, script TEXT, command TEXT,
  host TEXT, python TEXT, platform TEXT, deleted INT
);
CREATE INDEX run_by_time ON run (deleted, created DESC, id);
CREATE INDEX run_by_experiment ON run (slug, deleted, created DESC, id);
CREATE INDEX run_by_status ON run (deleted, slug, status);
CREATE INDEX run_by_name ON run (name);
CREATE INDEX run_unfinished ON run (status) WHERE status IN ('running', 'scheduled');
CREATE INDEX run_live ON run (id) WHERE live;
CREATE INDEX run_unsealed ON run (n) WHERE NOT sealed;
CREATE TABLE document (n INTEGER PRIMARY KEY, json TEXT);
CREATE TABLE key (
  n INTEGER PRIMARY KEY, kind TEXT, name TEXT, runs INT, goal TEXT, goal_at INT,
  UNIQUE (kind, name)
);
CREATE TABLE metric (
  run INT, key INT, last REAL, step INT, min REAL, max REAL, count INT, goal TEXT,
  PRIMARY KEY (run, key)
) WITHOUT ROWID;
CREATE TABLE param (run INT, key INT, value, PRIMARY KEY (run, key)) WITHOUT ROWID;
CREATE TABLE tag (run INT, key INT, value TEXT, number REAL, PRIMARY KEY (run, key)) WITHOUT ROWID;
CREATE TABLE input (
  run INT, name TEXT, digest TEXT, context TEXT, uri TEXT, size INT, files INT, "rows" INT
);
CREATE INDEX input_of_run ON input (run);
CREATE TABLE artifact (
  run INT, path TEXT, size INT, sha256 TEXT, media_type TEXT, store TEXT, uri TEXT,
  PRIMARY KEY (run, path)
) WITHOUT ROWID;
"""

TEXT, NUMBER, TIME = "text", "number", "time"


class Attribute(NamedTuple):
    """Something that every run has, or may have."""

    sql: str
    """How to get it from ``run AS r``; {now} is the present in milliseconds."""
    kind: str = TEXT


def _time(column: str) -> Attribute:
    return Attribute(f"strftime('%Y-%m-%dT%H:%M:%fZ', r.{column} / 1000.0, 'unixepoch')", TIME)


ATTRIBUTES: dict[str, Attribute] = {
    "id": Attribute("r.id"),
    "name": Attribute("r.name"),
    "experiment": Attribute("r.experiment"),
    "status": Attribute("r.status"),
    "created": _time("created"),
    "ended": _time("ended"),
    "updated": _time("updated"),
    "duration": Attribute("((r.ended - r.created) / 1000.0)", NUMBER),
    "age": Attribute("(({now} - r.created) / 1000.0)", NUMBER),
    "author": Attribute("r.author"),
    "parent": Attribute("r.parent"),
    "note": Attribute("r.note"),
    "branch": Attribute("r.branch"),
    "commit": Attribute('r."commit"'),
    "tree": Attribute("r.tree"),
    "dirty": Attribute("r.dirty", NUMBER),
    "script": Attribute("r.script"),
    "command": Attribute("r.command"),
    "host": Attribute("r.host"),
    "python": Attribute("r.python"),
    "platform": Attribute("r.platform"),
    "deleted": Attribute("r.deleted", NUMBER),
}
"""What ``--where`` and ``--sort`` may name of a run; duration and age are in seconds."""


def _run_view() -> str:
    hidden = {"age", "deleted"}
    columns = ", ".join(f'{a.sql} AS "{n}"' for n, a in ATTRIBUTES.items() if n not in hidden)
    return f"CREATE VIEW runs AS SELECT {columns} FROM run AS r WHERE NOT r.deleted"  # noqa: S608


def _long_view(name: str, table: str, columns: str, *, keyed: bool = True) -> str:
    head = "r.id AS run_id, r.name AS run, r.experiment"
    key = ", k.name AS name" if keyed else ""
    join = " JOIN key AS k ON k.n = t.key" if keyed else ""
    tables = f"run AS r JOIN {table} AS t ON t.run = r.n{join}"
    select = f"SELECT {head}{key}, {columns} FROM {tables} WHERE NOT r.deleted"  # noqa: S608 - ours
    return f"CREATE VIEW {name} AS {select}"


VIEWS: dict[str, str] = {
    "runs": _run_view(),
    "metrics": _long_view("metrics", "metric", "t.last, t.step, t.min, t.max, t.count, t.goal"),
    "params": _long_view("params", "param", "t.value"),
    "tags": _long_view("tags", "tag", "t.value"),
    "inputs": _long_view(
        "inputs",
        "input",
        't.name, t.digest, t.context, t.uri, t.size, t.files, t."rows"',
        keyed=False,
    ),
    "artifacts": _long_view(
        "artifacts",
        "artifact",
        "t.path, t.size, t.sha256, t.media_type, t.store, t.uri",
        keyed=False,
    ),
}
"""What queries may read; runs that were removed are in none of them.

runs       the attributes but age
metrics    run_id, run, experiment, name, last, step, min, max, count, goal
params     run_id, run, experiment, name, value
tags       run_id, run, experiment, name, value
inputs     run_id, run, experiment, name, digest, context, uri, size, files, rows
artifacts  run_id, run, experiment, path, size, sha256, media_type, store, uri
"""
