"""Tag objects, unsigned or signed by git with the user's key; no ref is written here.

Signing is git's: whatever ``gpg.format``, ``user.signingKey`` and the like say
works (SSH, an agent, ``gpg.ssh.defaultKeyCommand``, GPG). ``git tag -s`` also
writes ``refs/tags/NAME``, and its header must say NAME, so it works in a
throw-away git folder that shares our objects; what was pushed first can then
get its ref second.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitml.errors import InputError, StorageError
from gitml.names import TAGS, visible
from gitml.registry.tagobject import content

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitml.registry.tagobject import TagDraft
    from gitml.store.git import Repository

_TAGGER = re.compile(rb"^tagger (.*) <(.*)> (\d+) ([+-]\d{4})$", re.MULTILINE)
_NO_KEY = "git config user.signingKey names the key (a .pub file with gpg.format ssh)."
_ADVICE = (
    ("Couldn't find key in agent", "ssh-add loads the key; ssh-add -l lists what is loaded."),
    ("incorrect passphrase", "ssh-add loads a key that has a passphrase."),
    ("No secret key", "gpg --list-secret-keys shows the keys that can sign."),
    ("cannot run", "Install OpenSSH or GnuPG, or name the program in gpg.program."),
    ("cannot exec", "Install OpenSSH or GnuPG, or name the program in gpg.program."),
)
_WORDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """That tags are to be signed, by git's settings."""

    key: str | None = None
    """The key, as ``git tag -u`` takes it; None is ``user.signingKey``, git's default."""


def signature_of(repository: Repository, wanted: bool | None = None) -> Sign | None:
    """Return how tags are signed: as ``wanted`` says, by default as ``tag.gpgSign`` does."""
    if wanted is None:
        wanted = (repository.config("tag", "gpgSign") or "").lower() in {"true", "yes", "on", "1"}
    return Sign() if wanted else None


def write_tag(repository: Repository, draft: TagDraft, sign: Sign | None = None) -> str:
    """Write a tag object and return its oid; nothing refers to it yet.

    Raises `InputError` if it cannot be signed.
    """
    made = content(draft) if sign is None else signed_content(repository, draft, sign)
    return repository.run("mktag", data=made).decode().strip()


def signed_content(repository: Repository, draft: TagDraft, sign: Sign) -> bytes:
    """Return the content of a signed tag; no object and no ref of it is left behind.

    Raises `InputError` if it cannot be signed.
    """
    unsigned = content(draft)
    head, _, message = unsigned.partition(b"\n\n")
    tagger = _TAGGER.search(head)
    assert tagger is not None
    name, email, seconds, zone = (part.decode() for part in tagger.groups())
    with _scratch(repository) as place:
        env = {
            "GIT_DIR": str(place),
            "GIT_OBJECT_DIRECTORY": str(place / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(repository.common_dir / "objects"),
            "GIT_COMMITTER_NAME": name,
            "GIT_COMMITTER_EMAIL": email,
            "GIT_COMMITTER_DATE": f"@{seconds} {zone}",
        }
        key = ["-s"] if sign.key is None else ["-u", sign.key]
        command = ["tag", *key, "--cleanup=verbatim", "-F", "-", draft.name, draft.target]
        process = repository.start("-c", "core.hooksPath=/dev/null", *command, env=env)
        try:
            _, err = process.communicate(message)
        except BaseException:
            process.kill()
            process.wait()
            raise
        words = err.decode("utf-8", "replace")
        if process.returncode:
            raise _refused(words)
        oid = (place / TAGS / draft.name).read_text(encoding="ascii").strip()
        loose = place / "objects" / oid[:2] / oid[2:]
        if loose.exists():
            made = zlib.decompress(loose.read_bytes()).partition(b"\0")[2]
        else:  # the very same tag is among the repository's own objects
            made = repository.read(oid, "tag")
    _check(draft, made, words)
    return made


def _check(draft: TagDraft, made: bytes, words: str) -> None:
    """Refuse a tag that is not what was drafted and a signature.

    git 2.39 exits with 0 and leaves out the signature if it cannot read the SSH key.
    """
    unsigned = content(draft)
    if made == unsigned:
        raise _refused(words)
    if not made.startswith(unsigned + b"-----BEGIN "):
        raise InputError(
            f"git changed the tag {draft.name} while it signed it.",
            hint="git config --get-regexp '^(tag|gpg)' shows what may have.",
        )


@contextlib.contextmanager
def _scratch(repository: Repository) -> Iterator[Path]:
    """Give a git folder without refs that signs as the repository does.

    Its settings are asked of the repository itself, because conditional includes
    (``includeIf "gitdir:…"``) go by where a repository is.
    """
    asked = repository.run("config", "-z", "--get-regexp", r"^(gpg|user)\.", ok=(0, 1))
    lines = ["[core]", "repositoryformatversion = 1", "bare = true"]
    if len(repository.zero) == 64:  # noqa: PLR2004 - hex digits of a SHA-256
        lines += ["[extensions]", "objectFormat = sha256"]
    for item in asked.decode("utf-8", "surrogateescape").split("\0"):
        if item:
            lines += _setting(item)
    try:
        with tempfile.TemporaryDirectory(prefix="gitml-", ignore_cleanup_errors=True) as folder:
            place = Path(folder)
            for name in ("objects", "refs"):
                (place / name).mkdir()
            (place / "HEAD").write_text("ref: refs/heads/main\n", encoding="ascii")
            text = "\n".join([*lines, ""])
            (place / "config").write_text(text, encoding="utf-8", errors="surrogateescape")
            yield place
    except OSError as error:
        raise StorageError(
            f"A temporary folder cannot be written: {error.strerror}.",
            hint="Free some space for temporary files, or name another folder in TMPDIR.",
        ) from None


def _setting(item: str) -> list[str]:
    """Return the lines of a setting, given as ``git config -z`` prints it: a key, its value."""
    key, valued, value = item.partition("\n")
    section, _, rest = key.partition(".")
    middle, dot, name = rest.rpartition(".")
    head = f'[{section} "{_escaped(middle)}"]' if dot else f"[{section}]"
    return [head, f'{name} = "{_escaped(value)}"' if valued else name]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _quoted(path: Path) -> str:
    """Return a folder as git's lists of folders hold it."""
    return f'"{_escaped(str(path))}"'


def _refused(words: str) -> InputError:
    """Return what git's words on stderr mean, when it did not sign."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    vague = (
        *("unable to sign the tag", "The tag message has been left", "gpg failed to sign"),
        "bad config variable",  # it names a file that is gone by now
    )
    telling = [x for x in lines if not any(word in x for word in vague)] or lines[:1]
    said = visible("; ".join(telling).removeprefix("error: ").removeprefix("fatal: "), _WORDS)
    hint = next((advice for word, advice in _ADVICE if word in words), _NO_KEY)
    return InputError(f"git could not sign the tag: {said.rstrip('.') or 'no word'}.", hint=hint)
