"""A small GitHub on loopback: the few endpoints of its REST API that gitml asks.

Faithful to https://docs.github.com/en/rest (version 2022-11-28) in what gitml
reads: paths, methods, status codes, the fields and their types, pages of 100 with
``page`` counted from 1, ``{"message": …}`` in failures, ``Retry-After`` with limits,
404 and not 403 for what a token may not see. It is no recording of the real one,
and knows nothing beyond these endpoints: any other path is a 404.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "ghp_not-a-real-token"


class FakeGitHub:
    """The state of one repository, ``team/churn``, and what was asked."""

    def __init__(self):
        self.path = "team/churn"
        self.pulls = {}
        self.files = {}
        self.reviews = {}
        self.of_commit = {}
        self.permissions = {}
        self.rulesets = []
        self.comments = {}
        self.asked = []
        self.failures = []
        """(status, headers, body) of the next answers, first come first."""
        self.server = None

    @property
    def api(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def environment(self):
        """What a GitHub Actions job of this repository has in its environment."""
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.api,
            "GITHUB_REPOSITORY": self.path,
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_TOKEN": TOKEN,
        }

    def add_pull(self, number, *, head, branch="topic", base="main", author="ada", merged=None):
        """Add a request; ``merged`` are the commits by which it came to ``base``."""
        self.pulls[number] = {
            "number": number,
            "html_url": f"https://github.com/{self.path}/pull/{number}",
            "title": f"Request {number}",
            "state": "closed" if merged else "open",
            "merged_at": "2026-01-02T03:04:05Z" if merged else None,
            "merge_commit_sha": merged[-1] if merged else None,
            "user": {"login": author, "type": "User"},
            "head": {"ref": branch, "sha": head, "repo": {"full_name": self.path}},
            "base": {"ref": base, "sha": "0" * 40, "repo": {"full_name": self.path}},
        }
        for commit in merged or ():
            self.of_commit.setdefault(commit, []).append(number)
        return self.pulls[number]

    def review(self, number, login, state="APPROVED", *, commit=None, kind="User", may="write"):
        """Add a review; ``may`` is what the reviewer may do in the repository."""
        self.reviews.setdefault(number, []).append(
            {
                "id": len(self.reviews) + 1,
                "user": {"login": login, "type": kind},
                "state": state,
                "commit_id": commit or self.pulls[number]["head"]["sha"],
            }
        )
        if may is not None:
            self.permissions[login] = may

    def answer(self, method, url, body):
        """Return (status, document) for a request."""
        parts = urlsplit(url)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        path = unquote(parts.path)
        for pattern, kinds, answer in self._routes():
            found = re.fullmatch(f"/repos/{self.path}/{pattern}", path)
            if found and method in kinds:
                status, document = answer(found, query, body)
                if isinstance(document, list):
                    size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
                    document = document[(page - 1) * size : page * size]
                return status, document
        return 404, {"message": "Not Found", "status": "404"}

    def _routes(self):
        return [
            (r"commits/([0-9a-f]+)/pulls", ["GET"], self._commit_pulls),
            (r"pulls", ["GET"], self._list),
            (r"pulls", ["POST"], self._open),
            (r"pulls/(\d+)/files", ["GET"], lambda m, *_: (200, self.files.get(int(m[1]), []))),
            (r"pulls/(\d+)/reviews", ["GET"], lambda m, *_: (200, self.reviews.get(int(m[1]), []))),
            (r"collaborators/(.+)/permission", ["GET"], self._permission),
            (r"issues/(\d+)/comments", ["GET"], self._comments),
            (r"issues/(\d+)/comments", ["POST"], self._comment),
            (r"issues/comments/(\d+)", ["PATCH"], self._edit),
            (r"rulesets", ["GET"], lambda *_: (200, [self._head_of(r) for r in self.rulesets])),
            (r"rulesets/(\d+)", ["GET"], lambda m, *_: (200, self.rulesets[int(m[1]) - 1])),
        ]

    def _commit_pulls(self, found, _query, _body):
        if found[1] not in self.of_commit:
            return 422, {"message": f"No commit found for SHA: {found[1]}"}
        return 200, [self.pulls[number] for number in self.of_commit[found[1]]]

    def _list(self, _found, query, _body):
        asked = query.get("state", "open")
        return 200, [
            pull
            for pull in self.pulls.values()
            if asked in {"all", pull["state"]} and query.get("base") in {None, pull["base"]["ref"]}
        ]

    def _open(self, _found, _query, body):
        if any(
            p["head"]["ref"] == body["head"] and not p["merged_at"] for p in self.pulls.values()
        ):
            return 422, {"message": "Validation Failed"}
        number = max(self.pulls, default=0) + 1
        pull = self.add_pull(number, head="0" * 40, branch=body["head"], base=body["base"])
        pull |= {"title": body["title"], "body": body["body"]}
        return 201, pull

    def _permission(self, found, _query, _body):
        if found[1] not in self.permissions:
            return 404, {"message": "Not Found"}
        return 200, {"permission": self.permissions[found[1]], "user": {"login": found[1]}}

    def _comments(self, found, _query, _body):
        return 200, self.comments.get(int(found[1]), [])

    def _comment(self, found, _query, body):
        return 201, self.add_comment(int(found[1]), body["body"], "github-actions[bot]")

    def add_comment(self, number, text, login):
        """Add a comment to a request."""
        made = {"id": sum(map(len, self.comments.values())) + 1, "user": {"login": login}}
        made["body"] = text
        self.comments.setdefault(number, []).append(made)
        return made

    def _edit(self, found, _query, body):
        every = [comment for several in self.comments.values() for comment in several]
        (edited,) = [comment for comment in every if comment["id"] == int(found[1])]
        edited["body"] = body["body"]
        return 200, edited

    @staticmethod
    def _head_of(ruleset):
        """Return a ruleset as the list shows it: without conditions and rules."""
        return {k: v for k, v in ruleset.items() if k not in {"conditions", "rules"}}

    def add_ruleset(self, *include, target="tag", enforcement="active", exclude=(), rules=None):
        kinds = ["creation", "update", "deletion"] if rules is None else rules
        self.rulesets.append(
            {
                "id": len(self.rulesets) + 1,
                "name": f"rules {len(self.rulesets) + 1}",
                "target": target,
                "enforcement": enforcement,
                "conditions": {"ref_name": {"include": [*include], "exclude": [*exclude]}},
                "rules": [{"type": kind} for kind in kinds],
            }
        )


@contextlib.contextmanager
def running():
    """Give a `FakeGitHub` that answers on loopback."""
    fake = FakeGitHub()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            fake.asked.append((self.command, self.path))
            headers = {}
            if fake.failures:
                status, headers, document = fake.failures.pop(0)
            elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
                status, document = 401, {"message": "Bad credentials"}
            else:
                status, document = fake.answer(self.command, self.path, body)
            raw = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(raw)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_PATCH = do_POST = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_):
            pass

    fake.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=fake.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        fake.server.shutdown()
        thread.join()
        fake.server.server_close()
