"""A real browser for the tests: where it is, and what it says of a site."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# Read when this is imported: the tests themselves see nothing of the environment.
MODULES = os.environ.get("GITML_TEST_NODE_MODULES")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NODE = shutil.which("node")
LOOKS = {
    "http": ((390, "light"), (1280, "dark")),
    "file": ((1280, "light"), (390, "dark")),
}
"""How a page is looked at over both ways to open it: on a phone and a desk, by day and by night."""
PACKAGES = ("playwright-core", "axe-core", "html-validate")


def missing():
    """Return what is missing for a browser, in words, or nothing."""
    if NODE is None:
        return "node is not installed"
    if CHROMIUM is None:
        return "chromium is not installed"
    if not MODULES or not all((Path(MODULES) / name).is_dir() for name in PACKAGES):
        return f"GITML_TEST_NODE_MODULES names no folder with {', '.join(PACKAGES)}"
    return ""


needs_browser = pytest.mark.skipif(bool(missing()), reason=missing() or "there is one")


def browse(folder, pages, *, how="http", looks=((1280, "light"),), unfold=False, script=None):
    """Open pages and return (what is wrong, what ``script`` answered on each).

    ``looks`` are widths with a theme; with ``unfold`` all that is folded is looked at too.
    """
    asked = {"pages": pages, "looks": looks, "unfold": unfold, "script": script}
    answer = node("browse.cjs", folder, how, asked=asked)
    return answer["wrong"], answer["answers"]


def node(program, folder, *words, asked=None):
    """Run one of the programs beside this file and return the JSON it answers."""
    done = subprocess.run(
        [NODE, HERE / program, MODULES, CHROMIUM, folder, *words],
        input=json.dumps(asked or {}),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def invalid(folder):
    """Return what html-validate says of the pages in a folder."""
    # Lines that a run wrote may end in blanks: a patch has them.
    rules = dict.fromkeys(["no-inline-style", "long-title", "no-trailing-whitespace"], "off")
    config = folder.parent / ".htmlvalidate.json"
    config.write_text(json.dumps({"extends": ["html-validate:recommended"], "rules": rules}))
    pages = sorted(folder.rglob("*.html"))
    program = Path(MODULES) / ".bin" / "html-validate"
    done = subprocess.run(
        [program, "--config", config, "--formatter", "text", *pages],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.stdout.strip() if done.returncode else ""
