"""Markdown of people into HTML that cannot do anything: the one door to markdown_it.

Model cards, notes and descriptions come from anybody who may push. Of what the parser
finds only the marks named here are written; HTML in the text loses its tags, links lead
to ``http(s)`` or to a heading of the same text, and a picture is its description, because
a page may load nothing from elsewhere.
"""

from __future__ import annotations

import functools
import re
from html import escape, unescape
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from markdown_it.token import Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_DEEPEST = 6
_WEB = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)
_BARE = re.compile(r"https?://[^\s<>\"'`|\\\[\]]+", re.IGNORECASE)
_BEHIND = ".,;:!?*_~"
_TASK = re.compile(r"\[([ xX])\](?=\s)")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HIDDEN = re.compile(r"<(script|style|template)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_ALT = re.compile(r"<img\b[^<>]*?\balt\s*=\s*[\"']([^\"'<>]*)[\"'][^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z!?][^<>]*>")


def rendered(text: str, *, level: int = 3, anchors: str = "", breaks: bool = False) -> str:
    """Return Markdown as HTML that may stand in a page as it is.

    The outermost headings are ``<hLEVEL>`` and none leaves a level out. With ``anchors``
    headings have ids that begin with it, and links to them work. With ``breaks`` a new
    line is one, as in a comment.
    """
    parser = _parser()
    tokens = parser.parse(text)
    places = _headings(tokens, level, anchors)
    for token in tokens:
        if token.type == "inline":
            token.children = list(_inline(token.children or [], places))
            if breaks:
                _break(token.children)
    kept = [*_blocks(tokens)]
    return str(parser.renderer.render(kept, parser.options, {}))


@functools.cache
def _parser() -> MarkdownIt:
    options = {"html": True, "xhtmlOut": False}  # to know HTML, not to write it
    parser = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    # What may be a link is decided in `_href`, where the text of one that may not stays.
    parser.validateLink = lambda url: True  # type: ignore[method-assign]  # noqa: ARG005
    return parser


def _headings(tokens: Sequence[Token], level: int, anchors: str) -> dict[str, str]:
    """Set the level and the id of headings, and return the ids by what links call them."""
    places: dict[str, str] = {}
    counts: dict[str, int] = {}
    above: list[int] = []
    for at, token in enumerate(tokens):
        if token.type != "heading_open":
            continue
        words = _words(tokens[at + 1].children or []).strip()
        if not words:  # it is not written
            continue
        rank = int(token.tag[1:])
        above = [*(each for each in above if each < rank), rank]
        token.tag = tokens[at + 2].tag = f"h{min(level + len(above) - 1, _DEEPEST)}"
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        if anchors and slug:
            nth = counts.get(slug, 0)
            while (name := f"{slug}-{nth}" if nth else slug) in places:
                nth += 1
            counts[slug] = nth + 1
            places[name] = f"{anchors}-{name}"
            token.attrSet("id", places[name])
    return places


def _words(children: Iterable[Token]) -> str:
    """Return the text of a line without its marks."""
    return "".join(
        _words(c.children or []) if c.type == "image" else c.content
        for c in children
        if c.type != "html_inline"
    )


def _blocks(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield what is written of blocks: nothing empty, and no HTML but its words."""
    silent = ""
    for at, token in enumerate(tokens):
        if silent:
            silent = "" if token.type == silent else silent
        elif token.type in {"heading_open", "paragraph_open"} and _is_empty(tokens[at + 1]):
            silent = token.type.replace("open", "close")
        elif token.type == "html_block":
            yield from _paragraphs(token.content)
        elif token.type == "table_open":
            yield _raw('<div class="scroll" tabindex="0" role="group" aria-label="Table">')
            yield token
        elif token.type == "table_close":
            yield token
            yield _raw("</div>\n")
        elif token.type in {"th_open", "th_close", "td_open", "td_close"}:
            yield _cell(token, tokens, at)
        elif token.type in {"fence", "code_block"}:
            yield _raw(f'<pre tabindex="0"><code>{escape(token.content)}</code></pre>\n')
        else:
            yield token


def _is_empty(inline: Token) -> bool:
    return not any(c.content.strip() for c in inline.children or [])


def _cell(token: Token, tokens: Sequence[Token], at: int) -> Token:
    """Return the beginning or the end of a cell; a heading without words is none."""
    line = tokens[at + 1] if token.nesting > 0 else tokens[at - 1]
    style = str(token.attrs.pop("style", ""))
    if token.nesting > 0 and not style.endswith(":left") and style:
        token.attrSet("class", "num" if style.endswith(":right") else "mid")
    if token.type.startswith("th") and _is_empty(line):
        token.tag = "td"
    elif token.type == "th_open":
        token.attrSet("scope", "col")
    return token


def _paragraphs(html: str) -> Iterator[Token]:
    for part in re.split(r"\n\s*\n", _stripped(html)):
        if part.strip():
            yield _raw(f"<p>{escape(part.strip())}</p>\n")


def _stripped(html: str) -> str:
    """Return the words of HTML."""
    html = _HIDDEN.sub("", _COMMENT.sub("", html))
    return unescape(_TAG.sub("", _ALT.sub(r"\1", html)))


def _inline(children: Sequence[Token], places: Mapping[str, str]) -> Iterator[Token]:
    """Yield what is written of a line: marks, text, and links that may be followed."""
    href, written = "", False  # where the link that is open leads, and whether it has words
    for at, token in enumerate(children):
        if token.type == "link_open":
            href, written = _href(str(token.attrs.get("href", "")), places), False
            if href:
                token.attrs["href"] = href
                yield token
        elif token.type == "link_close":
            if href:
                yield from [token] if written else [_text(href), token]
            href = ""
        else:
            for each in _plain(token, first=not at, linked=bool(href)):
                written = written or bool(each.content.strip())
                yield each


def _plain(token: Token, *, first: bool, linked: bool) -> Iterator[Token]:
    """Yield what is written of a mark that is no link; in a link there is no other."""
    if token.type == "image":
        words = _words(token.children or []).strip()
        address = "" if linked else _href(str(token.attrs.get("src", "")), {})
        yield from _link(address, words or "picture") if address else [_text(words)]
    elif token.type == "html_inline":
        if re.fullmatch(r"<br\s*/?>", token.content, re.IGNORECASE):
            yield Token("hardbreak", "br", 0)
    elif token.type == "text":
        words = _task(token.content) if first else token.content
        yield from [_text(words)] if linked else _linked(words)
    else:
        yield token


def _href(url: str, places: Mapping[str, str]) -> str:
    """Return where a link leads, nothing if it leads nowhere that a page may name."""
    if url.startswith("#"):
        found = places.get(unescape(url[1:]).lower(), "")
        return f"#{found}" if found else ""
    return url if _WEB.match(url) else ""


def _linked(text: str) -> Iterator[Token]:
    """Yield text, with addresses that stand in it as links."""
    end = 0
    for found in _BARE.finditer(text):
        address = found[0].rstrip(_BEHIND)
        more = address.count(")") - address.count("(")
        while address.endswith(")") and more > 0:
            address, more = address[:-1].rstrip(_BEHIND), more - 1
        if _WEB.match(address):
            yield _text(text[end : found.start()])
            yield from _link(address, address)
            end = found.start() + len(address)
    yield _text(text[end:])


def _link(address: str, words: str) -> Iterator[Token]:
    yield Token("link_open", "a", 1, attrs={"href": address})
    yield _text(words)
    yield Token("link_close", "a", -1)


def _task(text: str) -> str:
    """Return the beginning of a line with the box of a task list as a character."""
    return _TASK.sub(lambda box: "☐" if box[1] == " " else "☑", text, count=1)


def _break(children: Iterable[Token]) -> None:
    for token in children:
        if token.type == "softbreak":
            token.type = "hardbreak"


def _text(words: str) -> Token:
    return Token("text", "", 0, content=words)


def _raw(html: str) -> Token:
    """Return HTML of our own making."""
    return Token("html_block", "", 0, content=html)
