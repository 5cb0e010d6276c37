"""Where answers go: a terminal, a pipe or a file."""

from __future__ import annotations

import functools
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple, TextIO, TypeAlias

from gitml.data import UNLIMITED, hostile, json_text, write_csv
from gitml.model import SCHEMA, Json, iso
from gitml.names import visible
from gitml.words import cut, exact, number, plain_width, span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

STYLES = {
    "act": "bright_blue",  # what can be acted on: names, commands
    "bad": "red",
    "dim": "dim",
    "good": "green",
    "head": "bold",
    "warn": "yellow",
}
"""Colours by meaning; a word or a sign always says the same."""
ABSENT = "–"
LABEL, GAP, MOST = 11, 4, 72
"""Cells of a label, between pairs, and of a pair at the most."""


class Cell(NamedTuple):
    """A piece of text with a meaning (a key of `STYLES`, or none)."""

    text: str
    style: str = ""


Piece: TypeAlias = "str | Cell"


class Column(NamedTuple):
    """A column of a table."""

    title: str
    right: bool = False
    """Whether its values are aligned at the right, as numbers are."""
    rank: int = 0
    """On a narrow screen columns of the greatest rank go first; those of rank 0 stay."""
    widest: int = 40
    """Cells on a terminal, beyond which a value is cut with ``…``."""
    narrowest: int = UNLIMITED
    """Cells to which it is cut before any other column goes; by default it is not."""


class Screen:
    """Where answers go, and how wide and colourful that is."""

    def __init__(
        self, stream: TextIO, *, terminal: bool, color: bool, width: int = 80, height: int = 24
    ) -> None:
        """Draw on ``stream``; size and colour count on a terminal only."""
        self.stream = stream
        self.terminal = terminal
        self.color = color and terminal
        self.width = width if terminal else UNLIMITED
        self.height = height if terminal else UNLIMITED

    @classmethod
    def of_process(cls, *, color: bool) -> Screen:
        """Return the screen of this process's stdout."""
        size = shutil.get_terminal_size()
        return cls(
            sys.stdout,
            terminal=sys.stdout.isatty(),
            color=color,
            width=size.columns,
            height=size.lines,
        )

    def write(self, text: str) -> None:
        """Write text that is known to be harmless, as it is."""
        self.stream.write(text)

    def line(self, *pieces: Piece, style: str = "") -> None:
        """Write one line; hostile characters in it are escaped."""
        cells = [p if isinstance(p, Cell) else Cell(p, style) for p in pieces]
        self._draw([Cell(visible(c.text, UNLIMITED), c.style) for c in cells])

    def _draw(self, cells: list[Cell]) -> None:
        """Draw one line of what is harmless, without the spaces at its end."""
        if not self.color or not any(style for _, style in cells):
            self.write("".join([text for text, _ in cells]).rstrip() + "\n")
            return
        from rich.text import Text

        parts = [(text, STYLES.get(style, "")) for text, style in _stripped(cells)]
        self._console.print(Text.assemble(*parts, end="\n"), soft_wrap=True)

    @functools.cached_property
    def _console(self) -> Console:
        from rich.console import Console

        return Console(
            file=self.stream, force_terminal=True, highlight=False, markup=False, emoji=False
        )

    def fit(self, text: str, width: int) -> str:
        """Return ``text``, cut with ``…`` to ``width`` cells."""
        return cut(text, width, self.cells)

    def cells(self, text: str) -> int:
        """Return how many cells of the screen ``text`` takes."""
        if text.isascii():
            return len(text)
        if self.terminal:
            from rich.cells import cell_len

            return cell_len(text)
        return plain_width(text)

    def table(
        self,
        columns: Sequence[Column],
        rows: Iterable[Sequence[Piece]],
        *,
        indent: int = 2,
        fold: bool = False,
    ) -> list[str]:
        """Draw a table and return the titles of the columns that did not fit.

        With ``fold`` all are drawn, in blocks that each begin with the first.
        In a pipe there is no indent, nothing is left out and nothing is cut.
        """
        indent = indent if self.terminal else 0
        body = [[_safe(p) for p in row] for row in rows]
        heads = [visible(c.title) for c in columns]
        widths = []
        for at, column in enumerate(columns):
            width = max([self.cells(row[at].text) for row in body], default=0)
            limit = column.widest if self.terminal else UNLIMITED
            widths.append(max(self.cells(heads[at]), min(width, limit)))
        blocks = self._blocks(columns, widths, self.width - indent, fold=fold)
        for nth, block in enumerate(blocks):
            if nth:
                self.line()
            head = [Cell(heads[at], "head") for at in block]
            for row in [head, *([r[at] for at in block] for r in body)]:
                self._row([columns[at] for at in block], [widths[at] for at in block], row, indent)
        shown = {at for block in blocks for at in block}
        return [columns[at].title for at in range(len(columns)) if at not in shown]

    def _blocks(
        self, columns: Sequence[Column], widths: list[int], room: int, *, fold: bool
    ) -> list[list[int]]:
        """Return which columns to draw, in blocks; take from ``widths`` what does not fit."""
        everything = list(range(len(columns)))
        if not self.terminal or _total(widths, everything) <= room:
            return [everything]
        if fold:
            blocks: list[list[int]] = []
            for at in everything[1:]:
                if not blocks or _total(widths, [*blocks[-1], at]) > room:
                    blocks.append([0])
                blocks[-1].append(at)
            return blocks or [everything]
        least = [min(w, c.narrowest) for w, c in zip(widths, columns, strict=True)]
        shown = everything
        for at in sorted(everything, key=lambda at: (columns[at].rank, at), reverse=True):
            if _total(least, shown) <= room or not columns[at].rank:
                break
            shown = [kept for kept in shown if kept != at]
        _narrow(widths, shown, room, least)
        _narrow(widths, shown, room, [min(w, len("ab…")) for w in widths])
        return [shown]

    def _row(
        self, columns: Sequence[Column], widths: Sequence[int], row: Sequence[Cell], indent: int
    ) -> None:
        pieces = [Cell(" " * indent)]
        for column, width, cell in zip(columns, widths, row, strict=True):
            text = self.fit(cell.text, width) if self.terminal else cell.text
            pad = Cell(" " * (width - self.cells(text)))
            drawn = Cell(text, cell.style)
            pieces += [pad, drawn, _GAP] if column.right else [drawn, pad, _GAP]
        self._draw(pieces)

    def grid(self, heads: Sequence[str], rows: Iterable[Sequence[Json]]) -> None:
        """Draw any values as a table, columns of numbers aligned at the right."""
        body = [list(row) for row in rows]
        columns = []
        for at, head in enumerate(heads):
            held = [row[at] for row in body if row[at] is not None]
            right = bool(held) and all(type(value) in {int, float} for value in held)
            columns.append(Column(head, right=right, widest=60))
        texts = [[self.absent if v is None else self.value(v) for v in row] for row in body]
        self.table(columns, texts)

    def title(self, text: str) -> None:
        """Draw the heading of a part, an empty line before it."""
        self.line()
        self.line(
            "  " if self.terminal else "", Cell(text if self.terminal else text.lower(), "head")
        )

    def code(self, text: str, *, style: str = "") -> None:
        """Draw a line of somebody's text, tabs as they are and the line not cut."""
        safe = "\t".join(visible(part, UNLIMITED) for part in text.split("\t"))
        if style and self.color:
            from rich.text import Text

            self._console.print(Text(safe, STYLES[style]), soft_wrap=True)
        else:
            self.write(f"{safe}\n")

    def fact(
        self,
        label: str,
        text: str | None,
        *,
        style: str = "",
        head: str = "dim",
        whole: bool = False,
    ) -> None:
        """Draw a labelled line, cut where the screen ends; nothing without a text.

        What people copy, such as a digest, is left ``whole`` where a line of its own holds it.
        """
        if text:
            text = visible(text, UNLIMITED)
            room = self.width - LABEL - 2
            if whole and room < self.cells(text) <= self.width - 2:
                self.line(Cell(f"  {label}", head))
                self.line(Cell(f"  {text}", style))
                return
            self.line(
                Cell(f"  {label:<{LABEL - 1}} ", head),
                Cell(self.fit(text, room) if self.terminal else text, style),
            )

    def pairs(self, values: Mapping[str, str]) -> None:
        """Draw names and values, on a terminal in as many columns as fit.

        There long values come last, a line each.
        """
        shown = {
            visible(name, UNLIMITED): visible(text, UNLIMITED) for name, text in values.items()
        }
        names = max(map(self.cells, shown), default=0)
        if not self.terminal:
            for name, text in shown.items():
                self.line(name, " " * (names - self.cells(name)), "  ", text)
            return
        names = min(names, MOST // 2)
        items = [item for item in shown.items() if self.cells(item[1]) <= MOST // 2]
        texts = max((self.cells(text) for _, text in items), default=0)
        across = max(1, (self.width + GAP - 2) // (names + texts + 2 + GAP))
        down = -(-len(items) // across)
        for at in range(down):
            pieces: list[Piece] = ["  "]
            for nth, (name, text) in enumerate(items[at::down]):
                name, text = self.fit(name, names), self.fit(text, texts)  # noqa: PLW2901
                pieces += [" " * GAP if nth else "", Cell(name, "dim")]
                pieces += [" " * (names - self.cells(name) + 2), text]
                pieces.append(" " * (texts - self.cells(text)))
            self.line(*pieces)
        room = max(self.width - names - GAP, LABEL)
        for name, text in shown.items():
            if self.cells(text) > MOST // 2:
                start = self.fit(name, names)
                pad = " " * (names - self.cells(start) + 2)
                self.line("  ", Cell(start, "dim"), pad, self.fit(text, room))

    def commands(self, *texts: str) -> None:
        """Draw what one may do next, in one line if it fits."""
        lines = ["  " + "      ".join(texts)]
        if self.cells(lines[0]) > self.width:
            lines = [f"  {text}" for text in texts]
        for line in lines:
            self.line(Cell(line, "act"))

    def digest(self, digest: str | None) -> str:
        """Return a digest: its first digits on a terminal."""
        if digest is None:
            return self.absent
        return digest.removeprefix("sha256:")[:7] if self.terminal else digest

    def number(self, value: float | None) -> str:
        """Return a number: six significant digits on a terminal, all of them in a pipe."""
        if value is None:
            return self.absent
        return number(value) if self.terminal else exact(value)

    def value(self, value: Json) -> str:
        """Return a param's value, short on a terminal and whole in a pipe."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return self.number(value)
        return (value or '""') if isinstance(value, str) else exact(value)

    def moment(self, ms: int, now: int) -> str:
        """Return a time: as an age on a terminal, in ISO 8601 in a pipe."""
        return f"{span((now - ms) / 1000)} ago" if self.terminal else iso(ms)

    @property
    def absent(self) -> str:
        """What stands where there is no value."""
        return ABSENT if self.terminal else "-"

    def json(self, **document: Json) -> None:
        """Write one JSON object, ``schema`` first; in a pipe the items of a list a line each."""
        self.write(f'{{"schema": {SCHEMA}')
        for key, value in document.items():
            self.write(f', "{key}": ')
            if hasattr(value, "__next__") or (
                isinstance(value, list) and all(isinstance(item, (dict, list)) for item in value)
            ):
                self._json_list(value)
            else:
                self.write(self._json_text(value, indent=2 if isinstance(value, dict) else None))
        self.write("}\n")

    def _json_list(self, items: Iterable[Json]) -> None:
        self.write("[")
        end = ""
        for item in items:
            self.write(f"{end}\n")
            self.write(self._json_text(item, indent=2 if self.terminal else None))
            end = ","
        self.write("\n]" if end else "]")

    def _json_text(self, value: Json, indent: int | None) -> str:
        text_encoding = (getattr(self.stream, "encoding", None) or "utf-8").lower()
        return json_text(value, indent=indent, ascii_only=not text_encoding.startswith("utf"))

    def csv(self, heads: Sequence[str], rows: Iterable[Sequence[Json]]) -> None:
        """Write a CSV table (RFC 4180, lines end with a newline)."""
        write_csv(self.stream, heads, rows)

    def yaml(self, document: Json) -> None:
        """Write a YAML document; one with hostile characters as JSON, which is YAML too."""
        from gitml.codec import dump

        text = dump(document).decode("utf-8", "surrogatepass")
        self.write(text if not hostile(text) else json_text(document, indent=2) + "\n")


def _total(widths: Sequence[int], shown: Sequence[int]) -> int:
    """Return the cells that columns take, two between them."""
    return sum(widths[at] + 2 for at in shown) - 2


def _narrow(widths: list[int], shown: Sequence[int], room: int, least: Sequence[int]) -> None:
    """Take cells from the widest columns until they fit, or all are at their least."""
    while _total(widths, shown) > room:
        wide = [at for at in shown if widths[at] > least[at]]
        if not wide:
            return
        widths[max(wide, key=lambda at: widths[at])] -= 1


def _stripped(cells: list[Cell]) -> list[Cell]:
    """Return the pieces of a line without the spaces at its end."""
    while cells:
        text, style = cells.pop()
        if text := text.rstrip():
            return [*cells, Cell(text, style)]
    return []


_GAP = Cell("  ")


def _safe(piece: Piece) -> Cell:
    cell = piece if isinstance(piece, Cell) else Cell(piece)
    return Cell(visible(cell.text, UNLIMITED), cell.style)
