"""``gitml pack``: seal finished runs, and finish what died."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from gitml.commands.options import command
from gitml.errors import BeatenError, InputError
from gitml.names import plural, visible

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.store.pack import PackReport

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@command(
    examples=["gitml pack", "gitml pack --stale 7d"],
    exits=[3, 5, 6, 7, 8, 10],
)
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option("--stale", metavar="TIME", help="End runs silent for so long: 12h, 7d.")
@click.option("--auto", is_flag=True, hidden=True, help="In the background: quiet, one at a time.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def pack(
    session: Session, runs: tuple[str, ...], stale: str | None, auto: bool, as_json: bool
) -> None:
    """Seal finished runs into their experiments.

    Runs whose program died are written and marked killed; finished runs, those
    of others that a pull brought among them, move from a ref each into one ref
    per experiment, and the next push lets them go at the remote too. Runs of
    this clone are sealed by themselves after every 200 runs (pack.limit).
    """
    from gitml.output import progress
    from gitml.store.pack import pack as pack_store
    from gitml.tracking import capture
    from gitml.tracking.identity import author, who

    repository = session.store()
    now = capture.now_ms()
    ids = None
    if runs:
        from gitml.query.index import open_index

        with open_index(repository, now=now) as index:
            ids = [index.find(run).id for run in runs]
    silence = None if stale is None else _milliseconds(stale)
    try:
        with progress("Sealing runs") as advance:
            report = pack_store(
                repository,
                here=who(),
                committer=author(repository),
                now=now,
                ids=ids,
                stale=silence,
                pulled=not auto,  # in the background everybody tidies what is his own
                progress=advance,
            )
    except BeatenError:
        if auto:  # another packer is at it
            return
        raise
    if as_json:
        session.screen.json(**_answer(report))
    elif not auto:
        _tell(session, report)


def _milliseconds(text: str) -> int:
    match = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if match is None:
        raise InputError(
            f"{visible(text)} is not a length of time.", hint="Say 90m, 12h, 7d or 2w."
        )
    return int(match[1]) * _UNITS[match[2]] * 1000


def _answer(report: PackReport) -> dict[str, object]:
    return {
        "sealed": report.seal.sealed,
        "recovered": [{"id": r.id, "name": r.name} for r in report.recovered.values()],
        "ended": [{"id": r.id, "name": r.name} for r in report.ended.values()],
        "dropped": report.seal.dropped,
        "running": report.seal.running,
        "sources": report.seal.sources,
        "unreadable": report.seal.unreadable | {i: e.message for i, e in report.failed.items()},
    }


def _tell(session: Session, report: PackReport) -> None:
    screen = session.screen
    for run in report.recovered.values():
        why = "its program died" if run.status == "killed" else "it had ended"
        screen.line(f"{visible(run.name)}: {why}; written as {run.status}")
    for run in report.ended.values():
        screen.line(f"{visible(run.name)}: silent for too long; written as killed")
    for name, ids in report.seal.sealed.items():
        screen.line(f"Sealed {plural(len(ids), 'run')} into {visible(name)}")
    if report.seal.dropped:
        screen.line(f"Dropped {plural(len(report.seal.dropped), 'run')} that had been purged.")
    if report.seal.running:
        screen.line(f"{plural(report.seal.running, 'run')} still running.")
    unreadable = report.seal.unreadable | {i: e.message for i, e in report.failed.items()}
    for run_id, reason in unreadable.items():
        screen.line(f"{run_id[:8]} cannot be read: {visible(reason)}")
    if unreadable:
        screen.line("gitml doctor says more.")
    if not (report.seal.sealed or report.recovered or report.ended or unreadable):
        screen.line("Nothing to seal.")
