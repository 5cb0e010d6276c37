"""Hosts on loopback: lighttpd with ``git http-backend``, ``git daemon``, and an ssh to here."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

USER, PASSWORD = "ada", "correct horse"
LIGHTTPD = shutil.which("lighttpd") or shutil.which("lighttpd", path="/usr/sbin:/usr/local/sbin")

_CONFIG = """\
server.document-root = "{top}"
server.bind = "127.0.0.1"
server.port = {port}
server.pid-file = "{etc}/pid"
server.upload-dirs = ("{etc}")
server.errorlog = "{etc}/error.log"
server.modules = ("mod_alias", "mod_auth", "mod_authn_file", "mod_setenv", "mod_cgi")
auth.backend = "plain"
auth.backend.plain.userfile = "{etc}/users"
alias.url = ("/open/" => "{backend}/", "/private/" => "{backend}/")
$HTTP["url"] =~ "^/(open|private)/" {{
    cgi.assign = ("" => "")
    setenv.set-environment = (
        "GIT_PROJECT_ROOT" => "{top}",
        "GIT_HTTP_EXPORT_ALL" => "1",
        "GIT_CONFIG_NOSYSTEM" => "1",
        "HOME" => "{etc}",
    )
}}
$HTTP["url"] =~ "^/private/" {{
    auth.require = ("" => ("method" => "basic", "realm" => "git", "require" => "valid-user"))
}}
"""


def free_port() -> int:
    """Return a port of loopback that nobody listened on just now.

    It is none of those that systems hand out, which the other tests get meanwhile.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def listening(command, port, **options):
    """Run a server until the block ends; it is entered when the port answers."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, **options) as server:
        try:
            deadline = time.monotonic() + 120
            while True:
                assert server.poll() is None, f"{command[0]} ended with {server.returncode}"
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                assert time.monotonic() < deadline, f"{command[0]} does not answer"
                time.sleep(0.02)
            yield server
        finally:
            server.terminate()


@contextlib.contextmanager
def smart_http(top: Path, etc: Path):
    """Serve the bare repositories below ``top``: at ``/open/`` to all, at ``/private/`` to `USER`.

    Yields the address, which ends in a slash.
    """
    if LIGHTTPD is None:
        pytest.skip("needs lighttpd")
    backend = Path(subprocess.check_output(["git", "--exec-path"], text=True).strip())
    backend /= "git-http-backend"
    etc.mkdir()
    (etc / "users").write_text(f"{USER}:{PASSWORD}\n")
    port = free_port()
    config = _CONFIG.format(top=top, etc=etc, port=port, backend=backend)
    # The backend is found below its own name as a folder: "/open/hub.git" asks it for "/hub.git".
    (etc / "lighttpd.conf").write_text(config)
    with listening([LIGHTTPD, "-D", "-f", etc / "lighttpd.conf"], port):
        yield f"http://127.0.0.1:{port}/"


@contextlib.contextmanager
def git_daemon(top: Path):
    """Serve the bare repositories below ``top`` to all, for pushes too; yields the address."""
    port = free_port()
    command = ["git", "daemon", "--reuseaddr", "--export-all", "--enable=receive-pack"]
    command += [f"--base-path={top}", "--listen=127.0.0.1", f"--port={port}", top]
    with listening(command, port, start_new_session=True):
        yield f"git://127.0.0.1:{port}/"


def ssh_here(folder: Path) -> str:
    """Return a command that stands in for ``ssh`` to this machine, for ``GIT_SSH_COMMAND``.

    It gets what ssh gets, host and command last, and has the command run by a shell.
    """
    script = folder / "ssh"
    script.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        "assert any('git@' in word for word in sys.argv), sys.argv\n"
        "os.execvp('sh', ['sh', '-c', sys.argv[-1]])\n"
    )
    script.chmod(0o755)
    return os.fspath(script)
