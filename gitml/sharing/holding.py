"""What stays home until the large files that it names can go.

Whoever reads a run should be able to get its files, so they are sent first. Where one of
them does not go, the runs that name it wait, and so does a ledger with such a run, for a
ledger goes as a whole; everything else goes all the same.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml.codec import STORED_LIMIT
from gitml.errors import DamagedError
from gitml.names import EXPERIMENTS, experiment_ref, run_ref
from gitml.sharing.large import Sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitml.errors import GitmlError
    from gitml.store.git import Repository
    from gitml.store.pulling import Where

_LIST = "artifacts.yaml"


@dataclass(slots=True, kw_only=True)
class Held:
    """What a push left at home for the sake of large files that did not go."""

    files: Sent = field(default_factory=Sent)
    """The large files."""
    reason: GitmlError | None = None
    """Why they did not go; None of files that came while others went."""
    runs: list[str] = field(default_factory=list)
    """Ids of hot runs that name one of them."""
    ledgers: dict[str, int] = field(default_factory=dict)
    """How many runs of each ledger, by its slug, name one of them."""
    models: dict[str, GitmlError] = field(default_factory=dict)
    """Why models, by slug, were not published beside that."""

    @property
    def refs(self) -> set[str]:
        """The refs that must not be pushed."""
        return {*map(run_ref, self.runs), *map(experiment_ref, self.ledgers)}


def hold(
    repository: Repository,
    there: Where,
    refs: Mapping[str, str],
    files: Mapping[str, int],
    ids: Iterable[str],
) -> Held:
    """Return what of ``refs`` names one of these large files (bytes by SHA-256).

    Only runs of ``ids`` are looked at. What a remote was seen to have as it is now is
    not held: it was pushed when large files were kept at home.
    """
    held = Held(files=Sent(count=len(files), size=sum(files.values())))
    ledgers = [ref for ref in refs if ref.startswith(EXPERIMENTS)]

    def waits(ref: str, path: str) -> bool:
        seen = refs.get(there.ref(ref.removeprefix("refs/gitml/")))
        ours = _list_of(repository, refs[ref], path)
        if ours is None or (seen is not None and _list_of(repository, seen, path) == ours):
            return False
        return any(sha256.encode() in ours for sha256 in files)

    for run_id in sorted(ids):
        if run_ref(run_id) in refs and waits(run_ref(run_id), ""):
            held.runs.append(run_id)
        for ref in ledgers:
            if waits(ref, f"runs/{run_id[:2]}/{run_id}/"):
                slug = ref.removeprefix(EXPERIMENTS)
                held.ledgers[slug] = held.ledgers.get(slug, 0) + 1
    return held


def _list_of(repository: Repository, commit: str, path: str) -> bytes | None:
    with contextlib.suppress(DamagedError):
        found = repository.objects().get(f"{commit}:{path}{_LIST}", limit=STORED_LIMIT)
        return found.data if found is not None and found.kind == "blob" else None
    return None
