"""gitml gc removes what crashes and purges left behind, and never a run."""

from __future__ import annotations

import hashlib
import json
import os
import time

import pytest

from gitml.store import live
from gitml.store.artifacts import kept_path, lfs_path
from gitml.store.git import Repository, open_repository
from gitml.store.health import DAY, collect
from gitml.tracking.identity import who
from gitml.tracking.recorder import Recorder
from gitml.tracking.settings import Settings
from tests.support import START, make_run, run_id_of

NOW = int(time.time() * 1000)
LATER = "2099-01-01T00:00:00Z"


@pytest.fixture
def store(repo):
    repository = open_repository(repo)
    yield repository
    repository.close()


def swept(store, now, **options):
    return collect(store, here=who(), now=now, **options)


def with_large_file(repo, tmp_path, name, content=b"weights"):
    store = open_repository(repo)
    recorder = Recorder(
        store,
        run_id=run_id_of(name),
        experiment="churn",
        name=name,
        settings=Settings(inline_limit=0),
        now=lambda: START,
    )
    recorder.begin(created=START, checkpoints=False)
    (tmp_path / "file").write_bytes(content)
    recorder.log_file(tmp_path / "file", "model.bin")
    run = recorder.end()
    store.close()
    return run


def test_an_unfinished_write_goes_a_day_after_it_was_seen(repo, store, git):
    head = git(repo, "rev-parse", "HEAD").strip()
    git(repo, "update-ref", "refs/gitml-tmp/aaaa", head)
    assert swept(store, NOW, dry_run=True).waiting == 1
    assert swept(store, NOW + DAY).waiting == 1  # a dry run remembers nothing
    other = git(repo, "commit-tree", "-m", "x", "HEAD^{tree}").strip()
    git(repo, "update-ref", "refs/gitml-tmp/bbbb", head)
    assert swept(store, NOW + DAY + DAY - 1).waiting == 2
    git(repo, "update-ref", "refs/gitml-tmp/bbbb", other)
    report = swept(store, NOW + DAY + DAY)
    assert (report.refs, report.waiting) == (["refs/gitml-tmp/aaaa"], 1)
    assert git(repo, "for-each-ref", "--format=%(refname)", "refs/gitml-tmp") == (
        "refs/gitml-tmp/bbbb\n"
    )
    assert swept(store, NOW + 2 * DAY + DAY - 1).refs == []
    assert swept(store, NOW + 3 * DAY).refs == ["refs/gitml-tmp/bbbb"]
    assert json.loads((store.home / "seen.json").read_text()) == {}


@pytest.mark.parametrize("text", ["", "[]", "nonsense", '{"x": "y"}', "\udcff"])
def test_a_spoilt_memory_is_begun_anew(repo, store, git, text):
    git(repo, "update-ref", "refs/gitml-tmp/aaaa", "HEAD")
    store.home.mkdir(exist_ok=True)
    (store.home / "seen.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert swept(store, NOW).waiting == 1
    assert swept(store, NOW + DAY).refs == ["refs/gitml-tmp/aaaa"]


def test_files_of_dead_writers_go_and_those_of_living_ones_stay(store):
    dead, alive = (live.folder(store.home, run_id_of(name)) for name in ("dead", "alive"))
    for folder in (dead, alive):
        (folder / "files").mkdir(parents=True)
    left = [dead / "ab12-0.new", dead / "files" / "x.tmp", dead / "files" / f"{'0' * 64}.ab12"]
    left += [alive / "files" / "y.tmp", alive / "files" / "requirements.ab12.part"]
    kept = [alive / "ab12-0.log", alive / "files" / f"{'0' * 64}.ab12", alive / "ab13-0.new"]
    for path in (*left, *kept):
        path.write_bytes(b"12345")
    (alive / "ab13-0.new").write_bytes(b'{"locks": true}\n')
    with (alive / "ab13-0.new").open("rb") as held:
        fcntl = pytest.importorskip("fcntl")
        fcntl.flock(held, fcntl.LOCK_SH)
        assert swept(store, NOW + DAY // 2).files == {}
        report = swept(store, NOW + 2 * DAY)
    assert report.files == dict.fromkeys(sorted(left), 5)
    assert not dead.exists()
    assert all(path.exists() for path in kept)


def test_what_is_not_a_live_run_is_left_alone(store):
    strange = store.home / "live" / "mine" / "x.tmp"
    strange.parent.mkdir(parents=True)
    strange.write_bytes(b"x")
    assert swept(store, NOW + 2 * DAY).files == {}
    assert strange.exists()


def gitml_later(gitml_cli, repo, *args):
    answer = gitml_cli(*args, cwd=repo, env={"GITML_TEST_CLOCK": LATER})
    assert answer.code == 0, answer
    return answer


def test_large_files_go_only_once_their_run_was_purged(repo, store, gitml_cli, tmp_path):
    purged = with_large_file(repo, tmp_path, "purged", b"only here")
    shared = with_large_file(repo, tmp_path, "shared", b"in both")
    with_large_file(repo, tmp_path, "kept", b"in both")
    hidden = with_large_file(repo, tmp_path, "hidden", b"hidden")
    sha256 = {run.name: run.artifacts["model.bin"].sha256 for run in (purged, shared, hidden)}
    gitml_later(gitml_cli, repo, "rm", "hidden")
    assert gitml_later(gitml_cli, repo, "gc").out == "Nothing to remove.\n"
    gitml_later(gitml_cli, repo, "purge", "purged", "--yes")
    gitml_later(gitml_cli, repo, "purge", "shared", "--yes")
    answer = gitml_later(gitml_cli, repo, "gc", "--dry-run")
    assert answer.out == "Would remove 1 large file of purged runs (9 B).\n"
    assert kept_path(store, sha256["purged"]).exists()
    answer = gitml_later(gitml_cli, repo, "gc")
    assert answer.out == "Removed 1 large file of purged runs (9 B).\n"
    assert "git lfs prune frees their space" in answer.err
    assert not kept_path(store, sha256["purged"]).exists()
    assert lfs_path(store, sha256["purged"]).exists()  # a branch may use it
    assert kept_path(store, sha256["shared"]).exists()
    assert kept_path(store, sha256["hidden"]).exists()
    assert gitml_later(gitml_cli, repo, "gc").out == "Nothing to remove.\n"


def test_large_files_of_versions_stay_when_their_run_is_purged(
    repo, store, git, gitml_cli, tmp_path
):
    sha256 = {}
    for name in ("registered", "waiting", "neither"):
        (tmp_path / "model.bin").write_bytes(name.encode() + b"\0" * (1 << 20))
        artifact = ("--artifact", tmp_path / "model.bin")
        gitml_later(gitml_cli, repo, "log", "--name", name, "-m", "auc=1", *artifact)
        sha256[name] = hashlib.sha256((tmp_path / "model.bin").read_bytes()).hexdigest()
    gitml_later(gitml_cli, repo, "register", "net", "--run", "registered")
    git(repo, "remote", "add", "origin", tmp_path / "nowhere.git")
    gitml_later(gitml_cli, repo, "register", "net", "--run", "waiting", "--no-push")
    for name, content in sha256.items():
        gitml_later(gitml_cli, repo, "purge", name, "--yes")
        os.utime(kept_path(store, content), (0, 0))
    journal = git(repo, "rev-parse", "refs/gitml/models/net").strip()
    git(repo, "update-ref", "refs/gitml/models/net", "HEAD")
    assert gitml_later(gitml_cli, repo, "gc", "--dry-run").out == "Nothing to remove.\n"
    git(repo, "update-ref", "refs/gitml/models/net", journal)
    answer = gitml_later(gitml_cli, repo, "gc")
    assert answer.out == "Removed 1 large file of purged runs (1.05 MB).\n"
    assert [kept_path(store, sha256[name]).exists() for name in sha256] == [True, True, False]


def test_what_was_being_copied_into_the_repository_goes(store):
    part = store.home / "incoming" / "0123.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"12345")
    assert swept(store, NOW + DAY // 2).files == {}
    assert swept(store, NOW + 2 * DAY).files == {part: 5}
    assert not part.exists()


def test_nothing_is_given_up_while_a_run_cannot_be_read(repo, store, git, gitml_cli, tmp_path):
    run = with_large_file(repo, tmp_path, "purged")
    gitml_later(gitml_cli, repo, "purge", "purged", "--yes")
    git(repo, "update-ref", f"refs/gitml/runs/{run_id_of('odd')}", "HEAD")
    assert gitml_later(gitml_cli, repo, "gc").out == "Nothing to remove.\n"
    assert kept_path(store, run.artifacts["model.bin"].sha256).exists()


def test_fresh_leftovers_stay(repo, store, invoke, tmp_path):
    with_large_file(repo, tmp_path, "purged")
    assert invoke("purge", "purged", "--yes", cwd=repo).code == 0
    left = live.folder(store.home, run_id_of("dead")) / "x.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    assert invoke("gc", cwd=repo).out == "Nothing to remove.\n"
    assert left.exists()


def test_gc_answers_in_json_and_keeps_every_run(repo, store, git, gitml_cli):
    make_run(repo, "one", metrics={"auc": 0.5})
    git(repo, "update-ref", "refs/gitml-tmp/aaaa", "HEAD")
    store.home.mkdir(exist_ok=True)
    (store.home / "seen.json").write_text(
        json.dumps({f"refs/gitml-tmp/aaaa {git(repo, 'rev-parse', 'HEAD').strip()}": START})
    )
    git(repo, "update-ref", "refs/gitml-tmp/bbbb", "HEAD")
    left = live.folder(store.home, run_id_of("dead")) / "x.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"12")
    before = git(repo, "for-each-ref", "refs/gitml")
    document = json.loads(gitml_later(gitml_cli, repo, "gc", "--json").out)
    assert document == {
        "schema": 1,
        "dry_run": False,
        "refs": ["refs/gitml-tmp/aaaa"],
        "waiting": 1,
        "files": [{"path": os.fspath(left), "size": 2}],
        "large": [],
        "safe": [],
        "kept": [],
    }
    assert git(repo, "for-each-ref", "refs/gitml") == before
    answer = gitml_later(gitml_cli, repo, "gc")
    assert answer.err == "1 write may be in progress; gc takes them away after a day.\n"


def test_at_most_six_processes(repo, invoke, git, monkeypatch):
    make_run(repo)
    git(repo, "update-ref", "refs/gitml-tmp/aaaa", "HEAD")
    assert invoke("ls", cwd=repo).code == 0
    counted = []
    start = Repository.start
    monkeypatch.setattr(
        Repository, "start", lambda self, *a, **k: (counted.append(a), start(self, *a, **k))[1]
    )
    assert invoke("gc", cwd=repo).code == 0
    assert 0 < len(counted) <= 5, counted  # one less than six: nothing was to be removed


def test_outside_of_a_repository(invoke):
    assert invoke("gc").code == 6
