"""What people call the data of a lineage: a digest, the start of one, a path that runs recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.errors import InputError, NotFoundError
from gitml.names import plural, visible

if TYPE_CHECKING:
    from collections.abc import Collection

    from gitml.registry.lineage import Facts

_SHORTEST = 7
"""Digits of a digest that name it, as git's own abbreviations."""
_LISTED = 4


def data_key(facts: Facts, text: str) -> str | None:
    """Return the key of the data that a digest, or the start of one, names; None if none does.

    Raises `InputError` if several do.
    """
    wanted = text.removeprefix("sha256:").lower()
    if len(wanted) < _SHORTEST or not all(c in "0123456789abcdef" for c in wanted):
        return None
    known = dict.fromkeys([*facts.used, *facts.made])
    found = [digest for digest in known if digest.startswith(f"sha256:{wanted}")]
    if len(found) > 1:
        raise InputError(
            f"{visible(text, 80)} is the start of {len(found)} digests.",
            hint="give more of its digits",
        )
    return f"data:{found[0]}" if found else None


def recorded_key(facts: Facts, names: Collection[str]) -> str | None:
    """Return the key of the data that runs recorded under one of these names or paths.

    None if none did. Raises `InputError`, with the digests, for data of several contents.
    """
    found = _recorded(facts, names)
    if len(found) > 1:
        raise InputError(
            f"Runs used {len(found)} contents of {visible(next(iter(names)), 80)}.",
            hint=f"name one by its digest, newest first: {_listed(found)}",
        )
    return f"data:{found[0]}" if found else None


def _recorded(facts: Facts, names: Collection[str]) -> list[str]:
    """Return the digests that these names had, those of the newest runs first."""
    newest: dict[str, str] = {}
    for digest, uses in facts.used.items():
        times = [
            facts.run_node(used.run).facts.get("created", "")
            for used in uses
            if used.uri in names or used.name in names
        ]
        if times:
            newest[digest] = max(times)
    ordered = sorted(newest, key=lambda digest: (newest[digest], digest), reverse=True)
    # What has no digest is a piece of data for each run: the newest stands for all.
    return [digest for digest in ordered if digest.startswith("sha256:")] or ordered[:1]


def _listed(digests: list[str]) -> str:
    words = [digest.removeprefix("sha256:")[:12] for digest in digests[:_LISTED]]
    more = len(digests) - len(words)
    return ", ".join(words) + (f" and {plural(more, 'other')}" if more else "")


def no_data(facts: Facts, text: str, names: Collection[str] = ()) -> NotFoundError:
    """Return the failure that nothing here used or made the data ``text``, as it is now."""
    known = _recorded(facts, names)
    hint = "gitml sql 'SELECT name, digest, run FROM inputs' lists what runs used."
    if known:
        hint = f"runs used other contents of it: gitml lineage {_listed(known)}"
    return NotFoundError(f"No run used or made the data {visible(text, 80)}", hint=hint)
