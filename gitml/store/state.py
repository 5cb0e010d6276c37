"""A run as sets, and how copies of it join.

A run is a set of edits, a set of points and the blobs they name. Joining is
set union, so it is commutative, associative and idempotent, and needs no merge
base. Everything else (``run.yaml``, summaries) is folded from the sets.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gitml.codec import STORED_LIMIT, check_schema, load_stored
from gitml.errors import DamagedError, InputError
from gitml.lines import dump_json, load_edits, load_json
from gitml.model import (
    SCHEMA,
    Artifact,
    Dataset,
    Edit,
    Environment,
    Json,
    Metric,
    Run,
    Source,
    from_iso,
)
from gitml.names import STATUSES, check_path, is_read_by_git, visible
from gitml.records import (
    ARTIFACTS_YAML,
    EDITS,
    METRICS_YAML,
    PARAMS_YAML,
    RUN_YAML,
    parse_artifact,
    parse_dataset,
    parse_environment,
    parse_goal,
    parse_metric,
    parse_source,
    parse_text,
)
from gitml.store import live
from gitml.store.points import Collector, merge_summaries, read_segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitml.model import Point
    from gitml.store.git import Repository
    from gitml.store.objects import Entry

EDITS_LIMIT = 64 * 1024 * 1024
SEGMENT_LIMIT = 64 * 1024 * 1024
FILE_MODES = frozenset({"100644", "100755", "100664"})
"""Modes of files; the last is of old trees."""
DERIVED = frozenset({RUN_YAML, PARAMS_YAML, METRICS_YAML, ARTIFACTS_YAML, EDITS})


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A run as its tree holds it."""

    edits: frozenset[Edit] = frozenset()
    """Everything that was stated about it."""
    segments: Mapping[str, str] = field(default_factory=dict)
    """Blob oid of each segment by name."""
    summaries: Mapping[str, Metric] = field(default_factory=dict)
    """Summaries of the points in the segments."""
    artifacts: Mapping[str, str] = field(default_factory=dict)
    """Blob oid by artifact path."""
    others: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """(mode, oid) of every other entry of the tree, ``requirements.txt`` among them."""

    @property
    def newest(self) -> int:
        """The time of the newest edit, in milliseconds; 0 without any."""
        return max((e.at for e in self.edits), default=0)


def stored_paths(paths: Iterable[str]) -> dict[str, str]:
    """Return where each artifact lies in the tree.

    That is its path, or, where it is also a folder of another or named like a file
    that git reads, with ``~`` behind it.
    """
    all_paths = set(paths)
    folders = {"/".join(p.split("/")[:n]) for p in all_paths for n in range(1, p.count("/") + 1)}
    placed: dict[str, str] = {}
    taken = folders.copy()
    for path in sorted(all_paths):
        place = f"{path}~" if is_read_by_git(path.rpartition("/")[2]) else path
        while place in taken or (place != path and place in all_paths):
            place += "~"
        taken.add(place)
        placed[path] = place
    return placed


def read_tree(repository: Repository, tree: str) -> State:
    """Return the state a run's tree holds; raise `DamagedError` if it cannot be read."""
    what = f"the run tree {tree[:12]}"
    entries = _named(repository.tree(tree), what)
    edits = load_edits(_blob(repository, entries, EDITS, EDITS_LIMIT), f"edits.jsonl of {what}")
    summaries = {}
    if METRICS_YAML in entries:
        file = f"metrics.yaml of {what}"
        data = _blob(repository, entries, METRICS_YAML, STORED_LIMIT)
        try:
            stored = load_stored(data, file, names=True)
            summaries = {k: parse_metric(v) for k, v in stored.items()}
        except (TypeError, ValueError, OverflowError) as error:
            raise DamagedError(f"{file} cannot be read: {visible(str(error))}.") from None
    segments = {}
    if "metrics" in entries:
        listed = _named(repository.tree(entries["metrics"].oid), what)
        if any(entry.mode not in FILE_MODES for entry in listed.values()):
            raise DamagedError(f"The metrics of {what} are no files.")
        segments = {name: entry.oid for name, entry in listed.items()}
    artifacts = {}
    if "artifacts" in entries:
        placed = dict(_files(repository, entries["artifacts"].oid, ""))
        wanted = stored_paths(fold_values(edits, "artifacts."))
        artifacts = {path: placed[place] for path, place in wanted.items() if place in placed}
    skip = DERIVED | {"metrics", "artifacts"}
    return State(
        edits=edits,
        segments=segments,
        summaries=summaries,
        artifacts=artifacts,
        others={n: (_mode(e.mode), e.oid) for n, e in entries.items() if n not in skip},
    )


def _mode(mode: str) -> str:
    """Return a mode as it is written again."""
    return "100644" if mode in FILE_MODES - {"100755"} else mode


def _named(entries: Iterable[Entry], what: str) -> dict[str, Entry]:
    """Return entries by name; refuse names that must not get into another tree of ours."""
    named = {e.name: e for e in entries}
    for name in named:
        try:
            check_path(name)
        except InputError:
            raise DamagedError(
                f"{what} holds {visible(name, 60)!r}, which is no file of a run."
            ) from None
    return named


def _blob(repository: Repository, entries: Mapping[str, Entry], name: str, limit: int) -> bytes:
    if name not in entries:
        raise DamagedError(f"A run's tree has no {name}.")
    return repository.read(entries[name].oid, "blob", limit)


def _files(
    repository: Repository, tree: str, prefix: str, depth: int = 0
) -> Iterator[tuple[str, str]]:
    if depth > 64:  # noqa: PLR2004 - deeper than any path check_path lets in is not ours
        raise DamagedError("A run's artifacts nest too deep.")
    for entry in repository.tree(tree):
        path = prefix + entry.name
        if entry.mode == "40000":
            yield from _files(repository, entry.oid, f"{path}/", depth + 1)
        elif entry.mode in FILE_MODES:
            yield path, entry.oid


def points_of(repository: Repository, segments: Mapping[str, str]) -> Iterator[Point]:
    """Yield the points of segments, one segment in memory at a time."""
    for name, oid in segments.items():
        yield from read_segment(
            repository.read(oid, "blob", SEGMENT_LIMIT), f"the segment {visible(name, 60)}"
        )


def is_merged(segments: Iterable[str]) -> bool:
    """Say whether segments are the merged ones of a run that has ended."""
    return all(name.partition(".")[0].isdigit() for name in segments)


def _contains(larger: Mapping[str, str], smaller: Mapping[str, str]) -> bool:
    return all(larger.get(name) == oid for name, oid in smaller.items())


def join(states: Sequence[State], points: Collector | None, repository: Repository) -> State:
    """Return the union of copies of one run.

    Where neither copy's segments contain the other's, all their points go into
    ``points``, the result has no segments, and who writes it makes them anew;
    with ``points`` None (a reader's view) they are collected and summarised here.
    """
    edits = frozenset().union(*(s.edits for s in states))
    widest = max(states, key=lambda s: (len(s.segments), sorted(s.segments.items())))
    segments, summaries = widest.segments, widest.summaries
    if not all(_contains(segments, s.segments) for s in states):
        collector = Collector() if points is None else points
        for state in states:
            collector.add_all(points_of(repository, state.segments))
        segments, summaries = {}, {}
        if points is None:
            fresh: dict[str, Metric] = {}
            for _ in collector.segments(fresh):
                pass
            collector.close()
            summaries = fresh
    winners = winning(edits)
    artifacts: dict[str, str] = {}
    for state in states:
        for path, oid in state.artifacts.items():
            if winners.get(f"artifacts.{path}") in state.edits:
                artifacts[path] = max(oid, artifacts.get(path, oid))
    others: dict[str, tuple[str, str]] = {}
    for state in states:
        for name, entry in state.others.items():  # the larger oid: any total order will do
            others[name] = max(entry, others.get(name, entry))
    return State(
        edits=edits, segments=segments, summaries=summaries, artifacts=artifacts, others=others
    )


def winning(edits: Iterable[Edit]) -> dict[str, Edit]:
    """Return the edit that counts for each key: the earliest of a param, else the latest."""
    winners: dict[str, Edit] = {}
    for edit in sorted(edits):
        if not (edit.key.startswith("params.") and edit.key in winners):
            winners[edit.key] = edit
    return winners


def fold_values(edits: Iterable[Edit], prefix: str) -> dict[str, Json]:
    """Return the present values of the keys below ``prefix``, without it."""
    return {
        key[len(prefix) :]: load_json(edit.json)
        for key, edit in winning(edits).items()
        if key.startswith(prefix) and edit.json != "null"
    }


def value_of(edits: Iterable[Edit], key: str) -> Json:
    """Return the present value of one key, None if there is none."""
    winner = winning(e for e in edits if e.key == key).get(key)
    return None if winner is None else load_json(winner.json)


def _same(first: str, second: str) -> bool:
    """Say whether two JSON texts are one value; 1 and 1.0 are, 1 and true are not."""
    if first == second:
        return True
    a, b = load_json(first), load_json(second)
    return type(a) in {int, float} and type(b) in {int, float} and a == b


_TEXTS = ("name", "experiment", "status", "created", "ended", "author", "parent", "note")
_PREFIXES = ("params.", "tags.", "inputs.", "artifacts.", "goals.")
_HEAD = frozenset(
    (
        "schema name experiment status created ended author parent source environment note deleted"
    ).split()
)


def fold(run_id: str, state: State) -> Run:
    """Return the run that a state says; raise `DamagedError` if it says none."""
    try:
        return _fold(run_id, state)
    except (TypeError, ValueError, OverflowError, KeyError) as error:
        raise DamagedError(f"The run {run_id[:8]} cannot be read: {visible(str(error))}.") from None


def _fold(run_id: str, state: State) -> Run:
    winners = winning(state.edits)
    conflict = sorted(
        {
            e.key[len("params.") :]
            for e in state.edits
            if e.key.startswith("params.") and not _same(winners[e.key].json, e.json)
        }
    )
    head: dict[str, Json] = {}
    groups: dict[str, dict[str, Any]] = {prefix: {} for prefix in _PREFIXES}
    for key, edit in sorted(winners.items()):
        value = load_json(edit.json)
        prefix = next((p for p in _PREFIXES if key.startswith(p)), None)
        if prefix is None:
            head[key] = value
        elif value is not None or prefix == "params.":
            groups[prefix][key[len(prefix) :]] = value
    check_schema(head.get("schema", SCHEMA), f"The run {run_id[:8]}")
    for key in ("name", "experiment", "status", "created"):
        if head.get(key) in (None, ""):
            raise ValueError(f"{key} is missing")
    texts = {key: parse_text(head[key], key) for key in _TEXTS if head.get(key) is not None}
    if texts["status"] not in STATUSES:
        raise ValueError(f"the status {texts['status']} is unknown")
    goals = {name: parse_goal(goal) for name, goal in groups["goals."].items()}
    inputs: list[Dataset] = [parse_dataset(v) for v in groups["inputs."].values()]
    artifacts: dict[str, Artifact] = {
        k: parse_artifact(k, v) for k, v in groups["artifacts."].items()
    }
    return Run(
        id=run_id,
        name=texts["name"],
        experiment=texts["experiment"],
        status=texts["status"],
        created=from_iso(texts["created"]),
        ended=from_iso(texts["ended"]) if "ended" in texts else None,
        updated=state.newest,
        author=texts.get("author", ""),
        parent=texts.get("parent"),
        source=parse_source(head["source"]) if head.get("source") else Source(),
        environment=parse_environment(head["environment"])
        if head.get("environment")
        else Environment(),
        inputs=tuple(sorted(inputs, key=lambda d: (d.context or "", d.name, d.digest or ""))),
        params=groups["params."],
        metrics={
            name: replace(m, goal=goals.get(name, m.goal))
            for name, m in sorted(state.summaries.items())
        },
        tags={k: str(v) for k, v in groups["tags."].items()},
        note=texts.get("note"),
        artifacts=artifacts,
        deleted=bool(head.get("deleted")),
        conflict=tuple(conflict),
        extra={k: v for k, v in head.items() if k not in _HEAD and v is not None},
    )


def view(repository: Repository, run_id: str, trees: Sequence[str]) -> Run:
    """Return the run that copies in git and live logs make together; writes nothing.

    Raises `DamagedError` if any copy cannot be read, and if there is none.
    """
    states = [read_tree(repository, tree) for tree in dict.fromkeys(trees)]
    state = join(states, None, repository) if states else State()
    points = Collector()
    edits: set[Edit] = set()
    sources: list[dict[str, Json]] = []
    for path in live.logs(repository.home, run_id):
        folded = any(name.startswith(f"{path.stem}-") for name in state.segments)
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            live.replay(file, Collector() if folded else points, edits, sources)
    edits |= {
        source_edit(r, {k: v for k, v in r["source"].items() if k not in {"files", "base"}})
        for r in sources
    }
    fresh: dict[str, Metric] = {}
    exact = bool(points) and bool(state.segments) and is_merged(state.segments)
    if exact:  # the log may hold points that a merged segment has already
        points.add_all(points_of(repository, state.segments))
    for _ in points.segments(fresh):
        pass
    points.close()
    # A source the log told is known better by git, which has its tree.
    told = {(e.at, e.id) for e in state.edits}
    edits = {e for e in edits if e.key != "source" or (e.at, e.id) not in told}
    summaries = fresh if exact else merge_summaries(state.summaries, fresh)
    return fold(run_id, replace(state, edits=state.edits | edits, summaries=summaries))


def source_edit(record: Mapping[str, Json], value: Json) -> Edit:
    """Return the edit that a log's source record becomes, with ``value`` for its source."""
    from_log = {k: record[k] for k in ("at", "id", "by")}
    return Edit(**from_log, key="source", json=dump_json(value))
