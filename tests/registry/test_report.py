from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gitml.names import visible
from gitml.registry.findings import Code, Report, Row, StageChange
from gitml.registry.report import LIMIT, code, markdown
from gitml.registry.values import Event, Verdict
from tests.support import AUTHOR, START, assert_golden

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = (
    "**a** | `b` <img src=x onerror=alert(1)>\n\n# head @grace #12 [x](javascript:y) "
    "https://evil.example www.evil.example </code></td> \\| ![](z) ~~s~~ _u_ &lt; <!-- "
    "\u202e\x1b[31m :tada: $x^2$"
)
DIGEST = "sha256:" + "51ce07b2" * 8


def verdict(gate, answer="pass", got="0.9312", expected="at least 0.85", kind="metric", inner=()):
    return Verdict(gate=gate, answer=answer, got=got, expected=expected, kind=kind, inner=inner)


def event(version, reason=None, **facts):
    return Event(
        kind="assign" if version else "unassign",
        at=START,
        by=AUTHOR,
        version=version,
        stage="production",
        reason=reason,
        **facts,
    )


def change(**facts):
    given_facts = {
        "path": ".gitml/stages/churn/production.yaml",
        "slug": "churn",
        "model": "churn",
        "stage": "production",
        "answer": "pass",
        "before": "v1.1.0",
        "after": "v1.2.0",
        "requester": AUTHOR,
        "reason": "better recall on new customers",
        "metrics": (
            Row(name="loss", before="0.2710", after="0.2680", note="▲ −0.0030"),
            Row(name="auc", before="0.9288", after="0.9312", note="▲ +0.0024"),
            Row(name="seconds", after="31"),
        ),
        "verdicts": (
            verdict("metrics.auc >= 0.85"),
            verdict("metrics.auc >= current - 0.005", expected="at least 0.9238"),
            verdict("from_stage staging for 24h", "pass", "30 h", "24 h", "from_stage"),
            verdict(
                "any of 2",
                "pending",
                "0 of 2 pass",
                "one of them",
                "any",
                (
                    verdict(
                        "signed_by release@example.com", "unknown", "no key", "one", "signed_by"
                    ),
                    verdict("review: merged", "pending", "not merged", "approved", "review"),
                ),
            ),
        ),
        "params": (Row(name="lr", before="3e-4", after="1e-4"), Row(name="depth", after="8")),
        "data": (Row(name="train.csv", before="51ce07b, 1,000 rows", after="77aa01c, 1,200 rows"),),
        "environment": (Row(name="scikit-learn", before="1.8.0", after="1.9.1"),),
        "same": ("12 params", "31 packages"),
        "code": Code(
            before="a" * 40,
            after="b" * 40,
            link="https://github.com/team/churn/compare/a...b",
            note="with uncommitted changes",
        ),
        "digest": DIGEST,
        "size": 1_234_567,
        "package": "5 files, all there and verified",
        "reproducible": "yes: code, data and packages were recorded",
        "events": (event("v1.1.0", "fixed a leak", via="apply"), event(None)),
        "undo": "gitml rollback churn --stage production",
    }
    return StageChange(**{**given_facts, **facts})


NOTHING = {
    **dict.fromkeys(("metrics", "verdicts", "params", "data", "environment", "same", "events"), ()),
    **dict.fromkeys(("code", "digest")),
    **dict.fromkeys(("package", "reproducible", "undo"), ""),
}
"""What a file that cannot be read leaves of a change."""


def report(*changes, answer="pass", **facts):
    return Report(base="a" * 40, head="b" * 40, answer=answer, changes=changes, **facts)


def hostile(text=HOSTILE):
    return change(
        model=text,
        answer="refuse",
        requester=text,
        reason=text,
        problems=(f"{text} is no version.",),
        metrics=(Row(name=text, before="1", after="2"),),
        verdicts=(verdict(text, "refuse", text, text, "signature"),),
        params=(Row(name=text, before=text, after=text),),
        data=(Row(name=text, before=None, after=text),),
        environment=(Row(name=text, after=text),),
        code=Code(after=text, link='https://example.com/"><script>'),
        digest=text,
        events=(event("v1.1.0", text, via=text),),
        undo=text,
    )


def rendered(text):
    """Return the HTML of Markdown with tables, raw HTML, strikethrough and links."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return parser.render(text)


OURS = {"h2", "h3", "p", "ul", "li", "strong", "code", "wbr", "br", "sub", "details", "summary"}
OURS |= {"table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize(
    "name,made",
    [
        ("report-passes.md", report(change())),
        ("report-nothing.md", report()),
        (
            "report-refused.md",
            report(
                change(
                    answer="refuse",
                    metrics=(
                        Row(name="auc", before="0.9288", after="0.8101", note="▼ −0.1187"),
                        Row(name="f1", before="0.5", after="0.5", note="same"),
                    ),
                    verdicts=(
                        verdict("metrics.auc >= 0.85", "refuse", "0.8101"),
                        verdict("metrics.recall >= 0.5", "refuse", "no metric recall", ">= 0.5"),
                        verdict("lineage all", "unknown", "no remote", "all there", "lineage"),
                    ),
                ),
                change(
                    path=".gitml/stages/churn/qa.yaml",
                    stage="qa",
                    answer="refuse",
                    before="v1.0.0",
                    after=None,
                    readable=False,
                    reason=None,
                    problems=(".gitml/stages/churn/qa.yaml is not UTF-8.",),
                    **NOTHING,
                ),
                answer="refuse",
                notes=("This request goes into dev: stage files count on main alone.",),
            ),
        ),
        ("report-hostile.md", report(hostile(), answer="refuse", problems=(f"{HOSTILE}.",))),
        (
            "report-first-and-emptied.md",
            report(
                change(before=None, reason=None, params=(), environment=(), verdicts=()),
                change(
                    stage="staging",
                    after=None,
                    answer="unknown",
                    metrics=(),
                    verdicts=(verdict("review merged", "unknown", "no host", "one", "review"),),
                    code=None,
                    digest=None,
                    notes=("The stage was last filled by break-glass.",),
                ),
                answer="unknown",
            ),
        ),
    ],
)
def test_reports_are_as_they_were(name, made):
    assert_golden(GOLDEN / name, markdown(made))


def test_a_hostile_name_brings_no_markup_and_no_line_of_its_own():
    drawn = rendered(markdown(report(hostile(), answer="refuse")))
    plain = rendered(markdown(report(hostile("x"), answer="refuse")))
    shape = re.compile(r"</?[a-z0-9]+")
    without = [tag for tag in shape.findall(drawn) if tag != "<wbr"]
    expected = [tag for tag in shape.findall(plain) if tag != "<wbr"]
    # Only the reason, which may have lines, has two of them here: a break and a <code> more.
    at = without.index("<br")
    assert without[:at] + without[at + 3 :] == expected
    assert without[at : at + 3] == ["<br", "<code", "</code"]
    assert 'href="https://example.com/&quot;&gt;&lt;script&gt;"' in drawn
    assert "\x1b" not in drawn
    assert "\u202e" not in drawn


@given(st.text(max_size=60))
def test_any_text_is_shown_as_it_is_within_code(text):
    cell = code(text)
    drawn = rendered(f"| a | b |\n|---|---|\n| {cell} | x |\n")
    found = re.search(r"<tbody>\s*<tr>\s*<td>(.*)</td>\s*<td>x</td>", drawn, re.DOTALL)
    inner = found[1].removeprefix("<code>").removesuffix("</code>").replace("<wbr>", "")
    assert "<" not in inner
    assert html.unescape(inner) == visible(text, 240)


def test_addresses_and_mentions_are_cut_where_a_host_would_see_them():
    assert code("https://x") == "<code>https&#58;<wbr>//x</code>"
    assert code("a@b www.x") == "<code>a&#64;<wbr>b www<wbr>.x</code>"


def test_only_our_own_elements_are_in_a_report():
    drawn = rendered(markdown(report(change(), hostile(), problems=("Wrong.",), answer="refuse")))
    assert {tag.lower() for tag in re.findall(r"<([a-zA-Z0-9]+)", drawn)} <= OURS | {"a"}
    assert drawn.count("<a ") == 2


@pytest.mark.parametrize("count", [1, 30, 400])
def test_a_report_is_shorter_than_a_comment_may_be(count):
    long = "*" * 4000
    rows = tuple(Row(name=f"{long}{n}", before=long, after=long) for n in range(500))
    verdicts = tuple(verdict(f"{n} {long}", "refuse", long, long, "x") for n in range(200))
    big = change(
        reason=f"{long}\n" * 50, metrics=rows, params=rows, data=rows, verdicts=verdicts,
        environment=rows, problems=(long,) * 100, model=long, events=(event("v1.0.0", long),) * 9,
    )  # fmt: skip
    text = markdown(report(*[big] * count, problems=(long,) * 50, answer="refuse"))
    assert len(text) < LIMIT
    assert "❌ gitml review: refused" in text
    assert text.endswith("</sub>\n")
    if count == 400:
        assert re.search(r"and \d+ more stage files", text)
