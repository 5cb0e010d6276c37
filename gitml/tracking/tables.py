"""Text files as training scripts write them: opened, decoded and cut into cells.

What `files` and `history` share. Every reader here streams, except
`read_document`; whatever a file holds, memory is bounded by the limits below.
"""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO

from gitml.codec import DEPTH_LIMIT
from gitml.errors import GitmlError, InputError, NotFoundError
from gitml.names import check_name, did_you_mean, visible

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DOCUMENT_LIMIT = 8 * 1024 * 1024
"""Bytes of a file of params or metrics; a history has no limit."""
LINE_LIMIT = 4 * 1024 * 1024
"""Characters of one line of a table."""
VALUE_LIMIT = 64 * 1024 * 1024
"""Characters of one JSON value in a stream of them."""
DELIMITERS = {".csv": ",", ".tsv": "\t"}
NAMELESS = frozenset({"", "unnamed: 0"})
"""Headers pandas gives its index: a step or nothing."""
PAIR = 2
"""Cells of a row that is a name and a value."""
_CHUNK = 256 * 1024
_SPACE = re.compile(r"[ \t\r\n]*")


def show(path: Path) -> str:
    """Return ``path`` fit for a message."""
    return visible(str(path))


def suffix(path: Path, accepted: Iterable[str], what: str) -> str:
    """Return the suffix of ``path`` in lower case, else raise `InputError` with those accepted.

    A file called ``.env`` has that suffix.
    """
    found = ".env" if path.name == ".env" else path.suffix.lower()
    if found not in accepted:
        names = ", ".join(accepted)
        raise InputError(
            f"{show(path)} is not a kind of file that {what} are read from.",
            hint=f"The name of such a file ends in one of {names}.",
        )
    return found


def kind(path: Path) -> str:
    """Return ``file`` or ``folder``.

    Raises `NotFoundError` for what is not there, with the nearest name in its
    folder, and `InputError` for what cannot be reached or is neither.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _unreachable(path, error) from None
    except ValueError:  # a NUL in the path
        raise InputError(f"{show(path)} cannot be the name of a file.") from None
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        raise InputError(f"{show(path)} is not a regular file.", hint="Write it to a file first.")
    return "file"


def _unreachable(path: Path, error: OSError) -> GitmlError:
    """Return the failure for a path that could not be opened or read."""
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        if path.is_symlink():
            return NotFoundError(
                f"{show(path)} is a symbolic link to a file that is not there.",
                hint=f"It points to {show(path.readlink())}.",
            )
        try:
            beside = sorted(entry.name for entry in path.parent.iterdir())
        except OSError:
            return NotFoundError(f"There is no folder {show(path.parent)}.")
        return NotFoundError(
            f"There is no file {show(path)}.", hint=did_you_mean(path.name, beside)
        )
    if error.errno == errno.ELOOP:
        return InputError(f"{show(path)} is a symbolic link that leads back to itself.")
    return InputError(
        f"{show(path)} cannot be read: {(error.strerror or str(error)).lower()}.",
        hint="Look at its permissions: ls -l" if isinstance(error, PermissionError) else None,
    )


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 file, with or without a byte order mark; line ends are left as they are.

    Raises `NotFoundError` or `InputError` for what is not such a file, now or
    while it is read.
    """
    if kind(path) == "folder":
        raise InputError(f"{show(path)} is a folder, not a file.", hint="Name a file in it.")
    try:
        with path.open("rb") as raw:
            start = raw.peek(4096)
            if start.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise InputError(
                    f"{show(path)} is UTF-16 text.",
                    hint="Save it as UTF-8; in PowerShell: … | Out-File -Encoding utf8 FILE",
                )
            if b"\0" in start:
                raise InputError(f"{show(path)} is a binary file, not text.")
            with TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
                yield text
    except UnicodeDecodeError:
        raise InputError(
            f"{show(path)} is not UTF-8 text.", hint="Save it as UTF-8, or name another file."
        ) from None
    except OSError as error:
        raise _unreachable(path, error) from None


def read_document(path: Path) -> str:
    """Return the whole text of a file of params or metrics, at most `DOCUMENT_LIMIT` bytes."""
    with open_text(path) as file:
        text = file.read(DOCUMENT_LIMIT + 1)
        if os.fstat(file.fileno()).st_size > DOCUMENT_LIMIT or len(text) > DOCUMENT_LIMIT:
            raise InputError(
                f"{show(path)} has more than {DOCUMENT_LIMIT // 1024**2} MiB.",
                hint="Params and metrics are summaries; a long table is a history: --history FILE",
            )
    if "\0" in text:
        raise InputError(f"{show(path)} is a binary file, not text.")
    return text


def number(text: str) -> float | None:
    """Return the number a cell holds, or None; NaN and infinities are numbers.

    Python's own spellings count, and YAML's ``.nan`` and ``.inf``, but not
    digits grouped by underscores nor those of other scripts.
    """
    try:
        value = float(text)
    except ValueError:
        match = re.fullmatch(r"\s*([-+]?)\.(inf|nan)\s*", text, re.IGNORECASE)
        return float(match[1] + match[2]) if match else None
    return value if text.isascii() and "_" not in text else None


def json_number(value: Any) -> float | None:
    """Return the number a JSON or YAML value is, or None.

    A bool is none, and a string only if it spells NaN or an infinity, which
    JSON has no numbers for.
    """
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return None
    if isinstance(value, str):
        spelt = number(value)
        return spelt if spelt is not None and not any(c.isdecimal() for c in value) else None
    return None


def _lines(file: TextIO, shown: str) -> Iterator[str]:
    while line := file.readline(LINE_LIMIT):
        if len(line) == LINE_LIMIT and line[-1] not in "\r\n":
            raise InputError(f"{shown} has a line of more than {LINE_LIMIT:,} characters.")
        yield line


def csv_rows(file: TextIO, shown: str, found: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of each row that is not blank; spaces around cells are dropped.

    The suffix ``found`` says the separator, but a ``.csv`` whose first line has
    no comma is cut at tabs or semicolons, as spreadsheets write it.
    """
    delimiter = DELIMITERS[found]
    if delimiter == ",":
        first = next((line for line in _lines(file, shown) if line.strip()), ",")
        delimiter = next((d for d in ",\t;" if d in first), ",")
        file.seek(0)
    reader = csv.reader(_lines(file, shown), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"{shown}, line {reader.line_num}: {error}.") from None


def repeated(names: Iterable[str]) -> str | None:
    """Return the first of ``names`` that comes more than once, not counting the empty one."""
    return next((name for name, n in Counter(names).items() if n > 1 and name), None)


def _decoder(shown: str) -> json.JSONDecoder:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = repeated(key for key, _ in pairs)
            raise InputError(
                f"{shown} has the key {visible(twice or '', 40)} twice in one object.",
                hint="Keep one of the two.",
            )
        return found

    return json.JSONDecoder(object_pairs_hook=unique)


def _not_json(error: Exception, shown: str, line: int) -> InputError:
    if isinstance(error, json.JSONDecodeError):
        problem = error.msg.removesuffix(" starting at")
        return InputError(f"{shown}, line {line}: not JSON: {problem[0].lower()}{problem[1:]}.")
    if isinstance(error, RecursionError):
        return InputError(f"{shown}, line {line}: it nests too deep.")
    return InputError(f"{shown}, line {line}: a number has too many digits.")


def parse_json(text: str, shown: str) -> Any:
    """Return the one JSON value in ``text``; raise `InputError` with the line otherwise."""
    try:
        return _decoder(shown).decode(text)
    except (ValueError, RecursionError) as error:
        raise _not_json(error, shown, getattr(error, "lineno", 1)) from None


class _Pieces:
    """JSON text read a piece at a time: what is left of the piece, and its line."""

    def __init__(self, file: TextIO, shown: str) -> None:
        self.file, self.shown = file, shown
        self.text, self.at, self.line, self.ended = "", 0, 1, False
        self.decode = _decoder(shown).raw_decode

    def _go(self, to: int) -> None:
        self.line += self.text.count("\n", self.at, to)
        self.at = to

    def next_char(self) -> str:
        """Skip white space and return the character there, or nothing at the end."""
        while True:
            space = _SPACE.match(self.text, self.at)
            self._go(space.end() if space else self.at)
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self.text, self.at = self.file.read(_CHUNK), 0
            self.ended = not self.text

    def take(self) -> None:
        """Step over the character that `next_char` returned."""
        self.at += 1

    def value(self) -> Any:
        """Return the JSON value that begins here, and go to its end."""
        while True:
            try:
                value, end = self.decode(self.text, self.at)
            except json.JSONDecodeError as error:
                # It may be cut off where the piece ends: read as much again.
                left = len(self.text) - self.at
                piece = (
                    "" if self.ended or left > VALUE_LIMIT else self.file.read(max(_CHUNK, left))
                )
                if not piece:
                    self._go(error.pos)
                    raise _not_json(error, self.shown, self.line) from None
                self.text, self.at = self.text[self.at :] + piece, 0
            except (ValueError, RecursionError) as error:
                raise _not_json(error, self.shown, self.line) from None
            else:
                self._go(end)
                return value

    def wrong(self, problem: str) -> InputError:
        """Return the failure for what stands here."""
        return InputError(f"{self.shown}, line {self.line}: not JSON: {problem}.")


def json_values(file: TextIO, shown: str) -> Iterator[tuple[int, Any]]:
    """Yield (line, value) of each element of an array, or of values one after another.

    Reads a piece at a time; one value may have `VALUE_LIMIT` characters.
    """
    pieces = _Pieces(file, shown)
    if pieces.next_char() != "[":
        while pieces.next_char():
            line = pieces.line
            yield line, pieces.value()
        return
    pieces.take()
    after = pieces.next_char()
    while after and after != "]":
        line = pieces.line
        yield line, pieces.value()
        after = pieces.next_char()
        if after == ",":
            pieces.take()
            after = pieces.next_char()
        elif after and after != "]":
            raise pieces.wrong("a comma is missing here")
    if not after:
        raise pieces.wrong("the array has no end")
    pieces.take()
    if pieces.next_char():
        raise pieces.wrong("there is more after the array")


def joined(tree: Mapping[Any, Any], shown: str) -> dict[str, Any]:
    """Return ``{name: leaf}`` with the keys of nested mappings joined by ``.``.

    A list that holds a mapping is nested too, its keys 0, 1 …; any other list
    is a leaf. An empty mapping is None. Raises `InputError` for a name that
    comes twice with different values.
    """
    found: dict[str, Any] = {}

    def walk(value: Any, name: str, depth: int) -> None:
        if depth > DEPTH_LIMIT:
            raise InputError(f"{shown} nests deeper than {DEPTH_LIMIT} levels.")
        if isinstance(value, list) and holds_mapping(value, shown):
            value = dict(enumerate(value))
        if isinstance(value, Mapping) and value:
            for key, inner in value.items():
                part = _key(key, shown)
                walk(inner, f"{name}.{part}" if depth else part, depth + 1)
        elif depth:
            value = None if isinstance(value, Mapping) else value
            put(found, name, value, shown)

    walk(tree, "", 0)
    return found


def put(found: dict[str, Any], name: str, value: Any, shown: str) -> None:
    """Set ``found[name]``; raise `InputError` if it already has another value."""
    # repr tells 1 from 1.0 and True, and takes NaN for equal to itself.
    if name in found and repr(found[name]) != repr(value):
        raise InputError(
            f"{shown} has two values for {visible(name, 80)}: "
            f"{visible(repr(found[name]), 40)} and {visible(repr(value), 40)}.",
            hint="Keep one of the two.",
        )
    found[name] = value


def holds_mapping(values: list[Any], shown: str) -> bool:
    """Say whether a list holds a mapping at any depth; refuse one too deep to tell."""
    level = [values]
    for _ in range(DEPTH_LIMIT):
        inner = [value for row in level for value in row]
        if any(isinstance(value, Mapping) for value in inner):
            return True
        level = [value for value in inner if isinstance(value, list)]
        if not level:
            return False
    raise InputError(f"{shown} nests deeper than {DEPTH_LIMIT} levels.")


def _key(key: Any, shown: str) -> str:
    """Return a key as text: YAML allows numbers, bools and null."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, (int, float)):
        return repr(key)
    raise InputError(f"{shown} has a key that is not a name: {visible(repr(key), 40)}.")


def named(name: str, what: str, shown: str) -> str:
    """Return ``name`` if it may be the name of a ``what``, else raise `InputError`."""
    try:
        return check_name(name, what)
    except InputError as error:
        raise InputError(error.message, hint=f"Rename it in {shown}.") from None
