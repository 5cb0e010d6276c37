"""Whatever somebody pushes: it is named with a sentence, and the other runs are listed."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from gitml import names
from gitml.codec import STORED_LIMIT
from gitml.errors import DamagedError
from gitml.query.index import open_index
from gitml.records import METRICS_YAML, PARAMS_YAML, RUN_YAML, run_files
from gitml.store import walk
from gitml.store.git import open_repository
from tests.bench.ledgers import ledger_files, make_hot, make_ledger, make_run, write_commits
from tests.support import make_run as make_whole_run

GOOD = make_run(1)
BAD = make_run(1002)
REF = names.run_ref(BAD.id)
LEDGER = names.experiment_ref("sweep")
PLACE = f"runs/{BAD.id[:2]}/{BAD.id}"


@pytest.fixture
def repository(repo):
    opened = open_repository(repo)
    yield opened
    opened.close()


def listed(repository):
    """Return (ids listed, problems by place)."""
    with open_index(repository, now=0) as index:
        runs = [run.id for run in index.search(deleted=True)]
        problems = index.quarantined()
        assert index.count(deleted=True) == len(runs)
    assert len(dict(problems)) == len(problems)
    for _, sentence in problems:
        assert sentence.isprintable()
        assert len(sentence) < 500
    return runs, dict(problems)


def spoilt(change):
    files = run_files(BAD)
    change(files)
    return files


BROKEN = {
    "no run.yaml": (lambda f: f.pop(RUN_YAML), "has no run.yaml"),
    "no mapping": (lambda f: f.update({RUN_YAML: b"- a list"}), "is not a mapping"),
    "no yaml": (lambda f: f.update({RUN_YAML: b"a: [1"}), "line 1|line 2"),
    "not utf-8": (lambda f: f.update({RUN_YAML: b"id: \xff"}), "utf-8"),
    "empty": (lambda f: f.update({RUN_YAML: b""}), "is not a mapping"),
    "an alias": (lambda f: f.update({PARAMS_YAML: b"a: &x 1\nb: *x"}), "alias|anchor"),
    "a tag": (lambda f: f.update({PARAMS_YAML: b"a: !!python/object:os.system x"}), "the tag"),
    "too deep": (lambda f: f.update({PARAMS_YAML: b"a: " + b"[" * 100_000}), "nests deeper"),
    "newer": (
        lambda f: f.update({RUN_YAML: f[RUN_YAML].replace(b": 1\n", b": 2\n", 1)}),
        "schema 2",
    ),
    "bad metrics": (lambda f: f.update({METRICS_YAML: b"auc: {last: high}"}), "not a number"),
    "bad status": (
        lambda f: f.update({RUN_YAML: f[RUN_YAML].replace(b"status: ", b"status: un")}),
        "is unknown",
    ),
    "bad time": (
        lambda f: f.update({RUN_YAML: f[RUN_YAML].replace(b"created: '2", b"created: 'x2")}),
        "isoformat",
    ),
    "giant": (
        lambda f: f.update({PARAMS_YAML: b"a: '" + b"x" * STORED_LIMIT + b"'"}),
        "more than 4,194,304 bytes",
    ),
    "escapes": (lambda f: f.update({RUN_YAML: b'id: "\\e[31m\\u202e"'}), "is missing"),
    "of another run": (
        lambda f: f.update(run_files(replace(BAD, id="0" * 32))),
        f"it is {'0' * 32}",
    ),
    "a folder": (lambda f: f.update({f"{PARAMS_YAML}/x": f.pop(PARAMS_YAML)}), "is not a file"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("sealed", [False, True], ids=["hot", "sealed"])
def test_a_broken_run(repository, repo, case, sealed):
    change, said = BROKEN[case]
    files = spoilt(change)
    if sealed:
        whole = dict(ledger_files([GOOD]))
        whole |= {f"{PLACE}/{path}": data for path, data in files.items()}
        write_commits(repo, [(LEDGER, whole.items())])
        place = f"{LEDGER}:{PLACE}"
    else:
        write_commits(
            repo, [(names.run_ref(GOOD.id), run_files(GOOD).items()), (REF, files.items())]
        )
        place = REF
    for _ in range(2):
        runs, problems = listed(repository)
        assert runs == [GOOD.id]
        assert list(problems) == [place]
        assert any(part in problems[place] for part in said.split("|")), problems
        assert BAD.id in problems[place]
    with open_index(repository, now=0) as index, pytest.raises(DamagedError):
        index.find(BAD.id[:8])


def test_what_was_mended_is_listed_again(repository, repo):
    write_commits(repo, [(REF, [(RUN_YAML, b"broken")])])
    assert listed(repository) == (
        [],
        {REF: f"run.yaml of the run {BAD.id} cannot be read: it is not a mapping."},
    )
    write_commits(repo, [(REF, run_files(BAD).items())])
    assert listed(repository) == ([BAD.id], {})
    write_commits(repo, [(REF, [(RUN_YAML, b"broken")])])
    runs, problems = listed(repository)
    assert (runs, list(problems)) == ([], [REF])


def point_at(git, repo, ref, what):
    """Make a ref point at an object of some kind."""
    blob = git(repo, "hash-object", "-w", "--stdin", input="a blob").strip()
    oids = {
        "blob": blob,
        "tree": git(repo, "rev-parse", "HEAD^{tree}").strip(),
        "commit": git(repo, "rev-parse", "HEAD").strip(),
        "nothing": "1" * 40,
    }
    if what == "tag":
        git(repo, "tag", "-f", "-a", "-m", "x", "annotated")
        oids["tag"] = git(repo, "rev-parse", "refs/tags/annotated").strip()
    path = repo / ".git" / ref
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(oids[what] + "\n")


@pytest.mark.parametrize(
    "what,said",
    [
        ("blob", "is a blob and not a commit"),
        ("tree", "is a tree and not a commit"),
        ("tag", "is a tag and not a commit"),
        ("nothing", "is missing"),
        ("commit", "has no run.yaml"),
    ],
)
def test_a_hot_ref_that_is_no_run(repository, repo, git, what, said):
    make_hot(repo, 1)
    point_at(git, repo, REF, what)
    for _ in range(2):
        runs, problems = listed(repository)
        assert len(runs) == 1
        assert said in problems[REF]
    git(repo, "update-ref", "-d", REF)
    assert listed(repository) == (runs, {})


@pytest.mark.parametrize(
    "what,said",
    [
        ("blob", "The ledger sweep cannot be read: "),
        ("tag", "The ledger sweep cannot be read: "),
        ("nothing", "The ledger sweep cannot be read: "),
        ("commit", f"{LEDGER}:experiment.yaml is missing."),
    ],
)
def test_a_ledger_that_is_none(repository, repo, git, what, said):
    make_hot(repo, 1)
    point_at(git, repo, LEDGER, what)
    for _ in range(2):
        runs, problems = listed(repository)
        assert len(runs) == 1
        assert [sentence for sentence in problems.values() if sentence.startswith(said)]
    # What it held when it last could be read stays, until it can be again.
    make_ledger(repo, 3)
    assert len(listed(repository)[0]) == 4
    point_at(git, repo, LEDGER, what)
    runs, problems = listed(repository)
    assert len(runs) == (4 if what != "commit" else 1)
    assert problems
    make_ledger(repo, 2)
    assert (len(listed(repository)[0]), listed(repository)[1]) == (3, {})


@pytest.mark.parametrize(
    "ref",
    [
        "refs/gitml/runs/not-an-id",
        f"refs/gitml/runs/{BAD.id}x",
        f"refs/gitml/runs/deeper/{BAD.id}",
        "refs/gitml/runs/späte",
        "refs/gitml-remotes/origin/runs/nothing",
        "refs/gitml/experiments/UPPER",
        "refs/gitml/experiments/a/b",
        "refs/gitml/experiments/-dash",
    ],
)
def test_a_ref_of_a_foreign_name(repository, repo, git, ref):
    make_hot(repo, 1)
    git(repo, "update-ref", ref, "HEAD")
    for _ in range(2):
        runs, problems = listed(repository)
        assert len(runs) == 1
        assert "is not named after" in problems[ref]


def test_what_is_beside_the_runs_of_a_ledger(repository, repo):
    files = dict(ledger_files([GOOD]))
    bucket = f"runs/{BAD.id[:2]}"
    files |= {
        f"{bucket}/not-an-id/run.yaml": b"x",
        f"{bucket}/{'0' * 32}/run.yaml": b"x",
        f"{bucket}/{BAD.id}": b"a file",
        "runs/zzz/x": b"x",
        "runs/README": b"x",
        f"tombstones/{BAD.id[:2]}/{BAD.id}/x": b"x",
        "tombstones/00/not-an-id": b"x",
        "models/aa/m-1/model.yaml": b"not ours to read here",
        "later.yaml": b"nor this",
    }
    write_commits(repo, [(LEDGER, files.items())])
    for _ in range(2):
        runs, problems = listed(repository)
        assert runs == [GOOD.id]
        assert sorted(place.removeprefix(f"{LEDGER}:") for place in problems) == sorted(
            [
                f"{bucket}/not-an-id",
                f"{bucket}/{'0' * 32}",
                f"{bucket}/{BAD.id}",
                "runs/zzz",
                "runs/README",
                f"tombstones/{BAD.id[:2]}/{BAD.id}",
                "tombstones/00/not-an-id",
            ]
        )
    write_commits(repo, [(LEDGER, ledger_files([GOOD]))])
    assert listed(repository) == ([GOOD.id], {})


def test_a_tombstone_that_says_nothing_still_counts(repository, repo):
    files = dict(ledger_files([GOOD, BAD]))
    files[f"tombstones/{BAD.id[:2]}/{BAD.id}"] = b"- broken"
    write_commits(repo, [(LEDGER, files.items())])
    assert listed(repository) == ([GOOD.id], {})
    with open_index(repository, now=0) as index:
        (stone,) = index.tombstones()
        assert (stone.run_id, stone.by, stone.at, stone.reason) == (BAD.id, "", 0, None)
    write_commits(repo, [(LEDGER, ledger_files([GOOD, BAD]))])
    assert sorted(listed(repository)[0]) == sorted([GOOD.id, BAD.id])


def loose(repo, oid):
    return repo / ".git" / "objects" / oid[:2] / oid[2:]


def unpack(repo):
    """Make every object a file of its own."""
    for pack in list((repo / ".git" / "objects" / "pack").glob("*.pack")):
        moved = pack.rename(repo / pack.name)
        pack.with_suffix(".idx").unlink()
        with moved.open("rb") as file:
            subprocess.run(["git", "-C", repo, "unpack-objects", "-q"], stdin=file, check=True)


@pytest.mark.parametrize("part", ["", "experiment.yaml", "runs", f"runs/{GOOD.id[:2]}"])
def test_a_part_of_a_ledger_that_is_missing_for_a_while(repository, repo, git, part):
    make_hot(repo, 1)
    write_commits(repo, [(LEDGER, ledger_files([GOOD, BAD]))])
    unpack(repo)
    path = loose(repo, git(repo, "rev-parse", f"{LEDGER}:{part}").strip())
    data = path.read_bytes()
    path.unlink()
    left = {"": 1, "experiment.yaml": 3, "runs": 1}.get(part, 2)
    for _ in range(2):
        runs, problems = listed(repository)
        assert len(runs) == left
        assert "is missing" in "".join(problems.values())
    path.write_bytes(data)
    runs, problems = listed(repository)
    assert (len(runs), problems) == (3, {})


@pytest.mark.parametrize("damage", ["missing", "corrupt"])
@pytest.mark.parametrize(
    "part,many",
    [(RUN_YAML, 1), (PARAMS_YAML, 1), ("", 1), ("commit", 1), (PARAMS_YAML, 110), ("", 110)],
)
def test_an_object_that_git_cannot_read(repository, repo, git, part, damage, many):
    make_hot(repo, many)
    write_commits(repo, [(REF, run_files(BAD).items())])
    unpack(repo)
    revision = REF if part == "commit" else f"{REF}:{part}"
    path = loose(repo, git(repo, "rev-parse", revision).strip())
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[: len(data) // 2] + b"\xff" * 9) if damage == "corrupt" else path.unlink()
    for _ in range(2):
        runs, problems = listed(repository)
        assert len(runs) == many
        assert list(problems) == [REF]
        assert "missing" in problems[REF] or "corrupt" in problems[REF]
    path.write_bytes(data)
    runs, problems = listed(repository)
    assert (len(runs), problems) == (many + 1, {})


def test_one_copy_that_cannot_be_read_leaves_the_others(repository, repo, git):
    run = make_whole_run(repo, "two-1")
    git(repo, "update-ref", f"refs/gitml-remotes/origin/runs/{run.id}", names.run_ref(run.id))
    write_commits(repo, [(names.run_ref(run.id), [(RUN_YAML, b"broken")])])
    for _ in range(2):
        runs, problems = listed(repository)
        assert runs == [run.id]
        assert len(problems) == 1


def test_no_ledger_is_read_beyond_what_changed(repository, repo):
    make_ledger(repo, 40)
    head = walk.list_refs(repository).ledgers["sweep"]
    first = walk.read_ledger(repository, "sweep", head, walk.Seen(), lambda _: {})
    assert sum(len(entries) for entries in first.entries.values()) == 40
    again = walk.read_ledger(
        repository, "sweep", head, first.seen, lambda kind: first.buckets[kind]
    )
    assert (again.entries, again.document, again.seen) == ({}, None, first.seen)
    make_ledger(repo, 41)
    head = walk.list_refs(repository).ledgers["sweep"]
    more = walk.read_ledger(repository, "sweep", head, first.seen, lambda kind: first.buckets[kind])
    new = make_run(40).id
    assert list(more.entries) == [("runs", new[:2])]
    assert new in more.entries["runs", new[:2]]
