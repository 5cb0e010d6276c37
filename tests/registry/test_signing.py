"""Tag objects, unsigned and signed by git with real keys."""

from __future__ import annotations

import contextlib

import pytest

from gitml.errors import InputError
from gitml.registry.signing import Sign, signed_content, write_tag
from gitml.registry.tagobject import TagDraft, content, parse_tag
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
MESSAGE = '# is no comment.\n\nevent: "assign"\nreason: "a \\n b"\n'


@pytest.fixture
def open_at():
    """Return ``open_at(path) -> Repository``; all are closed in the end."""
    with contextlib.ExitStack() as stack:
        yield lambda path: stack.enter_context(contextlib.closing(open_repository(path)))


@pytest.fixture
def opened(repo, open_at):
    return open_at(repo)


def draft(repository, name="churn#production#1", **facts):
    target = repository.resolve("HEAD^{commit}")
    facts = {"name": name, "target": target, "message": MESSAGE, "tagger": AUTHOR} | facts
    return TagDraft(at=START, **facts)


def refs(git, repo):
    return git(repo, "for-each-ref")


def test_an_unsigned_tag_is_an_object_and_no_ref(git, repo, opened):
    before = refs(git, repo)
    oid = write_tag(opened, draft(opened))
    assert git(repo, "cat-file", "tag", oid).encode() == content(draft(opened))
    assert refs(git, repo) == before
    git(repo, "fsck", "--strict")


@needs_ssh
def test_a_signed_tag_is_the_drafted_one_and_leaves_no_ref(
    git, repo, open_at, tmp_path, home, monkeypatch
):
    public = ssh_key(tmp_path / "keys")
    sign_with_ssh(git, repo, public)
    allowed = tmp_path / "allowed"
    allowed.write_text(allowed_line("ada@example.com", public, 'namespaces="git"'))
    hook = tmp_path / "hooks" / "reference-transaction"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    git(repo, "config", "core.hooksPath", hook.parent)
    (home / ".gitconfig").write_text(f"[core]\n\thooksPath = {hook.parent}\n")
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    before = refs(git, repo)
    opened = open_at(repo)
    oid = write_tag(opened, draft(opened), Sign())
    tag = parse_tag(git(repo, "cat-file", "tag", oid).encode())
    assert tag.signed_part == content(draft(opened))
    assert tag.fields["reason"] == "a \n b"
    assert refs(git, repo) == before
    git(repo, "-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-tag", oid)


@needs_ssh
def test_settings_come_from_where_git_finds_them(git, repo, open_at, tmp_path, home, monkeypatch):
    """A conditional include, a setting of a linked work tree, a command that gives the key."""
    public = ssh_key(tmp_path / 'quote " keys')
    linked = tmp_path / "linked"
    git(repo, "config", "extensions.worktreeConfig", "true")
    git(repo, "worktree", "add", "-q", "--detach", linked)
    git(linked, "config", "--worktree", "gpg.format", "ssh")
    script = tmp_path / "key.sh"
    script.write_text(f"#!/bin/sh\nprintf 'key::'; cat '{public}'\n")
    script.chmod(0o755)
    (home / "work.cfg").write_text(f'[gpg "ssh"]\n\tdefaultKeyCommand = {script}\n')
    (home / ".gitconfig").write_text(
        f'[user]\n\tuseConfigOnly\n[includeIf "gitdir:{repo}/.git/worktrees/linked"]\n'
        "\tpath = work.cfg\n"
    )
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    git(repo, "config", "user.signingKey", public)
    opened = open_at(linked)
    oid = write_tag(opened, draft(opened), Sign())
    assert b"BEGIN SSH SIGNATURE" in git(repo, "cat-file", "tag", oid).encode()


@needs_ssh
def test_a_trial_leaves_no_object(git, repo, opened, tmp_path):
    sign_with_ssh(git, repo, ssh_key(tmp_path / "keys"))
    before = git(repo, "count-objects", "-v")
    made = signed_content(opened, draft(opened), Sign())
    assert made.startswith(content(draft(opened)) + b"-----BEGIN SSH SIGNATURE")
    assert git(repo, "count-objects", "-v") == before


@needs_gpg
def test_gpg_signs_too_and_the_key_can_be_named(git, repo, opened, gpg_home):
    gpg_key("Other <other@example.com>")
    wanted = gpg_key("Release <release@example.com>")
    oid = write_tag(opened, draft(opened), Sign(key=wanted))
    assert parse_tag(git(repo, "cat-file", "tag", oid).encode()).signed_part == content(
        draft(opened)
    )
    git(repo, "verify-tag", oid)


@needs_ssh
@pytest.mark.parametrize(
    "settings,said",
    [
        ({"gpg.format": "ssh"}, "user.signingkey"),
        ({"gpg.format": "ssh", "user.signingKey": "/nowhere/key.pub"}, "/nowhere/key.pub"),
        ({"gpg.program": "/nowhere/gpg"}, "/nowhere/gpg"),
        ({"gpg.format": "pigeon"}, "pigeon"),
    ],
)
def test_what_cannot_be_signed_is_said_and_nothing_is_written(git, repo, open_at, settings, said):
    for key, value in settings.items():
        git(repo, "config", key, value)
    before = git(repo, "count-objects", "-v")
    repository = open_at(repo)
    with pytest.raises(InputError, match=r"(?m)git could not sign the tag: .*\.$") as failure:
        write_tag(repository, draft(repository), Sign())
    assert said in failure.value.message
    assert failure.value.hint
    assert git(repo, "count-objects", "-v") == before


@needs_ssh
def test_a_repository_of_sha256_signs(git, open_at, tmp_path):
    repo = tmp_path / "sha256"
    git(tmp_path, "init", "-q", "--object-format=sha256", repo)
    git(repo, "commit", "-q", "--allow-empty", "-m", "first")
    sign_with_ssh(git, repo, ssh_key(tmp_path / "keys"))
    repository = open_at(repo)
    oid = write_tag(repository, draft(repository), Sign())
    assert len(oid) == 64
    assert parse_tag(repository.read(oid, "tag")).signed_part == content(draft(repository))
