"""What people change about runs afterwards, in every place where a run can be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from gitml.errors import InputError, NotFoundError, RefusedError
from gitml.store import ledger, live
from gitml.store.git import open_repository
from gitml.store.history import artifact_chunks, copies, edits_of, history, requirements
from gitml.store.state import view
from gitml.tracking import edit
from gitml.tracking.recorder import Recorder
from gitml.tracking.settings import Settings
from tests.support import AUTHOR, MINUTE, START, make_run, make_runs, run_id_of

NOW = START + 60 * MINUTE


@pytest.fixture
def store(repo):
    repository = open_repository(repo)
    yield repository
    repository.close()


def read(store, run_id):
    """Return a run as its copies and logs make it, whatever an edit returned."""
    return view(store, run_id, [base.tree for base in copies(store, run_id)])


def refs(git, repo):
    return git(repo, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()


def test_tags_are_set_replaced_and_removed(repo, store):
    run = make_run(repo, tags={"team": "growth", "old": "1"})
    (changed,) = edit.set_tags(store, [run], {"team": "ads", "kind": "a=b", "old": None}, now=NOW)
    assert dict(changed.tags) == {"team": "ads", "kind": "a=b"}
    assert read(store, run.id) == changed
    assert {e.by for e in edits_of(store, run.id)} == {AUTHOR}


def test_an_edit_beats_what_its_author_saw_whatever_the_clock_says(repo, store):
    run = make_run(repo, tags={"team": "growth"})
    (changed,) = edit.set_tags(store, [run], {"team": "ads"}, now=START - 60 * MINUTE)
    assert changed.tags["team"] == "ads"
    assert changed.updated == run.updated + 1


def test_many_runs_are_one_transaction(repo, store, git):
    runs = make_runs(repo, *({"name": f"run-{n}"} for n in range(40)))
    before = store.processes
    changed = edit.set_tags(store, [*runs, runs[0]], {"sweep": "a"}, now=NOW)
    assert store.processes - before <= 4
    assert [r.id for r in changed] == [r.id for r in [*runs, runs[0]]]
    assert all(read(store, run.id).tags == {"sweep": "a"} for run in runs)
    assert not git(repo, "for-each-ref", "refs/gitml-tmp")


@pytest.mark.parametrize(
    "tags,said",
    [
        ({"": "x"}, "cannot be empty"),
        ({"a\nb": "x"}, "control"),
        ({"a" * 300: "x"}, "300 characters"),
        ({"good": "x", "team": "x" * 70_000}, "70,000 characters"),
        ({"team": "\udc80"}, "not text in UTF-8"),
    ],
)
def test_a_tag_that_cannot_be_is_refused_before_anything_is_written(repo, store, git, tags, said):
    run = make_run(repo)
    before = refs(git, repo)
    with pytest.raises(InputError, match=said):
        edit.set_tags(store, [run], tags, now=NOW)
    assert refs(git, repo) == before


def test_notes_are_set_trimmed_and_removed(repo, store):
    run = make_run(repo)
    (noted,) = edit.set_note(store, [run], "\nTwo lines,\r\none note.\n", now=NOW)
    assert noted.note == "Two lines,\none note."
    assert edit.set_note(store, [noted], "  \n", now=NOW)[0].note is None
    with pytest.raises(InputError, match="The note has 70,000 characters"):
        edit.set_note(store, [run], "x" * 70_000, now=NOW)


def test_hiding_and_showing_again(repo, store):
    run = make_run(repo)
    (hidden,) = edit.delete(store, [run], now=NOW)
    assert hidden.deleted
    assert read(store, run.id).deleted
    (shown,) = edit.restore(store, [hidden], now=NOW)
    assert not shown.deleted
    assert shown.params == run.params


def test_a_sealed_run_is_changed_on_top_of_its_ledger(repo, store, git):
    run = make_run(repo, metrics={"auc": [0.5, 0.9]}, params={"lr": 0.1})
    ledger.seal(store, committer=AUTHOR, now=NOW)
    assert git(repo, "for-each-ref", "refs/gitml/runs") == ""
    (changed,) = edit.set_tags(store, [run], {"team": "ads"}, now=NOW)
    assert changed.metrics == run.metrics
    ledger.seal(store, committer=AUTHOR, now=NOW)
    assert git(repo, "for-each-ref", "refs/gitml/runs") == ""
    assert read(store, run.id) == changed


def test_a_run_seen_on_a_remote_only_is_changed_here(repo, store, git):
    run = make_run(repo, params={"lr": 0.1})
    ref = f"refs/gitml/runs/{run.id}"
    git(repo, "update-ref", f"refs/gitml-remotes/origin/runs/{run.id}", ref)
    git(repo, "update-ref", "-d", ref)
    (changed,) = edit.set_tags(store, [run], {"team": "ads"}, now=NOW)
    assert changed.params == {"lr": 0.1}
    assert git(repo, "rev-parse", ref)


def test_a_run_that_is_not_there_is_not_made(repo, store, git):
    run = make_run(repo)
    git(repo, "update-ref", "-d", f"refs/gitml/runs/{run.id}")
    with pytest.raises(NotFoundError, match="There is no run"):
        edit.set_tags(store, [run], {"team": "ads"}, now=NOW)
    assert refs(git, repo) == [f"refs/heads/main {git(repo, 'rev-parse', 'HEAD').strip()}"]


def test_a_running_run_gets_edits_through_its_log(repo, store, git):
    recorder = Recorder(
        store, run_id=run_id_of("live"), experiment="churn", name="live", now=lambda: START
    )
    recorder.begin(created=START, checkpoints=False)
    recorder.log_params({"lr": 0.1})
    run = read(store, recorder.id)
    (changed,) = edit.set_tags(store, [run], {"team": "ads"}, now=NOW)
    assert dict(changed.tags) == {"team": "ads"}
    assert changed.status == "running"
    assert git(repo, "for-each-ref", "refs/gitml") == ""
    with pytest.raises(RefusedError, match="being written"):
        edit.purge(store, run, now=NOW)
    with pytest.raises(RefusedError, match="not wholly in git"):
        edit.copy(store, run, run_id=run_id_of("copy"), name="copy", now=NOW)
    ended = recorder.end()
    assert ended is not None
    assert dict(ended.tags) == {"team": "ads"}
    assert live.live_ids(store.home) == []


WRITER = """
import sys
from pathlib import Path
from gitml.store.git import open_repository
from gitml.tracking.recorder import Recorder

recorder = Recorder(
    open_repository(Path(sys.argv[1])), run_id=sys.argv[2], experiment="churn", name="dead"
)
recorder.begin(created=1767322800000, checkpoints=False)
recorder.log_metric("loss", 0.5)
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_killed_run_is_taken_into_git_on_the_way(repo, store):
    run_id = run_id_of("dead")
    command = [sys.executable, "-c", WRITER, repo, run_id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        os.kill(process.pid, signal.SIGKILL)
    assert live.live_ids(store.home) == [run_id]
    later = read(store, run_id).updated + MINUTE
    (changed,) = edit.set_tags(store, [read(store, run_id)], {"why": "power"}, now=later)
    assert (changed.status, changed.metrics["loss"].last) == ("killed", 0.5)
    assert live.live_ids(store.home) == []
    assert read(store, run_id) == changed


def test_a_seal_in_between_loses_nothing(repo, store):
    """Runs are tagged while another process seals them again and again."""
    runs = make_runs(repo, *({"name": f"run-{n}"} for n in range(12)))
    sealed = threading.Event()

    def seal():
        other = open_repository(repo)
        while not sealed.is_set():
            ledger.seal(other, committer=AUTHOR, now=NOW)
        other.close()

    sealer = threading.Thread(target=seal)
    sealer.start()
    try:
        for n in range(8):
            edit.set_tags(store, runs, {f"t{n}": "x"}, now=NOW + n)
    finally:
        sealed.set()
        sealer.join()
    expected = {f"t{n}": "x" for n in range(8)}
    assert [dict(read(store, run.id).tags) for run in runs] == [expected] * 12


@pytest.mark.parametrize("what", ["sealed", "resumed"])
def test_what_happens_after_we_looked_is_noticed(repo, store, monkeypatch, what):
    runs = make_runs(repo, {"name": "one"}, {"name": "two"})
    ledger.seal(store, committer=AUTHOR, now=NOW, ids=[runs[0].id])
    look, looked = edit._copies, []

    def look_and_wait(*args):
        found = look(*args)
        if not looked:
            if what == "sealed":
                ledger.seal(store, committer=AUTHOR, now=NOW)
            else:
                one = {"experiment": "churn", "name": "two", "now": lambda: NOW, "known": runs[1]}
                looked.append(Recorder(store, run_id=runs[1].id, **one))
                looked[0].resume(checkpoints=False)
        looked.append(None)
        return found

    monkeypatch.setattr(edit, "_copies", look_and_wait)
    changed = edit.set_tags(store, runs, {"team": "ads"}, now=NOW)
    assert [run.tags for run in changed] == [{"team": "ads"}] * 2
    assert [read(store, run.id).tags for run in runs] == [{"team": "ads"}] * 2
    if what == "resumed":
        assert changed[1].status == "running"
        assert looked[0].end().tags == {"team": "ads"}


def test_a_purge_is_final(repo, store, git):
    run, other = make_runs(repo, {"name": "bad"}, {"name": "good"})
    ledger.seal(store, committer=AUTHOR, now=NOW)
    edit.set_tags(store, [run], {"hot": "again"}, now=NOW)
    edit.purge(store, run, now=NOW, reason="personal data")
    with pytest.raises(RefusedError, match="purged, and that is final"):
        edit.set_tags(store, [run], {"team": "ads"}, now=NOW)
    with pytest.raises(RefusedError, match="purged before, and that is final"):
        edit.purge(store, run, now=NOW)
    stone = git(repo, "show", f"refs/gitml/experiments/churn:tombstones/{run.id[:2]}/{run.id}")
    assert "reason: personal data\n" in stone
    assert read(store, other.id) == other


def recorded(store, tmp_path):
    """Return a run with a small file, a large one, points and requirements."""
    recorder = Recorder(
        store,
        run_id=run_id_of("whole"),
        experiment="churn",
        name="whole",
        settings=Settings(inline_limit=10),
        now=lambda: START,
    )
    recorder.begin(created=START, requirements="numpy==2.0\n", checkpoints=False)
    for name, text in {"small.txt": "hello", "large.bin": "hello" * 20}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        recorder.log_file(tmp_path / name, f"out/{name}")
    recorder.log_metrics({"loss": 0.5, "auc": float("nan")}, step=3)
    recorder.log_params({"lr": 0.1})
    run = recorder.end()
    assert run is not None
    return run


@pytest.mark.parametrize("sealed", [False, True])
def test_a_copy_has_the_same_contents(repo, store, git, tmp_path, sealed):
    run = recorded(store, tmp_path)
    if sealed:
        ledger.seal(store, committer=AUTHOR, now=NOW)
    (hidden,) = edit.delete(store, [run], now=NOW)
    copy_id = run_id_of("a copy")
    made = edit.copy(store, hidden, run_id=copy_id, name="a copy", experiment="other one", now=NOW)
    assert read(store, copy_id).tags == {edit.COPIED_FROM: run.id}
    assert (made.id, made.name, made.experiment) == (copy_id, "a copy", "other one")
    assert not made.deleted
    assert made.params == run.params
    assert made.artifacts == run.artifacts
    assert repr(made.metrics) == repr(run.metrics)
    assert repr(list(history(store, copy_id))) == repr(list(history(store, run.id)))
    assert requirements(store, copy_id) == "numpy==2.0\n"
    for path in ("out/small.txt", "out/large.bin"):
        content = b"".join(artifact_chunks(store, copy_id, made.artifacts[path]))
        assert content in {b"hello", b"hello" * 20}
    assert git(repo, "log", "--format=%P", f"refs/gitml/runs/{copy_id}").strip() == ""
    assert git(repo, "fsck", "--strict") == ""


def test_a_copy_needs_names_that_can_be(repo, store):
    run = make_run(repo)
    with pytest.raises(InputError, match="The name of a run"):
        edit.copy(store, run, run_id=run_id_of("x"), name="a\x1b[31m", now=NOW)
    with pytest.raises(InputError, match="The name of an experiment"):
        edit.copy(store, run, run_id=run_id_of("x"), name="x", experiment=" ", now=NOW)
