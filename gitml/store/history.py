"""What a run's copies hold beyond its summary: edits, points, files."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gitml import names
from gitml.errors import DamagedError, NotFoundError
from gitml.records import REQUIREMENTS
from gitml.store import live
from gitml.store.artifacts import INLINE_MOST, check_blob, large_chunks
from gitml.store.points import Collector
from gitml.store.state import State, is_merged, join, points_of, read_tree
from gitml.store.write import Base, locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitml.model import Artifact, Edit, Json, Point
    from gitml.store.git import Repository


def copies(repository: Repository, run_id: str) -> list[Base]:
    """Return every copy of a run in git, its own hot ref's first."""
    bases = locate(repository, run_id)
    hot = repository.resolve(names.run_ref(run_id))
    if hot is not None:
        bases.insert(0, Base(commit=hot, tree=repository.commit_tree(hot)))
    return bases


def _joined(repository: Repository, run_id: str, points: Collector | None = None) -> State:
    trees = dict.fromkeys(base.tree for base in copies(repository, run_id))
    states = [read_tree(repository, tree) for tree in trees]
    return join(states, points, repository) if states else State()


def _replayed(repository: Repository, run_id: str) -> tuple[Collector, set[Edit]]:
    points = Collector()
    edits: set[Edit] = set()
    sources: list[dict[str, Json]] = []
    for path in live.logs(repository.home, run_id):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            live.replay(file, points, edits, sources)
    return points, edits


def edits_of(repository: Repository, run_id: str) -> list[Edit]:
    """Return who stated what about a run and when, the oldest first."""
    return sorted(_joined(repository, run_id).edits | _replayed(repository, run_id)[1])


def history(repository: Repository, run_id: str, metric: str | None = None) -> Iterator[Point]:
    """Yield a run's points in order of (metric, step, time, value), live ones too."""
    live_points, _ = _replayed(repository, run_id)
    state = _joined(repository, run_id, live_points)
    ordered = is_merged(state.segments)
    if not live_points and ordered:
        source: Iterator[Point] = points_of(repository, dict(sorted(state.segments.items())))
    else:
        live_points.add_all(points_of(repository, state.segments))
        source = live_points.points()
    for point in source:
        if metric is None or point.metric == metric:
            yield point
    live_points.close()


def requirements(repository: Repository, run_id: str) -> str | None:
    """Return the installed distributions of a run, one ``name==version`` a line."""
    entry = _joined(repository, run_id).others.get(REQUIREMENTS)
    if entry is None:
        return None
    return repository.read(entry[1], "blob", INLINE_MOST).decode("utf-8", "replace")


def artifact_chunks(repository: Repository, run_id: str, artifact: Artifact) -> Iterator[bytes]:
    """Yield an artifact's bytes, verified; raise if they are absent or do not match.

    The digest of a large file is known only at its end: keep the bytes aside
    until then. One recorded as a URI raises `NotFoundError` naming it.
    """
    if artifact.store == "uri":
        raise NotFoundError(
            f"The artifact {names.visible(artifact.path)} was recorded and not copied.",
            hint=f"Fetch it yourself: {names.visible(artifact.uri or '')}",
        )
    if artifact.store == "git":
        staging = live.folder(repository.home, run_id) / "files"
        for place in staging.glob(f"{artifact.sha256}.*"):
            yield place.read_bytes()
            return
        oid = _joined(repository, run_id).artifacts.get(artifact.path)
        if oid is None:
            raise DamagedError(f"The content of {names.visible(artifact.path)} is missing.")
        data = check_blob(artifact, repository.read(oid, "blob", INLINE_MOST))
        yield data or b""
        return
    yield from large_chunks(repository, artifact)
