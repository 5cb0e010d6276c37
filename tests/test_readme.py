"""The README says what is: its commands exist, its flags are known, its table is the program's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gitml.cli import COMMANDS
from gitml.commands.options import VARIABLES, load
from gitml.errors import EXIT_CODES

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def shown():
    """Return every command line of gitml in the README, inline or in a block."""
    inline = re.findall(r"`(gitml [^`]*)`", README)
    blocks = re.findall(r"^\$ (gitml .*)$", README, re.MULTILINE)
    suggested = re.findall(r"^  (gitml .*)$", README, re.MULTILINE)
    return [*inline, *blocks, *(part for line in suggested for part in line.split("      "))]


def test_exit_codes():
    table = dict(re.findall(r"^\| (\d+) \| (.*) \|$", README, re.MULTILINE))
    assert table == {str(code): meaning for code, meaning in EXIT_CODES.items()}


def test_environment_variables():
    table = re.findall(r"^\| `([A-Z_]+)` \| (.*) \|$", README, re.MULTILINE)
    assert {name: text.replace("`", "") for name, text in table} == {
        name: text[0].lower() + text[1:-1] for name, text in VARIABLES.items()
    }
    sources = (CHECKOUT / "gitml").rglob("*.py")
    read = {v for p in sources for v in re.findall(r"\bGITML_[A-Z_]+\b", p.read_text("utf-8"))}
    own = {"GITML_TEST_CLOCK", "GITML_TEST_SEED", "GITML_RUN_OPEN"}  # tests', and gitml run's
    assert read - own <= {*VARIABLES}


@pytest.mark.parametrize("line", sorted(set(shown())))
def test_commands_and_flags_are_known(line):
    words = shlex.split(line)[1:]
    assert words[0] in COMMANDS
    command = load(COMMANDS[words[0]].module)
    if words[1:2] and (below := getattr(command, "table", {}).get(words[1])):
        command = load(below.module)
    elif words[1:2] and words[1] in getattr(command, "commands", {}):
        command = command.commands[words[1]]
    known = {option for param in command.params for option in param.opts}
    own = words[1 : words.index("--")] if "--" in words else words[1:]
    flags = {word for word in own if re.match(r"--?[a-z]", word) and word != "-auc"}
    assert {f for f in flags if f not in known} <= {"-accuracy"}


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (CHECKOUT / target).exists(), target


def test_python_example_runs(repo, monkeypatch, tmp_path):
    """What stands under "From Python", with the names that it leaves to the reader."""
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    (repo / "data").mkdir()
    (repo / "data" / "train.csv").write_text("a,b\n1,2\n")
    (repo / "model.pkl").write_bytes(b"model")
    monkeypatch.chdir(repo)
    scope = {"loss": 0.25}
    exec(code.replace(".to_pandas()", ""), scope)  # noqa: S102 - our own page; pandas is an extra
    found = scope["gitml"].search_runs("metrics.loss < 0.3 and params.lr <= 0.001")
    assert [run.params["model.depth"] for run in found] == [6]
    assert set(found[0].artifacts) == {"model.pkl"}


def test_nothing_is_left_to_fill_in():
    assert re.findall(r"\b(?:NUMBERS?|TODO|FIXME|TBD|XXX)\b", README) == []
