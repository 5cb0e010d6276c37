"""Uncommitted work of runs: what each exact source tree has that the commit has not.

All of it comes from one ``git diff-tree``, however many runs there are; what many
runs have in common is read once.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from gitml.errors import RepositoryError
from gitml.site import redact
from gitml.site.parts import Patch, PatchFile
from gitml.words import size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitml.model import Run
    from gitml.store.git import Repository

_MOST = 512 * 1024
"""Bytes of a difference that are kept; a page says how many there are."""
_LINES, _CHARACTERS = 80, 10_000
"""How much of it stands in a run's own page: lines of a file, and characters of all."""
_FILES = 60
_WIDEST = 300
"""Characters of a line, beyond which a page cuts it."""
_STARTS = 8
"""Processes: one, and one more behind each pair of which git could not read a file."""
_TREE_LIMIT = 8 * 1024 * 1024
# Attributes and settings of this checkout, and how many objects there are, would make it another
# text in another clone; and files that are elsewhere are not worth a connection.
_SETTINGS = (
    *("core.quotePath=false", "core.bigFileThreshold=1m", "core.attributesFile="),
    *("diff.suppressBlankEmpty=false", "diff.renameLimit=1000"),
)
_FIXED = (
    *("-r", "-p", "-M", "--unified=3", "--full-index", "--diff-algorithm=myers"),
    *("--indent-heuristic", "--no-color", "--no-ext-diff", "--no-textconv"),
)
_ENVIRONMENT = {"GIT_ATTR_NOSYSTEM": "1", "GIT_NO_LAZY_FETCH": "1"}
_PAIR = re.compile(rb"[0-9a-f]{40,64} [0-9a-f]{40,64}\n?")
_KINDS = {" ": "same", "+": "add", "-": "del", "@": "hunk"}
_ABSENT = "The exact code of this run is not in the repository that the report was made from."


class Pair(NamedTuple):
    """What is compared."""

    commit: str
    """The commit that was checked out."""
    tree: str
    """The tree that ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a tree has that a commit has not."""

    text: str = ""
    """A unified diff, cut behind a line where it is very large."""
    bytes: int = 0
    """How long the whole of it is."""
    problem: str = ""
    """Why it cannot be shown, in a sentence."""

    @property
    def key(self) -> str:
        """What its file is called by: the beginning of the hash of its text."""
        return hashlib.sha256(self.text.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def pair_of(run: Run, width: int) -> Pair | None:
    """Return what to compare of a run, None if nothing was uncommitted or no objects are named."""
    source = run.source
    if not source.dirty or not source.commit or not source.tree:
        return None
    oid = re.compile(f"[0-9a-f]{{{width}}}")  # whoever may push decides what stands there
    if oid.fullmatch(source.commit) and oid.fullmatch(source.tree):
        return Pair(source.commit, source.tree)
    return None


def at_hand(store: Repository, pairs: Iterable[Pair]) -> dict[Pair, str]:
    """Return the trees that each pair comes down to; nothing for one that is not all here."""
    wanted = list(dict.fromkeys(pairs))
    asked = list(dict.fromkeys(name for p in wanted for name in (_tree_of(p.commit), p.tree)))
    if not asked:
        return {}
    listed = zip(asked, store.bulk(asked, _TREE_LIMIT), strict=True)
    trees = {name: o.oid if o is not None and o.kind == "tree" else "" for name, o in listed}
    both = {pair: (trees[_tree_of(pair.commit)], trees[pair.tree]) for pair in wanted}
    return {pair: " ".join(found) if all(found) else "" for pair, found in both.items()}


def differences(
    store: Repository, known: Mapping[Pair, str], *, hide: bool
) -> Iterator[tuple[Pair, Difference]]:
    """Yield each pair of `at_hand` with what it differs in, in any order.

    With ``hide`` there are no addresses and home folders in it. One that is not wholly
    in the repository has a ``problem`` and no text.
    """
    asked: dict[str, list[Pair]] = {}
    for pair, both in known.items():
        asked.setdefault(both, []).append(pair)
    for both, pairs in asked.items():
        before, _, after = both.partition(" ")
        if before == after:
            found = Difference(problem="" if both else _ABSENT)
            yield from ((pair, found) for pair in pairs)
    wanted = [both for both in asked if both.partition(" ")[0] != both.partition(" ")[2]]
    missed = set(wanted)
    for both, difference in _read(store, wanted):
        missed.discard(both)
        text = redact.text(difference.text) if hide else difference.text
        shown = Difference(text=text, bytes=difference.bytes)
        yield from ((pair, shown) for pair in asked[both])
    for both in sorted(missed):
        yield from ((pair, Difference(problem=_ABSENT)) for pair in asked[both])


def _tree_of(commit: str) -> str:
    return f"{commit}^{{tree}}"


def _read(store: Repository, asked: Sequence[str]) -> Iterator[tuple[str, Difference]]:
    """Yield the difference of each two trees of which git can read all that differs."""
    waiting = list(asked)
    for _ in range(_STARTS):
        if not waiting:
            break
        done = 0
        try:
            for each in _printed(store, waiting):
                done += 1
                yield each
            break
        except RepositoryError:  # of the one behind those that were printed
            waiting = waiting[done + 1 :]


def _printed(store: Repository, asked: Sequence[str]) -> Iterator[tuple[str, Difference]]:
    """Yield each two trees with what git prints of them, in order."""
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    # As if nothing were checked out: a work tree's .gitattributes are not the run's.
    nowhere = str(store.git_dir)
    env = {**_ENVIRONMENT, "GIT_WORK_TREE": nowhere, "GIT_INDEX_FILE": f"{nowhere}/no-index"}
    data = "".join(f"{both}\n" for both in asked).encode()
    words = ("-C", nowhere, *settings, "diff-tree", "--stdin", *_FIXED)
    both = ""
    kept: list[bytes] = []
    total = 0
    for line in store.lines(*words, data=data, env=env):
        heading = _PAIR.fullmatch(line)  # no line of a patch looks like that
        if heading is None:
            total += len(line)
            if total <= _MOST:
                kept.append(line)
            continue
        if both:
            yield both, _difference(kept, total)
        both, kept, total = heading[0].decode().strip(), [], 0
    if both:
        yield both, _difference(kept, total)


def _difference(lines: Sequence[bytes], total: int) -> Difference:
    return Difference(text=b"".join(lines).decode("utf-8", "replace"), bytes=total)


def patch(difference: Difference) -> Patch:
    """Return a difference as a page shows it: the beginning, by file."""
    lines = difference.text.removesuffix("\n").split("\n") if difference.text else []
    starts = [at for at, line in enumerate(lines) if line.startswith("diff --git ")]
    files, left, cut = [], _CHARACTERS, 0
    parts = [lines[s:e] for s, e in zip(starts, [*starts, len(lines)][1:], strict=True)]
    # What was there before tells most of what was changed; new files may be anything.
    for part in sorted(parts, key=lambda part: "".join(part[1:2]).startswith("new")):
        file, taken, dropped = _file(part, min(left, _CHARACTERS // 2))
        files.append(file)
        left, cut = left - taken, cut + dropped
    said = f"{cut:,} more lines" if cut else ""
    if difference.bytes > _MOST:
        said = f"only the beginning of {size(difference.bytes)}"
    return Patch(
        files=tuple(files[:_FILES]),
        count=len(files),
        added=sum(file.added for file in files),
        removed=sum(file.removed for file in files),
        cut=said,
        size=size(difference.bytes),
        key=difference.key if difference.text else "",
        problem=difference.problem,
    )


def _file(lines: Sequence[str], most: int) -> tuple[PatchFile, int, int]:
    """Return a file's part of a patch, how many characters that is, and how many lines less.

    In the page there are ``most`` characters of it.
    """
    start = next((at for at, line in enumerate(lines) if line.startswith("@@ ")), len(lines))
    head, body = lines[:start], lines[start:]
    path, kind = _told(head)
    kept, taken = [], 0
    for line in body[:_LINES]:
        cut = line if len(line) <= _WIDEST else f"{line[:_WIDEST]}…"
        taken += len(cut)
        if taken > most:
            break
        kept.append(cut)
    blocks = groupby(kept, key=lambda line: _KINDS.get(line[:1], "hunk"))
    file = PatchFile(
        path=path,
        kind=kind,
        added=sum(line.startswith("+") for line in body),
        removed=sum(line.startswith("-") for line in body),
        blocks=tuple((kind, "\n".join(block)) for kind, block in blocks),
    )
    return file, sum(map(len, kept)), len(body) - len(kept)


def _told(head: Sequence[str]) -> tuple[str, str]:
    """Return the path of a file and what became of it, as the heading of its patch says."""
    named = [
        line[len(mark) :].rstrip("\t")
        for mark in ("rename to ", "+++ b/", "--- a/")
        for line in head
        if line.startswith(mark)
    ]
    path = named[0] if named else head[0].rpartition("b/")[2].rstrip('"')
    kinds = {"new": "new", "deleted": "removed", "rename": "renamed", "Binary": "binary"}
    words = {line.partition(" ")[0] for line in head}
    return path, ", ".join(word for name, word in kinds.items() if name in words)
