"""Whole ledgers and hot runs, joined and sealed in any order: the same tree comes out."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gitml.names import experiment_ref
from gitml.store.git import RefUpdate, open_repository
from gitml.store.history import edits_of
from gitml.store.joining import join_ledgers
from gitml.store.ledger import seal
from gitml.store.purge import purge
from gitml.store.write import Change, commit_runs, locate, new_edit
from tests.support import AUTHOR, START, change_of, run_id_of

LEDGER = experiment_ref("churn")
FOUR = {"name": "four", "params": {"lr": 0.1}}
PLACES = {
    "as it was": {},
    "tagged and noted": {"sealed": [("two", "tags.x", 1)], "hot": [("one", "note", "by hand")]},
    "tagged otherwise": {"sealed": [("two", "tags.x", 2)], "hot": [("two", "tags.y", None)]},
    "purged": {"sealed": [("one", "tags.z", "kept")], "purged": "three"},
    "spoken of after all": {"sealed": [("three", "note", "good")], "hot": [("three", "name", "3")]},
    "one run more": {"new": {**FOUR, "metrics": {"auc": [0.5, 0.6]}}},
    "another of that id": {"new": {**FOUR, "metrics": {"auc": [0.7], "loss": 0.1}}},
    "hidden": {"hot": [("one", "deleted", True), ("two", "status", "failed")]},
}


class Places:
    """What clones of one history have: a ledger, and commits of hot runs."""

    def __init__(self, path):
        self.path = path
        self.repository = open_repository(path)
        self.at = START + 100_000
        runs = [
            change_of(self.repository, name=name, metrics={"auc": 0.5})
            for name in ("one", "two", "three")
        ]
        commit_runs(self.repository, runs, committer=AUTHOR, now=START)
        seal(self.repository, committer=AUTHOR, now=START)
        first = self.repository.refs(LEDGER)
        self.found = {}
        for place, what in PLACES.items():
            self.put(first)
            self.found[place] = self.make(**what)

    def put(self, refs):
        """Let the repository have these refs of ours and no other."""
        old = self.repository.refs("refs/gitml", "refs/gitml-remotes", "refs/gitml-tmp")
        updates = [RefUpdate(ref, refs.get(ref), old.get(ref)) for ref in {**old, **refs}]
        self.repository.update_refs(updates)

    def make(self, sealed=(), hot=(), new=None, purged=None):
        """Do things in a clone; return its ledger and its hot runs."""
        if new is not None:
            change = change_of(self.repository, **new)
            commit_runs(self.repository, [change], committer=AUTHOR, now=START)
        self.edit(sealed)
        seal(self.repository, committer=AUTHOR, now=START)
        if purged is not None:
            run_id = run_id_of(purged)
            purge(self.repository, run_id, experiment="churn", committer=AUTHOR, now=START)
        self.edit(hot)
        refs = self.repository.refs("refs/gitml")
        return refs.pop(LEDGER), frozenset(refs.items())

    def edit(self, edits):
        for name, key, value in edits:
            self.at += 1
            run_id = run_id_of(name)
            edit = new_edit(at=self.at, by=AUTHOR, key=key, value=value)
            change = Change(run_id=run_id, edits={edit}, bases=locate(self.repository, run_id))
            commit_runs(self.repository, [change], committer=AUTHOR, now=START)

    def join(self, one, other):
        """Return what a clone has that pulled from another."""
        ledger, hot = one[0], one[1] | other[1]
        if one[0] != other[0]:
            with self.repository.fast_import() as stream:
                joined = join_ledgers(self.repository, stream, {"churn": (one[0], other[0])})
            assert not joined.refused
            assert not joined.unreadable
            ledger = joined.updates[0].new
            self.repository.update_refs(joined.updates[1:])
        return ledger, hot

    def seal(self, place):
        """Return what a clone has when it has sealed all that it saw."""
        ledger, hot = place
        if not hot:
            return place
        seen = {f"refs/gitml-remotes/{secrets.token_hex(8)}/runs/{r[-32:]}": o for r, o in hot}
        self.put({LEDGER: ledger, **seen})
        report = seal(self.repository, committer=AUTHOR, now=START, pulled=True)
        assert not report.unreadable
        return self.repository.resolve(LEDGER), frozenset()


@pytest.fixture(scope="module")
def clones(tmp_path_factory, git):
    path = tmp_path_factory.mktemp("ledgers")
    git(path, "init", "--quiet", "--bare", "--template=", ".")
    places = Places(path)
    yield places
    places.repository.close()


@settings(max_examples=8, phases=[Phase.generate])
@given(
    some=st.lists(st.sampled_from(sorted(PLACES)), min_size=2, max_size=4),
    data=st.data(),
)
def test_order_grouping_and_when_it_was_sealed_leave_no_trace(git, clones, some, data):
    whole = clones.found[some[0]]
    for place in some[1:]:
        whole = clones.join(whole, clones.found[place])
    whole, _ = clones.seal(whole)
    left = [clones.found[place] for place in data.draw(st.permutations(some))]
    while len(left) > 1:
        one = left.pop()
        other = left.pop(data.draw(st.integers(0, len(left) - 1)))
        both = clones.join(other, one)
        left.append(clones.seal(both) if data.draw(st.booleans()) else both)
    (found,) = left
    if data.draw(st.booleans()):  # and one of them once more
        found = clones.join(found, clones.found[some[0]])
    found, _ = clones.seal(found)
    assert clones.repository.commit_tree(found) == clones.repository.commit_tree(whole)
    clones.put({LEDGER: whole})
    for place in some:
        done = PLACES[place]
        for name, key, value in (*done.get("sealed", ()), *done.get("hot", ())):
            if name != "three" or "purged" not in some:
                stated = {(e.key, e.json) for e in edits_of(clones.repository, run_id_of(name))}
                assert (key, new_edit(at=0, by="", key=key, value=value).json) in stated
    there = git(clones.path, "ls-tree", "-r", "-d", "--name-only", f"{whole}:runs")
    there = {path[3:35] for path in there.split()}
    assert (run_id_of("three") in there) == ("purged" not in some)
    assert (run_id_of("four") in there) == any("new" in PLACES[place] for place in some)
