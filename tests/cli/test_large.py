"""Large files as people meet them: pushed, freed, got back, and pulled by selection."""

from __future__ import annotations

import http.server
import json
import random
import shutil
import subprocess
import sys
import threading
from typing import ClassVar

import pytest

from gitml.model import Artifact
from gitml.names import TMP
from gitml.store.artifacts import here, kept_path, lfs_path, pointer
from gitml.store.bucket import key_of
from gitml.store.git import open_repository
from tests.support import make_run, run_id_of

SIZE = 1_200_000


@pytest.fixture
def share(tmp_path):
    """A folder that artifacts.remote names."""
    place = tmp_path / "share"
    place.mkdir()
    return place


@pytest.fixture
def hub(git, tmp_path):
    hub = tmp_path / "hub.git"
    git(tmp_path, "init", "--quiet", "--bare", "-b", "main", hub)
    return hub


@pytest.fixture
def ada(git, hub, share, tmp_path, invoke):
    """gitml in a clone whose settings, which are committed, name the share."""
    git(tmp_path, "clone", "--quiet", hub, "ada")
    path = tmp_path / "ada"
    (path / ".gitml").mkdir()
    (path / ".gitml" / "config.yaml").write_text(f"artifacts: {{remote: '{share.as_uri()}'}}\n")
    git(path, "add", ".gitml")
    git(path, "commit", "--quiet", "-m", "settings")
    git(path, "push", "--quiet", "origin", "HEAD:main")
    return within(path, invoke)


def within(path, invoke):
    def gitml(*args, code=0):
        answer = invoke(*args, cwd=path)
        assert answer.code == code, answer
        return answer

    gitml.path = path
    return gitml


def log(gitml, name, auc=0.9):
    """Record a run with a large file, and return that file's SHA-256."""
    (gitml.path / "model.bin").write_bytes(random.Random(name).randbytes(SIZE))
    gitml("log", "-e", "churn", "--name", name, "-m", f"auc={auc}", "--artifact", "model.bin")
    (gitml.path / "model.bin").unlink()
    shown = json.loads(gitml("artifacts", "ls", name, "--json").out)
    return shown["artifacts"][0]["sha256"]


def is_here(gitml, sha256):
    store = open_repository(gitml.path)
    try:
        return here(store, sha256) is not None
    finally:
        store.close()


def copies(gitml, sha256):
    store = open_repository(gitml.path)
    try:
        return [lfs_path(store, sha256), kept_path(store, sha256)]
    finally:
        store.close()


def test_large_files_go_to_the_share_and_come_back_for_a_selection(ada, share, hub, git, invoke):
    sha256 = {name: log(ada, name, auc) for name, auc in [("good", 0.9), ("bad", 0.5)]}
    assert "files      2 large files, 2.4 MB" in ada("push", "--dry-run").out
    assert list(share.iterdir()) == []
    assert "files      2 large files, 2.4 MB" in ada("push").out
    assert all((share / key_of(s)).stat().st_size == SIZE for s in sha256.values())
    assert not (hub / "lfs").exists()
    assert ada("push").out == "origin has everything.\n"

    git(hub.parent, "clone", "--quiet", hub, "bob")
    bob = within(hub.parent / "bob", invoke)
    bob("pull")
    assert not any(is_here(bob, s) for s in sha256.values())
    answer = bob("pull", "--with-artifacts", "--where", "metrics.auc > 0.8")
    assert "files      1 large file, 1.2 MB, verified" in answer.out
    assert [is_here(bob, s) for s in sha256.values()] == [True, False]
    answer = json.loads(bob("pull", "--with-artifacts", "--json").out)
    assert answer["large"] == {"count": 1, "bytes": SIZE, "here": 1}
    assert "whose large files are brought" in bob("pull", "-e", "churn", code=2).err
    assert bob("push").out == "origin has everything.\n"

    carl = within(hub.parent, invoke)
    answer = carl("clone", "--with-artifacts", "-e", "churn", hub, "carl")
    assert "files      2 large files, 2.4 MB, verified" in answer.out
    assert all(is_here(within(hub.parent / "carl", invoke), s) for s in sha256.values())


def test_what_names_no_file_that_stays_goes_all_the_same(ada, share, hub, git):
    """A place for large files that is away keeps those runs that need it, and no other."""

    def there():
        return {*git(hub, "for-each-ref", "--format=%(refname)", "refs/gitml").split()}

    log(ada, "packed")
    make_run(ada.path, "elsewhere", experiment="other")
    ada("pack")
    log(ada, "big")
    make_run(ada.path, "small")
    share.rmdir()
    ada("register", "churn", "--run", "big", "--no-push")
    answer = ada("push", code=9)
    assert "  runs       1 run\n  ledgers    other\n" in answer.out
    assert answer.err.startswith("2 large files (2.4 MB) did not go: ")
    assert (
        "waits: 1 run, the ledger churn (1 run in it, and it goes as a whole) and the model churn."
        in answer.err
    )
    assert there() >= {f"refs/gitml/runs/{run_id_of('small')}", "refs/gitml/experiments/other"}
    assert not any("churn" in ref for ref in there())
    # What the remote has as it is does not wait: it was sent when large files stayed at home.
    (ada.path / ".gitml" / "config.yaml").write_text("push: {large: false}\n")
    ada("push")
    git(ada.path, "checkout", "--quiet", ".gitml")
    ada("tag", "big", "a=b")
    answer = json.loads(ada("push", "--json", code=9).out)
    assert (len(answer["runs"]), answer["waiting"]["count"]) == (1, 2)
    assert (answer["waiting"]["runs"], answer["waiting"]["ledgers"]) == ([], {})
    share.mkdir()
    ada("sync")
    assert ada("push").out == "origin has everything.\n"
    assert len([*share.rglob("*/*")]) == 4  # two files, in a folder each


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not installed")
def test_a_file_that_git_lfs_cannot_send_keeps_back_no_other(ada, hub, git):
    git(ada.path, "config", "gitml.artifactsRemote", "none")
    files = [log(ada, name) for name in ("one", "two", "three")]
    place = hub / "lfs" / "objects" / files[2][:2]
    place.parent.mkdir(parents=True)
    place.write_text("in the way\n")
    sent = json.loads(ada("push", "--json", code=9).out)
    assert (len(sent["runs"]), sent["large"]["count"], sent["waiting"]["count"]) == (2, 2, 1)
    place.unlink()
    assert "files      1 large file, 1.2 MB" in ada("push").out


def test_get_takes_it_from_wherever_it_is(ada, share, hub, git, invoke):
    sha256 = log(ada, "one")
    ada("push")
    git(hub.parent, "clone", "--quiet", hub, "bob")
    bob = within(hub.parent / "bob", invoke)
    bob("pull")
    bob("artifacts", "get", "one")
    got = bob.path / "one-artifacts" / "model.bin"
    assert got.read_bytes() == random.Random("one").randbytes(SIZE)
    object_ = share / key_of(sha256)
    object_.write_bytes(b"\0" * SIZE)
    for file in copies(bob, sha256):
        file.unlink()
    answer = bob("artifacts", "get", "one", "model.bin", "-o", "again", code=8)
    assert f"{key_of(sha256)} is not model.bin: its bytes have another digest." in answer.err
    assert not (bob.path / "again").exists()
    assert not is_here(bob, sha256)
    object_.unlink()
    answer = bob("artifacts", "get", "one", "model.bin", "-o", "again", code=3)
    assert f"model.bin is not on this machine, nor at {share.as_uri()}" in answer.err
    # What is there already needs nobody.
    assert "was in one-artifacts already" in bob("artifacts", "get", "one").out


def test_gc_frees_what_is_safe_and_get_brings_it_back(ada, share, git):
    sha256 = {name: log(ada, name) for name in ("one", "two")}
    ada("push")
    third = log(ada, "three")
    assert ada("gc").out == "Nothing to remove.\n"  # they are from today
    said = f"2 large files that {share.as_uri()} has (2.4 MB).\n"
    answer = ada("gc", "--keep-days", "0", "--dry-run")
    assert answer.out == f"Would remove {said}"
    assert all(is_here(ada, s) for s in sha256.values())
    answer = ada("gc", "--keep-days", "0")
    assert answer.out == f"Removed {said}"
    assert "1 large file stayed: not there." in answer.err
    assert not any(file.exists() for s in sha256.values() for file in copies(ada, s))
    assert is_here(ada, third)
    ada("artifacts", "get", "one", "model.bin", "-o", "out")
    assert is_here(ada, sha256["one"])
    assert not is_here(ada, sha256["two"])
    assert ada("doctor", "--verify").code == 0


def test_status_tells_where_each_large_file_is(ada, share, hub, git, invoke):
    sha256 = {name: log(ada, name) for name in ("one", "two")}
    answer = ada("artifacts", "status")
    assert [line.split()[-2:] for line in answer.out.splitlines()[1:3]] == [["here", "only"]] * 2
    assert answer.out.splitlines()[-1] == "2 large files: 2 here only (2.4 MB)."
    ada("push")
    ada("gc", "--keep-days", "0")
    third = log(ada, "three")
    (share / key_of(sha256["two"])).unlink()
    answer = json.loads(ada("artifacts", "status", "--json").out)
    told = {f["sha256"]: (f["here"], f["artifacts_remote"], f["remote"]) for f in answer["files"]}
    assert told == {
        sha256["one"]: (False, True, False),
        sha256["two"]: (False, False, False),
        third: (True, False, False),
    }
    assert share.as_uri() in ada("artifacts", "status", "one").out
    assert ada("artifacts", "status").out.splitlines()[-1] == (
        "3 large files: 1 elsewhere (1.2 MB), 1 here only (1.2 MB), 1 not known where (1.2 MB)."
    )
    share.rename(share.with_name("moved"))
    assert "There is no folder" in ada("artifacts", "status", code=9).err


@pytest.mark.parametrize("what", ["lost", "other bytes", "shorter", "away", "damaged here"])
def test_gc_never_removes_what_may_be_the_only_copy(ada, share, what):
    sha256 = log(ada, "one")
    ada("push")
    object_ = share / key_of(sha256)
    if what == "lost":
        object_.unlink()
    elif what == "other bytes":
        object_.write_bytes(b"\0" * SIZE)
    elif what == "shorter":
        object_.write_bytes(b"\0")
    elif what == "away":
        share.rename(share.with_name("moved"))
    else:
        copies(ada, sha256)[0].write_bytes(b"\0" * SIZE)
    answer = ada("gc", "--keep-days", "0", "--json", code=9 if what == "away" else 0)
    document = json.loads(answer.out)
    assert document["safe"] == []
    assert [kept["sha256"] for kept in document["kept"]] == [sha256]
    assert all(file.exists() for file in copies(ada, sha256))
    if what == "away":
        assert "There is no folder" in answer.err
        assert "No large file was removed" in answer.err
        share.with_name("moved").rename(share)
    if what == "lost":  # the next push sends it again, and then it can go
        assert "files      1 large file" in ada("push").out
        assert object_.stat().st_size == SIZE
    if what in {"lost", "away"}:
        assert "Removed 1 large file" in ada("gc", "--keep-days", "0").out


def test_gc_leaves_what_a_branch_uses(ada, git):
    sha256 = {name: log(ada, name) for name in ("branch", "staged", "neither")}
    ada("push")
    for name in ("branch", "staged"):
        (ada.path / f"{name}.bin").write_bytes(pointer(sha256[name], SIZE))
    git(ada.path, "add", "branch.bin")
    git(ada.path, "commit", "--quiet", "-m", "a pointer")
    git(ada.path, "checkout", "--quiet", "-b", "other", "HEAD~")
    git(ada.path, "add", "staged.bin")
    answer = ada("gc", "--keep-days", "0")
    assert answer.out.startswith("Removed 1 large file ")
    assert "2 large files stayed: in use by a branch." in answer.err
    assert [is_here(ada, s) for s in sha256.values()] == [True, True, False]


@pytest.mark.parametrize("how", ["share", "remote", "worktree", "storage"])
def test_gc_is_not_taken_in_by_what_leads_back_to_the_copy_here(ada, share, hub, git, how):
    if how != "share" and shutil.which("git-lfs") is None:
        pytest.skip("git-lfs is not installed")
    sha256 = log(ada, "one")
    settings = ada.path / ".gitml" / "config.yaml"
    if how == "share":
        (share / "sha256").symlink_to(ada.path / ".git" / "gitml" / "objects")
    elif how == "storage":
        git(ada.path, "config", "lfs.storage", share.parent / "lfs")
        sha256 = log(ada, "two")
    else:
        settings.unlink()
        there = ada.path
        if how == "worktree":
            there = share.parent / "tree"
            git(ada.path, "worktree", "add", "--quiet", there)
        git(ada.path, "remote", "set-url", "origin", there)
    ada("push")
    answer = ada("gc", "--keep-days", "0")
    assert " stayed: " in answer.err
    assert is_here(ada, sha256)
    assert all(file.exists() for file in copies(ada, sha256))


def test_gc_asks_git_lfs_where_there_is_no_bucket(ada, hub, git):
    if shutil.which("git-lfs") is None:
        pytest.skip("git-lfs is not installed")
    (ada.path / ".gitml" / "config.yaml").unlink()
    sha256 = [log(ada, name) for name in ("safe", "lost", "unpushed")]
    third = sha256.pop()
    objects = [hub / "lfs" / "objects" / s[:2] / s[2:4] / s for s in sha256]
    for file in copies(ada, third):  # kept aside, so that the push does not see it
        file.rename(file.with_name("aside"))
    ada("push")
    for file in copies(ada, third):
        file.with_name("aside").rename(file)
    assert all(file.exists() for file in objects)
    objects[1].unlink()
    answer = ada("gc", "--keep-days", "0")
    assert answer.out == "Removed 1 large file that origin has (1.2 MB).\n"
    assert [is_here(ada, s) for s in (*sha256, third)] == [False, True, True]
    ada("artifacts", "get", "safe", "model.bin", "-o", "out")
    assert (ada.path / "out" / "model.bin").read_bytes() == random.Random("safe").randbytes(SIZE)
    assert git(ada.path, "for-each-ref", TMP) == ""
    ada("push")  # what was lost, and what was not pushed yet
    assert objects[1].exists()
    # What git lfs prune has taken away is sent all the same, from the link that keeps it.
    fourth = log(ada, "pruned")
    copies(ada, fourth)[0].unlink()
    ada("push")
    assert (hub / "lfs" / "objects" / fourth[:2] / fourth[2:4] / fourth).exists()


def test_git_lfs_of_a_remote_that_is_named_by_its_path(ada, hub, git, invoke):
    if shutil.which("git-lfs") is None:
        pytest.skip("git-lfs is not installed")
    (ada.path / ".gitml" / "config.yaml").unlink()
    sha256 = log(ada, "one")
    assert "files      1 large file" in ada("push", "../hub.git").out
    git(hub.parent, "clone", "--quiet", hub, "bob")
    bob = within(hub.parent / "bob", invoke)
    assert "1 large file, 1.2 MB, verified" in bob("pull", "../hub.git", "--with-artifacts").out
    assert is_here(bob, sha256)


def test_git_lfs_that_does_not_have_it(ada, hub, git, invoke):
    if shutil.which("git-lfs") is None:
        pytest.skip("git-lfs is not installed")
    (ada.path / ".gitml" / "config.yaml").unlink()
    sha256 = log(ada, "one")
    ada("push")
    git(hub.parent, "clone", "--quiet", hub, "bob")
    bob = within(hub.parent / "bob", invoke)
    (bob.path / ".gitml" / "config.yaml").unlink()
    bob("pull")
    assert "not known; git-lfs at origin may have it" in bob("artifacts", "status").out
    shutil.rmtree(hub / "lfs")
    for command in (["artifacts", "get", "one"], ["pull", "--with-artifacts"]):
        answer = bob(*command, code=3)
        assert "is not on this machine, nor at origin." in answer.err
        assert "hint: it is where the run was made: gitml push sends it from there" in answer.err
    assert not is_here(bob, sha256)


class Server(http.server.BaseHTTPRequestHandler):
    """As much of a git-lfs server as it takes: the batch API, objects in memory."""

    objects: ClassVar[dict[str, bytes]] = {}
    taken: ClassVar[list[str]] = []

    def do_POST(self):
        asked = json.loads(self.body())
        if not self.path.endswith("/objects/batch"):
            self.answer(404, b"{}")
            return
        way = asked["operation"]
        told = []
        for each in asked["objects"]:
            has = each["oid"] in self.objects
            href = f"http://{self.headers['Host']}/{each['oid']}"
            if way == "download" and not has:
                told.append({**each, "error": {"code": 404, "message": "not there"}})
            else:
                actions = {} if way == "upload" and has else {way: {"href": href}}
                told.append({**each, "actions": actions})
        self.answer(200, json.dumps({"transfer": "basic", "objects": told}).encode())

    def do_PUT(self):
        self.objects[self.path[1:]] = self.body()
        self.taken.append(self.path[1:])
        self.answer(200, b"")

    def do_GET(self):
        self.answer(200, self.objects[self.path[1:]])

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        return b"".join(parts)

    def answer(self, code, body):
        self.send_response(code)
        self.send_header("Content-Type", "application/vnd.git-lfs+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_gc_asks_a_git_lfs_server(ada, git):
    if shutil.which("git-lfs") is None:
        pytest.skip("git-lfs is not installed")
    Server.objects.clear()
    (ada.path / ".gitml" / "config.yaml").unlink()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        git(ada.path, "config", "lfs.url", f"http://127.0.0.1:{server.server_port}")
        sha256 = [log(ada, name) for name in ("safe", "lost")]
        ada("push")
        del Server.objects[sha256[1]]
        Server.taken.clear()
        assert "Would remove 2 large files" in ada("gc", "--keep-days", "0", "--dry-run").out
        assert Server.taken == []
        # What it has lost it is given again before the copy here goes.
        assert "Removed 2 large files" in ada("gc", "--keep-days", "0").out
        assert Server.taken == [sha256[1]]
        ada("artifacts", "get", "lost", "model.bin", "-o", "out")
        server.shutdown()
    content = (ada.path / "out" / "model.bin").read_bytes()
    assert content == random.Random("lost").randbytes(SIZE)
    answer = ada("gc", "--keep-days", "0", code=9)
    assert "No large file was removed" in answer.err
    assert is_here(ada, sha256[1])


def test_a_full_disk_leaves_nothing_half_written(ada, share, hub, git, invoke):
    sha256 = log(ada, "one")
    ada("push")
    git(hub.parent, "clone", "--quiet", hub, "bob")
    bob = within(hub.parent / "bob", invoke)
    bob("pull")
    resource = pytest.importorskip("resource")
    limited = subprocess.run(
        [sys.executable, "-m", "gitml", "artifacts", "get", "one"],
        cwd=bob.path,
        capture_output=True,
        encoding="utf-8",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, SIZE // 2)),
        check=False,
    )
    assert limited.returncode == 10, limited
    assert "model.bin (1,200,000 bytes) cannot be written here: file too large." in limited.stderr
    assert not (bob.path / "one-artifacts").exists()
    assert not is_here(bob, sha256)
    assert list((bob.path / ".git" / "gitml").rglob("*.part")) == []
    bob("artifacts", "get", "one")
    assert is_here(bob, sha256)


def test_a_version_travels_by_the_share(ada, share, hub, git, invoke):
    log(ada, "one")
    ada("register", "churn", "--run", "one")
    assert len([p for p in share.rglob("*") if p.is_file()]) == 1
    assert not (hub / "lfs").exists()
    assert "Removed 1 large file" in ada("gc", "--keep-days", "0").out
    git(hub.parent, "clone", "--quiet", hub, "bob")
    for gitml in (ada, within(hub.parent / "bob", invoke)):
        gitml("model", "pull", "churn@1", "-o", "got")
        content = (gitml.path / "got" / "model.bin").read_bytes()
        assert content == random.Random("one").randbytes(SIZE)
    # One that waited goes by it too.
    log(ada, "two", 0.95)
    ada("register", "churn", "--run", "two", "--no-push")
    assert len([p for p in share.rglob("*") if p.is_file()]) == 1
    ada("model", "publish", "churn")
    assert len([p for p in share.rglob("*") if p.is_file()]) == 2


def test_a_run_whose_files_were_freed_is_registered_all_the_same(ada, share):
    sha256 = log(ada, "one")
    ada("push")
    ada("gc", "--keep-days", "0")
    ada("register", "churn", "--run", "one")
    assert is_here(ada, sha256)
    ada("model", "pull", "churn@1", "-o", "got")


def test_a_worker_sends_its_large_file_before_its_run(ada, share, hub, git):
    def worker(name, code=0):
        (ada.path / "model.bin").write_bytes(random.Random(name).randbytes(SIZE))
        return ada(
            "log", "--name", name, "-m", "a=1", "--artifact", "model.bin", "--push", code=code
        )

    worker("one")
    assert len([p for p in share.rglob("*") if p.is_file()]) == 1
    runs = git(hub, "for-each-ref", "refs/gitml/runs")
    share.rename(share.with_name("moved"))
    assert "There is no folder" in worker("two", code=9).err
    assert git(hub, "for-each-ref", "refs/gitml/runs") == runs  # no run without its file
    share.with_name("moved").rename(share)
    assert "files      1 large file, 1.2 MB" in ada("sync").out
    assert len(git(hub, "for-each-ref", "refs/gitml/runs").splitlines()) == 2


def test_large_files_of_a_purged_run_are_not_sent(ada, share):
    log(ada, "one")
    kept_ = log(ada, "two")
    answer = ada("purge", "one", "--yes")
    assert "Large files stay where they were sent to" in answer.err
    assert "files      1 large file, 1.2 MB" in ada("push").out
    assert [p.name for p in share.rglob("*") if p.is_file()] == [kept_]


def test_a_digest_that_is_a_path_leads_nowhere(ada, share, tmp_path):
    evil = "../../../../evil"
    far = Artifact(path="model.bin", size=4, sha256=evil, store="lfs")
    make_run(ada.path, "evil", artifacts=[far])
    before = sorted(p for p in tmp_path.rglob("*evil*"))
    assert "files      none" in ada("pull", "--with-artifacts").out
    assert ada("artifacts", "get", "evil", code=8).out == ""
    assert ada("artifacts", "status", "evil").code == 0
    assert sorted(p for p in tmp_path.rglob("*evil*")) == before


def test_two_processes_that_fetch_one_file_and_one_that_is_killed(ada, share, hub, git, invoke):
    sha256 = log(ada, "one")
    ada("push")
    git(hub.parent, "clone", "--quiet", hub, "bob")
    bob = within(hub.parent / "bob", invoke)
    bob("pull")
    begun = bob.path / ".git" / "gitml" / "incoming" / f"{sha256}.part"
    begun.parent.mkdir(parents=True)
    begun.write_bytes(random.Random("one").randbytes(SIZE)[:700_000])  # as a kill leaves it
    command = [sys.executable, "-m", "gitml", "artifacts", "get", "one", "-o"]
    several = [
        subprocess.Popen([*command, f"out{n}"], cwd=bob.path, stderr=subprocess.PIPE)
        for n in range(3)
    ]
    for n, process in enumerate(several):
        _, err = process.communicate()
        assert process.returncode == 0, err
        content = (bob.path / f"out{n}" / "model.bin").read_bytes()
        assert content == random.Random("one").randbytes(SIZE)
    assert not begun.exists()
    assert list((bob.path / ".git" / "gitml").rglob("*.part")) == []


def test_credentials_and_packages_that_are_missing(ada, git, share):
    log(ada, "one")
    settings = ada.path / ".gitml" / "config.yaml"
    settings.write_text("artifacts: {remote: 's3://ada:pa55@bucket'}\n")
    answer = ada("push", code=5)
    assert "artifacts.remote in .gitml/config.yaml holds a user name" in answer.err
    assert "pa55" not in answer.err
    script = (
        "import sys; sys.modules['s3fs'] = None\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 's3fs' else find(name, *a)\n"
        "from gitml.cli import main; sys.exit(main(['push']))\n"
    )
    settings.write_text("artifacts: {remote: 's3://bucket/x'}\n")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ada.path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    said, _, hint = done.stderr.splitlines()
    assert said.endswith(" did not go: s3://bucket/x cannot be spoken to without s3fs.")
    assert hint == "  hint: pip install 'gitml[s3]'"
    # What this clone says goes before what everybody has; none is git-lfs again.
    git(ada.path, "config", "gitml.artifactsRemote", share.as_uri())
    assert "1 large file" in ada("push").out
