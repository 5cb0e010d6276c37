"""`gitml init --github` and `--gitlab`, as people type them."""

from __future__ import annotations

import json
import shutil
from importlib import metadata

import pytest

import gitml

COMMIT = "de0fac2e4500dabe0009e67214ff5f5447ce83dd"
GITHUB = [
    ".github/workflows/gitml-review.yml",
    ".github/workflows/gitml-apply.yml",
    ".github/workflows/gitml-site.yml",
    ".github/rulesets/gitml-stages.json",
    ".github/rulesets/gitml-versions.json",
]
COPIED = [
    ".github/actions/gitml/apply/action.yml",
    ".github/actions/gitml/pull/action.yml",
    ".github/actions/gitml/review/action.yml",
    ".github/actions/gitml/site/action.yml",
    ".github/actions/gitml/steps.sh",
]


RELEASE = f"The jobs install gitml=={gitml.__version__} with pip.\n  hint: "
"""What is said besides, where gitml did not come from a repository."""


def wrote(answer):
    return [line.removeprefix("Wrote ") for line in answer.out.splitlines() if "Wrote " in line]


def test_everything_that_github_needs(repo, invoke):
    answer = invoke("init", "--github", "--owner", "@acme/ml", "--owner", "@ada", cwd=repo)
    assert (answer.code, answer.err.startswith(RELEASE), answer.err.count("\n")) == (0, True, 2)
    assert wrote(answer) == [*GITHUB, *COPIED, ".github/CODEOWNERS"]
    assert (repo / ".github" / "CODEOWNERS").read_text().splitlines()[1:] == [
        "/.gitml/ @acme/ml @ada",
        "/.github/ @acme/ml @ada",
    ]
    assert "rulesets/gitml-stages.json" in answer.out
    assert not (repo / ".gitml").exists()


def test_actions_by_commit(repo, invoke):
    answer = invoke("init", "--github", "--actions", f"acme/gitml@{COMMIT}", cwd=repo)
    assert answer.code == 0
    assert wrote(answer) == GITHUB
    text = (repo / GITHUB[0]).read_text()
    assert f"uses: acme/gitml/.github/actions/review@{COMMIT}\n" in text
    assert answer.err.startswith("Whoever may merge decides over policy and stages: no CODEOWNERS")


def test_where_pip_takes_gitml_from(repo, invoke, monkeypatch):
    given = f"gitml @ git+https://git.example.com/acme/gitml@{COMMIT}"
    for host, name in (("github", COPIED[0]), ("gitlab", ".gitlab/gitml.yml")):
        answer = invoke("init", f"--{host}", "--owner", "@ada", "--install", given, cwd=repo)
        assert (answer.code, answer.err) == (0, f"The jobs install {given} with pip.\n")
        assert f': "{given}"' in (repo / name).read_text()

    class Installed:
        """gitml as pip records it when a repository was named: PEP 610."""

        url = "https://ada:token@git.example.com/acme/gitml"

        def read_text(self, name):
            url = self.url
            info = {"vcs": "git", "commit_id": COMMIT}
            return json.dumps({"url": url, "vcs_info": info}) if name == "direct_url.json" else None

    shutil.rmtree(repo / ".github")
    monkeypatch.setattr(metadata, "distribution", lambda _: Installed())
    assert given in invoke("init", "--github", cwd=repo).err
    assert f': "{given}"' in (repo / COPIED[0]).read_text()
    Installed.url = "file:///home/ada/gitml"  # which no job has
    assert invoke("init", "--gitlab", cwd=repo).err.count(RELEASE) == 1


def test_the_protected_branch_is_that_of_the_remote(repo, bare_repo, git, invoke):
    git(bare_repo, "symbolic-ref", "HEAD", "refs/heads/trunk")
    git(repo, "remote", "add", "origin", bare_repo)
    git(repo, "push", "--quiet", "origin", "main:trunk")
    assert invoke("init", "--github", cwd=repo).code == 0
    assert 'branches: ["trunk"]' in (repo / GITHUB[1]).read_text()
    git(repo, "config", "gitml.branch", "release")
    assert '+    branches: ["release"]' in invoke("init", "--github", cwd=repo).out


def test_a_remote_that_is_away_is_no_reason_to_wait(repo, git, invoke, tmp_path):
    git(repo, "remote", "add", "origin", tmp_path / "gone.git")
    assert invoke("init", "--github", cwd=repo).code == 0
    assert 'branches: ["main"]' in (repo / GITHUB[1]).read_text()


def test_nothing_that_is_there_is_written_over(repo, invoke):
    invoke("init", "--github", "--owner", "@acme/ml", cwd=repo)
    changed = repo / GITHUB[0]
    changed.write_text(changed.read_text().replace("timeout-minutes: 15", "timeout-minutes: 99"))
    owners = repo / ".github" / "CODEOWNERS"
    owners.write_text("* @everybody\n/.gitml/ @acme/ml\n")
    (repo / GITHUB[2]).unlink()
    before = {path: path.read_bytes() for path in repo.rglob("*") if path.is_file()}
    answer = invoke("init", "--github", "--owner", "@acme/ml", cwd=repo)
    assert (answer.code, answer.err.startswith(RELEASE)) == (0, True)
    assert {path: path.read_bytes() for path in before} == before
    lines = answer.out.splitlines()
    assert lines[0] == f"{GITHUB[0]} exists already; it was left as it is. What would be new:"
    assert "  -    timeout-minutes: 99" in lines
    assert "  +    timeout-minutes: 15" in lines
    assert f"{GITHUB[1]} exists already, as it would be written." in lines
    assert wrote(answer) == [GITHUB[2]]
    at = lines.index(
        ".github/CODEOWNERS exists already; it was left as it is. Add 1 line at its end:"
    )
    assert lines[at + 1] == "  /.github/ @acme/ml"


@pytest.mark.parametrize("place", ["CODEOWNERS", "docs/CODEOWNERS"])
def test_owners_are_kept_where_they_are(repo, invoke, place):
    (repo / place).parent.mkdir(exist_ok=True)
    (repo / place).write_text("* @everybody\n")
    answer = invoke("init", "--github", "--owner", "ada@example.com", cwd=repo)
    assert f"{place} exists already; it was left as it is. Add 2 lines at its end:" in answer.out
    assert not (repo / ".github" / "CODEOWNERS").exists()


def test_everything_that_gitlab_needs(repo, invoke):
    answer = invoke("init", "--gitlab", "--owner", "@acme/ml", cwd=repo)
    assert (answer.code, answer.err.startswith(RELEASE), answer.err.count("\n")) == (0, True, 2)
    assert wrote(answer) == [".gitlab/gitml.yml", ".gitlab-ci.yml", ".gitlab/CODEOWNERS"]
    (repo / ".gitlab-ci.yml").write_text("build:\n  script: [make]\n")
    answer = invoke("init", "--gitlab", cwd=repo)
    assert "Add 1 line at its end:\n  - local: .gitlab/gitml.yml\n" in answer.out


@pytest.mark.parametrize("folder", [".github", ".github/workflows", ".github/actions"])
def test_a_link_is_not_followed(repo, invoke, tmp_path, folder):
    (tmp_path / "outside").mkdir()
    (repo / folder).parent.mkdir(exist_ok=True)
    (repo / folder).symlink_to(tmp_path / "outside")
    answer = invoke("init", "--github", cwd=repo)
    assert answer.code == 4
    assert answer.err.startswith(f"error: {repo / folder} is not a folder.\n  hint: ")
    assert list((tmp_path / "outside").iterdir()) == []
    assert wrote(answer) == []


def test_all_or_nothing(repo, invoke):
    """A folder where a file should be stops everything, what came before it too."""
    (repo / GITHUB[3]).mkdir(parents=True)
    answer = invoke("init", "--github", cwd=repo)
    assert answer.code == 4
    assert [path for path in (repo / ".github").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "args,code,said",
    [
        (["--github", "--owner", "acme/ml"], 5, "acme/ml does not name an owner."),
        (["--github", "--owner", "@acme # x"], 5, "@acme # x does not name an owner."),
        (["--github", "--actions", "acme/gitml@v1"], 5, "acme/gitml@v1 does not name actions by"),
        (["--github", "--policy"], 2, "--policy and --github cannot be given together."),
        (["--owner", "@acme"], 2, "--owner is for --github and --gitlab."),
        (["--github", "--install", '"; exit'], 5, '"; exit is nothing that pip installs.'),
        (["--github", "--install", "gitml${{ x }}"], 5, "gitml${{ x }} is nothing that pip"),
        (["--github", "--install", "-r x"], 5, "-r x is nothing that pip installs."),
        (["--install", "gitml"], 2, "--install is for --github and --gitlab"),
        (["--gitlab", "--actions", f"a/b@{COMMIT}"], 2, "--actions is for --github."),
    ],
)
def test_what_cannot_be_accepted(repo, invoke, args, code, said):
    answer = invoke("init", *args, cwd=repo)
    assert answer.code == code
    assert answer.err.startswith(f"error: {said}")
    assert sorted(path.name for path in repo.iterdir()) == [".git", "train.py"]


def test_a_branch_that_a_workflow_would_read_otherwise(repo, git, invoke):
    git(repo, "config", "gitml.branch", "${{github.token}}")
    answer = invoke("init", "--github", cwd=repo)
    assert answer.code == 5
    assert "cannot be named in a workflow" in answer.err
