"""gitml tag, note, rm, restore, purge and copy, as people type them."""

from __future__ import annotations

import json
import shlex
import stat

import pytest

from gitml.store.git import Repository
from tests.support import START, make_run, make_runs, run_id_of


@pytest.fixture
def gitml(invoke, repo):
    """Return ``gitml(*args, code=0, input="")``, run in the repository: its whole answer."""

    def run(*args, code=0, input=""):  # noqa: A002 - as subprocess has it
        answer = invoke(*args, cwd=repo, input=input)
        assert answer.code == code, answer
        return answer

    return run


@pytest.fixture
def shown(gitml):
    """Return ``shown(run)``: the run as gitml show --json tells it, read anew."""
    return lambda run: json.loads(gitml("show", run, "--json").out)["run"]


def names(gitml, *args):
    return [run["name"] for run in json.loads(gitml("ls", "--json", *args).out)["runs"]]


# tag


def test_tags_are_set_shown_and_taken_off(repo, gitml, shown):
    make_run(repo, "brave-otter-12", tags={"draft": "1"})
    answer = gitml("tag", "brave-otter-12", "team=growth", "why=a = b", "empty=", "-d", "draft")
    assert answer.out == "Tagged brave-otter-12: team=growth, why=a = b, empty=, draft taken off\n"
    assert answer.err == ""
    assert shown("brave-otter-12")["tags"] == {"team": "growth", "why": "a = b", "empty": ""}
    assert gitml("tag", "brave-otter-12").out == (
        "run             tag    value\n"
        "brave-otter-12  empty\n"
        "brave-otter-12  team   growth\n"
        "brave-otter-12  why    a = b\n"
    )


def test_several_runs_get_all_tags(repo, gitml, shown):
    make_runs(repo, {"name": "one"}, {"name": "two"}, {"name": "three"})
    assert gitml("tag", "one", "two", run_id_of("two")[:8], "sweep=a").out == (
        "Tagged 2 runs: sweep=a\n"
    )
    assert [shown(run)["tags"] for run in ("one", "two", "three")] == [
        {"sweep": "a"},
        {"sweep": "a"},
        {},
    ]
    document = json.loads(gitml("tag", "one", "two", "--json").out)
    assert document["schema"] == 1
    assert [(run["name"], run["tags"]) for run in document["runs"]] == [
        ("one", {"sweep": "a"}),
        ("two", {"sweep": "a"}),
    ]


def test_a_run_whose_name_holds_an_equals_sign_comes_first(repo, gitml, shown):
    make_run(repo, "lr=0.1")
    gitml("tag", "lr=0.1", "good=yes")
    assert shown("lr=0.1")["tags"] == {"good": "yes"}


@pytest.mark.parametrize(
    "args,code,said",
    [
        (["tag"], 2, "Missing argument 'RUN... [KEY=VALUE]...'."),
        (["tag", "one", "a=1", "two"], 2, "two comes after a tag and is none."),
        (["tag", "one", "a=1", "a=2"], 2, "The tag a is given two values."),
        (["tag", "one", "a=1", "-d", "a"], 2, "The tag a is both set and taken off."),
        (["tag", "one", "=1"], 5, "The name of a tag cannot be empty."),
        (["tag", "one", "a\x1bb=1"], 5, "The name of a tag holds a control or bidirectional"),
        (["tag", "one", "-d", "tema"], 3, "one has no tag tema"),
        (["tag", "one", "two", "-d", "x"], 3, "None of these 2 runs has a tag x"),
        (["tag", "tow", "a=1"], 3, "no run is named tow"),
        (["tag", "one", "tow", "a=1"], 3, "no run is named tow"),
    ],
)
def test_a_tag_that_cannot_be_changes_nothing(repo, gitml, git, args, code, said):
    make_runs(repo, {"name": "one", "tags": {"team": "x"}}, {"name": "two"})
    before = git(repo, "for-each-ref")
    answer = gitml(*args, code=code)
    assert answer.out == ""
    assert answer.err.startswith(f"error: {said}")
    assert (
        "\n  hint: " in answer.err or "cannot be empty" in said or "both" in said or "two v" in said
    )
    assert git(repo, "for-each-ref") == before


def test_a_run_without_tags_says_so_on_stderr(repo, gitml):
    make_run(repo, "one")
    answer = gitml("tag", "one")
    assert (answer.out, answer.err) == (
        "",
        "one has no tags.\n  hint: gitml tag RUN KEY=VALUE sets one\n",
    )


# note


def test_a_note_is_written_extended_shown_and_removed(repo, gitml, shown):
    make_run(repo, "one")
    assert gitml("note", "one").err == "one has no note.\n  hint: gitml note one TEXT writes one\n"
    assert gitml("note", "one", "Cleaned data.").out == "Noted one\n"
    assert gitml("note", "one", "--append", "-", input="And more.\nEnd.\n").out == "Noted one\n"
    assert shown("one")["note"] == "Cleaned data.\nAnd more.\nEnd."
    assert gitml("note", "one").out == "Cleaned data.\nAnd more.\nEnd.\n"
    assert json.loads(gitml("note", "one", "--json").out)["run"]["note"] == shown("one")["note"]
    assert gitml("note", "one", "--delete").out == "Removed the note of one\n"
    assert shown("one")["note"] is None


def test_the_first_append_is_the_note(repo, gitml, shown):
    make_run(repo, "one")
    gitml("note", "one", "--append", "First.")
    assert shown("one")["note"] == "First."


def test_control_characters_of_a_note_never_reach_a_terminal(repo, gitml):
    make_run(repo, "one", note="\x1b[2Jred\u202e")
    assert gitml("note", "one").out == "\\x1b[2Jred\\u202e\n"


def editor(tmp_path, script):
    path = tmp_path / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_note_is_edited(repo, gitml, shown, tmp_path, monkeypatch):
    make_run(repo, "one", note="Before.")
    # Editors are noticed to have written by the file's time, which the first may share.
    script = 'grep -q Before. "$1" && echo "After." > "$1" && touch -d 2030-01-01 "$1"'
    monkeypatch.setenv("EDITOR", editor(tmp_path, script))
    assert gitml("note", "one", "--edit").out == "Noted one\n"
    assert shown("one")["note"] == "After."
    monkeypatch.setenv("EDITOR", "true")
    answer = gitml("note", "one", "--edit")
    assert (answer.out, answer.err) == ("", "Nothing was changed.\n")
    monkeypatch.setenv("EDITOR", "false")
    assert gitml("note", "one", "--edit", code=5).err.startswith("error: The editor did not work:")
    assert shown("one")["note"] == "After."


@pytest.mark.parametrize(
    "args,code,said",
    [
        (["one", "text", "--edit"], 2, "Give one of TEXT, --edit and --delete."),
        (["one", "--edit", "--delete"], 2, "Give one of TEXT, --edit and --delete."),
        (["one", "--append"], 2, "There is nothing to append."),
        (["one", "-"], 5, "There is no text on stdin."),
        (["one", "x" * 70_000], 5, "The note has 70,000 characters."),
        (["tow", "text"], 3, "no run is named tow"),
    ],
)
def test_a_note_that_cannot_be(repo, gitml, shown, args, code, said):
    make_run(repo, "one", note="kept")
    assert gitml("note", *args, code=code).err.startswith(f"error: {said}")
    assert shown("one")["note"] == "kept"


def test_bytes_that_are_no_text_are_no_note(repo, gitml):
    make_run(repo, "one")
    answer = gitml("note", "one", "-", input="\udcff\udcfe", code=5)
    assert answer.err.startswith("error: The note is not text in UTF-8:")


# rm, restore


def test_removed_runs_are_out_of_the_lists_and_come_back(repo, gitml):
    make_runs(repo, {"name": "one"}, {"name": "it's two", "created": START + 1}, {"name": "three"})
    answer = gitml("rm", "one", "it's two")
    removed, command = answer.out.splitlines()
    assert removed == "Removed 2 runs"
    assert names(gitml) == ["three"]
    assert set(names(gitml, "--deleted")) == {"one", "it's two", "three"}
    assert command == "  gitml restore one 'it'\"'\"'s two'"
    assert gitml("rm", "one").err == "one was removed already.\n"
    assert gitml(*shlex.split(command)[1:]).out == "Restored 2 runs\n"
    assert len(names(gitml)) == 3
    assert gitml("restore", "one").err == "one was not removed.\n"


def test_rm_and_restore_answer_in_json(repo, gitml):
    make_runs(repo, {"name": "one"}, {"name": "two", "deleted": True})
    one, two = ({"id": run_id_of(name), "name": name} for name in ("one", "two"))
    assert json.loads(gitml("rm", "one", "two", "--json").out) == {"schema": 1, "removed": [one]}
    restored = json.loads(gitml("restore", "one", "two", "--json").out)
    assert restored == {"schema": 1, "restored": [one, two]}


def test_one_unknown_run_removes_none(repo, gitml):
    make_runs(repo, {"name": "one"}, {"name": "two"})
    gitml("rm", "one", "tow", code=3)
    assert len(names(gitml)) == 2


# purge


def test_a_purge_needs_a_yes_and_is_final(repo, gitml, git):
    run = make_run(repo, "one")
    make_run(repo, "two")
    gitml("pack")
    answer = gitml("purge", "one", code=4)
    assert answer.err == (
        "error: Purging one is final: nothing brings it back.\n"
        "  hint: gitml rm hides a run and can be undone; to purge it: gitml purge --yes one\n"
    )
    assert len(names(gitml)) == 2
    answer = gitml("purge", run.id[:6], "--yes", "--reason", "personal data")
    assert answer.out == f"Purged one  id {run.id[:8]}\n"
    assert "still in git's history" in answer.err
    assert names(gitml, "--deleted") == ["two"]
    answer = gitml("show", run.id, code=3)
    assert "was purged" in answer.err
    assert "personal data" in answer.err
    gitml("restore", run.id, code=3)
    assert git(repo, "fsck", "--strict") == ""


def test_what_may_be_another_run_tomorrow_is_not_purged(repo, gitml):
    make_run(repo, "one", metrics={"auc": 0.5})
    for word in ("latest", "best:auc"):
        answer = gitml("purge", word, "--yes", code=4)
        assert answer.err.startswith(f"error: {word} is one at present")
    assert names(gitml) == ["one"]


def test_purge_answers_in_json(repo, gitml):
    run = make_run(repo, "one")
    answer = json.loads(gitml("purge", "one", "--yes", "--json").out)
    assert answer == {"schema": 1, "purged": {"id": run.id, "name": "one"}}


# copy


def test_a_copy_goes_into_another_experiment(repo, gitml, shown):
    run = make_run(repo, "one", params={"lr": 0.1}, metrics={"auc": [0.5, 0.9]}, note="kept")
    answer = gitml("copy", "one", "-e", "second try")
    made = shown("one-copy")
    first = f"Copied one to one-copy in second try.  id {made['id'][:8]}\n"
    assert answer.out == f"{first}  gitml show one-copy\n"
    assert (made["experiment"], made["note"]) == ("second try", "kept")
    assert made["tags"] == {"gitml.copied_from": run.id}
    assert made["metrics"] == shown("one")["metrics"]
    gitml("copy", "one")
    assert shown("one-copy-2")["experiment"] == "churn"
    document = json.loads(gitml("copy", "one", "--name", "a name", "--json").out)
    assert document["run"] == shown("a name")


@pytest.mark.parametrize(
    "args,code,said",
    [
        (["one", "--name", " "], 5, "The name of a run cannot be empty."),
        (["one", "-e", "a\nb"], 5, "The name of an experiment holds a control"),
        (["running"], 4, "running is not wholly in git yet"),
        (["tow"], 3, "no run is named tow"),
    ],
)
def test_a_copy_that_cannot_be(repo, gitml, git, args, code, said):
    make_runs(repo, {"name": "one"}, {"name": "running", "status": "running"})
    before = git(repo, "for-each-ref")
    assert gitml("copy", *args, code=code).err.startswith(f"error: {said}")
    assert git(repo, "for-each-ref") == before


# all of them


@pytest.mark.parametrize(
    "args",
    [
        *(["tag", "run-1", "a=1"], ["tag", *(f"run-{n}" for n in range(300)), "a=1"]),
        *(["note", "run-1", "text"], ["rm", *(f"run-{n}" for n in range(300))]),
        *(["restore", "removed"], ["purge", "run-1", "--yes"], ["copy", "run-1"]),
    ],
    ids=lambda args: f"{args[0]} {len(args)}",
)
def test_at_most_six_processes_whatever_the_number_of_runs(repo, gitml, args, monkeypatch):
    make_runs(
        repo, *({"name": f"run-{n}"} for n in range(300)), {"name": "removed", "deleted": True}
    )
    gitml("ls")  # so that the index is there
    counted = []
    start = Repository.start

    def count(self, *words, **options):
        counted.append(words)
        return start(self, *words, **options)

    monkeypatch.setattr(Repository, "start", count)
    gitml(*args)
    assert len(counted) <= 6, counted


@pytest.mark.parametrize(
    "args", [["tag", "x"], ["note", "x"], ["rm", "x"], ["purge", "x"], ["copy", "x"]]
)
def test_outside_of_a_repository(invoke, args):
    answer = invoke(*args)
    assert answer.code == 6
    assert "git init" in answer.err


def test_a_name_that_looks_like_an_option(repo, gitml):
    make_run(repo, "-x")
    answer = gitml("rm", "--", "-x")
    command = answer.out.splitlines()[1]
    assert command == "  gitml restore -- -x"
    assert gitml(*shlex.split(command)[1:]).out == "Restored -x\n"
    assert "gitml purge --yes -- -x" in gitml("purge", "--", "-x", code=4).err
