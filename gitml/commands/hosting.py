"""The git host that a repository's registry is shared on, and with what it may be asked."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitml.registry.host import Host
    from gitml.registry.hostapi import Access
    from gitml.store.git import Repository

_TOKENS = ("GH_TOKEN", "GITHUB_TOKEN")
_ENTERPRISE = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")


def host_and_access(store: Repository, remote: str | None) -> tuple[Host | None, Access]:
    """Return the host of the remote, and the token or ``gh`` to ask it with.

    As with ``gh``, a token is for github.com, for the host that the CI job runs on,
    and for the one that GH_HOST names: a URL alone does not get one.
    """
    from gitml.registry.host import host_of, host_of_ci
    from gitml.registry.hostapi import Access

    if remote is None:
        return None, Access()
    ci = host_of_ci(os.environ)
    host = host_of(store.config(f'remote "{remote}"', "url"), ci)
    if host is None or host.kind != "github":
        return host, Access()
    named = os.environ.get("GH_HOST") == host.name
    known = host.name == "github.com" or host.name.endswith(".ghe.com")
    names = (_ENTERPRISE if named else ()) + (_TOKENS if known or named or host == ci else ())
    if ci is not None and ci.name == host.name:
        names = (*names, *_TOKENS)
    token = next((os.environ[name] for name in names if os.environ.get(name)), None)
    return host, Access(token=token, gh=shutil.which("gh"))
