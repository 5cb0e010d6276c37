"""A run as one file: its page with all that it loads inside, to send to somebody.

It asks nothing of any other file or server. Its policy allows its own scripts by their
hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from posixpath import join, normpath
from typing import TYPE_CHECKING

from gitml import __version__
from gitml.errors import InputError, RefusedError, StorageError
from gitml.names import visible
from gitml.site import run_pages, urls
from gitml.site.gather import Frames, gather
from gitml.site.plan import Site, hashed
from gitml.site.render import Templates
from gitml.site.write import Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitml.model import Run
    from gitml.site.build import Sources
    from gitml.site.gather import Options

GENERATOR = b'<meta name="generator" content="gitml '
"""What tells a page of gitml's from somebody else's file."""
_TYPES = {
    "gif": "image/gif",
    "jpg": "image/jpeg",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webp": "image/webp",
    "diff": "text/plain;charset=utf-8",
    "txt": "text/plain;charset=utf-8",
}
_POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """A run in one file."""

    name: str
    """What the file may be called."""
    html: bytes
    """The page."""


def single_page(sources: Sources, run: Run, options: Options) -> Single:
    """Return the page of a run with its styles, scripts, data and pictures inside.

    Raises what `build` raises.
    """
    templates = Templates(options.templates)
    gathered = gather(sources.index, options, sources.store, run=run)
    frames = Frames(gathered, options, __version__)
    site = Site(
        gathered=gathered,
        frames=frames,
        store=sources.store,
        options=options,
        templates=templates,
        common=hashed(templates.fingerprint, options.told, frames.shape),
    )
    with tempfile.TemporaryDirectory(prefix="gitml-", ignore_cleanup_errors=True) as place:
        folder = Folder(Path(place) / "site")
        with closing(folder):
            folder.begin(())
            run_pages.write(site, folder, lambda _done, _total: None)
            done = folder.finish("", {})
        files = {address: (Path(place) / "site" / address).read_bytes() for address in done.written}
    address = urls.run_page(gathered.keys[run.id])
    page = files[address].decode("utf-8")
    assets = {where: name for name, where in templates.assets.items()}
    html = _Inliner(
        address, files, lambda where: templates.content(assets[where]) if where in assets else None
    ).whole(page)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", gathered.runs[0].name).strip(".-")[:60]
    return Single(name=f"{name or gathered.keys[run.id]}.html", html=html.encode("utf-8"))


def keep(file: Path, page: bytes, *, check: bool = False) -> bool:
    """Put a page into a file and say whether it was another before; with ``check`` only say it.

    Raises `RefusedError` for a file that gitml did not make, `StorageError`.
    """
    try:
        if file.exists():
            before = file.read_bytes()
            if GENERATOR not in before[:8192]:
                raise RefusedError(
                    f"{visible(str(file))} is there, and gitml did not make it.",
                    hint="name another file with -o",
                )
            if before == page:
                return False
        if not check:
            part = file.with_name(f".{file.name}.{secrets.token_hex(4)}.part")
            try:
                part.write_bytes(page)
                part.replace(file)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{visible(str(file))} cannot be written: {error.strerror}.",
            hint="name another file with -o",
        ) from None
    return True


class _Inliner:
    """Puts what a page loads into it."""

    def __init__(
        self, address: str, files: Mapping[str, bytes], asset: Callable[[str], bytes | None]
    ) -> None:
        self._address, self._files, self._asset = address, files, asset
        self._hashes: list[str] = []
        self._later: list[str] = []

    def whole(self, page: str) -> str:
        """Return the page as one file."""
        page = re.sub(r'(<img\b[^>]*\bsrc=")([^"]*)(")', self._picture, page)
        page = re.sub(r"<a\b[^>]*>", self._anchor, page)
        page = re.sub(r"<link\b([^>]*)>\n?", self._link, page)
        page = re.sub(r"<script\b([^>]*)></script>\n?", self._script, page)
        page = page.replace("</body>", "".join(self._later) + "</body>", 1)
        page = page.replace("<html ", "<html data-portable ", 1)
        policy = _POLICY.format(scripts=" ".join(self._hashes) or "'none'")
        said = r'(http-equiv="Content-Security-Policy" content=")[^"]*'
        return re.sub(said, rf"\g<1>{policy}", page, count=1)

    def _content(self, href: str) -> bytes | None:
        """Return what lies at a relative address, None if it is no part of this page."""
        where = normpath(join(self._address.rpartition("/")[0], href.partition("#")[0]))
        return self._files.get(where) or self._asset(where)

    def _needed(self, href: str) -> bytes:
        found = self._content(href)
        if found is None:
            raise InputError(
                f"The page of a run loads {visible(href, 80)}, which is not part of it.",
                hint="its template may load assets, and its own data",
            )
        return found

    def _link(self, tag: re.Match[str]) -> str:
        kind, href = _attribute(tag[1], "rel"), _attribute(tag[1], "href")
        if kind == "stylesheet":
            style = _text(self._needed(href)).replace("</style", "<\\/style")
            return f"<style>\n{style}</style>\n"
        if kind == "icon":
            return f'<link rel="icon" href="{_data(href, self._needed(href))}">\n'
        return ""  # the feed, and where the page lies on the web: not of this file

    def _script(self, tag: re.Match[str]) -> str:
        text = _text(self._needed(_attribute(tag[1], "src")))
        # In texts and patterns, where alone these may stand, they mean the same as before.
        text = re.sub(r"</(?=script)", r"<\\/", text, flags=re.IGNORECASE)
        text = text.replace("<!--", "<\\!--")
        digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()
        self._hashes.append(f"'sha256-{digest}'")
        made = f"<script>{text}</script>\n"
        if "defer" not in tag[1]:
            return made
        self._later.append(made)
        return ""

    def _picture(self, tag: re.Match[str]) -> str:
        found = None if ":" in tag[2] else self._content(tag[2])
        return tag[0] if found is None else f"{tag[1]}{_data(tag[2], found)}{tag[3]}"

    def _anchor(self, tag: re.Match[str]) -> str:
        """Return a link that leads somewhere: into the page, to the web, or to what is inside."""
        href = _attribute(tag[0], "href")
        if not href or href.startswith("#") or re.match(r"[a-z]+:", href):
            return tag[0]
        found = self._content(href)
        inside = found is not None and href.rpartition(".")[2] in {"diff", "txt"}
        if found is None or not inside:
            return re.sub(r'\shref="[^"]*"', "", tag[0])
        name = href.rpartition("/")[2]
        data = f'href="{_data(href, found)}" download="{name}"'
        return re.sub(r'href="[^"]*"', data, tag[0])


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return found[1] if found else ""


def _text(data: bytes) -> str:
    """Return a file as a page can hold it, with line ends as a browser reads them."""
    return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def _data(address: str, data: bytes) -> str:
    kind = _TYPES.get(address.rpartition(".")[2], "application/octet-stream")
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
