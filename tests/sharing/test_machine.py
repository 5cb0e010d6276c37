"""Any history of three clones, stopped and killed in the middle, ends without a loss.

A state machine logs, edits, hides, restores, purges, seals, collects, pushes and
pulls in any order, with clocks that are days apart. A model of what people were
told is kept beside; in the end all clones sync, must come to rest within
a few rounds, be exactly alike, and hold all that was told.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gitml.lines import dump_json
from gitml.query.index import open_index
from gitml.store.points import Collector
from gitml.store.write import Change, commit_runs, locate, new_edit
from gitml.tracking import edit
from tests.sharing.clones import (
    Known,
    check_git,
    copy_world,
    digest,
    gc,
    git,
    make_world,
    pull,
    push,
    refs,
    seal,
    settle,
    sync,
)
from tests.support import AUTHOR, START, change_of, run_id_of

EXPLORES = settings.default.max_examples >= 2000
DAY = 24 * 3600 * 1000
SKEWS = (0, 3 * DAY, -5 * DAY)
EXPERIMENTS = ("churn", "Fraud: v2")
SHARING = {"push": push, "pull": pull, "sync": sync, "seal": seal, "gc": gc}

clones = st.integers(0, 2)
runs = st.integers(0, 30)
at_git = st.integers(1, 14)
verbs = st.sampled_from(["push", "pull", "sync", "sync", "seal", "seal", "gc"])


class History(RuleBasedStateMachine):
    """Three clones and a bare remote."""

    template = None

    def __init__(self):
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="machine-", dir=self.template.parent))
        self.hub, self.clones = copy_world(self.template, self.top / "world")
        for clone, skew in zip(self.clones, SKEWS, strict=True):
            clone.skew = skew
        self.now = START
        self.known = {}
        self.number = 0
        self.waiting = []
        self.backup = None
        self.seen = [set() for _ in self.clones]
        self.gone = [set() for _ in self.clones]
        """Runs by clone that were seen there and then purged."""

    @initialize()
    def begin(self):
        """Have something to work on."""
        self.log(0, experiment=0, running=False, rows=2, kill=None)
        self.share(0, "push", None)
        self.share(1, "pull", None)

    def tick(self, clone):
        self.now += 1000
        return self.now + self.clones[clone].skew

    def unique(self):
        self.number += 1
        return str(self.number)

    def run(self, nth):
        return list(self.known)[nth % len(self.known)]

    @rule(
        clone=clones,
        experiment=st.integers(0, 1),
        running=st.booleans(),
        rows=st.integers(0, 4),
        kill=st.none() | st.none() | at_git,
    )
    def log(self, clone, experiment, running, rows, kill):
        now = self.tick(clone)
        name = f"run-{self.unique()}"
        run_id = run_id_of(name)
        values = [float(n) for n in range(1, rows + 1)]
        text = f"content of {name}"
        file = self.top / name
        file.write_text(text)
        artifact = {"size": len(text), "sha256": digest(text), "store": "git"}

        def write(repository):
            change = change_of(
                repository,
                name=name,
                experiment=EXPERIMENTS[experiment],
                status="running" if running else "finished",
                created=now,
                params={"lr": rows / 10},
                metrics={"auc": values},
                tags={"first": name},
                edits=[("artifacts.out/log.txt", artifact)],
            )
            change.staged = {digest(text): file}
            if rows % 2:
                source = {"base": repository.resolve("HEAD"), "files": [], "commit": name}
                change.sources = [{"at": now, "id": digest(name)[:16], "by": AUTHOR}]
                change.sources[0]["source"] = source
            commit_runs(repository, [change], committer=AUTHOR, now=now)

        child = self.clones[clone].act(write, kill=kill)
        if child.done:
            known = self.known[run_id] = Known(EXPERIMENTS[experiment])
            known.facts = {("tags.first", dump_json(name)), ("params.lr", dump_json(rows / 10))}
            known.rows = {("auc", n, float(n)) for n in range(1, rows + 1)}
            known.files = {"out/log.txt": text.encode()}

    @rule(clone=clones, nth=runs, kill=st.none() | at_git)
    def rows(self, clone, nth, kill):
        """More points of a run, from any machine."""
        run_id = self.run(nth)
        now = self.tick(clone)
        value = float(self.unique())
        step = int(value) % 7

        def write(repository):
            bases = locate(repository, run_id)
            hot = repository.resolve(f"refs/gitml/runs/{run_id}")
            if not bases and hot is None:
                raise edit.NotFoundError("not here yet")
            points = Collector()
            points.add_all([("loss", step, now, value)])
            change = Change(run_id=run_id, points={digest(str(value))[:8]: points}, bases=bases)
            commit_runs(repository, [change], committer=AUTHOR, now=now)

        if self.clones[clone].act(write, kill=kill).done:
            self.known[run_id].rows.add(("loss", step, value))

    @rule(
        clone=clones,
        nth=runs,
        what=st.sampled_from(["tag", "own tag", "note", "name", "end", "rm", "restore"]),
        kill=st.none() | st.none() | at_git,
    )
    def edit(self, clone, nth, what, kill):
        run_id = self.run(nth)
        now = self.tick(clone)
        unique = self.unique()

        def write(repository):
            with open_index(repository, now=now) as index:
                run = index.find(run_id)
            if what == "rm":
                edit.delete(repository, [run], now=now)
            elif what == "restore":
                edit.restore(repository, [run], now=now)
            elif what == "note":
                edit.set_note(repository, [run], unique, now=now)
            elif what in {"name", "end"}:
                fact = ("name", unique) if what == "name" else ("status", "failed")
                at = max(now, run.updated + 1)
                stated = {new_edit(at=at, by=AUTHOR, key=fact[0], value=fact[1])}
                change = Change(run_id=run_id, edits=stated, bases=locate(repository, run_id))
                commit_runs(repository, [change], committer=AUTHOR, now=now)
            else:
                key = "team" if what == "tag" else f"own-{unique}"
                edit.set_tags(repository, [run], {key: unique}, now=now)

        if self.clones[clone].act(write, kill=kill).done:
            told = {
                "tag": ("tags.team", unique),
                "own tag": (f"tags.own-{unique}", unique),
                "note": ("note", unique),
                "name": ("name", unique),
                "end": ("status", "failed"),
                "rm": ("deleted", True),
                "restore": ("deleted", None),
            }[what]
            self.known[run_id].facts.add((told[0], dump_json(told[1])))

    @precondition(lambda self: len(self.known) > 2)
    @rule(clone=clones, nth=runs, kill=st.none() | at_git)
    def purge(self, clone, nth, kill):
        run_id = self.run(nth)
        now = self.tick(clone)

        def write(repository):
            with open_index(repository, now=now) as index:
                edit.purge(repository, index.find(run_id), now=now)

        child = self.clones[clone].act(write, kill=kill)
        if child.done:
            self.known[run_id].purged = "yes"
        elif child.killed and self.known[run_id].purged == "no":
            self.known[run_id].purged = "maybe"

    @rule(clone=clones, verb=verbs, kill=st.none() | st.none() | at_git)
    def share(self, clone, verb, kill):
        self.clones[clone].act(SHARING[verb](self.tick(clone)), kill=kill)
        self.look(clone)

    @precondition(lambda self: len(self.waiting) < 3)
    @rule(clone=clones, verb=verbs, stop=at_git)
    def half(self, clone, verb, stop):
        """Begin something, and leave it in the middle while others go on."""
        child = self.clones[clone].act(SHARING[verb](self.tick(clone)), stop=stop)
        if child.stopped:
            self.waiting.append((clone, child))

    @precondition(lambda self: self.waiting)
    @rule(nth=st.integers(0, 2))
    def rest(self, nth):
        clone, child = self.waiting.pop(nth % len(self.waiting))
        child.go_on()
        self.look(clone)

    @rule(again=st.booleans())
    def host(self, again):
        """The host is put back to what it had before, or a backup is made of it."""
        if self.backup is None or not again:
            self.backup = refs(self.hub)
            return
        now = refs(self.hub)
        lines = [f"update {ref} {oid}\n" for ref, oid in self.backup.items()]
        lines += [f"delete {ref}\n" for ref in now.keys() - self.backup.keys()]
        git(self.hub, "update-ref", "--stdin", input="".join(lines).encode())
        # Hot runs of others are not seen until who made them has pushed them again.
        self.seen = [set() for _ in self.clones]

    def look(self, clone):
        """What a clone has seen it goes on seeing, unless it was purged; that is final."""
        seen = self.clones[clone].runs(self.now).keys() & self.known.keys()
        lost = {i for i in self.seen[clone] - seen if self.known[i].purged == "no"}
        assert not lost, f"clone {clone} does not see {lost} any more"
        back = {i for i in seen if i in self.known and i in self.gone[clone]}
        assert not back, f"{back} came back into clone {clone}"
        self.gone[clone] |= self.seen[clone] - seen
        self.seen[clone] = seen

    def teardown(self):
        try:
            for _, child in self.waiting:
                child.go_on()
            self.now += DAY
            settle(self.hub, self.clones, self.now)
            self.all_alike()
            settle(self.hub, self.clones, self.now, more=(seal,))
            self.all_sealed()
            self.all_alike()
            check_git(self.hub, *(clone.path for clone in self.clones))
        finally:
            self.kill_waiting()
            shutil.rmtree(self.top)

    def kill_waiting(self):
        for _, child in self.waiting:
            if child.stopped:
                os.kill(child._pid, 9)
                os.waitpid(child._pid, 0)

    def all_alike(self):
        first, *others = [clone.runs(self.now) for clone in self.clones]
        for other in others:
            assert repr(other) == repr(first)
        there = {ref.rpartition("/t-")[2] for ref in refs(self.hub, "refs/gitml/source")}
        if "refs/gitml/sources" in refs(self.hub):
            listed = git(self.hub, "ls-tree", "-r", "-d", "--name-only", "refs/gitml/sources")
            there |= {path.rpartition("/")[2] for path in listed.split()}
        assert {run.source.tree for run in first.values() if run.source.tree} <= there
        for run_id, known in self.known.items():
            found = [clone.everything(run_id) for clone in self.clones]
            assert all(repr(one) == repr(found[0]) for one in found)
            if known.purged == "yes" or (known.purged == "maybe" and found[0] is None):
                assert found[0] is None
                assert run_id not in first
                continue
            edits, points = found[0]
            assert run_id in first
            assert known.facts <= {(e.key, e.json) for e in edits}
            assert max(Counter((e.at, e.id) for e in edits).values()) == 1
            rows = Counter((metric, step, value) for metric, step, _, value in points)
            assert known.rows <= rows.keys()
            assert set(rows.values()) <= {1}
            for clone in self.clones:
                assert known.files.items() <= clone.content(first[run_id]).items()

    def all_sealed(self):
        """Every ledger is the same everywhere, and what is still hot has not ended."""
        there = refs(self.hub, "refs/gitml")
        ledgers = {r: o for r, o in there.items() if r.startswith("refs/gitml/experiments/")}
        first = self.clones[0].runs(self.now)
        running = {f"refs/gitml/runs/{i}" for i, run in first.items() if run.status == "running"}
        for clone in self.clones:
            here = clone.refs()
            assert {r: o for r, o in here.items() if r in ledgers} == ledgers
            assert {r for r in here if "/runs/" in r} <= running
            assert not [r for r in here if r.startswith("refs/gitml/experiments/")] or ledgers
        assert {r for r in there if "/runs/" in r} <= running
        assert not refs(self.hub, "refs/gitml-tmp")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and signals")
def test_any_history_ends_without_a_loss(tmp_path):
    History.template = tmp_path / "template"
    History.template.mkdir()
    make_world(History.template)
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=2000 if EXPLORES else 5,
            stateful_step_count=60 if EXPLORES else 30,
            suppress_health_check=[*HealthCheck],
            phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes many minutes
        ),
    )
