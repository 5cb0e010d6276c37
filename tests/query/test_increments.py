"""However it got there, the index says what one made from nothing says."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace

import pytest

from gitml import names
from gitml.errors import GitmlError
from gitml.query import index as index_module
from gitml.query.index import open_index
from gitml.records import RUN_YAML, run_files
from gitml.store import live
from gitml.store.git import open_repository
from gitml.store.ledger import seal
from gitml.store.purge import purge
from tests.bench.ledgers import write_commits
from tests.support import AUTHOR, START, make_runs

NAMES = [f"run-{n}" for n in range(8)]
EXPERIMENTS = ["churn", "Churn!", "other"]


class World:
    """A repository to which things happen."""

    def __init__(self, repository, path, git, rng):
        self.repository, self.path, self.git, self.rng = repository, path, git, rng
        self.seen = []

    def hot(self):
        return self.repository.refs(names.RUNS)

    def log(self):
        name = self.rng.choice(NAMES)
        facts = {"tags": {self.rng.choice("ab"): str(self.rng.random())}}
        facts["metrics"] = {self.rng.choice(["auc", "loss", "val/loss"]): self.rng.random()}
        facts["goals"] = (
            {"auc": self.rng.choice(["min", "max"])} if self.rng.random() < 0.3 else None
        )
        experiment = EXPERIMENTS[NAMES.index(name) % 3]
        (run,) = make_runs(
            self.path,
            {
                "name": name,
                "experiment": experiment,
                "created": START,
                "status": "finished",
                **facts,
            }
            | ({"deleted": True} if self.rng.random() < 0.2 else {}),
        )
        self.seen.append(self.hot()[names.run_ref(run.id)])

    def elsewhere(self):
        """A commit that was once a run's turns up at a remote, under its name."""
        if self.seen:
            commit = self.rng.choice(self.seen)
            said = self.git(self.path, "log", "-1", "--format=%B", commit)
            run_id = said.split("run ", 1)[1].split()[0] if "\nrun " in said else "0" * 32
            self.git(self.path, "update-ref", f"refs/gitml-remotes/origin/runs/{run_id}", commit)

    def lose(self):
        refs = [*self.hot(), *self.repository.refs(names.REMOTES)]
        if refs:
            self.git(self.path, "update-ref", "-d", self.rng.choice(refs))

    def seal(self):
        seal(self.repository, committer=AUTHOR, now=START)

    def purge(self):
        run_id = self.rng.choice([*self.hot(), "0" * 32]).rpartition("/")[2]
        purge(self.repository, run_id, experiment="churn", committer=AUTHOR, now=START)

    def spoil(self):
        if self.hot():
            ref = self.rng.choice([*self.hot()])
            write_commits(self.path, [(ref, [(RUN_YAML, b"- broken")])])

    def rename(self):
        """Write every ledger anew, under another name, and without some of its runs."""
        for ref in self.repository.refs(names.EXPERIMENTS):
            listing = self.git(self.path, "ls-tree", "-r", "--name-only", ref).split("\n")
            keep = self.rng.random() < 0.7
            files = {
                path: self.repository.read(f"{ref}:{path}", "blob")
                for path in listing
                if path and (keep or self.rng.random() < 0.9)
            }
            name = self.rng.choice(["churn", "renamed", "other"])
            files["experiment.yaml"] = f"name: {name}\nslug: {ref.rpartition('/')[2]}\n".encode()
            write_commits(self.path, [(ref, files.items())])

    def live(self):
        run_id = f"{self.rng.randrange(3):032x}"
        who = live.Who(host="h", boot="b", pid=1, started=0)
        if run_id in live.live_ids(self.repository.home):
            live.drop(self.repository.home, run_id)
            return
        log = live.LiveLog(self.repository.home, run_id, f"{self.rng.randrange(16**8):08x}", who)
        log.append(live.point_record('"loss"', 1, START, 0.5))
        log.close()

    def raw(self):
        """A run that was written without edits, by who knows whom."""
        run = replace(make_runs(self.path, {"name": "raw"})[0], metrics={}, params={"p": 1})
        write_commits(self.path, [(names.run_ref(run.id), run_files(run).items())])

    def step(self):
        actions = [self.log] * 4 + [self.elsewhere, self.lose, self.seal, self.purge]
        actions += [self.spoil, self.rename, self.live, self.raw]
        action = self.rng.choice(actions)
        with contextlib.suppress(GitmlError):  # what was broken is not written to, sealed or purged
            action()
        return action.__name__


def everything(index):
    """Return all that an index answers, in an order of its own."""
    runs = sorted(index.search(deleted=True), key=lambda run: run.id)
    keys = index.keys()
    return {
        "runs": runs,
        "by experiment": {
            e.slug: sorted(r.id for r in index.search(experiment=e.slug))
            for e in index.experiments()
        },
        "experiments": index.experiments(),
        "keys": keys,
        "tombstones": index.tombstones(),
        "problems": index.quarantined(),
        **{
            view: sorted(index.sql(f"select * from {view}")[1], key=str)  # noqa: S608 - ours
            for view in index_module.VIEWS
        },
    }


@pytest.mark.parametrize("seed", range(6))
def test_increments_add_up(repo, git, seed):
    history = []
    with contextlib.closing(open_repository(repo)) as repository:
        world = World(repository, repo, git, random.Random(seed))
        for _ in range(18):
            history += [world.step() for _ in range(world.rng.randint(1, 2))]
            with open_index(repository, now=START) as index:
                grown = everything(index)
            memory = index_module._connect(":memory:")
            with index_module._fill(memory, repository, START, None) as index:
                assert everything(index) == grown, history
    assert len(set(history)) > 5
