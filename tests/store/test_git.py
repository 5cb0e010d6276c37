"""The door to git: what goes in comes out, who is beaten is told so, and nothing is half done."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from gitml.errors import BeatenError, DamagedError, NotFoundError, RepositoryError
from gitml.model import iso
from gitml.store.fast_import import quote
from gitml.store.git import RefUpdate, open_repository
from gitml.store.write import Change, commit_runs, new_edit

AUTHOR = "Ada Author <ada@example.com>"
TMP = "refs/gitml-tmp/0123456789abcdef"
ID = "0123456789abcdef" * 2
START = 1_767_322_800_000


@pytest.fixture
def store(repo):
    repository = open_repository(repo)
    yield repository
    repository.close()


def first(repository, *more):
    """Return what begins the run `ID`."""
    facts = {"name": "n", "experiment": "e", "status": "running", "created": iso(START)}
    edits = {new_edit(at=START, by=AUTHOR, key=key, value=value) for key, value in facts.items()}
    return commit_runs(
        repository, [Change(run_id=ID, edits={*edits, *more})], committer=AUTHOR, now=START
    )


# Objects.


def test_objects_by_any_name(store, git, repo):
    head = git(repo, "rev-parse", "HEAD").strip()
    asked = [
        "HEAD",
        "nothing",
        "HEAD:train.py",
        "HEAD:no such file",
        "",
        " ",
        "HEAD^{tree}",
        "x" * 9999,
    ]
    found = list(store.objects().many(asked * 30))
    assert [o and o.kind for o in found[:8]] == [
        *["commit", None, "blob", None],
        *[None, None, "tree", None],
    ]
    assert found[0].oid == head
    assert len(found) == 240
    assert store.read("HEAD:train.py", "blob") == b"print('trained')\n"
    assert store.resolve("HEAD:train.py") == git(repo, "rev-parse", "HEAD:train.py").strip()
    assert [e.name for e in store.tree("HEAD")] == ["train.py"]
    with pytest.raises(DamagedError, match="missing"):
        store.read("nothing", "blob")
    with pytest.raises(DamagedError, match="is a commit and not a blob"):
        store.read("HEAD", "blob")
    with pytest.raises(DamagedError, match="newline"):
        list(store.objects().many(["HEAD\nHEAD"]))


def test_after_an_object_that_is_too_large_the_next_is_read(store, git, repo):
    large = git(repo, "hash-object", "-w", "--stdin", input="x" * 100_000).strip()
    with pytest.raises(DamagedError, match=r"100,000 bytes, more than the limit of 10"):
        store.read(large, "blob", limit=10)
    assert store.read("HEAD:train.py", "blob", limit=100)
    some = store.bulk(
        [large, store.resolve("HEAD"), "f" * 40, store.resolve("HEAD:train.py")], 1000
    )
    assert [o and o.kind for o in some] == [None, "commit", None, "blob"]


def test_many_objects_in_order_and_given_up_in_the_middle(store, git, repo):
    contents = [f"{n} {'y' * (n % 977)}" for n in range(4000)]
    with store.fast_import() as stream:
        marks = [stream.blob(text.encode()) for text in contents]
        oids = [stream.oid(mark) for mark in marks]
    assert [o.data.decode() for o in store.bulk(oids, 10_000)] == contents
    assert [o.data.decode() for o in store.objects().many(oids)] == contents
    for count, found in enumerate(store.bulk(oids, 10_000)):
        assert found.data.decode() == contents[count]
        if count == 5:
            break
    assert list(store.bulk([], 10)) == []


def test_the_reader_outlives_its_process_and_a_repack(store, git, repo):
    assert store.resolve("HEAD")
    process = store.objects()._process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()  # of that one: whoever asks for the reader now may get another
    assert store.resolve("HEAD")
    with store.fast_import() as stream:
        mark = stream.commit(TMP, committer=AUTHOR, time=0, message="x")
        oid = stream.oid(mark)
    git(repo, "repack", "-adq")
    git(repo, "prune-packed")
    assert store.resolve(TMP) == oid


def test_threads_share_a_reader(store):
    found = []

    def ask():
        found.extend(store.resolve(name) for name in ["HEAD:train.py", "nothing"] * 100)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1200
    assert found.count(None) == 600
    assert set(found) == {None, store.resolve("HEAD:train.py")}


# Streams.


PATHS = [
    "a",
    "dir/b",
    "a b",
    '"',
    'x"y',
    "back\\slash",
    "new\nline",
    "tab\t",
    "é",
    "caf\udce9",
    "\x01",
]


def test_any_path_through_a_stream(store, git, repo):
    with store.fast_import() as stream:
        mark = stream.commit(TMP, committer=AUTHOR, time=1_000_500, message="m\n")
        for path in PATHS:
            stream.put_data(path, path.encode("utf-8", "surrogateescape"))
        tree = stream.tree_of(mark)
        assert stream.oid(mark)
    listed = git(repo, "ls-tree", "-r", "-z", "--name-only", TMP).split("\0")[:-1]
    assert sorted(listed) == sorted(PATHS)
    assert git(repo, "rev-parse", f"{TMP}^{{tree}}").strip() == tree
    for path in PATHS:
        assert git(repo, "show", f"{TMP}:{path}") == path
    assert git(repo, "log", "-1", "--format=%ct", TMP).strip() == "1000"
    assert quote("a\nb") == b'"a\\nb"'


@pytest.mark.parametrize(
    "who, told",
    [
        ("Ada Author <ada@example.com>", "Ada Author|ada@example.com"),
        ("Ada", "Ada|"),
        ("<ada@example.com>", "|ada@example.com"),
        ("", "|"),
        ("<>", "|"),
        ("Ada <a>b> <c", "Ada|a"),
        ("A\nB\0C <d\ne>", "ABC|de"),
        (" ..Ada,; <a@b>", "Ada|a@b"),
        ("Ädä 流 <ä@b>", "Ädä 流|ä@b"),
        ("caf\udce9 <a@b>", "caf?|a@b"),
        ("\x01\x02 <\x03>", None),
        ("x" * 5000 + " <a@b>", "x" * 5000 + "|a@b"),
    ],
)
def test_any_author_makes_a_sound_commit(store, git, repo, who, told):
    with store.fast_import() as stream:
        stream.commit(TMP, committer=who, time=-5, message="m")
    if told is not None:
        assert git(repo, "log", "-1", "--format=%cn|%ce", TMP).rstrip("\n") == told
    git(repo, "fsck", "--strict")


def broken_off(store):
    with store.fast_import() as stream:
        stream.commit(TMP, committer=AUTHOR, time=0, message="x")
        stream.put_data("a", b"x" * 100_000)
        raise ZeroDivisionError


def refused(store, at):
    with store.fast_import() as stream:
        mark = stream.commit(TMP, committer=AUTHOR, time=0, message="x")
        stream.put("a", "f" * 40)
        if at == "put":
            for _ in range(100):
                stream.put_data("b", b"x" * 100_000)
        elif at == "oid":
            stream.oid(mark)


def test_a_stream_that_is_broken_off_leaves_no_ref_and_no_report(store, git, repo):
    with pytest.raises(ZeroDivisionError):
        broken_off(store)
    assert git(repo, "for-each-ref", "refs/gitml-tmp") == ""
    assert not list((repo / ".git").glob("fast_import_crash_*"))


@pytest.mark.parametrize("at", ["put", "oid", "end"])
def test_what_git_refuses_is_an_error_wherever_it_is_noticed(store, git, repo, at):
    with pytest.raises(RepositoryError, match="fast-import"):
        refused(store, at)
    assert git(repo, "for-each-ref", "refs/gitml-tmp") == ""
    assert not list((repo / ".git").glob("fast_import_crash_*"))


# Refs.


def test_refs_move_all_or_none(store, git, repo):
    one, two = store.resolve("HEAD"), store.resolve("HEAD^{tree}")
    store.update_refs([RefUpdate("refs/gitml/runs/a", one, None), RefUpdate("refs/x/b", one, None)])
    with pytest.raises(BeatenError):
        store.update_refs(
            [RefUpdate("refs/gitml/runs/a", None, one), RefUpdate("refs/x/b", None, two)]
        )
    with pytest.raises(BeatenError):
        store.update_refs(
            [RefUpdate("refs/x/c", one, None), RefUpdate("refs/gitml/runs/a", one, None)]
        )
    assert store.refs("refs/gitml/", "refs/x/") == {"refs/gitml/runs/a": one, "refs/x/b": one}
    store.update_refs(
        [RefUpdate("refs/x/b", None, one), RefUpdate("refs/gitml/runs/a", None, None)]
    )
    assert store.refs("refs/gitml/", "refs/x/") == {}


def test_a_lock_that_is_left_behind_is_named_in_the_end(store, git, repo):
    first(store)
    lock = repo / ".git" / "refs" / "gitml" / "runs" / f"{ID}.lock"
    lock.touch()
    again = Change(run_id=ID, edits={new_edit(at=START, by=AUTHOR, key="note", value="x")})
    with pytest.raises(BeatenError, match=f"{ID}.lock") as caught:
        commit_runs(store, [again], committer=AUTHOR, now=START)
    assert "remove the .lock file" in caught.value.hint
    assert git(repo, "for-each-ref", "refs/gitml-tmp") == ""
    lock.unlink()
    assert commit_runs(store, [again], committer=AUTHOR, now=START)[ID].note == "x"


def test_a_ref_in_the_way_is_an_error_in_the_end(store, git, repo):
    git(repo, "update-ref", f"refs/gitml/runs/{ID}/in/the/way", "HEAD")
    with pytest.raises((BeatenError, RepositoryError), match="in/the/way"):
        first(store)


EDITOR = """
    import sys
    from pathlib import Path
    from gitml.store.git import open_repository
    from gitml.store.write import Change, commit_runs, new_edit
    store = open_repository(Path("."))
    for number in range(8):
        edit = new_edit(at=1, by="A <a@b>", key=f"tags.t{sys.argv[1]}-{number}", value="x")
        commit_runs(store, [Change(run_id=sys.argv[2], edits={edit})], committer="A <a@b>", now=1)
"""


def test_nobody_who_is_beaten_loses_an_edit(store, repo, git):
    """Five processes change one run at once: each is beaten, and joins again."""
    first(store)
    script = textwrap.dedent(EDITOR)
    editors = [
        subprocess.Popen([sys.executable, "-c", script, str(n), ID], cwd=repo) for n in range(5)
    ]
    assert [editor.wait() for editor in editors] == [0] * 5
    run = commit_runs(
        store,
        [Change(run_id=ID, edits={new_edit(at=2, by=AUTHOR, key="note", value="last")})],
        committer=AUTHOR,
        now=START,
    )[ID]
    assert set(run.tags) == {f"t{n}-{m}" for n in range(5) for m in range(8)}
    assert git(repo, "for-each-ref", "refs/gitml-tmp") == ""
    git(repo, "fsck", "--strict")


# Repositories and their configuration.


ODD = [
    *["Ada", "123", "007", "true", "yes", "1e5", "1_000", 'Ada "X" Author', " lead", "a # b"],
    *["a;b", "back\\slash", "tab\there", "two\nlines", "é 流", "%(name)s", "%", "$HOME", "[a]"],
]


@pytest.mark.parametrize("value", ODD)
def test_configuration_is_read_as_git_reads_it(repo, git, value):
    git(repo, "config", "user.name", value)
    repository = open_repository(repo)
    assert repository.config("user", "name") == value
    assert repository.identity() == f"{value} <ada@example.com>"
    repository.close()


def test_configuration_that_is_not_there(store):
    assert store.config("user", "signingkey") is None
    assert store.config("nothing", "x") is None
    assert store.subsections("remote") == []


def test_a_configuration_of_names(repo, git):
    git(repo, "remote", "add", "origin", "https://x@example.com/a.git")
    git(repo, "remote", "add", 'o"dd', "../b")
    repository = open_repository(repo)
    assert repository.config('remote "origin"', "url") == "https://x@example.com/a.git"
    assert "origin" in repository.subsections("remote")
    repository.close()


def test_where_there_is_no_repository(tmp_path):
    with pytest.raises(NotFoundError, match="no folder"):
        open_repository(tmp_path / "nothing")
    with pytest.raises(RepositoryError, match="not in a git repository") as caught:
        open_repository(tmp_path)
    assert "git init" in caught.value.hint


def use(path):
    with contextlib.closing(open_repository(path)) as repository:
        repository.refs("refs/")
        first(repository)


@pytest.mark.parametrize("damage", ["config", "HEAD", "objects"])
def test_a_repository_that_is_damaged_is_an_error_with_a_sentence(repo, damage):
    place = repo / ".git" / damage
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.write_text("[core\nx")
    with pytest.raises((RepositoryError, DamagedError)) as caught:
        use(repo)
    assert caught.value.message.isprintable()


def test_a_setting_that_git_refuses_is_named_whatever_is_asked_first(repo):
    with (repo / ".git" / "config").open("a") as file:
        file.write("[core]\n\tbare = perhaps\n")
    for ask in (lambda r: r.refs("refs/"), lambda r: r.resolve("HEAD"), lambda r: r.resolve("x")):
        with (
            contextlib.closing(open_repository(repo)) as repository,
            pytest.raises(RepositoryError, match=r"configuration cannot be read.*bad \w+ config"),
        ):
            ask(repository)


def test_processes_are_counted(repo):
    repository = open_repository(repo)
    assert repository.processes == 0
    repository.refs("refs/")
    list(repository.objects().many(["HEAD"] * 50))
    first(repository)
    repository.close()
    assert repository.processes == 3


def test_large_input_and_output_do_not_meet_in_a_full_pipe(store, git, repo):
    """More than a pipe holds, both ways."""
    rng = random.Random(1)
    names = "".join(f"{rng.randbytes(20).hex()}\n" for _ in range(40_000))
    out = store.run("cat-file", "--batch-check", data=names.encode())
    assert out.count(b" missing\n") == 40_000
