"""A version's own page: its model card."""

from __future__ import annotations

import functools
from functools import partial
from typing import TYPE_CHECKING

from gitml.names import plural
from gitml.query.columns import leading_metrics
from gitml.registry.showing import file_changes
from gitml.registry.signature import PARTS, type_of
from gitml.site.cards import cards_of
from gitml.site.facts import ABSENT, moment
from gitml.site.facts import shown as written
from gitml.site.happened import Teller, stage_of, state_marks
from gitml.site.model_pages import VersionReport
from gitml.site.model_parts import Input, MetricLine, PackageLine, SignaturePart, ValueLine
from gitml.site.parts import Fact, Link, Pair
from gitml.site.plan import Output
from gitml.words import number, quoted, signed, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gitml.model import Dataset, Json
    from gitml.site.model_parts import Card
    from gitml.site.plan import Site
    from gitml.site.registered import ShownModel, ShownVersion

_FACTS = 4
_PACKAGES = 200
_COLUMNS = 200
_KEPT = {"tag": "the tag", "git": "git", "lfs": "git-lfs"}


def outputs(site: Site, shown: ShownModel, key: str) -> Iterator[Output]:
    """Yield a page for each version; ``key`` is of all that the model's pages are made from."""
    cards = functools.cache(lambda: cards_of(site.store, shown, hide=site.options.redact))
    for each in shown.living:
        if each.page is not None:
            yield Output(
                address=each.page,
                key=key,
                make=partial(_page, site, shown, each, cards),
            )


def _page(
    site: Site,
    shown: ShownModel,
    each: ShownVersion,
    cards: Callable[[], Mapping[str, Card]],
) -> bytes:
    return site.page("version", version_report(site, shown, each, cards().get(each.name)))


def version_report(
    site: Site, shown: ShownModel, each: ShownVersion, card: Card | None
) -> VersionReport:
    """Return the context of a version's page."""
    facts, whole, run = each.version, each.whole, each.run
    frame = site.frames.frame(each.page or "", f"{shown.model.name} {each.name}", dated=False)
    teller = Teller(gathered=site.gathered, root=frame.root)
    before, after = _neighbours(shown, each)
    compared = _compared(site, shown, each, before)
    old = before.whole if before is not None else None
    changes = file_changes(old.files, whole.files) if old and whole else {}
    packages = (
        []
        if whole is None
        else list(_values(whole.packages, None if old is None else old.packages))
    )
    new_packages = [line for line in packages if line.change or old is None]
    labels = facts.tags if facts.tags is not None else whole.tags if whole else {}
    note = facts.note if facts.note is not None else whole.note if whole else None
    return VersionReport(
        frame=frame,
        model=teller.model(shown),
        name=each.name,
        number=str(facts.number),
        title=f"{shown.model.slug}@{each.name}",
        stages=tuple(map(stage_of, each.stages)),
        marks=tuple(state_marks(each, shown.latest)),
        problem=_problem(each),
        registered=moment(facts.at),
        by=facts.by,
        run=teller.run(each),
        facts=_facts(shown, each, compared),
        compared=tuple(_column(site, teller, shown, other) for other in compared),
        metrics=tuple(_metrics(shown, each, compared)),
        card=card,
        note=note or "",
        params=tuple(_values(run.params, before.run.params if before and before.run else None))
        if run is not None
        else (),
        before=teller.version(shown, before.name) if before else None,
        inputs=tuple(_inputs(run.inputs if run else (), before)),
        signature=tuple(_signature(whole.signature if whole else None)),
        files=tuple(
            PackageLine(
                path=file.path,
                size=size(file.size),
                digest=file.sha256,
                kept=_KEPT[file.store],
                change=""
                if file.path not in changes
                else "added"
                if changes[file.path][0] is None
                else "changed",
            )
            for file in (whole.files if whole else ())
        ),
        removed=tuple(path for path, (_, now) in changes.items() if now is None),
        size=size(whole.size) if whole and whole.files else "",
        packages=tuple(new_packages[:_PACKAGES]),
        same_packages=len(packages) - len(new_packages),
        history=tuple(teller.history(shown, each.name)),
        tags=tuple(Pair(name=name, value=value) for name, value in sorted(labels.items())),
        details=tuple(_details(site, shown, each, before)),
        source=tuple(_source(site, each, before)),
        commands=tuple(_commands(shown, each, before)),
        neighbours=(
            teller.version(shown, before.name) if before else None,
            teller.version(shown, after.name) if after else None,
        ),
    )


def _neighbours(
    shown: ShownModel, each: ShownVersion
) -> tuple[ShownVersion | None, ShownVersion | None]:
    """Return the version before and the one after, by number."""
    living = shown.living
    at = living.index(each)
    return (
        living[at + 1] if at + 1 < len(living) else None,
        living[at - 1] if at else None,
    )


def _compared(
    site: Site, shown: ShownModel, each: ShownVersion, before: ShownVersion | None
) -> list[ShownVersion]:
    """Return what metrics are compared with: the version before, and the one in production."""
    held = site.gathered.registered.current(shown)
    current = shown.find(held.version) if held else None
    found = [other for other in (before, current) if other is not None and other is not each]
    return [o for n, o in enumerate(found) if o.run is not None and o not in found[:n]]


def _column(site: Site, teller: Teller, shown: ShownModel, other: ShownVersion) -> Link:
    link = teller.version(shown, other.name)
    held = site.gathered.registered.current(shown)
    where = f" in {held.stage}" if held is not None and held.version == other.name else ""
    return Link(text=f"{link.text}{where}", href=link.href)


def _problem(each: ShownVersion) -> str:
    if each.whole is None:
        return "The files of this version cannot be read here: gitml audit says what is wrong."
    if each.version.foreign and not each.version.digest:
        return "A tag that gitml did not write tells of this version: it has no run and no package."
    return ""


def _change(shown: ShownModel, name: str, now: float, old: float) -> tuple[str, str]:
    """Return the change of a metric in words, and whether it is for the better."""
    change = now - old
    if change == 0 or change != change:  # noqa: PLR0124 - not a number
        return ("same" if change == 0 else ""), ""
    goal = shown.goal(name)
    better = change < 0 if goal == "min" else change > 0
    return signed(float(f"{change:.3g}")), ("up" if better else "down") if goal else ""


def _facts(
    shown: ShownModel, each: ShownVersion, compared: Sequence[ShownVersion]
) -> tuple[Fact, ...]:
    if each.run is None:
        return ()
    names = [n for n in shown.metrics if n in each.run.metrics][:_FACTS]
    found = []
    for name in names:
        now = each.run.metrics[name].last
        note, tone = "", ""
        for other in compared[:1]:
            if other.run is not None and name in other.run.metrics:
                said, tone = _change(shown, name, now, other.run.metrics[name].last)
                note = f"{said} vs. {other.name}" if said else ""
        found.append(Fact(label=name, value=number(now), note=note, tone=tone))
    return tuple(found)


def _metrics(
    shown: ShownModel, each: ShownVersion, compared: Sequence[ShownVersion]
) -> Iterator[MetricLine]:
    if each.run is None:
        return
    for name in leading_metrics([each.run], shown.metrics):
        now, others = each.run.metrics[name].last, []
        for other in compared:
            metric = other.run.metrics.get(name) if other.run else None
            said, tone = ("", "") if metric is None else _change(shown, name, now, metric.last)
            value = ABSENT if metric is None else number(metric.last)
            others.append(Fact(label=other.name, value=value, note=said, tone=tone))
        goal = shown.goal(name)
        yield MetricLine(name=name, value=number(now), goal=goal, others=tuple(others))


def _values(now: Mapping[str, Json], old: Mapping[str, Json] | None) -> Iterator[ValueLine]:
    """Yield the values of a version beside those before; those that are gone come last."""
    for name in [*sorted(now), *sorted({*(old or {})} - {*now})]:
        change = ""
        if old is not None and (name not in old or name not in now or old[name] != now[name]):
            change = "added" if name not in old else "removed" if name not in now else "changed"
        yield ValueLine(
            name=name,
            value=written(now[name]) if name in now else ABSENT,
            before=written(old[name]) if old and name in old else ABSENT,
            change=change,
        )


def _inputs(now: Sequence[Dataset], before: ShownVersion | None) -> Iterator[Input]:
    old = {item.name: item for item in (before.run.inputs if before and before.run else ())}
    for item in now:
        change = ""
        if before is not None and before.run is not None:
            was = old.get(item.name)
            change = "added" if was is None else "changed" if was.digest != item.digest else ""
        yield Input(
            name=item.name,
            what=item.context or ABSENT,
            digest=item.digest or ABSENT,
            size=ABSENT if item.size is None else size(item.size),
            rows=ABSENT if item.rows is None else f"{item.rows:,}",
            change=change,
        )


def _signature(signature: Json) -> Iterator[SignaturePart]:
    if not isinstance(signature, dict):
        return
    for part in PARTS:
        columns = signature.get(part)
        if not isinstance(columns, list) or not columns:
            continue
        listed = [c for c in columns if isinstance(c, dict)][:_COLUMNS]
        yield SignaturePart(
            name=part.capitalize(),
            columns=tuple(
                (str(c.get("name") or f"#{n}"), str(type_of(c)), _how(c))
                for n, c in enumerate(listed, 1)
            ),
        )


def _how(column: Mapping[str, Json]) -> str:
    if "default" in column:
        return f"default {written(column['default'])}"
    return "may be missing" if column.get("required") is False else ""


def _details(
    site: Site, shown: ShownModel, each: ShownVersion, before: ShownVersion | None
) -> Iterator[Pair]:
    facts, whole = each.version, each.whole
    yield Pair(name="Number", value=str(facts.number))
    if facts.digest:
        yield Pair(name="Digest", value=facts.digest, mono=True)
    if whole is not None and whole.files:
        yield Pair(name="Package", value=f"{plural(len(whole.files), 'file')}, {size(whole.size)}")
    if whole is not None and isinstance(whole.flavors, dict):
        yield Pair(name="Flavors", value=", ".join(sorted(map(str, whole.flavors))))
    tag = f"{shown.model.slug}@{each.name}"
    host = None if each.run is None else site.gathered.host(each.run.source.remote)
    href = host.tag(tag) if host is not None and facts.published else None
    yield Pair(name="Tag", value=tag, href=href, mono=True)
    kind = site.gathered.registered.signatures.get(tag)
    yield Pair(name="Signed", value=f"{kind}, not verified by this page" if kind else "no")
    if whole is not None and whole.run is not None and whole.run.experiment:
        yield Pair(name="Experiment", value=whole.run.experiment)
    if each.run is not None and each.run.environment.python:
        yield Pair(name="Python", value=each.run.environment.python)
    if whole is not None and whole.packages:
        old = before.whole.packages if before is not None and before.whole else None
        same = f", as in {before.name}" if before is not None and whole.packages == old else ""
        yield Pair(name="Packages", value=f"{len(whole.packages):,}{same}")


def _source(site: Site, each: ShownVersion, before: ShownVersion | None) -> Iterator[Pair]:
    if each.run is None:
        return
    source = each.run.source
    host = site.gathered.host(source.remote)
    if source.commit:
        href = None if host is None else host.commit(source.commit)
        yield Pair(name="Commit", value=source.commit, href=href, mono=True)
        yield Pair(
            name="State", value="with uncommitted changes" if source.dirty else "as committed"
        )
    if source.branch:
        yield Pair(name="Branch", value=source.branch, mono=True)
    old = before.run.source.commit if before is not None and before.run is not None else None
    if before is not None and old and source.commit and old != source.commit:
        href = None if host is None else host.diff(old, source.commit)
        text = f"{old[:7]} … {source.commit[:7]}"
        yield Pair(name=f"Changes since {before.name}", value=text, href=href, mono=True)
    if source.command:
        yield Pair(name="Command", value=" ".join(source.command), mono=True)


def _commands(shown: ShownModel, each: ShownVersion, before: ShownVersion | None) -> Iterator[str]:
    slug = shown.model.slug
    title = quoted(f"{slug}@{each.name}")
    if each.version.digest and each.whole is not None:
        yield f"gitml model pull {title} -o model --expect-digest {each.version.digest}"
    if before is not None:
        yield f"gitml model diff {quoted(f'{slug}@{before.name}')} {title}"
    yield f"gitml lineage {title}"
