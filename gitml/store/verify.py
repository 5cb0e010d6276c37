"""Every byte of the runs read again: files against their digests, points against summaries."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gitml import names
from gitml.errors import DamagedError, GitmlError, NotFoundError
from gitml.names import is_run_id, visible
from gitml.store.artifacts import INLINE_MOST, check_blob, large_chunks
from gitml.store.state import fold, is_merged, points_of, read_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitml.model import Run
    from gitml.store.git import Repository
    from gitml.store.state import State

TREE = "40000"


def run_trees(repository: Repository) -> dict[str, tuple[str, str]]:
    """Return (where, run id) of every run tree by its oid, hot ones first.

    What cannot be listed is left out: the index names it.
    """
    found: dict[str, tuple[str, str]] = {}
    refs = repository.refs(names.RUNS, names.REMOTES, names.EXPERIMENTS)
    for ref, commit in refs.items():
        run_id = ref.rpartition("/")[2]
        tree = repository.resolve(f"{commit}^{{tree}}") if is_run_id(run_id) else None
        if tree is not None:
            found.setdefault(tree, (ref, run_id))
    for ref, commit in refs.items():
        if ref.startswith(names.EXPERIMENTS):
            for run_id, tree in _sealed(repository, commit):
                found.setdefault(tree, (f"{ref}:runs/{run_id[:2]}/{run_id}", run_id))
    return found


def _sealed(repository: Repository, commit: str) -> Iterator[tuple[str, str]]:
    runs = repository.resolve(f"{commit}:runs")
    if runs is None:  # a ledger of tombstones alone
        return
    try:
        for bucket in repository.tree(runs):
            if bucket.mode == TREE:
                for entry in repository.tree(bucket.oid):
                    if is_run_id(entry.name) and entry.mode == TREE:
                        yield entry.name, entry.oid
    except (DamagedError, ValueError):
        return


def verify_tree(repository: Repository, run_id: str, tree: str) -> Iterator[str]:
    """Yield a sentence for everything in a run's tree that does not verify.

    Large content that is not on this machine cannot be verified and is no fault.
    """
    try:
        state = read_tree(repository, tree)
        run = fold(run_id, state)
    except GitmlError as error:
        yield error.message
        return
    yield from _artifacts(repository, run, state)
    yield from _points(repository, run, state)


def _artifacts(repository: Repository, run: Run, state: State) -> Iterator[str]:
    for path, artifact in sorted(run.artifacts.items()):
        if artifact.store == "uri":
            continue
        try:
            if path not in state.artifacts:
                raise DamagedError(f"The content of {visible(path)} is missing.")
            check_blob(artifact, repository.read(state.artifacts[path], "blob", INLINE_MOST))
            if artifact.store == "lfs":
                for _ in large_chunks(repository, artifact):
                    pass
        except NotFoundError:
            continue
        except GitmlError as error:
            yield error.message


def _points(repository: Repository, run: Run, state: State) -> Iterator[str]:
    counts: Counter[str] = Counter()
    try:
        for point in points_of(repository, state.segments):
            counts[point.metric] += 1
    except GitmlError as error:
        yield error.message
        return
    if not is_merged(state.segments):  # segments of several writers may share points
        return
    for name in sorted(counts.keys() | run.metrics.keys()):
        told = run.metrics[name].count if name in run.metrics else 0
        if told != counts[name]:
            yield f"{visible(name)} has {counts[name]:,} points, and its summary tells of {told:,}."
