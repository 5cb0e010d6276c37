"""``gitml doctor``: what is wrong, and the command that mends it."""

from __future__ import annotations

import secrets
import shutil
from typing import TYPE_CHECKING

import click

from gitml.commands.options import command, json_option
from gitml.errors import DamagedError, GitmlError, UsageError
from gitml.names import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.commands.options import Session
    from gitml.store.git import Repository
    from gitml.tracking.checkup import Finding

_SIGNS = {"ok": ("✓", "good"), "note": ("·", ""), "warning": ("!", "warn"), "damage": ("✗", "bad")}


@command(
    examples=["gitml doctor", "gitml doctor --verify --json", "gitml doctor --remote origin"],
    exits=[6, 8, 9],
)
@click.option("--verify", "deep", is_flag=True, help="Read every file and every point of all runs.")
@click.option(
    "--remote",
    metavar="[REMOTE]",
    is_flag=False,
    flag_value="",
    help="Instead, find out what a remote allows, by trying; origin or gitml.remote if not named.",
)
@json_option
def doctor(session: Session, *, deep: bool, remote: str | None, as_json: bool) -> int:
    """Look for what is wrong, and say what mends it.

    Nothing is changed. Damaged data gives exit code 8; all else that is found
    gives 0. For --remote probes of random names are pushed and deleted again:
    refs below refs/gitml/probe, and a tag gitml-probe-…
    """
    if remote is not None:
        if deep:
            raise UsageError("--verify and --remote cannot be given together.")
        return _probe(session, remote or None, as_json=as_json)
    from gitml.output import progress
    from gitml.tracking.checkup import examine, verify
    from gitml.tracking.identity import who

    store = session.store()
    lfs = shutil.which("git-lfs")
    with session.index() as index:
        found = examine(store, index, code=_code(session), lfs=lfs, here=who(), now=session.now)
    if deep:
        with progress("Verifying runs") as report:
            wrong = list(verify(store, report))
        found += wrong or [_verified()]
    damaged = [finding for finding in found if finding.level == "damage"]
    if as_json:
        session.screen.json(healthy=not damaged, findings=_documents(found))
    else:
        _tell(session, found)
    return DamagedError.exit_code if damaged else 0


def _probe(session: Session, remote: str | None, *, as_json: bool) -> int:
    """Tell what a remote allows."""
    from gitml.sharing.probing import probe
    from gitml.store.pulling import where

    store = session.store()
    there = where(store, remote)
    found = probe(store, there, token=secrets.token_hex(8))
    if as_json:
        session.screen.json(
            remote=there.name,
            allowed={f.check: f.level == "ok" for f in found},
            findings=_documents(found),
        )
    else:
        _tell(session, found)
    return 0


def _documents(found: Sequence[Finding]) -> list[dict[str, str | None]]:
    keys = ("check", "level", "sentence", "hint")
    return [{key: getattr(finding, key) for key in keys} for finding in found]


def _code(session: Session) -> Repository | None:
    """Return the repository that runs are recorded from, if there is one here."""
    try:
        return session.here()
    except GitmlError:
        return None


def _verified() -> Finding:
    from gitml.tracking.checkup import Finding

    return Finding(check="verify", level="ok", sentence="every file and every point verifies")


def _tell(session: Session, found: Sequence[Finding]) -> None:
    from gitml.output import Cell

    screen = session.screen
    width = max(len(finding.check) for finding in found)
    for finding in found:
        sign, style = _SIGNS[finding.level]
        head = Cell(sign if screen.terminal else finding.level.ljust(len("warning")), style)
        gap = "  " if screen.terminal else ""
        screen.line(gap, head, f" {finding.check.ljust(width)}  {finding.sentence}")
        if finding.hint:
            screen.line(" " * (len(gap) + len(head.text) + width + 3), "hint: ", finding.hint)
    counts = {level: sum(f.level == level for f in found) for level in _SIGNS}
    if counts["damage"]:
        screen.line(f"{plural(counts['damage'], 'thing')} damaged.", style="bad")
    elif counts["warning"]:
        screen.line(f"Nothing is damaged; {plural(counts['warning'], 'thing')} to mend.")
    else:
        screen.line("All is well.")
