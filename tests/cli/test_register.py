"""gitml register: versions of runs and files, as people type it."""

from __future__ import annotations

import json
import os
import shutil
import sys

import pytest

from gitml.codec import load_user_yaml
from gitml.store.artifacts import kept_path, lfs_path
from gitml.store.git import open_repository
from tests.support import make_run

INPUTS = '[{"type": "long", "name": "age"}, {"type": "double", "name": "spend"}]'
MLMODEL = """\
flavors:
  python_function:
    loader_module: mlflow.sklearn
    model_path: model.pkl
signature:
  inputs: '{}'
  outputs: '[{{"type": "double"}}]'
"""
BIG = (3 << 20) + 17


@pytest.fixture
def gitml(invoke, repo):
    """Return ``gitml(*args, code=0)``, run in the repository: its whole answer."""

    def run(*args, code=0, cwd=repo):
        answer = invoke(*args, cwd=cwd)
        assert answer.code == code, answer
        return answer

    return run


@pytest.fixture
def shared(repo, bare_repo, git):
    """Return the bare remote of the repository."""
    git(repo, "remote", "add", "origin", bare_repo)
    git(repo, "push", "--quiet", "origin", "main")
    return bare_repo


def write_model(folder, *, weights=b"\x80weights", inputs=INPUTS):
    folder.mkdir(exist_ok=True)
    (folder / "MLmodel").write_text(MLMODEL.format(inputs))
    (folder / "model.pkl").write_bytes(weights)
    return folder


@pytest.fixture
def trained(gitml, tmp_path):
    """Return ``trained(name, **model) -> None``: log a run with a model in ``model/``."""

    def log(name, **model):
        folder = write_model(tmp_path / "model", **model)
        gitml("log", "--name", name, "-m", "auc=0.9", "-p", "lr=0.1", "--artifact", folder)

    return log


def registered(answer):
    found = json.loads(answer.out)
    return found["version"] | {"changed": found["changed"], "reason": found["reason"]}


def refs(git, path):
    return git(path, "for-each-ref", "--format=%(objectname) %(refname)")


def test_versions_of_runs(gitml, trained, git, repo):
    trained("first")
    answer = gitml("register", "churn", "--run", "first", "--tag", "team=growth", "--note", "One.")
    assert "Registered churn@v1.0.0, number 1." in answer.out
    assert "model/ of first: 2 files" in answer.out
    trained("second", weights=b"\x80better")
    second = registered(gitml("register", "churn", "--run", "second", "--json"))
    assert (second["version"], second["number"]) == ("v1.1.0", 2)
    assert second["reason"] == "minor after v1.0.0: the signature is compatible"
    assert second["metrics"]["auc"]["last"] == 0.9
    assert second["params"] == {"lr": 0.1}
    assert second["run"]["name"] == "second"
    assert second["source"]["commit"] == git(repo, "rev-parse", "HEAD").strip()
    assert second["signature"]["inputs"] == json.loads(INPUTS)
    trained("third", inputs='[{"type": "string", "name": "age"}]')
    third = registered(gitml("register", "churn", "--run", "third", "--json"))
    assert third["version"] == "v2.0.0"
    assert "input age was long and is string, and 1 more" in third["reason"]
    bumped = gitml("register", "churn", "--run", "third", "--bump", "patch", "--json")
    assert registered(bumped)["version"] == "v2.0.1"
    named = gitml("register", "churn", "--run", "first", "--version", "3.0.0-rc.1", "--json")
    assert registered(named)["version"] == "v3.0.0-rc.1"
    files = git(repo, "ls-tree", "-r", "--name-only", "churn@v1.0.0").split()
    assert files == ["model.yaml", "package.yaml", "package/MLmodel", "version.yaml"]
    first = load_user_yaml(git(repo, "show", "churn@v1.0.0:version.yaml"), "version.yaml")
    assert (first["tags"], first["note"]) == ({"team": "growth"}, "One.")
    changed = git(repo, "diff", "--stat", "churn@v1.1.0", "churn@v2.0.0")
    assert "package/MLmodel" in changed


def test_the_same_once_more_changes_nothing(gitml, trained, git, repo):
    trained("first")
    gitml("register", "churn", "--run", "first")
    before = refs(git, repo)
    again = gitml("register", "churn", "--run", "first")
    assert again.err.startswith("churn@v1.0.0 is this run with these files already")
    assert not registered(gitml("register", "churn", "--run", "first", "--json"))["changed"]
    assert refs(git, repo) == before
    gitml("register", "churn", "--run", "first", "--bump", "minor")
    assert registered(gitml("register", "other", "--run", "first", "--json"))["number"] == 1


def test_a_path_that_the_run_recorded_is_the_runs(gitml, trained, repo):
    trained("first")
    write_model(repo / "model", weights=b"\x80a later training")
    (repo / "extra.txt").write_text("x")
    answer = gitml("register", "churn", "--run", "first", "--path", "model/model.pkl", "--json")
    assert "taken from the run; the work tree holds something else" in answer.err
    package = registered(answer)
    assert package["size"] - len(b"\x80weights") == len("flavors: {}\n")
    disk = gitml("register", "churn", "--run", "first", "--path", "./model", "--json")
    assert registered(disk)["size"] > 100
    several = ("--path", "model", "--path", "extra.txt")
    refused = gitml("register", "churn", "--run", "first", *several, code=3)
    assert "first has no artifact extra.txt, and has others" in refused.err
    alone = gitml("register", "churn", "--run", "first", "--path", "extra.txt", "--json")
    assert alone.err == ""


def test_all_artifacts_get_a_minimal_mlmodel(gitml, git, repo, tmp_path):
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "roc.txt").write_text("a curve\n")
    (tmp_path / "weights.bin").write_bytes(b"\0\1\2")
    files = ("--artifact", tmp_path / "plots", "--artifact", tmp_path / "weights.bin")
    gitml("log", "--name", "plain", "-m", "auc=1", *files)
    answer = gitml("register", "net", "--run", "plain")
    assert "all artifacts of plain: 3 files" in answer.out
    assert "none that MLflow loads" in answer.out
    assert git(repo, "show", "net@v1.0.0:package/MLmodel") == "flavors: {}\n"
    assert git(repo, "show", "net@v1.0.0:package/plots/roc.txt") == "a curve\n"
    answer = gitml("register", "net", "--run", "plain", "--path", "plots", "--json")
    assert {f["path"] for f in package(git, repo, "net@v1.1.0")} == {"roc.txt", "MLmodel"}


def package(git, repo, tag):
    return load_user_yaml(git(repo, "show", f"{tag}:package.yaml"), "package.yaml")["files"]


def test_names_that_are_no_slugs(gitml, trained, git, repo):
    trained("first")
    gitml("register", "Customer churn / EU", "--run", "first")
    (tag,) = git(repo, "tag").split()
    assert tag.startswith("customer-churn-eu--")
    again = gitml("register", "Customer churn / EU", "--run", "first", "--bump", "major", "--json")
    assert registered(again)["number"] == 2


@pytest.mark.parametrize(
    "args, code, said",
    [
        (["--run", "first"], 2, "Name the model."),
        (["churn"], 2, "Name the run that made the model."),
        (["churn", "--run", "fist"], 3, "did you mean first?"),
        (["churn", "--run", "first", "--bump", "minor", "--version", "v2.0.0"], 2, "together"),
        (["churn", "--run", "first", "--tag", "team"], 2, "does not say what the tag is"),
        (["churn", "--run", "first", "--version", "v2.0.0+build"], 5, "build metadata"),
        (["churn", "--run", "first", "--version", "two"], 5, "is not a version"),
        (["churn", "--run", "first", "--version", "v1.0.0"], 4, "churn v1.0.0 exists: Ada"),
        (["churn", "--run", "first", "--note", "-----BEGIN PGP SIGNATURE-----"], 5, "note"),
        (["churn\n", "--run", "first"], 5, "control"),
        (["churn@2.1.0", "--run", "first"], 5, "churn --version v2.1.0"),
        (["churn#production", "--run", "first"], 5, "@ and # mark versions and stages"),
        (["churn", "--run", "first", "--path", ""], 5, "An empty path names no file."),
        (["churn", "--run", "running"], 4, "running is running, and a version keeps its metrics"),
        (["churn", "--run", "removed"], 4, "gitml restore"),
        (["churn", "--run", "empty"], 5, "empty has no files to register"),
        (["churn", "--run", "two"], 5, "two has several models: model/a, model/b"),
        (["churn", "--run", "first", "--path", "nowhere"], 3, "no file or folder"),
        (["churn", "--run", "first", "--path", "links"], 5, "is a link"),
        (["churn", "--run", "first", "--path", "pipes"], 5, "neither a file nor a folder"),
        (["churn", "--run", "first", "--path", "nothing"], 5, "without a file"),
        (["churn", "--run", "first", "--path", "twins"], 5, "one file on some systems"),
        (["churn", "--run", "first", "--path", "bytes"], 5, "not UTF-8"),
        (["churn", "--run", "first", "--path", "broken"], 5, "MLmodel is not YAML"),
        (["--attach", "churn@v1.0.0", "--path", "good.txt"], 4, "has its package already"),
        (["--attach", "churn@v9.0.0", "--path", "good.txt"], 3, "has no version v9.0.0"),
        (["--attach", "churn@latest", "--path", "good.txt"], 2, "does not name a version"),
        (["--attach", "churn@v1.0.0"], 5, "No files are named"),
        (["churn", "--attach", "churn@v1.0.0"], 2, "--attach names the model"),
    ],
)
def test_what_is_refused_changes_nothing(gitml, trained, git, repo, tmp_path, args, code, said):
    if sys.platform == "darwin" and args[-1] in {"twins", "bytes"}:
        pytest.skip("its file system has no such names")
    if not hasattr(os, "mkfifo") and args[-1] == "pipes":
        pytest.skip("no pipes in the file system")
    trained("first")
    gitml("register", "churn", "--run", "first")
    make_run(repo, "running", status="running")
    make_run(repo, "removed", deleted=True)
    make_run(repo, "empty")
    for name in "ab":
        write_model(tmp_path / name)
    two = [f"{tmp_path / name}:model/{name}" for name in "ab"]
    gitml("log", "--name", "two", "-m", "a=1", "--artifact", two[0], "--artifact", two[1])
    bad_folders(repo)
    before = refs(git, repo)
    answer = gitml("register", *args, code=code)
    assert said in answer.err, answer.err
    assert refs(git, repo) == before
    assert not [*(repo / ".git" / "gitml").glob("incoming/*")]


def bad_folders(repo):
    for name in ("links", "pipes", "nothing", "twins", "bytes", "broken"):
        (repo / name).mkdir()
    (repo / "good.txt").write_text("x")
    (repo / "links" / "a").symlink_to(repo / "good.txt")
    if hasattr(os, "mkfifo"):
        os.mkfifo(repo / "pipes" / "a")
    (repo / "twins" / "caf\u00e9.txt").write_text("1")
    (repo / "twins" / "cafe\u0301.txt").write_text("2")
    if sys.platform != "darwin":
        (repo / "bytes" / os.fsdecode(b"caf\xe9")).write_text("1")
    (repo / "broken" / "MLmodel").write_text("flavors: {\n")


def test_what_is_published_reaches_others(gitml, trained, git, repo, shared, invoke, tmp_path):
    (repo / "train.py").write_text("print('uncommitted')\n")
    trained("first")
    gitml("pack")
    answer = gitml("register", "churn", "--run", "first")
    assert "Registered churn@v1.0.0, number 1." in answer.out
    run = json.loads(gitml("show", "first", "--json").out)["run"]
    there = git(shared, "for-each-ref", "--format=%(refname)").split()
    assert f"refs/gitml/runs/{run['id']}" in there
    assert f"refs/gitml/source/t-{run['source']['tree']}" in there
    assert {"refs/gitml/models/churn", "refs/tags/churn@v1.0.0"} <= {*there}
    assert len([ref for ref in there if ref.startswith("refs/gitml/packages/churn/")]) == 1
    tree = git(shared, "rev-parse", f"refs/gitml/runs/{run['id']}^{{tree}}").strip()
    version = load_user_yaml(git(shared, "show", "churn@v1.0.0:version.yaml"), "version.yaml")
    assert version["run"]["tree"] == tree
    git(tmp_path, "clone", "--quiet", f"file://{shared}", "other")
    found = invoke("register", "churn", "--run", "first", "--bump", "major", cwd=tmp_path / "other")
    assert found.code == 3  # the run is on the remote, and was not pulled


def test_what_is_kept_back_is_published_later(gitml, trained, git, repo, shared, invoke, tmp_path):
    trained("first")
    before = refs(git, shared)
    answer = gitml("register", "churn", "--run", "first", "--no-push")
    assert "Registered churn@v1.0.0 here, number 1 for now: it was not pushed." in answer.out
    assert "gitml model publish churn" in answer.out
    trained("second", weights=b"\x80better")
    waiting = gitml("register", "churn", "--run", "second", "--no-push", "--json")
    assert registered(waiting)["version"] == "v1.1.0"
    assert refs(git, shared) == before
    assert git(repo, "tag") == ""
    away = tmp_path / "away.git"
    shared.rename(away)
    trained("third", weights=b"\x80best")
    third = gitml("register", "churn", "--run", "third")
    assert "Registered churn@v1.2.0 here, number 3 for now: origin is not there" in third.out
    away.rename(shared)
    git(tmp_path, "clone", "--quiet", f"file://{shared}", "other")
    other = tmp_path / "other"
    git(other, "config", "user.name", "Bob")
    write_model(other / "m", weights=b"\x80other")
    invoke("log", "--name", "b", "-m", "auc=1", "--artifact", "m", cwd=other)
    assert invoke("register", "churn", "--run", "b", cwd=other).code == 0
    trained("fourth", weights=b"\x80fourth")
    done = json.loads(gitml("register", "churn", "--run", "fourth", "--json").out)
    earlier = [(one["version"]["version"], one["version"]["number"]) for one in done["earlier"]]
    assert earlier == [("v1.1.0", 2), ("v1.2.0", 3), ("v1.3.0", 4)]
    assert (done["version"]["version"], done["version"]["number"]) == ("v1.4.0", 5)
    assert git(repo, "for-each-ref", "refs/gitml/unpublished") == ""
    listed = git(shared, "tag").split()
    assert listed == [
        "churn@v1.0.0",
        "churn@v1.1.0",
        "churn@v1.2.0",
        "churn@v1.3.0",
        "churn@v1.4.0",
    ]


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")
def test_large_files_travel_by_git_lfs(gitml, git, repo, shared, invoke, tmp_path):
    (repo / "weights.bin").write_bytes(b"\1\2\3" * (BIG // 3) + b"!!")
    gitml("log", "--name", "big", "-m", "auc=1")
    gitml("register", "net", "--run", "big", "--path", "weights.bin")
    (file,) = [f for f in package(git, repo, "net@v1.0.0") if f["path"] == "weights.bin"]
    assert (file["store"], file["size"]) == ("lfs", BIG)
    store = open_repository(repo)
    assert lfs_path(store, file["sha256"]).stat().st_size == BIG
    assert kept_path(store, file["sha256"]).stat().st_size == BIG
    store.close()
    assert not (repo / ".git" / "gitml" / "incoming").exists()
    git(tmp_path, "clone", "--quiet", f"file://{shared}", "other")
    pulled = invoke("model", "pull", "net@latest", "-o", "net", cwd=tmp_path / "other")
    assert pulled.code == 0, pulled.err
    weights = tmp_path / "other" / "net" / "weights.bin"
    assert weights.read_bytes() == (repo / "weights.bin").read_bytes()


def test_without_git_lfs_large_files_stay_here(gitml, git, repo, shared, monkeypatch, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "git").symlink_to(shutil.which("git"))
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("GIT_EXEC_PATH", os.fsdecode(_without_lfs(git, repo, tmp_path)))
    (repo / "weights.bin").write_bytes(b"\0" * BIG)
    gitml("log", "--name", "big", "-m", "auc=1")
    before = refs(git, shared)
    answer = gitml("register", "net", "--run", "big", "--path", "weights.bin", code=9)
    assert "git-lfs, and it is not installed here" in answer.err
    assert refs(git, shared) == before
    gitml("register", "net", "--run", "big", "--path", "weights.bin", "--no-push")


def _without_lfs(git, repo, tmp_path):
    """Return a folder with git's own programs, where git-lfs may stand among them."""
    place = tmp_path / "exec"
    place.mkdir()
    for program in os.scandir(git(repo, "--exec-path").strip()):
        if "lfs" not in program.name:
            (place / program.name).symlink_to(program.path)
    return place


def test_a_version_of_gtos_gets_its_package(gitml, trained, git, repo):
    git(repo, "tag", "-a", "-m", "by gto", "churn@v0.1.0")
    trained("first")
    refused = gitml("register", "churn", "--run", "first", code=4)
    assert "gitml import gto takes it over" in refused.err
    gitml("import", "gto")
    write_model(repo / "old")
    answer = gitml("register", "--attach", "churn@v0.1.0", "--path", "./old", "--json")
    assert registered(answer)["version"] == "v0.1.0"
    assert git(repo, "tag").split() == ["churn@v0.1.0"]
    assert gitml("model", "pull", "churn@v0.1.0", "-o", "pulled").code == 0
    assert (repo / "pulled" / "model.pkl").read_bytes() == b"\x80weights"
    again = gitml("register", "--attach", "churn@v0.1.0", "--path", "./old", code=4)
    assert "has its package already" in again.err
    assert registered(gitml("register", "churn", "--run", "first", "--json"))["version"] == "v0.2.0"
