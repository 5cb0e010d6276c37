"""Every data file has the form that is published beside it, and says which version that is."""

from __future__ import annotations

import json
import math

import pytest

from gitml.model import Artifact, Dataset, Environment, Source
from gitml.site.forms import schemas
from tests.site.shelf import whole_shelf
from tests.support import make_runs, run_id_of

ONE_OF_MANY = {"runs": "run", "models": "model", "code": "code", "packages": "packages"}
"""What a file in a folder of ``data/`` is: the schema by the folder."""


@pytest.fixture
def site(repo, git, make_site):
    """Return a site with runs of all kinds, and with models."""
    whole_shelf(repo)
    (repo / "train.py").write_text("lr = 1\n")
    git(repo, "add", ".")
    tree = git(repo, "write-tree").strip()
    commit = git(repo, "rev-parse", "HEAD").strip()
    make_runs(
        repo,
        {
            "name": "full-1",
            "params": {"a": [1, {"b": None}], "inf": math.inf, "text": "x", "__proto__": True},
            "metrics": {"auc": [0.5, math.nan, 0.7], "inf": math.inf, "one": 1},
            "goals": {"auc": "max"},
            "tags": {"team": "growth"},
            "note": "a note",
            "requirements": "numpy==1.26\nsomething odd\n",
            "source": Source(
                commit=commit,
                tree=tree,
                dirty=True,
                branch="main",
                remote="git@github.com:acme/churn.git",
                command=("python", "train.py"),
                script="train.py",
                changed=("train.py",),
                left_out=("big.bin: 1 bytes",),
            ),
            "environment": Environment(python="3", platform="x", host="y", variables={"A": "1"}),
            "inputs": [Dataset(name="t.csv", digest="sha256:" + "5" * 64, columns=("a",), rows=1)],
            "artifacts": [Artifact(path="m.bin", store="uri", uri="s3://b/m.bin")],
        },
        {"name": "child-1", "status": "running", "parent": run_id_of("full-1")},
        {"name": "lost-1", "source": Source(commit="1" * 40, tree="2" * 40, dirty=True)},
    )
    return make_site(repo)


def strict(schema):
    """Return a schema to which a key that it does not tell of is a mistake."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and "required" in made:
        made.setdefault("additionalProperties", False)
    return made


def test_every_file_has_its_form(site):
    jsonschema = pytest.importorskip("jsonschema")
    known = {name: json.loads(file.read_text("utf-8")) for name, file in schemas().items()}
    checkers = {
        name: jsonschema.Draft202012Validator(strict(schema)) for name, schema in known.items()
    }
    seen = set()
    for path in sorted((site.path / "data").rglob("*.js*")):
        address = path.relative_to(site.path / "data")
        if address.parts[0] == "schemas":
            assert path.read_text("utf-8") == schemas()[path.stem].read_text("utf-8")
            continue
        name = ONE_OF_MANY[address.parts[0]] if len(address.parts) > 1 else path.stem
        found = site.data(f"data/{address.as_posix()}")
        wrong = [f"{e.json_path}: {e.message[:200]}" for e in checkers[name].iter_errors(found)]
        assert wrong == [], address
        assert found["schema"] == 1
        seen.add(name)
    assert seen == set(known)


def test_every_schema_is_one_and_tells_what_it_means():
    jsonschema = pytest.importorskip("jsonschema")

    def silent(schema, at):
        if isinstance(schema, dict):
            for name, each in schema.get("properties", {}).items():
                if "description" not in each and "$ref" not in each:
                    yield f"{at}.{name}"
            for name, each in schema.items():
                yield from silent(each, f"{at}/{name}")

    for name, file in schemas().items():
        schema = json.loads(file.read_text("utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"urn:gitml:site:{name}:1"
        assert list(silent(schema, name)) == []
