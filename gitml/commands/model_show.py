"""``gitml model show``: a model with its versions, or all of one version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands import facts
from gitml.commands.completing import complete_references
from gitml.commands.options import command, json_option
from gitml.errors import DamagedError
from gitml.model import iso
from gitml.names import plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitml.commands.options import Session
    from gitml.model import Json
    from gitml.output import Piece, Screen
    from gitml.registry.values import Model, ModelVersion, PackageFile, Version
    from gitml.store.git import Repository

MOST = 20
"""Versions, or on a terminal files of one, that are listed without ``--all``."""
LEADING = 3
"""Metrics that the list of versions shows."""


@command(
    name="show",
    examples=["gitml model show churn", "gitml model show churn#production --json"],
    exits=[3, 5, 6, 8],
)
@click.argument("ref", metavar="MODEL|VERSION", shell_complete=complete_references)
@click.option("--all", "everything", is_flag=True, help=f"More than {MOST} versions or files, too.")
@json_option
def model_show(session: Session, *, ref: str, everything: bool, as_json: bool) -> None:
    """Show a model with its versions, or everything about one version.

    A version is churn@v1.2.0, churn@3, churn@latest or churn#production.
    """
    from gitml.commands.models import say_if_tags_alone
    from gitml.registry.references import resolve
    from gitml.registry.state import read_registry

    store = session.store()
    registry = read_registry(store)
    if "@" in ref or "#" in ref:
        model, version = resolve(registry, ref)
        say_if_tags_alone(session, [model])
        _version(session, store, model, version, everything=everything, as_json=as_json)
    else:
        model = registry.find(ref)
        say_if_tags_alone(session, [model])
        _model(session, store, model, everything=everything, as_json=as_json)


def _model(
    session: Session, store: Repository, model: Model, *, everything: bool, as_json: bool
) -> None:
    from gitml.registry.documents import event_json, model_json

    screen = session.screen
    listed = [version for version in reversed(model.versions) if not version.deleted]
    shown = listed if everything or as_json else listed[:MOST]
    read = {version.title: _load(store, version) for version in shown}
    if as_json:
        document = {
            **model_json(model),
            "versions": [_document(model, v, read[v.title]) for v in reversed(shown)],
            "events": [event_json(event) for event in model.events],
        }
        screen.json(model=document)
        return
    _head(screen, model)
    _stages(session, model)
    _versions(session, model, shown, read)
    if len(shown) < len(listed):
        screen.line(f"  … and {len(listed) - len(shown):,} more: --all shows them", style="dim")
    if screen.terminal and listed:
        from gitml.output import quoted

        name = quoted(model.name)
        screen.line()
        screen.commands(f"gitml model show {name}@{listed[0].name}", f"gitml model history {name}")


def _load(store: Repository, version: Version) -> ModelVersion | None:
    """Return all of a version; None if its files cannot be read, which is no reason to stop."""
    from gitml.registry.versionfile import load_version

    try:
        return load_version(store, version)
    except DamagedError:
        return None


def _document(model: Model, version: Version, read: ModelVersion | None) -> dict[str, Json]:
    from gitml.registry.documents import version_json
    from gitml.registry.showing import stages_of
    from gitml.registry.versionfile import compact_file, version_document

    document = {**version_json(version), "stages": stages_of(model, version)}
    if read is None:
        return {**document, "damaged": True}
    frozen = version_document(read)
    kept = ("run", "source", "metrics", "params", "inputs", "signature", "flavors")
    document |= {key: frozen.get(key) for key in (*kept, "environment", "packages", "size")}
    document["tags"] = dict(read.tags if version.tags is None else version.tags)
    document["note"] = read.note if version.note is None else version.note
    document["files"] = [compact_file(file) for file in read.files]
    return document


def _head(screen: Screen, model: Model) -> None:
    from gitml.output import Cell

    count = sum(not version.deleted for version in model.versions)
    words: list[Piece] = [Cell(model.name, "act"), f"  {plural(count, 'version')}"]
    if model.deleted:
        words.append(Cell("  deleted", "bad"))
    screen.line(*words)
    for nth, line in enumerate((model.description or "").splitlines()):
        screen.fact("" if nth else "what", line or " ")
    if model.slug != model.name:
        screen.fact("slug", model.slug)
    screen.fact("once", ", ".join(model.aliases))
    screen.fact("tags", ", ".join(f"{k}={v}" if v else k for k, v in sorted(model.tags.items())))
    if model.foreign:
        screen.fact("from", "tags that gitml did not write: gitml import gto takes them over")


def _stages(session: Session, model: Model) -> None:
    from gitml.output import Cell, Column, first_line
    from gitml.output.models import short, stage_order

    screen = session.screen
    if not model.stages:
        return
    heads = ["STAGE", "VERSION", "SINCE", "BY", "WHY"]
    columns = [
        Column(head if screen.terminal else head.lower(), rank=rank, widest=60, narrowest=16)
        for head, rank in zip(heads, (0, 0, 1, 2, 3), strict=True)
    ]
    rows: list[list[Piece]] = []
    for stage in stage_order([model]):
        held = model.stages[stage]
        mark = "! " if held.drift else "● "
        rows.append(
            [
                Cell(stage, "warn" if held.drift else "good"),
                (mark if screen.terminal else "") + short(held.version),
                screen.moment(held.at, session.now),
                _person(screen, held.by),
                first_line(held.event.reason or screen.absent),
            ]
        )
    screen.line()
    screen.table(columns, rows)


def _person(screen: Screen, who: str) -> str:
    return who.partition(" <")[0] if screen.terminal else who


def _versions(
    session: Session,
    model: Model,
    shown: Sequence[Version],
    read: Mapping[str, ModelVersion | None],
) -> None:
    from gitml.output import Cell, Column
    from gitml.output.models import short
    from gitml.query.columns import leading_metrics
    from gitml.registry.showing import as_run, stages_of

    screen = session.screen
    if not shown:
        return
    runs = [as_run(each, name="") for each in read.values() if each is not None]
    metrics = leading_metrics(runs)[:LEADING]
    heads = ["VERSION", "#", *metrics, "STAGE", "RUN", "REGISTERED", "BY"]
    ranks = [0, 2, *(1 for _ in metrics), 0, 3, 1, 4]
    columns = [
        Column(
            head if screen.terminal else head.lower(),
            right=head == "#" or head in metrics,
            rank=rank,
        )
        for head, rank in zip(heads, ranks, strict=True)
    ]
    rows: list[list[Piece]] = []
    for version in shown:
        whole = read[version.title]
        values = [whole.metrics.get(name) if whole else None for name in metrics]
        state = [*stages_of(model, version), *_state(version, whole)]
        rows.append(
            [
                Cell(short(version.name), "act"),
                str(version.number),
                *(screen.absent if v is None else screen.number(v.last) for v in values),
                Cell(", ".join(state) or screen.absent, "" if state else "dim"),
                whole.run.name if whole and whole.run else screen.absent,
                screen.moment(version.at, session.now),
                _person(screen, version.by),
            ]
        )
    screen.line()
    screen.table(columns, rows)


def _state(version: Version, whole: ModelVersion | None) -> list[str]:
    found = ["not published"] if not version.published else []
    found += ["deprecated"] if version.deprecated is not None else []
    return found + (["damaged"] if whole is None else [])


def _version(
    session: Session,
    store: Repository,
    model: Model,
    version: Version,
    *,
    everything: bool,
    as_json: bool,
) -> None:
    from gitml.registry.versionfile import load_version

    whole = load_version(store, version)
    screen = session.screen
    if as_json:
        document = {"model": model.name, "slug": model.slug, **_document(model, version, whole)}
        screen.json(version=document)
        return
    from gitml.registry.showing import as_run

    run = as_run(whole, name=version.title)
    _facts_of(session, model, version, whole)
    facts.metrics(screen, run, {})
    facts.params(screen, run)
    facts.inputs(screen, run)
    _signature(screen, whole)
    facts.source(screen, run)
    _files(screen, whole.files, everything=everything)
    if screen.terminal:
        from gitml.output import quoted

        title = quoted(f"{model.name}@{version.name}")
        screen.line()
        other = _other(model, version)
        compare = [] if other is None else [f"gitml model diff {quoted(other)} {title}"]
        screen.commands(
            f"gitml model pull {title} -o {quoted(model.slug)}",
            *compare,
            f"gitml lineage {title}",
        )


def _other(model: Model, version: Version) -> str | None:
    """Return what a version is compared with: the latest, of which it is the one before."""
    from gitml.registry.references import latest

    newest = latest(model)
    if newest is not None and newest.name != version.name:
        return f"{model.name}@latest"
    before = [v for v in model.versions if v.number < version.number and not v.deleted]
    return f"{model.name}@{before[-1].name}" if before else None


def _facts_of(session: Session, model: Model, version: Version, whole: ModelVersion) -> None:
    from gitml.output import Cell, size
    from gitml.registry.showing import stages_of

    screen = session.screen
    words: list[Piece] = [Cell(f"{model.name}@{version.name}", "act"), f"  #{version.number}"]
    words += [Cell(f"  ● {stage}", "good") for stage in stages_of(model, version)]
    words += [Cell(f"  {state}", "warn") for state in _state(version, whole)]
    screen.line(*words)
    registered = iso(version.at)
    if screen.terminal:
        moment = registered[:16].replace("T", " ")
        registered = f"{screen.moment(version.at, session.now)}, {moment} UTC"
    screen.fact("registered", registered)
    screen.fact("by", version.by)
    if whole.run is not None:
        screen.fact("run", f"{whole.run.name}  {whole.run.experiment} · {whole.run.id[:8]}")
    screen.fact("deprecated", version.deprecated, style="warn")
    labels = whole.tags if version.tags is None else version.tags
    screen.fact("tags", ", ".join(f"{k}={v}" if v else k for k, v in sorted(labels.items())))
    note = whole.note if version.note is None else version.note
    for nth, line in enumerate((note or "").splitlines()):
        screen.fact("" if nth else "note", line or " ")
    screen.fact("digest", whole.digest, whole=True)
    if whole.files:
        count = plural(len(whole.files), "file")
        amount = size(whole.size) if screen.terminal else str(whole.size)
        screen.fact("package", f"{count}, {amount}")
    if isinstance(whole.flavors, dict):
        screen.fact("flavors", ", ".join(sorted(map(str, whole.flavors))))
    if whole.packages:
        screen.fact("packages", plural(len(whole.packages), "distribution"))
    if version.foreign and not whole.digest:
        screen.fact("from", "a tag that gitml did not write: it has no run and no package")


def _signature(screen: Screen, whole: ModelVersion) -> None:
    from gitml.registry.signature import PARTS, type_of

    if not isinstance(whole.signature, dict):
        return
    screen.title("SIGNATURE")
    for part in PARTS:
        columns = whole.signature.get(part) or []
        texts = [f"{c.get('name', '')} {type_of(c)}".strip() for c in columns]
        screen.fact(part, ", ".join(texts))


def _files(screen: Screen, files: Sequence[PackageFile], *, everything: bool) -> None:
    from gitml.output import Column, size

    if not files:
        return
    shown = files if everything or not screen.terminal else files[:MOST]
    heads = ["FILE", "SIZE", "KEPT IN", "DIGEST"]
    columns = [
        Column(
            head if screen.terminal else head.lower(), right=head == "SIZE", rank=rank, widest=60
        )
        for head, rank in zip(heads, (0, 0, 2, 1), strict=True)
    ]
    rows = [
        [
            file.path,
            size(file.size) if screen.terminal else str(file.size),
            {"tag": "the tag", "git": "git", "lfs": "lfs"}[file.store]
            if screen.terminal
            else file.store,
            screen.digest(file.sha256),
        ]
        for file in shown
    ]
    screen.line()
    screen.table(columns, rows)
    if len(files) > len(shown):
        left = f"{len(files) - len(shown):,}"
        screen.line(f"  … and {left} more files: --all shows them", style="dim")
