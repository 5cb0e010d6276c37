"""From what ``gitml log`` and ``gitml run`` are given to what they write.

`gather` reads and checks all of it, `record` then writes it: what is wrong with
a file is known before anything is recorded. Points are kept in a `Collector`
meanwhile, so a history may have any length.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gitml.codec import dump_json
from gitml.errors import GitmlError, InputError, UsageError
from gitml.names import check_path, visible
from gitml.store.points import Collector
from gitml.tracking.files import (
    parse_assignment,
    read_history,
    read_metrics,
    read_params,
)
from gitml.tracking.inputs import describe_input
from gitml.tracking.placing import plan_artifact
from gitml.tracking.references import Reference, is_address, parse_reference
from gitml.tracking.request import split_artifact, split_input
from gitml.tracking.values import check_text, same

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gitml.model import Dataset, Json
    from gitml.tracking.files import HistoryRow, ParamValue
    from gitml.tracking.recorder import Recorder
    from gitml.tracking.request import Request

Problems: TypeAlias = "list[GitmlError] | None"
"""Where failures go that must not end the whole; None raises them."""

KINDS = ("params", "metrics", "history", "artifact", "input")


class Line(NamedTuple):
    """What was taken from where, to be shown."""

    kind: str
    """One of `KINDS`."""
    where: str
    """The file, or the flag."""
    counts: tuple[tuple[int, str], ...] = ()
    """How many of what: (6, ``value``)."""
    size: int | None = None
    """Bytes, of artifacts and inputs."""
    remark: str = ""
    """What else is to be known of it."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Metrics that are no numbers, and what they are: (``model``, ``text``)."""


@dataclass(slots=True, kw_only=True)
class _Curve:
    """What is known of a metric's points in one history."""

    count: int
    first: int
    """The least step."""
    step: int
    """The greatest step."""
    last: float
    """The value there."""


@dataclass(slots=True, kw_only=True)
class Gathered:
    """All that is to be recorded, checked; `close` it."""

    params: dict[str, ParamValue] = field(default_factory=dict)
    metrics: dict[str, tuple[float, int | None]] = field(default_factory=dict)
    """Value and step, None for the one after the last."""
    points: Collector = field(default_factory=Collector)
    """The histories."""
    artifacts: dict[str, Path | Reference] = field(default_factory=dict)
    """Files, and addresses of others, by their path among the artifacts."""
    inputs: list[Dataset] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    note: str | None = None
    lines: list[Line] = field(default_factory=list)

    def close(self) -> None:
        """Give up what was kept in temporary files."""
        self.points.close()


@contextmanager
def _noting(problems: Problems) -> Iterator[None]:
    try:
        yield
    except GitmlError as error:
        if problems is None:
            raise
        problems.append(error)


def gather(
    request: Request, *, inside: Path, root: Path | None, now: int, problems: Problems = None
) -> Gathered:
    """Read and check everything a request names; nothing is written.

    ``inside`` is the folder that links of artifacts must not lead out of, ``root``
    what the paths of inputs are relative to, ``now`` (milliseconds) the time of
    points without one. Raises `NotFoundError` or `InputError`; with ``problems``
    what cannot be read is left out and said there, and of a history that breaks
    off the points before that are kept.
    """
    found = Gathered()
    try:
        _gather_params(found, request, problems)
        curves = _gather_histories(found, request.histories, now, problems)
        _gather_metrics(found, request, curves, problems)
        for text in request.artifacts:
            with _noting(problems):
                _gather_artifact(found, text, inside)
        for text in request.inputs:
            with _noting(problems):
                path, context = split_input(text)
                found.inputs.append(describe_input(path, root=root, context=context))
                found.lines.append(input_line(found.inputs[-1]))
        _gather_words(found, request, problems)
        found.lines.sort(key=lambda line: KINDS.index(line.kind))
    except BaseException:
        found.close()
        raise
    return found


def _gather_words(found: Gathered, request: Request, problems: Problems) -> None:
    for text in request.tags:
        with _noting(problems):
            name, value = parse_assignment(text, "tag")
            check_text(value, f"The tag {visible(name, 80)}")
            if found.tags.setdefault(name, value) != value:
                raise UsageError(f"The tag {visible(name, 80)} is given two values.")
    if request.note is not None:
        with _noting(problems):
            check_text(request.note, "The note")
            found.note = request.note


def _gather_params(found: Gathered, request: Request, problems: Problems) -> None:
    origins: dict[str, str] = {}
    flags = {}
    for text in request.params:
        with _noting(problems):
            name, value = parse_assignment(text, "param")
            _add_param(found, origins, name, value, "-p")
            flags[name] = value
    for path in request.params_files:
        with _noting(problems):
            values = read_params(path)
            for name, value in values.items():
                with _noting(problems):
                    _add_param(found, origins, name, value, str(path))
            found.lines.append(Line("params", str(path), ((len(values), "value"),)))
    if flags:
        found.lines.append(Line("params", "-p", ((len(flags), "value"),)))


def _add_param(
    found: Gathered, origins: dict[str, str], name: str, value: ParamValue, origin: str
) -> None:
    if name in origins and not same(found.params[name], value):
        raise InputError(
            f"The param {visible(name, 80)} is {_short(found.params[name])} in "
            f"{visible(origins[name])} and {_short(value)} in {visible(origin)}.",
            hint="A param has one value in a run; leave out one of the two.",
        )
    found.params.setdefault(name, value)
    origins.setdefault(name, origin)


def _short(value: Json) -> str:
    return visible(dump_json(value), 40)


def _gather_histories(
    found: Gathered, paths: Sequence[Path], now: int, problems: Problems
) -> dict[str, _Curve]:
    """Return the curves of the metrics in the histories."""
    curves: dict[str, _Curve] = {}
    origins: dict[str, str] = {}
    for path in paths:
        fresh: dict[str, _Curve] = {}
        with _noting(problems):
            try:
                found.points.add_all(_watched(read_history(path), fresh, now))
            finally:  # with problems, the rows before the bad one stay
                count = sum(curve.count for curve in fresh.values())
                counts = ((len(fresh), "metric"), (count, "point"))
                if fresh:
                    found.lines.append(Line("history", str(path), counts))
            if not fresh:
                raise InputError(
                    f"{visible(str(path))} holds no points.",
                    hint="A history has a line of names, then numbers in a column for each metric.",
                )
        for name, curve in fresh.items():
            known = curves.get(name)
            with _noting(problems):
                if known is not None and known.first <= curve.step and curve.first <= known.step:
                    raise InputError(
                        f"The metric {visible(name, 80)} has points of the same steps in "
                        f"{visible(origins[name])} and {visible(str(path))}.",
                        hint="Rename one; one file may only go on where the other ends.",
                    )
            if known is None or curve.step >= known.step:
                curves[name], origins[name] = curve, str(path)
    return curves


def _watched(
    rows: Iterable[HistoryRow], curves: dict[str, _Curve], now: int
) -> Iterator[tuple[str, int, int, float]]:
    """Yield rows with a time each, and learn their curves on the way."""
    for metric, step, time, value in rows:
        curve = curves.get(metric)
        if curve is None:
            curves[metric] = _Curve(count=1, first=step, step=step, last=value)
        else:
            curve.count += 1
            if step >= curve.step:
                curve.step, curve.last = step, value
            elif step < curve.first:
                curve.first = step
        yield metric, step, now if time is None else time, value


def _gather_metrics(
    found: Gathered, request: Request, curves: dict[str, _Curve], problems: Problems
) -> None:
    origins: dict[str, str] = {}
    flags = {}
    for path in request.metrics_files:
        with _noting(problems):
            read = read_metrics(path)
            for dotted, value in read.values.items():
                # DVCLive nests in its summary what has a slash in its history.
                slashed = dotted.replace(".", "/")
                name = slashed if slashed in curves and dotted not in curves else dotted
                with _noting(problems):
                    _add_metric(found, origins, name, value, str(path), read.step)
            counts = ((len(read.values), "value"),)
            found.lines.append(
                Line("metrics", str(path), counts, left_out=tuple(read.skipped.items()))
            )
    for text in request.metrics:
        with _noting(problems):
            name, number = parse_assignment(text, "metric")
            _add_metric(found, origins, name, number, "-m")
            flags[name] = number
    if flags:
        found.lines.append(Line("metrics", "-m", ((len(flags), "value"),)))
    for name, (value, step) in [*found.metrics.items()]:
        curve = curves.get(name)
        # What a program writes at its end is often the last point of its history again.
        if curve is not None and step in {None, curve.step} and same(curve.last, value):
            del found.metrics[name]
        elif curve is not None and step is None:
            found.metrics[name] = (value, curve.step + 1)


def _add_metric(
    found: Gathered,
    origins: dict[str, str],
    name: str,
    value: float,
    origin: str,
    step: int | None = None,
) -> None:
    if name in origins and not same(found.metrics[name][0], value):
        raise InputError(
            f"The metric {visible(name, 80)} is {_short(found.metrics[name][0])} in "
            f"{visible(origins[name])} and {_short(value)} in {visible(origin)}.",
            hint="Rename one of the two; the values of several steps are a --history.",
        )
    found.metrics.setdefault(name, (value, step))
    origins.setdefault(name, origin)


def _gather_artifact(found: Gathered, text: str, inside: Path) -> None:
    if is_address(text):
        _gather_reference(found, parse_reference(text))
        return
    path, dest = split_artifact(text)
    place = Path(path)
    if dest is not None and dest.endswith(("/", "\\")):
        dest = f"{dest}{place.absolute().name}"
    if dest is not None:
        dest = check_path(dest)
    size = 0
    planned = {}
    for file, where in plan_artifact(place, dest, inside=inside):
        planned[where] = file
        _check_twin(found, where, file)
        size += _readable(file)
    if not planned:
        raise InputError(f"{visible(path)} is a folder without a file.")
    found.artifacts |= planned
    shown = path if dest is None else f"{path} as {dest}"
    counts = ((len(planned), "file"),) if place.is_dir() else ()
    found.lines.append(Line("artifact", shown, counts, size=size))


def _gather_reference(found: Gathered, reference: Reference) -> None:
    _check_twin(found, reference.dest, reference)
    found.artifacts[reference.dest] = reference
    remark = "recorded, not copied" if reference.sha256 else "recorded without a digest, unverified"
    found.lines.append(Line("artifact", reference.uri, size=reference.size, remark=remark))


def _check_twin(found: Gathered, where: str, mine: Path | Reference) -> None:
    other = found.artifacts.get(where)
    if other is None or other == mine:
        return
    both = [str(x.absolute()) if isinstance(x, Path) else x.uri for x in (other, mine)]
    if both[0] != both[1] or isinstance(mine, Reference):
        names = [str(x) if isinstance(x, Path) else x.uri for x in (other, mine)]
        raise InputError(
            f"{visible(names[0])} and {visible(names[1])} would be one artifact: {visible(where)}",
            hint="Give one of them another name: --artifact PATH:DEST, or URL#as=DEST",
        )


def _readable(file: Path) -> int:
    """Return a file's size if it can be read; raise `InputError`."""
    try:
        with file.open("rb"):
            return file.stat().st_size
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{visible(str(file))} cannot be read: {reason}.") from None


def input_line(dataset: Dataset) -> Line:
    """Return the line that shows an input."""
    shown = dataset.uri or dataset.name
    counts = []
    if dataset.files is not None:
        counts.append((dataset.files, "file"))
    if dataset.rows is not None:
        counts.append((dataset.rows, "row"))
    where = f"{shown} for {dataset.context}" if dataset.context else shown
    return Line("input", where, tuple(counts), size=dataset.size)


def record(recorder: Recorder, found: Gathered, problems: Problems = None) -> None:
    """Write what was gathered to a run.

    Raises what recording raises, such as `InputError` for a param that has
    another value already; with ``problems`` that one is left out and said there.
    """
    with _noting(problems):
        try:
            recorder.log_params(found.params)
        except InputError:
            if problems is None:
                raise
            for name, value in found.params.items():
                with _noting(problems):
                    recorder.log_params({name: value})
    with _noting(problems):
        recorder.log_points(found.points.points())
    for name, (number, step) in found.metrics.items():
        with _noting(problems):
            recorder.log_metric(name, number, step)
    for dest, what in found.artifacts.items():
        with _noting(problems):
            if isinstance(what, Reference):
                recorder.log_uri(what.uri, dest, size=what.size, sha256=what.sha256)
            else:
                recorder.log_file(what, dest)
    for dataset in found.inputs:
        with _noting(problems):
            recorder.log_input(dataset)
    with _noting(problems):
        if found.tags:
            recorder.set_tags(found.tags)
        if found.note is not None:
            recorder.set_note(found.note)
