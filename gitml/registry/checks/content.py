"""That a version's files are those that were registered, byte for byte, where they are here."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gitml.errors import DamagedError
from gitml.names import MODELS, package_ref, plural, visible
from gitml.registry.candidate import package_places
from gitml.registry.checks.sight import Finding
from gitml.registry.package import package_digest
from gitml.registry.versionfile import load_version
from gitml.store.artifacts import INLINE_MOST, kept_path, lfs_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gitml.registry.checks.sight import Sight
    from gitml.registry.values import Model, ModelVersion, PackageFile, Version
    from gitml.store.git import Repository

_CHUNK = 1 << 20


def check(sight: Sight) -> Iterator[Finding]:
    """Yield what is wrong with the files of versions, and which bytes are not here."""
    seen: dict[str, str | None] = {}
    for model in sight.models:
        for version in model.versions:
            if version.published and (not version.foreign or version.attached):
                yield from _version(sight.repository, model, version, seen)


def _version(
    repository: Repository, model: Model, version: Version, seen: dict[str, str | None]
) -> Iterator[Finding]:
    try:
        full = load_version(repository, version)
    except DamagedError as error:
        yield _damage(
            version, f"What was registered as {version.title} is damaged: {error.message}"
        )
        return
    yield from (_damage(version, text) for text in _facts(model, version, full))
    if version.digest is None:
        return
    absent = 0
    places = package_places(full.files)
    for file in full.files:
        state = _state(repository, version, file, seen, places)
        if state == "absent":
            absent += 1
        elif state:
            yield _damage(version, f"{visible(file.path, 80)} of {version.title} {state}.")
    if absent:
        yield Finding(
            kind="absent",
            level="note",
            model=version.model,
            text=f"{plural(absent, 'file')} of {len(full.files)} of {version.title} "
            f"{'is' if absent == 1 else 'are'} not here, so nothing is said of the bytes.",
            mend=f"gitml model pull {version.title} brings and verifies them",
        )


def _facts(model: Model, version: Version, full: ModelVersion) -> Iterator[str]:
    """Yield where a version's files say another thing than the event that registered it."""
    title = version.title
    if full.digest != (version.digest or ""):
        yield f"{title} has another digest in its files than in the journal."
    elif full.files and package_digest(full.files) != full.digest:
        yield f"The digest of {title} is not that of the files it lists."
    if full.name != version.name or full.slug != model.slug:
        yield f"The files of {title} are those of {visible(full.model, 80)} {full.name}."
    if (None if full.run is None else full.run.id) != version.run:
        yield f"{title} has another run in its files than in the journal."


def _state(
    repository: Repository,
    version: Version,
    file: PackageFile,
    seen: dict[str, str | None],
    places: Mapping[str, str],
) -> str:
    """Return ``absent``, or what is wrong with a file as the end of a sentence, or nothing."""
    if file.store == "lfs":
        if file.sha256 not in seen:
            seen[file.sha256] = _large(repository, file.sha256)
        found = seen[file.sha256]
        if found is None:
            return "absent"
        return "" if found == file.sha256 else "is not what was registered: its copy here is other"
    if file.store == "tag":
        place = f"{version.attached or version.commit}:package/{file.path}"
    else:
        assert version.digest is not None
        place = f"{package_ref(version.model, version.digest)}:{places[file.path]}"
    if place not in seen:
        try:
            blob = repository.objects().get(place, limit=INLINE_MOST)
        except DamagedError:  # larger than any that gitml keeps there
            return "is not what was registered"
        seen[place] = None if blob is None else hashlib.sha256(blob.data).hexdigest()
    if seen[place] is None:
        return "absent" if file.store == "git" else "is missing from the version's commit"
    return "" if seen[place] == file.sha256 else "is not what was registered"


def _large(repository: Repository, sha256: str) -> str | None:
    """Return the digest of a large content's copy here, or None."""
    for place in (lfs_path(repository, sha256), kept_path(repository, sha256)):
        if place.is_file():
            digest = hashlib.sha256()
            with place.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
            return digest.hexdigest()
    return None


def _damage(version: Version, text: str) -> Finding:
    return Finding(
        kind="content",
        level="damage",
        model=version.model,
        ref=f"{MODELS}{version.model} {version.attached or version.commit}",
        text=text,
        mend="do not serve it; gitml model deprecate marks it, and a clone with the true "
        "bytes can register them anew",
    )
