"""Models as artifacts of a run: their files, a MLmodel among them, in a folder of their own."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitml import names
from gitml.errors import InputError
from gitml.registry.mlmodel import bound_words as bound_words  # noqa: PLC0414 - a re-export
from gitml.registry.mlmodel import complete
from gitml.registry.package import check_listing, members_of, scan
from gitml.registry.packing import FOLDER
from gitml.registry.wishes import Wish, tag_of
from gitml.tracking.packages import requirements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitml.tracking.recorder import Recorder


def log_model(
    recorder: Recorder,
    path: str | os.PathLike[str],
    *,
    name: str | None,
    folder: str | None,
    signature: Any,
    example: Any,
    sign: bool | None = None,
    before: Iterable[str] = (),
) -> tuple[tuple[str, ...], str | None]:
    """Log the files of a model as artifacts; return their paths and `MlModel.bound`.

    ``before`` are artifacts of the folder that this model takes the place of. Raises
    `InputError` for what is not a package, before anything is logged.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(
            f"A {type(path).__name__} is not the path of a model.",
            hint="save it first, such as joblib.dump(model, 'model.joblib'), and log that file",
        )
    place = Path(path)
    folder = names.check_path(folder or folder_of(name))
    wish = None if name is None else tag_of(Wish(name, folder, sign))
    found = scan([place])
    python = platform.python_version()
    members, mlmodel = complete(
        members_of(found),
        signature=signature,
        example=example,
        python=python,
        installed=requirements(),
    )
    check_listing(members)
    logged = []
    with tempfile.TemporaryDirectory(prefix="gitml-") as scratch:
        for member in members:
            source = found.get(member.path)
            if source is None:
                source = Path(scratch) / "file"
                source.write_bytes(b"".join(member.open()))
            logged.append(f"{folder}/{member.path}")
            recorder.log_file(source, logged[-1])
    gone = {path for path in before if path.startswith(f"{folder}/")} - {*logged}
    if gone:
        recorder.state({f"artifacts.{path}": None for path in sorted(gone)})
    if wish is not None:
        recorder.set_tags(dict([wish]))
    return tuple(logged), mlmodel.bound


def folder_of(name: str | None) -> str:
    """Return where the files of a model of this name are kept among the artifacts."""
    return FOLDER if name is None else f"{FOLDER}/{names.model_slug(name)}"
