"""gitml model pull and export: a version's files, whatever somebody did to the remote."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from gitml.codec import dump, load_user_yaml

FILES = {
    "MLmodel": b"flavors: {}\r\n",
    "model.bin": b"\0weights\n",
    ".gitattributes": b"* text=auto eol=crlf\n*.bin filter=lfs\n",
    "code/nested/loader.py": b"x = 1\n",
    "two words.txt": "\u00e9t\u00e9\n".encode(),
}
PACKAGES = "refs/gitml/packages/churn/"


@pytest.fixture(scope="module")
def made(git, tmp_path_factory):
    """Return a folder with a bare remote that has two versions of churn, and a work tree."""
    top = tmp_path_factory.mktemp("made")
    git(top, "init", "--quiet", "--bare", "--initial-branch=main", "bare.git")
    git(top, "init", "--quiet", "--initial-branch=main", "repo")
    repo = top / "repo"
    (repo / "train.py").write_text("print('trained')\n")
    git(repo, "add", "train.py")
    git(repo, "commit", "--quiet", "-m", "first")
    git(repo, "remote", "add", "origin", f"file://{top}/bare.git")
    git(repo, "push", "--quiet", "origin", "main")
    for n in (0, 1):
        for path, data in FILES.items():
            place = repo / "m" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data * (n + 1) if path == "model.bin" else data)
        run_gitml(repo, "log", "--name", f"r{n}", "-m", "auc=1", "--artifact", "m")
        run_gitml(repo, "register", "churn", "--run", f"r{n}")
    run_gitml(repo, "promote", "churn@v1.1.0", "--stage", "staging")
    return top


def run_gitml(path, *args):
    subprocess.run(
        [sys.executable, "-m", "gitml", *args], cwd=path, check=True, capture_output=True
    )


@pytest.fixture
def shared(made, git, tmp_path):
    """Return a bare remote with churn@v1.0.0 and, in staging, churn@v1.1.0."""
    return Path(shutil.copytree(made / "bare.git", tmp_path / "bare.git"))


@pytest.fixture
def repo(made, shared, git, tmp_path):
    """Return the work tree where both were registered."""
    path = Path(shutil.copytree(made / "repo", tmp_path / "repo"))
    git(path, "remote", "set-url", "origin", f"file://{shared}")
    return path


@pytest.fixture
def clone(shared, git, tmp_path):
    """Return a plain clone, whose git would change every file it checks out."""
    path = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", f"file://{shared}", path)
    git(path, "config", "core.autocrlf", "true")
    return path


@pytest.fixture
def gitml(invoke, clone):
    """Return ``gitml(*args, code=0)``, run in the clone: its whole answer."""

    def run(*args, code=0, cwd=clone):
        answer = invoke(*args, cwd=cwd)
        assert answer.code == code, answer
        return answer

    return run


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_plain_clone_gets_one_version_byte_for_byte(gitml, clone, git):
    assert PACKAGES not in git(clone, "for-each-ref")
    answer = gitml("model", "pull", "churn@v1.0.0", "-o", "out/model")
    assert answer.out.startswith("Wrote churn@v1.0.0 to out/model: 5 files, ")
    assert content(clone / "out" / "model") == FILES
    assert git(clone, "for-each-ref").count(PACKAGES) == 1
    assert not [path for path in (clone / "out").iterdir() if path.name != "model"]


def test_a_folder_that_is_there(gitml, clone):
    (clone / "empty").mkdir()
    gitml("model", "pull", "churn@1", "-o", "empty")
    inode = (clone / "empty" / "model.bin").stat().st_ino
    again = gitml("model", "pull", "churn@1", "-o", "empty")
    assert again.out == "empty holds churn@v1.0.0 already, verified\n"
    assert (clone / "empty" / "model.bin").stat().st_ino == inode
    refused = gitml("model", "pull", "churn@2", "-o", "empty", code=4)
    assert "has other files in it" in refused.err
    (clone / "link").symlink_to(clone / "empty")
    assert "is not a folder" in gitml("model", "pull", "churn@1", "-o", "link", code=4).err
    if Path("/proc/self").exists():
        nowhere = gitml("model", "pull", "churn@1", "-o", "/proc/self/model", code=10)
        assert nowhere.err.startswith("error: Nothing can be written in /proc/self: ")
    assert "is not a folder" in gitml("model", "pull", "churn@1", "-o", "train.py/m", code=4).err


def test_what_may_have_moved_is_asked_of_the_remote(gitml, clone, shared, repo, invoke, git):
    pulled = json.loads(gitml("model", "pull", "churn#staging", "--json").out)
    assert (pulled["version"], pulled["written"]) == ("v1.1.0", True)
    assert invoke("promote", "churn@v1.0.0", "--stage", "staging", cwd=repo).code == 0
    digest = json.loads(invoke("model", "pull", "churn@1", "-o", "x", "--json", cwd=repo).out)[
        "digest"
    ]
    moved = gitml("model", "pull", "churn#staging", "-o", "m", "--expect-digest", digest, "--json")
    assert json.loads(moved.out)["version"] == "v1.0.0"
    shared.rename(shared.with_name("away.git"))
    offline = gitml("model", "pull", "churn#staging", "-o", "n")
    assert "churn#staging is v1.0.0 as last seen here" in offline.err
    assert gitml("model", "pull", "churn@v1.1.0", "-o", "o").err == ""  # it was fetched before
    git(clone, "remote", "remove", "origin")
    git(clone, "update-ref", "--stdin", input=_deletions(git, clone))
    nowhere = gitml("model", "pull", "churn@v1.1.0", "-o", "p", code=3)
    assert "is not on this machine" in nowhere.err
    assert not (clone / "p").exists()


def _deletions(git, path):
    return git(path, "for-each-ref", "--format=delete %(refname)", PACKAGES)


@pytest.mark.parametrize(
    "reference, code, said",
    [
        ("churn@v9.0.0", 3, "churn has no version v9.0.0"),
        ("chrn@v1.0.0", 3, "did you mean churn?"),
        ("churn#production", 3, "No version of churn is in production"),
        ("churn", 5, "names a model and no version"),
        ("churn@two", 5, "is not a version"),
        ("@v1.0.0", 5, "names no version"),
    ],
)
def test_unknown_versions(gitml, clone, reference, code, said):
    answer = gitml("model", "pull", reference, "-o", "out", code=code)
    assert said in answer.err
    assert not (clone / "out").exists()


def test_the_digest_that_is_expected(gitml, clone):
    wrong = "sha256:" + "0" * 64
    answer = gitml("model", "pull", "churn@1", "-o", "out", "--expect-digest", wrong, code=8)
    assert f"{wrong} was expected" in answer.err
    answer = gitml("model", "export", "churn@1", "--expect-digest", "51ce07b", code=5)
    assert "is not a digest" in answer.err
    assert sorted(path.name for path in clone.iterdir()) == [".git", "train.py"]


def test_a_package_that_was_changed_on_the_remote(gitml, clone, shared, git):
    (ref,) = [
        line.split()[2]
        for line in git(shared, "for-each-ref", PACKAGES).splitlines()
        if git(shared, "cat-file", "-p", f"{line.split()[2]}:model.bin") == "\0weights\n"
    ]
    forged = git(shared, "hash-object", "-w", "--stdin", input="\0poison!\n").strip()
    genuine = git(shared, "rev-parse", f"{ref}:model.bin").strip()
    lines = git(shared, "ls-tree", ref).replace(genuine, forged)
    tree = git(shared, "mktree", input=lines).strip()
    git(shared, "update-ref", ref, git(shared, "commit-tree", "-m", "x", tree).strip())
    answer = gitml("model", "pull", "churn@1", "-o", "out", code=8)
    assert "model.bin of churn v1.0.0 is not what was registered" in answer.err
    assert sorted(path.name for path in clone.iterdir()) == [".git", "train.py"]
    for name in ("out.tar.gz", "out.zip"):
        gitml("model", "export", "churn@1", "-o", name, code=8)
    assert sorted(path.name for path in clone.iterdir()) == [".git", "train.py"]
    git(shared, "update-ref", "-d", ref)
    git(clone, "update-ref", "-d", ref)
    answer = gitml("model", "pull", "churn@1", "-o", "out", code=3)
    assert "origin does not have the package of churn v1.0.0" in answer.err


def listed(files):
    lines = sorted((p.encode(), d) for p, d in files.items())
    text = b"".join(
        f"{hashlib.sha256(data).hexdigest()} {len(data)} ".encode() + path + b"\n"
        for path, data in lines
    )
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


@pytest.mark.parametrize(
    "change, said",
    [
        ({"path": "../../evil"}, "leaves"),
        ({"path": "/etc/cron.d/evil"}, "absolute"),
        ({"path": ".git/hooks/pre-commit"}, "git keeps for itself"),
        ({"path": "MLmodel"}, "one file on some systems"),
        ({"path": "mlMODEL"}, "one file on some systems"),
        ({"sha256": "0" * 64}, "not those of its digest"),
        ({"size": 1 << 40}, "not those of its digest"),
        ({"store": "http"}, "store"),
        ({"path": "new\x1b[2J.txt"}, "control"),
    ],
)
def test_a_list_of_files_that_somebody_forged(invoke, shared, git, tmp_path, change, said):
    """The tag itself is replaced, as whoever may push tags can do."""
    package = load_user_yaml(git(shared, "show", "churn@v1.0.0:package.yaml"), "package.yaml")
    package["files"][-1] |= change
    blob = git(shared, "hash-object", "-w", "--stdin", input=dump(package).decode()).strip()
    lines = git(shared, "ls-tree", "churn@v1.0.0").splitlines()
    forged = [
        f"100644 blob {blob}\tpackage.yaml" if line.endswith("package.yaml") else line
        for line in lines
    ]
    tree = git(shared, "mktree", input="\n".join(forged) + "\n").strip()
    commit = git(shared, "commit-tree", "-m", "x", tree).strip()
    raw = git(shared, "cat-file", "tag", "churn@v1.0.0")
    tag = git(shared, "mktag", input=raw.replace(raw[7:47], commit, 1)).strip()
    git(shared, "update-ref", "refs/tags/churn@v1.0.0", tag)
    git(shared, "update-ref", "-d", "refs/gitml/models/churn")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", f"file://{shared}", clone)
    answer = invoke("model", "pull", "churn@v1.0.0", "-o", "out", cwd=clone)
    assert (answer.code, said in answer.err) == (8, True), answer.err
    assert "\x1b" not in answer.err
    assert sorted(path.name for path in clone.iterdir()) == [".git", "train.py"]


def test_archives_hold_the_folder_and_the_facts_and_are_the_same_each_time(gitml, clone):
    gitml("model", "export", "churn@1")
    gitml("model", "export", "churn@1", "-o", "a.tar")
    gitml("model", "export", "churn@1", "-o", "a.zip")
    top = "churn-v1.0.0"
    expected = {f"{top}/{path}": data for path, data in FILES.items()}
    for name in (f"{top}.tar.gz", "a.tar"):
        with tarfile.open(clone / name) as archive:
            found = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
        facts = load_user_yaml(found.pop(f"{top}.yaml").decode(), "facts")
        assert (facts["version"], facts["digest"]) == ("v1.0.0", listed(FILES))
        assert found == expected
    with zipfile.ZipFile(clone / "a.zip") as archive:
        assert archive.testzip() is None
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found.pop(f"{top}.yaml")
    assert found == expected
    for name in (f"{top}.tar.gz", "a.tar", "a.zip"):
        first = (clone / name).read_bytes()
        assert "exists already" in gitml("model", "export", "churn@1", "-o", name, code=4).err
        os.utime(clone / name, (0, 0))
        gitml("model", "export", "churn@1", "-o", name, "--force")
        assert (clone / name).read_bytes() == first
    refused = gitml("model", "export", "churn@1", "-o", "a.rar", code=5)
    assert "does not say what kind of archive" in refused.err
