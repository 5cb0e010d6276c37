"""Runs or versions side by side: what ``gitml diff`` and ``gitml model diff`` share."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

from gitml.errors import DamagedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Sized

    from gitml.commands.options import Session
    from gitml.model import Json, Run
    from gitml.output import Cell, Piece, Screen
    from gitml.query.compare import Comparison
    from gitml.store.git import Repository

PAIR = 2
MOST_LINES = 10
"""Lines of packages or source files that are shown without ``--all``."""
_NAME = 40
"""Cells of a run's name above its column."""
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Trees(NamedTuple):
    """The source trees of a run and of the first one."""

    first: str
    """The name of the first run."""
    run: str
    """The name of the run that is compared with the first."""
    before: str | None
    after: str | None
    missing: str | None
    """Which source cannot be compared, if one cannot."""

    @property
    def differ(self) -> bool:
        """Whether both are here and not the same."""
        return self.missing is None and self.before != self.after


def trees_of(store: Repository, runs: Sequence[Run]) -> list[Trees]:
    """Return the source trees of each run after the first, and of the first."""
    trees = [_tree(store, run) for run in runs]
    found = []
    for run, tree in zip(runs[1:], trees[1:], strict=True):
        without = runs[0] if trees[0] is None else run if tree is None else None
        missing = None
        if without is not None:
            recorded = without.source.tree or without.source.commit
            there = "was not recorded"
            if recorded:
                there = "is not here: --patch fetches it, if it was pushed"
            missing = f"the source of {without.name} {there}"
        found.append(Trees(runs[0].name, run.name, trees[0], tree, missing))
    return found


def bring_trees(session: Session, store: Repository, runs: Sequence[Run]) -> None:
    """Fetch the source trees of runs that are not here; say where that cannot be done."""
    from gitml.errors import GitmlError
    from gitml.sharing.sources import bring_trees

    for run in runs:
        try:
            bring_trees(store, [run.source.tree] if run.source.tree else [], of=run.name)
        except GitmlError as error:
            session.say(error.message, hint=error.hint)


def _tree(store: Repository, run: Run) -> str | None:
    """Return the run's source tree if the repository has it."""
    oid = run.source.tree or run.source.commit
    if oid is None or not _OID.fullmatch(oid):  # whoever may push decides what stands there
        return None
    try:
        return store.commit_tree(oid)
    except DamagedError:
        return None


def _git_diff(store: Repository, sources: Sequence[Trees], *options: str) -> list[str]:
    """Return what git says of each pair of trees, by one process; nothing where they are alike."""
    asked = [f"{s.before} {s.after}\n" for s in sources if s.differ]
    if not asked:
        return [""] * len(sources)
    fixed = ("--no-color", "--no-ext-diff", "--no-textconv", "-r", "--stdin")
    out = store.run(
        "-c", "core.quotePath=false", "diff-tree", *fixed, *options, data="".join(asked).encode()
    )
    end = "\0" if "-z" in options else "\n"
    each = iter(_apart(out.decode("utf-8", "replace"), asked, end))
    return [next(each) if s.differ else "" for s in sources]


def _apart(text: str, pairs: Sequence[str], end: str) -> list[str]:
    """Return what stands behind each of the lines ``pairs``, which follow one another.

    A pair stands at the start, behind another one, or behind ``end``; there no
    line of a patch or a stat, and with -z no file, can look like one.
    """
    found = []
    rest = text[len(pairs[0]) - 1 :]
    for pair in pairs[1:]:
        at = 0 if rest.startswith(f"\n{pair}") else rest.find(end + pair)
        at = len(rest) if at < 0 else at
        found.append(rest[1:at] + end if at else "")
        rest = rest[at + len(pair) :]
    return [*found, rest[1:]]


def draw(screen: Screen, runs: Sequence[Run], compared: Comparison, *, everything: bool) -> None:
    """Draw metrics, params, tags, data, environment and packages side by side."""
    from gitml.output import Column

    pair = len(runs) == PAIR
    inputs = {name: tuple(map(screen.digest, row)) for name, row in compared.inputs.items()}
    parts = {
        "METRICS": compared.metrics,
        "PARAMS": compared.params,
        "TAGS": compared.tags,
        "DATA": inputs,
        "ENVIRONMENT": compared.environment,
        "PACKAGES": _few(screen, compared.packages, everything=everything),
    }
    if screen.terminal and pair:  # there they are lines of their own, below
        del parts["PACKAGES"]
    shown = {title: _chosen(facts, everything=everything) for title, facts in parts.items()}
    shown = {title: facts for title, facts in shown.items() if facts}
    names = [screen.fit(run.name, _NAME) if screen.terminal else run.name for run in runs]
    columns = [Column(name, right=True, widest=28, narrowest=12) for name in names]
    if pair:
        columns.append(Column("change"))
        columns += [Column("", rank=1)] if screen.terminal else []
    rows: list[list[Piece]] = []
    for title, facts in shown.items():
        if screen.terminal and rows:
            rows.append([head_cell(title), *[""] * len(columns)])
        for name, values in facts.items():
            start = [name] if screen.terminal else [title.lower(), name]
            goal = compared.goals[name] if title == "METRICS" else None
            rows.append(
                [*start, *_cells(screen, values, goal), *_change(screen, values, goal, pair=pair)]
            )
    first = [next(iter(shown), "")] if screen.terminal else ["kind", "name"]
    if rows:
        screen.table(
            [*(Column(title, widest=32) for title in first), *columns], rows, fold=not pair
        )
    elif screen.terminal:
        screen.line("  The same: metrics, params, tags and environment.", style="dim")
    if screen.terminal:
        same = [f"{n} {v[0]}" for n, v in inputs.items() if n not in shown.get("DATA", {})]
        fact_lines(screen, "DATA", [f"same: {', '.join(same)}"] if same else [])
        _packages(screen, compared, pair=pair, everything=everything)


def _chosen(
    facts: Mapping[str, tuple[Json, ...]], *, everything: bool
) -> dict[str, tuple[Json, ...]]:
    from gitml.query.compare import only_differences

    return dict(facts) if everything else only_differences(facts)


def head_cell(text: str) -> Cell:
    """Return the heading of a part."""
    from gitml.output import Cell

    return Cell(text, "head")


def _cells(screen: Screen, values: Sequence[Json], goal: str | None) -> list[Piece]:
    """Return the cells of a row, those of a metric with the same decimals; 1.8 may be a version."""
    from gitml.output import same_decimals

    texts = [screen.absent if value is None else screen.value(value) for value in values]
    return [*(same_decimals(texts) if screen.terminal and goal is not None else texts)]


def _change(screen: Screen, values: Sequence[Json], goal: str | None, *, pair: bool) -> list[Piece]:
    """Return the cells of what changed, for two runs: on a terminal with a remark."""
    from gitml.output import Cell, exact, signed
    from gitml.query.compare import improvement

    if not pair:
        return []
    before, after = values
    if goal is None or before is None or after is None:
        return ["", ""] if screen.terminal else [screen.absent]
    if not screen.terminal:
        return [exact(after - before)]
    better = improvement(before, after, goal)
    sign, style = {1: ("▲", "good"), -1: ("▼", "bad"), 0: (" ", "dim")}[better]
    note = "(lower is better)" if goal == "min" else ""
    return [Cell(f"{sign}  {signed(after - before)}", style), Cell(note, "dim")]


def fact_lines(screen: Screen, label: str, lines: Sequence[str]) -> None:
    """Draw lines behind one label."""
    for nth, line in enumerate(lines):
        screen.fact("" if nth else label, line, head="head")


def _few(
    screen: Screen, packages: Mapping[str, tuple[Json, ...]], *, everything: bool
) -> Mapping[str, tuple[Json, ...]]:
    """Return the packages of a table: on a terminal not all that differ."""
    if everything or not screen.terminal:
        return packages
    different = _chosen(packages, everything=False)
    return dict(itertools.islice(different.items(), _most(different)))


def _most(lines: Sized) -> int:
    return MOST_LINES if len(lines) > MOST_LINES + 1 else len(lines)


def _packages(screen: Screen, compared: Comparison, *, pair: bool, everything: bool) -> None:
    """Draw the packages of two runs; of several, below their table, how many are left out."""
    if not pair:
        different = _chosen(compared.packages, everything=False)
        left = len(different) - _most(different)
        if left and not everything:
            screen.line(f"  … and {left} more packages: --all shows them", style="dim")
        return
    lines = []
    for name, (before, after) in _chosen(compared.packages, everything=everything).items():
        if before == after:
            lines.append(f"{name} {before}")
        elif after is None:
            lines.append(f"{name} {before} → gone")
        else:
            lines.append(f"{name} {before or 'absent'} → {after}")
    fact_lines(screen, "PACKAGES", _at_most(lines, everything=everything))


def _at_most(lines: Sequence[str], *, everything: bool) -> list[str]:
    if everything or len(lines) == _most(lines):
        return [*lines]
    return [*lines[:MOST_LINES], f"… and {len(lines) - MOST_LINES} more: --all shows them"]


def stat(
    screen: Screen,
    store: Repository,
    sources: Sequence[Trees],
    *,
    everything: bool,
    command: str = "gitml diff",
) -> None:
    """Draw which files of the source differ; ``command`` is what shows their text."""
    from gitml.output import quoted

    several = len(sources) > 1
    width = min(screen.width, 100) - 16
    texts = _git_diff(store, sources, "-M", f"--stat={width}")
    for source, text in zip(sources, texts, strict=True):
        lines = [source.missing or "same"]
        if source.differ:
            stat = [line.strip() for line in text.splitlines()]
            files = _at_most(stat[:-1], everything=everything)
            lines = [*files, *stat[-1:]] if len(files) > 1 else files
        if not screen.terminal:
            for line in lines:
                screen.line("source  ", f"{source.run}  {line}" if several else line)
        elif several:
            screen.line("  ", head_cell(f"SOURCE of {source.run}"))
            fact_lines(screen, " ", lines)
        else:
            fact_lines(screen, "SOURCE", lines)
    differing = [source for source in sources if source.differ]
    if screen.terminal and differing:
        screen.line()
        pair = f"{quoted(differing[-1].first)} {quoted(differing[-1].run)}"
        screen.commands(f"{command} {pair} --patch")


def patch(session: Session, store: Repository, sources: Sequence[Trees]) -> None:
    """Draw the text of what differs in the source."""
    styles = {"+": "good", "-": "bad", "@": "act", "d": "head"}
    for source, text in zip(sources, _git_diff(store, sources, "-M", "--patch"), strict=True):
        if source.missing is not None:
            session.say(f"{source.missing[:1].upper()}{source.missing[1:]}.")
        for line in text.split("\n")[:-1]:
            session.screen.code(line, style=styles.get(line[:1], ""))


def document(
    store: Repository,
    compared: Comparison,
    sources: Sequence[Trees],
    *,
    everything: bool,
    text: bool,
) -> dict[str, Json]:
    """Return the comparison for JSON; with ``text`` the patches too."""
    from gitml.query.compare import improvement

    metrics = {}
    for name, values in _chosen(compared.metrics, everything=everything).items():
        goal = compared.goals[name]
        metrics[name] = {
            "values": values,
            "goal": goal,
            "changes": [None if None in {values[0], v} else v - values[0] for v in values[1:]],
            "better": [improvement(values[0], v, goal) for v in values[1:]],
        }
    parts = ("params", "tags", "inputs", "environment", "packages")
    facts = {part: _chosen(getattr(compared, part), everything=everything) for part in parts}
    trees: list[dict[str, Json]] = []
    stats = _git_diff(store, sources, "--numstat", "-z", "--no-renames")
    for source, stat in zip(sources, stats, strict=True):
        trees.append({"run": source.run, "from": source.before, "to": source.after})
        if source.missing is None:
            trees[-1]["files"] = _files(stat)
    if text:
        for tree, patch in zip(trees, _git_diff(store, sources, "-M", "--patch"), strict=True):
            tree["patch"] = patch
    return {"metrics": metrics, **facts, "source": trees}


def _files(numstat: str) -> list[dict[str, Json]]:
    """Return path, added and removed lines of each file; None for lines of a binary one."""
    files = []
    for record in numstat.split("\0")[:-1]:
        added, removed, path = record.split("\t", 2)
        lines = [None if count == "-" else int(count) for count in (added, removed)]
        files.append({"path": path, "added": lines[0], "removed": lines[1]})
    return files
