"""Files for a git host: workflows that review and apply, code owners, rules for tags.

They are data in ``gitml/templates`` and, for the actions that the workflows use,
in ``.github/actions`` of gitml itself. A file that is there already is never
written over: what it would take to merge is returned instead.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gitml.errors import InputError, RefusedError
from gitml.names import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PACKAGE = Path(__file__).parents[1]
TEMPLATES = _PACKAGE / "templates"
_IN_WHEEL = TEMPLATES / "actions"
ACTIONS = _IN_WHEEL if _IN_WHEEL.exists() else _PACKAGE.parent / ".github" / "actions"
"""In a wheel the actions lie inside the package; in a checkout where git hosts look."""
LOCAL = ".github/actions/gitml"
"""Where the actions are copied to, in a repository that does not use gitml's own."""
_REMOTE_ACTIONS = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")
_OWNER = re.compile(r"@[A-Za-z0-9_-]+(/[\w.-]+)*|[^\s@#]+@[^\s@#]+")
_BRANCH = re.compile(r"[\w][\w./-]*")
_REQUIREMENT = re.compile(r"[\w./~][^\x00-\x1f\x7f\"\\$]{0,300}")
"""No quote and nothing that YAML, a shell or a host would put something else for."""
_USED = re.compile(r"<(review|apply|pull|site)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A file to be written."""

    path: str
    """Relative to the top of the work tree, ``/`` between parts."""
    text: str
    """All of it."""
    wanted: tuple[str, ...] | None = None
    """For a file that other things share: the lines that one already there must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a planned file."""

    path: str
    """As planned."""
    state: Literal["written", "same", "differs"]
    """Whether it was written, or was there as planned, or was there and is another."""
    merge: tuple[str, ...] = ()
    """What one that differs lacks: lines, or for a whole file a unified diff."""


def github_files(
    top: Path,
    *,
    branch: str,
    requirement: str,
    actions: str | None = None,
    owners: Sequence[str] = (),
) -> list[Planned]:
    """Return the files for GitHub.

    ``branch`` is the protected branch. ``actions`` is ``OWNER/REPO@COMMIT`` where
    gitml's actions, and gitml with them, are taken from; without it they are copied
    along, and ``requirement`` is what pip installs as gitml. Without ``owners`` there
    is no CODEOWNERS. Raises `InputError` for what cannot be written.
    """
    if not _BRANCH.fullmatch(branch):
        raise InputError(
            f"The branch {visible(branch, 80)} cannot be named in a workflow.",
            hint="git config gitml.branch NAME chooses another",
        )
    folder = TEMPLATES / "github"
    planned = []
    for name in ("gitml-review.yml", "gitml-apply.yml", "gitml-site.yml"):
        text = _text(folder / name).replace("<branch>", branch)
        text = _USED.sub(lambda found: _uses(found[1], actions), text)
        planned.append(Planned(path=f".github/workflows/{name}", text=text))
    rules = (folder / name for name in ("gitml-stages.json", "gitml-versions.json"))
    planned += [Planned(path=f".github/rulesets/{p.name}", text=_text(p)) for p in rules]
    if actions is None:
        planned += _copied(_checked(requirement))
    places = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
    return planned + _code_owners(top, places, ("/.gitml/", "/.github/"), owners)


def gitlab_files(top: Path, *, requirement: str, owners: Sequence[str] = ()) -> list[Planned]:
    """Return the files for GitLab; see `github_files`."""
    text = _text(TEMPLATES / "gitlab" / "gitml.yml")
    text = text.replace("<requirement>", f'"{_checked(requirement)}"')
    include = ("include:", "  - local: .gitlab/gitml.yml")
    planned = [
        Planned(path=".gitlab/gitml.yml", text=text),
        Planned(
            path=".gitlab-ci.yml", text="\n".join([*include, ""]), wanted=(include[1].strip(),)
        ),
    ]
    places = (".gitlab/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
    own = ("/.gitml/", "/.gitlab/", "/.gitlab-ci.yml")
    return planned + _code_owners(top, places, own, owners)


def write_files(top: Path, planned: Iterable[Planned]) -> list[Outcome]:
    """Write what is not there yet, all or nothing, and say what became of each file.

    Raises `RefusedError` where a folder on the way is a link or none at all.
    """
    files = list(planned)
    for file in files:
        _check_place(top, file.path)
    outcomes, made = [], []
    try:
        for file in files:
            place = top / file.path
            if os.path.lexists(place):
                outcomes.append(_compare(place, file))
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("x", encoding="utf-8", newline="\n") as opened:
                made.append(place)
                opened.write(file.text)
            outcomes.append(Outcome(path=file.path, state="written"))
    except BaseException:
        for place in made:
            place.unlink()
        raise
    return outcomes


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _checked(requirement: str) -> str:
    """Return what pip is to install, if it is text that a workflow takes as it is."""
    if not _REQUIREMENT.fullmatch(requirement):
        raise InputError(
            f"{visible(requirement, 80)} is nothing that pip installs.",
            hint="give gitml==VERSION, or 'gitml @ git+https://HOST/OWNER/gitml@COMMIT'",
        )
    return requirement


def _uses(name: str, actions: str | None) -> str:
    if actions is None:
        return f"./{LOCAL}/{name} # zizmor: ignore[self-repository] $/ is for github.com only"
    if not _REMOTE_ACTIONS.fullmatch(actions):
        raise InputError(
            f"{visible(actions, 80)} does not name actions by a commit.",
            hint="give OWNER/gitml@ and the 40 digits of a commit: a tag can be moved",
        )
    repository, _, commit = actions.partition("@")
    return f"{repository}/.github/actions/{name}@{commit}"


def _copied(requirement: str) -> list[Planned]:
    sources = sorted(path for path in ACTIONS.rglob("*") if path.is_file())
    planned = []
    for path in sources:
        text = _text(path).replace("    default: .\n", f'    default: "{requirement}"\n')
        planned.append(Planned(path=f"{LOCAL}/{path.relative_to(ACTIONS).as_posix()}", text=text))
    return planned


def _code_owners(
    top: Path, places: Sequence[str], folders: Sequence[str], owners: Sequence[str]
) -> list[Planned]:
    """Return the file of code owners, at the place where the host finds one already."""
    for owner in owners:
        if not _OWNER.fullmatch(owner):
            raise InputError(
                f"{visible(owner, 80)} does not name an owner.",
                hint="give @user, @organization/team or an e-mail address",
            )
    if not owners:
        return []
    path = next((place for place in places if os.path.lexists(top / place)), places[0])
    wanted = tuple(f"{folder} {' '.join(owners)}" for folder in folders)
    head = "# What decides over production: policy, stages, workflows and this file."
    return [Planned(path=path, text="\n".join([head, *wanted, ""]), wanted=wanted)]


def _check_place(top: Path, path: str) -> None:
    """Refuse a folder on the way that is a link: what is written stays in the work tree."""
    place = top
    for part in path.split("/")[:-1]:
        place /= part
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise RefusedError(
                f"{visible(str(place))} is not a folder.", hint="move it out of the way"
            )


def _compare(place: Path, file: Planned) -> Outcome:
    if not place.is_file():
        raise RefusedError(f"{visible(str(place))} is not a file.", hint="move it out of the way")
    found = place.read_text(encoding="utf-8", errors="replace")
    if file.wanted is not None:
        there = {line.strip() for line in found.splitlines()}
        merge = tuple(line for line in file.wanted if line not in there)
    else:
        theirs, ours = found.splitlines(), file.text.splitlines()
        merge = tuple(difflib.unified_diff(theirs, ours, file.path, "gitml", lineterm=""))
    return Outcome(path=file.path, state="differs" if merge else "same", merge=merge)
