"""What a registry that grew without a remote takes along when it gets one.

A journal may have events that the remote lacks: it had no remote then, or
``gitml.remote`` was ``none``. The next event takes them along in its own push, with
their tags, and with the packages, runs and sources of their versions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitml.errors import DamagedError
from gitml.names import TAGS
from gitml.registry.candidate import package_ref, run_along, source_along
from gitml.registry.versionfile import load_version
from gitml.sharing.large import upload
from gitml.store.remote import PushRef

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitml.registry.values import Model
    from gitml.store.fast_import import FastImport
    from gitml.store.git import Repository


def taken_along(
    repository: Repository,
    stream: FastImport,
    model: Model,
    shared: str | None,
    *,
    remote: str,
    branch_tip: str | None,
) -> Iterator[PushRef]:
    """Yield the refs that go with the events after ``shared``, the newest that the remote has.

    Large files are uploaded at once. Raises `DamagedError` if a tag of an event is missing here.
    """
    commits = [event.commit for event in model.events]
    start = commits.index(shared) + 1 if shared in commits else 0
    versions = {version.commit: version for version in model.versions if version.published}
    large: list[str] = []
    for event in model.events[start:]:
        for tag in () if "foreign" in event.extra else event.tags:
            oid = repository.resolve(f"{TAGS}{tag}")
            if oid is None:
                raise DamagedError(
                    f"The tag {tag} is missing here, and its event is not shared yet.",
                    hint=f"gitml audit {model.slug} --fix makes it anew",
                )
            yield PushRef(ref=f"{TAGS}{tag}", new=oid)
        if event.kind == "register" and event.commit in versions:
            version = load_version(repository, versions[event.commit])
            large += [file.sha256 for file in version.files if file.store == "lfs"]
            ref = package_ref(version)
            kept = None if ref is None else repository.resolve(ref)
            if ref is not None and kept is not None:
                yield PushRef(ref=ref, new=kept, leased=False)
            yield from run_along(repository, stream, version)
            yield from source_along(repository, stream, version, branch_tip)
    if large:
        upload(repository, remote, large)
