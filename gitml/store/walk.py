"""What refs hold, read in bulk: only what changed, and nothing trusted.

A ref can be written by anybody who may push, so all that is wrong with what it
points at becomes a `Problem`, and the rest is read on. However many runs there
are, this takes two ``for-each-ref`` and three ``cat-file`` (and one or two more
for each object that git itself stumbles over).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice, repeat
from typing import TYPE_CHECKING, NamedTuple, Protocol

from gitml import names
from gitml.codec import STORED_LIMIT, load_stored
from gitml.errors import DamagedError
from gitml.model import Json, from_iso
from gitml.names import is_run_id, visible
from gitml.records import ARTIFACTS_YAML, METRICS_YAML, PARAMS_YAML, RUN_YAML
from gitml.store.objects import parse_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from gitml.store.git import Repository
    from gitml.store.objects import Entry, Object

TREE_LIMIT = 64 * 1024 * 1024
"""Bytes of a tree or commit; a ledger of a million runs has trees of 250 KB."""
FEW = 100
"""Objects up to which asking one by one is faster than another process."""
RUNS, TOMBSTONES = "runs", "tombstones"
TREE_MODE, FILE_MODES = "40000", frozenset({"100644", "100755"})
_WANTED = frozenset({RUN_YAML, PARAMS_YAML, METRICS_YAML, ARTIFACTS_YAML})
_REMOTE_RUN = re.compile(re.escape(names.REMOTES) + r".+/runs/[^/]*")
_BUCKET = re.compile(r"[0-9a-f]{2}")


class Problem(NamedTuple):
    """Something that cannot be read."""

    scope: str
    """The ref, ledger, folder or run whose next reading settles it."""
    where: str
    """What to look at: a ref, or ``ref:path``."""
    sentence: str
    """What is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All refs that hold runs, as of one moment."""

    hot: Mapping[str, str]
    """Commit of each hot ref by name, the remotes' among them."""
    ledgers: Mapping[str, str]
    """Commit of each ledger by slug."""
    problems: Sequence[Problem] = ()
    """Refs that are in these places and are neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What of a ledger was read; an empty oid where it is to be read again."""

    head: str = ""
    """The commit."""
    experiment: str = ""
    """The blob ``experiment.yaml``."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """The trees ``runs`` and ``tombstones``, as far as they exist."""


@dataclass(slots=True, kw_only=True)
class LedgerChange:
    """What changed in a ledger since it was seen."""

    slug: str
    seen: Seen
    """What to remember."""
    document: dict[str, Json] | None = None
    """``experiment.yaml``, if it changed."""
    buckets: dict[str, dict[str, str]] = field(default_factory=dict)
    """For each kind that changed: the oid of every folder there is."""
    entries: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """For each (kind, folder) that changed: the oid of every run id in it."""
    problems: list[Problem] = field(default_factory=list)
    """What could not be read; it is as it was before."""


class RunFiles(NamedTuple):
    """The YAML files of a run's tree, or what is wrong with it."""

    tree: str
    files: dict[str, bytes]
    problem: str | None = None


class _Reader(Protocol):
    def get(self, revision: str, limit: int | None = None) -> Object | None: ...


class _Unreadable(Exception):  # noqa: N818 - never leaves this module
    """Half a sentence on why an object is not what it should be."""


def hot_run(ref: str) -> str | None:
    """Return the run id that a hot ref, ours or a remote's, is named after."""
    run_id = ref.rpartition("/")[2]
    ours = ref.startswith(names.RUNS)
    return run_id if is_run_id(run_id) and (not ours or ref == names.RUNS + run_id) else None


def list_refs(repository: Repository) -> Listing:
    """Return the refs that hold runs: hot ones first, ledgers second.

    In this order a run that is being sealed is in at least one of the listings.
    Call it inside of the transaction that stores what is read: a slower reader
    must not overwrite what a later listing found.
    """
    listed = repository.refs(names.RUNS, names.REMOTES)
    ledgers = repository.refs(names.EXPERIMENTS)
    hot, slugs = {}, {}
    problems = []
    for ref, oid in listed.items():
        if ref.startswith(names.RUNS) or _REMOTE_RUN.fullmatch(ref):
            if hot_run(ref):
                hot[ref] = oid
            else:
                problems.append(_problem(ref, "is not named after a run."))
    for ref, oid in ledgers.items():
        slug = ref[len(names.EXPERIMENTS) :]
        if names.SLUG.fullmatch(slug):
            slugs[slug] = oid
        else:
            problems.append(_problem(ref, "is not named after an experiment."))
    return Listing(hot=hot, ledgers=slugs, problems=problems)


def read_hot(
    repository: Repository, changed: Mapping[str, str]
) -> tuple[dict[str, str], list[Problem]]:
    """Return the tree of each hot ref that has one, by ref, and what is wrong with the others."""
    trees, problems = {}, []
    for ref, oid in changed.items():
        try:
            trees[ref] = _tree_of(repository, oid)
        except _Unreadable as why:
            problems.append(_problem(ref, f"cannot be read: {why}."))
    return trees, problems


def read_ledger(
    repository: Repository,
    slug: str,
    head: str,
    seen: Seen,
    buckets: Callable[[str], Mapping[str, str]],
) -> LedgerChange:
    """Return what changed in a ledger; ``buckets(kind)`` gives the oids of folders seen before."""
    change = LedgerChange(slug=slug, seen=seen)
    try:
        root = {e.name: e for e in _entries(repository, _tree_of(repository, head))}
    except _Unreadable as why:
        ref = names.experiment_ref(slug)
        sentence = f"The ledger {slug} cannot be read: {why}."
        change.problems.append(Problem(f"ledger {slug}", ref, sentence))
        return change
    experiment, again = _read_experiment(repository, change, root.get("experiment.yaml"))
    kinds = {}
    for kind in (RUNS, TOMBSTONES):
        if kind not in root:
            change.buckets[kind] = {}
            continue
        kinds[kind] = root[kind].oid
        if kinds[kind] != seen.kinds.get(kind) and not _read_kind(
            repository, change, root[kind], buckets(kind)
        ):
            kinds[kind] = ""
            again = True
    change.seen = Seen(head="" if again else head, experiment=experiment, kinds=kinds)
    return change


def _read_experiment(
    repository: Repository, change: LedgerChange, found: Entry | None
) -> tuple[str, bool]:
    """Put ``experiment.yaml`` into ``change`` if it changed; return its oid, and if that failed."""
    what = f"{names.experiment_ref(change.slug)}:experiment.yaml"
    sentence = f"{what} is missing."
    if found is not None and found.oid == change.seen.experiment:
        return found.oid, False
    if found is not None:
        try:
            data = _get(repository, found.oid, "blob", STORED_LIMIT).data
            change.document = load_stored(data, what)
        except _Unreadable as why:
            sentence = f"{what} cannot be read: {why}."
        except DamagedError as error:
            sentence = error.message
        else:
            return found.oid, False
    change.problems.append(Problem(f"ledger {change.slug}", what, sentence))
    return change.seen.experiment, True


def _read_kind(
    repository: Repository, change: LedgerChange, kind: Entry, seen: Mapping[str, str]
) -> bool:
    """Put the changed folders of a kind into ``change``; say whether all could be read."""
    where = f"{names.experiment_ref(change.slug)}:{kind.name}"
    scope = f"kind {change.slug} {kind.name}"
    try:
        listed = _entries(repository, kind.oid)
    except _Unreadable as why:
        change.problems.append(Problem(scope, where, f"{where} cannot be read: {why}."))
        return False
    whole = True
    current = change.buckets[kind.name] = {}
    for bucket in listed:
        inside = f"{where}/{visible(bucket.name)}"
        if not _BUCKET.fullmatch(bucket.name) or bucket.mode != TREE_MODE:
            sentence = f"{inside} is not a folder named by two hex digits."
            change.problems.append(Problem(scope, inside, sentence))
            continue
        current[bucket.name] = bucket.oid
        if seen.get(bucket.name) != bucket.oid:
            try:
                _read_bucket(repository, change, kind.name, bucket)
            except _Unreadable as why:
                change.problems.append(Problem(scope, inside, f"{inside} cannot be read: {why}."))
                current[bucket.name] = ""
                whole = False
    return whole


def _read_bucket(repository: Repository, change: LedgerChange, kind: str, bucket: Entry) -> None:
    entries = _entries(repository, bucket.oid)
    ids = change.entries[kind, bucket.name] = {}
    modes = {TREE_MODE} if kind == RUNS else FILE_MODES
    for entry in entries:
        if not is_run_id(entry.name) or not entry.name.startswith(bucket.name):
            wrong = "is not named after a run of this folder"
        elif entry.mode not in modes:
            wrong = "is not a folder" if kind == RUNS else "is not a file"
        else:
            ids[entry.name] = entry.oid
            continue
        where = f"{names.experiment_ref(change.slug)}:{kind}/{bucket.name}/{visible(entry.name)}"
        scope = f"bucket {change.slug} {kind} {bucket.name}"
        change.problems.append(Problem(scope, where, f"{where} {wrong}."))


def read_tombstone(repository: Repository, oid: str) -> tuple[str, int, str | None]:
    """Return (who, when in milliseconds, why) of a tombstone; blanks where it does not say."""
    try:
        document = load_stored(_get(repository, oid, "blob", STORED_LIMIT).data, "a tombstone")
        at = from_iso(str(document["at"])) if "at" in document else 0
    except (_Unreadable, DamagedError, ValueError, OverflowError):
        return "", 0, None
    reason = document.get("reason")
    return str(document.get("by") or ""), at, None if reason is None else str(reason)


def read_runs(repository: Repository, trees: Sequence[str]) -> Generator[RunFiles]:
    """Yield the YAML files of run trees, in order, a few in memory at a time."""
    plans: list[tuple[list[tuple[str, str]], str | None]] = []
    for found in _many(repository, trees, "tree", TREE_LIMIT):
        try:
            plans.append(
                ([], found) if isinstance(found, str) else (_plan(repository, found), None)
            )
        except _Unreadable as why:
            plans.append(([], str(why)))
    oids = [oid for wanted, _ in plans for _, oid in wanted]
    blobs = _many(repository, oids, "blob", STORED_LIMIT)
    for tree, (wanted, problem) in zip(trees, plans, strict=True):
        files: dict[str, bytes] = {}
        wrong = problem
        for (name, _), blob in zip(wanted, islice(blobs, len(wanted)), strict=True):
            if isinstance(blob, str):
                wrong = wrong or f"{name} cannot be read: {blob}"
            else:
                files[name] = blob.data
        yield RunFiles(tree, files, wrong)


def _plan(repository: Repository, tree: Object) -> list[tuple[str, str]]:
    """Return (name, oid) of the files to read."""
    wanted = [e for e in _parse(tree, repository) if e.name in _WANTED]
    for entry in wanted:
        if entry.mode not in FILE_MODES:
            raise _Unreadable(f"{entry.name} is not a file")
    return [(e.name, e.oid) for e in wanted]


def _many(
    repository: Repository, oids: Sequence[str], kind: str, limit: int
) -> Iterator[Object | str]:
    """Yield each object, or half a sentence on what is wrong with it."""
    found = repository.bulk(oids, limit) if len(oids) > FEW else repeat(None, len(oids))
    for oid, item in zip(oids, found, strict=True):
        if item is not None and item.kind == kind:
            yield item
            continue
        try:  # once more alone: a corrupt object ends git, and with it all that come after
            yield _get(repository, oid, kind, limit)
        except _Unreadable as why:
            yield str(why)


def _get(repository: Repository, oid: str, kind: str, limit: int) -> Object:
    found = None
    for attempt in range(2):
        reader = repository.objects()
        try:
            found = reader.get(oid, limit=limit)
            break
        except (DamagedError, OSError, ValueError) as error:
            if _lives(reader, repository.zero):
                raise _Unreadable(f"{oid} has more than {limit:,} bytes") from None
            repository.close()  # git ended, of this object or of one before it
            if attempt:
                raise _Unreadable(f"{oid} is corrupt") from error
    if found is None:
        raise _Unreadable(f"the object {oid} is missing")
    if found.kind != kind:
        raise _Unreadable(f"{oid} is a {found.kind} and not a {kind}")
    return found


def _lives(reader: _Reader, zero: str) -> bool:
    """Say whether git still answers, as it does after an object that is too large."""
    try:
        return reader.get(zero) is None
    except (DamagedError, OSError, ValueError):
        return False


def _tree_of(repository: Repository, commit: str) -> str:
    data = _get(repository, commit, "commit", TREE_LIMIT).data
    tree = data[5 : 5 + repository.oid_width].decode("ascii", "replace")
    if not data.startswith(b"tree ") or not re.fullmatch(r"[0-9a-f]+", tree):
        raise _Unreadable(f"the commit {commit} has no tree")
    return tree


def _entries(repository: Repository, tree: str) -> list[Entry]:
    return _parse(_get(repository, tree, "tree", TREE_LIMIT), repository)


def _parse(tree: Object, repository: Repository) -> list[Entry]:
    try:
        return parse_tree(tree.data, repository.oid_width // 2)
    except ValueError:
        raise _Unreadable(f"the tree {tree.oid} is corrupt") from None


def _problem(ref: str, predicate: str) -> Problem:
    return Problem(f"ref {ref}", ref, f"The ref {visible(ref)} {predicate}")
