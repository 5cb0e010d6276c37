"""Objects as files: figures, images, mappings and text to log as artifacts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gitml.codec import dump
from gitml.errors import InputError
from gitml.names import visible
from gitml.tracking.values import plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_mapping(value: Mapping[str, Any] | list[Any], path: Path) -> None:
    """Write a mapping or list as YAML or, for any other suffix, as JSON."""
    try:
        if path.suffix in {".yaml", ".yml"}:
            path.write_bytes(dump(plain(value)))
            return
        text = json.dumps(value, indent=2, ensure_ascii=False, default=plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"That cannot be written to {visible(path.name)}: {visible(str(error))}."
        ) from None
    path.write_text(f"{text}\n", encoding="utf-8")


def write_figure(figure: Any, path: Path) -> None:
    """Write a Matplotlib figure (by its suffix) or a Plotly figure (``.html`` or ``.json``)."""
    if hasattr(figure, "savefig"):
        try:
            figure.savefig(path)
        except ValueError as error:
            raise InputError(
                f"Matplotlib cannot write {visible(path.name)}: {visible(str(error), 120)}."
            ) from None
        return
    if hasattr(figure, "to_plotly_json"):
        if path.suffix == ".html":
            figure.write_html(path, include_plotlyjs="cdn")
        elif path.suffix == ".json":
            path.write_text(figure.to_json(), encoding="utf-8")
        else:
            raise InputError(
                f"A Plotly figure cannot be logged as {visible(path.name)}",
                hint="Give a name that ends in .html or .json.",
            )
        return
    raise InputError(
        f"A value of the type {type(figure).__name__} is not a figure.",
        hint="Log a Matplotlib or a Plotly figure.",
    )


def write_image(image: Any, path: Path) -> None:
    """Write a PIL image, or an array (height, width[, 3 or 4]) of bytes or of floats in 0..1."""
    if not hasattr(image, "save"):
        try:
            from PIL import Image  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            raise InputError(
                "Logging an array as an image needs Pillow.", hint="pip install 'gitml[images]'"
            ) from None
        if not hasattr(image, "dtype") or not hasattr(image, "shape"):
            raise InputError(
                f"A value of the type {type(image).__name__} is not an image.",
                hint="Log a PIL image or a NumPy array.",
            )
        pixels = image
        if pixels.dtype.kind == "f":
            pixels = (pixels.clip(0, 1) * 255).round()
        try:
            image = Image.fromarray(pixels.astype("uint8"))
        except (TypeError, ValueError):
            raise InputError(
                f"An array of shape {image.shape} is not an image.",
                hint="The shape is (height, width) or (height, width, 3 or 4).",
            ) from None
    try:
        image.save(path)
    except (ValueError, OSError) as error:
        raise InputError(
            f"The image cannot be written as {visible(path.name)}: {visible(str(error))}."
        ) from None
