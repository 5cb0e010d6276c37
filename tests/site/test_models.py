"""Models on the site: what is in their stages, their versions, their log; safe, and redacted."""

from __future__ import annotations

import html
import itertools
import re
import shutil
from types import SimpleNamespace
from urllib.parse import unquote

import pytest

from gitml.model import Dataset
from gitml.query.index import open_index
from gitml.registry.values import Verdict
from gitml.site import layout, urls
from gitml.site.build import Sources, build
from gitml.site.gather import Options
from gitml.site.write import Folder
from gitml.store.git import open_repository
from gitml.store.snapshot import snapshot
from tests.registry.journal import Journal
from tests.site.shelf import DAY, LONG, ODD, Shelf, churn, sha, whole_shelf, write_shelves
from tests.support import START, make_run, run_id_of


@pytest.fixture(scope="module")
def world(tmp_path_factory, git):
    """Return a repository with models of all kinds."""
    repo = tmp_path_factory.mktemp("models") / "repo"
    git(repo.parent, "init", "--quiet", "--initial-branch=main", "--template=", repo)
    whole_shelf(repo)
    return repo


def build_at(repo, path, **options):
    """Build a site and return how to read its files."""
    store = open_repository(repo)
    try:
        with open_index(store, now=START + 90 * DAY) as index:
            sources = Sources(index=index, store=snapshot(store))
            done = build(sources, Folder(path), Options(**options))
    finally:
        store.close()
    read = lambda address: (path / address).read_text(encoding="utf-8")  # noqa: E731
    return SimpleNamespace(path=path, done=done, text=read)


@pytest.fixture(scope="module")
def site(world):
    """Return the site of `world`."""
    return build_at(world, world.parent / "site")


def seen(markup):
    """Return what is read of markup: no tags, single blanks."""
    plain = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", markup, flags=re.DOTALL)
    return " ".join(html.unescape(plain).split())


def rows(markup):
    """Return the cells of each row of the tables, as they are read."""
    found = re.findall(r"<tr\b.*?</tr>", markup, re.DOTALL)
    return [[seen(c) for c in re.findall(r"<t[dh]\b.*?</t[dh]>", r, re.DOTALL)] for r in found]


def test_the_matrix_says_what_is_in_which_stage(site):
    head, *body = rows(site.text("models.html"))
    by_name = {row[0].split(" ")[0]: dict(zip(head, row, strict=True)) for row in body}
    assert head[1:5] == ["production", "prod", "canary", "staging"]
    churn_row = by_name["churn"]
    assert churn_row["production"].startswith("v1.2.0 2026-01-07 03:00 UTC · Grace Hopper")
    assert churn_row["production"].endswith("rollback signed")
    assert churn_row["staging"] == "v1.3.0 2026-01-07 03:00 UTC · Ada Author direct"
    assert churn_row["prod"] == "–"
    assert churn_row["Latest"] == "v2.0.0 auc 0.90376"
    assert churn_row["Versions"] == "5"
    assert by_name["Fraud"]["production"].endswith("break-glass")
    assert by_name["Fraud"]["Model"] == f"{ODD} drift"
    assert by_name["legacy/Net"]["prod"].startswith("v0.2.0+b.7")
    page = site.text("models.html")
    assert 'href="models/churn/v1.2.0.html"' in page
    assert "old-idea" not in by_name
    assert "old-idea Nobody used it 2026-01-03 03:00 UTC · Ada Author" in seen(page)
    assert not (site.path / "models" / "old-idea.html").exists()


def test_a_model_tells_its_versions_and_its_history(site):
    page = site.text("models/churn.html")
    _, *versions = [row for row in rows(page) if len(row) == 6]
    assert [row[0] for row in versions] == [
        "v2.0.0 canary latest",
        "v1.3.0 staging",
        "v1.3.0-rc.1",
        "v1.2.0 production",
        "v1.1.0 deleted",
        "v1.0.0 deprecated",
    ]
    assert versions[0][1] == "0.90376"
    text = seen(page)
    assert "Rolled back to v1.2.0 in production in place of v1.3.0 Complaints" in text
    assert "Promoted v1.2.0 to production in place of v1.0.0 Two points better" in text
    assert "2 gates passed" in text
    assert "refused signed_by …@… got not signed" in text
    assert 'href="https://github.com/acme/churn/pull/12"' in page
    assert 'class="staged production"' in page
    assert "auc over 5 versions, from 0.834016 in v1.0.0 to 0.90376 in v2.0.0" in page
    long = site.text(f"models/{LONG[:100].rstrip('-')}.html")
    assert " older" not in seen(long)
    assert "7 earlier" in seen(long)


def test_a_version_is_compared_with_the_one_before_and_the_one_in_production(site):
    page = site.text("models/churn/v1.3.0.html")
    table = {row[0]: row[1:] for row in rows(page)}
    assert table["Metric"] == ["v1.3.0", "v1.3.0-rc.1", "v1.2.0 in production", "Better"]
    assert table["auc"][:3] == ["0.897335", "0.888368 +0.00897", "0.855854 +0.0415"]
    assert table["val/loss"][1] == "0.125 −0.025"
    assert re.search(r'0\.125 <small class="up">−0\.025', page)
    assert re.search(r'13 <small class="down">\+1<', page)
    assert table["depth changed"] == ["2", "6"]
    assert table["kind"] == ["forest", "forest"]
    assert table["model.pkl changed"][2] == "git-lfs"
    assert table["labels-2.csv"][1] == sha("labels-2.csv")[:12]
    text = seen(page)
    assert "Inputs plan string may be missing" in text
    assert "threshold double default 0.5" in text
    assert "gitml model pull churn@v1.3.0 -o model --expect-digest sha256:" in text
    assert '<h3 id="card-churn">Churn</h3>' in page
    assert "Who is about to leave. <em>Not</em> for credit decisions, says …@…. See <a" in page
    assert "license mit tags tabular, churn Churn Who is" in text
    assert "alert(1)" not in page
    assert "<script>alert" not in page
    assert f'href="../../runs/{run_id_of("churn-run-5")[:12]}.html"' in page
    assert "Packages 2, as in v1.3.0-rc.1" in text
    assert 'href="https://github.com/acme/churn/releases/tag/churn%40v1.3.0"' in page
    assert re.search(r"https://github\.com/acme/churn/compare/\w{40}\.\.\.\w{40}", page)


def test_a_run_and_the_overview_tell_of_models(site):
    page = seen(site.text(f"runs/{run_id_of('churn-run-3')[:12]}.html"))
    assert "Registered as churn v1.2.0 production" in page
    assert "Stage history Rolled back to v1.2.0 in production" in page
    assert "Registered as" not in site.text(f"runs/{run_id_of('features-1')[:12]}.html")
    table = site.text("runs.html")
    assert 'href="models/churn/v1.2.0.html" title="churn v1.2.0 in production">' in table
    assert 'title="churn v1.3.0-rc.1">v1.3.0-rc.1</a>' in table  # in no stage
    assert table.index(">Stage<") < table.index(">auc<")
    front = seen(site.text("index.html"))
    assert "In production" in front
    assert "churn v1.2.0 auc 0.855854 · 2026-01-07 03:00 UTC by Grace Hopper" in front
    feed = site.text("feed.atom")
    assert "<title>Promoted churn v2.0.0 to canary</title>" in feed
    ids = re.findall(r"<id>(urn:gitml:\w+:[^<]+)</id>", feed)
    assert len(ids) == len(set(ids)) == 58
    times = re.findall(r"<updated>([^<]+)</updated>", feed)[1:]
    assert times == sorted(times, reverse=True)


def test_the_metric_that_gates_look_at_counts_most(repo, make_site):
    shelf = Shelf("gated").register("v1.0.0").register("v1.1.0")
    gate = Verdict(gate='metrics."val/loss" <= 0.3', kind="metric", answer="pass", **SAID)
    both = Verdict(gate="any", kind="any", answer="pass", inner=(gate,), **SAID)
    shelf.journal.assign("production", "v1.1.0", via="apply", gates=(both,))
    write_shelves(repo, shelf)
    site = make_site(repo)
    assert "val/loss over versions lower is better" in seen(site.text("models/gated.html"))
    assert "v1.1.0 val/loss 0.25" in seen(site.text("index.html"))


SAID = {"got": "0.25", "expected": "<= 0.3"}


def test_every_link_leads_somewhere(site):
    pages = {p.relative_to(site.path).as_posix(): p for p in site.path.rglob("*.html")}
    ids = {a: set(re.findall(r'\bid="([^"]+)"', p.read_text("utf-8"))) for a, p in pages.items()}
    for address, path in pages.items():
        links = re.findall(r'(?:href|src)="([^"]*)"', path.read_text(encoding="utf-8"))
        for link in {html.unescape(each) for each in links}:
            if re.match(r"https?://", link):
                continue
            target, _, fragment = link.partition("#")
            found = (path.parent / unquote(target)).resolve() if target else path
            assert found.is_file(), (address, link)
            there = found.relative_to(site.path.resolve()).as_posix() if target else address
            if fragment.startswith(("m-", "main", "sec-")):
                assert fragment in ids[there], (address, link)


def test_nothing_tells_of_people_or_machines_but_their_names(site, world, tmp_path):
    for path in site.path.rglob("*"):
        if path.suffix in {".html", ".json", ".js", ".atom", ".csv"} and "assets" not in path.parts:
            text = path.read_text(encoding="utf-8")
            for hidden in ("@example.com", "secret-host"):
                assert hidden not in text, (path.name, hidden)
    plain = build_at(world, tmp_path / "plain", redact=False)
    assert "Grace Hopper &lt;grace@example.com&gt;" in plain.text("models.html")
    assert "Ask grace@example.com." in plain.text("models/churn.html")


def test_only_models_of_the_runs_that_are_shown(world, tmp_path):
    only = build_at(world, tmp_path / "only", experiments=("churn",))
    assert [p.name for p in sorted((only.path / "models").iterdir())] == ["churn", "churn.html"]
    told = "versions of runs that are not in this report are left out"
    assert told in seen(only.text("models.html"))
    for path in only.path.rglob("*"):
        if path.is_file() and "assets" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert "Fraud" not in text, path
            assert "legacy" not in text, path
            assert "old-idea" not in text, path


def test_of_a_model_only_versions_of_the_runs_that_are_shown(repo, tmp_path):
    shelf = Shelf("mixed").register("v1.0.0").register("v1.1.0").register("v1.2.0")
    for version in ("v1.0.0", "v1.2.0"):
        shelf.journal.assign("production", version, via="promote", reason=f"because of {version}")
    write_shelves(repo, shelf)
    hidden = build_at(repo, tmp_path / "all")
    assert "because of v1.2.0" in hidden.text("activity.html")
    names = re.findall(r'runs/(\w+)\.html">([^<]+)</a>', hidden.text("models/mixed.html"))
    run = dict(map(reversed, names))  # the site's keys of runs by name
    assert len(run) == 3
    key = re.search(r"runs/(\w+)\.html", hidden.text("models/mixed/v1.0.0.html"))[1]
    only = build_at(repo, tmp_path / "only", where=f"id like '{key}%'")
    assert sorted(p.name for p in (only.path / "models" / "mixed").iterdir()) == ["v1.0.0.html"]
    for path in only.path.rglob("*"):
        if path.is_file() and "assets" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert "v1.1.0" not in text, path
            assert "because of v1.2.0" not in text, path
    assert "because of v1.0.0" in only.text("activity.html")


def test_without_models_nothing_speaks_of_them(repo, make_site):
    make_run(repo, "keen-fjord-8", metrics={"auc": 0.9})
    bare = make_site(repo)
    for name in ("models.html", "lineage.html", "activity.html", "models", "data/models.json"):
        assert not (bare.path / name).exists()
    assert "models.html" not in bare.text("index.html")
    assert "activity.html" not in bare.text("runs.html")


def test_one_event_changes_what_tells_of_it_alone(world, tmp_path, git):
    repo = tmp_path / "repo"
    shutil.copytree(world, repo)
    build_at(repo, tmp_path / "site")
    assert build_at(repo, tmp_path / "site").done.written == ()
    oid = git(repo, "rev-parse", "refs/gitml/models/churn").strip()
    message = '\n\nevent: "describe"\nmodel: "churn"\ndescription: "New words"\n'
    tree = git(repo, "rev-parse", f"{oid}^{{tree}}").strip()
    new = git(repo, "commit-tree", tree, "-p", oid, "-F", "-", input=f"describe{message}").strip()
    git(repo, "update-ref", "refs/gitml/models/churn", new)
    again = build_at(repo, tmp_path / "site")
    assert {*again.done.written} == {
        *("activity.html", "data/activity.js", "data/activity.json", "data/models.json"),
        *("data/models/churn.json", "feed.atom", "models.html", "models/churn.html"),
    }
    (repo / ".gitml").mkdir()
    (repo / ".gitml" / "config.yaml").write_text("stages: {order: [canary, production]}\n")
    ordered = build_at(repo, tmp_path / "site")
    assert "models.html" in ordered.done.written
    heads = rows(ordered.text("models.html"))[0][1:5]
    assert heads == ["production", "prod", "staging", "canary"]


def test_the_same_bytes_wherever_the_clone_lies(world, site, tmp_path, files_of):
    repo = tmp_path / "a place" / "elsewhere"
    shutil.copytree(world, repo)
    assert files_of(build_at(repo, tmp_path / "site").path) == files_of(site.path)


def test_addresses_are_names_that_any_file_system_takes():
    names = ["v1.0.0-RC.1", "v1.0.0-rc.1", "v1.0.0+b.7", "con", "aux.txt", "x.html", "..", "a/b"]
    names += ["A/B", "é", "e", "x" * 300, "x" * 301, "-", "", "\ud800", "a\\b", "%2e%2e", "café"]
    keys = urls.file_keys(names)
    assert keys["v1.0.0-rc.1"] == "v1.0.0-rc.1"
    assert keys["v1.0.0-RC.1"].startswith("v1.0.0-rc.1--")
    assert len({key.casefold() for key in keys.values()}) == len(names)
    for key in keys.values():
        assert re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,110}", key), key
        assert not key.endswith((".", ".html"))
        assert key.partition(".")[0] not in {"con", "aux"}
    # Whoever gives a model the name that another was turned into gets a third.
    taken = urls.file_keys(["A/B", keys["A/B"]])
    assert taken[keys["A/B"]] == keys["A/B"]
    assert len({*taken.values()}) == 2


def test_what_cannot_be_read_is_said_and_the_rest_is_shown(repo, make_site, git):
    write_shelves(repo, churn(), Shelf("fraud").register("v1.0.0"))
    journal = Journal("bare")
    journal.register("v1.0.0", run="a" * 32, digest="sha256:" + "b" * 64)
    journal.assign("production", "v1.0.0")
    journal.write(repo)
    blob = git(repo, "hash-object", "-w", "--stdin", input="no commit").strip()
    git(repo, "update-ref", "refs/gitml/models/fraud", git_tree(git, repo, blob))
    git(repo, "tag", "-d", "churn#canary#1")
    site = make_site(repo)
    assert "The event" in seen(site.text("models.html"))
    bare = seen(site.text("models/bare/v1.0.0.html"))
    assert "cannot be read here" in bare
    assert "damaged" in bare
    assert "damaged" in seen(site.text("models/bare.html"))
    log = seen(site.text("activity.html"))
    assert "The journal of churn has an event whose tag churn#canary#1 is not there." in log
    assert "damage The journal of fraud cannot be read" in log


def git_tree(git, repo, blob):
    """Return a commit that is no event."""
    tree = git(repo, "mktree", input=f"100644 blob {blob}\tx\n").strip()
    return git(repo, "commit-tree", tree, "-m", "no event").strip()


def test_many_versions_are_folded(repo, make_site):
    shelf = Shelf("wide")
    for n in range(120):
        shelf.register(f"v1.{n}.0")
    shelf.journal.assign("production", "v1.3.0")
    write_shelves(repo, shelf)
    site = make_site(repo)
    page = site.text("models/wide.html")
    assert "69 older" in seen(page)
    assert (
        len(re.findall(r'href="\.\./models/wide/v1\.\d+\.0\.html"', page.partition("69 older")[0]))
        >= 51
    )
    drawn = site.text("lineage.html")
    assert "113 older versions, not drawn" in seen(drawn)
    assert len(re.findall(r'class="box version', drawn)) == 7
    assert "production since" in seen(drawn)
    assert len(page) < 300_000


HOSTILE = '\u202e</script><img src=x onerror=alert(1)>"__proto__'


def test_nothing_that_somebody_wrote_means_anything_to_a_browser(repo, make_site):
    from gitml.names import model_slug

    shelf = Shelf(model_slug(HOSTILE), name=HOSTILE).register("v1.0.0", by=HOSTILE)
    gate = Verdict(gate=HOSTILE, answer="refuse", got=HOSTILE, expected=HOSTILE)
    told = {"reason": HOSTILE, "via": HOSTILE, "gates": (gate,), "by": f"{HOSTILE} <a@b.example>"}
    for review in ("javascript:alert(1)", "data:text/html,x", HOSTILE):
        shelf.journal.assign("production", "v1.0.0", review=review, change=HOSTILE, **told)
    shelf.journal.add("describe", extra={"description": HOSTILE * 900})
    shelf.journal.add("odd-kind", extra={"x": "y"}, reason=HOSTILE)
    write_shelves(repo, shelf)
    site = make_site(repo)
    for path in site.path.rglob("*"):
        if path.is_file() and "assets" not in path.parts and path.suffix != ".csv":
            text = path.read_text(encoding="utf-8")
            assert "\u202e" not in text, path
            if path.suffix in {".html", ".atom"}:
                assert "<img" not in text, path
                assert not re.search(r"""href=["']?\s*(javascript|data):""", text), path
                assert "alert(1)" not in "".join(re.findall(r"<script.*?</script>", text)), path
            elif path.suffix == ".js":
                assert "<" not in text, path
    assert "reviewed" in seen(site.text("activity.html"))


def test_what_is_not_published_is_shown_as_such(repo, make_site, git):
    write_shelves(repo, Shelf("churn").register("v1.0.0").register("v1.1.0"))
    tip = git(repo, "rev-parse", "refs/gitml/models/churn").strip()
    first = git(repo, "rev-parse", f"{tip}^").strip()
    git(repo, "update-ref", "refs/gitml/models/churn", first)
    git(repo, "tag", "-d", "churn@v1.1.0")
    for name in ("0" * 16, "1" * 16):
        git(repo, "update-ref", f"refs/gitml/unpublished/churn/{name}", tip)
    git(repo, "update-ref", "refs/gitml/unpublished/churn/" + "2" * 16, first)
    site = make_site(repo)
    assert "3 not published" in seen(site.text("models.html"))
    page = site.text("models/churn.html")
    told = [row[0] for row in rows(page) if len(row) == 6][1:]
    assert sorted(told) == [
        "v1.0.0 latest",
        "v1.0.0 not published",
        "v1.1.0 not published",
        "v1.1.0 not published",
    ]
    assert "not published" in seen(site.text("models/churn/v1.1.0.html"))
    assert "not published" not in seen(site.text("models/churn/v1.0.0.html")).partition("Get")[0]


def test_boxes_lie_in_their_layers_and_none_over_another():
    edges = [("d1", "r1"), ("d1", "r2"), ("d2", "r2"), ("r1", "v1"), ("r2", "v2"), ("v2", "s")]
    edges += [("d0", "r0"), ("r0", "d1"), ("v1", "r2"), ("r2", "d1")]  # and round in a circle
    layers = layout.layers_of(edges, {"v1": 1, "v2": 1})
    assert (layers["s"], layers["v2"], layers["r2"]) == (0, 1, 2)
    at = layout.places(layers, edges, [*layers])
    assert at == layout.places(layers, edges, [*layers])
    assert len({*at.values()}) == len(at)
    by_column = {}
    for node, (x, y) in at.items():
        assert x >= 0
        assert y >= layout.TOP
        by_column.setdefault(x, []).append((y, node))
    for column in by_column.values():
        heights = sorted(y for y, _ in column)
        for above, below in itertools.pairwise(heights):
            assert below - above >= layout.HEIGHT
    assert {layers[node] for _, node in by_column[0]} == {max(layers.values())}


def test_lineage_goes_back_over_digests(site, repo, make_site):
    drawn = site.text("lineage.html").partition('id="m-churn"')[2].partition("</section>")[0]
    boxes = re.findall(r'<svg class="box (\w+) ?(\w*)" x="(\d+)".*?<text[^>]*>([^<]*)<', drawn)
    columns = {}
    for kind, _, x, label in boxes:
        columns.setdefault(int(x), set()).add((kind, label))
    ordered = [columns[x] for x in sorted(columns)]
    assert ordered[0] == {("data", "events.csv")}
    assert ordered[1] == {("run", "features-1")}
    assert ("data", "features.parquet") in ordered[2]
    assert ordered[-1] == {("stage", s) for s in ("production", "canary", "staging")}
    table = {row[0]: row for row in rows(drawn)}
    assert table["v1.2.0"][1] == "churn-run-3"
    assert "features.parquet" in table["v1.2.0"][2]
    assert table["v1.2.0"][3] == "production"
    wide = Shelf("wide")
    wide.register("v1.0.0")
    inputs = [Dataset(name=f"part-{n}", digest=f"sha256:{n:064x}") for n in range(50)]
    write_shelves(repo, wide)
    make_run(repo, "wide-run-1", experiment="wide", inputs=inputs)
    many = make_site(repo).text("lineage.html")
    assert len(re.findall(r'class="box data', many)) == 7
    assert "more inputs" in many
