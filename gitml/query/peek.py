"""What the index and the files of refs hold, as they lie there: for completion, which never waits.

Neither git nor the rest of the index is loaded, nothing is brought up to date,
and whatever goes wrong, there is just nothing to propose.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import sqlite3
from typing import TYPE_CHECKING

from gitml.query.schema import VERSION

if TYPE_CHECKING:
    from pathlib import Path

FILE = "index.sqlite"
MOST = 60
"""Words that are proposed at the most."""
_SECONDS = 0.1
# A word is typed into somebody's shell, and anybody may have named a run: nothing
# that a shell expands, splits or runs.
_SAFE = re.compile(r"[\w.+@%,/-]+")
_REFERENCE = re.compile(r"[\w.+@%,/-][\w.+@%,/#-]*")
_VERSION = re.compile(r"[^@#!]+@v[^@#!]+")
_STAGED = re.compile(r"([^@#!]+)#([^@#!]+)!?#[0-9]+")
_QUERIES = {
    "runs": """
        SELECT name FROM run WHERE NOT deleted AND name >= :word AND name < :above
        ORDER BY created DESC LIMIT :most""",
    "experiments": """
        SELECT name FROM ledger WHERE NOT deleted AND name >= :word AND name < :above
        UNION SELECT experiment FROM run
        WHERE NOT deleted AND experiment >= :word AND experiment < :above
        ORDER BY name LIMIT :most""",
    "metrics": """
        SELECT name FROM key WHERE kind = 'metrics' AND name >= :word AND name < :above
        ORDER BY name LIMIT :most""",
    "keys": """
        SELECT DISTINCT name FROM key WHERE name >= :word AND name < :above
        ORDER BY name LIMIT :most""",
}


def peek(start: Path, kind: str, word: str) -> list[str]:
    """Return names that begin with ``word``: of runs, experiments, metrics or keys.

    ``start`` is a folder in the repository, or the repository. Names that a shell
    would take for something else are left out.
    """
    with contextlib.suppress(OSError, ValueError, sqlite3.Error):
        home = _home(start)
        if home is not None and (home / FILE).is_file():
            return _names(home / FILE, kind, word)
    return []


def glance(start: Path, kind: str, word: str) -> list[str]:
    """Return ``models``, ``references`` or ``stages`` that begin with ``word``.

    They are read off the names of git's refs, as files have them: a stage that was
    emptied is among them, and a repository with reftables has nothing to propose.
    """
    with contextlib.suppress(OSError, ValueError):
        home = _home(start)
        if home is not None:
            words = _reference_words(_ref_names(home.parent), kind)
            fitting = (w for w in sorted(words) if w.startswith(word) and _REFERENCE.fullmatch(w))
            return list(itertools.islice(fitting, MOST))
    return []


def _ref_names(common: Path) -> set[str]:
    found = set()
    for below in ("refs/gitml/models", "refs/tags"):
        folder = common / below
        if folder.is_dir():
            found |= {f"{below}/{p.relative_to(folder).as_posix()}" for p in folder.rglob("*")}
    packed = common / "packed-refs"
    if packed.is_file():
        text = packed.read_text(encoding="utf-8", errors="replace")
        found |= {line.partition(" ")[2] for line in text.splitlines() if " refs/" in line}
    return found


def _reference_words(refs: set[str], kind: str) -> set[str]:
    models = {r.removeprefix("refs/gitml/models/") for r in refs if r.startswith("refs/gitml/mo")}
    tags = [r.removeprefix("refs/tags/") for r in refs if r.startswith("refs/tags/")]
    staged = [found for tag in tags if (found := _STAGED.fullmatch(tag)) and found[1] in models]
    if kind == "models":
        return models
    if kind == "stages":
        return {found[2] for found in staged}
    versions = {t for t in tags if _VERSION.fullmatch(t) and t.partition("@")[0] in models}
    return {*versions, *(f"{found[1]}#{found[2]}" for found in staged)} | {
        f"{tag.partition('@')[0]}@latest" for tag in versions
    }


def _names(file: Path, kind: str, word: str) -> list[str]:
    uri = f"{file.absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_SECONDS)) as connection:
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            return []
        given = {"word": word, "above": f"{word}\U0010ffff", "most": MOST}
        found = connection.execute(_QUERIES[kind], given).fetchall()
    return [name for (name,) in found if isinstance(name, str) and _SAFE.fullmatch(name)]


def _home(start: Path) -> Path | None:
    """Return gitml's folder in the repository around ``start``, found without git."""
    for place in (start, *start.parents):
        git = place / ".git"
        if git.is_file():  # a linked work tree or a submodule
            pointed = git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
            git = place / pointed
        elif not git.is_dir():
            git = place  # a bare repository?
        if (git / "HEAD").is_file():
            common = git / "commondir"
            shared = common.read_text(encoding="utf-8").strip() if common.is_file() else ""
            return git / shared / "gitml"
    return None
