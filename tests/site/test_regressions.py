"""The page of regressions: drawn for who reads it, and there only where there is something."""

from __future__ import annotations

import random
import re
import time
from dataclasses import replace

import pytest

from gitml.query.regress import series_of, trend_of
from gitml.site.regressions import drawing_of
from gitml.store.commits import Commit
from tests.bench.ledgers import make_run as made_run
from tests.query.regressing import facts_of, make_commits
from tests.support import make_runs, run_id_of

LONG = "a/very-long-metric-name-" + "that-goes-on-" * 8
REMOTE = "git@github.com:acme/churn.git"


def noisy(rng, count, level, change, cut, width=0.003):
    return [level + rng.gauss(0, width) + change * (n >= cut) for n in range(count)]


@pytest.fixture
def world(empty_repo, git):
    """Return (repository, its commits): two metrics are worse, one is better, one was worse."""
    rng = random.Random(4)
    commits = make_commits(empty_repo, git, 30)
    metrics = {
        "auc": noisy(rng, 30, 0.93, -0.04, 20),
        "f1": noisy(rng, 30, 0.8, 0.05, 25),
        "val/loss": [0.3 + rng.gauss(0, 0.01) + 0.2 * (8 <= n < 13) for n in range(30)],
        "recall": noisy(rng, 30, 0.7, 0, 0),
        LONG: noisy(rng, 30, 0.9, -0.5, 29),
    }
    short = facts_of(commits[:5], "<it's> long " * 6, "topic/long-" * 6, ndcg=[5, 5, 5, 5, 3])
    make_runs(empty_repo, *facts_of(commits, remote=REMOTE, **metrics), *short)
    return empty_repo, commits


def test_metrics_that_are_not_looked_at_are_counted_where_there_is_something_to_see(
    empty_repo, git, make_site
):
    commits = make_commits(empty_repo, git, 2)
    once = {f"layer/{n:03}": [1] for n in range(90)}
    make_runs(
        empty_repo,
        *facts_of(commits, auc=[0.9, 0.8]),
        *facts_of(commits[:1], experiment="wide", **once),
    )
    assert "not looked at" not in make_site(empty_repo).text("regressions.html")
    twice = {name: [1, 2] for name in [*once][:60]}
    make_runs(empty_repo, *facts_of(commits, experiment="wider", **twice))
    assert "; 11 more metrics not looked at" in make_site(empty_repo).text("regressions.html")


def test_the_largest_first_with_what_leads_to_it(world, make_site):
    repo, commits = world
    site = make_site(repo)
    text = site.text("regressions.html")
    cards = text.split("<article")[1:]
    assert [re.search(r"<h3><code>(.+?)</code>", card)[1] for card in cards] == [
        LONG,
        "ndcg",
        "auc",
    ]
    strip = site.text("index.html").partition("Regressions</dt>")[2].partition("</div>")[0]
    assert strip.startswith('<dd><a href="regressions.html">2</a> <small class="down">')
    auc = cards[2]
    assert re.search(r"▼</span> −4\.[1-5]%</span></header>", auc)
    web = "https://github.com/acme/churn"
    assert f'href="{web}/commit/{commits[19]}"' in auc
    assert f'href="{web}/commit/{commits[20]}"' in auc
    assert f'href="{web}/compare/{commits[19]}...{commits[20]}"' in auc
    keys = [run_id_of(f"churn-main-{n}")[:12] for n in (19, 20)]
    assert f'href="compare.html#runs={",".join(keys)}"' in auc
    assert "20 before, 10 after" in auc
    assert "few to tell from noise" in cards[1]
    folded = text.split("<details")[1:]
    assert [re.search(r"<summary>(\w+ ?\w*)", fold)[1].strip() for fold in folded] == [
        *("Recovered since", "Improvements", "How they")
    ]
    assert "val/loss" in folded[0]
    assert "f1" in folded[1]
    assert "recall" not in text
    assert '<a href="regressions.html" aria-current="page">Regressions</a>' in text


def test_the_points_of_the_drawing(world, make_site):
    repo, _ = world
    text = make_site(repo).text("regressions.html")
    auc = text.split("<article")[3]
    assert auc.count("h0") == 30
    assert re.search(r'<rect class="bad" x="400" y="0" width="200" height="120"/>', auc)
    first, second = re.search(r'class="level" d="M0 (\d+)H400M400 (\d+)H600"', auc).groups()
    assert int(first) < 30
    assert int(second) > 90


def test_nothing_to_compare_has_no_page(repo, make_site, git):
    make_runs(repo, *facts_of(["a" * 40], auc=[0.9]), *facts_of(["b" * 40], "other", auc=[0.8]))
    site = make_site(repo)
    assert not (site.path / "regressions.html").exists()
    assert "Regressions" not in site.text("index.html")
    make_runs(repo, *facts_of(["a" * 40, "c" * 40], "third", auc=[0.9, 0.91]))
    text = make_site(repo).text("regressions.html")
    assert "No step changes" in text
    assert "in 3 series of 4 points" in text


def test_a_new_run_writes_the_page_only_where_it_tells(world, make_site):
    repo, commits = world
    make_site(repo)
    make_runs(repo, *facts_of([commits[3]], "again", "topic", params=[1.0]))
    assert "regressions.html" in make_site(repo).done.written
    assert make_site(repo).done.written == ()


def test_ten_thousand_commits_are_drawn_in_time():
    runs = []
    for number in range(10_000):
        run = made_run(number)
        source = replace(run.source, commit=f"{number:040x}", dirty=False)
        metrics = {k: replace(m, last=m.last + (number > 5_000)) for k, m in run.metrics.items()}
        runs.append(replace(run, status="finished", source=source, metrics=metrics))
    commits = {run.source.commit: Commit(run.created) for run in runs}
    begun = time.process_time()
    trends = [trend_of(series) for series in series_of(runs, commits)]
    drawings = [drawing_of(trend) for trend in trends]
    assert time.process_time() - begun < 2
    assert [len(trend.series.points) for trend in trends] == [10_000] * 5
    assert all(len(trend.changes) == 1 for trend in trends if trend.series.metric != "time")
    assert all(len(drawing.dots) < 10_000 for drawing in drawings)
