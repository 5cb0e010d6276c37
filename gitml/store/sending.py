"""One push of refs of ours to a remote, and what became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.store import places
from gitml.store.hosts import WITHOUT_A_REASON, remote_words, transport_failure
from gitml.store.remote import rejected, spoken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitml.store.git import Repository
    from gitml.store.pulling import Where

_PUSH = (
    *("-c", "pack.useSparse=false", "push", "--porcelain", "--no-verify", "--no-follow-tags"),
    "--recurse-submodules=no",
)


def send_refs(
    repository: Repository, there: Where, specs: Sequence[str], leases: Sequence[str] = ()
) -> tuple[dict[str, bool], dict[str, str]]:
    """Push; return the refs that are there now as asked, and why by ref of the others.

    Of those that are there it says whether that is news to the remote.
    """
    asked = [places.pushed(spec, branches=there.branches) for spec in specs]
    address = places.push_address(repository, there.address, branches=there.branches)
    code, out, err = spoken(repository, *_PUSH, *leases, address, *asked)
    said = f": {words}" if (words := remote_words(err)) else ""
    refused = {
        there.ours(ref): reason + (said if reason.endswith(WITHOUT_A_REASON) else "")
        for ref, reason in rejected(out).items()
    }
    if code and not refused:
        raise transport_failure(there.address, err, code)
    arrived: dict[str, bool] = {}
    for line in out.splitlines():
        flag, tab, rest = line.partition("\t")
        if tab and flag in {" ", "*", "+", "=", "-"}:
            arrived[there.ours(rest.partition("\t")[0].partition(":")[2])] = flag != "="
    return arrived, refused
