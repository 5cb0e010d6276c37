"""``gitml init --github`` and ``--gitlab``: the files that a git host needs."""

from __future__ import annotations

import json
from importlib import metadata
from typing import TYPE_CHECKING

from gitml import __version__
from gitml.names import plural, visible
from gitml.registry.scaffold import LOCAL, github_files, gitlab_files, write_files
from gitml.tracking.packages import address_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitml.commands.options import Session
    from gitml.registry.scaffold import Outcome, Planned
    from gitml.store.git import Repository

_NO_OWNERS = "Whoever may merge decides over policy and stages: no CODEOWNERS was written."
_NEXT = {
    "github": (
        "git add .github && git commit -m 'Review and apply with gitml'",
        "gh api 'repos/{owner}/{repo}/rulesets' --input .github/rulesets/gitml-versions.json",
        "gh api 'repos/{owner}/{repo}/rulesets' --input .github/rulesets/gitml-stages.json",
    ),
    "gitlab": ("git add .gitlab .gitlab-ci.yml && git commit -m 'Review and apply'",),
}
_MORE = {
    "github": "Before the last of them comes a deploy key: see .github/workflows/gitml-apply.yml.",
    "gitlab": "Tags want a token and protection: .gitlab/gitml.yml says how.",
}
_ELSEWHERE = {
    "github": (
        f"where no package index has it: rm -r {LOCAL}, then "
        "gitml init --github --install 'gitml @ git+https://HOST/OWNER/gitml@COMMIT'"
    ),
    "gitlab": "where no package index has it, change GITML in .gitlab/gitml.yml",
}


def set_up(
    session: Session,
    top: Path,
    host: str,
    *,
    owners: Sequence[str],
    actions: str | None,
    requirement: str | None,
) -> None:
    """Write the files for ``host`` (``github`` or ``gitlab``), say what was done and what is next.

    Raises what `gitml.registry.scaffold` raises; then nothing was written.
    """
    release = f"gitml=={__version__}"
    given = requirement or _installed_from() or release
    if host == "github":
        branch = _branch(session.here())
        planned = github_files(
            top, branch=branch, requirement=given, actions=actions, owners=owners
        )
    else:
        planned = gitlab_files(top, requirement=given, owners=owners)
    outcomes = write_files(top, planned)
    for outcome in outcomes:
        _tell(session, outcome, _plan_of(planned, outcome))
    if not owners:
        session.say(_NO_OWNERS, hint=f"gitml init --{host} --owner @ORGANIZATION/TEAM writes one")
    if any(outcome.state != "same" for outcome in outcomes):
        for text in _NEXT[host]:
            session.screen.commands(text)
        session.screen.line(f"  {_MORE[host]}")
        if actions is None:
            hint = _ELSEWHERE[host] if given == release else None
            session.say(f"The jobs install {visible(given)} with pip.", hint=hint)


def _installed_from() -> str | None:
    """Return the repository and commit that pip installed this gitml from, if it was one.

    One on this machine is none for the jobs.
    """
    try:
        text = metadata.distribution("gitml").read_text("direct_url.json") or "{}"
        origin = json.loads(text)
        address = address_of(origin) if origin.get("vcs_info") else None
    except (metadata.PackageNotFoundError, ValueError, TypeError, AttributeError, LookupError):
        return None
    return None if address is None or "+file:" in address else f"gitml @ {address}"


def _branch(repository: Repository) -> str:
    """Return the protected branch; where nothing tells it, ``main``."""
    from gitml.errors import RemoteError
    from gitml.store.remote import asked_branch, protected_branch, registry_remote

    remote = registry_remote(repository)
    branch = protected_branch(repository, remote)
    if branch is None and remote is not None:
        try:
            branch = asked_branch(repository, remote)
        except RemoteError:  # workflows can be written on a train
            branch = protected_branch(repository, None)
    return branch or "main"


def _plan_of(planned: Sequence[Planned], outcome: Outcome) -> Planned:
    return next(file for file in planned if file.path == outcome.path)


def _tell(session: Session, outcome: Outcome, plan: Planned) -> None:
    screen = session.screen
    if outcome.state == "written":
        screen.line(f"Wrote {outcome.path}")
    elif outcome.state == "same":
        screen.line(f"{outcome.path} exists already, as it would be written.")
    elif plan.wanted is not None:
        lacks = plural(len(outcome.merge), "line")
        screen.line(f"{outcome.path} exists already; it was left as it is. Add {lacks} at its end:")
        for line in outcome.merge:
            screen.code(f"  {line}")
    else:
        screen.line(f"{outcome.path} exists already; it was left as it is. What would be new:")
        for line in outcome.merge:
            style = {"+": "good", "-": "bad"}.get(line[:1], "")
            screen.code(f"  {line}", style=style)
