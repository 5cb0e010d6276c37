"""What a published page does not tell: e-mail addresses, host names, home folders, credentials."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from gitml.redact import strip_credentials

if TYPE_CHECKING:
    from gitml.model import Artifact, Dataset, Json, Run, Source

_EMAIL = re.compile(r"[\w.+-]+@(?:[\w-]+\.)+[A-Za-z]{2,}")
_HOME = re.compile(
    r"(?<![\w.-])(?:/root(?=/|$)|(?:/home|/Users|[A-Za-z]:[\\/]Users)[\\/][^\\/\s'\":]+)"
)
_USER = re.compile(r"^[^@/:]+@(?=[^/]+:)")
HIDDEN = "…@…"
"""What stands for an e-mail address; of an author the name stays."""


def redacted(run: Run) -> Run:
    """Return a run without what tells about people and machines rather than about models."""
    machine = run.environment
    return replace(
        run,
        name=text(run.name),
        author=author(run.author),
        note=None if run.note is None else text(run.note),
        params={name: value(each) for name, each in run.params.items()},
        tags={name: text(each) for name, each in run.tags.items()},
        source=_source(run.source),
        environment=replace(
            machine,
            host=None,
            variables={name: text(each) for name, each in machine.variables.items()},
        ),
        inputs=tuple(_input(each) for each in run.inputs),
        artifacts={path: _artifact(each) for path, each in run.artifacts.items()},
        extra={},
    )


def text(words: str) -> str:
    """Return text with home folders as ``~`` and without addresses and credentials."""
    if "@" in words:
        words = _EMAIL.sub(HIDDEN, strip_credentials(words))
    return _HOME.sub("~", words) if "/" in words or "\\" in words else words


def value(found: Json) -> Json:
    """Return a value of a param with its texts redacted."""
    if isinstance(found, str):
        return text(found)
    if isinstance(found, list):
        return [value(each) for each in found]
    if isinstance(found, dict):
        return {name: value(each) for name, each in found.items()}
    return found


def author(who: str) -> str:
    """Return the name in ``Name <email>``; of an address alone what stands before the ``@``."""
    name = who.partition("<")[0].strip() or who.strip(" <>")
    return name.partition("@")[0]


def _source(source: Source) -> Source:
    return replace(
        source,
        remote=None if source.remote is None else _remote(source.remote),
        command=tuple(map(text, source.command)),
        script=None if source.script is None else text(source.script),
        changed=tuple(map(text, source.changed)),
        left_out=tuple(map(text, source.left_out)),
    )


def _remote(address: str) -> str:
    """Return the address of a repository without its user, who for ssh is always ``git``."""
    return _HOME.sub("~", _USER.sub("git@", strip_credentials(address)))


def _input(found: Dataset) -> Dataset:
    uri = None if found.uri is None else text(found.uri)
    return replace(found, name=text(found.name), uri=uri, profile=None, schema=None)


def _artifact(found: Artifact) -> Artifact:
    return replace(found, uri=None if found.uri is None else text(found.uri))
