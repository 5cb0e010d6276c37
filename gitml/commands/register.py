"""``gitml register``: a version of a model, made of a run and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitml.commands.completing import complete_models, complete_references, complete_runs
from gitml.commands.options import command, json_option
from gitml.commands.writing import context_of, sign_options
from gitml.errors import UsageError
from gitml.names import plural, visible

if TYPE_CHECKING:
    from gitml.commands.options import Session
    from gitml.model import Json, Run
    from gitml.registry.numbering import Candidate
    from gitml.registry.registering import Registered
    from gitml.registry.semver import Part
    from gitml.store.git import Repository


@command(
    examples=[
        "gitml register churn --run best:auc",
        "gitml register churn --run brave-otter-12 --path model --bump major --tag team=growth",
        "gitml register --attach churn@v1.0.0 --path ./old/model.pkl",
    ],
    exits=[3, 4, 5, 6, 7, 8, 9, 10],
)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_models)
@click.option(
    "--run", metavar="RUN", shell_complete=complete_runs, help="The run that made the model."
)
@click.option(
    "--path",
    "paths",
    metavar="DIR|FILE",
    multiple=True,
    help="The model's files; repeatable. By default the run's logged model, or all its artifacts.",
)
@click.option("--version", metavar="V", help="The version, such as v2.0.0-rc.1.")
@click.option(
    "--bump",
    type=click.Choice(["major", "minor", "patch"]),
    help="The part to raise, instead of what the signature says.",
)
@click.option("--tag", "tags", metavar="KEY=VALUE", multiple=True, help="A label; repeatable.")
@click.option("--note", metavar="TEXT", help="What is to be known about this version.")
@click.option(
    "--attach",
    metavar="REF",
    shell_complete=complete_references,
    help="Give a version that GTO registered its run and files.",
)
@click.option("--no-push", is_flag=True, help="Keep it here; gitml model publish sends it.")
@sign_options
@json_option
def register(  # noqa: PLR0913 - each is an option
    session: Session,
    *,
    name: str | None,
    run: str | None,
    paths: tuple[str, ...],
    version: str | None,
    bump: Part | None,
    tags: tuple[str, ...],
    note: str | None,
    attach: str | None,
    no_push: bool,
    sign: bool | None,
    as_json: bool,
) -> None:
    """Register a version of a model.

    The version keeps the run's metrics, params, inputs and source as they are now, and
    the files by their digest. A --path that the run recorded is the run's, whatever
    the work tree holds now; ./PATH always means the disk. Files without a MLmodel
    get a minimal one.

    The first version is v1.0.0. The next is a major one when an input or output
    changed in a way that breaks callers, else a minor one.
    """
    if name is None and attach is None:
        raise UsageError("Name the model.", hint="gitml register NAME --run RUN")
    if run is None and attach is None:
        raise UsageError(
            "Name the run that made the model.", hint="--run latest; gitml ls lists the runs"
        )
    if version is not None and bump is not None:
        raise UsageError("--version and --bump cannot be given together.", hint="choose one")
    if attach is not None and (name or version or bump):
        raise UsageError("--attach names the model and the version itself.")
    from gitml.names import MODELS, TAGS, UNPUBLISHED
    from gitml.registry.registering import register as register_version
    from gitml.store.snapshot import snapshot

    store = session.store()
    view = snapshot(store, ahead=(MODELS, UNPUBLISHED, TAGS))
    found = None
    if run is not None:
        with session.index(view) as index:
            found = index.find(run)
    candidate, origin = _candidate(session, view, found, paths, _labels(tags), note, name)
    candidate = _named(candidate, name=name, version=version, bump=bump, attach=attach)
    context = context_of(session, store, sign=sign)
    done = register_version(store, candidate, context, push=not no_push, view=view)
    if as_json:
        session.screen.json(**_json(done))
    else:
        _tell(session, done, origin, sign=sign)


def _labels(texts: tuple[str, ...]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(
                f"{visible(text, 80)} does not say what the tag is.", hint="write it as KEY=VALUE"
            )
        if labels.setdefault(key, value) != value:
            raise UsageError(f"The tag {visible(key, 80)} is given two values.")
    return labels


def _candidate(
    session: Session,
    store: Repository,
    run: Run | None,
    paths: tuple[str, ...],
    tags: dict[str, str],
    note: str | None,
    name: str | None,
) -> tuple[Candidate, str]:
    """Return what is to be registered, without a name, and where its files are from."""
    from gitml.registry.mlmodel import bound_words
    from gitml.registry.registering import candidate_of

    candidate, gathered = candidate_of(
        store, run, paths, cwd=session.cwd(), tags=tags, note=note, model=name
    )
    for path in gathered.differs:
        session.say(
            f"{visible(path, 80)} was taken from the run; the work tree holds something else.",
            hint=f"./{visible(path, 80)} names what is in the work tree",
        )
    if gathered.bound is not None:
        told, hint = bound_words(gathered.bound)
        session.say(told, hint=hint)
    return candidate, gathered.origin


def _named(
    candidate: Candidate,
    *,
    name: str | None,
    version: str | None,
    bump: Part | None,
    attach: str | None,
) -> Candidate:
    from dataclasses import replace

    from gitml.registry.references import parse_reference

    if attach is None:
        return replace(candidate, name=name or "", wanted=version, bump=bump)
    wanted = parse_reference(attach)
    if wanted.version is None:
        raise UsageError(
            f"{visible(attach, 80)} does not name a version by its name.",
            hint="--attach churn@v1.0.0",
        )
    return replace(candidate, name=wanted.model, wanted=wanted.version, attach=True)


def _tell(session: Session, done: Registered, origin: str, *, sign: bool | None) -> None:
    from gitml.output import size

    screen, version, written = session.screen, done.version, done.written
    for one in done.earlier:
        title = f"{visible(one.version.model, 80)}@{one.version.name}"
        screen.line(f"Published {title}, number {one.version.number}, which was waiting here.")
    title = f"{visible(version.model, 80)}@{version.name}"
    if not written.changed:
        session.say(
            f"{title} is this run with these files already; nothing was changed.",
            hint="--bump or --version registers it once more",
        )
        return
    amount = f"{plural(len(version.files), 'file')}, {size(version.size)}"
    rows = [("package", f"{visible(origin, 100)}: {amount}")]
    flavors = ", ".join(visible(flavor, 40) for flavor in version.flavors or ())
    rows.append(("flavors", flavors or "none that MLflow loads"))
    rows.append(("digest", version.digest))
    if done.why:
        rows.append(("version", f"{version.name}, {done.why}"))
    for label, text in rows:
        screen.line(("  " if screen.terminal else "") + label.ljust(9), text)
    number = f"number {version.number}"
    if done.kept_back is not None:
        screen.line(f"Registered {title} here, {number} for now: {done.kept_back.rstrip('.')}.")
        chosen = {True: " --sign", False: " --no-sign", None: ""}[sign]
        screen.commands(f"gitml model publish {version.slug}{chosen}")
        return
    screen.line(f"Registered {title}, {number}.")
    screen.commands(
        f"gitml promote {version.slug} {version.name} --stage staging",
        f"gitml model show {version.slug}@{version.name}",
    )


def _json(done: Registered) -> dict[str, Json]:
    from gitml.registry.versionfile import version_document

    return {
        "changed": done.written.changed,
        "published": done.written.published,
        "reason": done.why or None,
        "commit": done.written.event.commit,
        "tags": list(done.written.tags),
        "version": version_document(done.version),
        "earlier": [_json(one) for one in done.earlier],
    }
