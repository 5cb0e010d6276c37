"""MLmodel files: what one says, and a minimal one for files that have none.

https://mlflow.org/docs/latest/ml/model/ - read as YAML; nothing is ever unpickled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gitml.codec import dump, load_user_yaml
from gitml.errors import InputError
from gitml.names import visible
from gitml.registry.package import MLMODEL, Member, made_member
from gitml.registry.pickles import LOADER, LOADER_FOLDER, Pickled, look, named
from gitml.registry.signature import inferred, mlflow_signature, read_signature
from gitml.registry.surroundings import ENV, surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitml.model import Json

EXAMPLE = "input_example.json"
_EXAMPLE_LIMIT = 1024 * 1024
_MLMODEL_LIMIT = 1024 * 1024
"""Bytes of a MLmodel that is read: MLflow's are a few thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MlModel:
    """What a MLmodel says that a version keeps."""

    flavors: Mapping[str, Json]
    """The flavors by name, each with its settings."""
    signature: Mapping[str, Json] | None = None
    """``{inputs, outputs, params}``, or None."""
    bound: str | None = None
    """The file of a pickle that loads nowhere but in the script that made it, if it is one."""


def read_mlmodel(data: bytes, what: str = MLMODEL) -> MlModel:
    """Return what a MLmodel says; raise `InputError` if it is none."""
    if len(data) > _MLMODEL_LIMIT:
        raise InputError(f"{what} has more than {_MLMODEL_LIMIT:,} bytes.")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InputError(f"{what} is not UTF-8.") from None
    found = load_user_yaml(text, what)
    if not isinstance(found, dict) or not isinstance(found.get("flavors"), dict):
        raise InputError(
            f"{what} has no flavors.", hint="a MLmodel is YAML with a mapping of flavors"
        )
    flavors = found["flavors"]
    if not all(isinstance(k, str) and isinstance(v, dict) for k, v in flavors.items()):
        raise InputError(f"{what} has a flavor that is not a mapping.")
    return MlModel(flavors=flavors, signature=read_signature(found.get("signature"), what))


def complete(
    members: Sequence[Member],
    *,
    signature: Any = None,
    example: Any = None,
    python: str | None = None,
    installed: str = "",
) -> tuple[list[Member], MlModel]:
    """Return the files of a model with a MLmodel among them, and what that says.

    Files with a MLmodel are a model in MLflow's form and stay as they are; others
    get a minimal one, a pure function of them and of what is given here. ``python``
    is the version of the interpreter that trained it, ``installed`` what it had, a
    requirement a line; where MLflow can load the model, both are said in the files
    that it reads (`surroundings`). Raises `InputError`.
    """
    by_path = {member.path: member for member in members}
    if MLMODEL in by_path:
        if signature is not None or example is not None:
            raise InputError(
                "The model has a MLmodel, which says its signature and example itself.",
                hint="leave them out, or write them with MLflow: mlflow.models.set_signature",
            )
        if by_path[MLMODEL].size > _MLMODEL_LIMIT:
            raise InputError(f"{MLMODEL} has more than {_MLMODEL_LIMIT:,} bytes.")
        return list(members), read_mlmodel(b"".join(by_path[MLMODEL].open()))
    known = read_signature(signature) or inferred(example)
    added = [] if example is None else [_example(example)]
    flavors, made, bound = _flavors(members, python, installed)
    added += made
    for member in added:
        if member.path in by_path:
            raise InputError(
                f"The model has a file that gitml would write: {visible(member.path)}",
                hint="rename it",
            )
    document: dict[str, Json] = {"flavors": flavors}
    if known is not None:
        document["signature"] = mlflow_signature(known)
    if example is not None:
        document["saved_input_example_info"] = _example_info(example)
    mlmodel = made_member(MLMODEL, dump(document))
    return [*members, *added, mlmodel], MlModel(flavors=flavors, signature=known, bound=bound)


def _flavors(
    members: Sequence[Member], python: str | None, installed: str
) -> tuple[dict[str, dict[str, Json]], list[Member], str | None]:
    """Return the flavors that really load these files, the files that they need, and `bound`."""
    found = {m.path: (kind, m) for m in members if (kind := look(m)) is not None}
    if len(found) != 1:  # none that is known, or two: which is the model is not ours to guess
        return {}, [], None
    ((path, (kind, member)),) = found.items()
    names = named(member)
    if "__main__" in names.modules:
        return {}, [], path
    around = surroundings(members, names, recorded=installed, python=python)
    rest: dict[str, Json] = {"env": dict(ENV)}
    rest |= {"python_version": python} if python else {}
    if kind is Pickled.PLAIN:
        function = {"loader_module": "mlflow.sklearn", "model_path": path, **rest}
        own: dict[str, Json] = {"pickled_model": path, "serialization_format": "pickle"}
        own |= {"sklearn_version": names.sklearn} if names.sklearn else {}
        return {"python_function": function, "sklearn": own}, around, None
    if any(m.path.split("/")[0].casefold() == LOADER_FOLDER for m in members):
        return {}, [], None
    module = LOADER_FOLDER + "/gitml_loader.py"
    function = {"loader_module": "gitml_loader", "code": LOADER_FOLDER, "data": path, **rest}
    return {"python_function": function}, [made_member(module, LOADER), *around], None


def bound_words(path: str) -> tuple[str, str]:
    """Return a sentence about a pickle that is `bound`, and what to do."""
    told = f"{visible(path, 80)} holds what the script or notebook that made it defines (__main__)"
    how = "put it into a module that is imported, or pickle the model with cloudpickle"
    return f"{told}, and loads nowhere else.", how


def _example(example: Any) -> Member:
    try:
        if _is_frame(example):
            text = example.to_json(orient="split", index=False, date_format="iso")
            value = json.loads(text)
            value = {"columns": value["columns"], "data": value["data"]}
        else:
            value = example.tolist() if hasattr(example, "tolist") else example
        data = json.dumps(value, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"The input example cannot be written as JSON: {visible(str(error), 80)}.",
            hint="give a DataFrame, an array, or what JSON can hold",
        ) from None
    if len(data) > _EXAMPLE_LIMIT:
        raise InputError(
            f"The input example has {len(data):,} bytes as JSON, more than {_EXAMPLE_LIMIT:,}.",
            hint="a few rows are enough",
        )
    return made_member(EXAMPLE, data)


def _example_info(example: Any) -> dict[str, Json]:
    """Return what an MLmodel says of its example (mlflow/models/utils.py, ``_Example``)."""
    info: dict[str, Json] = {"artifact_path": EXAMPLE, "type": "json_object"}
    if _is_frame(example):
        return {**info, "type": "dataframe", "pandas_orient": "split"}
    return {**info, "type": "ndarray"} if hasattr(example, "tolist") else info


def _is_frame(example: Any) -> bool:
    return hasattr(example, "to_json") and hasattr(example, "columns")
