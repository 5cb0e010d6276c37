"""Keep secrets out of what is recorded: pure functions over text.

What cannot be told apart is masked: a lost argument is a nuisance, a password
in a shared repository is there for ever.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = "***"

_SECRET_WORDS = ("secret", "password", "passwd", "passphrase", "credential", "apikey", "api_key")
_SECRET_ENDS = frozenset(["token", "key", "pass", "pwd", "pw", "auth", "authorization", "sas"])
_SIGNED_QUERY = frozenset(["sig", "signature", "awsaccesskeyid"])
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# A password may hold what a URL may not (/ ? #); a port is digits up to the path.
_URL = re.compile(
    r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]*)://"
    r"([^/?#\s'\"]*|[^/?#\s@:'\"]+:(?!\d*(?:[/?#\s]|$))[^\s'\"]*)@"
)
_KEEP_USER = frozenset(["git", "git+ssh", "sftp", "ssh", "svn+ssh"])
_QUERY = re.compile(r"([?&#;])([^=&#;\s]+)=([^&#;\s'\"]+)")

_QUOTED = r"\"(?:[^\"\\]|\\.)*(?:\"|\\?\Z)|'(?:[^'\\]|\\.)*(?:'|\\?\Z)"
_NAME = r"(?<![\w.+-])([\w.+-]+)"
_ASSIGNED = re.compile(rf"{_NAME}(['\"]?\s*=\s*)(?!=)((?:{_QUOTED}|\S)+)")
_LABELLED = re.compile(rf"{_NAME}(['\"]?\s*:\s*)(?!//)({_QUOTED}|[^\s,}}\]]+)")
_FOLLOWED = re.compile(rf"(?<!\S)(--?[A-Za-z][\w.-]*)(\s+)(?!-)((?:{_QUOTED}|\S)+)")
_OPTION = re.compile(r"--?[A-Za-z][\w.-]*")
_HEADER = re.compile(r"(authorization['\"]?\s*:\s*['\"]?\w+\s+)[^\s'\"]+", re.IGNORECASE)
# What the big services' tokens look like, so that they are known without a name beside them.
_KNOWN = re.compile(
    r"(?<![A-Za-z0-9])("
    r"hf_[A-Za-z0-9]{20,}|gh[a-z]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}"
    r"|sk-[\w-]{20,}|xox[a-z]-[\w-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,}|pypi-[\w-]{50,}"
    r"|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"
    r")"
)


def is_secret_name(name: str) -> bool:
    """Say whether an option or key called ``name`` is likely to hold a secret.

    ``--api-key``, ``hf_token`` and ``db.password`` are; ``--max-tokens``,
    ``--tokenizer``, ``--token-dropout`` and ``keyword`` are not.
    """
    words = [word.lower() for word in _WORD.findall(name)]
    joined = "_".join(words)
    return bool(words) and (
        words[-1] in _SECRET_ENDS
        or joined in _SIGNED_QUERY
        or (words[-1] not in {"file", "path"} and any(word in joined for word in _SECRET_WORDS))
    )


def strip_credentials(text: str) -> str:
    """Return a URL, or a text with URLs in it, without user names, passwords and tokens.

    The user of ssh stays (``ssh://git@host``, ``git@host:path``): it is part of
    the address. Values of query parameters that hold a secret become ``***``.
    """
    if "://" not in text:
        return text
    text = _URL.sub(_without_user, text)
    return _QUERY.sub(
        lambda m: f"{m[1]}{m[2]}={MASK}" if _is_secret_query(m[2]) else m[0],
        text,
    )


def _without_user(match: re.Match[str]) -> str:
    scheme, user = match[1], match[2].partition(":")[0]
    return f"{scheme}://{user}@" if user and scheme.lower() in _KEEP_USER else f"{scheme}://"


def _is_secret_query(name: str) -> bool:
    return is_secret_name(name) or name.lower().startswith(("x-amz-sig", "x-goog-sig"))


def mask(text: str) -> str:
    """Return ``text`` with what is named like a secret, or looks like a token, as ``***``."""
    text = _HEADER.sub(rf"\g<1>{MASK}", strip_credentials(text))
    for pattern in (_FOLLOWED, _ASSIGNED, _LABELLED):
        text = pattern.sub(_masked, text)
    return _KNOWN.sub(MASK, text)


def _masked(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{MASK}" if is_secret_name(match[1]) else match[0]


def mask_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return a command line with its secrets as ``***``.

    Known are ``--password=x``, ``--token x``, ``db.password=x``, ``TOKEN=x``,
    headers, JSON, credentials in URLs and the tokens of well-known services.
    """
    out: list[str] = []
    secret_next = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        option = _OPTION.fullmatch(name) is not None
        if secret_next and not option:
            out.append(MASK)
        elif option and equals and is_secret_name(name):
            out.append(f"{name}={MASK}")
        else:
            out.append(mask(argument))
        secret_next = option and not equals and is_secret_name(name)
    return tuple(out)
