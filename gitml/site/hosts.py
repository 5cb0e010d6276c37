"""Links to commits, tags and differences on the host of a repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from gitml.errors import InputError
from gitml.names import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

_SCP = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!/)(.+)")
_URL = re.compile(r"(?:https?|ssh|git\+ssh|git)://(?:[^@/]*@)?([\w.-]+)(?::\d+)?/(.+)")
_AZURE = re.compile(r"v3/([^/]+)/([^/]+)/([^/]+)")
_COMMIT = {
    "azure": "{base}/commit/{commit}",
    "bitbucket": "{base}/commits/{commit}",
    "gitea": "{base}/commit/{commit}",
    "github": "{base}/commit/{commit}",
    "gitlab": "{base}/-/commit/{commit}",
}
_DIFF = {
    "azure": "{base}/branchCompare?baseVersion=GC{before}&targetVersion=GC{after}",
    "bitbucket": "{base}/branches/compare/{after}%0D{before}",
    "gitea": "{base}/compare/{before}...{after}",
    "github": "{base}/compare/{before}...{after}",
    "gitlab": "{base}/-/compare/{before}...{after}",
}
_TAG = {
    "azure": "{base}?version=GT{tag}",
    "bitbucket": "{base}/src/{tag}",
    "gitea": "{base}/src/tag/{tag}",
    "github": "{base}/releases/tag/{tag}",
    "gitlab": "{base}/-/tags/{tag}",
}


KINDS = tuple(sorted(_COMMIT))
"""What may run on a server, each with addresses of its own."""
_WEB = re.compile(r"https?://[^\s/{}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The web pages of a repository; those that are not known are empty."""

    name: str
    """The last part of its path."""
    commits: str
    """The page of a ``{commit}``."""
    tags: str
    """The page of a ``{tag}``."""
    comparison: str
    """The page that shows what two commits differ in, ``{before}`` and ``{after}``."""

    def commit(self, commit: str) -> str | None:
        """Return the page of a commit."""
        return self.commits.replace("{commit}", quote(commit, safe="")) or None

    def tag(self, tag: str) -> str | None:
        """Return the page of a tag."""
        return self.tags.replace("{tag}", quote(tag, safe="")) or None

    def diff(self, before: str, after: str) -> str | None:
        """Return the page that shows what two commits differ in, where the host has one."""
        found = self.comparison.replace("{before}", quote(before, safe=""))
        return found.replace("{after}", quote(after, safe="")) or None


def check_link(asked: str) -> str:
    """Return what somebody said of links if it can be used, else raise `InputError`.

    It is one of `KINDS`, what runs on the server of the repository; or an address with
    ``{commit}``, with ``{tag}``, or with ``{before}`` and ``{after}``.
    """
    if asked in KINDS or (_WEB.match(asked) and _meant(asked)):
        return asked
    raise InputError(
        f"{visible(asked, 80)} says nothing of links.",
        hint=f"one of {', '.join(KINDS)}, or an address on the web with {{commit}}, with {{tag}}, "
        "or with {before} and {after}",
    )


def _meant(address: str) -> str:
    """Return what an address shows, by what it has a place for."""
    if "{before}" in address and "{after}" in address:
        return "comparison"
    return "commits" if "{commit}" in address else "tags" if "{tag}" in address else ""


def host_of(remote: str | None, links: Sequence[str] = ()) -> Host | None:
    """Return the web pages of a remote, None where nothing tells.

    ``links`` are what somebody said, as `check_link` allows: they come before what the
    address tells, the last first.
    """
    base, kind = _base(remote or "")
    kind = next((each for each in reversed(links) if each in KINDS), kind)
    pages = {
        name: table.get(kind, "").replace("{base}", base) if base else ""
        for name, table in (("commits", _COMMIT), ("tags", _TAG), ("comparison", _DIFF))
    }
    pages |= {_meant(each): each for each in links if each not in KINDS}
    return Host(name=base.rpartition("/")[2], **pages) if any(pages.values()) else None


def _base(remote: str) -> tuple[str, str]:
    """Return the page of a repository and what runs on its server; nothing if it has none."""
    match = _URL.fullmatch(remote) or _SCP.fullmatch(remote)
    if match is None or "." not in match[1]:
        return "", ""
    server, path = match[1].lower(), match[2].strip("/").removesuffix(".git")
    azure = _AZURE.fullmatch(path) if server == "ssh.dev.azure.com" else None
    if azure:
        server, path = "dev.azure.com", f"{azure[1]}/{azure[2]}/_git/{azure[3]}"
    return f"https://{server}/{quote(path, safe='/~')}", _kind(server)


def _kind(server: str) -> str:
    for kind, words in (
        ("gitlab", ("gitlab", "salsa.debian", "invent.kde")),
        ("gitea", ("gitea", "codeberg", "forgejo")),
        ("bitbucket", ("bitbucket",)),
        ("azure", ("dev.azure", "visualstudio")),
    ):
        if any(word in server for word in words):
            return kind
    return "github"
