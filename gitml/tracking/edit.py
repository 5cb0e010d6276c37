"""What people change about runs afterwards: tags, notes, hiding, copies.

Each verb states facts as edits, so changes of several people join. A run that a
process here is still writing gets them into its live logs, where its writer's
next checkpoint finds them; all other runs are written in one go, however many.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from gitml import names
from gitml.errors import DamagedError, GitmlError, NotFoundError, RefusedError
from gitml.store import live
from gitml.store.git import RefUpdate
from gitml.store.points import Collector
from gitml.store.purge import purge as purge_run
from gitml.store.runtree import put_run
from gitml.store.state import join, read_tree, view
from gitml.store.write import ENDED, Base, Change, fold_many, new_edit
from gitml.tracking.identity import author, who
from gitml.tracking.values import check_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitml.model import Json, Run
    from gitml.store.git import Repository

COPIED_FROM = "gitml.copied_from"
"""The tag of a copy, which holds the id of the run it was copied from."""
_ATTEMPTS = 3


def set_tags(
    repository: Repository, runs: Sequence[Run], tags: Mapping[str, str | None], *, now: int
) -> list[Run]:
    """Set tags of runs, None removes one; return the runs as they are then.

    Raises `InputError` for a name or a value that cannot be one, before anything
    is written.
    """
    for key, value in tags.items():
        names.check_name(key, "tag")
        if value is not None:
            check_text(value, f"The tag {names.visible(key)}")
    return _state(repository, runs, {f"tags.{key}": value for key, value in tags.items()}, now)


def set_note(
    repository: Repository, runs: Sequence[Run], note: str | None, *, now: int
) -> list[Run]:
    """Set the note of runs, None or nothing but space removes it; return them."""
    text = (note or "").replace("\r\n", "\n").strip()
    check_text(text, "The note")
    return _state(repository, runs, {"note": text or None}, now)


def delete(repository: Repository, runs: Sequence[Run], *, now: int) -> list[Run]:
    """Hide runs; `restore` brings them back."""
    return _state(repository, runs, {"deleted": True}, now)


def restore(repository: Repository, runs: Sequence[Run], *, now: int) -> list[Run]:
    """Show runs again that were hidden."""
    return _state(repository, runs, {"deleted": None}, now)


def purge(repository: Repository, run: Run, *, now: int, reason: str | None = None) -> None:
    """Remove a run for good; a tombstone in its ledger beats every copy of it.

    Its bytes stay in git's history. Raises `RefusedError` while a process here
    writes it.
    """
    if reason is not None:
        check_text(reason, "The reason")
    if _is_written(repository, run, now):
        raise RefusedError(
            f"{names.visible(run.name)} is being written right now.",
            hint="end the process that writes it, then do it again",
        )
    purge_run(
        repository,
        run.id,
        experiment=run.experiment,
        committer=author(repository),
        now=now,
        reason=reason,
    )


def _is_written(repository: Repository, run: Run, now: int) -> bool:
    here = who()
    return any(w.alive for w in live.writers(repository.home, run.id, here, now))


def _state(
    repository: Repository, runs: Sequence[Run], facts: Mapping[str, Json], now: int
) -> list[Run]:
    """State the same facts about several runs; return these as they are then."""
    by, here = author(repository), who()
    unique = {run.id: run for run in runs}
    copies = _copies(repository, unique)
    edits = {
        run.id: {
            new_edit(at=max(now, run.updated + 1), by=by, key=key, value=value)
            for key, value in facts.items()
        }
        for run in unique.values()
    }
    written = [i for i, run in unique.items() if _is_written(repository, run, now)]
    found: dict[str, Run] = {}
    rest = [i for i in unique if i not in written]
    for attempt in range(_ATTEMPTS):
        changes = [Change(run_id=i, edits={*edits[i]}, bases=copies[i]) for i in rest]
        try:
            found |= fold_many(repository, changes, here=here, now=now, committer=by)
        except DamagedError:
            if attempt == _ATTEMPTS - 1:
                raise
        rest = [i for i in rest if i not in found]
        if not rest:
            break
        # Perhaps sealed since we looked: then its hot ref is gone, and its ledger has it.
        copies |= _copies(repository, rest)
        for i in rest:
            if not (copies[i] or live.logs(repository.home, i) or _hot_tree(repository, i)):
                raise NotFoundError(f"There is no run {i[:12]}")
    written += rest  # resumed since we looked
    for run_id in written:
        log = live.LiveLog(repository.home, run_id, secrets.token_hex(4), here)
        log.append(b"".join(live.edit_record(edit) for edit in sorted(edits[run_id])))
        log.close()
        trees = [*_hot_tree(repository, run_id), *(base.tree for base in copies[run_id])]
        found[run_id] = view(repository, run_id, trees)
    return [found[run.id] for run in runs]


def _hot_tree(repository: Repository, run_id: str) -> list[str]:
    tree = repository.resolve(f"{names.run_ref(run_id)}^{{tree}}")
    return [] if tree is None else [tree]


def _copies(repository: Repository, ids: Iterable[str]) -> dict[str, list[Base]]:
    """Do `store.write.locate` for many runs, with one look at the refs."""
    listed = repository.refs(names.REMOTES, names.EXPERIMENTS)
    ledgers = [oid for ref, oid in listed.items() if ref.startswith(names.EXPERIMENTS)]
    remote: dict[str, list[str]] = {}
    for ref, oid in listed.items():
        if ref.startswith(names.REMOTES):
            remote.setdefault(ref.rpartition("/runs/")[2], []).append(oid)
    reader = repository.objects()
    found: dict[str, list[Base]] = {}
    for run_id in ids:
        below = f"{run_id[:2]}/{run_id}"
        stones = reader.heads(f"{oid}:tombstones/{below}" for oid in ledgers)
        if any(stone is not None for stone in list(stones)):
            raise RefusedError(
                f"The run {run_id[:8]} was purged, and that is final.",
                hint="make a new run instead",
            )
        bases = [Base(commit=c, tree=repository.commit_tree(c)) for c in remote.get(run_id, [])]
        sealed = reader.heads(f"{oid}:runs/{below}" for oid in ledgers)
        for oid, tree in zip(ledgers, list(sealed), strict=True):
            if tree is not None and tree.kind == "tree":
                bases.append(Base(commit=oid, tree=tree.oid))
        found[run_id] = bases
    return found


def copy(
    repository: Repository,
    run: Run,
    *,
    run_id: str,
    name: str,
    experiment: str | None = None,
    now: int,
) -> Run:
    """Make a new run with the contents of another, in the same or another experiment.

    Edits are kept with their authors and times, files are shared by oid, and the
    tag `COPIED_FROM` tells the origin. The copy has no parent commit, so pushing
    it carries nothing of the other experiment along. Raises `RefusedError` for a
    run that has not ended or was not taken into git.
    """
    names.check_name(name, "run")
    names.check_name(experiment or run.experiment, "experiment")
    if run.status not in ENDED or live.logs(repository.home, run.id):
        raise RefusedError(
            f"{names.visible(run.name)} is not wholly in git yet, so it cannot be copied.",
            hint="copy it once it has ended; if nothing writes it any more, gitml pack ends it",
        )
    by = author(repository)
    bases = _copies(repository, [run.id])[run.id]
    trees = [*_hot_tree(repository, run.id), *(base.tree for base in bases)]
    if not trees:
        raise NotFoundError(f"There is no run {run.id[:12]}")
    points = Collector()
    state = join([read_tree(repository, t) for t in dict.fromkeys(trees)], points, repository)
    facts = {"name": name, f"tags.{COPIED_FROM}": run.id, "deleted": None}
    facts |= {"experiment": experiment} if experiment else {}
    at = max(now, state.newest + 1)
    edits = {new_edit(at=at, by=by, key=key, value=value) for key, value in facts.items()}
    state = replace(state, edits=state.edits | edits)
    tmp = names.tmp_ref(secrets.token_hex(8))
    title = f"{name}: copied from {run.name}\n\nrun {run_id}\n"
    with repository.fast_import() as stream:
        mark = stream.commit(tmp, committer=by, time=now, message=title)
        made = put_run(repository, stream, run_id, state, points, prefix="")
        commit = stream.oid(mark)
    points.close()
    drop = RefUpdate(tmp, None, None)
    try:
        repository.update_refs([RefUpdate(names.run_ref(run_id), commit, None), drop])
    except GitmlError:
        repository.update_refs([drop])
        raise
    return made
