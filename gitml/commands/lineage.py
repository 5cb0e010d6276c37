"""``gitml lineage``: what something was made from, and what was made from it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_references
from gitml.commands.options import command, json_option, one_format
from gitml.errors import NotFoundError, RepositoryError
from gitml.names import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitml.commands.options import Session
    from gitml.output import Piece, Screen
    from gitml.query.index import Index
    from gitml.registry.lineage import Edge, Facts, Graph, Node
    from gitml.registry.state import Registry

MOST = 10
"""Branches drawn below one line without ``--all``."""
_STYLES = {"data": "", "run": "act", "version": "head", "stage": "good"}


@command(
    examples=[
        "gitml lineage churn@v1.2.0",
        "gitml lineage data/train.csv --mermaid > lineage.mmd",
        "gitml lineage churn#production --json",
    ],
    exits=[3, 5, 6, 8],
)
@click.argument("ref", metavar="REF", shell_complete=complete_references)
@click.option(
    "--all", "everything", is_flag=True, help=f"More than {MOST} branches of a line, too."
)
@click.option("--mermaid", "as_mermaid", is_flag=True, help="Answer with a Mermaid flowchart.")
@click.option("--dot", "as_dot", is_flag=True, help="Answer in Graphviz's language.")
@json_option
def lineage(
    session: Session,
    *,
    ref: str,
    everything: bool,
    as_mermaid: bool,
    as_dot: bool,
    as_json: bool,
) -> None:
    """Show what something was made from, and what was made from it.

    REF is a version (churn@v1.2.0), a stage (churn#production), a model (its
    latest version), a RUN, a digest of data or its first digits, a file here, or
    the name or path of data that runs recorded: data -> run -> version -> stage,
    both ways. Runs that used what another run made are joined by digest.
    """
    from gitml.registry import lineage as lines
    from gitml.registry.state import read_registry
    from gitml.registry.versionfile import load_version

    chosen = one_format(as_mermaid=as_mermaid, as_dot=as_dot, as_json=as_json)
    store = session.store()
    registry = read_registry(store)
    with session.index() as index:
        known = lines.known_to(index)
        facts = lines.Facts(known, registry.models, lambda version: load_version(store, version))
        graph = lines.lineage(facts, _key(session, index, registry, facts, ref))
    if chosen == "json":
        session.screen.json(
            focus=graph.focus,
            nodes=[
                {"key": n.key, "kind": n.kind, "label": n.label, **n.facts}
                for n in graph.nodes.values()
            ],
            edges=[edge._asdict() for edge in graph.edges],
        )
    elif chosen is not None:
        session.screen.write(lines.mermaid(graph) if as_mermaid else lines.dot(graph))
    else:
        _draw(session.screen, graph, everything=everything)


def _key(session: Session, index: Index, registry: Registry, facts: Facts, ref: str) -> str:
    """Return the key of what REF means; raise `NotFoundError` or `InputError`."""
    from gitml.registry.naming import data_key, no_data
    from gitml.registry.references import resolve

    if "@" in ref or "#" in ref:
        model, version = resolve(registry, ref)
        if "#" in ref:
            return f"stage:{model.slug}#{ref.rpartition('#')[2]}"
        return f"version:{version.title}"
    if ref.startswith("sha256:"):
        found = data_key(facts, ref)
        if found is None:
            raise no_data(facts, ref)
        return found
    try:
        return f"run:{index.find(ref).id}"
    except NotFoundError as error:
        return _other(session, registry, facts, ref, error)


def _other(
    session: Session, registry: Registry, facts: Facts, ref: str, error: NotFoundError
) -> str:
    """Return the key of a model, a digest or a file; raise ``error`` if it is none of these."""
    from gitml.registry.naming import data_key, no_data, recorded_key
    from gitml.registry.references import resolve
    from gitml.tracking.inputs import describe_input

    names = {name for m in registry.models.values() for name in (m.slug, m.name, *m.aliases)}
    if ref in names:
        return f"version:{resolve(registry, f'{ref}@latest')[1].title}"
    if found := data_key(facts, ref):
        return found
    path = session.cwd() / ref
    called = [ref.removeprefix("./"), *_from_top(session, path)]
    if path.exists():
        digest = describe_input(path, root=None).digest or ""
        if found := data_key(facts, digest):
            return found
        raise no_data(facts, ref, called)
    if found := recorded_key(facts, called):
        return found
    near = error.hint if error.hint and "did you mean" in error.hint else None
    raise NotFoundError(
        f"Nothing is named {visible(ref, 80)}: no run, model, data or file.",
        hint=near
        or "gitml ls lists the runs, gitml models the models; "
        "gitml sql 'SELECT name, uri, digest FROM inputs' the data that runs used",
    )


def _from_top(session: Session, path: Path) -> list[str]:
    """Return how runs call a file of this work tree: from its top."""
    try:
        top = session.here().work_tree
    except RepositoryError:
        return []
    whole = Path(os.path.normpath(path))
    return [whole.relative_to(top).as_posix()] if top and whole.is_relative_to(top) else []


def _draw(screen: Screen, graph: Graph, *, everything: bool) -> None:
    focus = graph.nodes[graph.focus]
    screen.line("  " if screen.terminal else "", *_name(focus), *_remark(focus))
    sides: tuple[tuple[str, Callable[[str], list[Edge]], int], ...] = (
        ("MADE FROM", graph.before, 0),
        ("WENT INTO", graph.after, 1),
    )
    for title, step, end in sides:
        if not step(graph.focus):
            continue
        screen.title(title)
        _branches(screen, graph, step, end, graph.focus, "", {graph.focus}, everything=everything)


def _branches(
    screen: Screen,
    graph: Graph,
    step: Callable[[str], list[Edge]],
    end: int,
    key: str,
    indent: str,
    seen: set[str],
    *,
    everything: bool,
) -> None:
    """Draw what hangs on a node; what was drawn before is named again, not unfolded."""
    edges = step(key)
    shown = edges if everything or len(edges) <= MOST + 1 else edges[:MOST]
    start = "  " if screen.terminal else ""
    for nth, edge in enumerate(shown):
        last = nth == len(edges) - 1
        node = graph.nodes[edge[end]]
        pieces = [*_name(node), f"  {edge.label}", *_remark(node)]
        again = node.key in seen and bool(step(node.key))
        pieces += ["  (as above)"] if again else []
        screen.line(start, indent, "└─ " if last else "├─ ", *pieces)
        if not again:
            seen.add(node.key)
            deeper = indent + ("   " if last else "│  ")
            _branches(screen, graph, step, end, node.key, deeper, seen, everything=everything)
    if len(shown) < len(edges):
        rest = len(edges) - len(shown)
        screen.line(start, indent, f"└─ … and {rest:,} more: --all shows them")


def _name(node: Node) -> list[Piece]:
    from gitml.output import Cell

    words = {"data": "data ", "run": "run ", "version": "", "stage": ""}
    return [Cell(words[node.kind], "dim"), Cell(node.label, _STYLES[node.kind])]


def _remark(node: Node) -> list[Piece]:
    from gitml.output import Cell

    facts = node.facts
    texts = [facts[k] for k in ("experiment", "version", "state") if k in facts]
    if "digest" in facts:
        texts.append(facts["digest"].removeprefix("sha256:")[:7])
    if node.kind == "run":
        texts.append(facts["id"][:8])
    return [Cell("  " + " · ".join(texts), "dim")] if texts else []
