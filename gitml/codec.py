"""YAML <-> the model, and the one door to yaml; JSON lines are in `gitml.lines`.

Two readers with two kinds of trust:

- `load_stored` reads what lies under refs, which anybody who can push may have
  written: no aliases, anchors or tags, limits on size and depth.
- `load_user_yaml` reads what people wrote by hand, as YAML 1.2 resolves it
  (``1e-5`` is a number, ``no`` and ``12:30:00`` are strings), anchors allowed.

What is written is quoted so that YAML 1.1 and 1.2 read the same values.
https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Hashable, Iterable
from typing import Any

import yaml

from gitml.errors import DamagedError, InputError, NewerSchemaError
from gitml.lines import dump_edit as dump_edit  # noqa: PLC0414 - a re-export
from gitml.lines import dump_edits as dump_edits  # noqa: PLC0414
from gitml.lines import dump_json as dump_json  # noqa: PLC0414
from gitml.lines import edit_from_json as edit_from_json  # noqa: PLC0414
from gitml.lines import load_edits as load_edits  # noqa: PLC0414
from gitml.lines import load_json as load_json  # noqa: PLC0414
from gitml.lines import without_surrogates
from gitml.model import SCHEMA, Json
from gitml.names import visible

try:
    from yaml import CSafeDumper as _BaseDumper
    from yaml import CSafeLoader as _BaseLoader
except ImportError:  # a PyYAML built without libyaml: seven times slower, same answers
    from yaml import SafeDumper as _BaseDumper  # type: ignore[assignment]
    from yaml import SafeLoader as _BaseLoader  # type: ignore[assignment]

STORED_LIMIT = 4 * 1024 * 1024
"""Bytes of a stored YAML document; a run of 20,000 params is under 1 MB."""
USER_LIMIT = 8 * 1024 * 1024
"""Bytes of a params or metrics file."""
DEPTH_LIMIT = 32
NODE_LIMIT = 200_000
"""Keys and values of a document, lists and mappings among them."""

_MERGE = "tag:yaml.org,2002:merge"
_STR = "tag:yaml.org,2002:str"
_YAML12: list[tuple[str, str, str]] = [
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", "~nN\0"),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        (
            r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        "-+0123456789.",
    ),
    (_MERGE, r"<<", "<"),
]
_PATTERNS12 = [(tag, re.compile(f"(?:{pattern})\\Z")) for tag, pattern, _ in _YAML12]


class _StoredLoader(_BaseLoader):
    """What gitml wrote: YAML 1.2 scalars, no dates, no merge keys, text for keys.

    Reading a store is mostly this, so what PyYAML does per node is cut short: tags
    by path, which we have none of, and looking for a plain scalar's tag again.
    """

    keys = str

    def descend_resolver(self, _parent: Any, _index: Any) -> None:
        """Do nothing: no tag depends on a path."""

    def ascend_resolver(self) -> None:
        """Do nothing: no tag depends on a path."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """Return a node's tag; a plain scalar's is remembered by its text."""
        if kind is yaml.ScalarNode:
            return _plain_tag(value) if implicit[0] else _STR
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]


@functools.lru_cache(maxsize=8192)
def _plain_tag(text: str) -> str:
    return next((tag for tag, pattern in _PATTERNS12[:-1] if pattern.match(text)), _STR)


class _Dumper(_BaseDumper):
    """What gitml writes: readable, and the same to YAML 1.1 and 1.2."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Never write an anchor."""
        return True


def _construct_int(loader: Any, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    try:
        if text.startswith("0o"):
            return int(text, 0)
        return int(text, 16) if text.startswith("0x") else int(text)
    except ValueError as error:  # Python refuses more than 4,300 digits
        raise _refusal(str(error), node) from None


def _construct_float(loader: Any, node: yaml.ScalarNode) -> float:
    text = loader.construct_scalar(node).lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


def _construct_map(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    """Build a mapping whose keys are each given once; `_UserLoader` also merges ``<<``.

    PyYAML's own merging copies nodes, which nested merges make exponential.
    """
    own: dict[Any, Any] = {}
    merged: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        if key_node.tag == _MERGE:
            found = loader.construct_object(value_node, deep=True)
            for mapping in reversed(found if isinstance(found, list) else [found]):
                if not isinstance(mapping, dict):
                    raise _refusal("what << merges is not a mapping", key_node)
                loader.merged += len(mapping)
                if loader.merged > NODE_LIMIT:
                    raise _refusal(f"its merges unfold to more than {NODE_LIMIT} values", key_node)
                merged |= mapping
            continue
        plain = key_node.tag == _STR
        key = key_node.value if plain else loader.construct_object(key_node, deep=True)
        if not isinstance(key, loader.keys):
            raise _refusal(f"a key is {visible(repr(key), 40)}", key_node)
        if key in own:  # to Python 1, 1.0 and true are one key
            raise _refusal(f"the key {visible(str(key), 40)} stands twice", key_node)
        plain = value_node.tag == _STR
        own[key] = value_node.value if plain else loader.construct_object(value_node, deep=True)
    return {**merged, **own} if merged else own


def _refusal(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


class _UserLoader(_BaseLoader):
    """What people wrote: YAML 1.2 scalars, anchors and merge keys."""

    keys = Hashable
    merged = 0
    """How many values merge keys brought in."""


for _loader in (_StoredLoader, _UserLoader):
    _loader.yaml_implicit_resolvers = {}
    for _tag, _pattern, _first in _YAML12:
        if _tag == _MERGE and _loader is _StoredLoader:
            continue
        # PyYAML tries a scalar's first character; the empty scalar has the key "".
        _starts = [c if c != "\0" else "" for c in _first]
        _loader.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern})\\Z"), _starts)
    _loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
    _loader.add_constructor("tag:yaml.org,2002:float", _construct_float)
    _loader.add_constructor("tag:yaml.org,2002:map", _construct_map)


def _is_plain_in_both(text: str) -> bool:
    """Say whether YAML 1.2 takes ``text`` for a string (1.1 is PyYAML's own check)."""
    return not any(pattern.match(text) for _, pattern in _PATTERNS12)


def _represent_str(dumper: Any, text: str) -> yaml.ScalarNode:
    text = without_surrogates(text)  # libyaml neither writes nor reads them
    if (
        "\n" in text
        and text.isprintable() is False
        and not re.search(r"[^\n\x20-\x7e\xa0-\ud7ff]", text)
    ):
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")  # type: ignore[no-any-return]
    style = None if _is_plain_in_both(text) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)  # type: ignore[no-any-return]


def _represent_float(dumper: Any, value: float) -> yaml.ScalarNode:
    if math.isnan(value):
        text = ".nan"
    elif math.isinf(value):
        text = ".inf" if value > 0 else "-.inf"
    else:
        text = repr(value)
        mantissa, e, exponent = text.partition("e")
        if e:  # YAML 1.1 wants a dot and a sign: 1.0e-05
            sign = "" if exponent[0] in "+-" else "+"
            text = f"{mantissa if '.' in mantissa else mantissa + '.0'}e{sign}{exponent}"
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)  # type: ignore[no-any-return]


_Dumper.add_representer(str, _represent_str)
_Dumper.add_representer(float, _represent_float)


def dump(value: Json) -> bytes:
    """Return ``value`` as YAML: block style, keys in their order, UTF-8."""
    text = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=4096,
        default_flow_style=False,
    )
    return str(text).encode()


_SUSPECT = re.compile(r"(?m)(?:^|[\s\[{,:?-])[&*!][^\s]")
_DEEP = re.compile(rf"[ \t?:-]{{{2 * DEPTH_LIMIT}}}")
_MANY = 10_000
"""Lines and commas up to which a document cannot have too many values."""


def _looks_harmless(text: str, *, aliases: bool) -> bool:
    """Say whether ``text`` can be built without a look at its events."""
    return not (
        text.count("[") + text.count("{") > DEPTH_LIMIT
        or _DEEP.search(text)
        or text.count("- -") > DEPTH_LIMIT
        or (("&" in text or "!" in text) if aliases else _SUSPECT.search(text))
        or text.count("\n") + text.count(",") > _MANY
    )


def _check_structure(text: str, *, aliases: bool) -> None:
    """Refuse what could explode or crash, before anything is constructed.

    libyaml's composer recurses in C and overflows the stack at about 100,000
    levels, so depth is checked on the event stream, which does not recurse. Only
    of a document that looks suspicious or is long: this costs a sixth of reading it.
    """
    if _looks_harmless(text, aliases=aliases):
        return
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_BaseLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_LIMIT:
                raise ValueError(f"it nests deeper than {DEPTH_LIMIT} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if isinstance(event, yaml.NodeEvent):
            nodes += 1
            if nodes > NODE_LIMIT:
                raise ValueError(f"it has more than {NODE_LIMIT} values")
            _check_properties(event, aliases=aliases)


def _check_properties(event: yaml.NodeEvent, *, aliases: bool) -> None:
    if not aliases and isinstance(event, yaml.AliasEvent):
        raise ValueError("it holds an alias")
    if not aliases and event.anchor is not None:
        raise ValueError("it holds an anchor")
    tag = getattr(event, "tag", None)
    if tag not in {None, "!"} and not tag.startswith("tag:yaml.org,2002:str"):
        raise ValueError(f"it holds the tag {visible(tag, 40)}")


def _problem(error: Exception) -> str:
    """Return one line that says what is wrong and where."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{visible(str(error.problem))}, line {mark.line + 1} column {mark.column + 1}"
    if isinstance(error, RecursionError):
        return "it nests too deep"
    return visible(str(error).splitlines()[0] if str(error) else type(error).__name__)


def load_stored(data: bytes, what: str, *, names: bool = False) -> dict[str, Json]:
    """Return the mapping stored in ``data``.

    With ``names`` its keys are names that people gave, and ``schema`` is one like
    any other. Raises `NewerSchemaError` for a schema above ours and `DamagedError` for all
    else that is wrong: size, encoding, syntax, aliases, anchors, tags, depth.
    """
    if len(data) > STORED_LIMIT:
        raise DamagedError(
            f"{what} has {len(data):,} bytes, more than the limit of {STORED_LIMIT:,}."
        )
    try:
        text = data.decode("utf-8")
        _check_structure(text, aliases=False)
        value = yaml.load(text, Loader=_StoredLoader)  # noqa: S506 - a subclass of the safe loader
    except (ValueError, yaml.YAMLError, RecursionError, OverflowError) as error:
        raise DamagedError(f"{what} cannot be read: {_problem(error)}.") from None
    if not isinstance(value, dict):
        raise DamagedError(f"{what} cannot be read: it is not a mapping.")
    if not names:
        check_schema(value.get("schema", SCHEMA), what)
    return value


def check_schema(schema: Json, what: str) -> None:
    """Raise `NewerSchemaError` or `DamagedError` unless this gitml can read ``schema``."""
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise DamagedError(f"{what} has a schema that is not a number: {visible(str(schema), 40)}.")
    if schema > SCHEMA:
        raise NewerSchemaError(
            f"{what} has schema {visible(str(schema), 40)}, and this gitml reads up to {SCHEMA}.",
            hint="Upgrade: pip install --upgrade gitml",
        )


def load_user_yaml(text: str, what: str) -> Json:
    """Return what a hand-written YAML document says, by the rules of YAML 1.2.

    Raises `InputError` with line and column. A document whose aliases would
    unfold to more than 200,000 values is refused.
    """
    if len(text) > USER_LIMIT:
        raise InputError(f"{what} has more than {USER_LIMIT:,} characters.")
    try:
        _check_structure(text, aliases=True)
        value = yaml.load(text, Loader=_UserLoader)  # noqa: S506 - a subclass of the safe loader
        _count_unfolded(value)
    except (ValueError, yaml.YAMLError, RecursionError, OverflowError) as error:
        raise InputError(f"{what} is not YAML that can be read: {_problem(error)}.") from None
    return value


def locate_yaml(text: str, path: Iterable[str | int]) -> int | None:
    """Return the line, from 1, of the deepest key or item on ``path`` that ``text`` has.

    ``text`` is one that `load_user_yaml` took.
    """
    node, line = yaml.compose(text, Loader=_UserLoader), None
    for part in path:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = (node.value[part],) * 2 if part < len(node.value) else None
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _count_unfolded(value: Json) -> None:
    """Refuse a value that aliases make larger than it looks (a YAML bomb)."""
    sizes: dict[int, int] = {}

    def size(item: Json, depth: int) -> int:
        if not isinstance(item, (dict, list)):
            return 1
        if depth > DEPTH_LIMIT:
            raise ValueError("it nests too deep, or holds itself")
        known = sizes.get(id(item))
        if known is None:
            children = item.values() if isinstance(item, dict) else item
            known = 1 + sum(size(child, depth + 1) for child in children)
            sizes[id(item)] = known
        if known > NODE_LIMIT:
            raise ValueError(f"its aliases unfold to more than {NODE_LIMIT} values")
        return known

    size(value, 0)


def scalar_from_text(text: str) -> Json:
    """Return the scalar that YAML 1.2 sees in ``text``: ``-p lr=1e-5`` is a number."""
    for tag, pattern in _PATTERNS12[:4]:
        if pattern.match(text):
            kind = tag.rpartition(":")[2]
            if kind == "bool":
                return text.lower() == "true"
            if kind == "null":
                return None if text else ""
            if kind == "int":
                try:
                    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
                except ValueError:
                    return text
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
