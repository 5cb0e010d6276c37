"""The page that explores runs: what stands in it, and what scripts make of it in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode

import pytest

from gitml.site.explore import settled
from gitml.site.plan import as_script
from tests.site.browsing import LOOKS, browse, needs_browser
from tests.support import MINUTE, START, make_runs, run_id_of

LONG = "a-very-long-name-" + "that-goes-on-" * 12
KINDS = ("adam", "lion", "sgd")


def sweep(count, experiment="sweep", prefix="keen-otter"):
    """Return runs in which the metric grows with depth and shrinks with lr, and nothing else."""
    for n in range(count):
        params = {"depth": n % 8, "lr": 10.0 ** -(n % 5), "kind": KINDS[n % 3], "warm": n % 2 == 0}
        if n % 6 == 5:
            del params["warm"]
        yield {
            "name": f"{prefix}-{n}",
            "experiment": experiment,
            "created": START + n * MINUTE,
            "status": "failed" if n == 9 else "finished",
            "params": params | {"same": "v3"},
            "metrics": {
                "auc": n % 8 / 10 - n % 5 / 40 + 0.2,
                "loss": float("inf") if n == 9 else 1 / (n + 1),
            },
        }


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory, git):
    """Return a repository with a sweep of 40 runs, and three runs of another experiment."""
    repo = tmp_path_factory.mktemp("sweeps") / "repo"
    git(repo.parent, "init", "--quiet", "--initial-branch=main", repo)
    wide = {f"model.block{n}.{'width' * 12}": n for n in range(300)}
    lonely = {"name": LONG, "experiment": LONG, "params": wide, "created": START - MINUTE}
    nothing = {"name": "nothing-1", "experiment": "none", "created": START - 2 * MINUTE}
    make_runs(repo, *sweep(40), lonely, nothing)
    return repo


def test_what_stands_in_the_page(sweeps, make_site):
    page = make_site(sweeps).text("explore.html")
    assert page.count('<path class="v') == 40
    assert re.findall(r"<h3 title=\"(\w+)\">with", page) == ["auc", "loss"]
    rows = re.findall(r'<tr class="(\w+)"><th scope="row" title="(\w+)">.*?"num">([^<]+)', page)
    # scipy's spearmanr gives 0.9895, -0.2072 (of 33 runs), 0.144; kruskal 0.0322² * 39.
    assert rows[:4] == [
        ("up", "depth", "+0.99"),
        ("chance", "warm", "−0.21"),
        ("chance", "lr", "+0.14"),
        ("chance", "kind", "0.03"),
    ]
    assert "same" not in {name for _, name, _ in rows}
    assert "association, not cause" in page


def test_a_site_without_values_has_no_such_page(repo, empty_repo, make_site):
    make_runs(repo, {"name": "nothing-1"})
    for folder, of in (("bare", repo), ("nothing", empty_repo)):
        site = make_site(of, folder)
        assert not (site.path / "explore.html").exists()
        assert "explore.html" not in site.text("index.html")


def test_one_run_more_leaves_the_page_as_it_is(repo, make_site):
    make_runs(repo, *sweep(20))
    make_site(repo)
    make_runs(repo, *list(sweep(21))[20:])
    site = make_site(repo)
    assert "runs.html" in site.done.written
    assert "explore.html" not in site.done.written
    # What is not of its runs, but of the newest, is seen all the same.
    (last,) = list(sweep(22))[21:]
    make_runs(repo, last | {"goals": {"loss": "min"}})
    site = make_site(repo)
    assert "explore.html" in site.done.written
    assert site.text("explore.html") == make_site(repo, "anew").text("explore.html")


def test_the_steps_by_which_the_page_grows():
    assert [settled(n) for n in (1, 3, 19, 20, 29, 199, 200, 299, 1999, 10_001, 123_456)] == [
        *[1, 2, 16, 20, 20, 190, 200, 200, 1900, 10_000, 120_000]
    ]


STEPS = (Path(__file__).parent / "explore_steps.js").read_text(encoding="utf-8")


def act(words):
    return f"(async () => {{ {STEPS} await wait(100); {words} }})()"


@needs_browser
@pytest.mark.slow
def test_nothing_is_wrong_with_the_page(sweeps, make_site):
    lonely = f"explore.html#experiment={quote(LONG)}"
    wrong, told = browse(
        make_site(sweeps).path,
        ["explore.html", lonely],
        looks=LOOKS["http"],
        script=act("return told();"),
    )
    assert wrong == []
    whole, wide = told
    assert whole["n"] == "40 runs of sweep"
    assert whole["axes"][:1] == ["depth"]
    assert wide["n"] == f"1 run of {LONG}"
    assert len(wide["axes"]) == 3  # opened on a phone


@needs_browser
@pytest.mark.slow
def test_ranges_combine_and_the_hash_keeps_them(sweeps, make_site):
    site = make_site(sweeps)
    wrong, (seen,) = browse(site.path, ["explore.html"], how="file", script=act("return walk();"))
    assert wrong == []
    first, deep, both, back, moved, filtered, typed, refused = seen
    runs = list(sweep(40))

    def having(test):
        return [run["name"] for run in runs if test(run["params"])]

    assert first["hash"] == ""
    few = having(lambda p: p["depth"] >= 6)
    assert deep["n"] == f"{len(few)} of 40 runs of sweep in the ranges"
    assert len(deep["best"]) == 8
    one = having(lambda p: p["depth"] >= 6 and p["lr"] == 1)
    assert both["n"] == f"{len(one)} of 40 runs of sweep in the ranges"
    assert sorted(both["best"]) == sorted(one)
    assert both["compare"].count(",") == len(one) - 1
    assert back["n"] == deep["n"]
    assert back["hash"] == deep["hash"]
    assert moved["axes"][:2] == [first["axes"][1], "depth"]
    kind = having(lambda p: p["depth"] >= 6 and p["kind"] == "sgd")
    assert filtered["n"] == f"{len(kind)} of 13 runs of sweep in the ranges"
    assert "from 20 runs up" in "".join(filtered["rows"]) or filtered["rows"] == []
    seven = having(lambda p: p["depth"] == 7 and p["kind"] == "sgd")
    assert typed["n"] == f"{len(seven)} of 13 runs of sweep in the ranges"
    assert sorted(typed["best"]) == sorted(seven)
    assert "No metric is called aux. Did you mean metrics.auc" in refused["said"]
    assert refused["n"] == typed["n"]
    # The table finds the same runs by the expression, and the page all of its state by the hash.
    state = parse_qs(typed["hash"][1:])
    assert state["ranges"] == ["params.depth:n:7:7"]
    whole = urlencode(
        {
            "q": "metrics.auc > 0.2",
            "status": "finished",
            "metric": "loss",
            "axes": "params.warm,params.kind,metrics.loss",
            "scale": "metrics.loss:log",
            "ranges": "params.warm:cm:true,params.kind:c:sgd:adam,metrics.loss:n:0.01:0.5",
            "x": "params.kind",
            "y": "created",
            "cx": "params.warm",
            "cy": "params.depth",
        }
    )
    fields = "['#n', '#explore'].map(id => $(id).getAttribute('href') || $(id).textContent)"
    fields = f"[...{fields}, $('#compare').textContent]"
    # More than ten are never dropped in silence.
    ten = (
        "const ten = () => [$('#said').textContent, $$('#picks a').map(each => each.textContent)];"
    )
    twice = "const some = ten(); $('#picks button').click(); return [some, ten()];"
    picks = f"{ten} if ($('#picks')) {{ {twice} }}"
    twelve = ",".join(run_id_of(f"keen-otter-{n}")[:12] for n in range(12))
    again = "$('#metric').dispatchEvent(new Event('change')); await wait(60);"
    wrong, (loaded, (table, *_), (tabled, back_to, _), none, empty, selected, compared) = browse(
        site.path,
        [
            f"explore.html#{whole}",
            typed["table"],
            f"runs.html#{urlencode({'q': ALSO})}",
            "explore.html#experiment=none",
            "explore.html#q=status='x'&every=1",
            f"runs.html#sel={twelve}",
            f"compare.html#runs={twelve},zzz",
        ],
        how="file",
        script=act(f"{picks} if ($('#metric')) {{ {again} return told(); }} return {fields};"),
    )
    assert wrong == []
    assert selected[2] == "Compare 10 of 12"
    (said, shown), (later, left) = compared
    assert said.startswith("10 of 12 runs side by side: a comparison takes ten.")
    assert said.endswith("1 run is not in this report")
    assert later.startswith("10 of 11 runs")
    assert left == [*shown[1:], "keen-otter-10"]
    assert (none["n"], empty["n"]) == ("1 run of none", "0 runs of every experiment")
    assert parse_qs(loaded["hash"][1:]) == parse_qs(whole)
    assert table == f"1–{len(seven)} of {len(seven)} (42 in all)"
    assert parse_qs(loaded["table"].partition("#")[2])["q"] == [ALSO]
    assert back_to == f"explore.html#{urlencode({'q': ALSO, 'every': 1})}"
    assert loaded["n"].startswith(tabled.partition(" of ")[2].partition(" ")[0])


ALSO = (
    "(metrics.auc > 0.2) and (params.warm in (true) or params.warm is null)"
    " and (params.kind in ('sgd', 'adam')) and (metrics.loss between 0.01 and 0.5)"
)


@needs_browser
@pytest.mark.slow
def test_ten_thousand_runs_are_drawn_at_once(sweeps, make_site):
    site = make_site(sweeps)
    data = site.data("data/runs.json")
    times = 10_000 // data["count"] + 1

    def more(column):
        return (
            {"words": column["words"], "at": column["at"] * times}
            if "words" in column
            else column * times
        )

    for part in ("attributes", "params", "tags"):
        data[part] = {name: more(column) for name, column in data[part].items()}
    data["metrics"] = {
        name: {kind: values * times for kind, values in kinds.items()}
        for name, kinds in data["metrics"].items()
    }
    data["count"] *= times
    data["attributes"]["id"] = [f"{n:032x}" for n in range(data["count"])]
    data["keys"] = data["attributes"]["id"]
    (site.path / "data" / "runs.js").write_bytes(as_script("runs", json.dumps(data)))
    best = "let best = 1e9; for (let n = 0; n < 4 || (n < 40 && best > 999); n++)"
    best = f"() => {{ {best} best = Math.min(best, gitml.explored.paint()); return best; }}"
    fine = "Object.defineProperty(window, 'devicePixelRatio', {value: 2});"
    script = f"const best = {best}, coarse = best(); {fine} return [told().n, coarse, best()];"
    wrong, ((told, took, sharp),) = browse(
        site.path, ["explore.html"], how="file", script=act(script)
    )
    assert [each for each in wrong if "willReadFrequently" not in each] == []
    assert told == "9,560 runs of sweep"
    assert took < 1000, "milliseconds; 100 where nothing else runs"
    assert sharp < 1000, "as long, on a screen with twice as many pixels"
