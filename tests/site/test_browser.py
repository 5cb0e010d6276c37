"""Every page in a real browser: nothing in the console, no request elsewhere, accessible, valid."""

from __future__ import annotations

import math

import pytest

from gitml.model import Dataset, Environment, Source
from tests.site.browsing import browse, invalid, needs_browser
from tests.support import MINUTE, START, make_runs, run_id_of

pytestmark = [needs_browser, pytest.mark.slow]

LONG = "a-very-long-name-" + "that-goes-on-" * 14


def curve(top, points=40):
    return [top * (1 - math.exp(-n / 8)) for n in range(points)]


@pytest.fixture(scope="module")
def world(tmp_path_factory, git):
    """Return a repository with runs of all kinds: many charts, long names, none of anything."""
    repo = tmp_path_factory.mktemp("world") / "repo"
    git(repo.parent, "init", "--quiet", "--initial-branch=main", repo)
    source = Source(
        commit="9" * 40,
        branch="main",
        tree="8" * 40,
        dirty=True,
        changed=("train.py",),
        remote="git@github.com:acme/churn.git",
        command=("python", "train.py"),
    )
    machine = Environment(python="CPython 3.11.7", platform="Linux x86_64", cpu="8 threads")
    sweep = [
        {
            "name": f"keen-otter-{n}",
            "created": START + n * MINUTE,
            "status": "failed" if n == 7 else "finished",
            "params": {"lr": 10 ** -(n % 4), "depth": n % 5, "kind": "ab"[n % 2], "seed": 0},
            "metrics": {"auc": curve(0.6 + n / 100), "val/loss": curve(-0.3), "final": n / 30},
            "source": source,
            "environment": machine,
            "tags": {"team": "growth"},
            "note": "A baseline.\nSlow, but <b>steady</b>.",
            "inputs": [Dataset(name="train.csv", digest="sha256:" + "5" * 64, size=10**6, rows=9)],
        }
        for n in range(25)
    ]
    make_runs(
        repo,
        *sweep,
        {
            "name": "wide-1",
            "experiment": LONG,
            "metrics": {f"layer{n % 5}/grad{n}": curve(n + 1, 12) for n in range(60)},
            "params": {f"model.block{n}.width": n for n in range(40)} | {"text": "x" * 500},
        },
        {
            "name": LONG,
            "experiment": "other",
            "metrics": {"only": 1.0, "auc": math.nan},
            "parent": "f" * 32,
        },
        {"name": "nothing-1", "experiment": "other", "status": "running"},
    )
    return repo


PAGES = ["index.html", "runs.html", "compare.html", "about.html", "404.html"]
RUNS = [f"runs/{run_id_of(name)[:12]}.html" for name in ("keen-otter-3", "wide-1", LONG)]


@pytest.mark.parametrize("how", ["http", "file"])
def test_nothing_is_wrong_with_any_page(world, make_site, how):
    site = make_site(world)
    sizes, themes = ([390, 1280], ["light", "dark"]) if how == "http" else ([1280], ["dark"])
    wrong, drawn = browse(
        site.path,
        [*PAGES, *RUNS] if how == "http" else ["runs.html", RUNS[1]],
        how=how,
        sizes=sizes,
        themes=themes,
        script="document.querySelectorAll('.chart.drawn .main-svg').length",
    )
    assert wrong == []
    assert any(drawn)


def test_an_empty_site_is_whole(empty_repo, make_site):
    wrong, _ = browse(make_site(empty_repo).path, PAGES, sizes=[390])
    assert wrong == []


def test_the_markup_is_valid(world, empty_repo, make_site):
    assert invalid(make_site(world).path) == ""
    assert invalid(make_site(empty_repo, "none").path) == ""


TOLD = """(() => ({
  count: document.querySelector('#n').textContent,
  said: document.querySelector('#qsaid').textContent,
  names: [...document.querySelectorAll('#rows a.name')].map(a => a.textContent),
  rows: [...document.querySelectorAll('#rows tr')].map(tr => [...tr.cells].map(td =>
    [td.textContent.trim(), [...td.classList].join(' '),
      (td.querySelector('path') || { getAttribute: () => '' }).getAttribute('d')])),
}))()"""
VIEWS = {
    "runs.html": None,
    "runs.html#sort=-created": None,
    "runs.html#q=params.depth+%3D+3+and+params.kind+%3D+%27b%27&sort=-metrics.auc": [23, 13, 3],
    "runs.html#q=otter-11": [11],
    "runs.html#status=failed": [7],
    "runs.html#q=metrics.aux+%3E+1": None,
}


def test_the_table_filters_and_sorts(world, make_site):
    wrong, told = browse(make_site(world).path, list(VIEWS), script=TOLD)
    assert wrong == []
    plain, redrawn, *_, refused = told
    assert len(plain["rows"]) == 28
    # What a script draws is what stands in the page without one.
    assert redrawn["rows"] == plain["rows"]
    for (view, numbers), answer in zip(VIEWS.items(), told, strict=True):
        if numbers is not None:
            assert answer["names"] == [f"keen-otter-{n}" for n in numbers], view
            assert answer["count"].endswith("(28 in all)")
    assert "No metric is called aux. Did you mean metrics.auc" in refused["said"]
    assert refused["names"] == []


def test_runs_are_laid_over_each_other(world, make_site):
    keys = [run_id_of(f"keen-otter-{n}")[:12] for n in (3, 4)]
    drawn = "[...document.querySelectorAll('.chart.drawn')].map(c => c.data.length)"
    wrong, told = browse(
        make_site(world).path,
        [f"compare.html#runs={','.join(keys)}", f"runs/{keys[0]}.html#with={keys[1]}&sm=0.5"],
        how="file",
        script=drawn,
    )
    assert wrong == []
    assert told == [[2, 2], [4, 4]]
