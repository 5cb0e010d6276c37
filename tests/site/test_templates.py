"""The page for who changes the look says what each template is given, from the code itself."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from gitml.errors import InputError
from gitml.site.pages import PAGES
from gitml.site.render import own_templates
from tests.support import assert_golden, make_run

CHECKOUT = Path(__file__).parents[2]
SITE = CHECKOUT / "gitml" / "site"
MODULES = sorted(
    path.stem for path in SITE.glob("*.py") if re.fullmatch(r"(\w+_)?(parts|pages)", path.stem)
)
"""What holds contexts, and what they are made of."""
START, END = "<!-- contexts, as gitml/site has them -->", "<!-- end of contexts -->"


def documented():
    """Return {class: (sentence, [(field, type, sentence)])} of the contexts and their parts."""
    found = {}
    for module in MODULES:
        tree = ast.parse((SITE / f"{module}.py").read_text("utf-8"))
        for node in (n for n in tree.body if isinstance(n, ast.ClassDef) and n.decorator_list):
            fields = [
                (
                    a.target.id,
                    ast.unparse(a.annotation),
                    " ".join(ast.literal_eval(d.value).split()),
                )
                for a, d in zip(node.body, node.body[1:], strict=False)
                if isinstance(a, ast.AnnAssign) and isinstance(d, ast.Expr)
            ]
            found[node.name] = (ast.get_docstring(node), fields)
    return found


def contexts():
    """Return the part of the page that is made from the code."""
    classes = documented()
    lines = []
    for name, page in PAGES.items():
        sentence, fields = classes[page.context.__name__]
        lines += [f"### `{page.template}` → `{page.address}` ({name})", "", sentence, ""]
        lines += [f"- `{field}` ({kind}): {said}" for field, kind, said in fields] + [""]
    lines += ["### What they are made of", ""]
    used = {page.context.__name__ for page in PAGES.values()}
    for name, (sentence, fields) in classes.items():
        if name not in used:
            lines += [f"**{name}**: {sentence}", ""]
            lines += [f"- `{field}` ({kind}): {said}" for field, kind, said in fields] + [""]
    return "\n".join(lines)


def test_every_context_is_documented():
    page = CHECKOUT / "site_templates" / "README.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(START)
    assert_golden(page, f"{before}{START}\n\n{contexts()}\n{END}{rest.partition(END)[2]}")


def test_every_field_has_a_sentence():
    for name, (sentence, fields) in documented().items():
        assert sentence, name
        for field, _, said in fields:
            assert said.endswith((".", "…")), (name, field)
    for page in PAGES.values():
        assert len(documented()[page.context.__name__][1]) == len(page.context.__slots__)


def test_a_file_of_ones_own_comes_first(repo, make_site, tmp_path):
    make_run(repo, "keen-fjord-8", metrics={"auc": [0.5, 0.7]})
    own = tmp_path / "own"
    (own / "assets").mkdir(parents=True)
    (own / "about.html").write_text(
        '{% extends "base.html" %}{% block main %}<h1>Ours, {{ frame.site }}</h1>{% endblock %}'
    )
    (own / "assets" / "site.css").write_text(":root { --c1: teal; }\n")
    site = make_site(repo, title="Churn", templates=own)
    assert "<h1>Ours, Churn</h1>" in site.text("about.html")
    sheet = re.search(r'href="(assets/site\.\w+\.css)"', site.text("runs.html"))[1]
    assert site.text(sheet) == ":root { --c1: teal; }\n"
    (own / "assets" / "site.css").write_text(":root { --c1: navy; }\n")
    again = make_site(repo, title="Churn", templates=own)
    assert sheet in again.done.removed
    (own / "about.html").write_text("{{ frame.nothing }}")
    with pytest.raises(InputError, match=r"about\.html.* cannot be used: .*nothing"):
        make_site(repo, title="Churn", templates=own)


def test_every_template_is_of_a_page():
    templates = [p for p in own_templates().iterdir() if p.suffix in {".html", ".atom"}]
    parts = re.compile(r'{%-? *(?:extends|import|include) "([\w.]+)"')
    used = {name for p in templates for name in parts.findall(p.read_text(encoding="utf-8"))}
    assert {p.name for p in templates} == used | {page.template for page in PAGES.values()}
