"""Models logged from Python: their files, and the versions that are made of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

import gitml
from gitml.codec import load_user_yaml
from gitml.errors import InputError, NotFoundError, RefusedError
from tests.registry.keys import needs_ssh, sign_with_ssh, ssh_key


@pytest.fixture(autouse=True)
def _inside(repo, monkeypatch):
    monkeypatch.chdir(repo)


@pytest.fixture
def weights(repo):
    place = repo / "weights.bin"
    place.write_bytes(b"\0one")
    return place


SIGNATURE = {"inputs": [{"type": "long", "name": "age"}]}


def test_a_model_with_a_name_is_registered_with_all_metrics(repo, git, weights):
    with gitml.start_run(experiment="churn", name="trained") as run:
        folder = run.log_model(
            weights, name="Churn EU", signature=SIGNATURE, input_example=[{"age": 3}]
        )
        run.log_metric("auc", 0.9)  # after the model was logged, and in the version all the same
        assert run.registered == ()
        assert git(repo, "tag") == ""
    (version,) = run.registered
    assert (version.model, version.name, version.signature["inputs"]) == (
        "Churn EU",
        "v1.0.0",
        SIGNATURE["inputs"],
    )
    assert version.metrics["auc"].last == 0.9
    assert repr(version) == "<ModelVersion Churn EU@v1.0.0, number 1 of trained>"
    assert folder.startswith("model/churn-eu--")
    (tag,) = git(repo, "tag").split()
    stored = load_user_yaml(git(repo, "show", f"{tag}:version.yaml"), "version.yaml")
    assert stored["metrics"]["auc"]["last"] == 0.9
    paths = sorted(gitml.get_run("trained").artifacts)
    assert paths == [f"{folder}/{p}" for p in ("MLmodel", "input_example.json", "weights.bin")]
    gitml.pull_model("Churn EU@latest", "pulled")
    assert (repo / "pulled" / "weights.bin").read_bytes() == b"\0one"


@needs_ssh
def test_tags_are_signed_as_git_is_configured_unless_said(repo, git, weights, tmp_path, invoke):
    sign_with_ssh(git, repo, ssh_key(tmp_path / "keys"))
    git(repo, "init", "-q", "--bare", tmp_path / "bare.git")
    git(repo, "remote", "add", "origin", tmp_path / "bare.git")
    git(repo, "push", "-q", "origin", "HEAD:main")

    def signed(*names):
        return ["SSH SIGNATURE" in git(repo, "cat-file", "tag", name) for name in names]

    with gitml.start_run(name="first") as run:
        run.log_model(weights, name="plain")
        run.log_model(weights, name="asked", sign=True)
    gitml.register_model("later", "first", "weights.bin", sign=True)
    assert signed("plain@v1.0.0", "asked@v1.0.0", "later@v1.0.0") == [False, True, True]
    git(repo, "config", "tag.gpgSign", "true")
    with gitml.start_run(name="second") as run:
        run.log_model(weights, name="plain")
        gitml.log_model(weights, name="asked", sign=False)
    gitml.register_model("later", "second", "weights.bin", push=False)
    refused = invoke("model", "tag", "later@2", "a=b")
    assert (refused.code, "later v1.1.0 is not published yet" in refused.err) == (4, True)
    assert "unpublished later@v1.1.0" in invoke("status").out
    git(repo, "config", "remote.origin.url", tmp_path / "away.git")
    with pytest.warns(UserWarning, match=r"far@v1.0.0 is registered here alone: .*publish far"):
        gitml.register_model("far", "second", "weights.bin")
    with pytest.warns(UserWarning, match=r"plain@latest was v1.1.0 when origin was last seen"):
        gitml.pull_model("plain@latest", "pulled")
    git(repo, "config", "remote.origin.url", tmp_path / "bare.git")
    assert invoke("push").code == 0  # publishes what waited
    assert signed("plain@v1.1.0", "asked@v1.1.0", "later@v1.1.0") == [True, False, True]


def test_what_failed_is_not_registered(repo, git, weights):
    run = gitml.start_run()
    run.log_model(weights, name="churn")
    run.end("failed")
    assert (run.registered, git(repo, "tag")) == ((), "")


def test_a_model_that_is_logged_again_takes_the_place_of_the_first(repo, weights):
    (repo / "m").mkdir()
    for name in ("a.bin", "b.bin"):
        (repo / "m" / name).write_bytes(b"\0" + name.encode())
    with gitml.start_run(name="twice") as run:
        gitml.log_text("kept", "model-card.md")
        run.log_model("m")
        (repo / "m" / "a.bin").unlink()
        assert gitml.log_model("m") == "model"
    assert sorted(gitml.get_run("twice").artifacts) == [
        "model-card.md",
        "model/MLmodel",
        "model/b.bin",
    ]
    version = gitml.register_model("churn", "twice", tags={"team": "growth"}, note="By hand.")
    assert {file.path for file in version.files} == {"MLmodel", "b.bin"}
    assert (version.name, version.tags, version.note) == (
        "v1.0.0",
        {"team": "growth"},
        "By hand.",
    )


def test_a_pickle_that_needs_its_script_is_warned_of(repo, invoke):
    model = b"\x80\x04\x8c\x0fxgboost.sklearn\x94\x8c\x0dXGBClassifier\x94\x93\x94)\x81\x94"
    own = b"}\x94\x8c\x01f\x94\x8c\x08__main__\x94\x8c\x03fun\x94\x93\x94sb."
    (repo / "own.pkl").write_bytes(model + own)
    with gitml.start_run() as run, pytest.warns(UserWarning, match="__main__.*cloudpickle"):
        run.log_model("own.pkl")
    told = invoke("register", "churn", "--run", "latest", "--path", "./own.pkl")
    assert (told.code, "loads nowhere else" in told.err) == (0, True)


def test_what_cannot_be_logged_leaves_nothing(repo, weights):
    (repo / "link").symlink_to(weights)
    with gitml.start_run(name="bad") as run:
        for path, facts, error in (
            (object(), {}, InputError),
            ("nowhere", {}, NotFoundError),
            ("link", {}, InputError),
            (weights, {"name": "a\nb"}, InputError),
            (weights, {"signature": {"input": []}}, InputError),
            (weights, {"input_example": object()}, InputError),
            (weights, {"dest": "../up"}, InputError),
        ):
            with pytest.raises(error):
                run.log_model(path, **facts)
        run.checkpoint()
        with pytest.raises(RefusedError, match="is running"):
            gitml.register_model("churn", run.id)
    found = gitml.get_run("bad")
    assert (found.artifacts, found.tags) == ({}, {})


def test_within_gitml_run_it_is_registered_when_the_command_has_ended(repo, git, weights):
    (repo / "train.py").write_text(
        textwrap.dedent(
            """
            import gitml
            with gitml.start_run() as run:
                run.log_model("weights.bin", name="churn")
                run.log_metric("auc", 0.75)
            """
        )
    )
    command = [sys.executable, "-m", "gitml", "run", "-m", "late=1", "--"]
    done = subprocess.run(
        [*command, sys.executable, "train.py"],
        check=False,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ},
    )
    assert done.returncode == 0, done.stderr
    assert "Registered churn@v1.0.0" in done.stderr
    shown = json.loads(
        subprocess.run(
            [sys.executable, "-m", "gitml", "model", "show", "churn@v1.0.0", "--json"],
            check=True,
            capture_output=True,
            encoding="utf-8",
        ).stdout
    )
    assert {"auc", "late"} <= {*json.dumps(shown).replace('"', " ").split()}
