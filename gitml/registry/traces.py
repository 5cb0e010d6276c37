"""What a version was made from, held against what the repository has now."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitml.errors import DamagedError, GitmlError, NotFoundError
from gitml.lines import dump_json
from gitml.names import plural, run_ref, source_ref, visible
from gitml.registry.pulling import Contents
from gitml.store.history import copies
from gitml.store.remote import fetch_refs
from gitml.store.verify import verify_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gitml.model import Metric, Run
    from gitml.registry.gates.base import Case
    from gitml.registry.values import ModelVersion
    from gitml.store.git import Repository

PARTS = ("inputs", "run", "source", "package")
"""What a version comes with."""
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def trace(case: Case, parts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what was found of each part, and every problem, each as a clause.

    What is not here is fetched from the registry's remote first. Raises
    `RemoteError` if that cannot be asked.
    """
    _bring(case, parts)
    checks: dict[str, Callable[[Case], Iterator[str]]] = {
        "inputs": _inputs,
        "run": _run,
        "source": _source,
        "package": _package,
    }
    problems = [problem for part in parts for problem in checks[part](case)]
    version = case.candidate
    told = {
        "inputs": plural(len(version.inputs), "input"),
        "run": f"run {visible(version.run.name, 60)}" if version.run else "",
        "source": f"source {(version.source.tree or '')[:10]}",
        "package": f"{plural(len(version.files), 'file')} of {version.digest[:17]}",
    }
    return [told[part] for part in parts], problems


def _bring(case: Case, parts: Sequence[str]) -> None:
    """Fetch what is not here of a version's run and source, in one go."""
    version, refs = case.candidate, []
    run, tree = version.run, version.source.tree
    if (
        "run" in parts
        and run is not None
        and not (_is_here(run.tree, case) and _known(run.id, case))
    ):
        refs.append(run_ref(run.id))
    if "source" in parts and tree is not None and _named(tree) and not _is_here(tree, case):
        refs.append(source_ref(tree))
    if refs and case.remote is not None:
        fetch_refs(case.repository, case.remote, refs)


def _named(oid: str | None) -> bool:
    return oid is not None and _OID.fullmatch(oid) is not None


def _is_here(tree: str | None, case: Case) -> bool:
    return _named(tree) and case.repository.resolve(f"{tree}^{{tree}}") is not None


def _known(run_id: str, case: Case) -> bool:
    """Say whether a ref here tells of a run: a clone by path has objects that none names."""
    try:
        return bool(copies(case.repository, run_id))
    except GitmlError:  # it was purged, which the check says
        return True


def _inputs(case: Case) -> Iterator[str]:
    inputs = case.candidate.inputs
    if not inputs:
        yield "no input was recorded"
    for one in inputs:
        if one.digest is None:
            yield f"the input {visible(one.name, 60)} has no digest"


def _run(case: Case) -> Iterator[str]:
    frozen = case.candidate.run
    if frozen is None:
        yield "no run was registered with it"
        return
    name = f"the run {visible(frozen.name, 60)}"
    if not _is_here(frozen.tree, case):
        yield f"{name} is not here"
        return
    assert frozen.tree is not None
    for problem in verify_tree(case.repository, frozen.id, frozen.tree):
        yield f"{name} does not verify: {problem.rstrip('.')}"
    loaded = [] if case.index is None else case.index().load([frozen.id])
    if not loaded:
        yield f"{name} is not among the runs any more"
        return
    yield from (f"{name} has {change}" for change in changes(case.candidate, loaded[0]))


def changes(version: ModelVersion, run: Run) -> Iterator[str]:
    """Yield how a run differs from what a version froze of it: ``other params: lr``.

    Labels, the note and who looks at it may change; what was measured, and of what, not.
    """
    metrics = [{key: _points(m) for key, m in one.metrics.items()} for one in (version, run)]
    params = [{key: dump_json(v) for key, v in one.params.items()} for one in (version, run)]
    inputs = [
        {f"{d.context}:{d.name}": str(d.digest) for d in one.inputs} for one in (version, run)
    ]
    kinds = (("metrics", metrics), ("params", params), ("inputs", inputs))
    for what, (before, after) in kinds:
        other = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        if other:
            more = f" and {len(other) - 1} more" if len(other) > 1 else ""
            yield f"other {what} than at registration: {visible(other[0], 60)}{more}"
    if version.source.tree != run.source.tree or version.source.commit != run.source.commit:
        yield "another source than at registration"


def _points(metric: Metric) -> str:
    """Return a summary as text: NaN is itself there."""
    return repr((metric.last, metric.step, metric.min, metric.max, metric.count))


def _source(case: Case) -> Iterator[str]:
    tree = case.candidate.source.tree
    if not _named(tree):
        yield "no source was recorded"
    elif not _is_here(tree, case):
        yield f"the source {str(tree)[:10]} is not here"
    elif not is_whole(case.repository, str(tree)):
        yield f"files of the source {str(tree)[:10]} are missing"


def is_whole(repository: Repository, tree: str) -> bool:
    """Say whether every object of a tree is here, by one process."""
    try:
        repository.run("rev-list", "--objects", "--quiet", tree)
    except GitmlError:
        return False
    return True


def _package(case: Case) -> Iterator[str]:
    """Yield why the files are not those of the digest; large ones are downloaded for it."""
    try:
        contents = Contents(case.repository, case.version, case.candidate, case.remote)
        contents.fetch()
        for file in case.candidate.files:
            for _ in contents.read(file):
                pass
    except (DamagedError, NotFoundError) as error:
        yield error.message.rstrip(".")
