"""Sites for the tests: built in this process, over runs made without a training script."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest

from gitml.query.index import open_index
from gitml.site.build import Sources, build
from gitml.site.gather import Options
from gitml.site.write import Folder
from gitml.store.git import open_repository
from gitml.store.snapshot import snapshot
from tests.support import START

NOW = START + 10**9


def document(text):
    """Return the JSON of a file, or of a script that hands it over as one text."""
    script = re.fullmatch(r"gitml\.take\(\"[^\"]+\",'(.*)'\);\n", text)
    if script is None:
        return json.loads(text)
    return json.loads(re.sub(r"\\(x3c|.)", lambda m: "<" if m[1] == "x3c" else m[1], script[1]))


@pytest.fixture
def make_site(tmp_path):
    """Return ``make_site(repo, folder="site", check=False, **options)``: what became of the folder.

    The answer has ``path``, ``done``, and ``text(address)`` and ``data(address)`` to read files;
    data may lie in a script that hands it over.
    """

    def make(repo, folder="site", *, check=False, **options):
        path = tmp_path / folder
        store = open_repository(repo)
        try:
            with open_index(store, now=NOW) as index:
                sources = Sources(index=index, store=snapshot(store))
                done = build(sources, Folder(path, check=check), Options(**options))
        finally:
            store.close()
        return SimpleNamespace(
            path=path,
            done=done,
            text=lambda address: (path / address).read_text(encoding="utf-8"),
            data=lambda address: document((path / address).read_text(encoding="utf-8")),
        )

    return make


@pytest.fixture
def files_of():
    """Return ``files_of(folder)``: the bytes of every file in it by its path."""

    def read(folder):
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    return read
