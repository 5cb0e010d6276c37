"""The report of a review: a frozen value in, GitHub's Markdown out, nothing read or asked.

It is a comment on a request or the summary of a CI job, so it holds the words of
whoever may propose: names, reasons, values. Each goes into ``<code>``, with every
character that Markdown could read as its own written as a reference.
https://github.github.com/gfm/
"""

from __future__ import annotations

import html
import re
import string
from typing import TYPE_CHECKING

from gitml.model import iso
from gitml.names import plural, visible
from gitml.registry.findings import BETTER, WORSE
from gitml.words import size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitml.registry.findings import Code, Report, Row, StageChange
    from gitml.registry.values import Answer, Verdict

LIMIT = 65_536
"""Characters of a comment at GitHub; a report is always shorter."""
WORDS: dict[Answer, str] = {
    "pass": "✅ pass",
    "refuse": "❌ refuse",
    "unknown": "❔ cannot tell",
    "pending": "⏳ decided after the merge",
}
_OUTCOMES: dict[Answer, str] = {
    "pass": "✅ gitml review: passes",
    "refuse": "❌ gitml review: refused",
    "unknown": "❔ gitml review: cannot tell",
    "pending": "✅ gitml review: passes",
}
_SAID: dict[Answer, tuple[str, str]] = {
    "refuse": ("refuses", "refuse"),
    "unknown": ("cannot tell", "cannot tell"),
    "pending": ("is decided after the merge", "are decided after the merge"),
}
"""What one gate does, and several."""
_NAMED = 3
"""Gates that a sentence names."""
_ABSENT = "–"
_BREAKS = re.compile(r"(?i)(?<=www)(?=\.)|(?<=:)(?=//)|(?<=@)")
"""Where a ``<wbr>`` keeps a host from making an address or a mention of the text."""
_METRIC = re.compile(r"metrics\.([^\s()<>=!*/+,]+)")
_LEVELS = ((40, 240), (15, 120), (6, 60), (2, 40))
"""Rows of a table and characters of a value, less and less until the report fits."""


def markdown(report: Report) -> str:
    """Return the report as Markdown, shorter than `LIMIT` characters."""
    kept: list[str] = []
    for rows, length in _LEVELS:
        kept = _fitting(report, _Drawn(rows, length))
        if len(kept) > len(report.changes):
            return "\n".join([*kept, _FOOT])
    left = plural(len(report.changes) + 1 - len(kept), "more stage file")
    more = f"… and {left}: <code>gitml review --json</code> has them all.\n"
    return "\n".join([*kept, more, _FOOT])


def _fitting(report: Report, drawn: _Drawn) -> list[str]:
    """Return the head and as many whole changes as fit."""
    kept = [drawn.head(report)]
    room = LIMIT - len(_FOOT) - len(kept[0]) - _MORE
    for change in report.changes:
        part = drawn.change(change, wrong=bool(report.problems))
        room -= len(part) + 1
        if room < 0:
            break
        kept.append(part)
    return kept


_MORE = 200
"""Characters for saying what was left out."""
_FOOT = (
    "<sub>Gates are judged again after the merge, by the policy before it and after it. "
    "What stands in <code>code</code> is what people and programs wrote.</sub>\n"
)


def code(text: str, length: int = 240) -> str:
    """Return foreign text so that it is shown as it is, whatever it holds."""
    marked = _BREAKS.sub("\ufeff", visible(text, length))  # visible() leaves none of these
    return f"<code>{marked.translate(_ESCAPES)}</code>"


_PLAIN = " .,-/%=+();'?"
"""Punctuation that Markdown never reads as its own within a line."""
_ESCAPES = {ord(c): f"&#{ord(c)};" for c in string.punctuation if c not in _PLAIN}
_ESCAPES[0xFEFF] = "<wbr>"


class _Drawn:
    """How much of each table and value is drawn."""

    def __init__(self, rows: int, length: int) -> None:
        self.rows = rows
        self.length = length

    def head(self, report: Report) -> str:
        lines = [f"## {_OUTCOMES[report.answer]}", ""]
        lines += [f"- ❌ {self.words(text)}" for text in report.problems[: self.rows]]
        lines += [f"- {self.words(text)}" for text in report.notes[: self.rows]]
        if not report.changes and not report.problems:
            lines.append("No stage file is changed: nothing is promoted by this request.")
        return "\n".join(lines if lines[-1] == "" else [*lines, ""])

    def change(self, change: StageChange, *, wrong: bool) -> str:
        pieces = [
            self.title(change),
            self.outcome(change, wrong=wrong),
            self.asked(change),
            self.problems(change),
            self.metrics(change),
            self.gates(change),
            self.facts(change),
            self.table("Params", change.params, change),
            self.table("Data", change.data, change),
            self.environment(change),
            self.events(change),
            self.undo(change),
        ]
        return "\n".join(piece for piece in pieces if piece)

    def title(self, change: StageChange) -> str:
        name = self.code(change.model)
        if change.slug and change.slug != change.model:  # a name may look like another's
            name += f" ({self.code(change.slug)})"
        return f"### {name}: {self.code(change.stage)} {self.move(change)}\n"

    def outcome(self, change: StageChange, *, wrong: bool) -> str:
        """Say what a merge would do, what the gates say, and how many metrics are better."""
        told = [self.merge(change, wrong=wrong)]
        if change.verdicts:
            told.append(self.count(change.verdicts))
        notes = [row.note[:1] for row in change.metrics if row.before and row.after]
        if notes and change.before:
            better, worse = notes.count(BETTER), notes.count(WORSE)
            rest = len(notes) - better - worse
            many = [(better, f"{BETTER} better"), (worse, f"{WORSE} worse"), (rest, "as before")]
            told.append(f"Metrics: {', '.join(f'{n:,} {word}' for n, word in many if n)}.")
        return f"{' '.join(told)}\n"

    def merge(self, change: StageChange, *, wrong: bool) -> str:
        if wrong or change.answer == "refuse":
            return "**Not to be merged: it would be refused.**"
        if change.answer == "unknown":
            return "**Not to be merged before all gates can tell.**"
        if change.after is None:
            taken = f" takes {self.code(change.before)} out of" if change.before else " empties"
            return f"**Merging it{taken} {self.code(change.stage)}.**"
        into = f"**Merging it puts {self.code(change.after)} into {self.code(change.stage)}**"
        return f"{into}{f', in place of {self.code(change.before)}' if change.before else ''}."

    def count(self, verdicts: Sequence[Verdict]) -> str:
        """Count the gates, and name those that do not pass."""
        passed = sum(v.answer == "pass" for v in verdicts)
        every = "All " if passed == len(verdicts) > 1 else ""
        told = [f"{every}{plural(passed, 'gate passes', 'gates pass')}"] if passed else []
        for answer, (one, many) in _SAID.items():
            found = [v for v in verdicts if v.answer == answer]
            if found:
                told.append(f"{len(found)} {many if found[1:] else one}: {self.several(found)}")
        return f"{'; '.join(told)}."

    def several(self, verdicts: Sequence[Verdict]) -> str:
        shown = [f"{self.code(v.gate)} ({self.told(v)})" for v in verdicts[:_NAMED]]
        more = f" and {len(verdicts) - _NAMED} more" if len(verdicts) > _NAMED else ""
        return f"{', '.join(shown)}{more}"

    def told(self, verdict: Verdict) -> str:
        """Say what there is, or what is still to come."""
        if verdict.answer == "pending":
            return self.code(verdict.expected)
        return f"got {self.code(verdict.got)}"

    def asked(self, change: StageChange) -> str:
        asked = f"Asked for by {self.code(change.requester)}" if change.requester else ""
        if change.reason:
            said = [line for line in change.reason.splitlines() if line.strip()]
            reason = "<br>".join(self.code(line) for line in said[:10])
            more = " …" if len(said) > 10 else ""  # noqa: PLR2004 - lines of a first screen
            asked = f"{asked or 'Reason'}: {reason}{more}"
        return f"{asked}\n" if asked else ""

    def move(self, change: StageChange) -> str:
        before = self.code(change.before) if change.before else "(empty)"
        if not change.readable:
            return f"{before} → ?"
        return f"{before} → {self.code(change.after) if change.after else '(emptied)'}"

    def problems(self, change: StageChange) -> str:
        lines = [f"- ❌ {self.words(text)}" for text in change.problems[: self.rows]]
        lines += [f"- {self.words(text)}" for text in change.notes[: self.rows]]
        return "\n".join([*lines, ""]) if lines else ""

    def metrics(self, change: StageChange) -> str:
        gates = _by_metric(change)
        rows = sorted(change.metrics, key=lambda row: row.name not in gates)
        now = ("change", f"in {self.code(change.stage)}") if change.before else ()
        heads = ["metric", *now[1:], "candidate", *now[:1], "gate", "verdict"]
        body = []
        for row in rows[: self.rows]:
            verdicts = gates.get(row.name, [])
            before, after = self.maybe(row.before), self.maybe(row.after)
            gate = "<br>".join(self.code(v.gate) for v in verdicts)
            said = "<br>".join(self.verdict(v) for v in verdicts)
            values = [before, after, row.note] if now else [after]
            body.append([self.code(row.name), *values, gate, said])
        sides = "l r r r l l" if now else "l r l l"
        return _table(heads, sides, body, len(rows), "metric")

    def verdict(self, verdict: Verdict) -> str:
        got = "" if verdict.answer == "pass" else f": got {self.code(verdict.got)}"
        return f"{WORDS[verdict.answer]}{got}"

    def gates(self, change: StageChange) -> str:
        """Draw the gates that stand beside no metric."""
        beside = {id(v) for several in _by_metric(change).values() for v in several}
        others = [v for v in change.verdicts if id(v) not in beside]
        body = []
        for verdict, depth in _flat(others):
            gate = f"{'&nbsp;' * 4 * depth}{'↳ ' if depth else ''}{self.code(verdict.gate)}"
            got = (self.code(verdict.got), self.code(verdict.expected))
            body.append((gate, *got, WORDS[verdict.answer]))
        shown = body[: max(self.rows, 10)]
        return _table(("gate", "got", "expected", "verdict"), "l l l l", shown, len(body), "gate")

    def facts(self, change: StageChange) -> str:
        facts = []
        if change.digest:
            facts.append(("Package", f"{self.code(change.digest)}{_sized(change)}"))
        elif change.package:
            facts.append(("Package", change.package))
        if change.code is not None:
            facts.append(("Code", self.source(change.code)))
        if change.reproducible:
            facts.append(("Reproducible", change.reproducible))
        if change.same:
            facts.append(("The same", ", ".join(change.same)))
        lines = [f"- **{label}**: {text}" for label, text in facts]
        return "\n".join([*lines, ""]) if lines else ""

    def source(self, found: Code) -> str:
        commits = [self.code(c[:12]) if c else _ABSENT for c in (found.before, found.after)]
        text = commits[1] if found.before is None else " → ".join(commits)
        if found.before is not None and found.before == found.after:
            text = f"the same, {commits[0]}"
        if found.link:
            text = f'<a href="{html.escape(found.link)}">{text}</a>'
        return f"{text}, {found.note}" if found.note else text

    def table(self, title: str, rows: Sequence[Row], change: StageChange) -> str:
        if not rows:
            return ""
        noted = any(row.note for row in rows)
        heads = [title.lower(), "candidate", *(["change"] if noted else [])]
        if change.before:
            heads.insert(1, f"in {self.code(change.stage)}")
        body = []
        for row in rows[: self.rows]:
            before = [self.maybe(row.before)] if change.before else []
            notes = [row.note] if noted else []
            body.append([self.code(row.name), *before, self.maybe(row.after), *notes])
        return _table(heads, "l l l l", body, len(rows), "row")

    def environment(self, change: StageChange) -> str:
        table = self.table("Environment", change.environment, change)
        if not table:
            return ""
        count = plural(len(change.environment), "difference")
        head = f"<details><summary>Environment: {count}</summary>"
        return f"{head}\n\n{table}\n</details>\n"

    def events(self, change: StageChange) -> str:
        if not change.events:
            return ""
        lines = [f"Last events of {self.code(change.stage)}:", ""]
        for event in change.events[:5]:
            what = (
                f"← {self.code(event.version)}"
                if event.kind == "assign" and event.version
                else "emptied"
            )
            why = f": {self.code(event.reason.replace(chr(10), ' '))}" if event.reason else ""
            how = f" by {self.code(event.via)}" if event.via else ""
            when = f"{iso(event.at)[:16].replace('T', ' ')} UTC"
            lines.append(f"- {when} {what}{how}, {self.code(event.by)}{why}")
        return "\n".join([*lines, ""])

    def undo(self, change: StageChange) -> str:
        if not change.undo or change.answer == "refuse":
            return ""
        return f"To undo it after the merge: {self.code(change.undo)}, or revert this request.\n"

    def maybe(self, text: str | None) -> str:
        return _ABSENT if text is None else self.code(text)

    def code(self, text: str) -> str:
        return code(text, self.length)

    def words(self, sentence: str) -> str:
        """Return a sentence of gitml's that may quote foreign text."""
        return code(sentence, 2 * self.length)


def _by_metric(change: StageChange) -> dict[str, list[Verdict]]:
    """Return the gates about a metric of the table, each under the first that it names."""
    known = {row.name for row in change.metrics}
    found: dict[str, list[Verdict]] = {}
    for verdict in change.verdicts:
        if verdict.kind == "metric" and (named := _METRIC.search(verdict.gate)) is not None:
            name = named[1].strip("`'\"")
            if name in known:
                found.setdefault(name, []).append(verdict)
    return found


def _flat(verdicts: Iterable[Verdict], depth: int = 0) -> Iterable[tuple[Verdict, int]]:
    for verdict in verdicts:
        yield verdict, depth
        yield from _flat(verdict.inner, depth + 1)


def _sized(change: StageChange) -> str:
    amount = "" if change.size is None else f", {size(change.size)}"
    return f"{amount}, {change.package}" if change.package else amount


def _table(
    heads: Sequence[str], sides: str, body: Sequence[Sequence[str]], count: int, what: str
) -> str:
    if not body:
        return ""
    marks = [{"l": "---", "r": "--:"}[side] for side in sides.split()[: len(heads)]]
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, marks, *body)]
    if count > len(body):
        lines += ["", f"… and {plural(count - len(body), f'more {what}', f'more {what}s')}."]
    return "\n".join([*lines, ""])
