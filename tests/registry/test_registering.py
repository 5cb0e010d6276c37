"""Registrations: several at once, small clones, large files in little memory."""

from __future__ import annotations

import random
import threading
import tracemalloc
from dataclasses import replace

import pytest

from gitml.errors import BeatenError
from gitml.names import MODELS, TAGS, UNPUBLISHED
from gitml.registry.archive import export
from gitml.registry.candidate import freeze
from gitml.registry.mlmodel import complete
from gitml.registry.numbering import Candidate
from gitml.registry.package import made_member, members_of, scan
from gitml.registry.packing import keep_contents
from gitml.registry.pulling import Contents, find_version, pull
from gitml.registry.registering import register
from gitml.registry.state import read_registry
from gitml.registry.versionfile import load_version
from gitml.registry.writing import open_context
from gitml.store.git import open_repository
from gitml.store.snapshot import snapshot
from tests.support import AUTHOR, START

MB = 1 << 20


def candidate(repository, files, **facts):
    members, mlmodel = complete([made_member(path, data) for path, data in files.items()])
    version = freeze(repository, None, members, mlmodel, tags={}, note=None)
    return Candidate(version=version, members=tuple(members), name="churn", **facts)


@pytest.mark.slow
def test_several_machines_register_at_once(git, bare_repo, repo, tmp_path):
    """Each gets a version; numbers and names have no gap, and nothing is left behind."""
    git(repo, "push", "--quiet", bare_repo, "main")
    done, failed = [], []

    def work(name):
        path = tmp_path / name
        git(tmp_path, "clone", "--quiet", "--template=", f"file://{bare_repo}", path)
        repository = open_repository(path)
        try:
            for n in range(3):
                context = open_context(repository, by=f"{name} <{name}@x>", now=START)
                made = candidate(repository, {"model.bin": f"{name} {n}\0".encode()})
                done.append(register(repository, made, context).version)
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)
        finally:
            repository.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("ada", "bob", "cyd")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(version.number for version in done) == [*range(1, 10)]
    names = {version.number: version.name for version in done}
    assert [names[n] for n in sorted(names)] == ["v1.0.0", *(f"v1.{n}.0" for n in range(1, 9))]
    tags = git(bare_repo, "tag").split()
    assert len(tags) == 9
    assert len(git(bare_repo, "rev-list", "refs/gitml/models/churn").split()) == 9
    store = open_repository(bare_repo)
    model = read_registry(store).find("churn")
    assert [version.number for version in model.versions] == [*range(1, 10)]
    store.close()
    git(bare_repo, "fsck", "--strict")


def test_of_two_that_want_one_version_one_is_told_who_has_it(git, bare_repo, repo, tmp_path):
    git(repo, "push", "--quiet", bare_repo, "main")
    outcomes = []
    barrier = threading.Barrier(2)

    def work(name):
        path = tmp_path / name
        git(tmp_path, "clone", "--quiet", "--template=", f"file://{bare_repo}", path)
        repository = open_repository(path)
        context = open_context(repository, by=f"{name.title()} <{name}@x>", now=START)
        made = candidate(repository, {"model.bin": f"{name}\0".encode()}, wanted="v2.0.0")
        barrier.wait()
        try:
            outcomes.append((name, register(repository, made, context).version.name))
        except Exception as error:  # noqa: BLE001 - told below
            outcomes.append((name, error))
        finally:
            repository.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("ada", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [name for name, outcome in outcomes if outcome == "v2.0.0"]
    lost = [(name, outcome) for name, outcome in outcomes if outcome != "v2.0.0"]
    assert (len(won), len(lost)) == (1, 1)
    (loser, error) = lost[0]
    assert won[0].title() in error.message
    assert "v2.0.0" in error.message
    assert git(bare_repo, "tag").split() == ["churn@v2.0.0"]
    assert len(git(bare_repo, "for-each-ref", "refs/gitml/packages").splitlines()) == 1
    assert len(git(tmp_path / loser, "for-each-ref", "refs/gitml/packages").splitlines()) == 0


@pytest.mark.slow
def test_a_plain_clone_of_twenty_versions_is_small(git, bare_repo, tmp_path):
    """Each package is a megabyte, a tenth of which is new; a clone takes the tags alone."""
    rng = random.Random(7)
    store = open_repository(bare_repo)
    weights = bytearray(rng.randbytes(MB))
    with store.fast_import() as stream:
        stream.commit("refs/heads/main", committer=AUTHOR, time=START, message="first\n")
        stream.put_data("README.md", b"A project.\n")
    for n in range(20):
        at = rng.randrange(0, MB - MB // 10)
        weights[at : at + MB // 10] = rng.randbytes(MB // 10)
        files = {
            "model.bin": bytes(weights),
            "requirements.txt": "".join(f"package{k}=={n}.{k}\n" for k in range(100)).encode(),
            "config.json": b'{"layers": [%d, 64, 64], "seed": %d}\n' % (n, rng.randrange(1 << 30)),
        }
        context = open_context(store, by=AUTHOR, now=START + n * 1000)
        register(store, candidate(store, files), context)
    store.close()
    git(tmp_path, "clone", "--quiet", f"file://{bare_repo}", "plain")
    plain = tmp_path / "plain"
    assert len(git(plain, "tag").split()) == 20
    stored = sum(p.stat().st_size for p in (plain / ".git" / "objects").rglob("*") if p.is_file())
    assert stored < MB // 2
    in_remote = sum(p.stat().st_size for p in (bare_repo / "objects").rglob("*") if p.is_file())
    assert in_remote > 10 * MB  # the packages are there, and were not cloned


def test_large_files_take_little_memory(repo, tmp_path):
    large = tmp_path / "weights"
    large.mkdir()
    with (large / "weights.bin").open("wb") as file:
        for n in range(48):
            file.write(bytes([n]) * MB)
    store = open_repository(repo)
    context = open_context(store, by=AUTHOR, now=START)
    tracemalloc.start()
    try:
        members, mlmodel = complete(members_of(scan([large])))
        version = freeze(store, None, members, mlmodel, tags={}, note=None)
        made = Candidate(version=version, members=tuple(members), name="net")
        register(store, made, context)
        found, _ = find_version(store, "net@1", None)
        facts = load_version(store, found)
        assert pull(Contents(store, found, facts), facts, tmp_path / "out")
        export(Contents(store, found, facts), facts, tmp_path / "out.tar")
        assert tracemalloc.get_traced_memory()[1] < 12 * MB
    finally:
        tracemalloc.stop()
        store.close()
    assert (tmp_path / "out" / "weights.bin").stat().st_size == 48 * MB
    assert (tmp_path / "out.tar").stat().st_size > 48 * MB


def test_packages_are_a_pure_function_of_their_files(git, bare_repo, repo):
    """Two stores that register the same files make the same ref of the same commit."""
    kept = []
    for path, who in ((bare_repo, "A <a@x>"), (repo, "B <b@x>")):
        store = open_repository(path)
        context = open_context(store, by=who, now=START + len(kept) * 60_000)
        register(
            store,
            candidate(store, {"model.bin": b"\0one", ".gitattributes": b"* -text\n"}),
            context,
        )
        store.close()
        kept.append(git(path, "for-each-ref", "refs/gitml/packages"))
    assert kept[0] == kept[1] != ""


def test_a_version_that_was_taken_since_the_model_was_read(git, bare_repo):
    store = open_repository(bare_repo)
    context = open_context(store, by=AUTHOR, now=START)
    register(store, candidate(store, {"model.bin": b"\0one"}), context)
    view = snapshot(store, ahead=(MODELS, UNPUBLISHED, TAGS))
    assert read_registry(view).find("churn").versions[-1].name == "v1.0.0"
    other = candidate(store, {"model.bin": b"\0two"}, wanted="v1.1.0")
    register(store, other, replace(context, by="Bob <bob@x>", now=START + 60_000))
    later = replace(context, now=START + 120_000)
    mine = candidate(store, {"model.bin": b"\0three"}, wanted="v1.1.0")
    with pytest.raises(BeatenError, match=r"Bob <bob@x> was first: registered churn v1\.1\.0"):
        register(store, mine, later, view=view)
    assert git(bare_repo, "tag").split() == ["churn@v1.0.0", "churn@v1.1.0"]
    assert len(git(bare_repo, "for-each-ref", "refs/gitml/packages").splitlines()) == 2
    done = register(store, replace(mine, wanted=None), later, view=view)
    assert (done.version.name, done.version.number) == ("v1.2.0", 3)
    store.close()


def test_contents_are_kept_once(repo, tmp_path):
    store = open_repository(repo)
    member = made_member("weights.bin", b"\0" * (MB + 1))
    keep_contents(store, [member])
    (kept,) = (repo / ".git" / "lfs" / "objects").rglob(member.sha256)
    inode = kept.stat().st_ino
    keep_contents(store, [member])
    assert kept.stat().st_ino == inode
    store.close()
