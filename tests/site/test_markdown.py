"""What people wrote is shown as they meant it, and can do nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitml.site import redact
from gitml.site.cards import card_of
from gitml.site.facts import is_markdown
from gitml.site.markdown import rendered

VOID = {"br", "hr"}
MARKS = set("p ul ol li blockquote strong em s a code pre div table thead tbody tr th td".split())
MARKS |= VOID | {f"h{n}" for n in range(3, 7)}
ATTRIBUTES = {
    "a": {"href", "title"},
    "div": {"class", "tabindex", "role", "aria-label"},
    "ol": {"start"},
    "pre": {"tabindex"},
    "td": {"class"},
    "th": {"class", "scope"},
    **{f"h{n}": {"id"} for n in range(3, 7)},
}


class Checked(HTMLParser):
    """Reads what was made of Markdown, and asserts that it is only what may be there."""

    def __init__(self, html):
        super().__init__()
        self.open, self.ids, self.hrefs, self.level = [], [], [], 2
        self.feed(html)
        self.close()
        assert self.open == []
        assert len(set(self.ids)) == len(self.ids)
        assert {href[1:] for href in self.hrefs if href.startswith("#")} <= set(self.ids)

    def handle_starttag(self, tag, attrs):
        assert tag in MARKS, tag
        assert {name for name, _ in attrs} <= ATTRIBUTES.get(tag, set()), attrs
        given = dict(attrs)
        if tag == "a":
            assert "a" not in self.open
            assert re.match(r"(?:https?://[^\s/?#]|#card-)", given["href"], re.IGNORECASE), given
            self.hrefs.append(given["href"])
        if re.fullmatch("h[1-6]", tag):
            assert int(tag[1]) <= self.level + 1
            self.level = int(tag[1])
            self.ids += [given["id"]] if "id" in given else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_comment(self, data):
        raise AssertionError(data)

    handle_decl = handle_pi = handle_comment


@pytest.mark.parametrize(
    "text, html",
    [
        ("# One\n\nTwo *three* **four** `<i>`", "<h3>One</h3> <p>Two <em>three</em> <strong>four"),
        ("`<i>`", "<code>&lt;i&gt;</code>"),
        ("### A\n# B\n### C\n## D", "<h3>A</h3> <h3>B</h3> <h4>C</h4> <h4>D</h4>"),
        ("see https://a.example/x_(y), or <https://b.example>.", 'href="https://a.example/x_(y)"'),
        ("[a](https://a.example 'T')", '<a href="https://a.example" title="T">a</a>'),
        ("[](https://a.example)", ">https://a.example</a>"),
        ("[a](javascript:alert(1)) [b](data:x) [c](./c.md) [d](//d) [e](#no)", "<p>a b c d e</p>"),
        ("![A plot](plot.png) ![B](https://b.example/b.png)", '<p>A plot <a href="https://b.ex'),
        ("[![badge](https://a.example/a.svg)](https://b.example)", 'b.example">badge</a></p>'),
        ("a<br>b <script>c</script> <b onclick=d>e</b>", "<p>a<br> b c e</p>"),
        ("<!-- a\n\nb -->\n<p align=x>c &lt;d <img alt='e' src=x></p>", "<p>c &lt;d e</p>"),
        ("<style>a\n\nb</style>\n\n<details>\n\n- c\n</details>", "<ul> <li>c</li> </ul>"),
        ("- [x] a\n- [ ] b", "<li>☑ a</li> <li>☐ b</li>"),
        ("|a||\n|-:|-|\n|1|2|", '<th class="num" scope="col">a</th> <td></td>'),
        ("    <b>\n", '<pre tabindex="0"><code>&lt;b&gt; </code></pre>'),
        ("#\n\n## <i></i>\n\na", "<p>a</p>"),
    ],
)
def test_what_becomes_of_it(text, html):
    found = " ".join(rendered(text).split())
    Checked(found)
    assert html in found


def test_links_within_a_card():
    found = rendered("[l](#limits--so) [x](#x)\n\n## Limits & so\n# A\n# A\n# 限界", anchors="card")
    assert '<a href="#card-limits--so">l</a> x' in found
    assert Checked(found).ids == ["card-limits--so", "card-a", "card-a-1", "card-限界"]
    assert "<br>" in rendered("a\nb", breaks=True)
    assert "<br>" not in rendered("a\nb")


PARTS = (
    "[ ] ( ) ! < > # * _ ` ~ | \\ - + = : \" ' & ; / . 1. \n \n\n \t \x00 \u202e é a b "
    "<script> </script> <!-- --> <a href=x> </a> <img/src=x onerror=y> <? ?> <![CDATA[ ]]> "
    "[x]: javascript:y data:z https://h.example #a | |-| |a|b| ``` --- > &#106; &lt; %00 "
    'http://[ ]( ![ )[ ]] ](<j:> "t") {=html} ~~ ** </code> </p> </div> <details> <h1>'
).split(" ")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*PARTS, " ", "\n", "    "]), max_size=40).map("".join))
def test_whatever_it_is_it_can_do_nothing(text):
    Checked(rendered(text, anchors="card", breaks=True))


def test_no_text_takes_for_ever():
    begun = process_time()
    headings = Checked(rendered("# a\n# a-1\n" * 5000, anchors="card")).ids
    assert len(set(headings)) == len(headings) == 10_000
    assert 'href="http://a"' in rendered("http://a" + ")" * 40_000)
    assert redact.text("0" * 2_000_000 + " a@b.example") == "0" * 2_000_000 + " …@…"
    assert redact.text("@" + "a-" * 1_000_000) == "@" + "a-" * 1_000_000
    assert process_time() - begun < 8


def test_addresses_that_touch():
    assert redact.text("<a.b+c@d-e.example>,f@g.example;h@i x@y.zz1@k.example") == (
        "<…@…>,…@…;h@i …@……@…"
    )


def test_what_is_no_markdown():
    assert not is_markdown("x" * 100_000)
    assert not is_markdown("|" * 1000)
    assert is_markdown("a | b\n" * 1000)


def test_the_facts_of_a_card():
    card = card_of(
        "README.md",
        "---\nlicense: mit\ntags: [a, 1]\nmodel-index:\n- name: x\nempty:\n---\n# Card\n",
    )
    assert card.text == "# Card\n"
    assert [(fact.name, fact.value) for fact in card.facts] == [
        ("license", "mit"),
        ("tags", "a, 1"),
    ]
    broken = "---\na: [\n---\n# Card\n"
    assert card_of("README.md", broken).text == broken
    ruled = "---\nnot a mapping\n---\n"
    assert card_of("README", ruled).text == ruled
    assert not card_of("README.rst", "Title\n=====\n").marked
