"""Model cards: the text that a version's package brings along, and the facts at its head."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from gitml.codec import load_user_yaml
from gitml.errors import InputError
from gitml.site import redact
from gitml.site.facts import is_markdown, shown
from gitml.site.model_parts import Card
from gitml.site.parts import Pair

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitml.model import Json
    from gitml.site.registered import ShownModel, ShownVersion
    from gitml.store.git import Repository

_CARD = re.compile(
    r"(?:^|/)(?:readme|model[-_]?card)(?:\.(?:md|markdown|rst|txt))?$", re.IGNORECASE
)
_OTHER = (".rst", ".txt")
"""Endings of cards that are written in something else than Markdown."""
_FRONT = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)(?:^|\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FACTS = 16


def cards_of(store: Repository, shown: ShownModel, *, hide: bool) -> dict[str, Card]:
    """Return the model card in each version's package by the version's name.

    With ``hide`` without addresses, home folders and credentials.
    """
    paths = {each.name: path for each in shown.living if (path := _path(each)) is not None}
    commits = [shown.by_name[name].version for name in paths]
    asked = [
        f"{version.attached or version.commit}:package/{path}"
        for version, path in zip(commits, paths.values(), strict=True)
    ]
    found = {}
    for (name, path), answer in zip(paths.items(), store.objects().many(asked), strict=True):
        if answer is not None and answer.kind == "blob":
            with contextlib.suppress(UnicodeDecodeError):
                text = answer.data.decode("utf-8")
                found[name] = card_of(path, redact.text(text) if hide else text)
    return found


def card_of(path: str, text: str) -> Card:
    """Return a card: the facts of its front matter, as Hugging Face has them, and the rest.

    Front matter that cannot be read stays in the text.
    """
    marked = not path.lower().endswith(_OTHER) and is_markdown(text)
    facts: tuple[Pair, ...] = ()
    if marked and (front := _FRONT.match(text)) is not None:
        with contextlib.suppress(InputError):
            head = load_user_yaml(front[1], "The front matter")
            if isinstance(head, dict):
                facts, text = tuple(_facts(head)), text[front.end() :]
    return Card(path=path, text=text, marked=marked, facts=facts[:_FACTS])


def _path(shown: ShownVersion) -> str | None:
    """Return which file of a package is its model card: the one that is least deep."""
    files = () if shown.whole is None else shown.whole.files
    cards = [file.path for file in files if file.store == "tag" and _CARD.search(file.path)]
    return min(cards, key=lambda path: (path.count("/"), path), default=None)


def _facts(document: Mapping[str, Json]) -> Iterator[Pair]:
    """Yield what front matter says in a word or a list of words."""
    for name, value in document.items():
        values = value if isinstance(value, list) else [value]
        words = [shown(each) for each in values if not isinstance(each, (dict, list, type(None)))]
        if words and len(words) == len(values):
            yield Pair(name=str(name), value=", ".join(words))
