"""``gitml model export``: a version as one archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_references
from gitml.commands.model_pull import contents_of, expect_option, version_facts
from gitml.commands.options import command, json_option
from gitml.names import visible

if TYPE_CHECKING:
    from gitml.commands.options import Session


@command(
    examples=[
        "gitml model export churn#production -o churn.tar.gz",
        "gitml model export churn@v1.2.0 -o churn.zip --force",
    ],
    exits=[3, 4, 5, 6, 8, 9, 10],
    name="export",
)
@click.argument("reference", metavar="REF", shell_complete=complete_references)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="The archive: .tar.gz, .tar or .zip (default: NAME-VERSION.tar.gz).",
)
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
@expect_option
@json_option
def model_export(
    session: Session,
    *,
    reference: str,
    output: str | None,
    force: bool,
    expected: str | None,
    as_json: bool,
) -> None:
    """Write a version into one archive to hand on.

    It holds a folder churn-v1.2.0 with the files, as gitml model pull writes them, and
    churn-v1.2.0.yaml with what is known of the version: metrics, params, inputs,
    source. The same version always gives the same bytes.
    """
    from gitml.registry.archive import export, writer_of

    if output is not None:
        writer_of(Path(output))
    contents, facts = contents_of(session, reference, expected)
    name = output if output is not None else f"{facts.slug}-{facts.name}.tar.gz"
    target = session.cwd() / Path(name).expanduser()
    export(contents, facts, target, force=force)
    if as_json:
        session.screen.json(**version_facts(facts), archive=str(target))
        return
    from gitml.output import size

    amount = size(target.stat().st_size)
    session.screen.line(f"Wrote {facts.slug}@{facts.name} to {visible(name)}: {amount}, verified")
