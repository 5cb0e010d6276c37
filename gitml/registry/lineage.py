"""Lineage, both ways: input data -> run -> version -> stage.

A run that used what another run made is joined to it by the digest: an input's
is an artifact's SHA-256, or that of a version's package. Only digests count;
names and paths say nothing of what was in a file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from gitml.model import iso
from gitml.names import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gitml.model import Dataset, Run
    from gitml.query.index import Index
    from gitml.registry.values import Model, ModelVersion, Version

Kind: TypeAlias = Literal["data", "run", "version", "stage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A piece of data, a run, a version or a stage."""

    key: str
    """``data:sha256:…``, ``run:<id>``, ``version:churn@v1.2.0``, ``stage:churn#production``."""
    kind: Kind
    """What it is."""
    label: str
    """How people call it."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What else is known of it: digest, experiment, created, by …"""


class Edge(NamedTuple):
    """What came from what: from the earlier node to the later."""

    source: str
    target: str
    label: str
    """``used as training``, ``made model.pkl``, ``registered``, ``in stage``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Everything that a node was made from, and everything that was made from it."""

    focus: str
    """The key of the node that was asked for."""
    nodes: Mapping[str, Node]
    """Nodes by key, in the order in which they were reached."""
    edges: tuple[Edge, ...]
    """Each once, in a fixed order."""

    def before(self, key: str) -> list[Edge]:
        """Return the edges that end at a node."""
        return [edge for edge in self.edges if edge.target == key]

    def after(self, key: str) -> list[Edge]:
        """Return the edges that start at a node."""
        return [edge for edge in self.edges if edge.source == key]


_ELSEWHERE = "not in this repository"


class _Used(NamedTuple):
    run: str
    name: str
    context: str | None
    uri: str | None


class _Made(NamedTuple):
    run: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of runs."""

    runs: Mapping[str, Node]
    """Every run by its id."""
    inputs: Iterable[tuple[str, str, str | None, str | None, str | None]]
    """What runs used: run, name, digest, context and uri."""
    artifacts: Iterable[tuple[str, str, str]]
    """What runs left and some run used: run, path and SHA-256 in hex."""
    removed: Callable[[str], Run | None]
    """Returns a run that is none of these because somebody removed it."""


def known_to(index: Index) -> Known:
    """Return what the index knows, by three queries."""
    runs = {}
    _, rows = index.sql("SELECT id, name, experiment, status, created FROM runs")
    for run_id, name, experiment, status, created in rows:
        facts = {"id": run_id, "experiment": experiment, "status": status, "created": created}
        runs[run_id] = Node(key=f"run:{run_id}", kind="run", label=name, facts=facts)
    _, inputs = index.sql("SELECT run_id, name, digest, context, uri FROM inputs")
    # Of the many files that runs leave, those count that some run used.
    _, artifacts = index.sql(
        "SELECT run_id, path, sha256 FROM artifacts WHERE sha256 IS NOT NULL AND"
        " 'sha256:' || sha256 IN (SELECT digest FROM inputs)"
    )
    return Known(
        runs=runs,
        inputs=[tuple(row) for row in inputs],
        artifacts=[tuple(row) for row in artifacts],
        removed=lambda run_id: next(iter(index.load([run_id])), None),
    )


def known_of(runs: Iterable[Run]) -> Known:
    """Return what these runs say, as if there were no others."""
    listed = list(runs)
    inputs = [(r.id, i.name, i.digest, i.context, i.uri) for r in listed for i in r.inputs]
    used = {row[2] for row in inputs}
    return Known(
        runs={run.id: _run_node(run) for run in listed},
        inputs=inputs,
        artifacts=[
            (run.id, path, made.sha256)
            for run in listed
            for path, made in run.artifacts.items()
            if made.sha256 and f"sha256:{made.sha256}" in used
        ],
        removed=lambda _: None,
    )


class Facts:
    """What runs and the registry tell, by digest, by run and by version."""

    def __init__(
        self, known: Known, models: Mapping[str, Model], load: Callable[[Version], ModelVersion]
    ) -> None:
        """Sort what is known; ``models`` are by slug, ``load`` reads a version's own facts."""
        self._load = load
        self._known = known
        self._runs: dict[str, Node] = {**known.runs}
        self.models = models
        self.used: dict[str, list[_Used]] = {}
        self.inputs: dict[str, list[tuple[str, _Used]]] = {}
        for run_id, name, digest, context, uri in known.inputs:
            self._add_input(digest, _Used(run_id, name, context, uri))
        self.made: dict[str, list[_Made]] = {}
        self.artifacts: dict[str, list[tuple[str, str]]] = {}
        own = {(used.run, digest) for digest, several in self.used.items() for used in several}
        for run_id, path, sha256 in known.artifacts:
            digest = f"sha256:{sha256}"
            if (run_id, digest) in own:  # it kept a copy of what it read, and did not make it
                continue
            self.made.setdefault(digest, []).append(_Made(run_id, path))
            self.artifacts.setdefault(run_id, []).append((digest, path))
        self.versions: dict[str, tuple[Model, Version]] = {}
        self.of_run: dict[str, list[Version]] = {}
        self.of_digest: dict[str, list[Version]] = {}
        for model in self.models.values():
            for version in model.versions:
                self.versions[version.title] = model, version
                if version.run:
                    self.of_run.setdefault(version.run, []).append(version)
                    self._frozen(version)
                if version.digest:
                    self.of_digest.setdefault(version.digest, []).append(version)

    def _add_input(self, digest: str | None, used: _Used) -> None:
        key = digest or f"{used.name}\0{used.run}"  # without a digest no two are known to be one
        self.used.setdefault(key, []).append(used)
        self.inputs.setdefault(used.run, []).append((key, used))

    def _frozen(self, version: Version) -> None:
        """Take inputs of a run that was removed, or is not here, from where they still are."""
        run_id = version.run or ""
        if run_id in self._runs or run_id in self.inputs:
            return
        inputs: Iterable[Dataset]
        if (removed := self._known.removed(run_id)) is not None:
            self._runs[run_id] = _run_node(removed)
            inputs = removed.inputs
        else:
            frozen = self._load(version)
            inputs = frozen.inputs
            if frozen.run is not None:
                facts = {"id": run_id, "experiment": frozen.run.experiment, "state": _ELSEWHERE}
                self._runs[run_id] = Node(
                    key=f"run:{run_id}", kind="run", label=frozen.run.name, facts=facts
                )
        for item in inputs:
            self._add_input(item.digest, _Used(run_id, item.name, item.context, item.uri))

    def data(self, digest: str) -> Node:
        """Return the node of a piece of data."""
        used = self.used.get(digest, [])
        made = self.made.get(digest, [])
        known = digest.startswith("sha256:")
        label = used[0].name if used else made[0].path if made else digest
        facts = {"digest": digest} if known else {}
        if used and used[0].uri:
            facts["uri"] = used[0].uri
        return Node(key=f"data:{digest}", kind="data", label=label, facts=facts)

    def node(self, key: str) -> Node:
        """Return the node of a key."""
        kind, _, rest = key.partition(":")
        if kind == "data":
            return self.data(rest)
        if kind == "run":
            return self.run_node(rest)
        if kind == "version":
            return _version_node(*self.versions[rest])
        slug, _, stage = rest.partition("#")
        held = self.models[slug].stages[stage]
        facts = {"version": held.version, "since": iso(held.at), "by": held.by}
        return Node(key=key, kind="stage", label=f"{self.models[slug].name}#{stage}", facts=facts)

    def run_node(self, run_id: str) -> Node:
        """Return the node of a run, also of one that is not here."""
        if run_id not in self._runs:
            facts = {"id": run_id, "state": _ELSEWHERE}
            return Node(key=f"run:{run_id}", kind="run", label=run_id[:12], facts=facts)
        return self._runs[run_id]

    def parents(self, key: str) -> Iterator[Edge]:
        """Yield the edges that end at a node."""
        kind, _, rest = key.partition(":")
        if kind == "stage":
            slug, _, stage = rest.partition("#")
            held = self.models[slug].stages[stage]
            yield Edge(f"version:{slug}@{held.version}", key, "in stage")
        elif kind == "version":
            _, version = self.versions[rest]
            if version.run:
                yield Edge(f"run:{version.run}", key, "registered")
        elif kind == "run":
            for digest, used in self.inputs.get(rest, []):
                packages = [f"version:{v.title}" for v in self.of_digest.get(digest, [])]
                for source in packages or [f"data:{digest}"]:
                    yield Edge(source, key, _use(used))
        else:
            for made in self.made.get(rest, []):
                yield Edge(f"run:{made.run}", key, f"made {made.path}")

    def children(self, key: str) -> Iterator[Edge]:
        """Yield the edges that start at a node."""
        kind, _, rest = key.partition(":")
        if kind == "data":
            for used in self.used.get(rest, []):
                yield Edge(key, f"run:{used.run}", _use(used))
        elif kind == "run":
            for version in self.of_run.get(rest, []):
                yield Edge(key, f"version:{version.title}", "registered")
            for digest, path in self.artifacts.get(rest, []):
                if digest not in self.of_digest:
                    yield Edge(key, f"data:{digest}", f"made {path}")
        elif kind == "version":
            yield from self._from_version(key, *self.versions[rest])

    def _from_version(self, key: str, model: Model, version: Version) -> Iterator[Edge]:
        for stage, held in model.stages.items():
            if held.version == version.name:
                yield Edge(key, f"stage:{model.slug}#{stage}", "in stage")
        for used in self.used.get(version.digest or "", []):
            yield Edge(key, f"run:{used.run}", _use(used))


def _run_node(run: Run) -> Node:
    facts = {"id": run.id, "experiment": run.experiment, "status": run.status}
    facts["created"] = iso(run.created)
    if run.deleted:
        facts["state"] = "removed"
    return Node(key=f"run:{run.id}", kind="run", label=run.name, facts=facts)


def _use(used: _Used) -> str:
    return f"used as {used.context}" if used.context else "used"


def _version_node(model: Model, version: Version) -> Node:
    facts = {"registered": iso(version.at), "by": version.by}
    if version.digest:
        facts["digest"] = version.digest
    if version.deprecated is not None:
        facts["state"] = "deprecated"
    if version.deleted:
        facts["state"] = "deleted"
    if not version.published:
        facts["state"] = "not published"
    return Node(
        key=f"version:{version.title}",
        kind="version",
        label=f"{model.name}@{version.name}",
        facts=facts,
    )


def lineage(facts: Facts, focus: str) -> Graph:
    """Return everything before and after the node with the key ``focus``.

    What else was made from a thing's inputs does not belong to it: before the
    focus edges are followed up only, after it down only.
    """
    edges = {
        **_follow(focus, facts.parents, lambda edge: edge.source),
        **_follow(focus, facts.children, lambda edge: edge.target),
    }
    keys = dict.fromkeys([focus, *(key for edge in edges for key in edge[:2])])
    nodes = {key: facts.node(key) for key in keys}
    return Graph(focus=focus, nodes=nodes, edges=tuple(edges))


def _follow(
    start: str, step: Callable[[str], Iterable[Edge]], far: Callable[[Edge], str]
) -> dict[Edge, None]:
    found: dict[Edge, None] = {}
    seen = {start}
    waiting = [start]
    while waiting:
        at = waiting.pop(0)
        for edge in step(at):
            found[edge] = None
            if far(edge) not in seen:
                seen.add(far(edge))
                waiting.append(far(edge))
    return found


def mermaid(graph: Graph) -> str:
    """Return the graph as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html)."""
    names = {key: f"n{number}" for number, key in enumerate(graph.nodes)}
    shapes = {
        "data": ("[(", ")]"),
        "run": ("([", "])"),
        "version": ("[", "]"),
        "stage": ("{{", "}}"),
    }
    lines = ["flowchart LR"]
    for key, node in graph.nodes.items():
        start, end = shapes[node.kind]
        lines.append(f'  {names[key]}{start}"{_entities(node.label)}"{end}')
    lines += [
        f'  {names[e.source]} -->|"{_entities(e.label)}"| {names[e.target]}' for e in graph.edges
    ]
    lines.append(f"  style {names[graph.focus]} stroke-width:3px")
    return "\n".join(lines) + "\n"


def _entities(text: str) -> str:
    """Return text as Mermaid shows it unread: what could be markup as numeric entities."""
    shown = visible(text, 120)
    return "".join(c if c.isalnum() or c in " ._-/:,+=" else f"#{ord(c)};" for c in shown)


def dot(graph: Graph) -> str:
    """Return the graph in Graphviz's language (https://graphviz.org/doc/info/lang.html)."""
    shapes = {"data": "cylinder", "run": "ellipse", "version": "box", "stage": "hexagon"}
    lines = ["digraph lineage {", "  rankdir=LR;"]
    for key, node in graph.nodes.items():
        width = ", penwidth=3" if key == graph.focus else ""
        lines.append(
            f"  {_quoted(key)} [label={_quoted(node.label)}, shape={shapes[node.kind]}{width}];"
        )
    lines += [
        f"  {_quoted(e.source)} -> {_quoted(e.target)} [label={_quoted(e.label)}];"
        for e in graph.edges
    ]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    shown = visible(text.replace("\0", " of run "), 200).replace("\\", "\\\\")
    return '"' + shown.replace('"', '\\"') + '"'
