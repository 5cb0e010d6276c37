"""A `Case` put together: what every command that asks the policy needs of a repository."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from gitml.names import remote_ref
from gitml.query.index import open_index
from gitml.registry.gates.base import Case, compared_with
from gitml.registry.verify import allowed_signers, probe_signers
from gitml.registry.versionfile import load_version
from gitml.registry.writing import policy_tip
from gitml.store.remote import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitml.registry.gates.base import Setting
    from gitml.registry.values import Model, Version
    from gitml.registry.writing import Context
    from gitml.store.git import Repository


def make_case(
    repository: Repository,
    model: Model,
    version: Version,
    stage: str,
    *,
    setting: Setting,
    context: Context,
) -> Case:
    """Return the case of a version that is to enter a stage.

    What is particular to ``apply`` and ``rollback`` (change, review, passed_before) is
    added with `dataclasses.replace`. What costs more than reading its files (a
    signature for trial, the index, the remote) is asked for by the gates that need
    it. Raises `DamagedError` if a version that is compared cannot be read.
    """
    other = compared_with(model, stage)
    branch = policy_tip(repository, context)
    return Case(
        repository=repository,
        model=model,
        version=version,
        candidate=load_version(repository, version),
        stage=stage,
        now=context.now,
        setting=setting,
        current=None if other is None else load_version(repository, other),
        branch=branch,
        signers=_signers(repository, version, context, branch),
        index=lambda: open_index(repository, now=context.now),
        fetch=_fetcher(repository, context.remote),
    )


def _signers(
    repository: Repository, version: Version, context: Context, branch: str | None
) -> Callable[[], tuple[str, ...]] | None:
    """Return what signs a tag for trial, once, and says as whom it verifies."""
    if context.sign is None:
        return None

    @functools.cache
    def found() -> tuple[str, ...]:
        return probe_signers(
            repository,
            context.sign,
            allowed_signers(repository, branch),
            tagger=context.by,
            at=context.now - context.now % 1000,
            target=version.commit,
        )

    return found


def _fetcher(repository: Repository, remote: str | None) -> Callable[[Sequence[str]], None] | None:
    if remote is None:
        return None

    def bring(refs: Sequence[str]) -> None:
        # A ref that is not there is an error, a pattern without a match is none: hence the stars.
        places = [(ref, remote_ref(remote, ref.removeprefix("refs/gitml/"))) for ref in refs]
        fetch(repository, remote, [f"+{ref}*:{place}*" for ref, place in places], None)

    return bring
