"""The files of a package: what may be one, its digest, and where each file is kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitml.errors import InputError, NotFoundError
from gitml.registry.package import (
    TEXT_LIMIT,
    check_members,
    listing,
    made_member,
    members_of,
    package_digest,
    package_files,
    scan,
)

FORMAT = Path(__file__).parents[2] / "gitml" / "FORMAT.md"
VECTORS = re.findall(
    r"^\| `(\{.*\})` \| `(sha256:[0-9a-f]{64})` \|$", FORMAT.read_text(), re.MULTILINE
)


def members(files):
    return [made_member(path, content) for path, content in files.items()]


def written(folder, files):
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_there_are_ten_vectors():
    assert len(VECTORS) == 10


@pytest.mark.parametrize("files, digest", VECTORS)
def test_digest_is_that_of_the_vectors(tmp_path, files, digest):
    contents = {
        path: (content[0] * content[1] if isinstance(content, list) else content)
        for path, content in json.loads(files).items()
    }
    found = scan([written(tmp_path / "package", contents)])
    assert package_digest(members_of(found)) == digest


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.binary(max_size=9)))
def test_listing_is_sorted_by_the_bytes_of_the_paths(files):
    lines = [
        f"{hashlib.sha256(files[path]).hexdigest()} {len(files[path])} ".encode() + path.encode()
        for path in sorted(files, key=str.encode)
    ]
    assert listing(members(files)) == b"".join(line + b"\n" for line in lines)
    assert listing(reversed(members(files))) == listing(members(files))


@pytest.mark.parametrize(
    "paths, said",
    [
        ([], "without a file"),
        (["../model.pkl"], "leaves"),
        (["a//b"], "an empty part"),
        ([r"a\b"], "a backslash"),
        (["a\nb"], "control"),
        (["a\u202eb"], "bidirectional"),
        (["\udcff.pkl"], "not UTF-8"),
        ([".git/config"], "git keeps for itself"),
        (["Model.pkl", "model.pkl"], "one file on some systems"),
        (["caf\u00e9", "cafe\u0301"], "one file on some systems"),
        (["straße", "STRASSE"], "one file on some systems"),
        (["Code", "code/loader.py"], "a file and the folder of"),
        ([f"{n}.bin" for n in range(10_001)], "10,001 files"),
    ],
)
def test_what_cannot_be_a_package(paths, said):
    with pytest.raises(InputError, match=said):
        check_members(paths)


def test_scan_of_a_folder_and_of_several_paths(tmp_path):
    written(tmp_path, {"m/a.txt": "1", "m/sub/b.txt": "2", "m/.git/config": "x", "c.txt": "3"})
    (tmp_path / "link").symlink_to(tmp_path / "m")
    assert [*scan([tmp_path / "m"])] == ["a.txt", "sub/b.txt"]
    assert [*scan([tmp_path / "link"])] == ["a.txt", "sub/b.txt"]
    assert [*scan([tmp_path / "m", tmp_path / "c.txt"])] == ["m/a.txt", "m/sub/b.txt", "c.txt"]
    with pytest.raises(NotFoundError, match="no file or folder") as caught:
        scan([tmp_path / "c.tx"])
    assert caught.value.hint == "did you mean c.txt?"


def test_scan_refuses_links_and_special_files(tmp_path):
    written(tmp_path, {"m/a.txt": "1"})
    link = tmp_path / "m" / "b.txt"
    link.symlink_to("a.txt")
    with pytest.raises(InputError, match="is a link"):
        scan([tmp_path / "m"])
    with pytest.raises(InputError, match="is a link"):
        scan([link])
    link.unlink()
    os.mkfifo(link)
    with pytest.raises(InputError, match="neither a file nor a folder"):
        scan([tmp_path / "m"])
    link.unlink()
    (tmp_path / "m" / "a.txt").unlink()
    with pytest.raises(InputError, match="without a file"):
        scan([tmp_path / "m"])


@pytest.mark.skipif(sys.platform == "darwin", reason="the file system takes only UTF-8")
def test_scan_refuses_names_that_are_not_utf8(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.pkl")).write_bytes(b"x")
    with pytest.raises(InputError, match="not UTF-8"):
        scan([tmp_path])


def test_two_files_of_one_name_are_refused(tmp_path):
    written(tmp_path, {"a/model.pkl": "1", "b/model.pkl": "2"})
    with pytest.raises(InputError, match="would be one file of the package"):
        scan([tmp_path / "a" / "model.pkl", tmp_path / "b" / "model.pkl"])


def test_a_file_that_changes_after_it_was_hashed_is_noticed(tmp_path):
    (member,) = members_of(scan([written(tmp_path, {"m/model.pkl": "one"}) / "m"]))
    assert b"".join(member.open()) == b"one"
    (tmp_path / "m" / "model.pkl").write_text("two")
    with pytest.raises(InputError, match="changed while"):
        b"".join(member.open())
    (tmp_path / "m" / "model.pkl").unlink()
    (tmp_path / "m" / "model.pkl").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="cannot be read"):
        b"".join(member.open())


def test_a_pointer_whose_file_was_not_fetched_is_refused(tmp_path):
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n"
    with pytest.raises(InputError, match="git-lfs pointer"):
        members_of(scan([written(tmp_path, {"model.pkl": pointer})]))


def test_where_files_are_kept():
    files = {
        "MLmodel": b"flavors: {}\n",
        "model.pkl": b"\x80\x04.",
        "weights.bin": b"\0" * (1 << 20),
        "more.bin": b"\0" * ((1 << 20) + 1),
        ".gitattributes": b"*.bin filter=lfs\n",
        "notes.md": b"n" * (TEXT_LIMIT // 2),
        "vocabulary.txt": b"v" * (TEXT_LIMIT // 2),
        "requirements.txt": b"r" * 100,
        "latin1.txt": "é".encode("latin-1"),
    }
    kept = {f.path: f.store for f in package_files(members(files))}
    assert kept == {
        "MLmodel": "tag",
        "requirements.txt": "tag",
        "notes.md": "tag",
        "vocabulary.txt": "git",  # the two together are more than a tag holds
        ".gitattributes": "git",
        "latin1.txt": "git",
        "model.pkl": "git",
        "weights.bin": "git",
        "more.bin": "lfs",
    }
    assert [*kept] == sorted(files, key=str.encode)


def test_hashing_takes_little_memory(tmp_path):
    with (tmp_path / "weights.bin").open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        (member,) = members_of(scan([tmp_path]))
        assert member.size == 64 << 20
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
