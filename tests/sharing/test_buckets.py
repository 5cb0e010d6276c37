"""Large files at artifacts.remote: a folder, and S3 as moto speaks it, on loopback."""

from __future__ import annotations

import contextlib
import hashlib
import random
import shlex
import subprocess

import pytest

from gitml.errors import (
    DamagedError,
    GitmlError,
    InputError,
    NotFoundError,
    RemoteError,
    UnreachableError,
)
from gitml.sharing.fetching import fetch_large
from gitml.sharing.freeing import free_large
from gitml.sharing.large import send_large, waiting
from gitml.store import cloud, meter, transfer
from gitml.store.artifacts import absorb, here, keep_large, kept_path, lfs_path
from gitml.store.bucket import check_address, key_of, open_bucket
from gitml.store.git import open_repository
from gitml.store.pulling import Where
from gitml.store.transfer import Content, bring, confirm, send
from gitml.tracking.settings import Settings
from tests.s3 import BUCKET, KEYS, backend, fresh, serve

HUB = Where("origin", "origin")
SIZE = 300_000


@pytest.fixture(scope="module")
def s3_server():
    with serve() as server:
        yield server


@pytest.fixture
def s3(s3_server, monkeypatch):
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": s3_server.url}.items():
        monkeypatch.setenv(name, value)
    fresh(s3_server)
    return s3_server


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(meter, "FIRST_PAUSE", 0.001)


@pytest.fixture
def store(repo):
    opened = open_repository(repo)
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "share it"
    place.mkdir()
    return place


def address_of(folder):
    return folder.as_uri()


def keep(store, tmp_path, name, size=SIZE):
    """Put a large file into a store as recording does, and return it."""
    path = tmp_path / name
    path.write_bytes(random.Random(name).randbytes(size))
    copy, sha256, size = absorb(path, store.home / "incoming")
    keep_large(store, copy, sha256)
    return Content(sha256=sha256, size=size, name=name)


def lose(store, content):
    for place in (lfs_path(store, content.sha256), kept_path(store, content.sha256)):
        place.unlink()


def point(store, git, address):
    git(store.common_dir, "config", "gitml.artifactsRemote", address)
    return open_repository(store.work_tree)


def parts(store):
    return sorted(p.name for p in (store.home / "incoming").glob("*"))


def test_what_is_sent_comes_back_in_another_clone(store, git, empty_repo, folder, tmp_path):
    contents = [keep(store, tmp_path, f"{n}.bin") for n in range(6)]
    mine = point(store, git, address_of(folder))
    moved = []
    done = send_large(mine, HUB, Settings(), progress=lambda at, of: moved.append((at, of)))
    assert (done.count, done.size) == (6, 6 * SIZE)
    assert moved[-1] == (6 * SIZE, 6 * SIZE)
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == (
        sorted(key_of(c.sha256) for c in contents)
    )
    assert waiting(mine, HUB) == {}
    assert send_large(mine, HUB, Settings()).count == 0
    other = point(open_repository(empty_repo), git, address_of(folder))
    came = fetch_large(other, contents, remote=None)
    assert (len(came.came), came.size, came.had) == (6, 6 * SIZE, 0)
    for content in contents:
        assert (
            hashlib.sha256(here(other, content.sha256).read_bytes()).hexdigest() == content.sha256
        )
    assert parts(other) == []
    assert waiting(other, HUB) == {}  # what came from there is there
    assert fetch_large(other, contents, remote=None).had == 6


def test_what_is_there_is_not_sent_again_and_never_written_over(store, folder, tmp_path):
    bucket = open_bucket(address_of(folder))
    good, wrong = keep(store, tmp_path, "good.bin"), keep(store, tmp_path, "wrong.bin")
    place = folder / key_of(wrong.sha256)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"somebody else's")
    with pytest.raises(DamagedError, match=r"15 bytes where it has 300,000") as raised:
        send(store, bucket, [good, wrong], done=lambda *_: None)
    assert key_of(wrong.sha256) in raised.value.message
    assert place.read_bytes() == b"somebody else's"
    inode = (folder / key_of(good.sha256)).stat().st_ino
    assert send(store, bucket, [good], done=lambda *_: None) == []
    assert (folder / key_of(good.sha256)).stat().st_ino == inode


def test_a_local_copy_that_is_damaged_is_not_sent(store, git, folder, tmp_path):
    content = keep(store, tmp_path, "model.bin")
    lfs_path(store, content.sha256).write_bytes(b"\0" * SIZE)
    bucket = open_bucket(address_of(folder))
    with pytest.raises(DamagedError, match=r"local copy of model\.bin is damaged") as raised:
        send(store, bucket, [content], done=lambda *_: None)
    assert list(folder.iterdir()) == []
    # A copy that is shorter is not the fault of the true one there.
    place = folder / key_of(content.sha256)
    place.parent.mkdir(parents=True)
    place.write_bytes((tmp_path / "model.bin").read_bytes())
    lfs_path(store, content.sha256).write_bytes(b"short")
    (short,) = [Content(sha256=content.sha256, size=5, name="model.bin")]
    with pytest.raises(DamagedError, match=r"local copy of model\.bin is damaged"):
        send(store, bucket, [short], done=lambda *_: None)
    assert confirm(store, bucket, [short]) == ([], {short: "the copy here is damaged"})
    # What the hint says mends it.
    subprocess.run(shlex.split(raised.value.hint.partition(": ")[2].partition(";")[0]), check=True)
    assert fetch_large(point(store, git, address_of(folder)), [content], remote=None).came


def test_a_wrong_object_is_refused_and_never_kept(store, folder, tmp_path):
    bucket = open_bucket(address_of(folder))
    same, short, good = (keep(store, tmp_path, n) for n in ("same.bin", "short.bin", "good.bin"))
    send(store, bucket, [same, short, good], done=lambda *_: None)
    (folder / key_of(same.sha256)).write_bytes(b"\0" * SIZE)
    (folder / key_of(short.sha256)).write_bytes(b"\0")
    for content in (same, short, good):
        lose(store, content)
    for content in (same, short):
        with pytest.raises(DamagedError, match=key_of(content.sha256)):
            bring(store, bucket, [content, good], done=lambda *_: None)
        assert here(store, content.sha256) is None
        assert here(store, good.sha256) is not None
        assert parts(store) == []


def test_a_download_goes_on_where_it_was_and_starts_anew_after_rubbish(
    store, folder, tmp_path, monkeypatch
):
    pytest.importorskip("fcntl")  # without locks each begins anew
    monkeypatch.setattr(transfer, "CHUNK", 100_000)
    bucket = open_bucket(address_of(folder))
    content = keep(store, tmp_path, "model.bin")
    send(store, bucket, [content], done=lambda *_: None)
    data = lfs_path(store, content.sha256).read_bytes()
    asked = []
    read = bucket.read
    bucket.read = lambda key, start, end: (asked.append(start), read(key, start, end))[1]
    for begun, starts in [
        (data[:150_000], [150_000, 250_000]),
        (b"rubbish", [7, 100_007, 200_007, 0, 100_000, 200_000]),
    ]:
        lose(store, content)
        part = store.home / "incoming" / f"{content.sha256}.part"
        part.parent.mkdir(exist_ok=True)
        part.write_bytes(begun)
        asked.clear()
        bring(store, bucket, [content], done=lambda *_: None)
        assert asked == starts
        assert lfs_path(store, content.sha256).read_bytes() == data
    assert not (store.home / "incoming").exists()


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_a_good_copy_is_left(git, repo, empty_repo, folder, tmp_path, seed):
    """Two clones and a folder that loses, garbles and goes away: gc never takes the last copy."""
    chance = random.Random(seed)
    clones = [point(open_repository(path), git, address_of(folder)) for path in (repo, empty_repo)]
    contents, gone = [], set()
    away = folder.with_name("away")

    def places(content):
        stores = [p(c, content.sha256) for c in clones for p in (lfs_path, kept_path)]
        return [*stores, *(root / key_of(content.sha256) for root in (folder, away))]

    def good(content):
        return [
            place
            for place in places(content)
            if place.is_file() and hashlib.sha256(place.read_bytes()).hexdigest() == content.sha256
        ]

    def lose(clone):
        there = [p for p in folder.rglob("*") if p.is_file()]
        if there:
            victim = chance.choice(sorted(there))
            kinds = [
                victim.unlink,
                lambda: victim.write_bytes(b"x"),
                *[lambda: victim.write_bytes(bytes(2000))] * 3,
            ]
            chance.choice(kinds)()
            gone.update(c for c in contents if not good(c))

    def move(clone):
        here, there = (folder, away) if folder.exists() else (away, folder)
        here.rename(there)

    steps = {
        lambda clone: contents.append(keep(clone, tmp_path, f"{len(contents)}", 2000)): 3,
        lambda clone: send_large(clone, HUB, Settings()): 4,
        lambda clone: fetch_large(
            clone, chance.sample(contents, len(contents) // 2), remote=None
        ): 4,
        lambda clone: free_large(clone, remote=None, now=2**45, keep_days=0): 4,
        lose: 3,
        move: 1,
    }
    for _ in range(60):
        clone = chance.choice(clones)
        (step,) = chance.choices([*steps], [*steps.values()])
        with contextlib.suppress(GitmlError):
            step(clone)
        for content in contents:
            assert content in gone or good(content)
    assert any(not places(content)[0].exists() for content in contents)  # some was freed
    for clone in clones:
        clone.close()


def test_a_folder_that_is_not_there_is_not_made(store, folder, tmp_path, git):
    content = keep(store, tmp_path, "model.bin")
    folder.rmdir()
    mine = point(store, git, address_of(folder))
    with pytest.raises(RemoteError, match="There is no folder"):
        send_large(mine, HUB, Settings())
    assert not folder.exists()
    assert waiting(mine, HUB) == {content.sha256: SIZE}
    folder.mkdir()
    assert send_large(mine, HUB, Settings()).count == 1


def test_what_nobody_has_is_said(store, folder, git):
    mine = point(store, git, address_of(folder))
    absent = Content(sha256="0" * 64, size=3, name="model.bin")
    with pytest.raises(NotFoundError, match=r"model\.bin is not on this machine, nor at file://"):
        fetch_large(mine, [absent], remote=None)


@pytest.mark.parametrize(
    "address",
    [
        "s3://",
        "s3://-bad/x",
        "ftp://host/x",
        "file://host/x",
        "file:///",
        "folder",
        "s3:/b",
        "s3://b/\x1b",
    ],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(InputError, match=r"^artifacts\.remote is "):
        check_address(address, "artifacts.remote")


@pytest.mark.parametrize(
    "address",
    ["s3://ada:pa55@bucket/x", "s3://bucket/x?key=pa55", "s3://ada:p/pa55@b", "s3://ada:pa55"],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(address):
    with pytest.raises(InputError) as raised:
        check_address(address, "artifacts.remote")
    assert "pa55" not in f"{raised.value.message} {raised.value.hint}"


def test_an_address_in_its_usual_form():
    for text, usual in [
        ("s3://b/x/", "s3://b/x"),
        ("gs://b", "gs://b"),
        ("file:///mnt/ada@nas/", "file:///mnt/ada@nas"),
    ]:
        assert check_address(text, "it") == usual


def s3_bucket():
    return open_bucket(check_address(f"s3://{BUCKET}/team/", "it"))


def test_s3_sends_once_in_parts_and_brings_back(store, s3, tmp_path, monkeypatch):
    monkeypatch.setattr(cloud, "PART", 5 << 20)
    contents = [keep(store, tmp_path, "large.bin", 11 << 20), keep(store, tmp_path, "small.bin")]
    bucket = s3_bucket()
    assert send(store, bucket, contents, done=lambda *_: None) == contents
    assert {*s3.keys()} == {f"team/{key_of(c.sha256)}" for c in contents}
    s3.asked.clear()
    assert send(store, bucket, contents, done=lambda *_: None) == []
    assert {method for method, _ in s3.asked} == {"HEAD"}
    # MD5s that are told now, of the whole or of its parts, need no reading again.
    s3.asked.clear()
    assert confirm(store, bucket, contents) == (contents, {})
    assert {method for method, _ in s3.asked} == {"HEAD"}
    for content in contents:
        lose(store, content)
    assert bring(store, bucket, contents, done=lambda *_: None) == contents
    for content in contents:
        assert (
            hashlib.sha256(here(store, content.sha256).read_bytes()).hexdigest() == content.sha256
        )


@pytest.mark.parametrize(
    "fault",
    [("503 Slow Down", "SlowDown"), ("500 Internal Server Error", "InternalError"), "cut"],
    ids=["503", "500", "cut"],
)
def test_s3_that_falters_is_asked_again(store, s3, tmp_path, fault):
    content = keep(store, tmp_path, "model.bin")
    bucket = s3_bucket()
    if fault != "cut":
        s3.faults += [("HEAD", fault), ("PUT", fault), ("PUT", fault)]
    assert send(store, bucket, [content], done=lambda *_: None) == [content]
    assert not s3.faults
    lose(store, content)
    s3.faults += [("GET", fault), ("GET", fault)]
    assert bring(store, bucket, [content], done=lambda *_: None) == [content]
    assert not s3.faults
    assert hashlib.sha256(here(store, content.sha256).read_bytes()).hexdigest() == content.sha256


def test_s3_that_stays_away_ends_in_one_sentence_and_a_retry_repairs(store, s3, tmp_path):
    content = keep(store, tmp_path, "model.bin")
    bucket = s3_bucket()
    s3.faults += [("PUT", ("503 Slow Down", "SlowDown"))] * meter.TRIES
    with pytest.raises(UnreachableError, match=f"^s3://{BUCKET}/team could not be reached: "):
        send(store, bucket, [content], done=lambda *_: None)
    assert s3.keys() == {}
    assert send(store, bucket, [content], done=lambda *_: None) == [content]
    lose(store, content)
    s3.faults += [("GET", ("503 Slow Down", "SlowDown"))] * meter.TRIES
    with pytest.raises(UnreachableError):
        bring(store, bucket, [content], done=lambda *_: None)
    assert here(store, content.sha256) is None
    assert bring(store, bucket, [content], done=lambda *_: None) == [content]


def test_s3_that_lets_nobody_in_and_a_bucket_that_is_not_there(store, s3, tmp_path, monkeypatch):
    content = keep(store, tmp_path, "model.bin")
    s3.faults += [("PUT", ("403 Forbidden", "AccessDenied"))]
    with pytest.raises(RemoteError, match="does not let you in") as raised:
        send(store, s3_bucket(), [content], done=lambda *_: None)
    assert "right to get and list objects" in raised.value.hint
    with pytest.raises(RemoteError, match="There is no bucket at s3://elsewhere/x"):
        send(store, open_bucket("s3://elsewhere/x"), [content], done=lambda *_: None)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(RemoteError, match="There are no credentials for s3://") as raised:
        send(store, s3_bucket(), [content], done=lambda *_: None)
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in f"{raised.value.message}{raised.value.hint}"


def test_an_object_that_was_recorded_by_its_address_is_got(repo, s3, invoke):
    data = random.Random(2).randbytes(20_000)
    backend().put_object(BUCKET, "far/model.pt", data)
    digest = hashlib.sha256(data).hexdigest()
    uri = f"s3://{BUCKET}/far/model.pt"
    logged = invoke("log", "--name", "one", "--artifact", f"{uri}#sha256={digest}", cwd=repo)
    assert logged.code == 0, logged.err
    s3.faults += [("HEAD", ("503 Slow Down", "SlowDown")), ("GET", "cut")]
    got = invoke("artifacts", "get", "one", "model.pt", "-o", "out", cwd=repo)
    assert (got.code, got.err) == (0, "")
    assert not s3.faults
    assert (repo / "out" / "model.pt").read_bytes() == data
    backend().put_object(BUCKET, "far/model.pt", data[::-1])
    wrong = invoke("artifacts", "get", "one", "model.pt", "-o", "again", cwd=repo)
    assert (wrong.code, (repo / "again" / "model.pt").exists()) == (8, False)
    backend().delete_object(BUCKET, "far/model.pt")
    gone = invoke("artifacts", "get", "one", "model.pt", "-o", "again", cwd=repo)
    assert (gone.code, f"There is nothing at {uri}" in gone.err) == (3, True)


@pytest.mark.slow
def test_commands_speak_to_s3_and_say_one_sentence(repo, git, s3, gitml_cli, invoke, tmp_path):
    git(tmp_path, "init", "--quiet", "--bare", tmp_path / "hub.git")
    git(repo, "remote", "add", "origin", tmp_path / "hub.git")
    (repo / ".gitml").mkdir()
    (repo / ".gitml" / "config.yaml").write_text(f"artifacts: {{remote: s3://{BUCKET}/team}}\n")
    data = random.Random(1).randbytes(1_200_000)
    (repo / "model.bin").write_bytes(data)
    assert invoke("log", "--name", "one", "--artifact", "model.bin", cwd=repo).code == 0
    s3.faults += [("*", ("503 Slow Down", "SlowDown"))] * 40
    answer = invoke("push", cwd=repo)
    said, waits, hint = answer.err.splitlines()
    assert answer.code == 9
    reason = f"s3://{BUCKET}/team could not be reached: "
    assert said.startswith(f"1 large file (1.2 MB) did not go: {reason}")
    assert "waits: 1 run" in waits
    assert "AWS_ENDPOINT_URL" in hint
    assert "refs/gitml/runs" not in git(tmp_path / "hub.git", "for-each-ref")
    s3.faults.clear()
    for args, told in [
        (["push"], "files      1 large file, 1.2 MB"),
        (["gc", "--keep-days", "0"], f"1 large file that s3://{BUCKET}/team has (1.2 MB)"),
        (["artifacts", "status", "one"], f"s3://{BUCKET}/team"),
        (["artifacts", "get", "one", "-o", "out"], "Wrote model.bin (1.2 MB) to out"),
    ]:
        answer = gitml_cli(*args, cwd=repo)
        assert answer.code == 0, answer
        assert told in answer.out
        assert "Traceback" not in answer.err
        assert "nclosed" not in answer.err
    assert (repo / "out" / "model.bin").read_bytes() == data
    secret = KEYS["AWS_SECRET_ACCESS_KEY"].encode()
    kept = [p for p in (repo / ".git").rglob("*") if p.is_file() and secret in p.read_bytes()]
    assert kept == []
