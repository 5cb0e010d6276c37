"""Models that are to be registered once their run has ended, with all its metrics.

The wish is a tag of the run, so that whoever ends the run sees it: the program itself,
or the ``gitml run`` around it. What failed or was killed is not registered.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gitml.lines import dump_json, load_json
from gitml.names import WISH, model_slug
from gitml.registry.references import check_model_name
from gitml.registry.registering import candidate_of, register
from gitml.registry.signing import signature_of
from gitml.registry.writing import open_context

if TYPE_CHECKING:
    from gitml.model import Json, Run
    from gitml.registry.registering import Registered
    from gitml.store.git import Repository


class Wish(NamedTuple):
    """A model of a run that is to be registered."""

    name: str
    """The name of the model."""
    folder: str
    """Where its files are among the run's artifacts."""
    sign: bool | None = None
    """Whether its tag is signed; None is as git is configured."""


def tag_of(wish: Wish) -> tuple[str, str]:
    """Return the tag of a run that says a wish; raise `InputError` for an unusable name."""
    slug = model_slug(check_model_name(wish.name))
    said: dict[str, Json] = {"name": wish.name, "path": wish.folder}
    return WISH + slug, dump_json(said if wish.sign is None else {**said, "sign": wish.sign})


def wishes_of(run: Run) -> list[Wish]:
    """Return what is to be registered of a run; tags that say something else are none."""
    found = []
    for key, value in sorted(run.tags.items()):
        if key.startswith(WISH):
            try:
                said = load_json(value)
                sign = said.get("sign")
                signed = sign if isinstance(sign, bool) else None
                found.append(Wish(str(said["name"]), str(said["path"]), signed))
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
    return found


def register_wished(repository: Repository, run: Run, *, by: str, now: int) -> list[Registered]:
    """Register what a run that has ended well wants registered.

    Raises what `register` raises; what was registered before that stays.
    """
    wishes = wishes_of(run) if run.status == "finished" else []
    if not wishes:
        return []
    context = open_context(repository, by=by, now=now)
    done = []
    for wish in wishes:
        candidate, _ = candidate_of(repository, run, folder=wish.folder, cwd=Path())
        signing = replace(context, sign=signature_of(repository, wish.sign))
        done.append(register(repository, replace(candidate, name=wish.name), signing))
    return done
