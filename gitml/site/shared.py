"""Files that several runs share: lists of packages, and uncommitted changes.

Each is called by a hash of its content, written once, and stays as long as a run
has it. Which run has which is kept in the folder's notes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.data import json_text
from gitml.model import SCHEMA
from gitml.site import code, urls
from gitml.site.packages import installed
from gitml.site.plan import as_script

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitml.model import Json, Run
    from gitml.site.code import Pair
    from gitml.site.packages import Packages
    from gitml.site.parts import Patch
    from gitml.site.plan import Site
    from gitml.site.write import Folder

_NOTE = "shared"
_PACKAGES, _CODE = ("packages", "txt"), ("code", "diff")
"""The folder below ``data/``, and what the file for people ends in; scripts have a twin."""


class Shared:
    """What runs share: read for those that are made anew, left alone for the others."""

    def __init__(self, site: Site, folder: Folder) -> None:
        """Look which uncommitted work can be read, and which files there are."""
        self._site, self._folder = site, folder
        width = site.store.oid_width
        found = ((run.id, code.pair_of(run, width)) for run in site.gathered.runs)
        self._pairs: dict[str, Pair] = {run_id: pair for run_id, pair in found if pair is not None}
        self._at_hand = code.at_hand(site.store, self._pairs.values())
        self._patches: dict[Pair, Patch] = {}
        self._packages: dict[str, Packages] = {}
        notes = folder.notes.get(_NOTE)
        self._before: Mapping[str, Json] = notes if isinstance(notes, dict) else {}
        self._names: dict[str, list[str]] = {}
        self._settled: dict[str, bool] = {}

    def told(self, run: Run) -> str:
        """Return what the page of a run depends on beside the run itself."""
        pair = self._pairs.get(run.id)
        return "" if pair is None else str(bool(self._at_hand[pair]))

    def stay(self, run: Run) -> bool:
        """Say whether the files of a run that is not made anew are there; then they stay."""
        short = self._site.gathered.keys[run.id]
        match self._before.get(short, ["", ""]):
            case [str(packages), str(code_key)]:
                names = [packages, code_key]
            case _:
                return False
        both = zip((_PACKAGES, _CODE), names, strict=True)
        if not all(self._is_there(kind, name) for kind, name in both if name):
            return False
        self._names[short] = names
        return True

    def read(self, runs: Sequence[Run]) -> None:
        """Read what runs that are made anew share, and write the files of it."""
        store, hide = self._site.store, self._site.options.redact
        listed = installed(store, runs, self._site.gathered.made_of, hide=hide)
        for run, found in zip(runs, listed, strict=True):
            if found is not None:
                self._packages[run.id] = found
                document: Json = {"schema": SCHEMA, "packages": found.versions()}
                self._put([run], _PACKAGES, found.key, found.text, document)
        wanted: dict[Pair, list[Run]] = {}
        for run in runs:
            if run.id in self._pairs:
                wanted.setdefault(self._pairs[run.id], []).append(run)
        at_hand = {pair: self._at_hand[pair] for pair in wanted}
        for pair, made in code.differences(store, at_hand, hide=hide):
            if made.text:
                document = {"schema": SCHEMA, "bytes": made.bytes, "diff": made.text}
                self._put(wanted[pair], _CODE, made.key, made.text, document)
            self._patches[pair] = code.patch(made)

    def _is_there(self, kind: tuple[str, str], name: str) -> bool:
        """Say whether a file and its twin are there, or will be; then they stay."""
        path = f"{kind[0]}/{name}"
        if path not in self._settled:
            key = self._site.key(path)
            there = [self._folder.has(urls.data(path, ending), key) for ending in (kind[1], "js")]
            self._settled[path] = all(there)
        return self._settled[path]

    def _put(
        self, runs: Sequence[Run], kind: tuple[str, str], name: str, text: str, document: Json
    ) -> None:
        """Note whose file it is, and write it with its twin unless it is there."""
        for run in runs:
            names = self._names.setdefault(self._site.gathered.keys[run.id], ["", ""])
            names[(_PACKAGES, _CODE).index(kind)] = name
        if self._is_there(kind, name):
            return
        path = f"{kind[0]}/{name}"
        key = self._site.key(path)
        data = text.encode("utf-8", "backslashreplace")
        self._folder.put(urls.data(path, kind[1]), data, key)
        self._folder.put(urls.data(path, "js"), as_script(path, json_text(document)), key)
        self._settled[path] = True

    def patch(self, run: Run) -> Patch | None:
        """Return the uncommitted changes of a run that `read` was given, None without any."""
        pair = self._pairs.get(run.id)
        return None if pair is None else self._patches[pair]

    def packages(self, run: Run) -> Packages | None:
        """Return the packages of a run that `read` was given, None without a list."""
        return self._packages.get(run.id)

    def notes(self) -> dict[str, Json]:
        """Return what is to be known the next time."""
        return {_NOTE: {short: names for short, names in sorted(self._names.items()) if any(names)}}
