"""``gitml completion``: the script that teaches a shell to complete gitml's words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from gitml.commands.options import Session, command


@command(
    examples=[
        "source <(gitml completion bash)                    (in ~/.bashrc; zsh alike)",
        "gitml completion fish > ~/.config/fish/completions/gitml.fish",
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, session: Session, shell: str) -> None:
    """Print the completion script of a shell.

    Commands and options are completed, and so are the names of runs,
    experiments and metrics that the index knows.
    """
    make = get_completion_class(shell)
    assert make is not None
    session.screen.write(make(ctx.find_root().command, {}, "gitml", "_GITML_COMPLETE").source())
