"""Audits of a registry that two people share: what is changed behind gitml's back is told."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest

import gitml
from gitml.errors import InputError, NotFoundError
from gitml.names import reproduction_tag
from gitml.registry.audit import audit, dump_listing, load_listing
from gitml.registry.checks.sight import says_of
from gitml.registry.desired import STAGES
from gitml.registry.gto import parse_tag_name
from gitml.registry.mending import fix
from gitml.registry.signing import Sign
from tests.registry.clones import Clone, make_clones
from tests.registry.keys import allowed_line, needs_ssh, sign_with_ssh, ssh_key

PRODUCTION = "churn#production#2"
"""The first of production in `history`, after one of staging."""


@pytest.fixture
def clones(git, tmp_path, bare_repo):
    ada, bob = make_clones(git, tmp_path, bare_repo)
    with contextlib.closing(ada), contextlib.closing(bob):
        yield ada, bob


def look(member, model=None, **facts):
    context = member.context()
    facts = {"remote": context.remote, "branch": context.branch, "now": context.now} | facts
    return audit(member.repository, model=model, **facts)


def kinds(report, *levels):
    wanted = levels or ("damage", "warning")
    return [
        (f.kind, f.ref.removeprefix("refs/tags/")) for f in report.findings if f.level in wanted
    ]


def only(report, kind):
    (found,) = [finding for finding in report.findings if finding.kind == kind]
    return found


def history(ada, bob):
    """A model with three versions and all kinds of stage events, by two people."""
    ada.register()
    ada.register(files={"model.bin": b"\0two", "notes.txt": b"second\n"})
    ada.assign("churn@v1.0.0", "staging")
    ada.assign("churn@v1.0.0")
    bob.assign("churn@v1.1.0")
    ada.rollback()
    bob.unassign()
    bob.assign("churn@v1.1.0", "staging", reason='"quotes", #hashes\nand lines')


def test_what_was_written_by_gitml_is_sound(clones):
    ada, bob = clones
    history(ada, bob)
    for member in (ada, bob):
        report = look(member)
        assert kinds(report) == []
        assert (report.versions, report.events, report.tags, report.signed) == (2, 8, 9, 0)
    # Bob never had the packages: that is said, and not taken for fine.
    assert [f.kind for f in look(ada).findings] == ["protection"]
    absent = [f.text for f in look(bob).findings if f.kind == "absent"]
    assert absent[0] == (
        "1 file of 2 of churn@v1.0.0 is not here, so nothing is said of the bytes."
    )
    with pytest.raises(NotFoundError):
        look(ada, "chrun")


def test_without_a_remote_the_local_refs_are_the_registry(git, repo):
    with contextlib.closing(Clone(git, repo, "Ada Author <ada@example.com>")) as ada:
        history(ada, ada)
        assert look(ada).findings == ()
        git(repo, "tag", "-d", "churn#production#3")
        report = look(ada, "churn")
        assert kinds(report) == [("incomplete", "churn#production#3")]


def test_a_tag_that_was_moved_deleted_or_made_by_hand_is_found(clones, git, bare_repo):
    ada, bob = clones
    history(ada, bob)
    look(bob)
    v1, v2 = (git(bare_repo, "rev-parse", f"churn@v1.{n}.0").strip() for n in (0, 1))
    git(bare_repo, "update-ref", "refs/tags/churn@v1.0.0", v2)
    git(bare_repo, "update-ref", "-d", f"refs/tags/{PRODUCTION}")
    git(bare_repo, "tag", "-a", "-m", "promoted by hand", "churn#production#9", f"{v2}^{{}}")
    report = look(ada)
    assert kinds(report, "damage") == [
        ("stray", "churn#production#9"),
        ("deleted", PRODUCTION),
        ("moved", "churn@v1.0.0"),
    ]
    moved = only(report, "moved")
    assert moved.text == (
        f"The tag churn@v1.0.0 was moved on origin: {v1[:12]} is here and {v2[:12]} there."
    )
    # The command in the finding does what it says.
    command = moved.mend.partition(" puts")[0].replace("'", "").split()
    git(ada.path, *command[1:])
    assert fix(ada.repository, report) == (PRODUCTION,)
    assert kinds(look(ada)) == [("stray", "churn#production#9")]
    assert git(bare_repo, "rev-parse", "churn@v1.0.0").strip() == v1
    # A clone made while it was moved sees that its own is wrong.
    git(ada.path, "update-ref", "refs/tags/churn@v1.0.0", v2)
    found = only(look(ada, "churn"), "moved")
    assert found.text.startswith("The tag churn@v1.0.0 was moved here:")
    git(ada.path, *found.mend.partition(" takes")[0].replace("'", "").split()[1:])
    assert kinds(look(ada)) == [("stray", "churn#production#9")]


@pytest.mark.parametrize("how", ["deleted", "set back", "rewritten"])
def test_a_journal_that_was_changed_on_the_remote_is_found_again_and_again(
    clones, git, bare_repo, how
):
    ada, bob = clones
    history(ada, bob)
    look(ada)
    ref = "refs/gitml/models/churn"
    tip = git(bare_repo, "rev-parse", ref).strip()
    if how == "deleted":
        git(bare_repo, "update-ref", "-d", ref)
    elif how == "set back":
        git(bare_repo, "update-ref", ref, f"{tip}~2")
    else:
        tree = git(bare_repo, "rev-parse", f"{tip}^{{tree}}").strip()
        message = git(bare_repo, "log", "-1", "--format=%B", tip).replace("quotes", "lies")
        forged = git(bare_repo, "commit-tree", tree, "-p", f"{tip}~1", input=message).strip()
        git(bare_repo, "update-ref", ref, forged)
    for _ in range(2):
        report = look(ada)
        (finding,) = [f for f in report.findings if f.level == "damage"]
        assert finding.ref == ref
        assert {"deleted": "was deleted on", "set back": "was set back on"}.get(
            how, "is another than the one that was published"
        ) in finding.text
    command = finding.mend.partition(" puts")[0].split()
    git(ada.path, *command[1:])
    assert kinds(look(ada)) == []
    assert git(bare_repo, "rev-parse", ref).strip() == tip


def test_an_event_whose_tag_did_not_arrive_is_completed(clones, git, bare_repo):
    """As a writer killed between the two pushes of a remote without ``atomic`` leaves it."""
    ada, bob = clones
    history(ada, bob)
    git(bare_repo, "config", "receive.advertiseAtomic", "false")
    lost = ["churn@v1.1.0", "churn#production#2", "churn#production!#5", "churn#production!#6"]
    before = git(bare_repo, "for-each-ref", "refs/tags")
    assert all(name in before for name in lost)
    for name in lost:
        git(bare_repo, "update-ref", "-d", f"refs/tags/{name}")
    git(bob.path, "fetch", "--quiet", "--prune", "origin", "+refs/tags/*:refs/tags/*")
    for ref in git(bob.path, "for-each-ref", "--format=%(refname)", "refs/gitml-remotes").split():
        git(bob.path, "update-ref", "-d", ref)
    report = look(bob)
    assert sorted(name for _, name in kinds(report, "warning")) == sorted(lost)
    assert {f.kind for f in report.findings if f.level != "note"} == {"incomplete"}
    assert sorted(fix(bob.repository, report)) == sorted(lost)
    # The very same objects as were meant, though bob never had them.
    assert git(bare_repo, "for-each-ref", "refs/tags") == before
    assert kinds(look(bob)) == []


def test_the_tag_of_a_reproduction_is_ours_and_nothing_to_gto():
    assert reproduction_tag("churn", 3) == "churn@reproduced#3"
    assert parse_tag_name("churn@reproduced#3") is None
    assert says_of("churn@reproduced#3") == ("churn", "reproduce", None)
    assert says_of("v1.0.0") is None


def test_what_a_tag_says_is_held_against_its_event(clones, git):
    ada, bob = clones
    history(ada, bob)
    data = git(ada.path, "cat-file", "tag", PRODUCTION)
    v2 = git(ada.path, "rev-parse", "churn@v1.1.0^{}").strip()
    changes = {
        "points at": data.replace(data[7:47], v2),
        "says another reason": data + 'reason: "other"\n',
        "says that it is churn#x#7": data.replace(f"tag {PRODUCTION}", "tag churn#x#7"),
        "is by Eve <eve@example.com> and": data.replace(ada.who, "Eve <eve@example.com>"),
        "is dated 2020-": data.replace(data.split("> ")[1].split(" ")[0], "1600000000"),
        "does not hold an event": data.partition("\n\n")[0] + "\n\nPut it there.\n",
    }
    for said, changed in changes.items():
        assert changed != data
        oid = git(ada.path, "hash-object", "-t", "tag", "-w", "--stdin", input=changed).strip()
        git(ada.path, "push", "--quiet", "--force", "origin", f"{oid}:refs/tags/{PRODUCTION}")
        git(ada.path, "update-ref", f"refs/tags/{PRODUCTION}", oid)
        found = [f.text for f in look(ada).findings if f.level == "damage"]
        assert any(f"The tag {PRODUCTION} {said}" in text for text in found), (said, found)
    git(ada.path, "update-ref", f"refs/tags/{PRODUCTION}", v2)
    found = [f.text for f in look(ada).findings if f.level == "damage"]
    assert any("is not annotated" in text for text in found)


def test_an_event_that_is_dated_before_the_one_before_it_is_found(clones, git):
    """A backdated event: whoever holds a key that was ended can sign with an old date."""
    ada, _ = clones
    ada.register()
    first = ada.assign("churn@v1.0.0")
    event = git(ada.path, "rev-parse", "refs/gitml/models/churn").strip()
    old = git(ada.path, "cat-file", "commit", event)
    stamp = old.split("> ")[-1].split(" ")[0]
    forged = git(
        ada.path, "hash-object", "-t", "commit", "-w", "--stdin",
        input=old.replace(stamp, "1600000000"),
    ).strip()  # fmt: skip
    git(ada.path, "push", "--quiet", "--force", "origin", f"{forged}:refs/gitml/models/churn")
    git(ada.path, "update-ref", "refs/gitml/models/churn", forged)
    git(ada.path, "update-ref", "refs/gitml-remotes/origin/models/churn", forged)
    report = look(ada)
    assert only(report, "backdated").text == (
        f"The event assign of churn v1.0.0 production ({forged[:12]}) is dated "
        f"2020-09-13T12:26:40.000Z, before the event before it ({time_of_v1(git, ada)})."
    )
    assert ("tag", first) in kinds(report, "damage")


def time_of_v1(git, member):
    stamp = git(member.path, "log", "-1", "--format=%cI", "churn@v1.0.0").strip()
    return stamp.replace("+00:00", ".000Z")


def test_bytes_that_are_here_are_held_against_the_digest(clones, git):
    ada, _ = clones
    large = b"\0" * (1024 * 1024 + 1)
    ada.register(files={"model.bin": large, "weights.bin": b"\0small", "README.md": b"read\n"})
    assert kinds(look(ada)) == []
    listing = git(ada.path, "for-each-ref", "--format=%(refname)", "refs/gitml/packages").split()
    (package,) = listing
    stored = git(ada.path, "rev-parse", f"{package}:weights.bin").strip()
    other = git(ada.path, "hash-object", "-w", "--stdin", input="swapped").strip()
    tree = git(ada.path, "ls-tree", package).replace(stored, other)
    swapped = git(ada.path, "mktree", input=tree).strip()
    commit = git(ada.path, "commit-tree", "-m", "x", swapped).strip()
    git(ada.path, "update-ref", package, commit)
    (kept,) = (ada.path / ".git" / "lfs" / "objects").glob("*/*/*")
    kept.chmod(0o644)
    kept.write_bytes(large[:-1] + b"1")
    texts = [f.text for f in look(ada).findings if f.level == "damage"]
    assert texts == [
        "model.bin of churn@v1.0.0 is not what was registered: its copy here is other.",
        "weights.bin of churn@v1.0.0 is not what was registered.",
    ]


def test_a_journal_that_cannot_be_read_is_told_and_the_others_are_audited(clones, git):
    ada, _ = clones
    ada.register()
    ada.register("fraud")
    commit = git(ada.path, "commit-tree", "-m", "no event", "HEAD^{tree}").strip()
    git(ada.path, "update-ref", "refs/gitml/models/risk", commit)
    report = look(ada)
    damaged = only(report, "journal")
    assert (damaged.model, damaged.level) == ("risk", "damage")
    assert report.versions == 2
    assert only(look(ada, "risk"), "journal") == damaged
    assert kinds(look(ada, "churn")) == []


def test_stage_files_and_tags_that_disagree_are_drift(clones):
    ada, bob = clones
    history(ada, bob)
    ada.assign("churn@v1.0.0")
    ada.commit({".gitml/stages/churn/production.yaml": "version: v1.1.0\nreason: tested\n"})
    ada.commit({".gitml/stages/churn/staging.yaml": "version: v1.1.0\n"})
    ada.commit({".gitml/stages/churn/canary.yaml": "version: null\n"})
    ada.commit({".gitml/stages/churn/dev.yaml": "version: [1]\n"})
    ada.commit({".gitml/stages/frod/dev.yaml": "version: v1.0.0\n"})
    found = [f for f in look(bob).findings if f.kind == "drift"]
    dev = f"{STAGES}/churn/dev.yaml"
    assert [f.text for f in found] == [
        f"{dev} on main cannot be used: The version in {dev} is not text: [1]",
        f"churn#production holds v1.0.0, and {STAGES}/churn/production.yaml on main says v1.1.0.",
        f"{STAGES}/frod/dev.yaml is of a model that is not registered.",
    ]
    assert {f.level for f in found} == {"warning"}
    assert [f.model for f in look(bob, "churn").findings if f.kind == "drift"] == ["churn"]


def test_breaking_the_glass_is_drift_until_a_stage_file_agrees(clones):
    ada, _ = clones
    ada.register()
    ada.commit({".gitml/policy.yaml": "break_glass: [{unsafe_allow: true}]\n"})
    ada.assign("churn@v1.0.0", break_glass="the old one is on fire")
    assert only(look(ada), "drift").text == (
        "churn#production holds v1.0.0 by break-glass, and no stage file has agreed since."
    )
    ada.commit({".gitml/stages/churn/production.yaml": "version: v1.0.0\n"})
    assert kinds(look(ada)) == []


def test_a_listing_shows_what_went_without_a_trace(clones, git, bare_repo):
    """Journal and tags deleted together, everywhere: only an earlier listing tells."""
    ada, bob = clones
    history(ada, bob)
    listing = load_listing(dump_listing(look(ada).listing), "the listing")
    assert listing == look(ada, now=0).listing.__class__(
        at=listing.at, models=listing.models, tags=listing.tags
    )
    assert len(listing.tags) == 9
    bob.assign("churn@v1.0.0", "dev")
    assert kinds(look(ada, since=listing)) == []
    for path in (bare_repo, ada.path):
        for ref in git(path, "for-each-ref", "--format=%(refname)").split():
            if "churn" in ref:
                git(path, "update-ref", "-d", ref)
    assert kinds(look(ada)) == []
    found = look(ada, since=listing).findings
    lost = [f for f in found if f.kind == "since"]
    assert len(lost) == 10
    assert lost[0].text == f"The journal of churn is gone since the audit of {listing.at}."
    assert {f.level for f in lost} == {"damage"}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"kind": "gitml audit"}', '{"schema": 1, "kind": "gitml audit", "tags": 1}']
)
def test_what_is_no_listing_is_refused(text):
    with pytest.raises(InputError, match=r"(?m)^audit\.json .*\.$"):
        load_listing(text, "audit.json")


@needs_ssh
def test_whoever_signed_had_to_be_allowed_at_that_time(clones, git, tmp_path):
    ada, bob = clones
    mine, theirs = ssh_key(tmp_path / "keys", "ada"), ssh_key(tmp_path / "keys", "bob")
    for member, key in ((ada, mine), (bob, theirs)):
        sign_with_ssh(git, member.path, key)
        member.reopen()
        member.sign = Sign()
    ada.register()
    bob.assign("churn@v1.0.0")
    report = look(ada)
    assert report.signed == 2
    assert only(report, "unverified").text == (
        "2 signatures cannot be judged: there is no .gitml/allowed_signers to judge it by."
    )
    ada.commit({".gitml/allowed_signers": allowed_line("ada@example.com", mine)})
    refused = only(look(ada), "signature")
    assert refused.level == "damage"
    assert refused.text.startswith(
        "The signature of churn#production#1 does not count: "
        "no line of .gitml/allowed_signers names its key SHA256:"
    )
    lines = allowed_line("ada@example.com", mine, 'valid-before="20270101"')
    lines += allowed_line("bob@example.com", theirs, 'valid-before="20250101"')
    ada.commit({".gitml/allowed_signers": lines})
    assert "was ended (valid-before) when the tag was made" in only(look(ada), "signature").text
    ada.commit({".gitml/allowed_signers": lines.replace("2025", "2027")})
    assert kinds(look(ada)) == []


def test_a_remote_that_cannot_be_reached_is_told(clones, git, bare_repo):
    ada, bob = clones
    history(ada, bob)
    look(ada)
    bare_repo.rename(bare_repo.with_name("gone"))
    report = look(ada)
    assert kinds(report) == [("unreachable", "")]
    assert fix(ada.repository, report) == ()


def test_whether_tags_are_protected_is_asked_of_the_host(clones):
    ada, _ = clones
    ada.register()
    assert "cannot be told" in only(look(ada), "protection").text
    assert (
        "whoever can push can promote"
        in only(look(ada, protected=lambda: False), "protection").text
    )
    assert look(ada, protected=lambda: True).findings == ()


def test_every_kind_of_finding_is_explained():
    package = Path(gitml.__file__).parent
    sources = [*package.glob("registry/checks/*.py"), package / "registry" / "audit.py"]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    kinds = set(re.findall(r'(?:kind=|_damage\(\s*|_changed\()"([a-z]+)"', code)) - {"damage"}
    format_page = (package / "FORMAT.md").read_text(encoding="utf-8")
    table = format_page.partition("| kind | level |")[2].partition("\n\n")[0]
    firsts = [row.split("|")[1] for row in table.splitlines()[2:]]
    assert kinds == {kind for cell in firsts for kind in re.findall("`([a-z]+)`", cell)}
