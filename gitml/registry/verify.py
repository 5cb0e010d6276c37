"""Whose signature a tag has: git and its programs verify, with the keys of the protected branch.

A signature counts for a tag that is annotated, names a commit, says the name of
its ref, and that ``git verify-tag`` accepts in the namespace ``git`` at the
tag's own time. A key can be several people's: ``git verify-tag`` names the first
only, so every line of the allowed signers that speaks of the key is put to it alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from gitml.errors import DamagedError, StorageError
from gitml.names import visible
from gitml.registry.signers import ALLOWED_PATH, Allowed, answers_to, ssh_signature
from gitml.registry.signing import signed_content
from gitml.registry.tagobject import TagDraft, parse_tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gitml.registry.signers import Line, SshSignature
    from gitml.registry.signing import Sign
    from gitml.registry.tagobject import Tag
    from gitml.store.git import Repository

State: TypeAlias = Literal["good", "bad", "none", "unknown"]
"""``none``: it is not signed; ``unknown``: nobody here can tell, ``reason`` says why."""
LIMIT = 1024 * 1024
"""Bytes of an allowed signers file, and of a commit that a tag names."""
_AT_ONCE = 400
"""Tags that one process verifies."""
_REASONS = (
    ("key has expired", "its key was ended (valid-before) when the tag was made"),
    ("key is not yet valid", "its key was not yet allowed (valid-after) when the tag was made"),
    ("not permitted for use in signature namespace", "its key is not allowed to sign for git"),
    ("revoked", "its key is revoked"),
    ("incorrect signature", "its content is not what was signed"),
    ("certificate", "the certificate of its key is not accepted"),
)
_CANNOT_TELL = (
    *("cannot run", "cannot exec", "No such file or directory", "not found", "unknown option"),
    *("usage:", "no signature found", "unsupported"),
)
_GOOD = re.compile(r'^Good "git" signature for (.+) with \S+ key SHA256:', re.MULTILINE)
_STATUS = re.compile(r"^\[GNUPG:\] (\S+) ?(.*)$", re.MULTILINE)
_GPG_BAD = {
    "BADSIG": "its content is not what was signed",
    "EXPKEYSIG": "its key has expired; extending it makes the signature good again",
    "EXPSIG": "the signature has expired",
    "REVKEYSIG": "its key is revoked",
}
_ADDRESS = re.compile(r"<([^<>]+)>\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What can be said of a tag's signature."""

    state: State
    """good, bad, none (not signed) or unknown (cannot be told here)."""
    principals: tuple[str, ...] = ()
    """All who may have made it, if it is good; of GnuPG also the fingerprint of the key."""
    key: str | None = None
    """The fingerprint of the key that made it, as it says."""
    reason: str = ""
    """Why it is not good, as a clause without a full stop."""

    def by(self, wanted: str) -> bool:
        """Say whether it is good and ``wanted`` is one of those who may have made it."""
        return self.state == "good" and any(answers_to(p, wanted) for p in self.principals)


class Asked(NamedTuple):
    """A tag whose signature is asked for."""

    data: bytes
    """The content of the object."""
    name: str
    """The short name of its ref."""


@dataclass(slots=True)
class _Work:
    """A tag while it is being verified."""

    oid: str
    ssh: SshSignature | None = None
    principals: list[str] = field(default_factory=list)
    words: str = ""


def allowed_signers(repository: Repository, branch_tip: str | None) -> Allowed:
    """Return who may sign: by the protected branch, else by git's own configuration."""
    if branch_tip is not None:
        found = repository.objects().get(f"{branch_tip}:{ALLOWED_PATH}", limit=LIMIT)
        if found is not None and found.kind == "blob":
            return Allowed(text=found.data.decode("utf-8", "replace"), origin=ALLOWED_PATH)
    named = repository.config('gpg "ssh"', "allowedSignersFile")
    if named is not None:
        path = (repository.work_tree or repository.git_dir) / Path(named).expanduser()
        with contextlib.suppress(OSError):
            return Allowed(text=path.read_text("utf-8", "replace"), origin=str(path))
    return Allowed(text=None, origin=ALLOWED_PATH)


def verify_tag(
    repository: Repository, data: bytes, *, ref_name: str, allowed: Allowed
) -> Signature:
    """Verify one tag; see `verify_tags`."""
    return verify_tags(repository, [Asked(data, ref_name)], allowed)[0]


def verify_tags(
    repository: Repository,
    asked: Sequence[Asked],
    allowed: Allowed,
    *,
    env: Mapping[str, str] | None = None,
) -> list[Signature]:
    """Verify tags whose objects the repository has, with few processes for many tags."""
    answers: list[Signature | None] = []
    work: dict[int, _Work] = {}
    for at, one in enumerate(asked):
        decided = _by_form(repository, one)
        if isinstance(decided, Signature):
            answers.append(decided)
            continue
        answers.append(None)
        head = f"tag {len(one.data)}\0".encode()
        algorithm = "sha256" if repository.oid_width == 64 else "sha1"  # noqa: PLR2004
        oid = hashlib.new(algorithm, head + one.data, usedforsecurity=False).hexdigest()
        work[at] = _Work(oid, ssh_signature(decided.signature or b""))
    _ask_ssh(repository, [w for w in work.values() if w.ssh], allowed, env or {})
    for at, tag in work.items():
        ssh = tag.ssh is not None
        answers[at] = _of_ssh(tag, allowed) if ssh else _of_gpg(repository, tag.oid, env or {})
    return [answer for answer in answers if answer is not None]


def probe_signers(
    repository: Repository,
    sign: Sign | None,
    allowed: Allowed,
    *,
    tagger: str,
    at: int,
    target: str,
) -> tuple[str, ...]:
    """Return the principals that a tag signed now would verify as, by signing one for trial.

    ``target`` is any commit; nothing is kept. Raises `InputError` if it cannot be signed.
    """
    if sign is None:
        return ()
    draft = TagDraft(name="trial", target=target, message="Trial.\n", tagger=tagger, at=at)
    made = signed_content(repository, draft, sign)
    with _temporary("") as folder:
        env = {
            "GIT_OBJECT_DIRECTORY": str(folder),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(repository.common_dir / "objects"),
        }
        repository.run("hash-object", "-t", "tag", "-w", "--stdin", data=made, env=env)
        (found,) = verify_tags(repository, [Asked(made, draft.name)], allowed, env=env)
    return found.principals


def _by_form(repository: Repository, asked: Asked) -> Signature | Tag:
    """Return the tag, or what its form alone decides."""
    try:
        tag = parse_tag(asked.data)
    except DamagedError as error:
        return Signature(state="bad", reason=error.message.rstrip("."))
    if tag.signature is None:
        return Signature(state="none", reason="it is not signed")
    reason = _wrong_form(repository, tag, tag.signature, asked.name)
    return tag if reason is None else Signature(state="bad", reason=reason)


def _wrong_form(repository: Repository, tag: Tag, signature: bytes, ref_name: str) -> str | None:
    """Return what is wrong with a signed tag, whoever signed it."""
    if tag.name != ref_name:
        return f"it was made as {visible(tag.name, 80)} and copied to another name"
    if tag.kind != "commit":
        return f"it is a tag of a {visible(tag.kind, 20)} and not of a commit"
    with contextlib.suppress(DamagedError):
        found = repository.objects().get(tag.target, limit=LIMIT)
        if found is not None and found.kind != "commit":
            return f"it says that it is of a commit, and is of a {found.kind}"
    if signature.startswith(b"-----BEGIN SSH"):
        ssh = ssh_signature(signature)
        if ssh is None:
            return "its signature cannot be read"
        if ssh.namespace != "git":
            return f"it was signed for {visible(ssh.namespace, 40)!r} and not for git"
    return None


def _ask_ssh(
    repository: Repository, work: Sequence[_Work], allowed: Allowed, env: Mapping[str, str]
) -> None:
    """Put every line that may speak of a tag's key to git, for all tags of the key at once."""
    by_key: dict[str, list[_Work]] = {}
    for one in work:
        assert one.ssh is not None
        by_key.setdefault(one.ssh.blob, []).append(one)
    lines = allowed.lines()
    for blob, ones in by_key.items():
        for line in lines:
            if line.authority or line.blob == blob:
                with _temporary(f"{line.text}\n") as folder:
                    for start in range(0, len(ones), _AT_ONCE):
                        part = ones[start : start + _AT_ONCE]
                        _ask_line(repository, part, line, folder / _FILE, env)


def _ask_line(
    repository: Repository,
    ones: Sequence[_Work],
    line: Line,
    file: Path,
    env: Mapping[str, str],
) -> None:
    """Note for each tag whether the one line in ``file`` allows its signature."""
    setting = ("-c", f"gpg.ssh.allowedSignersFile={file}")
    code, words = _verify(repository, setting, [one.oid for one in ones], env)
    if code and len(ones) > 1:  # it does not say clearly of which tags
        for one in ones:
            _ask_line(repository, [one], line, file, env)
        return
    for one in ones:
        if code:
            one.words += words
        elif line.authority:  # what a certificate is for stands in it, not in the line
            one.principals += [n for n in _GOOD.findall(words) if n not in one.principals]
        else:
            one.principals += [n for n in line.principals if n not in one.principals]


def _verify(
    repository: Repository, settings: Sequence[str], oids: Sequence[str], env: Mapping[str, str]
) -> tuple[int, str]:
    """Return the exit code of ``git verify-tag`` and what it said."""
    process = repository.start(*settings, "verify-tag", "--raw", *oids, env=env)
    out, err = process.communicate()
    return process.returncode, (out + err).decode("utf-8", "replace")


def _of_ssh(one: _Work, allowed: Allowed) -> Signature:
    """Return what the lines of the allowed signers made of a tag."""
    assert one.ssh is not None
    answer = Signature(state="bad", key=one.ssh.fingerprint, principals=tuple(one.principals))
    if one.principals:
        return replace(answer, state="good")
    if allowed.text is None:
        return replace(answer, state="unknown", reason=f"there is no {ALLOWED_PATH} to judge it by")
    if not one.words:
        where = visible(allowed.origin, 80)
        return replace(answer, reason=f"no line of {where} names its key {one.ssh.fingerprint}")
    for words, reason in _REASONS:
        if words in one.words:
            return replace(answer, reason=reason)
    if any(words in one.words for words in _CANNOT_TELL):
        return replace(answer, state="unknown", reason=f"git cannot verify it: {_said(one.words)}")
    return replace(answer, reason=f"git does not accept it: {_said(one.words)}")


def _of_gpg(repository: Repository, oid: str, env: Mapping[str, str]) -> Signature:
    """Verify a tag by GnuPG and its keyring.

    The address of a key counts only as far as GnuPG trusts that it is its owner's.
    """
    code, words = _verify(repository, (), [oid], env)
    status = dict(reversed(_STATUS.findall(words)))
    key = next(iter(status.get("VALIDSIG", "").split()[-1:]), None)
    for name, reason in _GPG_BAD.items():
        if name in status:
            return Signature(state="bad", key=key, reason=reason)
    if code == 0 and "GOODSIG" in status and key is not None:
        principals = [key]
        address = _ADDRESS.search(status["GOODSIG"])
        if address and status.keys() & {"TRUST_FULLY", "TRUST_ULTIMATE"}:
            principals.append(address[1])
        return Signature(state="good", key=key, principals=tuple(principals))
    if "NO_PUBKEY" in status:
        wanted = visible(status["NO_PUBKEY"], 40)
        reason = f"the key {wanted} is not in the keyring of GnuPG here"
        return Signature(state="unknown", key=wanted, reason=reason)
    return Signature(state="unknown", key=key, reason=f"git cannot verify it: {_said(words)}")


def _said(words: str) -> str:
    """Return the most telling line of git's words."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("[GNUPG:]", 'Good "git" signature'))]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return visible(next(iter(fatal or lines), "no word"), 200).rstrip(".")


_FILE = "allowed_signers"


@contextlib.contextmanager
def _temporary(text: str) -> Iterator[Path]:
    """Give a folder with ``text`` as its file of allowed signers."""
    try:
        with tempfile.TemporaryDirectory(prefix="gitml-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            (folder / _FILE).write_text(text, encoding="utf-8")
            yield folder
    except OSError as error:
        raise StorageError(
            f"A temporary folder cannot be written: {error.strerror}.",
            hint="Free some space for temporary files, or name another folder in TMPDIR.",
        ) from None
