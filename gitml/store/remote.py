"""The registry's remote: which one it is, what it has, and what is pushed to it.

git asks nobody for a password here: where credentials are missing it fails, and
the failure says how to give them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml import names
from gitml.errors import InputError
from gitml.names import visible
from gitml.store import places
from gitml.store.hosts import AtomicError, rejection, transport_failure
from gitml.store.talking import talk

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gitml.errors import GitmlError
    from gitml.store.git import Repository

_HEAD = re.compile(r"ref: refs/heads/(\S+)\tHEAD")
_USUAL = ("main", "master")


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRef:
    """A ref to be pushed."""

    ref: str
    """Its whole name on the remote."""
    new: str
    """The object it shall name."""
    expected_old: str | None = None
    """What it must name there before; None is "must not exist"."""
    leased: bool = True
    """Whether that is a condition. Else the ref may be there, and is moved forwards only;
    where the remote's is not behind ours it stays as it is."""


def registry_remote(repository: Repository) -> str | None:
    """Return the remote that the registry is shared through, or None.

    It is ``git config gitml.remote`` (``none`` is None), else ``origin``, else
    the only one there is. Raises `InputError` if the setting names no remote.
    """
    known = repository.subsections("remote")
    named = repository.config("gitml", "remote")
    if named is not None:
        if named.lower() == "none":
            return None
        if named not in known:
            raise InputError(
                f"gitml.remote is {visible(named, 80)}, and there is no such remote.",
                hint=names.did_you_mean(named, known)
                or "git remote -v lists them; git config gitml.remote none keeps models here",
            )
        return named
    if "origin" in known:
        return "origin"
    return known[0] if len(known) == 1 else None


def protected_branch(repository: Repository, remote: str | None) -> str | None:
    """Return the short name of the branch that policy and stage files are read from.

    It is ``git config gitml.branch``, else the remote's default branch, else
    ``main`` or ``master``; without a remote also the branch checked out. None if
    there is none of these.
    """
    named = repository.config("gitml", "branch")
    if named is not None:
        return named.removeprefix("refs/heads/")
    if remote is None:
        for branch in _USUAL:
            if repository.resolve(f"refs/heads/{branch}") is not None:
                return branch
        found = repository.run("symbolic-ref", "--quiet", "--short", "HEAD", ok=(0, 1))
        return found.decode("utf-8", "surrogateescape").strip() or None
    head = f"refs/remotes/{remote}/HEAD"
    if repository.resolve(head) is not None:
        found = repository.run("symbolic-ref", "--quiet", head, ok=(0, 1))
        text = found.decode("utf-8", "surrogateescape").strip()
        if text.startswith(f"refs/remotes/{remote}/"):
            return text.removeprefix(f"refs/remotes/{remote}/")
    return None


def asked_branch(repository: Repository, remote: str) -> str | None:
    """Ask the remote for its default branch and remember it, as ``git clone`` does."""
    out = _talk(repository, remote, "ls-remote", "--symref", remote, "HEAD")
    found = _HEAD.search(out.decode("utf-8", "surrogateescape"))
    if found is None:
        return None
    head, branch = f"refs/remotes/{remote}/HEAD", found[1]
    repository.run("symbolic-ref", head, f"refs/remotes/{remote}/{branch}")
    return branch


def branch_tip(repository: Repository, remote: str | None, branch: str | None) -> str | None:
    """Return the commit of the protected branch as last seen, or None."""
    if branch is None:
        return None
    place = "refs/heads" if remote is None else f"refs/remotes/{remote}"
    return repository.resolve(f"{place}/{branch}^{{commit}}")


def fetch(
    repository: Repository,
    remote: str,
    specs: Sequence[str],
    branch: str | None,
    *,
    options: Sequence[str] = (),
) -> bool:
    """Fetch refspecs and a branch; return whether anything came.

    What the remote no longer has is pruned, within the refspecs. Raises
    `RemoteError` (`UnreachableError` where it could not be spoken to).
    """
    wanted = [*specs]
    if branch is not None:
        wanted.append(f"+refs/heads/{branch}:refs/remotes/{remote}/{branch}")
    if not wanted:  # git would take what the remote is configured to give
        return False
    branches = places.on_branches(repository, remote)
    wanted = [places.fetched(spec, branches=branches) for spec in wanted]
    command = [
        *("fetch", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--prune"),
        *("--no-recurse-submodules", "--no-filter", "--refmap=", *options, remote),
    ]
    code, out, err = spoken(repository, *command, *wanted)
    if code and branch is not None and f"find remote ref refs/heads/{branch}" in err:
        if repository.config("gitml", "branch") is not None:
            raise InputError(
                f"gitml.branch is {visible(branch, 80)}, and {remote} has no such branch.",
                hint="git config --unset gitml.branch takes the remote's default branch",
            )
        if not specs:
            return False
        code, out, err = spoken(repository, *command, *wanted[:-1])
    if code:
        raise transport_failure(remote, err, code)
    return bool(out.strip() or err.strip())


def fetch_refs(repository: Repository, remote: str, refs: Sequence[str]) -> None:
    """Fetch refs below ``refs/gitml/`` to where the remote's are remembered, if it has them."""
    # A ref that is not there is an error, a pattern without a match is none: hence the stars.
    kept = (names.remote_ref(remote, ref.removeprefix("refs/gitml/")) for ref in refs)
    specs = [f"+{ref}*:{place}*" for ref, place in zip(refs, kept, strict=True)]
    if specs:
        fetch(repository, remote, specs, None)


def listed(
    repository: Repository,
    remote: str,
    *patterns: str,
    branches: bool | None = None,
    besides: Sequence[str] = (),
) -> dict[str, str]:
    """Return the remote's refs that match, as it has them now, by the name they have here.

    ``branches`` says where they are (`gitml.store.places`); ``besides`` are patterns of refs
    that are given, and named, as they are there.
    """
    if branches is None:
        branches = places.on_branches(repository, remote)
    asked = [places.theirs(pattern, branches=branches) for pattern in patterns]
    out = _talk(repository, remote, "ls-remote", "--refs", remote, *asked, *besides)
    lines = out.decode("utf-8", "surrogateescape").splitlines()
    found = ((oid, ref) for oid, tab, ref in (line.partition("\t") for line in lines) if tab)
    return {places.ours(ref, branches=branches): oid for oid, ref in found}


def push_atomic(repository: Repository, remote: str, refs: Sequence[PushRef]) -> None:
    """Push refs by object id, all or none, each only if it is as expected there.

    Raises `BeatenError` if one is not; `RemoteError` if the remote refuses
    or (`UnreachableError`) cannot be spoken to; `AtomicError` if it cannot do all
    or none: nothing was pushed then.
    """
    _push(repository, remote, refs, atomic=True)


def push_together(repository: Repository, remote: str, *batches: Sequence[PushRef]) -> None:
    """Push batches as one; to a remote that cannot do that, in order (see `push_in_order`)."""
    try:
        push_atomic(repository, remote, [push for batch in batches for push in batch])
    except AtomicError:
        push_in_order(repository, remote, *filter(None, batches))


def push_in_order(repository: Repository, remote: str, *batches: Sequence[PushRef]) -> None:
    """Push batch after batch to a remote that knows no atomic push.

    If a batch fails, what the leased refs of the earlier ones named before is put
    back; a remote that does not allow that is named in the failure.
    """
    done: list[PushRef] = []
    for batch in batches:
        try:
            _push(repository, remote, batch, atomic=False)
        except Exception:
            _take_back(repository, remote, done)
            raise
        done += [push for push in batch if push.leased]


def _take_back(repository: Repository, remote: str, done: Sequence[PushRef]) -> None:
    """Put refs back that were pushed just now, where nobody has gone on from them."""
    if not done:
        return
    branches = places.on_branches(repository, remote)
    named = [(push, places.theirs(push.ref, branches=branches)) for push in done]
    leases = [f"--force-with-lease={ref}:{push.new}" for push, ref in named]
    specs = [f"{push.expected_old or ''}:{ref}" for push, ref in named]
    address = places.push_address(repository, remote, branches=branches)
    spoken(repository, *_PUSH, *leases, address, *specs)


_PUSH = ("push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
"""Hooks of this clone are for people's branches; what is large was uploaded before."""


def _push(repository: Repository, remote: str, refs: Iterable[PushRef], *, atomic: bool) -> None:
    branches = places.on_branches(repository, remote)
    wanted = {places.theirs(push.ref, branches=branches): push for push in refs}
    while wanted:
        leases = [
            f"--force-with-lease={ref}:{push.expected_old or ''}"
            for ref, push in wanted.items()
            if push.leased
        ]
        specs = [f"{push.new}:{ref}" for ref, push in wanted.items()]
        how = ["--atomic"] if atomic else []
        address = places.push_address(repository, remote, branches=branches)
        code, out, err = spoken(repository, *_PUSH, *how, *leases, address, *specs)
        if not code:
            return
        refused = rejected(out)
        ahead = {ref for ref, reason in refused.items() if is_ahead(reason)}
        ahead = {ref for ref in ahead if ref in wanted and not wanted[ref].leased}
        if not ahead:
            raise _failed(remote, refused, err, code)
        for ref in ahead:
            del wanted[ref]


def is_ahead(reason: str) -> bool:
    """Say whether a ref was not pushed because the remote's has what ours has not."""
    return reason in {"non-fast-forward", "fetch first", "already exists", "needs force"}


def is_race(reason: str) -> bool:
    """Say whether a ref was not pushed because somebody wrote it in the same moment."""
    return any(word in reason for word in ("failed to update ref", "cannot lock ref", "incorrect"))


def _failed(remote: str, refused: Mapping[str, str], err: str, code: int) -> GitmlError:
    if not refused:
        return transport_failure(remote, err, code)
    return rejection(remote, refused, err)


def rejected(out: str) -> dict[str, str]:
    """Return why by ref, of what ``git push --porcelain`` reports as not done."""
    found = {}
    for line in out.splitlines():
        flag, _, rest = line.partition("\t")
        spec, _, summary = rest.partition("\t")
        if flag == "!":
            reason = re.search(r"\((.*)\)$", summary)
            found[spec.partition(":")[2]] = reason[1] if reason else summary
    return found


def _talk(repository: Repository, remote: str, *args: str) -> bytes:
    code, out, err = spoken(repository, *args)
    if code:
        raise transport_failure(remote, err, code)
    return out.encode("utf-8", "surrogateescape")


def spoken(repository: Repository, *args: str) -> tuple[int, str, str]:
    """Run git over the network; return its exit code and what it said on stdout and stderr."""
    code, out, err = talk(repository, *args)
    said, told = (text.decode("utf-8", "surrogateescape") for text in (out, err))
    return code, said, told
