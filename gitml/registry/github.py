"""What gitml asks a GitHub: who approved a merged request, open requests, rules for tags.

A fact that the host does not give is "cannot tell", never a pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from gitml.errors import RemoteError
from gitml.names import visible
from gitml.registry.desired import guarded, together
from gitml.registry.gates.base import ReviewAnswer
from gitml.registry.hostapi import PAGE, PAGES, Access, StatusError, call, pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitml.model import Json
    from gitml.registry.host import Host

_MAY_APPROVE = frozenset(["admin", "maintain", "write"])
_NOT_THERE = (404, 422)
"""How GitHub answers for a commit that it does not have."""
_TAG_RULES = {
    "churn@v1.0.0": frozenset(["update", "deletion"]),  # registering is for all who push
    **dict.fromkeys(
        ("churn@v1.0.0!", "churn#production#1", "churn#production!#2"),
        frozenset(["creation", "update", "deletion"]),
    ),
}
"""What must be guarded of a tag of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request on a git host to take a branch into another."""

    number: int
    """Its number, ``12``."""
    url: str
    """Its address."""
    title: str
    """Its title."""
    author: str
    """The login of whoever opened it."""
    branch: str
    """The branch to be taken in."""
    head: str
    """The newest commit of that branch."""
    base: str
    """The branch that takes it in."""


def approved_request(
    host: Host | None, access: Access, *, commit: str, branch: str, path: str, blob: str | None
) -> ReviewAnswer:
    """Say whether ``commit`` came to ``branch`` by an approved request.

    It passes if a merged request into ``branch`` brought it, if the file ``path`` is
    in that request the very ``blob`` (None: the file is taken away) that the commit
    has and nothing in it decides about promotions besides, and if somebody who may write
    there, a person other than the request's author, approved the newest commit of it and
    has not taken that back.
    """
    if host is None:
        return ReviewAnswer(answer="unknown", got="the remote is on no git host")
    if host.kind != "github":
        return ReviewAnswer(answer="unknown", got=f"{host.title} is not asked about approvals")
    try:
        return _answer(host, access, commit=commit, branch=branch, path=path, blob=blob)
    except RemoteError as error:
        return ReviewAnswer(answer="unknown", got=error.message.rstrip("."))


def _answer(
    host: Host, access: Access, *, commit: str, branch: str, path: str, blob: str | None
) -> ReviewAnswer:
    requests = merged_requests(host, access, commit, branch)
    if not requests:
        got = f"no merged request into {visible(branch, 80)} has the commit {commit[:8]}"
        return ReviewAnswer(answer="refuse", got=got)
    answers = [_judge(host, access, request, path, blob) for request in requests]
    return next((a for a in answers if a.answer == "pass"), answers[0])


def _judge(
    host: Host, access: Access, request: Request, path: str, blob: str | None
) -> ReviewAnswer:
    named = f"#{request.number} by {visible(request.author, 80)}"
    files = list(pages(host, access, f"repos/{host.path}/pulls/{request.number}/files"))
    if not _holds(files, path, blob):
        got = f"{named} has another {visible(path)} than the branch"
        return ReviewAnswer(answer="refuse", got=got, request=request.url)
    if len(files) >= PAGE * PAGES:
        got = f"{named} has more files than {host.title} lists"
        return ReviewAnswer(answer="unknown", got=got, request=request.url)
    if also := guarded(_paths(files)):  # in a commit of its own, which a rebase merge keeps
        return ReviewAnswer(answer="refuse", got=f"{named} {together(also)}", request=request.url)
    approvers = [
        login
        for login in _approvals(host, access, request)
        if login.casefold() != request.author.casefold() and _may_write(host, access, login)
    ]
    if approvers:
        got = f"{named}, approved by {', '.join(visible(a, 80) for a in approvers)}"
        return ReviewAnswer(answer="pass", got=got, request=request.url)
    got = f"{named}, whose newest commit nobody else who may write there approved"
    return ReviewAnswer(answer="refuse", got=got, request=request.url)


def merged_requests(host: Host, access: Access, commit: str, branch: str) -> list[Request]:
    """Return the requests into ``branch`` that were merged and brought ``commit``."""
    try:
        found = list(pages(host, access, f"repos/{host.path}/commits/{commit}/pulls"))
    except StatusError as error:
        if error.status in _NOT_THERE:
            raise RemoteError(f"{host.title} does not know the commit {commit[:8]}") from None
        raise
    merged = [_request(item) for item in found if item.get("merged_at") and _is_of(item, host)]
    return [r for r in merged if r is not None and r.base == branch]


def open_requests(host: Host, access: Access, base: str, head: str) -> list[Request]:
    """Return the open requests into ``base`` of branches of this repository below ``head``."""
    path = f"repos/{host.path}/pulls?state=open&base={quote(base, safe='')}"
    found = [_request(item) for item in pages(host, access, path)]
    return [r for r in found if r is not None and r.branch.startswith(head)]


def open_request(
    host: Host, access: Access, *, branch: str, base: str, title: str, body: str
) -> Request:
    """Open a request and return it."""
    given = {"title": title, "body": body, "head": branch, "base": base}
    made = call(host, access, f"repos/{host.path}/pulls", method="POST", body=given)
    request = _request(made) if isinstance(made, dict) else None
    if request is None:
        raise RemoteError(f"{host.title} does not say which request it opened.")
    return request


def tags_protected(host: Host | None, access: Access) -> bool | None:
    """Say whether rules guard every tag of the registry; None if that cannot be told.

    Guarded is what active rulesets for tags do not let everybody move, delete or, but
    for the tag of a version, create.
    """
    if host is None or host.kind != "github":
        return None
    try:
        found = pages(host, access, f"repos/{host.path}/rulesets?includes_parents=true")
        numbers = [r.get("id") for r in found if _guards_tags(r)]
        whole = [call(host, access, f"repos/{host.path}/rulesets/{n}") for n in numbers]
    except RemoteError:
        return None
    held = {
        (sample, rule)
        for ruleset in whole
        if isinstance(ruleset, dict)
        for sample in _TAG_RULES
        if _applies(ruleset, f"refs/tags/{sample}")
        for rule in _types(ruleset)
    }
    return all((sample, rule) in held for sample, rules in _TAG_RULES.items() for rule in rules)


def _paths(files: Iterable[Mapping[str, Json]]) -> Iterable[str]:
    """Yield the paths of a request's files, former ones of those renamed among them."""
    for file in files:
        names = file.get("filename"), file.get("previous_filename")
        yield from (name for name in names if isinstance(name, str))


def _holds(files: Iterable[Mapping[str, Json]], path: str, blob: str | None) -> bool:
    """Say whether a request has exactly this content of the file."""
    for file in files:
        if file.get("filename") == path:
            removed = file.get("status") == "removed"
            return removed if blob is None else not removed and file.get("sha") == blob
    return False


def _approvals(host: Host, access: Access, request: Request) -> list[str]:
    """Return the logins of people whose last word on the newest commit is an approval."""
    last: dict[str, Mapping[str, Json]] = {}
    for review in pages(host, access, f"repos/{host.path}/pulls/{request.number}/reviews"):
        login = _login(review)
        # A comment neither approves nor takes an approval back.
        if login and review.get("state") in {"APPROVED", "CHANGES_REQUESTED", "DISMISSED"}:
            last[login] = review
    return [
        login
        for login, review in last.items()
        if review.get("state") == "APPROVED"
        and review.get("commit_id") == request.head
        and _inner(review, "user").get("type") == "User"
    ]


def _may_write(host: Host, access: Access, login: str) -> bool:
    path = f"repos/{host.path}/collaborators/{quote(login, safe='')}/permission"
    try:
        found = call(host, access, path)
    except StatusError as error:
        if error.status == _NOT_THERE[0]:
            return False
        raise
    return isinstance(found, dict) and found.get("permission") in _MAY_APPROVE


def _request(item: Mapping[str, Json]) -> Request | None:
    number, url = item.get("number"), item.get("html_url")
    head, base = _inner(item, "head"), _inner(item, "base")
    texts = (url, head.get("ref"), head.get("sha"), base.get("ref"))
    if not isinstance(number, int) or not all(isinstance(text, str) for text in texts):
        return None
    title = item.get("title")
    return Request(
        number=number,
        url=str(url),
        title=title if isinstance(title, str) else "",
        author=_login(item),
        branch=str(head["ref"]),
        head=str(head["sha"]),
        base=str(base["ref"]),
    )


def _is_of(item: Mapping[str, Json], host: Host) -> bool:
    """Say whether a request is into this repository: forks share commits."""
    name = _inner(_inner(item, "base"), "repo").get("full_name")
    return isinstance(name, str) and name.casefold() == host.path.casefold()


def _login(item: Mapping[str, Json]) -> str:
    login = _inner(item, "user").get("login")  # null where the account is gone
    return login if isinstance(login, str) else ""


def _inner(item: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    found = item.get(key)
    return found if isinstance(found, dict) else {}


def _guards_tags(ruleset: Mapping[str, Json]) -> bool:
    return ruleset.get("target") == "tag" and ruleset.get("enforcement") == "active"


def _types(ruleset: Mapping[str, Json]) -> Iterable[str]:
    rules = ruleset.get("rules")
    return [str(r.get("type")) for r in rules if isinstance(r, dict)] if rules else []


def _applies(ruleset: Mapping[str, Json], ref: str) -> bool:
    names = _inner(_inner(ruleset, "conditions"), "ref_name")
    included, left_out = names.get("include") or [], names.get("exclude") or []
    return any(_matches(p, ref) for p in included) and not any(_matches(p, ref) for p in left_out)


def _matches(pattern: Json, ref: str) -> bool:
    """Match as GitHub does: Ruby's fnmatch, in which ``*`` ends at a slash."""
    if pattern == "~ALL":
        return True
    if not isinstance(pattern, str) or len(pattern) > 200:  # noqa: PLR2004 - longer is none of ours
        return False
    parts = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*|\?)", re.sub(r"\*{3,}", "**", pattern))
    return re.fullmatch("".join(parts.get(p, re.escape(p)) for p in pieces), ref) is not None
