"""The files in the tree of a model's journal: model.yaml, version.yaml, package.yaml."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gitml.codec import dump, load_stored
from gitml.errors import DamagedError, InputError
from gitml.model import SCHEMA, Json, from_iso, iso
from gitml.names import check_path, is_run_id, visible
from gitml.records import (
    compact,
    compact_metric,
    parse_dataset,
    parse_metric,
    parse_source,
    parse_text,
)
from gitml.registry.values import ModelVersion, PackageFile, RunRef

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gitml.registry.values import Model, Version
    from gitml.store.git import Repository
    from gitml.store.objects import Object

MODEL_YAML, VERSION_YAML, PACKAGE_YAML = "model.yaml", "version.yaml", "package.yaml"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEAD = frozenset(
    (
        "schema name slug version number run source created author metrics params inputs "
        "signature flavors environment packages size digest tags note"
    ).split()
)


def dump_model(model: Model) -> bytes:
    """Return ``model.yaml``: what people see of a model in its journal's newest commit."""
    document: dict[str, Json] = {"schema": SCHEMA, "name": model.name, "slug": model.slug}
    document["description"] = model.description
    document["tags"] = dict(sorted(model.tags.items()))
    return dump({key: value for key, value in document.items() if value not in (None, {})})


def dump_version(version: ModelVersion) -> bytes:
    """Return ``version.yaml``, which nothing changes any more."""
    return dump(version_document(version))


def version_document(version: ModelVersion) -> dict[str, Json]:
    """Return what ``version.yaml`` holds; absent and empty keys are left out."""
    document: dict[str, Json] = {
        "schema": SCHEMA,
        "name": version.model,
        "slug": version.slug,
        "version": version.name,
        "number": version.number,
        "created": iso(version.created),
        "author": version.author,
        "run": None if version.run is None else compact(version.run),
        "source": compact(version.source),
        "metrics": {k: compact_metric(m) for k, m in sorted(version.metrics.items())},
        "params": dict(sorted(version.params.items())),
        "inputs": [compact(dataset) for dataset in version.inputs],
        "signature": version.signature,
        "flavors": version.flavors,
        "environment": dict(version.environment),
        "packages": dict(sorted(version.packages.items())),
        "size": version.size,
        "digest": version.digest,
        "tags": dict(sorted(version.tags.items())),
        "note": version.note,
    }
    kept = {k: v for k, v in document.items() if v is not None and v not in ({}, [], "")}
    return {**kept, **{k: v for k, v in sorted(version.extra.items()) if k not in document}}


def dump_package(version: ModelVersion) -> bytes:
    """Return ``package.yaml``: every file of the package."""
    files = sorted(version.files, key=lambda file: file.path.encode())
    return dump({"schema": SCHEMA, "files": [compact_file(file) for file in files]})


def compact_file(file: PackageFile) -> dict[str, Json]:
    """Return a file of a package as a mapping."""
    return {"path": file.path, "size": file.size, "sha256": file.sha256, "store": file.store}


def load_version(repository: Repository, version: Version) -> ModelVersion:
    """Return all that is known of a version; of a foreign one that is next to nothing.

    Raises `DamagedError` (or `NewerSchemaError`) if its files cannot be read.
    """
    (found,) = load_versions(repository, [version])
    if isinstance(found, DamagedError):
        raise found
    return found


def load_versions(
    repository: Repository, versions: Sequence[Version]
) -> Iterator[ModelVersion | DamagedError]:
    """Yield what `load_version` returns or raises for each version: all are asked for at once."""
    asked = [
        f"{version.attached or version.commit}:{name}"
        for version in versions
        if not _is_bare(version)
        for name in (VERSION_YAML, PACKAGE_YAML)
    ]
    answers = iter(repository.objects().many(asked) if asked else ())
    for version in versions:
        if _is_bare(version):
            yield _foreign(version)
            continue
        try:
            yield _loaded(version, next(answers), next(answers))
        except DamagedError as error:
            yield error


def _is_bare(version: Version) -> bool:
    """Say whether only a tag tells of a version."""
    return version.foreign and version.attached is None


def _loaded(version: Version, *found: Object | None) -> ModelVersion:
    files: dict[str, Mapping[str, Json]] = {}
    for name, answer in zip((VERSION_YAML, PACKAGE_YAML), found, strict=True):
        what = f"{name} of {version.title}"
        if answer is None or answer.kind != "blob":
            raise DamagedError(
                f"{what} is missing.", hint="gitml audit says what else is, and what mends it"
            )
        files[name] = load_stored(answer.data, what)
    try:
        return _version(files[VERSION_YAML], files[PACKAGE_YAML], version.model)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        said = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise DamagedError(f"{version.title} cannot be read: {visible(said)}.") from None


def _foreign(version: Version) -> ModelVersion:
    return ModelVersion(
        model=version.model,
        slug=version.model,
        name=version.name,
        number=version.number,
        created=version.at,
        author=version.by,
        digest="",
        size=0,
    )


def _version(head: Mapping[str, Json], package: Mapping[str, Json], slug: str) -> ModelVersion:
    inputs, files = head.get("inputs", []), package.get("files", [])
    if not isinstance(inputs, list) or not isinstance(files, list):
        raise TypeError("inputs or files is not a list")
    params = _mapping(head.get("params", {}), "params")
    metrics = _mapping(head.get("metrics", {}), "metrics")
    return ModelVersion(
        model=parse_text(head["name"], "name"),
        slug=slug,
        name=parse_text(head["version"], "version"),
        number=_whole(head["number"], "number"),
        created=from_iso(parse_text(head["created"], "created")),
        author=parse_text(head.get("author", ""), "author"),
        digest=parse_text(head.get("digest", ""), "digest"),
        size=_whole(head.get("size", 0), "size"),
        run=_run(head["run"]) if "run" in head else None,
        source=parse_source(head.get("source", {})),
        metrics={key: parse_metric(value) for key, value in metrics.items()},
        params=params,
        inputs=tuple(parse_dataset(dataset) for dataset in inputs),
        signature=head.get("signature"),
        flavors=head.get("flavors"),
        environment=_mapping(head.get("environment", {}), "environment"),
        packages=_texts(head.get("packages", {}), "packages"),
        tags=_texts(head.get("tags", {}), "tags"),
        note=parse_text(head["note"], "note") if "note" in head else None,
        files=tuple(_file(item) for item in files),
        extra={key: value for key, value in head.items() if key not in _HEAD},
    )


def _run(value: Json) -> RunRef:
    run = _mapping(value, "run")
    texts = {key: parse_text(run.get(key, ""), f"run.{key}") for key in _RUN}
    if not is_run_id(texts["id"]):
        raise ValueError("run.id is not a run id")
    return RunRef(
        id=texts["id"],
        name=texts["name"],
        experiment=texts["experiment"],
        commit=texts["commit"] or None,
        tree=texts["tree"] or None,
    )


_RUN = ("id", "name", "experiment", "commit", "tree")


def _file(value: Json) -> PackageFile:
    item: dict[str, Any] = _mapping(value, "a file")
    path = parse_text(item.get("path"), "the path of a file")
    try:
        stored = check_path(path, "package")
    except InputError as error:
        raise ValueError(error.message.removesuffix(".")) from None
    if stored != path:
        raise ValueError(f"the path {visible(path, 60)} is not in its stored form")
    sha256 = item.get("sha256")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"the sha256 of {visible(path, 60)} is none")
    if item.get("store") not in {"tag", "git", "lfs"}:
        raise ValueError(f"the store of {visible(path, 60)} is unknown")
    size = _whole(item.get("size"), "the size of a file")
    return PackageFile(path=path, size=size, sha256=sha256, store=item["store"])


def _mapping(value: Json, what: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise TypeError(f"{what} is not a mapping")
    return value


def _texts(value: Json, what: str) -> dict[str, str]:
    return {key: parse_text(text, f"{what}.{key}") for key, text in _mapping(value, what).items()}


def _whole(value: Json, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"{what} is not a whole number")
    return value
