"""The files of each run: only of those that changed, in bulk, one after the other.

They are no family like the others: what the points of many runs are read from is
asked for at once, and a run's sparkline falls out of it that the table needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.site import artifacts, report, urls
from gitml.site.curves import read_curves
from gitml.site.facts import spark_of
from gitml.site.plan import as_script
from gitml.site.relatives import relatives
from gitml.site.run_data import run_data
from gitml.site.shared import Shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitml.model import Run
    from gitml.site.curves import Curves
    from gitml.site.plan import Site
    from gitml.site.write import Folder


def addresses(site: Site) -> list[str]:
    """Return the addresses of the files that every run has."""
    return [address for run in site.gathered.runs for address in _of(site, run)]


def write(site: Site, folder: Folder, progress: Callable[[int, int], None]) -> None:
    """Write the files of those runs that changed, and fill in the sparklines of all."""
    kin = relatives(site.gathered.runs)
    shared = Shared(site, folder)
    keys = {
        run.id: key_of(site, run, kin[run.id].told, shared.told(run)) for run in site.gathered.runs
    }
    waiting = _waiting(site, folder, keys, shared)
    shared.read(waiting)
    progress(0, len(waiting))
    metric = site.gathered.curve_metric or ""
    most = site.options.max_points
    found = read_curves(site.store, waiting, site.gathered.made_of, most)
    for done, (run, curves) in enumerate(zip(waiting, found, strict=True), 1):
        series = curves.series.get(metric)
        site.sparks[run.id] = spark_of(series.values) if series else ""
        around = report.Around(
            relatives=kin[run.id], patch=shared.patch(run), packages=shared.packages(run)
        )
        _write(site, folder, run, curves, around, keys[run.id])
        progress(done, len(waiting))
    site.notes.update(shared.notes())


def notes(site: Site) -> dict[str, object]:
    """Return what `write` wants to know the next time."""
    keys = site.gathered.keys
    sparks = {keys[run_id]: spark for run_id, spark in sorted(site.sparks.items())}
    return {"curve": site.gathered.curve_metric, "sparks": sparks, **site.notes}


def key_of(site: Site, run: Run, *around: str) -> str:
    """Return the hash of all that the files of a run are made from, with what is around it."""
    versions, large = site.gathered.registered.told(run.id), artifacts.large_ones(site.store, run)
    short = site.gathered.keys[run.id]
    return site.key(site.made(run), run.experiment, short, versions, large, *around)


def _waiting(site: Site, folder: Folder, keys: dict[str, str], shared: Shared) -> list[Run]:
    """Return the runs whose files are not there as they should be; of the others, they stay."""
    known = folder.notes
    sparks = known.get("sparks") if known.get("curve") == site.gathered.curve_metric else None
    sparks = sparks if isinstance(sparks, dict) else {}
    waiting = []
    for run in site.gathered.runs:
        short = site.gathered.keys[run.id]
        listed = [*_of(site, run), *folder.below(f"files/{short}/")]
        there = [folder.has(address, keys[run.id]) for address in listed]
        if all(there) and short in sparks and shared.stay(run):
            site.sparks[run.id] = str(sparks[short])
        else:
            waiting.append(run)
    return waiting


def _write(
    site: Site, folder: Folder, run: Run, curves: Curves, around: report.Around, key: str
) -> None:
    gathered = site.gathered
    short = gathered.keys[run.id]
    shown = artifacts.show(
        site.store, run, short, gathered.made_of[run.id], hide=site.options.redact
    )
    context = report.run_report(
        run, curves, shown.files, site.frames, gathered=gathered, around=around
    )
    page, script = _of(site, run)
    text = run_data(run, curves, shown.figures, gathered=gathered, around=around)
    for address, copy in shown.copies.items():
        folder.put(address, copy, key)
    folder.put(page, site.page("run", context), key)
    folder.put(script, as_script(f"runs/{short}", text), key)


def _of(site: Site, run: Run) -> tuple[str, str]:
    key = site.gathered.keys[run.id]
    return urls.run_page(key), urls.run_js(key)
