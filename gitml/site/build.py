"""The whole of it: from the index to a folder of pages, writing what changed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml import __version__
from gitml.names import MODELS, REMOTES, SOURCE, SOURCES, TAGS, UNPUBLISHED
from gitml.site import (
    activity,
    explore,
    forms,
    lineage,
    models,
    overview,
    plain,
    regressions,
    run_pages,
    table,
)
from gitml.site.artifacts import large_texts
from gitml.site.gather import Frames, gather
from gitml.site.memory import much_that_stays
from gitml.site.plan import Site, hashed
from gitml.site.registered import order_of
from gitml.site.render import Templates

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitml.query.index import Index
    from gitml.site.gather import Options
    from gitml.site.write import Folder, Written
    from gitml.store.git import Repository

FAMILIES = (
    overview.outputs,
    table.outputs,
    explore.outputs,
    models.outputs,
    lineage.outputs,
    activity.outputs,
    regressions.outputs,
    plain.outputs,
    forms.outputs,
)
"""Each yields the `Output` of some pages; the pages of runs come before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a site comes from."""

    index: Index
    """What is known of all runs."""
    store: Repository
    """The repository that keeps them, as of one moment."""


def build(
    sources: Sources,
    folder: Folder,
    options: Options,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Bring a folder up to date with the runs and say what changed.

    ``progress`` is called with (runs written, runs to write). Raises what `gather`
    and `Folder` raise, and `InputError` for a template that cannot be used.
    """
    with closing(folder), much_that_stays() as settled:
        templates = Templates(options.templates)
        state = state_of(sources, options, templates)
        if state and folder.state == state and folder.is_whole():
            return folder.untouched()
        gathered = gather(sources.index, options, sources.store)
        settled()
        frames = Frames(gathered, options, __version__)
        site = Site(
            gathered=gathered,
            frames=frames,
            common=hashed(templates.fingerprint, options.told, frames.shape),
            store=sources.store,
            options=options,
            templates=templates,
        )
        planned = [output for family in FAMILIES for output in family(site)]
        folder.begin([*(output.address for output in planned), *run_pages.addresses(site)])
        run_pages.write(site, folder, progress or (lambda _done, _total: None))
        for output in planned:
            if not (output.key and folder.has(output.address, output.key)):
                folder.put(output.address, output.make(), output.key or None)
        for address, data in templates.asset_files():
            folder.put(address, data)
        return folder.finish(state, run_pages.notes(site))


def state_of(sources: Sources, options: Options, templates: Templates) -> str:
    """Return a hash of all that the site is made from, read without reading a run.

    Nothing if it cannot be told, as where a run could be read in part only.
    """
    runs = sources.index.state(where=options.where, experiments=options.experiments)
    if not runs:
        return ""
    refs = sources.store.refs(MODELS, UNPUBLISHED, TAGS, SOURCE, SOURCES, REMOTES)
    # Of what was seen of remotes only source trees, which lie nowhere else once they are asked for.
    told = [r for r in sorted(refs) if not r.startswith(REMOTES) or "/source" in r]
    others = "".join(f"{refs[ref]} {ref}\n" for ref in told)
    order, large = repr(order_of(sources.store)), _large(sources)
    return hashed(templates.fingerprint, options.told, runs, others, order, large)


def _large(sources: Sources) -> str:
    """Return which large texts are here, as text: pages show their beginnings."""
    _, rows = sources.index.sql("SELECT DISTINCT path, sha256 FROM artifacts WHERE store = 'lfs'")
    return large_texts(sources.store, rows)
