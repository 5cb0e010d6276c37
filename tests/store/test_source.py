"""The source tree of a run is what ``git add --all`` would have made, to the byte."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys

import pytest

from gitml.store.fast_import import FastImport
from gitml.store.git import open_repository
from gitml.store.source import snapshot, write_commit

BYTES = ["caf\udce9.py"] if sys.platform != "darwin" else []  # its file system takes only UTF-8
NAMES = [
    *["a", "b.py", "dir", "dir/a", "dir/b", "dir/deep/c", "x y", "-dash", "é", "流", "tab\there"],
    *["new\nline", '"quoted"', '"half', "back\\slash", "cr\r", " lead", "trail ", "#hash", "!not"],
    *[":colon", "[glob]*", "a.lock", "~", "$HOME", "dir2/x/y/z", "\x01control", *BYTES],
]


def kept(path):
    """Return (the tree that gitml makes of the work tree at ``path``, what it told)."""
    repository = open_repository(path)
    try:
        found = snapshot(repository)
        with FastImport(repository) as stream:
            _, tree = write_commit(stream, "refs/gitml-tmp/0123456789abcdef", found, date=0)
        repository.update_refs([])
    finally:
        repository.close()
    subprocess.run(
        ["git", "-C", path, "update-ref", "-d", "refs/gitml-tmp/0123456789abcdef"], check=True
    )
    return tree, found


def added(git, path, monkeypatch):
    """Return the tree that git makes of it, through an index of its own."""
    index = path / ".git" / "index"
    private = path / ".git" / "private-index"
    if index.exists():
        # Its time too: git looks into files that changed in the second of the index.
        shutil.copy2(index, private)
    with monkeypatch.context() as patch:
        patch.setenv("GIT_INDEX_FILE", str(private))
        git(path, "-c", "core.safecrlf=false", "add", "--all")
        tree = git(path, "write-tree").strip()
    private.unlink()
    return tree


def untouched(git, path):
    index = path / ".git" / "index"
    status = git(path, "status", "--porcelain=v1", "-z")
    return status, index.read_bytes() if index.exists() else b"", git(path, "for-each-ref")


def put(path, rng):
    """Make a file, a link or an executable at ``path``, whatever is in the way."""
    for parent in reversed(path.parents):
        if parent.is_symlink() or parent.is_file():
            parent.unlink()
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    kind = rng.random()
    if kind < 0.2:
        path.symlink_to(rng.choice(["a", "nowhere", "dir", "/etc", "é\nx", *BYTES]))
    else:
        path.write_bytes(rng.choice([b"", b"x\n", b"one\r\ntwo\r\n", os.urandom(3), b"no end"]))
        path.chmod(rng.choice([0o644, 0o755, 0o600, 0o700]))


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.parent.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("seed", range(12))
def test_any_work_tree(repo, git, monkeypatch, seed):
    rng = random.Random(seed)
    for name in rng.sample(NAMES, 14):
        put(repo / name, rng)
    if seed % 4 == 1:
        (repo / ".gitattributes").write_text("* text=auto\n*.py eol=crlf\n")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "-m", "many")
    if seed % 3 == 0:
        git(repo, "config", "core.fileMode", "false")
    for name in rng.sample(NAMES, 16):
        (remove if rng.random() < 0.3 else lambda path: put(path, rng))(repo / name)
    if seed % 2:
        for name in rng.sample(NAMES, 6):
            if os.path.lexists(repo / name):
                git(repo, "--literal-pathspecs", "add", "--", name)
    before = untouched(git, repo)
    tree, found = kept(repo)
    assert untouched(git, repo) == before
    assert found["left_out"] == []
    assert git(repo, "ls-tree", "-r", "-z", tree) == git(
        repo, "ls-tree", "-r", "-z", added(git, repo, monkeypatch)
    )
    git(repo, "fsck", "--strict", "--no-dangling")


def test_before_the_first_commit(empty_repo, git, monkeypatch):
    rng = random.Random(1)
    for name in NAMES:
        put(empty_repo / name, rng)
    tree, found = kept(empty_repo)
    assert found["commit"] is None
    assert tree == added(git, empty_repo, monkeypatch)


def test_a_file_that_vanishes_meanwhile_does_not_take_the_others_with_it(repo, git, monkeypatch):
    """Training programs write and remove files while their code is captured."""
    for number in range(5):
        (repo / f"part{number}.tmp").write_text(str(number))
    (repo / "train.py").write_text("print('changed')\n")
    repository = open_repository(repo)
    run = repository.run

    def racing(command, *arguments, **more):
        if command == "hash-object" or "hash-object" in arguments:
            (repo / "part3.tmp").unlink(missing_ok=True)
        return run(command, *arguments, **more)

    monkeypatch.setattr(repository, "run", racing)
    found = snapshot(repository)
    repository.close()
    assert sorted(str(path) for _, oid, path in found["files"] if oid) == [
        *(f"part{n}.tmp" for n in (0, 1, 2, 4)),
        "train.py",
    ]


def test_line_ends_that_git_warns_of(repo, git):
    git(repo, "config", "core.autocrlf", "true")
    git(repo, "config", "core.safecrlf", "true")
    (repo / "mixed.txt").write_bytes(b"one\r\ntwo\n")
    tree, found = kept(repo)
    assert found["left_out"] == []
    assert git(repo, "cat-file", "blob", f"{tree}:mixed.txt") == "one\ntwo\n"


SECRET = [
    *[".env", ".ENV", ".env.local", "server.pem", "server.PEM", "id_rsa", "x.key"],
    *["aws-credentials", "my_secret.txt", "Secrets/prod.txt", "config/SECRETS/a"],
    *["sub/.env/bin/x", "id_keys/a", "a.pem/b"],
]


def test_secrets_stay_at_home(repo, git):
    for name in [*SECRET, "identity.py", "environment.yml", "keys.py", "monkey"]:
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text("TOKEN=1\n")
    tree, found = kept(repo)
    listed = git(repo, "ls-tree", "-r", "--name-only", tree).split("\n")[:-1]
    assert listed == ["environment.yml", "identity.py", "keys.py", "monkey", "train.py"]
    told = {reason.rpartition(": ")[0] for reason in found["left_out"]}
    assert told == set(SECRET)
    git(repo, "add", "-f", ".env", "id_rsa")
    tree, _ = kept(repo)
    assert "id_rsa" in git(repo, "ls-tree", "-r", "--name-only", tree), "who stages it means it"


def test_what_people_exclude(repo, git):
    for name in ("data/a.csv", "data/deep/b.csv", "notes.txt", "keep.py"):
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text("x\n")
    repository = open_repository(repo)
    found = snapshot(repository, exclude=("data/*", "NOTES.txt"), file_limit=10)
    repository.close()
    assert [path for *_, path in found["files"]] == ["keep.py"]
    assert len(found["left_out"]) == 3


def test_limits(repo):
    (repo / "large.bin").write_bytes(b"x" * 101)
    (repo / "small.bin").write_bytes(b"x" * 100)
    (repo / "train.py").write_bytes(b"#" * 5000)
    repository = open_repository(repo)
    found = snapshot(repository, file_limit=100)
    assert sorted(path for *_, path in found["files"]) == ["small.bin", "train.py"]
    assert found["left_out"] == ["large.bin: 101 bytes"]
    (repo / "many").mkdir()
    for number in range(5001):
        (repo / "many" / str(number)).touch()
    found = snapshot(repository, file_limit=100)
    repository.close()
    assert [path for *_, path in found["files"]] == ["train.py"]
    assert found["left_out"] == ["5003 untracked files: more than 5000"]


def test_a_report_beside_the_code_is_none_of_it(repo):
    for name in (
        "public/gitml-manifest.json",
        "public/runs/a.html",
        "public.py",
        "site/index.html",
    ):
        (repo / name).parent.mkdir(exist_ok=True, parents=True)
        (repo / name).write_text("text")
    found = snapshot(open_repository(repo))
    assert [path for _, _, path in found["files"]] == ["public.py", "site/index.html"]
    assert found["left_out"] == ["public/: a report of gitml"]


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="needs git-lfs")
def test_large_files_of_git_lfs_are_pointers(repo, git, monkeypatch):
    git(repo, "lfs", "install", "--local", "--skip-smudge")
    (repo / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (repo / "weights.bin").write_bytes(b"\0" * 5000)
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "-m", "lfs")
    (repo / "weights.bin").write_bytes(b"\1" * 5000)
    tree, _ = kept(repo)
    assert git(repo, "cat-file", "blob", f"{tree}:weights.bin").startswith(
        "version https://git-lfs.github.com/spec/v1\n"
    )
    assert tree == added(git, repo, monkeypatch)


def test_nothing_but_the_commit_makes_the_commit_of_a_tree(repo, git):
    """Two clones with the same changes keep one and the same object."""
    (repo / "train.py").write_text("print('changed')\n")
    repository = open_repository(repo)
    oids = set()
    for number in range(2):
        found = snapshot(repository)
        with repository.fast_import() as stream:
            mark, _ = write_commit(stream, f"refs/gitml-tmp/{number:016x}", found, date=1000)
            oids.add(stream.oid(mark))
    repository.close()
    assert len(oids) == 1
    (oid,) = oids
    assert git(repo, "rev-parse", f"{oid}^").strip() == git(repo, "rev-parse", "HEAD").strip()
