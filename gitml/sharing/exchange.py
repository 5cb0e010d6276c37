"""Everything that is shared, to a remote and from it: models, large files, runs.

The order keeps what others read whole: large files first, then the runs that name
them, models last, for a version's run should be there before anybody looks at it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitml.errors import DamagedError, GitmlError
from gitml.names import EXPERIMENTS, MODELS, RUNS, TAGS, UNPUBLISHED, remote_ref
from gitml.registry.publishing import publish
from gitml.registry.signing import signature_of
from gitml.registry.writing import open_context
from gitml.sharing.contact import forget_former, has_moved, large_to_share, note_contact
from gitml.sharing.holding import Held, hold
from gitml.sharing.large import Sent, forget_place, send_large
from gitml.store.places import learn
from gitml.store.planning import listed_for
from gitml.store.pulling import Pulled, Where, pull_runs
from gitml.store.pushing import Pushed, push_runs
from gitml.store.remote import asked_branch, listed, protected_branch
from gitml.store.shared import PATTERNS, fetch_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from gitml.registry.writing import Context
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
    held: Held = field(default_factory=Held)
    """What stays home, since large files that it names did not go."""
    wrong: GitmlError | None = None
    """Why models were not published; everything else went."""


@dataclass(slots=True, kw_only=True)
class Pull:
    """What a pull did."""

    runs: Pulled
    """Runs and ledgers."""
    models: list[str] = field(default_factory=list)
    """Slugs of models of which something new came."""
    wrong: DamagedError | None = None
    """Which model was not taken, because its journal there is another; all else was."""


def push(  # noqa: PLR0913 - what a push may be told
    repository: Repository,
    there: Where,
    *,
    by: str,
    now: int,
    settings: Settings,
    named: Collection[str] | None = None,
    holders: Callable[[Collection[str]], Collection[str]] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
    moved: Progress | None = None,
) -> Push:
    """Send what the remote lacks; ``moved`` is told of the bytes of large files.

    Of large files only those go that are ``named``, unless it is None. Where some do not
    go, what ``holders`` says are the runs that name them is held back; without it, all is.

    Raises `RemoteError`, `BeatenError`; what arrived by then stays there, and the
    next push sends the rest.
    """
    if not dry_run:
        forget_former(repository, there)
    wanted = _waiting(repository, there, settings, named)
    reason: GitmlError | None = None
    try:
        send_large(repository, there, settings, only=named, dry_run=dry_run, progress=moved)
    except GitmlError as error:
        if holders is None:
            raise
        reason = error
    refs = listed_for(repository, there, MODELS, UNPUBLISHED)
    if has_moved(repository, there):  # a dry run forgets nothing
        refs = {ref: oid for ref, oid in refs.items() if not ref.startswith(there.ref(""))}
    # After the refs were listed: what came since is not among them.
    left = {} if dry_run else _waiting(repository, there, settings, named)
    held = hold(repository, there, refs, left, holders(left) if left and holders else ())
    held.reason = reason if left else None
    sent = {sha256: size for sha256, size in wanted.items() if sha256 not in left}
    runs = push_runs(
        repository,
        there,
        committer=by,
        now=now,
        source=settings.push_source,
        held=held.refs,
        dry_run=dry_run,
        refs=refs,
        progress=progress,
    )
    if runs.lost:
        sent |= _send_again(repository, there, settings, named, held, moved)
    large = Sent(count=len(sent), size=sum(sent.values()))
    done = Push(runs=runs, large=large, held=held)
    apart = _models_apart(refs, there)
    if dry_run:
        done.models = apart
    elif apart:
        sign = signature_of(repository)
        context = replace(open_context(repository, by=by, now=now, sign=sign), remote=there.name)
        if not there.named:
            context = replace(context, branch=None)
        _publish(repository, done, apart, context)
    if not dry_run:
        note_contact(repository, there)
    return done


def _waiting(
    repository: Repository, there: Where, settings: Settings, named: Collection[str] | None
) -> dict[str, int]:
    """Return the large files that are to go, bytes by SHA-256."""
    files = large_to_share(repository, there) if settings.push_large else {}
    return {s: size for s, size in files.items() if named is None or s in named}


def _send_again(
    repository: Repository,
    there: Where,
    settings: Settings,
    named: Collection[str] | None,
    held: Held,
    moved: Progress | None,
) -> dict[str, int]:
    """Send all large files to a remote that may have lost them; return those that went.

    Of those that do not go ``held`` tells. Some that did not just now are not tried again.
    """
    forget_place(repository, there.name)
    if held.reason is not None:
        return {}
    wanted = _waiting(repository, there, settings, named)
    try:
        send_large(repository, there, settings, only=named, progress=moved)
    except GitmlError as error:
        held.reason = error
    left = _waiting(repository, there, settings, named)
    held.files = Sent(count=len(left), size=sum(left.values()))
    return {sha256: size for sha256, size in wanted.items() if sha256 not in left}


def _publish(repository: Repository, done: Push, apart: Sequence[str], context: Context) -> None:
    """Publish what waits of models; one whose large files do not go keeps back no other."""
    failing = done.held.reason is not None
    for slug in apart if failing else (None,):
        try:
            published = publish(repository, slug, context)
        except GitmlError as error:
            if slug is None:
                done.wrong = error
            else:
                done.held.models[slug] = error
            continue
        for one in published:
            done.models += [f"{v.version.slug}@{v.version.name}" for v in one.versions]
            done.models += [one.model.slug] if one.events else []


def _models_apart(refs: Mapping[str, str], there: Where) -> list[str]:
    """Return the slugs of models of which the remote lacks something, as far as is known."""
    apart = {ref.removeprefix(UNPUBLISHED).partition("/")[0] for ref in refs if UNPUBLISHED in ref}
    for ref, oid in refs.items():
        if ref.startswith(MODELS) and refs.get(there.ref(ref.removeprefix("refs/gitml/"))) != oid:
            apart.add(ref.removeprefix(MODELS))
    return sorted(apart)


def _look_around(
    repository: Repository,
    there: Where,
    refs: Mapping[str, str],
    done: Pull,
    *,
    heads: Sequence[str],
    accept_rewind: bool,
) -> dict[str, str]:
    """Return the models there; pull from the other place too, where others push to that one.

    A remote that has runs in the other place alone is pushed to there from now on.
    """
    other = there.other
    runs = tuple(other.theirs(place) for place in (RUNS, EXPERIMENTS))
    besides = [*heads, *(f"{place}*" for place in (*runs, other.theirs(MODELS)))]
    theirs = listed(repository, there.name, *PATTERNS, branches=there.branches, besides=besides)
    used = any(ref.startswith(runs) for ref in theirs)
    if used or _remembered(other, refs):
        done.runs.add(pull_runs(repository, other, accept_rewind=accept_rewind))
    if used and not _remembered(there, refs):
        learn(repository, there.name, branches=other.branches)
        return {other.ours(ref): oid for ref, oid in theirs.items()}
    return theirs


def _remembered(there: Where, refs: Mapping[str, str]) -> bool:
    """Say whether anything is remembered of a place of a remote."""
    return any(ref.startswith((there.ref("runs/"), there.ref("experiments/"))) for ref in refs)


def pull(repository: Repository, there: Where, *, accept_rewind: bool = False) -> Pull:
    """Bring runs, ledgers and models from a remote; source trees and large files stay there."""
    forget_former(repository, there)
    done = Pull(runs=pull_runs(repository, there, accept_rewind=accept_rewind))
    if done.runs.lost:
        forget_place(repository, there.name)
    branch = None
    if there.named:  # what is known of others is not kept below refs/remotes
        branch = protected_branch(repository, there.name) or asked_branch(repository, there.name)
    heads = (
        {} if branch is None else {f"refs/heads/{branch}": f"refs/remotes/{there.name}/{branch}"}
    )
    before = repository.refs(MODELS, TAGS, remote_ref(there.name, ""), *heads.values())
    theirs = _look_around(
        repository, there, before, done, heads=[*heads], accept_rewind=accept_rewind
    )
    if _are_news(there, before, theirs, heads):
        try:
            fetch_registry(repository, there.name, branch, theirs=theirs)
        except DamagedError as error:
            done.wrong = error
        after = repository.refs(MODELS, TAGS)
        done.models = sorted(
            ref.removeprefix(MODELS)
            for ref, oid in after.items()
            if ref.startswith(MODELS) and before.get(ref) != oid
        )
    note_contact(repository, there)
    return done


def _are_news(
    there: Where, refs: Mapping[str, str], theirs: Mapping[str, str], heads: Mapping[str, str]
) -> bool:
    """Say whether models there, or the branch, are not as they are here and as they were seen."""
    places = {MODELS: remote_ref(there.name, "models/"), TAGS: remote_ref(there.name, "tags/")}
    for kind, place in places.items():
        now = {ref.removeprefix(kind): o for ref, o in theirs.items() if ref.startswith(kind)}
        seen = {ref.removeprefix(place): o for ref, o in refs.items() if ref.startswith(place)}
        if now != seen or any(refs.get(kind + name) != oid for name, oid in seen.items()):
            return True
    return any(theirs.get(head) != refs.get(kept) for head, kept in heads.items())
