"""The grammar of ids, names, refs and paths; nothing else builds a ref name.

A *name* is what people write (any printable text); a *slug* is its form in a
ref. Everything here is a pure function of its arguments.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING

from gitml.errors import InputError

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

RUN_ID = re.compile(r"[0-9a-f]{32}")
RUN_ID_PREFIX = re.compile(r"[0-9a-f]{4,32}")
SLUG = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
_HASHED_TAIL = re.compile(r"--[0-9a-f]{8}$")
_WINDOWS_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))]
)
NAME_LIMIT = 250
PATH_LIMIT = 1024
STATUSES = ("scheduled", "running", "finished", "failed", "killed")

RUNS = "refs/gitml/runs/"
EXPERIMENTS = "refs/gitml/experiments/"
SOURCE = "refs/gitml/source/"
SOURCES = "refs/gitml/sources"
REMOTES = "refs/gitml-remotes/"
TMP = "refs/gitml-tmp/"
BRANCHES = "refs/heads/gitml/"
"""What stands for ``refs/gitml/`` on a host that takes no refs but branches and tags."""
MODELS = "refs/gitml/models/"
PACKAGES = "refs/gitml/packages/"
UNPUBLISHED = "refs/gitml/unpublished/"
TAGS = "refs/tags/"
SITE_MANIFEST = "gitml-manifest.json"
"""The file by which a folder of ``gitml site build`` is known."""
SELF = "of gitml"
"""How the reason ends that a file is left out of a run's code because gitml made it."""
WISH = "gitml.register."
"""How the tag of a run begins that says which model it is to be registered as."""
REPRODUCED = "@reproduced#"
"""What stands after the slug in the tag of a reproduction."""

MODEL_SLUG = re.compile(r"[a-z0-9]([a-z0-9_-]{0,98}[a-z0-9])?")
STAGE_SLUG = re.compile(r"[a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?")
_NO_STAGE = re.compile(r"latest|v?[0-9]+")
VERSION = re.compile(
    r"v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
    r"(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
)
"""``v`` and a semantic version without build metadata (https://semver.org/#spec-item-9)."""


def is_run_id(text: str) -> bool:
    """Say whether ``text`` is a whole run id: 32 lower-case hex digits."""
    return RUN_ID.fullmatch(text) is not None


def run_ref(run_id: str) -> str:
    """Return the hot ref of a run."""
    if not is_run_id(run_id):
        raise InputError(
            f"{visible(run_id)} is not a run id.", hint="A run id is 32 lower-case hex digits."
        )
    return RUNS + run_id


def experiment_ref(slug: str) -> str:
    """Return the ledger ref of an experiment."""
    if not SLUG.fullmatch(slug):
        raise InputError(f"{visible(slug)} is not the slug of an experiment.")
    return EXPERIMENTS + slug


def source_ref(tree: str) -> str:
    """Return the ref that keeps a source tree, one per tree and not per run."""
    return f"{SOURCE}t-{tree}"


def tmp_ref(token: str) -> str:
    """Return the ref of a write in progress; ``token`` is 16 hex digits."""
    return TMP + token


def slugify(name: str, *, salt: str = "") -> str:
    """Return the permanent id of an experiment called ``name``.

    A legal slug is its own slug. Anything else is cleaned to at most 40
    characters and ``--`` and 8 hex digits of the SHA-256 of the name (with
    ``salt`` appended after a NUL when the plain slug is taken), so two names
    never share one.
    """
    if (
        not salt
        and SLUG.fullmatch(name)
        and name not in _WINDOWS_DEVICES
        and not _HASHED_TAIL.search(name)
    ):
        return name
    return _hashed(name, salt)


def model_slug(name: str, *, salt: str = "") -> str:
    """Return the permanent id of a model called ``name``; see `slugify`."""
    legal = MODEL_SLUG.fullmatch(name) and name not in _WINDOWS_DEVICES
    if not salt and legal and not _HASHED_TAIL.search(name):
        return name
    return _hashed(name, salt)


def check_stage(stage: str) -> str:
    """Return the name of a stage, which is its own slug, else raise `InputError`."""
    if STAGE_SLUG.fullmatch(stage) and not _NO_STAGE.fullmatch(stage):
        return stage
    cleaned = re.sub(r"[^a-z0-9_]+", "-", stage.lower()).strip("-_")[:40].strip("-_")
    usable = STAGE_SLUG.fullmatch(cleaned) and not _NO_STAGE.fullmatch(cleaned)
    raise InputError(
        f"{visible(stage, 80)!r} cannot be the name of a stage.",
        hint=f"use {cleaned}" if usable else "use a name such as staging or production",
    )


def check_version(version: str) -> str:
    """Return a version as it is stored, ``v1.2.0`` also for ``1.2.0``, else raise `InputError`."""
    text = version if version.startswith("v") else f"v{version}"
    if len(text) <= 100 and VERSION.fullmatch(text):  # noqa: PLR2004
        return text
    raise InputError(
        f"{visible(version, 80)!r} is not a version.",
        hint="A version is v1.2.0 or v1.2.0-rc.1; build metadata (+…) is not kept.",
    )


def model_ref(slug: str) -> str:
    """Return the ref of a model's journal."""
    return MODELS + _checked_slug(slug)


def package_ref(slug: str, digest: str) -> str:
    """Return the ref that keeps a package's files; ``digest`` is ``sha256:`` and hex."""
    return f"{PACKAGES}{_checked_slug(slug)}/{digest.removeprefix('sha256:')}"


def unpublished_ref(slug: str, token: str) -> str:
    """Return the ref of a version that no remote has yet; ``token`` is 16 hex digits."""
    return f"{UNPUBLISHED}{_checked_slug(slug)}/{token}"


def version_tag(slug: str, version: str, *, deleted: bool = False) -> str:
    """Return the name of the tag that registers a version, or that takes it away."""
    return f"{_checked_slug(slug)}@{check_version(version)}{'!' if deleted else ''}"


def stage_tag(slug: str, stage: str, n: int, *, unassign: bool = False) -> str:
    """Return the name of the tag of the ``n``-th event of a model's stages."""
    return f"{_checked_slug(slug)}#{check_stage(stage)}{'!' if unassign else ''}#{n}"


def reproduction_tag(slug: str, n: int) -> str:
    """Return the name of the tag of a model's ``n``-th reproduction, which GTO passes over."""
    return f"{_checked_slug(slug)}{REPRODUCED}{n}"


def remote_ref(remote: str, rest: str) -> str:
    """Return where a remote's ref is remembered; ``rest`` is ``models/churn`` or ``tags/x``."""
    return f"{REMOTES}{remote}/{rest}"


def _checked_slug(slug: str) -> str:
    if not MODEL_SLUG.fullmatch(slug):
        raise InputError(f"{visible(slug)} is not the slug of a model.")
    return slug


def _hashed(name: str, salt: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    cleaned = re.sub(r"[^a-z0-9_]+", "-", ascii_name).strip("-_")[:40].strip("-_") or "x"
    text = f"{name}\0{salt}" if salt else name
    return f"{cleaned}--{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def is_hostile(char: str) -> bool:
    """Control, bidirectional-override, surrogate and line-separator characters."""
    category = unicodedata.category(char)
    if category in {"Cc", "Cs", "Zl", "Zp"}:
        return True
    return category == "Cf" and (
        unicodedata.bidirectional(char)
        in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        or char in "\u200e\u200f\u061c\ufeff\u206a\u206b\u206c\u206d\u206e\u206f"
    )


def _is_unseen(char: str) -> bool:
    """Say whether a terminal should not get ``char``: hostile, or without a meaning to all."""
    return unicodedata.category(char) in {"Cn", "Co"} or is_hostile(char)


def visible(text: str, limit: int = 200) -> str:
    """Return ``text`` fit for a terminal: hostile characters escaped, cut with ``…``.

    Escaped too are characters of private use and those that Unicode has not assigned.
    """
    if text.isascii() and text.isprintable():
        out = text
    else:
        out = "".join(
            c.encode("unicode_escape", "backslashreplace").decode() if _is_unseen(c) else c
            for c in text
        )
    return out if len(out) <= limit else out[: limit - 1] + "…"


def check_name(name: str, what: str) -> str:
    """Return ``name`` if people can read and type it, else raise `InputError`.

    ``what`` names the kind of thing (``"experiment"``, ``"metric"`` …). Refused
    are: nothing or only spaces, control and bidirectional characters, spaces at
    an end, and more than 250 characters.
    """
    if not name or not name.strip():
        raise InputError(f"The name of {_article(what)} cannot be empty.")
    if len(name) > NAME_LIMIT:
        raise InputError(
            f"The name of {_article(what)} has {len(name)} characters: {visible(name, 40)}",
            hint=f"At most {NAME_LIMIT} characters.",
        )
    if any(is_hostile(c) for c in name):
        raise InputError(
            f"The name of {_article(what)} holds a control or bidirectional character: "
            f"{visible(name, 80)}",
            hint="Use printable characters only.",
        )
    if name != name.strip():
        raise InputError(
            f"The name of {_article(what)} starts or ends with a space: {visible(name, 80)!r}"
        )
    return name


def _article(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"


# What git's fsck takes for its own files: also NTFS short names, trailing dots and spaces, and
# code points that HFS+ ignores (git/path.c is_ntfs_dotgit, is_ntfs_dot_generic; git/utf8.c
# next_hfs_char). The last of the short names are of a hash: "gi7eba~1", down to "~1000000".
_HFS_IGNORED = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)
_DOTGIT = re.compile(r"(\.git|git~\d+)[. ]*(:.*)?", re.IGNORECASE)
_HASHED = "|".join(
    rf"{prefix[:length]}~[1-9]\d{{{6 - length}}}"
    for prefix in ("gi7eba", "gi7d29")
    for length in range(7)
)
_READ_BY_GIT = re.compile(
    rf"(\.gitmodules|\.gitattributes|gitmod~\d|gitatt~\d|{_HASHED})[. ]*(:.*)?", re.IGNORECASE
)


def is_read_by_git(part: str) -> bool:
    """Say whether git reads a file of this name in any folder, and checks what is in it."""
    return _READ_BY_GIT.fullmatch(part.translate(_HFS_IGNORED)) is not None


def check_path(path: str, what: str = "artifact") -> str:
    """Return ``path`` in its stored form (relative, ``/`` between parts), else raise.

    Refused are: absolute paths, ``..``, control and bidirectional characters, a
    name that git takes for ``.git``, and more than 1,024 characters.
    """
    parts = [p for p in path.replace("\\", "/").split("/") if p not in {"", "."}]
    shown = visible(path, 80)
    if path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", path):
        raise InputError(
            f"The {what} path {shown} is absolute.", hint="Give a path relative to the run."
        )
    if not parts:
        raise InputError(f"The {what} path cannot be empty.")
    if ".." in parts:
        raise InputError(
            f"The {what} path {shown} leaves the run's folder.", hint="Leave out the .. parts."
        )
    if len(path) > PATH_LIMIT:
        raise InputError(
            f"The {what} path {visible(path, 40)} has more than {PATH_LIMIT} characters."
        )
    if any(is_hostile(c) for c in path):
        raise InputError(
            f"The {what} path {shown} holds a control or bidirectional character.",
            hint="Rename the file"
            + (", or give another name with PATH:DEST." if what == "artifact" else "."),
        )
    if any(_DOTGIT.fullmatch(p.translate(_HFS_IGNORED)) for p in parts) or any(
        is_read_by_git(p) and (p != parts[-1] or ":" in p) for p in parts
    ):
        raise InputError(f"The {what} path {shown} has a name that git keeps for itself.")
    return "/".join(parts)


_BEGINNING = 3
"""Characters from which on a word is taken for the beginning of another."""


def nearest(word: str, among: Iterable[str], limit: int = 3) -> list[str]:
    """Return up to ``limit`` of ``among`` that ``word`` may have been meant to be.

    Where none is like it, those that begin with it.
    """
    import difflib  # two milliseconds that only a misspelt word is worth

    choices = list(dict.fromkeys(among))
    folded: dict[str, str] = {}
    for choice in choices:
        folded.setdefault(choice.casefold(), choice)
    wanted = word.casefold()
    close = difflib.get_close_matches(wanted, list(folded), n=limit, cutoff=0.6)
    if not close and len(wanted) >= _BEGINNING:
        close = [c for c in folded if c.startswith(wanted)][:limit]
    return [folded[c] for c in close]


def did_you_mean(word: str, among: Iterable[str]) -> str | None:
    """Return ``did you mean a or b?`` for the nearest words, or None."""
    close = [visible(c) for c in nearest(word, among)]
    return f"did you mean {' or '.join(close)}?" if close else None


_ADJECTIVES = (
    "able amber ample arctic autumn azure bold brave bright brisk calm candid civil clear "
    "clever coral cosmic crisp dapper daring deft eager early easy elated fair fast fluent fond "
    "frank fresh gentle gifted glad golden grand green happy hardy hazel honest humble ideal "
    "indigo jolly jovial keen kind light lively loyal lucid lucky lunar mellow merry mild "
    "modest neat nimble noble novel olive opal patient placid plucky polar prime proud quick "
    "quiet rapid ready regal ripe robust rosy royal sage scarlet serene sharp silver sleek "
    "smart snowy solar solid spry steady stoic sunny swift tidy tranquil true upbeat urban vast "
    "velvet vivid warm wise witty young zesty"
).split()
_NOUNS = (
    "acorn alder aspen badger bamboo bay beacon birch bison breeze brook canyon cedar cliff "
    "clover comet condor copse cove crane creek crest cypress dale delta dolphin dune eagle "
    "egret elm ember falcon fern finch fjord flint forest fox galaxy garden geyser glade "
    "glacier grove gull harbor hawk hazel heath heron hill ibex inlet iris island jay juniper "
    "kestrel kite lagoon lake larch lark ledge lichen lily lotus lynx maple marsh marten meadow "
    "mesa moor moss moth nova oak oasis ocean orchid oriole osprey otter owl peak pebble pine "
    "planet pond poplar prairie puffin quail quartz raven reef ridge river robin sable sequoia "
    "shore sparrow spring spruce stone stork summit swan terrace thicket thrush tide trout "
    "tundra valley vale walnut willow wolf wren"
).split()


def run_name(rng: random.Random) -> str:
    """Return a name for a run, such as ``brave-otter-12``."""
    return f"{rng.choice(_ADJECTIVES)}-{rng.choice(_NOUNS)}-{rng.randint(1, 99)}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return ``1 run``, ``2 runs``, ``1,000 runs``."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
