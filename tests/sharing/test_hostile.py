"""A remote that anybody may have written to: what is evil is named and left there.

Objects are made by hand (``git hash-object --literally``), refs as anybody who may
push could set them. After each pull the whole clone is compared with what it was:
nothing outside of gitml's refs and folder was written; good data arrived.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sharing.clones import check_git, git, make_world, refs
from tests.support import make_runs, run_id_of

OURS = (
    "objects",
    "gitml",
    "refs/gitml",
    "refs/gitml-remotes",
    "refs/gitml-tmp",
    "refs/tags",
    "packed-refs",
)
ID = run_id_of("evil")
IDENTITY = b"Eve <eve@example.com> 1767322800 +0000"
RUN = """schema: 1
id: {id}
name: evil
experiment: churn
status: finished
created: 2026-01-02T03:00:00.000Z
"""
EXPERIMENT = b"schema: 1\nname: evil\nslug: evil\ncreated: 2026-01-02T03:00:00.000Z\n"


class Hub:
    """The remote's objects and refs, made by hand."""

    def __init__(self, path):
        self.path = path

    def write(self, kind, data):
        """Write an object of any kind and content."""
        done = subprocess.run(
            ["git", "-C", self.path, "hash-object", "-t", kind, "-w", "--literally", "--stdin"],
            input=data,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def blob(self, data=b"x"):
        return self.write("blob", data)

    def tree(self, *entries):
        """Write a tree of (mode, name, oid) in just this order."""
        return self.write(
            "tree",
            b"".join(
                b"%s %s\0%s" % (mode.encode(), name.encode(), bytes.fromhex(oid))
                for mode, name, oid in entries
            ),
        )

    def folder(self, content):
        """Write a tree from a dict: of bytes, of (mode, oid) or of dicts."""
        entries = []
        for name, what in content.items():
            if isinstance(what, dict):
                entries.append(("40000", name, self.folder(what)))
            elif isinstance(what, tuple):
                entries.append((what[0], name, what[1]))
            else:
                entries.append(("100644", name, self.blob(what)))
        return self.tree(*sorted(entries, key=lambda e: e[1] + "/" * (e[0] == "40000")))

    def commit(self, tree, *parents, message=b"evil\n"):
        lines = [b"tree %s" % tree.encode(), *(b"parent %s" % p.encode() for p in parents)]
        lines += [b"author " + IDENTITY, b"committer " + IDENTITY, b"", message]
        return self.write("commit", b"\n".join(lines))

    def ref(self, name, oid):
        place = self.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{oid}\n")  # as it is, whatever git thinks of it

    def ledger(self, slug, content, *parents):
        commit = self.commit(self.folder(content), *parents)
        self.ref(f"refs/gitml/experiments/{slug}", commit)
        return commit


def run_tree(run_id=ID, **files):
    """Return the content of a run's folder."""
    lines = [
        {"at": 1, "id": "0" * 15 + str(n), "by": "Eve <e@x>", "key": key, "value": value}
        for n, (key, value) in enumerate(
            {
                "name": "evil",
                "experiment": "churn",
                "status": "finished",
                "created": "2026-01-02T03:00:00.000Z",
            }.items()
        )
    ]
    edits = "".join(json.dumps(line) + "\n" for line in lines)
    return {"run.yaml": RUN.format(id=run_id).encode(), "edits.jsonl": edits.encode(), **files}


def sealed(run, *, slug="evil"):
    """Return the content of a ledger with a run."""
    del slug
    return {
        "experiment.yaml": EXPERIMENT,
        "edits.jsonl": b"",
        "runs": {ID[:2]: {ID: run}},
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory, git):
    """A hub with good runs, hot and sealed, and one clone that has not pulled yet."""
    top = tmp_path_factory.mktemp("hostile")
    hub, (ada, _) = make_world(top, 2)
    make_runs(ada.path, {"name": "sealed"}, {"name": "other", "experiment": "other"})
    from tests.sharing.clones import push, seal

    ada.do(seal(0))
    make_runs(ada.path, {"name": "hot"})
    ada.do(push(0))
    for path in (hub, top / "clone0", top / "clone1"):
        git(path, "config", "gc.auto", "0")
    git(top / "clone1", "remote", "set-head", "origin", "main")
    return top


@pytest.fixture
def hub(world, tmp_path):
    shutil.copytree(world, tmp_path / "w", symlinks=True)
    for path in (tmp_path / "w").glob("clone*"):
        git(path, "remote", "set-url", "origin", tmp_path / "w" / "hub.git")
    return Hub(tmp_path / "w" / "hub.git")


@pytest.fixture
def bob(hub, invoke):
    """Return ``bob(*args, code=0)``: gitml in the clone; afterwards nothing else has changed."""
    path = hub.path.parent / "clone1"
    before = listing(path)
    others = strangers(path)

    def gitml(*args, code=0):
        answer = invoke(*args, cwd=path)
        assert answer.code == code, answer
        said = answer.out + answer.err
        assert not [c for c in said if not (c.isprintable() or c == "\n")], said
        return answer

    gitml.path = path
    yield gitml
    assert listing(path) == before
    assert strangers(path) == others
    assert not (hub.path.parent / "x").exists()
    check_git(path)


def listing(path):
    """Return the content of every file but git's objects and what is gitml's own."""
    found = {}
    for file in sorted(path.rglob("*")):
        name = str(file.relative_to(path))
        if any(name == f".git/{p}" or name.startswith(f".git/{p}/") for p in OURS):
            continue
        found[name] = file.read_bytes() if file.is_file() else "folder"
    return found


def strangers(path):
    """Return the refs that sharing has no business with."""
    everything = refs(path, "refs/")
    return {r: o for r, o in everything.items() if not r.startswith(("refs/gitml", "refs/tags/"))}


def names(gitml):
    return sorted(run["name"] for run in json.loads(gitml("ls", "--json").out)["runs"])


GOOD = ["hot", "other", "sealed"]
EVIL_REFS = [
    "refs/gitml/runs/not-a-run",
    "refs/gitml/runs/--upload-pack=touch x",
    f"refs/gitml/runs/x/runs/{ID}",
    "refs/gitml/runs/ABCDEF00112233445566778899aabbcc",
    "refs/gitml/experiments/UPPER",
    f"refs/gitml/experiments/a/runs/{ID}",
    "refs/gitml/experiments/x\u202ey",
    "refs/gitml/experiments/--exec=touch",
    "refs/gitml/experiments/$(touch x)",
    "refs/gitml-tmp/0123456789abcdef",
    "refs/gitml-remotes/origin/runs/" + ID,
]


def test_refs_with_evil_names(hub, bob):
    commit = hub.commit(hub.folder(run_tree()))
    for ref in EVIL_REFS:
        hub.ref(ref, commit)
    answer = bob("pull", code=8)
    assert names(bob) == GOOD
    for word in ("runs/not-a-run", f"a/runs/{ID}", "UPPER", "x\\u202ey"):
        assert word in answer.err
    kept = refs(bob.path, "refs/gitml", "refs/gitml-remotes", "refs/gitml-tmp")
    places = {"runs", "experiments"}
    assert {tuple(r.split("/")[3:-1]) for r in kept if "remotes" in r} == {(p,) for p in places}
    assert not [r for r in kept if "not-a-run" in r or "UPPER" in r or "tmp" in r]
    assert json.loads(bob("pull", "--json", code=8).out)["refused"].keys() >= {
        "refs/gitml/runs/not-a-run",
        "refs/gitml/experiments/UPPER",
    }
    assert "was not taken" in bob("sync", code=8).err
    bob("push")


def test_a_ledger_that_became_a_folder(hub, bob):
    bob("pull")
    ledger = refs(hub.path)["refs/gitml/experiments/churn"]
    git(hub.path, "update-ref", "-d", "refs/gitml/experiments/churn")
    hub.ref("refs/gitml/experiments/churn/x", ledger)
    for _ in range(2):
        answer = bob("pull", code=9)
        assert "experiments/churn/x" in answer.err
        assert "the ledger churn lost runs" in answer.err
        assert names(bob) == GOOD
    git(hub.path, "update-ref", "-d", "refs/gitml/experiments/churn/x")
    bob("push")
    assert refs(hub.path)["refs/gitml/experiments/churn"] == ledger


@pytest.mark.parametrize("kind", ["blob", "tree", "tag", "missing"])
def test_refs_at_what_is_no_commit(hub, bob, kind):
    bob("pull")
    was = refs(bob.path, "refs/gitml-remotes")["refs/gitml-remotes/origin/experiments/churn"]
    old = git(hub.path, "rev-parse", f"{was}^").strip()
    tag = f"object {old}\ntype commit\ntag x\ntagger {IDENTITY.decode()}\n\nx\n"
    oid = {
        "blob": hub.blob,
        "tree": hub.tree,
        "tag": lambda: hub.write("tag", tag.encode()),
        "missing": lambda: "1" * 40,
    }[kind]()
    hub.ref(f"refs/gitml/runs/{ID}", oid)
    hub.ref("refs/gitml/experiments/evil", oid)
    hub.ref("refs/gitml/experiments/churn", oid)
    said = bob("pull", code=9 if kind == "tag" else 8).err  # git looks through a tag
    for ref in (f"runs/{ID}", "experiments/evil", *(["experiments/churn"] * (kind != "tag"))):
        assert f"refs/gitml/{ref} of origin was not taken: it " in said
    assert names(bob) == GOOD
    seen = refs(bob.path, "refs/gitml-remotes")
    assert seen.get("refs/gitml-remotes/origin/experiments/churn") == was
    assert "refs/gitml-remotes/origin/experiments/evil" not in seen
    assert "refs/gitml/experiments/evil" not in refs(bob.path)
    # A rewind in two steps is one too.
    git(hub.path, "update-ref", "-d", f"refs/gitml/runs/{ID}")
    git(hub.path, "update-ref", "-d", "refs/gitml/experiments/evil")
    hub.ref("refs/gitml/experiments/churn", old)
    assert "the ledger churn lost runs" in bob("pull", code=9).err


def evil_trees(hub):
    """Return trees, by what is evil about them."""
    x, folder = hub.blob(), hub.folder({"x": b"x"})
    file, link, sub = "100644", "120000", "160000"
    return {
        "dotdot": hub.tree(("40000", "..", folder)),
        "slash": hub.tree((file, "../../hooks/post-commit", x)),
        "dotgit": hub.tree(("40000", ".git", hub.folder({"config": b"[core]\n"}))),
        "gitmodules link": hub.tree((link, ".gitmodules", x)),
        "twice": hub.tree((file, "a", x), (file, "a", hub.blob(b"y"))),
        "unsorted": hub.tree((file, "b", x), (file, "a", x)),
        "null": hub.tree((file, "a", "0" * 40)),
        "missing": hub.tree((file, "a", "2" * 40)),
        "garbage": hub.write("tree", b"no tree at all"),
        "submodule": hub.tree((sub, "a", "3" * 40)),
        "link": hub.tree((link, "a", hub.blob(b"../../../hooks/post-commit"))),
        "strange mode": hub.tree(("100664", "a", x)),
        "case": hub.tree((file, "A", x), (file, "a", x)),
    }


REFUSED = {
    "dotdot": "'..'",
    "slash": "full pathnames",
    "dotgit": "'.git'",
    "gitmodules link": "symbolic link",
    "twice": "duplicate",
    "unsorted": "sorted",
    "null": "unable to read",
    "missing": "unable to read",
    "garbage": "too-short tree",
}
TAKEN = ["submodule", "link", "strange mode", "case"]


@pytest.mark.parametrize("how", [*REFUSED, *TAKEN])
def test_evil_trees(hub, bob, how):
    """Whatever a tree holds, and wherever: the rest is taken, what is not is named."""
    bob("pull")
    make_runs(bob.path, {"name": "mine"})
    bob("pack")
    tree = ("40000", evil_trees(hub)[how])
    old = refs(hub.path)["refs/gitml/experiments/churn"]
    entries = [line.split() for line in git(hub.path, "ls-tree", old).splitlines()]
    content = {name: (mode.lstrip("0"), oid) for mode, _, oid, name in entries}
    hub.ref(f"refs/gitml/runs/{ID}", hub.commit(hub.folder(run_tree(artifacts=tree, more=tree))))
    hub.ledger("in-a-run", sealed(run_tree(metrics=tree, more=tree)))
    hub.ledger("in-the-root", {**sealed(run_tree()), "more": tree})
    hub.ledger("in-a-bucket", {"experiment.yaml": EXPERIMENT, "runs": {ID[:2]: tree}})
    hub.ledger("in-tombstones", {"experiment.yaml": EXPERIMENT, "tombstones": {ID[:2]: tree}})
    hub.ledger("churn", {**content, "more": tree}, old)  # which Bob has a run for
    make_runs(hub.path, {"name": "good"})
    said = bob("pull", code=8 if how in REFUSED else 0).err
    assert {*names(bob)} >= {*GOOD, "mine", "good"}
    if how in REFUSED:
        for slug in ("in-a-run", "in-the-root", "in-a-bucket", "in-tombstones", "churn"):
            assert f"experiments/{slug} of origin was not taken" in said
        assert REFUSED[how] in said
        assert "evil" not in names(bob)
        hub.ref("refs/gitml/experiments/churn", old)
    bob("push")
    bob("tag", "mine", "a=b")
    bob("pack")
    bob("push")
    assert {*names(bob)} >= {*GOOD, "mine", "good"}


def test_a_ledger_that_went_on_without_what_was_in_it(hub, bob):
    """Forward for git, and still a loss: it is kept here, told, and brought back there."""
    bob("pull")
    old = refs(hub.path)["refs/gitml/experiments/churn"]
    experiment = git(hub.path, "rev-parse", f"{old}:experiment.yaml").strip()
    edits = git(hub.path, "rev-parse", f"{old}:edits.jsonl").strip()
    evil = {"experiment.yaml": ("100644", experiment), "edits.jsonl": ("100644", edits)}
    for content in ({**evil, "runs": {}}, {**evil, "edits.jsonl": b""}, evil):
        hub.ledger("churn", content, refs(hub.path)["refs/gitml/experiments/churn"])
        assert "The ledger churn went on at origin without" in bob("pull").err
        assert names(bob) == GOOD
        bob("push")
        assert (
            refs(hub.path)["refs/gitml/experiments/churn"]
            == (refs(bob.path)["refs/gitml/experiments/churn"])
        )
        assert bob("pull").err == ""


@pytest.mark.parametrize("how", ["back", "gone", "empty"])
def test_what_a_remote_lost_a_push_brings_back(hub, bob, how):
    make_runs(bob.path, {"name": "mine"})
    bob("pull")
    bob("pack")
    bob("push")
    all_of_it = refs(hub.path)
    churn = all_of_it["refs/gitml/experiments/churn"]
    if how == "back":
        hub.ref("refs/gitml/experiments/churn", git(hub.path, "rev-parse", f"{churn}^").strip())
    elif how == "gone":
        git(hub.path, "update-ref", "-d", "refs/gitml/experiments/churn")
    else:
        for ref in all_of_it:
            git(hub.path, "update-ref", "-d", ref)
    assert "the ledger" in bob("pull", code=9).err
    assert "churn" in bob("push").out
    assert {r: o for r, o in refs(hub.path).items() if "experiments" in r} == {
        r: o for r, o in all_of_it.items() if "experiments" in r
    }
    assert "mine" in names(bob)


def test_another_content_for_a_run_of_ours(hub, bob):
    """Joined as any copy: what we know of it stays, and a purge by name is one."""
    bob("pull")
    make_runs(bob.path, {"name": "mine", "params": {"lr": 0.1}, "tags": {"a": "b"}})
    mine = run_id_of("mine")
    other = run_tree(mine, more={"x": b"x"})
    hub.ref(f"refs/gitml/runs/{mine}", hub.commit(hub.folder(other)))
    hub.ledger("evil", {**sealed(run_tree()), "runs": {mine[:2]: {mine: other}}})
    for command in ("pull", "push", "pack", "push", "pull"):
        bob(command)
        run = json.loads(bob("show", "mine", "--json").out)["run"]
        assert (run["id"], run["params"], run["tags"]) == (mine, {"lr": 0.1}, {"a": "b"})
    keys = {e["key"] for e in json.loads(bob("show", "mine", "--history", "--json").out)["edits"]}
    assert {"params.lr", "tags.a", "created"} <= keys


BOMB = b"a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b]\n"


def test_what_cannot_be_read_is_one_run_s_business(hub, bob):
    bad = {
        "bomb": {"run.yaml": BOMB},
        "tag": {"run.yaml": b"!!python/object/apply:os.system ['touch x']"},
        "deep": {"run.yaml": b"[" * 100_000},
        "binary": {"run.yaml": bytes(range(256)), "edits.jsonl": bytes(range(256))},
        "edits": {"edits.jsonl": b'{"at": 1e400, "id": [], "by": {}, "key": 3}\n'},
        "metrics": {"metrics.yaml": BOMB, "metrics": {"0000.csv": b"\0\xff,,,\n"}},
        "segments": {"metrics": {"0000.csv": b"metric,step,time,value\nauc,x,y,z\n"}},
        "future": {"run.yaml": b"schema: 99\n"},
        "empty": {"run.yaml": b"", "edits.jsonl": b""},
    }
    runs = {}
    for name, files in bad.items():
        run_id = run_id_of(name)
        tree = hub.folder({**run_tree(run_id), **files})
        hub.ref(f"refs/gitml/runs/{run_id}", hub.commit(tree))
        runs.setdefault(run_id[:2], {})[run_id] = ("40000", tree)
    hub.ledger("bad", {**sealed({}), "runs": runs, "tombstones": {"aa": {"a" * 32: BOMB}}})
    hub.ledger("bomb", {**sealed({}), "experiment.yaml": BOMB})
    assert "refs/gitml/experiments/bomb of origin was not taken" in bob("pull", code=8).err
    shown = names(bob)
    assert {*shown} >= {*GOOD}
    make_runs(bob.path, {"name": "mine", "experiment": "bad"})
    for command in ("sync", "pack", "sync", "ls", "status", "gc"):
        bob(command, code=8 if command == "sync" else 0)
    assert {*names(bob)} >= {*GOOD, "mine"}
    assert not (bob.path / "x").exists()


SIZE = 96 << 20
MEASURED = """
import sys
from pathlib import Path
from gitml.cli import main
code = [main(["pull"]), main(["ls"]), main(["pack"])]
status = Path("/proc/self/status").read_text().splitlines()
print(code, next(line.split()[1] for line in status if "VmHWM" in line), file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured as Linux tells it")
def test_huge_blobs_do_not_come_into_memory(hub, bob):
    huge = ("100644", hub.blob(b"# \n" * (SIZE // 3)))
    everything = {"run.yaml": huge, "edits.jsonl": huge, "metrics.yaml": huge}
    hub.ref(f"refs/gitml/runs/{ID}", hub.commit(hub.folder(run_tree(more=huge) | everything)))
    hub.ledger("evil", {**sealed(everything), "tombstones": {"aa": {"a" * 32: huge}}})
    hub.ledger("huge", {**sealed({}), "experiment.yaml": huge})
    hub.ledger("edits", {**sealed({}), "edits.jsonl": huge})
    make_runs(bob.path, {"name": "mine"})
    done = subprocess.run(
        [sys.executable, "-c", MEASURED], cwd=bob.path, capture_output=True, text=True, check=False
    )
    codes, _, kilobytes = done.stderr.splitlines()[-1].rpartition(" ")
    assert codes == "[8, 0, 0]", done.stderr
    assert int(kilobytes) < SIZE // 1024
    assert "mine" in done.stdout


TAGS = ["evil@v1.0.0", "evil#production#1", "evil@v1.0.0!", "a/b@v1", "evil@v2/x", "-x@v1"]


def test_tags_that_look_like_the_registry_s(hub, bob):
    git(bob.path, "tag", "v1.0", "HEAD")
    git(bob.path, "tag", "evil@v2", "HEAD")
    before = refs(bob.path, "refs/tags")
    commit = hub.commit(hub.tree(), message=b"\x1b]0;evil\x07 schema: 1\n")
    tag = f"object {commit}\ntype commit\ntag x\ntagger {IDENTITY.decode()}\n\n\x1b[31mx\n"
    for number, name in enumerate([*TAGS, "v1.0", "other"]):
        kind = number % 3
        oid = hub.write("tag", tag.encode()) if kind == 0 else hub.blob() if kind == 1 else commit
        hub.ref(f"refs/tags/{name}", oid)
    for name in ("evil", "-evil", "a/b", "evil2"):
        hub.ref(f"refs/gitml/models/{name}", commit if name != "evil2" else hub.blob())
    for _ in range(2):
        bob("pull")
        assert names(bob) == GOOD
        after = refs(bob.path, "refs/tags")
        assert before.items() <= after.items()
        assert {r.removeprefix("refs/tags/") for r in after} <= {*TAGS[:3], "v1.0", "evil@v2"}
    bob("push")


ESCAPE = "\x1b]0;evil\x07\x1b[2J\r\u202e"


def test_nothing_reaches_the_terminal_as_it_is(hub, bob):
    """The fixture looks at all that is said; here is who would say it."""
    text = run_tree()
    text["edits.jsonl"] = text["edits.jsonl"].replace(b'"evil"', json.dumps(ESCAPE).encode())
    text["run.yaml"] = text["run.yaml"].replace(b"evil", json.dumps(ESCAPE).encode())
    commit = hub.commit(hub.folder(text), message=ESCAPE.encode())
    hub.ref(f"refs/gitml/runs/{ID}", commit)
    hub.ref("refs/gitml/experiments/x\u202ey", commit)
    bob("pull", code=8)
    bob("ls")
    bob("show", ID)
    hook = hub.path / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nprintf '{ESCAPE}' >&2\nexit 1\n")
    hook.chmod(0o755)
    make_runs(bob.path, {"name": "mine"})
    bob("push", code=9)
    hook.unlink()
    git(hub.path, "update-ref", "-d", "refs/gitml/experiments/x\u202ey")
    bob("push")
