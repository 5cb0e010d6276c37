"""Whoever may push may have named a run: what they wrote never reaches a terminal raw."""

from __future__ import annotations

import math

import pytest
import yaml

from gitml import names
from gitml.codec import dump
from gitml.model import Artifact, Dataset, Environment, Source
from tests.bench.ledgers import make_run, tree_files, write_commits
from tests.cli.world import answer
from tests.support import START, make_runs, on_terminal

BAD = "\x1b]0;owned\x07\x9b31m\u202etxt.exe\u2066\u2028\x7f"


@pytest.fixture
def hostile(repo):
    """Return a repository whose run holds control and bidirectional characters everywhere."""
    facts = {
        "experiment": f"e{BAD}",
        "params": {f"p{BAD}": f"v{BAD}", "list": [f"l{BAD}"]},
        "metrics": {f"m{BAD}": [1.0, math.nan, math.inf]},
        "tags": {f"t{BAD}": f"v{BAD}"},
        "note": f"n{BAD}\nsecond",
        "inputs": [Dataset(name=f"d{BAD}", uri=f"u{BAD}", context=f"c{BAD}", digest=f"x{BAD}")],
        "source": Source(branch=f"b{BAD}", command=(f"c{BAD}",), changed=(f"f{BAD}",), tree="-x"),
        "environment": Environment(python=f"p{BAD}", variables={f"V{BAD}": f"v{BAD}"}),
        "requirements": f"pkg{BAD}==1{BAD}\n",
        # The path itself is refused where it is read: a run with such a one is quarantined.
        "artifacts": [Artifact(path="tame", store="uri", uri=f"u{BAD}", media_type=f"m{BAD}")],
        "author": f"A{BAD} <a@example.com>",
    }
    make_runs(repo, {"name": f"run{BAD}", **facts}, {"name": "tame-1", "created": START - 1})
    return repo


HOSTILE_CALLS = [
    [],
    ["ls"],
    ["ls", "--all"],
    ["ls", "--csv"],
    ["ls", "--json"],
    ["ls", "--yaml"],
    ["ls", "--experiments"],
    ["show", "latest"],
    ["show", "latest", "--json"],
    ["show", "latest", "--yaml"],
    ["show", "latest", "--history"],
    ["diff", "latest", "tame-1"],
    ["diff", "latest", "tame-1", "--json"],
    ["sql", "select * from params"],
    ["sql", "select * from params", "--json"],
    ["sql", "select * from params", "--csv"],
    ["export", "csv", "--points"],
    ["status", "--json"],
    ["ls", "--where", f"nothing{BAD} = 1"],
    ["show", f"nobody{BAD}"],
    [f"command{BAD}"],
]
RAW = [c for c in BAD if c not in "txt.exeowned]0;31m"]


@pytest.mark.parametrize("args", HOSTILE_CALLS, ids=lambda args: " ".join(args)[:40])
def test_hostile_characters_are_never_raw(hostile, invoke, args):
    done = invoke(*args, cwd=hostile)
    assert [c for c in RAW if c in done.out + done.err] == []
    assert done.code in {0, 2, 3, 5}
    _, seen = on_terminal(*args, cwd=hostile, env={"NO_COLOR": "1"})
    assert [c for c in RAW if c in seen] == []


def test_hostile_characters_survive_in_data(hostile, invoke):
    run = answer(invoke, "show", f"run{BAD}", cwd=hostile)["run"]
    assert run["params"][f"p{BAD}"] == f"v{BAD}"
    assert run["metrics"][f"m{BAD}"]["last"] is None
    loaded = yaml.safe_load(invoke("show", f"run{BAD}", "--yaml", cwd=hostile).out)
    assert loaded["run"] == run


@pytest.mark.parametrize("path", ["../../hooks/x", "/etc/passwd", f"a{BAD}", ".git/config"])
def test_a_run_whose_artifact_leaves_its_folder_is_set_aside(repo, invoke, path):
    made = make_run(number=1, experiment="churn")
    files = {**tree_files(made), "artifacts.yaml": dump({path: {"store": "uri", "uri": "x"}})}
    write_commits(repo, [(names.run_ref(made.id), files.items())])
    make_runs(repo, {"name": "tame-1"})
    done = invoke("ls", cwd=repo)
    assert done.code == 0
    assert ("tame-1" in done.out, made.name in done.out) == (True, False)
    found = invoke("doctor", cwd=repo)
    assert found.code == 8
    assert made.id[:8] in found.out
    assert [c for c in RAW if c in found.out + found.err] == []
