"""What somebody's query may do, and what SQLite's refusals mean to who asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.errors import InputError
from gitml.names import visible
from gitml.query.keys import suggestions
from gitml.query.schema import VIEWS
from gitml.query.tokens import EXAMPLE
from gitml.query.where import VIEW

if TYPE_CHECKING:
    from gitml.query.summaries import Keys

ANSWER = "_answer"
"""What the temporary tables of answers begin with."""
# https://sqlite.org/c3ref/c_alter_table.html
_CREATE_TABLE, _CREATE_TEMP_TABLE, _INSERT, _READ, _SELECT, _UPDATE = 2, 4, 18, 20, 21, 23
_FUNCTION, _RECURSIVE = 31, 33
_OK, _DENY = 0, 1
_WRITES = frozenset({_CREATE_TABLE, _CREATE_TEMP_TABLE, _INSERT, _UPDATE, _READ})
_READABLE = frozenset({*VIEWS, VIEW, "json_each", "json_tree"})
_FORBIDDEN = frozenset({"load_extension", "fts3_tokenizer"})


def authorize(
    action: int, first: str | None, second: str | None, database: str | None, view: str | None
) -> int:
    """Say whether a query may do this; ``view`` is what it does it through."""
    name = first or ""
    if action in {_SELECT, _RECURSIVE} or (action == _FUNCTION and second not in _FORBIDDEN):
        return _OK
    # The column is empty where only a table's rows are counted, also if a view's table is.
    counted = second == "" and not name.startswith(("sqlite_", "pragma_"))
    if action == _READ and (name in _READABLE or view in _READABLE or counted):
        return _OK
    temporary = database == "temp" and name.startswith((ANSWER, "sqlite_"))
    if action in _WRITES and temporary:  # CREATE TABLE … AS takes a SELECT and no more
        return _OK
    return _DENY


def refusal(said: str, query: str, keys: Keys) -> InputError:
    """Return the failure for a query of which SQLite ``said`` what is wrong."""
    if "not authorized" in said or "prohibited" in said:
        return InputError(f"Queries only read, and only these views: {', '.join(VIEWS)} ({said}).")
    _, missing, name = said.partition("no such column: ")
    if missing:
        close = suggestions(name.rpartition(".")[2].strip('"'), keys)
        hint = f"did you mean {close}?" if close else EXAMPLE
        return InputError(f"no attribute is called {name}", hint=hint)
    _, missing, name = said.partition("no such table: ")
    if missing:
        return InputError(f"no table is called {name}", hint=f"There are: {', '.join(VIEWS)}")
    shown = visible(" ".join(query.split()), 80) or "an empty query"
    return InputError(f"SQLite cannot read {shown}: {said.rstrip('.')}.", hint=EXAMPLE)
