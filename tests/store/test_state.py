"""Joining is set union: whoever joins what, in whatever order, makes the same bytes."""

from __future__ import annotations

import hashlib
import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gitml.errors import DamagedError, NewerSchemaError
from gitml.lines import dump_json
from gitml.model import Edit, Metric, iso
from gitml.records import load_run
from gitml.store.git import open_repository
from gitml.store.points import Collector
from gitml.store.runtree import put_run
from gitml.store.state import State, fold, join, read_tree, view, winning
from gitml.store.write import Change, commit_runs

ID = "0123456789abcdef" * 2
AUTHOR = "Ada Author <ada@example.com>"
START = 1_767_322_800_000
CONTENTS = [b"one", b"two", b"* " + b"x" * 3000]
FIRST = {"name": "tidy-wren-7", "experiment": "churn", "status": "running", "created": iso(START)}


def edit(key, value, at=START, unique=None):
    text = dump_json(value)
    unique = hashlib.sha256(f"{key} {text} {at} {unique}".encode()).hexdigest()[:16]
    return Edit(at=at, id=unique, by=AUTHOR, key=key, json=text)


BEGUN = frozenset(edit(key, value) for key, value in FIRST.items())


def artifact(content):
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "store": "git"}


facts = st.one_of(
    st.tuples(st.just("status"), st.sampled_from(["running", "finished", "killed"])),
    st.tuples(st.just("ended"), st.sampled_from([None, iso(START + 5000)])),
    st.tuples(st.just("deleted"), st.sampled_from([True, None])),
    st.tuples(st.just("note"), st.sampled_from([None, "a", "b\nc"])),
    st.tuples(st.sampled_from(["tags.a", "tags.b"]), st.sampled_from([None, "x", "y"])),
    st.tuples(
        st.sampled_from(["params.lr", "params.on"]),
        st.sampled_from([1, 1.0, True, "1", [1], math.nan]),
    ),
    st.tuples(
        st.sampled_from(
            [f"artifacts.{p}" for p in ("a", "a/b", "a~", "a/b/c", "x/.gitattributes")]
        ),
        st.sampled_from([None, *map(artifact, CONTENTS)]),
    ),
    st.tuples(st.just("goals.loss"), st.sampled_from([None, "min", "max"])),
    st.tuples(
        st.sampled_from(["inputs.:d:1", "inputs.training:d:1"]), st.just({"name": "d", "rows": 3})
    ),
    st.tuples(st.just("carbon"), st.sampled_from([{"grams": 1}, [1, 2], None])),
)
edits = st.frozensets(
    st.tuples(facts, st.integers(0, 5)).map(lambda f: (dump_json([*f[0]]), f[1])), max_size=8
)
values = st.sampled_from([0.0, -0.0, 0.5, math.nan, math.inf, -math.inf, 1e-5])
points = st.lists(
    st.tuples(st.sampled_from(["loss", 'a,"b"']), st.integers(0, 3), st.integers(0, 1), values),
    max_size=8,
)
copies = st.tuples(edits, points, st.booleans())


@pytest.fixture(scope="module")
def work(tmp_path_factory, git):
    """Return a `Work` on one repository for all examples: trees are the same in any."""
    path = tmp_path_factory.mktemp("joins")
    git(path, "init", "--quiet", "--bare", "--template=", ".")
    work = Work(path)
    yield work
    work.repository.close()


class Work:
    """Trees of copies of one run, and what joining them makes."""

    def __init__(self, path):
        self.repository = open_repository(path)
        self.staged = {}
        for content in CONTENTS:
            sha256 = hashlib.sha256(content).hexdigest()
            self.staged[sha256] = path / sha256
            self.staged[sha256].write_bytes(content)
        self._made = {}
        self._numbers = itertools.count()

    def tree(self, copy):
        """Return the tree of a copy, as its writer would have made it."""
        stated, found, ended = copy
        key = repr((sorted(stated), found, ended))
        if key not in self._made:
            collector = Collector()
            collector.add_all(found)
            made = {
                edit(k, v, START + at + 1, k) for (k, v), at in ((load(f), at) for f, at in stated)
            }
            change = Change(
                run_id=hashlib.sha256(key.encode()).hexdigest()[:32],
                edits={*BEGUN, *made},
                points={hashlib.sha256(key.encode()).hexdigest()[:8] + "-0": collector},
                staged=self.staged,
                seal_segments=ended,
            )
            commit_runs(self.repository, [change], committer=AUTHOR, now=START)
            self._made[key] = self.repository.resolve(f"refs/gitml/runs/{change.run_id}^{{tree}}")
        return self._made[key]

    def join(self, *trees):
        """Return the tree that a seal of these copies makes."""
        collector = Collector()
        states = [read_tree(self.repository, tree) for tree in trees]
        state = join(states, collector, self.repository)
        tmp = f"refs/gitml-tmp/{next(self._numbers):016x}"
        with self.repository.fast_import() as stream:
            mark = stream.commit(tmp, committer=AUTHOR, time=0, message="")
            put_run(self.repository, stream, ID, state, collector, prefix="")
            tree = stream.tree_of(mark)
        collector.close()
        return tree

    def run(self, tree):
        """Return a tree's run twice: as its YAML says it, and as its edits do."""
        files = {
            entry.name: self.repository.read(entry.oid, "blob")
            for entry in self.repository.tree(tree)
            if entry.name.endswith(".yaml")
        }
        run_id = load_run(files, "a run").id
        return load_run(files, "a run"), fold(run_id, read_tree(self.repository, tree))


def load(fact):
    from gitml.lines import load_json

    key, value = load_json(fact)
    return key, value


UNMINDED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=30, suppress_health_check=UNMINDED)
@given(a=copies, b=copies, c=copies)
def test_order_grouping_and_repetition_leave_no_trace(work, a, b, c):
    a, b, c = (work.tree(copy) for copy in (a, b, c))
    whole = work.join(a, b, c)
    for order in itertools.permutations((a, b, c)):
        assert work.join(*order) == whole
    assert work.join(work.join(a, b), c) == whole
    assert work.join(a, work.join(c, b)) == whole
    assert work.join(whole, b) == whole
    assert work.join(whole) == whole
    assert work.join(a, a, b, c, b) == whole
    stored, told = work.run(whole)
    assert repr(stored) == repr(told)
    seen = [
        repr(view(work.repository, ID, list(order))) for order in itertools.permutations((a, b, c))
    ]
    assert set(seen) == {repr(told)}, "a reader sees what a seal writes"


@settings(max_examples=30, suppress_health_check=UNMINDED)
@given(a=copies, b=copies)
def test_everything_of_every_copy_is_in_the_join(work, a, b):
    trees = [work.tree(copy) for copy in (a, b)]
    state = read_tree(work.repository, work.join(*trees))
    for tree in trees:
        own = read_tree(work.repository, tree)
        assert own.edits <= state.edits
        for path, oid in own.artifacts.items():
            if winning(state.edits)[f"artifacts.{path}"] in own.edits:
                assert state.artifacts[path] == oid
    run = fold(ID, state)
    found = {(m, s, t, repr(v + 0.0)) for m, s, t, v in [*a[1], *b[1]]}
    assert sum(m.count for m in run.metrics.values()) == len(found)
    with_content = {k for k, v in run.artifacts.items() if v.store == "git"}
    assert set(state.artifacts) == with_content
    for path, oid in state.artifacts.items():
        data = work.repository.read(oid, "blob")
        assert hashlib.sha256(data).hexdigest() == run.artifacts[path].sha256


def of(*stated, **more):
    return fold(ID, State(edits=BEGUN | set(stated), **more))


def test_of_two_values_of_a_param_the_earlier_stays_and_the_conflict_shows():
    early, late = edit("params.lr", 0.1, START + 1), edit("params.lr", 0.2, START + 2)
    run = of(late, early)
    assert (run.params, run.conflict) == ({"lr": 0.1}, ("lr",))
    assert of(late).conflict == ()


@pytest.mark.parametrize(
    "one, other, conflict",
    [
        (1, 1.0, False),
        (1, True, True),
        (0, False, True),
        (0.0, -0.0, False),
        ("1", 1, True),
        (None, "None", True),
        (math.nan, math.nan, False),
        (math.nan, math.inf, True),
        ([1], [1], False),
        (10**20, 1e20, False),
    ],
)
def test_what_is_one_value(one, other, conflict):
    stated = edit("params.a", one, START + 1), edit("params.a", other, START + 2)
    assert of(*stated).conflict == (("a",) if conflict else ())
    assert repr(of(*stated).params["a"]) == repr(one)


def test_the_later_word_wins_by_time_then_by_id():
    for first, second, deleted in ((True, None, False), (None, True, True)):
        run = of(edit("deleted", first, START + 1), edit("deleted", second, START + 2))
        assert run.deleted is deleted
    one, other = edit("note", "a", START + 1), edit("note", "b", START + 1)
    assert of(one, other).note == (max(one, other).json.strip('"'))


def test_what_null_does():
    removed = {"tags.a": "x", "goals.loss": "min", "artifacts.a": artifact(b"x"), "note": "n"}
    stated = [edit(k, v, START + 1) for k, v in removed.items()]
    stated += [edit(k, None, START + 2) for k in removed]
    run = of(*stated, edit("params.none", None), edit("carbon", 1), edit("carbon", None, START + 9))
    assert (run.tags, run.artifacts, run.note, run.extra) == ({}, {}, None, {})
    assert run.params == {"none": None}, "a param may be null"


def test_goals_are_shown_where_there_is_a_metric():
    metric = Metric(last=1.0, step=0, min=1.0, max=1.0, count=1)
    run = of(edit("goals.loss", "min"), edit("goals.auc", "max"), summaries={"loss": metric})
    assert run.metrics == {"loss": replace(metric, goal="min")}


WRONG = {
    "name": [None, "", 5, ["a"]],
    "experiment": [None, "", {}],
    "status": [None, "done", 1, ["running"], {}],
    "created": [None, "", "soon", 5],
    "ended": ["later", 5, {}],
    "author": [5],
    "parent": [{}],
    "note": [["x"]],
    "source": ["x", {"command": 1}],
    "environment": [1, {"variables": []}],
    "schema": [0, "1", True, 1.0],
    "goals.loss": ["up", ["min"], {}],
    "inputs.:d:1": [1, {}, {"name": 5}],
    "artifacts.a": [1, {"size": "big"}],
    "artifacts.../a": [{}],
    "artifacts./a": [{}],
    "artifacts.a//b": [{}],
    "artifacts..git/config": [{}],
    "artifacts.": [{}],
}


@pytest.mark.parametrize("key, value", [(k, v) for k, many in WRONG.items() for v in many])
def test_what_no_gitml_states_is_damage(key, value):
    with pytest.raises(DamagedError, match=r"^The run 01234567 cannot be read: |schema") as caught:
        of(
            edit(key, value, START + 1),
            summaries={"loss": Metric(last=1, step=0, min=1, max=1, count=1)},
        )
    assert caught.value.message.isprintable()


def test_a_run_of_a_later_schema_is_not_written_down_to_ours():
    with pytest.raises(NewerSchemaError, match="schema 2"):
        of(edit("schema", 2, START + 1))


def test_a_state_without_its_first_facts_is_no_run():
    with pytest.raises(DamagedError, match="name is missing"):
        fold(ID, State())


# How a tree may come that nobody's gitml wrote: by a push.


def forged(git, path, entries):
    """Return a tree of (name, content or tree)."""
    lines = b""
    for name, content in entries.items():
        if isinstance(content, dict):
            lines += f"040000 tree {forged(git, path, content)}\t".encode() + name.encode() + b"\0"
        else:
            blob = git(path, "hash-object", "-w", "--stdin", input=content).strip()
            lines += f"100644 blob {blob}\t".encode() + name.encode() + b"\0"
    return git(path, "mktree", "-z", input=lines.decode()).strip()


def good_edits():
    from gitml.lines import dump_edits

    return dump_edits(BEGUN).decode()


@pytest.mark.parametrize(
    "entries, message",
    [
        ({}, "has no edits.jsonl"),
        ({"edits.jsonl": {}}, "is a tree"),
        ({"edits.jsonl": "x"}, "line 1"),
        ({"edits.jsonl": "", "metrics.yaml": "[1]"}, "not a mapping"),
        ({"edits.jsonl": "", "metrics.yaml": "a: 1"}, "not a mapping"),
        ({"edits.jsonl": "", "metrics": "blob"}, "metrics|missing|tree"),
        ({"edits.jsonl": "", ".git": {"config": "x"}}, "no file of a run"),
        ({"edits.jsonl": "", "metrics": {".git": "x"}}, "no file of a run"),
        ({"edits.jsonl": "", "a\x1b[31m": "x"}, "no file of a run"),
        ({"edits.jsonl": "", "artifacts": "blob"}, "missing|tree"),
    ],
)
def test_a_forged_tree_is_damage(repo, git, entries, message):
    repository = open_repository(repo)
    with pytest.raises(DamagedError, match=message) as caught:
        read_tree(repository, forged(git, repo, entries))
    repository.close()
    assert caught.value.message.isprintable()


def test_what_is_not_known_is_kept_the_larger_oid(repo, git):
    repository = open_repository(repo)
    one = {"edits.jsonl": good_edits(), "new.bin": "1", "later": {"deep": {"file": "x"}}}
    other = {"edits.jsonl": good_edits(), "new.bin": "2", "more.bin": "3"}
    trees = [forged(git, repo, entries) for entries in (one, other)]
    state = join([read_tree(repository, tree) for tree in trees], None, repository)
    tmp = "refs/gitml-tmp/0000000000000000"
    with repository.fast_import() as stream:
        stream.commit(tmp, committer=AUTHOR, time=0, message="")
        put_run(repository, stream, ID, state, Collector(), prefix="")
    listed = git(repo, "ls-tree", "-r", "--name-only", tmp).split()
    assert listed == ["edits.jsonl", "later/deep/file", "more.bin", "new.bin", "run.yaml"]
    blobs = {git(repo, "rev-parse", f"{tree}:new.bin").strip() for tree in trees}
    assert git(repo, "rev-parse", f"{tmp}:new.bin").strip() == max(blobs)
    git(repo, "fsck", "--strict")
    repository.close()


def test_segments_that_contain_the_others_are_not_read_again(repo, git):
    """A checkpoint adds segments; its reader needs no more than its summary."""
    repository = open_repository(repo)
    unread = {"0-0-0.csv": "metric,step,time,value\nnot a segment"}
    more = {**unread, "0-1-0.csv": "metric,step,time,value\nloss,1,1,0.5\n"}
    summary = "loss: {last: 1, step: 1, min: 1, max: 1, count: 2}"
    trees = [
        forged(
            git, repo, {"edits.jsonl": good_edits(), "metrics": segments, "metrics.yaml": summary}
        )
        for segments in (unread, more)
    ]
    run = view(repository, ID, trees)
    assert run.metrics["loss"].count == 2
    repository.close()


@given(st.lists(st.sampled_from(sorted(BEGUN)), max_size=4), st.randoms(use_true_random=False))
@example([], None)
def test_the_winners_do_not_depend_on_the_order(some, rng):
    stated = [*some, edit("params.a", 1, START + 1), edit("params.a", 2, START + 2)]
    shuffled = stated[::-1] if rng is None else rng.sample(stated, len(stated))
    assert winning(stated) == winning(shuffled)
    assert winning(stated)["params.a"].json == "1"
