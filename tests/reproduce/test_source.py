"""A source tree comes back as it was in the work tree, and a hostile one does no harm."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

import pytest

from gitml.errors import DamagedError, NotFoundError, RefusedError, RepositoryError
from gitml.model import Run, Source
from gitml.reproduce import source
from gitml.store.artifacts import pointer
from gitml.store.git import open_repository
from gitml.tracking.recorder import Recorder
from tests.support import START, run_id_of

needs_lfs = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")


@pytest.fixture
def store(repo):
    repository = open_repository(repo)
    yield repository
    repository.close()


def recorded(repository, code=None):
    """Return a run that was started in the work tree as it is now."""
    recorder = Recorder(
        repository,
        run_id=run_id_of("sourced"),
        experiment="churn",
        name="sourced",
        now=lambda: START,
    )
    recorder.begin(created=START, code=code or repository, checkpoints=False)
    run = recorder.end()
    assert run is not None
    return run


def contents(folder):
    """Return what is below a folder by path: a link's target, or (executable, bytes)."""
    found = {}
    for path in sorted(Path(os.fsencode(folder).decode("utf-8", "surrogateescape")).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file() and not name.startswith(".git/"):
            found[name] = (bool(path.stat().st_mode & stat.S_IXUSR), path.read_bytes())
    return found


def test_the_tree_is_the_work_tree_byte_by_byte(repo, store, git, tmp_path):
    git(repo, "config", "filter.shout.clean", "tr A-Z a-z")
    git(repo, "config", "filter.shout.smudge", "tr a-z A-Z")
    (repo / ".gitattributes").write_bytes(
        b"* text=auto\n*.bat eol=crlf\n*.id ident\n*.up filter=shout\n.early filter=shout\n"
        b"secret.txt export-ignore\nversion.txt export-subst\n"
    )
    (repo / ".early").write_bytes(b"FIRST BY NAME\n")
    (repo / "a.bat").write_bytes(b"one\r\ntwo\r\n")
    (repo / "loud.up").write_bytes(b"HELLO\n")
    (repo / "raw.bin").write_bytes(bytes(range(256)) * 20)
    (repo / "empty").write_bytes(b"")
    (repo / "secret.txt").write_bytes(b"kept\n")
    (repo / "version.txt").write_bytes(b"$Format:%H$\n")
    (repo / "run.sh").write_bytes(b"#!/bin/sh\n")
    (repo / "run.sh").chmod(0o755)
    (repo / "über dir").mkdir()
    (repo / "über dir" / "new\nline").write_bytes(b"odd\n")
    (repo / "link").symlink_to("über dir/new\nline")
    (repo / "outward").symlink_to("/etc/hostname")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "-m", "second")
    (repo / "v.id").write_bytes(b"$Id$\n")
    git(repo, "add", "v.id")
    (repo / "train.py").write_bytes(b"print('changed')\n")
    (repo / "untracked.up").write_bytes(b"NEW\n")
    (repo / "empty").unlink()

    run = recorded(store)
    assert run.source.dirty
    status = git(repo, "status", "--porcelain")
    done = source.checkout(store, source.tree_of(store, run), tmp_path / "out")
    expected = contents(repo)
    ident = expected.pop("v.id")
    found = contents(tmp_path / "out")
    assert found.pop("v.id")[1].startswith(b"$Id: ")  # git writes the blob's id at a checkout
    assert ident == (False, b"$Id$\n")
    assert found == expected
    assert (done.files, done.pointers, done.modules) == (len(found) + 1, (), ())
    assert git(repo, "status", "--porcelain") == status
    assert not (tmp_path / "out" / ".git").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "repo"]


def test_hooks_and_settings_of_the_repository_are_left_alone(repo, store, git, tmp_path):
    (repo / ".git" / "hooks").mkdir(exist_ok=True)
    for name in ("post-checkout", "post-index-change", "pre-commit"):
        hook = repo / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran-{name}\n", encoding="utf-8")
        hook.chmod(0o755)
    git(repo, "config", "core.sparseCheckout", "true")
    git(repo, "config", "core.splitIndex", "true")
    (repo / ".git" / "info").mkdir(exist_ok=True)
    (repo / ".git" / "info" / "sparse-checkout").write_text("nothing\n", encoding="utf-8")
    index = (repo / ".git" / "index").read_bytes()
    inside = sorted(path.name for path in (repo / ".git").iterdir())
    done = source.checkout(store, git(repo, "rev-parse", "HEAD^{tree}").strip(), tmp_path / "out")
    assert done.files == 1
    assert (tmp_path / "out" / "train.py").read_text() == "print('trained')\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "repo"]
    assert (repo / ".git" / "index").read_bytes() == index
    assert sorted(path.name for path in (repo / ".git").iterdir()) == inside


@needs_lfs
@pytest.mark.parametrize("present", [True, False])
def test_large_files_come_from_this_machine_only(repo, git, tmp_path, present):
    git(repo, "lfs", "install", "--local", "--skip-repo")
    git(repo, "config", "lfs.url", "http://127.0.0.1:1/none")
    (repo / ".gitattributes").write_bytes(b"*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (repo / "big.bin").write_bytes(b"large" * 1000)
    (repo / "big.bin").chmod(0o755)
    fake = pointer(hashlib.sha256(b"LARGE" * 1000).hexdigest(), 5000)
    (repo / "fake").write_bytes(fake)  # a pointer's text, which git-lfs does not own
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "-m", "large")
    (repo / "big.bin").write_bytes(b"LARGE" * 1000)  # the filter runs while it is recorded
    store = open_repository(repo)
    run = recorded(store)
    if not present:
        shutil.rmtree(repo / ".git" / "lfs" / "objects")
    done = source.checkout(store, source.tree_of(store, run), tmp_path / "out")
    store.close()
    content = (tmp_path / "out" / "big.bin").read_bytes()
    assert (content == b"LARGE" * 1000) is present
    assert (tmp_path / "out" / "big.bin").stat().st_mode & 0o111
    assert (tmp_path / "out" / "fake").read_bytes() == fake
    assert done.pointers == (() if present else ("big.bin",))


def test_a_filter_that_fails_is_named(repo, store, git, tmp_path):
    (repo / ".gitattributes").write_bytes(b"train.py filter=gone\n")
    git(repo, "add", ".gitattributes")
    tree = git(repo, "write-tree").strip()
    git(repo, "config", "filter.gone.smudge", "false")
    git(repo, "config", "filter.gone.required", "true")
    with pytest.raises(RepositoryError, match=r"train.py: smudge filter gone failed"):
        source.checkout(store, tree, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["repo"]


def test_a_bare_store_gives_the_tree_of_another_repository(repo, bare_repo, git, tmp_path):
    (repo / "train.py").write_bytes(b"print('changed')\n")
    code, store = open_repository(repo), open_repository(bare_repo)
    run = recorded(store, code)
    source.checkout(store, source.tree_of(store, run), tmp_path / "out")
    assert contents(tmp_path / "out") == {"train.py": (False, b"print('changed')\n")}
    code.close()
    store.close()


def test_a_linked_work_tree_and_no_commit_yet(empty_repo, git, tmp_path):
    (empty_repo / "train.py").write_bytes(b"pass\n")
    store = open_repository(empty_repo)
    run = recorded(store)
    source.checkout(store, source.tree_of(store, run), tmp_path / "out")
    store.close()
    assert list(contents(tmp_path / "out")) == ["train.py"]
    git(empty_repo, "add", "train.py")
    git(empty_repo, "commit", "--quiet", "-m", "first")
    git(empty_repo, "worktree", "add", "--quiet", tmp_path / "linked")
    linked = open_repository(tmp_path / "linked")
    done = source.checkout(linked, source.tree_of(linked, run), tmp_path / "again")
    linked.close()
    assert done.files == 1


def test_a_submodule_is_an_empty_folder_that_is_named(repo, store, git, tmp_path):
    listing = f"160000 commit {'1' * 40}\tsub\n"
    tree = git(repo, "mktree", "--missing", input=listing).strip()
    done = source.checkout(store, tree, tmp_path / "out")
    assert (done.files, done.modules) == (0, ("sub",))
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out" / "sub"]


def raw_tree(git, repo, *entries):
    """Return the oid of a tree that git's own commands would refuse to make."""
    data = b"".join(
        f"{mode} {name}".encode() + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries
    )
    raw = repo / ".git" / "raw"
    raw.write_bytes(data)
    return git(repo, "hash-object", "-w", "-t", "tree", "--literally", raw).strip()


def nested(git, repo, oid, depth):
    for _ in range(depth):
        oid = raw_tree(git, repo, ("40000", "d", oid))
    return oid


def shared(git, repo, oid, depth):
    for _ in range(depth):
        oid = raw_tree(git, repo, *(("40000", f"{n:02}", oid) for n in range(10)))
    return oid


def hostile(git, repo, outside, name):
    """Return the oid of a tree that no checkout should write."""
    blob = git(repo, "hash-object", "-w", "--stdin", input="evil").strip()
    link = git(repo, "hash-object", "-w", "--stdin", input=str(outside)).strip()
    sub = raw_tree(git, repo, ("100644", "file", blob))
    if name == "deep":
        return nested(git, repo, sub, 300)
    if name == "bomb":
        return shared(git, repo, sub, 8)
    hooks = raw_tree(git, repo, ("40000", "hooks", sub))
    entries = {
        "link-then-folder": [("120000", "a", link), ("40000", "a", sub)],
        "twice": [("100644", "a", blob), ("100644", "a", link)],
        "dot-git": [("40000", ".git", hooks)],
        "dot-git-case": [("40000", ".GiT", hooks)],
        "dot-git-ntfs": [("40000", "git~1", hooks)],
        "dot-git-hfs": [("40000", ".g\u200cit", hooks)],
        "up": [("40000", "..", sub)],
        "here": [("40000", ".", sub)],
        "no-name": [("40000", "", sub)],
        "slash-up": [("100644", "../x", blob)],
        "slash": [("100644", "a/b", blob)],
        "absolute": [("100644", "/x", blob)],
        "modules-link": [("120000", ".gitmodules", link)],
        "missing-blob": [("100644", "a", blob), ("100644", "b", "1" * 40)],
        "missing-tree": [("40000", "a", "1" * 40)],
    }
    return raw_tree(git, repo, *entries[name])


HOSTILE = [
    *("absolute", "bomb", "deep", "dot-git", "dot-git-case", "dot-git-hfs", "dot-git-ntfs"),
    *("here", "link-then-folder", "missing-blob", "missing-tree", "modules-link", "no-name"),
    *("slash", "slash-up", "twice", "up"),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_tree_writes_nothing(repo, store, git, tmp_path, name, monkeypatch):
    monkeypatch.setattr(source, "FILES_LIMIT", 1000)
    outside = tmp_path / "outside"
    outside.mkdir()
    tree = hostile(git, repo, outside, name)
    with pytest.raises(DamagedError):
        source.checkout(store, tree, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "repo"]
    assert list(outside.iterdir()) == []


def test_nothing_is_written_over(repo, store, git, tmp_path):
    tree = git(repo, "rev-parse", "HEAD^{tree}").strip()
    out = tmp_path / "out"
    out.mkdir()
    source.checkout(store, tree, out)  # an empty folder will do
    with pytest.raises(RefusedError, match="exists already"):
        source.checkout(store, tree, out)
    (tmp_path / "dangling").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "file").write_text("mine")
    for name in ("dangling", "file"):
        with pytest.raises(RefusedError, match="exists already"):
            source.checkout(store, tree, tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(RefusedError, match="file is not a folder"):
        source.checkout(store, tree, tmp_path / "file" / "new")
    source.checkout(store, tree, tmp_path / "new" / "and" / "deep")
    assert (tmp_path / "new" / "and" / "deep" / "train.py").exists()


def a_run(**facts):
    return Run(
        id="a" * 32, name="x", experiment="e", status="finished", created=0, source=Source(**facts)
    )


def test_a_tree_that_is_elsewhere_says_so(store):
    with pytest.raises(source.AwayError, match=f"not in this repository: {'1' * 40}") as caught:
        source.tree_of(store, a_run(tree="1" * 40))
    assert caught.value.tree == "1" * 40
    assert caught.value.hint.startswith("source trees are where the run was made")


def test_what_is_no_tree_is_not_taken_for_one(repo, store, git):
    head = git(repo, "rev-parse", "HEAD").strip()
    assert (
        source.tree_of(store, a_run(commit=head)) == git(repo, "rev-parse", "HEAD^{tree}").strip()
    )
    with pytest.raises(NotFoundError, match=r"(?m)no source tree\.$"):
        source.tree_of(store, a_run())
    with pytest.raises(NotFoundError, match=r"(?m)no source tree \(not a repository\)\.$"):
        source.tree_of(store, a_run(left_out=("all: not a repository",)))
    with pytest.raises(NotFoundError, match=r"(?m)no source tree\.$"):
        source.tree_of(store, a_run(commit=head, dirty=True))
    for wrong in ("HEAD", "-x", "HEAD:train.py", "a" * 39, f"{head}\n"):
        with pytest.raises(DamagedError, match="not a tree of this repository"):
            source.tree_of(store, a_run(tree=wrong))
    with pytest.raises(DamagedError, match="is a commit and not a tree"):
        source.tree_of(store, a_run(tree=head))


@pytest.mark.parametrize(
    "command,script,expected",
    [
        (("python", "train.py", "--lr", "0.1"), "train.py", ("", "python train.py --lr 0.1")),
        (("python", "train.py"), "src/deep/train.py", ("src/deep", "python train.py")),
        (("python", "deep/train.py"), "src/deep/train.py", ("src", "python deep/train.py")),
        (("python", "-m", "pkg.train"), "pkg/train.py", ("", "python -m pkg.train")),
        (("python", "a b.py", "; rm"), None, ("", "python 'a b.py' '; rm'")),
        ((), "train.py", None),
    ],
)
def test_how_to_run_it_again(command, script, expected):
    assert source.rerun(a_run(command=command, script=script)) == expected
