"""Links to commits, trees and branches on the host of a repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A repository on the web."""

    base: str
    """Its page."""
    kind: str
    """github, gitlab, gitea, bitbucket or azure."""
    name: str
    """The last part of its path."""

    def commit(self, commit: str) -> str:
        """Return the page of a commit."""
        return _COMMIT[self.kind].format(base=self.base, commit=quote(commit, safe=""))

    def tag(self, tag: str) -> str:
        """Return the page of a tag."""
        return _TAG[self.kind].format(base=self.base, tag=quote(tag, safe=""))

    @property
    def comparison(self) -> str | None:
        """The page that shows what two commits differ in, ``{before}`` and ``{after}``.

        None where the host has none.
        """
        template = _DIFF.get(self.kind)
        return template and template.replace("{base}", self.base)

    def diff(self, before: str, after: str) -> str | None:
        """Return the page that shows what two commits differ in, where the host has one."""
        template = self.comparison
        if template is None:
            return None
        found = template.replace("{before}", quote(before, safe=""))
        return found.replace("{after}", quote(after, safe=""))


def host_of(remote: str | None) -> Host | None:
    """Return the web pages of a remote, None where its address does not tell."""
    match = _URL.fullmatch(remote or "") or _SCP.fullmatch(remote or "")
    if match is None:
        return None
    server, path = match[1].lower(), match[2].strip("/").removesuffix(".git")
    if "." not in server:
        return None
    azure = _AZURE.fullmatch(path) if server == "ssh.dev.azure.com" else None
    if azure:
        server, path = "dev.azure.com", f"{azure[1]}/{azure[2]}/_git/{azure[3]}"
    return Host(
        base=f"https://{server}/{quote(path, safe='/~')}",
        kind=_kind(server),
        name=path.rpartition("/")[2],
    )


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
