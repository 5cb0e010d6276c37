"""A version's files out of git, verified: into a new folder, or into an archive.

Bytes come from git's objects as they are: no checkout, no filter, no attribute
has a say. A folder gets its name only once every file in it has been verified.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
import secrets
import shutil
from typing import TYPE_CHECKING

from gitml.errors import (
    DamagedError,
    InputError,
    NotFoundError,
    RefusedError,
    StorageError,
    UnreachableError,
)
from gitml.model import Artifact
from gitml.names import check_path, visible
from gitml.registry.candidate import PACKAGE, package_places, package_ref
from gitml.registry.package import Member, check_members, members_of, package_digest, scan
from gitml.registry.references import parse_reference, resolve
from gitml.registry.state import read_registry
from gitml.reproduce.place import check_folder
from gitml.sharing.fetching import fetch_large
from gitml.store import written
from gitml.store.artifacts import INLINE_LIMIT, here, large_chunks
from gitml.store.remote import fetch
from gitml.store.shared import fetch_registry
from gitml.store.transfer import Content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gitml.registry.values import ModelVersion, PackageFile, Version
    from gitml.store.git import Repository

    Progress = Callable[[int, int], None]

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


class Contents:
    """The bytes of a version's files; what is not here is fetched from the remote."""

    def __init__(
        self,
        repository: Repository,
        version: Version,
        facts: ModelVersion,
        remote: str | None = None,
    ) -> None:
        """Look at what there is; raise `DamagedError` if the files cannot be a package."""
        self._repository = repository
        self._commit = version.attached or version.commit
        self._facts = facts
        self._remote = remote
        self._ref = package_ref(facts) if facts.files else None
        self._places = package_places(facts.files)
        _check_listed(version, facts)

    def verify(self) -> None:
        """Read what is small, fetched if need be, and what is large if it is here.

        Raises `DamagedError` if a byte of it is not what was registered, and what `fetch` raises.
        """
        self.fetch(large=False)
        for file in self._facts.files:
            if file.store != "lfs" or self._is_here(file):
                for _ in self.read(file):
                    pass

    def fetch(self, *, large: bool = True, progress: Progress | None = None) -> bool:
        """Bring what is not here yet, and only that version's; return whether anything was.

        Without ``large`` what lies outside of git stays where it is; ``progress`` is told
        of its bytes. Raises `NotFoundError`
        if there is no remote that could have it.
        """
        came = False
        if self._ref is not None and self._missing_blobs():
            self._bring(self._ref)
            came = True
        away = [
            Content(sha256=file.sha256, size=file.size, name=file.path)
            for file in self._facts.files
            if file.store == "lfs" and not self._is_here(file)
        ]
        if large and away:
            fetch_large(self._repository, away, remote=self._remote, progress=progress)
            came = True
        return came

    def _missing_blobs(self) -> bool:
        needed = [f for f in self._facts.files if f.store == "git"]
        found = self._repository.resolve(f"{self._ref}^{{commit}}")
        return bool(needed) and found is None

    def _bring(self, ref: str) -> None:
        if self._remote is None:
            raise self._nowhere("the package")
        # A pattern: a ref that is not there is then no failure of its own.
        fetch(self._repository, self._remote, [f"+{ref}*:{ref}*"], None)
        if self._repository.resolve(f"{ref}^{{commit}}") is None:
            raise NotFoundError(
                f"{visible(self._remote, 80)} does not have the package of {self._title}",
                hint="whoever registered it may have it: gitml model publish sends it",
            )

    @property
    def _title(self) -> str:
        return f"{visible(self._facts.model, 80)} {self._facts.name}"

    def _nowhere(self, what: str) -> NotFoundError:
        return NotFoundError(
            f"The content of {visible(what, 80)} of {self._title} is not on this machine.",
            hint="it is where it was registered, or on a remote: git remote add origin URL",
        )

    def _is_here(self, file: PackageFile) -> bool:
        return here(self._repository, file.sha256) is not None

    def read(self, file: PackageFile) -> Iterator[bytes]:
        """Yield a file's bytes; raise `DamagedError`, by their end, if they are wrong.

        Raises `NotFoundError` for what was not fetched.
        """
        if file.store == "lfs":
            pieces = large_chunks(
                self._repository, Artifact(path=file.path, sha256=file.sha256, store="lfs")
            )
        else:
            pieces = iter([self._small(file)])
        digest, size = hashlib.sha256(), 0
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            if size > file.size:
                break
            yield piece
        if size != file.size or digest.hexdigest() != file.sha256:
            raise DamagedError(
                f"{visible(file.path, 80)} of {self._title} is not what was registered.",
                hint=f"gitml audit {self._facts.slug} looks for what else was changed",
            )

    def note(self, folder: Path) -> None:
        """Remember that the files were put there, so that no run takes them for its code."""
        names = [file.path for file in self._facts.files]
        written.note(self._repository, folder, names, self._title)

    def members(self) -> Iterator[Member]:
        """Yield the files as those of a package that is to be written anew."""
        for file in self._facts.files:
            yield Member(
                path=file.path,
                size=file.size,
                sha256=file.sha256,
                open=functools.partial(self.read, file),
                text=file.store == "tag",
            )

    def _small(self, file: PackageFile) -> bytes:
        if file.store == "tag":
            revision = f"{self._commit}:{PACKAGE}{file.path}"
        else:
            revision = f"{self._ref}:{self._places[file.path]}"
        found = self._repository.objects().get(revision, limit=INLINE_LIMIT)
        if found is None or found.kind != "blob":
            raise DamagedError(
                f"The content of {visible(file.path, 80)} of {self._title} is missing.",
                hint=f"gitml audit {self._facts.slug} looks for what else is",
            )
        return found.data


def _check_listed(version: Version, facts: ModelVersion) -> None:
    """Raise unless the list of files is one that `register` could have written."""
    if not facts.files:
        raise NotFoundError(
            f"{visible(facts.model, 80)} {version.name} has no package.",
            hint=f"gitml register --attach {version.title} --path DIR gives it one",
        )
    try:
        check_members(file.path for file in facts.files)
    except InputError as error:
        raise DamagedError(f"The package of {version.title} cannot be: {error.message}") from None
    found = package_digest(facts.files)
    if found != facts.digest or (version.digest is not None and version.digest != found):
        raise DamagedError(
            f"The files of {version.title} are not those of its digest.",
            hint=f"gitml audit {version.model} says what was changed",
        )


def check_expected(facts: ModelVersion, expected: str | None) -> None:
    """Raise `DamagedError` unless the version has the digest that somebody expects.

    Raises `InputError` for what is no digest.
    """
    if expected is None:
        return
    found = _DIGEST.fullmatch(expected.strip())
    if found is None:
        raise InputError(
            f"{visible(expected, 80)!r} is not a digest.",
            hint="a digest is sha256: and 64 hex digits; gitml model show has it",
        )
    if facts.digest != f"sha256:{found[1]}":
        raise DamagedError(
            f"{visible(facts.model, 80)} {facts.name} has the digest {facts.digest}, "
            f"and sha256:{found[1]} was expected.",
            hint="the reference names another version than the one that was meant",
        )


def deprecation(version: Version) -> str:
    """Return a sentence about a version that is deprecated."""
    why = f": {visible(version.deprecated, 200).rstrip('.')}" if version.deprecated else ""
    return f"{visible(version.title, 120)} is deprecated{why}."


def pull(
    contents: Contents, facts: ModelVersion, folder: Path, *, progress: Progress | None = None
) -> bool:
    """Write a version's files into a new folder; return False if it has them already.

    An empty folder counts as new. Raises `RefusedError` for one with anything else
    in it, and what `Contents.read` raises; the folder is not there then.
    """
    check_folder(folder.parent)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise RefusedError(
            f"{visible(str(folder))} is not a folder.", hint="name another one with -o DIR"
        )
    if folder.is_dir() and any(folder.iterdir()):
        if _holds(folder, facts):
            return False
        raise RefusedError(
            f"{visible(str(folder))} has other files in it.", hint="name a new folder with -o DIR"
        )
    contents.fetch(progress=progress)
    part = folder.with_name(f".gitml-{secrets.token_hex(8)}.tmp")
    try:
        _make(part)
        for file in facts.files:
            place = part / check_path(file.path, "package")
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as stream:
                stream.writelines(contents.read(file))
        part.replace(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    contents.note(folder)
    return True


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise StorageError(
            f"Nothing can be written in {visible(str(folder.parent))}: "
            f"{(error.strerror or str(error)).lower()}.",
            hint="name another place with -o DIR",
        ) from None


def _holds(folder: Path, facts: ModelVersion) -> bool:
    try:
        return package_digest(members_of(scan([folder]))) == facts.digest
    except InputError:
        return False


def _slugs(repository: Repository, name: str) -> list[str] | None:
    """Return the slug of the model of a name, None for "any": it is not known here."""
    with contextlib.suppress(NotFoundError):
        return [read_registry(repository).find(name).slug]
    return None


def find_version(
    repository: Repository, reference: str, remote: str | None
) -> tuple[Version, str | None]:
    """Return the version that ``reference`` names, and why that may be out of date.

    What may have moved (a stage, the latest) is asked of the remote first, and so is
    a version that is not known here; one that is known here never changes. Raises
    what `resolve` raises, and `RemoteError` for a version that only the remote may know.
    """
    wanted = parse_reference(reference)
    if remote is not None and (wanted.stage is not None or wanted.latest):
        try:
            fetch_registry(repository, remote, slugs=_slugs(repository, wanted.model))
        except UnreachableError as error:
            found = resolve(read_registry(repository), reference)[1]
            return found, error.message
    try:
        return resolve(read_registry(repository), reference)[1], None
    except NotFoundError:
        if remote is None or wanted.stage is not None or wanted.latest:
            raise
    fetch_registry(repository, remote)
    return resolve(read_registry(repository), reference)[1], None
