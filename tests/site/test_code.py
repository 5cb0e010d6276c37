"""Uncommitted changes on the page of a run: read by one process, shown as text, told in full."""

from __future__ import annotations

import pytest

from gitml.model import Source
from gitml.site import code
from gitml.store.git import open_repository
from tests.site.browsing import LOOKS, browse, invalid, needs_browser
from tests.support import make_runs, run_id_of

BEFORE = "lr = 0.1\nseed = 0\n"
AFTER = (
    "lr = 0.2\n# ask ada@corp.example.com, see /home/ada/x\n<script>alert(1)</script>\nseed = 0\n"
)


@pytest.fixture
def trees(repo, git):
    """Return (commit, tree of it, tree with work, tree with much work) of a repository."""

    def tree():
        git(repo, "add", "--all")
        return git(repo, "write-tree").strip()

    (repo / "train.py").write_text(BEFORE)
    first = tree()
    git(repo, "commit", "--quiet", "-m", "code")
    commit = git(repo, "rev-parse", "HEAD").strip()
    (repo / "train.py").write_text(AFTER)
    (repo / "new file.bin").write_bytes(b"\x00\x01")
    work = tree()
    (repo / "table.csv").write_text("".join(f"{n},{n * n}\n" for n in range(5000)))
    return commit, first, work, tree()


def runs_of(repo, commit, *sources, **facts):
    return make_runs(
        repo,
        *(
            {
                "name": f"run-{n}",
                "source": Source(commit=commit, tree=tree, dirty=True, changed=("train.py",)),
                **facts,
            }
            for n, tree in enumerate(sources)
        ),
    )


def page_of(site, n):
    return site.text(f"runs/{run_id_of(f'run-{n}')[:12]}.html")


def test_changes_are_shown(repo, trees, make_site, files_of):
    commit, same, work, much = trees
    runs_of(repo, commit, work, work, much, same, "7" * 40, "x y\n--output=/tmp/x")
    site = make_site(repo)
    page = page_of(site, 0)
    assert '<span class="del">-lr = 0.1</span>' in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "new file.bin" in page
    assert "binary" in page
    assert "corp.example.com" not in page
    assert "/home/ada" not in page
    files = {name for name in files_of(site.path) if name.startswith("data/code/")}
    assert len(files) == 4  # two of the runs have the same
    (link,) = {name for name in files if name.endswith(".diff") and name in page}
    assert "+lr = 0.2\n" in site.text(link)
    twin = site.text(link.replace(".diff", ".js"))
    assert twin.startswith("gitml.take(")
    assert "more lines" in page_of(site, 2)
    assert len(page_of(site, 2)) < 40_000
    assert "the tree has the content of the commit" in page_of(site, 3)
    assert "is not in the repository" in page_of(site, 4)
    assert "Uncommitted" in page_of(site, 5)
    assert make_site(repo).done.written == ()
    shown = make_site(repo, "open", redact=False)
    assert "ada@corp.example.com" in page_of(shown, 0)


@needs_browser
@pytest.mark.slow
def test_changes_are_valid_and_accessible(repo, trees, make_site):
    commit, same, work, much = trees
    runs_of(repo, commit, work, much, same, requirements="numpy==1.26.4\n")
    site = make_site(repo)
    pages = [f"runs/{run_id_of(f'run-{n}')[:12]}.html" for n in range(3)]
    keys = [run_id_of(f"run-{n}")[:12] for n in range(3)]
    wrong, _ = browse(
        site.path,
        [f"{pages[1]}#with={keys[0]}", f"compare.html#runs={','.join(keys)}"],
        looks=LOOKS["http"],
    )
    assert wrong == []
    assert invalid(site.path) == ""


def test_what_nobody_has_any_more_goes(repo, trees, make_site, invoke):
    commit, _, work, much = trees
    runs_of(repo, commit, work, much, requirements="numpy==1.26.4\nPyYAML==6.0\n")
    site = make_site(repo)
    assert "2 packages" in page_of(site, 0)
    text = site.text(next((site.path / "data/packages").glob("*.js")).relative_to(site.path))
    assert '[["PyYAML", "6.0"], ["numpy", "1.26.4"]]' in text
    assert invoke("rm", "run-1", cwd=repo).code == 0
    site = make_site(repo)
    assert sum(name.startswith("data/code/") for name in site.done.removed) == 2
    assert len(list((site.path / "data/packages").iterdir())) == 2


def test_sources_that_arrive_are_shown(repo, trees, git, make_site):
    commit, _, work, _ = trees
    runs_of(repo, commit, work)
    bare = repo.parent / "bare"
    git(repo, "clone", "--quiet", "--bare", "--no-local", repo, bare)
    git(bare, "fetch", "--quiet", "origin", "refs/gitml/*:refs/gitml/*")
    assert "is not in the repository" in page_of(make_site(bare), 0)
    kept = git(repo, "commit-tree", work, "-m", "source").strip()
    git(repo, "update-ref", f"refs/gitml/source/t-{work}", kept)
    asked = f"refs/gitml/source/t-{work}:refs/gitml-remotes/origin/source/t-{work}"
    git(bare, "fetch", "--quiet", "origin", asked)  # as gitml source does; nothing else changes
    assert "+lr = 0.2" in page_of(make_site(bare), 0)


def test_the_same_text_in_every_clone(repo, trees, git, make_site, files_of):
    commit, _, work, much = trees
    runs_of(repo, commit, work, much)
    bare = repo.parent / "bare"
    git(repo, "clone", "--quiet", "--bare", repo, bare)
    git(bare, "fetch", "--quiet", "origin", "refs/gitml/*:refs/gitml/*")
    for setting in ("diff.noprefix true", "diff.context 1", "diff.algorithm patience"):
        git(repo, "config", *setting.split())
    git(repo, "config", "core.abbrev", "20")
    (repo / ".gitattributes").write_text("*.py diff=python\n*.csv binary\n")
    code_of = lambda site: {  # noqa: E731
        name: data for name, data in files_of(site.path).items() if name.startswith("data/code/")
    }
    assert len(code_of(make_site(repo))) == 4
    assert code_of(make_site(repo)) == code_of(make_site(bare, "other"))


def test_one_process_for_all(repo, trees, git):
    commit, _, work, much = trees
    damaged = git(repo, "mktree", "--missing", input=f"100644 blob {'6' * 40}\ttrain.py\n").strip()
    store = open_repository(repo)
    pairs = [code.Pair(commit, tree) for tree in (work, damaged, much)]
    try:
        at_hand = code.at_hand(store, pairs)
        before = store.processes
        found = dict(code.differences(store, at_hand, hide=False))
        assert store.processes - before == 2  # one more behind what cannot be read
    finally:
        store.close()
    assert [bool(found[pair].text) for pair in pairs] == [True, False, True]
    assert found[pairs[1]].problem
    assert found[pairs[2]].text.count("\n+4999,24990001\n") == 1
    shown = code.patch(found[pairs[2]])
    assert (shown.count, shown.added, shown.removed) == (3, 5003, 1)
    assert shown.cut == "4,921 more lines"
    assert [len(file.blocks) for file in shown.files] == [4, 0, 2]  # one large file hides no other


def test_files_are_called_by_their_names():
    heads = {
        "x b/y": [
            "diff --git a/x b/y b/x b/y",
            "--- a/x b/y\t",
            "+++ b/x b/y\t",
            "@@ -1 +1 @@",
            "+1",
        ],
        "gone": [
            "diff --git a/gone b/gone",
            "deleted file mode 100644",
            "--- a/gone",
            "+++ /dev/null",
        ],
        "new": ["diff --git a/old b/new", "rename from old", "rename to new"],
        "a b.bin": [
            "diff --git a/a b.bin b/a b.bin",
            "Binary files a/a b.bin and b/a b.bin differ",
        ],
    }
    text = "".join(f"{line}\n" for lines in heads.values() for line in lines)
    shown = code.patch(code.Difference(text=text, bytes=len(text)))
    kinds = {file.path: file.kind for file in shown.files}
    assert kinds == {"x b/y": "", "gone": "removed", "new": "renamed", "a b.bin": "binary"}
