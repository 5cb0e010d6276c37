"""What pages weigh on their way, as a server sends them compressed."""

from __future__ import annotations

import gzip
import math
import re

from gitml.model import Environment, Source
from tests.support import MINUTE, START, make_runs, run_id_of

EVERYWHERE = re.compile(r"assets/(?:site|theme|icon)\.")
PLOTLY = re.compile(r"assets/plotly\.min\.")
DATA = re.compile(r"data/runs\.js$")


def loaded(site, page):
    """Return {address: compressed bytes} of a page and of all that it loads."""
    text = site.text(page)
    links = re.findall(
        r'<script src="([^"]+)"|<link rel="(?:icon|stylesheet)"[^>]*href="([^"]+)"', text
    )
    found = {}
    for address in [page, *((page.rpartition("/")[0] + "/" + (a or b)) for a, b in links)]:
        path = (site.path / address.lstrip("/")).resolve()
        known = path.relative_to(site.path.resolve()).as_posix()
        found[known] = len(gzip.compress(path.read_bytes(), 9))
    return found


def weight(found, *less):
    return sum(n for name, n in found.items() if not any(part.search(name) for part in less))


def test_pages_are_light(repo, make_site):
    curve = [math.exp(-n / 50) + 0.1 * math.sin(n) for n in range(200)]
    make_runs(
        repo,
        *(
            {
                "name": f"keen-fjord-{n}",
                "experiment": f"churn-{n % 12}",
                "created": START + n * MINUTE,
                "params": {f"model.param{k}": n * k for k in range(10)},
                "metrics": dict.fromkeys(("auc", "loss", "val/auc", "val/loss"), curve),
                "source": Source(commit="1" * 40, branch="main", command=("python", "train.py")),
                "environment": Environment(python="CPython 3.11.7", platform="Linux x86_64"),
            }
            for n in range(48)
        ),
    )
    site = make_site(repo)
    overview = loaded(site, "index.html")
    assert len(overview) >= 4
    assert weight(overview, DATA) < 60_000
    run = loaded(site, f"runs/{run_id_of('keen-fjord-7')[:12]}.html")
    assert any(PLOTLY.search(name) for name in run)
    own = weight(run, PLOTLY, EVERYWHERE, re.compile(r"data/runs/"))
    assert own < 15_000  # beside what the reader of any page has already
    assert weight(run, PLOTLY) < 24_000
    for page in ("runs.html", "explore.html", "compare.html"):
        assert weight(loaded(site, page), PLOTLY, DATA) < 60_000, page
