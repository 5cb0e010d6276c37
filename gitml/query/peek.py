"""What the index knows, as it lies there: for shell completion, which waits for nobody.

Neither git nor the rest of the index is loaded, nothing is brought up to date,
and whatever goes wrong, there is just nothing to propose.
"""

from __future__ import annotations

import contextlib
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
