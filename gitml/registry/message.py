"""Events as the text of a commit or a tag: a sentence, a blank line, one field a line.

A field is ``key: "value"``, the value a JSON string, so that the fields are YAML
too and no value can end a line, start a comment or look like a signature.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, get_args

from gitml.errors import DamagedError, InputError
from gitml.lines import dump_json, load_json, without_surrogates
from gitml.names import is_hostile, visible
from gitml.registry.values import Answer, Event, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitml.model import Json

TEXT_LIMIT = 4000
"""Characters of a reason, a description or a note."""
MESSAGE_LIMIT = 4 * 1024 * 1024
"""Bytes of a message that is read."""
_FIELD = re.compile(r'([a-z][a-z0-9_]*): (".*")', re.DOTALL)
_PLAIN_TEXT = re.compile(r'"[^"\\\x00-\x1f]*"')
_NOT_IN_YAML = re.compile(
    "[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff]"
)
_ANSWERS = get_args(Answer)
_PLAIN = ("model", "version", "stage", "previous", "run", "digest")
_REASONS = ("reason", "via", "change", "review")
_NUMBER = re.compile(r"[0-9]{1,9}")
_NESTED = 8
"""Levels of ``any`` and ``all`` in a verdict."""


def dump_fields(fields: Mapping[str, str]) -> str:
    """Return ``fields`` as lines; control and bidirectional characters are escaped."""
    return "".join(f"{key}: {_quoted(value)}\n" for key, value in fields.items())


def _quoted(value: str) -> str:
    text = json.dumps(without_surrogates(value), ensure_ascii=False)
    if text.isascii() and "\x7f" not in text:
        return text
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def parse_fields(text: str) -> dict[str, str]:
    """Return the fields of a message, or of its lines of fields alone.

    Raises `DamagedError` for a line that is no field and a key that stands twice.
    """
    sentence, blank, rest = text.partition("\n\n")
    fields: dict[str, str] = {}
    for line in (rest if blank else sentence).removesuffix("\n").split("\n"):
        found = _FIELD.fullmatch(line)
        value = None if found is None else _value(found[2])
        if found is None or value is None or found[1] in fields:
            raise DamagedError(f"The message of an event cannot be read: {visible(line, 80)!r}.")
        fields[found[1]] = value
    return fields


def _value(quoted: str) -> str | None:
    """Return the text of a JSON string, None if it is none; most have nothing to be undone."""
    if _PLAIN_TEXT.fullmatch(quoted):
        return quoted[1:-1]
    try:
        return str(json.loads(quoted))
    except ValueError:
        return None


def event_message(event: Event, sentence: str) -> str:
    """Return the message of an event's commit and tags; ``sentence`` says it to people."""
    return f"{visible(sentence, 500)}\n\n{dump_fields(event_fields(event))}"


def event_fields(event: Event) -> dict[str, str]:
    """Return an event as fields, without who and when: the commit or tag says that."""
    fields: dict[str, str | None] = {"event": event.kind}
    fields |= {key: getattr(event, key) for key in _PLAIN[:3]}
    fields["n"] = None if event.n is None else str(event.n)
    fields |= {key: getattr(event, key) for key in (*_PLAIN[3:], *_REASONS)}
    fields["tags"] = " ".join(event.tags)
    fields["gates"] = dump_verdicts(event.gates) if event.gates else None
    known = {k: v for k, v in fields.items() if v is not None and (v or k not in _MAY_LACK)}
    return {**known, **{k: v for k, v in sorted(event.extra.items()) if k not in fields}}


_MAY_LACK = ("model", "tags")


def event_of(
    fields: Mapping[str, str], *, at: int, by: str, commit: str = "", what: str = "An event"
) -> Event:
    """Return the event in ``fields``; ``what`` names it in a `DamagedError`.

    An event of a kind that this gitml does not know is kept.
    """
    rest = dict(fields)
    try:
        if "schema" in rest:
            from gitml.codec import check_schema  # and YAML, which listings do without

            check_schema(int(rest.pop("schema")), what)
        kind = rest.pop("event")
        number = _number(rest.pop("n", None))
        gates = parse_verdicts(rest.pop("gates")) if "gates" in rest else ()
    except KeyError as error:
        raise DamagedError(f"{what} cannot be read: {error.args[0]} is missing.") from None
    except (TypeError, ValueError) as error:
        raise DamagedError(f"{what} cannot be read: {visible(str(error))}.") from None
    return Event(
        kind=kind,
        at=at,
        by=by,
        commit=commit,
        n=number,
        tags=tuple(rest.pop("tags", "").split()),
        gates=gates,
        model=rest.pop("model", ""),
        **{key: rest.pop(key, None) for key in (*_PLAIN[1:], *_REASONS)},
        extra=rest,
    )


def _number(text: str | None) -> int | None:
    if text is not None and not _NUMBER.fullmatch(text):
        raise ValueError(f"n is {visible(text, 40)!r}")
    return None if text is None else int(text)


def dump_verdicts(verdicts: Iterable[Verdict]) -> str:
    """Return verdicts as one line of JSON."""
    return dump_json([verdict_json(verdict) for verdict in verdicts])


def verdict_json(verdict: Verdict) -> dict[str, Json]:
    """Return a verdict as a mapping, as ``--json`` shows it."""
    document: dict[str, Json] = {
        "gate": verdict.gate,
        "kind": verdict.kind,
        "answer": verdict.answer,
        "got": verdict.got,
        "expected": verdict.expected,
    }
    if verdict.inner:
        document["inner"] = [verdict_json(inner) for inner in verdict.inner]
    return document


def parse_verdicts(text: str) -> tuple[Verdict, ...]:
    """Return what `dump_verdicts` wrote; raise ValueError or TypeError."""
    return _verdicts(load_json(text), _NESTED)


def _verdicts(value: Json, depth: int) -> tuple[Verdict, ...]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TypeError("gates is not a list of mappings")
    if not depth:
        raise ValueError("gates nest too deep")
    return tuple(_verdict(item, depth) for item in value)


def _verdict(item: dict[str, Json], depth: int) -> Verdict:
    texts = {key: item.get(key, "") for key in ("gate", "kind", "got", "expected")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError("a gate's gate, kind, got or expected is not text")
    if item.get("answer") not in _ANSWERS:
        raise ValueError(f"a gate's answer is {visible(str(item.get('answer')), 40)!r}")
    return Verdict(
        **texts, answer=item["answer"], inner=_verdicts(item.get("inner", []), depth - 1)
    )


def check_text(text: str, what: str) -> str:
    """Return ``text`` that somebody gave (a reason, a note), its ends stripped.

    Raises `InputError` for more than 4,000 characters, what cannot be printed, and
    what git would take for the start of a signature.
    """
    kept = text.replace("\r\n", "\n").strip()
    if len(kept) > TEXT_LIMIT:
        raise InputError(
            f"The {what} has {len(kept):,} characters.", hint=f"At most {TEXT_LIMIT:,}."
        )
    if any(is_hostile(char) and char not in "\n\t" for char in kept):
        raise InputError(
            f"The {what} holds a character that cannot be printed: {visible(kept, 80)}"
        )
    if "-----BEGIN" in kept:
        raise InputError(
            f"The {what} holds -----BEGIN, with which git lets signatures begin.",
            hint="leave the dashes out",
        )
    return kept
