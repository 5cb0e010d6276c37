"""From data to run to version to stage: a drawing for each model, and the same as a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitml.names import plural
from gitml.registry.lineage import Facts, Node, known_of
from gitml.site import layout, urls
from gitml.site.facts import moment
from gitml.site.happened import Teller, stage_of
from gitml.site.model_pages import Lineage
from gitml.site.model_parts import Box, Drawing, LineageRow, ModelLineage
from gitml.site.parts import Link
from gitml.site.plan import Output
from gitml.words import cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitml.registry.lineage import Edge
    from gitml.registry.values import ModelVersion, Version
    from gitml.site.plan import Site
    from gitml.site.registered import ShownModel, ShownVersion

NEWEST = 6
"""Versions that are drawn, besides those in a stage."""
_INPUTS = 6
"""Inputs of a run that are drawn one by one."""
_OPEN = 6
"""Models whose drawings are unfolded at first."""
_BOXES = 90
"""Boxes of a drawing, beyond which nothing more is followed back."""
_LISTED = 20
_HEADS = {"data": "Data", "run": "Run", "version": "Version", "stage": "Stage"}


def outputs(site: Site) -> Iterator[Output]:
    """Yield the page; nothing without a version."""
    if site.gathered.registered.drawable:
        yield Output(address=urls.LINEAGE, make=lambda: site.page("lineage", lineage(site)))


def _drawable(shown: ShownModel) -> list[ShownVersion]:
    return [each for each in shown.living if each.whole is not None]


def lineage(site: Site) -> Lineage:
    """Return the context of the page."""
    listed = [shown for shown in site.gathered.registered.living if _drawable(shown)]
    wholes = {each.version.title: each.whole for shown in listed for each in _drawable(shown)}

    def load(version: Version) -> ModelVersion:
        found = wholes[version.title]
        assert found is not None
        return found

    models = {
        shown.model.slug: replace(
            shown.model, versions=tuple(each.version for each in _drawable(shown))
        )
        for shown in listed
    }
    facts = Facts(known_of(site.gathered.runs), models, load)
    drawer = _Drawer(site, facts)
    return Lineage(
        frame=site.frames.frame(urls.LINEAGE, "Lineage"),
        models=tuple(drawer.model(shown, nth < _OPEN) for nth, shown in enumerate(listed)),
    )


class _Drawer:
    """Draws one model after the other, of the same facts."""

    def __init__(self, site: Site, facts: Facts) -> None:
        self._facts = facts
        self._gathered = site.gathered
        self._teller = Teller(gathered=site.gathered, root="")
        self._versions = {
            each.version.title: each
            for shown in site.gathered.registered.living
            for each in shown.versions
        }

    def model(self, shown: ShownModel, is_open: bool) -> ModelLineage:
        """Return the lineage of a model: the newest versions and those in a stage first."""
        versions = _drawable(shown)
        first = [v for n, v in enumerate(versions) if n < NEWEST or v.stages]
        rest = [v for v in versions if v not in first]
        return ModelLineage(
            anchor=shown.key,
            model=self._teller.model(shown),
            drawing=self._draw(shown, first),
            rows=tuple(self._row(shown, each) for each in first),
            folded=tuple(self._row(shown, each) for each in rest),
            open=is_open,
        )

    def _row(self, shown: ShownModel, each: ShownVersion) -> LineageRow:
        return LineageRow(
            version=self._teller.version(shown, each.name),
            run=self._teller.run(each),
            data=tuple(self._sources(each)),
            stages=tuple(map(stage_of, each.stages)),
        )

    def _sources(self, each: ShownVersion) -> Iterator[Link]:
        edges = list(self._facts.parents(f"run:{each.version.run}")) if each.version.run else []
        for edge in edges[:_LISTED]:
            node = self._facts.node(edge.source)
            digest = node.facts.get("digest", "").removeprefix("sha256:")[:12]
            text = f"{node.label} {digest}" if digest and node.kind == "data" else node.label
            yield Link(text=text, href=self._page(node))
        if len(edges) > _LISTED:
            yield Link(text=f"and {len(edges) - _LISTED:,} more")

    def _draw(self, shown: ShownModel, versions: Sequence[ShownVersion]) -> Drawing:
        slug = shown.model.slug
        titles = [f"version:{each.version.title}" for each in versions]
        stages = [f"stage:{slug}#{stage}" for each in versions for stage in each.stages]
        nodes = dict.fromkeys([*stages, *titles])
        edges: dict[tuple[str, str], None] = {}
        more: dict[str, int] = {}
        waiting = [*stages, *titles]
        while waiting and len(nodes) < _BOXES:
            key = waiting.pop(0)
            before = list(self._facts.parents(key))
            for edge in self._drawn(before):
                edges[edge.source, edge.target] = None
                if edge.source not in nodes:
                    nodes[edge.source] = None
                    waiting.append(edge.source)
            if len(before) > _INPUTS + 1:
                rest = f"more:{key}"
                more[rest] = len(before) - _INPUTS
                nodes[rest], edges[rest, key] = None, None
        joined = [pair for pair in edges if pair[0] != pair[1]]
        layers = layout.layers_of(joined, dict.fromkeys(titles, 1 if stages else 0))
        at = layout.places(layers, joined, list(nodes))
        found = {key: self._node(key, more) for key in nodes}
        width, _ = layout.room(1 + max(layers.values()))
        boxes = [self._box(found[key], *at[key], width) for key in nodes]
        return _drawing(shown, at, found, boxes, joined)

    @staticmethod
    def _drawn(before: Sequence[Edge]) -> Sequence[Edge]:
        return before if len(before) <= _INPUTS + 1 else before[:_INPUTS]

    def _node(self, key: str, more: dict[str, int]) -> Node:
        if key in more:
            return Node(key=key, kind="data", label=f"{more[key]:,} more inputs")
        return self._facts.node(key)

    def _box(self, node: Node, x: int, y: int, width: int) -> Box:
        facts, label, tone = node.facts, node.label, ""
        small = facts.get("digest", "").removeprefix("sha256:")[:12]
        if node.kind == "stage":
            label = node.key.partition("#")[2]
            tone = stage_of(label).tone or "other"
            small = f"since {facts['since'][:10]}"
        elif node.kind == "version":
            label = self._versions[node.key.partition(":")[2]].name
            small = facts.get("state") or facts["registered"][:10]
        elif node.kind == "run":
            small = facts.get("experiment", "")
            label = self._run_name(node)
        return Box(
            x=x,
            y=y,
            width=width,
            kind=node.kind,
            tone=tone,
            label=_ends(label, (width - 24) // 8),
            small=cut(small, (width - 24) // 7),
            full=node.label if node.kind != "run" else label,
            href=self._page(node),
        )

    def _run_name(self, node: Node) -> str:
        """Return the name of a run, also of one that the site does not show."""
        run_id = node.key.partition(":")[2]
        for version in self._facts.of_run.get(run_id, ()):
            whole = self._versions[version.title].whole
            if run_id not in self._gathered.keys and whole is not None and whole.run is not None:
                return whole.run.name or node.label
        return node.label

    def _page(self, node: Node) -> str | None:
        """Return the page of a node; of a stage that of the version it holds."""
        kind, _, rest = node.key.partition(":")
        if kind == "run":
            key = self._gathered.keys.get(rest)
            return urls.run_page(key) if key else None
        if kind == "stage":
            slug, _, stage = rest.partition("#")
            rest = f"{slug}@{self._facts.models[slug].stages[stage].version}"
        found = self._versions.get(rest)
        return None if found is None else found.page


def _drawing(
    shown: ShownModel,
    at: dict[str, tuple[int, int]],
    nodes: dict[str, Node],
    boxes: Sequence[Box],
    edges: Sequence[tuple[str, str]],
) -> Drawing:
    kinds: dict[int, dict[str, None]] = {}
    for key, (x, _) in at.items():
        kinds.setdefault(x, {})[_HEADS[nodes[key].kind]] = None
    counts = [sum(node.kind == kind for node in nodes.values()) for kind in _HEADS]
    words = [plural(n, *names) for n, names in zip(counts, _WORDS, strict=True) if n]
    newest = max((moment(event.at).text for event in shown.model.events), default="")
    wide = boxes[0].width
    return Drawing(
        width=max(x for x, _ in at.values()) + wide,
        height=max(y for _, y in at.values()) + layout.HEIGHT + 2,
        heads=tuple((x, " / ".join(found)) for x, found in sorted(kinds.items())),
        boxes=tuple(boxes),
        paths=tuple(_path(at[source], at[target], wide) for source, target in edges),
        said=f"Lineage of {shown.model.name}: {', '.join(words)}"
        + (f", as of {newest}." if newest else "."),
    )


_WORDS = (("piece of data", "pieces of data"), ("run",), ("version",), ("stage",))


def _ends(text: str, most: int) -> str:
    """Return text with at most so many characters, without some of its middle: ends tell apart."""
    tail = most // 3
    return text if len(text) <= most else f"{text[: most - tail - 1]}…{text[-tail:]}"


def _path(source: tuple[int, int], target: tuple[int, int], width: int) -> str:
    """Return a curve from the right side of a box to the left side of another."""
    x, y = source[0] + width, source[1] + layout.HEIGHT // 2
    to_x, to_y = target[0], target[1] + layout.HEIGHT // 2
    middle = (x + to_x) // 2
    return f"M{x} {y}C{middle} {y} {middle} {to_y} {to_x} {to_y}"
