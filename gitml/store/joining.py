"""Two copies of a ledger into one, and which of two histories contains the other.

A joined ledger is a pure function of the two: the union of their runs, of their
edits and of their tombstones, in a commit with both as parents in a fixed order,
a fixed identity and the later date. So clones that join the same copies make the
same commit, whoever does it and whenever.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from gitml import names
from gitml.codec import STORED_LIMIT, dump, dump_edits, load_edits, load_stored
from gitml.errors import DamagedError, InputError
from gitml.model import SCHEMA, iso
from gitml.names import check_path, is_run_id, visible
from gitml.store.git import RefUpdate
from gitml.store.ledger import EXPERIMENT_YAML
from gitml.store.points import Collector
from gitml.store.runtree import put_run
from gitml.store.settled import holds
from gitml.store.state import EDITS_LIMIT, FILE_MODES, fold, join, points_of, read_tree, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gitml.model import Edit, Json
    from gitml.store.fast_import import FastImport
    from gitml.store.git import Repository
    from gitml.store.objects import Entry

Relation: TypeAlias = Literal["same", "ahead", "behind", "apart"]
"""How ours stands to theirs: ``ahead`` contains theirs, ``behind`` is contained in it."""
IDENTITY = "gitml <>"
EDITS = "edits.jsonl"
_TREE = "40000"
_FOLDERS = frozenset({"runs", "tombstones"})
_COMPARED = 500
"""Changed runs of a ledger that are looked into, when it goes forward."""
_DATE = re.compile(rb"(?m)^committer .* (\d+) [-+]\d{4}$")


@dataclass(slots=True, kw_only=True)
class Joined:
    """What joining did."""

    updates: list[RefUpdate] = field(default_factory=list)
    """Refs to move, the temporary ones among them."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Runs, by id, of which two copies differ and one cannot be read: ours was kept."""
    refused: dict[str, str] = field(default_factory=dict)
    """Ledgers, by slug, that cannot be joined, with why: ours stays as it is."""


def relations(
    repository: Repository, pairs: Sequence[tuple[str | None, str | None]]
) -> list[Relation]:
    """Return how each pair (ours, theirs) of tips stands; two processes for all of them."""
    both = [(ours, theirs) for ours, theirs in pairs if ours and theirs and ours != theirs]
    mine, others = [a for a, _ in both], [b for _, b in both]
    news = _not_in(repository, others, mine) if both else set()
    olds = _not_in(repository, mine, others) if both else set()
    found: list[Relation] = []
    for ours, theirs in pairs:
        if ours == theirs:
            found.append("same")
        elif ours is None or theirs is None:
            found.append("behind" if ours is None else "ahead")
        elif theirs not in news:
            found.append("ahead")
        else:
            found.append("apart" if ours in olds else "behind")
    return found


def _not_in(repository: Repository, tips: Sequence[str], others: Sequence[str]) -> set[str]:
    """Return those of ``tips`` that none of ``others`` contains."""
    asked = "".join([*(f"{oid}\n" for oid in tips), *(f"^{oid}\n" for oid in others)])
    out = repository.run("rev-list", "--stdin", data=asked.encode())
    return set(tips) & set(out.decode().split())


def join_ledgers(
    repository: Repository, stream: FastImport, apart: Mapping[str, tuple[str, str]]
) -> Joined:
    """Join ledgers, given as slug -> (ours, theirs), in one stream."""
    done = Joined()
    for slug, (ours, theirs) in sorted(apart.items()):
        try:
            _join_ledger(repository, stream, done, slug, ours, theirs)
        except DamagedError as error:  # one ledger must not keep back the others
            done.refused[slug] = error.message
    return done


def _join_ledger(
    repository: Repository, stream: FastImport, done: Joined, slug: str, ours: str, theirs: str
) -> None:
    first, second = sorted([ours, theirs])
    roots = [_entries(repository, f"{oid}^{{tree}}") for oid in (first, second)]
    stones = _union(repository, roots, "tombstones")
    plans = list(_runs(repository, done, roots, stones, keep=0 if first == ours else 1))
    files = _files(repository, slug, roots)
    others = list(_others(*roots))
    # From here on nothing is read that could turn out to be damaged.
    tmp = names.tmp_ref(secrets.token_hex(8))
    mark = stream.commit(
        tmp,
        committer=IDENTITY,
        time=1000 * max(date_of(repository, first), date_of(repository, second)),
        message=f"join {names.visible(slug)}\n",
        parents=[first, second],
        keep_tree=True,
    )
    for name, data in files.items():
        stream.put_data(name, data)
    for path, entry in stones.items():
        stream.put(f"tombstones/{path}", entry.oid)
    for path, plan in plans:
        if isinstance(plan, str):
            stream.put(path, plan, "040000")
        elif plan is None:
            stream.drop(path)
        else:
            stream.drop(path)
            plan(stream, f"{path}/")
    for entry in others:
        stream.put(entry.name, entry.oid, _mode(entry.mode))
    done.updates += [
        RefUpdate(names.experiment_ref(slug), stream.oid(mark), ours),
        RefUpdate(tmp, None, None),
    ]


def date_of(repository: Repository, commit: str) -> int:
    """Return when a commit was made, in seconds since 1970."""
    found = _DATE.search(repository.read(commit, "commit").partition(b"\n\n")[0])
    return int(found[1]) if found else 0


def _entries(repository: Repository, tree: str) -> dict[str, Entry]:
    return {entry.name: entry for entry in repository.tree(tree)}


def _buckets(
    repository: Repository, roots: Sequence[Mapping[str, Entry]], kind: str
) -> Iterator[tuple[str, list[dict[str, Entry]]]]:
    """Yield the entries of both sides in each bucket that is not the same on both."""
    sides = [
        _entries(repository, root[kind].oid) if kind in root and root[kind].mode == _TREE else {}
        for root in roots
    ]
    for bucket in sorted({name for side in sides for name in side}):
        found = [side.get(bucket) for side in sides]
        if found[0] is not None and found[1] is not None and found[0].oid == found[1].oid:
            continue
        yield (
            bucket,
            [
                _entries(repository, entry.oid) if entry is not None and entry.mode == _TREE else {}
                for entry in found
            ],
        )


def _is_place(bucket: str, name: str) -> bool:
    return is_run_id(name) and name.startswith(bucket) and len(bucket) == 2  # noqa: PLR2004


def _union(
    repository: Repository, roots: Sequence[Mapping[str, Entry]], kind: str
) -> dict[str, Entry]:
    """Return the files of both sides where they are not the same: of two the larger oid."""
    union: dict[str, Entry] = {}
    for bucket, sides in _buckets(repository, roots, kind):
        for side in sides:
            for name, entry in side.items():
                if _is_place(bucket, name) and entry.mode in FILE_MODES:
                    path = f"{bucket}/{name}"
                    union[path] = max(entry, union.get(path, entry), key=lambda e: e.oid)
    return union


def _runs(
    repository: Repository,
    done: Joined,
    roots: Sequence[Mapping[str, Entry]],
    stones: Mapping[str, Entry],
    *,
    keep: int,
) -> Iterator[tuple[str, str | Callable[[FastImport, str], None] | None]]:
    """Yield what to put at each path below ``runs``: a tree, a writer, or None for nothing."""
    for path in stones:
        yield f"runs/{path}", None
    for bucket, sides in _buckets(repository, roots, "runs"):
        for name in sorted({*sides[0], *sides[1]}):
            path = f"{bucket}/{name}"
            copies = [side[name].oid for side in sides if name in side and side[name].mode == _TREE]
            if not _is_place(bucket, name) or path in stones or not copies:
                continue
            if _is_buried(repository, roots, path):
                yield f"runs/{path}", None
            elif len(set(copies)) == 1:
                yield f"runs/{path}", copies[0]
            else:
                yield f"runs/{path}", _joined(repository, done, name, copies, keep)


def _is_buried(repository: Repository, roots: Sequence[Mapping[str, Entry]], path: str) -> bool:
    """Say whether a bucket of tombstones that is the same on both sides has this one."""
    trees = [root["tombstones"].oid for root in roots if "tombstones" in root]
    return any(repository.resolve(f"{tree}:{path}") is not None for tree in trees)


def _joined(
    repository: Repository, done: Joined, run_id: str, copies: Sequence[str], keep: int
) -> str | Callable[[FastImport, str], None]:
    points = Collector()
    try:
        states = [read_tree(repository, tree) for tree in copies]
        state = join(states, points, repository)
        fold(run_id, state)
        if not points:
            points.add_all(points_of(repository, state.segments))
    except DamagedError as error:  # what cannot be read must stop no other run
        points.close()
        done.unreadable[run_id] = error.message
        return copies[keep]

    def write(stream: FastImport, prefix: str) -> None:
        put_run(repository, stream, run_id, state, points, prefix=prefix)
        points.close()

    return write


def _files(
    repository: Repository, slug: str, roots: Sequence[Mapping[str, Entry]]
) -> dict[str, bytes]:
    """Return the ledger's own files, made anew from the edits of both."""
    documents: list[tuple[str, dict[str, Json]]] = []
    edits: set[Edit] = set()
    for root in roots:
        edits |= _edits(repository, root, slug)
        if EXPERIMENT_YAML in root:
            data = repository.read(root[EXPERIMENT_YAML].oid, "blob", STORED_LIMIT)
            document = load_stored(data, f"{EXPERIMENT_YAML} of {slug}")
            documents.append((root[EXPERIMENT_YAML].oid, document))
    documents.sort(key=lambda pair: pair[0])
    merged: dict[str, Json] = {"schema": SCHEMA}
    for _, document in documents:
        merged |= document
    name = value_of(edits, "name")
    merged["name"] = str(name or merged.get("name", slug))
    merged["slug"] = slug
    merged["created"] = min(
        [str(d["created"]) for _, d in documents if "created" in d]
        or [iso(min((e.at for e in edits), default=0))]
    )
    return {EXPERIMENT_YAML: dump(merged), EDITS: dump_edits(edits)}


def _edits(repository: Repository, root: Mapping[str, Entry], slug: str) -> frozenset[Edit]:
    if EDITS not in root:
        return frozenset()
    data = repository.read(root[EDITS].oid, "blob", EDITS_LIMIT)
    return load_edits(data, f"{EDITS} of {slug}")


def _others(first: Mapping[str, Entry], second: Mapping[str, Entry]) -> Iterator[Entry]:
    """Yield what another gitml wrote beside: of two the larger oid, as in a run."""
    known = {*_FOLDERS, EXPERIMENT_YAML, EDITS}
    for name in sorted({*first, *second} - known):
        try:
            check_path(name, "ledger")
        except InputError:
            raise DamagedError(f"A ledger holds {visible(name, 60)!r}, which is no name.") from None
        yield max(
            (side[name] for side in (first, second) if name in side), key=lambda e: (e.oid, e.mode)
        )


def _mode(mode: str) -> str:
    """Return a mode as fast-import takes it: old trees have files of 100664."""
    return mode.zfill(6) if mode in {_TREE, "100755", "120000", "160000"} else "100644"


def loses(repository: Repository, ours: str, theirs: str) -> bool:
    """Say whether a ledger that goes on from ours to theirs leaves out what ours holds.

    No gitml makes such a commit; who may push to a remote can. A purged run is none.
    """
    try:
        roots = [_entries(repository, f"{oid}^{{tree}}") for oid in (ours, theirs)]
        edits = [_edits(repository, root, "a ledger") for root in roots]
        if not edits[0] <= edits[1]:
            return True
        for _, (mine, others) in _buckets(repository, roots, "tombstones"):
            if not mine.keys() <= others.keys():
                return True
        return any(_lost(repository, roots))
    except DamagedError:
        return False


def _lost(repository: Repository, roots: Sequence[Mapping[str, Entry]]) -> Iterator[str]:
    """Yield the runs of the first ledger of which the second holds less."""
    stones = roots[1].get("tombstones")
    compared = 0
    for bucket, (mine, others) in _buckets(repository, roots, "runs"):
        for name, entry in mine.items():
            if name in others and (others[name].oid == entry.oid or compared >= _COMPARED):
                continue
            path = f"{bucket}/{name}"
            if stones is not None and repository.resolve(f"{stones.oid}:{path}") is not None:
                continue
            if name not in others:
                yield name
                continue
            compared += 1
            with contextlib.suppress(DamagedError):
                states = [read_tree(repository, side[name].oid) for side in (others, mine)]
                if not holds(repository, *states):
                    yield name


def join_sources(
    repository: Repository, stream: FastImport, ours: str, theirs: str
) -> list[RefUpdate]:
    """Join two sets of source trees into one, as `join_ledgers` does."""
    first, second = sorted([ours, theirs])
    sides = [_entries(repository, f"{oid}^{{tree}}") for oid in (first, second)]
    tmp = names.tmp_ref(secrets.token_hex(8))
    mark = stream.commit(
        tmp,
        committer=IDENTITY,
        time=1000 * max(date_of(repository, first), date_of(repository, second)),
        message="join source trees\n",
        parents=[first, second],
        keep_tree=True,
    )
    for bucket, entry in sorted(sides[1].items()):
        if bucket in sides[0] and sides[0][bucket].oid == entry.oid:
            continue
        if not re.fullmatch(r"[0-9a-f]{2}", bucket) or entry.mode != _TREE:
            continue
        for tree in repository.tree(entry.oid):
            if tree.mode == _TREE and tree.name == tree.oid and tree.name.startswith(bucket):
                stream.put(f"{bucket}/{tree.name}", tree.oid, "040000")
    return [RefUpdate(names.SOURCES, stream.oid(mark), ours), RefUpdate(tmp, None, None)]
