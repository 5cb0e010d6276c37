"""After the merge: what the stage files of the protected branch ask for becomes tags.

Nothing is believed of the review: every gate is asked again, by each policy that
was in force from before the push to the branch's newest commit. A change is known
by its key, the last commit along the first parents that touched the file; it is
kept in the event, so that doing all this again does nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from gitml.errors import (
    BeatenError,
    GitmlError,
    InputError,
    NotFoundError,
    RefusedError,
    RemoteError,
)
from gitml.names import visible
from gitml.registry import policy
from gitml.registry.desired import (
    GUARDED,
    STAGES,
    Desired,
    StageFile,
    guarded,
    is_stage_file,
    matched,
    names_of,
    read_desired,
    together,
)
from gitml.registry.github import approved_request
from gitml.registry.judging import PolicyRefusedError
from gitml.registry.stagedrafts import Request
from gitml.registry.stages import assign, unassign
from gitml.registry.state import read_registry
from gitml.registry.writing import policy_tip
from gitml.store.branches import (
    GONE,
    FileChange,
    complete,
    fetch_commit,
    files_below,
    history,
    need,
)
from gitml.store.hosts import TAGS_ARE_GUARDED
from gitml.store.remote import fetch
from gitml.store.shared import fetch_registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitml.model import Json
    from gitml.registry.gates.base import ReviewAnswer
    from gitml.registry.host import Host
    from gitml.registry.hostapi import Access
    from gitml.registry.policy import Judgement
    from gitml.registry.state import Registry
    from gitml.registry.values import Event, Model
    from gitml.registry.writing import Context, Written
    from gitml.store.git import Repository

_WHO_TAGS = (
    "the host lets some make tags, and this job is none of them: what gitml init wrote for CI "
    "says how it gets a key or a token of its own"
)
Outcome: TypeAlias = Literal["done", "already", "overtaken", "refused", "unknown", "failed"]
"""Tagged now; tagged by an earlier call; tagged earlier and something else came after it;
refused; refused because a gate cannot tell; not decided, because somebody else was
writing or the remote failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of one changed stage file."""

    path: str
    """The stage file."""
    model: str
    """The slug of the model; empty if the path names none."""
    stage: str
    """The stage; empty if the path names none."""
    change: str
    """The key of the change: a commit of the protected branch."""
    outcome: Outcome
    """What became of it."""
    desired: Desired | None = None
    """What the file asks for; None if it cannot be read."""
    event: Event | None = None
    """The event of the stage that this change made, now or earlier."""
    tags: tuple[str, ...] = ()
    """Short names of the tags that were made now."""
    text: str = ""
    """Why it was refused, or what came after it: a sentence."""
    hint: str | None = None
    """What to do next."""
    judgement: Judgement | None = None
    """What the gates said."""
    error: GitmlError | None = None
    """What failed or refused it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What came to the protected branch at once."""

    tip: str
    """The branch's newest commit."""
    before: str | None
    """The commit before the push; None if the branch was new."""
    files: tuple[FileChange, ...]
    """The stage files that are another than before, each with the key of its change."""
    policies: tuple[str, ...]
    """Commits whose policies must all pass, the oldest first."""
    guarded: Mapping[str, Sequence[str]]
    """What else that decides about promotions each commit changed, by commit."""
    registry: Registry | None = None
    """The registry, if finding this out took it."""


def apply(
    repository: Repository,
    *,
    before: str | None,
    context: Context,
    host: Host | None,
    access: Access,
) -> tuple[Applied, ...]:
    """Do what stage files changed since ``before`` ask for, each in an event of its own.

    ``before`` is the commit before the push. None takes the one before the newest
    change that was ever applied. What is refused keeps nothing else from being done.
    Raises `RefusedError` without a branch to read, `NotFoundError` for a commit that
    is nowhere, `RemoteError` where the remote cannot be spoken to.
    """
    push = read_push(repository, before, context)
    slugs = sorted({names[0] for f in push.files if (names := _names(f.path)) is not None})
    if slugs and context.remote is not None and push.registry is None:
        fetch_registry(repository, context.remote, slugs=slugs)
    work = _Work(repository, push, context, host, access)
    return tuple(work.apply(file) for file in push.files)


def events_json(applied: Sequence[Applied]) -> list[dict[str, Json]]:
    """Return what deployments are to follow: what was tagged, now or earlier, and is current."""
    current = [a for a in applied if a.outcome in {"done", "already"} and a.event is not None]
    return [deployment(a.model, a.event) for a in current if a.event is not None]


def deployment(slug: str, event: Event) -> dict[str, Json]:
    """Return a stage's newest event as a deploy job takes it: no version empties the stage."""
    filled = event.kind == "assign"
    return {
        "model": slug,
        "stage": event.stage,
        "version": event.version if filled else None,
        "digest": event.digest if filled else None,
        "previous": event.previous,
        "tag": event.tags[0] if event.tags else None,
        "change": event.change,
    }


def present(repository: Repository, name: str, stage: str, context: Context) -> tuple[Model, Event]:
    """Return a model and the newest event of its stage, as the remote has them.

    Raises `NotFoundError` if nothing was ever in the stage.
    """
    if context.remote is not None:
        fetch_registry(repository, context.remote, context.branch)
    model = read_registry(repository).find(name)
    event = newest_event(model, stage)
    if event is None:
        raise NotFoundError(
            f"Nothing of {visible(model.name, 80)} was ever in {visible(stage, 80)}",
            hint="gitml stages shows what is in each stage",
        )
    return model, event


def newest_event(model: Model, stage: str) -> Event | None:
    """Return the newest event of a model's stage, or None."""
    found = (e for e in reversed(model.events) if _is_stage_event(e, stage))
    return next(found, None)


def read_push(repository: Repository, before: str | None, context: Context) -> Push:
    """Return what came to the protected branch since ``before``, with the history it takes."""
    remote, branch = context.remote, context.branch
    if branch is None:
        raise RefusedError(
            "There is no protected branch to read stage files from.",
            hint="name it: git config gitml.branch main",
        )
    if remote is not None:
        fetch(repository, remote, [], branch)
    complete(repository, remote, branch)
    tip = policy_tip(repository, context)
    if tip is None:
        raise NotFoundError(f"There is no branch {visible(branch, 80)}")
    start: str | None = None
    if before is not None and before.strip("0"):  # zeros: how hosts say that the branch is new
        if not fetch_commit(repository, remote, before):
            raise NotFoundError(
                f"The commit before the push is nowhere: {visible(before, 80)}",
                hint="gitml apply, without --before, goes on from what was applied last",
            )
        start = need(repository, before)
    without = [] if start is None else [start]
    changes = list(history(repository, tip, *GUARDED, without=without))
    if before is not None:
        return _push(repository, start, tip, changes)
    if remote is not None:
        fetch_registry(repository, remote)
    registry = read_registry(repository)
    changes = _since_applied(registry, changes)
    if changes:
        start = repository.resolve(f"{changes[-1].commit}^1^{{commit}}")
    return replace(_push(repository, start, tip, changes), registry=registry)


def _since_applied(registry: Registry, changes: list[FileChange]) -> list[FileChange]:
    """Return the changes from the newest one on that is in an event; all if none is."""
    known = {event.change for model in registry.models.values() for event in model.events}
    last = next((change.commit for change in changes if change.commit in known), None)
    ends = [at for at, change in enumerate(changes) if change.commit == last]
    return changes[: ends[-1] + 1] if ends else changes


def _push(
    repository: Repository, start: str | None, tip: str, changes: Sequence[FileChange]
) -> Push:
    policies = [change.commit for change in changes if change.path == policy.FILE]
    files = _differing(repository, start, tip)
    found = {change.path for change in changes}
    if any(f.path not in found for f in files):
        # The branch was set back: the change is older than the start.
        changes = list(history(repository, tip, *GUARDED))
    keys: dict[str, str] = {}
    touched: dict[str, list[str]] = {}
    for change in changes:
        keys.setdefault(change.path, change.commit)
        touched.setdefault(change.commit, []).append(change.path)
    return Push(
        tip=tip,
        before=start,
        files=tuple(f._replace(commit=keys.get(f.path, tip)) for f in files),
        policies=tuple(dict.fromkeys([*([start] if start else []), *reversed(policies), tip])),
        guarded={commit: guarded(paths) for commit, paths in touched.items()},
    )


def _differing(repository: Repository, start: str | None, tip: str) -> list[FileChange]:
    """Return the stage files that are not the same in two commits."""
    before = files_below(repository, start, STAGES)
    after = files_below(repository, tip, STAGES)
    paths = sorted(path for path in {*before, *after} if is_stage_file(path))
    gone = FileChange("", GONE, repository.zero)
    pairs = ((path, before.get(path), after.get(path)) for path in paths)
    return [(new or gone)._replace(path=path) for path, old, new in pairs if old != new]


def _names(path: str) -> tuple[str, str] | None:
    try:
        return names_of(path)
    except InputError:
        return None


def _is_stage_event(event: Event, stage: str) -> bool:
    return event.stage == stage and event.kind in {"assign", "unassign"}


class _Work:
    """The changes of a push, applied one after the other."""

    def __init__(
        self,
        repository: Repository,
        push: Push,
        context: Context,
        host: Host | None,
        access: Access,
    ) -> None:
        self.repository = repository
        self.push = push
        self.context = context
        self.host = host
        self.access = access
        self.registry = push.registry or (read_registry(repository) if push.files else None)

    def apply(self, file: FileChange) -> Applied:
        """Do what a changed stage file asks for, or say why not."""
        slug, stage = _names(file.path) or ("", "")
        applied = Applied(
            path=file.path, model=slug, stage=stage, change=file.commit, outcome="refused"
        )
        try:
            desired = self._desired(file)
            applied = replace(applied, desired=desired)
            return self._apply(file, applied, desired)
        except PolicyRefusedError as error:
            said = error.judgement
            outcome: Outcome = "unknown" if said.answer == "unknown" else "refused"
            applied = replace(applied, outcome=outcome, judgement=said)
            return replace(applied, text=error.message, hint=error.hint, error=error)
        except GitmlError as error:
            outcome = "failed" if isinstance(error, (BeatenError, RemoteError)) else "refused"
            if error.hint == TAGS_ARE_GUARDED:  # whoever reads this is not at a keyboard
                error = RemoteError(error.message, hint=_WHO_TAGS)
            applied = replace(applied, outcome=outcome, error=error)
            return replace(applied, text=error.message, hint=error.hint)

    def _desired(self, file: FileChange) -> Desired:
        if file.gone:
            raise RefusedError(
                f"{visible(file.path)} was taken away, which says nothing about the stage.",
                hint="to empty the stage, write version: null",
            )
        return read_desired(self.repository, StageFile(file.path, file.mode, file.oid))

    def _apply(self, file: FileChange, applied: Applied, desired: Desired) -> Applied:
        registry = self.registry
        assert registry is not None
        if (done := self._done(registry, desired, applied)) is not None:
            return done
        if also := self.push.guarded.get(file.commit):
            raise RefusedError(f"{file.commit[:10]} {together(also)}")
        model, version = matched(registry, desired)
        if version is None and desired.stage not in model.stages:
            return replace(applied, outcome="already", text="It was empty.")
        try:
            written = self._write(desired, model, file)
        except BeatenError:
            # Another run may have applied this very change.
            self.registry = read_registry(self.repository)
            done = self._done(self.registry, desired, applied)
            if done is None:
                raise
            return done
        self.registry = read_registry(self.repository) if file != self.push.files[-1] else None
        return replace(
            applied,
            outcome="done" if written.changed else "already",
            event=written.event,
            tags=written.tags,
            judgement=written.judgement,
        )

    def _done(self, registry: Registry, desired: Desired, applied: Applied) -> Applied | None:
        """Return what an earlier call made of the change, None if nothing."""
        model = registry.models.get(desired.model)
        if model is None:
            return None
        made = [e for e in model.events if _is_stage_event(e, desired.stage)]
        own = [e for e in made if e.change == applied.change]
        if not own:
            return None
        answer = replace(applied, event=own[-1])
        if made[-1] is own[-1]:
            return replace(answer, outcome="already")
        how = f" by {made[-1].via}" if made[-1].via else ""
        text = f"It was applied before, and {desired.stage} was changed{how} after it."
        return replace(answer, outcome="overtaken", text=text)

    def _write(self, desired: Desired, model: Model, file: FileChange) -> Written:
        request = Request(
            stage=desired.stage,
            model=model,
            reason=desired.reason,
            via="apply",
            change=file.commit,
            review=lambda: self._review(file),
            policy_at=self.push.policies,
        )
        if desired.version is None:
            return unassign(self.repository, model.slug, request, self.context)
        reference = f"{model.slug}@{desired.version}"
        return assign(self.repository, reference, request, self.context)

    def _review(self, file: FileChange) -> ReviewAnswer:
        return approved_request(
            self.host,
            self.access,
            commit=file.commit,
            branch=self.context.branch or "",
            path=file.path,
            blob=file.oid,
        )
