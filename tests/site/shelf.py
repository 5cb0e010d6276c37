"""A registry to show: models with all that can happen to one, written without a training."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess

from gitml.model import Artifact, Dataset, Environment, Metric, Source
from gitml.registry.package import package_digest
from gitml.registry.values import ModelVersion, PackageFile, RunRef, Verdict
from gitml.registry.versionfile import dump_package, dump_version
from tests.registry.journal import Journal, write_journals
from tests.support import AUTHOR, MINUTE, START, make_runs, run_id_of

GRACE = "Grace Hopper <grace@example.com>"
ODD = "Fraud Détection / EU <b>"
LONG = "a-model-whose-name-goes-on-and-on-" + "and-on-" * 8 + "end"
CARD = """\
---
license: mit
tags: [tabular, churn]
---
# Churn

Who is about to leave. *Not* for credit decisions, says ada@example.com. See [limits](#limits).
<script>alert(1)</script>

| Split | AUC |
|---|---:|
| test | 0.9 |

### Limits

- [x] EU only: https://example.com/eu
- [ ] US

```python
print("who")
```
"""
DAY = 24 * 60 * MINUTE
SIGNATURE = b"-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"
GATES = (
    Verdict(gate="metrics.auc >= 0.85", answer="pass", got="0.91", expected=">= 0.85"),
    Verdict(
        gate="any",
        answer="pass",
        got="review: merged",
        expected="one of 2",
        inner=(
            Verdict(
                gate="signed_by release@example.com",
                answer="refuse",
                got="not signed",
                expected="a signature of release@example.com",
            ),
            Verdict(gate="review merged", answer="pass", got="#12, grace", expected="merged"),
        ),
    ),
)


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def data(name, **facts):
    return Dataset(name=name, digest=f"sha256:{sha(name)}", size=1_200_000, rows=5000, **facts)


def one(value, goal=None):
    return Metric(last=value, step=1, min=value, max=value, count=1, goal=goal)


def source(n):
    return Source(
        commit=sha(f"commit {n}")[:40],
        branch="main",
        tree=sha(f"tree {n}")[:40],
        remote="git@github.com:acme/churn.git",
        command=("python", "train.py"),
    )


def facts_of(slug, n):
    """Return what the run behind version ``n`` of a model had."""
    return {
        "params": {"lr": round(0.1 / n, 4), "depth": 2 + n % 5, "kind": "forest", "seed": 0},
        "metrics": {
            "auc": 0.8 + 0.12 * (1 - math.exp(-n / 3)) - (0.02 if n % 4 == 3 else 0),
            "val/loss": 0.5 / n,
            "latency_ms": 12.0 + n % 3,
        },
        "inputs": [data("features.parquet", context="training"), data(f"labels-{1 + n // 4}.csv")],
        "source": source(n),
    }


def version_files(slug, name, n, *, card=CARD, model=None):
    """Return the files of the commit that registers a version, and its digest."""
    facts = facts_of(slug, n)
    listed = [("MLmodel", "tag"), ("requirements.txt", "tag"), ("model.pkl", "lfs")]
    if card:
        listed.append(("README.md", "tag"))
    package = tuple(
        PackageFile(path=p, size=900 + 10 * n, sha256=sha(f"{slug} {p} {n}"), store=store)
        for p, store in sorted(listed)
    )
    digest = package_digest(package)
    run = f"{slug[:20]}-run-{n}"
    version = ModelVersion(
        model=model or slug,
        slug=slug,
        name=name,
        number=n,
        created=START + n * DAY,
        author=AUTHOR,
        digest=digest,
        size=sum(file.size for file in package),
        run=RunRef(id=run_id_of(run), name=run, experiment=slug[:40]),
        source=facts["source"],
        metrics={k: one(v, "max" if k == "auc" else None) for k, v in facts["metrics"].items()},
        params=facts["params"],
        inputs=tuple(facts["inputs"]),
        signature={
            "inputs": [
                {"name": "age", "type": "long", "required": True},
                {"name": "plan", "type": "string", "required": False},
            ],
            "outputs": [{"type": "double", "required": True}],
            "params": [{"name": "threshold", "type": "double", "default": 0.5}],
        },
        flavors={"python_function": {"loader_module": "mlflow.sklearn"}, "sklearn": {}},
        environment={"python": "CPython 3.11.7", "platform": "Linux x86_64", "host": "secret-host"},
        packages={"scikit-learn": "1.5.0", "numpy": "2.1.0"},
        tags={"team": "growth"},
        note=f"The {n}. try.\nMail ada@example.com about it.",
        files=package,
    )
    files = {"version.yaml": dump_version(version), "package.yaml": dump_package(version)}
    if card:
        files["package/README.md"] = card.encode()
    return files, digest


class Shelf:
    """A model in the making: a journal, and the files of its versions."""

    def __init__(self, slug, name=""):
        self.journal = Journal(slug, name=name, at=START)
        self.slug, self.files, self.n = slug, {}, 0

    def register(self, name, **facts):
        self.n += 1
        self.journal.at = START + self.n * DAY
        files, digest = version_files(self.slug, name, self.n, model=self.journal.name)
        self.files[len(self.journal.events)] = files
        run = run_id_of(f"{self.slug[:20]}-run-{self.n}")
        self.journal.register(name, run=run, digest=digest, **facts)
        return self

    def runs(self):
        """Return the facts of its runs, for `make_runs`."""
        return [
            {
                "name": f"{self.slug[:20]}-run-{n}",
                "experiment": self.slug[:40],
                "created": START + n * DAY - 30 * MINUTE,
                "environment": Environment(python="CPython 3.11.7"),
                **facts_of(self.slug, n),
            }
            for n in range(1, self.n + 1)
        ]


def churn():
    """Return the model to which everything happened."""
    shelf = Shelf("churn")
    journal = shelf.journal
    shelf.register("v1.0.0")
    journal.assign("staging", "v1.0.0", via="promote", reason="Let us see")
    journal.assign("production", "v1.0.0", via="promote", previous=None, gates=GATES[:1])
    journal.add("describe", extra={"description": "Who leaves next month.\nAsk grace@example.com."})
    shelf.register("v1.1.0")
    journal.assign("staging", "v1.1.0", previous="v1.0.0", via="promote")
    shelf.register("v1.2.0", by=GRACE)
    journal.add("reproduce", version="v1.2.0", n=1, extra={"outcome": "passed"})
    review = {"review": "https://github.com/acme/churn/pull/12", "change": sha("merge")[:40]}
    journal.assign(
        "production", "v1.2.0", previous="v1.0.0", via="apply", gates=GATES, by=GRACE,
        reason="Two points better, and <b>faster</b>", **review,
    )  # fmt: skip
    journal.add("deprecate", version="v1.0.0", reason="Trained on leaked labels")
    shelf.register("v1.3.0-rc.1").register("v1.3.0")
    journal.assign("staging", "v1.3.0", previous="v1.1.0", via="promote")
    journal.assign("production", "v1.3.0", previous="v1.2.0", via="apply", gates=GATES, **review)
    journal.assign(
        "production", "v1.2.0", previous="v1.3.0", via="rollback", reason="Complaints", by=GRACE
    )
    shelf.register("v2.0.0")
    journal.assign("canary", "v2.0.0", via="promote")
    journal.add("delete", version="v1.1.0", reason="Never used")
    return shelf


def odd_one():
    """Return a model of a name that no file may have, with a stage that came by break-glass."""
    from gitml.names import model_slug

    shelf = Shelf(model_slug(ODD), name=ODD).register("v0.1.0").register("v0.2.0")
    shelf.journal.assign("production", "v0.1.0", via="break-glass", reason="On fire")
    shelf.journal.assign("staging", "v0.2.0", via="promote")
    shelf.journal.unassign("staging", "v0.2.0", previous="v0.2.0", reason="Too slow")
    return shelf


def gone():
    """Return a model that was deleted."""
    shelf = Shelf("old-idea").register("v1.0.0")
    shelf.journal.add("delete", reason="Nobody used it")
    return shelf


def write_shelves(path, *shelves):
    """Write models, their runs, and a run that made the data of them all."""
    table = Artifact(path="features.parquet", size=1_200_000, sha256=sha("features.parquet"))
    made = {"name": "features-1", "experiment": "features", "created": START}
    made |= {"artifacts": [table], "inputs": [data("events.csv")]}
    runs = [run for shelf in shelves for run in shelf.runs()]
    make_runs(path, made, *runs)
    return write_journals(
        path, *(s.journal for s in shelves), files={s.slug: s.files for s in shelves}
    )


def git(path, *args, data=None, **env):
    """Run git and return what it says."""
    command = ["git", "-C", path, *args]
    done = subprocess.run(
        command, input=data, capture_output=True, check=True, env={**os.environ, **env}
    )
    return done.stdout.decode().strip()


def sign(path, *names):
    """Give tags something that looks like a signature."""
    for name in names:
        body = git(path, "cat-file", "tag", f"refs/tags/{name}").encode() + b"\n" + SIGNATURE
        oid = git(path, "hash-object", "-t", "tag", "-w", "--stdin", data=body)
        git(path, "update-ref", f"refs/tags/{name}", oid)


def foreign(path, *names):
    """Tag a commit as GTO does."""
    who = {"GIT_AUTHOR_NAME": "Old Hand", "GIT_AUTHOR_EMAIL": "old@example.com"}
    who |= {key.replace("AUTHOR", "COMMITTER"): value for key, value in who.items()}
    who |= dict.fromkeys(
        ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), f"{START // 1000 - 90_000} +0000"
    )
    tree = git(path, "mktree", data=b"")
    commit = git(path, "commit-tree", tree, "-m", "old", **who)
    for name in names:
        git(path, "tag", "-a", "-m", f"Registering {name}", name, commit, **who)


def whole_shelf(path):
    """Write every kind of model."""
    long = Shelf(LONG[:100].rstrip("-"))
    for n in range(1, 19):
        long.register(f"v1.{n}.0")
    long.journal.assign("production", "v1.12.0", via="promote", reason="words " * 60)
    shelves = churn(), odd_one(), gone(), long
    write_shelves(path, *shelves)
    sign(path, "churn#production#4", "churn@v1.2.0")
    foreign(path, "legacy/Net@v0.1.0", "legacy/Net@v0.2.0+b.7", "legacy/Net#prod#1")
    return shelves
