"""JSON Schemas of the data files, published beside them."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from gitml.site import urls
from gitml.site.plan import Output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

    from gitml.site.plan import Site


def schemas() -> dict[str, Traversable]:
    """Return the schema of each kind of document by its name, as ``runs`` or ``run``."""
    folder = resources.files("gitml.site") / "schemas"
    files = (file for file in folder.iterdir() if file.name.endswith(".json"))
    return {file.name.removesuffix(".json"): file for file in sorted(files, key=lambda f: f.name)}


def outputs(_site: Site) -> Iterator[Output]:
    """Yield the schemas."""
    for name, file in schemas().items():
        yield Output(address=urls.data(f"schemas/{name}", "json"), make=file.read_bytes)
