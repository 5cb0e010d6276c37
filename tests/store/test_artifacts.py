"""Files of runs: copied whole or not at all, found by git-lfs, verified when read."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from gitml.errors import DamagedError, InputError, NotFoundError, StorageError
from gitml.model import Artifact
from gitml.store.artifacts import (
    absorb,
    check_blob,
    keep_large,
    kept_path,
    large_chunks,
    lfs_path,
    media_type,
    pointer,
)
from gitml.store.git import open_repository

CONTENT = random.Random(3).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LARGE = Artifact(path="weights.bin", size=len(CONTENT), sha256=SHA256, store="lfs")


@pytest.fixture
def store(repo):
    repository = open_repository(repo)
    yield repository
    repository.close()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(CONTENT)
    return path


def absorbed(store, file):
    copy, sha256, size = absorb(file, store.home / "staging")
    assert (sha256, size) == (SHA256, len(CONTENT))
    return copy


def read(store, artifact=LARGE):
    return b"".join(large_chunks(store, artifact))


def test_a_large_file_lies_where_git_lfs_looks_and_once_more(store, file):
    keep_large(store, absorbed(store, file), SHA256)
    place, kept = lfs_path(store, SHA256), kept_path(store, SHA256)
    assert place.samefile(kept), "a hard link takes no space"
    assert read(store) == CONTENT
    assert list((store.home / "staging").iterdir()) == []
    place.unlink()  # as git lfs prune does
    assert read(store) == CONTENT
    keep_large(store, absorbed(store, file), SHA256)
    assert place.exists()


def test_what_is_there_already_is_not_written_again(store, file):
    keep_large(store, absorbed(store, file), SHA256)
    before = lfs_path(store, SHA256).stat().st_ino
    keep_large(store, absorbed(store, file), SHA256)
    assert lfs_path(store, SHA256).stat().st_ino == before
    assert list((store.home / "staging").iterdir()) == []


def test_half_a_file_that_lies_there_is_replaced(store, file):
    place = lfs_path(store, SHA256)
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT[:1000])
    keep_large(store, absorbed(store, file), SHA256)
    assert read(store) == CONTENT


def test_git_lfs_takes_our_pointer_for_its_own(store, repo, git, file):
    if shutil.which("git-lfs") is None:
        pytest.skip("needs git-lfs")
    keep_large(store, absorbed(store, file), SHA256)
    told = pointer(SHA256, len(CONTENT))
    made = subprocess.run(
        ["git", "lfs", "pointer", "--file", file], cwd=repo, capture_output=True, check=True
    )
    assert made.stdout == told
    smudged = subprocess.run(
        ["git", "lfs", "smudge"], cwd=repo, input=told, capture_output=True, check=True
    )
    assert smudged.stdout == CONTENT
    fsck = subprocess.run(["git", "lfs", "fsck"], cwd=repo, capture_output=True, check=False)
    assert fsck.returncode == 0, fsck.stderr


def test_a_storage_of_its_own_on_another_file_system(repo, git, file):
    """``lfs.storage``: no file can be moved or linked there."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == repo.stat().st_dev:
        pytest.skip("needs a second file system")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        git(repo, "config", "lfs.storage", folder)
        store = open_repository(repo)
        keep_large(store, absorbed(store, file), SHA256)
        assert lfs_path(store, SHA256).is_relative_to(folder)
        assert read(store) == CONTENT
        lfs_path(store, SHA256).unlink()
        assert read(store) == CONTENT, "kept in the repository too"
        assert list((store.home / "staging").iterdir()) == []
        store.close()


@pytest.mark.parametrize("length", [0, 1000, len(CONTENT) - 1])
def test_a_damaged_copy_is_noticed(store, file, length):
    keep_large(store, absorbed(store, file), SHA256)
    with lfs_path(store, SHA256).open("r+b") as damaged:
        damaged.seek(length)
        damaged.write(bytes([CONTENT[length] ^ 1]))
    with pytest.raises(DamagedError, match=r"weights\.bin is damaged"):
        read(store)


def test_what_is_on_another_machine_is_said_so(store):
    with pytest.raises(NotFoundError, match="not on this machine") as caught:
        read(store)
    assert SHA256[:12] in caught.value.hint
    for sha256 in (None, "", "../../etc/passwd", "f" * 63):
        with pytest.raises(DamagedError, match="no digest"):
            read(store, Artifact(path="a", sha256=sha256, store="lfs"))


def test_blobs_are_verified():
    small = Artifact(path="a", size=3, sha256=hashlib.sha256(b"one").hexdigest())
    assert check_blob(small, b"one") == b"one"
    with pytest.raises(DamagedError, match="does not match"):
        check_blob(small, b"two")
    assert check_blob(LARGE, pointer(SHA256, 1)) is None
    for data in (b"", pointer("f" * 64, 1), pointer(SHA256, 1) + b"x", CONTENT[:100]):
        with pytest.raises(DamagedError, match="pointer to other content"):
            check_blob(LARGE, data)


def test_what_cannot_be_copied_leaves_nothing(tmp_path):
    folder = tmp_path / "staging"
    with pytest.raises(NotFoundError):
        absorb(tmp_path / "nothing", folder)
    with pytest.raises(InputError, match="cannot be read"):
        absorb(tmp_path, folder)
    assert not folder.exists()
    (tmp_path / "file").write_text("x")
    (tmp_path / "way").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be copied"):
        absorb(tmp_path / "file", tmp_path / "way" / "staging")


def test_a_folder_in_the_way_is_a_storage_error(store, file):
    lfs_path(store, SHA256).parent.parent.mkdir(parents=True)
    lfs_path(store, SHA256).parent.write_text("in the way")
    with pytest.raises(StorageError, match="cannot be kept"):
        keep_large(store, absorbed(store, file), SHA256)
    assert list((store.home / "staging").iterdir()) == []


def test_large_files_take_no_memory_to_copy(store, tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        os.truncate(file.fileno(), 300 * 1024 * 1024)
    import tracemalloc

    tracemalloc.start()
    copy, _, size = absorb(tmp_path / "sparse", store.home / "staging")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    copy.unlink()
    assert size == 300 * 1024 * 1024
    assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize(
    "path, told",
    [
        ("a.md", "text/markdown"),
        ("a.YML", "application/yaml"),
        ("b/c.png", "image/png"),
        ("noext", None),
        ("a.tar.gz", "application/x-tar"),
    ],
)
def test_media_types(path, told):
    assert media_type(path) == told
