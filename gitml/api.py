"""The Python interface: ``import gitml`` and these functions."""

from __future__ import annotations

import contextlib
import html
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, overload

from gitml.errors import NotFoundError, UsageError
from gitml.model import Point, Run
from gitml.names import did_you_mean, plural, visible
from gitml.query.index import open_index
from gitml.store import history
from gitml.tracking import capture
from gitml.tracking.active import ActiveRun
from gitml.tracking.identity import author
from gitml.tracking.session import active_run, find_store, start_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from gitml.registry.values import ModelVersion
    from gitml.store.git import Repository

__all__ = [
    "ActiveRun",
    "Run",
    "RunList",
    "active_run",
    "end_run",
    "get_run",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_model",
    "log_param",
    "log_params",
    "log_reference",
    "log_text",
    "metric_history",
    "note",
    "pull_model",
    "register_model",
    "search_runs",
    "set_tag",
    "set_tags",
    "start_run",
]
_Repo = str | os.PathLike[str] | None
_FACTS = ("id", "name", "experiment", "status", "created", "ended", "duration", "author", "commit")
_NAMED = 10
"""Runs that a list's repr names."""


class RunList(Sequence[Run]):
    """Runs in order; a table in a notebook."""

    def __init__(self, runs: Sequence[Run]) -> None:
        """Keep the runs."""
        self._runs = list(runs)

    @overload
    def __getitem__(self, at: int) -> Run: ...
    @overload
    def __getitem__(self, at: slice) -> RunList: ...
    def __getitem__(self, at: int | slice) -> Run | RunList:
        """Return one run, or some."""
        return RunList(self._runs[at]) if isinstance(at, slice) else self._runs[at]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._runs)

    def __repr__(self) -> str:
        """Return the runs' names."""
        names = [run.name for run in self._runs[:_NAMED]] + ["…"] * (len(self) > _NAMED)
        return f"<RunList of {plural(len(self), 'run')}{': ' * bool(names)}{', '.join(names)}>"

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return one flat mapping a run, with ``params.x``, ``metrics.x`` and ``tags.x``.

        ``created`` and ``ended`` are milliseconds since 1970, ``duration`` is in seconds, and
        a metric is its last value.
        """
        return [_row(run) for run in self._runs]

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with one row a run and the columns of `to_dicts`.

        ``created`` and ``ended`` are times in UTC. Raises `UsageError` without pandas.
        """
        try:
            import pandas as pd
        except ImportError:
            raise UsageError(
                "to_pandas() needs pandas.", hint="pip install 'gitml[pandas]'"
            ) from None
        frame = pd.DataFrame(self.to_dicts(), columns=None if self else list(_FACTS))
        for column in ("created", "ended"):
            if column in frame:
                frame[column] = pd.to_datetime(frame[column], unit="ms", utc=True)
        return frame

    def _repr_html_(self) -> str:
        """Return a table for a notebook: at most 50 runs, what differs between them."""
        rows = [_row(run) for run in self._runs[:50]]
        heads = ["name", "status", "experiment"]
        for row in rows:
            heads += [k for k in row if k.startswith(("metrics.", "params.")) and k not in heads]
        head = "".join(f"<th>{html.escape(h)}</th>" for h in heads[:24])
        body = "".join(
            "<tr>"
            + "".join(f"<td>{html.escape(_shown(row.get(h)))}</td>" for h in heads[:24])
            + "</tr>"
            for row in rows
        )
        more = f"<p>and {len(self) - 50} more</p>" if len(self) > 50 else ""  # noqa: PLR2004
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _row(run: Run) -> dict[str, Any]:
    row = {key: run.source.commit if key == "commit" else getattr(run, key) for key in _FACTS}
    row |= {f"params.{k}": v for k, v in run.params.items()}
    row |= {f"metrics.{k}": m.last for k, m in run.metrics.items()}
    return row | {f"tags.{k}": v for k, v in run.tags.items()}


@contextlib.contextmanager
def _store(repo: _Repo) -> Iterator[Repository]:
    store, _ = find_store(repo)
    try:
        yield store
    finally:
        store.close()


def get_run(run: str, *, repo: _Repo = None) -> Run:
    """Return the run that an id, an id prefix, a name, ``latest`` or ``best:METRIC`` means.

    Raises `NotFoundError` with the nearest names.
    """
    with _store(repo) as store, open_index(store, now=capture.now_ms()) as index:
        return index.find(run)


def search_runs(
    where: str | None = None,
    *,
    experiment: str | None = None,
    order_by: str | Sequence[str] = (),
    limit: int | None = None,
    deleted: bool = False,
    repo: _Repo = None,
) -> RunList:
    """Return the runs for which a SQL expression holds, newest first.

    ``where`` is like ``metrics.auc > 0.9 and params.lr < 0.01``; ``order_by`` a key
    or several, ``-key`` for descending: ``-metrics.auc``. Raises `InputError` for an
    expression that is wrong, with the nearest keys for a name that is not there.
    """
    keys = [order_by] if isinstance(order_by, str) else list(order_by)
    with _store(repo) as store, open_index(store, now=capture.now_ms()) as index:
        found = index.search(
            where=where, experiment=experiment, order_by=keys, limit=limit, deleted=deleted
        )
    return RunList(found)


def metric_history(run: str | Run, metric: str, *, repo: _Repo = None) -> list[Point]:
    """Return a metric's points as (metric, step, time in milliseconds, value), by step.

    Raises `NotFoundError`, also for a metric that the run does not have.
    """
    found = get_run(run, repo=repo) if isinstance(run, str) else run
    with _store(repo) as store:
        points = list(history.history(store, found.id, metric))
    if not points and metric not in found.metrics:
        raise NotFoundError(
            f"{visible(found.name)} has no metric {visible(metric)}",
            hint=did_you_mean(metric, found.metrics) or "Run.metrics has its metrics.",
        )
    return points


def _current() -> ActiveRun:
    run = active_run()
    return run if run is not None else start_run()


def end_run(status: str = "finished") -> Run | None:
    """End the active run, if there is one, and return it as committed."""
    run = active_run()
    return None if run is None else run.end(status)


def log_param(key: str, value: Any) -> None:
    """Log a hyper-parameter to the active run, as `ActiveRun.log_params` does."""
    _current().log_param(key, value)


def log_params(params: Mapping[str, Any] | object) -> None:
    """Log hyper-parameters to the active run, as `ActiveRun.log_params` does."""
    _current().log_params(params)


def log_metric(key: str, value: float, step: int | None = None) -> None:
    """Log a metric's value to the active run, as `ActiveRun.log_metric` does."""
    _current().log_metric(key, value, step)


def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Log several metrics' values to the active run, as `ActiveRun.log_metrics` does."""
    _current().log_metrics(metrics, step)


def log_artifact(path: str | os.PathLike[str], dest: str | None = None) -> None:
    """Log a file or folder to the active run, as `ActiveRun.log_artifact` does."""
    _current().log_artifact(path, dest)


def log_reference(
    uri: str, dest: str | None = None, *, sha256: str | None = None, size: int | None = None
) -> None:
    """Log a file by its address to the active run, as `ActiveRun.log_reference` does."""
    _current().log_reference(uri, dest, sha256=sha256, size=size)


def log_artifacts(folder: str | os.PathLike[str], dest: str | None = None) -> None:
    """Log what is in a folder to the active run, as `ActiveRun.log_artifacts` does."""
    _current().log_artifacts(folder, dest)


def log_model(
    path: str | os.PathLike[str],
    name: str | None = None,
    *,
    signature: Any = None,
    input_example: Any = None,
    dest: str | None = None,
    sign: bool | None = None,
) -> str:
    """Log a saved model to the active run; with ``name`` it is registered when that has ended."""
    return _current().log_model(
        path, name, signature=signature, input_example=input_example, dest=dest, sign=sign
    )


def log_text(text: str, dest: str) -> None:
    """Log text as an artifact of the active run, as `ActiveRun.log_text` does."""
    _current().log_text(text, dest)


def log_dict(value: Mapping[str, Any] | list[Any], dest: str) -> None:
    """Log a mapping or list to the active run, as `ActiveRun.log_dict` does."""
    _current().log_dict(value, dest)


def log_figure(figure: Any, dest: str) -> None:
    """Log a figure to the active run, as `ActiveRun.log_figure` does."""
    _current().log_figure(figure, dest)


def log_image(image: Any, dest: str) -> None:
    """Log an image to the active run, as `ActiveRun.log_image` does."""
    _current().log_image(image, dest)


def log_input(data: Any, *, name: str | None = None, context: str | None = None) -> None:
    """Record an input of the active run, as `ActiveRun.log_input` does."""
    _current().log_input(data, name=name, context=context)


def set_tag(key: str, value: object) -> None:
    """Set a tag of the active run; None removes it."""
    _current().set_tag(key, value)


def set_tags(tags: Mapping[str, object]) -> None:
    """Set tags of the active run, as text; None removes one."""
    _current().set_tags(tags)


def note(text: str) -> None:
    """Write the note of the active run, in place of the one it has."""
    _current().note(text)


def register_model(  # noqa: PLR0913 - a version may be given all of these
    name: str,
    run: str | Run,
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    *,
    version: str | None = None,
    bump: Literal["major", "minor", "patch"] | None = None,
    tags: Mapping[str, str] | None = None,
    note: str | None = None,
    push: bool = True,
    sign: bool | None = None,
    repo: _Repo = None,
) -> ModelVersion:
    """Register a version of a model, as ``gitml register`` does, and return it.

    ``run`` has ended. Without ``paths`` the files are those of its logged model, or all
    its artifacts. Its tag is signed as ``sign`` says, by default as ``git config
    tag.gpgSign`` does. Raises `RefusedError` for a version that exists and for a run that is
    still running, `InputError` for files that cannot be a package, `RemoteError`. While the
    remote cannot be reached the version waits here, and a warning says so.
    """
    from gitml.registry.publishing import waiting_words
    from gitml.registry.registering import candidate_of, register
    from gitml.registry.signing import signature_of
    from gitml.registry.writing import open_context

    several = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    found = get_run(run, repo=repo) if isinstance(run, str) else run
    with _store(repo) as store:
        candidate, _ = candidate_of(
            *(store, found, [os.fspath(path) for path in several]),
            cwd=capture.working_folder(),
            tags=tags,
            note=note,
            model=name,
        )
        named = replace(candidate, name=name, wanted=version, bump=bump)
        signature = signature_of(store, sign)
        context = open_context(store, by=author(store), now=capture.now_ms(), sign=signature)
        done = register(store, named, context, push=push)
    if push and (words := waiting_words(done)) is not None:
        warnings.warn(f"gitml: {words[0]}. To do: {words[1]}.", stacklevel=2)
    return done.version


def pull_model(
    reference: str,
    folder: str | os.PathLike[str],
    *,
    expect_digest: str | None = None,
    repo: _Repo = None,
) -> ModelVersion:
    """Write a version's files into a new folder, verified, and return what is known of it.

    ``reference`` is ``churn@v1.2.0``, ``churn@3``, ``churn@latest`` or ``churn#production``.
    Nothing is unpickled. Where the remote cannot be asked what ``latest`` or a stage is now,
    a warning says so, and so it does of a version that is deprecated. Raises
    `NotFoundError`, `DamagedError` for what does not verify,
    `RefusedError` for a folder that holds something else.
    """
    from gitml.registry.pulling import Contents, check_expected, deprecation, find_version, pull
    from gitml.registry.versionfile import load_version
    from gitml.store.remote import registry_remote

    with _store(repo) as store:
        remote = registry_remote(store)
        version, doubt = find_version(store, reference, remote)
        facts = load_version(store, version)
        check_expected(facts, expect_digest)
        pull(Contents(store, version, facts, remote), facts, capture.absolute(folder))
    if version.deprecated is not None:
        warnings.warn(f"gitml: {deprecation(version)}", stacklevel=2)
    if doubt is not None and expect_digest is None:
        told = f"{visible(reference, 80)} was {version.name} when {remote} was last seen"
        warnings.warn(f"gitml: {told}: {doubt.rstrip('.')}.", stacklevel=2)
    return facts
