"""Which host a remote is on, and what a GitHub is asked.

The host is `tests.fake_github`, a faithful fake of the few endpoints, on loopback:
what the real one answers is not tested here.
"""

from __future__ import annotations

import json
import sys

import pytest

from gitml.errors import RemoteError
from gitml.registry.github import approved_request, open_request, open_requests, tags_protected
from gitml.registry.host import Host, host_of, host_of_ci
from gitml.registry.hostapi import Access, call, pages
from tests.fake_github import TOKEN, running

COMMIT = "c" * 40
HEAD = "d" * 40
BLOB = "e" * 40
STAGE_FILE = ".gitml/stages/churn/production.yaml"


@pytest.fixture
def github():
    with running() as fake:
        yield fake


@pytest.fixture
def host(github):
    return host_of("git@github.com:team/churn.git", host_of_ci(github.environment))


ACCESS = Access(token=TOKEN, pause=0.001)


@pytest.mark.parametrize(
    "url,kind,web",
    [
        ("https://github.com/team/churn.git", "github", "https://github.com/team/churn"),
        ("https://ada:secret@github.com/team/churn", "github", "https://github.com/team/churn"),
        ("git@github.com:team/churn.git", "github", "https://github.com/team/churn"),
        ("ssh://git@ssh.github.com:443/team/churn.git", "github", "https://github.com/team/churn"),
        ("ssh://git@git.example.com:2222/t/c.git", "other", "https://git.example.com/t/c"),
        ("https://gitlab.com/a/b/churn.git/", "gitlab", "https://gitlab.com/a/b/churn"),
        ("http://gitea.local:3000/t/c.git", "gitea", "http://gitea.local:3000/t/c"),
        ("git@codeberg.org:team/churn.git", "gitea", "https://codeberg.org/team/churn"),
    ],
)
def test_the_host_is_told_from_the_url(url, kind, web):
    host = host_of(url)
    assert (host.kind, host.web) == (kind, web)


@pytest.mark.parametrize(
    "url", [None, "", "/srv/git/churn.git", "../churn", "C:\\git\\churn", "file:///srv/churn"]
)
def test_a_folder_is_no_host(url):
    assert host_of(url) is None


def test_a_job_says_what_runs_at_a_name_of_its_own():
    ci = host_of_ci(
        {
            "GITHUB_ACTIONS": "true",
            "GITHUB_REPOSITORY": "t/c",
            "GITHUB_SERVER_URL": "https://git.example.com",
            "GITHUB_API_URL": "https://git.example.com/api/v3",
        }
    )
    host = host_of("git@git.example.com:t/c.git", ci)
    assert (host.kind, host.api) == ("github", "https://git.example.com/api/v3")
    assert host_of("git@elsewhere.example.com:t/c.git", ci).kind == "other"
    assert host_of("/srv/c.git", ci) == ci
    gitlab = host_of_ci({"GITLAB_CI": "true", "CI_PROJECT_URL": "https://code.example.com/t/c"})
    assert (gitlab.kind, gitlab.path) == ("gitlab", "t/c")
    assert host_of_ci({"CI": "true"}) is None


def test_links_are_those_of_each_host():
    github, gitlab, gitea = (
        host_of(f"https://{name}/t/c") for name in ("github.com", "gitlab.com", "codeberg.org")
    )
    branch = "gitml/churn/production/v1.2.0-3f2a9c41"
    assert github.request_link("main", branch).endswith(f"/compare/main...{branch}?expand=1")
    assert "source_branch%5D=gitml%2Fchurn%2F" in gitlab.request_link("main", branch)
    assert gitea.request_link("main", branch).endswith(f"/t/c/compare/main...{branch}")
    assert github.compare_link("a" * 40, "x y").endswith("...x%20y")
    assert gitlab.commit_link("abc") == "https://gitlab.com/t/c/-/commit/abc"


def ask(host, blob=BLOB):
    return approved_request(host, ACCESS, commit=COMMIT, branch="main", path=STAGE_FILE, blob=blob)


def merged(github, **facts):
    github.add_pull(12, head=HEAD, merged=[COMMIT], **facts)
    github.files[12] = [{"filename": STAGE_FILE, "status": "modified", "sha": BLOB}]


def test_an_approved_merged_request_passes(github, host):
    merged(github)
    github.review(12, "grace")
    answer = ask(host)
    assert answer.answer == "pass"
    assert answer.got == "#12 by ada, approved by grace"
    assert answer.request == "https://github.com/team/churn/pull/12"


@pytest.mark.parametrize(
    "reviews",
    [
        [],
        [{"login": "ada"}],
        [{"login": "Ada"}],
        [{"login": "grace", "commit": "b" * 40}],
        [{"login": "grace", "may": "read"}],
        [{"login": "grace", "may": None}],
        [{"login": "bot[bot]", "kind": "Bot"}],
        [{"login": "grace"}, {"login": "grace", "state": "CHANGES_REQUESTED"}],
        [{"login": "grace", "state": "DISMISSED"}],
        [{"login": "grace", "state": "COMMENTED"}],
    ],
    ids=[
        "none",
        "author",
        "author in other letters",
        "an older commit",
        "may only read",
        "no collaborator",
        "a bot",
        "taken back",
        "dismissed",
        "a comment",
    ],
)
def test_what_is_no_approval_refuses(github, host, reviews):
    merged(github)
    for review in reviews:
        github.review(12, **review)
    answer = ask(host)
    assert answer.answer == "refuse"
    assert "nobody else who may write there approved" in answer.got


def test_a_comment_after_an_approval_takes_nothing_back(github, host):
    merged(github)
    github.review(12, "grace")
    github.review(12, "grace", "COMMENTED")
    assert ask(host).answer == "pass"


def test_a_request_into_another_branch_or_with_another_content_refuses(github, host):
    merged(github, base="develop")
    github.review(12, "grace")
    assert "no merged request into main has the commit cccccccc" in ask(host).got
    github.pulls[12]["base"]["ref"] = "main"
    assert ask(host).answer == "pass"
    assert ask(host, blob="f" * 40).answer == "refuse"
    assert ask(host, blob=None).answer == "refuse"
    github.pulls[12]["base"]["repo"]["full_name"] = "someone/churn"
    assert ask(host).answer == "refuse"


@pytest.mark.parametrize(
    "file",
    [
        {"filename": ".github/workflows/gitml-apply.yml", "status": "modified"},
        {"filename": "old", "previous_filename": ".gitml/policy.yaml", "status": "renamed"},
    ],
)
def test_a_request_that_changes_what_decides_in_another_commit_refuses(github, host, file):
    """A rebase merge keeps its commits apart, so the commit alone does not show it."""
    merged(github)
    github.review(12, "grace")
    github.files[12].append({"sha": "e" * 40, **file})
    answer = ask(host)
    assert answer.answer == "refuse"
    assert "#12 by ada changes a stage file together with .git" in answer.got


def test_a_request_longer_than_the_host_lists_cannot_be_told(github, host):
    merged(github)
    github.review(12, "grace")
    github.files[12] += [{"filename": f"f{n}", "sha": "e" * 40} for n in range(2_999)]
    assert ask(host).answer == "unknown"


def test_a_commit_pushed_past_all_requests_refuses(github, host):
    github.of_commit[COMMIT] = []
    answer = ask(host)
    assert (answer.answer, answer.request) == ("refuse", None)


def test_what_the_host_does_not_say_cannot_be_told(github, host):
    assert ask(host).got == "GitHub does not know the commit cccccccc"
    assert ask(None).answer == "unknown"
    assert ask(host_of("https://gitlab.com/t/c")).got == "GitLab is not asked about approvals"
    nothing = approved_request(
        host, Access(), commit=COMMIT, branch="main", path=STAGE_FILE, blob=BLOB
    )
    assert nothing.answer == "unknown"
    assert "no token and no gh" in nothing.got
    gone = Host(kind="github", name="x", path="t/c", web="", api="http://127.0.0.1:9")
    assert "cannot be reached" in ask(gone).got
    merged(github)
    github.review(12, "grace")
    github.failures = [(200, {}, b"<html>a proxy's page</html>")]
    assert "with JSON" in ask(host).got


def test_reading_is_tried_again_and_opening_is_not(github, host):
    merged(github)
    github.review(12, "grace")
    github.failures = [(502, {}, b"<html>"), (429, {"Retry-After": "0"}, {"message": "slow down"})]
    assert ask(host).answer == "pass"
    github.failures = [(503, {}, {"message": "no"})]
    with pytest.raises(RemoteError, match="answered repos/team/churn/pulls with 503"):
        open_request(host, ACCESS, branch="b", base="main", title="t", body="x")
    assert [method for method, _ in github.asked].count("POST") == 1


@pytest.mark.parametrize(
    "status,headers,said",
    [
        (401, {}, "does not accept the token"),
        (403, {}, "does not let this token see repos/team/churn"),
        (404, {}, "or this token may not see it"),
        (403, {"Retry-After": "3600"}, "has been asked too often"),
        (301, {"Location": "https://elsewhere.example.com/"}, "with 301"),
        (500, {}, "with 500"),
    ],
)
def test_a_failure_says_what_a_person_can_do(github, host, status, headers, said):
    github.failures = [(status, headers, {"message": "its \x1b words"})] * 3
    with pytest.raises(RemoteError, match=said) as caught:
        call(host, ACCESS, "repos/team/churn/x")
    assert "\x1b" not in f"{caught.value.message}{caught.value.hint}"
    assert caught.value.message.endswith(".")


def test_a_token_goes_over_https_and_to_one_host_only(github, host):
    plain = Host(kind="github", name="x", path="t/c", web="", api="http://example.com")
    with pytest.raises(RemoteError, match="a token goes over HTTPS only"):
        call(plain, ACCESS, "x")
    assert TOKEN not in repr(ACCESS)
    other = f"http://localhost:{github.server.server_port}/stolen"
    github.failures = [(302, {"Location": other}, {})]
    with pytest.raises(RemoteError, match="with 302"):
        call(host, ACCESS, "repos/team/churn/x")
    assert ("GET", "/stolen") not in github.asked


def test_lists_are_read_to_their_last_page(github, host):
    for number in range(1, 251):
        github.add_pull(number, head=HEAD, branch=f"gitml/churn/production/v1.0.{number}-1")
    github.add_pull(251, head=HEAD, branch="gitml/churn/staging/v1.0.0-1")
    found = open_requests(host, ACCESS, "main", "gitml/churn/production/")
    assert [request.number for request in found] == list(range(1, 251))
    assert len(list(pages(host, ACCESS, "repos/team/churn/pulls?state=all"))) == 251


def test_gh_is_used_where_there_is_no_token(github, host, tmp_path):
    """A stand-in for gh: its arguments, exit codes and messages, over the same fake."""
    script = tmp_path / "gh"
    script.write_text(
        f"#!{sys.executable}\n"
        "import sys, urllib.request, urllib.error\n"
        "a = sys.argv[1:]\n"
        "assert a[:4] == ['api', '--hostname', 'github.com', '--method'], a\n"
        "data = sys.stdin.buffer.read() if '--input' in a else None\n"
        f"r = urllib.request.Request('{github.api}/' + a[5], data=data, method=a[4])\n"
        f"r.add_header('Authorization', 'Bearer {TOKEN}')\n"
        "try:\n"
        "    print(urllib.request.urlopen(r).read().decode())\n"
        "except urllib.error.HTTPError as e:\n"
        "    sys.exit(print(e.read().decode()) or f'gh: Not Found (HTTP {e.code})')\n",
        encoding="utf-8",
    )
    script.chmod(0o755)
    access = Access(gh=str(script), pause=0.001)
    made = open_request(host, access, branch="topic", base="main", title="t", body="x")
    assert (made.number, made.branch) == (1, "topic")
    with pytest.raises(RemoteError, match="GitHub has no repos/team/churn/x"):
        call(host, access, "repos/team/churn/x")
    script.write_text("#!/bin/sh\necho 'To get started, please run: gh auth login' >&2; exit 4\n")
    with pytest.raises(RemoteError, match="gh cannot ask GitHub: To get started"):
        call(host, access, "x")


EVERY_TAG = ["refs/tags/**/*#*", "refs/tags/**/*@*"]


@pytest.mark.parametrize(
    "include,facts,expected",
    [
        (EVERY_TAG, {}, True),
        (["~ALL"], {}, True),
        ([], {}, False),
        (["refs/tags/*#production#*", "refs/tags/*@*"], {}, False),
        (EVERY_TAG, {"enforcement": "evaluate"}, False),
        (EVERY_TAG, {"target": "branch"}, False),
        (EVERY_TAG, {"rules": ["deletion", "update"]}, False),
        (EVERY_TAG, {"rules": ["creation", "update"]}, False),
        (EVERY_TAG[:1], {}, False),
        (EVERY_TAG, {"exclude": ["refs/tags/churn@*"]}, False),
    ],
)
def test_tags_are_protected_when_every_kind_of_them_is(github, host, include, facts, expected):
    github.add_ruleset(*include, **facts)
    assert tags_protected(host, ACCESS) is expected


def test_two_rulesets_may_share_the_work_and_none_may_be_told(github, host):
    for pattern in EVERY_TAG:
        github.add_ruleset(pattern)
    assert tags_protected(host, ACCESS) is True
    assert tags_protected(host, Access()) is None
    assert tags_protected(None, ACCESS) is None
    assert json.dumps(github.asked).count("/rulesets/") == 2
