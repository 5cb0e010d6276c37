"""What a pickled model is, told from its instructions; none of them is carried out.

``pickletools`` takes a pickle apart without building anything. A scikit-learn model
begins by naming its class and making one of it (``NEWOBJ``); what begins otherwise,
such as a dictionary of models, is not one that MLflow can call. So do the models of
XGBoost and LightGBM that follow scikit-learn's interface.
"""

from __future__ import annotations

import bz2
import enum
import io
import lzma
import pickletools
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitml.registry.package import Member

_HEAD = 4096
"""Bytes at the start of a pickle that tell what it is, after unpacking."""
_PACKED_HEAD = 64 * 1024
_STEPS = 16
_JOBLIB = b"joblib.numpy_pickle"
_PREDICTORS = re.compile(
    r"sklearn\.(calibration|cluster|compose|cross_decomposition|discriminant_analysis|dummy"
    r"|ensemble|frozen|gaussian_process|isotonic|kernel_ridge|linear_model|mixture"
    r"|model_selection|multiclass|multioutput|naive_bayes|neighbors|neural_network|pipeline"
    r"|semi_supervised|svm|tree)(\.\w+)*"
    r"|(xgboost|lightgbm)\.sklearn"
)
"""Modules whose classes predict; a scaler loads, and then cannot be called."""
_NO_PREDICTORS = frozenset(
    ["ColumnTransformer", "FeatureUnion", "RandomTreesEmbedding", "KNeighborsTransformer"]
)
_SCANNED = 256 * 1024 * 1024
"""Bytes of a pickle, unpacked, in which names are looked for."""
_OVERLAP = 1024
"""Bytes that one piece is looked at with the next, longer than any name with its class."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a pickle names."""

    modules: frozenset[str]
    """The packages of its classes and functions, such as ``sklearn``; ``__main__`` too."""
    sklearn: str | None = None
    """The version of scikit-learn that its models say they are of."""


def look(member: Member) -> Pickled | None:
    """Return how a file holds a pickled model that predicts; None if it does not."""
    head = b""
    for piece in member.open():
        head += piece
        if len(head) >= _PACKED_HEAD:
            break
    packed = _unpacker(head) is not None
    start = next(_unpacked(iter([head])), b"")
    if not _is_predictor(start[:_HEAD]):
        return None
    if packed:
        return Pickled.JOBLIB
    return Pickled.JOBLIB if _holds(member.open(), _JOBLIB) else Pickled.PLAIN


def named(member: Member) -> Named:
    """Return what a pickle names in its first 256 MiB, of what `look` takes for a model."""
    modules: set[str] = set()
    sklearn = None
    tail, seen = b"", 0
    for piece in _unpacked(member.open()):
        data = tail + piece
        for size, name in _GLOBAL.findall(data):
            if len(name) == size[0]:
                modules.add(name.partition(b".")[0].decode())
        modules.update(_old_modules(data))
        if sklearn is None and (stated := _SKLEARN.search(data)) is not None:
            sklearn = stated[2][: stated[1][0]].decode()
        tail, seen = data[-_OVERLAP:], seen + len(piece)
        if seen >= _SCANNED:
            break
    return Named(modules=frozenset(modules), sklearn=sklearn)


def _old_modules(data: bytes) -> set[str]:
    """Return the packages that protocols before 4 name (``GLOBAL``).

    That is any ``c`` in front of two lines that are names, as the instruction has no other mark.
    """
    lines = {data[max(0, found.start() - 256) : found.start()] for found in _CLASS.finditer(data)}
    words = {line[len(line.rstrip(_LETTERS)) :] for line in lines}
    parts = (word[at + 1 :] for word in words for at, byte in enumerate(word) if byte == _C)
    names = {part.partition(b".")[0] for part in parts}
    return {name.decode() for name in names if name and not name[:1].isdigit()}


_C = ord("c")
_GLOBAL = re.compile(
    rb"\x8c(.)([A-Za-z_][\w.]{0,254})\x94?(?:\x8c.[A-Za-z_][\w.]{0,254}|h.|j.{4})\x94?\x93",
    re.DOTALL,
)
"""A module and a class of it, as protocol 4 and later name them (``STACK_GLOBAL``)."""
_CLASS = re.compile(rb"\n(?=[A-Za-z_][\w.]{0,254}+\n)")
"""The end of a line in front of one that is a name."""
_LETTERS = bytes(b for b in range(128) if chr(b).isalnum() or b in b"_.")
_SKLEARN = re.compile(
    rb"_sklearn_version(?:\x94|q.|r.{4})?(?:\x8c|(?=X.\0\0\0)X)(.)(?:\0\0\0)?([0-9][\w.+]{0,254})",
    re.DOTALL,
)


class _Unpacker(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...


_PACKED: tuple[tuple[bytes, Callable[[], _Unpacker]], ...] = (
    (b"x", zlib.decompressobj),
    (b"\x1f\x8b", lambda: zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", lzma.LZMADecompressor),
)
"""How joblib packs, by the first bytes."""
_SLICE = 4096
"""Bytes that are unpacked at once: what is made to unpack to very much stays bounded."""


def _unpacker(head: bytes) -> _Unpacker | None:
    return next((make() for magic, make in _PACKED if head.startswith(magic)), None)


def _unpacked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what is in a file, unpacked if it is packed, as far as that goes."""
    unpacker, first = None, True
    for piece in pieces:
        if first:
            unpacker, first = _unpacker(piece), False
        if unpacker is None:
            yield piece
            continue
        for at in range(0, len(piece), _SLICE):
            try:
                data = unpacker.decompress(piece[at : at + _SLICE])
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
                return
            if data:
                yield data


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
