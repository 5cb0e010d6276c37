"""``gitml audit``: whether the registry is what was published."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option
from gitml.errors import DamagedError, InputError, NotFoundError, RefusedError, StorageError
from gitml.names import plural, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitml.commands.options import Session
    from gitml.registry.audit import Listing, Report
    from gitml.store.git import Repository

_SIGNS = {"damage": ("✗", "bad"), "warning": ("!", "warn"), "note": ("·", "")}
_KEYS = ("kind", "level", "model", "ref", "text", "mend")


@command(
    examples=[
        "gitml audit",
        "gitml audit churn --fix",
        "gitml audit --since audit.json --write audit.json",
    ],
    exits=[3, 4, 5, 6, 7, 8, 9, 10],
)
@click.argument("model", required=False, metavar="[MODEL]")
@click.option("--since", metavar="FILE", help="Compare with what an earlier audit wrote, too.")
@click.option("--write", metavar="FILE", help="Write what was seen, unless something is damaged.")
@click.option("--fix", is_flag=True, help="Make and push tags that did not arrive.")
@json_option
def audit(
    session: Session,
    *,
    model: str | None,
    since: str | None,
    write: str | None,
    fix: bool,
    as_json: bool,
) -> int:
    """Check that models are what was published, and say what mends them.

    Journals, tags, their signatures and the files of versions are compared with
    each other and with the remote; only --fix changes anything. What was changed,
    or does not verify, gives exit code 8; what is only to be mended (a stage that
    differs from its file, a tag that did not arrive) gives 4; notes alone give 0.
    """
    from gitml.commands.writing import context_of
    from gitml.registry import audit as auditing
    from gitml.registry.mending import fix as mend

    store = session.store()
    earlier = None if since is None else _read(since)
    context = context_of(session, store)

    def look() -> Report:
        return auditing.audit(
            store,
            remote=context.remote,
            branch=context.branch,
            now=session.now,
            model=model,
            since=earlier,
            protected=_protected(store, context.remote),
        )

    report = look()
    mended = mend(store, report) if fix else ()
    if mended:
        report = look()
    if write is not None and not report.count("damage"):
        _write(Path(write), auditing.dump_listing(report.listing))
    if as_json:
        _json(session, report, mended)
    else:
        _tell(session, report, mended)
        if write is not None and report.count("damage"):
            session.say(
                f"{visible(write)} was not written, because something is damaged.",
                hint="mend it, or compare with an older listing: --since FILE",
            )
    if report.count("damage"):
        return DamagedError.exit_code
    return RefusedError.exit_code if report.count("warning") else 0


def _protected(store: Repository, remote: str | None) -> Callable[[], bool | None] | None:
    """Return what asks the host of a remote whether tags are protected there."""
    from gitml.commands.hosting import host_and_access
    from gitml.registry.github import tags_protected

    host, access = host_and_access(store, remote)
    return (lambda: tags_protected(host, access)) if access.possible else None


def _read(name: str) -> Listing:
    from gitml.registry.audit import LISTING_LIMIT, load_listing

    path = Path(name)
    try:
        if path.stat().st_size > LISTING_LIMIT:
            raise InputError(f"{visible(name)} has more than {LISTING_LIMIT:,} bytes.")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(
            f"There is no file {visible(name)}", hint="gitml audit --write FILE writes one"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"{visible(name)} cannot be read: {reason}.") from None
    return load_listing(text, visible(name))


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(
            f"{visible(str(path))} cannot be written: {error.strerror}.",
            hint="name a file in a folder that is there",
        ) from None


def _json(session: Session, report: Report, mended: tuple[str, ...]) -> None:
    sight = report.sight
    session.screen.json(
        sound=not report.count("damage"),
        remote=None if sight.shared is None else sight.shared.name,
        branch=sight.branch,
        at=report.listing.at,
        counts={
            "models": len(sight.models),
            "versions": report.versions,
            "events": report.events,
            "tags": report.tags,
            "signed": report.signed,
        },
        fixed=[*mended],
        findings=[{key: getattr(finding, key) for key in _KEYS} for finding in report.findings],
    )


def _tell(session: Session, report: Report, mended: tuple[str, ...]) -> None:
    from gitml.output import Cell

    screen, shared = session.screen, report.sight.shared
    for name in mended:
        there = "" if shared is None or shared.unreachable else f" and pushed it to {shared.name}"
        screen.line(f"Completed {name}{there}.")
    for finding in report.findings:
        sign, style = _SIGNS[finding.level]
        head = Cell(sign if screen.terminal else f"{finding.level:<7}", style)
        screen.line(head, " ", finding.text)
        if finding.mend:
            screen.line(" " * (len(head.text) + 1), "hint: ", finding.mend)
    where = "" if shared is None or shared.unreachable else f", compared with {shared.name}"
    screen.line(
        f"Looked at {plural(len(report.sight.models), 'model')}: "
        f"{plural(report.versions, 'version')}, {plural(report.events, 'event')}, "
        f"{plural(report.tags, 'tag')} ({report.signed:,} signed){where}."
    )
    damage, warnings = report.count("damage"), report.count("warning")
    if damage:
        verb = "is" if damage == 1 else "are"
        screen.line(f"{plural(damage, 'thing')} {verb} not as published.", style="bad")
    else:
        end = f"; {plural(warnings, 'thing')} to mend." if warnings else "."
        screen.line(f"Nothing that was published has changed{end}")
