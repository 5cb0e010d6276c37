"""Links to the pages of a host: told by the remote's address, or as somebody says."""

from __future__ import annotations

import pytest

from gitml.errors import InputError
from gitml.model import Source
from gitml.site.hosts import check_link, host_of
from tests.support import make_run, run_id_of

ONE, TWO, TAG = "1" * 40, "2" * 40, "churn@v1.0.0"
AZURE = "https://dev.azure.com/acme/ml/_git/churn"


@pytest.mark.parametrize(
    "remote, commit, diff, tag",
    [
        (
            "git@github.com:acme/churn.git",
            f"https://github.com/acme/churn/commit/{ONE}",
            f"https://github.com/acme/churn/compare/{ONE}...{TWO}",
            "https://github.com/acme/churn/releases/tag/churn%40v1.0.0",
        ),
        (
            "https://ci:secret@gitlab.example.com:8443/a/b/churn.git",
            f"https://gitlab.example.com/a/b/churn/-/commit/{ONE}",
            f"https://gitlab.example.com/a/b/churn/-/compare/{ONE}...{TWO}",
            "https://gitlab.example.com/a/b/churn/-/tags/churn%40v1.0.0",
        ),
        (
            "ssh://git@codeberg.org/acme/churn.git",
            f"https://codeberg.org/acme/churn/commit/{ONE}",
            f"https://codeberg.org/acme/churn/compare/{ONE}...{TWO}",
            "https://codeberg.org/acme/churn/src/tag/churn%40v1.0.0",
        ),
        (
            "git@bitbucket.org:acme/churn.git",
            f"https://bitbucket.org/acme/churn/commits/{ONE}",
            f"https://bitbucket.org/acme/churn/branches/compare/{TWO}%0D{ONE}",
            "https://bitbucket.org/acme/churn/src/churn%40v1.0.0",
        ),
        (
            "git@ssh.dev.azure.com:v3/acme/ml/churn",
            f"{AZURE}/commit/{ONE}",
            f"{AZURE}/branchCompare?baseVersion=GC{ONE}&targetVersion=GC{TWO}",
            f"{AZURE}?version=GTchurn%40v1.0.0",
        ),
    ],
)
def test_pages_of_hosts(remote, commit, diff, tag):
    host = host_of(remote)
    assert (host.name, host.commit(ONE), host.diff(ONE, TWO)) == ("churn", commit, diff)
    assert host.tag(TAG) == tag


@pytest.mark.parametrize(
    "remote", [None, "", "/srv/churn.git", "file:///srv/churn", "git@box:churn"]
)
def test_what_is_on_no_host(remote):
    assert host_of(remote) is None
    view = host_of(remote, ["https://view.example/{commit}"])
    assert (view.commit("a b"), view.tag(TAG), view.diff(ONE, TWO)) == (
        "https://view.example/a%20b",
        None,
        None,
    )


@pytest.mark.parametrize(
    "asked",
    ["bazaar", "https://view.example/", "https://view.example/{before}", "javascript:{commit}", ""],
)
def test_links_that_say_nothing(asked, invoke, repo):
    with pytest.raises(InputError, match="says nothing of links"):
        check_link(asked)
    answer = invoke("site", "build", "--links", asked, cwd=repo)
    assert (answer.code, "with {commit}" in answer.err) == (5, True)


def test_links_as_somebody_says(repo, invoke, tmp_path):
    remote = "git@code.example.com:acme/churn.git"
    make_run(repo, "first", source=Source(commit=ONE, remote=remote))
    links = ["--links", "gitlab", "--links", "https://view.example/{after}?from={before}"]
    made = invoke("site", "build", "-o", tmp_path / "site", *links, cwd=repo)
    assert made.code == 0, made
    page = (tmp_path / "site" / "runs" / f"{run_id_of('first')[:12]}.html").read_text()
    assert f'href="https://code.example.com/acme/churn/-/commit/{ONE}"' in page
    data = (tmp_path / "site" / "data" / "runs" / f"{run_id_of('first')[:12]}.js").read_text()
    assert "https://view.example/{after}?from={before}" in data
