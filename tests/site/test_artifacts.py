"""Files of a run on its page: shown by what they are, never by what they say they are."""

from __future__ import annotations

import json

import pytest

import gitml
from gitml.site.artifacts import figure, picture

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40
SAFE = b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="3"/></svg>'
FIGURE = {
    "data": [{"type": "bar", "x": ["a"], "y": [1]}],
    "layout": {"title": {"text": "T"}, "images": [{"source": "https://evil.example/x.png"}]},
}
FILES = {
    "plots/roc.png": PNG,
    "shape.svg": SAFE,
    "evil.svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"></svg>',
    "page.html": b"<script>alert(1)</script>",
    "not-a-picture.png": b"<script>alert(1)</script>",
    "large.csv": b"id,who\n" + b"7,ada@example.com\n" * 70_000,
    "notes.md": b"---\nkind: report\n---\n# All **good**\n\n"
    b"Ask ada@example.com, see /home/ada/x. <i onclick=alert(1)>",
    "report.txt": b"line <one>\n" * 300,
    "table.csv": b"feature,weight\n" + b"".join(b"f%d,%d\n" % (n, n) for n in range(30)),
    "config.json": b'{"a":1}',
    "figure.json": json.dumps(FIGURE).encode(),
    "weights.bin": b"\x00\x01" * 50,
}


@pytest.fixture
def run(repo, tmp_path, monkeypatch):
    """Return a finished run that kept `FILES`."""
    monkeypatch.chdir(repo)
    with gitml.start_run(experiment="churn") as active:
        for name, data in FILES.items():
            file = tmp_path / "made" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            active.log_artifact(file, name)
    (found,) = gitml.search_runs()
    assert set(found.artifacts) == set(FILES)
    return found


@pytest.mark.parametrize("sealed", [False, True])
def test_files_are_shown_by_what_they_are(repo, make_site, invoke, run, sealed):
    if sealed:
        assert invoke("pack", cwd=repo).code == 0
        invoke("note", run.id, "and edited, so that there are two copies", cwd=repo)
    site = make_site(repo)
    page = site.text(f"runs/{run.id[:12]}.html")
    copies = {path.name: path.read_bytes() for path in (site.path / "files").rglob("*.*")}
    assert sorted(copies.values()) == sorted([PNG, SAFE])
    (png,) = (name for name in copies if name.endswith(".png"))
    (svg,) = (name for name in copies if name.endswith(".svg"))
    assert f'src="../files/{run.id[:12]}/{png}"' in page
    assert f'href="../files/{run.id[:12]}/{png}"' in page
    assert f'href="../files/{run.id[:12]}/{svg}"' not in page  # as a page it could do more
    assert "line &lt;one&gt;" in page
    assert "100 more lines" in page
    assert "10 more rows" in page
    assert "&#34;a&#34;: 1" in page
    assert "<h4>All <strong>good</strong></h4>" in page
    assert "Ask …@…, see ~/x." in page
    assert "ada@example.com" in make_site(repo, "open", redact=False).text(
        f"runs/{run.id[:12]}.html"
    )
    assert "alert(1)" not in page
    (drawn,) = site.data(f"data/runs/{run.id[:12]}.js")["figures"]
    assert drawn == {"data": FIGURE["data"], "layout": {"title": {"text": "T"}}}
    assert all(name in page for name in FILES)
    assert make_site(repo).done.written == ()
    assert "the first 20 rows of 1.26 MB" in page
    assert "<td>…@…</td>" in page
    for content in (repo / ".git").rglob(run.artifacts["large.csv"].sha256):
        content.unlink()
    page = make_site(repo).text(f"runs/{run.id[:12]}.html")
    assert "the first 20 rows" not in page
    assert "<code>large.csv</code>" in page


def test_copies_go_with_their_run(repo, make_site, invoke, run):
    site = make_site(repo)
    assert invoke("rm", run.id, cwd=repo).code == 0
    site = make_site(repo)
    assert not (site.path / "files").exists()
    assert sum(name.startswith("files/") for name in site.done.removed) == 2


@pytest.mark.parametrize(
    "data,kind",
    [
        (PNG, "png"),
        (b"\xff\xd8\xff\xe0", "jpg"),
        (b"GIF89a", "gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp"),
        (SAFE, "svg"),
        (b'<?xml version="1.0"?>\n' + SAFE, "svg"),
        (SAFE.replace(b"<circle", b"<SCRIPT/><circle"), ""),
        (SAFE.replace(b"<circle", b'<a href="javascript:x"/><circle'), ""),
        (SAFE.replace(b"<circle", b"<foreignObject/><circle"), ""),
        (b"RIFF\x00\x00\x00\x00WAVE", ""),
        (b"", ""),
    ],
)
def test_pictures_are_told_by_their_bytes(data, kind):
    assert picture(data) == kind


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"data": {}},
        {"data": []},
        {"data": ["x"]},
        {"data": [{"type": "scatter3d"}]},
        {"data": [{"type": "scattermapbox"}]},
        {"data": [{"type": "image", "source": "https://evil.example/x.png"}]},
        {"data": [{}], "layout": []},
    ],
)
def test_what_is_no_figure_is_not_drawn(document):
    assert figure(document) is None


def test_what_takes_webgl_is_drawn_without_it():
    assert figure({"data": [{"type": "scattergl", "x": [1]}]}) == {
        "data": [{"type": "scatter", "x": [1]}],
        "layout": {},
    }
