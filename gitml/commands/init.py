"""``gitml init``: a settings file to start from."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from gitml.commands.options import command
from gitml.errors import RefusedError, RepositoryError
from gitml.names import visible

if TYPE_CHECKING:
    from pathlib import Path

    from gitml.commands.options import Session

_TEMPLATE = """\
# Settings of gitml in this repository. Everything works without them: each is shown
# with its default, and counts once the # before it is taken away.

# The experiment of runs that name none.
#experiment: {experiment}

# Which way a metric is better, min or max, where its name does not tell:
# loss and rmse are better when smaller, accuracy and auc when greater.
#goals: {{}}

artifacts:
  # Bytes up to which a file of a run is kept in git itself, at most {inline_most}; a
  # larger one is a git-lfs object with a pointer in git.
  #inline_limit: {inline_limit}

source:
  # Bytes of an untracked file that a run's source tree still takes along.
  #file_limit: {file_limit}

  # Patterns of untracked files that it leaves out, besides what git ignores and
  # what looks like a secret ({secrets}).
  #exclude: []

environment:
  # Variables that are recorded with a run; * stands for any text. What is named
  # like a secret is never recorded.
  #variables:
{variables}

pack:
  # Finished runs after which gitml pack runs by itself; 0 is never.
  #limit: {pack_limit}
"""


@command(
    examples=["gitml init", "gitml init && git add .gitml/config.yaml"],
    exits=[4, 6, 10],
)
def init(session: Session) -> None:
    """Write .gitml/config.yaml, where every setting is explained.

    Nothing else is made, an existing file is left as it is, and everything works
    without it.
    """
    from gitml.tracking.settings import FILE

    repository = session.here()
    top = repository.work_tree
    if top is None:
        raise RepositoryError(
            "A bare repository has no work tree for settings to lie in.",
            hint="cd to the repository of the code",
        )
    path = top / FILE
    shown = FILE if session.cwd().samefile(top) else str(path)
    if _write(path):
        session.screen.line(f"Wrote {shown}")
        session.screen.commands(shlex.join(["git", "add", shown]))
    else:
        session.screen.line(f"{shown} exists already; it was left as it is.")
    session.screen.commands("gitml run -- python train.py", "gitml log")


def template() -> str:
    """Return the settings file: every setting with its default, commented out."""
    from gitml.store.artifacts import INLINE_MOST
    from gitml.store.source import SECRETS
    from gitml.tracking.settings import Settings

    defaults = Settings()
    return _TEMPLATE.format(
        experiment=defaults.experiment,
        inline_limit=defaults.inline_limit,
        inline_most=INLINE_MOST,
        file_limit=defaults.file_limit,
        secrets=", ".join(SECRETS),
        variables="\n".join(f"  #  - {name}" for name in defaults.variables),
        pack_limit=defaults.pack_limit,
    )


def _write(path: Path) -> bool:
    """Write the settings file if there is none; say whether it was written."""
    if path.parent.is_symlink() or (path.parent.exists() and not path.parent.is_dir()):
        raise RefusedError(
            f"{visible(str(path.parent))} is not a folder.", hint="move it out of the way"
        )
    path.parent.mkdir(exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123
            file.write(template())
    except BaseException:
        path.unlink()
        raise
    return True
