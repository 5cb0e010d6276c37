"""A run as one file: it asks for nothing else, and allows its own scripts alone."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest

import gitml
from gitml.model import Source
from tests.site.browsing import LOOKS, browse, invalid, needs_browser
from tests.support import START, make_runs, run_id_of

CURVE = [0.5, 0.7, 0.65, 0.8]
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def world(repo, tmp_path, monkeypatch):
    """Return a repository with a run that has all that a page can load, and one that is hostile."""
    monkeypatch.chdir(repo)
    (tmp_path / "plot.png").write_bytes(PICTURE)
    with gitml.start_run(experiment="churn", name="keen-fjord-8") as active:
        for step, value in enumerate(CURVE):
            active.log_metrics({"auc": value}, step=step)
        active.log_artifact(tmp_path / "plot.png", "plot.png")
    make_runs(
        repo,
        {
            "name": "</script><script>alert(1)</script><!--",
            "created": START,
            "note": "</style><script>alert(1)</script>",
            "params": {"__proto__": "</script>", "link": "javascript:alert(1)"},
            "metrics": {"<!--<script>": CURVE},
            "source": Source(
                commit="1" * 40,
                remote="https://git.example.com/team/churn.git",
                command=("python", "train.py", *["--some-option=and-its-value"] * 20),
            ),
        },
        {"name": "other-1", "parent": run_id_of("</script><script>alert(1)</script><!--")},
    )
    return repo


def single(invoke, repo, run, *words):
    answer = invoke("site", "build", "--single-file", run, *words, cwd=repo)
    assert answer.code == 0, answer.err
    return answer.out


def whole(page):
    """Return what of a page loads or leads out of it, and its scripts."""
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    rest = re.sub(r"<(script|style)>.*?</\1>", "", page, flags=re.DOTALL)
    leads = re.findall(r'(?:href|src|srcset|action)="([^"]*)"', rest)
    return leads, scripts, rest


@pytest.mark.parametrize(
    "run", ["keen-fjord-8", run_id_of("</script><script>alert(1)</script><!--")]
)
def test_it_loads_nothing_and_allows_its_own_scripts_alone(world, invoke, run):
    assert "holds the page of" in single(invoke, world, run, "-o", "one.html")
    page = (world / "one.html").read_text(encoding="utf-8")
    leads, scripts, rest = whole(page)
    assert [x for x in leads if not re.match(r"#|data:|https://git\.example\.com/", x)] == []
    assert len(scripts) > 5
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', rest)[1]
    allowed = re.search(r"script-src ([^;]+);", policy)[1].split()
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    assert allowed == [f"'sha256-{base64.b64encode(d).decode()}'" for d in digests]
    assert "connect-src" not in policy  # so it is none, as default-src
    assert policy.startswith("default-src 'none'; ")
    assert "<script" not in rest
    assert ('src="data:image/png;base64,' in rest) == (run == "keen-fjord-8")
    again = single(invoke, world, run, "-o", "one.html")
    assert again == "one.html is up to date.\n"


def test_where_it_goes(world, invoke):
    assert single(invoke, world, "keen-fjord-8").startswith("keen-fjord-8.html holds the page of")
    (world / "pages").mkdir()
    single(invoke, world, "keen-fjord-8", "-o", "pages")
    kept = (world / "pages" / "keen-fjord-8.html").read_bytes()
    assert kept == (world / "keen-fjord-8.html").read_bytes()
    (world / "thesis.html").write_text("<p>mine</p>")
    for words, code in (
        (["keen-fjord-8", "-o", "thesis.html"], 4),
        (["keen-fjord-8", "-o", "nowhere/page.html"], 10),
        (["no-such-run"], 3),
    ):
        assert invoke("site", "build", "--single-file", *words, cwd=world).code == code, words
    assert (world / "thesis.html").read_text() == "<p>mine</p>"
    call = ("site", "build", "--single-file", "other-1", "--json")
    checked = invoke(*call, "--check", cwd=world)
    assert (checked.code, json.loads(checked.out)["written"]) == (1, True)
    assert not (world / "other-1.html").exists()


@needs_browser
@pytest.mark.slow
def test_it_works_from_a_disk(world, invoke, tmp_path):
    folder = tmp_path / "alone"
    folder.mkdir()
    hostile = run_id_of("</script><script>alert(1)</script><!--")
    for name, run in (("one", "keen-fjord-8"), ("two", hostile)):
        single(invoke, world, run, "-o", folder / f"{name}.html")
    wrong, drawn = browse(
        folder,
        ["one.html", f"two.html#with={'a' * 12}&sm=0.5"],
        how="file",
        looks=[*LOOKS["http"], *LOOKS["file"]],
        script="[document.querySelectorAll('.chart.drawn .main-svg').length, "
        "[...document.images].every(i => i.naturalWidth > 0), "
        "getComputedStyle(document.querySelector('.against')).display]",
    )
    assert wrong == []
    assert all(charts > 0 and seen and hidden == "none" for charts, seen, hidden in drawn)
    assert invalid(folder) == ""
