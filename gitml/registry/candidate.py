"""A version before it is one: what of its run is frozen, and what its commits hold."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from gitml import names
from gitml.errors import DamagedError, RefusedError
from gitml.names import visible
from gitml.records import compact
from gitml.registry.package import package_digest, package_files
from gitml.registry.values import ModelVersion, RunRef
from gitml.registry.versionfile import (
    MODEL_YAML,
    PACKAGE_YAML,
    VERSION_YAML,
    dump_model,
    dump_package,
    dump_version,
)
from gitml.store.artifacts import pointer
from gitml.store.history import copies
from gitml.store.remote import PushRef
from gitml.store.source import commit_date, write_commit
from gitml.store.state import fold, read_tree, stored_paths
from gitml.store.write import ENDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gitml.model import Run
    from gitml.registry.mlmodel import MlModel
    from gitml.registry.package import Member
    from gitml.registry.values import Model, PackageFile
    from gitml.store.fast_import import FastImport
    from gitml.store.git import Repository

PACKAGE = "package/"
"""The folder of a version's tree that holds its small text files."""
_COMMITTER = "gitml <>"


def freeze(
    repository: Repository,
    run: Run | None,
    members: Sequence[Member],
    mlmodel: MlModel,
    *,
    tags: Mapping[str, str],
    note: str | None,
    installed: str = "",
) -> ModelVersion:
    """Return a version without model, name, number, time and author; `register` gives them.

    Raises `RefusedError` for a run that is not in git yet.
    """
    version = ModelVersion(
        model="",
        slug="",
        name="",
        number=0,
        created=0,
        author="",
        digest=package_digest(members),
        size=sum(member.size for member in members),
        signature=None if mlmodel.signature is None else dict(mlmodel.signature),
        flavors=dict(mlmodel.flavors),
        tags=tags,
        note=note,
        files=package_files(members),
    )
    return version if run is None else _with_run(repository, version, run, installed)


def check_run(run: Run) -> None:
    """Raise `RefusedError` for a run that was removed, or whose metrics may still change."""
    name = visible(run.name, 80)
    if run.deleted:
        raise RefusedError(f"{name} was removed.", hint=f"gitml restore {run.id[:8]}")
    if run.status not in ENDED:
        raise RefusedError(
            f"{name} is {run.status}, and a version keeps its metrics for good.",
            hint="register it once it has ended; gitml pack ends a run that was killed",
        )


def _with_run(
    repository: Repository, version: ModelVersion, run: Run, installed: str
) -> ModelVersion:
    found = copies(repository, run.id)
    if not found:
        raise RefusedError(
            f"{visible(run.name, 80)} is not in git yet.", hint="gitml pack writes it"
        )
    ref = RunRef(
        id=run.id,
        name=run.name,
        experiment=run.experiment,
        commit=found[0].commit,
        tree=found[0].tree,
    )
    return replace(
        version,
        run=ref,
        source=run.source,
        metrics=run.metrics,
        params=run.params,
        inputs=run.inputs,
        environment=compact(run.environment),
        packages=_packages(installed),
    )


def _packages(text: str) -> dict[str, str]:
    pairs = (line.partition("==") for line in text.splitlines())
    return {name.strip(): version.strip() for name, equals, version in pairs if equals}


def put_version(
    stream: FastImport, model: Model, version: ModelVersion, content: Callable[[PackageFile], bytes]
) -> None:
    """Put the files of a version's commit: what it is, and its small text files."""
    stream.put_data(MODEL_YAML, dump_model(model))
    stream.put_data(VERSION_YAML, dump_version(version))
    stream.put_data(PACKAGE_YAML, dump_package(version))
    for file in version.files:
        if file.store == "tag":
            stream.put_data(PACKAGE + file.path, content(file))


def package_ref(version: ModelVersion) -> str | None:
    """Return the ref of a version's package; None where the tag holds all of it."""
    if all(file.store == "tag" for file in version.files):
        return None
    return names.package_ref(version.slug, version.digest)


def package_places(files: Sequence[PackageFile]) -> dict[str, str]:
    """Return where each file that the tag does not hold lies in the tree of the package's ref."""
    return stored_paths(file.path for file in files if file.store != "tag")


def write_package(
    repository: Repository,
    stream: FastImport,
    version: ModelVersion,
    content: Callable[[PackageFile], bytes],
) -> Iterator[PushRef]:
    """Write the commit of a package, a pure function of it, and yield its ref if it has one."""
    ref = package_ref(version)
    if ref is None:
        return
    places = package_places(version.files)
    blobs = {
        file.path: stream.blob(
            content(file) if file.store == "git" else pointer(file.sha256, file.size)
        )
        for file in version.files
        if file.store != "tag"
    }
    tmp = names.tmp_ref(secrets.token_hex(8))
    mark = stream.commit(tmp, committer=_COMMITTER, time=0, message=f"package {version.digest}\n")
    for path, place in places.items():
        stream.put(place, blobs[path])
    oid = stream.oid(mark)
    stream.reset(tmp, repository.zero)
    yield PushRef(ref=ref, new=oid, leased=False)


def run_along(
    repository: Repository, stream: FastImport, version: ModelVersion
) -> Iterator[PushRef]:
    """Yield the run's ref to be pushed; for a sealed run its commit is written first."""
    if version.run is None:
        return
    ref = names.run_ref(version.run.id)
    hot = repository.resolve(ref)
    if hot is None:
        tree = version.run.tree
        if tree is None or repository.resolve(f"{tree}^{{tree}}") is None:
            return  # what was purged meanwhile cannot go along
        tmp = names.tmp_ref(secrets.token_hex(8))
        message = f"run {version.run.id}\n"
        mark = stream.commit(tmp, committer=_COMMITTER, time=0, message=message)
        stream.put("", tree, "040000")
        hot = stream.oid(mark)
        stream.reset(tmp, repository.zero)
    yield PushRef(ref=ref, new=hot, leased=False)


def source_along(
    repository: Repository, stream: FastImport, version: ModelVersion, branch_tip: str | None
) -> Iterator[PushRef]:
    """Yield the ref of the run's source tree, unless its commit is on the protected branch."""
    source = version.source
    if source.tree is None or repository.resolve(f"{source.tree}^{{tree}}") is None:
        return
    if not source.dirty and _is_on(repository, source.commit, branch_tip):
        return
    ref = names.source_ref(source.tree)
    kept = repository.resolve(ref)
    if kept is None:
        tmp = names.tmp_ref(secrets.token_hex(8))
        base = source.commit
        if base is not None and repository.resolve(f"{base}^{{commit}}") is None:
            base = None
        date = 0 if base is None else commit_date(repository.read(base, "commit"))
        record = {"base": base, "files": [["040000", source.tree, ""]]}  # the tree as a whole
        mark, _ = write_commit(stream, tmp, record, date=date)
        kept = stream.oid(mark)
        stream.reset(tmp, repository.zero)
    yield PushRef(ref=ref, new=kept, leased=False)


def _is_on(repository: Repository, commit: str | None, tip: str | None) -> bool:
    if commit is None or tip is None or repository.resolve(f"{commit}^{{commit}}") is None:
        return False
    done = repository.start("merge-base", "--is-ancestor", commit, tip)
    done.communicate()
    return done.returncode == 0


def large_contents(repository: Repository, version: ModelVersion) -> list[str]:
    """Return the SHA-256 of the git-lfs contents of a version and of its run."""
    found = [file.sha256 for file in version.files if file.store == "lfs"]
    if version.run is not None and version.run.tree is not None:
        artifacts = fold(version.run.id, read_tree(repository, version.run.tree)).artifacts
        found += [a.sha256 for a in artifacts.values() if a.store == "lfs" and a.sha256]
    return list(dict.fromkeys(found))


def checked_content(file: PackageFile, pieces: Iterator[bytes]) -> bytes:
    """Return a small file's content; raise `DamagedError` if it is not what was hashed."""
    data = b"".join(pieces)
    if hashlib.sha256(data).hexdigest() != file.sha256 or len(data) != file.size:
        raise DamagedError(f"The content of {visible(file.path, 80)} is not what was hashed.")
    return data
