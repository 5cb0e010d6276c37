from __future__ import annotations

from dataclasses import fields

import pytest

from gitml.codec import load_stored
from gitml.errors import DamagedError, NewerSchemaError
from gitml.model import Dataset, Metric, Source
from gitml.registry.state import read_registry
from gitml.registry.values import Model, ModelVersion, PackageFile, RunRef
from gitml.registry.versionfile import dump_model, dump_package, dump_version, load_version
from gitml.store.git import open_repository
from tests.registry.journal import Journal
from tests.support import AUTHOR, START

FULL = ModelVersion(
    model="Customer churn",
    slug="churn",
    name="v1.0.0",
    number=1,
    created=START,
    author=AUTHOR,
    digest="sha256:" + "a" * 64,
    size=3,
    run=RunRef(id="b" * 32, name="brave-otter-12", experiment="churn", commit="c" * 40),
    source=Source(commit="d" * 40, tree="e" * 40, dirty=True, command=("python", "train.py")),
    metrics={"auc": Metric(last=0.9, step=1, min=0.1, max=float("nan"), count=2, goal="max")},
    params={"lr": 1e-5, "on": True, "schema": [1, None]},
    inputs=(Dataset(name="train.csv", digest="sha256:" + "f" * 64, rows=10, columns=("a",)),),
    signature={"inputs": [{"name": "a", "type": "double"}], "outputs": None, "params": None},
    flavors={"python_function": {"loader_module": "x"}},
    environment={"python": "CPython 3.11.7", "variables": {"A": "1"}},
    packages={"numpy": "2.0", "no": "1"},
    tags={"team": "growth"},
    note="two\nlines",
    files=(
        PackageFile(path="MLmodel", size=1, sha256="1" * 64, store="tag"),
        PackageFile(path="model.bin", size=2, sha256="2" * 64, store="lfs"),
    ),
    extra={"newer": {"a": [1]}},
)


@pytest.fixture
def load(repo):
    """Return a function that gives what is loaded of a version with these files."""
    store = open_repository(repo)

    def run(files):
        Journal("churn").register("v1.0.0").write(repo, files={0: files})
        return load_version(store, read_registry(store).find("churn").versions[0])

    yield run
    store.close()


def test_a_version_is_read_as_it_was_written(load):
    assert {f.name for f in fields(FULL) if getattr(FULL, f.name) in (None, "", {}, ())} == set()
    read = load({"version.yaml": dump_version(FULL), "package.yaml": dump_package(FULL)})
    assert dump_version(read) == dump_version(FULL)
    assert (read.files, read.extra, read.run) == (FULL.files, FULL.extra, FULL.run)
    assert dump_package(read) == dump_package(FULL)


def test_what_is_absent_is_left_out(load):
    bare = ModelVersion(
        model="churn",
        slug="churn",
        name="v1.0.0",
        number=1,
        created=START,
        author=AUTHOR,
        digest="sha256:" + "a" * 64,
        size=0,
    )
    assert [*load_stored(dump_version(bare), "x")] == (
        "schema name slug version number created author size digest".split()
    )
    assert load({"version.yaml": dump_version(bare), "package.yaml": dump_package(bare)}) == bare


def test_model_yaml():
    model = Model(slug="churn", name="Customer churn", description="Who\nleaves", tags={"b": "1"})
    assert load_stored(dump_model(model), "x") == {
        "schema": 1,
        "name": "Customer churn",
        "slug": "churn",
        "description": "Who\nleaves",
        "tags": {"b": "1"},
    }
    assert dump_model(Model(slug="x", name="x")) == b"schema: 1\nname: x\nslug: x\n"


FILE = "schema: 1\nfiles:\n- {path: %s, size: %s, sha256: %s, store: %s}\n"
GOOD = dump_version(FULL).decode()


@pytest.mark.parametrize(
    "version,package,said",
    [
        (None, "schema: 1", "version.yaml of churn@v1.0.0 is missing"),
        (GOOD, None, "package.yaml of churn@v1.0.0 is missing"),
        ("- 1", "schema: 1", "not a mapping"),
        (GOOD.replace("number: 1", "number: one"), "schema: 1", "number is not a whole number"),
        (GOOD.replace("number: 1\n", ""), "schema: 1", "number is missing"),
        (GOOD.replace("id: b", "id: x", 1), "schema: 1", "run.id is not a run id"),
        (GOOD.replace("inputs:\n", "inputs: 1\nother:\n", 1), "schema: 1", "is not a list"),
        (GOOD.replace(" v1.0.0", " [1]", 1), "schema: 1", "version is"),
        (GOOD, FILE % ("../x", 1, "a" * 64, "git"), "leaves"),
        (GOOD, FILE % ("a//b", 1, "a" * 64, "git"), "not in its stored form"),
        (GOOD, FILE % ("a", -1, "a" * 64, "git"), "not a whole number"),
        (GOOD, FILE % ("a", 1, "x", "git"), "the sha256 of a is none"),
        (GOOD, FILE % ("a", 1, "a" * 64, "s3"), "the store of a is unknown"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(load, version, package, said):
    files = {"version.yaml": version, "package.yaml": package}
    with pytest.raises(DamagedError) as caught:
        load({name: text.encode() for name, text in files.items() if text is not None})
    assert said in caught.value.message
    assert caught.value.message.endswith(".")


def test_a_newer_schema_says_so(load):
    newer = GOOD.replace("schema: 1", "schema: 2", 1).encode()
    with pytest.raises(NewerSchemaError):
        load({"version.yaml": newer, "package.yaml": b"schema: 1"})
