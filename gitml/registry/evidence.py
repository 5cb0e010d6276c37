"""What a reviewer weighs: two versions side by side, and whether the new one is all there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitml.model import iso
from gitml.names import plural
from gitml.query.compare import alike, improvement
from gitml.query.goals import default_goal
from gitml.registry.findings import BETTER, WORSE, Code, Row
from gitml.words import exact, number, same_decimals, signed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitml.model import Dataset, Json, Metric
    from gitml.registry.host import Host
    from gitml.registry.values import Event, Model, ModelVersion

LAST_EVENTS = 5
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SIGNS = {1: f"{BETTER} ", -1: f"{WORSE} ", 0: ""}


def metric_rows(current: ModelVersion | None, candidate: ModelVersion) -> tuple[Row, ...]:
    """Return the metrics of both: ▲ is better and ▼ is worse, whichever way they count."""
    before = current.metrics if current is not None else {}
    names = sorted({*before, *candidate.metrics})
    return tuple(_metric(name, before.get(name), candidate.metrics.get(name)) for name in names)


def _metric(name: str, before: Metric | None, after: Metric | None) -> Row:
    values = [None if m is None else m.last for m in (before, after)]
    texts = same_decimals(["" if v is None else number(v) for v in values])
    stated = next((m.goal for m in (after, before) if m is not None and m.goal), None)
    goal = stated or default_goal(name)
    note = ""
    old, new = values
    if old is not None and new is not None:
        note = "same"
        if not alike(old, new):
            down = " (lower is better)" if goal == "min" else ""
            note = f"{_SIGNS[improvement(old, new, goal)]}{signed(new - old)}{down}"
    shown = [text or None for text in texts]
    return Row(name=name, before=shown[0], after=shown[1], note=note)


def param_rows(current: ModelVersion | None, candidate: ModelVersion) -> tuple[Row, ...]:
    """Return the params that differ."""
    return _differences(current.params if current else {}, candidate.params)


def environment_rows(current: ModelVersion | None, candidate: ModelVersion) -> tuple[Row, ...]:
    """Return what differs in interpreter, machine and packages; nothing without a `current`."""
    if current is None:
        return ()
    machine = _differences(_flat(current.environment), _flat(candidate.environment))
    return machine + _differences(current.packages, candidate.packages)


def data_rows(current: ModelVersion | None, candidate: ModelVersion) -> tuple[Row, ...]:
    """Return the inputs of both: the start of their digests, and how many rows."""
    before = _inputs(current) if current is not None else {}
    after = _inputs(candidate)
    rows = []
    for name in dict.fromkeys([*after, *before]):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            note = "" if current is None else "new" if old is None else "gone"
        else:
            digests = old.digest, new.digest
            note = "same" if None not in digests and digests[0] == digests[1] else "changed"
            note = "cannot tell" if None in digests else note
        rows.append(Row(name=name, before=_told(old), after=_told(new), note=note))
    return tuple(rows)


def same_facts(current: ModelVersion | None, candidate: ModelVersion) -> tuple[str, ...]:
    """Return what is the same in both, counted."""
    if current is None:
        return ()
    kinds: tuple[tuple[str, Mapping[str, Json], Mapping[str, Json]], ...] = (
        ("param", current.params, candidate.params),
        ("package", current.packages, candidate.packages),
    )
    found = []
    for what, before, after in kinds:
        count = sum(name in before and alike(before[name], v) for name, v in after.items())
        if count:
            found.append(plural(count, what))
    return tuple(found)


def code_of(
    current: ModelVersion | None, candidate: ModelVersion, host: Host | None
) -> Code | None:
    """Return the code of both, with the address of the difference if the host has one."""
    new = _commit(candidate)
    if new is None:
        return None
    old = _commit(current) if current is not None else None
    link = None
    if host is not None:
        link = host.commit_link(new) if old in {None, new} else host.compare_link(str(old), new)
    note = "with uncommitted changes" if candidate.source.dirty else ""
    return Code(before=old, after=new, link=link, note=note)


def reproducible(model: Model, candidate: ModelVersion) -> str:
    """Say whether the candidate's run could be made again, and whether it was."""
    lacks = []
    if candidate.run is None:
        lacks.append("it has no run")
    else:
        if candidate.source.tree is None and candidate.source.commit is None:
            lacks.append("its code was not recorded")
        if candidate.source.lost:
            count = plural(len(candidate.source.lost), "changed file")
            lacks.append(f"{count} could not be recorded")
        without = sum(data.digest is None for data in candidate.inputs)
        if without:
            lacks.append(f"{plural(without, 'input')} without a digest")
        if not candidate.inputs:
            lacks.append("no input data was recorded")
        if not candidate.packages:
            lacks.append("its packages were not recorded")
    done = [e for e in model.events if e.kind == "reproduce" and e.version == candidate.name]
    text = f"no: {', '.join(lacks)}" if lacks else "yes: code, data and packages were recorded"
    return f"{text}; reproduced on {iso(done[-1].at)[:10]}" if done else text


def last_events(model: Model, stage: str) -> tuple[Event, ...]:
    """Return the newest events of a stage, newest first."""
    found = [e for e in model.events if e.stage == stage and e.kind in {"assign", "unassign"}]
    return tuple(reversed(found[-LAST_EVENTS:]))


def undo_command(model: Model, stage: str) -> str:
    """Return the command that undoes a change of a stage."""
    if model.stages.get(stage) is None and not model.stacks.get(stage):
        return f"gitml unassign {model.slug} --stage {stage}"
    return f"gitml rollback {model.slug} --stage {stage}"


def _differences(before: Mapping[str, Json], after: Mapping[str, Json]) -> tuple[Row, ...]:
    rows = []
    for name in sorted({*before, *after}):
        old, new = (exact(facts[name]) if name in facts else None for facts in (before, after))
        if name not in before or name not in after or not alike(before[name], after[name]):
            rows.append(Row(name=name, before=old, after=new))
    return tuple(rows)


def _flat(facts: Mapping[str, Json]) -> dict[str, Json]:
    """Return an environment with its variables beside the rest."""
    found = {key: value for key, value in facts.items() if not isinstance(value, dict)}
    for value in facts.values():
        if isinstance(value, dict):
            found |= value
    return found


def _inputs(version: ModelVersion) -> dict[str, Dataset]:
    return {f"{d.name} ({d.context})" if d.context else d.name: d for d in version.inputs}


def _told(data: Dataset | None) -> str | None:
    if data is None:
        return None
    digest = "no digest" if data.digest is None else data.digest.removeprefix("sha256:")[:12]
    return digest if data.rows is None else f"{digest}, {plural(data.rows, 'row')}"


def _commit(version: ModelVersion) -> str | None:
    commit = version.source.commit  # whoever may push decides what stands there
    return commit if commit is not None and _OID.fullmatch(commit) else None
