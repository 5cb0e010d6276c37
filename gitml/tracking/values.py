"""What users hand in, as numbers, and as what JSON holds."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gitml.codec import dump_json, load_json
from gitml.errors import InputError
from gitml.names import check_name, visible

if TYPE_CHECKING:
    from gitml.model import Json


VALUE_LIMIT = 64 * 1024
"""Characters of a param's, tag's or note's value."""


def same(first: Json, second: Json) -> bool:
    """Say whether two values are one; 1 and 1.0 are, NaN and NaN too, 1 and true are not."""
    if dump_json(first) == dump_json(second):
        return True
    return isinstance(first, bool) is isinstance(second, bool) and bool(first == second)


def check_length(text: str, what: str) -> None:
    """Raise `InputError` for a text of more than `VALUE_LIMIT` characters."""
    if len(text) > VALUE_LIMIT:
        raise InputError(
            f"{what} has {len(text):,} characters.",
            hint=f"At most {VALUE_LIMIT:,}; a longer text can be an artifact.",
        )


def check_text(text: str, what: str) -> None:
    """Raise `InputError` for a text that is too long, or is none in UTF-8."""
    check_length(text, what)
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise InputError(f"{what} is not text in UTF-8: {visible(text, 60)}")


def new_params(known: Mapping[str, str], given: Mapping[str, Json]) -> dict[str, Json]:
    """Return those of the params ``given`` that are not ``known`` (as JSON) yet.

    Raises `InputError` if one has another value already, or cannot be kept.
    """
    fresh: dict[str, Json] = {}
    for name, value in given.items():
        check_name(name, "param")
        text = json_of(value, f"param {name}")
        check_length(text, f"The param {visible(name)}")
        old = known.get(name)
        if old is None:
            fresh[name] = value
        elif not same(load_json(old), value):
            raise InputError(
                f"The param {visible(name)} is {visible(old, 60)} already, "
                f"not {visible(text, 60)}.",
                hint="A param has one value in a run: start another, or use another name.",
            )
    return fresh


def json_of(value: Json, what: str) -> str:
    """Return ``value`` as JSON; raise `InputError` for what JSON cannot hold."""
    try:
        return dump_json(value)
    except ValueError as error:
        raise InputError(f"The {visible(what)} cannot be kept: {visible(str(error))}.") from None


def number(name: str, value: Any) -> float:
    """Return a metric's value as a float; raise `InputError` for what is no number."""
    if isinstance(value, (str, bytes)):
        value = None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise InputError(
            f"The metric {visible(name)} is not a number: {visible(repr(value), 60)}.",
            hint="Metrics are numbers; text belongs into a param, a tag or an artifact.",
        ) from None


def whole_step(name: str, step: Any, what: str = "step") -> int:
    """Return a step (or time) as an integer; raise `InputError` for what is no whole number."""
    try:
        if isinstance(step, float) and step.is_integer():
            return int(step)
        return operator.index(step)
    except TypeError:
        raise InputError(
            f"The {what} of {visible(name)} is not a whole number: {visible(repr(step), 60)}."
        ) from None


def plain(value: Any) -> Json:
    """Return ``value`` as JSON holds it: NumPy scalars as numbers, other objects as text."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    item = getattr(value, "item", None)
    if callable(item):
        with contextlib.suppress(Exception):
            found = item()
            if isinstance(found, (bool, int, float, str)):
                return found
    return str(value)


def flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, Json]:
    """Return nested mappings as one, keys joined with ``.``; empty ones as None."""
    out: dict[str, Json] = {}
    try:
        for key, value in params.items():
            name = f"{prefix}{key}"
            if isinstance(value, Mapping) and value:
                out |= flat(value, f"{name}.")
            else:
                out[name] = None if isinstance(value, Mapping) else plain(value)
    except RecursionError:
        raise InputError("The params nest too deep, or hold themselves.") from None
    return out
