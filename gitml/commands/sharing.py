"""What push, pull, sync and clone say: what moved, and what did not."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from gitml.names import plural, visible
from gitml.store.hosts import what_then

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gitml.commands.options import Session
    from gitml.errors import GitmlError
    from gitml.sharing.distance import Apart
    from gitml.sharing.exchange import Pull, Push
    from gitml.sharing.fetching import Fetched
    from gitml.sharing.holding import Held
    from gitml.store.git import Repository
    from gitml.store.pulling import Where
    from gitml.store.pushing import Pushed

REFUSED, LEFT_OUT = 9, 8
"""The exit codes of a push of which the remote refused a part, and of a pull of which a part
could not be taken, such as a ref with an evil name: all else came."""
LEFT_OUT_WORDS = {LEFT_OUT: "something of the remote is damaged and was left out, all else came"}
PUSH_GOES_ON = "What was sent is there, all is safe here, and the next gitml push goes on."
PULL_GOES_ON = "What came by then stays, and the next gitml pull goes on."


@contextlib.contextmanager
def if_interrupted(words: str) -> Iterator[None]:
    """Let ^C say what became of things."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(words)
        raise


@contextlib.contextmanager
def receiving(session: Session, store: Repository) -> Iterator[None]:
    """Draw a bar of what fetches receive, on a terminal."""
    from gitml.output import progress

    if not sys.stderr.isatty():
        yield
        return
    with progress("Receiving", color=session.color) as report:
        store.received = report
        try:
            yield
        finally:
            store.received = None


def run_push(session: Session, there: Where, store: Repository, *, dry_run: bool) -> Push:
    """Push everything that can go, with a bar where it takes long."""
    from gitml.output import bars
    from gitml.sharing.exchange import push
    from gitml.sharing.naming import runs_naming
    from gitml.tracking.identity import author
    from gitml.tracking.settings import read_settings

    def holders(contents: Collection[str]) -> set[str]:
        with session.index(store) as index:
            return runs_naming(index, contents)

    with if_interrupted(PUSH_GOES_ON), bars(color=session.color) as bar:
        return push(
            store,
            there,
            by=author(store),
            now=session.now,
            settings=read_settings(store.work_tree),
            named=_named(session, store),
            holders=holders,
            dry_run=dry_run,
            progress=bar("Pushing"),
            moved=bar("Large files", sized=True),
        )


def _named(session: Session, store: Repository) -> set[str] | None:
    """Return the large files that may go: those of purged runs stay where they are."""
    from gitml.sharing.large import kept
    from gitml.sharing.naming import named_large

    if not kept(store):
        return None
    with session.index(store) as index:
        return named_large(index, store)


def bring_artifacts(
    session: Session,
    store: Repository,
    remote: str | None,
    *,
    experiment: str | None = None,
    where: str | None = None,
) -> Fetched:
    """Bring the large files of runs that are not here, with a bar of bytes.

    ``remote`` is asked by git-lfs for what ``artifacts.remote`` does not have.
    """
    from gitml.output import progress
    from gitml.sharing.fetching import fetch_large, large_files

    with session.index(store) as index:
        wanted = large_files(index.search(experiment=experiment, where=where))
    with progress("Large files", color=session.color, sized=True) as report:
        return fetch_large(store, wanted, remote=remote, progress=report)


def tell_artifacts(session: Session, done: Fetched) -> None:
    """Say what large files came."""
    from gitml.output import size

    if done.came:
        told = f"{plural(len(done.came), 'large file')}, {size(done.size)}, verified"
    else:
        told = f"{plural(done.had, 'large file')}, here already" if done.had else "none"
    session.screen.fact("files", told)


def artifacts_json(done: Fetched) -> dict[str, int]:
    """Return what became of large files for ``--json``."""
    return {"count": len(done.came), "bytes": done.size, "here": done.had}


def tell_push(session: Session, there: Where, done: Push, *, dry_run: bool) -> None:
    """Say what went, line by line, and in one sentence."""
    from gitml.output import size

    screen = session.screen
    runs, name = done.runs, there.said
    facts = {
        "runs": plural(len(runs.runs), "run") if runs.runs else None,
        "ledgers": ", ".join(runs.ledgers),
        "source": plural(runs.sources, "source tree") + along_with(name, runs)
        if runs.sources
        else None,
        "models": ", ".join(done.models),
        "files": f"{plural(done.large.count, 'large file')}, {size(done.large.size)}"
        if done.large.count
        else None,
        "packed": f"{plural(len(runs.settled), 'run')} let go there" if runs.settled else None,
    }
    for label, text in facts.items():
        screen.fact(label, text or None)
    moved = any(facts.values())
    if not (moved or runs.refused or done.held.reason or done.wrong):
        screen.line(f"{name} has everything{', as far as is known' if dry_run else ''}.")
    elif dry_run:
        screen.line(f"Would push this to {name}; nothing was sent.")
    elif moved:
        screen.line(f"Pushed to {name}.")
    if runs.lost:
        session.say(f"{name} had no more what it was seen to have, so that was sent again.")
    for reason in dict.fromkeys(runs.refused.values()):
        first, *more = [visible(ref, 120) for ref, why in runs.refused.items() if why == reason]
        what = f"{first} and {plural(len(more), 'more ref')}" if more else first
        session.say(f"{name} refuses {what}: {visible(reason, 200).rstrip('.')}.")
    if runs.refused:
        session.say(
            f"{'Everything else arrived, and what' if moved else 'What'} was refused is safe here.",
            hint=what_then(runs.refused.values()),
        )
    tell_held(session, done.held, moved=moved)


def tell_held(session: Session, held: Held, *, moved: bool) -> None:
    """Say which large files did not go, and what waits for them."""
    from gitml.output import size

    if held.reason is None:
        return
    files = f"{plural(held.files.count, 'large file')} ({size(held.files.size)})"
    session.say(f"{files} did not go: {_sentence(held.reason)}")
    waits = [plural(len(held.runs), "run")] if held.runs else []
    for slug, runs in sorted(held.ledgers.items()):
        name = visible(slug, 70)
        waits.append(f"the ledger {name} ({plural(runs, 'run')} in it, and it goes as a whole)")
    waits += [f"the model {visible(slug, 70)}" for slug in sorted(held.models)]
    others = "everything else arrived, and " if moved else ""
    text = f"{others}what names them is safe here and waits: {_listed(waits)}."
    for slug, error in sorted(held.models.items()):
        if error.message.partition(":")[0] != held.reason.message.partition(":")[0]:
            session.say(f"The model {visible(slug, 70)} waits: {_sentence(error)}")
    text = text[:1].upper() + text[1:] if waits else "Everything else is there."
    session.say(text, hint=held.reason.hint)


def _sentence(error: GitmlError) -> str:
    return visible(error.message, 400).rstrip(".") + "."


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def exit_after_pull(done: Pull) -> None:
    """End with an exit code that tells whether all that is on the remote came."""
    if done.wrong is not None:
        raise done.wrong
    if done.runs.refused or done.runs.unreadable:
        raise click.exceptions.Exit(LEFT_OUT)


def exit_after(done: Push) -> None:
    """End with an exit code that tells whether all went."""
    if done.wrong is not None:
        raise done.wrong
    if done.runs.refused:
        raise click.exceptions.Exit(REFUSED)
    if done.held.reason is not None:
        raise click.exceptions.Exit(done.held.reason.exit_code)


def along_with(name: str, done: Pushed) -> str:
    """Say of source that was pushed how many commits it took along that nobody had pushed."""
    if not done.commits:
        return ""
    return f", with {plural(done.commits, 'commit')} that no branch of {name} has"


def push_json(done: Push) -> dict[str, Any]:
    """Return a push for ``--json``."""
    return {
        "runs": done.runs.runs,
        "ledgers": done.runs.ledgers,
        "sources": done.runs.sources,
        "commits": done.runs.commits,
        "lost": done.runs.lost,
        "settled": done.runs.settled,
        "models": done.models,
        "large": {"count": done.large.count, "bytes": done.large.size},
        "refused": done.runs.refused,
        "waiting": _held_json(done.held),
        "wrong": None if done.wrong is None else done.wrong.message,
    }


def _held_json(held: Held) -> dict[str, Any] | None:
    if held.reason is None:
        return None
    return {
        "count": held.files.count,
        "bytes": held.files.size,
        "reason": held.reason.message,
        "runs": held.runs,
        "ledgers": held.ledgers,
        "models": {slug: error.message for slug, error in held.models.items()},
    }


def tell_pull(session: Session, there: Where, done: Pull, started: float) -> None:
    """Say what came, line by line, and in one sentence."""
    screen = session.screen
    runs = done.runs
    facts = {
        "runs": plural(len(runs.runs), "new or changed run") if runs.runs else None,
        "ledgers": ", ".join(f"{slug} ({how})" for slug, how in sorted(runs.ledgers.items())),
        "models": ", ".join(done.models),
        "packed": f"{plural(len(runs.settled), 'run')} of ours, by somebody else"
        if runs.settled
        else None,
        "purged": ", ".join(run_id[:8] for run_id in runs.purged),
    }
    for label, text in facts.items():
        screen.fact(label, text or None)
    name = there.said
    if any(facts.values()):
        screen.line(f"Pulled from {name} in {time.monotonic() - started:.2f} s.")
    elif not runs.rewound and not runs.refused and done.wrong is None:
        screen.line(f"Nothing new on {name}.")
    tell_left(session, there, done)


def would_pull(there: Where, store: Repository) -> Apart:
    """Ask the remote what a pull would bring; nothing is fetched."""
    from gitml.sharing.distance import distance
    from gitml.tracking.settings import read_settings

    return distance(store, there, read_settings(store.work_tree), ask=True).behind


def tell_behind(session: Session, there: Where, behind: Apart) -> None:
    """Say what a pull would bring."""
    screen = session.screen
    runs = behind.runs
    screen.fact("runs", plural(len(runs), "run") + " new, changed or gone" if runs else None)
    screen.fact("ledgers", ", ".join(behind.ledgers) or None)
    screen.fact("models", ", ".join(behind.models) or None)
    if behind:
        screen.line(f"Would pull this from {there.said}; nothing was changed.")
    else:
        screen.line(f"Nothing new on {there.said}.")


def behind_json(behind: Apart) -> dict[str, Any]:
    """Return what a pull would bring for ``--json``."""
    return {"runs": behind.runs, "ledgers": behind.ledgers, "models": behind.models}


def tell_left(session: Session, there: Where, done: Pull) -> None:
    """Say what did not come, and what was mended."""
    runs, name = done.runs, there.said
    for run_id, reason in runs.unreadable.items():
        session.say(f"The run {run_id[:12]} of {name} was left out: {reason}")
    for slug in runs.restored:
        session.say(
            f"The ledger {slug} went on at {name} without runs that were in it; they were kept.",
            hint="gitml push brings them back there",
        )
    for ref, why in runs.refused.items():
        session.say(
            f"{visible(ref, 120)} of {name} was not taken: {visible(why, 200).rstrip('.')}."
        )
    if runs.refused or runs.unreadable:
        session.say(
            "Everything else came.",
            hint=f"git ls-remote {name} shows what is there; whoever wrote it can mend it",
        )


def tell_rewound(session: Session, there: Where, done: Pull) -> None:
    """Say which ledgers went back, and that this was not taken."""
    slugs = ", ".join(visible(slug, 70) for slug in sorted(done.runs.rewound))
    name = there.said
    one = len(done.runs.rewound) == 1
    push = shlex.join(["gitml", "push", name])
    session.say(
        f"On {name} the {'ledger' if one else 'ledgers'} {slugs} lost runs that were there; "
        "this was not taken, and nothing is lost here.",
        hint=f"{push} brings them back; gitml pull --accept-rewind takes it as it is",
    )


def pull_json(done: Pull) -> dict[str, Any]:
    """Return a pull for ``--json``."""
    runs = done.runs
    return {
        "runs": runs.runs,
        "gone": runs.gone,
        "ledgers": runs.ledgers,
        "rewound": {slug: {"was": was, "now": now} for slug, (was, now) in runs.rewound.items()},
        "settled": runs.settled,
        "purged": runs.purged,
        "models": done.models,
        "unreadable": runs.unreadable,
        "restored": runs.restored,
        "refused": runs.refused,
        "lost": runs.lost,
        "wrong": None if done.wrong is None else done.wrong.message,
    }
