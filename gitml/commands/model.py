"""``gitml model``: the group of commands about one model."""

from __future__ import annotations

from gitml.commands.options import Subcommand, group

SUBCOMMANDS: dict[str, Subcommand] = {
    "show": Subcommand(
        "gitml.commands.model_show",
        "Show a model with its versions, or everything about one version.",
    ),
    "diff": Subcommand(
        "gitml.commands.model_diff",
        "Compare versions: metrics, params, data, signature, files, packages and source.",
    ),
    "history": Subcommand(
        "gitml.commands.model_history",
        "Show who did what to a model, when, why and by which review; the newest first.",
    ),
    "pull": Subcommand(
        "gitml.commands.model_pull", "Get the files of a version into a new folder, verified."
    ),
    "export": Subcommand(
        "gitml.commands.model_export", "Write a version into one archive to hand on."
    ),
    "reproduced": Subcommand(
        "gitml.commands.model_reproduced",
        "Record that another run got the result of a version again.",
    ),
    "tag": Subcommand(
        "gitml.commands.model_tag",
        "Set tags of a model or a version, take them off, or show them.",
    ),
    "note": Subcommand(
        "gitml.commands.model_note", "Write a model's description or a version's note, or show it."
    ),
    "deprecate": Subcommand(
        "gitml.commands.model_deprecate", "Mark a version as one that nobody should use any more."
    ),
    "rename": Subcommand("gitml.commands.model_rename", "Give a model another name."),
    "delete": Subcommand(
        "gitml.commands.model_delete", "Take a model or a version out of the lists."
    ),
    "publish": Subcommand(
        "gitml.commands.model_publish",
        "Publish what waits here: versions that were registered while the remote was away.",
    ),
}
"""Subcommands by name; ``NAME`` is in the module ``gitml.commands.model_NAME``."""


@group(
    table=SUBCOMMANDS,
    examples=["gitml model show churn", "gitml model diff churn#production churn@latest"],
    exits=[3, 4, 5, 6, 7, 8, 9, 10],
)
def model() -> None:
    """Show and change a model and its versions."""
