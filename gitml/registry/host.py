"""Which git host a remote is on, and the addresses of its pages.

Told from the remote's URL; in a CI job also from what the host says there, which
is how a GitHub or GitLab at a name of its own is known. Nothing here asks anybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind: TypeAlias = Literal["github", "gitlab", "gitea", "other"]

_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?P<path>[^/\\].*)")
"""``git@github.com:team/churn.git``; one letter before the colon would be a Windows drive."""
_KNOWN: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("github", re.compile(r"github\.com|github\..+|.+\.ghe\.com")),
    ("gitlab", re.compile(r"gitlab\.com|gitlab\..+")),
    ("gitea", re.compile(r"codeberg\.org|gitea\..+|forgejo\..+")),
)
_WORDS: dict[Kind, str] = {"github": "GitHub", "gitlab": "GitLab", "gitea": "Gitea"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A repository on a git host."""

    kind: Kind
    """What runs there."""
    name: str
    """The name of the machine, ``github.com``."""
    path: str
    """The repository, ``team/churn``."""
    web: str
    """The address of its pages, ``https://github.com/team/churn``."""
    api: str
    """Where the host is asked, ``https://api.github.com``; empty if it is not known."""

    @property
    def title(self) -> str:
        """Return how people call the host."""
        return _WORDS.get(self.kind, self.name)

    def commit_link(self, commit: str) -> str:
        """Return the address of a commit."""
        middle = "/-/commit/" if self.kind == "gitlab" else "/commit/"
        return f"{self.web}{middle}{commit}"

    def compare_link(self, before: str, after: str) -> str:
        """Return the address of what changed between two commits."""
        middle = "/-/compare/" if self.kind == "gitlab" else "/compare/"
        return f"{self.web}{middle}{quote(before, safe='')}...{quote(after, safe='')}"

    def request_link(self, base: str, branch: str) -> str:
        """Return the address at which a person opens a request of ``branch`` into ``base``."""
        if self.kind == "gitlab":
            return (
                f"{self.web}/-/merge_requests/new?merge_request%5Bsource_branch%5D="
                f"{quote(branch, safe='')}&merge_request%5Btarget_branch%5D={quote(base, safe='')}"
            )
        ends = "?expand=1" if self.kind == "github" else ""
        return f"{self.web}/compare/{quote(base)}...{quote(branch)}{ends}"


def host_of(url: str | None, ci: Host | None = None) -> Host | None:
    """Return the host of a remote with this URL, or None for a folder or another transport.

    ``ci`` is what the CI job says it is on (`host_of_ci`). It tells what runs at a
    name that is not known, and stands in for a URL that names no host.
    """
    parts = _split(url or "")
    if parts is None:
        return ci
    scheme, name, port, path = parts
    if ci is not None and ci.name == name:
        kind, api = ci.kind, ci.api
    else:
        kind = next((kind for kind, pattern in _KNOWN if pattern.fullmatch(name)), "other")
        api = _api(kind, name)
    at = f"{name}:{port}" if port and scheme == "http" else name
    web = f"{'http' if scheme == 'http' else 'https'}://{at}/{quote(path)}"
    return Host(kind=kind, name=name, path=path, web=web, api=api)


def host_of_ci(environment: Mapping[str, str]) -> Host | None:
    """Return the host that a CI job runs for, by the variables that it sets."""
    if environment.get("GITLAB_CI") and "CI_PROJECT_URL" in environment:
        kind: Kind = "gitlab"
        web = environment["CI_PROJECT_URL"]
        api = environment.get("CI_API_V4_URL", "")
        path = urlsplit(web).path.strip("/")
    elif environment.get("GITHUB_ACTIONS") and environment.get("GITHUB_REPOSITORY"):
        kind = "gitea" if environment.get("GITEA_ACTIONS") else "github"
        path = environment["GITHUB_REPOSITORY"]
        server = environment.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
        web, api = f"{server}/{path}", environment.get("GITHUB_API_URL", "https://api.github.com")
    else:
        return None
    name = urlsplit(web).hostname or ""
    return Host(kind=kind, name=name, path=path, web=web.rstrip("/"), api=api.rstrip("/"))


def _split(url: str) -> tuple[str, str, int | None, str] | None:
    """Return scheme, host, port and path of a URL as git takes it; None for a folder."""
    if "://" in url:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return None
        scheme, name, path = parts.scheme.lower(), parts.hostname or "", parts.path
        if scheme not in {"http", "https", "ssh", "git", "git+ssh"}:
            return None
    else:
        found = _SCP.fullmatch(url)
        if found is None or len(found["host"]) == 1:
            return None
        scheme, name, port, path = "ssh", found["host"].lower(), None, found["path"]
    path = path.strip("/").removesuffix(".git")
    if name == "ssh.github.com":  # https://docs.github.com/authentication: SSH over port 443
        name = "github.com"
    return (scheme, name, port, path) if name and path else None


def _api(kind: Kind, name: str) -> str:
    if kind == "github":
        if name == "github.com":
            return "https://api.github.com"
        return f"https://api.{name}" if name.endswith(".ghe.com") else f"https://{name}/api/v3"
    return {"gitlab": f"https://{name}/api/v4", "gitea": f"https://{name}/api/v1"}.get(kind, "")
