"""gitml: experiments and models in the git repository you already have.

    import gitml

    with gitml.start_run(experiment="churn") as run:
        run.log_params({"lr": 0.001, "depth": 6})
        run.log_metric("loss", 0.3, step=1)

Record: `start_run` gives an `ActiveRun`, whose ``log_…`` methods are functions here, too:
``gitml.log_metric`` and the like write to the active run, and begin one if there is none.
`active_run`, `end_run`.

Find: `search_runs` (a `RunList`), `get_run` (a `Run`), `metric_history`.

Models: `log_model`, `register_model`, `pull_model`.

Failures are a `GitmlError`, which has a ``message``, a ``hint`` and an ``exit_code``; the kinds
(``NotFoundError``, ``InputError`` …) are in ``gitml.errors``. Times are milliseconds since 1970
(UTC), durations seconds, sizes bytes. ``repo`` names the repository that keeps the runs, by
default that of ``GITML_REPO``, of ``git config gitml.repo``, or around the working directory.

Everything here is loaded when it is first used, so importing gitml is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitml.api import (
        ActiveRun,
        Run,
        RunList,
        active_run,
        end_run,
        get_run,
        log_artifact,
        log_artifacts,
        log_dict,
        log_figure,
        log_image,
        log_input,
        log_metric,
        log_metrics,
        log_model,
        log_param,
        log_params,
        log_reference,
        log_text,
        metric_history,
        note,
        pull_model,
        register_model,
        search_runs,
        set_tag,
        set_tags,
        start_run,
    )
    from gitml.errors import GitmlError

__version__ = "0.1.0"
__all__ = [
    "ActiveRun",
    "GitmlError",
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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'gitml' has no attribute {name!r}")
    module = "gitml.errors" if name == "GitmlError" else "gitml.api"
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
