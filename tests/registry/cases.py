"""Cases for the tests of gates, without a repository unless one is given."""

from __future__ import annotations

from gitml.model import Dataset, Metric, Source
from gitml.registry.gates import Case
from gitml.registry.values import Assignment, Event, Model, ModelVersion, RunRef, Version
from tests.support import AUTHOR, START, run_id_of

HOUR = 3_600_000
DIGEST = "sha256:" + "5" * 64
SIGNATURE = {"inputs": [{"name": "age", "type": "long"}], "outputs": [{"type": "double"}]}


def metric(value, low=None, high=None):
    """Return the summary of a metric that ended at ``value``."""
    return Metric(
        last=value,
        step=10,
        min=value if low is None else low,
        max=value if high is None else high,
        count=10,
    )


def frozen(name="v1.2.0", **facts):
    """Return a version as it was frozen; ``metrics`` are last values by name."""
    values = facts.pop("metrics", {"auc": 0.93})
    known = {
        "run": RunRef(id=run_id_of("keen-fjord-8"), name="keen-fjord-8", experiment="churn"),
        "source": Source(),
        "signature": SIGNATURE,
        "inputs": (Dataset(name="train.csv", digest=DIGEST),),
        "digest": DIGEST,
        "size": 12,
    }
    return ModelVersion(
        model="churn",
        slug="churn",
        name=name,
        number=2,
        created=START,
        author=AUTHOR,
        metrics={key: metric(value) for key, value in values.items()},
        **{**known, **facts},
    )


def event(kind, **facts):
    """Return an event of the journal."""
    return Event(**{"kind": kind, "at": START, "by": AUTHOR, **facts})


def assigned(version, stage, at=START):
    """Return what is in a stage."""
    told = event("assign", version=version, stage=stage, at=at, n=1)
    return Assignment(stage=stage, version=version, n=1, at=at, by=AUTHOR, event=told)


def model(*events, **held):
    """Return a model with these events and, by stage, these assignments."""
    name = held.pop("name", "churn")
    return Model(
        slug=held.pop("slug", "churn"),
        name=name,
        aliases=held.pop("aliases", ()),
        versions=tuple(known(v) for v in ("v1.1.0", "v1.2.0")),
        stages=held,
        events=(*(a.event for a in held.values()), *events),
    )


def known(name="v1.2.0", **facts):
    """Return a version as the journal knows it."""
    return Version(
        **{
            "model": "churn",
            "name": name,
            "number": 1,
            "commit": "c" * 40,
            "at": START,
            "by": AUTHOR,
        }
        | facts
    )


def case(**facts):
    """Return a case: v1.2.0 of churn is to enter production, which holds nothing."""
    plain = {
        "repository": None,
        "model": model(),
        "version": known(),
        "candidate": frozen(),
        "stage": "production",
        "now": START + 30 * HOUR,
        "setting": "direct",
    }
    return Case(**{**plain, **facts})
