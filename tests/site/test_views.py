"""What a page shows is in its address: it comes back from there, and what is unknown is ignored."""

from __future__ import annotations

import json

import pytest

from gitml.model import Dataset, Environment, Source
from tests.site.browsing import browse, needs_browser
from tests.support import MINUTE, START, make_runs, run_id_of

pytestmark = [needs_browser, pytest.mark.slow]

KEYS = [run_id_of(f"otter-{n}")[:12] for n in range(4)]


@pytest.fixture(scope="module")
def views(tmp_path_factory, git):
    """Return a repository with four runs, two of which have uncommitted work."""
    repo = tmp_path_factory.mktemp("views") / "repo"
    git(repo.parent, "init", "--quiet", "--initial-branch=main", repo)
    commits, trees = [], []
    for text in ("lr = 1\n", "lr = 2\n"):
        (repo / "train.py").write_text(text)
        git(repo, "add", ".")
        git(repo, "commit", "--quiet", "-m", "code")
        commits.append(git(repo, "rev-parse", "HEAD").strip())
        (repo / "train.py").write_text(f"{text}depth = {len(trees)}\n")
        git(repo, "add", ".")
        trees.append(git(repo, "write-tree").strip())
    make_runs(
        repo,
        *(
            {
                "name": f"otter-{n}",
                "created": START + n * MINUTE,
                "status": "failed" if n == 3 else "finished",
                "params": {"lr": 0.1 * (n + 1), "kind": "forest"} | ({"extra": 1} if n else {}),
                "metrics": {"auc": [0.5, 0.6 + n / 10], "loss": [1.0, 0.5], "final": n / 10},
                "inputs": [Dataset(name="train.csv", digest=f"sha256:{n // 2:064}", rows=9)],
                "requirements": f"numpy==1.{20 + n // 2}\npip==23.0\n",
                "environment": Environment(python="3.11.7", cpu=f"{2 + n} threads"),
                "source": Source(
                    commit=commits[n % 2],
                    tree=trees[n % 2] if n < 2 else None,
                    dirty=n < 2,
                    remote="git@github.com:acme/churn.git",
                    branch="main",
                ),
            }
            for n in range(4)
        ),
    )
    return repo


AGAINST = """(async () => {
  const rows = id => [...document.querySelectorAll(id + ' tbody tr')].filter(
    row => row.offsetParent).map(row => [...row.cells].map(cell => cell.textContent.trim()));
  return {params: rows('#params'), environment: rows('#environment'), hash: location.hash,
    links: [...document.querySelectorAll('#source a')].map(a => a.href),
    facts: [...document.querySelectorAll('.facts .theirs')].map(e => e.textContent.trim()),
    pressed: [...document.querySelectorAll('[aria-pressed=true]')].map(b => b.textContent),
    compare: document.querySelector('[data-compare]').getAttribute('href')};
})()"""


def test_a_run_against_another(views, make_site, git):
    site = make_site(views)
    wrong, (plain, against, other) = browse(
        site.path,
        [
            f"runs/{KEYS[3]}.html#with=../../x&nothing=1&sm=7",
            f"runs/{KEYS[3]}.html#with={KEYS[0]}&only=1&x=time",
            f"runs/{KEYS[3]}.html#with={KEYS[2]}",
        ],
        script=AGAINST,
        how="file",
    )
    assert wrong == []
    assert len(plain["params"][0]) == 2
    assert plain["pressed"] == ["Step"]
    assert against["params"] == [["extra", "1", "not set"], ["lr", "0.4", "0.1"]]
    assert against["environment"] == [["CPU", "5 threads", "2 threads"], ["numpy", "1.21", "1.20"]]
    a, b = (git(views, "rev-parse", name).strip() for name in ("HEAD~1", "HEAD"))
    assert f"https://github.com/acme/churn/compare/{a}...{b}" in against["links"]
    assert against["facts"] == ["▲ 0.3", "▲ 0.3"]
    assert against["pressed"] == ["Time"]
    assert against["compare"] == f"../compare.html#runs={KEYS[3]},{KEYS[0]}"
    assert other["pressed"] == ["Step", "previous"]


BESIDE = """(async () => {
  const rows = id => [...document.querySelectorAll(id + ' tbody tr')].map(
    row => [...row.cells].map(cell => cell.textContent.trim()));
  const told = Object.fromEntries(
    ['metrics', 'params', 'data', 'environment', 'code'].map(id => [id, rows('#' + id)]));
  const colors = [...document.querySelectorAll('.chart.drawn')].map(
    chart => chart.data.map(trace => trace.line.color).join());
  return {...told, colors,
    links: [...document.querySelectorAll('#code a')].map(a => a.href),
    patches: [...document.querySelectorAll('#patches .add')].map(e => e.textContent)};
})()"""


def test_runs_beside_each_other(views, make_site):
    site = make_site(views)
    pair = f"runs={KEYS[0]},{KEYS[1]}"
    wrong, (differing, everything, alone) = browse(
        site.path,
        [
            f"compare.html#{pair}",
            f"compare.html#{pair},{KEYS[0]},zzz&all=1",
            f"compare.html#runs={KEYS[2]}",
        ],
        script=BESIDE,
        how="file",
    )
    assert wrong == []
    assert [row[0] for row in differing["metrics"]] == ["auc", "final"]
    assert [row[0] for row in differing["params"]] == ["extra", "lr", "created"]
    assert differing["data"] == [["They read the same data."]]
    assert everything["data"] == [["train.csv"] + ["9 rows, 000000000000"] * 2]
    assert differing["environment"] == [["CPU", "2 threads", "3 threads"]]
    assert [row[0] for row in differing["code"]] == ["commit", "train.py"]
    assert differing["patches"] == ["+depth = 0", "+depth = 1"]
    assert len(set(differing["colors"])) == 1
    assert any("/compare/" in link for link in differing["links"])
    names = {
        row[0].split(" ")[0]
        for part in ("metrics", "params", "environment")
        for row in everything[part]
    }
    assert {"loss", "kind", "Python", "numpy", "pip"} < names
    assert ["pip", "23.0"] in alone["environment"]


TABLE = """({
  hash: location.hash,
  heads: [...document.querySelectorAll('#runs thead button')].map(b => b.textContent),
  names: [...document.querySelectorAll('#rows a.name')].map(a => a.textContent),
  chosen: [...document.querySelectorAll('#rows tr.sel a.name')].map(a => a.textContent),
  compare: [...document.querySelectorAll('#compare:not([hidden])')].map(
    a => a.getAttribute('href')),
})"""
PRESS = f"""(async () => {{
  const wait = () => new Promise(done => setTimeout(done, 300)).then(atRest);
  const press = key => dispatchEvent(new KeyboardEvent('keydown', {{key}}));
  const told = [];
  const tell = () => told.push({TABLE});
  document.querySelector('#runs thead button[data-k="metrics.auc"]').click(); tell();
  document.querySelector('#runs thead button[data-k="metrics.auc"]').click(); tell();
  await goBack(); tell();
  for (const key of ['j', 'x', 'j', 'j', 'k', 'x']) press(key);
  tell();
  press('?');
  told.push(document.querySelector('#help[open]').textContent);
  document.querySelector('#help').close();
  press('/'); told.push(document.activeElement.id);
  document.querySelector('#q').value = 'params.extra = 1';
  document.querySelector('#q').dispatchEvent(new Event('input'));
  await wait(); tell();
  let saved;
  URL.createObjectURL = blob => {{ saved = blob; return 'blob:none'; }};
  HTMLAnchorElement.prototype.click = () => {{}};
  document.querySelector('#csv').click(); told.push(await saved.text());
  document.querySelector('#json').click(); told.push(await saved.text());
  document.querySelector('#columns').open = true;
  await wait();
  for (const pick of ['author', '↑author']) {{
    [...document.querySelectorAll('[data-f]')].find(each => each.dataset.f === pick).click();
    tell();
  }}
  document.activeElement.blur(); press('t'); told.push(document.documentElement.dataset.theme);
  return told;
}})()"""


def test_the_table_is_in_its_address(views, make_site):
    site = make_site(views)
    cols = "cols=params.extra,metrics.final,nothing"
    wrong, (shown, told) = browse(
        site.path,
        [f"runs.html#{cols}&sort=metrics.final&sel={KEYS[1]},zzz&page=99&x=y", "runs.html"],
        script=f"location.hash ? {TABLE} : {PRESS}",
    )
    assert wrong == []
    assert shown["heads"] == ["Run", "Status", "extra", "final"]
    assert shown["names"] == [f"otter-{n}" for n in range(4)]
    assert (shown["chosen"], shown["compare"]) == (["otter-1"], [])
    first, second, back, chosen, keys, focused, found, csv, saved, more, moved, theme = told
    assert first["names"] == [f"otter-{n}" for n in (3, 2, 1, 0)]
    assert second["names"] == first["names"][::-1]
    assert (back["hash"], back["names"]) == (first["hash"], first["names"])
    assert chosen["chosen"] == ["otter-3", "otter-2"]
    assert chosen["compare"] == [f"compare.html#runs={KEYS[3]},{KEYS[2]}"]
    for key in "/jkxco?t":
        assert key in keys
    assert focused == "q"
    assert found["names"] == ["otter-3", "otter-2", "otter-1"]
    assert csv.splitlines()[0].startswith("id,name,experiment,status,metrics.")
    assert len(csv.splitlines()) == 4
    assert [run["name"] for run in json.loads(saved)["runs"]] == found["names"]
    assert more["heads"] == [*first["heads"], "author"]
    assert moved["heads"][-2] == "author"
    assert "cols=" in moved["hash"]
    assert theme == "dark"
