"""The actions, and what `gitml init --github` and `--gitlab` write: safe, valid, and in step."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
import yaml

import gitml
from gitml.cli import COMMANDS
from gitml.registry.github import tags_protected
from gitml.registry.host import host_of, host_of_ci
from gitml.registry.hostapi import Access
from gitml.registry.scaffold import ACTIONS
from tests.fake_github import TOKEN, running

ROOT = Path(__file__).parents[2]
COMMIT = "de0fac2e4500dabe0009e67214ff5f5447ce83dd"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}|\./\.github/actions/gitml/\w+")


def tool(name):
    """Return a linter of the dev extra, or skip."""
    here = Path(sys.executable).parent / name
    found = str(here) if here.exists() else shutil.which(name)
    return found or pytest.skip(f"{name} is not installed (pip install -e '.[dev]')")


def check(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(params=["copied", "named"])
def github(request, repo, invoke):
    """Return a repository with the files for GitHub, the actions copied or named by commit."""
    more = ["--actions", f"acme/gitml@{COMMIT}"] if request.param == "named" else []
    answer = invoke("init", "--github", "--owner", "@acme/ml-leads", *more, cwd=repo)
    assert answer.code == 0, answer.err
    return repo


@pytest.fixture
def gitlab(repo, invoke):
    answer = invoke("init", "--gitlab", "--owner", "@acme/ml-leads", cwd=repo)
    assert answer.code == 0, answer.err
    return repo


def workflows(top):
    return sorted((top / ".github" / "workflows").glob("*.yml"))


def actions(top):
    return sorted((top / ".github" / "actions").rglob("action.yml"))


def steps(document):
    """Yield every step of a workflow or of a composite action."""
    if "runs" in document:
        yield from document["runs"]["steps"]
    for job in document.get("jobs", {}).values():
        yield from job["steps"]


def faults(document):
    """Return what is unsafe: expressions in scripts, loose actions, rights of a whole workflow."""
    found = []
    if "jobs" in document and document.get("permissions") != {}:
        found.append("rights are not empty at the top")
    for name, job in document.get("jobs", {}).items():
        if "permissions" not in job:
            found.append(f"the job {name} does not say its rights")
        if "timeout-minutes" not in job:
            found.append(f"the job {name} may run for hours")
    for step in steps(document):
        if "${{" in step.get("run", ""):
            found.append(f"an expression in a script: {step['run']}")
        if not PINNED.fullmatch(step.get("uses", f"a/b@{COMMIT}")):
            found.append(f"not pinned to a commit: {step['uses']}")
        given = step.get("with", {})
        if "checkout@" in step.get("uses", "") and given.get("persist-credentials") is not False:
            found.append("a token stays in the checkout")
    return found


def read(path):
    return yaml.safe_load(path.read_text("utf-8"))


def test_what_is_written_is_safe(github):
    found = {path.name: faults(read(path)) for path in [*workflows(github), *actions(github)]}
    assert len(found) >= 3
    assert {name: each for name, each in found.items() if each} == {}


def test_our_own_are_safe():
    found = {path: faults(read(path)) for path in actions(ROOT)}
    assert len(found) == 4
    assert {path: each for path, each in found.items() if each} == {}


@pytest.mark.parametrize(
    "step",
    [{"run": "echo ${{ github.head_ref }}"}, {"uses": "actions/checkout@v4"}, {"uses": "./x"}],
)
def test_an_unsafe_step_is_found(step):
    assert faults({"runs": {"steps": [step]}})


def test_requests_are_never_run_with_rights_of_the_repository(github):
    for path in workflows(github):
        on = read(path)[True]  # YAML 1.1 takes the key for a truth value
        assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(on), path
    review = read(github / ".github" / "workflows" / "gitml-review.yml")
    # A request may be turned to another branch, with another policy, when it has passed.
    assert {"synchronize", "edited"} <= set(review[True]["pull_request"]["types"])
    review = review["jobs"]
    assert set(review["review"]["permissions"].values()) == {"read"}
    assert not any("uses" in step for step in review["comment"]["steps"])
    assert "head.repo.full_name == github.repository" in review["comment"]["if"]


def test_zizmor_objects_to_nothing(github):
    check(tool("zizmor"), "--offline", "--quiet", github)
    check(tool("zizmor"), "--offline", "--quiet", ROOT / ".github")


def test_the_schemas_hold(github):
    schema = [tool("check-jsonschema"), "--builtin-schema"]
    check(*schema, "vendor.github-workflows", *workflows(github), *workflows(ROOT))
    check(*schema, "vendor.github-actions", *actions(ROOT))


def test_the_schema_of_gitlab_holds(gitlab):
    schema = [tool("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci"]
    files = [gitlab / ".gitlab-ci.yml", gitlab / ".gitlab" / "gitml.yml"]
    check(*schema, "--data-transform", "gitlab-ci", *files)


def test_the_scripts_are_bash(github):
    texts = [step["run"] for p in workflows(github) for step in steps(read(p)) if "run" in step]
    texts += [step["run"] for path in actions(ROOT) for step in steps(read(path))]
    texts.append((ACTIONS / "steps.sh").read_text("utf-8"))
    for text in texts:
        done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True)  # noqa: PLW1510
        assert (done.returncode, done.stderr) == (0, ""), text


def test_what_the_scripts_call_is_there(gitlab):
    """Each ``gitml …`` of a script is a command, and its flags are that command's."""
    texts = [step["run"] for path in actions(ROOT) for step in steps(read(path))]
    jobs = yaml.load((gitlab / ".gitlab" / "gitml.yml").read_text("utf-8"), yaml.BaseLoader)  # noqa: S506
    texts += [line for job in jobs.values() for line in job.get("script", [])]
    lines = re.findall(r"^ *(?:as_text )?(gitml (?!--)[^\n|]*)", "\n".join(texts), re.MULTILINE)
    assert {line.split()[1] for line in lines} == {"review", "apply", "model", "site"}
    for line in lines:
        words = [word for word in shlex.split(line)[1:] if word not in {";", "||"}]
        command = find(words)
        known = {option for param in command.params for option in param.opts}
        assert {w for w in words if re.match(r"--[a-z]", w)} <= known, line


def test_what_is_printed_is_no_command_to_the_runner():
    """What may hold foreign names is printed through ``as_text``, or into a file."""
    texts = [step["run"] for path in actions(ROOT) for step in steps(read(path))]
    printing = [line.strip() for line in "\n".join(texts).splitlines()]
    printing = [line for line in printing if re.search(r"\b(gitml|cat|echo) ", line)]
    free = [line for line in printing if "as_text " not in line]
    assert [line for line in free if not re.search(r">\s*\S|install_gitml|\$\(cat", line)] == []
    assert len(printing) - len(free) == 4


def find(words):
    module = COMMANDS[words[0]].module
    command = getattr(import_module(module), module.rpartition(".")[2].rstrip("_"))
    if isinstance(command, click.Group):
        return command.get_command(click.Context(command), words[1])
    return command


def defaults(top):
    return {str(read(path)["inputs"]["gitml"]["default"]) for path in actions(top)}


def test_what_is_installed_is_pinned(repo, invoke):
    """An action takes the gitml that it came with; a copy of one, this release."""
    assert defaults(ROOT) == {"."}
    for path in actions(ROOT):
        project = path.parent.joinpath("../../..").resolve() / "pyproject.toml"
        assert 'name = "gitml"' in project.read_text("utf-8")
    assert invoke("init", "--github", cwd=repo).code == 0
    assert defaults(repo) == {f"gitml=={gitml.__version__}"}


def test_the_rules_guard_what_apply_asks_about(github):
    """With both rulesets the host says yes; without either, no."""
    rulesets = sorted((github / ".github" / "rulesets").glob("*.json"))
    assert [path.name for path in rulesets] == ["gitml-stages.json", "gitml-versions.json"]
    documents = [{"id": n, **json.loads(p.read_text())} for n, p in enumerate(rulesets, 1)]
    with running() as fake:
        host = host_of("git@github.com:team/churn.git", host_of_ci(fake.environment))
        access = Access(token=TOKEN, pause=0.001)
        for given, answer in [(documents, True), (documents[:1], False), ([], False)]:
            fake.rulesets = [{**each, "id": n} for n, each in enumerate(given, 1)]
            assert tags_protected(host, access) is answer
    for document in documents:
        assert document["bypass_actors"]
        assert document["enforcement"] == "active"


def test_registering_stays_open_to_all(github):
    """Whoever may push may register a version; into a stage only apply may put it."""
    found = {}
    for path in (github / ".github" / "rulesets").glob("*.json"):
        document = json.loads(path.read_text())
        for pattern in document["conditions"]["ref_name"]["include"]:
            found[pattern] = {rule["type"] for rule in document["rules"]}
    everything = {"creation", "update", "deletion"}
    assert found == {
        "refs/tags/**/*#*": everything,
        "refs/tags/**/*@*!": everything,
        "refs/tags/**/*@*": {"update", "deletion"},
    }
