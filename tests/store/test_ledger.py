"""Sealing: a hot ref goes only when its ledger holds it all, and one bad run stops no other."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from gitml import names
from gitml.errors import DamagedError, NotFoundError, RefusedError
from gitml.lines import dump_json
from gitml.model import Edit, iso
from gitml.store import ledger, live
from gitml.store.git import open_repository
from gitml.store.history import copies, edits_of, history
from gitml.store.ledger import ledgers, seal, slug_of
from gitml.store.points import Collector
from gitml.store.purge import purge
from gitml.store.state import read_tree, view
from gitml.store.write import Change, commit_runs, locate, new_edit
from tests.forge import forge
from tests.support import AUTHOR, START, change_of, make_runs, run_id_of


@pytest.fixture
def store(repo):
    repository = open_repository(repo)
    yield repository
    repository.close()


def sealed(store, **more):
    return seal(store, committer=AUTHOR, now=START, **more)


def tree_in(store, slug, run_id):
    return store.resolve(f"refs/gitml/experiments/{slug}:runs/{run_id[:2]}/{run_id}")


def refs(git, repo, *below):
    return git(repo, "for-each-ref", "--format=%(refname)", *below).split()


def test_an_ended_run_goes_in_as_the_tree_it_is(store, repo, git):
    first, second = make_runs(repo, {"name": "one", "metrics": {"loss": [1, 2]}}, {"name": "two"})
    hot = store.resolve(f"{names.run_ref(first.id)}^{{tree}}")
    commits = {store.resolve(names.run_ref(r.id)) for r in (first, second)}
    report = sealed(store)
    assert {k: sorted(v) for k, v in report.sealed.items()} == {
        "churn": sorted([first.id, second.id])
    }
    assert tree_in(store, "churn", first.id) == hot
    assert refs(git, repo, "refs/gitml") == ["refs/gitml/experiments/churn"]
    parents = git(repo, "log", "-1", "--format=%P", "refs/gitml/experiments/churn").split()
    assert set(parents) == commits
    before = store.resolve("refs/gitml/experiments/churn")
    assert sealed(store).sealed == {}
    assert store.resolve("refs/gitml/experiments/churn") == before
    make_runs(repo, {"name": "three"})
    sealed(store)
    parents = git(repo, "log", "-1", "--format=%P", "refs/gitml/experiments/churn").split()
    assert parents[0] == before
    assert len(parents) == 2
    git(repo, "fsck", "--strict")


def test_two_clones_seal_one_run_to_the_same_tree(store, repo, git, tmp_path):
    """One took it whole; the other had half of it, and joined."""
    run_id = run_id_of("one")
    points = Collector()
    points.add_all([("loss", s, START + s, 1 / (s + 1)) for s in range(100)])
    half = change_of(store, name="one", status="running", metrics={"auc": [0.5]})
    commit_runs(store, [half], committer=AUTHOR, now=START)
    other = tmp_path / "other"
    git(tmp_path, "clone", "--quiet", repo, other)
    git(other, "fetch", "--quiet", "origin", "refs/gitml/*:refs/gitml/*")
    ended = {
        new_edit(at=START + 10, by=AUTHOR, key="status", value="finished"),
        new_edit(at=START + 10, by=AUTHOR, key="ended", value=iso(START + 10)),
    }
    commit_runs(
        store,
        [Change(run_id=run_id, edits=ended, points={"aaaa0000-1": points})],
        committer=AUTHOR,
        now=START,
    )
    # The other clone ends it too, with fewer points, seals that, and then hears of the rest.
    clone = open_repository(other)
    fewer = Collector()
    fewer.add_all([("loss", s, START + s, 1 / (s + 1)) for s in range(50)])
    commit_runs(
        clone,
        [Change(run_id=run_id, edits=set(ended), points={"bbbb0000-0": fewer})],
        committer=AUTHOR,
        now=START,
    )
    sealed(clone)
    git(other, "fetch", "--quiet", "origin", f"{names.run_ref(run_id)}:{names.run_ref(run_id)}")
    sealed(clone)
    sealed(store)
    assert tree_in(clone, "churn", run_id) == tree_in(store, "churn", run_id)
    assert len(list(history(clone, run_id, "loss"))) == 100
    assert refs(git, other, "refs/gitml/runs") == []
    clone.close()


def test_an_edit_of_a_sealed_run_is_joined_by_the_next_seal(store, repo, git):
    (run,) = make_runs(repo, {"name": "one", "metrics": {"loss": [3, 2, 1]}, "params": {"lr": 1}})
    sealed(store)
    edit = new_edit(at=run.updated + 1, by=AUTHOR, key="tags.team", value="growth")
    change = Change(run_id=run.id, edits={edit}, bases=locate(store, run.id))
    commit_runs(store, [change], committer=AUTHOR, now=START)
    assert len(copies(store, run.id)) == 2
    sealed(store)
    (copy,) = copies(store, run.id)
    again = view(store, run.id, [copy.tree])
    assert (again.tags, again.params, again.metrics) == (
        {"team": "growth"},
        run.params,
        run.metrics,
    )
    git(repo, "fsck", "--strict")


def test_what_runs_or_is_written_here_is_left_alone(store, repo):
    (running, ended) = make_runs(repo, {"name": "running", "status": "running"}, {"name": "ended"})
    who = live.Who(host="h", boot="b", pid=1, started=1)
    log = live.LiveLog(store.home, ended.id, "aaaa0000", who)
    report = sealed(store)
    assert (report.sealed, report.running) == ({}, 2)
    log.close()
    live.drop(store.home, ended.id)
    assert sealed(store).sealed == {"churn": [ended.id]}
    assert store.resolve(names.run_ref(running.id))


def test_more_runs_than_one_commit_has_parents(store, repo, git, monkeypatch):
    monkeypatch.setattr(ledger, "PARENTS", 4)
    made = make_runs(repo, *({"name": f"run-{n}", "experiment": f"e{n % 2}"} for n in range(18)))
    told = []
    sealed(store, progress=lambda done, total: told.append((done, total)))
    assert told == [(9, 18), (18, 18)]
    for number, run in enumerate(made):
        assert tree_in(store, f"e{number % 2}", run.id)
    for slug in ("e0", "e1"):
        lines = git(repo, "log", "--format=%p", f"refs/gitml/experiments/{slug}", "--first-parent")
        assert max(len(line.split()) for line in lines.splitlines()) == 5
    git(repo, "fsck", "--strict")
    git(repo, "gc", "--prune=now", "--quiet")
    assert (
        len(list(store.objects().many(f"{b.tree}" for r in made for b in copies(store, r.id))))
        == 18
    )


# One bad thing, and many good ones.


def stated(key, value, at=START + 99_000):
    return Edit(at=at, id="f" * 16, by=AUTHOR, key=key, json=dump_json(value))


def break_fold(store, repo, git, bad):
    lines = git(repo, "show", f"{names.run_ref(bad.id)}:edits.jsonl")
    lines += '{"at":9999999999999,"id":"ffffffffffffffff","by":"x","key":"name","value":5}\n'
    forge(repo, git, bad.id, "edits.jsonl", lines)
    forge(repo, git, bad.id, "metrics/0-0-0.csv", "metric,step,time,value\n")


def break_edits(store, repo, git, bad):
    forge(repo, git, bad.id, "edits.jsonl", "{")
    forge(repo, git, bad.id, "metrics/0-0-0.csv", "")


def break_yaml(store, repo, git, bad):
    forge(repo, git, bad.id, "run.yaml", "&a [*a]")


def break_schema(store, repo, git, bad):
    forge(repo, git, bad.id, "run.yaml", "schema: 2\nstatus: finished\n")


def break_ledger(store, repo, git, bad):
    """Its ledger was written by a newer gitml."""
    blob = git(repo, "hash-object", "-w", "--stdin", input="schema: 2\nname: other\n").strip()
    tree = git(repo, "mktree", input=f"100644 blob {blob}\texperiment.yaml\n").strip()
    commit = git(repo, "commit-tree", "-m", "x", tree).strip()
    git(repo, "update-ref", "refs/gitml/experiments/other", commit)


def break_ledger_kind(store, repo, git, bad):
    git(repo, "update-ref", "refs/gitml/experiments/other", "HEAD:train.py")


BREAKS = [break_fold, break_edits, break_yaml, break_schema, break_ledger, break_ledger_kind]


@pytest.mark.parametrize("spoil", BREAKS)
def test_one_bad_run_or_ledger_stops_no_other(store, repo, git, spoil):
    good, bad = make_runs(repo, {"name": "good"}, {"name": "bad", "experiment": "other"})
    spoil(store, repo, git, bad)
    report = sealed(store)
    assert report.sealed.get("churn") == [good.id]
    assert set(report.unreadable) == {bad.id}
    assert store.resolve(names.run_ref(bad.id)), "and nothing of it is gone"
    assert tree_in(store, "churn", good.id)


def test_foreign_refs_are_passed_over(store, repo, git):
    (run,) = make_runs(repo, {"name": "one"})
    head = store.resolve("HEAD")
    for ref in (
        "refs/gitml/runs/README",
        f"refs/gitml/runs/{'f' * 31}",
        f"refs/gitml/runs/{'e' * 32}",
        "refs/gitml/experiments/Not-A-Slug",
        "refs/gitml/experiments/a/b",
        "refs/gitml/source/t-zzz",
        "refs/gitml/source/other",
        f"refs/gitml/source/t-{'0' * 40}",
        "refs/gitml/elsewhere",
    ):
        git(repo, "update-ref", ref, head)
    before = refs(git, repo, "refs/gitml")
    report = sealed(store)
    assert (report.sealed, report.sources) == ({"churn": [run.id]}, 0)
    gone = {names.run_ref(run.id)}
    assert set(refs(git, repo, "refs/gitml")) == set(before) - gone | {
        "refs/gitml/experiments/churn"
    }


# Names.


def test_experiments_whose_slugs_meet():
    """One was renamed to the name that another's slug is made of."""
    assert slug_of("churn", {}) == "churn"
    assert slug_of("churn", {"churn": "churn"}) == "churn"
    other = slug_of("churn", {"churn": "Renamed"})
    assert other == names.slugify("churn", salt="churn")
    assert slug_of("Renamed", {"churn": "Renamed"}) == "churn"
    assert slug_of("x", {"b": "x", "a": "x"}) == "a", "two clones choose alike"


@pytest.mark.parametrize("name", ["Dritte Runde", "churn.lock", "a/b", "流", "con", "x" * 250])
def test_any_experiment_has_a_ledger(store, repo, git, name):
    (run,) = make_runs(repo, {"name": "one", "experiment": name})
    assert sealed(store).sealed == {name: [run.id]}
    assert ledgers(store) == {
        names.slugify(name): (store.resolve(refs(git, repo, "refs/gitml")[0]), name)
    }
    make_runs(repo, {"name": "two", "experiment": name})
    sealed(store)
    assert len(ledgers(store)) == 1
    git(repo, "fsck", "--strict")


# Purging.


@pytest.mark.parametrize("where", ["hot", "sealed", "both"])
def test_purged_is_gone_from_all_places_for_ever(store, repo, git, where):
    run, other = make_runs(repo, {"name": "one"}, {"name": "two"})
    change = change_of(store, name="one")
    if where != "hot":
        sealed(store)
    if where == "both":
        commit_runs(store, [change], committer=AUTHOR, now=START)
    purge(store, run.id, experiment="churn", committer=AUTHOR, now=START, reason="personal data")
    assert copies_or_none(store, run.id) is None
    assert store.resolve(names.run_ref(run.id)) is None
    assert tree_in(store, "churn", run.id) is None
    stone = git(repo, "show", f"refs/gitml/experiments/churn:tombstones/{run.id[:2]}/{run.id}")
    assert "reason: personal data" in stone
    # Somebody else's copy comes back by a fetch: the next seal drops it.
    commit_runs(store, [change], committer=AUTHOR, now=START)
    report = sealed(store)
    assert report.dropped == [run.id]
    assert store.resolve(names.run_ref(run.id)) is None
    with pytest.raises(RefusedError, match="final"):
        purge(store, run.id, experiment="churn", committer=AUTHOR, now=START)
    assert copies(store, other.id)
    git(repo, "fsck", "--strict")


def copies_or_none(store, run_id):
    try:
        return copies(store, run_id)
    except RefusedError:
        return None


def test_what_is_not_there_cannot_be_purged(store, repo, git):
    with pytest.raises(NotFoundError):
        purge(store, "f" * 32, experiment="churn", committer=AUTHOR, now=START)
    assert refs(git, repo, "refs/gitml") == []


def test_a_ledger_that_cannot_be_read_keeps_a_purge_from_its_place(store, repo, git):
    (run,) = make_runs(repo, {"name": "one", "experiment": "other"})
    break_ledger(store, repo, git, run)
    with pytest.raises(DamagedError, match="ledger other cannot be read"):
        purge(store, run.id, experiment="other", committer=AUTHOR, now=START)
    assert store.resolve(names.run_ref(run.id))


SEALER = """
    import sys
    from pathlib import Path
    from gitml.errors import BeatenError
    from gitml.store.git import open_repository
    from gitml.store.ledger import seal
    store = open_repository(Path("."))
    for _ in range(12):
        report = seal(store, committer="A <a@b>", now=1)
        assert not report.unreadable, report.unreadable
"""


def test_sealers_at_once_seal_each_run_once(store, repo, git):
    script = textwrap.dedent(SEALER)
    sealers = [subprocess.Popen([sys.executable, "-c", script], cwd=repo) for _ in range(3)]
    made = []
    number = 0
    while any(sealer.poll() is None for sealer in sealers):
        facts = [{"name": f"run-{number + n}", "metrics": {"loss": [1, 2]}} for n in range(5)]
        made += make_runs(repo, *facts)
        number += 5
    assert [sealer.wait() for sealer in sealers] == [0] * 3
    sealed(store)
    assert refs(git, repo, "refs/gitml") == ["refs/gitml/experiments/churn"]
    for run in made:
        (copy,) = copies(store, run.id)
        assert view(store, run.id, [copy.tree]) == run
        assert read_tree(store, copy.tree).edits == set(edits_of(store, run.id))
    listed = git(repo, "ls-tree", "-r", "--name-only", "refs/gitml/experiments/churn").split()
    assert sum(path.endswith("/run.yaml") for path in listed) == len(made) > 10
    git(repo, "fsck", "--strict")


def test_the_oid_of_a_tree_is_a_function_of_what_was_stated(store, repo, tmp_path, git):
    """Another machine, another time, another committer: the same run, the same tree."""
    (run,) = make_runs(repo, {"name": "one", "metrics": {"loss": [1.5, float("nan")]}})
    git(tmp_path, "init", "--quiet", "--bare", "elsewhere")
    elsewhere = open_repository(tmp_path / "elsewhere")
    commit_runs(
        elsewhere,
        [change_of(elsewhere, name="one", metrics={"loss": [1.5, float("nan")]})],
        committer="Bob <b@c>",
        now=START + 10**9,
    )
    ref = f"{names.run_ref(run.id)}^{{tree}}"
    assert elsewhere.resolve(ref) == store.resolve(ref)
    elsewhere.close()
