"""Tags that gitml did not write: GTO's, a plain clone's, and odd ones."""

from __future__ import annotations

import json
import random

import pytest

from gitml.names import TAGS
from gitml.registry.gto import holders, parse_tag_name, stages_of
from gitml.registry.state import read_registry
from gitml.registry.values import Event
from gitml.registry.versionfile import load_version
from gitml.store.git import open_repository
from tests.registry.journal import Journal

DAY = 86_400


@pytest.fixture
def tag(repo, git):
    """Return a function that makes an annotated tag as GTO does, each a day after the last."""
    made = []

    def make(name, target="HEAD", *, at=None):
        made.append(name)
        when = 1_700_000_000 + (len(made) if at is None else at) * DAY
        oid = git(repo, "rev-parse", f"{target}^{{}}").strip()
        head = f"object {oid}\ntype commit\ntag {name}\ntagger Ada <ada@example.com> {when} +0000"
        raw = git(repo, "mktag", input=f"{head}\n\nsaid of {name}\n").strip()
        git(repo, "update-ref", TAGS + name, raw)

    return make


@pytest.fixture
def commit(repo, git):
    """Return a function that makes a commit and names it as a branch."""

    def make(name):
        git(repo, "commit", "-q", "--allow-empty", "-m", name)
        git(repo, "branch", name)
        return name

    return make


def read(repo):
    store = open_repository(repo)
    try:
        return read_registry(store)
    finally:
        store.close()


def held(model):
    return {stage: held.version for stage, held in model.stages.items()}


@pytest.mark.parametrize(
    "name,says",
    [
        ("churn@v1.2.0", ("churn", "register", "v1.2.0", None, None)),
        ("churn@v1.2.0-rc.1+b.2", ("churn", "register", "v1.2.0-rc.1+b.2", None, None)),
        ("churn@v1.2.0!", ("churn", "delete", "v1.2.0", None, None)),
        ("churn@v1.2.0#2", ("churn", "register", "v1.2.0", None, 2)),
        ("churn#prod#12", ("churn", "assign", None, "prod", 12)),
        ("churn#prod", ("churn", "assign", None, "prod", None)),
        ("churn#prod!#3", ("churn", "unassign", None, "prod", 3)),
        ("a/b.c=d/e#A/b#1", ("a/b.c:d/e", "assign", None, "A/b", 1)),
        ("churn@deprecated", ("churn", "delete", None, None, None)),
        ("churn@created#1", ("churn", "create", None, None, None)),
        ("v1.0.0", None),
        ("pkg@1.0.0", None),
        ("churn@v1.0", None),
        ("churn@v01.0.0", None),
        ("churn@latest", None),
        ("churn#prod#x", None),
        ("#prod#1", None),
        ("@v1.0.0", None),
        ("-churn@v1.0.0", None),
        ("churn#" + "a" * 100_000, ("churn", "assign", None, "a" * 100_000, None)),
        ("a=b=c@v1.0.0", None),
    ],
)
def test_names_of_tags(name, says):
    found = parse_tag_name(name)
    assert (found and (found.model, found.kind, found.version, found.stage)) == (says and says[:4])
    assert says is None or says[3] != "prod" or found.n == says[4]


def test_models_of_gto(repo, tag, commit):
    tag("churn@v0.0.1", commit("one"))
    tag("churn#production#1", "one")
    tag("churn@v0.0.2", commit("two"))
    tag("churn#production#2", "two")
    tag("churn#staging#3", "two")
    tag("models/risk@v1.0.0", "one")
    tag("Old@v1.0.0", "one")
    tag("Old@deprecated", "one")
    registry = read(repo)
    assert [*registry.models] == ["churn", "models/risk", "Old"]
    model = registry.find("churn")
    assert (model.foreign, model.tip, registry.find("Old").deleted) == (True, None, True)
    assert held(model) == {"production": "v0.0.2", "staging": "v0.0.2"}
    assert model.stages["production"].event.reason == "said of churn#production#2"
    assert [v.name for v in model.versions] == ["v0.0.1", "v0.0.2"]
    assert all(v.foreign for v in model.versions)
    store = open_repository(repo)
    assert load_version(store, model.versions[0]).metrics == {}
    store.close()
    assert registry.odd == ()


def test_what_gto_falls_back_to(repo, tag, commit):
    tag("churn@v1.0.0", commit("one"))
    tag("churn@v2.0.0", commit("two"))
    tag("churn#production#1", "one")
    tag("churn#production#2", "two")
    tag("churn#production!#3", "two")
    assert held(read(repo).find("churn")) == {"production": "v1.0.0"}
    tag("churn@v1.0.0!", "one")
    assert held(read(repo).find("churn")) == {}
    tag("churn@v1.0.0#4", "one")
    assert held(read(repo).find("churn")) == {"production": "v1.0.0"}


def test_tags_of_the_same_second(repo, tag, commit):
    tag("churn@v1.0.0", commit("one"), at=1)
    tag("churn@v2.0.0", commit("two"), at=1)
    tag("churn#production#2", "two", at=1)
    tag("churn#production#1", "one", at=1)
    assert held(read(repo).find("churn")) == {"production": "v1.0.0"}
    tag("churn#production!#0", "one", at=1)
    assert held(read(repo).find("churn")) == {"production": "v2.0.0"}
    tag("churn@v2.0.0!", "two", at=1)
    assert held(read(repo).find("churn")) == {}


def test_odd_tags_break_nothing(repo, git, tag):
    tag("churn@v1.0.0")
    tag("x@created")
    git(repo, "tag", "light@v1.0.0")
    git(repo, "tag", "-a", "-m", "x", "nested@v1.0.0", "churn@v1.0.0")
    git(repo, "tag", "-a", "-m", "x", "tree@v1.0.0", "HEAD^{tree}")
    git(repo, "update-ref", TAGS + "copied@v1.0.0", TAGS + "churn@v1.0.0")
    git(repo, "tag", "-a", "-m", "x", "é\u202e@v1.0.0")
    git(repo, "tag", "-a", "-m", "x", "stage#of-nothing#1")
    head = git(repo, "rev-parse", "HEAD").strip()
    for name, raw in {
        "timeless@v1.0.0": f"object {head}\ntype commit\ntag timeless@v1.0.0\n\nx",
        "garbled@v1.0.0": "\udcff\0\n\n",
        "escapes@v1.0.0": (
            f"object {head}\ntype commit\ntag escapes@v1.0.0\ntagger \x1b[31m <\x07> 5 +0000\n\n"
            'x\n\nevent: "register"\nversion: "v1\\u001b.0.0"\nmodel: "\\u001b[2J"\n'
        ),
    }.items():
        command = ("hash-object", "-t", "tag", "-w", "--literally", "--stdin")
        (repo / ".git/refs/tags" / name).write_text(git(repo, *command, input=raw))
    (repo / ".git/refs/tags/lost@v1.0.0").write_text("1" * 40 + "\n")
    (repo / ".git/refs/tags/broken@v1.0.0").write_text("no oid\n")
    registry = read(repo)
    reasons = {odd.ref.removeprefix(TAGS): odd.reason for odd in registry.odd}
    assert sorted(registry.models) == ["churn", "escapes", "stage"]
    assert [version.name for version in registry.find("escapes").versions] == ["v1.0.0"]
    assert reasons.pop("garbled@v1.0.0").startswith("A tag cannot be read")
    assert reasons == {
        "x@created": "it says created, which not even GTO can read",
        "light@v1.0.0": "it is not annotated",
        "nested@v1.0.0": "it is a tag of a tag",
        "tree@v1.0.0": "it is a tag of a tree",
        "copied@v1.0.0": "its header says churn@v1.0.0",
        "timeless@v1.0.0": "it has no time",
        "lost@v1.0.0": "its object is missing",
    }


def test_odd_tags_reach_no_terminal_raw(repo, git, tag, invoke):
    test_odd_tags_break_nothing(repo, git, tag)
    for command in (["stages"], ["models"], ["stages", "--json"], ["models", "--json"]):
        answer = invoke(*command, cwd=repo)
        assert (answer.code, answer.err) == (0, "")
        assert "\x1b" not in answer.out
        assert "\x07" not in answer.out


def test_a_plain_clone_has_the_tags_and_not_the_journal(repo, git, tmp_path):
    journal = Journal("churn", name="Churn!").register("v1.0.0", run="a" * 32, digest="sha256:b")
    journal.register("v1.1.0").assign("production", "v1.0.0").assign("production", "v1.1.0")
    journal.assign("production", "v1.0.0", via="rollback").assign("staging", "v1.1.0")
    journal.unassign("staging", "v1.1.0").write(repo)
    git(tmp_path, "clone", "-q", repo, tmp_path / "clone")
    there, here = read(repo).find("Churn!"), read(tmp_path / "clone").find("Churn!")
    assert (here.tip, here.foreign) == (None, False)
    assert held(here) == held(there) == {"production": "v1.0.0"}
    assert here.versions == there.versions
    assert {s: [a.version for a in stack] for s, stack in here.stacks.items()} == {
        s: [a.version for a in stack] for s, stack in there.stacks.items()
    }


def test_a_tag_that_no_journal_knows_changes_nothing(repo, tag):
    Journal("churn").register("v1.0.0").assign("production", "v1.0.0").write(repo)
    tag("churn@v9.0.0")
    tag("churn#production#9")
    registry = read(repo)
    assert [version.name for version in registry.find("churn").versions] == ["v1.0.0"]
    assert [odd.reason for odd in registry.odd] == ["no event of the model's journal made it"] * 2


def test_taken_over(repo, git, tag, commit, invoke):
    tag("churn@v0.0.1", commit("one"))
    tag("churn#production#1", "one")
    tag("churn@v0.0.2", commit("two"))
    tag("churn#production#2", "two")
    tag("Risk@v1.0.0", "one")
    before, tags = read(repo).find("churn"), git(repo, "show-ref", "--tags")
    answer = invoke("import", "gto", "--json", cwd=repo)
    (taken,) = json.loads(answer.out)["models"]
    assert (taken["name"], taken["versions"]) == ("churn", 2)
    assert git(repo, "rev-parse", "refs/gitml/models/churn").strip() == taken["commit"]
    assert git(repo, "show-ref", "--tags") == tags
    assert git(repo, "for-each-ref", "refs/gitml-tmp") == ""
    registry = read(repo)
    after = registry.find("churn")
    assert registry.odd == ()
    assert after.events[:-1] == before.events
    assert (after.versions, after.stages, after.stacks) == (
        before.versions,
        before.stages,
        before.stacks,
    )
    assert (after.foreign, after.tip) == (False, taken["commit"])
    again = invoke("import", "gto", cwd=repo)
    assert (again.code, again.out) == (0, "")
    assert "Risk stays as it is" in again.err
    refused = invoke("import", "gto", "churn", cwd=repo)
    assert refused.code == 5
    assert refused.err.startswith("error: churn cannot be taken over: it has a journal already.")


def test_taken_over_through_a_remote(repo, git, bare_repo, tag, invoke):
    git(repo, "remote", "add", "origin", bare_repo)
    tag("churn@v1.0.0")
    git(repo, "push", "-q", "origin", "main")
    answer = invoke("import", "gto", cwd=repo)
    assert answer.code == 4
    assert answer.err == (
        "error: origin does not have the tag churn@v1.0.0 as it is here.\n"
        "  hint: git push origin 'refs/tags/churn@v1.0.0' and do it again\n"
    )
    assert git(repo, "for-each-ref", "refs/gitml") == ""
    git(repo, "push", "-q", "origin", "churn@v1.0.0")
    assert invoke("import", "gto", cwd=repo).code == 0
    place = "refs/gitml/models/churn"
    assert git(repo, "rev-parse", place) == git(bare_repo, "rev-parse", place)


def test_a_second_clone_is_told_that_it_is_taken_over(repo, git, bare_repo, tag, invoke, tmp_path):
    git(repo, "remote", "add", "origin", bare_repo)
    tag("churn@v1.0.0")
    git(repo, "push", "-q", "origin", "main", "churn@v1.0.0")
    git(tmp_path, "clone", "-q", bare_repo, "other")
    assert invoke("import", "gto", cwd=repo).code == 0
    answer = invoke("import", "gto", "churn", cwd=tmp_path / "other")
    assert (answer.code, "it has a journal already" in answer.err) == (5, True)


def test_an_import_that_cannot_be_read_takes_nothing_over(repo):
    for nth, text in enumerate(['{"a": 1}', "[1]", '[{"at": "x"}]', '[{"kind": []}]', "no"]):
        journal = Journal(f"m{nth}").add("import", extra={"imported": text})
        journal.write(repo)
        assert read(repo).find(f"m{nth}").versions == ()


def test_holders_are_what_one_pass_over_each_version_says():
    """Against the rule as GTO's own code has it: per version the newest of its events counts."""
    rng = random.Random(7)
    for _ in range(200):
        events = [event(0, "register", f"v{n}.0.0") for n in range(1, 5)]
        for at in range(1, rng.randint(2, 25)):
            kind = rng.choice(["assign", "assign", "unassign"])
            events.append(event(at, kind, f"v{rng.randint(1, 4)}.0.0", "production"))
        newest = {}
        for one in events[4:]:
            newest[one.version] = one
        active = [one for one in newest.values() if one.kind == "assign"]
        expected = [one.version for one in sorted(active, key=lambda one: one.at)]
        assert [*holders(events, "production")] == expected
        assert stages_of(events) == ({"production": newest[expected[-1]]} if expected else {})


def event(at, kind, version, stage=None):
    return Event(
        kind=kind, at=at * 1000, by="", version=version, stage=stage, extra={"foreign": "x"}
    )
