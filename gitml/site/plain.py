"""Pages without data of their own: compare, which scripts fill, about, and the one for no page."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gitml import __version__
from gitml.names import plural
from gitml.site import urls
from gitml.site.pages import PAGES, Note
from gitml.site.parts import Pair
from gitml.site.plan import Output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitml.site.gather import Options
    from gitml.site.plan import Site

_TITLES = {"compare": "Compare", "about": "About", "missing": "Not found"}


def outputs(site: Site) -> Iterator[Output]:
    """Yield the pages, and what tells GitHub Pages to publish the files as they are."""
    yield Output(address=urls.NO_JEKYLL, make=lambda: b"")
    for name in _TITLES:
        page = PAGES[name]
        yield Output(address=page.address, make=partial(_page, site, name), key=site.key(name))


def _page(site: Site, name: str) -> bytes:
    frame = site.frames.frame(PAGES[name].address, _TITLES[name], dated=False)
    if name == "missing" and frame.base_url:  # a host answers with it from any folder
        root = urlsplit(frame.base_url).path
        tabs = tuple(replace(tab, href=root + tab.href) for tab in frame.tabs)
        frame = replace(frame, root=root, tabs=tabs)
    facts = _facts(site.options) if name == "about" else ()
    return site.page(name, Note(frame=frame, facts=facts))


def _facts(options: Options) -> tuple[Pair, ...]:
    facts = [Pair(name="Made by", value=f"gitml {__version__}")]
    if options.redact:
        hidden = "e-mail addresses, host names, home folders and credentials"
        facts.append(Pair(name="Left out", value=hidden))
    if options.where:
        facts.append(Pair(name="Only runs with", value=options.where, mono=True))
    if options.experiments:
        facts.append(Pair(name="Only experiments", value=", ".join(options.experiments)))
    points = plural(options.max_points, "point")
    facts.append(Pair(name="Curves", value=f"at most {points} of each metric"))
    return tuple(facts)
