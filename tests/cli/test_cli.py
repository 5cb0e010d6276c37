"""The command line as such: its table, its help, its start, and how it fails."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import click
import pytest

import gitml
from gitml.cli import COMMANDS, GROUPS, Entry
from gitml.cli import gitml as root
from gitml.commands.options import LazyGroup, Session
from gitml.errors import EXIT_CODES
from tests.support import make_run, on_terminal

FOLDER = Path(gitml.__file__).parent / "commands"
HEAVY = {"git", "jinja2", "plotly", "rich", "sqlite3", "yaml"}


def load(name):
    return root.get_command(click.Context(root), name)


def every_command():
    """Yield (path, command) of each command and subcommand."""
    for name in COMMANDS:
        command = load(name)
        yield name, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for below in command.list_commands(context):
                yield f"{name} {below}", command.get_command(context, below)


def lazy_groups():
    """Yield each command whose subcommands are in a table."""
    for name in COMMANDS:
        command = load(name)
        if isinstance(command, LazyGroup):
            yield pytest.param(name, command, id=name)


def arguments(example):
    """Return what an example gives to gitml, without what the shell does around it."""
    lexer = shlex.shlex(example, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""  # within a word # is none: churn#production
    words = list(lexer)
    words = words[words.index("gitml") + 1 :]
    return list(itertools.takewhile(lambda word: not set(word) <= set("();<>|&"), words))


def test_table_agrees_with_the_files():
    stems = [path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__"]
    modules = {stem: import_module(f"gitml.commands.{stem}") for stem in stems}
    commands = {
        module.__name__
        for stem, module in modules.items()
        if isinstance(getattr(module, stem, None), click.Command)
    }
    table = {entry.module for entry in COMMANDS.values()}
    for name in COMMANDS:
        table |= {entry.module for entry in getattr(load(name), "table", {}).values()}
    assert {module for module in table if module.startswith("gitml.commands.")} == commands
    assert {entry.group for entry in COMMANDS.values()} <= set(GROUPS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_the_table_is_that_of_the_command(name):
    command = load(name)
    assert (command.name, command.help.splitlines()[0]) == (name, COMMANDS[name].help)


@pytest.mark.parametrize("group,command", [*lazy_groups()])
def test_help_of_a_group_is_made_from_its_table_alone(group, command):
    program = (
        "import sys; from gitml.cli import main; code = main(sys.argv[1:]);"
        "print(*sorted(sys.modules), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, group, "--help"], capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())
    assert loaded & (HEAVY | {entry.module for entry in command.table.values()}) == set()
    for name, entry in command.table.items():
        assert re.search(rf"^  {name} +{re.escape(entry.help[:40])}", done.stdout, re.MULTILINE)
        below = command.get_command(click.Context(command), name)
        assert (below.name, below.help.splitlines()[0]) == (name, entry.help)


def test_a_group_alone_is_its_help(invoke):
    answer = invoke("artifacts")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == invoke("artifacts", "--help").out


def test_a_subcommand_that_is_none(invoke):
    answer = invoke("import", "got")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "error: There is no command gitml import got\n"
        "  hint: did you mean gto? gitml import --help lists them\n"
    )


def test_each_command_has_two_examples_that_parse_and_exit_codes():
    seen = 0
    for path, command in every_command():
        assert len(command.examples) >= 2, path
        assert set(command.exits) <= EXIT_CODES.keys(), path
        for example in command.examples:
            found, args = root, arguments(example)
            while args and isinstance(found, click.Group) and not args[0].startswith("-"):
                found, args = found.get_command(click.Context(found), args[0]), args[1:]
                assert found is not None, example
            found.make_context(example, [*args], obj=Session()).close()
            seen += 1
    assert seen


def test_help_lists_every_command_in_groups(invoke):
    answer = invoke("--help")
    assert (answer.code, answer.err) == (0, "")
    listed = re.findall(r"^  (\w+)  +(\S.*)$", answer.out, re.MULTILINE)
    ordered = [n for group in GROUPS for n, e in COMMANDS.items() if e.group == group]
    assert [name for name, _ in listed if name in COMMANDS] == ordered
    assert {n: text for n, text in listed if n in COMMANDS} == {
        n: e.help for n, e in COMMANDS.items()
    }
    assert invoke("-h").out == answer.out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_ends_with_examples_and_exit_codes(invoke, name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    answer = invoke(name, "-h")
    assert (answer.code, answer.err) == (0, "")
    end = answer.out.partition("\nExamples:\n")[2]
    assert end.startswith("  ")
    assert re.search(r"\nExit codes:\n  0 [^;]+; ", end)
    assert re.search(r"[; ]2 ", end)
    assert "--repo PATH" in answer.out
    assert max(map(len, answer.out.splitlines())) <= 100
    listed = answer.out.partition("\nCommands:\n")[2].partition("\n\n")[0]
    assert "..." not in listed  # a summary that is cut says nothing


def test_version(invoke):
    assert invoke("--version").out == f"gitml {gitml.__version__}\n"


@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], ["completion", "zsh"], ["ls", "--help"]]
)
def test_start_loads_nothing_heavy(args):
    program = (
        "import sys; from gitml.cli import main; code = main(sys.argv[1:]);"
        "print(*sorted(sys.modules), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *args], capture_output=True, text=True, check=True
    )
    loaded = set(done.stderr.split())
    assert "gitml.cli" in loaded
    assert loaded & HEAVY == set()
    assert {m for m in loaded if m.startswith(("gitml.store", "gitml.query"))} == set()


@pytest.mark.parametrize(
    "args,error,hint",
    [
        (
            ["shwo"],
            "There is no command shwo",
            "did you mean show? gitml --help lists the commands",
        ),
        (["zzzzzz"], "There is no command zzzzzz", "gitml --help lists the commands"),
        (
            ["ls", "--were", "x"],
            "There is no option --were",
            "did you mean --where? gitml ls --help shows the usage",
        ),
        (["show"], "Missing argument 'RUN'.", "gitml show --help shows the usage"),
        (
            ["ls", "--limit", "many"],
            "Invalid value for '-n' / '--limit': 'many' is not a whole number.",
            "gitml ls --help shows the usage",
        ),
        (
            ["ls", "--json", "--csv"],
            "--json and --csv cannot be given together.",
            "choose one of them",
        ),
        (["diff", "one"], "It takes two runs to compare.", "gitml diff RUN RUN"),
        (["ls", "\x1b[31m"], r"Got unexpected extra argument (\x1b[31m).", "gitml ls --help"),
    ],
)
def test_wrong_usage(invoke, args, error, hint):
    answer = invoke(*args)
    assert (answer.code, answer.out) == (2, "")
    first, second = answer.err.splitlines()
    assert first == f"error: {error}"
    assert second.startswith(f"  hint: {hint}")


def test_not_a_repository(invoke):
    answer = invoke("ls")
    assert (answer.code, answer.out) == (6, "")
    assert re.fullmatch(
        r"error: \S+ is not in a git repository\.\n  hint: .*git init.*\n", answer.err
    )


def test_alone_outside_of_a_repository_is_help(invoke):
    answer = invoke()
    assert (answer.code, answer.out) == (0, invoke("--help").out)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not remove a folder in use")
def test_working_directory_is_gone(tmp_path, gitml_cli):
    lost = tmp_path / "lost"
    lost.mkdir()
    program = f"cd {lost} && rmdir {lost} && exec {sys.executable} -m gitml ls"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert done.stderr == "error: The working directory is gone.\n  hint: cd to another\n"


def test_no_such_repository(invoke):
    answer = invoke("ls", "--repo", "nowhere")
    assert (answer.code, answer.err) == (3, "error: There is no folder nowhere\n")


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Return a function that makes a command ``broken`` with this body."""

    def make(body):
        (tmp_path / "broken.py").write_text(
            "from gitml.commands.options import command\n"
            "@command(examples=[])\n"
            f"def broken(session):\n    {body}\n",
            encoding="utf-8",
        )
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "broken", raising=False)
        monkeypatch.setitem(COMMANDS, "broken", Entry("broken", "Find", "Break."))
        import_module("broken")

    return make


def test_what_nobody_expected_is_one_sentence(broken, invoke, monkeypatch):
    broken("{}['key\\x1b']")
    answer = invoke("broken")
    assert (answer.code, answer.out) == (1, "")
    first, second = answer.err.splitlines()
    assert first == r"error: gitml met what it did not expect: KeyError: 'key\x1b'."
    assert second.startswith("  hint: this is a bug: please report it")
    monkeypatch.setenv("GITML_DEBUG", "1")
    answer = invoke("broken")
    assert answer.err.startswith("Traceback (most recent call last):\n")
    assert answer.err.endswith(f"{first}\n{second}\n")


@pytest.mark.parametrize(
    "error,said",
    [
        ("OSError(28, 'No space left on device')", "The disk is full: the output could not"),
        ("OSError(28, 'No space', '/x/y')", "The disk is full: /x/y could not be written."),
        (
            "OSError(30, 'Read-only file system', '/x')",
            "The system does not give access to /x: Read",
        ),
        ("PermissionError(13, 'Permission denied', '/x')", "The system does not give access to /x"),
        ("OSError(36, 'File name too long', '/x')", "The system does not give access to /x: File"),
    ],
)
def test_what_the_system_refuses(broken, invoke, error, said):
    broken(f"raise {error}")
    answer = invoke("broken")
    assert answer.code == 10
    assert answer.err.startswith(f"error: {said}")


def test_a_pipe_that_is_not_stdout_is_no_silence(broken, invoke):
    broken("raise BrokenPipeError(32, 'Broken pipe')")
    assert invoke("broken").code == 1


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_interrupted(repo):
    """It is interrupted while it waits for the rest of a query: it has taken the first of it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gitml", "sql", "-"],
        cwd=repo,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdin.write("select 1")
    process.stdin.flush()
    wait_until_taken(process.stdin)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (130, "", "Interrupted.\n")


def wait_until_taken(pipe):
    """Wait until a process has read all that was written to it."""
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    left = bytearray(4)
    end = time.monotonic() + 120
    while not fcntl.ioctl(pipe, termios.FIONREAD, left) and any(left):
        assert time.monotonic() < end, "it does not read"
        time.sleep(0.01)


def test_reader_that_is_gone_is_no_failure():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "gitml", "--help"],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_full_disk_behind_stdout():
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gitml", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 10
    assert done.stderr.startswith("error: The disk is full: the output could not be written.\n")
    assert done.stderr.count("\n") == 2


@pytest.mark.skipif(os.name == "nt", reason="sh closes streams")
@pytest.mark.parametrize("closed", [">&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(closed):
    program = f"exec {sys.executable} -m gitml --help {closed}"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_stdout_that_cannot_encode(gitml_cli):
    answer = gitml_cli("diff", "--help", env={"PYTHONIOENCODING": "latin-1"})
    assert (answer.code, answer.err) == (0, "")
    assert "^ is better and v is worse" in " ".join(answer.out.split())


@pytest.fixture
def two_stores(repo, bare_repo):
    """Return a repository with a run called here and another with one called there."""
    make_run(repo, "here-1")
    make_run(bare_repo, "there-1")
    return repo, bare_repo


def names(answer):
    assert answer.code == 0, answer.err
    return re.findall(r'"name": "([a-z]+-1)"', answer.out)


def test_which_store(two_stores, invoke, git, monkeypatch):
    here, there = two_stores
    assert names(invoke("ls", "--json", cwd=here)) == ["here-1"]
    assert names(invoke("--repo", there, "ls", "--json", cwd=here)) == ["there-1"]
    assert names(invoke("ls", "--json", "--repo", there, cwd=here)) == ["there-1"]
    git(here, "config", "gitml.repo", os.path.relpath(there, here))
    assert names(invoke("ls", "--json", cwd=here)) == ["there-1"]
    monkeypatch.setenv("GITML_REPO", str(here))
    assert names(invoke("ls", "--json", cwd=there)) == ["here-1"]


def test_works_inside_of_a_hook(two_stores, invoke, monkeypatch):
    here, there = two_stores
    monkeypatch.setenv("GIT_DIR", str(there))
    monkeypatch.setenv("GIT_INDEX_FILE", str(there / "index"))
    monkeypatch.setenv("GIT_QUARANTINE_PATH", str(there / "objects"))
    assert names(invoke("ls", "--json", cwd=here)) == ["here-1"]


@pytest.mark.parametrize(
    "args,env,colored",
    [
        ([], {}, True),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"TERM": "dumb"}, False),
        (["--no-color"], {}, False),
    ],
)
def test_color(repo, args, env, colored):
    make_run(repo)
    code, seen = on_terminal("ls", *args, cwd=repo, env=env)
    assert code == 0
    assert ("\x1b" in seen) == colored
    code, seen = on_terminal("ls", "--wat", *args, cwd=repo, env=env)
    assert code == 2
    if not args:  # an option after the one that is wrong is not read
        assert ("\x1b" in seen) == colored
