"""Signatures: what a model takes and gives, as MLflow's MLmodel writes it, and what changed.

A signature is ``{inputs, outputs, params}``, each a list of columns or tensors or
None: https://mlflow.org/docs/latest/ml/model/signatures/ - nothing of MLflow is needed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gitml.codec import dump_json
from gitml.errors import InputError
from gitml.names import visible

if TYPE_CHECKING:
    from gitml.model import Json

PARTS = ("inputs", "outputs", "params")
_TYPES = {
    "bool": "boolean",
    "boolean": "boolean",
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16", "Int32"), "integer"),
    **dict.fromkeys(("int64", "uint32", "Int64"), "long"),
    **dict.fromkeys(("float16", "float32", "Float32"), "float"),
    **dict.fromkeys(("float64", "Float64"), "double"),
    **dict.fromkeys(("object", "str", "string", "category"), "string"),
}
"""MLflow's types by the names of pandas's and numpy's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference between two signatures."""

    part: str
    """``inputs``, ``outputs`` or ``params``."""
    name: str
    """The column, or ``#1``, ``#2`` … where columns have no names."""
    what: Literal["added", "removed", "changed"]
    """What happened to it."""
    before: str = ""
    """Its type before, for people."""
    after: str = ""
    """Its type after."""
    breaks: bool = True
    """Whether what worked with the one may fail with the other."""

    @property
    def sentence(self) -> str:
        """Return ``input age was removed``, for people."""
        kind = self.part.removesuffix("s")
        name = f"{kind} {visible(self.name, 60)}"
        if self.what == "changed":
            return f"{name} was {self.before} and is {self.after}"
        return f"{name} was {self.what}"


def read_signature(value: Any, what: str = "The signature") -> dict[str, Json] | None:
    """Return a signature in its one form; None for one that says nothing.

    ``value`` is a mapping, whose parts are lists or JSON text of such (as in an
    MLmodel), or an object with ``to_dict()``, such as MLflow's ``ModelSignature``.
    Raises `InputError`.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping) and callable(getattr(value, "to_dict", None)):
        value = value.to_dict()
    if not isinstance(value, Mapping) or not set(value) <= set(PARTS):
        raise InputError(
            f"{what} is not a mapping of inputs, outputs and params.",
            hint='{"inputs": [{"name": "age", "type": "long"}], "outputs": [{"type": "double"}]}',
        )
    found = {part: _part(value.get(part), f"{what}: {part}") for part in PARTS}
    return found if any(found.values()) else None


def _part(value: Any, what: str) -> list[dict[str, Json]] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InputError(f"{what} is not JSON.") from None
    if value is None or value == []:
        return None
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, Mapping) for v in value):
        raise InputError(f"{what} is not a list of columns.")
    for column in value:
        if not isinstance(column.get("type"), str) or not isinstance(column.get("name", ""), str):
            raise InputError(f"{what} has a column without a type, or with a name that is no text.")
    names = [column["name"] for column in value if column.get("name")]
    if len(set(names)) < len(names):
        raise InputError(f"{what} names a column twice.")
    columns = [dict(column) for column in value]
    try:
        dump_json(columns)
    except (TypeError, ValueError):
        raise InputError(f"{what} holds what JSON cannot.") from None
    return columns


def mlflow_signature(signature: Mapping[str, Json]) -> dict[str, str | None]:
    """Return a signature as an MLmodel holds it: each part as JSON text."""
    return {
        part: None if signature.get(part) is None else json.dumps(signature[part]) for part in PARTS
    }


def inferred(example: Any) -> dict[str, Json] | None:
    """Return the signature of which ``example`` is an input; None if it does not tell.

    Of a pandas DataFrame the columns, of a numpy array its type and shape.
    """
    if hasattr(example, "dtypes") and hasattr(example, "columns"):
        columns: list[dict[str, Json]] = []
        for name, dtype in example.dtypes.items():
            kind = "datetime" if str(dtype).startswith("datetime64") else _TYPES.get(str(dtype))
            if kind is None:
                return None
            missing = bool(example[name].isna().any())
            columns.append({"type": kind, "name": str(name), "required": not missing})
        return {"inputs": columns or None, "outputs": None, "params": None} if columns else None
    if hasattr(example, "dtype") and hasattr(example, "shape") and len(example.shape):
        spec = {"dtype": str(example.dtype), "shape": [-1, *map(int, example.shape[1:])]}
        tensor: dict[str, Json] = {"type": "tensor", "tensor-spec": spec}
        return {"inputs": [tensor], "outputs": None, "params": None}
    return None


def differences(before: Json, after: Json) -> tuple[Difference, ...]:
    """Return how two signatures differ, in the order of the columns.

    Columns are matched by name, those without one by their place. What breaks: an
    input that was removed, retyped, or added (or made) as a required one, and any
    change of an output. A param never does: it has a default. None is a signature
    that says nothing, and differs in nothing.
    """
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return ()
    found: list[Difference] = []
    for part in PARTS:
        old, new = _by_name(before.get(part)), _by_name(after.get(part))
        for name in dict.fromkeys([*old, *new]):
            difference = _difference(part, name, old.get(name), new.get(name))
            if difference is not None:
                found.append(difference)
    return tuple(found)


def _by_name(columns: Json) -> dict[str, Mapping[str, Json]]:
    listed = columns if isinstance(columns, list) else ()
    return {
        str(column.get("name") or f"#{n}"): column
        for n, column in enumerate(listed, 1)
        if isinstance(column, Mapping)
    }


def _difference(
    part: str, name: str, old: Mapping[str, Json] | None, new: Mapping[str, Json] | None
) -> Difference | None:
    if new is None:
        return Difference(part=part, name=name, what="removed", breaks=part != "params")
    if old is None:
        required = part == "outputs" or (part == "inputs" and _required(new))
        return Difference(part=part, name=name, what="added", breaks=required)
    if _type(old) == _type(new):
        if part != "inputs" or _required(old) == _required(new):
            return None
        words = ("optional", "required") if _required(new) else ("required", "optional")
        return Difference(
            part=part,
            name=name,
            what="changed",
            before=words[0],
            after=words[1],
            breaks=_required(new),
        )
    return Difference(
        part=part,
        name=name,
        what="changed",
        before=type_of(old),
        after=type_of(new),
        breaks=part != "params",
    )


def _required(column: Mapping[str, Json]) -> bool:
    return column.get("required", not column.get("optional", False)) is not False


def _type(column: Mapping[str, Json]) -> Json:
    """Return what of a column is its type: all but its name, and whether it may be absent."""
    left_out = ("name", "required", "optional", "default")
    return {k: v for k, v in column.items() if k not in left_out and v is not None}


def type_of(column: Mapping[str, Json]) -> str:
    """Return the type of a column for people: ``long``, ``float64 (-1, 3)``, ``array {…}``."""
    spec = column.get("tensor-spec")
    if isinstance(spec, Mapping):
        shape = spec.get("shape")
        sizes = ", ".join(map(str, shape)) if isinstance(shape, (list, tuple)) else "?"
        return visible(f"{spec.get('dtype')} ({sizes})", 60)
    rest = {k: v for k, v in _type(column).items() if k != "type"}
    return visible(f"{column.get('type')} {dump_json(rest) if rest else ''}".rstrip(), 60)


def bump_for(before: Json, after: Json) -> tuple[Literal["major", "minor"], str]:
    """Return which part of the version to raise for a new signature, and why, for people."""
    if not before and not after:
        return "minor", "neither version has a signature"
    if not before or not after:
        return "minor", f"{'this version' if before else 'the one before'} has no signature"
    broken = [d.sentence for d in differences(before, after) if d.breaks]
    if broken:
        more = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
        return "major", f"{broken[0]}{more}"
    return "minor", "the signature is compatible"
