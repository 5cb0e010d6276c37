"""Live logs: what was appended is there, whatever became of who appended it."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitml.errors import StorageError
from gitml.lines import dump_edit, dump_json
from gitml.model import Edit
from gitml.store import live
from gitml.store.points import INT_LIMIT, Collector
from gitml.store.processes import boot_id, started

ID = "0123456789abcdef" * 2
HERE = live.Who(host="here", boot=boot_id(), pid=os.getpid(), started=started(os.getpid()))
NOW = 1_767_322_800_000


def edit(key="note", value="x", at=NOW):
    return Edit(at=at, id="0123456789abcdef", by="A <a@b>", key=key, json=dump_json(value))


def replayed(data):
    """Return (points, edits, sources, spoilt) of a log's bytes."""
    points, edits, sources = Collector(), set(), []
    spoilt = live.replay(io.BytesIO(data), points, edits, sources)
    return [tuple(p) for p in points.points()], edits, sources, spoilt


@pytest.fixture
def log(tmp_path):
    log = live.LiveLog(tmp_path, ID, "aaaa0000", HERE)
    yield log
    log.close()


HEADER = b'{"gitml": 1}\n'
floats = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 1e-5])
whole = st.integers(-INT_LIMIT, INT_LIMIT)
points = st.lists(
    st.tuples(st.sampled_from(["loss", 'a"b', "é\\"]), whole, whole, floats), max_size=9
)
GARBAGE = [
    *[b"[", b"]", b"{}", b"[]", b"null", b"[" * 9999, b"[1,2,3,4]", b'["a",1,2]'],
    *[b'["a",true,0,1.0]', b'["a",1,2,"x"]', b'["a",1,2,[1]]', b'["a",1.5,2,1.0]'],
    *[b'["\\ud800",1,2,1.0]', b'["a",1,2,true]', b'["a",99999999999999999999,2,1.0]'],
    *[b'{"source":{}}', b'{"at":1,"source":{}}'],
]
garbage = st.binary(max_size=30) | st.sampled_from(GARBAGE)


def records(found):
    return [live.point_record(json.dumps(name), s, t, v) for name, s, t, v in found]


@given(points, st.lists(garbage, max_size=4), st.randoms(use_true_random=False))
@example([("loss", 1, 2, 0.5)], [b'["loss",1,2'], None)
def test_garbage_between_records_spoils_none_of_them(found, rubbish, rng):
    lines = [*records(found), b"\n" + dump_edit(edit()).encode() + b"\n"]
    expected = replayed(HEADER + b"".join(lines))
    for piece in rubbish:
        lines.insert(rng.randint(0, len(lines)) if rng else 0, b"\n" + piece)
    told = replayed(HEADER + b"".join(lines))
    known = {repr(p) for p in expected[0]}
    assert {repr(p) for p in told[0]} >= known
    assert told[1] >= expected[1] == {edit()}


@given(points.filter(bool), st.integers(0, 400))
def test_a_record_cut_short_is_the_only_one_lost(found, cut):
    lines = records(found)
    data = HEADER + b"".join(lines)
    kept = data[: max(len(HEADER), len(data) - cut)]
    whole_lines = [
        line
        for at, line in enumerate(lines)
        if len(HEADER + b"".join(lines[: at + 1])) <= len(kept) + 1
    ]
    told = {repr(p) for p in replayed(kept)[0]}
    assert told == {repr(p) for p in replayed(HEADER + b"".join(whole_lines))[0]}
    # Who goes on writing after the torn record loses nothing either.
    more = live.point_record('"more"', 1, 1, 1.0)
    assert {repr(p) for p in replayed(kept + more)[0]} == {*told, repr(("more", 1, 1, 1.0))}


@given(points)
def test_points_come_back_exactly(found):
    assert [repr(p) for p in replayed(HEADER + b"".join(records(found)))[0]] == [
        repr(tuple(p)) for p in _sorted(found)
    ]


def _sorted(found):
    collector = Collector()
    collector.add_all(found)
    return collector.points()


def test_a_log_of_several_blocks_is_read_whole():
    many = [("loss", step, NOW, step / 7) for step in range(120_000)]
    data = HEADER + b"".join(records(many))
    assert len(data) > 3 << 20
    assert replayed(data)[0] == many
    assert replayed(data + data)[0] == many, "a record that was written twice counts once"


def test_rotation_leaves_whole_logs_in_their_order(log, tmp_path):
    for step in range(12):
        log.append(live.point_record('"loss"', step, NOW, 0.5))
        left = log.rotate()
        assert left.exists()
    assert [p.name for p in live.logs(tmp_path, ID)] == [f"aaaa0000-{n}.log" for n in range(13)]
    assert live.live_ids(tmp_path) == [ID]


def test_threads_write_whole_records_while_the_log_rotates(log, tmp_path):
    def write(number):
        for step in range(300):
            log.append(live.point_record(f'"t{number}"', step, NOW, 0.5))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        log.rotate()
    log.close()
    found = Collector()
    spoilt = 0
    for path in live.logs(tmp_path, ID):
        with path.open("rb") as file:
            spoilt += live.replay(file, found, set(), [])
    assert spoilt == 0
    assert len(list(found.points())) == 6 * 300


def test_a_fingerprint_changes_with_every_record(log, tmp_path):
    seen = {live.fingerprint(tmp_path, ID), ""}
    for step in range(3):
        log.append(live.point_record('"loss"', step, NOW, 0.5))
        seen.add(live.fingerprint(tmp_path, ID))
    log.rotate()
    seen.add(live.fingerprint(tmp_path, ID))
    assert len(seen) == 6
    assert live.fingerprint(tmp_path, "f" * 32) == ""
    assert live.live_ids(tmp_path / "nothing") == []


def take(path, now=NOW, **more):
    with live.taken(path, HERE, now, **more) as file:
        return file is not None


def test_a_living_log_cannot_be_taken_and_a_closed_one_once(log, tmp_path):
    assert not take(log.path)
    assert [w.alive for w in live.writers(tmp_path, ID, HERE, NOW)] == [True]
    left = log.rotate()
    assert take(left)
    with live.taken(left, HERE, NOW) as file:
        assert file is not None
        assert not take(left) or not live._HAS_LOCKS, "who folds it has it alone"
    log.close()
    assert [w.alive for w in live.writers(tmp_path, ID, HERE, NOW)] == [False, False]


def test_patience_outlasts_a_look(log, monkeypatch):
    left = log.rotate()
    looking = os.open(left, os.O_RDONLY)
    fcntl = pytest.importorskip("fcntl")
    fcntl.flock(looking, fcntl.LOCK_EX)
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 10:
            os.close(looking)

    monkeypatch.setattr(live, "sleep", pause)
    assert not take(left)
    assert not take(left, patience=9)
    assert pauses == [0.01] * 9
    assert take(left, patience=9)
    assert pauses == [0.01] * 10
    assert not take(log.path, patience=9)
    assert len(pauses) == 10, "what this process goes on writing is not waited for"


def test_a_log_taken_away_meanwhile_is_none(log, tmp_path):
    left = log.rotate()
    file = left.open("rb")
    left.unlink()
    with file, live.taken(left, HERE, NOW) as found:
        assert found is None


def without_locks(path, **header):
    """Write a log as a writer on a file system without locks does: a process that lives."""
    base = {"gitml": 1, "writer": "bbbb0000", "locks": False}
    lives = os.getppid()
    who = {"host": HERE.host, "boot": HERE.boot, "pid": lives, "started": started(lives)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**base, **who, **header}) + "\n")
    return path


def gone():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    "header, hours, free",
    [
        ({}, 0, False),
        ({}, 1000, False),
        ({"started": 1}, 0, True),
        ({"started": 0}, 0, False),
        ({"pid": "x"}, 0, True),
        ({"pid": 0}, 0, True),
        ({"pid": -1}, 0, True),
        ({"host": "there"}, 0, False),
        ({"host": "there"}, 23, False),
        ({"host": "there"}, 25, True),
        ({"boot": "another"}, 0, False),
        ({"boot": "another"}, 25, True),
    ],
)
def test_without_locks_the_header_tells(tmp_path, header, hours, free):
    path = without_locks(live.folder(tmp_path, ID) / "bbbb0000-0.log", **header)
    os.utime(path, (NOW / 1000, NOW / 1000))
    assert take(path, NOW + hours * 3600 * 1000) is free


def test_without_locks_a_process_that_is_gone(tmp_path):
    path = without_locks(live.folder(tmp_path, ID) / "bbbb0000-0.log", pid=gone())
    assert take(path)


def test_without_locks_our_own_is_free_when_it_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "fcntl", None)
    monkeypatch.setattr(live, "_HAS_LOCKS", False)
    own = live.LiveLog(tmp_path, ID, "cccc0000", HERE)
    assert not take(own.path)
    own.close()
    assert take(own.path)


@pytest.mark.parametrize("header", [b"", b"\n", b"{", b"[1]\n", b"\xff\n", b"x" * 5000])
def test_a_header_that_cannot_be_read_is_that_of_somebody_else(tmp_path, header):
    path = live.folder(tmp_path, ID) / "bbbb0000-0.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(header)
    os.utime(path, (NOW / 1000, NOW / 1000))
    assert live.read_header(path) == {}
    assert not take(path, NOW)
    assert take(path, NOW + live.SILENCE)


def stage(tmp_path, writer, name="0" * 64):
    path = live.staged(tmp_path, ID, writer, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"content")
    return path


def test_what_is_staged_stays_until_its_writer_has_gone(log, tmp_path):
    mine, other, half = stage(tmp_path, "aaaa0000"), stage(tmp_path, "bbbb0000"), tmp_path
    half = mine.with_name("0123456789abcdef.part")
    half.write_bytes(b"half a copy")
    left = log.rotate()
    live.discard(tmp_path, ID, [left])
    assert (left.exists(), mine.exists(), other.exists(), half.exists()) == (
        False,
        True,
        False,
        True,
    )
    log.close()
    live.discard(tmp_path, ID, [log.path])
    assert not live.folder(tmp_path, ID).exists()


def test_an_unfinished_file_of_a_writer_goes_with_the_last_log(log, tmp_path):
    stage(tmp_path, "aaaa0000").with_name("0123456789abcdef.part").write_bytes(b"half")
    log.close()
    live.discard(tmp_path, ID, live.logs(tmp_path, ID))
    assert not live.folder(tmp_path, ID).exists()


def test_withdrawing_leaves_the_others(log, tmp_path):
    other = live.LiveLog(tmp_path, ID, "bbbb0000", HERE)
    log.rotate()
    live.withdraw(tmp_path, ID, log)
    assert live.logs(tmp_path, ID) == [other.path]
    live.withdraw(tmp_path, ID, other)
    assert not live.folder(tmp_path, ID).exists()


def test_a_log_that_cannot_be_made_leaves_nothing(tmp_path):
    (tmp_path / "live").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be written") as caught:
        live.LiveLog(tmp_path, ID, "aaaa0000", HERE)
    assert caught.value.hint
    assert (tmp_path / "live").read_text() == "in the way"


def test_after_the_end_nothing_can_be_appended(log):
    log.close()
    log.close()
    with pytest.raises(StorageError):
        log.append(b"\n[]\n")


def test_a_folder_that_is_removed_under_a_writer_is_made_again(log, tmp_path):
    """As who folds its last log does, at the moment it goes on in the next."""
    live.drop(tmp_path, ID)
    log.rotate()
    log.append(live.point_record('"loss"', 1, NOW, 0.5))
    assert len(live.logs(tmp_path, ID)) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_storage_error(log):
    full = os.open("/dev/full", os.O_WRONLY)
    mine, log._fd = log._fd, full
    try:
        with pytest.raises(StorageError, match="No space left"):
            log.append(live.point_record('"loss"', 1, NOW, 0.5))
    finally:
        log._fd = mine
        os.close(full)
    with contextlib.closing(log):
        log.append(live.point_record('"loss"', 2, NOW, 0.5))
        assert b'["loss",2' in log.path.read_bytes()
