"""What ``gitml log`` is given: files of params, metrics and history, and ``-p NAME=VALUE``.

One module reads each kind of file, and tells its format by the suffix alone;
this is the door to all three, and knows what such files are usually called.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

from gitml.codec import scalar_from_text
from gitml.errors import InputError
from gitml.names import check_name, visible
from gitml.tracking.history import HistoryRow, live_files, read_history
from gitml.tracking.metrics import MetricsFile, is_history, read_metrics
from gitml.tracking.params import ParamValue, param_value, read_params
from gitml.tracking.tables import holds_mapping, number

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "HistoryRow",
    "MetricsFile",
    "ParamValue",
    "UsualFiles",
    "parse_assignment",
    "read_history",
    "read_metrics",
    "read_params",
    "usual_files",
]

PARAMS_NAMES = (
    *("params.yaml", "params.yml", "params.json", "params.toml"),
    "dvclive/params.yaml",
)
METRICS_NAMES = (
    *("metrics.json", "metrics.yaml", "metrics.yml", "metrics.toml"),
    *("metrics.csv", "metrics.tsv", "metrics.jsonl"),
    "dvclive/metrics.json",
)
HISTORY_NAMES = ("history.csv", "history.tsv", "history.jsonl", "history.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualFiles:
    """The files of conventional names in a folder, in a fixed order."""

    params: tuple[Path, ...] = ()
    """Such as ``params.yaml``."""
    metrics: tuple[Path, ...] = ()
    """Such as ``metrics.json``."""
    history: tuple[Path, ...] = ()
    """Such as ``history.csv``, and DVCLive's ``.tsv`` files one by one."""


@overload
def parse_assignment(text: str, what: Literal["param"]) -> tuple[str, ParamValue]: ...
@overload
def parse_assignment(text: str, what: Literal["metric"]) -> tuple[str, float]: ...
@overload
def parse_assignment(text: str, what: Literal["tag"]) -> tuple[str, str]: ...
def parse_assignment(text: str, what: str) -> tuple[str, ParamValue]:
    """Return the name and the value that ``NAME=VALUE`` says.

    A param is a scalar of YAML 1.2 (text in quotes stays text) or a JSON list of
    such; a metric is a number, NaN or infinite; a tag is text. Raises `InputError`.
    """
    name, equals, given = text.partition("=")
    if not equals:
        raise InputError(
            f"{visible(text, 80)} does not say what the {what} is.", hint="Write it as NAME=VALUE."
        )
    check_name(name, what)
    value: ParamValue = given
    if what == "metric":
        value = number(given)
        if value is None:
            raise InputError(
                f"The metric {visible(name, 80)} is not a number: {visible(given, 40)}.",
                hint="Write it like 0.93, 1e-5, nan, inf or -inf.",
            )
    elif what == "param":
        shown = f"The param {visible(name, 80)}"
        value = param_value(_typed(given.strip(), shown), shown)
    return name, value


def _typed(text: str, shown: str) -> Any:
    """Return the value of a param given on the command line."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if text[:1] + text[-1:] in {"[]", '""'}:
        try:
            value = json.loads(text)
        except RecursionError:
            raise InputError(f"{shown} nests too deep.") from None
        except ValueError:
            return text
        if isinstance(value, str) or not holds_mapping(value, shown):
            return value
    return scalar_from_text(text)


def usual_files(folder: Path) -> UsualFiles:
    """Return the files of conventional names in ``folder``, in the order of the tables above.

    A metrics file of several rows is a history. Opens those that could be;
    what is wrong with a file is for its reader to say.
    """
    params, metrics, history = (
        [folder / name for name in names if (folder / name).is_file()]
        for names in (PARAMS_NAMES, METRICS_NAMES, HISTORY_NAMES)
    )
    history += [path for path in metrics if is_history(path)]
    return UsualFiles(
        params=tuple(params),
        metrics=tuple(path for path in metrics if path not in history),
        history=(*history, *live_files(folder / "dvclive" / "plots" / "metrics")),
    )
