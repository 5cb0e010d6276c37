"""Models that are shared through a remote: fetched, and the local refs brought up to them.

What was seen of the remote is kept below ``refs/gitml-remotes/<remote>/``; the local
journals only go forwards, and the local tags are only added to. So a writer that
was killed after its push is completed here, and what was changed behind gitml's
back on the remote is noticed, and noticed again, until somebody has looked at it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.errors import BeatenError, DamagedError
from gitml.names import MODEL_SLUG, MODELS, TAGS, remote_ref, visible
from gitml.store.git import RefUpdate
from gitml.store.remote import fetch, listed
from gitml.store.write import again

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitml.store.git import Repository


PATTERNS = (f"{MODELS}*", f"{TAGS}*@*", f"{TAGS}*#*")
"""What is models' on a remote."""


def fetch_registry(
    repository: Repository,
    remote: str,
    branch: str | None = None,
    *,
    slugs: Sequence[str] | None = None,
    theirs: Mapping[str, str] | None = None,
) -> None:
    """Fetch models with their tags and the protected branch; None is all models.

    ``theirs`` is what the remote was just seen to have of `PATTERNS`.

    Then local journals go forward to the remote's, and new tags get local refs.
    Raises `DamagedError` for a model whose journal on the remote went back or is
    another than ours, after all others were brought up; `RemoteError` where the
    remote cannot be spoken to.
    """
    if slugs is None:
        if theirs is None:
            theirs = listed(repository, remote, *PATTERNS)
        slugs = [*_there(repository, remote, theirs)]
    wanted = sorted({*slugs})
    before = _refs(repository, remote, wanted)
    came = again(lambda: fetch(repository, remote, _specs(remote, wanted), branch))
    after = _refs(repository, remote, wanted) if came else before

    def bring_up() -> None:
        nonlocal after
        try:
            _bring_up(repository, remote, wanted, before, after)
        except BeatenError:
            after = _refs(repository, remote, wanted)
            raise

    again(bring_up)


def _there(repository: Repository, remote: str, theirs: Mapping[str, str]) -> Iterable[str]:
    """Return the slugs of the models that the remote has, or had when it was last seen."""
    place = remote_ref(remote, "")
    seen = repository.refs(f"{place}models", f"{place}tags")
    known = {*theirs, *(ref.replace(f"{place}models/", MODELS) for ref in seen)}
    for ref in (name.replace(f"{place}tags/", TAGS) for name in known):
        slug = ref.removeprefix(MODELS) if ref.startswith(MODELS) else ref.removeprefix(TAGS)
        slug = slug if ref.startswith(MODELS) else slug_of_tag(slug)
        if MODEL_SLUG.fullmatch(slug):  # who may push can make others
            yield slug


def _specs(remote: str, slugs: Iterable[str]) -> list[str]:
    # A ref that is not there is an error, a pattern without a match is none: hence the stars.
    specs = []
    for slug in slugs:
        specs.append(f"+{MODELS}{slug}*:{remote_ref(remote, f'models/{slug}*')}")
        specs += [f"+{TAGS}{slug}{c}*:{remote_ref(remote, f'tags/{slug}{c}*')}" for c in "@#"]
    return specs


def _refs(repository: Repository, remote: str, slugs: Sequence[str]) -> dict[str, str]:
    """Return the refs of models here and as the remote's were seen."""
    if len(slugs) > 20:  # noqa: PLR2004 - patterns that are worth giving
        return repository.refs(
            MODELS, TAGS, remote_ref(remote, "models"), remote_ref(remote, "tags")
        )
    patterns = []
    for slug in slugs:
        patterns += [f"{MODELS}{slug}", remote_ref(remote, f"models/{slug}")]
        for place in (TAGS, remote_ref(remote, "tags/")):
            patterns += [f"{place}{slug}@*", f"{place}{slug}#*"]
    return repository.refs(*patterns) if patterns else {}


def _bring_up(
    repository: Repository,
    remote: str,
    slugs: Sequence[str],
    before: Mapping[str, str],
    after: Mapping[str, str],
) -> None:
    updates = _new_tags(remote, slugs, after)
    wrong: list[str] = []
    for slug in slugs:
        seen = remote_ref(remote, f"models/{slug}")
        was, now, ours = before.get(seen), after.get(seen), after.get(f"{MODELS}{slug}")
        if was is not None and was != now and not (now and contains(repository, now, was)):
            updates.append(RefUpdate(seen, was, now))
            wrong.append(slug)
        elif now is not None and now != ours:
            if ours is None or contains(repository, now, ours):
                updates.append(RefUpdate(f"{MODELS}{slug}", now, ours))
            elif not contains(repository, ours, now):
                wrong.append(slug)
    if updates:
        repository.update_refs(updates)
    if wrong:
        raise _another(remote, wrong)


def _new_tags(remote: str, slugs: Sequence[str], refs: Mapping[str, str]) -> list[RefUpdate]:
    place = remote_ref(remote, "tags/")
    wanted = {*slugs}
    updates = []
    for ref, oid in refs.items():
        if ref.startswith(place):
            name = ref.removeprefix(place)
            ours = "/" not in name and slug_of_tag(name) in wanted
            if ours and f"{TAGS}{name}" not in refs:
                updates.append(RefUpdate(f"{TAGS}{name}", oid, None))
    return updates


def slug_of_tag(name: str) -> str:
    """Return the part of a tag's short name before ``@`` or ``#``."""
    return name.partition("@")[0].partition("#")[0]


def _another(remote: str, slugs: Sequence[str]) -> DamagedError:
    name = slugs[0] if len(slugs) == 1 else f"{slugs[0]} and {len(slugs) - 1} more models"
    return DamagedError(
        f"The journal of {name} on {visible(remote, 80)} does not contain the one seen here.",
        hint=f"gitml audit {slugs[0]} shows what was changed; nothing is written until then",
    )


def contains(repository: Repository, tip: str, commit: str) -> bool:
    """Say whether a journal that ends in ``tip`` contains ``commit``."""
    at: str | None = tip
    while at is not None and at != commit:
        at = parent(repository, at)
    return at is not None


def parent(repository: Repository, commit: str) -> str | None:
    """Return the event before an event, or None for the first; None too for what is no commit."""
    found = repository.objects().get(commit)
    if found is None or found.kind != "commit":
        return None
    for line in found.data.partition(b"\n\n")[0].split(b"\n"):
        if line.startswith(b"parent "):
            return line[7:].decode()
    return None
