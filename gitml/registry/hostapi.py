"""One call of a GitHub: by a token over HTTPS, else through ``gh api``.

https://docs.github.com/en/rest. Reading is tried three times where trying again
may help; what a person has to mend is said at once, in a sentence.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from gitml.errors import RemoteError
from gitml.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitml.model import Json
    from gitml.registry.host import Host

TIMEOUT = 20.0
TRIES = 3
PAGE, PAGES = 100, 30
"""Entries of a page, and how many pages are read of one list."""
_LONGEST_WAIT = 30.0
_ANSWER_LIMIT = 16 * 1024 * 1024
_LOOPBACK = frozenset(["localhost", "127.0.0.1", "::1"])
_GH_STATUS = re.compile(r"\(HTTP (\d{3})\)")
_RETRIED = frozenset([429, 500, 502, 503, 504])
_OK, _FIRST_BAD, _UNAUTHORIZED, _FORBIDDEN, _MISSING, _TOO_MANY = 200, 300, 401, 403, 404, 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """With what a host may be asked."""

    token: str | None = None
    """A token, which goes over HTTPS only."""
    gh: str | None = None
    """The path of GitHub's ``gh``, which has a login of its own; None if not installed."""
    pause: float = 1.0
    """Seconds before a second try; twice as many before the third."""

    def __repr__(self) -> str:
        """Return what it is without the token."""
        return f"Access(token={'…' if self.token else None}, gh={self.gh!r})"

    @property
    def possible(self) -> bool:
        """Whether there is any way to ask."""
        return self.token is not None or self.gh is not None


class StatusError(RemoteError):
    """An answer of the host that says no; ``status`` is HTTP's."""

    def __init__(self, message: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class _Answer(NamedTuple):
    status: int
    body: bytes
    wait: float | None
    """Seconds after which the host lets one try again."""


def call(host: Host, access: Access, path: str, *, method: str = "GET", body: Json = None) -> Json:
    """Return what the host answers to ``method path``; ``path`` begins without a slash.

    Raises `RemoteError` if it cannot be reached or asked, and `StatusError` if it
    says no. Only what reads is tried again.
    """
    if not access.possible or not host.api:
        raise RemoteError(
            f"{host.title} cannot be asked: there is no token and no gh.",
            hint="set GH_TOKEN, or install gh and run gh auth login",
        )
    tries = TRIES if method == "GET" else 1
    for nth in range(1, tries + 1):
        pause = access.pause * nth
        try:
            answer = _ask(host, access, method, path, body)
        except (OSError, http.client.HTTPException, subprocess.SubprocessError) as error:
            if nth == tries:
                raise RemoteError(
                    f"{host.title} cannot be reached: {visible(_reason(error))}.",
                    hint="try again; with a proxy, set HTTPS_PROXY",
                ) from None
        else:
            again = answer.status in _RETRIED or answer.wait is not None
            if not again or nth == tries or (answer.wait or 0) > _LONGEST_WAIT:
                return _read(host, path, answer)
            pause = max(pause, answer.wait or 0)
        time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def pages(host: Host, access: Access, path: str) -> Iterator[Json]:
    """Yield the entries of a list that comes in pages, at most 3,000."""
    joint = "&" if "?" in path else "?"
    for page in range(1, PAGES + 1):
        found = call(host, access, f"{path}{joint}per_page={PAGE}&page={page}")
        if not isinstance(found, list):
            raise RemoteError(f"{host.title} did not answer {visible(path, 80)} with a list.")
        yield from (item for item in found if isinstance(item, dict))
        if len(found) < PAGE:
            return


class _NoOtherHost(urllib.request.HTTPRedirectHandler):
    """Follow to the same server only: urllib would hand the token to any other."""

    def redirect_request(self, req: urllib.request.Request, *rest: Json) -> Json:
        """Return the next request, or None, which makes the redirection the answer."""
        there, here = urlsplit(rest[-1]), urlsplit(req.full_url)
        same = (there.scheme, there.netloc) == (here.scheme, here.netloc)
        return super().redirect_request(req, *rest) if same else None


def _ask(host: Host, access: Access, method: str, path: str, body: Json) -> _Answer:
    data = None if body is None else json.dumps(body).encode()
    if access.token is None:
        return _gh(host, access, method, path, data)
    url = f"{host.api}/{path}"
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise RemoteError(
            f"{visible(host.api)} is not asked: a token goes over HTTPS only.",
            hint="give the address of the API with https://",
        )
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        url,
        data=data,
        method=method,
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {access.token}",
            "Content-Type": "application/json",
            "User-Agent": "gitml",
            "X-GitHub-Api-Version": "2022-11-28",
        },
    )
    opener = urllib.request.build_opener(_NoOtherHost())
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return _Answer(answer.status, answer.read(_ANSWER_LIMIT), None)
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(error.code, error.read(_ANSWER_LIMIT), _wait(error))


def _wait(error: urllib.error.HTTPError) -> float | None:
    """Return for how long a limit asks to wait; None for another failure."""
    after = error.headers.get("Retry-After", "")
    if error.code in {_FORBIDDEN, _TOO_MANY, 503} and after.isdigit():
        return float(after)
    return None


def _gh(host: Host, access: Access, method: str, path: str, data: bytes | None) -> _Answer:
    assert access.gh is not None
    arguments = [access.gh, "api", "--hostname", host.name, "--method", method, path]
    done = subprocess.run(
        [*arguments, *(["--input", "-"] if data is not None else [])],
        input=data or b"",
        capture_output=True,
        timeout=3 * TIMEOUT,
        check=False,
    )
    if done.returncode == 0:
        return _Answer(_OK, done.stdout, None)
    said = done.stderr.decode("utf-8", "replace")
    found = _GH_STATUS.search(said)
    if found is None:  # not logged in, or no network
        first = said.strip().splitlines()
        raise RemoteError(
            f"gh cannot ask {host.title}: {visible(first[0] if first else 'it said nothing')}",
            hint="gh auth status says what is wrong",
        )
    return _Answer(int(found[1]), done.stdout, None)


def _read(host: Host, path: str, answer: _Answer) -> Json:
    good = answer.status < _FIRST_BAD
    try:
        value = json.loads(answer.body) if answer.body else None
    except (ValueError, RecursionError):
        value = None
        if good:
            text = f"{host.title} did not answer {visible(path, 80)} with JSON."
            raise RemoteError(text) from None
    if good:
        return value
    said = value.get("message") if isinstance(value, dict) else None
    raise _refusal(host, path, answer, said if isinstance(said, str) else "")


def _refusal(host: Host, path: str, answer: _Answer, said: str) -> StatusError:
    status = answer.status
    hint = visible(said) or None
    if status == _UNAUTHORIZED:
        text = f"{host.title} does not accept the token"
        hint = "set GH_TOKEN to one that is valid"
    elif status == _TOO_MANY or answer.wait is not None or "rate limit" in said.lower():
        text = f"{host.title} has been asked too often"
        hint = "try again later"
    elif status == _FORBIDDEN:
        text = f"{host.title} does not let this token see {visible(path, 80)}"
    elif status == _MISSING:
        text = f"{host.title} has no {visible(path, 80)}, or this token may not see it"
        hint = None
    else:
        text = f"{host.title} answered {visible(path, 80)} with {status}"
    return StatusError(f"{text}.", status=status, hint=hint)


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None)
    text = str(getattr(inner, "strerror", None) or inner or error) or type(error).__name__
    return text.strip().rstrip(".").splitlines()[0]
