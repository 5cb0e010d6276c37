"""A run as mappings: what the YAML files hold and what ``--json`` answers.

The parsers take whatever a mapping holds and raise `DamagedError` for what a
run cannot be; keys they do not know are kept in ``Run.extra``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from gitml.codec import dump, load_stored
from gitml.errors import DamagedError, InputError
from gitml.model import (
    SCHEMA,
    Artifact,
    Dataset,
    Environment,
    Json,
    Metric,
    Run,
    Source,
    from_iso,
    iso,
)
from gitml.names import STATUSES, check_path, is_run_id, visible

RUN_YAML, PARAMS_YAML, METRICS_YAML, ARTIFACTS_YAML = (
    "run.yaml",
    "params.yaml",
    "metrics.yaml",
    "artifacts.yaml",
)
EDITS, REQUIREMENTS = "edits.jsonl", "requirements.txt"
T = TypeVar("T")


def compact(value: object) -> dict[str, Json]:
    """Return a dataclass as a mapping without what is absent (None, empty, False)."""
    out: dict[str, Json] = {}
    for item in fields(value):  # type: ignore[arg-type]
        content = getattr(value, item.name)
        if content is None or content is False or content in ((), {}):
            continue
        out[item.name] = list(content) if isinstance(content, tuple) else content
    return out


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{visible(repr(value), 40)} is not text")
    return value


def _texts(value: Json) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{visible(repr(value), 40)} is not a list")
    return tuple(_text(v) for v in value)


def _whole(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{visible(repr(value), 40)} is not a whole number")
    return value


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{visible(repr(value), 40)} is not a number")
    return float(value)


def _flag(value: Json) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{visible(repr(value), 40)} is not true or false")
    return value


def _mapping(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict) or not all(isinstance(k, str) for k in value):
        raise TypeError(f"{visible(repr(value), 40)} is not a mapping")
    return value


def _text_mapping(value: Json) -> dict[str, str]:
    return {k: _text(v) for k, v in _mapping(value).items()}


def _anything(value: Json) -> Json:
    return value


def parse_text(value: Json, what: str) -> str:
    """Return the text ``value``; raise TypeError naming ``what`` if it is none."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is {visible(repr(value), 40)}, which is not text")
    return value


def parse_goal(value: Json) -> str:
    """Return the goal ``value``; raise ValueError if it is none."""
    if value not in ("min", "max"):
        raise ValueError(f"{visible(repr(value), 40)} is neither min nor max")
    return str(value)


_SOURCE: dict[str, Callable[[Json], Any]] = {
    "commit": _text,
    "branch": _text,
    "tree": _text,
    "dirty": _flag,
    "remote": _text,
    "command": _texts,
    "script": _text,
    "changed": _texts,
    "left_out": _texts,
}
_ENVIRONMENT: dict[str, Callable[[Json], Any]] = {
    **dict.fromkeys(("python", "platform", "host", "cpu", "gpu"), _text),
    "variables": _text_mapping,
}
_DATASET: dict[str, Callable[[Json], Any]] = {
    **dict.fromkeys(("name", "digest", "context", "uri"), _text),
    **dict.fromkeys(("size", "files", "rows"), _whole),
    "columns": _texts,
    "schema": _anything,
    "profile": _anything,
}
_ARTIFACT: dict[str, Callable[[Json], Any]] = {
    "size": _whole,
    **dict.fromkeys(("sha256", "media_type", "store", "uri"), _text),
}
_METRIC: dict[str, Callable[[Json], Any]] = {
    **dict.fromkeys(("last", "min", "max"), _number),
    **dict.fromkeys(("step", "count"), _whole),
    "goal": parse_goal,
}


def _parse(
    make: Callable[..., T], parsers: Mapping[str, Callable[[Json], Any]], value: Json, **given: Json
) -> T:
    """Build a value from the keys it knows; others are left to newer readers."""
    known = {}
    mapping = _mapping(value)
    for key, parser in parsers.items():
        content = mapping.get(key)
        if content is not None:
            try:
                known[key] = parser(content)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{key}: {error}") from None
    return make(**known, **given)


def parse_source(value: Json) -> Source:
    """Return the source in ``value``; raise TypeError or ValueError."""
    return _parse(Source, _SOURCE, value)


def parse_environment(value: Json) -> Environment:
    """Return the environment in ``value``; raise TypeError or ValueError."""
    return _parse(Environment, _ENVIRONMENT, value)


def parse_dataset(value: Json) -> Dataset:
    """Return the input in ``value``; raise TypeError or ValueError."""
    return _parse(Dataset, _DATASET, value)


def parse_artifact(path: str, value: Json) -> Artifact:
    """Return the artifact in ``value``; raise TypeError or ValueError.

    A path that no gitml would have stored may lead out of the folder it is written to.
    """
    try:
        stored = check_path(path)
    except InputError as error:
        raise ValueError(error.message.removesuffix(".")) from None
    if stored != path:
        raise ValueError(f"the artifact path {visible(path, 60)} is not in its stored form")
    return _parse(Artifact, _ARTIFACT, value, path=path)


def parse_metric(value: Json) -> Metric:
    """Return the metric summary in ``value``; raise TypeError or ValueError."""
    return _parse(Metric, _METRIC, value)


def run_document(run: Run) -> dict[str, Json]:
    """Return what ``run.yaml`` holds."""
    head: dict[str, Json] = {
        "schema": SCHEMA,
        "id": run.id,
        "name": run.name,
        "experiment": run.experiment,
        "status": run.status,
        "created": iso(run.created),
        "ended": None if run.ended is None else iso(run.ended),
        "updated": iso(run.updated),
        "author": run.author,
        "parent": run.parent,
        "source": compact(run.source),
        "environment": compact(run.environment),
        "inputs": [compact(d) for d in run.inputs],
        "tags": dict(sorted(run.tags.items())),
        "note": run.note,
        "deleted": run.deleted,
        "conflict": list(run.conflict),
    }
    keep = {
        k: v for k, v in head.items() if v is not None and v is not False and v not in ([], {}, "")
    }
    return {**keep, **{k: v for k, v in sorted(run.extra.items()) if k not in head}}


def run_files(run: Run) -> dict[str, bytes]:
    """Return the YAML files of a run's tree by name; empty ones are left out."""
    files = {RUN_YAML: dump(run_document(run))}
    if run.params:
        files[PARAMS_YAML] = dump({k: run.params[k] for k in sorted(run.params)})
    if run.metrics:
        files[METRICS_YAML] = dump({k: compact_metric(run.metrics[k]) for k in sorted(run.metrics)})
    if run.artifacts:
        files[ARTIFACTS_YAML] = dump(
            {
                path: {k: v for k, v in compact(run.artifacts[path]).items() if k != "path"}
                for path in sorted(run.artifacts)
            }
        )
    return files


def compact_metric(metric: Metric) -> dict[str, Json]:
    """Return a metric summary as a mapping; ``goal`` only where one is set."""
    out: dict[str, Json] = {
        "last": metric.last,
        "step": metric.step,
        "min": metric.min,
        "max": metric.max,
        "count": metric.count,
    }
    if metric.goal:
        out["goal"] = metric.goal
    return out


def load_run(files: Mapping[str, bytes], what: str) -> Run:
    """Return the run whose YAML files are given by name.

    ``what`` names the run in messages. Raises `DamagedError` (or
    `NewerSchemaError`) if any of them cannot be read.
    """
    if RUN_YAML not in files:
        raise DamagedError(f"{what} has no run.yaml.")
    documents = {
        name: load_stored(files[name], f"{name} of {what}", names=name != RUN_YAML)
        if name in files
        else {}
        for name in (RUN_YAML, PARAMS_YAML, METRICS_YAML, ARTIFACTS_YAML)
    }
    try:
        return _run(documents)
    except (TypeError, ValueError, OverflowError) as error:
        raise DamagedError(f"{what} cannot be read: {visible(str(error))}.") from None


_HEAD = frozenset(
    (
        "schema id name experiment status created ended updated author parent source "
        "environment inputs tags note deleted conflict"
    ).split()
)


def _run(documents: Mapping[str, dict[str, Json]]) -> Run:
    head = documents[RUN_YAML]
    for key in ("id", "name", "experiment", "status", "created"):
        if key not in head:
            raise ValueError(f"{key} is missing")
    if not is_run_id(_text(head["id"])):
        raise ValueError("id is not a run id")
    if head["status"] not in STATUSES:
        raise ValueError(f"status {visible(str(head['status']), 40)} is unknown")
    inputs = head.get("inputs", [])
    if not isinstance(inputs, list):
        raise TypeError("inputs is not a list")
    created = from_iso(_text(head["created"]))
    return Run(
        id=head["id"],
        name=_text(head["name"]),
        experiment=_text(head["experiment"]),
        status=head["status"],
        created=created,
        ended=None if head.get("ended") is None else from_iso(_text(head["ended"])),
        updated=from_iso(_text(head["updated"])) if "updated" in head else created,
        author=_text(head.get("author", "")),
        parent=None if head.get("parent") is None else _text(head["parent"]),
        source=parse_source(head.get("source", {})),
        environment=parse_environment(head.get("environment", {})),
        inputs=tuple(parse_dataset(d) for d in inputs),
        params=_mapping(documents[PARAMS_YAML]),
        metrics={k: parse_metric(v) for k, v in _mapping(documents[METRICS_YAML]).items()},
        tags=_text_mapping(head.get("tags", {})),
        note=None if head.get("note") is None else _text(head["note"]),
        artifacts={k: parse_artifact(k, v) for k, v in _mapping(documents[ARTIFACTS_YAML]).items()},
        deleted=_flag(head.get("deleted", False)),
        conflict=_texts(head.get("conflict", [])),
        extra={k: v for k, v in head.items() if k not in _HEAD},
    )


_SCALARS = frozenset({str, int, bool, type(None)})


def _finite(value: Json) -> Json:
    """JSON has no NaN: null, as on the site."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (dict, Mapping)):  # asking whether it is a dict is faster
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value


def run_json(run: Run) -> dict[str, Json]:
    """Return a run as ``--json`` shows it: every key always there, times in ISO 8601."""
    document: dict[str, Json] = {
        "id": run.id,
        "name": run.name,
        "experiment": run.experiment,
        "status": run.status,
        "created": iso(run.created),
        "ended": None if run.ended is None else iso(run.ended),
        "duration": run.duration,
        "updated": iso(run.updated),
        "author": run.author,
        "parent": run.parent,
        "params": dict(run.params),
        "metrics": {k: compact_metric(m) for k, m in run.metrics.items()},
        "tags": dict(run.tags),
        "note": run.note,
        "inputs": [compact(d) for d in run.inputs],
        "source": {**compact(run.source), "dirty": run.source.dirty},
        "environment": compact(run.environment),
        "artifacts": [compact(a) for a in run.artifacts.values()],
        "deleted": run.deleted,
        "conflict": list(run.conflict),
    }
    return {k: _finite(v) for k, v in {**dict(run.extra), **document}.items()}
