"""gitml lineage: both ways, joined by digest, in every form of answer."""

from __future__ import annotations

import hashlib
import json

import pytest

from gitml.model import Dataset
from tests.support import START, make_run, run_id_of

RAW = "sha256:" + "a1" * 32
CLEAN = b"x,y\n3,4\n"
CLEAN_SHA = hashlib.sha256(CLEAN).hexdigest()


@pytest.fixture
def gitml(invoke, repo):
    """Return ``gitml(*args, code=0)``, run in the repository: its whole answer."""

    def run(*args, code=0):
        answer = invoke(*args, cwd=repo)
        assert answer.code == code, answer
        return answer

    return run


@pytest.fixture
def chain(repo, gitml, tmp_path):
    """Raw data -> prep -> clean.csv -> fit: what prep made is what fit used."""
    clean = tmp_path / "clean.csv"
    clean.write_bytes(CLEAN)
    raw = Dataset(name="raw.csv", digest=RAW, context="source")
    make_run(repo, "prep", experiment="prep", inputs=[raw])
    gitml("log", "--run", "prep", "--artifact", clean)
    # fit keeps a copy of what it read, which does not make it the one who made that.
    read = ("--input", clean, "--artifact", clean)
    gitml("log", "--name", "fit", "-e", "churn", *read, "-m", "auc=0.9")
    make_run(repo, "other", inputs=[raw])


def keys(answer, end):
    return [edge[end] for edge in json.loads(answer.out)["edges"]]


def test_a_run_is_joined_to_what_it_used_and_to_who_made_that(gitml, chain):
    answer = gitml("lineage", "fit", "--json")
    fit = next(n["key"] for n in json.loads(answer.out)["nodes"] if n["label"] == "fit")
    assert json.loads(answer.out)["focus"] == fit
    assert json.loads(answer.out)["edges"] == [
        {"source": f"data:sha256:{CLEAN_SHA}", "target": fit, "label": "used"},
        {
            "source": f"run:{run_id_of('prep')}",
            "target": f"data:sha256:{CLEAN_SHA}",
            "label": "made clean.csv",
        },
        {
            "source": f"data:{RAW}",
            "target": f"run:{run_id_of('prep')}",
            "label": "used as source",
        },
    ]


def test_data_leads_to_every_run_that_used_it_and_to_what_came_of_that(gitml, chain):
    answer = gitml("lineage", RAW, "--json")
    labels = {node["label"] for node in json.loads(answer.out)["nodes"]}
    assert labels == {"raw.csv", "prep", "other", "clean.csv", "fit"}
    assert keys(gitml("lineage", "a1a1a1a", "--json"), "source") == keys(answer, "source")


def test_a_sibling_is_no_ancestor(gitml, chain):
    labels = {n["label"] for n in json.loads(gitml("lineage", "prep", "--json").out)["nodes"]}
    assert labels == {"raw.csv", "prep", "clean.csv", "fit"}  # not: other


def test_a_file_means_its_content(gitml, chain, repo):
    (repo / "copy.csv").write_bytes(CLEAN)
    assert gitml("lineage", "copy.csv").out == (
        f"data clean.csv  {CLEAN_SHA[:7]}\n"
        "\n"
        "made from\n"
        f"└─ run prep  made clean.csv  prep · {run_id_of('prep')[:8]}\n"
        "   └─ data raw.csv  used as source  a1a1a1a\n"
        "\n"
        "went into\n"
        "└─ run fit  used  churn · "
        + next(
            n["id"][:8]
            for n in json.loads(gitml("lineage", "fit", "--json").out)["nodes"]
            if n["label"] == "fit"
        )
        + "\n"
    )


def test_a_removed_run_stays_in_its_own_lineage_only_by_version(gitml, chain):
    gitml("rm", "other")
    labels = {n["label"] for n in json.loads(gitml("lineage", RAW, "--json").out)["nodes"]}
    assert "other" not in labels


def test_many_branches_are_cut_and_told(repo, gitml):
    raw = Dataset(name="raw.csv", digest=RAW)
    for number in range(14):
        make_run(repo, f"r{number}", inputs=[raw])
    short = gitml("lineage", RAW).out
    assert short.count("run r") == 10
    assert short.endswith("└─ … and 4 more: --all shows them\n")
    assert gitml("lineage", RAW, "--all").out.count("run r") == 14


def test_mermaid_and_dot_hold_no_markup_of_others(repo, gitml):
    evil = Dataset(name='a"]; click n0 "https://x" %%{init}', digest=RAW, context="</b>\\")
    make_run(repo, "evil", inputs=[evil])
    mermaid = gitml("lineage", "evil", "--mermaid").out
    assert mermaid.startswith("flowchart LR\n")
    assert not any(mark in mermaid for mark in ('a"', "</b>", "%%", "{init}"))
    dot = gitml("lineage", "evil", "--dot").out
    assert '[label="a\\"]; click n0 \\"https://x\\" %%{init}", shape=cylinder];' in dot
    assert 'label="used as </b>\\\\"' in dot


@pytest.mark.parametrize(
    "ref, code, words",
    [
        ("nothing", 3, "Nothing is named nothing: no run, model, data or file."),
        ("sha256:" + "0" * 64, 3, "No run used or made the data sha256:000"),
        ("nobody@v1.0.0", 3, "nobody"),
        ("nobody#production", 3, "nobody"),
        ("a1a1", 3, "Nothing is named a1a1"),
        ("train.csv", 3, "No run used or made the data train.csv"),
    ],
)
def test_what_is_not_there(repo, gitml, ref, code, words):
    (repo / "train.csv").write_text("never used\n")
    make_run(repo, "r", inputs=[Dataset(name="raw.csv", digest=RAW)])
    answer = gitml("lineage", ref, code=code)
    assert words in answer.err
    assert "hint:" in answer.err
    assert answer.out == ""


def test_data_that_is_not_here_goes_by_what_runs_called_it(repo, gitml):
    old, new = (f"sha256:{digit * 64}" for digit in "bc")
    for name, digest, created in (("late", new, START + 1), ("early", old, START)):
        data = Dataset(name="train.csv", uri="data/train.csv", digest=digest)
        make_run(repo, name, created=created, inputs=[data])
    make_run(repo, "third", inputs=[Dataset(name="raw", uri="s3://b/raw", digest=RAW)])
    assert "└─ run third  used" in gitml("lineage", "s3://b/raw").out
    make_run(repo, "vague", inputs=[Dataset(name="db", uri="postgres://db")])
    assert "└─ run vague  used" in gitml("lineage", "postgres://db").out
    assert gitml("lineage", "raw").out == gitml("lineage", "a1a1a1a").out
    answer = gitml("lineage", "./data/train.csv", code=5)
    assert answer.err.startswith("error: Runs used 2 contents of data/train.csv.\n")
    assert f"newest first: {'c' * 12}, {'b' * 12}\n" in answer.err
    (repo / "data").mkdir()
    assert "Runs used 2 contents" in gitml("lineage", repo / "data" / "train.csv", code=5).err
    (repo / "data" / "train.csv").write_text("another\n")
    answer = gitml("lineage", "data/train.csv", code=3)
    assert f"runs used other contents of it: gitml lineage {'c' * 12}, {'b' * 12}" in answer.err


def test_one_start_of_two_digests(repo, gitml):
    for name, digest in {"one": "b" * 64, "two": "b" * 63 + "c"}.items():
        make_run(repo, name, inputs=[Dataset(name=name, digest=f"sha256:{digest}")])
    assert "is the start of 2 digests" in gitml("lineage", "sha256:bbbbbbbb", code=5).err
