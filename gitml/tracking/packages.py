"""What is installed: the distributions of this interpreter, as pip would list them.

``importlib.metadata`` parses every METADATA file as an e-mail message; two of
its headers are all that is needed, and reading just those is many times faster.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gitml.redact import strip_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HEADER_BYTES = 4096
_NAME = re.compile(rb"^Name:[ \t]*(\S+)", re.MULTILINE | re.IGNORECASE)
_VERSION = re.compile(rb"^Version:[ \t]*(\S+)", re.MULTILINE | re.IGNORECASE)
_SEPARATORS = re.compile(r"[-_.]+")

_seen: tuple[tuple[tuple[str, int], ...], str] | None = None


def requirements(path: Iterable[str] | None = None) -> str:
    """Return a line for each distribution on ``path``, sorted by normalised name.

    ``name==version`` as a rule. What was installed from a URL (PEP 610: git, an
    archive, a folder) is ``name @ url  # version``, credentials removed; a local
    file or folder that is gone since says nothing and counts as ``name==version``.
    ``path`` is ``sys.path`` if not given. The first of one name counts, as in an
    import. Read again only when a folder has changed.
    """
    global _seen  # noqa: PLW0603 - one interpreter has one set of packages
    stamp = tuple(_stamps(sys.path if path is None else path))
    if _seen is None or _seen[0] != stamp:
        found: dict[str, str] = {}
        for place, _ in stamp:
            for name, line in sorted(_installed(place)):
                found.setdefault(name, line)
        _seen = (stamp, "".join(f"{found[name]}\n" for name in sorted(found)))
    return _seen[1]


def normalized(name: str) -> str:
    """Return the name of a distribution in the form PEP 503 gives it."""
    return _SEPARATORS.sub("-", name).lower()


def _stamps(path: Iterable[str]) -> Iterator[tuple[str, int]]:
    """Each place on ``path`` that exists, with the time it last changed."""
    for entry in dict.fromkeys(path):
        with suppress(OSError, ValueError):
            yield entry or ".", os.stat(entry or ".").st_mtime_ns


def _installed(place: str) -> Iterator[tuple[str, str]]:
    """Yield (normalised name, line) of each distribution in one place of ``sys.path``."""
    if not os.path.isdir(place):
        yield from _zipped(place)
        return
    for folder, header in _metadata(place):
        with suppress(OSError):
            text = _head(header)
            name, version = _NAME.search(text), _VERSION.search(text)
            if name and version:
                plain = normalized(name[1].decode("utf-8", "replace"))
                yield plain, _line(plain, version[1].decode("utf-8", "replace"), folder)


def _metadata(place: str) -> Iterator[tuple[str, str]]:
    """Yield (folder, file with the headers) of each distribution in a folder."""
    egg = place.endswith(".egg")
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            lower = entry.name.lower()
            if lower.endswith(".dist-info"):
                yield entry.path, os.path.join(entry.path, "METADATA")
            elif lower.endswith(".egg-info") or (egg and lower == "egg-info"):
                if entry.is_dir():
                    yield entry.path, os.path.join(entry.path, "PKG-INFO")
                else:
                    yield place, entry.path


def _head(path: str) -> bytes:
    """Return the headers of a METADATA file, or more."""
    with open(path, "rb", buffering=0) as file:
        text = file.read(_HEADER_BYTES)
        while not (_NAME.search(text) and _VERSION.search(text)):
            more = file.read(_HEADER_BYTES)
            if not more or b"\n\n" in text:
                break
            text += more
    return text


def _zipped(place: str) -> Iterator[tuple[str, str]]:
    """Yield the distributions in a zip file on ``sys.path``."""
    from importlib.metadata import distributions

    for found in distributions(path=[place]):
        name: str | None = found.metadata["Name"]
        if name:
            yield normalized(name), f"{normalized(name)}=={found.version}"


def _line(name: str, version: str, folder: str) -> str:
    """Return the line of one distribution, with the URL it came from if it says so."""
    try:
        with open(os.path.join(folder, "direct_url.json"), encoding="utf-8") as file:
            import json

            url = address_of(json.load(file))
    except (OSError, ValueError, TypeError, AttributeError, LookupError):  # absent, or not PEP 610
        url = None
    return f"{name} @ {url}  # {version}" if url else f"{name}=={version}"


def address_of(direct: Any) -> str | None:
    """Return the URL of a ``direct_url.json`` (PEP 610) as pip takes it, None if it leads nowhere.

    Conda and CI images leave the URL of the folder they built in, long gone.
    """
    url = "".join(strip_credentials(direct["url"]).split())
    fragment = [f"subdirectory={direct['subdirectory']}"] if direct.get("subdirectory") else []
    if vcs := direct.get("vcs_info"):
        url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    elif url.startswith("file:") and not _is_there(url):
        return None
    elif archive := direct.get("archive_info"):
        hashes = archive.get("hashes") or {}
        if "sha256" in hashes:
            fragment.insert(0, f"sha256={hashes['sha256']}")
        elif archive.get("hash"):
            fragment.insert(0, archive["hash"])
    return f"{url}#{'&'.join(fragment)}" if fragment else url


def _is_there(url: str) -> bool:
    from urllib.parse import unquote, urlsplit

    path = unquote(urlsplit(url).path)
    return os.path.exists(path.lstrip("/") if os.name == "nt" else path)
