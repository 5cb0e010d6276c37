"""Gates about signatures and lineage, over versions that were really registered and signed."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from gitml.model import Dataset, Source
from gitml.names import run_ref
from gitml.query.index import open_index
from gitml.registry.candidate import package_ref
from gitml.registry.gates import read_gate
from gitml.registry.gates.base import Where, judge
from gitml.registry.judging import Question, case_of
from gitml.registry.registering import candidate_of, register
from gitml.registry.reproduced import record
from gitml.registry.signing import Sign, write_tag
from gitml.registry.state import read_registry
from gitml.registry.tagobject import TagDraft, parse_tag
from gitml.registry.writing import open_context
from gitml.store.git import open_repository
from tests.registry.keys import allowed_line, needs_ssh, sign_with_ssh, ssh_key
from tests.support import AUTHOR, START, make_run

ADA, BOB = "ada@example.com", "bob@example.com"
DAY = 86_400_000
DIGEST = "sha256:" + "5" * 64


class World:
    """A repository with a run of committed code, and models registered of it."""

    def __init__(self, git, repo):
        self.git, self.path = git, repo
        self.repository = open_repository(repo)
        self.commit = git(repo, "rev-parse", "main").strip()
        self.tree = git(repo, "rev-parse", "main^{tree}").strip()

    def context(self, *, sign=False, now=START + DAY):
        made = open_context(self.repository, by=AUTHOR, now=now)
        return replace(made, sign=Sign() if sign else None)

    def run(self, name="keen-fjord-8", **facts):
        source = Source(commit=self.commit, tree=self.tree)
        inputs = [Dataset(name="train.csv", digest=DIGEST)]
        plain = {"source": source, "inputs": inputs, "params": {"lr": 0.1}}
        return make_run(self.path, name, metrics={"auc": 0.93}, **{**plain, **facts})

    def register(self, run, *, sign=False, now=START + DAY, files=("weights",)):
        for name in files:
            (self.path.parent / "model").mkdir(exist_ok=True)
            (self.path.parent / "model" / name).write_bytes(b"\0" + name.encode())
        candidate, _ = candidate_of(self.repository, run, ["model"], cwd=self.path.parent)
        context = self.context(sign=sign, now=now)
        return register(self.repository, replace(candidate, name="churn"), context)

    def told(self, gate, setting="direct", *, sign=False, rules=None, **facts):
        """Return what a gate says of the newest version of churn."""
        model = read_registry(self.repository).models["churn"]
        version = model.versions[-1]
        question = Question(
            model=model, version=version, stage="production", setting=setting, at=START + 2 * DAY
        )
        made = read_gate(gate, Where(("default", 0), read_gate))
        tip = self.repository.resolve("refs/heads/main^{commit}")
        with contextlib.ExitStack() as stack:
            context = self.context(sign=sign)
            case = case_of(self.repository, context, question, tip, stack, rules=rules)
            found = judge(made, replace(case, **facts))
        return found.answer, found.got

    def allow(self, text):
        """Say on main who may sign."""
        (self.path / ".gitml").mkdir(exist_ok=True)
        (self.path / ".gitml" / "allowed_signers").write_text(text, encoding="utf-8")
        self.git(self.path, "add", ".gitml")
        self.git(self.path, "commit", "--quiet", "-m", "who may sign")


@pytest.fixture
def world(git, repo):
    with world_at(git, repo) as made:
        yield made


@pytest.fixture
def ada(world, git, tmp_path):
    """Let Ada sign, and say so on main; return the public key."""
    key = ssh_key(tmp_path / "keys")
    sign_with_ssh(git, world.path, key)
    world.allow(allowed_line(ADA, key, 'namespaces="git"'))
    return key


# signatures


@needs_ssh
def test_who_registered_it(world, ada):
    by_ada, by_bob = {"registered_by": [BOB, ADA]}, {"registered_by": [BOB]}
    world.register(world.run(), sign=True)
    assert world.told(by_ada) == ("pass", f"signed by {ADA}")
    assert world.told(by_bob) == ("refuse", f"signed by {ADA}")
    before = world.repository.resolve("refs/heads/main~1^{commit}")  # nobody was allowed yet
    assert world.told(by_ada, rules=before)[0] == "unknown"
    world.register(world.run("other"), files=("other",))
    assert world.told(by_ada) == ("refuse", "not signed")


@needs_ssh
def test_a_tag_that_was_moved_or_copied_does_not_count(world, ada, git):
    gate = {"registered_by": [ADA]}
    world.register(world.run(), sign=True)
    first = git(world.path, "rev-parse", "refs/tags/churn@v1.0.0").strip()
    world.register(world.run("other"), files=("other",))
    assert world.told(gate) == ("refuse", "not signed")
    git(world.path, "update-ref", "refs/tags/churn@v1.1.0", first)
    assert world.told(gate) == ("refuse", "the tag churn@v1.1.0 was moved")
    commit = read_registry(world.repository).models["churn"].versions[-1].commit
    draft = parse_tag(world.repository.read(first, "tag"))
    copied = write_tag(
        world.repository,
        TagDraft(name=draft.name, target=commit, message="x\n", tagger=AUTHOR, at=START),
        Sign(),
    )
    git(world.path, "update-ref", "refs/tags/churn@v1.1.0", copied)
    answer, got = world.told(gate)
    assert answer == "refuse"
    assert "copied to another name" in got
    git(world.path, "update-ref", "-d", "refs/tags/churn@v1.1.0")
    assert world.told(gate) == ("refuse", "there is no annotated tag churn@v1.1.0")


@needs_ssh
def test_without_allowed_signers_nobody_can_tell(world, git, tmp_path):
    sign_with_ssh(git, world.path, ssh_key(tmp_path / "keys"))
    world.register(world.run(), sign=True)
    answer, got = world.told({"registered_by": [ADA]})
    assert answer == "unknown"
    assert ".gitml/allowed_signers" in got


@needs_ssh
def test_who_signs_the_assignment(world, ada):
    world.register(world.run())
    gate = {"signed_by": [ADA]}
    assert world.told(gate) == ("refuse", "not signed")
    assert world.told(gate, "propose") == ("pending", "signed when it is applied")
    assert world.told(gate, sign=True) == ("pass", f"signed by {ADA}")
    assert world.told({"signed_by": [BOB]}, sign=True) == ("refuse", f"signed by {ADA}")
    before = world.repository.resolve("refs/heads/main^{commit}")
    world.allow("")
    answer, got = world.told(gate, sign=True)
    assert answer == "refuse"
    assert "allowed_signers does not name" in got
    assert world.told(gate, sign=True, rules=before)[0] == "pass"


@needs_ssh
def test_a_reproduction_counts_if_it_is_signed(world, ada, git):
    gate = {"reproduced": {"by": [ADA]}}
    run = world.run()
    world.register(run)
    assert world.told(gate) == ("refuse", "no reproduction was recorded")
    again = world.run("again")
    record(world.repository, "churn@v1.0.0", again, world.context())
    assert world.told(gate) == ("refuse", "not signed")
    record(world.repository, "churn@v1.0.0", again, world.context(sign=True))
    assert world.told(gate) == ("pass", f"signed by {ADA}")
    assert world.told({"reproduced": {"by": [BOB]}}) == ("refuse", f"signed by {ADA}")
    # it speaks of that version alone
    world.register(world.run("other"), files=("other",))
    assert world.told(gate) == ("refuse", "no reproduction was recorded")


# lineage


def test_everything_is_there_and_as_it_was(world):
    world.register(world.run())
    answer, got = world.told({"lineage": "all"})
    assert answer == "pass"
    assert got.startswith(
        f"1 input, run keen-fjord-8, source {world.tree[:10]}, 2 files of sha256:"
    )


@pytest.mark.parametrize(
    "facts,got",
    [
        ({"inputs": []}, "no input was recorded"),
        ({"inputs": [Dataset(name="train.csv")]}, "the input train.csv has no digest"),
        ({"source": Source()}, "no source was recorded"),
        ({"source": Source(tree="f" * 40)}, f"the source {'f' * 10} is not here"),
    ],
)
def test_what_was_not_recorded_refuses(world, facts, got):
    world.register(world.run(**facts))
    assert world.told({"lineage": "all"}) == ("refuse", got)


@pytest.mark.parametrize(
    "edit,got",
    [
        ((("params.depth", 3),), "other params than at registration: depth"),
        ((("inputs..more.csv", {"name": "more.csv"}),), "other inputs than at registration"),
        ((("tags.team", "growth"), ("note", "Well done.")), None),
    ],
)
def test_a_run_that_was_changed_since(world, edit, got):
    world.register(world.run())
    world.run(edits=edit)  # joined with what is there: the same run, and these edits
    answer, said = world.told({"lineage": "run"})
    if got is None:
        assert (answer, said) == ("pass", "run keen-fjord-8")
    else:
        assert answer == "refuse"
        assert said.startswith(f"the run keen-fjord-8 has {got}")


def test_a_run_that_is_gone(world, git):
    run = world.run()
    world.register(run)
    git(world.path, "update-ref", "-d", run_ref(run.id))
    assert world.told({"lineage": ["run"]}) == (
        "refuse",
        "the run keen-fjord-8 is not among the runs any more",
    )


def test_files_that_are_gone_or_others(world, git):
    done = world.register(world.run())
    ref = package_ref(done.version)
    old = git(world.path, "rev-parse", ref).strip()
    git(world.path, "update-ref", "-d", ref)
    answer, got = world.told({"lineage": "package"})
    assert answer == "refuse"
    assert "is not on this machine" in got
    blob = git(world.path, "hash-object", "-w", "--stdin", input="other").strip()
    (line,) = git(world.path, "ls-tree", "-r", old).splitlines()
    top = git(world.path, "mktree", input=f"100644 blob {blob}\t{line.partition(chr(9))[2]}\n")
    git(
        world.path,
        "update-ref",
        ref,
        git(world.path, "commit-tree", "-m", "x", top.strip()).strip(),
    )
    answer, got = world.told({"lineage": "package"})
    assert answer == "refuse"
    assert "is not what was registered" in got


def test_files_of_the_source_that_are_missing(world, git):
    world.register(world.run())
    blob = git(world.path, "rev-parse", "HEAD:train.py").strip()
    (world.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    answer, got = world.told({"lineage": "source"})
    assert (answer, got) == ("refuse", f"files of the source {world.tree[:10]} are missing")


# A clone by path links every object, those too that no ref of the clone names.
@pytest.mark.parametrize("scheme", ["file://", ""])
def test_a_clone_fetches_what_it_looks_at(repo, git, bare_repo, tmp_path, scheme):
    git(repo, "remote", "add", "origin", f"file://{bare_repo}")
    git(repo, "push", "--quiet", "origin", "main")
    git(repo, "checkout", "--quiet", "--orphan", "wip")  # code that no branch there has
    (repo / "train.py").write_text("print('wip')\n", encoding="utf-8")
    git(repo, "add", "train.py")
    tree = git(repo, "write-tree").strip()
    with world_at(git, repo) as world:
        run = world.run(source=Source(commit=None, tree=tree, dirty=True))
        world.register(run)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", f"{scheme}{bare_repo}", clone)
    git(clone, "fetch", "--quiet", "origin", "refs/gitml/models/*:refs/gitml/models/*")
    with world_at(git, clone) as there:
        with open_index(there.repository, now=START) as index:
            assert index.count() == 0
        answer, got = there.told({"lineage": "all"})
        assert (answer, got[:30]) == ("pass", "1 input, run keen-fjord-8, sou")
    git(clone, "update-ref", "-d", f"refs/gitml-remotes/origin/runs/{run.id}")
    git(clone, "gc", "--quiet", "--prune=now")
    git(clone, "remote", "set-url", "origin", tmp_path / "gone")
    with world_at(git, clone) as there:
        assert there.told({"lineage": "run"})[0] == "unknown"


@contextlib.contextmanager
def world_at(git, path):
    """Give the world of a repository as it is now configured."""
    made = World(git, path)
    with contextlib.closing(made.repository):
        yield made
