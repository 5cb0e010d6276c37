"""What a host allows, found out by trying: probes that are made and taken away again.

Their names are random, so that they are nobody's; a probe that the host does not let
go is named. Nothing is sent but an empty commit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitml import names
from gitml.errors import GitmlError
from gitml.names import TAGS, tmp_ref, visible
from gitml.store import lfs, places
from gitml.store.artifacts import pointer
from gitml.store.bucket import key_of, open_bucket
from gitml.store.git import RefUpdate
from gitml.store.hosts import in_the_way, remote_words, transport_failure
from gitml.store.remote import listed, rejected, spoken
from gitml.store.talking import talk
from gitml.tracking.checkup import NOTE, OK, WARNING, Finding
from gitml.tracking.settings import artifacts_remote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitml.store.git import Repository
    from gitml.store.pulling import Where

_VERSION = re.compile(r"packet: +[\w-]+< version (\d)")
_PUSH = ("push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
_WORDS = 200


@dataclass(slots=True, kw_only=True)
class _Probe:
    """What was found out so far."""

    repository: Repository
    there: Where
    commit: str
    """An empty commit."""
    token: str
    """16 random hex digits."""
    atomic: bool | None = None
    """Whether refs can be pushed as one; None is not known."""
    left: list[str] = field(default_factory=list)
    """Refs that were made there and could not be deleted."""

    def push(self, *specs: str, leases: Sequence[str] = ()) -> tuple[list[str], dict[str, str]]:
        """Push, as one where that can be; return (refs that are so now, why not by ref)."""
        address = places.push_address(self.repository, self.there.address, branches=True)
        how = [] if self.atomic is False else ["--atomic"]
        code, out, err = spoken(self.repository, *_PUSH, *how, *leases, address, *specs)
        refused = rejected(out)
        if code and not refused and how and "does not support --atomic" in err:
            self.atomic = False
            return self.push(*specs, leases=leases)
        if code and not refused:
            raise transport_failure(self.there.address, err, code)
        if not refused and how:
            self.atomic = True
        words = remote_words(err)
        told = {ref: f"{why}{f': {words}' if words else ''}" for ref, why in refused.items()}
        asked = [spec.rpartition(":")[2] for spec in specs]
        return ([] if refused and how else [ref for ref in asked if ref not in refused], told)

    def make(self, *refs: str) -> str | None:
        """Make refs there; return why that is refused, or None."""
        made, refused = self.push(*(f"{self.commit}:{ref}" for ref in refs))
        self.left += made
        return next(iter(refused.values()), None)

    def delete(self, *refs: str) -> str | None:
        """Delete refs that were made; return why that is refused, or None."""
        mine = [ref for ref in refs if ref in self.left]
        if not mine:
            return None
        leases = [f"--force-with-lease={ref}:{self.commit}" for ref in mine]
        gone, refused = self.push(*(f":{ref}" for ref in mine), leases=leases)
        self.left = [ref for ref in self.left if ref not in gone]
        return next(iter(refused.values()), None)


def probe(repository: Repository, there: Where, *, token: str) -> list[Finding]:
    """Return what a remote allows; ``token`` is 16 random hex digits.

    Raises `RemoteError` where it cannot be spoken to.
    """
    ref = tmp_ref(token)
    with repository.fast_import() as stream:
        mark = stream.commit(ref, committer="gitml <>", time=0, message="probe\n")
        empty = stream.oid(mark)
        mark = stream.commit(ref, committer="gitml <>", time=0, message="probe\n")
        sha256 = token * 4
        stream.put_data(sha256, pointer(sha256, 1))
        commit = stream.oid(mark)
    found = _Probe(repository=repository, there=there, commit=empty, token=token)
    try:
        said = [*_protocol(found), *_refs(found), *_tags(found), *_atomic(found)]
        return [*said, *_left(found), *_large(found, commit)]
    finally:
        try:
            found.delete(*found.left)
        finally:
            repository.update_refs([RefUpdate(ref, None, commit)])


def _protocol(found: _Probe) -> Iterator[Finding]:
    env = {"GIT_TRACE_PACKET": "1"}
    code, _, err = talk(found.repository, "ls-remote", found.there.address, "HEAD", env=env)
    said = err.decode("utf-8", "replace")
    if code:
        kept = "\n".join(line for line in said.splitlines() if " packet: " not in line)
        raise transport_failure(found.there.address, kept, code)
    version = _VERSION.search(said)
    if version is not None and version[1] == "2":
        yield Finding(check="protocol", level=OK, sentence="version 2")
        return
    yield Finding(
        check="protocol",
        level=NOTE,
        sentence="version 0: every fetch is told of every ref.",
        hint="git config --unset protocol.version; the host's git is to be 2.18 or later",
    )


def _refs(found: _Probe) -> Iterator[Finding]:
    """Try custom refs, and branches where those are not taken."""
    custom = [f"refs/gitml/probe/{found.token}/{n}" for n in "ab"]
    why = found.make(*custom)
    if why is None:
        patterns = [f"refs/gitml/probe/{found.token}/*"]
        shown = listed(found.repository, found.there.address, besides=patterns)
        if shown:
            yield Finding(check="custom refs", level=OK, sentence="refs/gitml/* can be pushed")
        else:
            yield Finding(
                check="custom refs",
                level=WARNING,
                sentence="refs/gitml/* can be pushed, and is not shown to who fetches.",
                hint="the host hides it (uploadpack.hideRefs); git config gitml.refs branches",
            )
        yield from _deleted(found, custom)
        if not found.there.branches:
            return
    branches = [f"{names.BRANCHES}probe/{found.token}/{n}" for n in "ab"]
    also = found.make(*branches)
    used = found.there.branches and also is None
    if why is not None:
        yield Finding(
            check="custom refs",
            level=OK if used else WARNING,
            sentence=f"refs/gitml/* is refused ({visible(why, _WORDS)})"
            + (" and branches are used" if used else "."),
            hint=None if used or also is not None else "git config gitml.refs branches",
        )
    yield Finding(
        check="branches",
        level=OK if also is None else WARNING,
        sentence="gitml/* can be pushed"
        if also is None
        else f"gitml/* is refused{' too' if why else ''} ({visible(also, _WORDS)}).",
        hint=None
        if also is None
        else in_the_way([also]) or "ask who runs the host for the right to push",
    )
    yield from _deleted(found, branches)


def _deleted(found: _Probe, refs: Sequence[str]) -> Iterator[Finding]:
    if not any(ref in found.left for ref in refs):
        return
    why = found.delete(*refs)
    yield Finding(
        check="deletion",
        level=OK if why is None else WARNING,
        sentence="refs of sealed runs can be deleted"
        if why is None
        else f"refs cannot be deleted ({visible(why, _WORDS)}), so those of sealed runs pile up.",
        hint=None if why is None else "who may delete refs/gitml/* is decided at the host",
    )


def _tags(found: _Probe) -> Iterator[Finding]:
    if found.left:  # what is made there stays there, and a tag would be seen by all
        yield Finding(
            check="tags", level=NOTE, sentence="not tried, since it could not be deleted again"
        )
        return
    tag = f"{TAGS}gitml-probe-{found.token}"
    why = found.make(tag)
    if why is None:
        yield Finding(check="tags", level=OK, sentence="can be made")
        found.delete(tag)
        return
    yield Finding(
        check="tags",
        level=WARNING,
        sentence=f"cannot be made ({visible(why, _WORDS)}), and versions and stages are tags.",
        hint="ask for the right to, or let others decide: gitml promote … --review",
    )


def _atomic(found: _Probe) -> Iterator[Finding]:
    if found.atomic:
        yield Finding(check="atomic push", level=OK, sentence="several refs go as one")
    elif found.atomic is False:
        yield Finding(
            check="atomic push",
            level=NOTE,
            sentence="several refs do not go as one; they are pushed in order",
        )


def _left(found: _Probe) -> Iterator[Finding]:
    for ref in found.left:
        yield Finding(
            check="probes",
            level=WARNING,
            sentence=f"{ref} was made to try this, and could not be deleted.",
            hint="it is an empty commit, and does no harm",
        )
    found.left = []


def _large(found: _Probe, commit: str) -> Iterator[Finding]:
    """Ask for a content that nobody has: a host with git-lfs answers so."""
    bucket = artifacts_remote(found.repository)
    if bucket is not None:
        said = f"not needed: large files go to {visible(bucket, 200)}"
        yield Finding(check="git-lfs", level=OK, sentence=said)
        yield _bucket(bucket)
        return
    why = lfs.answers(found.repository, found.there.address, commit)
    if why is None:
        yield Finding(check="git-lfs", level=OK, sentence="large files can be pushed and fetched")
        return
    yield Finding(
        check="git-lfs",
        level=WARNING,
        sentence=visible(why, _WORDS),
        hint="artifacts.remote in .gitml/config.yaml names another place: a folder, s3:// or gs://",
    )


def _bucket(address: str) -> Finding:
    """Ask for a content that nobody has; nothing is written there."""
    try:
        open_bucket(address).size(key_of("0" * 64))
    except GitmlError as error:
        return Finding(
            check="artifacts.remote", level=WARNING, sentence=error.message, hint=error.hint
        )
    return Finding(
        check="artifacts.remote", level=OK, sentence="large files can be looked up there"
    )
