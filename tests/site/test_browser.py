"""Every page in a real browser: nothing in the console, no request elsewhere, accessible, valid."""

from __future__ import annotations

import math

import pytest

from gitml.model import Dataset, Environment, Source
from gitml.site.pages import PAGES
from tests.query.regressing import facts_of, make_commits
from tests.site.browsing import LOOKS, browse, invalid, needs_browser
from tests.site.shelf import whole_shelf
from tests.support import MINUTE, START, make_runs, run_id_of

pytestmark = [needs_browser, pytest.mark.slow]

LONG = "a-very-long-name-" + "that-goes-on-" * 14
REMOTE = "git@github.com:acme/churn.git"


def curve(top, points=40):
    return [top * (1 - math.exp(-n / 8)) for n in range(points)]


def runs():
    """Return the facts of runs of all kinds: many charts, long names, none of anything."""
    source = Source(
        commit="9" * 40,
        branch="main",
        tree="8" * 40,
        dirty=True,
        changed=("train.py",),
        remote=REMOTE,
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
    return [
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
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory, git):
    """Return a repository with runs of all kinds."""
    repo = tmp_path_factory.mktemp("world") / "repo"
    git(repo.parent, "init", "--quiet", "--initial-branch=main", repo)
    make_runs(repo, *runs())
    return repo


@pytest.fixture(scope="module")
def whole(tmp_path_factory, git):
    """Return a repository that has something for every kind of page: models, regressions."""
    repo = tmp_path_factory.mktemp("whole") / "repo"
    git(repo.parent, "init", "--quiet", "--initial-branch=main", repo)
    whole_shelf(repo)
    commits = make_commits(repo, git, 24)
    steps = {
        "auc": [0.93 + n % 3 / 1000 - 0.04 * (n > 12) for n in range(24)],
        "f1": [0.8 + n % 3 / 1000 + 0.05 * (n > 15) for n in range(24)],
        f"a/metric/{LONG}": [0.9 + n % 3 / 1000 - 0.4 * (n > 20) for n in range(24)],
    }
    make_runs(repo, *runs(), *facts_of(commits, "nightly", remote=REMOTE, **steps))
    return repo


def pages_of(folder):
    """Return the pages to look at by their kind."""
    models = sorted(p.relative_to(folder).as_posix() for p in folder.glob("models/*.html"))
    keys = [run_id_of(name)[:12] for name in ("keen-otter-3", "wide-1", LONG, "churn-run-3")]
    return {
        "overview": ["index.html"],
        "runs": ["runs.html"],
        "run": [f"runs/{key}.html" for key in keys] + [f"runs/{keys[0]}.html#with={keys[1]}"],
        "explore": ["explore.html"],
        "compare": ["compare.html", f"compare.html#runs={','.join(keys)}"],
        "models": ["models.html"],
        "model": models,
        "version": ["models/churn/v1.3.0.html"],
        "lineage": ["lineage.html"],
        "activity": ["activity.html"],
        "regressions": ["regressions.html"],
        "about": ["about.html"],
        "missing": ["404.html"],
    }


def test_nothing_is_wrong_with_any_page(whole, make_site):
    site = make_site(whole)
    pages = pages_of(site.path)
    assert pages.keys() == {name for name, page in PAGES.items() if page.address.endswith("html")}
    every = [each for listed in pages.values() for each in listed]
    for how, looks in LOOKS.items():
        wrong, drawn = browse(
            site.path,
            every,
            how=how,
            looks=looks,
            unfold=how == "http",
            script="document.querySelectorAll('.chart.drawn .main-svg').length",
        )
        assert wrong == [], how
        assert any(drawn)
    for page in site.path.rglob("*.html"):  # of very many alike a few will do
        if page.relative_to(site.path).as_posix() not in every:
            page.unlink()
    assert invalid(site.path) == ""


def test_an_empty_site_is_whole(empty_repo, make_site):
    site = make_site(empty_repo)
    pages = sorted(path.name for path in site.path.glob("*.html"))
    wrong, _ = browse(site.path, pages, looks=[(390, "dark")])
    assert wrong == []
    assert invalid(site.path) == ""


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


BACK = """(async () => {
  const told = () => [location.hash, document.querySelector('#log').checked];
  document.querySelector('[data-x=time]').click();
  document.querySelector('#log').click();
  const seen = [told()];
  for (let n = 0; n < 2; n++) {
    await goBack();
    seen.push(told());
  }
  return seen;
})()"""


def test_the_way_back_is_by_what_was_chosen(world, make_site):
    key = run_id_of("keen-otter-3")[:12]
    run, compare = f"runs/{key}.html", f"compare.html#runs={key}"
    wrong, told = browse(make_site(world).path, [run, compare], how="file", script=BACK)
    assert wrong == []
    both = f"runs={key}"
    assert told == [
        [["#x=time&log=1", True], ["#x=time", False], ["", False]],
        [[f"#{both}&x=time&log=1", True], [f"#{both}&x=time", False], [f"#{both}", False]],
    ]
