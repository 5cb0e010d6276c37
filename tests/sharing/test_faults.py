"""Kill whoever at whatever step of a push, a pull, a seal or a join: one retry repairs.

The steps are counted in a clean run; then each in turn goes wrong: gitml dies before
or after a git process, a git process dies before or after its work, its answer is cut short,
git is killed while it holds its locks, the host's hooks kill the host, the disk is
full. Afterwards nothing is lost, ``git fsck`` is content, and doing it once more does it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
from hypothesis import settings

from gitml.errors import GitmlError
from gitml.store.git import Repository, open_repository
from gitml.store.pulling import where
from gitml.store.pushing import push_runs
from tests.sharing.clones import (
    check_git,
    copy_world,
    gc,
    git,
    make_world,
    pull,
    push,
    refs,
    seal,
    sync,
)
from tests.sharing.serving import free_port, listening
from tests.support import AUTHOR, START, change_of, make_runs, run_id_of

EXPLORES = settings.default.max_examples >= 2000
VERBS = {"push": push, "pull": pull, "seal": seal}
NAMES = {"a1", "a2", "a3", "b1", "b2", "b3"}
WAYS = ("dies before", "dies after", "git dies", "git dies after", "cut")
"""What goes wrong at a git process."""
WRAPPER = """#!/bin/sh
# Stands in for git once: WAY says how it goes wrong.
PATH="$REAL_PATH"
export PATH
case $WAY in
"git dies") kill -9 $$ ;;
"git dies after") git "$@"; kill -9 $$ ;;
"dies after") git "$@"; kill -9 $PPID; exit 1 ;;
"cut") git "$@" | { dd bs=1 count=60 2>/dev/null; kill -9 $$; } ;;
esac
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and signals"),
]


def tag(name, key, value, now):
    def write(repository):
        from gitml.store.write import Change, commit_runs, locate, new_edit

        edit = new_edit(at=now, by=AUTHOR, key=f"tags.{key}", value=value)
        run_id = run_id_of(name)
        change = Change(run_id=run_id, edits={edit}, bases=locate(repository, run_id))
        commit_runs(repository, [change], committer=AUTHOR, now=now)

    return write


def with_source(name):
    def write(repository):
        from gitml.store.write import commit_runs

        change = change_of(repository, name=name, metrics={"auc": [0.1, 0.2]})
        base = repository.resolve("HEAD")
        oid = repository.run("hash-object", "-w", "--stdin", data=name.encode()).decode().strip()
        source = {"base": base, "files": [["100644", oid, "more.py"]], "commit": base}
        record = {"at": START, "id": f"{len(name):016x}", "by": AUTHOR, "source": source}
        change.sources = [record]
        commit_runs(repository, [change], committer=AUTHOR, now=START)

    return write


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Two clones that both went on since they last synced: hot, sealed, edited, with source."""
    top = tmp_path_factory.mktemp("faults") / "template"
    top.mkdir()
    _, (ada, bob) = make_world(top, 2)
    make_runs(ada.path, {"name": "a1"})
    make_runs(bob.path, {"name": "b1"}, {"name": "b2", "experiment": "other"})
    for clone in (ada, bob):
        clone.do(seal(START))
        clone.do(push(START))
    make_runs(bob.path, {"name": "b3", "metrics": {"auc": [1.0, 2.0]}})
    bob.do(push(START))
    ada.do(pull(START))
    # From here on they know nothing of each other.
    ada.do(with_source("a2"))
    ada.do(seal(START))
    ada.do(with_source("a3"))
    ada.do(tag("b3", "by", "ada", START + 2000))
    ada.do(tag("a1", "by", "ada", START + 2000))
    bob.do(tag("a1", "too", "bob", START + 1000))
    bob.do(seal(START))
    bob.do(tag("b3", "too", "bob", START + 1000))
    bob.do(push(START))
    for place in (top / "hub.git", ada.path, bob.path):
        git(place, "repack", "-a", "-d", "-q")  # to be copied sooner
    return top


@pytest.fixture
def world(template, tmp_path):
    """Return ``world(n) -> (hub, ada, bob)``: the same world anew."""

    def make(name):
        hub, (ada, bob) = copy_world(template, tmp_path / str(name))
        (tmp_path / str(name) / "bin").mkdir()
        wrapper = tmp_path / str(name) / "bin" / "git"
        wrapper.write_text(WRAPPER)
        wrapper.chmod(0o755)
        return hub, ada, bob

    return make


def faulty(clone, what, number, way):
    """Do something in a child; its N-th git process goes wrong. Return whether it came so far."""
    child = os.fork()
    if child == 0:
        start = Repository.start
        left = [number]

        def counted(self, *args, **options):
            left[0] -= 1
            if left[0]:
                return start(self, *args, **options)
            if way == "dies before":
                os.kill(os.getpid(), signal.SIGKILL)
            own = {"WAY": way, "REAL_PATH": os.environ["PATH"]}
            own["PATH"] = f"{clone.path.parent / 'bin'}:{os.environ['PATH']}"
            options["env"] = {**(options.get("env") or {}), **own}
            os.environ["PATH"] = own["PATH"]  # where Python looks for git
            try:
                return start(self, *args, **options)
            finally:
                os.environ["PATH"] = own["REAL_PATH"]

        Repository.start = counted
        leave(clone, what, lambda: left[0] <= 0)
    return ended(child)


def leave(clone, what, came):
    """Do something, then end this process: by a sentence, not by an accident."""
    code = 3

    signal.alarm(240)  # who waits for ever is no better than who dies
    try:
        repository = open_repository(clone.path)
        try:
            what(repository)
        finally:
            repository.close()
        code = 1 if came() else 0
    except GitmlError:
        code = 1
    except BaseException:  # noqa: BLE001 - the parent sees that it was an accident
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child):
    """Return whether a child of `faulty` met its fault."""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, 1, -signal.SIGKILL}, f"ended with {code}"
    return code != 0


def repaired(hub, ada, bob, *verbs):
    """Assert that doing it once more does it, and that all is there, for others too."""
    everything(ada)  # with nothing repaired yet
    for verb in verbs:
        ada.do(VERBS[verb](START + 5000))
    for clone in (ada, bob):
        clone.do(seal(START + 6000))
        clone.do(sync(START + 6000))
    ada.do(sync(START + 6000))
    for clone in (ada, bob):
        everything(clone)
        runs = {run.name: run for run in clone.runs(START).values()}
        assert runs["a1"].tags == runs["b3"].tags == {"by": "ada", "too": "bob"}
        assert runs["b3"].metrics["auc"].count == runs["a3"].metrics["auc"].count == 2
    ledgers = refs(hub, "refs/gitml/experiments")
    assert ada.refs("refs/gitml/experiments") == bob.refs("refs/gitml/experiments") == ledgers
    assert refs(hub, "refs/gitml/runs", "refs/gitml-tmp") == {}
    trees = git(hub, "ls-tree", "-rtd", "--name-only", "refs/gitml/sources")
    for name in ("a2", "a3"):
        tree = runs[name].source.tree
        assert f"{tree[:2]}/{tree}" in trees
    check_git(hub, ada.path)


def everything(clone):
    assert {run.name for run in clone.runs(START).values()} == NAMES


@pytest.mark.parametrize("verb", VERBS)
def test_each_git_process_goes_wrong(world, verb):
    met = number = 0
    while True:
        number += 1
        ways = WAYS if EXPLORES else [WAYS[(number + len(verb)) % len(WAYS)]]
        came = []
        for way in ways:
            hub, ada, bob = world(f"{number}-{way}")
            came.append(faulty(ada, VERBS[verb](START + 5000), number, way))
            if came[-1]:
                repaired(hub, ada, bob, verb)
            shutil.rmtree(hub.parent)
        if not any(came):
            break
        met += 1
    assert met >= {"push": 12, "pull": 6, "seal": 5}[verb]


KILLER = """#!/bin/sh
# Kills the git that runs this hook, and with it what that git was doing.
read -r line || :
[ "$PHASE" ] && [ "$1" != "$PHASE" ] && exit 0
n=$(cat "{count}" 2>/dev/null || echo 0)
echo $((n + 1)) >"{count}"
[ "$n" = "{at}" ] || exit 0
kill -9 $PPID
exit 1
"""


def killing(hook, at):
    """Make a hook kill its git at its N-th call; return the file that counts them."""
    hook.parent.mkdir(exist_ok=True)
    count = hook.parent / "count"
    hook.write_text(KILLER.format(count=count, at=at))
    hook.chmod(0o755)
    return count


@pytest.mark.parametrize("hook", ["pre-receive", "update", "post-receive"])
def test_the_host_dies(world, hook):
    for at in range(20):
        hub, ada, bob = world(at)
        count = killing(hub / "hooks" / hook, at)
        with contextlib.suppress(GitmlError):
            ada.do(push(START + 5000))
        called = int(count.read_text())
        (hub / "hooks" / hook).unlink()
        if called <= at:
            break
        repaired(hub, ada, bob, "push")
        shutil.rmtree(hub.parent)
    assert at >= 1


@pytest.mark.parametrize("phase", ["prepared", "committed"])
def test_git_dies_with_its_locks(world, monkeypatch, phase):
    """What only a killed git leaves: locks. After a minute nobody takes them for somebody's."""
    monkeypatch.setenv("PHASE", phase)
    monkeypatch.setattr("gitml.store.write.TRIES", 3)  # nobody comes to take the lock away
    for verb, most in {"seal": 9, "pull": 9}.items():
        for at in range(most):
            hub, ada, bob = world(f"{verb}{at}")
            git(ada.path, "pack-refs", "--all")
            hook = ada.path / ".git" / "hooks" / "reference-transaction"
            count = killing(hook, at)
            with contextlib.suppress(GitmlError):
                ada.do(VERBS[verb](START + 5000))
            called = int(count.read_text())
            hook.unlink()
            if called <= at:
                break
            top = ada.path / ".git"
            for lock in (*top.rglob("*.lock"), *top.glob("packed-refs.new")):
                os.utime(lock, (time.time() - 3600,) * 2)
            ada.do(VERBS[verb](START + 5000))
            ada.do(gc(START + 5000))
            repaired(hub, ada, bob, verb)
            shutil.rmtree(hub.parent)
        assert at >= 1


class Proxy:
    """A way to a server that breaks off after so many bytes."""

    def __init__(self, port):
        self.port = port
        self.seen = 0
        self.left = None
        self.lock = threading.Lock()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        """End the thread too: it would go on to accept at the number of the closed socket."""
        with contextlib.suppress(OSError):  # macOS wakes who accepts when it is closed
            self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join(10)

    @property
    def address(self):
        return f"git://127.0.0.1:{self.server.getsockname()[1]}"

    def breaks_after(self, size):
        """Let the connections to come pass on so many bytes in all; None is no end."""
        self.left = None if size is None else [size]

    def _serve(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            args = client, self.left
            threading.Thread(target=self._connect, args=args, daemon=True).start()

    def _connect(self, client, left):
        with client, socket.create_connection(("127.0.0.1", self.port)) as there:
            back = threading.Thread(target=self._pump, args=(there, client, left), daemon=True)
            back.start()
            self._pump(client, there, left)
            back.join()

    def _pump(self, source, target, left):
        with contextlib.suppress(OSError):
            while data := source.recv(512):
                with self.lock:
                    self.seen += len(data)
                    if left is not None:
                        data = data[: left[0]]
                        left[0] -= len(data)
                target.sendall(data)
                if left is not None and not left[0]:
                    source.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):  # that nothing more comes; answers still may
            target.shutdown(
                socket.SHUT_RDWR if left is not None and not left[0] else socket.SHUT_WR
            )


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_the_connection_breaks(world, tmp_path, verb):
    port = free_port()
    command = [
        *("git", "daemon", "--reuseaddr", "--listen=127.0.0.1", f"--port={port}"),
        *("--export-all", "--enable=receive-pack", f"--base-path={tmp_path}", str(tmp_path)),
    ]
    with listening(command, port, stderr=subprocess.DEVNULL):
        proxy = Proxy(port)

        def begin(name):
            hub, ada, bob = world(name)
            git(ada.path, "remote", "set-url", "origin", f"{proxy.address}/{name}/hub.git")
            proxy.breaks_after(None)
            proxy.seen = 0
            return hub, ada, bob

        _, ada, _ = begin("whole")
        ada.do(VERBS[verb](START + 5000))
        total = proxy.seen
        parts = 60 if EXPLORES else 4
        for part in range(parts):
            hub, ada, bob = begin(f"part{part}")
            proxy.breaks_after(total * part // parts + part)
            with contextlib.suppress(GitmlError):
                ada.do(VERBS[verb](START + 5000))
            proxy.breaks_after(None)
            repaired(hub, ada, bob, verb)
            # What the host had begun over the broken connection may end only now.
            shutil.rmtree(hub.parent, ignore_errors=True)
        proxy.close()


@pytest.mark.parametrize("verb", VERBS)
def test_the_disk_is_full(world, verb):
    """No file can grow beyond so many bytes: git and gitml fail with a sentence."""
    failed = 0
    resource = pytest.importorskip("resource")
    for size in range(0, 4000, 100) if EXPLORES else (0, 50, 300, 1500):
        hub, ada, bob = world(size)
        child = os.fork()
        if child == 0:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            leave(ada, VERBS[verb](START + 5000), lambda: False)
        failed += ended(child)
        repaired(hub, ada, bob, verb)
        shutil.rmtree(hub.parent)
    assert failed >= 2


PAIRS = {
    "push + push": (push, push),
    "push + seal": (push, seal),
    "pull + seal": (pull, seal),
    "pull + pull": (pull, pull),
    "gc + push": (gc, push),
    "seal + seal": (seal, seal),
    "pull + log": (pull, lambda now: tag("b3", "by", "ada", now)),
    "gc + log": (gc, lambda now: tag("b3", "by", "ada", now)),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_two_at_once_in_one_clone(world, pair):
    """One stops at each of its git processes in turn while the other does all it has to."""
    first, second = PAIRS[pair]
    for stop in range(1, 30):
        if not EXPLORES and (stop + len(pair)) % 3:
            continue
        hub, ada, bob = world(stop)
        child = ada.act(first(START + 5000), stop=stop)
        if not child.stopped:
            break
        ada.act(second(START + 5000))
        child.go_on()
        repaired(hub, ada, bob)
        shutil.rmtree(hub.parent)


@pytest.mark.parametrize("place", ["runs", "experiments/churn", "source", "sources"])
def test_one_of_many_refs_is_rejected(world, place):
    hub, ada, _ = world("w")
    hook = hub / "hooks" / "update"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ncase $1 in refs/gitml/{place}*) exit 1;; esac\n")
    hook.chmod(0o755)
    ada.do(seal(START))
    ada.do(with_source("late"))
    done = []
    ada.do(lambda r: done.append(push_runs(r, where(r, None), committer=AUTHOR, now=START)))
    assert done[0].refused
    assert {ref.startswith(f"refs/gitml/{place}") for ref in done[0].refused} == {True}
    kinds = {"/".join(ref.split("/")[2:4]) for ref in refs(hub)}
    assert kinds >= {"experiments/other"}
    hook.unlink()
    ada.do(push(START))
    for ref, oid in ada.refs().items():
        assert refs(hub).get(ref) == oid, ref
    check_git(hub, ada.path)
