"""``gitml model pull``: a version's files, verified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_references
from gitml.commands.options import command, json_option
from gitml.names import plural, visible

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.registry.pulling import Contents
    from gitml.registry.values import ModelVersion

expect_option = click.option(
    "--expect-digest",
    "expected",
    metavar="DIGEST",
    help="Go on only if the version has this digest.",
)


@command(
    examples=[
        "gitml model pull churn#production -o model",
        "gitml model pull churn@v1.2.0 -o model --expect-digest sha256:51ce07b2…",
    ],
    exits=[3, 4, 5, 6, 8, 9, 10],
    name="pull",
)
@click.argument("reference", metavar="REF", shell_complete=complete_references)
@click.option("-o", "--output", metavar="DIR", help="The new folder (default: NAME-VERSION).")
@expect_option
@json_option
def model_pull(
    session: Session, *, reference: str, output: str | None, expected: str | None, as_json: bool
) -> None:
    """Get the files of a version into a new folder, verified.

    REF is churn@v1.2.0, churn@3, churn@latest or churn#production. What is not here
    is fetched, of this version alone. The folder has its name only once every file
    in it is what was registered; one that holds the version already is left alone.
    MLflow loads the folder: mlflow models serve -m DIR.
    """
    from gitml.output import progress
    from gitml.registry.pulling import pull

    contents, facts = contents_of(session, reference, expected)
    name = output if output is not None else f"{facts.slug}-{facts.name}"
    folder = session.cwd() / Path(name).expanduser()
    with progress("Fetching", color=session.color, sized=True) as report:
        written = pull(contents, facts, folder, progress=report)
    if as_json:
        session.screen.json(**version_facts(facts), folder=str(folder), written=written)
    elif written:
        told = _amount(facts)
        session.screen.line(f"Wrote {facts.slug}@{facts.name} to {visible(name)}: {told}, verified")
    else:
        session.screen.line(f"{visible(name)} holds {facts.slug}@{facts.name} already, verified")


def contents_of(
    session: Session, reference: str, expected: str | None
) -> tuple[Contents, ModelVersion]:
    """Return a version's files to be read, and what is known of it; say if that may be old."""
    from gitml.registry.pulling import Contents, check_expected, deprecation, find_version
    from gitml.registry.versionfile import load_version
    from gitml.store.remote import registry_remote

    store = session.store()
    remote = registry_remote(store)
    version, doubt = find_version(store, reference, remote)
    if doubt is not None:
        session.say(
            f"{visible(reference, 80)} is {version.name} as last seen here: {doubt}",
            hint="--expect-digest makes sure that it is the one that is meant",
        )
    if version.deprecated is not None:
        session.say(deprecation(version))
    facts = load_version(store, version)
    check_expected(facts, expected)
    return Contents(store, version, facts, remote), facts


def version_facts(facts: ModelVersion) -> dict[str, str | int]:
    """Return what ``--json`` says of the version that was got."""
    return {
        "model": facts.model,
        "version": facts.name,
        "number": facts.number,
        "digest": facts.digest,
        "files": len(facts.files),
        "size": facts.size,
    }


def _amount(facts: ModelVersion) -> str:
    from gitml.output import size

    return f"{plural(len(facts.files), 'file')}, {size(facts.size)}"
