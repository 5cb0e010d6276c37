"""Templates into text: the one door to jinja2, and the assets that pages load."""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from gitml import __version__
from gitml.errors import InputError, NotFoundError
from gitml.names import visible
from gitml.site.facts import is_markdown
from gitml.words import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import CodeType

    from jinja2.bccache import Bucket

    from gitml.site.pages import Page

ASSETS = "assets"
PLOTLY = "plotly.min.js"
_HASHED = 10
"""Digits of an asset's hash in its name."""
_HOSTILE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ud800-\udfff]"
)


def own_templates() -> Path:
    """Return the folder of gitml's own templates: in the package, or beside it in a checkout."""
    package = Path(str(resources.files("gitml")))
    inside = package / "site_templates"
    return inside if inside.is_dir() else package.parent / "site_templates"


def plotly_bundle() -> bytes:
    """Return plotly.js as the plotly package ships it."""
    try:
        return (resources.files("plotly") / "package_data" / PLOTLY).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError):
        raise NotFoundError(
            "plotly.js was not found in the plotly package.", hint="pip install 'plotly>=6'"
        ) from None


class _Compiled(jinja2.BytecodeCache):
    """Templates that were compiled in this process, which may make pages again and again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, CodeType]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give a template what it was compiled to, unless its text is another now."""
        checksum, code = self._known.get(bucket.key, ("", None))
        bucket.code = code if checksum == bucket.checksum else None

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what a template was compiled to."""
        if bucket.code is not None:
            self._known[bucket.key] = bucket.checksum, bucket.code


_COMPILED = _Compiled()


class Templates:
    """The templates and assets of a site, one folder's files before another's."""

    def __init__(self, own: Path | None = None) -> None:
        """Look into ``own`` first, then among gitml's; raise `NotFoundError` if it is not there."""
        if own is not None and not own.is_dir():
            raise NotFoundError(f"There is no folder {visible(str(own))}")
        self._folders = [folder for folder in (own, own_templates()) if folder is not None]
        self.assets = self._assets()
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([str(folder) for folder in self._folders]),
            autoescape=True,
            auto_reload=False,
            bytecode_cache=_COMPILED,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "markdown": _markdown,
            "number": number,
            "thousands": "{:,}".format,
        }
        self._environment.globals |= {"asset": self._asset}

    def render(self, page: Page, context: Any) -> bytes:
        """Return a page; raise `InputError` for a template that cannot be used."""
        try:
            template = self._environment.get_template(page.template)
            given = {field.name: getattr(context, field.name) for field in fields(context)}
            text = template.render(given)
        except (jinja2.TemplateError, TypeError, AttributeError) as error:
            where = getattr(error, "name", None) or page.template
            line = getattr(error, "lineno", None)
            at = f"{where}, line {line}" if line else where
            raise InputError(
                f"The template {visible(str(at))} cannot be used: {visible(str(error))}.",
                hint="site_templates/README.md lists what each page is given",
            ) from None
        return _HOSTILE.sub(_spelled, text).encode("utf-8", "backslashreplace")

    @cached_property
    def fingerprint(self) -> str:
        """Return a hash of the generator and of everything in the folders that counts."""
        digest = hashlib.sha256(__version__.encode())
        code = Path(__file__).parent
        files = [
            *sorted(code.glob("*.py")),
            *sorted(code.glob("schemas/*")),
            *self._files(("*.html", "*.atom")),
        ]
        for path in files:
            digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
        digest.update(repr(sorted(self.assets.items())).encode())
        return digest.hexdigest()

    def asset_files(self) -> Iterable[tuple[str, bytes]]:
        """Yield (address, content) of every asset."""
        for name, address in self.assets.items():
            yield address, self._content(name)

    def content(self, name: str) -> bytes:
        """Return an asset by the name it has in its folder."""
        return self._content(name)

    def _files(self, patterns: Sequence[str]) -> list[Path]:
        found: dict[str, Path] = {}
        for folder in reversed(self._folders):
            for pattern in patterns:
                found |= {path.name: path for path in folder.glob(pattern)}
        return [found[name] for name in sorted(found)]

    def _assets(self) -> dict[str, str]:
        names = {path.name for folder in self._folders for path in (folder / ASSETS).glob("*.*")}
        hashed = {}
        for name in sorted({*names, PLOTLY}):
            stem, _, ending = name.rpartition(".")
            digest = hashlib.sha256(self._content(name)).hexdigest()[:_HASHED]
            hashed[name] = f"{ASSETS}/{stem}.{digest}.{ending}"
        return hashed

    def _content(self, name: str) -> bytes:
        for folder in self._folders:
            if (folder / ASSETS / name).is_file():
                return (folder / ASSETS / name).read_bytes()
        return plotly_bundle()

    def _asset(self, name: str) -> str:
        if name not in self.assets:
            raise jinja2.TemplateError(f"there is no asset {name}")
        return self.assets[name]


def _markdown(text: str, level: int = 3, anchors: str = "", *, breaks: bool = False) -> Markup:
    """Return what somebody wrote as HTML, or as it stands where it is too long for Markdown."""
    from gitml.site.markdown import rendered  # which many sites do not need

    if not is_markdown(text):
        return Markup('<p class="asis">{}</p>\n').format(text)
    return Markup(rendered(text, level=level, anchors=anchors, breaks=breaks))  # noqa: S704 - safe


def _spelled(found: re.Match[str]) -> str:
    """Return a character that would turn the direction of a line, or break a file, in ASCII."""
    return found[0].encode("unicode_escape", "backslashreplace").decode()
