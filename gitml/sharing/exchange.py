"""Everything that is shared, to a remote and from it: models, large files, runs.

The order keeps what others read whole: large files first, then the runs that name
them, models last, for a version's run should be there before anybody looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitml.names import EXPERIMENTS, MODELS, RUNS, SOURCE, TAGS, UNPUBLISHED, is_run_id
from gitml.registry.publishing import publish
from gitml.registry.writing import open_context
from gitml.sharing.large import Sent, send_large, waiting
from gitml.store.joining import relations
from gitml.store.pulling import Pulled, Where, pull_runs
from gitml.store.pushing import Pushed, listed_for, push_runs
from gitml.store.remote import asked_branch, protected_branch
from gitml.store.shared import fetch_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from gitml.store.git import Repository
    from gitml.tracking.settings import Settings

    Progress = Callable[[int, int], None]


@dataclass(slots=True, kw_only=True)
class Push:
    """What a push did, or would do."""

    runs: Pushed
    """Runs, ledgers and sources."""
    models: list[str] = field(default_factory=list)
    """What became of models: ``churn@v1.2.0``, and slugs of journals that went there."""
    large: Sent = field(default_factory=Sent)
    """Large files."""


@dataclass(slots=True, kw_only=True)
class Pull:
    """What a pull did."""

    runs: Pulled
    """Runs and ledgers."""
    models: list[str] = field(default_factory=list)
    """Slugs of models of which something new came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far this repository and a remote are apart, as it was last seen."""

    runs: int = 0
    """Hot runs of ours that it has not, or not as they are."""
    ahead: tuple[str, ...] = ()
    """Ledgers that hold what the remote's do not."""
    behind: tuple[str, ...] = ()
    """Ledgers of the remote that hold what ours do not."""
    models: tuple[str, ...] = ()
    """Models with events that it has not."""
    unpublished: int = 0
    """Versions that are not published."""
    large: int = 0
    """Large files that are not known to be there."""
    large_bytes: int = 0
    """Their bytes."""


def push(
    repository: Repository,
    there: Where,
    *,
    by: str,
    now: int,
    settings: Settings,
    ids: Collection[str] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Push:
    """Send what the remote lacks; with ``ids`` those runs alone, with what they need.

    Raises `RemoteError`, `BeatenError`; what arrived by then stays there, and the
    next push sends the rest.
    """
    large = send_large(repository, there, settings, dry_run=dry_run, progress=progress)
    refs = listed_for(repository, there, MODELS, UNPUBLISHED)
    runs = push_runs(
        repository,
        there,
        committer=by,
        now=now,
        source=settings.push_source,
        ids=ids,
        dry_run=dry_run,
        refs=refs,
        progress=progress,
    )
    done = Push(runs=runs, large=large)
    apart = _models_apart(refs, there)
    if ids is None and apart and there.name == there.address:
        context = replace(open_context(repository, by=by, now=now), remote=there.name)
        for one in () if dry_run else publish(repository, None, context):
            done.models += [f"{v.version.slug}@{v.version.name}" for v in one.versions]
            done.models += [one.model.slug] if one.events else []
        if dry_run:
            done.models = apart
    return done


def _models_apart(refs: Mapping[str, str], there: Where) -> list[str]:
    """Return the slugs of models of which the remote lacks something, as far as is known."""
    apart = {ref.removeprefix(UNPUBLISHED).partition("/")[0] for ref in refs if UNPUBLISHED in ref}
    for ref, oid in refs.items():
        if ref.startswith(MODELS) and refs.get(there.ref(ref.removeprefix("refs/gitml/"))) != oid:
            apart.add(ref.removeprefix(MODELS))
    return sorted(apart)


def pull(repository: Repository, there: Where, *, accept_rewind: bool = False) -> Pull:
    """Bring runs, ledgers and models from a remote; source trees and large files stay there.

    Models are brought from remotes that have a name only.
    """
    done = Pull(runs=pull_runs(repository, there, accept_rewind=accept_rewind))
    if there.name == there.address:
        before = repository.refs(MODELS, TAGS)
        branch = protected_branch(repository, there.name) or asked_branch(repository, there.name)
        fetch_registry(repository, there.name, branch)
        after = repository.refs(MODELS, TAGS)
        done.models = sorted(
            ref.removeprefix(MODELS)
            for ref, oid in after.items()
            if ref.startswith(MODELS) and before.get(ref) != oid
        )
    return done


def distance(repository: Repository, there: Where) -> Distance:
    """Return how far this repository and a remote are apart, without asking it."""
    refs = repository.refs(
        RUNS, EXPERIMENTS, MODELS, UNPUBLISHED, SOURCE, there.ref("").rstrip("/")
    )

    def theirs(ref: str) -> str | None:
        return refs.get(there.ref(ref.removeprefix("refs/gitml/")))

    hot = [ref for ref in refs if ref.startswith(RUNS) and is_run_id(ref.removeprefix(RUNS))]
    slugs = {ref.removeprefix(EXPERIMENTS) for ref in refs if ref.startswith(EXPERIMENTS)}
    place = there.ref("experiments/")
    slugs |= {ref.removeprefix(place) for ref in refs if ref.startswith(place)}
    stands = _stands(repository, refs, there, sorted(slugs))
    files = waiting(repository, there)
    return Distance(
        runs=sum(refs[ref] != theirs(ref) for ref in hot),
        ahead=tuple(slug for slug, stand in stands.items() if stand in {"ahead", "apart"}),
        behind=tuple(slug for slug, stand in stands.items() if stand in {"behind", "apart"}),
        models=tuple(_models_apart(refs, there)),
        unpublished=sum(ref.startswith(UNPUBLISHED) for ref in refs),
        large=len(files),
        large_bytes=sum(files.values()),
    )


def _stands(
    repository: Repository, refs: Mapping[str, str], there: Where, slugs: list[str]
) -> dict[str, str]:
    pairs = [(refs.get(EXPERIMENTS + s), refs.get(there.ref(f"experiments/{s}"))) for s in slugs]
    return dict(zip(slugs, relations(repository, pairs), strict=True))
