"""Where the links of a site lead."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

BASE = "https://site.invalid/"
LINKS = {"href", "src"}


class _Page(HTMLParser):
    """The links of a page, and what can be linked to in it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, _, attrs):
        found = dict(attrs)
        self.ids.add(found.get("id"))
        if found.get("rel") != "canonical":
            self.links += [found[name] for name in LINKS & found.keys()]


def walk(folder, base_url=""):
    """Return (links that lead nowhere, pages that no other page leads to).

    A fragment with ``=`` is the state of a view, not a place. ``base_url`` is where the site
    is published: links may also be written from there.
    """
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    pages = {
        name: _Page(path.read_text(encoding="utf-8"))
        for name, path in files.items()
        if path.suffix in {".html", ".atom"}
    }
    path = urlsplit(base_url).path.lstrip("/")
    starts = (f"{base_url}/", f"{BASE}{path}/") if base_url else ()
    broken, seen = [], {"index.html", "404.html"}
    for name, page in pages.items():
        for link in page.links:
            whole = urljoin(BASE + name, link)
            for start in starts:
                if whole.startswith(start):
                    whole = BASE + whole.removeprefix(start)
            if not whole.startswith(BASE):
                if urlsplit(whole).scheme not in {"https", "http", "data"}:
                    broken.append((name, link))
                continue
            target = unquote(urlsplit(whole).path.lstrip("/"))
            place = unquote(urlsplit(whole).fragment)
            there = pages.get(target)
            if target != name:
                seen.add(target)
            missing = place and "=" not in place and there and place not in there.ids
            if missing or target not in files or not files[target].is_file():
                broken.append((name, link))
    return broken, sorted(pages.keys() - seen)
