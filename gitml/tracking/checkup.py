"""What ``gitml doctor`` looks at, and the command that mends each thing it finds."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.errors import GitmlError
from gitml.model import Artifact
from gitml.names import plural, visible
from gitml.reproduce.artifacts import is_here
from gitml.store import health
from gitml.store.failures import MINIMUM_GIT
from gitml.store.git import git_version
from gitml.store.verify import run_trees, verify_tree
from gitml.tracking.capture import author_variables
from gitml.tracking.identity import author
from gitml.tracking.settings import FILE, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gitml.query.index import Index
    from gitml.store.git import Repository
    from gitml.store.live import Who

OK, NOTE, WARNING, DAMAGE = "ok", "note", "warning", "damage"
"""Levels: as it should be; worth knowing; to be mended; stored data cannot be read."""
CONFLICTS_AMONG = 20_000
"""The newest runs, in which conflicts are looked for."""
MANY_HOT = 1_000
"""Hot refs from which every fetch and push becomes slow."""
_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """What it is about, in a word."""
    level: str
    """`OK`, `NOTE`, `WARNING` or `DAMAGE`."""
    sentence: str
    """What was found."""
    hint: str | None = None
    """What mends it."""


def examine(
    store: Repository,
    index: Index,
    *,
    code: Repository | None,
    lfs: str | None,
    here: Who,
    now: int,
) -> list[Finding]:
    """Return everything there is to say about a store, the healthy things too.

    ``code`` is the repository that runs are recorded from, if there is one here;
    ``lfs`` is where the program git-lfs is, if it is installed.
    """
    return [
        *_git(),
        *_repository(store),
        *_identity(code or store),
        *_settings(code),
        *_remotes(store),
        *_refs(store, now),
        *_runs(index),
        *_live(index, here),
        *_conflicts(index),
        *_large(store, index, lfs),
        *_leftovers(store, here, now),
    ]


def _git() -> Iterator[Finding]:
    found = git_version()
    said = f"git {'.'.join(map(str, found))}"
    if found >= MINIMUM_GIT:
        yield Finding(check="git", level=OK, sentence=said)
        return
    wanted = ".".join(map(str, MINIMUM_GIT))
    yield Finding(
        check="git",
        level=WARNING,
        sentence=f"{said} is too old.",
        hint=f"install git {wanted} or later",
    )


def _repository(store: Repository) -> Iterator[Finding]:
    kind = "sha256" if store.oid_width > 40 else "sha1"  # noqa: PLR2004 - digits of a SHA-1
    words = [f"objects are named by {kind}"]
    if store.work_tree is None:
        words.append("bare")
    if store.git_dir != store.common_dir:
        words.append("a linked work tree")
    if (store.common_dir / "shallow").exists():
        words.append("shallow")
    place = visible(str(store.work_tree or store.git_dir))
    yield Finding(check="repository", level=OK, sentence=f"{place} ({', '.join(words)})")


def _identity(code: Repository) -> Iterator[Finding]:
    who = visible(author(code))
    if author_variables() is None and code.config("user", "name") is None:
        yield Finding(
            check="author",
            level=NOTE,
            sentence=f"git knows no user.name; runs are recorded as {who}",
            hint='git config --global user.name "Your Name" (and user.email)',
        )
    else:
        yield Finding(check="author", level=OK, sentence=who)


def _settings(code: Repository | None) -> Iterator[Finding]:
    if code is None or code.work_tree is None:
        return
    try:
        read_settings(code.work_tree)
    except GitmlError as error:
        yield Finding(
            check="settings",
            level=WARNING,
            sentence=error.message,
            hint=error.hint or f"mend {FILE}, or remove it and run gitml init",
        )
        return
    there = (code.work_tree / FILE).exists()
    yield Finding(check="settings", level=OK, sentence=FILE if there else "the defaults")


def _remotes(store: Repository) -> Iterator[Finding]:
    """Look for refspecs by which git fetch itself would write or prune gitml's refs."""
    out = store.run("config", "--null", "--get-regexp", r"^remote\..*\.fetch$", ok=(0, 1))
    for entry in out.decode("utf-8", "replace").split("\0")[:-1]:
        key, _, refspec = entry.partition("\n")
        target = refspec.rpartition(":")[2].lstrip("+")
        start = target.partition("*")[0]
        if start.startswith("refs/gitml") or ("*" in target and "refs/gitml/".startswith(start)):
            yield Finding(
                check="remotes",
                level=WARNING,
                sentence=f"{visible(key)} = {visible(refspec)} lets git fetch overwrite"
                " and prune runs that are only here.",
                hint=f"git config --unset-all {shlex.quote(key)} {shlex.quote(_exact(refspec))}",
            )


def _exact(text: str) -> str:
    """Return the regular expression that git config matches with one value."""
    return "^" + "".join(f"[{c}]" if c in "*+.?$|(){}" else c for c in text) + "$"


def _refs(store: Repository, now: int) -> Iterator[Finding]:
    found = health.check_refs(store, now=now)
    for ref, why in sorted(found.broken.items()):
        yield Finding(
            check="refs",
            level=DAMAGE,
            sentence=f"{visible(ref)} is broken: {why}.",
            hint=health.how_to_remove(store, ref, why),
        )
    for ref in found.foreign:
        yield Finding(
            check="refs",
            level=WARNING,
            sentence=f"{visible(ref)} was not made by gitml, or by a newer one.",
            hint=health.how_to_remove(store, ref),
        )
    for path in found.locks:
        yield Finding(
            check="refs",
            level=WARNING,
            sentence=f"{visible(str(path))} has been locked for more than an hour.",
            hint=f"if no git is running here: rm {shlex.quote(str(path))}",
        )
    hot, ledgers = found.counts.get("runs", 0), found.counts.get("experiments", 0)
    said = f"{plural(hot, 'run')} with a ref of its own" if hot == 1 else ""
    said = said or f"{plural(hot, 'run')} with refs of their own"
    yield Finding(
        check="refs",
        level=OK if hot < MANY_HOT else WARNING,
        sentence=f"{said}, {plural(ledgers, 'ledger')}",
        hint=None if hot < MANY_HOT else "gitml pack seals those that have ended",
    )


def _runs(index: Index) -> Iterator[Finding]:
    wrong = index.quarantined()
    for where, sentence in wrong:
        said = sentence if where in sentence else f"{where}: {sentence}"
        yield Finding(
            check="runs",
            level=DAMAGE,
            sentence=visible(said, 400),
            hint="all else can be read; a clone or a remote may still have it",
        )
    count = index.count(deleted=True)
    if not wrong:
        yield Finding(check="runs", level=OK, sentence=f"{plural(count, 'run')} can be read")


def _live(index: Index, here: Who) -> Iterator[Finding]:
    doubts = index.doubtful(here)
    killed = [r.name for r in index.load([i for i, d in doubts.items() if d == "killed?"])]
    lost = [r.name for r in index.load([i for i, d in doubts.items() if d == "lost?"])]
    if killed:
        yield Finding(
            check="live",
            level=WARNING,
            sentence=f"The program of {_some(killed)} died without a word.",
            hint="gitml pack writes what it had logged and marks it killed",
        )
    if lost:
        yield Finding(
            check="live",
            level=NOTE,
            sentence=f"There has been no news of {_some(lost)} for an hour.",
            hint="if it is dead: gitml pack --stale 1d ends what was silent for a day",
        )
    if not doubts:
        running = index.count(status="running")
        yield Finding(check="live", level=OK, sentence=f"{plural(running, 'run')} running")


def _some(names: Sequence[str]) -> str:
    told = ", ".join(visible(name, 60) for name in names[:_TOLD])
    return told + (f" and {len(names) - _TOLD} more" if len(names) > _TOLD else "")


def _conflicts(index: Index) -> Iterator[Finding]:
    for run in index.search(limit=CONFLICTS_AMONG):
        if run.conflict:
            verb = "was" if len(run.conflict) == 1 else "were"
            yield Finding(
                check="conflicts",
                level=WARNING,
                sentence=f"{_some(run.conflict)} of {visible(run.name)} {verb} given two values;"
                " the earlier one is kept.",
                hint=f"gitml show {run.id[:12]} --history tells by whom",
            )


def _large(store: Repository, index: Index, lfs: str | None) -> Iterator[Finding]:
    _, rows = index.sql("SELECT run, path, sha256 FROM artifacts WHERE store = 'lfs'")
    total, missing = 0, []
    for run, path, sha256 in rows:
        total += 1
        if not is_here(store, Artifact(path=path, sha256=sha256, store="lfs")):
            missing.append(f"{path} of {run}")
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        yield Finding(
            check="large files",
            level=NOTE,
            sentence=f"{plural(len(missing), 'large file')} of {total} {verb} not on this"
            f" machine: {_some(missing)}",
            hint="git lfs fetch --all brings what the remote has",
        )
    elif total:
        said = f"{plural(total, 'large file')}, all on this machine"
        yield Finding(check="large files", level=OK, sentence=said)
    if lfs is not None:
        yield Finding(check="git-lfs", level=OK, sentence=visible(lfs))
    elif total:
        yield Finding(
            check="git-lfs",
            level=WARNING,
            sentence=f"git-lfs is not installed, so {plural(total, 'large file')} cannot be"
            " pushed or fetched.",
            hint="install it: https://git-lfs.com",
        )
    else:
        said = "not installed; needed only to push or fetch large files"
        yield Finding(check="git-lfs", level=OK, sentence=said)


def _leftovers(store: Repository, here: Who, now: int) -> Iterator[Finding]:
    left = health.left_files(store.home, here, now)
    if left:
        yield Finding(
            check="leftovers",
            level=NOTE,
            sentence=f"{plural(len(left), 'file')} of writers that died.",
            hint="gitml gc removes them",
        )


def verify(
    store: Repository, progress: Callable[[int, int], None] = lambda _, __: None
) -> Iterator[Finding]:
    """Read every file and every point of every run; yield what does not verify."""
    trees = run_trees(store)
    for done, (tree, (where, run_id)) in enumerate(trees.items()):
        progress(done, len(trees))
        for sentence in verify_tree(store, run_id, tree):
            yield Finding(
                check="verify",
                level=DAMAGE,
                sentence=f"{visible(where)}: {sentence}",
                hint="a clone or a remote may have an undamaged copy",
            )
