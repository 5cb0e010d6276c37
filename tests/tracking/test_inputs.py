"""Inputs of a run: files, folders, globs, URLs and tables in memory."""

from __future__ import annotations

import errno
import hashlib
import inspect
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gitml.errors import InputError, NotFoundError
from gitml.model import Dataset
from gitml.tracking.inputs import describe_frame, describe_input


def sha(content):
    return hashlib.sha256(content).hexdigest()


def listing(**files):
    """Return the digest that the module's first lines promise for these files."""
    named = sorted((name.encode(), content) for name, content in files.items())
    lines = (b"%s %d %s\n" % (sha(c).encode(), len(c), name) for name, c in named)
    return f"sha256:{sha(b''.join(lines))}"


@pytest.fixture
def data(tmp_path):
    """Return a folder with two files, one of them below."""
    folder = tmp_path / "data"
    (folder / "b").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"one")
    (folder / "b" / "c.txt").write_bytes(b"three")
    return folder


TWO = {"a.txt": b"one", "b/c.txt": b"three"}


def test_a_file(tmp_path):
    content = b'id,text\n1,"a\nb"\n2,c\n'
    (tmp_path / "train.csv").write_bytes(content)
    found = describe_input(tmp_path / "train.csv", root=tmp_path, context="training")
    assert found == Dataset(
        name="train.csv",
        digest=f"sha256:{sha(content)}",
        context="training",
        uri="train.csv",
        size=len(content),
        rows=2,
        columns=("id", "text"),
    )


def test_a_file_larger_than_the_buffer(tmp_path):
    content = bytes(range(256)) * 3000
    (tmp_path / "big").write_bytes(content)
    found = describe_input(tmp_path / "big", root=None)
    assert (found.digest, found.size, found.rows) == (f"sha256:{sha(content)}", len(content), None)


def test_an_empty_file(tmp_path):
    (tmp_path / "x").touch()
    assert describe_input(tmp_path / "x", root=None).digest == f"sha256:{sha(b'')}"


def test_a_relative_path_is_taken_from_the_working_directory(data, monkeypatch):
    monkeypatch.chdir(data / "b")
    assert describe_input("../a.txt", root=data).uri == "a.txt"
    assert describe_input("c.txt", root=data).uri == "b/c.txt"
    assert describe_input(".", root=data).name == "b"
    assert describe_input("..", root=data).uri == "."


def test_outside_the_root_the_path_is_absolute(data, home):
    assert describe_input(data / "a.txt", root=home).uri == (data / "a.txt").as_posix()
    assert describe_input(data / "a.txt", root=None).uri == (data / "a.txt").as_posix()
    (home / "x.txt").write_bytes(b"x")
    (home / "~odd").write_bytes(b"x")
    assert describe_input(home / "~odd", root=home).uri == "~odd"
    for path in (home / "x.txt", "~/x.txt"):
        assert describe_input(path, root=data).uri == "~/x.txt"


def test_the_root_may_be_reached_by_a_link(data, tmp_path):
    (tmp_path / "link").symlink_to("data")
    assert describe_input(tmp_path / "link" / "a.txt", root=data).uri == "a.txt"
    assert describe_input(data / "a.txt", root=tmp_path / "link").uri == "a.txt"


def test_a_link_is_what_it_leads_to_under_its_own_name(data, tmp_path):
    (data / "inside.txt").symlink_to("a.txt")
    (tmp_path / "far.txt").write_bytes(b"far")
    (data / "outside.txt").symlink_to(tmp_path / "far.txt")
    inside = describe_input(data / "inside.txt", root=data)
    assert (inside.uri, inside.digest) == ("inside.txt", f"sha256:{sha(b'one')}")
    outside = describe_input(data / "outside.txt", root=data)
    assert (outside.uri, outside.digest) == ("outside.txt", f"sha256:{sha(b'far')}")


def test_a_folder(data):
    found = describe_input(data, root=data.parent)
    digest = listing(**TWO)
    assert found == Dataset(name="data", digest=digest, uri="data", size=8, files=2)


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs sha256sum")
def test_the_digest_of_a_folder_is_that_of_sha256sum(data):
    """Anybody can compute it with tools of the shell."""
    script = (
        "find . -type f | cut -c3- | LC_ALL=C sort | while read -r f; do "
        'echo "$(sha256sum "$f" | cut -d" " -f1) $(($(wc -c < "$f"))) $f"; done | sha256sum'
    )
    done = subprocess.run(["sh", "-c", script], cwd=data, capture_output=True, check=True)
    assert f"sha256:{done.stdout.split()[0].decode()}" == describe_input(data, root=None).digest


def test_files_are_ordered_by_the_bytes_of_their_paths(tmp_path):
    files = {name: name.encode() for name in ("a-b", "a/b", "a.b", "Z", "é", "\U0001f600", "ｆ")}
    for name, content in files.items():
        path = tmp_path / "t" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content)
    assert describe_input(tmp_path / "t", root=None).digest == listing(**files)


def test_git_and_empty_folders_are_no_data(data):
    before = describe_input(data, root=None)
    (data / ".git").mkdir()
    (data / ".git" / "HEAD").write_text("ref: x", encoding="utf-8")
    (data / "empty").mkdir()
    assert describe_input(data, root=None) == before
    (data / ".hidden").write_bytes(b"h")
    assert describe_input(data, root=None).digest == listing(**TWO, **{".hidden": b"h"})


def test_an_empty_folder(tmp_path):
    (tmp_path / "none").mkdir()
    found = describe_input(tmp_path / "none", root=None)
    assert (found.files, found.size, found.digest) == (0, 0, f"sha256:{sha(b'')}")


def test_a_folder_of_parts_is_one_table(tmp_path):
    for i in range(3):
        (tmp_path / f"part-{i}.csv").write_text("a,b\n1,2\n3,4\n", encoding="utf-8")
    assert describe_input(tmp_path, root=None).rows == 6
    found = describe_input(tmp_path / "part-[12].csv", root=tmp_path)
    assert (found.rows, found.columns, found.files) == (4, ("a", "b"), 2)
    (tmp_path / "notes.md").touch()
    assert describe_input(tmp_path, root=None).rows is None


def test_links_inside_a_folder_count_as_what_they_lead_to(data):
    (data / "l.txt").symlink_to("b/c.txt")
    (data / "d").symlink_to("b")
    digest = listing(**TWO, **{"l.txt": b"three", "d/c.txt": b"three"})
    assert describe_input(data, root=None).digest == digest


def test_a_folder_may_itself_be_a_link(data, tmp_path):
    (tmp_path / "link").symlink_to("data")
    assert describe_input(tmp_path / "link", root=None).digest == listing(**TWO)


def test_a_link_out_of_the_folder_is_refused(data, tmp_path):
    (tmp_path / "data2").mkdir()
    for target in (tmp_path / "data2", "/etc/passwd"):
        (data / "out").symlink_to(target)
        with pytest.raises(InputError, match=r"(?m)is a link that leads out of the folder\.$") as e:
            describe_input(data, root=None)
        assert str(Path(target).resolve()) in e.value.hint
        (data / "out").unlink()


@pytest.mark.parametrize("target", [".", "..", "b", "../b/loop"])
def test_a_link_in_a_circle_is_refused(data, target):
    (data / "b" / "loop").symlink_to(data / "b" / target if target == "b" else target)
    with pytest.raises((InputError, NotFoundError), match="loop"):
        describe_input(data, root=None)


def test_two_links_in_a_circle_are_refused(data):
    (data / "x").mkdir()
    (data / "x" / "l").symlink_to("../b")
    (data / "b" / "m").symlink_to("../x")
    with pytest.raises(InputError, match=r"(?m)is a link to a folder it is in\.$"):
        describe_input(data, root=None)


def test_a_link_to_nothing_is_refused(data):
    (data / "gone").symlink_to("nowhere")
    for path in (data, data / "gone"):
        with pytest.raises(NotFoundError, match="gone"):
            describe_input(path, root=None)


def test_a_link_to_itself_is_refused(data):
    (data / "self").symlink_to("self")
    for path in (data / "self", data, data / "self" / "*", data / "s*"):
        with pytest.raises(InputError, match="self"):
            describe_input(path, root=data)


def test_folders_may_be_deeper_than_calls(data):
    deep = data.joinpath(*["d"] * 150)
    deep.mkdir(parents=True)
    (deep / "e").touch()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        everything, one = describe_input(data, root=None), describe_input(data / "**/e", root=None)
    finally:
        sys.setrecursionlimit(limit)
    assert (everything.files, one.files) == (3, 1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_a_pipe_or_a_socket_is_refused_at_once(data):
    os.mkfifo(data / "pipe")
    for path in (data / "pipe", data, data / "p*"):
        with pytest.raises(InputError, match=r"(?m)pipe is not a regular file\.$"):
            describe_input(path, root=None)
    assert describe_input(data / "a*", root=None).files == 1
    (data / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as server, pytest.MonkeyPatch.context() as patch:
        patch.chdir(data)  # a socket's path has at most about 100 bytes
        server.bind("sock")
        with pytest.raises(InputError, match="sock is not a regular file"):
            describe_input(".", root=None)
    with pytest.raises(InputError, match="/dev/zero is not a regular file"):
        describe_input("/dev/zero", root=None)


def test_a_pipe_that_takes_a_files_place_is_not_waited_for(data, monkeypatch):
    from gitml.tracking import inputs

    os.mkfifo(data / "pipe")
    monkeypatch.setattr(inputs, "kind", lambda _: "file")
    assert inputs._digest(data / "pipe") == (sha(b""), 0)


def test_a_missing_file_names_the_nearest(data):
    with pytest.raises(NotFoundError) as caught:
        describe_input(data / "a.tx", root=None)
    assert "a.tx" in caught.value.message
    assert caught.value.hint == "did you mean a.txt?"
    with pytest.raises(NotFoundError):
        describe_input(data / "a.txt" / "x", root=None)


@pytest.mark.parametrize("path", ["x" * 300, "a\0b"])
def test_a_path_that_cannot_be_is_refused(data, path):
    with pytest.raises(InputError):
        describe_input(data / path, root=None)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
@pytest.mark.parametrize("name", ["a.txt", "b"])
def test_what_may_not_be_read_is_refused(data, name):
    (data / name).chmod(0)
    try:
        for path in (data, data / name):
            with pytest.raises(InputError, match="cannot be read: permission denied") as caught:
                describe_input(path, root=None)
            assert "ls -l" in caught.value.hint
    finally:
        (data / name).chmod(0o700)


def test_a_failing_disk_is_reported(data, monkeypatch):
    from gitml.tracking import rows

    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    (data / "x.csv").write_text("a\n1\n", encoding="utf-8")
    monkeypatch.setattr(rows, "shape", fail)
    with pytest.raises(InputError, match=r"(?m)x\.csv cannot be read: input/output error\.$"):
        describe_input(data / "x.csv", root=None)


@pytest.mark.parametrize(
    "pattern,names",
    [
        ("*.txt", ["a.txt"]),
        ("**/*.txt", ["a.txt", "b/c.txt"]),
        ("**", ["a.txt", "b/c.txt"]),
        ("**/**/c*", ["b/c.txt"]),
        ("*/c.txt", ["b/c.txt"]),
        ("[!b]*", ["a.txt"]),
        ("b/?.txt", ["c.txt"]),
        ("?", []),
        ("*", ["a.txt"]),
        ("b/*/x", []),
        ("*.TXT", []),
        (".h*", [".h"]),
    ],
)
def test_a_glob(data, pattern, names):
    (data / ".h").write_bytes(b"h")
    everything = {**TWO, "c.txt": b"three", ".h": b"h"}
    if not names:
        with pytest.raises(NotFoundError, match=r"(?m)matches no file\.$"):
            describe_input(data / pattern, root=data)
        return
    found = describe_input(data / pattern, root=data)
    assert found.digest == listing(**{name: everything[name] for name in names})
    assert (found.name, found.uri, found.files) == (pattern, pattern, len(names))


def test_a_glob_from_elsewhere(data, monkeypatch, home):
    monkeypatch.chdir(data)
    assert describe_input("*.txt", root=data.parent).uri == "data/*.txt"
    assert describe_input("../data/b/*", root=home).uri == f"{data.as_posix()}/b/*"
    with pytest.raises(NotFoundError, match="no"):
        describe_input("nope/*.txt", root=data)
    with pytest.raises(NotFoundError, match=r"a\.txt is not a folder"):
        describe_input("a.txt/*", root=data)


def test_a_glob_ignores_what_it_does_not_match(data, tmp_path):
    (data / "out").symlink_to(tmp_path)
    (data / "void").symlink_to("nowhere")
    assert describe_input(data / "*.txt", root=None).files == 1
    with pytest.raises(InputError, match="leads out of the folder"):
        describe_input(data / "**", root=None)
    (data / "gone").symlink_to("nowhere")
    with pytest.raises(NotFoundError, match="gone is a symbolic link"):  # the first by name
        describe_input(data / "**", root=None)


def test_a_name_with_wildcards_that_exists_is_a_file(data):
    (data / "a[1].txt").write_bytes(b"x")
    found = describe_input(data / "a[1].txt", root=data)
    assert (found.uri, found.files, found.size) == ("a[1].txt", None, 1)


@pytest.mark.parametrize(
    "url,name,uri",
    [
        ("https://me:pw@host/x/train.csv?v=2", "train.csv", "https://host/x/train.csv?v=2"),
        ("s3://bucket/data/", "data", "s3://bucket/data/"),
        ("hf://datasets/me/set@main", "set@main", "hf://datasets/me/set@main"),
        ("https://h/*.csv?token=x", "*.csv", "https://h/*.csv?token=***"),
    ],
)
def test_a_url_is_noted_unopened(url, name, uri):
    assert describe_input(url, root=None) == Dataset(name=name, uri=uri)
    assert describe_input(url, root=None, name="mine", context="test") == Dataset(
        name="mine", uri=uri, context="test"
    )


def test_names_are_checked(data):
    assert describe_input(data, root=None, name="my data").name == "my data"
    for options in (
        {"name": "a\x1b[31m"},
        {"name": " x"},
        {"context": "a\nb"},
        {"name": "x" * 251},
    ):
        with pytest.raises(InputError):
            describe_input(data, root=None, **options)
    (data / "evil\u202ename").write_bytes(b"x")
    with pytest.raises(InputError, match=r"(?m)bidirectional character: evil\\u202ename$"):
        describe_input(data / "evil\u202ename", root=None)
    with pytest.raises(InputError, match="cannot be empty"):
        describe_input("", root=None)


@pytest.mark.skipif(sys.platform in {"darwin", "win32"}, reason="names are always Unicode there")
def test_odd_names_in_a_folder(data):
    (data / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    raw = b"%s 3 a.txt\n%s 5 b/c.txt\n%s 1 caf\xe9\n" % tuple(
        sha(content).encode() for content in (b"one", b"three", b"x")
    )
    assert describe_input(data, root=None).digest == f"sha256:{sha(raw)}"
    assert describe_input(data / os.fsdecode(b"caf\xe9"), root=data).uri == "caf\ufffd"
    (data / "two\nlines").write_bytes(b"x")
    with pytest.raises(InputError, match=r"(?m)two\\nlines has a line break in its name\.$"):
        describe_input(data, root=None)


def test_an_array():
    array = np.arange(6, dtype="<f8").reshape(3, 2)
    found = describe_frame(array, name="X", context="training")
    assert (found.name, found.context, found.rows, found.size) == ("X", "training", 3, 48)
    assert found.schema == {"dtype": "<f8", "shape": [3, 2]}
    assert found.digest == f"sha256:{sha(b'<f8 [3, 2]' + chr(10).encode() + array.tobytes())}"


def test_arrays_that_differ_have_other_digests():
    base = np.arange(6, dtype="<i4")
    others = [base.reshape(2, 3), base.reshape(3, 2), base.view("<u4"), base + 1, base[:5]]
    others += [base.astype("datetime64[s]"), base.astype("<U4"), base.astype("?"), np.array(3)]
    digests = {describe_frame(array, name="x").digest for array in [base, *others]}
    assert len(digests) == 1 + len(others)
    for same in (base.copy(), base[::-1][::-1], np.asfortranarray(base)):
        assert describe_frame(same, name="x").digest == describe_frame(base, name="x").digest
    square = base.reshape(2, 3)
    turned = np.asfortranarray(square)
    assert describe_frame(turned, name="x").digest == describe_frame(square, name="x").digest


def test_an_array_with_named_fields():
    found = describe_frame(np.zeros(4, dtype=[("a", "<i4"), ("b", "<f8")]), name="x")
    assert (found.rows, found.columns) == (4, ("a", "b"))
    assert found.schema == {"a": "<i4", "b": "<f8"}


def test_an_array_of_objects_has_no_digest():
    found = describe_frame(np.array([{}, []], dtype=object), name="x")
    assert (found.digest, found.rows) == (None, 2)


def test_a_frame():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    found = describe_frame(frame, name="train")
    assert (found.rows, found.columns) == (2, ("a", "b"))
    assert found.schema == {"a": "int64", "b": str(frame["b"].dtype)}
    assert found.digest.startswith("sha256:")
    assert describe_frame(frame.copy(), name="train").digest == found.digest
    others = [frame.rename(columns={"a": "c"}), frame.astype({"a": "int32"}), frame.iloc[::-1]]
    others += [frame.set_index("b"), frame.assign(a=[1, 3]), frame[["b", "a"]]]
    digests = {describe_frame(other, name="x").digest for other in others}
    assert len(digests - {found.digest}) == len(others)
    assert describe_frame(pd.DataFrame({"a": [[1], {}]}), name="x").digest is None
    series = describe_frame(frame["a"], name="y")
    assert (series.rows, series.columns) == (2, ("a",))
    assert series.digest == describe_frame(frame[["a"]], name="x").digest
    wide = describe_frame(pd.DataFrame(np.zeros((1, 1001))), name="x")
    assert (wide.rows, wide.columns, wide.schema) == (1, None, None)


@pytest.mark.parametrize("data", [[1, 2], {"a": 1}, None, "train.csv", np.float64(1)])
def test_anything_else_is_refused(data):
    with pytest.raises(InputError, match="is not a kind of input") as caught:
        describe_frame(data, name="x")
    assert "numpy array" in caught.value.hint
