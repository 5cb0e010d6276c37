"""The index of runs: a cache beside git's objects, rebuilt at will, never truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from gitml.model import Run
    from gitml.query.summaries import ExperimentSummary, Keys, Tombstone
    from gitml.store.git import Repository
    from gitml.store.live import Who


def open_index(
    repository: Repository, *, now: int, progress: Callable[[int, int], None] | None = None
) -> Index:
    """Return the index of a repository, brought up to date; use it as a context manager.

    ``now`` is in milliseconds. ``progress`` is called with (runs read, runs to
    read) while there are runs to read. A home that cannot be written to gets an
    index in memory.
    """
    raise NotImplementedError


class Index:
    """Runs as they were when the index was opened."""

    def __enter__(self) -> Index:
        """Return the index."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of the file."""

    def search(
        self,
        *,
        where: str | None = None,
        experiment: str | None = None,
        status: str | Sequence[str] | None = None,
        order_by: Sequence[str] = (),
        limit: int | None = None,
        deleted: bool = False,
    ) -> list[Run]:
        """Return runs, newest first unless ``order_by`` says otherwise."""
        raise NotImplementedError

    def count(
        self,
        *,
        where: str | None = None,
        experiment: str | None = None,
        status: str | Sequence[str] | None = None,
        deleted: bool = False,
    ) -> int:
        """Return how many runs `search` would find without a limit."""
        raise NotImplementedError

    def find(self, text: str, *, experiment: str | None = None) -> Run:
        """Return the run that RUN means: an id, an id prefix, a name, ``latest``, ``best:METRIC``."""
        raise NotImplementedError

    def experiments(self) -> list[ExperimentSummary]:
        """Return the experiments, by name."""
        raise NotImplementedError

    def keys(self) -> Keys:
        """Return the names that there are values for."""
        raise NotImplementedError

    def sql(self, query: str) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """Return the columns and rows of a SELECT over the views of `query.schema`."""
        raise NotImplementedError

    def quarantined(self) -> list[tuple[str, str]]:
        """Return (where, what is wrong) for all that could not be read."""
        raise NotImplementedError

    def tombstones(self) -> list[Tombstone]:
        """Return the purged runs."""
        raise NotImplementedError

    def doubtful(self, here: Who) -> dict[str, str]:
        """Return ``killed?`` or ``lost?`` by id for running runs that may not be running."""
        raise NotImplementedError
