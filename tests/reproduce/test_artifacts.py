"""Files of a run are written whole, verified, and nowhere else than they should be."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from gitml.errors import DamagedError, InputError, NotFoundError, RefusedError
from gitml.model import Artifact, Run
from gitml.reproduce import artifacts, place
from gitml.store.artifacts import kept_path, lfs_path
from gitml.store.git import open_repository
from gitml.tracking.recorder import Recorder
from gitml.tracking.settings import Settings
from tests.support import START, make_run, run_id_of

FILES = {
    "plot.txt": b"a plot\n",
    "out/model.bin": b"weights" * 100,
    "out/deep/empty": b"",
    "out.txt": b"not below out\n",
    "über/ö.txt": b"text\n",
}


@pytest.fixture
def store(repo):
    repository = open_repository(repo)
    yield repository
    repository.close()


def recorder_of(store, name="files"):
    return Recorder(
        store,
        run_id=run_id_of(name),
        experiment="churn",
        name=name,
        settings=Settings(inline_limit=100),
        now=lambda: START,
    )


@pytest.fixture
def run(store, tmp_path):
    """Return a run with small files, a large one and one that lies elsewhere."""
    recorder = recorder_of(store)
    recorder.begin(created=START, checkpoints=False)
    for name, content in FILES.items():
        (tmp_path / "file").write_bytes(content)
        recorder.log_file(tmp_path / "file", name)
    (tmp_path / "file").unlink()
    recorder.log_uri("sftp://nas/x", "out/far", size=None, sha256=None)
    ended = recorder.end()
    assert ended is not None
    assert ended.artifacts["out/model.bin"].store == "lfs"
    return ended


def below(folder):
    return {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if p.is_file()}


def test_all_files_come_back(store, run, tmp_path):
    chosen = artifacts.select(run, [])
    placed = artifacts.fetch(store, run, chosen, tmp_path / "out")
    assert {name: path.read_bytes() for name, path in below(tmp_path / "out").items()} == FILES
    assert {p.artifact.path: p.target for p in placed} == below(tmp_path / "out")
    assert all(p.written for p in placed)
    again = artifacts.fetch(store, run, chosen, tmp_path / "out")
    assert not any(p.written for p in again)


def test_a_look_up_is_two_processes_whatever_the_number_of_files(store, run, tmp_path):
    store.close()
    before = store.processes
    artifacts.fetch(store, run, artifacts.select(run, []), tmp_path / "out")
    assert store.processes - before == 2


@pytest.mark.parametrize(
    "paths,expected",
    [
        (["plot.txt"], ["plot.txt"]),
        (["out"], ["out/deep/empty", "out/model.bin"]),
        (["out/", "plot.txt"], ["out/deep/empty", "out/model.bin", "plot.txt"]),
        (["out", "out/deep"], ["out/deep/empty", "out/model.bin"]),
        (["out/far"], ["out/far"]),
    ],
)
def test_files_and_folders_are_named(run, paths, expected):
    assert [a.path for a in artifacts.select(run, paths)] == expected


def test_a_name_that_is_none_has_a_hint(run):
    with pytest.raises(NotFoundError, match=r"(?m)files has no artifact plot\.tx$") as caught:
        artifacts.select(run, ["plot.tx"])
    assert caught.value.hint.startswith("did you mean plot.txt")
    with pytest.raises(NotFoundError) as caught:
        artifacts.select(run, ["\x1b[2J"])
    assert caught.value.message.endswith("\\x1b[2J")
    assert caught.value.hint.startswith("gitml artifacts ls ")


def test_a_live_run_gives_its_files(store, tmp_path):
    recorder = recorder_of(store, "live")
    recorder.begin(created=START, checkpoints=False)
    (tmp_path / "file").write_bytes(b"early")
    recorder.log_file(tmp_path / "file", "early.txt")
    digest = hashlib.sha256(b"early").hexdigest()
    live = Run(
        id=recorder.id,
        name="live",
        experiment="churn",
        status="running",
        created=START,
        artifacts={"early.txt": Artifact(path="early.txt", size=5, sha256=digest)},
    )
    artifacts.fetch(store, live, artifacts.select(live, []), tmp_path / "out")
    assert (tmp_path / "out" / "early.txt").read_bytes() == b"early"
    recorder.end()


def test_other_content_is_overwritten_only_when_asked(store, run, tmp_path):
    chosen = artifacts.select(run, [])
    (tmp_path / "plot.txt").write_bytes(b"mine")
    with pytest.raises(RefusedError, match=r"plot\.txt exists already with other content"):
        artifacts.fetch(store, run, chosen, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plot.txt", "repo"]
    artifacts.fetch(store, run, chosen, tmp_path, force=True)
    assert (tmp_path / "plot.txt").read_bytes() == FILES["plot.txt"]


@pytest.mark.parametrize("force", [False, True])
def test_links_on_the_way_are_not_followed(store, run, tmp_path, force):
    out, outside = tmp_path / "target", tmp_path / "outside"
    out.mkdir()
    (outside / "deep").mkdir(parents=True)
    (out / "out").symlink_to(outside)
    with pytest.raises(RefusedError, match="is a link, so nothing is written through it"):
        artifacts.fetch(store, run, artifacts.select(run, ["out"]), out, force=force)
    assert [p.name for p in outside.rglob("*")] == ["deep"]


def test_a_link_in_a_files_place_is_replaced_and_not_followed(store, run, tmp_path):
    out, precious = tmp_path / "target", tmp_path / "precious"
    out.mkdir()
    precious.write_bytes(FILES["plot.txt"])
    (out / "plot.txt").symlink_to(precious)
    chosen = artifacts.select(run, ["plot.txt"])
    with pytest.raises(RefusedError, match="exists already"):
        artifacts.fetch(store, run, chosen, out)
    artifacts.fetch(store, run, chosen, out, force=True)
    assert not (out / "plot.txt").is_symlink()
    assert precious.read_bytes() == FILES["plot.txt"]


def test_a_folder_or_a_file_in_the_way_is_never_removed(store, run, tmp_path):
    (tmp_path / "plot.txt").mkdir()
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(RefusedError, match="is a folder"):
        artifacts.fetch(store, run, artifacts.select(run, ["plot.txt"]), tmp_path, force=True)
    with pytest.raises(RefusedError, match="is not a folder"):
        artifacts.fetch(store, run, artifacts.select(run, ["out"]), tmp_path, force=True)


@pytest.mark.parametrize(
    "path",
    [
        *("../x", "/etc/x", "a/../../x", "a\nb", "\u202etxt.x", "C:\\x", "a\\b", "", ".", "a//b"),
        *(".git/hooks/pre-commit", "a/.GIT/x", "git~1/x", "x" * 2000),
    ],
)
def test_a_hostile_name_writes_nothing(repo, store, tmp_path, path):
    """Such a name can come from a ref that somebody pushed, past all checks of gitml."""
    content = Artifact(path=path, size=2, sha256=hashlib.sha256(b"hi").hexdigest(), store="lfs")
    run = make_run(repo, artifacts=[replace(content, path="fine")])
    large = lfs_path(store, content.sha256)
    large.parent.mkdir(parents=True)
    large.write_bytes(b"hi")
    forged = replace(run, artifacts={path: content})
    out = tmp_path / "target"
    with pytest.raises(InputError):
        artifacts.fetch(store, forged, artifacts.select(forged, []), out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["repo"]
    artifacts.fetch(store, run, artifacts.select(run, []), out)
    assert (out / "fine").read_bytes() == b"hi"


def test_a_file_and_a_folder_of_one_name_both_come_back(store, tmp_path):
    recorder = recorder_of(store, "both")
    recorder.begin(created=START, checkpoints=False)
    (tmp_path / "file").write_bytes(b"x")
    recorder.log_file(tmp_path / "file", "a/b")
    recorder.log_file(tmp_path / "file", "a")
    run = recorder.end()
    placed = artifacts.fetch(store, run, artifacts.select(run, []), tmp_path / "out")
    assert sorted(below(tmp_path / "out")) == ["a/b", "a~"]
    assert {p.artifact.path: p.target.name for p in placed} == {"a": "a~", "a/b": "b"}


def test_case_twins_are_refused_where_they_would_be_one_file(store, tmp_path, monkeypatch):
    recorder = recorder_of(store, "twins")
    recorder.begin(created=START, checkpoints=False)
    for name in ("Read.me", "READ.ME"):
        (tmp_path / "file").write_bytes(name.encode())
        recorder.log_file(tmp_path / "file", name)
    run = recorder.end()
    chosen = artifacts.select(run, [])
    out = tmp_path / "out"
    if not place.folds_case(tmp_path):
        artifacts.fetch(store, run, chosen, out)
        assert {n: p.read_text() for n, p in below(out).items()} == {n: n for n in below(out)}
        assert len(below(out)) == 2
    # No such file system can be had in a test everywhere, so its answer is given.
    monkeypatch.setattr(place, "folds_case", lambda _: True)
    with pytest.raises(RefusedError, match=r"READ\.ME and Read\.me would be one file"):
        artifacts.fetch(store, run, chosen, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_content_that_does_not_verify_is_not_kept(store, run, tmp_path):
    sha256 = run.artifacts["out/model.bin"].sha256
    large = lfs_path(store, sha256)
    kept_path(store, sha256).unlink()
    large.chmod(0o644)
    large.write_bytes(b"Weights" * 100)
    with pytest.raises(DamagedError, match=r"local copy of out/model\.bin is damaged"):
        artifacts.fetch(store, run, artifacts.select(run, ["out/model.bin"]), tmp_path / "out")
    assert below(tmp_path / "out") == {}
    wrong = replace(run.artifacts["plot.txt"], sha256="0" * 64)
    forged = replace(run, artifacts={"plot.txt": wrong})
    with pytest.raises(DamagedError, match="does not match its recorded digest"):
        artifacts.fetch(store, forged, [wrong], tmp_path / "out")
    assert below(tmp_path / "out") == {}


def test_what_is_not_here_is_found_out_before_anything_is_written(store, run, tmp_path):
    chosen = artifacts.select(run, [])
    sha256 = run.artifacts["out/model.bin"].sha256
    assert artifacts.is_here(store, run.artifacts["out/model.bin"])
    lfs_path(store, sha256).unlink()
    artifacts.fetch(store, run, chosen, tmp_path / "one")  # git lfs prune does not matter
    kept_path(store, sha256).unlink()
    assert not artifacts.is_here(store, run.artifacts["out/model.bin"])
    with pytest.raises(NotFoundError, match="is not on this machine") as caught:
        artifacts.fetch(store, run, chosen, tmp_path / "two")
    assert "gitml artifacts get" in caught.value.hint
    assert not (tmp_path / "two").exists()
    with pytest.raises(InputError, match="was recorded and not copied") as caught:
        artifacts.fetch(store, run, artifacts.select(run, ["out/far"]), tmp_path / "two")
    assert caught.value.hint == "it lies at sftp://nas/x"


@pytest.mark.parametrize(
    "name,expected",
    [
        ("brave-otter-12", "brave-otter-12-source"),
        ("../../etc", "etc-source"),
        ("-rf", "rf-source"),
        ("a b/ü\n", "a-b-ü-source"),
        ("..", "aaaaaaaa-source"),
        ("x" * 250, "x" * 80 + "-source"),
    ],
)
def test_the_name_of_a_folder_is_harmless(name, expected):
    run = Run(id="a" * 32, name=name, experiment="e", status="finished", created=0)
    assert place.folder_name(run, "source") == expected
