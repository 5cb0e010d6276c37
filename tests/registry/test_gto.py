"""``gto`` says what gitml says, whatever was done: random histories, asked of both.

Needs a Python that has GTO, named by GITML_GTO_PYTHON; .ci/run makes one.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

import pytest

from gitml.errors import NotFoundError, RefusedError
from gitml.names import TAGS, version_tag
from gitml.registry import semver
from gitml.registry.foreign import OddTag
from gitml.registry.importing import import_models, plan_import
from gitml.registry.manage import delete, deprecate
from gitml.registry.message import event_message
from gitml.registry.stagedrafts import Request
from gitml.registry.stages import assign, rollback, unassign
from gitml.registry.state import read_registry
from gitml.registry.tagobject import TagDraft, content
from gitml.registry.values import Event, ModelVersion
from gitml.registry.versionfile import dump_package, dump_version
from gitml.registry.writing import Context, Draft, event_time, write_event
from gitml.store.git import RefUpdate, open_repository
from tests.support import AUTHOR, START

PYTHON = os.environ.get("GITML_GTO_PYTHON")
HISTORIES = 26
MODELS = ("churn", "fraud")
STAGES = ("staging", "production")
KINDS = {
    "register": "registration",
    "delete": "deregistration",
    "assign": "assignment",
    "unassign": "unassignment",
}
pytestmark = pytest.mark.skipif(not PYTHON, reason="GITML_GTO_PYTHON names no Python with GTO")


def facts_of(event):
    """Return a version without a package."""
    return ModelVersion(
        model=event.model,
        slug=event.model,
        name=event.version,
        number=event.n,
        created=event.at,
        author=event.by,
        digest="sha256:" + "a" * 64,
        size=0,
    )


class History:
    """Things done to a repository, at random but always the same for a seed."""

    def __init__(self, path, seed):
        self.rng = random.Random(seed)
        self.store = open_repository(path)
        self.now = START
        self.done = []

    def context(self):
        self.now += self.rng.choice([0, 300, 1000, 60_000])
        return Context(by=AUTHOR, now=self.now)

    def run(self, steps):
        for slug in MODELS:
            self.register(slug)
        for _ in range(steps):
            slug, stage = self.rng.choice(MODELS), self.rng.choice(STAGES)
            what = self.rng.choice(
                "register assign assign assign rollback rollback empty away".split()
            )
            try:
                if what == "register":
                    self.register(slug)
                elif what == "assign":
                    self.assign(slug, stage)
                elif what == "rollback":
                    request = Request(stage=stage, via="rollback")
                    rollback(self.store, slug, request, self.context())
                elif what == "empty":
                    unassign(self.store, slug, Request(stage=stage), self.context())
                else:
                    self.take_away(slug)
            except (NotFoundError, RefusedError):
                continue  # nothing to go back to, nothing there
            self.done.append(what)

    def assign(self, slug, stage):
        versions = read_registry(self.store).find(slug).versions
        version = self.rng.choice(versions).name
        assign(self.store, f"{slug}@{version}", Request(stage=stage), self.context())

    def take_away(self, slug):
        """Delete or deprecate a version; refused while a stage holds it."""
        versions = read_registry(self.store).find(slug).versions
        reference = f"{slug}@{self.rng.choice(versions).name}"
        if self.rng.random() < 0.5:
            delete(self.store, reference, None, self.context())
        else:
            deprecate(self.store, reference, "old", self.context())

    def register(self, slug):
        model = read_registry(self.store).models.get(slug)
        known = [version.name for version in model.versions] if model else []
        newest = max(known, key=semver.key, default="v0.1.0-rc.1")
        name = semver.bump(newest, self.rng.choice(["major", "minor", "patch"]))
        if not semver.is_prerelease(newest) and self.rng.random() < 0.2:
            name += "-rc.1"
        context = self.context()

        def build(present):
            tag = version_tag(slug, name)
            event = Event(
                kind="register",
                at=event_time(present, context.now),
                by=AUTHOR,
                model=slug,
                version=name,
                n=len(known) + 1,
                tags=(tag,),
            )
            draft = TagDraft(
                name=tag,
                target="",
                message=event_message(event, "Register"),
                tagger=AUTHOR,
                at=event.at,
            )

            def put(stream):
                stream.put_data("version.yaml", dump_version(facts_of(event)))
                stream.put_data("package.yaml", dump_package(facts_of(event)))

            return Draft(event=event, sentence="Register", put=put, tags=(draft,))

        write_event(self.store, slug, build, context, lambda _: None)

    def begin_with_gto(self, git, path):
        """Make tags as GTO makes them, of which some share a second, and take them over."""
        updates = []
        for slug in MODELS:
            commits = []
            for n in range(3):
                git(path, "commit", "-q", "--allow-empty", "-m", f"{slug} {n}")
                commits.append(git(path, "rev-parse", "HEAD").strip())
                updates.append(self.foreign(f"{slug}@v0.{n}.0", commits[-1]))
            for n in range(1, 9):
                gone = self.rng.choice(["", "", "!"])
                tag = f"{slug}#{self.rng.choice(STAGES)}{gone}#{n}"
                updates.append(self.foreign(tag, self.rng.choice(commits)))
        self.store.update_refs(updates)
        models = plan_import(read_registry(self.store)).models
        import_models(self.store, models, self.context())

    def foreign(self, name, target):
        self.now += self.rng.choice([0, 0, 1000])
        draft = TagDraft(name=name, target=target, message=name, tagger=AUTHOR, at=self.now)
        command = ("hash-object", "-t", "tag", "-w", "--stdin")
        oid = self.store.run(*command, data=content(draft)).decode().strip()
        return RefUpdate(TAGS + name, oid, None)


@pytest.fixture(scope="module")
def told(tmp_path_factory, git):
    """Return what gitml and GTO say of each history."""
    folder = tmp_path_factory.mktemp("histories")
    ours, asked = [], []
    for seed in range(HISTORIES):
        path = folder / str(seed)
        git(folder, "init", "-q", "-b", "main", "--template=", path)
        history = History(path, seed)
        if seed % 5 == 0:
            history.begin_with_gto(git, path)
        history.run(12 + seed % 7)
        registry = read_registry(history.store)
        history.store.close()
        ours.append(registry)
        tags = [tag for model in registry.models.values() for e in model.events for tag in e.tags]
        tags = history.rng.sample(tags, 3)
        asked.append({"repo": str(path), "models": [*MODELS], "tags": tags})
    program = Path(__file__).with_name("gto_answers.py")
    done = subprocess.run(
        [PYTHON, program], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [*zip(ours, json.loads(done.stdout), strict=True)]


def test_the_histories_are_worth_asking_about(told):
    events = [event for ours, _ in told for m in ours.models.values() for event in m.events]
    assert len(told) >= 25
    assert sum(event.via == "rollback" for event in events) >= 10
    assert sum(event.kind == "unassign" and len(event.tags) > 1 for event in events) > 5
    assert sum(event.kind == "import" for event in events) > 10
    assert {"delete", "deprecate"} <= {event.kind for event in events}
    assert all(ours.odd == () and not ours.damaged for ours, _ in told)


def test_what_is_in_each_stage(told):
    for nth, (ours, theirs) in enumerate(told):
        for slug in MODELS:
            model = ours.models[slug]
            shown = {s: v for s, v in theirs["show"][slug]["stage"].items() if v is not None}
            assert {s: held.version for s, held in model.stages.items()} == shown, (nth, slug)


def test_which_versions_there_are(told):
    for ours, theirs in told:
        for slug in MODELS:
            here = [v for v in ours.models[slug].versions if not v.deleted]
            names = [version.name for version in here]
            assert theirs["show"][slug]["version"] == max(names, key=semver.key, default=None)
            listed = theirs["versions"][slug]
            assert [v["version"] for v in listed] == sorted(names, key=semver.key, reverse=True)
            for version in here:
                (found,) = (v for v in listed if v["version"] == version.name)
                assert found["commit_hexsha"] == version.commit
                held = {s for s, a in ours.models[slug].stages.items() if a.version == version.name}
                assert {stage["stage"] for stage in found["stages"]} == held


def test_the_history(told):
    for ours, theirs in told:
        rows = {
            (row["ref"], row["event"], row["stage"], row["author"]) for row in theirs["history"]
        }
        assert rows == {
            (tag, KINDS[event.kind], event.stage, "Ada Author")
            for model in ours.models.values()
            for event in model.events
            for tag in event.tags
        }
        versions = {row["ref"]: row["version"] for row in theirs["history"]}
        for model in ours.models.values():
            for event in model.events:
                assert not event.tags or versions[event.tags[0]] == event.version


def test_single_tags(told):
    for ours, theirs in told:
        events = {tag: e for m in ours.models.values() for e in m.events for tag in e.tags}
        for tag, found in theirs["refs"].items():
            assert (found["event"], found["tag"]) == (KINDS[events[tag].kind], tag)
            assert found.get("stage") == events[tag].stage
            if tag == events[tag].tags[0]:
                assert found["version"] == events[tag].version


def test_an_odd_tag_breaks_gto_and_not_gitml(repo, git):
    command = [PYTHON, "-c", "from gto.cli import app; app(['show'])"]
    codes = []
    for tag in ("churn@v1.0.0", "churn#production#1", "x@created"):
        git(repo, "tag", "-a", "-m", "x", tag)
        codes.append(subprocess.run(command, cwd=repo, capture_output=True, check=False).returncode)
    assert codes == [0, 0, 1]
    store = open_repository(repo)
    registry = read_registry(store)
    store.close()
    assert registry.models["churn"].stages["production"].version == "v1.0.0"
    assert registry.odd == (
        OddTag("refs/tags/x@created", "it says created, which not even GTO can read"),
    )
