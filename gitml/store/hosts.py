"""What remotes and their hosts say on stderr, as failures with a hint."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitml.errors import BeatenError, GitmlError, RemoteError, UnreachableError
from gitml.names import TAGS, visible
from gitml.redact import strip_credentials
from gitml.store.failures import meaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WORDS = 300
"""Characters of a host's own words."""
_HOOK_SAID_NO = "error: hook declined to update "
"""How git repeats for each ref that a hook refused it."""
_UNPACK = "remote unpack failed: "
UNPACKING = "unpacker error"
"""The reason of a remote that could not store what it got: its disk is full, or damaged."""
_FIRST = (
    *("stale info", "fetch first", "non-fast-forward", "already exists", "needs force"),
    *("failed to update ref", "incorrect old value provided", "reference already exists"),
)
"""Reasons that say that a ref is not what was expected."""
_LOCKED = ("cannot lock ref", "reference already exists", "but expected")
"""Words of a remote git whose transaction found another value than the push named."""
_ALONG = (
    *("atomic push failed", "atomic push failure"),
    *("atomic transaction failed", "transaction failed", "atomic push rejected"),
)
"""Reasons that only say that another ref of the push failed."""
_NO_KEY = (
    *("could not read Username", "could not read Password", "terminal prompts disabled"),
    *("Authentication failed", "Permission denied (", "Host key verification failed"),
    *("HTTP Basic: Access denied", "Invalid username or", "error: 401"),
)
_NO_RIGHT = (
    *("Permission to ", "You do not have permission", "not allowed to push", "read only"),
    *("Write access to repository not granted", "service not enabled", "error: 403"),
)
_NOT_THERE = (
    *("does not appear to be a git repository", "Repository not found", "repository not found"),
    "' does not exist",
    *("ERROR: Repository", "not found: did you run git update-server-info", "error: 404"),
    *("not valid: is this a git repository?", "no DAV locking support"),
    *("/' not found", "access denied or repository not exported"),
)
_AWAY = (
    *("Could not resolve host", "Connection refused", "onnection timed out", "Failed to connect"),
    *("No route to host", "Network is unreachable", "Operation timed out", "Couldn't connect"),
    *("hung up unexpectedly", "early EOF", "Connection reset", "unexpected disconnect"),
    *("unable to access", "Could not read from remote repository", "closed by remote host"),
    *("RPC failed", "Broken pipe", "Operation too slow", "protocol error", "bad line length"),
)
WITHOUT_A_REASON = ("hook declined", UNPACKING, "failed to update ref")
"""Ends of reasons that leave it to the remote's own words to say why."""

HOW_TO_REFUSED = (
    "gitml doctor --remote tells what the host takes; "
    "where that is branches and tags alone: git config gitml.refs branches"
)
"""What to do where a host refuses refs of ours."""
TAGS_ARE_GUARDED = (
    "who may make tags of models is decided at the host; "
    "gitml promote MODEL VERSION --stage STAGE --review asks somebody who may"
)
"""What to do where a remote refuses a tag."""


_NO_ROOM_TO_WRITE = ("unable to create temporary object directory", "insufficient permission")
"""Words of a remote whose folder this account may not write to."""
_IN_THE_WAY = re.compile(r"'refs/(?:heads/)?([^']+)' exists; cannot create")
"""Words of a remote that has a ref where refs of ours need a folder."""
_OTHER_HASH = ("mismatched algorithms", "does not support this repository's hash algorithm")
"""Words of gits of which one has ids of SHA-1 and the other of SHA-256."""


def what_then(reasons: Iterable[str]) -> str:
    """Return what to do where a host refused refs of ours for these reasons."""
    reasons = [*reasons]
    if blocked := in_the_way(reasons):
        return blocked
    if any(word in reason for reason in reasons for word in _NO_ROOM_TO_WRITE):
        return "git's account there cannot write to the repository's folder, or the disk is full"
    if all(reason.startswith(UNPACKING) for reason in reasons):
        return "the host's disk may be full: once it can store this, gitml push sends it"
    return HOW_TO_REFUSED


def in_the_way(reasons: Iterable[str]) -> str | None:
    """Return what to do about a ref of the remote where refs of ours need a folder, or None."""
    found = next(filter(None, map(_IN_THE_WAY.search, reasons)), None)
    if found is None:
        return None
    name = visible(found[1], 100)
    return f"{name} is in the way there: git push REMOTE --delete {name} takes it away"


class AtomicError(RemoteError):
    """A remote that cannot push several refs as one."""


def said(remote: str) -> str:
    """Return how messages call a remote: its name, or its URL without what is secret."""
    return visible(strip_credentials(remote), 200)


def transport_failure(remote: str, err: str, code: int) -> GitmlError:
    """Return the failure that git's words about a remote mean, where it named no ref."""
    name = said(remote)
    if any(word in err for word in _OTHER_HASH):
        return RemoteError(
            f"{name} names objects by another hash than this repository, SHA-1 or SHA-256, "
            "and git cannot exchange between the two.",
            hint="git rev-parse --show-object-format tells which; gitml clone takes the remote's",
        )
    if "does not support --atomic" in err:
        return AtomicError(f"{name} cannot push several refs as one.")
    if any(word in err for word in (*_NO_RIGHT, *_NO_KEY)):
        hint = f"git fetch {name} asks for what is missing; gitml itself never asks"
        if any(word in err for word in _NO_RIGHT):
            hint = "the account that git has there lacks the right, which whoever owns it gives"
            hint += "; a workflow of GitHub says permissions: contents: write"
        return RemoteError(f"{name} does not let you in: {_telling(err)}", hint=hint)
    if any(word in err for word in _NOT_THERE):
        # git's daemon does not tell which of the two.
        closed = ", or not for everybody" if "access denied or" in err else ""
        return UnreachableError(
            f"{name} is not there{closed}: {_telling(err)}",
            hint=f"git remote -v shows addresses; git ls-remote {name} whether it answers",
        )
    words = _last_words(err) if "hung up unexpectedly" in err else ""
    if words or any(word in err for word in _AWAY):
        what = f"broke off: {words}" if words else f"could not be reached: {_telling(err)}"
        return UnreachableError(
            f"{name} {what}", hint=f"git ls-remote {name} shows whether it answers"
        )
    found = meaning("with the remote", err) or RemoteError(
        f"git could not speak to {name} (exit code {code}): {_telling(err)}"
    )
    found.hint = found.hint or f"git ls-remote {name} shows whether it answers"
    return found


def rejection(remote: str, reasons: Mapping[str, str], err: str) -> GitmlError:
    """Return why a push was not taken: `BeatenError` if a ref is not what was expected.

    ``reasons`` are git's, by ref. Where a remote says neither that somebody was
    first nor that it refuses, it is `BeatenError` too: trying again tells.
    """
    name = said(remote)
    own = {ref: reason for ref, reason in reasons.items() if reason not in _ALONG}
    words = remote_words(err)
    beaten = any(word in reason for reason in own.values() for word in _FIRST)
    if beaten or not own:
        more = f" ({words})" if words and not beaten else ""
        return BeatenError(f"Somebody else wrote to {name} first{more}.")
    if any(word in err for word in _LOCKED):
        return BeatenError(f"Somebody else wrote to {name} first.")
    ref, reason = next(iter(own.items()))
    told = f"{reason}: {words}" if words else reason
    return RemoteError(
        f"{name} refuses {_what(own, ref)}: {visible(told, _WORDS)}",
        hint=_hint(own),
    )


def _what(refused: Mapping[str, str], ref: str) -> str:
    """Return what is refused, in a word: a hook refuses all there is alike."""
    if len(refused) > 1:
        return "the push"
    return f"the tag {visible(ref.removeprefix(TAGS), 100)}" if ref.startswith(TAGS) else ref


def _hint(refused: Mapping[str, str]) -> str:
    if any(ref.startswith(TAGS) for ref in refused):
        return TAGS_ARE_GUARDED
    return what_then(refused.values())


def remote_words(err: str) -> str:
    """Return what the remote's own programs said, in a line, and each of it once."""
    lines = [line.removeprefix("remote:").strip() for line in err.splitlines() if "remote:" in line]
    # The last resort: git's own word for it.
    lines = lines or [line.partition(_UNPACK)[2] for line in err.splitlines() if _UNPACK in line]
    told = dict.fromkeys(
        line for line in lines if line.strip("- ") and not line.startswith(_HOOK_SAID_NO)
    )
    return visible(" ".join(told).removeprefix("error: "), _WORDS)


def _last_words(err: str) -> str:
    """Return what was said besides that the connection ended."""
    lines = [line.strip() for line in err.splitlines()]
    told = [
        line.partition(": ")[2].removeprefix("fatal: ").strip()
        for line in lines
        if line.startswith(("remote: ", "fatal: ", "error: "))
        and not any(word in line for word in (*_AWAY, "failed to push some refs"))
    ]
    return visible(" ".join(told), _WORDS)


def _telling(err: str) -> str:
    """Return the line of git's words that says most."""
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    words = (*_NO_RIGHT, *_NO_KEY, *_NOT_THERE, *_AWAY)
    best = next((line for word in words for line in lines if word in line), "")
    best = best or next(
        (line for line in lines if line.startswith(("fatal:", "error:"))), "no word"
    )
    best = best.removeprefix("fatal: ").removeprefix("remote: ").removeprefix("error: ")
    return visible(strip_credentials(best), _WORDS)
