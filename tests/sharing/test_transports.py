"""Runs and models over every way that git talks, with a password where a host asks for one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import threading
import time
from urllib.parse import quote

import pytest

from tests.sharing.serving import PASSWORD, USER, git_daemon, smart_http, ssh_here
from tests.support import make_run, make_runs

WAYS = ["path", "file", "ssh", "git-v0", "git-v2", "http-v0", "http-v2", "password"]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Return (the folder that is served, addresses of its ``NAME.git`` by way)."""
    top = tmp_path_factory.mktemp("hosted")
    etc = tmp_path_factory.mktemp("server") / "etc"
    with smart_http(top, etc) as http, git_daemon(top) as daemon:
        yield (
            top,
            {
                "path": f"{top}/",
                "file": f"file://{top}/",
                "ssh": f"git@example.com:{top}/",
                "git-v0": daemon,
                "git-v2": daemon,
                "http-v0": f"{http}open/",
                "http-v2": f"{http}open/",
                "password": f"{http}private/",
            },
        )


@pytest.fixture
def hub(git, hosts, tmp_path):
    """Return the name of a bare repository of this test's own, with a commit."""
    name = f"{tmp_path.name}.git"
    hub = hosts[0] / name
    git(tmp_path, "init", "--quiet", "--bare", "-b", "main", hub)
    git(hub, "config", "http.receivepack", "true")
    git(tmp_path, "clone", "--quiet", hub, "seed")
    (tmp_path / "seed" / "train.py").write_text("print('training')\n")
    git(tmp_path / "seed", "add", "train.py")
    git(tmp_path / "seed", "commit", "--quiet", "-m", "code")
    git(tmp_path / "seed", "push", "--quiet", "origin", "HEAD:main")
    return name


@pytest.fixture
def clone(git, gitml_cli, invoke, tmp_path):
    """Return ``clone(name, address) -> gitml(*args, code=0)``, run in a new clone.

    With an ``env`` that is a process of its own.
    """

    def make(name, address, *options):
        git(tmp_path, *options, "clone", "--quiet", address, name)

        def gitml(*args, code=0, **more):
            answer = (gitml_cli if more else invoke)(*args, cwd=tmp_path / name, **more)
            assert answer.code == code, answer
            return answer

        gitml.path = tmp_path / name
        return gitml

    return make


def runs_of(gitml):
    return {run["name"]: run["tags"] for run in json.loads(gitml("ls", "--json").out)["runs"]}


@pytest.mark.parametrize("way", WAYS)
def test_two_machines_end_alike(way, hosts, hub, clone, git, home, tmp_path, monkeypatch):
    address = hosts[1][way] + hub
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    if way.endswith(("v0", "v2")):
        git(tmp_path, "config", "--global", "protocol.version", way[-1])
    if way == "ssh":
        monkeypatch.setenv("GIT_SSH_COMMAND", ssh_here(home))
    if way == "password":
        git(tmp_path, "config", "--global", "credential.helper", "store")
        host = address.removeprefix("http://").partition("/")[0]
        (home / ".git-credentials").write_text(f"http://{USER}:{quote(PASSWORD)}@{host}\n")
    ada, bob = clone("ada", address), clone("bob", address)
    trace = home / "trace"
    make_run(ada.path, "one", metrics={"auc": 0.9})
    make_run(bob.path, "two", metrics={"auc": 0.8})
    ada("sync", env={"GIT_TRACE_PACKET": str(trace)})
    if way.endswith(("v0", "v2")):
        spoke_v2 = "< version 2" in trace.read_text(errors="replace")
        assert spoke_v2 == way.endswith("v2")
    bob("pack")
    bob("sync")
    bob("tag", "one", "by=bob")
    ada("tag", "one", "also=ada")
    (ada.path / "model.bin").write_bytes(b"weights")
    ada("register", "churn", "--run", "one", "--path", "./model.bin")
    ada("sync")
    bob("sync")
    ada("sync")
    assert runs_of(ada) == runs_of(bob) == {"one": {"by": "bob", "also": "ada"}, "two": {}}
    assert "v1.0.0" in bob("models").out
    for gitml in (ada, bob):
        assert git(gitml.path, "fsck", "--strict", "--no-dangling") == ""
    assert git(hosts[0] / hub, "fsck", "--strict", "--no-dangling") == ""
    assert "Nothing new" in ada("pull").out


def test_a_password_that_nobody_gives_is_not_waited_for(hosts, hub, clone, home, tmp_path):
    gitml = clone("ada", hosts[1]["path"] + hub)
    make_run(gitml.path, "one")
    askpass = tmp_path / "askpass"
    askpass.write_text("#!/bin/sh\ntouch asked\nsleep 600\n")
    askpass.chmod(0o755)
    for env in ({}, {"GIT_ASKPASS": None, "SSH_ASKPASS": str(askpass), "DISPLAY": ":99"}):
        start = time.monotonic()
        answer = gitml("push", hosts[1]["password"] + hub, code=9, env=env)
        assert time.monotonic() - start < 60  # and not 600
        assert "Traceback" not in answer.err
        assert "hint:" in answer.err
    assert not (gitml.path / "asked").exists()
    assert list(runs_of(gitml)) == ["one"]


def test_a_wrong_password_is_named_and_kept_to_itself(hosts, hub, clone, git):
    gitml = clone("ada", hosts[1]["path"] + hub)
    make_run(gitml.path, "one")
    wrong = hosts[1]["password"].replace("//", "//ada:s3cret@") + hub
    answer = gitml("push", wrong, code=9)
    assert "s3cret" not in answer.out + answer.err
    assert "hint:" in answer.err
    # An account that may read and no more.
    git(hosts[0] / hub, "config", "http.receivepack", "false")
    gitml("pull", hosts[1]["http-v2"] + hub)
    answer = gitml("push", hosts[1]["http-v2"] + hub, code=9)
    assert "does not let you in: " in answer.err
    assert "lacks the right" in answer.err


def test_a_large_file_makes_no_message_worse(hosts, hub, clone):
    if shutil.which("git-lfs") is None:
        pytest.skip("git-lfs is not installed")
    gitml = clone("ada", hosts[1]["path"] + hub)
    (gitml.path / "model.bin").write_bytes(bytes(1_200_000))
    gitml("log", "-m", "auc=1", "--artifact", "model.bin")
    private = hosts[1]["password"] + hub
    cases = {  # this host has no git-lfs
        private.replace("//", f"//{USER}:{quote(PASSWORD)}@"): "git-lfs could not speak to http://",
        private.replace("//", "//ada:s3cret@"): "does not let you in: Authentication failed",
        private: "does not let you in: could not read Username",
        "http://name.invalid/hub.git": "could not be reached: unable to access",
        os.fspath(gitml.path.parent / "missing.git"): "is not there: ",
    }
    for address, told in cases.items():
        said = gitml("push", address, code=9).err
        assert told in said
        assert not [word for word in ("s3cret", PASSWORD, quote(PASSWORD)) if word in said]
        assert ("artifacts.remote" in said) == ("git-lfs" in told)


def test_a_remote_that_is_not_there(hosts, hub, clone):
    gitml = clone("ada", hosts[1]["path"] + hub)
    make_runs(gitml.path, {"name": "one"})
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else can
    port = nobody.getsockname()[1]
    for address in (
        f"http://127.0.0.1:{port}/hub.git",
        f"git://127.0.0.1:{port}/hub.git",
        hosts[1]["http-v2"] + "missing.git",
        hosts[1]["git-v2"] + "missing.git",
        "http://name.invalid/hub.git",
        os.fspath(gitml.path.parent / "missing.git"),
    ):
        for command in ("push", "pull", "sync"):
            answer = gitml(command, address, code=9)
            assert answer.err.count("\n") <= 3, answer.err
            assert "hint:" in answer.err
            assert "Traceback" not in answer.err
    nobody.close()
    assert list(runs_of(gitml)) == ["one"]


def test_what_is_not_a_git_host_is_told(hosts, hub, clone):
    gitml = clone("ada", hosts[1]["path"] + hub)
    make_run(gitml.path, "one")
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def answer():
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except OSError:  # the server is closed
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
                        b"Content-Length: 13\r\nConnection: close\r\n\r\n<html></html>"
                    )

        thread = threading.Thread(target=answer)
        thread.start()
        said = gitml("push", f"http://127.0.0.1:{server.getsockname()[1]}/hub.git", code=9)
        stop.set()
        with contextlib.suppress(OSError):
            socket.create_connection(server.getsockname(), 1).close()
        thread.join(60)
    assert "hint:" in said.err
    assert "Traceback" not in said.err
