"""What the shell is offered for a word: names of runs, experiments, metrics, models, stages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import click


def complete_runs(ctx: click.Context, _: click.Parameter, word: str) -> list[str]:
    """Complete RUN: names of runs, newest first, ``latest``, and ``best:METRIC``."""
    head, colon, metric = word.partition(":")
    if colon:
        return [f"best:{name}" for name in _known(ctx, "metrics", metric)] if head == "best" else []
    words = [text for text in ("latest", "best:") if word and text.startswith(word)]
    return [*words, *_known(ctx, "runs", word)]


def complete_experiments(ctx: click.Context, _: click.Parameter, word: str) -> list[str]:
    """Complete the name of an experiment."""
    return _known(ctx, "experiments", word)


def complete_keys(ctx: click.Context, _: click.Parameter, word: str) -> list[str]:
    """Complete the last of several keys, each perhaps with ``-`` before it."""
    start = len(word) - len(word.rpartition(",")[2].lstrip("-"))
    return [word[:start] + found for found in _known(ctx, "keys", word[start:])]


def complete_metrics(ctx: click.Context, _: click.Parameter, word: str) -> list[str]:
    """Complete the name of a metric."""
    return _known(ctx, "metrics", word)


def complete_models(ctx: click.Context, _: click.Parameter, word: str) -> list[str]:
    """Complete MODEL."""
    return _seen(ctx, "models", word)


def complete_references(ctx: click.Context, _: click.Parameter, word: str) -> list[str]:
    """Complete a model, one of its versions or stages: ``churn@v1.2.0``, ``churn#production``."""
    models = _seen(ctx, "models", word)
    return [*models, *_seen(ctx, "references", word)]


def complete_stages(ctx: click.Context, _: click.Parameter, word: str) -> list[str]:
    """Complete STAGE: those that some model has had."""
    return _seen(ctx, "stages", word)


def _seen(ctx: click.Context, kind: str, word: str) -> list[str]:
    """Return what the names of git's refs tell, without git; nothing if anything goes wrong."""
    from gitml.query.peek import glance

    return glance(_place(ctx), kind, word)


def _known(ctx: click.Context, kind: str, word: str) -> list[str]:
    """Return what the index knows, as it lies there; nothing if anything goes wrong."""
    from gitml.query.peek import peek

    return peek(_place(ctx), kind, word)


def _place(ctx: click.Context) -> Path:
    """Return where ``--repo`` or the working directory is."""
    from pathlib import Path

    repo = getattr(ctx.find_root().obj, "repo", None) or os.environ.get("GITML_REPO")
    return Path(repo or ".").expanduser().absolute()
