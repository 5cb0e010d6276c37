"""The log of models in a real browser: the same with and without scripts."""

from __future__ import annotations

import pytest

from tests.site.browsing import browse, needs_browser
from tests.site.shelf import Shelf, write_shelves

pytestmark = [needs_browser, pytest.mark.slow]

TOLD = """({
  rows: [...document.querySelectorAll('#rows tr')].map(tr => tr.outerHTML),
  foot: ['#count', '#newer', '#older'].map(s => document.querySelector(s)).map(
    e => e.disabled ?? e.textContent),
})"""


def test_the_log_is_chosen_from(repo, make_site):
    many, other = Shelf("churn"), Shelf("fraud <b>", name="fraud <b>")
    for n in range(130):
        many.register(f"v1.{n}.0")
    for n in range(4):
        many.journal.assign(
            ("production", "staging")[n % 2],
            f"v1.{n}.0",
            via="promote",
            by="Grace Hopper <grace@example.com>",
            reason="</script><b>& more",
        )
    other.slug = other.journal.slug = "fraud"
    other.register("v1.0.0")
    write_shelves(repo, many, other)
    site = make_site(repo)
    views = [
        "activity.html",
        "activity.html#nothing=x&page=0",
        "activity.html#stage=production&by=Grace+Hopper",
        "activity.html#model=fraud+%3Cb%3E",
        "activity.html#page=2",
        "activity.html#page=99&model=nobody",
        "activity.html#stage=staging&model=fraud+%3Cb%3E",
    ]
    wrong, told = browse(site.path, views, how="file", script=TOLD)
    assert wrong == []
    plain, same, production, fraud, second, last, none = (each["rows"] for each in told)
    assert plain == same
    assert len(plain) == 100
    # What a script draws is what stands in the page without one.
    assert [normal(each) for each in production] == [
        normal(each) for each in plain if ">production<" in each
    ]
    assert len(production) == 2
    assert len(fraud) == 1
    assert "fraud &lt;b&gt;" in fraud[0]
    assert len(second) == len(last) == 35
    assert second == last
    assert "Nothing of this happened." in none[0]
    assert [told[at]["foot"] for at in (1, 2, 4)] == [
        ["the newest 100 of 135; all are in activity.json", True, False],
        ["2 events (135 in all)", True, True],
        ["101–135 of 135 events", False, True],
    ]


def normal(row):
    """Return a row without the blanks that only a template leaves."""
    return " ".join(row.split()).replace("> <", "><").replace("> ", ">").replace(" <", "<")


STAGES = """({
  cells: [...document.querySelectorAll('#rows tr')].map(
    tr => tr.cells[2].innerHTML.replace(/\\s+/g, ' ').trim()),
  heads: [...document.querySelectorAll('#runs th')].filter(th => th.offsetWidth).length,
  fits: (box => box.scrollWidth <= box.clientWidth)(document.querySelector('.tablewrap')),
})"""


def test_stages_stand_in_the_table_of_runs(repo, make_site):
    shelf = Shelf("churn")
    for n in range(9):
        shelf.register(f"v1.{n}.0")
    for stage, version in (("staging", 8), ("production", 4), ("canary", 4), ("staging", 4)):
        shelf.journal.assign(stage, f"v1.{version}.0", via="promote")
    shelf.register("v2.0.0")
    write_shelves(repo, shelf)
    site = make_site(repo)
    views = ["runs.html", "runs.html#sort=-created", "runs.html#sort=stage", "runs.html#q=Staging"]
    wrong, (still, drawn, sorted_, found) = browse(
        site.path, views, looks=((1280, "light"),), script=STAGES
    )
    assert wrong == []
    assert still["cells"] == drawn["cells"]  # what a script draws is what stands in the page
    names = [cell.partition(">")[2].partition("<")[0] for cell in drawn["cells"]]
    assert names == ["v2.0.0", *(f"v1.{n}.0" for n in (8, 7, 6, 5)), "production", *names[6:]]
    assert "<small>+1</small>" in drawn["cells"][5]
    assert sorted_["cells"][0] == drawn["cells"][5]
    assert sorted_["cells"][-1] == "–"
    assert found["cells"] == [drawn["cells"][5]]
    assert still["fits"]
    assert still["heads"] > 5
