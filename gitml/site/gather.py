"""What the site is made from: runs as they may be shown, and what they have in common."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from gitml.query.columns import leading_metrics
from gitml.query.goals import default_goal
from gitml.query.regress import comparable
from gitml.site import urls
from gitml.site.facts import moment
from gitml.site.hosts import host_of
from gitml.site.parts import Frame, Tab
from gitml.site.redact import redacted
from gitml.site.registered import Registered, read_registered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from gitml.model import Run
    from gitml.query.index import Index
    from gitml.site.hosts import Host
    from gitml.store.git import Repository

MAX_POINTS = 500
"""Points of a series that a page gets, unless more are asked for."""
SYSTEM = ("system/", "system.")
"""What metrics of the machine begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What somebody asked for."""

    title: str | None = None
    """The title of the site; by default the name of the repository that runs came from."""
    base_url: str | None = None
    """Where the site will be on the web."""
    experiments: tuple[str, ...] = ()
    """Only runs of these experiments; all if there are none."""
    where: str | None = None
    """Only runs for which this holds."""
    max_points: int = MAX_POINTS
    """Points of a series, beyond which it is thinned."""
    redact: bool = True
    """Whether addresses, host names, home folders and credentials are left out."""
    links: tuple[str, ...] = ()
    """What was said of links to commits and tags, as `gitml.site.hosts.check_link` allows."""
    templates: Path | None = None
    """A folder whose files come before gitml's own templates."""

    @property
    def told(self) -> str:
        """What was asked for as text, but for the place of the templates: their content counts."""
        return repr({**asdict(self), "templates": None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Runs, newest first, and what is said of all of them."""

    runs: Sequence[Run]
    """As they may be shown."""
    made_of: Mapping[str, str]
    """What each was read from, by id."""
    keys: Mapping[str, str]
    """How the site calls each, by id."""
    goals: Mapping[str, str]
    """``min`` or ``max`` for each metric."""
    leading: Sequence[str]
    """Metrics by how much they tell."""
    hosts: Mapping[str, Host | None] = field(default_factory=dict)
    """The web pages of each remote that a run names."""
    registered: Registered = field(default_factory=Registered)
    """The models, and what is in their stages."""
    links: Sequence[str] = ()
    """What was said of links."""

    def host(self, remote: str | None) -> Host | None:
        """Return the web pages of a remote, which a run need not name."""
        remote = remote or ""
        return self.hosts[remote] if remote in self.hosts else host_of(remote, self.links)

    @property
    def has_values(self) -> bool:
        """Whether any run has a param or a metric."""
        return any(run.params or run.metrics for run in self.runs)

    @property
    def curve_metric(self) -> str | None:
        """The metric whose curve stands in the table: the first that has several points."""
        for name in self.leading:
            if any(run.metrics[name].count > 1 for run in self.runs if name in run.metrics):
                return name
        return None

    def experiments(self) -> dict[str, list[Run]]:
        """Return the runs of each experiment, those with the newest runs first."""
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            found.setdefault(run.experiment, []).append(run)
        return found


def gather(
    index: Index, options: Options, store: Repository | None = None, *, run: Run | None = None
) -> Gathered:
    """Return what the index holds of what was asked for, and the models that ``store`` has.

    With ``run`` that is this one alone, whatever was asked for. Raises `NotFoundError`
    for an experiment that does not exist, `InputError` for an expression that means nothing.
    """
    found: dict[str, Run] = {} if run is None else {run.id: run}
    for experiment in () if run is not None else options.experiments or (None,):
        found |= {r.id: r for r in index.search(where=options.where, experiment=experiment)}
    runs = sorted(found.values(), key=lambda each: (-each.created, each.id))
    if options.redact:
        runs = [redacted(each) for each in runs]
    made_of = index.made_of()
    return Gathered(
        runs=runs,
        made_of={run.id: made_of.get(run.id, "") for run in runs},
        keys=urls.run_keys(run.id for run in runs),
        goals=_goals(runs),
        leading=[name for name in leading_metrics(runs) if not name.startswith(SYSTEM)],
        hosts={
            remote: host_of(remote, options.links)
            for remote in {r.source.remote or "" for r in runs}
        },
        links=options.links,
        registered=Registered()
        if store is None
        else read_registered(
            store,
            hide=options.redact,
            only=found.keys() if run or options.experiments or options.where else None,
        ),
    )


def _goals(runs: Sequence[Run]) -> dict[str, str]:
    """Return ``min`` or ``max`` by metric: what was said last, else what the name tells."""
    stated: dict[str, str] = {}
    for run in runs:
        for name, metric in run.metrics.items():
            if metric.goal:
                stated.setdefault(name, metric.goal)
    names = sorted({name for run in runs for name in run.metrics})
    return {name: stated.get(name) or default_goal(name) for name in names}


TABS: tuple[tuple[str, str, Callable[[Gathered], bool]], ...] = (
    ("Overview", urls.OVERVIEW, lambda _: True),
    ("Runs", urls.RUNS, lambda _: True),
    ("Explore", urls.EXPLORE, lambda gathered: gathered.has_values),
    ("Compare", urls.COMPARE, lambda gathered: len(gathered.runs) > 1),
    ("Regressions", urls.REGRESSIONS, lambda gathered: comparable(gathered.runs)),
    ("Models", urls.MODELS, lambda gathered: gathered.registered.present),
    ("Lineage", urls.LINEAGE, lambda gathered: gathered.registered.drawable),
    ("Activity", urls.ACTIVITY, lambda gathered: gathered.registered.eventful),
)
"""The navigation: label, address, and whether the page has something to show.

Pages in a folder, as ``runs/ID.html``, belong to the tab of that name, ``runs.html``.
"""


class Frames:
    """Makes the frame of each page."""

    def __init__(self, gathered: Gathered, options: Options, version: str) -> None:
        """Remember what all pages have in common."""
        self._title = options.title or default_title(gathered)
        self._base = options.base_url and options.base_url.rstrip("/") + "/"
        self._version = version
        newest = max((run.updated for run in gathered.runs), default=None)
        self._as_of = None if newest is None else moment(newest)
        self._tabs = [(label, at) for label, at, has in TABS if has(gathered)]

    @property
    def title(self) -> str:
        """The title of the site."""
        return self._title

    @property
    def shape(self) -> str:
        """What the frames of all pages depend on, but for the newest record, as text."""
        return repr((self._title, self._base, self._version, self._tabs))

    def frame(self, address: str, title: str, *, dated: bool = True) -> Frame:
        """Return the frame of a page; a page of its own data only is not ``dated``."""
        root = urls.root(address)
        folder, _, below = address.partition("/")
        here = f"{folder}.html" if below else address
        return Frame(
            title=title,
            site=self._title,
            root=root,
            tabs=tuple(
                Tab(label=label, href=root + target, current=target == here)
                for label, target in self._tabs
            ),
            address=address,
            base_url=self._base,
            version=self._version,
            as_of=self._as_of if dated else None,
        )


def default_title(gathered: Gathered) -> str:
    """Return the name of the newest run's repository, else of the one experiment there is."""
    for run in gathered.runs:
        host = gathered.host(run.source.remote)
        if host is not None and host.name:
            return host.name
    experiments = {run.experiment for run in gathered.runs}
    return experiments.pop() if len(experiments) == 1 else "Experiments"
