"""Runs between clones: nothing lost, nothing twice, and all alike in the end."""

from __future__ import annotations

import pytest

from gitml.errors import UnreachableError, UsageError
from gitml.query.index import open_index
from gitml.store import ledger, planning
from gitml.store.git import open_repository
from gitml.store.pulling import pull_runs, where
from gitml.store.purge import purge
from gitml.store.pushing import push_runs
from gitml.store.write import Change, commit_runs, locate, new_edit
from tests.support import AUTHOR, START, make_runs, run_id_of

LEDGER = "refs/gitml/experiments/churn"


@pytest.fixture
def clones(git, tmp_path):
    """Three clones of one bare repository, with a commit."""
    hub = tmp_path / "hub.git"
    git(tmp_path, "init", "--quiet", "--bare", "-b", "main", hub)
    places = []
    for name in "abc":
        git(tmp_path, "clone", "--quiet", hub, name)
        places.append(tmp_path / name)
    (places[0] / "train.py").write_text("print('training')\n")
    git(places[0], "add", "train.py")
    git(places[0], "commit", "--quiet", "-m", "code")
    git(places[0], "push", "--quiet", "origin", "HEAD:main")
    return [*places, hub]


class Clone:
    """A clone, opened anew for each thing that is done in it, as commands do."""

    def __init__(self, path):
        self.path = path

    def do(self, what):
        repository = open_repository(self.path)
        try:
            return what(repository)
        finally:
            repository.close()

    def push(self, **options):
        return self.do(
            lambda r: push_runs(r, where(r, None), committer=AUTHOR, now=START, **options)
        )

    def pull(self, **options):
        return self.do(lambda r: pull_runs(r, where(r, None), **options))

    def seal(self, *, pulled=False):
        return self.do(lambda r: ledger.seal(r, committer=AUTHOR, now=START, pulled=pulled))

    def tag(self, run, key, value, at):
        def write(repository):
            edit = new_edit(at=at, by=AUTHOR, key=f"tags.{key}", value=value)
            change = Change(
                run_id=run_id_of(run), edits={edit}, bases=locate(repository, run_id_of(run))
            )
            commit_runs(repository, [change], committer=AUTHOR, now=START)

        self.do(write)

    def purge(self, run):
        self.do(lambda r: purge(r, run_id_of(run), experiment="churn", committer=AUTHOR, now=START))

    def runs(self):
        def read(repository):
            with open_index(repository, now=START) as index:
                return {run.name: run for run in index.search()}

        return self.do(read)


@pytest.fixture
def three(clones):
    return [Clone(path) for path in clones[:3]]


def settle(*clones):
    """Let everybody push and pull until there is nothing to move, as people do over a day."""
    for _ in range(3):
        for clone in clones:
            clone.push()
            clone.pull()


def gitml_refs(git, path, *more):
    lines = git(path, "for-each-ref", "--format=%(refname) %(objectname)", "refs/gitml", *more)
    return dict(line.split() for line in lines.splitlines())


def test_what_one_clone_made_all_read(clones, three, git):
    a, b, c = three
    make_runs(a.path, {"name": "a1", "metrics": {"auc": 0.9}}, {"name": "a2"})
    make_runs(b.path, {"name": "b1"})
    assert len(a.push().runs) == 2
    assert len(b.push().runs) == 1
    assert sorted(c.pull().runs) == sorted(map(run_id_of, ["a1", "a2", "b1"]))
    assert c.runs().keys() == {"a1", "a2", "b1"}
    assert c.runs()["a1"].metrics["auc"].last == 0.9
    # A pull makes no hot ref of ours, so nothing of theirs is pushed back.
    assert gitml_refs(git, c.path) == {}
    assert c.push().runs == []


def test_two_sealers_end_with_one_ledger(clones, three, git):
    a, b, c = three
    make_runs(a.path, {"name": "a1"}, {"name": "a2", "experiment": "other"})
    make_runs(b.path, {"name": "b1"})
    for clone in (a, b):
        clone.push()
        clone.seal()
    assert a.push().settled == sorted(map(run_id_of, ["a1", "a2"]))
    assert b.push().ledgers == ["churn"]
    settle(a, b, c)
    assert gitml_refs(git, a.path) == gitml_refs(git, b.path) == gitml_refs(git, c.path)
    assert gitml_refs(git, clones[3]) == gitml_refs(git, a.path)
    assert gitml_refs(git, a.path).keys() == {
        "refs/gitml/experiments/churn",
        "refs/gitml/experiments/other",
    }
    assert a.runs() == b.runs() == c.runs()
    for path in clones:
        git(path, "fsck", "--strict", "--no-dangling")


def test_the_same_runs_sealed_twice_are_one(clones, three, git):
    a, b, c = three
    make_runs(a.path, {"name": "one", "metrics": {"auc": 0.5}})
    a.push()
    tag = {"at": START + 5, "key": "who"}
    b.pull()
    b.tag("one", value="b", **tag)  # an edit of what was read: a hot ref of b's
    a.tag("one", key="who", value="a", at=START + 4)
    a.seal()
    b.seal()
    settle(a, b, c)
    assert gitml_refs(git, a.path) == gitml_refs(git, b.path) == gitml_refs(git, c.path)
    assert a.runs()["one"].tags == {"who": "b"}
    assert c.runs() == a.runs()


def test_edits_of_one_hot_run_on_two_clones_both_survive(three):
    a, b, c = three
    make_runs(a.path, {"name": "one"})
    a.push()
    b.pull()
    a.tag("one", "a", "1", START + 10)
    b.tag("one", "b", "2", START + 9)
    a.push()
    b.push()  # is beaten, joins, and pushes the join
    for clone in three:
        clone.pull()
    assert a.runs()["one"].tags == b.runs()["one"].tags == {"a": "1", "b": "2"}
    assert c.runs()["one"].tags == {"a": "1", "b": "2"}


def test_a_purge_is_final_everywhere(clones, three, git):
    a, b, c = three
    make_runs(a.path, {"name": "secret"}, {"name": "kept"})
    a.push()
    b.pull()
    b.tag("secret", "late", "1", START + 99)
    a.purge("secret")
    settle(a, b, c)
    for clone in three:
        assert clone.runs().keys() == {"kept"}
    assert not any(run_id_of("secret") in ref for ref in gitml_refs(git, clones[3]))
    assert b.pull().purged == []  # it was let go before


def test_a_rewound_ledger_is_refused_named_and_taken_on_request(clones, three, git):
    a, b, _ = three
    make_runs(a.path, {"name": "old"})
    a.seal()
    a.push()
    old = gitml_refs(git, clones[3])["refs/gitml/experiments/churn"]
    make_runs(a.path, {"name": "new"})
    a.seal()
    a.push()
    b.pull()
    make_runs(b.path, {"name": "mine"})
    b.seal()
    git(clones[3], "update-ref", "refs/gitml/experiments/churn", old)
    refused = b.pull()
    assert list(refused.rewound) == ["churn"]
    assert b.runs().keys() == {"old", "new", "mine"}
    b.pull(accept_rewind=True)
    assert b.runs().keys() == {"old", "mine"}
    assert gitml_refs(git, b.path)["refs/gitml/experiments/churn"] == old
    git(clones[3], "update-ref", "-d", "refs/gitml/experiments/churn")
    gone = b.pull()
    assert gone.rewound == {"churn": (old, None)}
    assert b.runs().keys() == {"old", "mine"}


def test_a_ledger_that_went_back_and_on_again_is_joined_by_a_push(clones, three, git):
    """A host is put back to yesterday, and others go on: nobody's runs are lost by that."""
    a, b, _ = three
    make_runs(a.path, {"name": "old"})
    a.seal()
    a.push()
    b.pull()
    old = gitml_refs(git, clones[3])["refs/gitml/experiments/churn"]
    make_runs(a.path, {"name": "lost"})
    a.seal()
    a.push()
    git(clones[3], "update-ref", "refs/gitml/experiments/churn", old)
    make_runs(b.path, {"name": "since"})
    b.seal()
    b.push()
    assert list(a.pull().rewound) == ["churn"]
    assert a.push().ledgers == ["churn"]
    b.pull()
    assert a.runs().keys() == b.runs().keys() == {"old", "lost", "since"}
    assert gitml_refs(git, a.path) == gitml_refs(git, clones[3])


def source(git, path, text):
    """Keep a tree of source as a run does, and return it."""
    (path / "code.py").write_text(text)
    git(path, "add", "code.py")
    tree = git(path, "write-tree").strip()
    commit = git(path, "commit-tree", "-m", "source of gitml runs", "-p", "HEAD", tree).strip()
    git(path, "update-ref", f"refs/gitml/source/t-{tree}", commit)
    return tree


@pytest.mark.parametrize("how", ["push", "pull"])
def test_a_host_that_lost_all_gets_all_again(clones, three, git, how):
    a, b, _ = three
    make_runs(a.path, {"name": "hot"}, {"name": "sealed", "experiment": "other"})
    source(git, a.path, "one")
    a.push()
    everything = gitml_refs(git, clones[3])
    for ref in everything:
        git(clones[3], "update-ref", "-d", ref)
    if how == "pull":
        assert len(a.pull().gone) == 2
    done = a.push()  # which seemed to have nothing to send
    assert (len(done.runs), done.sources) == (2, 1)
    assert gitml_refs(git, clones[3]) == everything
    assert a.push().runs == []
    # What is not there because somebody sealed it is not brought back.
    b.pull()
    b.seal(pulled=True)
    assert len(b.push().settled) == 2
    sealed = gitml_refs(git, clones[3])
    assert a.push().runs == []
    assert gitml_refs(git, clones[3]) == sealed
    a.path.parent.joinpath("hub.git").rename(a.path.parent / "away.git")
    with pytest.raises(UnreachableError):  # and not "has everything"
        a.push()


def test_refs_of_source_that_a_host_has_in_its_set_go_there(clones, three, git):
    a, b, _ = three
    git(b.path, "pull", "--quiet", "origin", "main")
    one = source(git, a.path, "one")
    source(git, b.path, "one")
    two = source(git, b.path, "two")
    assert (a.push().sources, b.push().sources) == (1, 1)
    make_runs(a.path, {"name": "a1"})
    a.seal()
    a.push()
    assert f"refs/gitml/source/t-{one}" not in gitml_refs(git, clones[3])
    assert f"refs/gitml/source/t-{two}" in gitml_refs(git, clones[3])
    make_runs(b.path, {"name": "b1"})
    b.seal()
    settle(b, a)
    there = gitml_refs(git, clones[3])
    assert not [ref for ref in there if ref.startswith("refs/gitml/source/")]
    held = git(clones[3], "ls-tree", "-r", "-t", "--name-only", "refs/gitml/sources")
    assert {f"{tree[:2]}/{tree}" for tree in (one, two)} <= {*held.split()}
    git(clones[3], "fsck", "--strict", "--no-dangling")


def test_commits_of_people_that_go_along_with_source_are_counted(clones, three, git):
    a, b, _ = three
    source(git, a.path, "one")
    assert a.push().commits == 0
    for name in ("first", "second"):
        git(a.path, "commit", "--quiet", "--allow-empty", "-m", name)
    source(git, a.path, "two")
    assert [a.push(dry_run=True).commits, a.push().commits, a.push().commits] == [2, 2, 0]
    source(git, a.path, "three")
    assert a.push().commits == 0  # they are there
    git(b.path, "pull", "--quiet", "origin", "main")
    git(b.path, "commit", "--quiet", "--allow-empty", "-m", "another")
    source(git, b.path, "four")
    assert b.push(source=False).commits == 0


def test_what_is_held_stays_home_with_many_too(clones, three, git, monkeypatch):
    monkeypatch.setattr(planning, "MANY", 2)
    a = three[0]
    make_runs(a.path, *({"name": f"a{n}"} for n in range(4)))
    held = f"refs/gitml/runs/{run_id_of('a0')}"
    assert len(a.push(held={held}).runs) == 3
    assert held not in gitml_refs(git, clones[3])
    assert a.push().runs == [run_id_of("a0")]


def test_a_remote_that_refuses_one_run_gets_the_others(clones, three, git):
    a, _, c = three
    make_runs(a.path, {"name": "good"}, {"name": "bad"}, {"name": "fine"})
    hook = clones[3] / "hooks" / "update"
    hook.write_text(
        f"#!/bin/sh\ncase $1 in *{run_id_of('bad')}) echo no such run >&2; exit 1;; esac\n"
    )
    hook.chmod(0o755)
    done = a.push()
    assert list(done.refused) == [f"refs/gitml/runs/{run_id_of('bad')}"]
    c.pull()
    assert c.runs().keys() == {"good", "fine"}
    hook.unlink()
    assert a.push().runs == [run_id_of("bad")]


def test_dry_run_moves_nothing(clones, three, git):
    a, _, _ = three
    make_runs(a.path, {"name": "one"})
    assert a.push(dry_run=True).runs == [run_id_of("one")]
    assert gitml_refs(git, clones[3]) == {}


def test_no_remote_and_no_answer(repo, clones, three, git):
    with pytest.raises(UsageError, match="no remote"):
        Clone(repo).push()
    a = three[0]
    git(a.path, "remote", "set-url", "origin", a.path.parent / "nowhere.git")
    make_runs(a.path, {"name": "one"})
    with pytest.raises(UnreachableError):
        a.push()
    with pytest.raises(UnreachableError):
        a.pull()
    assert a.runs().keys() == {"one"}


def test_many_runs_are_pushed_by_a_pattern_and_end_as_by_name(clones, three, git, monkeypatch):
    monkeypatch.setattr(planning, "MANY", 2)
    a, b, c = three
    make_runs(a.path, *({"name": f"a{n}"} for n in range(4)))
    assert len(a.push().runs) == 4
    assert a.push().runs == []  # each is remembered as it was pushed
    b.pull()
    for n in range(4):
        a.tag(f"a{n}", "by", "a", at=START + 1)
        b.tag(f"a{n}", "also", "b", at=START + 2)
    b.push()
    a.push()  # all four have gone on there: they are joined, and pushed again
    settle(a, b, c)
    assert {n: run.tags for n, run in c.runs().items()} == {
        f"a{n}": {"by": "a", "also": "b"} for n in range(4)
    }
    # What is no run is not a pattern's to push.
    make_runs(a.path, *({"name": f"more{n}"} for n in range(4)))
    git(a.path, "update-ref", "refs/gitml/runs/strange", "HEAD")
    assert len(a.push().runs) == 4
    assert not any("strange" in ref for ref in gitml_refs(git, clones[3]))


def test_one_machine_seals_what_workers_pushed(clones, three, git):
    a, b, c = three
    make_runs(
        a.path, {"name": "a1", "metrics": {"auc": 0.5}}, {"name": "going", "status": "running"}
    )
    make_runs(b.path, {"name": "b1"})
    a.push(), b.push()
    c.pull()
    c.seal(pulled=True)
    sealed = gitml_refs(git, c.path)
    c.seal(pulled=True)
    assert gitml_refs(git, c.path) == sealed  # what a ledger holds whole is not sealed again
    assert sorted(c.push().settled) == sorted(map(run_id_of, ["a1", "b1"]))
    running = f"refs/gitml/runs/{run_id_of('going')}"
    assert gitml_refs(git, clones[3]).keys() == {LEDGER, running}
    a.tag("a1", "late", "yes", at=START + 9)  # a worker that had not gone away after all
    settle(a, b)
    c.pull()
    c.seal(pulled=True)
    settle(c, a, b)
    assert gitml_refs(git, clones[3]).keys() == {LEDGER, running}
    assert a.runs() == b.runs() == c.runs()
    assert c.runs()["a1"].tags == {"late": "yes"}
    assert c.runs().keys() == {"a1", "b1", "going"}
    for path in clones:
        git(path, "fsck", "--strict", "--no-dangling")
