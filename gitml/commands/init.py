"""``gitml init``: files to start from."""

from __future__ import annotations

import os
import shlex
import string
from importlib import resources
from typing import TYPE_CHECKING

import click

from gitml.commands.options import command
from gitml.errors import RefusedError, RepositoryError, UsageError
from gitml.names import visible

if TYPE_CHECKING:
    from pathlib import Path

    from gitml.commands.options import Session


@command(
    examples=[
        "gitml init && git add .gitml/config.yaml",
        "gitml init --policy",
        "gitml init --github --owner @acme/ml-leads",
        "gitml init --github --install 'gitml @ git+https://github.com/acme/gitml@3f2a9c41…'",
    ],
    exits=[4, 5, 6, 10],
)
@click.option(
    "--policy",
    is_flag=True,
    help="Write .gitml/policy.yaml instead: what it takes to put a model into a stage.",
)
@click.option(
    "--github",
    "host",
    flag_value="github",
    help="Write workflows for GitHub instead, that review and apply, and rules for tags.",
)
@click.option("--gitlab", "host", flag_value="gitlab", help="Write the same for GitLab CI.")
@click.option(
    "--owner",
    "owners",
    metavar="NAME",
    multiple=True,
    help="Who reviews policy, stages and workflows (CODEOWNERS); repeatable.",
)
@click.option(
    "--actions",
    metavar="OWNER/REPO@COMMIT",
    help="Take gitml and its actions from there; by default the actions are copied.",
)
@click.option(
    "--install",
    "requirement",
    metavar="REQUIREMENT",
    help="What pip installs as gitml in CI, if not this version from its package index.",
)
def init(
    session: Session,
    *,
    policy: bool,
    host: str | None,
    owners: tuple[str, ...],
    actions: str | None,
    requirement: str | None,
) -> None:
    """Write .gitml/config.yaml, where every setting is explained.

    Nothing else is made, an existing file is left as it is, and everything works
    without it.
    """
    from gitml.registry.policy import FILE as POLICY
    from gitml.tracking.settings import FILE

    if policy and host:
        raise UsageError(
            f"--policy and --{host} cannot be given together.", hint="one after the other"
        )
    if owners and not host:
        raise UsageError("--owner is for --github and --gitlab.", hint="give one of them too")
    if actions and host != "github":
        raise UsageError("--actions is for --github.", hint="give it too, or leave both out")
    if requirement and (actions or not host):
        raise UsageError(
            "--install is for --github and --gitlab, without --actions.",
            hint="actions that are taken from a repository install the gitml in it",
        )
    repository = session.here()
    top = repository.work_tree
    if top is None:
        raise RepositoryError(
            "A bare repository has no work tree for settings to lie in.",
            hint="cd to the repository of the code",
        )
    if host:
        from gitml.commands.setup_ci import set_up

        set_up(session, top, host, owners=owners, actions=actions, requirement=requirement)
        return
    name = POLICY if policy else FILE
    path = top / name
    shown = name if session.cwd().samefile(top) else str(path)
    if _write(path, read_template("policy.yaml") if policy else settings_template()):
        session.screen.line(f"Wrote {shown}")
        session.screen.commands(shlex.join(["git", "add", shown]))
    else:
        session.screen.line(f"{shown} exists already; it was left as it is.")
    if policy:
        session.screen.commands("gitml policy check", "gitml policy explain MODEL STAGE")
    else:
        session.screen.commands("gitml run -- python train.py", "gitml log")


def read_template(name: str) -> str:
    """Return a file of ``gitml/templates``."""
    return (resources.files("gitml") / "templates" / name).read_text(encoding="utf-8")


def settings_template() -> str:
    """Return the settings file: every setting with its default, commented out."""
    from gitml.store.artifacts import INLINE_MOST
    from gitml.store.source import SECRETS
    from gitml.tracking.settings import Settings

    defaults = Settings()
    return string.Template(read_template("config.yaml")).substitute(
        experiment=defaults.experiment,
        inline_limit=defaults.inline_limit,
        inline_most=INLINE_MOST,
        file_limit=defaults.file_limit,
        secrets=", ".join(SECRETS),
        variables="\n".join(f"  #  - {name}" for name in defaults.variables),
        pack_limit=defaults.pack_limit,
    )


def _write(path: Path, text: str) -> bool:
    """Write a file if there is none; say whether it was written."""
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
            file.write(text)
    except BaseException:
        path.unlink()
        raise
    return True
