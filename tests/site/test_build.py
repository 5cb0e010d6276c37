"""What ``gitml site build`` writes, when, and what it never touches."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import xml.etree.ElementTree as ET

import pytest

from gitml.errors import InputError, NotFoundError, RefusedError, StorageError
from gitml.model import Environment, Source
from gitml.site.urls import MANIFEST
from tests.support import MINUTE, START, make_run, make_runs, run_id_of

CURVE = [0.5, 0.7, 0.65, 0.8]


def churn(repo, *names, **facts):
    return make_runs(
        repo,
        *(
            {
                "name": name,
                "created": START + n * MINUTE,
                "params": {"lr": 0.1 / (n + 1), "kind": "forest"},
                "metrics": {"auc": [v + n / 100 for v in CURVE], "final": 0.5 + n},
                **facts,
            }
            for n, name in enumerate(names)
        ),
    )


def test_every_link_leads_somewhere(repo, make_site, files_of):
    churn(repo, "keen-fjord-8", "calm-otter-3")
    make_run(repo, "child-1", parent=run_id_of("keen-fjord-8"), experiment="it's <other>")
    site = make_site(repo)
    listed = files_of(site.path)
    pages = [name for name in listed if name.endswith(".html")]
    assert len(pages) >= 7
    paths = {(site.path / name).resolve() for name in listed}
    for page in pages:
        links = re.findall(r'(?:href|src)="([^"]+)"', site.text(page))
        assert links
        for link in links:
            if re.match(r"[a-z]+:", link):
                assert link.startswith(("https://", "http://")), (page, link)
            elif path := link.partition("#")[0]:
                assert (site.path / page).parent.joinpath(path).resolve() in paths, (page, link)
    child = site.text(f"runs/{run_id_of('child-1')[:12]}.html")
    assert f'href="../runs/{run_id_of("keen-fjord-8")[:12]}.html"' in child


def test_nothing_is_written_twice(repo, make_site, files_of):
    churn(repo, "keen-fjord-8", "calm-otter-3")
    first = make_site(repo)
    before = {path: path.stat().st_mtime_ns for path in first.path.rglob("*") if path.is_file()}
    again = make_site(repo)
    assert (again.done.written, again.done.removed) == ((), ())
    assert again.done.unchanged == len(before) - 1  # the manifest is not one of its files
    after = {path: path.stat().st_mtime_ns for path in first.path.rglob("*") if path.is_file()}
    assert after == before


def test_a_new_run_changes_only_what_tells_of_all(repo, make_site):
    churn(repo, "keen-fjord-8", "calm-otter-3")
    make_site(repo)
    make_run(repo, "brave-kite-1", created=START + 60 * MINUTE, metrics={"auc": CURVE})
    site = make_site(repo)
    key = run_id_of("brave-kite-1")[:12]
    assert set(site.done.written) == {
        *["index.html", "runs.html", "feed.atom", "data/runs.json", "data/runs.js"],
        *["data/runs.csv", f"runs/{key}.html", f"data/runs/{key}.js"],
    }
    assert site.done.removed == ()


def test_a_removed_run_goes_and_nothing_else(repo, make_site, invoke):
    churn(repo, "keen-fjord-8", "calm-otter-3")
    site = make_site(repo)
    (site.path / "CNAME").write_text("ml.example.com\n")
    assert invoke("rm", "calm-otter-3", cwd=repo).code == 0
    site = make_site(repo)
    key = run_id_of("calm-otter-3")[:12]
    assert set(site.done.removed) == {f"runs/{key}.html", f"data/runs/{key}.js"}
    assert (site.path / "CNAME").read_text() == "ml.example.com\n"
    assert site.data("data/runs.json")["attributes"]["id"] == [run_id_of("keen-fjord-8")]


def test_what_was_lost_or_changed_comes_back(repo, make_site, files_of):
    churn(repo, "keen-fjord-8")
    site = make_site(repo)
    whole = files_of(site.path)
    page = site.path / f"runs/{run_id_of('keen-fjord-8')[:12]}.html"
    page.unlink()
    (site.path / "index.html").write_text("mine")
    make_site(repo)
    assert files_of(site.path) == whole


def test_check_writes_nothing(repo, make_site, files_of):
    churn(repo, "keen-fjord-8")
    site = make_site(repo, check=True)
    assert site.done.changed
    assert not site.path.exists()
    make_site(repo)
    before = files_of(site.path)
    assert not make_site(repo, check=True).done.changed
    make_run(repo, "brave-kite-1")
    changed = make_site(repo, check=True)
    assert "index.html" in changed.done.written
    assert files_of(site.path) == before


def test_the_same_bytes_wherever_and_whenever(repo, tmp_path, git, gitml_cli, files_of):
    churn(repo, "keen-fjord-8", "calm-otter-3", "кириллица-1")
    clone = tmp_path / "elsewhere" / "clone"
    git(tmp_path, "clone", "--quiet", repo, clone)
    git(clone, "fetch", "--quiet", "origin", "refs/gitml/*:refs/gitml/*")
    odd = {"PYTHONHASHSEED": "7", "TZ": "Asia/Kathmandu", "LC_ALL": "C"}
    for place, env in ((repo, {"PYTHONHASHSEED": "1"}), (clone, odd)):
        out = tmp_path / f"out-{place.name}"
        done = gitml_cli("site", "build", "-o", out, cwd=place, env=env)
        assert done.code == 0, done.err
    assert files_of(tmp_path / "out-repo") == files_of(tmp_path / "out-clone")


def test_an_interrupted_build_is_taken_up(repo, make_site, files_of, monkeypatch, tmp_path):
    churn(repo, "keen-fjord-8", "calm-otter-3")
    whole = files_of(make_site(repo, "whole").path)
    replace = os.replace
    done = []

    def full(part, target):
        done.append(target)
        if len(done) > 6:
            raise OSError(28, "No space left on device")
        return replace(part, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        make_site(repo)
    monkeypatch.undo()
    assert not [name for name in files_of(tmp_path / "site") if name.endswith(".part")]
    assert files_of(make_site(repo).path) == whole


def test_what_is_not_ours_is_refused(repo, make_site, tmp_path):
    churn(repo, "keen-fjord-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    with pytest.raises(RefusedError, match="not empty"):
        make_site(repo, "full")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="not a folder"):
        make_site(repo, "file")
    site = make_site(repo)
    (site.path / "runs" / f"{run_id_of('brave-kite-1')[:12]}.html").write_text("mine")
    make_run(repo, "brave-kite-1")
    with pytest.raises(RefusedError, match="in the way"):
        make_site(repo)


@pytest.mark.parametrize(
    "bad", ["{", "[]", '{"files": {"../../outside": ["x", 1]}}', '{"files": 1}']
)
def test_a_manifest_of_somebody_elses(repo, make_site, bad):
    churn(repo, "keen-fjord-8")
    site = make_site(repo)
    (site.path / MANIFEST).write_text(bad)
    with pytest.raises(InputError, match="cannot be read"):
        make_site(repo)


def test_only_what_was_asked_for(repo, make_site):
    churn(repo, "keen-fjord-8", "calm-otter-3")
    make_run(repo, "other-1", experiment="ranker", params={"lr": 0.5})
    names = lambda site: site.data("data/runs.json")["attributes"]["name"]["words"]  # noqa: E731
    assert names(make_site(repo, "a", experiments=("ranker",))) == ["other-1"]
    assert names(make_site(repo, "b", where="params.lr < 0.1")) == ["calm-otter-3"]
    with pytest.raises(NotFoundError, match="no experiment"):
        make_site(repo, "c", experiments=("rankr",))
    with pytest.raises(InputError, match="no metric is called aux"):
        make_site(repo, "c", where="metrics.aux > 1")


def test_nothing_recorded_yet(empty_repo, make_site):
    site = make_site(empty_repo)
    assert "No runs yet" in site.text("index.html")
    assert site.data("data/runs.json")["count"] == 0
    assert ET.fromstring(site.text("feed.atom")).tag.endswith("feed")  # noqa: S314 - our own


PRIVATE = {
    "author": "Ada Author <ada@corp.example.com>",
    "note": "ask **bob@corp.example.com**, see /home/ada/notes.txt",
    "params": {"path": "/home/ada/data", "windows": "C:\\Users\\ada\\data", "mail": "a@b.example"},
    "tags": {
        "owner": "ada@corp.example.com",
        "ran": "on anvil-7: anvil-7.corp.example.com:22, anvil-70",
    },
    "source": Source(
        commit="1" * 40,
        remote="https://ada:hunter2@git.example.com/team/churn.git",
        command=("python", "/home/ada/train.py", "--to", "ada@corp.example.com"),
        changed=("/home/ada/x.py",),
    ),
    "environment": Environment(host="anvil-7.corp.example.com", variables={"HOME_": "/Users/ada"}),
}


def test_people_and_machines_are_left_out(repo, make_site, files_of):
    make_run(repo, "keen-fjord-8", metrics={"auc": CURVE}, **PRIVATE)
    hidden = b"".join(files_of(make_site(repo).path).values())
    for secret in (b"corp.example.com", b"hunter2", b"/home/ada", b"/Users/ada", b"Users\\\\ada"):
        assert secret not in hidden, secret
    assert b"on \xe2\x80\xa6: \xe2\x80\xa6:22, anvil-70" in hidden
    assert b"Ada Author" in hidden
    assert b"https://git.example.com/team/churn/commit/1111" in hidden
    shown = b"".join(files_of(make_site(repo, "shown", redact=False).path).values())
    for private in (b"ada@corp.example.com", b"anvil-7.corp.example.com", b"/home/ada/data"):
        assert private in shown, private


HOSTILE = "</script><script>alert(1)</script><!--"


def test_hostile_text_is_text(repo, make_site, files_of):
    (run,) = make_runs(
        repo,
        {
            "name": f'"><img src=x onerror=alert(1)>{HOSTILE}',
            "experiment": "' or '1'='1",
            "note": f"{HOSTILE}\u202egnp.exe\u2028\x07",
            "params": {"__proto__": "polluted", "constructor": HOSTILE, "big": "x" * 1_000_000},
            "metrics": {"</title>": CURVE, "nan": [math.nan, 1.0, math.inf], "__proto__": 1.0},
            "tags": {"javascript:alert(1)": "javascript:alert(1)"},
            "source": Source(commit="1" * 40, remote="javascript:alert(1)//x.example/y"),
        },
    )
    site = make_site(repo)
    listed = files_of(site.path)
    for name, data in listed.items():
        if name.startswith("assets/") or not name.endswith((".html", ".js", ".atom")):
            continue
        text = data.decode("utf-8")
        assert not re.search("[\u202e\u2028\u2029\x07]", text), name
        if name.endswith(".html"):
            assert re.findall(r"<script(?! src=)", text) == [], name
            assert "<img" not in text, name
            assert 'href="javascript' not in text, name
            assert len(data) < 100_000, name
        if name.endswith(".js"):
            assert "<" not in text, name
    document = site.data(f"data/runs/{run.id[:12]}.js")
    assert document["run"]["params"]["__proto__"] == "polluted"
    assert document["series"]["nan"]["value"] == [None, 1, None]
    assert json.loads(listed["data/runs.json"], parse_constant=pytest.fail)["count"] == 1
    ET.fromstring(site.text("feed.atom"))  # noqa: S314 - ours, whatever it holds


def test_every_page_forbids_what_it_does_not_need(repo, make_site):
    churn(repo, "keen-fjord-8")
    site = make_site(repo)
    for page in site.path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
        assert policy.startswith("default-src 'none'; script-src 'self'; "), page
        assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]


def test_curves_are_thinned_and_keep_their_peaks(repo, make_site):
    values = [math.sin(n / 300) for n in range(5000)]
    values[2345] = 9.0
    values[99] = math.nan
    make_run(repo, "keen-fjord-8", metrics={"long": values, "short": CURVE})
    site = make_site(repo, max_points=100)
    key = run_id_of("keen-fjord-8")[:12]
    document = site.data(f"data/runs/{key}.js")
    long, short = document["series"]["long"], document["series"]["short"]
    assert long["count"] == 5000
    assert 50 <= len(long["value"]) <= 100
    assert max(v for v in long["value"] if v is not None) == 9
    steps = document["axes"][long["axis"]]["step"]
    assert (steps[0], steps[-1], 2346 in steps) == (1, 5000, True)
    assert steps == sorted(set(steps))
    assert short["value"] == CURVE
    assert "of up to 5,000 points" in site.text(f"runs/{key}.html")


def test_a_run_of_several_copies_and_one_that_goes_on(repo, git, make_site, invoke):
    churn(repo, "keen-fjord-8")
    key = run_id_of("keen-fjord-8")
    assert invoke("pack", cwd=repo).code == 0
    invoke("note", "keen-fjord-8", "sealed, then edited", cwd=repo)  # now hot and sealed
    make_run(repo, "going-1", status="running", metrics={"auc": CURVE[:2]})
    site = make_site(repo)
    document = site.data(f"data/runs/{key[:12]}.js")
    assert document["series"]["auc"]["value"] == CURVE
    assert document["run"]["note"] == "sealed, then edited"
    going = site.data(f"data/runs/{run_id_of('going-1')[:12]}.js")
    assert (going["run"]["status"], going["series"]["auc"]["value"]) == ("running", CURVE[:2])


def test_csv_and_json_agree(repo, make_site, invoke):
    churn(repo, "keen-fjord-8", "calm-otter-3")
    odd = {"on": True, "sizes": [64, "ä"], "text": "a\nb\u202e,", "half": math.nan, "kind": 3}
    make_run(repo, "odd-1", created=START - MINUTE, params=odd, metrics={"auc": 0.5})
    site = make_site(repo, redact=False)
    assert site.text("data/runs.csv") == invoke("export", "csv", cwd=repo).out
    site = make_site(repo)
    rows = list(csv.DictReader(io.StringIO(site.text("data/runs.csv"))))
    data = site.data("data/runs.json")
    assert [row["id"] for row in rows] == data["attributes"]["id"]
    assert [float(row["metrics.auc"]) for row in rows] == data["metrics"]["auc"]["last"]
    assert [float(row["params.lr"]) for row in rows[:2]] == data["params"]["lr"][:2]


def test_the_command(repo, invoke):
    churn(repo, "keen-fjord-8")
    answer = invoke("site", "build", "--title", "Churn", cwd=repo)
    assert (answer.code, answer.err) == (0, "")
    assert re.match(r"public: \d+ files written \(\S+ MB\), 0 unchanged, 0 removed\.\n", answer.out)
    assert "<title>Overview · Churn</title>" in (repo / "public" / "index.html").read_text()
    answer = invoke("site", "build", "--title", "Churn", cwd=repo)
    assert re.fullmatch(r"public is up to date: \d+ files\.\n", answer.out)
    assert invoke("site", "build", "--title", "Churn", "--check", cwd=repo).code == 0
    answer = invoke("site", "build", "--title", "Other", "--check", "--json", cwd=repo)
    document = json.loads(answer.out)
    assert (answer.code, document["checked"]) == (1, True)
    assert "index.html" in document["written"]
    for words, code in (
        (["-o", "."], 4),
        (["-o", ".git/pages"], 4),
        (["--base-url", "example.com"], 5),
        (["--templates", "nowhere"], 3),
        (["--max-points", "3"], 2),
    ):
        assert invoke("site", "build", *words, cwd=repo).code == code, words
