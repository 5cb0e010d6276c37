"""A repository as of one moment: its refs are listed once, however many runs are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from gitml.store.git import Repository


class _Snapshot:
    """All that the repository can do, but refs stay what they were at the first look."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._listed: dict[tuple[str, ...], dict[str, str]] = {}

    def refs(self, *prefixes: str) -> dict[str, str]:
        """Return ref name -> oid below the prefixes, as they were when first asked for."""
        if prefixes not in self._listed:
            self._listed[prefixes] = self._repository.refs(*prefixes)
        return dict(self._listed[prefixes])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repository, name)


def snapshot(repository: Repository) -> Repository:
    """Return the repository as of now, for a command that reads several runs and writes none.

    It also keeps the number of git processes the same whatever the number of runs.
    """
    return cast("Repository", _Snapshot(repository))
