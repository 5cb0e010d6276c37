"""Names of metrics, params, tags and attributes: found, or the near ones suggested."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gitml.errors import InputError
from gitml.names import nearest, visible
from gitml.query.tokens import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitml.query.summaries import Keys

METRICS, PARAMS, TAGS, ATTRIBUTE = "metrics", "params", "tags", "attributes"
KINDS = (METRICS, PARAMS, TAGS)
SINGULAR = {METRICS: "metric", PARAMS: "param", TAGS: "tag", ATTRIBUTE: "attribute"}
NAMESPACES = {
    "metrics": (METRICS, "last"),
    "metrics_min": (METRICS, "min"),
    "metrics_max": (METRICS, "max"),
    "params": (PARAMS, "value"),
    "tags": (TAGS, "value"),
    "attributes": (ATTRIBUTE, ""),
    "runs": (ATTRIBUTE, ""),
}
"""What may stand before a dot: the kind of key, and the column of it that is meant."""
_SHOWN = 8


class Key(NamedTuple):
    """A key that runs have values for."""

    kind: str
    """metrics, params, tags or attributes."""
    name: str
    """Its name."""
    column: str
    """Which of its values: last, min, max; value for params and tags."""


def full_name(kind: str, name: str) -> str:
    """Return how an expression names a key: ``metrics."val/loss"``, ``params.lr``, ``status``."""
    return quote(name) if kind == ATTRIBUTE else f"{kind}.{quote(name)}"


def known(keys: Keys, kind: str) -> Sequence[str]:
    """Return the names of a kind."""
    return {METRICS: keys.metrics, PARAMS: keys.params, TAGS: keys.tags}.get(kind, keys.attributes)


def resolve(text: str, keys: Keys) -> Key:
    """Return the key that ``text`` names: with its kind, or alone if that finds it.

    Alone it is an attribute, else a metric, a param or a tag, in this order.
    Raises `InputError` with the near ones.
    """
    head, dot, rest = text.partition(".")
    if dot and rest and head in NAMESPACES:
        kind, column = NAMESPACES[head]
        name = unquote(rest) if rest[0] in '"`[' and len(rest) > 1 else rest
        if name in known(keys, kind):
            return Key(kind, name, column)
        if kind != ATTRIBUTE and text not in known(keys, kind):
            raise unknown(kind, name, keys)
    name = unquote(text) if text[:1] in {'"', "`", "["} and len(text) > 1 else text
    for kind in (ATTRIBUTE, *KINDS):
        if name in known(keys, kind):
            return Key(kind, name, "last" if kind == METRICS else "value")
    close = suggestions(name, keys)
    raise InputError(
        f"no metric, param, tag or attribute is called {visible(name)}",
        hint=f"did you mean {close}?" if close else "gitml ls --all shows what there is.",
    )


def unknown(kind: str, name: str, keys: Keys) -> InputError:
    """Return the error for a key that no run has."""
    close = suggestions(name, keys, kind)
    if close:
        hint = f"did you mean {close}?"
    else:
        some = [visible(full_name(kind, n)) for n in known(keys, kind)]
        more = " …" if len(some) > _SHOWN else ""
        hint = f"There are: {', '.join(some[:_SHOWN])}{more}" if some else "No run has one yet."
    return InputError(f"no {SINGULAR[kind]} is called {visible(name)}", hint=hint)


def suggestions(name: str, keys: Keys, kind: str | None = None) -> str:
    """Return what ``name`` may have been meant to be, ``a or b``; first those of its kind."""
    kinds = sorted((ATTRIBUTE, *KINDS), key=lambda k: k != kind)
    exact = [full_name(k, name) for k in kinds if name in known(keys, k)]
    close: Iterable[str] = exact
    if not exact:
        close = (full_name(k, n) for k in kinds for n in nearest(name, known(keys, k)))
    return " or ".join([visible(c) for c in dict.fromkeys(close)][:3])
