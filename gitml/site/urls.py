"""Addresses of pages and files of the site; nothing else makes one."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import TYPE_CHECKING

from gitml.names import SITE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterable

OVERVIEW = "index.html"
RUNS = "runs.html"
COMPARE = "compare.html"
EXPLORE = "explore.html"
REGRESSIONS = "regressions.html"
ABOUT = "about.html"
MISSING = "404.html"
FEED = "feed.atom"
MODELS = "models.html"
LINEAGE = "lineage.html"
ACTIVITY = "activity.html"
RUNS_JSON = "data/runs.json"
RUNS_JS = "data/runs.js"
RUNS_CSV = "data/runs.csv"
MANIFEST = SITE_MANIFEST
BUILDING = ".gitml-build"
"""A folder that is there while a build writes."""
NO_JEKYLL = ".nojekyll"
"""Tells GitHub Pages to publish the files as they are."""

_SHORT = 12


def run_keys(ids: Iterable[str]) -> dict[str, str]:
    """Return how the site calls each run: 12 digits of its id, all where two begin alike."""
    listed = list(ids)
    taken = Counter(i[:_SHORT] for i in listed)
    return {i: i[:_SHORT] if taken[i[:_SHORT]] == 1 else i for i in listed}


def run_page(key: str) -> str:
    """Return the page of a run."""
    return f"runs/{key}.html"


def run_js(key: str) -> str:
    """Return the script that hands over all of a run as JSON."""
    return f"data/runs/{key}.js"


def data(name: str, ending: str) -> str:
    """Return where data lies: ``json`` for programs, ``js`` as a script for pages on a disk."""
    return f"data/{name}.{ending}"


def model_page(key: str) -> str:
    """Return the page of a model."""
    return f"models/{key}.html"


def version_page(key: str, version: str) -> str:
    """Return the page of a version of a model."""
    return f"models/{key}/{version}.html"


def model_json(key: str) -> str:
    """Return the file with all of a model as JSON."""
    return f"data/models/{key}.json"


def file_keys(names: Iterable[str]) -> dict[str, str]:
    """Return for each name one that any file system and address can have.

    A harmless name is its own; another is cleaned and gets the beginning of its hash.
    No two are alike, also where the case of letters does not count.
    """
    listed = dict.fromkeys(names)
    found = {name: name for name in listed if _is_harmless(name)}
    taken = {*found}
    for name in listed:
        if name in found:
            continue
        cleaned = re.sub(r"[^a-z0-9_.]+", "-", name.lower()).strip("-_.")[:60].strip("-_.")
        cleaned = f"x-{cleaned}" if _DEVICE.match(cleaned) else cleaned
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        for digits in (8, len(digest)):
            found[name] = f"{cleaned or 'x'}--{digest[:digits]}"
            if found[name] not in taken:
                break
        taken.add(found[name])
    return found


def _is_harmless(name: str) -> bool:
    # The folder of a model that is called x.html must not be where the page of x lies.
    usable = _HARMLESS.fullmatch(name) and not name.endswith(".html")
    return bool(usable) and _DEVICE.match(name) is None


_DEVICE = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9])(?:\.|$)")
"""What Windows takes for a device, whatever it ends in."""
_HARMLESS = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,98}[a-z0-9])?")


def artifact(key: str, nth: int, path: str) -> str:
    """Return where the copy of a run's artifact lies; its name keeps what is harmless."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.rpartition("/")[2]).lstrip(".-")[-60:] or "file"
    return f"files/{key}/{nth}-{name}"


def root(address: str) -> str:
    """Return the way from a page to the top of the site: nothing, or ``../`` for each folder."""
    return "../" * address.count("/")
