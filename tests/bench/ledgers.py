"""Ledgers of many runs, written by one raw fast-import."""

from __future__ import annotations

import hashlib
import random
import subprocess

from gitml import names
from gitml.codec import dump, dump_edits, dump_json
from gitml.model import Dataset, Edit, Environment, Metric, Run, Source, iso
from gitml.records import EDITS, REQUIREMENTS, run_files

START = 1_767_323_045_000  # 2026-01-02T03:04:05Z
TEMPLATES = 10_000
WHO = "Ada Author <ada@example.com>"
REQUIRED = "".join(f"package-{n}=={n}.0.1\n" for n in range(60)).encode()


def make_run(number, experiment="sweep", rng=None):
    """Return a run as a sweep leaves it: ten params, five metrics, a source and an input."""
    rng = rng or random.Random(number)
    created = START + number * 60_000
    auc = round(0.5 + rng.random() / 2, 6)
    loss = round(rng.random() * 2, 6)
    finals = {"auc": auc, "loss": loss, "val/auc": auc - 0.01, "val/loss": loss + 0.1, "time": 60.0}
    return Run(
        id=hashlib.sha256(f"{experiment} {number}".encode()).hexdigest()[:32],
        name=names.run_name(rng),
        experiment=experiment,
        status=rng.choices(["finished", "failed", "killed"], [90, 7, 3])[0],
        created=created,
        ended=created + rng.randrange(1_000, 5_000_000),
        updated=created + 5_000_000,
        author=WHO,
        source=Source(
            commit=hashlib.sha1(str(number // 100).encode()).hexdigest(),  # noqa: S324
            branch="main",
            tree=hashlib.sha1(str(number).encode()).hexdigest(),  # noqa: S324
            dirty=bool(number % 2),
            remote="https://example.com/team/churn.git",
            command=("python", "train.py", "--lr", "0.1"),
            script="train.py",
            changed=("train.py", "params.yaml") if number % 2 else (),
        ),
        environment=Environment(
            python="CPython 3.11.7",
            platform="Linux-6.1.0-x86_64",
            host=f"node-{number % 8}",
            cpu="AMD EPYC 9354P, 16 logical processors",
            variables={"CUDA_VISIBLE_DEVICES": "0"},
        ),
        inputs=(
            Dataset(
                name="train.csv",
                digest="sha256:" + hashlib.sha256(str(number % 5).encode()).hexdigest(),
                context="training",
                uri="data/train.csv",
                size=123_456,
                rows=5_000,
                columns=("age", "plan", "visits", "churned"),
            ),
        ),
        params={
            "batch_size": rng.choice([16, 32, 64]),
            "depth": rng.randrange(2, 12),
            "dropout": round(rng.random(), 3),
            "kind": rng.choice(["forest", "boosting", "linear"]),
            "layers": [64, 32],
            "lr": rng.choice([1e-5, 3e-4, 1e-3, 1e-2]),
            "model.width": rng.choice([128, 256]),
            "optimizer": rng.choice(["adam", "sgd"]),
            "seed": rng.randrange(2**31),
            "warmup": rng.random() < 0.5,
        },
        metrics={
            name: Metric(last=last, step=100, min=last / 2, max=last * 1.2, count=100)
            for name, last in finals.items()
        },
        tags={"team": rng.choice(["growth", "risk"])},
        note="a baseline" if number % 50 == 0 else None,
    )


def edits_of(run):
    """Return the edits that tell a run, one for each of its facts."""
    facts = {"name": run.name, "experiment": run.experiment, "status": run.status}
    facts |= {f"params.{k}": v for k, v in run.params.items()}
    facts |= {f"tags.{k}": v for k, v in run.tags.items()}
    return {
        Edit(at=run.created, id=f"{n:016x}", by=WHO, key=key, json=dump_json(value))
        for n, (key, value) in enumerate(facts.items())
    }


def segment(run, points):
    """Return a segment with ``points`` points of each metric of a run."""
    rows = [
        f"{name},{step},{run.created + step},{metric.last!r}\n"
        for name, metric in run.metrics.items()
        for step in range(1, points + 1)
    ]
    return ("metric,step,time,value\n" + "".join(rows)).encode()


def tree_files(run, points=0):
    """Return the files of a run's tree by path."""
    files = {**run_files(run), EDITS: dump_edits(edits_of(run)), REQUIREMENTS: REQUIRED}
    if points:
        files["metrics/0000.csv"] = segment(run, points)
    return files


def write_commits(path, commits):
    """Write ``(ref, {path: bytes})`` commits without a parent, all by one fast-import."""
    with subprocess.Popen(
        ["git", "-C", str(path), "fast-import", "--quiet", "--done", "--force"],
        stdin=subprocess.PIPE,
    ) as process:
        out = process.stdin
        for ref, files in commits:
            out.write(b"commit %s\ncommitter %s 1767323045 +0000\n" % (ref.encode(), WHO.encode()))
            out.write(b"data 0\ndeleteall\n")
            for name, data in files:
                out.write(b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(data), data))
            out.write(b"\n")
        out.write(b"done\n")
    assert process.returncode == 0


def ledger_files(runs, experiment="sweep", points=0):
    """Yield the files of a ledger that holds ``runs``."""
    slug = names.slugify(experiment)
    yield "experiment.yaml", dump({"schema": 1, "name": experiment, "slug": slug})
    for run in runs:
        for name, data in tree_files(run, points).items():
            yield f"runs/{run.id[:2]}/{run.id}/{name}", data


def make_ledger(path, runs, experiment="sweep", points=0):
    """Put a ledger of ``runs`` runs into the repository at ``path``; return their ids.

    Past `TEMPLATES` runs their files are those of an earlier run with id, name
    and times of their own: writing YAML is most of the time that it takes.
    """
    slug = names.slugify(experiment)
    made = []

    def files():
        yield "experiment.yaml", dump({"schema": 1, "name": experiment, "slug": slug})
        templates = []
        for number in range(runs):
            if number < TEMPLATES:
                run = make_run(number, experiment)
                run_id, found = run.id, tree_files(run, points)
                templates.append((run, found))
            else:
                run, found = templates[number % TEMPLATES]
                run_id = hashlib.sha256(f"{experiment} {number}".encode()).hexdigest()[:32]
                renamed = run.name.rpartition("-")[0] + f"-{number}"
                created = iso(START + number * 60_000)
                changes = ((run.id, run_id), (run.name, renamed), (iso(run.created), created))
                for old, new in changes:
                    found = {k: v.replace(old.encode(), new.encode()) for k, v in found.items()}
            made.append(run_id)
            for name, data in found.items():
                yield f"runs/{run_id[:2]}/{run_id}/{name}", data

    write_commits(path, [(names.experiment_ref(slug), files())])
    return made


def make_hot(path, runs, experiment="hot"):
    """Put ``runs`` hot runs into the repository at ``path``; return their ids."""
    made = [make_run(number, experiment) for number in range(runs)]
    write_commits(path, ((names.run_ref(run.id), tree_files(run).items()) for run in made))
    return [run.id for run in made]
