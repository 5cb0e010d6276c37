"""What a pickled model is, told from its first instructions; none of them is carried out.

``pickletools`` takes a pickle apart without building anything. A scikit-learn model
begins by naming its class and making one of it (``NEWOBJ``); what begins otherwise,
such as a dictionary of models, is not one that MLflow can call.
"""

from __future__ import annotations

import bz2
import enum
import io
import lzma
import pickletools
import re
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitml.registry.package import Member

_HEAD = 4096
"""Bytes at the start of a pickle that are looked at, after unpacking."""
_PACKED_HEAD = 64 * 1024
_STEPS = 16
_JOBLIB = b"joblib.numpy_pickle"
_PREDICTORS = re.compile(
    r"sklearn\.(calibration|cluster|compose|cross_decomposition|discriminant_analysis|dummy"
    r"|ensemble|frozen|gaussian_process|isotonic|kernel_ridge|linear_model|mixture"
    r"|model_selection|multiclass|multioutput|naive_bayes|neighbors|neural_network|pipeline"
    r"|semi_supervised|svm|tree)(\.\w+)*"
)
"""Modules of scikit-learn whose classes predict; a scaler loads, and then cannot be called."""
_NO_PREDICTORS = frozenset(
    ["ColumnTransformer", "FeatureUnion", "RandomTreesEmbedding", "KNeighborsTransformer"]
)
LOADER_FOLDER = "code"
LOADER = b'''"""Loads a scikit-learn model that joblib wrote, for mlflow.pyfunc."""

import joblib


def _load_pyfunc(path):
    return joblib.load(path)
'''


class Pickled(enum.Enum):
    """How a model is pickled."""

    PLAIN = "plain"
    """By pickle or cloudpickle, which ``mlflow.sklearn`` loads."""
    JOBLIB = "joblib"
    """By joblib, whose files only joblib reads."""


def look(member: Member) -> Pickled | None:
    """Return how a file holds a pickled scikit-learn model; None if it does not."""
    pieces = member.open()
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _PACKED_HEAD:
            break
    unpack = next((u for magic, u in _PACKED if head.startswith(magic)), None)
    if not _is_predictor(head[:_HEAD] if unpack is None else unpack(head)):
        return None
    if unpack is not None:
        return Pickled.JOBLIB
    return Pickled.JOBLIB if _holds(member.open(), _JOBLIB) else Pickled.PLAIN


def _inflated(head: bytes) -> bytes:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(head, _HEAD)


_PACKED: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"x", lambda head: _tried(_inflated, head)),
    (b"\x1f\x8b", lambda head: _tried(_inflated, head)),
    (b"BZh", lambda head: _tried(lambda h: bz2.BZ2Decompressor().decompress(h, _HEAD), head)),
    (
        b"\xfd7zXZ\0",
        lambda head: _tried(lambda h: lzma.LZMADecompressor().decompress(h, _HEAD), head),
    ),
)
"""How joblib packs, by the first bytes."""


def _tried(unpack: Callable[[bytes], bytes], head: bytes) -> bytes:
    try:
        return unpack(head)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        return b""


def _is_predictor(head: bytes) -> bool:
    """Say whether a pickle begins by making an object of a class that predicts."""
    if head[:1] != b"\x80":  # protocol 2 and later
        return False
    words: list[str] = []
    found: tuple[str, str] | None = None
    try:
        for (code, argument, _), _ in zip(
            pickletools.genops(io.BytesIO(head)), range(_STEPS), strict=False
        ):
            if code.name in {"SHORT_BINUNICODE", "BINUNICODE"} and found is None:
                words.append(str(argument))
            elif code.name == "STACK_GLOBAL" and len(words) == 2:  # noqa: PLR2004 - module, class
                found = words[0], words[1]
            elif code.name == "GLOBAL" and found is None:
                module, _, name = str(argument).partition(" ")
                found = module, name
            elif code.name == "NEWOBJ":
                break
            elif code.name not in _HARMLESS:
                return False
        else:
            return False
    except (ValueError, IndexError, UnicodeDecodeError):
        return False
    return (
        found is not None
        and _PREDICTORS.fullmatch(found[0]) is not None
        and found[1] not in _NO_PREDICTORS
    )


_HARMLESS = {"PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "EMPTY_TUPLE"}


def _holds(pieces: Iterator[bytes], word: bytes) -> bool:
    tail = b""
    for piece in pieces:
        if word in tail + piece[: len(word)] or word in piece:
            return True
        tail = piece[-len(word) :]
    return False
