"""Proposals: a stage file changed on a branch of its own, for others to review.

The commit is made by plumbing on the newest commit of the protected branch, so the
work tree, the index and the branch checked out are as before.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitml.errors import GitmlError, InputError, RefusedError, RemoteError
from gitml.names import tmp_ref, visible
from gitml.registry.desired import (
    Desired,
    dump_desired,
    read_desired,
    stage_file,
    stage_path,
)
from gitml.registry.finding import check_usable
from gitml.registry.github import Request, open_request, open_requests
from gitml.registry.message import check_text
from gitml.registry.report import code
from gitml.registry.writing import policy_tip
from gitml.store.remote import PushRef, listed, push_in_order

if TYPE_CHECKING:
    from gitml.registry.host import Host
    from gitml.registry.hostapi import Access
    from gitml.registry.values import Model, Version
    from gitml.registry.writing import Context
    from gitml.store.git import Repository

PREFIX = "gitml/"
"""Where the branches of proposals begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A proposal that was pushed."""

    desired: Desired
    """What its stage file says."""
    base: str
    """The branch that it is to be merged into."""
    branch: str
    """Its own branch."""
    commit: str
    """Its commit."""
    before: Desired | None = None
    """What the stage file said before; None if there was none, or none to be read."""
    request: Request | None = None
    """The request that was opened; None if a person has to."""
    link: str | None = None
    """Where a person opens the request; None on no known host."""
    trouble: str | None = None
    """Why it could not be opened, a sentence."""
    open_before: tuple[Request, ...] = ()
    """Requests for the same stage that were open already."""
    branches_before: tuple[str, ...] = ()
    """Branches of the same stage on the remote, where its host does not say which are open."""


def desired_of(
    model: Model, version: Version | None, stage: str, reason: str | None = None
) -> Desired:
    """Return what a stage file asks for to have ``version`` in a stage; None empties it.

    Raises `RefusedError` for a version that no stage may hold.
    """
    if version is not None:
        check_usable(model, version)
    return Desired(
        model=model.slug,
        stage=stage,
        version=None if version is None else version.name,
        digest=None if version is None else version.digest,
        reason=check_text(reason, "reason") or None if reason else None,
    )


def propose(
    repository: Repository,
    model: Model,
    desired: Desired,
    *,
    context: Context,
    host: Host | None,
    access: Access,
) -> Proposal:
    """Push a branch with the stage file changed, and open a request for it if the host lets us.

    The protected branch must have been fetched. Raises `RefusedError` without a
    remote or branch to propose to, `InputError` if the file says all that already,
    and `RemoteError` if the branch cannot be pushed. A request that cannot be
    opened is no failure: `Proposal.link` is for a person.
    """
    remote, base = context.remote, context.branch
    if remote is None:
        raise RefusedError(
            "There is no remote to propose this to.",
            hint="git remote add origin URL, or promote without --review",
        )
    tip = policy_tip(repository, context)
    if base is None or tip is None:
        raise RefusedError(
            f"{visible(remote, 80)} has no branch to propose this for.",
            hint="push a first commit, or name the branch: git config gitml.branch main",
        )
    before = _before(repository, tip, desired)
    commit = _commit(repository, tip, model, desired, context)
    head = f"{PREFIX}{desired.model}/{desired.stage}/"
    branch = f"{head}{desired.version or 'none'}-{commit[:8]}"
    same, others = _before_us(repository, remote, base, head, host, access)
    push_in_order(repository, remote, [PushRef(ref=f"refs/heads/{branch}", new=commit)])
    request, trouble = None, None
    if host is not None and host.kind == "github" and access.possible:
        try:
            request = _open(host, access, model, desired, base=base, branch=branch)
        except RemoteError as error:
            trouble = error.message
    return Proposal(
        desired=desired,
        base=base,
        branch=branch,
        commit=commit,
        before=before,
        request=request,
        link=None if host is None else host.request_link(base, branch),
        trouble=trouble,
        open_before=tuple(same),
        branches_before=tuple(others),
    )


def title_of(model: Model, desired: Desired) -> str:
    """Return the first line of the commit and the title of the request."""
    name = visible(model.name, 80)
    if desired.version is None:
        return f"Take {name} out of {desired.stage}"
    return f"Promote {name} {desired.version} to {desired.stage}"


def _before(repository: Repository, tip: str, desired: Desired) -> Desired | None:
    """Return what the file says at the tip; raise if that is what is asked for."""
    file = stage_file(repository, tip, desired.model, desired.stage)
    if file is None:
        return None
    with contextlib.suppress(InputError):
        before = read_desired(repository, file)
        if before == desired:
            raise RefusedError(
                f"{stage_path(desired.model, desired.stage)} says so already. "
                "Nothing was proposed.",
                hint="to have it applied again, give another reason: --reason TEXT",
            )
        return before
    return None


def _commit(
    repository: Repository, tip: str, model: Model, desired: Desired, context: Context
) -> str:
    """Write the commit of the proposal; no ref of this repository names it."""
    message = "\n\n".join(filter(None, (title_of(model, desired), desired.reason))) + "\n"
    tmp = tmp_ref(secrets.token_hex(8))
    with repository.fast_import() as stream:
        mark = stream.commit(
            tmp,
            committer=context.by,
            time=context.now,
            message=message,
            parents=[tip],
            keep_tree=True,
        )
        stream.put_data(desired.path, dump_desired(desired))
        commit = stream.oid(mark)
        stream.reset(tmp, repository.zero)  # as deleted: no ref is written
    return commit


def _before_us(
    repository: Repository,
    remote: str,
    base: str,
    head: str,
    host: Host | None,
    access: Access,
) -> tuple[list[Request], list[str]]:
    """Return the open requests for the stage; where the host does not say, the branches."""
    if host is not None and host.kind == "github" and access.possible:
        with contextlib.suppress(RemoteError):
            return open_requests(host, access, base, head), []
    with contextlib.suppress(GitmlError):
        heads = listed(repository, remote, f"refs/heads/{head}*")
        return [], sorted(ref.removeprefix("refs/heads/") for ref in heads)
    return [], []


def _open(
    host: Host, access: Access, model: Model, desired: Desired, *, base: str, branch: str
) -> Request:
    said = [line for line in (desired.reason or "").splitlines() if line.strip()]
    reason = "<br>".join(code(line, 500) for line in said) or "No reason was given."
    what = f"Changes {code(desired.path)} and nothing else."
    then = f"Once it is merged, {code('gitml apply')} judges the policy again and writes the tag."
    return open_request(
        host,
        access,
        branch=branch,
        base=base,
        title=title_of(model, desired),
        body=f"{reason}\n\n{what} {then}\n",
    )
