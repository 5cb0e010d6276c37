"""``gitml review``: what a request would put into the stages, with the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.model import Json
    from gitml.registry.findings import Report, Row, StageChange

REFUSED, CANNOT_TELL = 1, 2
_COMPARED = 3
"""Changes of which the command that compares the versions is named."""


@command(
    examples=[
        "gitml review --base origin/main",
        'gitml review --base origin/main --head my-branch --summary "$GITHUB_STEP_SUMMARY"',
    ],
    exits=[1, 3, 5, 6, 8, 9],
    exit_words={
        0: "the policy lets it pass, or no stage is changed",
        REFUSED: "refused by the policy",
        CANNOT_TELL: "a gate cannot tell, or wrong usage",
    },
)
@click.option("--base", metavar="REV", required=True, help="What the request is to be merged into.")
@click.option("--head", metavar="REV", default="HEAD", help="The request (default: HEAD).")
@click.option(
    "--summary", metavar="FILE", type=click.Path(path_type=Path), help="Append the report to FILE."
)
@json_option
def review(session: Session, *, base: str, head: str, summary: Path | None, as_json: bool) -> int:
    """Review a request that changes stage files, before it is merged.

    The gates of the base's policy are asked, and a report in Markdown is written:
    metrics beside those in the stage, data, code, environment, what to do to undo
    it. Refused is also a request that changes a stage file together with anything
    else that decides about promotions. What a shallow clone lacks is fetched. It
    is asked again after the merge, by gitml apply.
    """
    from gitml.commands.hosting import host_and_access
    from gitml.commands.writing import context_of
    from gitml.registry.report import markdown
    from gitml.registry.review import review as made

    store = session.store()
    context = context_of(session, store, sign=False)
    host, _ = host_and_access(store, context.remote)
    report = made(store, base=base, head=head, context=context, host=host)
    text = markdown(report)
    if summary is not None:
        with summary.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    if as_json:
        session.screen.json(**report_json(report))
    else:
        _draw(session, report, text)
    return {"refuse": REFUSED, "unknown": CANNOT_TELL}.get(report.answer, 0)


def _draw(session: Session, report: Report, text: str) -> None:
    """Draw what the gates say on a terminal; a pipe gets the report as it is."""
    from gitml.output.verdicts import draw_verdicts

    screen = session.screen
    if not screen.terminal:
        screen.write(text)
        return
    if not report.changes:
        screen.line("No stage file is changed: nothing is promoted by this request.")
    for change in report.changes:
        held, wanted = change.before or "(empty)", change.after or "(emptied)"
        wanted = wanted if change.readable else "?"
        name = change.model
        if change.slug and change.slug != name:
            name += f" ({change.slug})"
        screen.line(f"{name}: {change.stage} {held} → {wanted}", style="head")
        draw_verdicts(screen, change.verdicts)
        for problem in change.problems:
            screen.line(f"  {problem}", style="bad")
        for note in change.notes:
            screen.line(f"  {note}", style="dim")
    for problem in report.problems:
        screen.line(problem, style="bad")
    for note in report.notes:
        session.say(note)
    words = {"refuse": "Refused.", "unknown": "Cannot tell."}
    screen.line(words.get(report.answer, "Passes."))
    both = [c for c in report.changes if c.before and c.after and c.before != c.after]
    for change in both[:_COMPARED]:
        screen.commands(
            f"gitml model diff {change.slug}@{change.before} {change.slug}@{change.after}"
        )


def report_json(report: Report) -> dict[str, Json]:
    """Return a report as a document."""
    return {
        "answer": "pass" if report.answer == "pending" else report.answer,
        "base": report.base,
        "head": report.head,
        "problems": list(report.problems),
        "notes": list(report.notes),
        "changes": [_change_json(change) for change in report.changes],
    }


def _change_json(change: StageChange) -> dict[str, Json]:
    from gitml.registry.documents import event_json
    from gitml.registry.message import verdict_json

    plain = ("path", "slug", "model", "stage", "answer", "before", "after", "requester", "reason")
    tables = ("metrics", "params", "data", "environment")
    return {
        **{key: getattr(change, key) for key in plain},
        "problems": list(change.problems),
        "notes": list(change.notes),
        "gates": [verdict_json(verdict) for verdict in change.verdicts],
        **{key: [_row_json(row) for row in getattr(change, key)] for key in tables},
        "digest": change.digest,
        "size": change.size,
        "reproducible": change.reproducible,
        "events": [event_json(event) for event in change.events],
        "undo": change.undo,
    }


def _row_json(row: Row) -> dict[str, Json]:
    return {"name": row.name, "before": row.before, "after": row.after, "note": row.note}
