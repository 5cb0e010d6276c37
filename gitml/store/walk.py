"""What refs hold, read in bulk: only what changed, and nothing trusted.

A ref can be written by anybody who may push, so all that is wrong with what it
points at becomes a `Problem`, and the rest is read on. However many runs there
are, this takes two ``for-each-ref`` and three ``cat-file`` (and one more for
each object that git itself gives up on).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from gitml import names
from gitml.codec import STORED_LIMIT, load_stored
from gitml.errors import DamagedError
from gitml.model import Json, from_iso
from gitml.names import is_run_id, visible
from gitml.records import ARTIFACTS_YAML, METRICS_YAML, PARAMS_YAML, RUN_YAML
from gitml.store.git import parse_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gitml.store.git import Entry, Object, Repository

TREE_LIMIT = 64 * 1024 * 1024
"""Bytes of a tree or commit; a ledger of a million runs has trees of 250 KB."""
FEW = 100
"""Objects up to which asking one by one is faster than another process."""
RUNS, TOMBSTONES = "runs", "tombstones"
KINDS = (RUNS, TOMBSTONES)
TREE_MODE, FILE_MODES = "40000", frozenset({"100644", "100755"})
_WANTED = frozenset({RUN_YAML, PARAMS_YAML, METRICS_YAML, ARTIFACTS_YAML})
_REMOTE_RUN = re.compile(re.escape(names.REMOTES) + r".+/runs/([^/]*)")
_BUCKET = re.compile(r"[0-9a-f]{2}")


class Problem(NamedTuple):
    """Something that cannot be read, and may be mended one day."""

    scope: str
    """The ref, ledger, bucket or run tree whose next reading settles it."""
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
    """What of a ledger was read before; empty oids where nothing was."""

    head: str = ""
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
    """For each kind that changed: the oid of every bucket there is."""
    entries: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    """For each (kind, bucket) that changed: the oid of every run id in it."""
    problems: list[Problem] = field(default_factory=list)
    """What could not be read."""


def hot_run(ref: str) -> str | None:
    """Return the run id that a hot ref, ours or a remote's, is named after."""
    run_id = ref.rpartition("/")[2]
    return run_id if is_run_id(run_id) else None


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
            if hot_run(ref) in {ref[len(names.RUNS) :], ref.rpartition("/")[2]}:
                hot[ref] = oid
            else:
                problems.append(_problem(ref, f"The ref {visible(ref)} is not named after a run."))
    for ref, oid in ledgers.items():
        slug = ref[len(names.EXPERIMENTS) :]
        if names.SLUG.fullmatch(slug):
            slugs[slug] = oid
        else:
            problems.append(_problem(ref, f"The ref {visible(ref)} is not named after an experiment."))
    return Listing(hot=hot, ledgers=slugs, problems=problems)


def read_hot(
    repository: Repository, changed: Mapping[str, str]
) -> tuple[dict[str, str], list[Problem]]:
    """Return the tree of each hot ref that has one, by ref, and what is wrong with the others."""
    trees, problems = {}, []
    for ref, oid in changed.items():
        try:
            trees[ref] = _tree_of(repository, oid)
        except DamagedError as error:
            problems.append(_problem(ref, f"The ref {visible(ref)} cannot be read. {error.message}"))
    return trees, problems


def read_ledger(
    repository: Repository,
    slug: str,
    head: str,
    seen: Seen,
    buckets: Callable[[str], Mapping[str, str]],
) -> LedgerChange:
    """Return what changed in a ledger; ``buckets(kind)`` gives the oids seen before.

    A part that cannot be read is left as it was seen, with a `Problem`.
    """
    ref = names.experiment_ref(slug)
    change = LedgerChange(slug=slug, seen=seen)
    try:
        root = {e.name: e for e in _entries(repository, _tree_of(repository, head))}
    except DamagedError as error:
        change.problems.append(_problem(ref, f"The ledger {slug} cannot be read. {error.message}"))
        return change
    experiment = _read_experiment(repository, change, root)
    kinds = {}
    for kind in KINDS:
        found = root.get(kind)
        if found is None or found.oid == seen.kinds.get(kind):
            if found is None and kind in seen.kinds:
                change.buckets[kind] = {}
            kinds.update({} if found is None else {kind: found.oid})
        elif _read_kind(repository, change, found, buckets(kind)):
            kinds[kind] = found.oid
        elif kind in seen.kinds:
            kinds[kind] = seen.kinds[kind]
    complete = not change.problems or all(p.scope.startswith("bucket ") for p in change.problems)
    change.seen = Seen(head=head if complete else "", experiment=experiment, kinds=kinds)
    return change


def _read_experiment(
    repository: Repository, change: LedgerChange, root: Mapping[str, Entry]
) -> str:
    """Put ``experiment.yaml`` into ``change`` if it changed; return its oid."""
    where = f"{names.experiment_ref(change.slug)}:experiment.yaml"
    what = f"experiment.yaml of {change.slug}"
    found = root.get("experiment.yaml")
    try:
        if found is None:
            raise DamagedError(f"{what} is missing.")
        if found.oid != change.seen.experiment:
            blob = get(repository, found.oid, "blob", STORED_LIMIT)
            change.document = load_stored(blob.data, what)
    except DamagedError as error:
        change.problems.append(Problem(f"ledger {change.slug}", where, error.message))
        return change.seen.experiment
    return found.oid


def _read_kind(
    repository: Repository, change: LedgerChange, entry: Entry, seen: Mapping[str, str]
) -> bool:
    """Put the changed buckets of a kind into ``change``; say whether its tree could be read."""
    where = f"{names.experiment_ref(change.slug)}:{entry.name}"
    try:
        listed = _entries(repository, entry.oid)
    except DamagedError as error:
        change.problems.append(Problem(f"ledger {change.slug}", where, error.message))
        return False
    current = change.buckets.setdefault(entry.name, {})
    for bucket in listed:
        inside = f"{where}/{visible(bucket.name)}"
        scope = f"bucket {change.slug} {entry.name} {bucket.name}"
        if not _BUCKET.fullmatch(bucket.name) or bucket.mode != TREE_MODE:
            sentence = f"{inside} is not a folder named by two hex digits."
            change.problems.append(Problem(scope, inside, sentence))
            continue
        if seen.get(bucket.name) != bucket.oid:
            try:
                _read_bucket(repository, change, entry.name, bucket)
            except DamagedError as error:
                change.problems.append(Problem(scope, inside, error.message))
                if bucket.name in seen:  # asked for again next time
                    current[bucket.name] = ""
                continue
        current[bucket.name] = bucket.oid
    return True


def _read_bucket(repository: Repository, change: LedgerChange, kind: str, bucket: Entry) -> None:
    ids = change.entries[kind, bucket.name] = {}
    mode = {TREE_MODE} if kind == RUNS else FILE_MODES
    for entry in _entries(repository, bucket.oid):
        if not is_run_id(entry.name) or not entry.name.startswith(bucket.name):
            wrong = "is not named after a run of this folder"
        elif entry.mode not in mode:
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
        document = load_stored(get(repository, oid, "blob", STORED_LIMIT).data, "a tombstone")
        at = from_iso(str(document["at"])) if "at" in document else 0
    except (DamagedError, ValueError, OverflowError):
        return "", 0, None
    reason = document.get("reason")
    return str(document.get("by") or ""), at, None if reason is None else str(reason)


class RunFiles(NamedTuple):
    """The YAML files of a run's tree, or what is wrong with it."""

    tree: str
    files: dict[str, bytes]
    problem: str | None = None


def read_runs(repository: Repository, trees: Sequence[str]) -> Iterator[RunFiles]:
    """Yield the YAML files of run trees, in order, a few in memory at a time."""
    plans: list[tuple[str, list[tuple[str, str]], str | None]] = []
    for tree, found in zip(trees, _many(repository, trees, "tree", TREE_LIMIT), strict=True):
        wanted: list[tuple[str, str]] = []
        problem = found if isinstance(found, str) else None
        if not isinstance(found, str):
            try:
                entries = parse_tree(found.data, repository.oid_width // 2)
                wanted = [(e.name, e.oid) for e in entries if e.name in _WANTED]
                odd = [e.name for e in entries if e.name in _WANTED and e.mode not in FILE_MODES]
                problem = f"{odd[0]} is not a file." if odd else None
            except ValueError:
                problem = "Its tree cannot be read."
        plans.append((tree, [] if problem else wanted, problem))
    oids = [oid for _, wanted, _ in plans for _, oid in wanted]
    blobs = _many(repository, oids, "blob", STORED_LIMIT)
    for tree, wanted, problem in plans:
        files: dict[str, bytes] = {}
        for (name, _), blob in zip(wanted, islice(blobs, len(wanted)), strict=True):
            if isinstance(blob, str):
                problem = problem or f"{name}: {blob}"  # noqa: PLW2901 - the first one is told
            else:
                files[name] = blob.data
        yield RunFiles(tree, files, problem)


def get(repository: Repository, oid: str, kind: str, limit: int) -> Object:
    """Return an object; raise `DamagedError` if it is absent, corrupt, larger or of another kind."""
    try:
        found = repository.objects().get(oid, limit=limit)
    except (DamagedError, OSError):
        # Too large; or git ended, of this object or of the one before it: then ask a new one.
        repository.close()
        try:
            found = repository.objects().get(oid, limit=limit)
        except OSError:
            raise DamagedError(f"git ended while reading {oid}.") from None
    if found is None:
        raise DamagedError(f"The object {oid} is missing.", hint="A pull may bring it back.")
    if found.kind != kind:
        raise DamagedError(f"{oid} is a {found.kind} and not a {kind}.")
    return found


def _many(
    repository: Repository, oids: Sequence[str], kind: str, limit: int
) -> Iterator[Object | str]:
    """Yield each object, or a sentence on what is wrong with it."""
    found: Iterable[Object | None]
    found = repository.bulk(oids, limit) if len(oids) > FEW else (None for _ in oids)
    for oid, item in zip(oids, found, strict=True):
        if item is not None and item.kind == kind:
            yield item
            continue
        try:  # once more alone: one that is corrupt ends git, and with it all that come after
            yield get(repository, oid, kind, limit)
        except DamagedError as error:
            yield error.message


def _tree_of(repository: Repository, commit: str) -> str:
    data = get(repository, commit, "commit", TREE_LIMIT).data
    tree = data[5 : 5 + repository.oid_width].decode("ascii", "replace")
    if not data.startswith(b"tree ") or not re.fullmatch(r"[0-9a-f]+", tree):
        raise DamagedError(f"The commit {commit} has no tree.")
    return tree


def _entries(repository: Repository, tree: str) -> list[Entry]:
    data = get(repository, tree, "tree", TREE_LIMIT).data
    try:
        return parse_tree(data, repository.oid_width // 2)
    except ValueError:
        raise DamagedError(f"The tree {tree} cannot be read.") from None


def _problem(ref: str, sentence: str) -> Problem:
    return Problem(f"ref {ref}", ref, sentence)
