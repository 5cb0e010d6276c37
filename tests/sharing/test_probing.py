"""gitml doctor --remote: what a host allows, found out by trying, and nothing left behind."""

from __future__ import annotations

import http.server
import json
import shutil
import threading

import pytest


@pytest.fixture
def hub(git, repo, bare_repo):
    """A host called origin."""
    git(repo, "remote", "add", "origin", bare_repo)
    git(repo, "push", "--quiet", "origin", "main")
    return bare_repo


@pytest.fixture
def probe(repo, hub, git, invoke):
    """Return ``probe() -> (allowed, hints)``; what it finds must be there afterwards too."""

    def run(*, left=()):
        def refs(path):
            return git(path, "for-each-ref")

        before = refs(repo), refs(hub)
        answer = invoke("doctor", "--remote", "--json", cwd=repo)
        assert answer.code == 0, answer.err
        if not left:
            assert (refs(repo), refs(hub)) == before
        found = json.loads(answer.out)
        return found["allowed"], {f["check"]: f["hint"] for f in found["findings"]}

    return run


def hook(hub, script, name="update"):
    place = hub / "hooks" / name
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)


LFS = {"git-lfs": True} if shutil.which("git-lfs") else {"git-lfs": False}


def test_a_host_that_allows_all(probe, repo, invoke, git, hub):
    everything = ["protocol", "custom refs", "deletion", "tags", "atomic push"]
    assert probe()[0] == {**dict.fromkeys(everything, True), **LFS}
    assert "custom refs  refs/gitml/* can be pushed" in invoke("doctor", "--remote", cwd=repo).out
    by_address = invoke("doctor", "--remote", "../bare.git", cwd=repo)
    assert by_address.code == 0
    assert "probe" not in git(hub, "for-each-ref")
    assert invoke("doctor", "--remote", "--verify", cwd=repo).code == 2


@pytest.mark.parametrize("how", ["update", "pre-receive", "hidden"])
def test_a_host_that_takes_branches_and_tags_alone(probe, repo, hub, git, how):
    if how == "update":
        hook(hub, "case $1 in refs/heads/*|refs/tags/*) ;; *) exit 1;; esac")
    elif how == "pre-receive":
        hook(hub, "! grep -q ' refs/gitml/'", how)
    else:
        git(hub, "config", "receive.hideRefs", "refs/gitml")
    allowed, hints = probe()
    assert (allowed["custom refs"], allowed["branches"], allowed["tags"]) == (False, True, True)
    assert hints["custom refs"] == "git config gitml.refs branches"
    git(repo, "config", "gitml.refs", "branches")
    allowed, hints = probe()
    assert (allowed["custom refs"], hints["custom refs"]) == (True, None)


def test_a_host_that_takes_refs_and_does_not_show_them(probe, hub, git):
    git(hub, "config", "uploadpack.hideRefs", "refs/gitml")
    allowed, hints = probe()
    assert not allowed["custom refs"]
    assert "gitml.refs branches" in hints["custom refs"]


def test_a_host_that_deletes_nothing_keeps_the_probe_and_it_is_named(probe, hub, git):
    hook(hub, "case $3 in 000000*) exit 1;; esac")
    allowed, hints = probe(left=["refs/gitml/probe"])
    assert (allowed["deletion"], allowed["tags"], allowed["probes"]) == (False, False, False)
    assert "decided at the host" in hints["deletion"]
    assert "refs/tags" not in git(hub, "for-each-ref")
    assert "refs/gitml/probe/" in git(hub, "for-each-ref")


def test_a_host_that_takes_no_tags_and_one_without_atomic_pushes(probe, hub, git):
    hook(hub, 'case $1 in refs/tags/*) echo "not you"; exit 1;; esac')
    git(hub, "config", "receive.advertiseAtomic", "false")
    allowed, hints = probe()
    assert (allowed["tags"], allowed["atomic push"]) == (False, False)
    assert "--review" in hints["tags"]
    assert (allowed["custom refs"], allowed["deletion"]) == (True, True)


def test_an_old_protocol_is_told_of(probe, repo, git):
    git(repo, "config", "protocol.version", "0")
    assert probe()[0]["protocol"] is False


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not installed")
@pytest.mark.parametrize("speaks", [True, False])
def test_whether_the_host_speaks_git_lfs(probe, repo, git, speaks):
    class Host(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            absent = {"code": 404, "message": "Object does not exist on the server"}
            answer = {"objects": [{**each, "error": absent} for each in asked["objects"]]}
            self.send_response(200 if speaks else 404)
            self.send_header("Content-Type", "application/vnd.git-lfs+json")
            self.end_headers()
            self.wfile.write(json.dumps(answer if speaks else {"message": "no"}).encode())

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        git(repo, "config", "lfs.url", f"http://127.0.0.1:{server.server_port}/lfs")
        git(repo, "config", "lfs.locksverify", "false")
        allowed, hints = probe()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert allowed["git-lfs"] is speaks
    assert (hints["git-lfs"] is None) == speaks


def test_large_files_that_go_to_a_bucket_need_no_git_lfs(probe, repo, git, tmp_path):
    git(repo, "config", "gitml.artifactsRemote", (tmp_path / "share").as_uri())
    allowed, hints = probe()
    assert (allowed["git-lfs"], allowed["artifacts.remote"]) == (True, False)
    assert "mount it" in hints["artifacts.remote"]
    (tmp_path / "share").mkdir()
    assert probe()[0]["artifacts.remote"] is True


def test_a_host_that_is_away(repo, git, invoke):
    git(repo, "remote", "add", "origin", "../nowhere.git")
    answer = invoke("doctor", "--remote", cwd=repo)
    assert (answer.code, "origin is not there" in answer.err) == (9, True)
    assert "packet" not in answer.err
    assert "refs/gitml-tmp" not in git(repo, "for-each-ref")
