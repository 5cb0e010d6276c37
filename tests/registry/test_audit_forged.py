"""Audits of what somebody forged with git's own commands: each promise held alone."""

from __future__ import annotations

import contextlib

import pytest

from gitml.registry.audit import audit
from gitml.registry.mending import fix
from gitml.registry.package import package_digest
from gitml.registry.values import ModelVersion, PackageFile, RunRef
from gitml.registry.versionfile import dump_package, dump_version
from gitml.store.git import open_repository
from tests.registry.clones import make_clones
from tests.registry.journal import Journal
from tests.support import AUTHOR, START

FILE = PackageFile(path="w.bin", size=2, sha256="0" * 64, store="lfs")
DIGEST = package_digest([FILE])
RUN = "5" * 32


def texts(path, *, branch="main", model=None):
    with contextlib.closing(open_repository(path)) as repository:
        report = audit(repository, remote=None, branch=branch, now=START, model=model)
    return [f.text for f in report.findings if f.level != "note"]


def files(**changes):
    facts = {
        "model": "churn",
        "slug": "churn",
        "name": "v1.0.0",
        "number": 1,
        "created": START,
        "author": AUTHOR,
        "digest": DIGEST,
        "size": 2,
        "run": RunRef(id=RUN, name="brave-otter-12", experiment="churn"),
        "files": (FILE,),
    }
    version = ModelVersion(**facts | changes)
    return {"version.yaml": dump_version(version), "package.yaml": dump_package(version)}


@pytest.mark.parametrize(
    "changes,said",
    [
        ({}, None),
        ({"digest": f"sha256:{'1' * 64}"}, "has another digest in its files than in the journal"),
        ({"files": ()}, None),
        (
            {"files": (PackageFile(path="x.bin", size=2, sha256="0" * 64, store="lfs"),)},
            "The digest of churn@v1.0.0 is not that of the files it lists",
        ),
        ({"name": "v2.0.0"}, "The files of churn@v1.0.0 are those of churn v2.0.0"),
        (
            {"run": RunRef(id="6" * 32, name="x", experiment="churn")},
            "has another run in its files than in the journal",
        ),
    ],
)
def test_what_a_version_says_is_held_against_its_event(repo, changes, said):
    journal = Journal("churn").register("v1.0.0", digest=DIGEST, run=RUN)
    journal.write(repo, files={0: files(**changes)})
    found = texts(repo)
    assert (said is None and found == []) or (len(found) == 1 and said in found[0])


def test_an_event_without_a_tag_a_number_twice_and_the_tag_of_another(repo):
    journal = Journal("churn").register("v1.0.0", digest=DIGEST, run=RUN)
    journal.add("assign", stage="production", version="v1.0.0", n=1)
    journal.add("register", version="v1.1.0", n=1, tags=("churn@v1.1.0",))
    journal.add("assign", stage="dev", version="v1.0.0", n=2, tags=("churn#production#2",))
    journal.write(repo, files={0: files()})
    found = [text.partition(") ")[2] for text in texts(repo) if text.startswith("The event ")]
    assert sorted(found) == [
        "has the number 1, which another has too.",
        "names no tag, so that it is in the journal alone.",
        "names the tag churn#production#2, which is another's.",
    ]


def test_a_stage_file_that_pins_another_digest_is_drift(repo, git):
    journal = Journal("churn").register("v1.0.0", digest=DIGEST, run=RUN)
    journal.assign("production", "v1.0.0").write(repo, files={0: files()})
    place = repo / ".gitml" / "stages" / "churn" / "production.yaml"
    place.parent.mkdir(parents=True)
    for digest, drifts in ((DIGEST, False), (f"sha256:{'1' * 64}", True)):
        place.write_text(f"version: v1.0.0\ndigest: {digest}\n")
        git(repo, "add", ".gitml")
        git(repo, "commit", "--quiet", "-m", "pin")
        assert bool(texts(repo)) is drifts
    assert "whose digest is another than the one in" in texts(repo)[0]


def test_a_tag_that_was_taken_over_and_moved_since(repo, git, invoke):
    git(repo, "tag", "-a", "-m", "as GTO does", "old@v1.0.0")
    git(repo, "tag", "-a", "-m", "as GTO does", "old#prod#1")
    assert invoke("import", "gto", cwd=repo).code == 0
    assert texts(repo) == []
    git(repo, "tag", "-f", "-a", "-m", "another", "old@v1.0.0")
    git(repo, "tag", "-d", "old#prod#1")
    found = texts(repo)
    assert len(found) == 2
    assert any("old#prod#1 is gone since gitml took it over" in text for text in found)
    assert any("The tag old@v1.0.0 is " in text and "and was" in text for text in found)


def test_a_tag_of_an_event_that_is_not_shared_stays_here(git, tmp_path, bare_repo):
    ada, bob = make_clones(git, tmp_path, bare_repo)
    with contextlib.closing(ada), contextlib.closing(bob):
        ada.register()
        git(ada.path, "config", "gitml.remote", "none")
        ada.reopen()
        tag = ada.assign("churn@v1.0.0")
        oid = git(ada.path, "rev-parse", tag).strip()
        git(ada.path, "tag", "-d", tag)
        git(ada.path, "config", "--unset", "gitml.remote")
        ada.reopen()
        context = ada.context()
        report = audit(
            ada.repository, remote=context.remote, branch=context.branch, now=context.now
        )
        found = {f.kind for f in report.findings if f.level == "warning"}
        assert found == {"incomplete", "unpublished"}
        assert fix(ada.repository, report) == (tag,)
        assert git(ada.path, "rev-parse", tag).strip() == oid
        assert tag not in git(bare_repo, "for-each-ref")
