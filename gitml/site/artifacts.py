"""Files of a run on its page: pictures, texts, tables and figures shown, all others listed.

Nothing that a file holds is trusted: pictures are told by their first bytes, an SVG
that could do anything is not copied, and figures keep what a chart needs.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitml.errors import GitmlError
from gitml.names import plural
from gitml.reproduce.artifacts import Contents, is_here
from gitml.site import redact, urls
from gitml.site.cards import card_of
from gitml.site.facts import is_markdown
from gitml.site.parts import File
from gitml.store.artifacts import INLINE_MOST, check_blob, here
from gitml.store.state import stored_paths
from gitml.words import size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitml.model import Artifact, Json, Run
    from gitml.store.git import Repository

LISTED, PREVIEWS = 200, 48
"""Files of a run that are listed, and shown."""
_LARGEST = 2 * 1024 * 1024
"""Bytes up to which a file is looked into."""
_BEGINNING = 64 * 1024
"""Bytes of a larger one that are."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONG = frozenset("csv tsv jsonl log txt".split())
"""Endings of files whose beginning says something alone."""
_LINES, _CHARACTERS = 200, 20_000
_ROWS, _COLUMNS, _CELL = 20, 12, 80
_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
)
_TEXTS = frozenset(
    "txt log md markdown rst yaml yml toml ini cfg conf py sh sql r jl "
    "json jsonl csv tsv dot".split()
)
_ACTIVE = re.compile(
    rb"<script|\son\w+\s*=|javascript:|<foreignobject|<!entity|<iframe|<embed|<object|<use[^>]+http",
    re.IGNORECASE,
)
_TRACES = frozenset(
    "scatter bar histogram histogram2d histogram2dcontour heatmap box violin pie contour "
    "waterfall funnel sunburst treemap icicle sankey indicator table scatterpolar barpolar".split()
)
"""Kinds of traces that plotly.js draws without WebGL and without asking a server."""
_LAYOUT_LEFT_OUT = frozenset(
    ["images", "mapbox", "map", "geo", "scene", "width", "height", "template"]
)


@dataclass(slots=True)
class Shown:
    """What a page has of a run's files."""

    files: list[File] = field(default_factory=list)
    """For the page."""
    figures: list[Json] = field(default_factory=list)
    """For the script that draws them."""
    copies: dict[str, bytes] = field(default_factory=dict)
    """Pictures by the address they get."""


def show(store: Repository, run: Run, key: str, tree: str, *, hide: bool) -> Shown:
    """Return what a page has of a run's files; ``tree`` is the run's tree if it has one only.

    With ``hide`` texts are without addresses, home folders and credentials; pictures stay.
    """
    shown = Shown()
    listed = sorted(run.artifacts.values(), key=lambda a: a.path)[:LISTED]
    wanted = [a for a in listed if _may_be_shown(a)][:PREVIEWS]
    contents = _contents(store, run, wanted, tree)
    for nth, each in enumerate(listed):
        data = contents.get(each.path)
        shown.files.append(_file(shown, each, data, key, nth, hide=hide))
    for nth in [n for n, each in enumerate(listed) if _is_long(each)][: PREVIEWS - len(wanted)]:
        shown.files[nth] = _begun(store, listed[nth], shown.files[nth], hide=hide)
    return shown


def large_ones(store: Repository, run: Run) -> str:
    """Return which of a run's large texts are here, as text: pages have their beginnings."""
    large = (each for each in run.artifacts.values() if _is_long(each))
    return " ".join(sorted(each.path for each in large if is_here(store, each)))


def large_texts(store: Repository, found: Iterable[tuple[str, str]]) -> str:
    """Return which contents of large files are texts that are here, as text."""
    wanted = {sha for path, sha in found if _ending(path) in _LONG and _SHA256.fullmatch(sha or "")}
    return " ".join(sorted(each for each in wanted if here(store, each) is not None))


def _is_long(artifact: Artifact) -> bool:
    return artifact.store == "lfs" and _ending(artifact.path) in _LONG


def _ending(path: str) -> str:
    return path.rpartition(".")[2].lower()


def _begun(store: Repository, artifact: Artifact, plain: File, *, hide: bool) -> File:
    """Return a large text with its beginning, where it is on this machine."""
    if not is_here(store, artifact) or (place := here(store, artifact.sha256 or "")) is None:
        return plain
    try:
        with place.open("rb") as reader:
            lines, _, _ = reader.read(_BEGINNING).rpartition(b"\n")
        text = lines.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return plain
    text = redact.text(text) if hide else text
    ending = artifact.path.rpartition(".")[2].lower()
    shown = _readable(Shown(), plain, text, ending, hide=hide)
    what = plural(len(shown.rows), "row") if shown.rows else plural(_count(shown.body), "line")
    columns = ", ".join(part for part in shown.cut.split(", ") if part.endswith(" columns"))
    return replace(
        shown, cut=", ".join(filter(None, [f"the first {what} of {plain.size}", columns]))
    )


def _count(text: str) -> int:
    return len(text.splitlines())


def _may_be_shown(artifact: Artifact) -> bool:
    kind = artifact.path.rpartition(".")[2].lower()
    known = kind in _TEXTS or kind in {"png", "jpg", "jpeg", "gif", "webp", "svg"}
    return known and artifact.store == "git" and 0 < (artifact.size or 0) <= _LARGEST


def _contents(
    store: Repository, run: Run, wanted: Iterable[Artifact], tree: str
) -> Mapping[str, bytes]:
    """Return the bytes of files by path; those that cannot be read are not among them."""
    artifacts = list(wanted)
    found: dict[str, bytes] = {}
    if not artifacts:
        return found
    if len(tree) == store.oid_width:
        places = stored_paths(run.artifacts)
        asked = [f"{tree}:artifacts/{places[a.path]}" for a in artifacts]
        try:
            objects = list(store.objects().many(asked, limit=INLINE_MOST))
            for artifact, blob in zip(artifacts, objects, strict=True):
                if blob is not None and blob.kind == "blob":
                    found[artifact.path] = check_blob(artifact, blob.data) or b""
        except GitmlError:
            return found
        return found
    try:
        contents = Contents(store, run, artifacts)
        for artifact in artifacts:
            found[artifact.path] = b"".join(contents.read(artifact))
    except GitmlError:
        return found
    return found


def _file(
    shown: Shown, artifact: Artifact, data: bytes | None, key: str, nth: int, *, hide: bool
) -> File:
    uri = artifact.uri or ""
    on_web = uri.startswith(("https://", "http://"))
    plain = File(
        path=artifact.path,
        size="" if artifact.size is None else size(artifact.size),
        digest=(artifact.sha256 or "")[:12] or ("unverified" if uri else ""),
        href=uri if on_web else None,
        address="" if on_web else uri,
        shown="",
    )
    kind = picture(data or b"")
    if data and kind:
        address = urls.artifact(key, nth, f"{artifact.path.rpartition('.')[0]}.{kind}")
        shown.copies[address] = data
        # An SVG is not linked: as a page of its own it would be free to do more than be seen.
        href = None if kind == "svg" else f"../{address}"
        return replace(plain, href=href, shown="image", body=f"../{address}")
    ending = artifact.path.rpartition(".")[2].lower()
    if not data or ending not in _TEXTS:
        return plain
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return plain
    return _readable(shown, plain, redact.text(text) if hide else text, ending, hide=hide)


def _readable(shown: Shown, plain: File, text: str, ending: str, *, hide: bool) -> File:
    """Return a text as it reads best, by the ending of its path."""
    if ending == "json":
        return _json(shown, plain, text, hide=hide)
    if ending in {"csv", "tsv"}:
        return _table(plain, text, "\t" if ending == "tsv" else ",")
    if ending in {"md", "markdown"} and is_markdown(text):
        return replace(plain, shown="markdown", body=card_of(plain.path, text).text)
    return _text(plain, text)


def picture(data: bytes) -> str:
    """Return what kind of picture bytes are, by what they begin with; nothing for none."""
    for head, kind in _PICTURES:
        if data.startswith(head):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<svg", b"<?xml", b"<!doctype svg")) and b"<svg" in start:
        return "" if _ACTIVE.search(data) else "svg"
    return ""


def _text(plain: File, text: str) -> File:
    body = "\n".join(text.splitlines()[:_LINES])[:_CHARACTERS]
    left = len(text.splitlines()) - len(body.splitlines())
    cut = f"{left:,} more lines" if left > 0 else "cut" if len(body) < len(text.rstrip()) else ""
    return replace(plain, shown="text", body=body, cut=cut)


def _json(shown: Shown, plain: File, text: str, *, hide: bool) -> File:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return _text(plain, text)
    drawn = figure(document)
    if drawn is not None:
        # In JSON a path of Windows is spelled with two backslashes each.
        shown.figures.append(redact.value(drawn) if hide and "\\\\" in text else drawn)
        number = str(len(shown.figures) - 1)
        return replace(plain, shown="figure", body=number)
    if "\n" not in text.strip():
        text = json.dumps(document, indent=2, ensure_ascii=False)
    return _text(plain, text)


def figure(document: Json) -> Json | None:
    """Return a Plotly figure with what a chart needs, None for what is not one."""
    if not isinstance(document, dict) or not isinstance(document.get("data"), list):
        return None
    layout = document.get("layout", {})
    # WebGL is not for pages that forbid what it compiles; the same is drawn without it.
    drawn = {"scattergl": "scatter", "heatmapgl": "heatmap"}
    traces = [
        {**t, "type": drawn[t["type"]]} if isinstance(t, dict) and t.get("type") in drawn else t
        for t in document["data"]
    ]
    known = all(isinstance(t, dict) and t.get("type", "scatter") in _TRACES for t in traces)
    if not isinstance(layout, dict) or not traces or not known:
        return None
    kept = {name: each for name, each in layout.items() if name not in _LAYOUT_LEFT_OUT}
    return {"data": traces, "layout": kept}


def _table(plain: File, text: str, separator: str) -> File:
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=separator))
    except csv.Error:
        rows = []
    if not rows or len(rows[0]) < 2:  # noqa: PLR2004 - one column reads best as text
        return _text(plain, text)
    head, *body = rows
    width = min(len(head), _COLUMNS)
    cells = [tuple(cell[:_CELL] for cell in [*row, *[""] * width][:width]) for row in body[:_ROWS]]
    cut = []
    if len(body) > _ROWS:
        cut.append(f"{len(body) - _ROWS:,} more rows")
    if len(head) > _COLUMNS:
        cut.append(f"{len(head) - _COLUMNS:,} more columns")
    return replace(
        plain,
        shown="table",
        head=tuple(name[:_CELL] for name in head[:width]),
        rows=tuple(cells),
        cut=", ".join(cut),
    )
