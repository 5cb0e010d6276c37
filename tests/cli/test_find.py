"""Runs found again: the whole output, in a pipe and on terminals of three widths."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.world import BRAVE, CALM, KEEN, NOW
from tests.support import assert_golden, on_terminal, without_color

GOLDEN = Path(__file__).parent / "golden"

PAGES = {
    "ls": [["ls"], ["ls", "--experiments"]],
    "ls-sorted": [["ls", "-e", "churn", "--sort", "-auc"]],
    "ls-all": [["ls", "-e", "churn", "--all"]],
    "ls-columns": [["ls", "--columns", "auc,metrics_min.loss,duration,commit,team,age"]],
    "show": [["show", BRAVE]],
    "show-history": [["show", BRAVE, "--history"]],
    "diff": [["diff", KEEN, BRAVE]],
    "diff-all": [["diff", KEEN, BRAVE, "--all"]],
    "diff-three": [["diff", KEEN, BRAVE, CALM]],
    "diff-patch": [["diff", KEEN, BRAVE, "--patch"]],
    "status": [[]],
}


@pytest.mark.parametrize("columns", [60, 100, 140])
@pytest.mark.parametrize("page", PAGES)
def test_on_a_terminal(world, page, columns):
    seen = []
    for args in PAGES[page]:
        code, out = on_terminal(*args, cwd=world, columns=columns, env={"GITML_TEST_CLOCK": NOW})
        assert code == 0, out
        seen.append(f"$ gitml {' '.join(args)}\n{without_color(out)}")
    text = "\n".join(seen)
    if page != "diff-patch":  # somebody's text is never cut
        assert [x for x in text.splitlines() if len(x) > columns and x[0] != "$"] == []
    assert_golden(GOLDEN / str(columns) / f"{page}.txt", text)


@pytest.mark.parametrize("page", PAGES)
def test_in_a_pipe(world, invoke, page):
    answers = [(args, invoke(*args, cwd=world)) for args in PAGES[page]]
    assert [answer.code for _, answer in answers] == [0] * len(answers)
    assert [answer.err for _, answer in answers] == [""] * len(answers)
    text = "\n".join(f"$ gitml {' '.join(args)}\n{answer.out}" for args, answer in answers)
    assert "\x1b" not in text
    assert "…" not in text
    assert_golden(GOLDEN / "pipe" / f"{page}.txt", text)
