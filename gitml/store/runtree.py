"""A run's tree into a stream: its files, its points, its artifacts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitml.lines import dump_edits, dump_json
from gitml.names import visible
from gitml.records import EDITS, REQUIREMENTS, run_files
from gitml.store.artifacts import pointer
from gitml.store.points import Collector, merge_summaries
from gitml.store.state import State, fold, is_merged, points_of, stored_paths, winning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gitml.model import Edit, Metric, Run
    from gitml.store.fast_import import FastImport
    from gitml.store.git import Repository


def message_of(run: Run) -> str:
    """Return the message of a commit that writes a run."""
    title = f"{visible(run.name)}: {run.status}"
    return f"{title}\n\nrun {run.id}\nexperiment {dump_json(run.experiment)}\n"


def put_run(
    repository: Repository,
    stream: FastImport,
    run_id: str,
    state: State,
    points: Collector,
    *,
    prefix: str,
) -> Run:
    """Put a joined run below ``prefix`` of the commit begun, its points merged anew."""
    everything = points
    if not points:
        everything = Collector()
        everything.add_all(points_of(repository, state.segments))
    summaries: dict[str, Metric] = {}
    pieces = [(f"{n:04}.csv", data) for n, data in enumerate(everything.segments(summaries))]
    state = replace(state, segments={}, summaries=summaries)
    run = fold(run_id, state)
    put_files(stream, state, run, {}, None, prefix)
    for name, data in pieces:
        stream.put_data(f"{prefix}metrics/{name}", data)
    put_artifacts(stream, {}, state, run, state.edits, prefix)
    return run


def put_files(
    stream: FastImport,
    state: State,
    run: Run,
    segments: Mapping[str, str],
    requirements: bytes | None,
    prefix: str = "",
) -> None:
    """Put the files of a run's tree, and its segments by oid or mark."""
    for name, data in {**run_files(run), EDITS: dump_edits(state.edits)}.items():
        stream.put_data(prefix + name, data)
    for name, (mode, oid) in state.others.items():
        if not (name == REQUIREMENTS and requirements):
            stream.put(prefix + name, oid, mode)
    if requirements:
        stream.put_data(prefix + REQUIREMENTS, requirements)
    for name, oid in segments.items():
        stream.put(f"{prefix}metrics/{name}", oid)


def segments_of(
    repository: Repository,
    stream: FastImport,
    state: State,
    points: Mapping[str, Collector],
    loose: Collector,
    *,
    ended: bool,
) -> tuple[dict[str, str], dict[str, Metric]]:
    """Write the segments that are new; return (oid or mark of every segment, summaries).

    ``points`` are new ones by the stem of their segments' names, ``loose`` those
    of copies that had to be taken apart. Once a run has ``ended``, all are merged.
    """
    new = {stem: found for stem, found in points.items() if found}
    kept, summaries = dict(state.segments), dict(state.summaries)
    if not new and not loose and (not ended or is_merged(kept)):
        return kept, summaries
    result: dict[str, Metric] = {}
    if loose or ended:
        everything = loose or Collector()
        if not everything and len(new) == 1 and not kept:
            everything = next(iter(new.values()))
        else:
            everything.add_all(points_of(repository, kept))
            for found in new.values():
                everything.add_all(found.points())
        merged = enumerate(everything.segments(result))
        return {f"{n:04}.csv": stream.blob(data) for n, data in merged}, result
    for stem, found in new.items():
        if not any(name.startswith(f"{stem}-") for name in kept):
            result = {}
            for n, data in enumerate(found.segments(result)):
                kept[f"{stem}-{n}.csv"] = stream.blob(data)
            summaries = merge_summaries(summaries, result)
    return kept, summaries


def put_artifacts(
    stream: FastImport,
    staged: Mapping[str, Path],
    state: State,
    run: Run,
    before: frozenset[Edit],
    prefix: str = "",
) -> None:
    """Put a run's artifacts: content that was ``before``, that is ``staged``, or pointers."""
    winners = winning(e for e in state.edits if e.key.startswith("artifacts."))
    for path, place in stored_paths(run.artifacts).items():
        artifact = run.artifacts[path]
        full = f"{prefix}artifacts/{place}"
        if path in state.artifacts and winners[f"artifacts.{path}"] in before:
            stream.put(full, state.artifacts[path])
        elif artifact.store == "lfs" and artifact.sha256 and artifact.size is not None:
            stream.put_data(full, pointer(artifact.sha256, artifact.size))
        elif artifact.store == "git" and artifact.sha256 and artifact.sha256 in staged:
            stream.put_data(full, staged[artifact.sha256].read_bytes())
