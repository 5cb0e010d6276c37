"""The repository keeps its shape: layout, docstrings, fragments, workflows, the README's word."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TOP = {
    *["LICENSE", "README.md", "pyproject.toml"],
    *["examples", "gitml", "site_templates", "tests"],
}
FRAGMENT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.(added|changed|fixed|removed)\.md")
SENTENCE = re.compile(r"(?=[`A-Z0-9])\S.*[^.…\s]\.")
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")


def fragment_faults(name, text):
    """Return what is wrong with a changelog fragment."""
    faults = [] if FRAGMENT.fullmatch(name) else [f"{name}: not SLUG.KIND.md"]
    if not text.endswith("\n") or text.endswith("\n\n"):
        faults.append(f"{name}: must end with one newline")
    return faults + [
        f"{name}: not one sentence: {line}"
        for line in text.splitlines()
        if not SENTENCE.fullmatch(line) or re.search(r"[.!?] [A-Z]", line)
    ]


def workflow_faults(workflow):
    """Return what is unsafe in a workflow: expressions in scripts, loose actions and rights."""
    faults = [] if workflow.get("permissions") == {} else ["rights are not empty at the top"]
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if "${{" in step.get("run", ""):
                faults.append(f"an expression in a script: {step['run']}")
            if "uses" in step and not PINNED.fullmatch(step["uses"]):
                faults.append(f"not pinned to a commit: {step['uses']}")
    return faults


def test_top_level_is_fixed(checkout_files):
    top = {path.split("/")[0] for path in checkout_files}
    assert {name for name in top if not name.startswith(".")} <= TOP


def test_every_module_says_what_it_is_for():
    modules = sorted((ROOT / "gitml").rglob("*.py"))
    assert modules
    assert [str(m) for m in modules if not ast.get_docstring(ast.parse(m.read_bytes()))] == []


def test_no_python_among_the_templates(checkout_files):
    """Hatchling refuses editable installs when a renamed folder holds any."""
    templates = [path for path in checkout_files if path.startswith("site_templates/")]
    assert templates
    assert [path for path in templates if path.endswith(".py")] == []


def test_fragments_are_well_formed():
    found = sorted((ROOT / ".github" / "changes").iterdir())
    fragments = [path for path in found if path.name != "README.md"]
    assert [f for p in fragments for f in fragment_faults(p.name, p.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    "name,text",
    [
        ("Thing.added.md", "It works.\n"),
        ("thing.new.md", "It works.\n"),
        ("thing.added.md", "It works.\n\n"),
        ("thing.added.md", "It works"),
        ("thing.added.md", "it works.\n"),
        ("thing.added.md", "It works. It does.\n"),
        ("thing.added.md", "- It works.\n"),
    ],
)
def test_a_bad_fragment_is_found(name, text):
    assert fragment_faults("thing.added.md", "`gitml ls --csv` works, e.g. in a pipe.\n") == []
    assert fragment_faults(name, text)


def test_workflows_are_safe():
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert workflows
    for path in workflows:
        assert workflow_faults(yaml.safe_load(path.read_text("utf-8"))) == [], path.name


@pytest.mark.parametrize(
    "step",
    [{"run": "echo ${{ github.head_ref }}"}, {"uses": "actions/checkout@v4"}],
)
def test_an_unsafe_workflow_is_found(step):
    assert workflow_faults({"permissions": {}, "jobs": {"a": {"steps": [step]}}})


def test_ci_runs_the_commands_of_the_readme():
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = set(re.findall(r"pip install -e '\.\[\w+\]' && [a-z]+(?: [a-z]+)*", readme))
    assert {command.split("&& ")[1] for command in commands} >= {"gitml demo", "pytest"}
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    missing = {part for c in commands for part in c.split(" && ") if part not in script}
    assert missing == set()


def test_ci_script_is_bash_and_executable(checkout_files):
    script = ROOT / ".ci" / "run"
    assert ".ci/run" in checkout_files
    assert script.stat().st_mode & 0o100
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
