"""``gitml demo``: a repository with real runs in a few seconds."""

from __future__ import annotations

import csv
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitml.commands.options import VARIABLES, command
from gitml.errors import GitmlError, InputError, RefusedError, StorageError
from gitml.names import visible

if TYPE_CHECKING:
    from gitml.commands.options import Session

EXPERIMENT = "tumours"
TRAIN = ["python", "train.py"]
LOG = ["gitml", "log", "-e", EXPERIMENT, "--input", "data/tumours.csv", "--artifact", "model.pkl"]
RUNS: tuple[tuple[str, ...], ...] = (
    (),
    ("--learning-rate", "0.3"),
    ("--learning-rate", "0.05", "--max-depth", "2"),
    ("--max-depth", "5", "--n-estimators", "40"),
)
WRAPPED = ("--learning-rate", "0.2", "--max-depth", "2")
EDIT = ("SUBSAMPLE = 1.0", "SUBSAMPLE = 0.5")


@command(examples=["gitml demo", "gitml demo /tmp/try-gitml"], exits=[4, 5, 6, 10])
@click.argument("folder", metavar="[FOLDER]", default="gitml-demo", type=click.Path(path_type=Path))
def demo(session: Session, folder: Path) -> None:
    """Set up a repository with real runs to try gitml on.

    It trains a small model on a data set that comes with scikit-learn, five
    times, and records each run. Nothing outside of FOLDER is touched.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise InputError(
            "The demo trains with scikit-learn, which is not installed.",
            hint="pip install 'gitml[demo]'",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RefusedError(
            f"{visible(str(folder))} is there already, and not empty.",
            hint="Name another folder: gitml demo FOLDER",
        )
    stage = _Stage(session, folder)
    stage.say("A repository with a training program that knows nothing of gitml:")
    _set_up(folder)
    for arguments in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "A training program and its data"],
    ):
        stage.git(arguments)
    stage.say(f"  {folder}/train.py, data/tumours.csv")
    stage.say()
    stage.say("Train, then log what it wrote:")
    for options in RUNS:
        stage.do([*TRAIN, *options], show=True)
        stage.do(LOG, show=not options)
    stage.say()
    stage.say("Or let gitml run it, also with changes that are not committed:")
    program = folder / "train.py"
    program.write_text(program.read_text("utf-8").replace(*EDIT), "utf-8")
    stage.do(["gitml", "run", "-q", *LOG[2:], "--", *TRAIN, *WRAPPED], show=True)
    stage.say()
    stage.say("Everything is in git now, and can be found again:")
    stage.do(["gitml", "ls", "--sort", "-auc"], show=True, loud=True)
    stage.say()
    stage.say("And as pages that anybody can open:")
    stage.do(["gitml", "site", "build", "-o", "site"], show=True, loud=True)
    stage.say()
    stage.say("Try next:")
    place = shlex.quote(str(folder))
    for line in (
        f"cd {place}",
        "gitml show best:auc",
        "gitml diff best:auc latest",
        'gitml ls --where "metrics.auc > 0.99 and params.max_depth < 3"',
        "gitml source latest -o exact-code",
        "gitml register tumours --run best:auc",
        "git for-each-ref refs/gitml",
    ):
        session.screen.line(f"  {line}", style="act")


def _set_up(folder: Path) -> None:
    from sklearn.datasets import load_breast_cancer

    files = resources.files("gitml.demo") / "files"
    try:
        (folder / "data").mkdir(parents=True)
        (folder / "train.py").write_bytes((files / "train.py").read_bytes())
        (folder / ".gitignore").write_bytes((files / "gitignore").read_bytes())
        bunch = load_breast_cancer()
        with (folder / "data" / "tumours.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow([*(name.replace(" ", "_") for name in bunch.feature_names), "benign"])
            for values, benign in zip(bunch.data, bunch.target, strict=True):
                rows.writerow([*map(float, values), int(benign)])
    except OSError as error:
        raise StorageError(
            f"{visible(str(folder))} cannot be written: {error.strerror}.",
            hint="Name another folder: gitml demo FOLDER",
        ) from None


class _Stage:
    """Runs commands in the demo's folder and shows them as a person would type them."""

    def __init__(self, session: Session, folder: Path) -> None:
        self._screen = session.screen
        self._folder = folder
        names = {*VARIABLES, "GITML_RUN_OPEN"} - {"NO_COLOR"}
        self._environment = {k: v for k, v in os.environ.items() if k not in names}
        here = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        self._environment["PATH"] = os.pathsep.join(here)  # so that `python` is this one
        # One thread: the model is small, and the machine may be as well.
        self._environment |= {"OMP_NUM_THREADS": "1", "COLUMNS": str(self._screen.width)}
        for variable, value in (("NAME", "gitml demo"), ("EMAIL", "demo@localhost")):
            for role in ("AUTHOR", "COMMITTER"):
                self._environment.setdefault(f"GIT_{role}_{variable}", value)

    def say(self, text: str = "") -> None:
        self._screen.line(text)

    def git(self, arguments: list[str]) -> None:
        program = shutil.which("git")
        if program is None:
            raise InputError("git was not found.", hint="Install git, or put it on the PATH.")
        self._run([program, "-C", ".", *arguments], loud=False, shown="git")

    def do(self, words: list[str], *, show: bool, loud: bool = False) -> None:
        """Run a command line of ``python`` or ``gitml``; show it, and its output if ``loud``."""
        if show:
            self._screen.line(f"  $ {shlex.join(words)}", style="act")
        start = {"python": [sys.executable], "gitml": [sys.executable, "-m", "gitml"]}
        self._run([*start[words[0]], *words[1:]], loud=loud, shown=words[0])

    def _run(self, words: list[str], *, loud: bool, shown: str) -> None:
        sys.stdout.flush()
        done = subprocess.run(
            words,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=None if loud else subprocess.PIPE,
            stderr=None if loud else subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            said: bytes = done.stdout or b""
            last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise GitmlError(
                f"{shown} failed in the demo with exit code {done.returncode}: {visible(last)}",
                hint=f"The folder {visible(str(self._folder))} is left as it is, to look at.",
            )
