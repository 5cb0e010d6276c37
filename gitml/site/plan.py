"""The hook for families of pages: what they are given, and what they say they will write.

A family is a module with ``outputs(site) -> Iterator[Output]``, and a line in
`gitml.site.build.FAMILIES`. It is asked before anything is written, so that all
addresses are known; what it makes is made later, and only where the key is new.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gitml.data import json_text
from gitml.site import urls
from gitml.site.pages import PAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitml.model import Json, Run
    from gitml.site.gather import Frames, Gathered, Options
    from gitml.site.render import Templates
    from gitml.store.git import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A file of the site, before it is made."""

    address: str
    """Where it lies below the top."""
    make: Callable[[], bytes]
    """What makes it; not called where a file with the same key is there."""
    key: str = ""
    """`Site.key` of all that it is made from. Without one it is always made, and written only
    if its bytes are others: right for what tells of all runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """All that pages are made from, as of one moment."""

    gathered: Gathered
    """The runs and what is said of all of them, as it may be shown."""
    frames: Frames
    """Makes what every page has around its content."""
    store: Repository
    """The repository; its refs stay what they were."""
    options: Options
    """What somebody asked for."""
    templates: Templates
    """What pages look like."""
    common: str
    """A hash of what every page depends on: the look, the options, the title and the tabs."""
    sparks: dict[str, str] = field(default_factory=dict)
    """The sparkline of each run by id; there once the pages of runs are made, which come first."""

    contexts: dict[str, Any] = field(default_factory=dict)
    """What one page is made from, by its name, where another page tells of it."""
    notes: dict[str, Json] = field(default_factory=dict)
    """What the next build wants to know of this one."""

    def page(self, name: str, context: Any) -> bytes:
        """Return a page of `PAGES`; raise `InputError` for a template that cannot be used."""
        return self.templates.render(PAGES[name], context)

    def key(self, *parts: str) -> str:
        """Return a hash of ``parts`` and of what every page depends on."""
        return hashed(self.common, *parts)

    def made(self, run: Run) -> str:
        """Return what a run was read from, or else all of it, as text."""
        return self.gathered.made_of[run.id] or repr(run)


def hashed(*parts: str) -> str:
    """Return 16 digits that tell these texts from others."""
    text = "\0".join(parts).encode("utf-8", "backslashreplace")
    return hashlib.sha256(text).hexdigest()[:16]


def data_files(name: str, document: Callable[[], Json], key: str = "") -> Iterator[Output]:
    """Yield ``data/NAME.json`` and its twin ``data/NAME.js``, made of one document.

    The twin hands the text to ``gitml.take(NAME, text)``: a page that is opened from a
    disk may load a script, and nothing else.
    """
    text = functools.cache(lambda: json_text(document()))
    yield Output(address=urls.data(name, "json"), make=lambda: text().encode(), key=key)
    yield Output(address=urls.data(name, "js"), make=lambda: as_script(name, text()), key=key)


def as_script(name: str, text: str) -> bytes:
    """Return JSON as a script that hands it over.

    The JSON is one text to the script, so that no key of it means anything there.
    """
    quoted = text.replace("\\", "\\\\").replace("'", "\\'").replace("<", "\\x3c")
    return f"gitml.take({json.dumps(name)},'{quoted}');\n".encode()
