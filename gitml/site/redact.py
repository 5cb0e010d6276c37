"""What a published page does not tell: e-mail addresses, host names, home folders, credentials."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from gitml.redact import strip_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitml.model import Artifact, Dataset, Environment, Json, Run, Source

T = TypeVar("T", "Artifact", "Dataset", "Environment", "Source")

_EMAIL = re.compile(r"[\w.+-]++(@(?:[\w-]++\.)+[A-Za-z]{2,})?")
"""An address, or a word that is none: it is looked at once, as it may have megabytes."""
_HOME = re.compile(
    r"(?<![\w.-])(?:/root(?=/|$)|(?:/home|/Users|[A-Za-z]:[\\/]Users)[\\/][^\\/\s'\":]+)"
)
_USER = re.compile(r"^[^@/:]+@(?=[^/]+:)")
HIDDEN = "…@…"
"""What stands for an e-mail address; of an author the name stays."""


_TEXTS = frozenset({str, list, dict})
"""What may hold a text."""
_MARKED = re.compile(r"\w-?\d|\w-\w")
"""What the name of a machine has that a word has not."""


def redacted(run: Run) -> Run:
    """Return a run without what tells about people and machines rather than about models."""
    machine = run.environment
    text = _without(machine.host)
    variables = {name: text(each) for name, each in machine.variables.items()}
    return replace(
        run,
        name=text(run.name),
        author=author(run.author),
        note=None if run.note is None else text(run.note),
        params={n: value(v, text) if type(v) in _TEXTS else v for n, v in run.params.items()},
        tags={name: text(each) for name, each in run.tags.items()},
        source=_source(run.source, text),
        environment=_with(machine, host=None, variables=variables),
        inputs=tuple([_input(each) for each in run.inputs]),
        artifacts={path: _artifact(each) for path, each in run.artifacts.items()},
        extra={},
    )


def _with(found: T, **made: Any) -> T:
    """Return a value with other fields; itself where they are no other, which is many times faster.

    Of 10,000 runs most values have nothing to hide.
    """
    for name, each in made.items():
        if getattr(found, name) != each:
            return replace(found, **made)
    return found


def text(words: str) -> str:
    """Return text with home folders as ``~`` and without addresses and credentials."""
    if "@" in words:
        words = _EMAIL.sub(lambda m: HIDDEN if m[1] else m[0], strip_credentials(words))
    return (
        _HOME.sub("~", words) if "Users" in words or "home" in words or "/root" in words else words
    )


@lru_cache(1024)
def _without(host: str | None) -> Callable[[str], str]:
    """Return `text` for what a machine recorded, where its own name is not told either.

    A name that is a plain word, as ``train``, is left alone: texts have it for another reason.
    """
    host = host or ""
    short, _, domain = host.partition(".")
    if _MARKED.search(short):
        name = rf"{re.escape(short)}(?:\.{re.escape(domain)})?" if domain else re.escape(short)
    elif domain:
        name, short = re.escape(host), host
    else:
        return text
    named = re.compile(rf"(?<![\w.-]){name}(?![\w-])")
    return lambda words: text(named.sub("…", words) if short in words else words)


def value(found: Json, text: Callable[[str], str] = text) -> Json:
    """Return a value of a param with its texts redacted."""
    if isinstance(found, str):
        return text(found)
    if isinstance(found, list):
        return [value(each, text) for each in found]
    if isinstance(found, dict):
        return {name: value(each, text) for name, each in found.items()}
    return found


@lru_cache(1024)
def author(who: str) -> str:
    """Return the name in ``Name <email>``; of an address alone what stands before the ``@``."""
    name = who.partition("<")[0].strip() or who.strip(" <>")
    return name.partition("@")[0]


def _source(source: Source, text: Callable[[str], str]) -> Source:
    return _with(
        source,
        remote=None if source.remote is None else _remote(source.remote),
        command=tuple(map(text, source.command)),
        script=None if source.script is None else text(source.script),
        changed=tuple(map(text, source.changed)),
        left_out=tuple(map(text, source.left_out)),
    )


@lru_cache(1024)
def _remote(address: str) -> str:
    """Return the address of a repository without its user, who for ssh is always ``git``."""
    return _HOME.sub("~", _USER.sub("git@", strip_credentials(address)))


def _input(found: Dataset) -> Dataset:
    uri = None if found.uri is None else text(found.uri)
    return _with(found, name=text(found.name), uri=uri, profile=None, schema=None)


def _artifact(found: Artifact) -> Artifact:
    return found if found.uri is None else _with(found, uri=text(found.uri))
