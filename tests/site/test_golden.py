"""A small site as a whole, byte for byte: what changes in a page is seen in the review.

`UPDATE_GOLDEN=1 pytest tests/site/test_golden.py` writes the files anew. Assets are not
among them: their names have a hash of their content, which reads HASH in the pages.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from gitml.model import Environment, Source
from gitml.site.urls import MANIFEST
from tests.site.links import walk
from tests.site.shelf import Shelf, write_shelves
from tests.support import MINUTE, START, make_runs, run_id_of

GOLDEN = Path(__file__).parent / "golden"
ASSET = re.compile(r"(assets/[\w.-]+)\.[0-9a-f]{10}(\.\w+)")
LARGEST = 400_000
HOME = "https://acme.github.io/churn"


def fill(repo, git):
    """Write the runs and the model that the site is made from."""
    (repo / "train.py").write_text("lr = 0.1\n")
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "code")
    commit = git(repo, "rev-parse", "HEAD").strip()
    (repo / "train.py").write_text("lr = 0.3\nprint('<b>')\n")
    git(repo, "add", ".")
    tree = git(repo, "write-tree").strip()
    remote = "https://github.com/acme/churn.git"
    clean = Source(commit=commit, branch="main", remote=remote, command=("python", "train.py"))
    make_runs(
        repo,
        {
            "name": "keen-otter-1",
            "params": {"lr": 0.1, "kind": "forest"},
            "metrics": {"auc": [0.6, 0.7, 0.8], "val/loss": [0.9, 0.5, 0.4], "final": 3},
            "source": clean,
            "environment": Environment(python="CPython 3.11.7", platform="Linux", cpu="8 threads"),
            "requirements": "numpy==1.26.4\n",
            "note": "A baseline.",
        },
        {
            "name": "calm-fjord-2",
            "created": START + MINUTE,
            "params": {"lr": 0.3, "kind": "forest"},
            "metrics": {"auc": [0.7, 0.9], "val/loss": [0.8, 0.3]},
            "tags": {"team": "growth", "gitml.register.churn": "{}"},  # the latter is our own
            "parent": run_id_of("keen-otter-1"),
            "source": Source(commit=commit, tree=tree, dirty=True, branch="main", remote=remote),
        },
        {"name": "nothing-3", "created": START + 2 * MINUTE, "status": "failed"},
    )
    shelf = Shelf("churn")
    shelf.register("v1.0.0")
    shelf.register("v1.1.0")
    shelf.journal.assign("production", "v1.0.0", via="promote", reason="better")
    write_shelves(repo, shelf)


def listed(files):
    """Return the files as they are compared: without assets, and what those are hashed to."""
    found = {}
    for name, data in files.items():
        text = data.decode("utf-8")
        if name == MANIFEST:
            addresses = sorted(ASSET.sub(r"\1.HASH\2", a) for a in json.loads(text)["files"])
            found["files.txt"] = "".join(f"{address}\n" for address in addresses)
        elif not name.startswith(("assets/", "data/schemas/")):
            found[name] = ASSET.sub(r"\1.HASH\2", text)
    return found


def test_the_golden_site(empty_repo, git, make_site, files_of):
    fill(empty_repo, git)
    site = make_site(empty_repo, title="Churn", base_url=HOME)
    found = listed(files_of(site.path))
    assert sum(len(text.encode()) for text in found.values()) < LARGEST
    if os.environ.get("UPDATE_GOLDEN"):
        shutil.rmtree(GOLDEN, ignore_errors=True)
        for name, text in found.items():
            place = GOLDEN / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text.encode())
    golden = {name: data.decode("utf-8") for name, data in files_of(GOLDEN).items()}
    assert sorted(found) == sorted(golden), "UPDATE_GOLDEN=1 pytest writes them"
    for name, text in found.items():
        assert text == golden[name], f"{name}: UPDATE_GOLDEN=1 pytest writes it"


def test_every_link_leads_somewhere(empty_repo, git, make_site):
    fill(empty_repo, git)
    site = make_site(empty_repo, base_url=HOME)
    assert walk(site.path, HOME) == ([], [])
    page = site.path / "about.html"
    page.write_text(page.read_text() + '<a href="no.html"></a><a href="runs.html#no"></a>')
    assert walk(site.path, HOME)[0] == [("about.html", "no.html"), ("about.html", "runs.html#no")]
    (site.path / "alone.html").write_text('<a href="javascript:0"></a>')
    assert walk(site.path, HOME)[1] == ["alone.html"]
    assert walk(site.path, HOME)[0][-1] == ("alone.html", "javascript:0")
