"""gitml init, as people type it."""

from __future__ import annotations

import os
import re

import pytest

from gitml.commands.init import read_template, settings_template
from gitml.errors import InputError
from gitml.registry.gates import GATES
from gitml.registry.policy import FILE as POLICY
from gitml.registry.policy import parse_policy
from gitml.tracking import settings
from gitml.tracking.settings import FILE, Settings, read_settings


def test_the_file_says_nothing_until_something_is_changed(repo, invoke):
    before = sorted(repo.iterdir())
    answer = invoke("init", cwd=repo)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == (
        f"Wrote {FILE}\n  git add {FILE}\n  gitml run -- python train.py      gitml log\n"
    )
    assert sorted(repo.iterdir()) == sorted([*before, repo / ".gitml"])
    assert [p.name for p in (repo / ".gitml").iterdir()] == ["config.yaml"]
    assert (repo / FILE).read_text("utf-8") == settings_template()
    assert read_settings(repo) == Settings()


def test_each_setting_is_there_with_its_default(repo):
    (repo / ".gitml").mkdir()
    active = re.sub(r"(?m)^( *)#(?=[^ ]|  - )", r"\1", settings_template())
    (repo / FILE).write_text(active, encoding="utf-8")
    given = []
    parsed = {
        key: (name, lambda value, key, parse=parse: given.append(key) or parse(value, key))
        for key, (name, parse) in settings._KEYS.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "_KEYS", parsed)
        assert read_settings(repo) == Settings()
    assert sorted(given) == sorted(settings._KEYS)


def test_each_setting_is_explained():
    text = settings_template()
    for line in re.findall(r"(?m)^ *#\w[\w]*:.*$", text):
        above = text[: text.index(line)].rstrip(" ").splitlines()[-1]
        assert re.match(r" *# \S", above), line


def test_the_policy_is_written_where_it_is_asked_for(repo, invoke):
    answer = invoke("init", "--policy", cwd=repo)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == (
        f"Wrote {POLICY}\n  git add {POLICY}\n"
        "  gitml policy check      gitml policy explain MODEL STAGE\n"
    )
    assert [p.name for p in (repo / ".gitml").iterdir()] == ["policy.yaml"]
    policy = parse_policy((repo / POLICY).read_text("utf-8"))
    assert [gate.text for gate in policy.stages["production"]] == ["clean_source"]
    assert [gate.text for gate in policy.default] == ["unsafe_allow"]
    assert (policy.models, policy.break_glass) == ({}, None)


def test_the_policy_shows_every_gate_as_it_is_written():
    active = re.sub(r"(?m)^( *)#(?=[^ ]|(?:  )+\S)", r"\1", read_template("policy.yaml"))
    policy = parse_policy(active)
    lists = [policy.default, policy.break_glass, *policy.stages.values()]
    lists += [gates for stages in policy.models.values() for gates in stages.values()]
    assert {name for gates in lists for gate in gates for name in all_names(gate)} == {*GATES}


def all_names(gate):
    inner = [name for one in getattr(gate, "gates", ()) for name in all_names(one)]
    return [gate.name, *inner]


@pytest.mark.parametrize(
    "text,said",
    [
        ("order: production", "It must be a list of stages."),
        ("order: [qa, qa]", "It must be a list that names each stage once."),
        ("order: [Prod]", "use prod"),
        ("only: yes", "It must be true or false."),
        ("only: true", "stages: {order: [staging, production], only: true}"),
        ("onyl: true", "did you mean stages.only"),
    ],
)
def test_stages_that_cannot_be_set(repo, text, said):
    (repo / ".gitml").mkdir()
    (repo / FILE).write_text(f"stages:\n  {text}\n", encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read_settings(repo)
    assert "stages" in raised.value.message
    assert said in raised.value.hint


def test_a_file_that_is_there_is_left_alone(repo, invoke):
    (repo / ".gitml").mkdir()
    (repo / FILE).write_text("experiment: mine\n", encoding="utf-8")
    answer = invoke("init", cwd=repo)
    assert answer.code == 0
    assert answer.out.splitlines()[0] == f"{FILE} exists already; it was left as it is."
    assert (repo / FILE).read_text("utf-8") == "experiment: mine\n"


def test_below_the_top_the_whole_path_is_named(repo, invoke):
    (repo / "sub").mkdir()
    answer = invoke("init", cwd=repo / "sub")
    assert answer.out.splitlines()[:2] == [f"Wrote {repo / FILE}", f"  git add {repo / FILE}"]


def test_a_link_is_not_followed(repo, invoke, tmp_path):
    (tmp_path / "outside").mkdir()
    (repo / ".gitml").symlink_to(tmp_path / "outside")
    answer = invoke("init", cwd=repo)
    assert answer.code == 4
    assert answer.err.startswith(f"error: {repo}/.gitml is not a folder.\n  hint: ")
    assert list((tmp_path / "outside").iterdir()) == []


def test_where_there_is_no_work_tree(bare_repo, invoke, tmp_path):
    answer = invoke("init", cwd=bare_repo)
    assert answer.code == 6
    assert answer.err.startswith("error: A bare repository has no work tree")
    (tmp_path / "plain").mkdir()
    answer = invoke("init", cwd=tmp_path / "plain")
    assert answer.code == 6
    assert "git init" in answer.err
    assert list((tmp_path / "plain").iterdir()) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_work_tree_that_is_read_only(repo, invoke):
    repo.chmod(0o555)
    answer = invoke("init", cwd=repo)
    repo.chmod(0o755)
    assert answer.code == 10
    assert answer.err.startswith("error: The system does not give access to")
