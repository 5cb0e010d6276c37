"""Real keys for tests: of OpenSSH and of GnuPG, in temporary homes."""

from __future__ import annotations

import shutil
import subprocess
import tempfile

import pytest

SSH = shutil.which("ssh-keygen")
GPG = shutil.which("gpg")
needs_ssh = pytest.mark.skipif(not SSH, reason="needs ssh-keygen, of OpenSSH")
needs_gpg = pytest.mark.skipif(not GPG, reason="needs gpg, of GnuPG")


def ssh_key(folder, name="key"):
    """Make an SSH key without a passphrase; return the path of its public half."""
    folder.mkdir(parents=True, exist_ok=True)
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", folder / name)
    return folder / f"{name}.pub"


def allowed_line(principals, public, options=""):
    """Return a line of an allowed signers file."""
    return f"{principals} {options}{' ' if options else ''}{public.read_text().strip()}\n"


def sign_with_ssh(git, repo, public):
    """Let a repository sign with an SSH key."""
    git(repo, "config", "gpg.format", "ssh")
    git(repo, "config", "user.signingKey", public)


@pytest.fixture
def gpg_home(monkeypatch):
    """Move GnuPG to a home of its own, near the root: a socket's path holds 107 bytes."""
    folder = tempfile.mkdtemp(prefix="gpg-")
    monkeypatch.setenv("GNUPGHOME", folder)
    launch = ["gpgconf", "--launch", "gpg-agent"]
    for _ in range(20):  # gpg itself waits for five seconds until its agent is there, and fails
        if subprocess.run(launch, check=False, capture_output=True).returncode == 0:
            break
    yield folder
    subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


def gpg_key(who, *, expires="never"):
    """Make a GnuPG key without a passphrase in the present home; return its fingerprint."""
    quiet = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    _run(*quiet, "--quick-generate-key", who, "ed25519", "sign", expires)
    listed = _run("gpg", "--batch", "--with-colons", "--list-secret-keys", who)
    return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr:"))


def _run(*command):
    done = subprocess.run([*map(str, command)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
