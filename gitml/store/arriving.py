"""Runs and ledgers of a remote, fetched and looked at before anybody believes them.

A ref of a remote can be written by anybody who may push there. git checks every object
that comes (``fetch.fsckObjects``); where it does not take one, the refs are fetched in
ever smaller parts, so that one of them keeps back no other. What has an evil name,
or is no commit, is not remembered. What stays behind is named, with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml.errors import DamagedError
from gitml.names import EXPERIMENTS, RUNS, SLUG, is_run_id, visible
from gitml.store.git import RefUpdate
from gitml.store.hosts import transport_failure
from gitml.store.locks import remove_left
from gitml.store.remote import listed, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitml.store.git import Repository
    from gitml.store.pulling import Where

FETCH = (
    *("-c", "fetch.output=full", "-c", "fetch.fsckObjects=true"),
    *("fetch", "--no-tags", "--no-write-fetch-head"),
    *("--no-auto-maintenance", "--no-recurse-submodules", "--refmap="),
    "--no-filter",  # or a partial clone would ask for each file of a run by itself
)
"""How what others can write is fetched, on the command line of git."""
_REWOUND = re.compile(r"(?m)^ ! \[rejected\] +(\S+) +-> +\S+ +\(non-fast-forward\)")
_CONTENT = (
    *("fsck error", "index-pack failed", "unpack-objects failed", "repository corruption"),
    *("not our ref", "did not send all necessary objects", "cannot create", "find remote ref"),
)
"""Words that tell of what is fetched, not of the way there."""
_CHECK = re.compile(r"(?m)^error: object [0-9a-f]+: \w+: (.+)$")
_FETCHES = 64
"""Parts that are tried where one fetch does not do."""
COMMIT_LIMIT = 1 << 20
"""Bytes of a commit; 500 parents take 25 kB."""


@dataclass(slots=True, kw_only=True)
class Arrived:
    """What a fetch found; refs are named as they are here."""

    before: Mapping[str, str]
    """What was remembered of the remote."""
    after: Mapping[str, str] = field(default_factory=dict)
    """What is remembered of it now."""
    rewound: set[str] = field(default_factory=set)
    """Ledgers, as refs of the remote, that went back there."""
    refused: dict[str, str] = field(default_factory=dict)
    """Refs of the remote that were not taken, with why."""


def fetch_runs(
    repository: Repository, there: Where, before: Mapping[str, str], *, force: bool
) -> Arrived:
    """Bring what is remembered of a remote's runs and ledgers up to date.

    With ``force`` ledgers too that went back there.

    Raises `RemoteError` where the remote cannot be spoken to, and `BeatenError` where
    somebody else fetches into this repository just now.
    """
    done = Arrived(before=before)
    plus = "+" if force else ""
    specs = [
        f"+{there.theirs(RUNS)}*:{there.ref('runs/*')}",
        f"{plus}{there.theirs(EXPERIMENTS)}*:{there.ref('experiments/*')}",
    ]
    code, _, err = spoken(repository, *FETCH, "--prune", there.address, *specs)
    done.rewound = _rewound(there, err)
    if code and not done.rewound:
        if not _is_content(err):
            if "cannot lock ref" in err:
                remove_left(repository.common_dir)
            raise transport_failure(there.address, err, code)
        _fetch_parts(repository, there, done, plus)
    done.after = repository.refs(there.ref("runs/"), there.ref("experiments/"))
    _vet(repository, there, done)
    return done


def _rewound(there: Where, err: str) -> set[str]:
    """Return the ledgers that git did not take, as they are called here."""
    told = set(_REWOUND.findall(err))
    # git leaves out refs/heads/ where it speaks of branches
    return {f"refs/{ref}" if ref.startswith("gitml/") else there.ours(ref) for ref in told}


def _is_content(err: str) -> bool:
    return any(word in err for word in _CONTENT)


def _fetch_parts(repository: Repository, there: Where, done: Arrived, plus: str) -> None:
    """Fetch all refs that can be fetched, and no other."""
    patterns = (f"{RUNS}*", f"{EXPERIMENTS}*")
    theirs = listed(repository, there.address, *patterns, branches=there.branches)
    here = {ref: there.ref(ref.removeprefix("refs/gitml/")) for ref in theirs}
    for ref in theirs:
        if why := _wrong_name(ref):
            done.refused[ref] = why
    wanted = [
        r for r, o in theirs.items() if r not in done.refused and done.before.get(here[r]) != o
    ]
    parts: list[Sequence[str]] = [wanted] if wanted else []
    for _ in range(_FETCHES):
        if not parts:
            break
        part = parts.pop()
        specs = [
            f"{'+' if ref.startswith(RUNS) else plus}{there.theirs(ref)}:{here[ref]}"
            for ref in part
        ]
        code, _, err = spoken(repository, *FETCH, there.address, *specs)
        done.rewound |= _rewound(there, err)
        if not code or _REWOUND.search(err):
            continue
        if not _is_content(err):
            raise transport_failure(there.address, err, code)
        if len(part) == 1:
            done.refused[part[0]] = _why(err)
        else:
            half = len(part) // 2
            parts += [part[half:], part[:half]]
    for part in parts:
        done.refused |= dict.fromkeys(part, "too much beside it cannot be fetched")
    place = there.ref("runs/")
    kept = {here[ref] for ref in theirs}
    gone = [r for r in done.before if r.startswith(place) and r not in kept]
    repository.update_refs([RefUpdate(ref, None, done.before[ref]) for ref in gone])


def _why(err: str) -> str:
    """Return the line of git's words that says what is wrong with an object."""
    found = _CHECK.search(err)
    if found:
        return f"git does not take an object of it: {visible(found[1], 100)}"
    lines = [line.removeprefix("remote:").strip() for line in err.splitlines()]
    told = next((x for x in lines if x.startswith(("fatal:", "error:"))), "no word")
    return f"it cannot be fetched: {visible(told.partition(': ')[2] or told, 200)}"


def _wrong_name(ref: str) -> str | None:
    if ref.startswith(RUNS):
        return None if is_run_id(ref.removeprefix(RUNS)) else "it is not named after a run"
    slug = ref.removeprefix(EXPERIMENTS)
    return None if SLUG.fullmatch(slug) else "it is not named after an experiment"


def _vet(repository: Repository, there: Where, done: Arrived) -> None:
    """Forget what has an evil name or is no commit, and remember what was there before."""
    place = there.ref("")
    dropped: list[RefUpdate] = []
    restored: list[RefUpdate] = []
    for ref, oid in done.after.items():
        theirs = f"refs/gitml/{ref.removeprefix(place)}"
        was = done.before.get(ref)
        if why := _wrong_name(theirs):
            dropped.append(RefUpdate(ref, None, oid))
        elif was != oid and (why := _no_commit(repository, oid)):
            (restored if was else dropped).append(RefUpdate(ref, was, oid))
        if why:
            done.refused[theirs] = why
    after = dict(done.after)
    for update in (*dropped, *restored):
        after.pop(update.ref)
        if update.new:
            after[update.ref] = update.new
    # First the one, then the other: a ref cannot be where another is a folder.
    for updates in (dropped, restored):
        if updates:
            repository.update_refs(updates)
    done.after = after


def _no_commit(repository: Repository, oid: str) -> str | None:
    try:
        found = repository.objects().get(oid, limit=COMMIT_LIMIT)
    except DamagedError:
        return "it is no commit"
    return None if found is not None and found.kind == "commit" else "it is no commit"
