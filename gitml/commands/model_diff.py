"""``gitml model diff``: what is different between versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands import comparing
from gitml.commands.completing import complete_references
from gitml.commands.options import command, json_option
from gitml.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.commands.options import Session
    from gitml.model import Json
    from gitml.output import Screen
    from gitml.registry.values import ModelVersion


@command(
    name="diff",
    examples=[
        "gitml model diff churn#production churn@latest",
        "gitml model diff churn@v1.1.0 churn@v1.2.0 --patch | less -R",
    ],
    exits=[3, 5, 6, 8],
)
@click.argument(
    "refs",
    nargs=-1,
    required=True,
    metavar="VERSION VERSION...",
    shell_complete=complete_references,
)
@click.option("--all", "everything", is_flag=True, help="What is the same, too.")
@click.option("--patch", is_flag=True, help="Only the source: the text of what changed.")
@json_option
def model_diff(
    session: Session, *, refs: tuple[str, ...], everything: bool, patch: bool, as_json: bool
) -> None:
    """Compare versions: metrics, params, data, signature, files, packages and source.

    The others are compared with the first. A version is churn@v1.2.0, churn@3,
    churn@latest or churn#production.
    """
    from gitml.query.compare import compare
    from gitml.registry.references import resolve
    from gitml.registry.showing import as_run
    from gitml.registry.state import read_registry
    from gitml.registry.versionfile import load_version

    if len(refs) < comparing.PAIR:
        raise UsageError(
            "It takes two versions to compare.", hint="gitml model diff VERSION VERSION"
        )
    store, screen = session.store(), session.screen
    registry = read_registry(store)
    pairs = [resolve(registry, ref) for ref in refs]
    whole = [load_version(store, version) for _, version in pairs]
    runs = [
        as_run(each, name=f"{model.name}@{version.name}")
        for each, (model, version) in zip(whole, pairs, strict=True)
    ]
    if patch:
        comparing.bring_trees(session, store, runs)
    trees = comparing.trees_of(store, runs)
    if patch and not as_json:
        comparing.patch(session, store, trees)
        return
    compared = compare(runs, [each.packages for each in whole])
    if as_json:
        screen.json(
            versions=[
                {"model": m.name, "version": v.name, "digest": v.digest, "run": v.run}
                for m, v in pairs
            ],
            **comparing.document(store, compared, trees, everything=everything, text=patch),
            signature=[_signature_json(whole[0], each) for each in whole[1:]],
            files=[_files_json(whole[0], each) for each in whole[1:]],
        )
        return
    comparing.draw(screen, runs, compared, everything=everything)
    for run, each in zip(runs[1:], whole[1:], strict=True):
        name = f" of {run.name}" if len(runs) > comparing.PAIR else ""
        _lines(screen, f"SIGNATURE{name}", _signature(whole[0], each))
        _lines(screen, f"FILES{name}", _files(screen, whole[0], each))
    comparing.stat(screen, store, trees, everything=everything, command="gitml model diff")


def _lines(screen: Screen, title: str, lines: Sequence[str]) -> None:
    if screen.terminal:
        comparing.fact_lines(screen, title, lines)
    else:
        for line in lines:
            screen.line(f"{title.lower()}  {line}")


def _signature(before: ModelVersion, after: ModelVersion) -> list[str]:
    from gitml.registry.signature import differences

    if not before.signature or not after.signature:
        if before.signature == after.signature:
            return ["neither has one"]
        return [f"{(after if before.signature else before).name} has none"]
    found = differences(before.signature, after.signature)
    return [f"{d.sentence}{'  (breaks callers)' if d.breaks else ''}" for d in found] or ["same"]


def _signature_json(before: ModelVersion, after: ModelVersion) -> list[dict[str, Json]]:
    from gitml.registry.signature import differences

    return [
        {
            "part": d.part,
            "name": d.name,
            "what": d.what,
            "before": d.before or None,
            "after": d.after or None,
            "breaks": d.breaks,
        }
        for d in differences(before.signature, after.signature)
    ]


def _files(screen: Screen, before: ModelVersion, after: ModelVersion) -> list[str]:
    from gitml.output import size
    from gitml.registry.showing import file_changes

    def shown(count: int) -> str:
        return size(count) if screen.terminal else str(count)

    lines = []
    for path, (was, now) in file_changes(before.files, after.files).items():
        if was is None and now is not None:
            lines.append(f"{path}  added, {shown(now.size)}")
        elif now is None and was is not None:
            lines.append(f"{path}  removed, {shown(was.size)}")
        elif was is not None and now is not None and was.size == now.size:
            lines.append(f"{path}  {shown(now.size)}, other content")
        elif was is not None and now is not None:
            lines.append(f"{path}  {shown(was.size)} → {shown(now.size)}")
    return lines or ["same"]


def _files_json(before: ModelVersion, after: ModelVersion) -> list[dict[str, Json]]:
    from gitml.registry.showing import file_changes

    return [
        {
            "path": path,
            "before": was and {"size": was.size, "sha256": was.sha256},
            "after": now and {"size": now.size, "sha256": now.sha256},
        }
        for path, (was, now) in file_changes(before.files, after.files).items()
    ]
