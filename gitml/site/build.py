"""The whole of it: from the index to a folder of pages, writing what changed."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from gitml import __version__
from gitml.data import json_text
from gitml.names import plural
from gitml.site import artifacts, overview, report, table, urls
from gitml.site.curves import Curves, read_curves
from gitml.site.facts import spark_of
from gitml.site.gather import Frames, gather
from gitml.site.pages import PAGES, Note
from gitml.site.parts import Pair
from gitml.site.render import Templates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from gitml.model import Run
    from gitml.query.index import Index
    from gitml.site.gather import Gathered, Options
    from gitml.site.write import Folder, Written
    from gitml.store.git import Repository

_AHEAD = 64
"""Runs whose points are read at once."""


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
    with closing(folder):
        return _Build(sources, folder, options, progress).run()


class _Build:
    def __init__(
        self,
        sources: Sources,
        folder: Folder,
        options: Options,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._sources, self._folder, self._options = sources, folder, options
        self._progress = progress or (lambda _done, _total: None)
        self._templates = Templates(options.templates)
        self._sparks: dict[str, str] = {}
        self._data: str | None = None

    def run(self) -> Written:
        fingerprint = self._templates.fingerprint()
        gathered = gather(self._sources.index, self._options)
        state = _hash(fingerprint, _told(self._options), _state(gathered))
        if self._folder.state == state and self._folder.is_whole():
            return self._folder.untouched()
        frames = Frames(gathered, self._options, __version__)
        keys = self._run_keys(gathered, frames, _hash(fingerprint, _told(self._options)))
        site_wide = self._site_wide()
        addresses = [a for run in gathered.runs for a in _addresses(gathered.keys[run.id])]
        self._folder.begin([*site_wide, *addresses])
        self._runs(gathered, frames, keys)
        for address, make in site_wide.items():
            self._folder.put(address, make(gathered, frames))
        for address, data in self._templates.asset_files():
            self._folder.put(address, data)
        notes = {
            "curve": gathered.curve_metric,
            "sparks": {gathered.keys[i]: spark for i, spark in sorted(self._sparks.items())},
        }
        return self._folder.finish(state, notes)

    def _site_wide(self) -> dict[str, Callable[[Gathered, Frames], bytes]]:
        """Return what makes each file that tells of all runs."""
        return {
            urls.NO_JEKYLL: lambda _gathered, _frames: b"",
            urls.RUNS_JSON: lambda gathered, _: self._table(gathered).encode(),
            urls.RUNS_JS: lambda gathered, _: as_script("runs", self._table(gathered)),
            urls.RUNS_CSV: lambda gathered, _: table.runs_csv(gathered),
            urls.OVERVIEW: lambda gathered, frames: self._page(
                "overview", overview.overview(gathered, frames)
            ),
            urls.RUNS: lambda gathered, frames: self._page(
                "runs", table.runs_table(gathered, frames, self._sparks)
            ),
            urls.FEED: lambda gathered, frames: self._page("feed", overview.feed(gathered, frames)),
            urls.COMPARE: self._plain("compare", "Compare"),
            urls.ABOUT: self._about,
            urls.MISSING: self._plain("missing", "Not found"),
        }

    def _page(self, name: str, context: Any) -> bytes:
        return self._templates.render(PAGES[name], context)

    def _table(self, gathered: Gathered) -> str:
        if self._data is None:
            self._data = json_text(table.runs_data(gathered, self._sparks))
        return self._data

    def _about(self, _: Gathered, frames: Frames) -> bytes:
        facts = [Pair(name="Made by", value=f"gitml {__version__}")]
        if self._options.redact:
            hidden = "E-mail addresses, host names, home folders and credentials are left out."
            facts.append(Pair(name="Left out", value=hidden))
        if self._options.where:
            facts.append(Pair(name="Only runs with", value=self._options.where, mono=True))
        if self._options.experiments:
            facts.append(Pair(name="Only experiments", value=", ".join(self._options.experiments)))
        points = plural(self._options.max_points, "point")
        facts.append(Pair(name="Curves", value=f"at most {points} of each metric"))
        frame = frames.frame(urls.ABOUT, "About", dated=False)
        return self._page("about", Note(frame=frame, facts=tuple(facts)))

    def _plain(self, name: str, title: str) -> Callable[[Gathered, Frames], bytes]:
        """Return what makes a page that scripts fill, or that has nothing to fill."""

        def make(_: Gathered, frames: Frames) -> bytes:
            frame = frames.frame(PAGES[name].address, title, dated=False)
            return self._page(name, Note(frame=frame))

        return make

    def _run_keys(self, gathered: Gathered, frames: Frames, common: str) -> dict[str, str]:
        """Return the hash of what each run's files are made from, by id."""
        keys = {}
        for run in gathered.runs:
            parent = gathered.keys.get(run.parent or "", "")
            made = gathered.made_of[run.id] or repr(run)
            parts = (common, made, run.experiment, parent, gathered.keys[run.id], frames.title)
            keys[run.id] = _hash(*parts)
        return keys

    def _runs(self, gathered: Gathered, frames: Frames, keys: Mapping[str, str]) -> None:
        """Write the files of those runs that changed."""
        metric = gathered.curve_metric
        known = self._folder.notes
        sparks = known.get("sparks") if known.get("curve") == metric else None
        sparks = sparks if isinstance(sparks, dict) else {}
        waiting = []
        for run in gathered.runs:
            short = gathered.keys[run.id]
            there = [self._folder.has(a, keys[run.id]) for a in _addresses(short)]
            copied = self._folder.below(f"files/{short}/")
            there += [self._folder.has(a, keys[run.id]) for a in copied]
            if all(there) and short in sparks:
                self._sparks[run.id] = str(sparks[short])
            else:
                waiting.append(run)
        self._progress(0, len(waiting))
        for done, (run, curves) in enumerate(self._curves(gathered, waiting), 1):
            series = curves.series.get(metric or "")
            self._sparks[run.id] = spark_of(series.values) if series else ""
            self._run(gathered, frames, run, curves, keys[run.id])
            self._progress(done, len(waiting))

    def _curves(self, gathered: Gathered, runs: list[Run]) -> Iterator[tuple[Run, Curves]]:
        found = read_curves(self._sources.store, runs, gathered.made_of, self._options.max_points)
        yield from zip(runs, found, strict=True)

    def _run(self, gathered: Gathered, frames: Frames, run: Run, curves: Curves, key: str) -> None:
        short = gathered.keys[run.id]
        host = gathered.hosts.get(run.source.remote or "")
        shown = artifacts.show(self._sources.store, run, short, gathered.made_of[run.id])
        context = report.run_report(run, curves, shown.files, frames, keys=gathered.keys, host=host)
        page, data, script = _addresses(short)
        text = report.run_data(run, curves, shown.figures)
        for address, copy in shown.copies.items():
            self._folder.put(address, copy, key)
        self._folder.put(page, self._page("run", context), key)
        self._folder.put(data, text.encode(), key)
        self._folder.put(script, as_script(f"runs/{short}", text), key)


def _addresses(key: str) -> tuple[str, str, str]:
    return urls.run_page(key), urls.run_json(key), urls.run_js(key)


def as_script(name: str, text: str) -> bytes:
    """Return JSON as a script that hands it over: a page on a disk may load nothing else.

    The JSON is one text to the script, so that no key of it means anything there.
    """
    quoted = text.replace("\\", "\\\\").replace("'", "\\'").replace("<", "\\x3c")
    return f"gitml.take({json.dumps(name)},'{quoted}');\n".encode()


def _told(options: Options) -> str:
    return repr({**asdict(options), "templates": None})


def _state(gathered: Gathered) -> str:
    digest = hashlib.sha256()
    for run in gathered.runs:
        made = gathered.made_of[run.id] or repr(run)
        digest.update(f"{run.id} {made} {run.experiment}\n".encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def _hash(*parts: str) -> str:
    text = "\0".join(parts).encode("utf-8", "backslashreplace")
    return hashlib.sha256(text).hexdigest()[:16]
