"""The index says what refs and live logs say, and reads no more than what changed."""

from __future__ import annotations

import math
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest

from gitml import names
from gitml.codec import dump_json
from gitml.errors import DamagedError, InputError, NotFoundError
from gitml.model import Edit, Metric
from gitml.query.index import FILE, open_index
from gitml.records import run_files
from gitml.store import live
from gitml.store.git import RefUpdate, open_repository
from gitml.store.ledger import seal
from gitml.store.purge import purge
from tests.bench.ledgers import ledger_files, make_hot, make_ledger, write_commits
from tests.bench.ledgers import make_run as sweep_run
from tests.support import AUTHOR, MINUTE, START, make_run, make_runs, run_id_of

NOW = START + 10 * MINUTE
HERE = live.Who(host="here", boot="boot", pid=os.getpid(), started=0)


@pytest.fixture
def opened(repo):
    """Return ``opened() -> Index``: the index of ``repo``, brought up to date."""
    repository = open_repository(repo)
    indexes = []

    def opened(**options):
        indexes.append(open_index(repository, now=NOW, **options))
        return indexes[-1]

    opened.repository = repository
    yield opened
    for index in indexes:
        index.close()
    repository.close()


@pytest.fixture
def read_count(opened):
    """Return ``read_count() -> int``: how many runs an update reads now."""

    def count():
        seen = []
        opened(progress=lambda done, total: seen.append((done, total)))
        return seen[-1][1] if seen else 0

    return count


def names_of(runs):
    return [run.name for run in runs]


def test_an_empty_repository_has_no_runs(empty_repo):
    with open_index(open_repository(empty_repo), now=NOW) as index:
        assert index.search() == []
        assert index.count() == 0
        assert index.experiments() == []
        assert index.keys().metrics == ()
        assert index.search(where="metrics.auc > 0.9 and tags.x = 'y'") == []


def test_what_a_ledger_holds_is_found_whole(repo, opened):
    ids = make_ledger(repo, 30)
    made = [sweep_run(number) for number in range(30)]
    index = opened()
    assert index.search() == made[::-1]
    assert index.load(ids) == made
    assert index.count() == 30
    assert index.quarantined() == []


def test_a_run_of_every_kind_of_value_comes_back_as_it_was(repo, opened):
    run = replace(
        sweep_run(1),
        name="späte-otter 1\u2028",
        params={"none": None, "big": 2**70, "nan": math.inf, "list": [1, {"a": None}], "é": "\0"},
        metrics={
            "nan": Metric(last=math.inf, step=2**64, min=-math.inf, max=0.1, count=1, goal="min")
        },
        tags={"": "x" * 5000},
        note="two\nlines",
        ended=None,
        parent="0" * 32,
        deleted=True,
        conflict=("lr",),
        extra={"later": {"key": [1]}},
    )
    write_commits(repo, [(names.run_ref(run.id), run_files(run).items())])
    assert opened().search(deleted=True) == [run]


def test_an_unchanged_repository_costs_two_processes_and_no_reading(repo, opened, read_count):
    make_ledger(repo, 20)
    make_hot(repo, 5)
    assert read_count() == 25
    before = opened.repository.processes
    assert read_count() == 0
    assert opened.repository.processes - before == 2


def test_a_first_reading_takes_at_most_six_processes(repo, opened):
    make_ledger(repo, 300)
    make_hot(repo, 120)
    assert opened().count() == 420
    assert opened.repository.processes <= 6


def test_progress_begins_at_none_and_ends_at_all(repo, opened):
    make_ledger(repo, 50)
    told = []
    opened(progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 50)
    assert told[-1] == (50, 50)
    assert told == sorted(told)
    opened(progress=lambda *_: pytest.fail("nothing to read"))


def test_what_interrupts_a_first_reading_leaves_nothing_half_done(repo, opened):
    make_ledger(repo, 50)

    def interrupt(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(progress=interrupt)
    assert opened().count() == 50


def test_only_what_changed_is_read(repo, opened, read_count):
    make_ledger(repo, 20)
    make_hot(repo, 2)
    opened()
    make_run(repo, "one-more-1")
    assert read_count() == 1
    make_ledger(repo, 22)
    assert read_count() == 2
    assert opened().count() == 25


def test_a_sealed_run_is_not_read_again(repo, opened, read_count):
    make_runs(repo, {"name": "a-1"}, {"name": "b-1"})
    assert sorted(names_of(opened().search())) == ["a-1", "b-1"]
    seal(opened.repository, committer=AUTHOR, now=NOW)
    assert opened.repository.refs(names.RUNS) == {}
    assert read_count() == 0
    index = opened()
    assert sorted(names_of(index.search(experiment="churn"))) == ["a-1", "b-1"]
    assert [e.slug for e in index.experiments()] == ["churn"]


def test_runs_and_their_keys_leave_with_their_refs(repo, opened, git):
    run = make_run(repo, "gone-1", metrics={"auc": 0.5}, params={"lr": 1}, tags={"team": "x"})
    assert opened().keys().metrics == ("auc",)
    git(repo, "update-ref", "-d", names.run_ref(run.id))
    index = opened()
    assert index.search() == []
    assert (index.keys().metrics, index.keys().params, index.keys().tags) == ((), (), ())
    assert index.experiments() == []
    make_ledger(repo, 3)
    assert opened().count() == 3
    git(repo, "update-ref", "-d", "refs/gitml/experiments/sweep")
    index = opened()
    assert (index.count(), index.experiments(), index.keys().params) == (0, [], ())


def test_copies_of_a_run_are_joined(repo, opened, git):
    made = make_run(repo, "here-1", tags={"team": "growth"})
    ref = names.run_ref(made.id)
    git(repo, "update-ref", f"refs/gitml-remotes/team/origin/runs/{made.id}", ref)
    assert opened().search() == [made]
    git(repo, "update-ref", "-d", ref)
    make_run(repo, "here-1", run_id=made.id, created=START, edits=[("tags.by", "ada")])
    (run,) = opened().search()
    assert run.tags == {"team": "growth", "by": "ada"}
    git(repo, "update-ref", "-d", f"refs/gitml-remotes/team/origin/runs/{made.id}")
    (run,) = opened().search()
    assert run.tags == {"by": "ada"}


def test_a_removed_run_is_found_only_if_asked_for(repo, opened):
    make_runs(repo, {"name": "kept-1"}, {"name": "hidden-1", "deleted": True})
    index = opened()
    assert names_of(index.search()) == ["kept-1"]
    assert sorted(names_of(index.search(deleted=True))) == ["hidden-1", "kept-1"]
    assert names_of(index.search(where="deleted")) == ["hidden-1"]
    assert index.search(where="name = 'hidden-1'") == []
    assert (index.count(), index.count(deleted=True), index.count(where="deleted")) == (1, 2, 1)
    assert index.experiments()[0].runs == 1
    assert list(index.sql("select run from params union select name from runs")[1]) == [("kept-1",)]


def test_a_tombstone_beats_every_copy(repo, opened, git):
    run = make_run(repo, "purged-1")
    make_run(repo, "other-1")
    commit = git(repo, "rev-parse", names.run_ref(run.id)).strip()
    opened()
    purge(
        opened.repository,
        run.id,
        experiment="churn",
        committer=AUTHOR,
        now=NOW,
        reason="asked for",
    )
    git(repo, "update-ref", f"refs/gitml-remotes/origin/runs/{run.id}", commit)
    git(repo, "update-ref", names.run_ref(run.id), commit)
    for index in (opened(), opened()):
        assert names_of(index.search(deleted=True)) == ["other-1"]
        (stone,) = index.tombstones()
        assert (stone.run_id, stone.slug, stone.by, stone.at) == (run.id, "churn", AUTHOR, NOW)
        assert stone.reason == "asked for"
    with pytest.raises(NotFoundError, match="was purged") as caught:
        opened().find(run.id)
    assert "asked for" in caught.value.hint


def live_log(repo, name, status="running", created=START):
    run_id = run_id_of(name)
    log = live.LiveLog(repo / ".git" / "gitml", run_id, "0" * 8, HERE)
    facts = {"name": name, "experiment": "churn", "status": status}
    facts |= {"created": "2026-01-02T03:00:00.000Z"}
    for number, (key, value) in enumerate(facts.items()):
        edit = Edit(at=created, id=f"{number:016x}", by=AUTHOR, key=key, json=dump_json(value))
        log.append(live.edit_record(edit))
    return run_id, log


def test_a_live_run_is_read_as_it_grows(repo, opened, read_count):
    run_id, log = live_log(repo, "live-1")
    (run,) = opened().search()
    assert (run.id, run.name, run.status, dict(run.metrics)) == (run_id, "live-1", "running", {})
    assert read_count() == 0
    log.append(live.point_record('"loss"', 1, START, 0.5))
    assert read_count() == 1
    (run,) = opened().search()
    assert run.metrics["loss"].last == 0.5
    assert opened().doubtful(HERE) == {}
    log.close()
    assert opened().doubtful(HERE) == {run_id: "killed?"}
    live.drop(opened.repository.home, run_id)
    assert opened().search() == []


def test_a_live_run_that_said_nothing_yet_is_neither_listed_nor_a_problem(repo, opened):
    log = live.LiveLog(repo / ".git" / "gitml", run_id_of("new"), "0" * 8, HERE)
    index = opened()
    assert (index.search(), index.quarantined()) == ([], [])
    log.close()


def test_a_run_elsewhere_without_news_is_doubtful(repo, opened, git):
    make_runs(
        repo,
        {"name": "silent-1", "status": "running", "created": NOW - 61 * MINUTE},
        {"name": "busy-1", "status": "running", "created": NOW - 59 * MINUTE},
        {"name": "done-1", "created": NOW - 90 * MINUTE},
        {"name": "hidden-1", "status": "running", "created": START - 90 * MINUTE, "deleted": True},
    )
    assert opened().doubtful(HERE) == {run_id_of("silent-1"): "lost?"}


def test_experiments_are_counted_and_called_by_their_present_names(repo, opened):
    make_runs(
        repo,
        {"name": "a-1", "experiment": "Churn!", "status": "failed"},
        {"name": "b-1", "experiment": "Churn!", "created": START + MINUTE},
        {"name": "c-1", "experiment": "other"},
    )
    slug = names.slugify("Churn!")
    first, second = opened().experiments()
    assert (first.name, first.slug, first.statuses) == (
        "Churn!",
        slug,
        {"failed": 1, "finished": 1},
    )
    assert (first.newest, first.created, first.runs) == ("b-1", START + MINUTE, 2)
    assert (second.name, second.slug, second.runs) == ("other", "other", 1)

    # A ledger that says it is called so takes the hot runs of that name.
    write_commits(repo, [("refs/gitml/experiments/other", ledger_files([], "Churn!"))])
    first, second = opened().experiments()
    assert (first.name, first.slug, first.runs) == ("Churn!", "other", 2)
    assert (second.name, second.slug, second.runs) == (
        "other",
        names.slugify("other", salt="other"),
        1,
    )


def test_two_experiments_of_one_name_are_told_apart(repo, opened):
    for slug, runs in (("a-churn", 2), ("b-churn", 3)):
        made = [sweep_run(number, slug) for number in range(runs)]
        files = [(p, d) for p, d in ledger_files(made, slug) if p != "experiment.yaml"]
        files.append(("experiment.yaml", f"name: churn\nslug: {slug}\n".encode()))
        write_commits(repo, [(names.experiment_ref(slug), files)])
    index = opened()
    assert [(e.name, e.runs) for e in index.experiments()] == [("churn", 2), ("churn (b-churn)", 3)]
    assert index.count(experiment="churn") == 2
    assert index.count(experiment="b-churn") == index.count(experiment="churn (b-churn)") == 3
    assert {r.experiment for r in index.search(experiment="b-churn")} == {"churn (b-churn)"}
    assert index.count(where="experiment = 'churn (b-churn)'") == 3


def test_a_renamed_experiment_renames_its_runs_without_reading_them(repo, opened, read_count):
    runs = [sweep_run(number, "churn") for number in range(5)]
    files = dict(ledger_files(runs, "churn"))
    ref = names.experiment_ref("churn")
    write_commits(repo, [(ref, files.items())])
    assert opened().count(experiment="churn") == 5
    files["experiment.yaml"] = b"schema: 1\nname: Churn, second try\nslug: churn\n"
    write_commits(repo, [(ref, files.items())])
    assert read_count() == 0
    index = opened()
    assert {run.experiment for run in index.search()} == {"Churn, second try"}
    assert index.count(experiment="Churn, second try") == index.count(experiment="churn") == 5
    with pytest.raises(NotFoundError, match="no experiment is named chrun") as caught:
        index.search(experiment="chrun")
    assert "gitml ls --experiments" in caught.value.hint


def test_filters_combine(repo, opened):
    make_runs(
        repo,
        *({"name": f"a-{n}", "experiment": "a", "created": START + n} for n in range(3)),
        {"name": "a-f", "experiment": "a", "status": "failed"},
        {"name": "b-f", "experiment": "b", "status": "failed"},
        {"name": "b-k", "experiment": "b", "status": "killed"},
    )
    index = opened()
    assert names_of(index.search(experiment="a", limit=2)) == ["a-2", "a-1"]
    assert index.search(limit=0) == []
    assert index.count(status="failed") == 2
    assert index.count(status=["failed", "killed"]) == 3
    assert index.count(status=["failed", "killed"], experiment="b") == 2
    assert index.count(status=[]) == 0
    assert index.count(experiment="a", where="status = 'failed' or name = 'b-k'") == 1


@pytest.fixture(scope="module")
def ordered(tmp_path_factory, git):
    path = tmp_path_factory.mktemp("ordered")
    git(path, "init", "--quiet")
    make_runs(
        path,
        {"name": "low", "metrics": {"auc": 0.1, "val/loss": 3}, "params": {"lr": 2, "x.y": 1}},
        {"name": "high", "metrics": {"auc": 0.9}, "params": {"lr": "auto"}, "tags": {"lr": "a"}},
        {"name": "nan", "metrics": {"auc": math.nan}, "params": {"lr": None}, "tags": {"t": "b"}},
        {"name": "inf", "metrics": {"auc": math.inf, "val/loss": 1}, "params": {"lr": 0.5}},
        {"name": "none", "tags": {"t": "a"}, "created": START + 1, "seconds": 1},
    )
    repository = open_repository(path)
    with open_index(repository, now=NOW) as index:
        yield index
    repository.close()


@pytest.mark.parametrize(
    "keys,expected",
    [
        (["metrics.auc"], ["low", "high", "inf", "nan", "none"]),
        (["-metrics.auc"], ["inf", "high", "low", "nan", "none"]),
        (["auc"], ["low", "high", "inf", "nan", "none"]),
        (["-auc"], ["inf", "high", "low", "nan", "none"]),
        (['-metrics."auc"'], ["inf", "high", "low", "nan", "none"]),
        (["params.lr"], ["inf", "low", "high", "nan", "none"]),
        (["-params.lr"], ["high", "low", "inf", "nan", "none"]),
        (["lr", "name"], ["inf", "low", "high", "nan", "none"]),
        (["tags.t", "-name"], ["none", "nan", "low", "inf", "high"]),
        (["name"], ["high", "inf", "low", "nan", "none"]),
        (["-attributes.name"], ["none", "nan", "low", "inf", "high"]),
        (["duration", "name"], ["none", "high", "inf", "low", "nan"]),
        (["-created", "name"], ["none", "high", "inf", "low", "nan"]),
        (["age", "name"], ["none", "high", "inf", "low", "nan"]),
        (["note", "name"], ["high", "inf", "low", "nan", "none"]),
        (["val/loss", "name"], ["inf", "low", "high", "nan", "none"]),
        (["metrics.val/loss", "name"], ["inf", "low", "high", "nan", "none"]),
        (['-"val/loss"', "name"], ["low", "inf", "high", "nan", "none"]),
        (["-params.x.y", "name"], ["low", "high", "inf", "nan", "none"]),
        (["metrics_min.auc"], ["low", "high", "inf", "nan", "none"]),
    ],
)
def test_order(ordered, keys, expected):
    assert names_of(ordered.search(order_by=keys)) == expected
    assert names_of(ordered.search(order_by=keys, limit=2)) == expected[:2]


@pytest.mark.parametrize(
    "key,hint",
    [
        ("aucc", "metrics.auc"),
        ("metrics.aucc", "metrics.auc"),
        ("metrics.lr", "params.lr or tags.lr"),
        ("params.auc", "metrics.auc"),
        ("-staus", "status"),
        ("", "gitml ls"),
        ("-", "gitml ls"),
        ("metrics.", "gitml ls|metrics"),
        ("auc desc; drop table run", "gitml ls"),
        ('"', "gitml ls"),
    ],
)
def test_an_order_by_something_unknown_is_refused(ordered, key, hint):
    with pytest.raises(InputError, match="is called") as caught:
        ordered.search(order_by=[key])
    assert any(part in caught.value.hint for part in hint.split("|"))


def test_more_keys_than_sqlite_joins_are_refused(repo, opened):
    make_run(repo, "wide-1", params={f"p{n}": n for n in range(70)})
    tests = [f"params.p{n} = {n}" for n in range(70)]
    index = opened()
    assert index.count(where=" and ".join(tests[:60])) == 1
    with pytest.raises(InputError, match="60 keys"):
        index.search(where=" and ".join(tests))


def test_goals_are_what_was_said_last_or_what_the_name_tells(repo, opened):
    make_runs(
        repo,
        {"name": "a", "metrics": {"x": 1, "loss": 1}, "goals": {"x": "max"}, "created": START},
        {"name": "b", "metrics": {"x": 1, "y": 1}, "goals": {"x": "min"}, "created": START + 1},
    )
    index = opened()
    assert {m: index.goal(m) for m in ("x", "y", "loss")} == {"x": "min", "y": "max", "loss": "min"}


def test_an_index_of_another_version_or_with_other_content_is_made_anew(repo, opened):
    make_ledger(repo, 5)
    path = opened.repository.home / FILE
    opened().close()
    for spoil in (
        lambda: path.write_bytes(b"not a database" * 1000),
        lambda: path.write_bytes(path.read_bytes()[:5000]),
        lambda: path.write_bytes(b""),
        lambda: change(path, "PRAGMA user_version = 7"),
        path.unlink,
    ):
        spoil()
        with opened() as index:
            assert index.count() == len(index.search()) == 5
        assert path.stat().st_size > 10_000


def change(path, statement):
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_damage_that_shows_during_a_query_removes_the_index(repo, opened):
    make_ledger(repo, 200)
    path = opened.repository.home / FILE
    opened().close()
    index = opened()
    data = bytearray(path.read_bytes())
    data[8192:-4096] = b"\xff" * (len(data) - 12288)
    path.write_bytes(data)
    with pytest.raises(DamagedError, match="index of runs was damaged"):
        index.search(order_by=["params.lr"])
    assert not path.exists()
    assert opened().count() == 200


@pytest.mark.parametrize("where", ["home is a file", "index is a folder"])
def test_an_index_that_cannot_be_kept_is_made_in_memory(repo, opened, where):
    make_ledger(repo, 5)
    home = opened.repository.home
    if where == "home is a file":
        home.write_text("in the way")
    else:
        (home / FILE).mkdir(parents=True)
    assert opened().count() == 5
    make_hot(repo, 1)
    assert opened().count() == 6


def test_a_file_that_cannot_be_written_is_read_and_brought_up_to_date_in_memory(
    repo, opened, monkeypatch
):
    make_ledger(repo, 20)
    opened().close()
    make_hot(repo, 1)
    path = opened.repository.home / FILE
    before = path.read_bytes()
    connect = sqlite3.connect

    def read_only(database, **options):  # root may write to every file
        if str(database).endswith(FILE):
            database, options = f"file:{database}?mode=ro", {**options, "uri": True}
        return connect(database, **options)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    seen = []
    index = opened(progress=lambda _, total: seen.append(total))
    assert index.count() == 21
    assert set(seen) == {1}
    assert path.read_bytes() == before


def test_reading_slowly_keeps_nobody_waiting(repo, opened, monkeypatch):
    make_ledger(repo, 50)
    first = opened()
    _, rows = first.sql("select * from params")
    next(rows)
    monkeypatch.setattr("gitml.query.index.PATIENCE", 0.2)
    make_hot(repo, 1)
    assert opened().count() == 51
    assert len(list(rows)) == 499


FIFTY = """
import os, sys
from pathlib import Path
from gitml.query.index import open_index
from gitml.store.git import open_repository

children = []
for n in range(50):
    child = os.fork()
    if not child:
        with open_index(open_repository(Path(sys.argv[1])), now=0) as index:
            os._exit(0 if len(index.search(where="params.depth > 0")) == 100 else 9)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""


def test_fifty_processes_make_the_index_at_once(repo, opened):
    make_ledger(repo, 100)
    done = subprocess.run(
        [sys.executable, "-c", FIFTY, repo],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
    )
    assert (done.stdout, done.stderr) == (f"{[0] * 50}\n", "")
    assert opened().count() == 100


def test_moved_refs_of_a_run_being_sealed_are_found_in_one_of_the_listings(
    repo, opened, monkeypatch
):
    """Hot refs are listed first: what is sealed in between is then in a ledger."""
    make_run(repo, "moving-1")
    repository = opened.repository
    listing = type(repository).refs
    sealed = []

    def refs(self, *prefixes):
        answer = listing(self, *prefixes)
        if not sealed:
            sealed.append(True)
            other = open_repository(repo)
            seal(other, committer=AUTHOR, now=NOW)
            other.close()
        return answer

    monkeypatch.setattr(type(repository), "refs", refs)
    assert names_of(opened().search()) == ["moving-1"]
    assert sealed
    assert names_of(opened().search()) == ["moving-1"]
    assert repository.refs(names.RUNS) == {}


def test_a_live_run_that_is_taken_into_git_meanwhile_is_not_missed(repo, opened, monkeypatch):
    run_id, log = live_log(repo, "live-1")
    log.close()
    listing = type(opened.repository).refs
    done = []

    def refs(self, *prefixes):
        answer = listing(self, *prefixes)
        if names.EXPERIMENTS in prefixes and not done:
            done.append(True)
            make_run(repo, "live-1", run_id=run_id)
            live.drop(self.home, run_id)
        return answer

    monkeypatch.setattr(type(opened.repository), "refs", refs)
    (run,) = opened().search()
    assert (run.id, run.status) == (run_id, "finished")
    assert done


def test_refs_in_any_format_are_read(tmp_path, git):
    path = tmp_path / "sha256"
    git(tmp_path, "init", "-q", "--object-format=sha256", path)
    make_ledger(path, 150)
    repository = open_repository(path)
    with open_index(repository, now=NOW) as index:
        assert index.count() == 150
        assert index.quarantined() == []
    repository.close()


def test_a_linked_work_tree_shares_the_index(repo, opened, git, tmp_path):
    make_hot(repo, 2)
    opened()
    git(repo, "worktree", "add", "-q", tmp_path / "linked", "-b", "linked")
    repository = open_repository(tmp_path / "linked")
    assert repository.home.samefile(opened.repository.home)
    with open_index(repository, now=NOW) as index:
        assert index.count() == 2
    repository.close()


def test_a_ref_moved_by_hand_is_followed(repo, opened):
    first, second = make_hot(repo, 2)
    index = opened()
    assert index.count() == 2
    repository = opened.repository
    commit = repository.resolve(names.run_ref(first))
    repository.update_refs(
        [RefUpdate(names.run_ref(second), commit, repository.resolve(names.run_ref(second)))]
    )
    index = opened()
    assert [run.id for run in index.search()] == [first]
    ((where, sentence),) = index.quarantined()
    assert where == names.run_ref(second)
    assert sentence == f"The run {second} says in its run.yaml that it is {first}"
