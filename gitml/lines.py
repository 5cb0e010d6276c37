"""JSON lines <-> edits, and JSON that holds every float."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping

from gitml.errors import DamagedError
from gitml.model import Edit, Json
from gitml.names import visible

VALUE_DEPTH = 24
"""Levels of a value; a few less than the YAML file it goes into may have."""
_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""How JSON lines spell the floats that JSON has no numbers for, as ``{"$float": "NaN"}``."""
_ESCAPED = re.compile(r"\$+float")
_SURROGATE = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    r"""Return ``text`` with what is no character written out: ``\udc80``.

    Such halves of characters come from file names and arguments that are not
    UTF-8; neither YAML nor a terminal takes them.
    """
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _encode(value: Json) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        name = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return {"$float": name}
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, Mapping):
        return {_encode_key(k): _encode(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(v) for v in value]
    return value


def _encode_key(key: Json) -> Json:
    if isinstance(key, str):
        return f"${key}" if _ESCAPED.fullmatch(key) else without_surrogates(key)
    return key


def _decode(item: dict[str, Json]) -> Json:
    if len(item) == 1:
        ((key, value),) = item.items()
        if key == "$float" and isinstance(value, str) and value in _FLOATS:
            return _FLOATS[value]
    return {k[1:] if k[:2] == "$$" and _ESCAPED.fullmatch(k) else k: v for k, v in item.items()}


def dump_json(value: Json) -> str:
    """Return ``value`` as one line of strict JSON; NaN and infinities as ``{"$float": …}``.

    Raises ValueError for what JSON cannot hold: more than `VALUE_DEPTH` levels,
    a whole number of more than 4,300 digits.
    """
    try:
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except ValueError:
            text = json.dumps(_encode(value), ensure_ascii=False, separators=(",", ":"))
        else:
            if '"$' in text or not (text.isascii() or _SURROGATE.search(text) is None):
                text = json.dumps(_encode(value), ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("it nests too deep") from None
    if text.count("[") + text.count("{") > VALUE_DEPTH and _depth(value) > VALUE_DEPTH:
        raise ValueError(f"it nests deeper than {VALUE_DEPTH} levels")
    return text


def _depth(value: Json) -> int:
    depth, level = 0, [value]
    while level := [v for v in level if isinstance(v, (Mapping, list, tuple)) and v]:
        depth += 1
        level = [c for v in level for c in (v.values() if isinstance(v, Mapping) else v)]
    return depth


def load_json(text: str) -> Json:
    """Return what `dump_json` wrote; raise ValueError if it is not JSON."""
    try:
        return json.loads(text, object_hook=_decode)
    except RecursionError:
        raise ValueError("it nests too deep") from None


def dump_edit(edit: Edit) -> str:
    """Return an edit as one JSON line without its newline."""
    head = json.dumps(
        {
            "at": edit.at,
            "id": edit.id,
            "by": without_surrogates(edit.by),
            "key": without_surrogates(edit.key),
        },
        ensure_ascii=False,
    )
    return f'{head[:-1]}, "value": {edit.json}}}'


_EDIT_ID = re.compile(r"[0-9a-f]{16}")
_LATEST = 253_402_300_799_000  # the last second of the year 9999


def edit_from_json(value: Json) -> Edit:
    """Return the edit in ``value``; raise ValueError if it is none."""
    if not isinstance(value, dict):
        raise ValueError("an edit is not a mapping")
    at, edit_id, by, key = value.get("at"), value.get("id"), value.get("by"), value.get("key")
    if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at <= _LATEST:
        raise ValueError("an edit has no time")
    if not isinstance(edit_id, str) or not _EDIT_ID.fullmatch(edit_id):
        raise ValueError("an edit has no id")
    if not isinstance(by, str) or not isinstance(key, str) or not key:
        raise ValueError("an edit has no author or key")
    by, key = without_surrogates(by), without_surrogates(key)
    return Edit(at=at, id=edit_id, by=by, key=key, json=dump_json(value.get("value")))


def dump_edits(edits: Iterable[Edit]) -> bytes:
    """Return edits as sorted JSON lines."""
    return "".join(f"{dump_edit(e)}\n" for e in sorted(edits)).encode()


def load_edits(data: bytes, what: str) -> frozenset[Edit]:
    """Return the set of edits in JSON lines; raise `DamagedError` naming the line."""
    edits = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if line:
            try:
                edits.append(edit_from_json(load_json(line.decode())))
            except ValueError as error:
                problem = visible(str(error).split("\n", 1)[0])
                raise DamagedError(f"{what} cannot be read: {problem}, line {number}.") from None
    return frozenset(edits)
