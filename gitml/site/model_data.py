"""The models as JSON: all in short, and each with everything that its pages show."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gitml.data import json_text
from gitml.model import SCHEMA
from gitml.records import compact, compact_metric
from gitml.registry.documents import assignment_json, event_json, model_json, version_json
from gitml.registry.versionfile import compact_file
from gitml.site import urls
from gitml.site.plan import Output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitml.model import Json
    from gitml.site.plan import Site
    from gitml.site.registered import ShownModel, ShownVersion


def outputs(site: Site, keys: dict[str, str]) -> Iterator[Output]:
    """Yield the files; ``keys`` are hashes of what each model's files are made from, by slug."""
    listed = site.gathered.registered.living
    yield Output(
        address=urls.data("models", "json"), make=lambda: json_text(models_data(site)).encode()
    )
    for shown in listed:
        yield Output(
            address=urls.model_json(shown.key),
            key=keys[shown.model.slug],
            make=partial(_one, site, shown),
        )


def _one(site: Site, shown: ShownModel) -> bytes:
    return json_text(model_data(site, shown)).encode()


def models_data(site: Site) -> dict[str, Json]:
    """Return all models: what is in their stages, and each version in a line."""
    registered = site.gathered.registered
    return {
        "schema": SCHEMA,
        "stages": list(registered.stages),
        "production": registered.production,
        "models": [
            {
                **model_json(shown.model),
                "page": shown.page,
                "data": urls.model_json(shown.key),
                "metrics": list(shown.metrics),
                "versions": [_short(each) for each in reversed(shown.living)],
            }
            for shown in registered.living
        ],
    }


def _short(each: ShownVersion) -> dict[str, Json]:
    metrics = each.run.metrics if each.run else {}
    return {
        **version_json(each.version),
        "page": each.page,
        "stages": list(each.stages),
        "metrics": {name: metric.last for name, metric in sorted(metrics.items())},
    }


def model_data(site: Site, shown: ShownModel) -> dict[str, Json]:
    """Return everything about a model: all that was frozen in its versions, and its journal."""
    model = shown.model
    signatures = site.gathered.registered.signatures
    tags = (tag for event in model.events for tag in event.tags)
    return {
        "schema": SCHEMA,
        "model": {
            **model_json(model),
            "page": shown.page,
            "stages": {stage: assignment_json(model, a) for stage, a in model.stages.items()},
            "versions": [_whole(site, each) for each in reversed(shown.living)],
            "events": [event_json(event) for event in model.events],
            "signed": {tag: signatures[tag] for tag in tags if tag in signatures},
        },
    }


def _whole(site: Site, each: ShownVersion) -> dict[str, Json]:
    """Return a version; null where its files cannot be read."""
    version, whole, run = each.version, each.whole, each.run
    found: dict[str, Json] = {**_short(each), "run_page": None}
    key = site.gathered.keys.get(version.run or "")
    if key:
        found["run_page"] = urls.run_page(key)
    if whole is None or run is None:
        return {**found, "damaged": True}
    labels = whole.tags if version.tags is None else version.tags
    return {
        **found,
        "damaged": False,
        "run_name": whole.run.name if whole.run else None,
        "experiment": whole.run.experiment if whole.run else None,
        "source": compact(run.source),
        "metrics": {name: compact_metric(m) for name, m in sorted(run.metrics.items())},
        "params": dict(run.params),
        "inputs": [compact(each) for each in run.inputs],
        "signature": whole.signature,
        "flavors": whole.flavors,
        "packages": dict(whole.packages),
        "size": whole.size,
        "tags": dict(labels),
        "note": whole.note if version.note is None else version.note,
        "files": [compact_file(file) for file in whole.files],
    }
