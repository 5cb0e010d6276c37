"""A repository as of one moment: its refs are listed once, however much of it is read."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from gitml.store.git import Repository


class _Snapshot:
    """All that the repository can do, but refs stay what they were at the first look."""

    def __init__(self, repository: Repository, ahead: tuple[str, ...]) -> None:
        self._repository = repository
        self._ahead = ahead
        self._asked: list[str] = []
        self._listed: dict[str, str] = {}

    def refs(self, *prefixes: str) -> dict[str, str]:
        """Return ref name -> oid below the prefixes, as they were when first asked for."""
        if not all(any(_within(prefix, known) for known in self._asked) for prefix in prefixes):
            new = self._repository.refs(*prefixes, *self._ahead)
            self._listed = dict(sorted({**new, **self._listed}.items()))
            self._asked += [*prefixes, *self._ahead]
            self._ahead = ()
        return {
            ref: oid
            for ref, oid in self._listed.items()
            if any(_within(ref, prefix) for prefix in prefixes)
        }

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repository, name)


def _within(ref: str, prefix: str) -> bool:
    """Say whether git lists ``ref`` for ``prefix``: a folder, a whole name, or a pattern."""
    if "*" in prefix:
        return ref.count("/") == prefix.count("/") and fnmatchcase(ref, prefix)
    folder = prefix.rstrip("/")
    return ref == folder or ref.startswith(f"{folder}/")


def snapshot(repository: Repository, *, ahead: tuple[str, ...] = ()) -> Repository:
    """Return the repository as of now, for a command that reads much and writes elsewhere.

    It also keeps the number of git processes the same whatever is read; what is
    below the prefixes ``ahead`` is listed with what is asked for first.
    """
    return cast("Repository", _Snapshot(repository, ahead))
