"""What RUN means, and what is said when it means nothing."""

from __future__ import annotations

import math

import pytest

from gitml.errors import InputError, NotFoundError
from gitml.query.index import open_index
from gitml.store.git import open_repository
from tests.bench.ledgers import make_ledger
from tests.support import START, make_run, make_runs

IDS = {
    name: digits.ljust(32, "0") for name, digits in [("a", "abcd1"), ("b", "abcd2"), ("c", "beef")]
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory, git):
    path = tmp_path_factory.mktemp("filled")
    git(path, "init", "--quiet")
    make_runs(
        path,
        {"name": "brave-otter-12", "run_id": IDS["a"], "created": START, "metrics": {"auc": 0.7}},
        {
            "name": "keen-fjord-8",
            "run_id": IDS["b"],
            "created": START + 1,
            "metrics": {"auc": 0.9, "loss": 0.3, "time:max": 1, "odd": math.nan},
        },
        {
            "name": "calm-lake-3",
            "run_id": IDS["c"],
            "created": START + 2,
            "experiment": "other",
            "metrics": {"auc": 0.8, "loss": 0.2, "time:max": 2, "odd": math.nan},
        },
        {"name": "gone-moor-1", "deleted": True, "created": START + 9, "metrics": {"auc": 1}},
        {"name": "twin", "created": START - 2},
        {"name": "twin", "run_id": "f" * 32, "created": START - 1, "experiment": "other"},
        {"name": "twin", "run_id": "e" * 32, "created": START + 8, "deleted": True},
        {"name": "once", "run_id": "d" * 32, "created": START - 5},
        {"name": "once", "run_id": "c" * 32, "created": START - 4, "deleted": True},
        {"name": "beef", "run_id": "9" * 32, "created": START - 9},
        {"name": "späte 1", "run_id": "8" * 32, "created": START - 9},
    )
    return path


@pytest.fixture(scope="module")
def index(filled):
    repository = open_repository(filled)
    with open_index(repository, now=START) as opened:
        yield opened
    repository.close()


@pytest.mark.parametrize(
    "text,name",
    [
        ("brave-otter-12", "brave-otter-12"),
        (IDS["a"], "brave-otter-12"),
        ("abcd1", "brave-otter-12"),
        ("ABCD2", "keen-fjord-8"),
        ("beef0", "calm-lake-3"),
        ("beef", "beef"),
        ("späte 1", "späte 1"),
        ("gone-moor-1", "gone-moor-1"),
        ("once", "once"),
        ("latest", "calm-lake-3"),
        ("latest:churn", "keen-fjord-8"),
        ("latest:other", "calm-lake-3"),
        ("best:auc", "keen-fjord-8"),
        ("best:auc:min", "brave-otter-12"),
        ("best:auc:max", "keen-fjord-8"),
        ("best:loss", "calm-lake-3"),
        ("best:loss:max", "keen-fjord-8"),
        ("best:time:max", "keen-fjord-8"),
        ("best:time:max:max", "calm-lake-3"),
    ],
)
def test_found(index, text, name):
    found = index.find(text)
    assert found.name == name
    assert found.id == {"once": "d" * 32}.get(text, found.id)


def test_within_an_experiment(index):
    assert index.find("best:auc", experiment="other").name == "calm-lake-3"
    assert index.find("latest", experiment="churn").name == "keen-fjord-8"
    assert index.find("twin", experiment="other").id == "f" * 32
    with pytest.raises(NotFoundError, match="no run is named brave-otter-12"):
        index.find("brave-otter-12", experiment="other")


@pytest.mark.parametrize(
    "text,said,hint",
    [
        ("brave-oter-12", "no run is named brave-oter-12", "did you mean brave-otter-12? gitml ls"),
        ("nothing like it", "no run is named nothing like it", "gitml ls lists the runs"),
        ("", "no run is named ", "gitml ls lists the runs"),
        ("abc", "no run is named abc", "gitml ls"),
        ("abcd9", "no run is named abcd9", "gitml ls"),
        ("0" * 32, f"no run is named {'0' * 32}", "gitml ls"),
        ("latest:chrun", "no experiment is named chrun", "did you mean churn?"),
        ("latest:", "no run is named latest:", "gitml ls"),
        ("best:", "no run is named best:", "gitml ls"),
        ("best:odd", "No run has a value of odd.", "gitml ls"),
        ("\x1b[31m", "no run is named \\x1b[31m", "gitml ls"),
        ("x\ud800", "no run is named x\\ud800", "gitml ls"),
    ],
)
def test_not_found(index, text, said, hint):
    with pytest.raises(NotFoundError) as caught:
        index.find(text)
    assert caught.value.message == said
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "text,said,hint",
    [
        ("abcd", "2 runs have an id that begins with abcd.", "abcd10000000, abcd20000000"),
        ("twin", "2 runs are named twin.", "ffffffffffff"),
        ("best:aucc", "no metric is called aucc", "did you mean metrics.auc?"),
    ],
)
def test_could_be_several(index, text, said, hint):
    with pytest.raises(InputError) as caught:
        index.find(text)
    assert caught.value.message == said
    assert hint in caught.value.hint


def test_removed_twins_are_several_too(repo):
    make_runs(
        repo,
        {"name": "ghost", "run_id": "7" * 32, "deleted": True},
        {"name": "ghost", "run_id": "6" * 32, "deleted": True},
    )
    repository = open_repository(repo)
    with open_index(repository, now=START) as again:
        with pytest.raises(InputError, match="2 runs are named ghost"):
            again.find("ghost")
        with pytest.raises(NotFoundError, match="no run is named 77777777") as caught:
            again.find("77777777")
        assert caught.value.hint == "ghost was removed: gitml restore ghost"
        assert again.find("7" * 32).deleted
    repository.close()


def test_nothing_recorded_yet(empty_repo):
    repository = open_repository(empty_repo)
    with open_index(repository, now=0) as index:
        for name in ("latest", "best:auc"):
            with pytest.raises(NotFoundError, match=r"There are no runs yet\.") as caught:
                index.find(name)
            assert "gitml log" in caught.value.hint
    make_run(empty_repo, "bare")
    with open_index(repository, now=0) as index:
        with pytest.raises(InputError, match="no metric is called auc") as caught:
            index.find("best:auc")
        assert caught.value.hint == "No run has one yet."
    repository.close()


def test_a_misspelt_name_among_many_is_guessed(repo):
    make_ledger(repo, 50)
    repository = open_repository(repo)
    with open_index(repository, now=0) as index:
        oldest = index.search(order_by=["created"], limit=1)[0].name
        with pytest.raises(NotFoundError) as caught:
            index.find(oldest[0] + oldest[2:])
        assert oldest in caught.value.hint
    repository.close()
