"""Whose signature a tag has: real keys, real git, and what people try."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from gitml.registry.signers import Allowed, answers_to
from gitml.registry.signing import Sign, write_tag
from gitml.registry.tagobject import TagDraft, content
from gitml.registry.verify import Asked, allowed_signers, probe_signers, verify_tag, verify_tags
from gitml.store.git import open_repository
from tests.registry.keys import (
    allowed_line,
    gpg_home,
    gpg_key,
    needs_gpg,
    needs_ssh,
    sign_with_ssh,
    ssh_key,
)
from tests.support import AUTHOR, START

__all__ = ["gpg_home"]
NAME = "churn#production#1"
DAY = 24 * 3600 * 1000


class World:
    """A repository that signs with an SSH key, and tags to verify in it."""

    def __init__(self, git, repo, public):
        sign_with_ssh(git, repo, public)
        self.git, self.path, self.public = git, repo, public
        self.repository = open_repository(repo)
        self.head = self.repository.resolve("HEAD^{commit}")

    def tag(self, name=NAME, *, at=START, sign=True, **facts):
        facts = {"target": self.head, "message": 'Done.\n\nevent: "assign"\n'} | facts
        draft = TagDraft(name=name, at=at, tagger=AUTHOR, **facts)
        return self.read(write_tag(self.repository, draft, Sign() if sign else None))

    def read(self, oid):
        return self.repository.read(oid, "tag")

    def keep(self, data):
        """Write any content as a tag object, as somebody with a hex editor would."""
        oid = self.git(
            self.path, "hash-object", "-t", "tag", "-w", "--stdin", "--literally",
            input=data.decode(),
        ).strip()  # fmt: skip
        return self.read(oid)

    def verify(self, data, allowed, name=NAME):
        text = allowed if isinstance(allowed, str | None) else "".join(allowed)
        return verify_tag(
            self.repository, data, ref_name=name, allowed=Allowed(text=text, origin="the file")
        )

    def line(self, principals="ada@example.com", options='namespaces="git"'):
        return allowed_line(principals, self.public, options)


@pytest.fixture
def world(git, repo, tmp_path):
    made = World(git, repo, ssh_key(tmp_path / "keys"))
    with contextlib.closing(made.repository):
        yield made


@needs_ssh
def test_a_good_signature_names_everybody_who_has_the_key(world, tmp_path):
    """`git verify-tag` names the first only; a key may be on several lines."""
    other = ssh_key(tmp_path / "keys", "other")
    allowed = [
        "# people\n\n",
        allowed_line("eve@example.com", other),
        world.line("ada@example.com,release@example.com"),
        world.line('"oncall team@example.com"', ""),
        world.line("file@example.com", 'namespaces="file"'),
        world.line("gone@example.com", 'namespaces="git",valid-before="20250101"'),
    ]
    found = world.verify(world.tag(), allowed)
    expected = ("ada@example.com", "release@example.com", "oncall team@example.com")
    assert (found.state, found.principals) == ("good", expected)
    listed = subprocess.run(
        ["ssh-keygen", "-lf", world.public], check=True, capture_output=True, text=True
    )
    assert found.key == listed.stdout.split()[1]
    assert found.by("release@example.com")
    assert not found.by("eve@example.com")
    assert not found.by("gone@example.com")


@needs_ssh
def test_a_key_that_ended_is_good_for_what_it_signed_before(world):
    allowed = world.line(options='namespaces="git",valid-before="20260201"')
    assert world.verify(world.tag(), allowed).state == "good"
    later = world.verify(world.tag(at=START + 60 * DAY), allowed)
    assert (later.state, later.principals) == ("bad", ())
    assert later.reason == "its key was ended (valid-before) when the tag was made"
    allowed = world.line(options='valid-after="20260201"')
    assert "not yet allowed" in world.verify(world.tag(), allowed).reason


@needs_ssh
@pytest.mark.parametrize(
    "allowed,state,reason",
    [
        ("", "bad", "no line of the file names its key SHA256:"),
        (None, "unknown", "there is no .gitml/allowed_signers to judge it by"),
        ('eve@example.com namespaces="file"', "bad", "its key is not allowed to sign for git"),
    ],
)
def test_who_is_not_allowed(world, allowed, state, reason):
    if allowed:
        principals, _, options = allowed.partition(" ")
        allowed = world.line(principals, options)
    found = world.verify(world.tag(), allowed)
    assert (found.state, found.principals) == (state, ())
    assert found.reason.startswith(reason)


@needs_ssh
def test_what_is_no_signature_of_this_tag(world, git, tmp_path):
    allowed = world.line()
    signed = world.tag()
    unsigned = world.verify(world.tag(sign=False), allowed)
    assert (unsigned.state, unsigned.reason) == ("none", "it is not signed")

    copied = world.verify(signed, allowed, name="churn#production#2")
    assert copied.state == "bad"
    assert copied.reason == "it was made as churn#production#1 and copied to another name"

    altered = world.keep(signed.replace(b"Done.", b"Gone."))
    assert world.verify(altered, allowed).reason == "its content is not what was signed"
    renamed = world.keep(signed.replace(b"tag churn#production#1", b"tag churn#production#2"))
    assert world.verify(renamed, allowed, name="churn#production#2").state == "bad"

    nested = git(world.path, "hash-object", "-t", "tag", "-w", "--stdin", input=signed.decode())
    git(world.path, "tag", "-s", "-m", "x", "churn#nested#1", nested.strip())
    outer = world.read("refs/tags/churn#nested#1")
    found = world.verify(outer, allowed, name="churn#nested#1")
    assert (found.state, found.reason) == ("bad", "it is a tag of a tag and not of a commit")

    git(world.path, "tag", "-s", "-m", "x", "churn#tree#1", "HEAD^{tree}")
    found = world.verify(world.read("refs/tags/churn#tree#1"), allowed, name="churn#tree#1")
    assert found.reason == "it is a tag of a tree and not of a commit"

    assert world.verify(b"no tag at all", allowed).state == "bad"


@needs_ssh
def test_a_signature_made_for_something_else_does_not_count(world, tmp_path):
    """The same bytes and the same key, signed in the namespace of files."""
    unsigned = content(
        TagDraft(name=NAME, target=world.head, message="Done.\n", tagger=AUTHOR, at=START)
    )
    file = tmp_path / "content"
    file.write_bytes(unsigned)
    private = world.public.with_suffix("")
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", private, file], check=True
    )
    made = world.keep(unsigned + file.with_suffix(".sig").read_bytes())
    found = world.verify(made, world.line(options=""))
    assert (found.state, found.reason) == ("bad", "it was signed for 'file' and not for git")


@needs_ssh
def test_patterns_and_authorities_are_as_openssh_has_them(world, tmp_path):
    found = world.verify(world.tag(), world.line("*@example.com,!eve@example.com", ""))
    assert found.by("ada@example.com")
    assert not found.by("eve@example.com")
    assert not found.by("ada@example.org")

    authority = ssh_key(tmp_path / "keys", "authority")
    private = authority.with_suffix("")
    certify = ["ssh-keygen", "-q", "-s", private, "-I", "id", "-n", "ada@example.com"]
    subprocess.run([*certify, world.public], check=True, capture_output=True)
    world.git(world.path, "config", "user.signingKey", world.public.with_name("key-cert.pub"))
    allowed = allowed_line("*@example.com", authority, "cert-authority")
    found = world.verify(world.tag(), allowed)
    assert (found.state, found.by("ada@example.com")) == ("good", True)
    assert not found.by("eve@example.com")


@needs_ssh
def test_many_tags_of_few_keys_take_few_processes(world, tmp_path):
    names = [f"churn#production#{n}" for n in range(1, 13)]
    tags = [Asked(world.tag(name), name) for name in names]
    allowed = Allowed(text=world.line("a@example.com") + world.line("b@example.com"), origin="x")
    before = world.repository.processes
    found = verify_tags(world.repository, tags, allowed)
    assert {(s.state, s.principals) for s in found} == {
        ("good", ("a@example.com", "b@example.com"))
    }
    assert world.repository.processes - before == 2
    # One that is bad among them is told from the others.
    bad = Asked(world.keep(tags[3].data.replace(b"Done.", b"Gone.")), tags[3].name)
    found = verify_tags(world.repository, [*tags[:3], bad, *tags[4:]], allowed)
    assert [s.state for s in found] == ["good"] * 3 + ["bad"] + ["good"] * 8


@needs_ssh
def test_without_the_program_nobody_can_tell(world, monkeypatch, tmp_path):
    signed = world.tag()
    only_git = tmp_path / "bin"
    only_git.mkdir()
    (only_git / "git").symlink_to(shutil.which("git"))
    monkeypatch.setenv("PATH", str(only_git))
    found = world.verify(signed, world.line())
    assert (found.state, found.principals) == ("unknown", ())
    assert "cannot run ssh-keygen" in found.reason
    armour = b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"
    found = world.verify(world.keep(signed.partition(b"-----BEGIN")[0] + armour), world.line())
    assert found.state == "unknown"
    assert "gpg" in found.reason


@needs_gpg
def test_gpg_by_fingerprint_and_by_an_address_that_is_trusted(world, gpg_home, monkeypatch):
    world.git(world.path, "config", "gpg.format", "openpgp")
    key = gpg_key("Release <release@example.com>")
    world.git(world.path, "config", "user.signingKey", key)
    signed = world.tag()
    found = world.verify(signed, None)
    assert (found.state, found.principals) == ("good", (key, "release@example.com"))
    assert found.by(f"{key[:20].lower()} {key[20:].lower()}")
    assert not found.by("ada@example.com")
    altered = world.verify(world.keep(signed.replace(b"Done.", b"Gone.")), None)
    assert altered.reason == "its content is not what was signed"

    public = subprocess.run(["gpg", "--export", key], check=True, capture_output=True).stdout
    elsewhere = f"{gpg_home}/elsewhere"
    Path(elsewhere).mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", elsewhere)
    unknown = world.verify(signed, None)
    assert unknown.state == "unknown"
    assert "is not in the keyring" in unknown.reason
    # An imported key is anybody's claim to an address: its fingerprint counts, the address not.
    subprocess.run(["gpg", "--batch", "--import"], input=public, check=True, capture_output=True)
    found = world.verify(signed, None)
    assert (found.state, found.principals) == ("good", (key,))


@needs_ssh
def test_who_a_signature_made_now_would_be_of(world):
    allowed = Allowed(text=world.line("release@example.com,ada@example.com"), origin="x")
    before = world.git(world.path, "count-objects", "-v")
    facts = {"tagger": AUTHOR, "at": START, "target": world.head}
    found = probe_signers(world.repository, Sign(), allowed, **facts)
    assert found == ("release@example.com", "ada@example.com")
    assert probe_signers(world.repository, None, allowed, **facts) == ()
    nobody = dataclasses.replace(allowed, text="")
    assert probe_signers(world.repository, Sign(), nobody, **facts) == ()
    assert world.git(world.path, "count-objects", "-v") == before


@needs_ssh
def test_the_protected_branch_says_who_is_allowed_else_git(world, tmp_path, git, repo):
    own = tmp_path / "own"
    own.write_text("own@example.com ssh-ed25519 AAAA\n")
    assert allowed_signers(world.repository, world.head).text is None
    git(repo, "config", "gpg.ssh.allowedSignersFile", own)
    with contextlib.closing(open_repository(repo)) as repository:
        assert allowed_signers(repository, world.head).origin == str(own)
        assert allowed_signers(repository, None).text == own.read_text()
    (repo / ".gitml").mkdir()
    (repo / ".gitml" / "allowed_signers").write_text(world.line())
    git(repo, "add", ".gitml")
    git(repo, "commit", "-q", "-m", "keys")
    tip = git(repo, "rev-parse", "HEAD").strip()
    assert allowed_signers(world.repository, tip).text == world.line()


@pytest.mark.parametrize(
    "principal,wanted,answer",
    [
        ("ada@example.com", "ada@example.com", True),
        ("ada@example.com", "*@example.com", False),
        ("ada@example.com", "adaXexample.com", False),
        ("a?a@*", "ada@example.com", True),
        ("!ada@*,*", "ada@example.com", False),
        ("!ada@*", "eve@example.com", False),
        ("a.b@*", "axb@example.com", False),
    ],
)
def test_a_principal_answers_to_a_name(principal, wanted, answer):
    assert answers_to(principal, wanted) is answer
