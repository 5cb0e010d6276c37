"""What users hand in, as numbers, and as what JSON holds."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import operator
import re
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from gitml.codec import dump_json, load_json
from gitml.errors import InputError
from gitml.names import check_name, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    """Return a metric's value as a float; raise `InputError` for what is no number.

    An array of one element, and whatever else has an ``item()`` that is a number, is one.
    """
    if not isinstance(value, (str, bytes)):
        try:
            return float(value)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            item = _item(value)
            if isinstance(item, (int, float)):
                return float(item)
    raise InputError(
        f"The metric {visible(name)} is not a number: {visible(repr(value), 60)}.",
        hint="Metrics are numbers; text belongs into a param, a tag or an artifact.",
    )


def _item(value: Any) -> Any:
    """Return what an array or tensor of one element holds, None for anything else."""
    item = getattr(value, "item", None)
    if callable(item) and not isinstance(value, type):
        with contextlib.suppress(Exception):
            return item()
    return None


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
    """Return ``value`` as JSON holds it.

    NumPy's scalars are numbers, sequences and small arrays lists, sets sorted lists,
    dataclasses and the like mappings; other objects are text, without the address that
    some tell, which would be another one in each run.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (Sequence, AbstractSet)) and not isinstance(value, _WHOLE):
        several = [plain(v) for v in value]
        return sorted(several, key=dump_json) if isinstance(value, AbstractSet) else several
    mapping = mapping_of(value)
    if mapping is not None:
        return {str(k): plain(v) for k, v in mapping.items()}
    item = _item(value)
    if isinstance(item, (bool, int, float, str)):
        return item
    listed = _listed(value)
    return _ADDRESS.sub("", str(value)) if listed is None else listed


_WHOLE = (bytes, bytearray, memoryview, range)
"""Sequences that are a value of their own."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_ELEMENTS = 1000
"""Numbers of an array that are kept as a list; a longer one is text, as the array shows itself."""


def _listed(value: Any) -> Json:
    """Return a small array or tensor as nested lists, None for anything else."""
    shape, tolist = getattr(value, "shape", None), getattr(value, "tolist", None)
    if isinstance(shape, tuple) and callable(tolist):
        with contextlib.suppress(Exception):
            if math.prod(shape) <= _ELEMENTS:
                return plain(tolist())
    return None


def mapping_of(value: Any) -> Mapping[Any, Any] | None:
    """Return what has named values as a mapping, None for anything else.

    Mappings, dataclasses, argparse's and types' namespaces, attrs' classes and pydantic's
    models have.
    """
    if isinstance(value, Mapping):
        return value
    kind = type(value)
    if isinstance(value, type):
        return None
    if hasattr(kind, "model_fields") and callable(getattr(value, "model_dump", None)):
        dumped = value.model_dump()
        return dumped if isinstance(dumped, Mapping) else None
    fields: Iterable[Any] = getattr(kind, "__attrs_attrs__", ())
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
    elif not fields:
        argparse = sys.modules.get("argparse")
        spaces = (SimpleNamespace, argparse.Namespace) if argparse else SimpleNamespace
        return vars(value) if isinstance(value, spaces) else None
    return {field.name: getattr(value, field.name) for field in fields}


def flat(params: Any, prefix: str = "") -> dict[str, Json]:
    """Return nested mappings as one, keys joined with ``.``; empty ones as None.

    Raises `InputError` for what has no named values (see `mapping_of`).
    """
    out: dict[str, Json] = {}
    mapping = mapping_of(params)
    if mapping is None:
        raise InputError(
            f"Params are names and values, and not {visible(repr(params), 60)}.",
            hint="Give a mapping, a dataclass or what argparse has parsed.",
        )
    try:
        for key, value in mapping.items():
            name = f"{prefix}{key}"
            inner = mapping_of(value)
            if inner:
                out |= flat(inner, f"{name}.")
            else:
                out[name] = plain(value) if inner is None else None
    except RecursionError:
        raise InputError("The params nest too deep, or hold themselves.") from None
    return out
