"""Each example's commands, as its README has them, run for real."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
EXAMPLES = sorted(path.parent.name for path in (CHECKOUT / "examples").glob("*/README.md"))


def commands(readme):
    blocks = re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.fixture
def shell(tmp_path):
    """Return ``shell(lines) -> output``: in one shell, with the gitml and python of the tests."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gitml").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gitml "$@"\n')
    (tools / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    (work / "examples").symlink_to(CHECKOUT / "examples")

    def run(lines):
        done = subprocess.run(
            ["sh", "-ex"],
            input="\n".join(lines),
            cwd=work,
            env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_every_example_is_listed():
    listed = re.findall(
        r"\]\((\S+)/README\.md\)", (CHECKOUT / "examples" / "README.md").read_text()
    )
    assert listed == EXAMPLES


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the commands are for a POSIX shell")
def test_first_run(shell):
    readme = (CHECKOUT / "examples" / "01-first-run" / "README.md").read_text()
    out = shell(commands(readme))
    assert "params    params.yaml   4 values" in out
    assert "history   history.csv" in out
    assert "stronger" in out
    assert re.search(r"^alpha .*1e-04.*", out, re.MULTILINE) or "0.0001" in out
    assert re.search(r"train\.py +\| +2 \+-", out)
    assert "refs/gitml/runs/" in out


def masked(line):
    """Return a line without what differs each time: ids, times, sizes, digits, widths."""
    line = re.sub(r"[0-9a-f]{6,}\b", "#", line)
    line = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", line)
    line = re.sub(r"\b[\d.]+ (s|kB|B)\b", r"# \1", line)
    return " ".join(re.sub(r"\d+\.\d{3,}", "0.#", line).split())


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the commands are for a POSIX shell")
@pytest.mark.parametrize("name", ["03-promote", "05-share"])
def test_what_is_shown_is_printed(shell, name):
    """Each line that the page shows is printed, in this order; a line may be its beginning."""
    page = (CHECKOUT / "examples" / name / "README.md").read_text()
    out = iter([masked(line) for line in shell(["exec 2>&1", *commands(page)]).splitlines()])
    shown = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    for line in "".join(shown).splitlines():
        wanted = masked(line)
        assert any(wanted in found or words(wanted, found) for found in out), line


def words(wanted, found):
    """Say whether the words of a table's row are all there, in order."""
    rest = iter(found.split())
    return wanted.split()[:1] == found.split()[:1] and all(w in rest for w in wanted.split())


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the commands are for a POSIX shell")
def test_site(shell):
    out = shell(commands((CHECKOUT / "examples" / "04-site" / "README.md").read_text()))
    assert out.count("finished") == 10
    assert re.search(r"^public: \d+ files written", out, re.MULTILINE)
    assert re.search(r"^public is up to date", out, re.MULTILINE)
    assert out.count("public/runs/") == 10
